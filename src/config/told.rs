//! What the log tells of the settings at each start: which cameras there are, of which kind, and each limit that is not the
//! default. Whoever reads the log need not trust that an institution has left the limits as they were meant.

use super::{CameraConfig, CheckinConfig, Config, CoverageConfig, RecordingConfig, RetentionConfig};
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

    /// The numbers and switches of `[checkin]`, `[recording]`, `[coverage]`, `[retention]` and the cameras' `stall_seconds`
    /// that are not the defaults, by dotted key; a switch is 0 or 1.
    pub fn other_limits(&self) -> BTreeMap<String, f64> {
        let default = Sections::default().numbers();
        let mut told = self.sections().numbers();
        told.retain(|key, value| default.get(key) != Some(value));
        for camera in self.cameras.iter().filter(|camera| camera.stall_seconds != CameraConfig::STALL_SECONDS) {
            told.insert(format!("camera.{}.stall_seconds", camera.name), camera.stall_seconds);
        }
        told
    }

    /// A limit that is infinite, or no number at all: nothing could be compared with it, nor could the log tell it.
    pub(super) fn endless_limit(&self) -> Option<String> {
        let ours = self.sections().numbers();
        Sections::default().numbers().into_keys().find(|key| !ours.contains_key(key))
    }

    fn sections(&self) -> Sections {
        let (checkin, recording, coverage) = (self.checkin.clone(), self.recording.clone(), self.coverage.clone());
        Sections { checkin, recording, coverage, retention: self.retention.clone() }
    }
}

/// The sections whose limits the log tells.
#[derive(Default, Serialize)]
struct Sections {
    checkin: CheckinConfig,
    recording: RecordingConfig,
    coverage: CoverageConfig,
    retention: RetentionConfig,
}

impl Sections {
    /// Their numbers and switches, by dotted key.
    fn numbers(&self) -> BTreeMap<String, f64> {
        let mut found = BTreeMap::new();
        // By way of the text, in which 0.73 is 0.73 whatever its precision.
        let text = serde_json::to_string(self).expect("settings are numbers, switches and texts");
        gather("", &serde_json::from_str(&text).expect("just written"), &mut found);
        found
    }
}

fn gather(key: &str, value: &Value, found: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(table) => {
            let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            table.iter().for_each(|(name, value)| gather(&below(name), value, found));
        }
        Value::Bool(is_on) => drop(found.insert(key.into(), f64::from(u8::from(*is_on)))),
        value => found.extend(value.as_f64().map(|number| (key.to_owned(), number))),
    }
}
