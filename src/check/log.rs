//! The log, row by row: signature, place, time, tree; and with each record the rows and photos that hang on it.

use super::coverage::Coverage;
use super::people::People;
use super::receipts::Receipts;
use super::recordings::{Files, Recordings};
use super::{Found, rows};
use crate::store::{LogRow, Reader, Store, StoreError};
use evidence::checkpoint::Log;
use evidence::jws::{JwsError, Verifier};
use evidence::record::Record;
use evidence::tree::{Hash, frontier_at};
use evidence::verdict::{LogVerifier, Verdict};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

/// Records looked at in one snapshot: enough for every core, and a daemon's write-ahead log does not grow meanwhile.
const CHUNK: u64 = 2000;

/// What was counted beside the log.
#[derive(Default)]
pub(super) struct Facts {
    pub checkins: u64,
    pub photos: u64,
    pub templates: u64,
    pub segments: u64,
}

/// A place in the log, and what is there.
pub(super) struct Place {
    pub seq: u64,
    pub row: Result<LogRow, String>,
}

/// Checks the log and all that is derived from it.
pub(super) fn check(
    store: &Store,
    log: &Log,
    receipts: &Receipts,
    files: Option<&Files>,
    found: &mut Found,
) -> Result<(Verdict, Facts), StoreError> {
    let verifier = Verifier::new(log.key);
    let mut tree = LogVerifier::new(log.key, receipts.good(), Vec::new());
    let mut people = People::default();
    let mut recordings = Recordings::default();
    let mut coverage = Coverage::default();
    let mut counted = rows::Counted::default();
    let (templates, rows) = loop {
        let at = tree.frontier().size();
        let reader = store.read()?;
        let (places, is_end) = places(&reader, at, found);
        let outcomes: Vec<Option<Result<Record, JwsError>>> = places
            .par_iter()
            .map(|place| place.row.as_ref().ok().map(|row| verifier.verify(row.record.as_str())))
            .collect();
        let is_its_own = |seq: u64, record: &&Record| record.seq == seq && record.device == log.origin;
        let records: Vec<(u64, Option<&Record>)> = places
            .iter()
            .zip(&outcomes)
            .map(|(Place { seq, .. }, outcome)| {
                let record = outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
                (*seq, record.filter(|record| is_its_own(*seq, record)))
            })
            .collect();
        rows::check(&reader, &records, &mut counted, found);
        records.iter().for_each(|(seq, record)| people.take(*seq, *record));
        records.iter().for_each(|(seq, record)| coverage.take(*seq, *record));
        let good = records.iter().filter_map(|(seq, record)| Some((*seq, (*record)?)));
        good.for_each(|(seq, record)| recordings.take(seq, record));
        for (place, outcome) in places.iter().zip(outcomes) {
            take(&reader, &mut tree, place, outcome, found);
        }
        if is_end {
            // In the snapshot that showed the log's end, so that no newer record can be missing from what is compared.
            coverage.compare(&reader, &recordings, found)?;
            let templates = people.compare(&reader, found);
            people.photos(&reader, &counted.missing, found);
            let rows = recordings.compare(&reader, found).unwrap_or_else(|error| {
                found.fail("unreadable", "segments", None, error.to_string());
                Default::default()
            });
            break (templates, rows);
        }
    };
    if let Some(files) = files {
        recordings.files(store, &rows, files, found);
    }
    let segments = rows.len() as u64;
    Ok((tree.finish(), Facts { checkins: counted.checkins, photos: counted.photos, templates, segments }))
}

/// Takes a record into the tree and compares the nodes that were kept with it.
fn take(
    reader: &Reader<'_>,
    tree: &mut LogVerifier,
    place: &Place,
    outcome: Option<Result<Record, JwsError>>,
    found: &mut Found,
) {
    let (row, outcome) = match (&place.row, outcome) {
        (Ok(row), Some(outcome)) => (row, outcome),
        (Err(problem), _) => return tree.push_lost(problem),
        (Ok(_), None) => return tree.push_lost("was not verified"),
    };
    let was_blind = tree.is_blind();
    let verifies = outcome.as_ref().is_ok_and(|record| record.seq == place.seq);
    let leaf = row.record.leaf_hash();
    let kept = row.nodes.first().copied().unwrap_or(leaf);
    // Under a record that was altered, what was kept is the better witness of what it had been.
    let completed = tree.push_leaf(if verifies { leaf } else { kept }, outcome);
    if was_blind && let Ok(frontier) = frontier_at(&**reader, place.seq + 1) {
        tree.resume(frontier);
    }
    let seq = Some(place.seq);
    if leaf != kept {
        let which = if verifies {
            "the record verifies, so the tree's row is what changed"
        } else {
            "the record is not the one that was appended"
        };
        found.fail("altered", "log", seq, format!("record {} and its leaf in the tree differ: {which}", place.seq));
    } else if !was_blind && completed != row.nodes {
        found.fail("wrong_node", "log", seq, wrong_node(place.seq, &completed, &row.nodes));
    }
}

fn wrong_node(seq: u64, computed: &[Hash], kept: &[Hash]) -> String {
    let level = computed.iter().zip(kept).take_while(|(computed, kept)| computed == kept).count();
    if level == computed.len().min(kept.len()) {
        return format!("{} nodes are kept with record {seq}, which completes {}", kept.len(), computed.len());
    }
    format!("the node of level {level} kept with record {seq} is not that of the records under it")
}

/// What is at the next places of the log, and whether it ends behind them.
fn places(reader: &Reader<'_>, at: u64, found: &mut Found) -> (Vec<Place>, bool) {
    // When its last page is damaged, the log is taken to end before the first row that cannot be read.
    let size = reader.log_size();
    let end = size.as_ref().map_or(at + CHUNK, |size| (*size).min(at + CHUNK));
    let mut is_end = size.as_ref().is_ok_and(|size| end >= *size);
    let mut places = Vec::new();
    match reader.log_rows(at, (end.saturating_sub(at)) as usize) {
        Ok(rows) => {
            for row in rows.into_iter().take_while(|row| row.seq < end) {
                let next = at + places.len() as u64;
                places.extend((next..row.seq).map(|seq| Place { seq, row: Err("is missing".into()) }));
                places.push(Place { seq: row.seq, row: Ok(row) });
            }
            if size.is_ok() {
                let next = at + places.len() as u64;
                places.extend((next..end).map(|seq| Place { seq, row: Err("is missing".into()) }));
            }
        }
        Err(_) => {
            for seq in at..end {
                let row = match reader.log_row(seq) {
                    Ok(Some(row)) => Ok(row),
                    Ok(None) => Err("is missing".to_owned()),
                    Err(error) => Err(format!("cannot be read: {error}")),
                };
                if row.is_err() && size.is_err() {
                    is_end = true;
                    break;
                }
                places.push(Place { seq, row });
            }
        }
    }
    if let (Err(error), true) = (&size, is_end || places.is_empty()) {
        is_end = true;
        let end = at + places.len() as u64;
        found.fail("unreadable", "log", None, format!("the log's end, from record {end} on, cannot be read: {error}"));
    }
    (places, is_end)
}
