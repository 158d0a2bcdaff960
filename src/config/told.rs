//! What the log tells of the settings at each start: which cameras there are, of which kind, and each limit that is not the
//! default. Whoever reads the log need not trust that an institution has left the limits as they were meant.

use super::{CameraConfig, CheckinConfig, Config, CoverageConfig, RecordingConfig};
use evidence::record::CameraInUse;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

impl Config {
    /// The cameras, in the config's order.
    pub fn cameras_in_use(&self) -> Vec<CameraInUse> {
        let told = |camera: &CameraConfig| CameraInUse {
            name: camera.name.clone(),
            kind: camera.kind().into(),
            recorded: camera.record,
        };
        self.cameras.iter().map(told).collect()
    }

    /// The numbers and switches of `[checkin]`, `[recording]`, `[coverage]` and the cameras' `stall_seconds` that are not
    /// the defaults, by dotted key; a switch is 0 or 1.
    pub fn other_limits(&self) -> BTreeMap<String, f64> {
        let mut told = BTreeMap::new();
        differences("checkin", &self.checkin, &CheckinConfig::default(), &mut told);
        differences("recording", &self.recording, &RecordingConfig::default(), &mut told);
        differences("coverage", &self.coverage, &CoverageConfig::default(), &mut told);
        for camera in self.cameras.iter().filter(|camera| camera.stall_seconds != CameraConfig::STALL_SECONDS) {
            told.insert(format!("camera.{}.stall_seconds", camera.name), camera.stall_seconds);
        }
        told
    }
}

impl Config {
    /// A limit that is infinite, or no number at all: nothing could be compared with it, nor could the log tell it.
    pub(super) fn endless_limit(&self) -> Option<String> {
        fn endless<T: Serialize + Default>(section: &str, ours: &T) -> Option<String> {
            let ours = numbers(section, ours);
            numbers(section, &T::default()).into_keys().find(|key| !ours.contains_key(key))
        }
        endless("checkin", &self.checkin)
            .or_else(|| endless("recording", &self.recording))
            .or_else(|| endless("coverage", &self.coverage))
    }
}

fn differences<T: Serialize>(section: &str, ours: &T, default: &T, told: &mut BTreeMap<String, f64>) {
    let (ours, default) = (numbers(section, ours), numbers(section, default));
    told.extend(ours.into_iter().filter(|(key, value)| default.get(key) != Some(value)));
}

/// The numbers and switches in a section, by dotted key.
fn numbers<T: Serialize>(section: &str, settings: &T) -> BTreeMap<String, f64> {
    fn gather(key: &str, value: &Value, found: &mut BTreeMap<String, f64>) {
        match value {
            Value::Object(table) => {
                table.iter().for_each(|(name, value)| gather(&format!("{key}.{name}"), value, found))
            }
            Value::Bool(is_on) => drop(found.insert(key.into(), f64::from(u8::from(*is_on)))),
            value => found.extend(value.as_f64().map(|number| (key.to_owned(), number))),
        }
    }
    // By way of the text, in which 0.73 is 0.73 whatever its precision.
    let text = serde_json::to_string(settings).expect("settings are numbers, switches and texts");
    let value = serde_json::from_str(&text).expect("just written");
    let mut found = BTreeMap::new();
    gather(section, &value, &mut found);
    found
}
