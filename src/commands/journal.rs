//! `rollcall journal`: how fast this machine's disk keeps the signed log.

use crate::clock::SystemClock;
use crate::journal::testing::checkin;
use crate::journal::{Journal, JournalError};
use crate::store::yardstick::PlainTable;
use anyhow::{Context, Result};
use evidence::record::Data;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `rollcall journal …`
#[derive(Debug, clap::Subcommand)]
pub enum JournalCommand {
    /// Measure appends and opening, against plain SQLite on the same disk
    Bench(BenchArgs),
}

/// `rollcall journal bench`
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Length of the long log
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Appends that are timed at each length
    #[arg(long, default_value_t = 4000)]
    appends: u64,
    /// Where to make the scratch folder; its disk is what is measured
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl JournalCommand {
    /// Runs it.
    pub fn run(self) -> Result<()> {
        match self {
            JournalCommand::Bench(args) => bench(&args),
        }
    }
}

/// What was measured at one length of the log.
#[derive(Debug, Serialize)]
struct Measured {
    /// Records in the log before.
    at_records: u64,
    /// Signed, encrypted, fsynced check-in records a second, one by one.
    appends_per_second: f64,
    /// Plain SQLite inserts a second, in turns with them.
    plain_per_second: f64,
    /// The first as a share of the second.
    share: f64,
    /// Check-ins with a capture photo of 40 kB a second.
    with_photo_per_second: f64,
    /// Opening the log: key, database, tree, last record.
    open_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    record_bytes: usize,
    measured: Vec<Measured>,
    /// Bytes of the database at the end.
    database_bytes: u64,
}

fn open(state: &Path) -> Result<Journal, JournalError> {
    Journal::open_state(state, Arc::new(SystemClock::default()), TimeZone::UTC)
}

/// Appends distinct check-ins.
struct Bench {
    state: PathBuf,
    journal: Journal,
    plain: PlainTable,
    text: String,
    number: u64,
}

impl Bench {
    fn data(&mut self) -> Data {
        self.number += 1;
        Data::Checkin(checkin("2026-NK-0117", &format!("{:02}", self.number % 40), &format!("day {}", self.number)))
    }

    fn fill(&mut self, records: u64) -> Result<()> {
        while self.journal.size() < records {
            let batch: Vec<Data> = (0..1000.min(records - self.journal.size())).map(|_| self.data()).collect();
            self.journal.transaction(|transaction| {
                batch.into_iter().try_for_each(|data| transaction.append(data).map(|_| ()))
            })?;
            if self.journal.size() % 100_000 == 0 {
                eprintln!("{} records", self.journal.size());
            }
        }
        Ok(())
    }

    fn measure(&mut self, appends: u64) -> Result<Measured> {
        let at_records = self.journal.size();
        // In turns of 100, so that whatever else the machine does meets both.
        let (mut signed, mut plain) = (Duration::ZERO, Duration::ZERO);
        let turns = appends.div_ceil(100);
        for _ in 0..turns {
            let batch: Vec<Data> = (0..100).map(|_| self.data()).collect();
            let start = Instant::now();
            for data in batch {
                self.journal.append(data)?;
            }
            signed += start.elapsed();
            let start = Instant::now();
            for _ in 0..100 {
                self.plain.insert(&self.text)?;
            }
            plain += start.elapsed();
        }
        let photos = appends / 10;
        let mut jpeg = vec![0u8; 40_000];
        let start = Instant::now();
        for _ in 0..photos {
            let Data::Checkin(checkin) = self.data() else { unreachable!("data() makes check-ins") };
            jpeg[..8].copy_from_slice(&self.number.to_le_bytes());
            self.journal.check_in(checkin, Some(&jpeg))?;
        }
        let with_photo = start.elapsed();
        let start = Instant::now();
        let opened = open(&self.state)?;
        let open_time = start.elapsed();
        anyhow::ensure!(
            opened.size() == self.journal.size(),
            "the log that was opened is not the log that was written"
        );
        let rate = |count: u64, time: Duration| count as f64 / time.as_secs_f64();
        let (signed, plain) = (rate(turns * 100, signed), rate(turns * 100, plain));
        Ok(Measured {
            at_records,
            appends_per_second: signed,
            plain_per_second: plain,
            share: signed / plain,
            with_photo_per_second: rate(photos, with_photo),
            open_ms: open_time.as_secs_f64() * 1e3,
        })
    }
}

fn bench(args: &BenchArgs) -> Result<()> {
    let folder = args.dir.join(format!("rollcall-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let report = run(args, &folder);
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let report = report?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("records of {} bytes; database {} MB at the end", report.record_bytes, report.database_bytes >> 20);
    println!(
        "{:>10} {:>11} {:>11} {:>7} {:>13} {:>9}",
        "at", "appends/s", "plain/s", "share", "with photo/s", "open ms"
    );
    for m in &report.measured {
        println!(
            "{:>10} {:>11.0} {:>11.0} {:>6.0}% {:>13.0} {:>9.1}",
            m.at_records,
            m.appends_per_second,
            m.plain_per_second,
            m.share * 100.0,
            m.with_photo_per_second,
            m.open_ms
        );
    }
    Ok(())
}

fn run(args: &BenchArgs, folder: &Path) -> Result<Report> {
    let state = folder.join("state");
    let clock = Arc::new(SystemClock::default());
    let journal = Journal::initialise(&state, "南开区实训基地", "301", clock, TimeZone::UTC)?;
    let plain = PlainTable::create(&folder.join("plain.db"))?;
    let mut bench = Bench { state, journal, plain, text: String::new(), number: 0 };
    bench.fill(1000)?;
    let last = bench.journal.store().read()?.record(999)?.context("just written")?;
    bench.text = last.into_text();
    let mut measured = Vec::new();
    for length in [1000, args.records] {
        bench.fill(length)?;
        // Once without looking: caches and the file's blocks.
        bench.measure(100)?;
        measured.push(bench.measure(args.appends)?);
    }
    let database_bytes = std::fs::metadata(bench.journal.store().path())?.len();
    Ok(Report { record_bytes: bench.text.len(), measured, database_bytes })
}
