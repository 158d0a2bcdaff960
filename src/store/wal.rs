//! A look at the write-ahead log before SQLite opens it (sqlite.org/fileformat2.html, section 4).
//!
//! SQLite ends recovery at the first frame whose checksum is wrong, and says nothing: right for a torn last write,
//! but a byte altered in the middle would silently drop every transaction after it. Reads only; never repairs.

use super::StoreError;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Checksums of a WAL: two running 32-bit sums over words in the order that its magic number names.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums(u32, u32);

impl Sums {
    fn over(self, bytes: &[u8], big_endian: bool) -> Sums {
        let word = |bytes: &[u8]| {
            let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
            if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        bytes.chunks_exact(8).fold(self, |Sums(a, b), pair| {
            let a = a.wrapping_add(word(&pair[..4])).wrapping_add(b);
            Sums(a, b.wrapping_add(word(&pair[4..])).wrapping_add(a))
        })
    }

    fn stored(bytes: &[u8]) -> Sums {
        Sums(big_endian(&bytes[..4]), big_endian(&bytes[4..8]))
    }
}

fn big_endian(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// `rollcall.db` → `rollcall.db-wal`.
fn wal_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Refuses a WAL in which something is wrong before a transaction that was committed.
pub(super) fn refuse_damaged(database: &Path) -> Result<(), StoreError> {
    let path = wal_of(database);
    let io = |source| StoreError::Io { path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(io)?,
    };
    let length = file.metadata().map_err(io)?.len();
    if length <= HEADER as u64 {
        return Ok(());
    }
    match first_damage(&mut BufReader::with_capacity(1 << 20, file), length) {
        // Shorter than it was a moment ago: the process that writes has taken all of it over, and begun it anew.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(io(error)),
        Ok(None) => Ok(()),
        Ok(Some(Damage { frame, frames, offset, commits })) => {
            Err(StoreError::DamagedWal { path, frame, frames, offset, commits })
        }
    }
}

struct Damage {
    frame: u64,
    frames: u64,
    offset: u64,
    commits: u64,
}

/// The first damaged frame, if transactions come after it that are certain to have been committed.
///
/// A frame's checksum continues from that of the frame before. Where a frame's bytes do not fit its checksum but the
/// next frame continues from it, the frame was whole once. Only the very last transaction may be a torn write of a
/// power cut, which nobody was told about: it is left to SQLite, which drops it.
fn first_damage(wal: &mut impl Read, length: u64) -> std::io::Result<Option<Damage>> {
    let mut header = [0u8; HEADER];
    wal.read_exact(&mut header)?;
    let magic = big_endian(&header);
    let order = magic & 1 == 1;
    let page_size = match big_endian(&header[8..]) {
        1 => 65536,
        size => size as usize,
    };
    let start = Sums::stored(&header[24..]);
    let header_is_good =
        magic & !1 == 0x377f_0682 && page_size.is_power_of_two() && Sums(0, 0).over(&header[..24], order) == start;
    if !header_is_good {
        return Ok(Some(Damage { frame: 0, frames: 0, offset: 0, commits: 1 }));
    }
    let frame_size = FRAME_HEADER + page_size;
    let frames = (length - HEADER as u64) / frame_size as u64;
    let mut frame = vec![0u8; frame_size];
    let mut damage: Option<Damage> = None;
    let mut in_damaged_transaction = false;
    // What the next frame may continue from: after a damaged frame, the checksum it holds or the one it should hold.
    let mut before = [start; 2];
    for number in 1..=frames {
        wal.read_exact(&mut frame)?;
        let salts_fit = frame[8..16] == header[16..24];
        let stored = Sums::stored(&frame[16..]);
        let computed = before.map(|sums| sums.over(&frame[..8], order).over(&frame[FRAME_HEADER..], order));
        let is_good = salts_fit && computed.contains(&stored);
        let is_commit = big_endian(&frame[4..]) != 0;
        match &mut damage {
            None if is_good => {}
            None => {
                let offset = HEADER as u64 + (number - 1) * frame_size as u64;
                damage = Some(Damage { frame: number, frames, offset, commits: 0 });
                in_damaged_transaction = !is_commit;
            }
            Some(damage) if is_good && is_commit => {
                damage.commits += u64::from(!in_damaged_transaction);
                in_damaged_transaction = false;
            }
            Some(_) if is_good => {}
            // What is left of the log before this one.
            Some(_) => break,
        }
        before = if is_good { [stored; 2] } else { [stored, computed[0]] };
    }
    Ok(damage.filter(|damage| damage.commits > 0))
}
