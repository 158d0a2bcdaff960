//! The pictures on a disc: cameras' references, by which an officer sees where workstations are marked, and findings' small
//! pictures. Records name them by their SHA-256, and so are their files called.

use super::files::hash;
use super::finding;
use evidence::disc::{Claim, PICTURES, picture_name};
use evidence::record::{Data, Record};
use evidence::verdict::{Finding, Severity};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// What the log says of pictures.
#[derive(Default)]
pub(super) struct Pictures {
    /// By the name of its file: the first record that names it.
    named: HashMap<String, u64>,
    /// By camera, in order.
    references: BTreeMap<String, Vec<Reference>>,
}

struct Reference {
    seq: u64,
    time: Timestamp,
    /// The name of its picture's file.
    name: String,
}

impl Pictures {
    /// Takes the log's next record.
    pub(super) fn take(&mut self, record: &Record) {
        let sha256 = match &record.data {
            Data::Reference(reference) => Some(&reference.picture),
            Data::Finding(finding) => finding.thumbnail.as_ref(),
            _ => None,
        };
        let Some(name) = sha256.and_then(|sha256| picture_name(sha256)) else { return };
        if let (Data::Reference(reference), Ok(time)) = (&record.data, record.time.parse()) {
            let of_camera = self.references.entry(reference.camera.clone()).or_default();
            of_camera.push(Reference { seq: record.seq, time, name: name.clone() });
        }
        self.named.entry(name).or_insert(record.seq);
    }

    /// Holds the pictures' files against the records. A disc must have the references by which its cameras were judged in
    /// the spans that it claims; small pictures go when recordings are deleted.
    pub(super) fn judge(&self, mut paths: Vec<PathBuf>, claim: Option<&Claim>) -> Vec<Finding> {
        let mut found = Vec::new();
        paths.sort_unstable();
        let (mut good, mut there) = (0u64, BTreeSet::new());
        for path in &paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut fail = |code, seq, what: String| {
                found.push(finding(Severity::Failure, code, seq, format!("{PICTURES}/{name} {what}")));
            };
            match (hash(path).map(|sha256| picture_name(&sha256)), self.named.get(&name)) {
                (_, None) => fail("unknown_picture", None, "is vouched for by no record".into()),
                (Err(error), Some(seq)) => fail("unreadable", Some(*seq), format!("cannot be read: {error}")),
                (Ok(own), Some(_)) if own.as_ref() == Some(&name) => good += 1,
                (Ok(_), Some(seq)) => {
                    fail("altered_picture", Some(*seq), format!("is altered: it is not the picture of record {seq}"));
                }
            }
            there.insert(name);
        }
        found.extend(self.missing(claim, &there));
        if !paths.is_empty() {
            let message = format!("{good} of {} pictures are exactly those of their records", paths.len());
            found.push(finding(Severity::Note, "pictures", None, message));
        }
        found
    }

    /// References that were in force in what the disc claims, and whose pictures are not there.
    fn missing(&self, claim: Option<&Claim>, there: &BTreeSet<String>) -> Option<Finding> {
        let mut missing = BTreeMap::new();
        for span in claim.into_iter().flat_map(|claim| &claim.spans) {
            let (Ok(from), Ok(until)) = (span.from.parse::<Timestamp>(), span.until.parse::<Timestamp>()) else {
                continue;
            };
            let references = self.references.get(&span.camera).map_or(&[][..], Vec::as_slice);
            // The last before the span, and those that were set in it.
            let first = references.iter().rposition(|reference| reference.time <= from).unwrap_or(0);
            let in_force = references[first..].iter().filter(|reference| reference.time < until);
            let absent = in_force.filter(|reference| !there.contains(&reference.name));
            missing.extend(absent.map(|reference| (reference.seq, &span.camera)));
        }
        let (seq, camera) = missing.first_key_value()?;
        let message = format!(
            "{} reference pictures are not on this disc: the first, that of record {seq}, camera {camera}; where its \
             workstations are marked cannot be seen",
            missing.len()
        );
        Some(finding(Severity::Warning, "missing_picture", Some(*seq), message))
    }
}
