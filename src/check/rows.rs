//! Check-ins and capture photos against the records that they belong to.

use super::Found;
use super::people::Who;
use crate::store::{CheckinRow, Reader};
use evidence::record::{Checkin, Data, Record};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Counted {
    pub checkins: u64,
    pub photos: u64,
    /// Check-ins whose photo is not there, by their record, with class and roster number.
    pub missing: Vec<(u64, Who)>,
}

/// Checks what hangs on these records, which follow each other; `None` is a record that does not verify.
pub(super) fn check(reader: &Reader<'_>, records: &[(u64, Option<&Record>)], counted: &mut Counted, found: &mut Found) {
    let (Some((first, _)), Some((last, _))) = (records.first(), records.last()) else { return };
    checkins(reader, records, (*first, *last), counted, found);
    captures(reader, records, (*first, *last), counted, found);
}

fn checkin_of(record: &Record) -> Option<&Checkin> {
    match &record.data {
        Data::Checkin(checkin) => Some(checkin),
        _ => None,
    }
}

fn checkins(
    reader: &Reader<'_>,
    records: &[(u64, Option<&Record>)],
    (first, last): (u64, u64),
    counted: &mut Counted,
    found: &mut Found,
) {
    let mut rows = BTreeMap::new();
    let mut unreadable = BTreeSet::new();
    match reader.checkins_from(first, records.len()) {
        Ok(all) => rows.extend(all.into_iter().filter(|row| row.seq <= last).map(|row| (row.seq, row))),
        Err(_) => {
            for (seq, _) in records {
                match reader.checkin_of(*seq) {
                    Ok(row) => rows.extend(row.map(|row| (*seq, row))),
                    Err(error) => {
                        found.fail(
                            "unreadable",
                            "checkins",
                            Some(*seq),
                            format!("the check-in of record {seq}: {error}"),
                        );
                        unreadable.insert(*seq);
                    }
                }
            }
        }
    }
    counted.checkins += rows.len() as u64;
    for (seq, record) in records {
        let row = rows.remove(seq);
        let Some(record) = record else { continue };
        let expected = checkin_of(record).map(|checkin| CheckinRow::of(*seq, &record.time, checkin));
        let message = match (&expected, &row) {
            _ if expected == row || unreadable.contains(seq) => continue,
            (Some(_), Some(_)) => format!("the row of record {seq} does not say what the record says"),
            (Some(_), None) => format!("record {seq} is a check-in, but has no row"),
            (None, _) => format!("there is a row for record {seq}, which is no check-in"),
        };
        found.fail("wrong_row", "checkins", Some(*seq), message);
    }
}

fn captures(
    reader: &Reader<'_>,
    records: &[(u64, Option<&Record>)],
    (first, last): (u64, u64),
    counted: &mut Counted,
    found: &mut Found,
) {
    let kept: BTreeSet<u64> = match reader.capture_seqs(first, records.len()) {
        Ok(seqs) => seqs.into_iter().filter(|seq| *seq <= last).collect(),
        // One by one then.
        Err(_) => records.iter().map(|(seq, _)| *seq).collect(),
    };
    for (seq, record) in records {
        let checkin = record.and_then(checkin_of);
        let expected = checkin.and_then(|checkin| checkin.photo.as_deref());
        if expected.is_none() && !kept.contains(seq) {
            continue;
        }
        let message = match reader.capture_of(*seq) {
            Err(error) => format!("the photo of record {seq}: {error}"),
            Ok(None) => {
                // Whether it was erased is told by a later record.
                let told = checkin.filter(|_| expected.is_some());
                counted.missing.extend(told.map(|checkin| {
                    let name = |text: &Option<String>| text.clone().unwrap_or_default();
                    (*seq, (name(&checkin.class), name(&checkin.person)))
                }));
                continue;
            }
            Ok(Some((sha256, jpeg))) => {
                counted.photos += 1;
                let is_told = expected.is_some_and(|expected| expected != sha256);
                match (record, expected) {
                    _ if evidence::sha256_hex(&jpeg) != sha256 => {
                        format!("the photo of record {seq} is not the one that was taken")
                    }
                    _ if is_told => format!("the photo kept for record {seq} is not the one that the record names"),
                    (Some(_), None) => format!("there is a photo for record {seq}, which names none"),
                    _ => continue,
                }
            }
        };
        found.fail("wrong_photo", "captures", Some(*seq), message);
    }
}
