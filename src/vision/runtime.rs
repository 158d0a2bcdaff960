//! Finds libonnxruntime, verifies it, loads it, and opens sessions.

use super::{Manifest, VisionError};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// ONNX Runtime, loaded.
pub struct Runtime {
    environment: ort::environment::Environment,
}

impl Runtime {
    /// Loads the library that the config names, or the pinned one from beside the binary or the library path.
    ///
    /// A library that the config names is trusted as it is; one that is found must have the manifest's hash.
    pub fn load(explicit: Option<&Path>, manifest: &Manifest) -> Result<Arc<Runtime>, VisionError> {
        let path = match explicit {
            Some(path) => path.to_owned(),
            None => find(manifest)?,
        };
        let builder = ort::init_from(&path)
            .map_err(|error| VisionError::Inference(format!("cannot load {}: {error}", path.display())))?;
        let environment = builder.with_name("rollcall").with_telemetry(false).build()?;
        Ok(Arc::new(Runtime { environment }))
    }

    /// Opens a model; it computes on the calling thread alone.
    pub(super) fn session(&self, path: &Path) -> Result<Session, VisionError> {
        let mut builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?;
        Ok(builder.commit_from_file(path)?)
    }
}

fn find(manifest: &Manifest) -> Result<PathBuf, VisionError> {
    let wanted = &manifest.file.onnxruntime;
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Ok(executable) = std::env::current_exe() {
        // beside the binary; cargo puts test binaries one folder deeper
        folders.extend(executable.ancestors().skip(1).take(2).map(Path::to_owned));
        folders.extend(executable.ancestors().skip(2).take(2).map(|folder| folder.join("onnxruntime")));
    }
    let library_path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&library_path).filter(|folder| !folder.as_os_str().is_empty()));
    folders.extend(["/usr/lib/rollcall", "/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    let names = ["libonnxruntime.so".to_owned(), format!("libonnxruntime.so.{}", wanted.version)];
    let found = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|p| p.is_file());
    let Some(path) = found else {
        let looked_at = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(VisionError::NoRuntime { version: wanted.version.clone(), looked_at });
    };
    match wanted.builds.get(std::env::consts::ARCH) {
        Some(build) => manifest.verify(&path, &build.library_sha256)?,
        None => tracing::warn!(arch = std::env::consts::ARCH, "the manifest pins no ONNX Runtime for this machine"),
    }
    Ok(path)
}
