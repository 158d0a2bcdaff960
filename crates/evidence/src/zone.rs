//! The offset from UTC that times are written with, which is the appliance's time zone setting. A moment stays what it is
//! when that is set; the local day that a check-in counts for, and what people read, do not.

use crate::record::Record;
use crate::verdict::Finding;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

/// Takes a log's records one by one, in order, and tells where the offset changes.
#[derive(Default)]
pub struct Zones {
    /// The record before, and its offset.
    before: Option<(u64, Offset)>,
}

impl Zones {
    /// Takes the next record, which verifies.
    pub fn take(&mut self, Record { seq, time, .. }: &Record) -> Option<Finding> {
        let offset = Pieces::parse(time).ok()?.to_numeric_offset()?;
        let (before_seq, before) = self.before.replace((*seq, offset)).filter(|(_, before)| *before != offset)?;
        let message = format!(
            "record {seq}: its time {time} is written with the offset {offset} from UTC, that of record {before_seq} with \
             {before}: the appliance's time zone was set"
        );
        Some(Finding::warning("zone_changed", *seq, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ClockStep, Data};
    use crate::testing::record;

    #[test]
    fn another_offset_is_told_where_it_begins() {
        let mut zones = Zones::default();
        let mut take = |seq, time: &str| {
            let data = Data::Clock(ClockStep { expected: time.into(), observed: time.into() });
            zones.take(&record(seq, time, data)).map(|finding| finding.message)
        };
        assert_eq!(take(0, "2026-11-24T00:00:00.000+00:00"), None, "whatever it is");
        assert_eq!(take(1, "2026-11-24T00:00:01.000Z"), None, "the same in other words");
        assert_eq!(
            take(2, "2026-11-24T08:00:02.000+08:00").as_deref(),
            Some(
                "record 2: its time 2026-11-24T08:00:02.000+08:00 is written with the offset +08 from UTC, that of record 1 \
                 with +00: the appliance's time zone was set"
            )
        );
        assert_eq!(take(3, "2026-11-24T08:00:03.000+08:00"), None, "once");
    }
}
