use super::*;
use std::path::Path;
use std::process::Command;

fn ffmpeg(arguments: &[&str], path: &Path) {
    let made = Command::new("ffmpeg").args(["-loglevel", "error", "-y"]).args(arguments).arg(path).status();
    assert!(made.expect("ffmpeg is installed").success());
}

fn film(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("film.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=20:duration=2", "-c:v", "libx264"], &path);
    path
}

/// Width and height of every frame that the file gives.
fn sizes(path: &Path) -> Vec<(u32, u32)> {
    let camera = camera(path, FilePace::Fast);
    let mut last = 0;
    let mut sizes = Vec::new();
    while let Some(frame) = camera.frames().take_newer(last, Duration::from_millis(500)) {
        last = frame.number;
        sizes.push((frame.picture.width, frame.picture.height));
    }
    assert!(camera.has_ended(), "{}", path.display());
    sizes
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

#[test]
fn a_phones_film_is_turned_upright_as_its_display_matrix_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (plain, turned) = (folder.path().join("plain.mp4"), folder.path().join("turned.mp4"));
    // The upper half is white, the lower black.
    let picture = "color=white:size=320x120:rate=10:duration=0.5,pad=320:240:0:0:black";
    ffmpeg(&["-f", "lavfi", "-i", picture, "-c:v", "libx264", "-pix_fmt", "yuv420p"], &plain);
    for (against_the_clock, size, white) in [
        ("0", (320, 240), (160, 60)),
        ("90", (240, 320), (60, 160)),
        ("180", (320, 240), (160, 180)),
        ("270", (240, 320), (180, 160)),
    ] {
        let rotate = format!("rotate={against_the_clock}");
        let plain = plain.to_str().expect("UTF-8");
        ffmpeg(&["-i", plain, "-c", "copy", "-metadata:s:v", &rotate], &turned);
        let camera = camera(&turned, FilePace::Fast);
        let frame = camera.frames().wait_newer(0, SOON).expect("a frame");
        let picture = &frame.picture;
        assert_eq!((picture.width, picture.height), size, "{against_the_clock}°");
        let light = |x: u32, y: u32| picture.rgb[((y * picture.width + x) * 3) as usize];
        let (x, y) = white;
        assert!(light(x, y) > 200, "{against_the_clock}°: ({x}, {y}) is white");
        assert!(light(size.0 - 1 - x, size.1 - 1 - y) < 50, "{against_the_clock}°: the other half is black");
    }
}

#[test]
fn bytes_flipped_in_mid_stream_cost_frames_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = std::fs::read(film(folder.path())).expect("just made");
    let path = folder.path().join("flipped.mkv");
    let mut random = 1u32;
    for round in 0..20 {
        let mut bytes = whole.clone();
        for _ in 0..5 << (round % 5) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Behind the file's header, which says what is in it.
            let at = bytes.len() / 5 + random as usize % (bytes.len() * 4 / 5);
            bytes[at] ^= (random >> 8) as u8 | 1;
        }
        std::fs::write(&path, bytes).expect("a writable folder");
        let sizes = sizes(&path);
        assert!(sizes.len() <= 42, "round {round}: {} frames", sizes.len());
        assert!(sizes.contains(&(320, 240)), "round {round}: no frame before the damage");
    }
}

#[test]
fn frames_may_change_their_size_in_mid_stream() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("both.h264");
    let mut both = Vec::new();
    for size in ["320x240", "480x368", "176x144"] {
        let source = format!("testsrc2=size={size}:rate=10:duration=1");
        ffmpeg(&["-f", "lavfi", "-i", &source, "-c:v", "libx264", "-bf", "0"], &path);
        both.extend(std::fs::read(&path).expect("just made"));
    }
    std::fs::write(&path, both).expect("a writable folder");
    let mut seen = sizes(&path);
    seen.dedup();
    assert_eq!(seen, [(320, 240), (480, 368), (176, 144)]);
}
