//! Pixels: packed 8-bit RGB pictures, photo files in, JPEG out. Knows nothing of cameras or faces.
//!
//! Photo files are hostile input: sizes are limited before pixels are allocated, and decoders are memory-safe.

use fast_image_resize as resize;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Largest width and height of a photo file, px.
pub const MAX_PHOTO_SIDE: u32 = 16_384;
/// Largest photo file, bytes.
pub const MAX_PHOTO_BYTES: u64 = 64 << 20;

/// A picture of `width` × `height` px: rows from the top, three bytes (R, G, B) a pixel, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in px.
    pub width: u32,
    /// Height in px.
    pub height: u32,
    /// `3 · width · height` bytes.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}×{})", self.width, self.height)
    }
}

/// Why a photo cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a whole JPEG, PNG or WebP picture of sensible size.
    #[error("not a usable picture: {0}. JPEG, PNG and WebP up to 16384 px a side are read")]
    Decode(String),
    /// JPEG encoding failed.
    #[error("cannot encode as JPEG: {0}")]
    Encode(String),
}

impl Picture {
    /// A black picture.
    pub fn black(width: u32, height: u32) -> Picture {
        Picture { width, height, rgb: vec![0; width as usize * height as usize * 3] }
    }

    /// Reads a photo file, upright as its EXIF orientation says.
    pub fn open(path: &Path) -> Result<Picture, PictureError> {
        let read = |source| PictureError::Read { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > MAX_PHOTO_BYTES {
            return Err(PictureError::Decode(format!("{length} bytes is more than {MAX_PHOTO_BYTES}")));
        }
        Picture::decode(&std::fs::read(path).map_err(read)?)
    }

    /// Decodes a JPEG, PNG or WebP photo, upright as its EXIF orientation says.
    pub fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
        let decode = |error: image::ImageError| PictureError::Decode(error.to_string());
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| PictureError::Decode(error.to_string()))?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_PHOTO_SIDE);
        limits.max_image_height = Some(MAX_PHOTO_SIDE);
        limits.max_alloc = Some(1 << 30);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(decode)?;
        let orientation = decoder.orientation().map_err(decode)?;
        let mut photo = DynamicImage::from_decoder(decoder).map_err(decode)?;
        photo.apply_orientation(orientation);
        let rgb = photo.into_rgb8();
        Ok(Picture { width: rgb.width(), height: rgb.height(), rgb: rgb.into_raw() })
    }

    /// Turns it clockwise by a number of quarter turns; `spare` is room that is kept for the next picture.
    pub fn turn(&mut self, quarters: u8, spare: &mut Vec<u8>) {
        let (width, height) = (self.width as usize, self.height as usize);
        let (old, _) = self.rgb.as_chunks::<3>();
        spare.resize(self.rgb.len(), 0);
        let (new, _) = spare.as_chunks_mut::<3>();
        match quarters % 4 {
            0 => return,
            2 => new.iter_mut().zip(old.iter().rev()).for_each(|(to, from)| *to = *from),
            quarters => {
                for (row, line) in new.chunks_exact_mut(height.max(1)).enumerate() {
                    for (column, pixel) in line.iter_mut().enumerate() {
                        *pixel = match quarters {
                            1 => old[(height - 1 - column) * width + row],
                            _ => old[column * width + width - 1 - row],
                        };
                    }
                }
                std::mem::swap(&mut self.width, &mut self.height);
            }
        }
        std::mem::swap(&mut self.rgb, spare);
    }

    /// Encodes as baseline JPEG; `quality` is 1 to 100.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>, PictureError> {
        let encode = |error: jpeg_encoder::EncodingError| PictureError::Encode(error.to_string());
        let side = |value: u32| u16::try_from(value).map_err(|_| PictureError::Encode(format!("{value} px a side")));
        let mut bytes = Vec::with_capacity(self.rgb.len() / 12);
        let encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
        encoder
            .encode(&self.rgb, side(self.width)?, side(self.height)?, jpeg_encoder::ColorType::Rgb)
            .map_err(encode)?;
        Ok(bytes)
    }

    /// The part of the picture inside a rectangle (px), cut off at the picture's edge.
    pub fn crop(&self, x: i64, y: i64, width: u32, height: u32) -> Picture {
        let clamp = |value: i64, limit: u32| value.clamp(0, i64::from(limit)) as u32;
        let (left, right) = (clamp(x, self.width), clamp(x + i64::from(width), self.width));
        let (top, bottom) = (clamp(y, self.height), clamp(y + i64::from(height), self.height));
        let stride = self.width as usize * 3;
        let rgb = (top..bottom)
            .flat_map(|row| {
                &self.rgb[row as usize * stride + left as usize * 3..row as usize * stride + right as usize * 3]
            })
            .copied()
            .collect();
        Picture { width: right - left, height: bottom - top, rgb }
    }

    /// Scaled to `width` × `height`, averaging over the pixels that one new pixel covers.
    pub fn scaled(&self, width: u32, height: u32) -> Picture {
        let mut out = Picture::black(width, height);
        self.scale_into(&mut out, &mut Scaler::default());
        out
    }

    /// As [`Picture::scaled`], into a picture that is kept; its size is the wanted size.
    pub fn scale_into(&self, out: &mut Picture, scaler: &mut Scaler) {
        self.scale_part_into([0, 0, self.width, self.height], out, scaler);
    }

    /// As [`Picture::scale_into`], of the part `[x, y, width, height]` (px, inside the picture).
    pub fn scale_part_into(&self, part: [u32; 4], out: &mut Picture, scaler: &mut Scaler) {
        let [x, y, part_width, part_height] = part.map(f64::from);
        let (width, height) = (out.width, out.height);
        if width == 0 || height == 0 || self.width == 0 || self.height == 0 {
            return;
        }
        let source = resize::images::ImageRef::new(self.width, self.height, &self.rgb, resize::PixelType::U8x3)
            .expect("a Picture's buffer has the size of its sides");
        let mut target = resize::images::Image::from_slice_u8(width, height, &mut out.rgb, resize::PixelType::U8x3)
            .expect("a Picture's buffer has the size of its sides");
        let bilinear = resize::ResizeOptions::new()
            .resize_alg(resize::ResizeAlg::Convolution(resize::FilterType::Bilinear))
            .crop(x, y, part_width, part_height);
        scaler.0.resize(&source, &mut target, &bilinear).expect("the part is inside a picture of the same pixel type");
    }
}

/// Reusable buffers of [`Picture::scale_into`].
#[derive(Default)]
pub struct Scaler(resize::Resizer);

#[cfg(test)]
mod tests {
    use super::*;

    fn checkered() -> Picture {
        let mut picture = Picture::black(64, 48);
        for (at, byte) in picture.rgb.iter_mut().enumerate() {
            *byte = ((at / 3 / 8 + at / 3 / 64 / 8) % 2 * 255) as u8;
        }
        picture
    }

    #[test]
    fn a_jpeg_comes_back_with_its_size() {
        let jpeg = checkered().to_jpeg(90).expect("encodes");
        let back = Picture::decode(&jpeg).expect("decodes");
        assert_eq!((back.width, back.height), (64, 48));
    }

    #[test]
    fn truncated_and_hostile_files_are_errors_not_panics() {
        let jpeg = checkered().to_jpeg(90).expect("encodes");
        for length in 0..200.min(jpeg.len()) {
            let _ = Picture::decode(&jpeg[..length]);
        }
        assert!(Picture::decode(&jpeg[..jpeg.len() / 8]).is_err());
        assert!(Picture::decode(b"not a picture at all").is_err());
        let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0".to_vec();
        huge.extend([0; 64]);
        assert!(Picture::decode(&huge).is_err(), "a header that promises 2³¹ px a side is refused");
    }

    #[test]
    fn quarter_turns_are_clockwise_and_four_are_none() {
        // A B C      D A
        // D E F  →   E B
        //            F C
        let pixels = |letters: &str| letters.bytes().flat_map(|letter| [letter; 3]).collect::<Vec<u8>>();
        let start = Picture { width: 3, height: 2, rgb: pixels("ABCDEF") };
        for (quarters, width, letters) in
            [(0, 3, "ABCDEF"), (1, 2, "DAEBFC"), (2, 3, "FEDCBA"), (3, 2, "CFBEAD"), (4, 3, "ABCDEF")]
        {
            let mut turned = start.clone();
            turned.turn(quarters, &mut Vec::new());
            let expected = Picture { width, height: 6 / width, rgb: pixels(letters) };
            assert!(turned == expected, "{quarters} quarter turns");
        }
    }

    #[test]
    fn a_crop_ends_at_the_edge() {
        let part = checkered().crop(-10, 40, 20, 20);
        assert_eq!((part.width, part.height, part.rgb.len()), (10, 8, 240));
    }
}
