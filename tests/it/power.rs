//! Power that goes away: what the disk had then is all there is.
//!
//! The appliance writes to a real ext4 file system in a file, which lies in a btrfs file system: a copy of that file, made
//! at once by reference, is what a disk holds whose power is cut at that moment. What was only in memory is not in it.

use crate::camera::{Server, free_port};
use crate::pace::at_most;
use crate::recording::{Room, frame_hashes, room_with};
use crate::sources::shown;
use evidence::record::GapCause;
use jiff::{SignedDuration, Timestamp};
use rollcall::check::{Files, check};
use rollcall::journal::testing::{checkin, today};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Unmounts when dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    pub fn new(image: &Path, folder: PathBuf) -> Option<Mounted> {
        std::fs::create_dir_all(&folder).expect("made");
        run("mount", &["-o", "loop", shown(image), shown(&folder)]).then_some(Mounted(folder))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", shown(&self.0)]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A file of so many megabytes, with a file system in it.
pub fn image(file: &Path, megabytes: u64, make: &[&str]) -> Option<()> {
    std::fs::File::create(file).and_then(|file| file.set_len(megabytes << 20)).expect("made");
    run(make[0], &[&make[1..], &[shown(file)]].concat()).then_some(())
}

/// A disk, and what is below it; dropped in this order.
struct Disk {
    ext4: Mounted,
    below: Mounted,
    root: tempfile::TempDir,
}

impl Disk {
    /// `None` where nobody may mount one.
    fn new() -> Option<Disk> {
        let root = tempfile::tempdir().expect("a folder");
        let made = || {
            image(&root.path().join("below.img"), 2000, &["mkfs.btrfs", "-q"])?;
            let below = Mounted::new(&root.path().join("below.img"), root.path().join("below"))?;
            image(&below.0.join("disk.img"), 300, &["mkfs.ext4", "-q", "-F"])?;
            let ext4 = Mounted::new(&below.0.join("disk.img"), root.path().join("disk"))?;
            Some((ext4, below))
        };
        match made() {
            Some((ext4, below)) => Some(Disk { ext4, below, root }),
            None => {
                eprintln!("skipped: needs root, loop devices and btrfs-progs");
                None
            }
        }
    }

    /// What would be left if the power went now.
    fn cut(&self, number: usize) -> PathBuf {
        let copy = self.below.0.join(format!("cut{number}.img"));
        let disk = self.below.0.join("disk.img");
        assert!(run("cp", &["--reflink=always", shown(&disk), shown(&copy)]), "the disk is copied");
        copy
    }
}

fn room(folder: &Path, port: u16) -> Room {
    let reserve = "[retention]\nreserve_bytes = 2000000\nstate_reserve_bytes = 2000000\n";
    room_with(folder, port, SignedDuration::from_hours(1), reserve)
}

#[test]
fn a_power_cut_costs_one_group_of_pictures_at_most_and_no_record() {
    let port = free_port();
    let (Some(disk), Some(_server)) = (Disk::new(), Server::start(port, "h264")) else { return };
    let before = room(&disk.ext4.0, port);
    let (cameras, service) = before.start();
    before.wait_recording(&service, true);
    // The newest record that was told to be kept.
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut cuts = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let made = checkin("2026-001", &number.to_string(), &today(&before.journal));
                let appended = before.journal.check_in(made, Some(&[7; 20_000])).expect("appended");
                done.store(appended.seq, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        // In the middle of a segment, and near the moment when one is closed and the next begun.
        for number in 0..4 {
            std::thread::sleep(Duration::from_millis(rand::random_range(3000..8000)));
            let (kept, at) = (done.load(Ordering::Relaxed), Timestamp::now());
            cuts.push((disk.cut(number), kept, at));
        }
        stop.store(true, Ordering::Relaxed);
    });
    service.stop();
    drop(cameras);
    for (number, (image, kept, at)) in cuts.into_iter().enumerate() {
        let mounted = Mounted::new(&image, disk.root.path().join(format!("after{number}"))).expect("its file system");
        let after = room(&mounted.0, port);
        let records = after.journal.size();
        assert!(records > kept, "record {kept} was told to be kept; {records} are there");
        let (cameras, service) = after.start();
        after.wait_recording(&service, true);
        std::thread::sleep(Duration::from_secs(2));
        service.stop();
        drop(cameras);
        let segments = after.segments();
        let last = segments.iter().filter(|segment| segment.start < at).max_by_key(|segment| segment.end);
        let lost = at.duration_since(last.expect("recorded before the cut").end);
        // The server's key frames are a second apart.
        assert!(lost.unsigned_abs() < at_most(1.5), "{lost:?} were lost");
        let files = Files { root: after.config.recordings(), hash: true };
        let report = check(after.journal.store(), after.journal.log().key, Some(&files)).expect("readable");
        assert!(report.ok && crate::check::problems(&report).next().is_none(), "{report}");
        let account = after.account(segments.last().expect("some").end);
        assert_eq!(account.unexplained, []);
        assert_eq!(account.gaps_ms.keys().copied().collect::<Vec<_>>(), [GapCause::ApplianceOff]);
        let played = segments.iter().map(|segment| frame_hashes(&files.root.join(&segment.path)).len()).sum::<usize>();
        eprintln!("cut {number}: {} records, {lost:?} of the recording lost, {played} frames play", records - 1);
        drop(after);
    }
}

/// Lets a file system go on when dropped.
pub struct Frozen(PathBuf);

impl Mounted {
    /// Nothing that is written comes back.
    pub fn freeze(&self) -> Frozen {
        assert!(run("fsfreeze", &["-f", shown(&self.0)]));
        Frozen(self.0.clone())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        run("fsfreeze", &["-u", shown(&self.0)]);
    }
}

#[test]
fn a_recorder_whose_disk_does_not_answer_is_seen_to_hang_until_it_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    let reserve = "[retention]\nreserve_bytes = 2000000\n";
    let room = room_with(folder.path(), port, SignedDuration::from_hours(1), reserve);
    let file = folder.path().join("disk.img");
    let made = image(&file, 100, &["mkfs.ext4", "-q", "-F"]);
    let Some(disk) = made.and_then(|()| Mounted::new(&file, room.config.recordings())) else {
        eprintln!("skipped: needs root and loop devices");
        return;
    };
    let (_cameras, service) = room.start();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(2));
    assert!(service.idle() < Duration::from_secs(2), "{:?}", service.idle());
    let frozen = disk.freeze();
    let end = Instant::now() + Duration::from_secs(30);
    while service.idle() < Duration::from_secs(4) {
        assert!(Instant::now() < end, "nothing hangs: {:?}", service.status());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(service.status()[0].idle_seconds >= 4.0, "{:?}", service.status());
    drop(frozen);
    let end = Instant::now() + Duration::from_secs(30);
    while service.idle() > Duration::from_secs(1) {
        assert!(Instant::now() < end, "it still hangs: {:?}", service.status());
        std::thread::sleep(Duration::from_millis(100));
    }
    service.stop();
    assert_eq!(room.account(room.segments().last().expect("some").end).unexplained, []);
    drop(service);
}
