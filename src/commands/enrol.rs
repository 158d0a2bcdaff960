//! `rollcall enrol`: faces from photo files. Nothing is enrolled of a person any of whose photos is refused.

use super::appliance;
use super::class::class_id;
use crate::checkin::enrol;
use crate::class::ClassId;
use crate::config::Config;
use crate::journal::Journal;
use crate::picture::Picture;
use crate::vision::Vision;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `rollcall enrol`
#[derive(Debug, clap::Args)]
pub struct EnrolArgs {
    /// 班期编号
    class: String,
    /// 编号 and photos of one person; without them, --folder says whose photos to take
    #[arg(required_unless_present = "folder")]
    number: Option<String>,
    /// Photo files (JPEG, PNG, WebP) of that person
    #[arg(requires = "number")]
    photos: Vec<PathBuf>,
    /// A folder of photos named 编号.jpg, 编号_2.jpg …, or with a folder 编号 for each person
    #[arg(long, conflicts_with = "number")]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of one person.
#[derive(Debug, serde::Serialize)]
pub struct Enrolment {
    /// Roster number.
    pub number: String,
    /// Photos that were looked at.
    pub photos: usize,
    /// The enrolment's record; absent when it was refused.
    pub seq: Option<u64>,
    /// Why it was refused, with the photo.
    pub refused: Option<String>,
}

impl EnrolArgs {
    /// Runs it; fails when anybody was refused.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        let (config, journal) = appliance::open(config)?;
        let class = class_id(&self.class)?;
        let people = match (&self.number, &self.folder) {
            (Some(number), _) => {
                anyhow::ensure!(!self.photos.is_empty(), "name at least one photo of {number}");
                BTreeMap::from([(number.clone(), self.photos.clone())])
            }
            (None, Some(folder)) => {
                let row = journal.store().read()?.class(&class)?;
                let row = row.with_context(|| format!("class {class} is not known; import it first"))?;
                photos_in(folder, &|number| row.class.person(number).is_some())?
            }
            (None, None) => anyhow::bail!("name a person and photos, or a --folder"),
        };
        let mut vision = appliance::Models::load(&config)?.vision()?;
        let mut done = Vec::new();
        for (number, photos) in people {
            let outcome = enrol_person(&journal, &config, &mut vision, &class, &number, &photos);
            let (seq, refused) = match outcome {
                Ok(seq) => (Some(seq), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            };
            if !self.json {
                match (&seq, &refused) {
                    (Some(seq), _) => println!("{number}  enrolled from {} photos; record {seq}", photos.len()),
                    (_, refused) => println!("{number}  refused: {}", refused.as_deref().unwrap_or_default()),
                }
            }
            done.push(Enrolment { number, photos: photos.len(), seq, refused });
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&done)?);
        }
        let all = done.iter().all(|enrolment| enrolment.seq.is_some());
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Enrols one person from photo files; tells the record.
pub fn enrol_person(
    journal: &Journal,
    config: &Config,
    vision: &mut Vision,
    class: &ClassId,
    number: &str,
    photos: &[PathBuf],
) -> Result<u64> {
    let person = journal.store().read()?.person(class, number)?;
    person.with_context(|| format!("{number} is not on the roster of class {class}"))?;
    let limits = config.checkin.enrolment_quality();
    let mut faces = Vec::new();
    for path in photos {
        let named = || path.display().to_string();
        let bytes = std::fs::read(path).with_context(named)?;
        let picture = Picture::decode(&bytes).with_context(named)?;
        let face = enrol::face_of_photo(vision, &picture, &limits).with_context(named)?;
        faces.push((face, evidence::sha256_hex(&bytes)));
    }
    enrol::same_person(&faces)?;
    let limit = config.checkin.decision.duplicate_threshold;
    Ok(enrol::keep(journal, class, number, &faces, vision.model(), "cli", limit)?.seq)
}

/// The photos of a folder by roster number. A name that stands on the roster as it is belongs to that person, whatever
/// `_` it holds; otherwise what follows the last `_` counts the photo.
fn photos_in(folder: &Path, is_on_roster: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let is_photo = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        path.is_file() && ["jpg", "jpeg", "png", "webp"].contains(&extension.to_lowercase().as_str())
    };
    let text = |name: Option<&OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let mut people: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in list(folder)? {
        if path.is_dir() {
            let photos: Vec<PathBuf> = list(&path)?.into_iter().filter(|path| is_photo(path)).collect();
            if !photos.is_empty() {
                people.entry(text(path.file_name())).or_default().extend(photos);
            }
        } else if is_photo(&path) {
            let name = text(path.file_stem());
            let number = match name.rsplit_once('_') {
                Some((number, _)) if !is_on_roster(&name) => number,
                _ => &name,
            };
            people.entry(number.to_owned()).or_default().push(path.clone());
        }
    }
    anyhow::ensure!(!people.is_empty(), "no photos (jpg, png, webp) in {}", folder.display());
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_belongs_to_the_number_it_is_named_by_whatever_the_number_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let names =
            ["001.jpg", "001_2.JPG", "2026_001.png", "2026_001_2.png", "A.jpg", "A_1.jpg", "notes.txt", "9_9.webp"];
        for name in names {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        std::fs::create_dir(folder.path().join("B.7")).expect("made");
        std::fs::write(folder.path().join("B.7/any_name.jpeg"), "").expect("written");
        let roster = ["001", "2026_001", "A", "A_1", "B.7"];
        let found = photos_in(folder.path(), &|number| roster.contains(&number)).expect("photos");
        let counted: Vec<(&str, usize)> =
            found.iter().map(|(number, photos)| (number.as_str(), photos.len())).collect();
        assert_eq!(counted, [("001", 2), ("2026_001", 2), ("9", 1), ("A", 1), ("A_1", 1), ("B.7", 1)]);
    }
}
