//! `rollcall class`: plan and roster from one file.

use super::appliance;
use crate::class::{self, Class, ClassId, Lesson};
use crate::config::Config;
use crate::journal::{Journal, PlanSource, is_still_there};
use crate::recording::Plan;
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `rollcall class …`
#[derive(Debug, clap::Subcommand)]
pub enum ClassCommand {
    /// Write an empty class file to fill in (.xlsx or .csv)
    Template {
        /// The file to write
        file: PathBuf,
    },
    /// Import a class, or its changed plan and roster
    Import {
        /// The class file (.xlsx or .csv)
        file: PathBuf,
        /// Only say what is wrong with it
        #[arg(long)]
        dry_run: bool,
    },
    /// List the classes
    List,
    /// Close a class that is over: erases its people's face templates
    Close {
        /// 班期编号
        class: String,
    },
}

/// Largest class file, bytes.
const MAX_FILE: u64 = 32 << 20;

impl ClassCommand {
    /// Runs it.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        match self {
            ClassCommand::Template { file } => template(&file),
            ClassCommand::Import { file, dry_run } => return import(config, &file, dry_run),
            ClassCommand::List => list(config),
            ClassCommand::Close { class } => close(config, &class),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

fn template(file: &Path) -> Result<()> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
    let bytes = match extension.as_str() {
        "xlsx" => class::template_xlsx()?,
        "csv" => class::template_csv().as_bytes().to_vec(),
        _ => anyhow::bail!("{}: the name must end in .xlsx or .csv", file.display()),
    };
    let mut out = std::fs::File::create_new(file).with_context(|| format!("cannot write {}", file.display()))?;
    std::io::Write::write_all(&mut out, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}: fill it in, then `rollcall class import {}`", file.display(), file.display());
    Ok(())
}

fn import(config: &Path, file: &Path, dry_run: bool) -> Result<ExitCode> {
    let length = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    anyhow::ensure!(length <= MAX_FILE, "{}: {} MB is no class file", file.display(), length >> 20);
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let import = match class::parse(&name, &bytes) {
        Ok(import) => import,
        Err(problems) => {
            eprintln!("{}: {} mistakes, nothing was imported", file.display(), problems.len());
            for problem in problems {
                eprintln!("  {problem}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &import.warnings {
        println!("please check  {warning}");
    }
    let class = &import.class;
    let mut erased = Vec::new();
    // What is wanted may be looked at without an appliance; what is there may not.
    if let Ok((config, journal)) = appliance::open(config) {
        if let Some(warning) = elsewhere(&config.appliance.room, class) {
            println!("please check  {warning}");
        }
        for warning in advise(&config, &journal, class)? {
            println!("please check  {warning}");
        }
        erased = erased_by(&journal, class)?;
    }
    let counts = format!(
        "{} trainees, {} teachers, {} lessons",
        class.trainees.len(),
        class.teachers.len(),
        class.lessons.len()
    );
    let tell = |word: &str| erased.iter().for_each(|whom| println!("{word}  {whom}"));
    if dry_run {
        tell("would be erased");
        println!("class {} {} is good: {counts}; nothing was imported", class.id, class.name);
        return Ok(ExitCode::SUCCESS);
    }
    let (config, journal) = appliance::open(config)?;
    let appended = journal.import_class(class, &import.sha256, PlanSource::File, &config.appliance.room)?;
    tell("erased");
    println!("class {} {} imported: {counts}; record {}", class.id, class.name, appended.seq);
    Ok(ExitCode::SUCCESS)
}

/// Lessons of the plan that are in another room than this appliance, compared as check-in compares them.
fn elsewhere(room: &str, class: &Class) -> Option<String> {
    let is_here = |lesson: &&Lesson| lesson.is_in(room);
    let lessons: Vec<&Lesson> = class.lessons.iter().filter(|lesson| !is_here(lesson)).collect();
    if lessons.is_empty() {
        return None;
    }
    let told = |lesson: &&Lesson| format!("{} {} in {:?}", lesson.date, lesson.start.strftime("%H:%M"), lesson.room);
    let shown: Vec<String> = lessons.iter().take(SHOWN).map(told).collect();
    let shown = format!("{}{}", shown.join(", "), and_more(lessons.len()));
    Some(if lessons.len() == class.lessons.len() {
        format!(
            "NO LESSON of this class is in this appliance's room, which the config calls {room:?}: everybody will be told \
             \"not in this class\". If they are in this room, write 教室 as the config does, or leave it empty. The plan \
             has {shown}"
        )
    } else {
        format!(
            "{} of {} lessons are in another room than this appliance's, {room:?}: nobody checks in for them here: {shown}",
            lessons.len(),
            class.lessons.len()
        )
    })
}

/// Practice in this appliance's room for which the plan names no workstations.
fn without_workstations(room: &str, class: &Class) -> Option<String> {
    let lacking = class.lessons.iter().filter(|lesson| lesson.is_in(room) && lesson.lacks_workstations());
    let lacking: Vec<String> = lacking.map(|one| format!("{} {}", one.date, one.start.strftime("%H:%M"))).collect();
    (!lacking.is_empty()).then(|| {
        format!(
            "{} practice lessons name no workstations, so that nothing can show that all were in the picture, and none of \
             them will be complete; fill in 工位: {}{}",
            lacking.len(),
            lacking[..lacking.len().min(SHOWN)].join(", "),
            and_more(lacking.len())
        )
    })
}

/// How many there are besides those that are shown.
fn and_more(count: usize) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

/// Who of the class as it is known is erased when it is imported as `class`, why, and what to do.
fn erased_by(journal: &Journal, class: &Class) -> Result<Vec<String>> {
    let Some(known) = journal.store().read()?.class(&class.id)? else { return Ok(Vec::new()) };
    let leaving = known.class.people().filter(|person| !person.is_erased() && !is_still_there(person, class));
    let told = leaving.map(|person| match class.person(&person.number) {
        None => format!("{} {}: is no longer on the roster", person.number, person.name),
        Some(now) => format!(
            "{} {}: number {} is now {}, and neither ID-card number nor 备案号 says that this is the same person. If it \
             is, PIN, consent, face and QR code are needed anew: rollcall pin, consent give, enrol, qr",
            person.number, person.name, person.number, now.name
        ),
    });
    Ok(told.collect())
}

/// What the plan demands of the recording and this appliance does not have.
fn advise(config: &Config, journal: &Journal, class: &Class) -> Result<Vec<String>> {
    let reader = journal.store().read()?;
    let recorded: Vec<&str> =
        config.cameras.iter().filter(|camera| camera.record).map(|camera| camera.name.as_str()).collect();
    let mut marked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for camera in &recorded {
        let reference = reader.reference(camera)?;
        let names = reference.iter().flat_map(|reference| &reference.workstations);
        marked.insert(camera, names.map(|marked| marked.workstation.clone()).collect());
    }
    let (mut absent, mut unmarked) = (Vec::new(), Vec::new());
    for lesson in &class.lessons {
        absent.extend(lesson.cameras.iter().filter(|camera| !recorded.contains(&camera.as_str())));
        let shows = |name: &String| {
            let needs =
                |camera: &str| lesson.cameras.is_empty() || lesson.cameras.iter().any(|wanted| wanted == camera);
            marked.iter().any(|(camera, marked)| needs(camera) && marked.contains(name))
        };
        for name in lesson.workstations.iter().filter(|name| !shows(name)) {
            if !unmarked.contains(&name) {
                unmarked.push(name);
            }
        }
    }
    absent.sort_unstable();
    absent.dedup();
    let mut warnings = Vec::new();
    for name in absent {
        let what = match config.cameras.iter().any(|camera| camera.name == *name) {
            true => "is not recorded: the config says `record = false`, or it is a file",
            false => "is not in the config",
        };
        warnings.push(format!(
            "the plan needs camera {name}, which {what}; its lessons would have a gap from beginning to end"
        ));
    }
    if !unmarked.is_empty() {
        let shown: Vec<&str> = unmarked.iter().take(SHOWN).map(|name| name.as_str()).collect();
        let more = and_more(unmarked.len());
        warnings.push(format!(
            "workstations {}{more} are marked in the reference picture of no camera that records their lesson: mark \
             them on the staff page, or nobody can tell whether they are in the picture",
            shown.join(", ")
        ));
    }
    warnings.extend(without_workstations(&config.appliance.room, class));
    Ok(warnings)
}

/// So many workstations, or lessons, are named; of more, the number is told.
const SHOWN: usize = 12;

fn list(config: &Path) -> Result<()> {
    let (config, journal) = appliance::open(config)?;
    let model = appliance::embedding_model(&config);
    let reader = journal.store().read()?;
    let classes = reader.all_classes()?;
    if classes.is_empty() {
        println!("no class has been imported yet");
    }
    for row in classes {
        let class = &row.class;
        let enrolled = reader.enrolled_with(&class.id, model.as_deref())?.len();
        let days = class.days().map_or(String::new(), |(first, last)| format!("{first} to {last}"));
        let state = if row.closed.is_some() { "  closed" } else { "" };
        println!(
            "{}  {}  {days}  {} trainees, {} teachers, {enrolled} enrolled, {} lessons{state}",
            class.id,
            class.name,
            class.trainees.len(),
            class.teachers.len(),
            class.lessons.len()
        );
    }
    Ok(())
}

fn close(config: &Path, class: &str) -> Result<()> {
    let (config, journal) = appliance::open(config)?;
    let id = class_id(class)?;
    journal.close_class(&id)?;
    println!("class {id} is closed, its face templates are erased");
    for lesson in Plan::new(&config).over(&journal, Timestamp::MAX)?.into_iter().filter(|lesson| lesson.class == id) {
        let start = lesson.start.to_zoned_datetime(journal.zone().clone()).strftime("%Y-%m-%d %H:%M");
        println!("its lesson of {start} has begun: it is recorded to its end, and accounted for");
    }
    Ok(())
}

/// Reads a class number from the command line.
pub(super) fn class_id(text: &str) -> Result<ClassId> {
    ClassId::new(text).map_err(|problem| anyhow::anyhow!("{text:?}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::LessonKind;
    use crate::journal::testing;

    #[test]
    fn lessons_in_other_rooms_are_named_and_a_class_that_is_never_here_loudly() {
        let class = |rooms: &[&str]| {
            let mut class = testing::class("A", &["1"], &["T1"]);
            let lesson = class.lessons[0].clone();
            class.lessons = rooms.iter().map(|room| Lesson { room: room.to_string(), ..lesson.clone() }).collect();
            class
        };
        let said = |rooms: &[&str]| elsewhere("301", &class(rooms)).unwrap_or_default();
        assert_eq!(said(&["301", "", "301"]), "");
        let some = said(&["301", "205", ""]);
        assert!(some.starts_with("1 of 3 lessons are in another room"), "{some}");
        assert!(some.ends_with("2026-11-23 08:00 in \"205\""), "{some}");
        let none = said(&["301教室", "205"]);
        assert!(none.starts_with("NO LESSON of this class") && none.contains("\"301\""), "{none}");
        assert!(none.contains("in \"301教室\", 2026-11-23 08:00 in \"205\""), "{none}");
        assert!(said(&["205"; 15]).ends_with(" and 3 more"));
    }

    #[test]
    fn practice_here_without_workstations_is_named() {
        let mut class = testing::class("A", &["1"], &["T1"]);
        assert_eq!(without_workstations("301", &class), None, "theory needs none");
        let practice = Lesson { kind: LessonKind::Practice, ..class.lessons[0].clone() };
        let elsewhere = Lesson { room: "205".into(), ..practice.clone() };
        let named = Lesson { workstations: vec!["1".into()], ..practice.clone() };
        class.lessons.extend([practice, elsewhere, named]);
        let said = without_workstations("301", &class).expect("told");
        assert!(said.starts_with("1 practice lessons") && said.ends_with(": 2026-11-23 08:00"), "{said}");
    }
}
