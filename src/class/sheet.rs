//! Files → tables of cells: XLSX, and one CSV file whose sections stand for sheets.
//!
//! Keeps each cell's place as a spreadsheet shows it, so that a mistake can be pointed at.

use super::import::letter;
use calamine::{DataRef, ExcelDateTimeType, Reader, Xlsx, XlsxError};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Largest file, bytes.
pub const MAX_BYTES: usize = 10 << 20;
/// Most that an .xlsx file may hold once it is unpacked, bytes. A class stays far below.
const MAX_UNPACKED: u64 = 64 << 20;
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
    let damaged = |error: XlsxError| format!("this .xlsx file is damaged: {error}");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    book.sheet_names().into_iter().map(|name| read_sheet(&mut book, name)).collect()
}

/// One sheet, cell by cell: its room is taken as it is needed, wherever a stray cell says that the sheet ends.
fn read_sheet(book: &mut Xlsx<Cursor<&[u8]>>, name: String) -> Result<Table, String> {
    let damaged = |error: XlsxError| format!("this .xlsx file is damaged: sheet {name}: {error}");
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut cells = match book.worksheet_cells_reader(&name) {
        Ok(cells) => cells,
        // A sheet that is a chart.
        Err(XlsxError::NotAWorksheet(_)) => return Ok(Table { name, rows, first_row: 1 }),
        Err(error) => return Err(damaged(error)),
    };
    while let Some(found) = cells.next_cell().map_err(damaged)? {
        let content = cell(found.get_value());
        if content == Cell::Empty {
            continue;
        }
        let (row, column) = found.get_position();
        let (row, column) = (row as usize, column as usize);
        if row >= MAX_ROWS || column >= MAX_COLUMNS {
            return Err(format!(
                "sheet {name}: cell {}{} is not empty; at most {MAX_ROWS} rows and {MAX_COLUMNS} columns (to {}) are \
                 read. Delete that cell, and rows and columns that only look empty",
                letter(column),
                row + 1,
                letter(MAX_COLUMNS - 1)
            ));
        }
        put(&mut rows, row, column, content);
    }
    let before = rows.iter().take_while(|row| row.is_empty()).count();
    rows.drain(..before);
    Ok(Table { name, rows, first_row: before + 1 })
}

fn put(rows: &mut Vec<Vec<Cell>>, row: usize, column: usize, content: Cell) {
    if rows.len() <= row {
        rows.resize_with(row + 1, Vec::new);
    }
    let cells = &mut rows[row];
    if cells.len() <= column {
        cells.resize(column + 1, Cell::Empty);
    }
    cells[column] = content;
}

fn cell(data: &DataRef<'_>) -> Cell {
    match data {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) => Cell::Text(text.clone()),
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::Bool(value) => Cell::Text(value.to_string()),
        DataRef::DateTime(moment) => Cell::Serial(moment.as_f64()),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(text.clone()),
        DataRef::Error(error) => Cell::Error(error.to_string()),
    }
}

/// Refuses a zip bomb: unpacks every part once, and keeps none. What the file says of its parts' sizes may be untrue.
fn check_unpacked_size(bytes: &[u8]) -> Result<(), String> {
    let damaged = |error: &dyn std::fmt::Display| format!("this .xlsx file is damaged: {error}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let mut left = MAX_UNPACKED;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|error| damaged(&error))?;
        let unpacked =
            std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|error| damaged(&error))?;
        left = left.checked_sub(unpacked).ok_or_else(|| {
            format!("this .xlsx file would unpack to more than {} MB; no class is that large", MAX_UNPACKED >> 20)
        })?;
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
