//! The judges of what a log's records tell: each takes them one by one and finds what does not fit together.

use super::Finding;
use crate::account::Accounts;
use crate::checkpoint::Countersigned;
use crate::entered::Entered;
use crate::links::Links;
use crate::people::People;
use crate::record::Record;
use crate::reference::References;
use crate::setup::Setup;
use crate::sound::Sounds;
use crate::times::{Bounds, Steps, wrong_date};
use crate::timetable::Timetable;
use crate::zone::Zones;
use jiff::Timestamp;

/// Takes a whole log's records one by one, in order.
pub(super) struct Judges {
    accounts: Accounts,
    bounds: Bounds,
    entered: Entered,
    links: Links,
    people: People,
    references: References,
    setup: Setup,
    sounds: Sounds,
    steps: Steps,
    timetable: Timetable,
    zones: Zones,
    /// When the newest receipt was given.
    receipt: Option<Timestamp>,
    /// The time of the newest record.
    last: Option<Timestamp>,
}

impl Judges {
    /// For the log that these are the receipts of.
    pub fn new(receipts: &[Countersigned]) -> Judges {
        Judges {
            accounts: Accounts::default(),
            bounds: Bounds::new(receipts),
            entered: Entered::default(),
            links: Links::default(),
            people: People::default(),
            references: References::default(),
            setup: Setup::default(),
            sounds: Sounds::default(),
            steps: Steps::default(),
            timetable: Timetable::default(),
            zones: Zones::default(),
            receipt: receipts.iter().filter_map(Countersigned::time).max(),
            last: None,
        }
    }

    /// Takes the next record, which verifies and is in its place.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        self.bounds.take(record);
        self.entered.take(record);
        self.people.take(record);
        self.sounds.take(record);
        self.last = record.time.parse().ok();
        let mut found = Vec::new();
        found.extend(wrong_date(record));
        found.extend(self.steps.take(record));
        found.extend(self.zones.take(record));
        found.extend(self.accounts.take(record));
        found.extend(self.timetable.take(record));
        found.extend(self.setup.take(record));
        found.extend(self.links.take(record));
        found.extend(self.references.take(record));
        found
    }

    /// Goes past record `seq`, which is no good, or not of this place.
    pub fn take_bad(&mut self, seq: u64) {
        self.accounts.take_bad();
        self.entered.take_bad();
        self.links.take_bad(seq);
        self.people.take_bad();
        self.sounds.take_bad();
        self.timetable.take_bad();
    }

    /// What only the end of the log tells.
    pub fn finish(self) -> Vec<Finding> {
        let mut found = Vec::new();
        // The newest moment that is known to have come.
        found.extend(self.last.max(self.receipt).map(|now| self.timetable.finish(now)).into_iter().flatten());
        found.extend(self.bounds.finish());
        found.extend(self.entered.finish());
        found.extend(self.people.finish());
        found.extend(self.sounds.finish());
        found.extend(self.accounts.finish());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Data;
    use crate::testing::record;
    use serde_json::{Value, json};

    #[test]
    fn what_is_unusual_of_a_lesson_is_told_beside_what_it_lacks() {
        let start = |cameras: Value| {
            let event =
                json!({"event": "started", "version": "1", "boot": "b", "site": "s", "room": "r", "cameras": cameras});
            Data::Appliance(serde_json::from_value(event).expect("an event"))
        };
        let (begin, end) = ("2026-11-24T08:00:00.000+08:00", "2026-11-24T09:00:00.000+08:00");
        let rollcall =
            json!({"class": "A", "lesson": begin, "event": "started", "by": "T1", "expected": 9, "present": 0});
        let segment = json!({"camera": "back", "start": begin, "end": end, "frames": 1, "bytes": 1, "sha256": "",
                             "codec": "h264", "width": 1, "height": 1, "sound": "none"});
        let camera = json!({"camera": "back", "required_ms": 3_600_000, "recorded_ms": 3_600_000, "gaps_ms": {},
                            "unexplained_ms": 0});
        let account = |class: &str, consent: Option<&str>| {
            let coverage = json!({"class": class, "start": begin, "end": end, "from": begin, "cameras": [camera],
                                  "sound_consent": consent, "required_share": 0.99, "complete": true});
            Data::Coverage(serde_json::from_value(coverage).expect("an account"))
        };
        let facts = [
            ("2026-11-23T23:00:00.000+00:00", start(json!([{"name": "back", "kind": "rtsp", "recorded": true}]))),
            ("2026-11-24T07:30:00.000+08:00", start(json!([{"name": "back", "kind": "v4l2", "recorded": true}]))),
            (begin, Data::Rollcall(serde_json::from_value(rollcall).expect("a roll call"))),
            (end, Data::Segment(serde_json::from_value(segment).expect("a segment"))),
            (end, account("A", None)),
            (end, account("B", Some("12号"))),
        ];
        let mut judges = Judges::new(&[]);
        let mut found = Vec::new();
        for (seq, (time, data)) in (0..).zip(facts) {
            found.extend(judges.take(&record(seq, time, data)));
        }
        found.extend(judges.finish());
        let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
        let expected = [
            ["zone_changed", "cameras_changed"].as_slice(),
            &["nobody_present", "classes_at_once", "no_sound_recorded", "no_sound"],
            &["lessons", "incomplete_lesson", "lessons", "incomplete_lesson"],
        ];
        assert_eq!(codes, expected.concat());
    }
}
