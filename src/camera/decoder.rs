//! Compressed video → packed RGB24, by libavcodec and libswscale.

use crate::picture::Picture;
use ffmpeg::codec::{Parameters, context::Context as Codec};
use ffmpeg::decoder::Video;
use ffmpeg::format::Pixel;
use ffmpeg::software::scaling::{Context as Scaling, Flags};
use ffmpeg_next as ffmpeg;

/// Largest frame that is decoded, px on a side.
const MAX_SIDE: u32 = 8192;

/// A decoder for one video stream.
pub(super) struct Decoder {
    video: Video,
    scaling: Option<Scaling>,
    decoded: ffmpeg::frame::Video,
    rgb: ffmpeg::frame::Video,
}

impl Decoder {
    /// A decoder for a stream as its container describes it.
    pub(super) fn of_stream(parameters: Parameters) -> Result<Decoder, String> {
        let codec = Codec::from_parameters(parameters).map_err(text)?;
        Decoder::new(codec)
    }

    fn new(codec: Codec) -> Result<Decoder, String> {
        let video = codec.decoder().video().map_err(|error| format!("no decoder for this video: {error}"))?;
        Ok(Decoder { video, scaling: None, decoded: ffmpeg::frame::Video::empty(), rgb: ffmpeg::frame::Video::empty() })
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
        match self.video.receive_frame(&mut self.decoded) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => return Ok(None),
            Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::error::EAGAIN => return Ok(None),
            Err(error) => return Err(text(error)),
        }
        self.convert(picture)?;
        Ok(Some(self.decoded.timestamp()))
    }

    fn convert(&mut self, picture: &mut Picture) -> Result<(), String> {
        let (format, width, height) = (self.decoded.format(), self.decoded.width(), self.decoded.height());
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
            self.rgb = ffmpeg::frame::Video::empty();
        }
        let Some(scaling) = &mut self.scaling else { return Err("no conversion to RGB".into()) };
        scaling.run(&self.decoded, &mut self.rgb).map_err(text)?;
        let row = width as usize * 3;
        let stride = self.rgb.stride(0);
        picture.width = width;
        picture.height = height;
        picture.rgb.resize(row * height as usize, 0);
        for (to, from) in picture.rgb.chunks_exact_mut(row).zip(self.rgb.data(0).chunks(stride)) {
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
