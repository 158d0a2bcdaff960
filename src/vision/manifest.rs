//! models.toml: which model plays which role, its hash, sizes and normalisation.

use super::VisionError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// models.toml, with every model's hash verified.
pub struct Manifest {
    pub(super) path: PathBuf,
    pub(super) file: ManifestFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestFile {
    pub detect: Detect,
    pub landmarks: Landmarks,
    pub embed: Embed,
    /// Absent: people are not looked for.
    pub person: Option<Person>,
    pub onnxruntime: OnnxRuntime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detect {
    pub file: PathBuf,
    pub sha256: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "licence")]
    _licence: String,
    #[serde(rename = "licence_file")]
    _licence_file: PathBuf,
    #[serde(rename = "kind")]
    _kind: DetectKind,
    pub input: Input,
    pub boxes: String,
    pub scores: String,
}

#[derive(Deserialize)]
enum DetectKind {
    #[serde(rename = "blazeface-short-range")]
    BlazeFaceShortRange,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Landmarks {
    pub file: PathBuf,
    pub sha256: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "licence")]
    _licence: String,
    #[serde(rename = "licence_file")]
    _licence_file: PathBuf,
    #[serde(rename = "kind")]
    _kind: LandmarksKind,
    pub input: Input,
    pub points: String,
    pub presence: String,
}

#[derive(Deserialize)]
enum LandmarksKind {
    #[serde(rename = "face-mesh-468")]
    FaceMesh468,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Embed {
    pub file: PathBuf,
    pub sha256: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "licence")]
    _licence: String,
    #[serde(rename = "licence_file")]
    _licence_file: PathBuf,
    #[serde(rename = "kind")]
    _kind: String,
    pub input: Input,
    pub embedding: Output,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub file: PathBuf,
    pub sha256: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "licence")]
    _licence: String,
    #[serde(rename = "licence_file")]
    _licence_file: PathBuf,
    #[serde(rename = "kind")]
    _kind: PersonKind,
    pub input: ChannelInput,
    pub scores: String,
    pub boxes: String,
}

#[derive(Deserialize)]
enum PersonKind {
    #[serde(rename = "nanodet-person")]
    NanodetPerson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelInput {
    pub name: String,
    /// Side of the square input, px.
    pub size: usize,
    /// For blue, green and red.
    pub mean: [f32; 3],
    pub scale: [f32; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub name: String,
    /// Side of the square input, px.
    pub size: usize,
    pub mean: f32,
    pub scale: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    pub name: String,
    pub length: usize,
}

#[derive(Deserialize)]
pub(super) struct OnnxRuntime {
    pub version: String,
    #[serde(rename = "licence")]
    _licence: String,
    /// By architecture.
    #[serde(flatten)]
    pub builds: BTreeMap<String, Build>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    #[serde(rename = "wheel")]
    _wheel: String,
    #[serde(rename = "wheel_sha256")]
    _wheel_sha256: String,
    #[serde(rename = "library")]
    _library: String,
    pub library_sha256: String,
}

impl Manifest {
    /// Where the manifest is when the config does not say: beside the binary, in /usr/share/rollcall, or in the
    /// checkout that the binary was built from.
    pub fn default_path() -> PathBuf {
        let executable = std::env::current_exe().unwrap_or_default();
        let beside = |levels: usize| executable.ancestors().nth(levels).map(|folder| folder.join("models/models.toml"));
        [beside(1), Some("/usr/share/rollcall/models/models.toml".into()), beside(3), beside(4)]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
            .unwrap_or_else(|| "/usr/share/rollcall/models/models.toml".into())
    }

    /// The SHA-256 (hex) of the embedding model that a manifest names. No model is read.
    pub fn embedding_model(path: &Path) -> Result<String, VisionError> {
        Ok(read(path)?.embed.sha256)
    }

    /// Reads the manifest and verifies the hash of every model in it.
    pub fn load(path: &Path) -> Result<Manifest, VisionError> {
        let manifest = Manifest { path: path.to_owned(), file: read(path)? };
        let models = [
            (&manifest.file.detect.file, &manifest.file.detect.sha256),
            (&manifest.file.landmarks.file, &manifest.file.landmarks.sha256),
            (&manifest.file.embed.file, &manifest.file.embed.sha256),
        ];
        let person = manifest.file.person.iter().map(|person| (&person.file, &person.sha256));
        for (file, sha256) in models.into_iter().chain(person) {
            manifest.verify(&manifest.resolve(file), sha256)?;
        }
        Ok(manifest)
    }

    pub(super) fn resolve(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(file)
    }

    pub(super) fn verify(&self, path: &Path, expected: &str) -> Result<(), VisionError> {
        let bytes = std::fs::read(path).map_err(|source| VisionError::Read { path: path.to_owned(), source })?;
        let found = evidence::sha256_hex(&bytes);
        if found == expected.to_lowercase() {
            return Ok(());
        }
        Err(VisionError::WrongFile {
            path: path.to_owned(),
            manifest: self.path.clone(),
            expected: expected.to_owned(),
            found,
        })
    }
}

fn read(path: &Path) -> Result<ManifestFile, VisionError> {
    let text = std::fs::read_to_string(path).map_err(|source| VisionError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| VisionError::Manifest { path: path.to_owned(), message: error.to_string() })
}
