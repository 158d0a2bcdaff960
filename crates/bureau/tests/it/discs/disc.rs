//! An evidence disc as an appliance of any honesty would write it.

use crate::appliance::Appliance;
use crate::server::NAME;
use evidence::checkpoint::{Log, Signed};
use evidence::disc::{CLAIM, RECORDINGS, path_of};
use evidence::key::SigningKey;
use evidence::record::{Data, Export, Segment};
use evidence::tree::{Frontier, leaf_hash};
use evidence::verdict::{Severity, Verdict};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A disc of 24 November 2026, its log countersigned at noon.
pub struct Disc {
    folder: tempfile::TempDir,
    appliance: Appliance,
    bureau: SigningKey,
    records: Vec<String>,
    pub segments: HashMap<u64, Segment>,
    /// By camera: the SHA-256 of the newest segment.
    newest: HashMap<String, String>,
    receipts: Vec<(usize, Timestamp)>,
}

/// So many minutes after 8:00.
pub fn at(minute: u64) -> String {
    format!("2026-11-24T{:02}:{:02}:00.000+08:00", 8 + minute / 60, minute % 60)
}

/// Of JSON, so that fields which may be absent need not be named.
pub fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("of this form")
}

impl Disc {
    pub fn new() -> Disc {
        Disc {
            folder: tempfile::tempdir().expect("a folder"),
            appliance: Appliance::new(1),
            bureau: SigningKey::from_seed(&[9; 32]),
            records: Vec::new(),
            segments: HashMap::new(),
            newest: HashMap::new(),
            receipts: Vec::new(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn bureau_key(&self) -> String {
        self.bureau.verifying_key().to_string()
    }

    /// Signs a record of this time; tells its place.
    pub fn add(&mut self, time: &str, data: Data) -> u64 {
        let seq = self.records.len() as u64;
        self.records.push(self.appliance.signed(seq, time, data));
        seq
    }

    /// A minute of recording, journalled as soon as it is over.
    pub fn segment(&mut self, camera: &str, minute: u64) -> u64 {
        let contents = format!("{camera} {minute}");
        self.segment_of(camera, &at(minute), &at(minute + 1), &at(minute + 1), &contents)
    }

    pub fn segment_of(&mut self, camera: &str, start: &str, end: &str, time: &str, contents: &str) -> u64 {
        let sha256 = evidence::sha256_hex(contents.as_bytes());
        let previous = self.newest.insert(camera.into(), sha256.clone());
        let segment: Segment = read(json!({
            "camera": camera, "start": start, "end": end, "frames": 600, "lost_packets": 0, "bytes": contents.len(),
            "sha256": sha256, "previous": previous, "codec": "h264", "width": 160, "height": 120, "sound": "none",
        }));
        let file = self.path().join(RECORDINGS).join(path_of(&segment).expect("a place"));
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, contents).expect("written");
        let seq = self.add(time, Data::Segment(segment.clone()));
        self.segments.insert(seq, segment);
        seq
    }

    /// Where a segment's file is.
    pub fn file(&self, seq: u64) -> PathBuf {
        self.path().join(RECORDINGS).join(path_of(&self.segments[&seq]).expect("a place"))
    }

    /// The bureau countersigns all that there is.
    pub fn countersign(&mut self, time: &str) {
        self.receipts.push((self.records.len(), time.parse().expect("a time")));
    }

    /// Writes the disc: these spans, in minutes, of these cameras, and no other recordings.
    pub fn write(&mut self, class: Option<&str>, cameras: &[&str], spans: &[(u64, u64)]) {
        for (seq, segment) in &self.segments {
            let shows = |(from, until): &(u64, u64)| segment.start < at(*until) && at(*from) < segment.end;
            if !cameras.contains(&&*segment.camera) || !spans.iter().any(shows) {
                fs::remove_file(self.file(*seq)).expect("there");
            }
        }
        let span = |camera: &&str, (from, until): &(u64, u64)| json!({"camera": camera, "from": at(*from), "until": at(*until)});
        let spans: Vec<Value> =
            cameras.iter().flat_map(|camera| spans.iter().map(move |minutes| span(camera, minutes))).collect();
        let mut claim = json!({"v": 1, "device": self.appliance.id(), "spans": spans});
        if let Some(class) = class {
            claim["class"] = class.into();
        }
        let claim = claim.to_string();
        let (size, claim_hash) = (self.records.len() as u64 + 1, evidence::sha256_hex(claim.as_bytes()));
        self.add(&at(239), Data::Export(Export { what: "disc".into(), size, claim: Some(claim_hash) }));
        fs::write(self.path().join(CLAIM), &claim).expect("written");
        self.write_log();
    }

    /// Writes the log beside what there is, countersigned at noon.
    pub fn write_log(&mut self) {
        self.countersign(&at(240));
        let put = |name: &str, text: &str| fs::write(self.path().join(name), text).expect("written");
        put("records.jws", &(self.records.join("\n") + "\n"));
        let Log { origin, key } = &self.appliance.log;
        let bureau_key = self.bureau_key();
        let about = json!({"device": origin, "key": key, "bureau": NAME, "bureau_key": bureau_key});
        put("appliance.json", &about.to_string());
        let notes: Vec<String> = self.receipts.iter().rev().map(|(size, time)| self.note(*size, *time)).collect();
        put("checkpoint.txt", &notes.join("\n"));
    }

    /// Writes the log alone, with none of its recordings.
    pub fn write_log_alone(&mut self) {
        fs::remove_dir_all(self.path().join(RECORDINGS)).expect("there");
        self.write_log();
    }

    /// The only receipt is over all that there is, of this time.
    pub fn countersign_only(&self, time: &str) {
        let receipt = self.note(self.records.len(), time.parse().expect("a time"));
        fs::write(self.path().join("checkpoint.txt"), receipt).expect("written");
    }

    fn note(&self, size: usize, time: Timestamp) -> String {
        let mut tree = Frontier::new();
        self.records[..size].iter().for_each(|record| drop(tree.push(leaf_hash(record.as_bytes()))));
        let signed = Signed::parse(&self.appliance.sign(tree.size(), tree.root()), &self.appliance.log);
        let seconds = u64::try_from(time.as_second()).expect("after 1970");
        signed.expect("a checkpoint").countersign(NAME, &self.bureau, seconds).expect("a good name").to_text()
    }

    pub fn verdict(&self) -> Verdict {
        bureau::verify(self.path(), Some(self.bureau.verifying_key())).expect("readable")
    }

    /// Warnings and failures: code and record.
    pub fn found(&self) -> Vec<(&'static str, Option<u64>)> {
        let found = self.verdict().findings.into_iter();
        found.filter(|finding| finding.severity > Severity::Note).map(|finding| (finding.code, finding.seq)).collect()
    }

    /// What is told of a code, in one text.
    pub fn told(&self, code: &str) -> String {
        let found = self.verdict().findings.into_iter().filter(|finding| finding.code == code);
        found.map(|finding| finding.message).collect::<Vec<_>>().join("\n")
    }

    /// What `bureau verify` prints.
    pub fn printed(&self) -> String {
        let (folder, key) = (self.path().to_str().expect("plain letters"), self.bureau_key());
        crate::server::text(&crate::server::bureau(&["verify", folder, "--bureau-key", &key]).stdout)
    }
}
