//! The rules of the regulation for one class: plan, roster, check-in windows. Pure: bytes and times in, facts out.

mod demands;
mod id_number;
mod import;
mod name;
mod sheet;
mod spans;
mod template;
mod values;
mod windows;

pub use id_number::{IdNumber, IdNumberError};
pub use import::{Import, Problem, parse};
pub use name::mask;
pub use spans::{RecordedSpan, Span, lessons_in, recorded_span, recorded_spans, rest_of};
pub use template::{csv as template_csv, xlsx as template_xlsx};
pub use windows::{Window, WindowPolicy, windows};

pub use evidence::record::{LessonKind, Role};
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

/// The filed number of a class (班期编号): 1 to 64 letters, digits, `-`, `_` and `.`; Chinese characters count as
/// letters. Stands in every record about the class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassId(String);

impl ClassId {
    /// Checks a class number.
    pub fn new(text: &str) -> Result<ClassId, String> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.chars().count() > 64 || !text.chars().all(plain) {
            return Err(format!("{text:?} is not a class number: use 1 to 64 letters, digits, - _ ."));
        }
        Ok(ClassId(text.to_owned()))
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClassId {
    type Error = String;
    fn try_from(text: String) -> Result<ClassId, String> {
        ClassId::new(&text)
    }
}

impl From<ClassId> for String {
    fn from(id: ClassId) -> String {
        id.0
    }
}

impl std::fmt::Display for ClassId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of a course: its plan and its roster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// 班期编号
    pub id: ClassId,
    /// 班期名称
    pub name: String,
    /// 培训机构
    pub institution: String,
    /// 工种
    pub trade: String,
    /// 等级
    pub level: String,
    /// The plan, in order of time.
    pub lessons: Vec<Lesson>,
    /// The roster.
    pub trainees: Vec<Person>,
    /// Its teachers.
    pub teachers: Vec<Person>,
}

/// One scheduled block (课次).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// 日期
    pub date: Date,
    /// 开始时间
    pub start: Time,
    /// 结束时间
    pub end: Time,
    /// 理论 or 实操
    pub kind: LessonKind,
    /// 培训内容
    pub topic: String,
    /// Roster number of the teacher.
    pub teacher: String,
    /// 教室; empty means the class's usual room.
    pub room: String,
    /// 录像摄像头: the cameras that must record it; empty means all that are recorded.
    #[serde(default)]
    pub cameras: Vec<String>,
    /// 实训工位: the workstations that must stay in the picture; empty for most theory.
    #[serde(default)]
    pub workstations: Vec<String>,
    /// 录音
    #[serde(default)]
    pub sound: SoundPolicy,
}

/// Whether a lesson's sound is kept (article 6(1)).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundPolicy {
    /// It is.
    #[default]
    Recorded,
    /// Trade secrets: it is dropped before it reaches the disk, with the bureau's consent.
    Dropped {
        /// The number of that consent (同意文号).
        consent: String,
    },
}

impl SoundPolicy {
    /// The number of the consent by which no sound is kept.
    pub fn consent(&self) -> Option<&str> {
        match self {
            SoundPolicy::Recorded => None,
            SoundPolicy::Dropped { consent } => Some(consent),
        }
    }
}

/// A trainee or a teacher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// 编号: stands in records and uploads, so never an ID-card number.
    pub number: String,
    /// 姓名; stays on the appliance. Empty once it was erased, which only that of a closed class can be.
    pub name: String,
    /// Trainee or teacher.
    pub role: Role,
    /// 身份证号; stays on the appliance. Teachers need none.
    pub id_number: Option<IdNumber>,
    /// 备案号 of a registered teacher.
    #[serde(default)]
    pub registration: Option<String>,
}

impl Lesson {
    /// Whether it is given in `room`.
    pub fn is_in(&self, room: &str) -> bool {
        self.room.is_empty() || self.room == room
    }

    /// Whether it is practice, and nothing says which workstations have to be in the picture (article 6(1)).
    pub fn lacks_workstations(&self) -> bool {
        self.kind == LessonKind::Practice && self.workstations.is_empty()
    }
}

impl Person {
    /// Whether only the number is left: the person's data were erased at their request.
    pub fn is_erased(&self) -> bool {
        self.name.is_empty()
    }
}

impl Class {
    /// Trainees, then teachers.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.trainees.iter().chain(&self.teachers)
    }

    /// The person with this roster number.
    pub fn person(&self, number: &str) -> Option<&Person> {
        self.people().find(|person| person.number == number)
    }

    /// Whether it has a lesson in `room` on `date`.
    pub fn is_in(&self, room: &str, date: Date) -> bool {
        lessons_in(self, date, room).next().is_some()
    }

    /// The first and the last lesson's date.
    pub fn days(&self) -> Option<(Date, Date)> {
        Some((self.lessons.first()?.date, self.lessons.last()?.date))
    }
}
