//! `rollcall recording`: what was recorded of a day's lessons, and what was not and why.

mod bench;
mod keep;

use super::appliance::open;
use crate::attention::english::cause_text;
use crate::recording::{Plan, account_of};
use anyhow::Result;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// `rollcall recording`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RecordingArgs {
    #[command(subcommand)]
    command: Option<RecordingCommand>,
    /// The day, YYYY-MM-DD; today when not given
    #[arg(long)]
    date: Option<Date>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum RecordingCommand {
    /// Measure what recording takes of this machine
    Bench(bench::BenchArgs),
    /// What is kept, what may be deleted, and how far the archive reaches
    Status(keep::StatusArgs),
    /// Archive closed days now
    Archive(keep::ArchiveArgs),
    /// Give up segments whose files are gone: a record says so, and they count as deleted
    GiveUp(keep::GiveUpArgs),
    /// Mark a new disk that is mounted in the place of the one with the recordings
    Init,
}

/// A day's recordings.
#[derive(Serialize)]
struct Day {
    date: Date,
    lessons: Vec<LessonAccount>,
    cameras: Vec<CameraDay>,
}

/// One camera's account of one lesson, as far as it has gone. Milliseconds.
#[derive(Serialize)]
struct LessonAccount {
    class: String,
    start: String,
    end: String,
    camera: String,
    required_ms: i64,
    recorded_ms: i64,
    gaps_ms: BTreeMap<evidence::record::GapCause, i64>,
    unexplained_ms: i64,
}

/// What a camera has on disk of the day.
#[derive(Serialize)]
struct CameraDay {
    camera: String,
    segments: usize,
    bytes: u64,
}

impl RecordingArgs {
    /// Prints it. Exit code 0: all that had to be recorded is, or its absence is explained; 1: something is not.
    pub fn run(self, path: &Path) -> Result<ExitCode> {
        match self.command {
            Some(RecordingCommand::Bench(command)) => return command.run().map(|()| ExitCode::SUCCESS),
            Some(RecordingCommand::Status(command)) => return command.run(path),
            Some(RecordingCommand::Archive(command)) => return command.run(path),
            Some(RecordingCommand::GiveUp(command)) => return command.run(path),
            Some(RecordingCommand::Init) => return keep::init(path),
            None => {}
        }
        let (config, journal) = open(path)?;
        let now = journal.clock().now();
        let date = self.date.unwrap_or_else(|| now.to_zoned_datetime(journal.zone().clone()).date());
        let cameras: Vec<_> = config.cameras.iter().filter(|camera| camera.record).collect();
        let mut day = Day { date, lessons: Vec::new(), cameras: Vec::new() };
        for lesson in Plan::of_all_classes(&config, &journal)?.lessons_on(&journal, date)? {
            let so_far = crate::class::Span { until: lesson.span.until.min(now), ..lesson.span };
            for camera in lesson.cameras.iter().filter(|_| so_far.from < so_far.until) {
                let account = account_of(&journal, camera, so_far)?;
                day.lessons.push(LessonAccount {
                    class: lesson.class.to_string(),
                    start: journal.time_text(lesson.start),
                    end: journal.time_text(so_far.until),
                    camera: camera.clone(),
                    required_ms: account.required_ms,
                    recorded_ms: account.recorded_ms,
                    unexplained_ms: account.unexplained_ms(),
                    gaps_ms: account.gaps_ms,
                });
            }
        }
        let midnight = |date: Date| Some(date.to_zoned_datetime(journal.zone().clone()).ok()?.timestamp());
        let from = midnight(date).unwrap_or(Timestamp::MIN);
        let until = date.checked_add(1.day()).ok().and_then(midnight).unwrap_or(Timestamp::MAX);
        for camera in &cameras {
            let segments = journal.store().read()?.segments(&camera.name, from, until)?;
            let bytes = segments.iter().map(|segment| segment.bytes).sum();
            day.cameras.push(CameraDay { camera: camera.name.clone(), segments: segments.len(), bytes });
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&day)?);
        } else {
            print!("{day}");
        }
        // Of a lesson that goes on, the segment that is being written is not told of yet.
        let is_over = |lesson: &&LessonAccount| lesson.end.parse::<Timestamp>().is_ok_and(|end| end < now);
        let unexplained = day.lessons.iter().filter(is_over).any(|lesson| lesson.unexplained_ms > 0);
        Ok(if unexplained { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.date)?;
        if self.lessons.is_empty() {
            writeln!(f, "  no lesson has begun in this room that a camera had to record")?;
        }
        for lesson in &self.lessons {
            let share = lesson.recorded_ms as f64 * 100.0 / lesson.required_ms.max(1) as f64;
            let (start, end) = (&lesson.start[11..16], &lesson.end[11..16]);
            writeln!(
                f,
                "  {start}–{end}  class {}  camera {}: {} of {} recorded ({share:.2} %)",
                lesson.class,
                lesson.camera,
                clock(lesson.recorded_ms),
                clock(lesson.required_ms)
            )?;
            for (cause, ms) in &lesson.gaps_ms {
                writeln!(f, "      {}  {}", clock(*ms), cause_text(*cause))?;
            }
            if lesson.unexplained_ms > 0 {
                writeln!(f, "      {}  not told of yet", clock(lesson.unexplained_ms))?;
            }
        }
        for camera in &self.cameras {
            writeln!(f, "  camera {}: {} segments, {} MB", camera.camera, camera.segments, camera.bytes >> 20)?;
        }
        Ok(())
    }
}

/// Milliseconds as hours, minutes and seconds.
fn clock(ms: i64) -> String {
    let seconds = ms / 1000;
    format!("{}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, ms % 1000)
}
