//! What an appliance was set to when it wrote its records: a film in a camera's place, limits other than the defaults.

use crate::record::{ApplianceEvent, Data, Record};
use crate::verdict::Finding;
use std::collections::BTreeMap;

/// Takes a log's records one by one, in order, and tells what is unusual where it changes.
#[derive(Default)]
pub struct Setup {
    films: Vec<String>,
    limits: BTreeMap<String, f64>,
}

impl Setup {
    /// Takes the next record, which verifies; tells what it shows to be set in another way than the record before.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        let Data::Appliance(ApplianceEvent { event, cameras, limits, .. }) = &record.data else { return Vec::new() };
        if event != "started" {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut tell = |code, message| found.push(Finding::warning(code, record.seq, message));
        let films: Vec<String> =
            cameras.iter().filter(|camera| camera.kind == "file").map(|camera| camera.name.clone()).collect();
        if films != self.films && !films.is_empty() {
            let message = format!(
                "record {}, the start at {}: camera {} is none: what it shows is played from a file",
                record.seq,
                record.time,
                films.join(", ")
            );
            tell("film", message);
        }
        if *limits != self.limits && !limits.is_empty() {
            let told: Vec<String> = limits.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            let message = format!(
                "record {}, the start at {}: limits are not the defaults: {}",
                record.seq,
                record.time,
                told.join(", ")
            );
            tell("other_limits", message);
        }
        (self.films, self.limits) = (films, limits.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CameraInUse, ClockQuality};

    #[test]
    fn a_film_and_other_limits_are_told_where_they_begin() {
        let mut setup = Setup::default();
        let mut start = |kind: &str, limits: &[(&str, f64)]| {
            let data = Data::Appliance(ApplianceEvent {
                event: "started".into(),
                version: "0.1.0".into(),
                boot: "b".into(),
                site: "site".into(),
                room: "301".into(),
                cameras: vec![CameraInUse { name: "back".into(), kind: kind.into(), recorded: true }],
                limits: limits.iter().map(|(key, value)| (key.to_string(), *value)).collect(),
            });
            let time = "2026-11-23T08:00:00.000+08:00".into();
            let record = Record { device: "rollcall-a".into(), seq: 7, time, clock: ClockQuality::Synced, data };
            setup.take(&record).into_iter().map(|finding| (finding.code, finding.message)).collect::<Vec<_>>()
        };
        assert_eq!(start("rtsp", &[]), []);
        let told = start("file", &[("coverage.visible_share", 0.0), ("recording.required_share", 0.5)]);
        assert_eq!(
            told,
            [
                (
                    "film",
                    "record 7, the start at 2026-11-23T08:00:00.000+08:00: camera back is none: what it shows is played from \
                     a file"
                        .into()
                ),
                (
                    "other_limits",
                    "record 7, the start at 2026-11-23T08:00:00.000+08:00: limits are not the defaults: \
                     coverage.visible_share = 0, recording.required_share = 0.5"
                        .into()
                )
            ]
        );
        assert_eq!(
            start("file", &[("coverage.visible_share", 0.0), ("recording.required_share", 0.5)]),
            [],
            "as before"
        );
        assert_eq!(start("rtsp", &[]), []);
        assert_eq!(start("file", &[]).len(), 1, "again");
    }
}
