//! A record's proof of inclusion as a line of text, for records that are shown without the rest of their log.
//!
//! `seq size hash …`: the record's place, the size of the log that it is proven to be in, and the audit path of
//! RFC 6962 §2.1.1 from the record's sibling upward, each hash in standard base64; single spaces between them.

use crate::base64;
use crate::tree::{Hash, verify_inclusion};

/// A proof that a record is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The record's place in the log.
    pub seq: u64,
    /// Records in the log: the size in the checkpoint that has the root.
    pub size: u64,
    /// The audit path.
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        let mut line = format!("{} {}", self.seq, self.size);
        for hash in &self.path {
            line.push(' ');
            line.push_str(&base64::standard(hash));
        }
        line
    }

    /// Reads a line; `None` unless it is exactly what [`Inclusion::to_line`] writes.
    pub fn parse(line: &str) -> Option<Inclusion> {
        let mut words = line.split(' ');
        let (seq, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let path = words.map(|word| base64::from_standard(word)?.try_into().ok()).collect::<Option<Vec<Hash>>>()?;
        let inclusion = Inclusion { seq, size, path };
        (path_fits(&inclusion) && inclusion.to_line() == line).then_some(inclusion)
    }

    /// Whether the record with this leaf is in the log of `size` records with this root.
    pub fn proves(&self, leaf: &Hash, root: &Hash) -> bool {
        verify_inclusion(leaf, self.seq, self.size, &self.path, root)
    }
}

/// No log has a path longer than the bits of its size.
fn path_fits(inclusion: &Inclusion) -> bool {
    inclusion.seq < inclusion.size && inclusion.path.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Frontier, leaf_hash, node_hash};

    #[test]
    fn a_line_is_read_as_it_was_written_and_proves_its_record_alone() {
        let leaves: Vec<Hash> = (0..3u8).map(|number| leaf_hash(&[number])).collect();
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| drop(frontier.push(*leaf)));
        let last = Inclusion { seq: 2, size: 3, path: vec![node_hash(&leaves[0], &leaves[1])] };
        let read = Inclusion::parse(&last.to_line()).expect("just written");
        assert_eq!(read, last);
        assert!(read.proves(&leaves[2], &frontier.root()));
        assert!(!read.proves(&leaves[1], &frontier.root()));
        assert!(!Inclusion { seq: 1, ..read }.proves(&leaves[2], &frontier.root()));
    }

    #[test]
    fn other_texts_are_no_proofs() {
        let hash = base64::standard(&[7; 32]);
        assert!(Inclusion::parse(&format!("0 2 {hash}")).is_some());
        assert!(Inclusion::parse("0 1").is_some(), "a log of one record needs no path");
        for line in ["", "0", "1 1", "00 1", "0 1 ", "+0 1", "0  1", "0 2 AAAA", &format!("0 2  {hash}"), "0 2 \u{e9}"]
        {
            assert_eq!(Inclusion::parse(line), None, "{line:?}");
        }
    }
}
