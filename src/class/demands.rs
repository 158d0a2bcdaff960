//! What a lesson demands of its recording: cells of the plan → cameras, workstations, sound.

use super::SoundPolicy;
use super::sheet::Cell;
use super::values;
use evidence::record::holds_id_card_number;

/// Most workstations of one lesson.
const MAX_WORKSTATIONS: usize = 500;
/// Longest name of a camera or workstation, characters.
const MAX_NAME: usize = 32;
/// The shortest text that can be a consent's number, characters.
const MIN_CONSENT: usize = 4;

/// Names in a cell: separated by comma, 顿号, semicolon or space.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '、', ';', ' ', '\n', '\t', '\r']).filter(|name| !name.is_empty())
}

/// `front、back`; empty, `全部` and `all` mean all that are recorded.
pub(super) fn cameras(cell: &Cell) -> Result<Vec<String>, String> {
    let text = values::text(cell)?.to_lowercase();
    if ["全部", "所有", "all"].contains(&text.as_str()) {
        return Ok(Vec::new());
    }
    let mut cameras: Vec<String> = Vec::new();
    for name in names(&text) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.len() > MAX_NAME || !name.chars().all(plain) {
            return Err(format!(
                "{name:?} is not a camera's name: write names as in the appliance's config (a-z, 0-9, - and _), \
                 separated by commas; leave it empty for all recorded cameras"
            ));
        }
        if !cameras.iter().any(|known| known == name) {
            cameras.push(name.to_owned());
        }
    }
    Ok(cameras)
}

/// `1-20`, `A01-A12,B3`, `1~20号`: single workstations and ranges.
pub(super) fn workstations(cell: &Cell) -> Result<Vec<String>, String> {
    let text = values::text(cell).map_err(|problem| match cell {
        // A spreadsheet takes 1-20 for the 20th of January.
        Cell::Serial(_) => {
            "the spreadsheet has made a date of this; format the cell as text and write 1-20 again".into()
        }
        _ => problem,
    })?;
    let text = text.replace("号", "");
    let mut found: Vec<String> = Vec::new();
    for part in names(&text) {
        let range = range(part)?;
        if found.len() + range.len() > MAX_WORKSTATIONS {
            return Err(format!("these are more than {MAX_WORKSTATIONS} workstations; is a range mistyped?"));
        }
        for name in range {
            if found.contains(&name) {
                return Err(format!("workstation {name} is named twice"));
            }
            found.push(name);
        }
    }
    Ok(found)
}

/// One name, or a range of them.
fn range(part: &str) -> Result<Vec<String>, String> {
    let plain = |name: &str| {
        let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        name.chars().count() <= MAX_NAME && name.chars().all(is_fit)
    };
    let ends = part.split_once(['-', '~', '–', '—', '至', '到']);
    let numbered = ends.and_then(|(first, last)| Some((digits(first)?, digits(last)?)));
    let Some(((prefix, first), (last_prefix, last))) = numbered else {
        return match plain(part) {
            true if holds_id_card_number(part) => Err(format!("{part:?} holds an ID-card number")),
            true => Ok(vec![part.to_owned()]),
            false => Err(format!("{part:?} is neither a workstation nor a range of them: write 1-20 or A01-A12,B3")),
        };
    };
    let (from, until) = (first.parse::<u32>(), last.parse::<u32>());
    let (Ok(from), Ok(until)) = (from, until) else {
        return Err(format!("{part:?}: the numbers are too long"));
    };
    if !plain(prefix) || !(last_prefix.is_empty() || last_prefix == prefix) {
        return Err(format!("{part:?}: both ends of a range need the same letters, as in A01-A12"));
    }
    if until < from {
        return Err(format!("{part:?}: the range ends before it begins"));
    }
    if (until - from) as usize >= MAX_WORKSTATIONS {
        return Err(format!("{part:?} is more than {MAX_WORKSTATIONS} workstations"));
    }
    let width = if first.starts_with('0') { first.len() } else { 0 };
    Ok((from..=until).map(|number| format!("{prefix}{number:0width$}")).collect())
}

/// A name that ends in digits, before and in them.
fn digits(name: &str) -> Option<(&str, &str)> {
    let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[prefix.len()..];
    (!digits.is_empty()).then_some((prefix, digits))
}

/// `是` or empty; `否：津人社2026-12号`, with the number of the bureau's consent (article 6(1)).
pub(super) fn sound(cell: &Cell) -> Result<SoundPolicy, String> {
    let text = values::text(cell)?;
    let lower = text.to_lowercase();
    if ["", "是", "录音", "录", "yes", "y", "true", "recorded"].contains(&lower.as_str()) {
        return Ok(SoundPolicy::Recorded);
    }
    let refusals = ["不录音", "不录", "否", "dropped", "false", "no"];
    // All of them are the same length in lower case.
    let consent = refusals.iter().find(|word| lower.starts_with(**word)).and_then(|word| text.get(word.len()..));
    let Some(consent) = consent else {
        return Err(format!("{text:?} is neither 是 (sound is recorded) nor 否：同意文号 (it is not, with consent)"));
    };
    let is_separated = consent.starts_with(|c: char| !c.is_ascii_alphanumeric());
    let consent = consent.trim_matches(|c: char| matches!(c, ':' | ',' | ';' | '、' | '(' | ')') || c.is_whitespace());
    if consent.chars().count() < MIN_CONSENT || !is_separated {
        return Err("recording without sound needs the bureau's consent (article 6(1)): write its number as well, \
                    such as 否：津人社2026-12号; leave it empty to record sound"
            .into());
    }
    Ok(SoundPolicy::Dropped { consent: consent.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn workstations_are_lists_and_ranges_as_people_write_them() {
        let found = |text: &str| workstations(&cell(text)).expect(text).join(" ");
        assert_eq!(found("1-3"), "1 2 3");
        assert_eq!(found("１－３"), "1 2 3");
        assert_eq!(found("A09-A11,B3"), "A09 A10 A11 B3");
        assert_eq!(found("A09-11、B3；C1"), "A09 A10 A11 B3 C1");
        assert_eq!(found("1号至3号 钳工1"), "1 2 3 钳工1");
        assert_eq!(found("east-bench"), "east-bench");
        assert_eq!(found(""), "");
        assert_eq!(workstations(&Cell::Number(7.0)), Ok(vec!["7".into()]));
        for (text, what) in [
            ("3-1", "before it begins"),
            ("A1-B3", "same letters"),
            ("1-3,2", "named twice"),
            ("1-9999", "more than"),
            ("1-400 A1-A400", "more than"),
            ("1/2", "neither a workstation"),
            ("1-99999999999999", "too long"),
        ] {
            let problem = workstations(&cell(text)).expect_err(text);
            assert!(problem.contains(what), "{text}: {problem}");
        }
        assert!(workstations(&Cell::Serial(46042.0)).expect_err("a date").contains("as text"));
    }

    #[test]
    fn sound_is_left_out_with_the_bureaus_consent_only() {
        for text in ["", "是", "录音", "Yes"] {
            assert_eq!(sound(&cell(text)), Ok(SoundPolicy::Recorded), "{text}");
        }
        for text in ["否：津人社2026-12号", "否 津人社2026-12号", "不录音（津人社2026-12号）", "No: 津人社2026-12号"]
        {
            let consent = "津人社2026-12号".to_owned();
            assert_eq!(sound(&cell(text)), Ok(SoundPolicy::Dropped { consent }), "{text}");
        }
        for text in ["否", "no", "否：", "否：12", "不录音"] {
            assert!(sound(&cell(text)).expect_err(text).contains("否：津人社2026-12号"), "{text}");
        }
        assert!(sound(&cell("maybe")).is_err() && sound(&cell("nobody knows")).is_err());
    }

    #[test]
    fn cameras_are_named_as_in_the_config() {
        assert_eq!(cameras(&cell("front、back，Front")), Ok(vec!["front".into(), "back".into()]));
        assert_eq!(cameras(&cell("全部")), Ok(vec![]));
        assert!(cameras(&cell("前摄像头")).expect_err("no name").contains("a-z"));
    }
}
