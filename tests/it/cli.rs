//! The command line, as whoever sets an appliance up uses it: the real program, from `init` to a running service.

use super::demo::photos;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Box {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Box {
    /// An appliance whose camera is a film of `photo`, or of a test picture.
    fn new(photo: Option<&Path>) -> Box {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let film = folder.path().join("film.mkv");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-loglevel", "error"]);
        match photo {
            Some(photo) => ffmpeg
                .args(["-loop", "1", "-framerate", "20", "-t", "6", "-i"])
                .arg(photo)
                .args(["-vf", "scale=-2:720,pad=1280:720:-1:-1"]),
            None => ffmpeg.args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=20:duration=6"]),
        };
        let made = ffmpeg.args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]).arg(&film).status();
        assert!(made.expect("ffmpeg is installed").success());
        let config = folder.path().join("rollcall.toml");
        let appliance = Box { folder, config };
        let film = film.to_str().expect("UTF-8").to_owned();
        appliance.good(&["init", "--site", "南开实训基地", "--room", "301", "--camera", &film, "--state-dir", "state"]);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let text = std::fs::read_to_string(&appliance.config).expect("just written");
        std::fs::write(&appliance.config, format!("{text}\n[web]\nlisten = \"127.0.0.1:{port}\"\n")).expect("writable");
        appliance
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.args(arguments).arg("--config").arg(&self.config).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("the program is there");
        (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (code, said) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    }

    /// Fails, and says each of these words.
    fn bad(&self, arguments: &[&str], words: &[&str]) {
        let (code, said) = self.run(arguments);
        assert!(code.is_some_and(|code| code != 0), "{arguments:?} should fail: {said}");
        for word in words {
            assert!(said.contains(word), "{arguments:?} should say {word:?}: {said}");
        }
    }
}

const CLASS: &str = "TJNK-2026-0138";

#[test]
fn an_appliance_is_set_up_from_init_to_enrolment_and_refuses_what_it_must() {
    let Some(photos) = photos() else { return };
    let photo = |name: &str| photos.join(name).to_str().expect("UTF-8").to_owned();
    let appliance = Box::new(None);
    appliance.bad(&["init"], &["already", "nothing was changed"]);
    appliance.good(&["class", "template", "班期.xlsx"]);
    appliance.good(&["class", "template", "班期.csv"]);
    appliance.bad(&["class", "template", "班期.csv"], &["班期.csv"]);
    let csv = appliance.folder.path().join("班期.csv");
    let text = std::fs::read_to_string(&csv).expect("just written");
    std::fs::write(&csv, text.replace("110105198503150019", "110105198503150018")).expect("writable");
    appliance.bad(&["class", "import", "班期.csv"], &["1 mistakes, nothing was imported", "学员", "row", "身份证号"]);
    assert!(appliance.good(&["class", "list"]).contains("no class"));
    appliance.good(&["class", "import", "班期.xlsx", "--dry-run"]);
    appliance.good(&["class", "import", "班期.xlsx"]);
    assert!(appliance.good(&["class", "list"]).contains(CLASS));

    let enrol = |number: &str, photo: &str| appliance.run(&["enrol", CLASS, number, photo]);
    assert!(enrol("001", &photo("obama.jpg")).1.contains("not consented"));
    appliance.good(&["consent", "give", CLASS, "--all"]);
    appliance.good(&["enrol", CLASS, "001", &photo("obama.jpg"), &photo("obama3.jpg")]);
    for (number, file, why) in [
        ("002", photo("obama2.jpg"), "already that of 001"),
        ("999", photo("biden.jpg"), "not on the roster"),
        ("002", "film.mkv".into(), "not a usable picture"),
        ("002", "nothing.jpg".into(), "nothing.jpg"),
    ] {
        let (code, said) = enrol(number, &file);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
    // A photo without a face, one with two, one too small, one too dark: made of the real ones.
    let make = |name: &str, filter: &str| {
        let out = appliance.folder.path().join(name);
        let made = Command::new("ffmpeg")
            .args([
                "-loglevel",
                "error",
                "-i",
                &photo("biden.jpg"),
                "-i",
                &photo("obama.jpg"),
                "-filter_complex",
                filter,
            ])
            .args(["-frames:v", "1"])
            .arg(&out)
            .status();
        assert!(made.expect("ffmpeg is installed").success());
        name.to_owned()
    };
    for (name, filter, why) in [
        ("none.jpg", "[0]crop=200:200:0:0,boxblur=30", "no face was found"),
        ("two.jpg", "[0]scale=-2:900[a];[1]scale=-2:900[b];[a][b]hstack", "2 faces were found"),
        ("small.jpg", "[0]scale=120:-2", "too small"),
        ("dark.jpg", "[0]eq=brightness=-0.6", "too dark"),
    ] {
        let (code, said) = enrol("002", &make(name, filter));
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains(why), "{name}: {said}");
    }
    appliance.good(&["enrol", CLASS, "002", &photo("biden.jpg")]);
    appliance.good(&["consent", "withdraw", CLASS, "002"]);
    assert!(appliance.good(&["consent", "list", CLASS]).contains("002  李四  declined or withdrew"));
    appliance.bad(&["consent", "withdraw", CLASS, "002"], &["no consent that could be withdrawn", "consent decline"]);
    appliance.bad(&["consent", "decline", CLASS, "001"], &["has consented", "consent withdraw"]);
    let said = appliance.good(&["consent", "give", CLASS, "--all"]);
    assert!(
        said.contains("left out: 1 ") && said.contains("001  consents") && !said.contains("002  consents"),
        "{said}"
    );
    appliance.good(&["qr", CLASS, "002", "李四.svg"]);
    assert!(appliance.good(&["check"]).starts_with("GOOD"));
    appliance.bad(&["register", "ABC"], &["[sync]"]);
}

#[test]
fn a_service_starts_within_seconds_tells_its_status_and_ends_when_told() {
    let appliance = Box::new(None);
    let (code, said) = appliance.run(&["status"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("running     no") && said.contains("not registered"), "{said}");
    let mut service = appliance.command(&["run"]).stderr(Stdio::null()).spawn().expect("the program is there");
    let began = Instant::now();
    let json = loop {
        let (_, said) = appliance.run(&["status", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        if json["running"] == true && json["cameras"][0]["state"] == "live" {
            break json;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{json:#}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(
        (json["cameras"][0]["width"].as_u64(), json["log"]["state"].as_str()),
        (Some(1280), Some("not_registered"))
    );
    Command::new("kill").arg(service.id().to_string()).status().expect("kill");
    assert!(service.wait().expect("a child").success());
    assert!(appliance.good(&["check"]).contains("records     3"), "initialised, started, stopped");
}

#[test]
fn a_config_with_an_unknown_key_or_a_wrong_model_stops_it_with_a_clear_word() {
    let appliance = Box::new(None);
    let good = std::fs::read_to_string(&appliance.config).expect("just written");
    std::fs::write(&appliance.config, format!("{good}\n[checkin.quality]\nmin_eye_distance = 3\n")).expect("writable");
    appliance.bad(&["run"], &["min_eye_distance", "line", "rollcall.toml"]);
    let models = appliance.folder.path().join("models");
    std::fs::create_dir(&models).expect("writable");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for entry in std::fs::read_dir(ours).expect("models").flatten().filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), models.join(entry.file_name())).expect("writable");
    }
    let embedding = models.join("face_embedding.onnx");
    let mut bytes = std::fs::read(&embedding).expect("just copied");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&embedding, bytes).expect("writable");
    std::fs::write(&appliance.config, format!("{good}\n[models]\nmanifest = \"models/models.toml\"\n"))
        .expect("writable");
    appliance.bad(&["run"], &["face_embedding.onnx", "SHA-256", "replaced or damaged"]);
}

#[test]
fn who_has_read_enough_may_leave() {
    let appliance = Box::new(None);
    let mut command = appliance.command(&["check"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let Output { status, stderr, .. } = command.stdout(writer).output().expect("the program is there");
    assert_eq!((status.code(), String::from_utf8_lossy(&stderr).as_ref()), (Some(141), ""));
}

#[test]
fn an_import_says_whom_it_erases() {
    let appliance = Box::new(None);
    appliance.good(&["class", "template", "a.csv"]);
    let file = appliance.folder.path().join("a.csv");
    let text = std::fs::read_to_string(&file).expect("just written");
    let said = appliance.good(&["class", "import", "a.csv"]);
    assert!(!said.contains("erased"), "{said}");
    assert!(!appliance.good(&["class", "import", "a.csv"]).contains("erased"), "the same people");
    // Another ID-card number: another person, as far as anybody can tell.
    let other = text.replace("110105198503150019", "110105198503150027");
    assert_ne!(other, text);
    std::fs::write(&file, other).expect("writable");
    let said = appliance.good(&["class", "import", "a.csv", "--dry-run"]);
    assert!(said.contains("would be erased  ") && said.contains("are needed anew"), "{said}");
    let said = appliance.good(&["class", "import", "a.csv"]);
    assert!(said.lines().any(|line| line.starts_with("erased  ")) && said.contains("rollcall pin"), "{said}");
    let said = appliance.good(&["class", "import", "a.csv"]);
    assert!(!said.contains("erased"), "once: {said}");
}
