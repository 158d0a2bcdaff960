//! Compressed video → packed RGB24, by libavcodec and libswscale.

use crate::picture::Picture;
use ffmpeg::codec::{Parameters, context::Context as Codec};
use ffmpeg::decoder::Video;
use ffmpeg::format::Pixel;
use ffmpeg::software::scaling::{Context as Scaling, Flags};
use ffmpeg_next as ffmpeg;

/// Largest frame that is decoded, px on a side.
const MAX_SIDE: u32 = 8192;
/// Largest frame that a decoder makes room for, px: 8K. A header that promises more is refused before its memory is
/// taken.
const MAX_PIXELS: u32 = 7680 * 4320;

/// A decoder for one video stream.
pub(super) struct Decoder {
    video: Video,
    converter: Converter,
    decoded: ffmpeg::frame::Video,
    /// What the decoder writes to: it empties this even when it has no frame.
    next: ffmpeg::frame::Video,
}

impl Decoder {
    /// A decoder for a stream as its container describes it.
    pub(super) fn of_stream(parameters: Parameters) -> Result<Decoder, String> {
        let codec = Codec::from_parameters(parameters).map_err(text)?;
        Decoder::new(codec)
    }

    fn new(codec: Codec) -> Result<Decoder, String> {
        let named = |error| format!("no decoder for this video: {error}");
        let decoder = codec.codec().or_else(|| ffmpeg::codec::decoder::find(codec.id()));
        let decoder = decoder.ok_or_else(|| named(ffmpeg::Error::DecoderNotFound))?;
        let mut limits = ffmpeg::Dictionary::new();
        limits.set("max_pixels", &MAX_PIXELS.to_string());
        let opened = codec.decoder().open_as_with(decoder, limits).map_err(named)?;
        let video = opened.video().map_err(named)?;
        let empty = ffmpeg::frame::Video::empty;
        Ok(Decoder { video, converter: Converter::default(), decoded: empty(), next: empty() })
    }

    /// A decoder for one access unit after another, whose parameter sets are in the stream itself; no delay.
    pub(super) fn of_codec(id: ffmpeg::codec::Id) -> Result<Decoder, String> {
        quiet();
        let found = ffmpeg::codec::decoder::find(id).ok_or_else(|| format!("libavcodec has no decoder for {id:?}"))?;
        let mut codec = Codec::new_with_codec(found);
        codec.set_flags(ffmpeg::codec::Flags::LOW_DELAY);
        Decoder::new(codec)
    }

    /// Like [`Decoder::of_codec`], for pictures each of which stands alone: one that is damaged or cut off is an
    /// error, not a picture whose lower half is grey.
    pub(super) fn strict(id: ffmpeg::codec::Id) -> Result<Decoder, String> {
        let mut decoder = Decoder::of_codec(id)?;
        decoder.video.check(ffmpeg::codec::decoder::Check::EXPLODE);
        Ok(decoder)
    }

    /// Gives it one access unit.
    pub(super) fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.send(&ffmpeg::Packet::copy(bytes))
    }

    /// Decodes the next frame, if there is one, and keeps it for [`Decoder::convert`].
    pub(super) fn receive(&mut self) -> Result<bool, String> {
        match self.video.receive_frame(&mut self.next) {
            Ok(()) => {
                std::mem::swap(&mut self.decoded, &mut self.next);
                Ok(true)
            }
            Err(ffmpeg::Error::Eof) => Ok(false),
            Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::error::EAGAIN => Ok(false),
            Err(error) => Err(text(error)),
        }
    }

    /// Converts the frame that was decoded last.
    pub(super) fn convert(&mut self, picture: &mut Picture) -> Result<(), String> {
        self.converter.convert(&self.decoded, picture)
    }

    /// Gives it one packet.
    pub(super) fn send(&mut self, packet: &ffmpeg::Packet) -> Result<(), String> {
        self.video.send_packet(packet).map_err(text)
    }

    /// Tells it that no packet follows.
    pub(super) fn finish(&mut self) {
        // It only fails when it has been told before.
        let _ = self.video.send_eof();
    }

    /// Takes the next decoded frame, if there is one; tells its presentation time in the stream's time base.
    pub(super) fn take(&mut self, picture: &mut Picture) -> Result<Option<Option<i64>>, String> {
        if !self.receive()? {
            return Ok(None);
        }
        self.convert(picture)?;
        Ok(Some(self.decoded.timestamp()))
    }
}

/// Frames of any pixel format → packed RGB24.
#[derive(Default)]
pub(super) struct Converter {
    scaling: Option<Scaling>,
    rgb: Option<ffmpeg::frame::Video>,
}

impl Converter {
    pub(super) fn convert(&mut self, frame: &ffmpeg::frame::Video, picture: &mut Picture) -> Result<(), String> {
        let (format, width, height) = (frame.format(), frame.width(), frame.height());
        if !(16..=MAX_SIDE).contains(&width) || !(16..=MAX_SIDE).contains(&height) {
            return Err(format!("a frame of {width}×{height} px is not usable; 16 to {MAX_SIDE} px a side are"));
        }
        let fits = self.scaling.as_ref().is_some_and(|scaling| {
            let input = scaling.input();
            (input.format, input.width, input.height) == (format, width, height)
        });
        if !fits {
            let scaling = Scaling::get(format, width, height, Pixel::RGB24, width, height, Flags::BILINEAR);
            self.scaling = Some(scaling.map_err(text)?);
            self.rgb = None;
        }
        let Some(scaling) = &mut self.scaling else { return Err("no conversion to RGB".into()) };
        let rgb = self.rgb.get_or_insert_with(ffmpeg::frame::Video::empty);
        scaling.run(frame, rgb).map_err(text)?;
        let row = width as usize * 3;
        let stride = rgb.stride(0);
        picture.width = width;
        picture.height = height;
        picture.rgb.resize(row * height as usize, 0);
        for (to, from) in picture.rgb.chunks_exact_mut(row).zip(rgb.data(0).chunks(stride)) {
            to.copy_from_slice(&from[..row]);
        }
        Ok(())
    }
}

/// Makes libav's own messages go away; errors come back as values.
pub(super) fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let _ = ffmpeg::init();
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
    });
}

pub(super) fn text(error: ffmpeg::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg() -> Vec<u8> {
        let mut picture = Picture::black(320, 240);
        picture.rgb.iter_mut().enumerate().for_each(|(at, value)| *value = ((at * 7919) >> 3) as u8);
        picture.to_jpeg(90).expect("encodes")
    }

    fn decodes(decoder: &mut Decoder, bytes: &[u8]) -> bool {
        let mut picture = Picture::black(0, 0);
        let taken = decoder.send_bytes(bytes).and_then(|()| decoder.take(&mut picture));
        taken.is_ok_and(|taken| taken.is_some())
    }

    #[test]
    fn a_cut_off_jpeg_is_no_picture_and_the_next_whole_one_is() {
        let whole = jpeg();
        let mut decoder = Decoder::strict(ffmpeg::codec::Id::MJPEG).expect("libavcodec has it");
        assert!(decodes(&mut decoder, &whole));
        for share in [0, 1, 5, 50, 90, 99] {
            assert!(!decodes(&mut decoder, &whole[..whole.len() * share / 100]), "{share} %");
            assert!(decodes(&mut decoder, &whole), "after {share} %");
        }
        // Cameras pad: what follows the picture's end means nothing.
        assert!(decodes(&mut decoder, &[&whole[..], &[0; 500]].concat()));
    }

    #[test]
    fn a_picture_larger_than_8k_is_refused_before_memory_is_taken_for_it() {
        let of_size = |width, height| Picture::black(width, height).to_jpeg(10).expect("encodes");
        let mut decoder = Decoder::strict(ffmpeg::codec::Id::MJPEG).expect("libavcodec has it");
        decoder.send_bytes(&of_size(7680, 4320)).expect("taken");
        assert_eq!(decoder.receive(), Ok(true));
        let refused = decoder.send_bytes(&of_size(8192, 8192)).and_then(|()| decoder.receive());
        assert!(refused.is_err(), "{refused:?}");
        assert!(decodes(&mut decoder, &jpeg()), "the next sound picture is decoded");
    }
}
