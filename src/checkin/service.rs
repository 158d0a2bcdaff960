//! The check-in as one thing to start and stop: the worker, the preview and the QR scanner, each on its thread.

use super::desk::Desk;
use super::live::Live;
use super::preview::{self, Faces};
use super::scan;
use super::worker::{Progress, Shared, Worker, WorkerError};
use crate::camera::LatestFrame;
use crate::config::Config;
use crate::journal::Journal;
use crate::vision::Vision;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{Builder, JoinHandle};

/// A check-in that is running. Stops when dropped.
pub struct Service {
    desk: Desk,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<Result<(), WorkerError>>>,
    others: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts at the camera named `camera`, whose frames are `frames`. Threads share nothing but what is given here.
    pub fn start(
        config: Arc<Config>,
        journal: Arc<Journal>,
        live: Arc<Live>,
        camera: &str,
        frames: Arc<LatestFrame>,
        vision: Vision,
    ) -> Result<Service, WorkerError> {
        let (sender, commands) = mpsc::channel();
        let desk = Desk::new(journal.clone(), live.clone(), vision.model(), sender);
        let (stop, progress) = (Arc::new(AtomicBool::new(false)), Arc::new(Progress::default()));
        let (faces, tokens) = (Arc::new(Faces::default()), Arc::new(Mutex::new(Vec::new())));
        let shared = Shared {
            config: config.clone(),
            journal,
            live: live.clone(),
            frames: frames.clone(),
            faces: faces.clone(),
            progress: progress.clone(),
            commands,
            tokens: tokens.clone(),
            stop: stop.clone(),
        };
        let worker = Worker::new(shared, vision, camera)?;
        let thread = |name: &str| Builder::new().name(name.into());
        let worker = thread("check-in").spawn(move || worker.run()).ok();
        let mut others = Vec::new();
        let (preview_frames, preview_stop) = (frames.clone(), stop.clone());
        others.extend(
            thread("preview")
                .spawn(move || preview::run(&preview_frames, &live, &faces, &config.web, &preview_stop))
                .ok(),
        );
        let scan_stop = stop.clone();
        others.extend(
            thread("qr")
                .spawn(move || {
                    scan::run(&frames, &scan_stop, |found| {
                        *tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = found;
                    })
                })
                .ok(),
        );
        Ok(Service { desk, progress, stop, worker, others })
    }

    /// What staff can ask of it.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What it has done.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Whether the worker has ended, by itself or because it was told to.
    pub fn has_ended(&self) -> bool {
        self.worker.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it, and tells why the worker had ended if it had.
    pub fn stop(mut self) -> Result<(), WorkerError> {
        self.stop.store(true, Ordering::Relaxed);
        let worker = self.worker.take();
        for thread in self.others.drain(..) {
            let _ = thread.join();
        }
        worker.map_or(Ok(()), |worker| worker.join().unwrap_or(Ok(())))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.others.drain(..) {
            let _ = thread.join();
        }
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
