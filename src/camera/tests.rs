use super::*;
use std::path::Path;
use std::process::Command;

fn film(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("film.mkv");
    let made = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=20:duration=2",
            "-c:v",
            "libx264",
        ])
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(made.success());
    path
}

fn camera(path: &Path, pace: FilePace) -> Camera {
    let source = CameraSource::File { path: path.to_owned(), pace, repeat: false };
    Camera::start(&CameraConfig { name: "door".into(), source, stall_seconds: 0.5, record: false }, Decode::All)
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_file_played_fast_gives_every_frame_in_order_and_then_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let camera = camera(&film(folder.path()), FilePace::Fast);
    let mut last = 0;
    while let Some(frame) = camera.frames().take_newer(last, SOON) {
        assert_eq!(frame.number, last + 1);
        assert_eq!((frame.picture.width, frame.picture.height), (320, 240));
        last = frame.number;
        if last == 40 {
            break;
        }
    }
    assert_eq!(last, 40);
    while !camera.has_ended() {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(camera.status().state, CameraState::Absent);
}

#[test]
fn a_file_played_like_a_camera_keeps_its_pace_and_never_waits_for_a_reader() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = Instant::now();
    let camera = camera(&film(folder.path()), FilePace::Camera);
    assert!(camera.frames().wait_newer(0, SOON).is_some());
    assert_eq!(camera.status().state, CameraState::Live);
    while !camera.has_ended() {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() >= Duration::from_millis(1900));
    assert_eq!(camera.frames().get().map(|frame| frame.number), Some(40));
}

#[test]
fn what_is_no_video_is_a_camera_that_is_absent_and_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = std::fs::read(film(folder.path())).expect("just made");
    let damaged: Vec<u8> = whole.iter().map(|byte| byte ^ 0x55).collect();
    for (name, bytes) in
        [("missing", None), ("empty", Some(&[][..])), ("noise", Some(&damaged[..])), ("cut", Some(&whole[..200]))]
    {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).expect("a writable folder");
        }
        let camera = camera(&path, FilePace::Fast);
        let until = Instant::now() + SOON;
        while camera.status().problem.is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let status = camera.status();
        assert_eq!(status.state, CameraState::Absent, "{name}");
        assert!(status.problem.is_some_and(|problem| problem.contains(name)), "{name}");
    }
}

#[test]
fn a_file_cut_short_gives_the_frames_that_it_has() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = film(folder.path());
    let whole = std::fs::read(&path).expect("just made");
    std::fs::write(&path, &whole[..whole.len() * 2 / 3]).expect("a writable folder");
    let camera = camera(&path, FilePace::Fast);
    let mut last = 0;
    while let Some(frame) = camera.frames().take_newer(last, Duration::from_millis(500)) {
        last = frame.number;
    }
    assert!((5..40).contains(&last), "{last} frames");
}
