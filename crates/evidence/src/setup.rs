//! What an appliance was set to when it wrote its records: a film in a camera's place, fewer or other cameras than before,
//! limits other than the defaults.

use crate::record::{ApplianceEvent, Data, Record};
use crate::verdict::Finding;
use std::collections::BTreeMap;

/// The kind of a film that is played in a camera's place.
const FILM: &str = "file";

/// Takes a log's records one by one, in order, and tells what is unusual where it changes.
#[derive(Default)]
pub struct Setup {
    films: Vec<String>,
    /// By name: the kind of each camera that is recorded.
    recorded: BTreeMap<String, String>,
    /// The record of the start that told so.
    start: u64,
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
            cameras.iter().filter(|camera| camera.kind == FILM).map(|camera| camera.name.clone()).collect();
        if films != self.films && !films.is_empty() {
            let message = format!(
                "record {}, the start at {}: camera {} is none: what it shows is played from a file",
                record.seq,
                record.time,
                films.join(", ")
            );
            tell("film", message);
        }
        let recorded: BTreeMap<String, String> = cameras
            .iter()
            .filter(|camera| camera.recorded)
            .map(|camera| (camera.name.clone(), camera.kind.clone()))
            .collect();
        let changes = changes(&self.recorded, &recorded);
        if !changes.is_empty() {
            let message = format!(
                "record {}, the start at {}: other cameras are recorded than since the start before it, record {}: {}",
                record.seq,
                record.time,
                self.start,
                changes.join(", ")
            );
            tell("cameras_changed", message);
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
        (self.recorded, self.start) = (recorded, record.seq);
        found
    }
}

/// Which cameras are recorded no more, or are of another kind, in words. That a film comes in a camera's place, or goes, is
/// told by itself.
fn changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let change = |(name, was): (&String, &String)| match now.get(name) {
        None => Some(format!("camera {name} ({was}) no more")),
        Some(kind) if kind != was && ![kind, was].iter().any(|kind| *kind == FILM) => {
            Some(format!("camera {name} is {kind} and was {was}"))
        }
        Some(_) => None,
    };
    before.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::CameraInUse;
    use crate::testing::record;

    fn started(setup: &mut Setup, seq: u64, cameras: &[(&str, &str, bool)]) -> Vec<(&'static str, String)> {
        started_with(setup, seq, cameras, &[])
    }

    fn started_with(
        setup: &mut Setup,
        seq: u64,
        cameras: &[(&str, &str, bool)],
        limits: &[(&str, f64)],
    ) -> Vec<(&'static str, String)> {
        let camera = |(name, kind, recorded): &(&str, &str, bool)| CameraInUse {
            name: (*name).into(),
            kind: (*kind).into(),
            recorded: *recorded,
        };
        let data = Data::Appliance(ApplianceEvent {
            event: "started".into(),
            version: "0.1.0".into(),
            boot: "b".into(),
            site: "site".into(),
            room: "301".into(),
            cameras: cameras.iter().map(camera).collect(),
            limits: limits.iter().map(|(key, value)| (key.to_string(), *value)).collect(),
        });
        let record = record(seq, "2026-11-23T08:00:00.000+08:00", data);
        setup.take(&record).into_iter().map(|finding| (finding.code, finding.message)).collect()
    }

    #[test]
    fn fewer_and_other_cameras_than_before_are_told_once() {
        let (back, front, side) = (("back", "rtsp", true), ("front", "rtsp", true), ("side", "rtsp", false));
        let mut setup = Setup::default();
        assert_eq!(started(&mut setup, 0, &[]), [], "as in records of before cameras were told");
        assert_eq!(started(&mut setup, 1, &[back, side]), []);
        assert_eq!(started(&mut setup, 2, &[front, back]), [], "more, and one less that was not recorded");
        let found = started(&mut setup, 3, &[("back", "v4l2", true), ("front", "rtsp", false), side]);
        let expected = "record 3, the start at 2026-11-23T08:00:00.000+08:00: other cameras are recorded than since the start \
                        before it, record 2: camera back is v4l2 and was rtsp, camera front (rtsp) no more";
        assert_eq!(found, [("cameras_changed", expected.to_owned())]);
        assert_eq!(started(&mut setup, 4, &[("back", "v4l2", true)]), []);
        let codes = |found: Vec<(&'static str, String)>| found.into_iter().map(|(code, _)| code).collect::<Vec<_>>();
        assert_eq!(codes(started(&mut setup, 5, &[("back", "file", true)])), ["film"]);
        assert_eq!(codes(started(&mut setup, 6, &[("back", "v4l2", true)])), [""; 0]);
        assert_eq!(codes(started(&mut setup, 7, &[])), ["cameras_changed"]);
    }

    #[test]
    fn a_film_and_other_limits_are_told_where_they_begin() {
        let mut setup = Setup::default();
        let mut start =
            |kind: &str, limits: &[(&str, f64)]| started_with(&mut setup, 7, &[("back", kind, true)], limits);
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
