//! Files → tables of cells: XLSX, and one CSV file whose sections stand for sheets.
//!
//! Keeps each cell's place as a spreadsheet shows it, so that a mistake can be pointed at.

use calamine::{Data, ExcelDateTimeType, Reader, Xlsx};
use std::io::Cursor;

/// Largest file, bytes.
pub const MAX_BYTES: usize = 10 << 20;
/// Most rows of one sheet.
pub const MAX_ROWS: usize = 20_000;
/// Most columns of one sheet.
pub const MAX_COLUMNS: usize = 200;

/// A cell's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Empty,
    Text(String),
    Number(f64),
    /// A date or time that the spreadsheet knows as one: days since 1899-12-30.
    Serial(f64),
    /// `#N/A` and the like.
    Error(String),
}

/// One sheet, or one section of a CSV file.
#[derive(Debug)]
pub struct Table {
    /// The sheet's name.
    pub name: String,
    /// Cells by row.
    pub rows: Vec<Vec<Cell>>,
    /// Row of `rows[0]` as the spreadsheet numbers it.
    pub first_row: usize,
}

impl Cell {
    pub fn is_empty(&self) -> bool {
        match self {
            Cell::Empty => true,
            Cell::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

/// Reads a file's tables; the error says what is wrong with the file as a whole.
pub fn read(file_name: &str, bytes: &[u8]) -> Result<Vec<Table>, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("the file has {} bytes; a class file has at most {MAX_BYTES}", bytes.len()));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return read_xlsx(bytes);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(
            "this is an old .xls file (or a password-protected one); save it as .xlsx without a password".into()
        );
    }
    let is_csv = std::path::Path::new(file_name)
        .extension()
        .is_some_and(|extension| ["csv", "txt"].contains(&extension.to_string_lossy().to_lowercase().as_str()));
    if !is_csv {
        return Err("this is neither an .xlsx nor a .csv file; `rollcall class template` writes one to fill in".into());
    }
    read_csv(bytes)
}

fn read_xlsx(bytes: &[u8]) -> Result<Vec<Table>, String> {
    check_unpacked_size(bytes)?;
    let damaged = |error: calamine::XlsxError| format!("this .xlsx file is damaged: {error}");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut tables = Vec::new();
    for name in book.sheet_names() {
        let range = book.worksheet_range(&name).map_err(damaged)?;
        let (rows, columns) = range.get_size();
        if rows > MAX_ROWS || columns > MAX_COLUMNS {
            return Err(format!(
                "sheet {name} has {rows} rows and {columns} columns; at most {MAX_ROWS} and {MAX_COLUMNS} are read. \
                 Delete rows and columns that only look empty"
            ));
        }
        let (first_row, first_column) = range.start().unwrap_or_default();
        let rows = range
            .rows()
            .map(|row| {
                let blank = std::iter::repeat_n(Cell::Empty, first_column as usize);
                blank.chain(row.iter().map(cell)).collect()
            })
            .collect();
        tables.push(Table { name, rows, first_row: first_row as usize + 1 });
    }
    Ok(tables)
}

fn cell(data: &Data) -> Cell {
    match data {
        Data::Empty => Cell::Empty,
        Data::String(text) => Cell::Text(text.clone()),
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::Bool(value) => Cell::Text(value.to_string()),
        Data::DateTime(moment) => Cell::Serial(moment.as_f64()),
        Data::DateTimeIso(text) | Data::DurationIso(text) => Cell::Text(text.clone()),
        Data::Error(error) => Cell::Error(error.to_string()),
    }
}

/// Refuses a zip bomb before it is unpacked: the central directory says how large the parts would be.
fn check_unpacked_size(bytes: &[u8]) -> Result<(), String> {
    const ENTRY: &[u8] = b"PK\x01\x02";
    let total: u64 = bytes
        .windows(46)
        .filter(|entry| entry.starts_with(ENTRY))
        .map(|entry| u64::from(u32::from_le_bytes([entry[24], entry[25], entry[26], entry[27]])))
        .sum();
    if total > 20 * MAX_BYTES as u64 {
        return Err(format!("this .xlsx file would unpack to {total} bytes; no class is that large"));
    }
    Ok(())
}

/// A CSV file has a line `[班级]`, `[计划]`, `[学员]` or `[教师]` before each section. UTF-8, or GB 18030 as Excel
/// writes it in China; comma, semicolon or tab.
fn read_csv(bytes: &[u8]) -> Result<Vec<Table>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let (text, _, has_errors) = encoding_rs::GB18030.decode(bytes);
            if has_errors {
                return Err("this .csv file is neither UTF-8 nor GB 18030; save it as \"CSV UTF-8\"".into());
            }
            text.into_owned()
        }
    };
    let count = |separator: char| text.matches(separator).count();
    let delimiter = [',', '\t', ';'].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter as u8)
        .from_reader(text.as_bytes());
    let mut tables: Vec<Table> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("this .csv file is damaged: {error}"))?;
        let line = record.position().map_or(0, |position| position.line()) as usize;
        let first = record.get(0).unwrap_or_default().trim().replace('［', "[").replace('］', "]");
        if let Some(name) = first.strip_prefix('[').and_then(|first| first.strip_suffix(']')) {
            tables.push(Table { name: name.trim().to_owned(), rows: Vec::new(), first_row: line + 1 });
            continue;
        }
        let row: Vec<Cell> = record.iter().map(|text| Cell::Text(text.to_owned())).collect();
        let Some(table) = tables.last_mut() else {
            if row.iter().all(Cell::is_empty) {
                continue;
            }
            return Err(format!("line {line}: a section begins with a line such as [班级]; none has begun yet"));
        };
        // empty lines are skipped by the reader: put them back, so that row numbers stay true
        while table.first_row + table.rows.len() < line {
            table.rows.push(Vec::new());
        }
        if table.rows.len() >= MAX_ROWS || row.len() > MAX_COLUMNS {
            return Err(format!("line {line}: at most {MAX_ROWS} rows and {MAX_COLUMNS} columns are read"));
        }
        table.rows.push(row);
    }
    Ok(tables)
}

/// The serial number's date and time, if it is one.
pub fn serial(serial: f64) -> Option<jiff::civil::DateTime> {
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    let moment = calamine::ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, false);
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    jiff::civil::DateTime::new(year as i16, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0).ok()
}
