//! 18-digit ID-card numbers (GB 11643): region, date of birth, sequence, check digit.

use evidence::record::id_card_check_digit;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A valid ID-card number. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdNumber(String);

/// What is wrong with an ID-card number; never repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdNumberError {
    /// Fifteen digits.
    #[error("an old 15-digit number; enter the 18-digit one from the card")]
    Old,
    /// Not 17 digits and a digit or X.
    #[error("must be 17 digits and a last digit or X; {0} characters were found")]
    Form(usize),
    /// Excel keeps 15 digits of a number.
    #[error("Excel has turned the last digits into zeros; format the column as text and enter it again")]
    Rounded,
    /// The first two digits are no province.
    #[error("the first two digits {0} are no province's")]
    Region(String),
    /// Digits 7 to 14 are no date.
    #[error("digits 7 to 14 ({0}) are no date of birth")]
    Birth(String),
    /// The last digit does not fit.
    #[error("the check digit is wrong: it ends in {found}, but these digits need {expected}; one digit is mistyped")]
    CheckDigit {
        /// What it should be.
        expected: char,
        /// What it is.
        found: char,
    },
}

/// GB/T 2260 province codes in use on ID cards, and 83 for residents from Taiwan.
const PROVINCES: [u8; 35] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82, 83,
];

impl IdNumber {
    /// Checks a number; a small x is taken for X.
    pub fn new(text: &str) -> Result<IdNumber, IdNumberError> {
        let text = text.to_ascii_uppercase();
        let bytes = text.as_bytes();
        if bytes.len() == 15 && bytes.iter().all(u8::is_ascii_digit) {
            return Err(IdNumberError::Old);
        }
        let has_form = bytes.len() == 18
            && bytes[..17].iter().all(u8::is_ascii_digit)
            && (bytes[17].is_ascii_digit() || bytes[17] == b'X');
        if !has_form {
            return Err(IdNumberError::Form(text.chars().count()));
        }
        let province: u8 = text[..2].parse().unwrap_or(0);
        if !PROVINCES.contains(&province) {
            return Err(IdNumberError::Region(text[..2].to_owned()));
        }
        let number = |part: std::ops::Range<usize>| text[part].parse::<i16>().unwrap_or(0);
        let (year, month, day) = (number(6..10), number(10..12) as i8, number(12..14) as i8);
        if !(1900..=2100).contains(&year) || Date::new(year, month, day).is_err() {
            return Err(IdNumberError::Birth(text[6..14].to_owned()));
        }
        let (expected, found) = (char::from(id_card_check_digit(&bytes[..17])), char::from(bytes[17]));
        if expected != found {
            return Err(match text.ends_with("000") {
                true => IdNumberError::Rounded,
                false => IdNumberError::CheckDigit { expected, found },
            });
        }
        Ok(IdNumber(text))
    }

    /// The date of birth.
    pub fn birth(&self) -> Date {
        let number = |part: std::ops::Range<usize>| self.0[part].parse::<i16>().unwrap_or(1);
        Date::new(number(6..10), number(10..12) as i8, number(12..14) as i8).expect("checked when it was made")
    }

    /// Whole years of age on a day.
    pub fn age_on(&self, day: Date) -> i16 {
        let birth = self.birth();
        day.year() - birth.year() - i16::from((day.month(), day.day()) < (birth.month(), birth.day()))
    }

    /// The number itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdNumber(hidden)")
    }
}

impl TryFrom<String> for IdNumber {
    type Error = IdNumberError;
    fn try_from(text: String) -> Result<IdNumber, IdNumberError> {
        IdNumber::new(&text)
    }
}

impl From<IdNumber> for String {
    fn from(id: IdNumber) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_examples_are_valid() {
        for number in ["11010519491231002X", "440524188001010014", "11010519491231002x"] {
            let valid = IdNumber::new(number);
            assert_eq!(valid.is_ok(), !number.starts_with("4405241880"), "{number}: {valid:?}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        assert_eq!(IdNumber::new("110105491231002"), Err(IdNumberError::Old));
        assert_eq!(IdNumber::new("1101051949123100"), Err(IdNumberError::Form(16)));
        assert!(matches!(IdNumber::new("99010519491231002X"), Err(IdNumberError::Region(_))));
        assert!(matches!(IdNumber::new("11010519491331002X"), Err(IdNumberError::Birth(_))));
        assert_eq!(IdNumber::new("110105194912310021"), Err(IdNumberError::CheckDigit { expected: 'X', found: '1' }));
        assert_eq!(IdNumber::new("110105194912310000"), Err(IdNumberError::Rounded));
    }

    #[test]
    fn age_counts_birthdays() {
        let id = IdNumber::new("11010519491231002X").expect("valid");
        assert_eq!(id.age_on(Date::constant(2026, 12, 30)), 76);
        assert_eq!(id.age_on(Date::constant(2026, 12, 31)), 77);
    }
}
