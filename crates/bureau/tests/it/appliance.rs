//! An appliance that keeps its log in memory, and can lie.

use crate::server::{Answer, NAME, Server};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evidence::checkpoint::{Checkpoint, Countersigned, Log, Signed, Witness};
use evidence::key::{SigningKey, VerifyingKey};
use evidence::record::{ClockQuality, Data, Export, Record};
use evidence::tree::{Frontier, leaf_hash};
use serde_json::{Value, json};
use std::ops::Range;

pub struct Appliance {
    pub key: SigningKey,
    pub log: Log,
}

impl Appliance {
    pub fn new(seed: u8) -> Appliance {
        let key = SigningKey::from_seed(&[seed; 32]);
        Appliance { log: Log::of(key.verifying_key()), key }
    }

    /// One that `server` knows.
    pub async fn registered(seed: u8, server: &Server) -> Appliance {
        let appliance = Appliance::new(seed);
        let answer = appliance.register(server, &server.invite()).await;
        assert!(answer.status.is_success(), "{answer:?}");
        appliance
    }

    pub fn id(&self) -> &str {
        &self.log.origin
    }

    pub fn registration(&self, code: &str) -> Value {
        let proof = self.key.sign(format!("rollcall-register/v1\n{code}\n{}", self.id()).as_bytes());
        json!({ "code": code, "device": self.id(), "key": self.log.key, "proof": BASE64_URL_SAFE_NO_PAD.encode(proof) })
    }

    pub async fn register(&self, server: &Server, code: &str) -> Answer {
        server.post_json("/v1/register", &self.registration(code)).await
    }

    pub fn signed(&self, seq: u64, time: &str, data: Data) -> String {
        let clock = ClockQuality::Synced;
        let record = Record { device: self.id().to_owned(), seq, time: time.into(), clock, data };
        record.sign(&self.key).expect("a good record").into_text()
    }

    /// Record `seq`; `what` makes one differ from another in the same place.
    pub fn record(&self, seq: u64, what: &str) -> String {
        self.signed(
            seq,
            "2026-11-24T08:00:00.000+08:00",
            Data::Export(Export { what: what.into(), size: seq, claim: None }),
        )
    }

    pub fn records(&self, seqs: Range<u64>) -> Vec<String> {
        seqs.map(|seq| self.record(seq, "log")).collect()
    }

    pub fn checkpoint(&self, records: &[String]) -> String {
        let mut frontier = Frontier::new();
        records.iter().for_each(|record| drop(frontier.push(leaf_hash(record.as_bytes()))));
        self.sign(frontier.size(), frontier.root())
    }

    pub fn sign(&self, size: u64, root: [u8; 32]) -> String {
        let checkpoint = Checkpoint { origin: self.id().to_owned(), size, root };
        Signed::sign(checkpoint, &self.key).expect("a good checkpoint").to_text()
    }

    /// The body of a push of `records[first..]`, under a checkpoint over all of them.
    pub fn push_body(&self, first: usize, records: &[String]) -> Value {
        json!({ "first": first, "records": records[first..], "checkpoint": self.checkpoint(records) })
    }

    pub async fn push(&self, server: &Server, first: usize, records: &[String]) -> Answer {
        server.post_json(&self.path(), &self.push_body(first, records)).await
    }

    /// Pushes, and verifies the receipt.
    pub async fn receipt(&self, server: &Server, first: usize, records: &[String]) -> Countersigned {
        let answer = self.push(server, first, records).await;
        self.read_receipt(&answer, server.bureau_key())
    }

    pub fn read_receipt(&self, answer: &Answer, key: VerifyingKey) -> Countersigned {
        assert!(answer.status.is_success(), "{answer:?}");
        let witness = Witness { name: NAME.into(), key };
        Countersigned::parse(&answer.text, &self.log, &witness).expect("a receipt")
    }

    pub fn path(&self) -> String {
        format!("/v1/appliances/{}/log", self.id())
    }
}
