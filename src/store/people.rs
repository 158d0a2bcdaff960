//! Classes, their people, consents, templates and QR secrets.
//!
//! Rows are only written together with the record that says so: every change takes the record's place in the log.

use super::words::sql;
use super::{StoreError, View, Write};
use crate::class::{Class, ClassId, Lesson, Person};
use jiff::{SignedDuration, Timestamp};
use rand::TryRng;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::HashSet;

/// A class as imported.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassRow {
    /// Plan and roster.
    pub class: Class,
    /// SHA-256 (hex) of the imported file.
    pub sha256: String,
    /// When it was imported, RFC 3339.
    pub imported: String,
    /// The plan's record.
    pub seq: u64,
    /// When it was closed, RFC 3339; `None` while it runs.
    pub closed: Option<String>,
}

/// A plan that is imported right after a lesson still has that lesson's account made.
const GRACE: SignedDuration = SignedDuration::from_mins(1);

impl ClassRow {
    /// Whether a lesson that ends at `until` was yet to end when the plan was imported: those that had ended are none of
    /// this appliance's.
    pub fn came_before(&self, until: Timestamp) -> bool {
        self.imported.parse().map_or(true, |imported: Timestamp| imported < until + GRACE)
    }
}

/// A person's newest word on face recognition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRow {
    /// The class.
    pub class: ClassId,
    /// The roster number.
    pub number: String,
    /// Given, or withdrawn.
    pub given: bool,
    /// SHA-256 (hex) of the notice that was shown.
    pub notice: String,
    /// RFC 3339.
    pub time: String,
    /// Its record.
    pub seq: u64,
}

/// A face as it was enrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The class that it was enrolled for.
    pub class: ClassId,
    /// Roster number in that class.
    pub number: String,
    /// SHA-256 (hex) of the photo that it was made from.
    pub photo: String,
    /// SHA-256 (hex) of the embedding model.
    pub model: String,
    /// The embedding, little-endian f32 (`vision::Embedding::to_bytes`).
    pub embedding: Vec<u8>,
    /// The enrolment's record.
    pub seq: u64,
}

/// The secret in a person's QR code: 128 random bits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct QrToken([u8; 16]);

const QR_PREFIX: &str = "ROLLCALL:";

impl QrToken {
    fn random() -> Result<QrToken, StoreError> {
        let mut bytes = [0; 16];
        rand::rngs::SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| super::keys::KeyFileError::Random(error.to_string()))?;
        Ok(QrToken(bytes))
    }

    /// What the QR code says: only characters of QR's dense alphanumeric mode.
    pub fn to_text(&self) -> String {
        format!("{QR_PREFIX}{}", evidence::hex(&self.0).to_uppercase())
    }

    /// Reads [`QrToken::to_text`]; `None` for any other QR code.
    pub fn from_text(text: &str) -> Option<QrToken> {
        let digits = text.trim().strip_prefix(QR_PREFIX)?;
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        Some(QrToken(u128::from_str_radix(digits, 16).ok()?.to_be_bytes()))
    }
}

impl std::fmt::Debug for QrToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QrToken")
    }
}

fn class_id(text: &str) -> Result<ClassId, StoreError> {
    ClassId::new(text).map_err(|problem| StoreError::Value { what: "a class number", problem })
}

const CLASS_COLUMNS: &str = "json, sha256, imported, seq, closed";
const CONSENT_COLUMNS: &str = "class, number, given, notice, time, seq";
const TEMPLATE_COLUMNS: &str = "class, number, photo_sha256, model, embedding, seq";

fn read_class(row: &Row<'_>) -> Result<ClassRow, StoreError> {
    let json: String = row.get(0)?;
    let class = serde_json::from_str(&json)
        .map_err(|error| StoreError::Value { what: "a class", problem: error.to_string() })?;
    let seq: i64 = row.get(3)?;
    Ok(ClassRow { class, sha256: row.get(1)?, imported: row.get(2)?, seq: seq as u64, closed: row.get(4)? })
}

fn read_consent(row: &Row<'_>) -> Result<ConsentRow, StoreError> {
    Ok(ConsentRow {
        class: class_id(&row.get::<_, String>(0)?)?,
        number: row.get(1)?,
        given: row.get(2)?,
        notice: row.get(3)?,
        time: row.get(4)?,
        seq: row.get::<_, i64>(5)? as u64,
    })
}

fn read_template(row: &Row<'_>) -> Result<Template, StoreError> {
    Ok(Template {
        class: class_id(&row.get::<_, String>(0)?)?,
        number: row.get(1)?,
        photo: row.get(2)?,
        model: row.get(3)?,
        embedding: row.get(4)?,
        seq: row.get::<_, i64>(5)? as u64,
    })
}

impl View {
    fn all<T>(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// The classes that are not closed, by number.
    pub fn classes(&self) -> Result<Vec<ClassRow>, StoreError> {
        self.all(&format!("SELECT {CLASS_COLUMNS} FROM classes WHERE closed IS NULL ORDER BY id"), [], read_class)
    }

    /// Every class, closed ones too, by number.
    pub fn all_classes(&self) -> Result<Vec<ClassRow>, StoreError> {
        self.all(&format!("SELECT {CLASS_COLUMNS} FROM classes ORDER BY id"), [], read_class)
    }

    /// One class.
    pub fn class(&self, id: &ClassId) -> Result<Option<ClassRow>, StoreError> {
        let query = format!("SELECT {CLASS_COLUMNS} FROM classes WHERE id = ?1");
        Ok(self.all(&query, [id.as_str()], read_class)?.pop())
    }

    /// The lessons that had begun when their plan was replaced or their class closed, and had no account then.
    pub fn begun_lessons(&self) -> Result<Vec<(ClassId, Lesson)>, StoreError> {
        self.all("SELECT class, json FROM begun_lessons ORDER BY class, start_ms", [], |row| {
            let lesson = serde_json::from_str(&row.get::<_, String>(1)?)
                .map_err(|error| StoreError::Value { what: "a lesson", problem: error.to_string() })?;
            Ok((class_id(&row.get::<_, String>(0)?)?, lesson))
        })
    }

    /// A person of a class's roster.
    pub fn person(&self, class: &ClassId, number: &str) -> Result<Option<Person>, StoreError> {
        Ok(self.class(class)?.and_then(|row| row.class.person(number).cloned()))
    }

    /// A person's newest word on face recognition; `None` when never asked.
    pub fn consent(&self, class: &ClassId, number: &str) -> Result<Option<ConsentRow>, StoreError> {
        let query = format!("SELECT {CONSENT_COLUMNS} FROM consents WHERE class = ?1 AND number = ?2");
        Ok(self.all(&query, [class.as_str(), number], read_consent)?.pop())
    }

    /// Everybody's newest word on face recognition.
    pub fn consents(&self) -> Result<Vec<ConsentRow>, StoreError> {
        self.all(&format!("SELECT {CONSENT_COLUMNS} FROM consents ORDER BY class, number"), [], read_consent)
    }

    /// The templates made by `model` of classes that are not closed.
    pub fn templates(&self, model: &str) -> Result<Vec<Template>, StoreError> {
        let query = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates WHERE model = ?1
             AND class IN (SELECT id FROM classes WHERE closed IS NULL) ORDER BY id"
        );
        self.all(&query, [model], read_template)
    }

    /// Every template, whatever its model and class.
    pub fn all_templates(&self) -> Result<Vec<Template>, StoreError> {
        self.all(&format!("SELECT {TEMPLATE_COLUMNS} FROM templates ORDER BY id"), [], read_template)
    }

    /// The people of a class who have a template, of whatever model.
    pub fn enrolled(&self, class: &ClassId) -> Result<HashSet<String>, StoreError> {
        self.enrolled_with(class, None)
    }

    /// The people of a class who have a template of `model` (SHA-256, hex): who has one of another model only is recognised
    /// by nothing. Without, of whatever model.
    pub fn enrolled_with(&self, class: &ClassId, model: Option<&str>) -> Result<HashSet<String>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT DISTINCT number FROM templates WHERE class = ?1 AND model = coalesce(?2, model)")?;
        let numbers = statement.query_map(params![class.as_str(), model], |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// A person's QR secret.
    pub fn qr_token(&self, class: &ClassId, number: &str) -> Result<Option<QrToken>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT qr_token FROM persons WHERE class = ?1 AND number = ?2")?;
        let token = statement.query_row([class.as_str(), number], |row| row.get(0)).optional()?;
        Ok(token.map(QrToken))
    }

    /// Whose QR secret it is.
    pub fn person_of_qr(&self, token: &QrToken) -> Result<Option<(ClassId, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT class, number FROM persons WHERE qr_token = ?1")?;
        let found: Option<(String, String)> =
            statement.query_row([token.0.as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(|(class, number)| Ok((class_id(&class)?, number))).transpose()
    }

    /// How many templates a person has in a class, of whatever model.
    pub fn templates_of(&self, class: &ClassId, number: &str) -> Result<usize, StoreError> {
        let query = "SELECT count(*) FROM templates WHERE class = ?1 AND number = ?2";
        Ok(self.connection.query_row(query, [class.as_str(), number], |row| row.get::<_, i64>(0))? as usize)
    }
}

impl Write<'_> {
    /// Puts a class in, or a newer plan and roster of it in the place of the old.
    ///
    /// People who left the roster must have been erased before ([`Write::erase_person`]); it fails otherwise.
    pub(crate) fn put_class(&self, class: &Class, sha256: &str, imported: &str, seq: u64) -> Result<(), StoreError> {
        let json = serde_json::to_string(class)
            .map_err(|error| StoreError::Value { what: "a class", problem: error.to_string() })?;
        self.connection().execute(
            "INSERT INTO classes (id, json, sha256, imported, seq) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET json = excluded.json, sha256 = excluded.sha256,
                 imported = excluded.imported, seq = excluded.seq, closed = NULL",
            params![class.id.as_str(), json, sha256, imported, sql(seq)],
        )?;
        let mut insert = self.connection().prepare_cached(
            "INSERT INTO persons (class, number, qr_token) VALUES (?1, ?2, ?3) ON CONFLICT (class, number) DO NOTHING",
        )?;
        for person in class.people() {
            insert.execute(params![class.id.as_str(), person.number, QrToken::random()?.0.as_slice()])?;
        }
        let mut known = self.connection().prepare_cached("SELECT number FROM persons WHERE class = ?1")?;
        let numbers: Vec<String> = known.query_map([class.id.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for number in numbers.iter().filter(|number| class.person(number).is_none()) {
            self.connection()
                .execute("DELETE FROM persons WHERE class = ?1 AND number = ?2", [class.id.as_str(), number])?;
        }
        self.people_changed()
    }

    /// Keeps a lesson that has begun and has no account, whatever becomes of its plan.
    pub(crate) fn put_begun_lesson(&self, id: &ClassId, start: Timestamp, lesson: &Lesson) -> Result<(), StoreError> {
        let json = serde_json::to_string(lesson)
            .map_err(|error| StoreError::Value { what: "a lesson", problem: error.to_string() })?;
        self.connection().execute(
            "INSERT OR REPLACE INTO begun_lessons (class, start_ms, json) VALUES (?1, ?2, ?3)",
            params![id.as_str(), start.as_millisecond(), json],
        )?;
        self.people_changed()
    }

    /// Marks a class as closed.
    pub(crate) fn close_class(&self, id: &ClassId, closed: &str) -> Result<(), StoreError> {
        self.connection().execute("UPDATE classes SET closed = ?2 WHERE id = ?1", [id.as_str(), closed])?;
        self.people_changed()
    }

    /// Derives the row of a consent's record.
    pub(crate) fn put_consent(&self, seq: u64, time: &str, data: &evidence::record::Consent) -> Result<(), StoreError> {
        self.connection().execute(
            &format!(
                "INSERT INTO consents ({CONSENT_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (class, number) DO UPDATE SET given = excluded.given, notice = excluded.notice,
                     time = excluded.time, seq = excluded.seq"
            ),
            params![data.class, data.person, data.given, data.notice, time, sql(seq)],
        )?;
        self.people_changed()
    }

    /// Puts a template in. For `journal` only: `seq` must be the enrolment that names its photo.
    pub(crate) fn put_template(&self, template: &Template) -> Result<(), StoreError> {
        self.connection().execute(
            &format!("INSERT INTO templates ({TEMPLATE_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
            params![
                template.class.as_str(),
                template.number,
                template.photo,
                template.model,
                template.embedding,
                sql(template.seq)
            ],
        )?;
        self.people_changed()
    }

    /// Erases a person's templates; tells how many there were. `secure_delete` overwrites them.
    pub(crate) fn erase_templates(&self, class: &str, number: &str) -> Result<usize, StoreError> {
        let erased =
            self.connection().execute("DELETE FROM templates WHERE class = ?1 AND number = ?2", [class, number])?;
        self.people_changed()?;
        Ok(erased)
    }

    /// Erases everything that is kept for a person beside the roster: templates, consent, QR secret, PIN.
    pub(crate) fn erase_person(&self, class: &ClassId, number: &str) -> Result<(), StoreError> {
        self.erase_templates(class.as_str(), number)?;
        for table in ["consents", "persons"] {
            self.connection()
                .execute(&format!("DELETE FROM {table} WHERE class = ?1 AND number = ?2"), [class.as_str(), number])?;
        }
        Ok(())
    }

    /// Takes name, ID-card number and 备案号 out of the roster, and QR secret and PIN away; the number and the consent stay.
    pub(crate) fn blank_person(&self, id: &ClassId, number: &str) -> Result<(), StoreError> {
        let Some(mut class) = self.class(id)?.map(|row| row.class) else { return Ok(()) };
        for person in class.trainees.iter_mut().chain(&mut class.teachers).filter(|person| person.number == number) {
            (person.name, person.id_number, person.registration) = (String::new(), None, None);
        }
        let json = serde_json::to_string(&class)
            .map_err(|error| StoreError::Value { what: "a class", problem: error.to_string() })?;
        self.connection().execute("UPDATE classes SET json = ?2 WHERE id = ?1", [id.as_str(), &json])?;
        self.connection().execute("DELETE FROM persons WHERE class = ?1 AND number = ?2", [id.as_str(), number])?;
        self.people_changed()
    }

    /// Gives a person a new QR secret; the printed one no longer works.
    pub fn renew_qr_token(&self, class: &ClassId, number: &str) -> Result<QrToken, StoreError> {
        let token = QrToken::random()?;
        let changed = self.connection().execute(
            "UPDATE persons SET qr_token = ?3 WHERE class = ?1 AND number = ?2",
            params![class.as_str(), number, token.0.as_slice()],
        )?;
        if changed == 0 {
            return Err(StoreError::Value { what: "a person", problem: format!("{number} is not in class {class}") });
        }
        self.people_changed()?;
        Ok(token)
    }
}
