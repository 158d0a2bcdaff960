//! Cells → texts, dates and times, in the ways people write them.

use super::sheet::{Cell, serial};
use jiff::civil::{Date, Time};

/// Full-width digits, letters and punctuation → their ASCII forms; other characters stay.
pub fn half_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '\u{3000}' => ' ',
            _ => c,
        })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The cell as text; whole numbers lose the `.0` that spreadsheets give them.
pub fn text(cell: &Cell) -> Result<String, String> {
    match cell {
        Cell::Empty => Ok(String::new()),
        Cell::Text(text) => Ok(half_width(text)),
        Cell::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => Ok(format!("{number:.0}")),
        Cell::Number(number) if number.abs() >= 1e15 => {
            Err("this number is too long for Excel, which has turned its last digits into zeros; format the column as \
             text and enter it again"
                .into())
        }
        Cell::Number(number) => Ok(number.to_string()),
        Cell::Serial(_) => Err("this is a date; format the cell as text".into()),
        Cell::Error(error) => Err(format!("the cell shows {error}; mend its formula or enter the value")),
    }
}

/// `2026-11-03`, `2026/11/3`, `2026.11.3`, `2026年11月3日`, `20261103`, or a date cell.
pub fn date(cell: &Cell) -> Result<Date, String> {
    let wrong = |shown: &str| format!("{shown:?} is not a date; write it as 2026-11-03");
    match cell {
        Cell::Serial(number) => serial(*number).map(|moment| moment.date()).ok_or_else(|| wrong(&number.to_string())),
        Cell::Number(number) if (30_000.0..80_000.0).contains(number) => {
            serial(*number).map(|moment| moment.date()).ok_or_else(|| wrong(&number.to_string()))
        }
        _ => {
            let text = text(cell)?;
            let parts: Vec<i16> = if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
                [&text[..4], &text[4..6], &text[6..]].iter().filter_map(|part| part.parse().ok()).collect()
            } else {
                text.split(['-', '/', '.', '年', '月', '日', ' '])
                    .filter(|part| !part.is_empty())
                    .map(|part| part.parse().map_err(|_| wrong(&text)))
                    .collect::<Result<_, _>>()?
            };
            match parts[..] {
                [year @ 1900..=2200, month @ 1..=12, day @ 1..=31] => {
                    Date::new(year, month as i8, day as i8).map_err(|_| wrong(&text))
                }
                _ => Err(wrong(&text)),
            }
        }
    }
}

/// `8:30`, `08:30:00`, `8：30`, `8点30分`, or a time cell.
pub fn time(cell: &Cell) -> Result<Time, String> {
    let wrong = |shown: &str| format!("{shown:?} is not a time of day; write it as 08:30");
    match cell {
        Cell::Serial(number) | Cell::Number(number) if (0.0..1.0).contains(number) => {
            let minutes = (number * 24.0 * 60.0).round() as i32 % (24 * 60);
            Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).map_err(|_| wrong(&number.to_string()))
        }
        Cell::Serial(number) => serial(*number).map(|moment| moment.time()).ok_or_else(|| wrong(&number.to_string())),
        _ => {
            let text = text(cell)?;
            let parts: Vec<i8> = text
                .split([':', '点', '时', '分', '秒'])
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| part.parse().map_err(|_| wrong(&text)))
                .collect::<Result<_, _>>()?;
            let (hour, minute, second) = match parts[..] {
                [hour] if text.contains(['点', '时']) => (hour, 0, 0),
                [hour, minute] => (hour, minute, 0),
                [hour, minute, second] => (hour, minute, second),
                _ => return Err(wrong(&text)),
            };
            Time::new(hour, minute, second, 0).map_err(|_| wrong(&text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_as_people_write_them() {
        let cell = |text: &str| Cell::Text(text.into());
        for text in ["2026-11-03", "2026/11/3", "2026.11.3", "2026年11月3日", "20261103", "２０２６－１１－０３"]
        {
            assert_eq!(date(&cell(text)), Ok(Date::constant(2026, 11, 3)), "{text}");
        }
        assert_eq!(date(&Cell::Serial(46329.0)), Ok(Date::constant(2026, 11, 3)));
        for text in ["8:30", "08:30:00", "8：30", "8点30分"] {
            assert_eq!(time(&cell(text)), Ok(Time::constant(8, 30, 0, 0)), "{text}");
        }
        assert_eq!(time(&Cell::Serial(8.5 / 24.0)), Ok(Time::constant(8, 30, 0, 0)));
        assert!(date(&cell("明天")).is_err() && date(&cell("2026-02-30")).is_err() && time(&cell("25:00")).is_err());
    }

    #[test]
    fn numbers_lose_nothing_silently() {
        assert_eq!(text(&Cell::Number(1.0)), Ok("1".into()));
        assert!(text(&Cell::Number(110105194912310020.0)).is_err());
    }
}
