//! Which class a record is about.

use super::Data;

impl Data {
    /// The class (班期编号) that the record names, if it names one.
    pub fn class(&self) -> Option<&str> {
        match self {
            Data::Checkin(data) => data.class.as_deref(),
            Data::Enrolment(data) => Some(&data.class),
            Data::Consent(data) => Some(&data.class),
            Data::Plan(data) => Some(&data.class),
            Data::Lesson(data) => Some(&data.class),
            Data::Closing(data) => Some(&data.class),
            Data::Erasure(data) => Some(&data.class),
            Data::Coverage(data) => Some(&data.class),
            Data::Viewing(data) => Some(&data.class),
            Data::Finding(data) => data.class.as_deref(),
            Data::Rollcall(data) => Some(&data.class),
            // A kind that this version does not know names its class in the same field as the others.
            Data::Other { data, .. } => data.get("class").and_then(|class| class.as_str()),
            Data::Export(data) => data.what.strip_prefix("class "),
            Data::Clock(_)
            | Data::Appliance(_)
            | Data::Segment(_)
            | Data::Gap(_)
            | Data::Archive(_)
            | Data::Deletion(_)
            | Data::Reference(_) => None,
        }
    }
}
