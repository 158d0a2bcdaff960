//! Who has checked in and is not on the roster any more: records go on to tell of them by their number, which stays theirs.

use super::{StoreError, View, Write, pin};
use crate::class::{ClassId, Person};
use rusqlite::params;
use serde::{Deserialize, Serialize};

/// Somebody who has left the roster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FormerPerson {
    /// As on the last roster that had them.
    Known(Person),
    /// Their data were erased at their request.
    Erased(ErasedPerson),
}

/// What is kept of somebody whose data were erased: enough to tell whether somebody else has the number. Each is an argon2id
/// hash with a salt of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErasedPerson {
    number: String,
    name_hash: String,
    id_number_hash: Option<String>,
    registration_hash: Option<String>,
}

impl FormerPerson {
    /// The number that stays theirs.
    pub fn number(&self) -> &str {
        match self {
            FormerPerson::Known(person) => &person.number,
            FormerPerson::Erased(erased) => &erased.number,
        }
    }
}

impl ErasedPerson {
    fn of(person: &Person) -> Result<ErasedPerson, StoreError> {
        let optional = |text: Option<&str>| text.map(pin::hash).transpose();
        Ok(ErasedPerson {
            number: person.number.clone(),
            name_hash: pin::hash(&person.name)?,
            id_number_hash: optional(person.id_number.as_ref().map(|number| number.as_str()))?,
            registration_hash: optional(person.registration.as_deref())?,
        })
    }

    /// Whether it has this name.
    pub fn is_named(&self, name: &str) -> bool {
        pin::is_of(&self.name_hash, name)
    }

    /// Whether it has this ID-card number.
    pub fn has_id_number(&self, id_number: &str) -> bool {
        self.id_number_hash.as_ref().is_some_and(|hash| pin::is_of(hash, id_number))
    }

    /// Whether it is registered with this 备案号.
    pub fn has_registration(&self, registration: &str) -> bool {
        self.registration_hash.as_ref().is_some_and(|hash| pin::is_of(hash, registration))
    }
}

impl View {
    /// Who has checked in in a class and is not on its roster any more.
    pub fn former_people(&self, class: &ClassId) -> Result<Vec<FormerPerson>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT json FROM former_people WHERE class = ?1 ORDER BY number")?;
        let mut rows = statement.query([class.as_str()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let person = serde_json::from_str(&row.get::<_, String>(0)?)
                .map_err(|error| StoreError::Value { what: "a person", problem: error.to_string() })?;
            found.push(person);
        }
        Ok(found)
    }
}

impl Write<'_> {
    /// Keeps who has left the roster, for as long as records tell of them.
    pub(crate) fn put_former_person(&self, class: &ClassId, person: &Person) -> Result<(), StoreError> {
        self.put_former(class, &FormerPerson::Known(person.clone()))
    }

    /// Keeps of somebody who has left the roster only what tells whether another has the number.
    pub(crate) fn reduce_former_person(&self, class: &ClassId, person: &Person) -> Result<(), StoreError> {
        self.put_former(class, &FormerPerson::Erased(ErasedPerson::of(person)?))
    }

    fn put_former(&self, class: &ClassId, former: &FormerPerson) -> Result<(), StoreError> {
        let json = serde_json::to_string(former)
            .map_err(|error| StoreError::Value { what: "a person", problem: error.to_string() })?;
        self.connection().execute(
            "INSERT OR REPLACE INTO former_people (class, number, json) VALUES (?1, ?2, ?3)",
            params![class.as_str(), former.number(), json],
        )?;
        Ok(())
    }

    /// They are on the roster again.
    pub(crate) fn forget_former_person(&self, class: &ClassId, number: &str) -> Result<(), StoreError> {
        let query = "DELETE FROM former_people WHERE class = ?1 AND number = ?2";
        self.connection().execute(query, [class.as_str(), number])?;
        Ok(())
    }
}
