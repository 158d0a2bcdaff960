//! G.711 sound → FLAC (RFC 9639), without loss: each packet becomes one frame that stands alone.
//!
//! Browsers play FLAC in MP4 but not G.711. Each G.711 code stands for one 16-bit sample, and FLAC keeps those.

use super::unit::AudioFormat;

/// How a G.711 codec spreads its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    /// µ-law, RTP's PCMU.
    Mu,
    /// A-law, RTP's PCMA.
    A,
}

/// Most samples of one frame; longer packets make several.
pub(super) const MAX_SAMPLES: usize = 4096;

/// One code → a 16-bit sample (ITU-T G.711; µ-law has 14 bits, A-law 13, both left-aligned).
fn sample(law: Law, code: u8) -> i16 {
    match law {
        Law::Mu => {
            let code = !code;
            let size = ((i16::from(code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4);
            if code & 0x80 == 0 { size - 0x84 } else { 0x84 - size }
        }
        Law::A => {
            let code = code ^ 0x55;
            let (step, segment) = (i16::from(code & 0x0f) << 4, (code & 0x70) >> 4);
            let size = match segment {
                0 => step + 8,
                segment => (step + 0x108) << (segment - 1),
            };
            if code & 0x80 == 0 { -size } else { size }
        }
    }
}

/// The sample entry of mono sound (Encapsulation of FLAC in ISO Base Media File Format, 3.3).
pub(crate) fn format(clock_rate: u32) -> Option<AudioFormat> {
    let mut info = Vec::new();
    info.extend([16u16, MAX_SAMPLES as u16].iter().flat_map(|size| size.to_be_bytes()));
    info.extend([0; 6]); // sizes of frames: not known
    // 20 bits of rate, 3 of channels − 1, 5 of bits − 1, 36 of samples: not known
    info.extend(((u64::from(clock_rate) << 44) | (15 << 36)).to_be_bytes());
    info.extend([0; 16]); // MD5: not known
    let mut stream_info = vec![0, 0, 0, 0, 0x80, 0, 0, info.len() as u8];
    stream_info.extend(info);
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0];
    entry.extend(u16::try_from(clock_rate).ok()?.to_be_bytes());
    entry.extend([0, 0]);
    entry.extend(boxed(b"dfLa", &stream_info));
    Some(AudioFormat { clock_rate, sample_entry: boxed(b"fLaC", &entry) })
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 8) as u32;
    [&length.to_be_bytes()[..], kind, body].concat()
}

/// One frame of up to [`MAX_SAMPLES`] codes. `number` is that of its first sample.
pub(super) fn frame(law: Law, codes: &[u8], number: u64) -> Vec<u8> {
    debug_assert!(!codes.is_empty() && codes.len() <= MAX_SAMPLES);
    let samples: Vec<i32> = codes.iter().map(|code| i32::from(sample(law, *code))).collect();
    let mut bits = Bits::default();
    bits.put(0xfff9, 16); // sync; blocks of any size
    let last = samples.len().saturating_sub(1) as u64;
    bits.put(if last < 256 { 0x60 } else { 0x70 }, 8); // the size stands below, the rate in the stream's head
    bits.put(0x08, 8); // mono, 16 bits
    coded_number(&mut bits, number & 0xf_ffff_ffff);
    bits.put(last, if last < 256 { 8 } else { 16 });
    let check = crc8(&bits.bytes);
    bits.put(u64::from(check), 8);
    subframe(&mut bits, &samples);
    bits.align();
    let check = crc16(&bits.bytes);
    bits.put(u64::from(check), 16);
    bits.bytes
}

/// A number as in UTF-8, of up to 36 bits.
fn coded_number(bits: &mut Bits, number: u64) {
    if number < 0x80 {
        return bits.put(number, 8);
    }
    let length = 64 - u64::from(number.leading_zeros());
    // Bytes after the first.
    let more = (1..=6).find(|more| length <= 6 * more + (6 - more)).unwrap_or(6);
    let marker = (0xff00 >> (more + 1)) & 0xff;
    bits.put(marker | (number >> (6 * more)), 8);
    for at in (0..more).rev() {
        bits.put(0x80 | ((number >> (6 * at)) & 0x3f), 8);
    }
}

fn subframe(bits: &mut Bits, samples: &[i32]) {
    // Bits that are 0 in all samples are left out: G.711 leaves two or three.
    let wasted = samples.iter().fold(0, |all, sample| all | sample).trailing_zeros();
    let wasted = if wasted >= 16 { 0 } else { wasted };
    let width = 16 - wasted;
    let samples: Vec<i32> = samples.iter().map(|sample| sample >> wasted).collect();
    let mut residuals = samples.clone();
    let mut best: Option<(u64, usize, u32, Vec<i32>)> = None;
    for order in 0..=4.min(samples.len().saturating_sub(1)) {
        let coded = &residuals[order..];
        let (size, parameter) =
            (0..15).map(|parameter| (rice_length(coded, parameter), parameter)).min().unwrap_or_default();
        let size = size + order as u64 * u64::from(width) + 10;
        if best.as_ref().is_none_or(|(least, ..)| size < *least) {
            best = Some((size, order, parameter, coded.to_vec()));
        }
        for at in (order + 1..residuals.len()).rev() {
            residuals[at] -= residuals[at - 1];
        }
    }
    let verbatim = samples.len() as u64 * u64::from(width);
    let best = best.filter(|(size, ..)| *size < verbatim);
    let kind = best.as_ref().map_or(1, |(_, order, ..)| 8 | *order as u64);
    bits.put((kind << 1) | u64::from(wasted > 0), 8);
    if wasted > 0 {
        bits.put(1, wasted); // unary
    }
    let mask = (1u64 << width) - 1;
    let plain = best.as_ref().map_or(samples.len(), |(_, order, ..)| *order);
    samples[..plain].iter().for_each(|sample| bits.put(*sample as u64 & mask, width));
    let Some((_, _, parameter, coded)) = best else { return };
    bits.put(u64::from(parameter), 10); // Rice codes with 4-bit parameters, one partition
    for value in coded {
        let folded = fold(value);
        bits.put(0, (folded >> parameter) as u32);
        bits.put(1, 1);
        bits.put(folded & ((1 << parameter) - 1), parameter);
    }
}

/// 0, −1, 1, −2 … → 0, 1, 2, 3 …
fn fold(value: i32) -> u64 {
    let value = i64::from(value);
    ((value << 1) ^ (value >> 63)) as u64
}

fn rice_length(values: &[i32], parameter: u32) -> u64 {
    values.iter().map(|value| (fold(*value) >> parameter) + 1 + u64::from(parameter)).sum()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not used yet.
    free: u32,
}

impl Bits {
    /// The lowest `width` bits of `value`, the highest first; zeros where that is more than there are.
    fn put(&mut self, value: u64, width: u32) {
        for at in (0..width).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            let bit = if at < 64 { (value >> at) & 1 } else { 0 };
            if let Some(last) = self.bytes.last_mut() {
                *last |= (bit as u8) << self.free;
            }
        }
    }

    fn align(&mut self) {
        self.free = 0;
    }
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x07 })
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let crc = crc ^ (u16::from(*byte) << 8);
        (0..8).fold(crc, |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x8005 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn ffmpeg(arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-xerror"])
            .args(arguments)
            .args(["-f", "s16le", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed");
        let mut to = child.stdin.take().expect("piped");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || to.write_all(&input));
        let output = child.wait_with_output().expect("ends");
        writer.join().expect("no panic").expect("taken");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        output.stdout
    }

    #[test]
    fn every_sample_comes_back_as_ffmpeg_decodes_g711() {
        // All codes; silence; a tone; noise.
        let mut codes: Vec<u8> = (0..=255).collect();
        codes.extend([0xff; 400]);
        codes.extend((0..3000).map(|at| ((f64::from(at) / 9.0).sin() * 60.0 + 128.0) as u8));
        codes.extend((0..3000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8));
        for (law, name) in [(Law::Mu, "mulaw"), (Law::A, "alaw")] {
            let mut file = b"fLaC".to_vec();
            let entry = format(8000).expect("a rate").sample_entry;
            file.extend(&entry[entry.len() - 38..]);
            let mut number = 0;
            for packet in [160, 20, 256, 257, MAX_SAMPLES].iter().cycle() {
                let packet = codes.get(number..(number + packet).min(codes.len())).unwrap_or_default();
                if packet.is_empty() {
                    break;
                }
                file.extend(frame(law, packet, number as u64));
                number += packet.len();
            }
            let decoded = ffmpeg(&["-f", "flac", "-i", "-"], &file);
            assert_eq!(decoded, ffmpeg(&["-f", name, "-ar", "8000", "-i", "-"], &codes), "{name}");
        }
    }

    #[test]
    fn speech_takes_less_than_twice_what_g711_does() {
        let codes: Vec<u8> = (0..160).map(|at| ((f64::from(at) / 9.0).sin() * 60.0 + 128.0) as u8).collect();
        let length = frame(Law::Mu, &codes, 1 << 30).len();
        assert!(length < 2 * codes.len() + 20, "{length}");
    }

    #[test]
    fn numbers_are_coded_as_in_utf_8() {
        for (number, bytes) in [
            (0x7f, vec![0x7f]),
            (0x80, vec![0xc2, 0x80]),
            (0x7ff, vec![0xdf, 0xbf]),
            (0x800, vec![0xe0, 0xa0, 0x80]),
            (0xffff, vec![0xef, 0xbf, 0xbf]),
            (0x1_0000, vec![0xf0, 0x90, 0x80, 0x80]),
            (0xf_ffff_ffff, vec![0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]),
        ] {
            let mut bits = Bits::default();
            coded_number(&mut bits, number);
            assert_eq!(bits.bytes, bytes, "{number:x}");
        }
    }
}
