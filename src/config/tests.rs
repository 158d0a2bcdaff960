use super::*;

fn load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rollcall.toml");
    std::fs::write(&path, text).expect("a writable file");
    Config::load(&path).map_err(|error| error.to_string())
}

const MINIMAL: &str = "[appliance]\nsite = \"南开校区\"\nroom = \"101\"\n";

#[test]
fn a_minimal_config_has_documented_defaults() {
    let config = load(MINIMAL).expect("valid");
    assert_eq!(config.appliance.timezone, "Asia/Shanghai");
    assert_eq!(config.checkin.windows.arrival_before_minutes, 30);
    assert!(config.sync.is_none());
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let error = load(&format!("{MINIMAL}[checkin.quality]\nmin_pupil_distance = 30\n")).expect_err("unknown key");
    assert!(error.contains("min_pupil_distance") && error.contains("line 5"), "{error}");
}

#[test]
fn values_that_cannot_be_meant_name_their_key() {
    for (extra, key) in [
        ("[web]\nlisten = \"0.0.0.0:80\"\n", "web.listen"),
        ("[checkin.quality]\nmin_sharpness = -inf\n", "checkin.quality.min_sharpness"),
        ("[checkin.decision]\nthreshold = 62\n", "checkin.decision.threshold"),
        ("[checkin.windows]\narrival_before_minutes = -3\n", "arrival_before_minutes"),
        ("[sync]\nbureau = \"http://bureau\"\nca = \"ca.pem\"\n", "sync.bureau"),
        ("[[camera]]\nname = \"a\"\nkind = \"file\"\npath = \"x\"\ndevice = \"/dev/video0\"\n", "device"),
        ("[[camera]]\nname = \"a\"\nkind = \"webcam\"\n", "webcam"),
        ("[retention]\nreserve_bytes = 0\n", "retention.reserve_bytes"),
        ("[retention]\nterm_days = 0\n", "retention.term_days"),
        ("[archive]\nname = \"nas\"\n", "[archive.s3]"),
        ("[archive]\nfolder = \"nas\"\nmax_bytes_per_second = 1\n", "archive.max_bytes_per_second"),
        ("[archive.s3]\nendpoint = \"http://store\"\nbucket = \"b\"\ncredentials = \"c\"\n", "archive.s3.endpoint"),
        ("[checkin]\ncamera = \"door\"\n", "checkin.camera"),
    ] {
        let error = load(&format!("{MINIMAL}{extra}")).expect_err(key);
        assert!(error.contains(key), "{key} not named in: {error}");
    }
}

#[test]
fn relative_paths_are_taken_from_the_config_files_folder() {
    let config = load("[appliance]\nsite = \"a\"\nroom = \"b\"\nstate_dir = \"state\"\n").expect("valid");
    assert!(config.appliance.state_dir.is_absolute() && config.appliance.state_dir.ends_with("state"));
}

#[test]
fn the_log_is_told_the_cameras_and_each_limit_that_is_not_the_default() {
    let other = "[checkin.decision]\nthreshold = 0.7\n[recording]\noutside_lessons = true\nrequired_share = 0.99\n\
                 [coverage]\nvisible_share = 0.0\n[retention]\nterm_days = 30\n[retention.camera_budget_bytes]\na = 5000\n\
                 [[camera]]\nname = \"a\"\nkind = \"file\"\npath = \"x\"\n\
                 stall_seconds = 5\n";
    let config = load(&format!("{MINIMAL}{other}")).expect("valid");
    let told: Vec<(String, f64)> = config.other_limits().into_iter().collect();
    let told: Vec<(&str, f64)> = told.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    assert_eq!(
        told,
        [
            ("camera.a.stall_seconds", 5.0),
            ("checkin.decision.threshold", 0.7),
            ("coverage.visible_share", 0.0),
            ("recording.outside_lessons", 1.0),
            ("retention.camera_budget_bytes.a", 5000.0),
            ("retention.term_days", 30.0)
        ]
    );
    let cameras = config.cameras_in_use();
    assert_eq!((cameras[0].kind.as_str(), cameras[0].recorded), ("file", false));
    assert!(load(MINIMAL).expect("valid").other_limits().is_empty());
}
