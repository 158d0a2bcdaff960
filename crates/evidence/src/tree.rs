//! The Merkle tree of RFC 6962 §2.1 over a log that only grows.
//!
//! A [`Frontier`] is all that appending needs: the roots of the perfect subtrees that the log is made of.
//! Appending a leaf completes some subtrees; their hashes, kept beside the leaf, are all that proofs ever need,
//! so nothing is hashed twice.

use sha2::{Digest, Sha256};

/// A SHA-256 node of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree with no leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A set of peaks whose number does not fit the size of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a log of {size} records has {expected} peaks, not {found}")]
pub struct WrongPeaks {
    /// Leaves in the log.
    pub size: u64,
    /// The number of one bits in `size`.
    pub expected: u32,
    /// What was given.
    pub found: usize,
}

/// The peaks of a log: roots of its perfect subtrees, largest (leftmost) first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// An empty log.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// A log of `size` leaves with these peaks.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Frontier, WrongPeaks> {
        let expected = size.count_ones();
        if peaks.len() != expected as usize {
            return Err(WrongPeaks { size, expected, found: peaks.len() });
        }
        Ok(Frontier { size, peaks })
    }

    /// Leaves in the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, largest subtree first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf's hash. Returns the hashes of the perfect subtrees that this leaf completes, the leaf itself
    /// first: item L is the root of the subtree of 2^L leaves that ends with this leaf.
    pub fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        let levels = self.size.trailing_ones() as usize;
        let mut completed = Vec::with_capacity(levels + 1);
        let mut hash = leaf;
        completed.push(hash);
        for _ in 0..levels {
            let left = self.peaks.pop().expect("a size with a trailing one bit has a peak for it");
            hash = node_hash(&left, &hash);
            completed.push(hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        completed
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// Where the hashes returned by [`Frontier::push`] were kept.
pub trait Nodes {
    /// Why a hash cannot be had.
    type Error;

    /// The root of the perfect subtree of 2^`level` leaves that begins at leaf `index · 2^level`:
    /// item `level` of what [`Frontier::push`] returned for leaf `(index + 1) · 2^level − 1`.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The peaks of the log's first `size` leaves.
pub fn frontier_at<N: Nodes>(nodes: &N, size: u64) -> Result<Frontier, N::Error> {
    let mut peaks = Vec::with_capacity(size.count_ones() as usize);
    let mut begin = 0u64;
    for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
        peaks.push(nodes.node(level, begin >> level)?);
        begin += 1 << level;
    }
    Ok(Frontier { size, peaks })
}

/// The root of leaves `begin..end`, where `begin` is a multiple of the least power of two ≥ `end − begin`.
fn range_root<N: Nodes>(nodes: &N, begin: u64, end: u64) -> Result<Hash, N::Error> {
    let length = end - begin;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return nodes.node(level, begin >> level);
    }
    let middle = begin + split(length);
    Ok(node_hash(&range_root(nodes, begin, middle)?, &range_root(nodes, middle, end)?))
}

/// The largest power of two below `length` (RFC 6962's k).
fn split(length: u64) -> u64 {
    1 << (63 - (length - 1).leading_zeros())
}

/// The audit path of leaf `index` in the log's first `size` leaves (RFC 6962 §2.1.1).
///
/// # Panics
/// When `index` is not below `size`.
pub fn inclusion_proof<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    assert!(index < size, "leaf {index} is not among {size}");
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the log of `old` leaves is a prefix of the log of `new` (RFC 6962 §2.1.2).
///
/// # Panics
/// When `old` is 0 or above `new`.
pub fn consistency_proof<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    assert!(0 < old && old <= new, "no consistency proof from {old} to {new}");
    let (mut begin, mut end) = (0, new);
    let mut path = Vec::new();
    while end != old {
        let middle = begin + split(end - begin);
        if old <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, begin, middle)?);
            begin = middle;
        }
    }
    if begin != 0 {
        path.push(range_root(nodes, begin, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` proves that `leaf` is leaf `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree of `new` leaves extends that of `old` (RFC 9162 §2.1.4.2).
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, path: &[Hash]) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    let mut path = path.iter();
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// RFC 6962 §2.1, word for word.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&root_by_definition(left), &root_by_definition(right))
            }
        }
    }

    #[derive(Default)]
    struct Kept {
        frontier: Frontier,
        rows: Vec<Vec<Hash>>,
        leaves: Vec<Hash>,
    }

    impl Kept {
        fn of(size: u64) -> Kept {
            let mut kept = Kept::default();
            for number in 0..size {
                let leaf = leaf_hash(&number.to_le_bytes());
                kept.rows.push(kept.frontier.push(leaf));
                kept.leaves.push(leaf);
            }
            kept
        }
    }

    impl Nodes for Kept {
        type Error = Infallible;
        fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
            Ok(self.rows[(((index + 1) << level) - 1) as usize][level as usize])
        }
    }

    /// The roots that Certificate Transparency's reference implementation gives for its test leaves.
    #[test]
    fn roots_agree_with_certificate_transparencys_vectors() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut frontier = Frontier::new();
        assert_eq!(crate::hex(&frontier.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for leaf in leaves {
            frontier.push(leaf_hash(leaf));
        }
        assert_eq!(crate::hex(&frontier.root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn every_size_up_to_130_has_the_root_of_the_definition() {
        let kept = Kept::of(130);
        for size in 0..=130u64 {
            let frontier = frontier_at(&kept, size).expect("kept");
            assert_eq!(frontier.root(), root_by_definition(&kept.leaves[..size as usize]), "size {size}");
        }
    }

    proptest! {
        #[test]
        fn proofs_verify_and_altered_ones_do_not(new in 1u64..300, a in 0u64..300, b in 0u64..300, flip in 0usize..4096) {
            let kept = Kept::of(new);
            let root = kept.frontier.root();
            let (index, old) = (a % new, b % new + 1);
            let mut path = inclusion_proof(&kept, index, new).expect("kept");
            let leaf = kept.leaves[index as usize];
            prop_assert!(verify_inclusion(&leaf, index, new, &path, &root));
            prop_assert!(!verify_inclusion(&leaf, (index + 1) % new, new, &path, &root) || new == 1);
            let old_root = root_by_definition(&kept.leaves[..old as usize]);
            let mut steps = consistency_proof(&kept, old, new).expect("kept");
            prop_assert!(verify_consistency(old, new, &old_root, &root, &steps));
            if !path.is_empty() {
                let at = flip % path.len();
                path[at][flip % 32] ^= 1;
                prop_assert!(!verify_inclusion(&leaf, index, new, &path, &root));
            }
            if !steps.is_empty() {
                let at = flip % steps.len();
                steps[at][flip % 32] ^= 1;
                prop_assert!(!verify_consistency(old, new, &old_root, &root, &steps));
            }
        }
    }
}
