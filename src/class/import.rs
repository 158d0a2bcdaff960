//! A class file → a [`Class`]: all mistakes are found in one go, each with its place; nothing is taken unless all is good.

use super::id_number::IdNumber;
use super::sheet::{self, Cell, Table};
use super::values;
use super::{Class, ClassId, Lesson, LessonKind, Person, Role, demands};
use evidence::record::holds_id_card_number;
use jiff::civil::{Date, Time};
use std::collections::HashMap;

/// A class that was read without a mistake.
#[derive(Debug)]
pub struct Import {
    /// The class.
    pub class: Class,
    /// What staff should look at; nothing that stops the import.
    pub warnings: Vec<Problem>,
    /// SHA-256 (hex) of the file.
    pub sha256: String,
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The sheet (section of a CSV file), when it is about one.
    pub sheet: Option<String>,
    /// The row as the spreadsheet numbers it.
    pub row: Option<usize>,
    /// The column: letter and heading.
    pub column: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sheet = self.sheet.as_ref().map(|sheet| format!("sheet {sheet}"));
        let row = self.row.map(|row| format!("row {row}"));
        let column = self.column.as_ref().map(|column| format!("column {column}"));
        let place: Vec<String> = [sheet, row, column].into_iter().flatten().collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        f.write_str(&self.message)
    }
}

/// A column's key, its headings in Chinese and English, and whether it must be there.
struct Column {
    headings: &'static [&'static str],
    required: bool,
}

const fn column(headings: &'static [&'static str], required: bool) -> Column {
    Column { headings, required }
}

const CLASS_SHEET: &[&str] = &["班级", "班期", "class"];
const PLAN_SHEET: &[&str] = &["计划", "教学计划", "plan"];
const TRAINEES_SHEET: &[&str] = &["学员", "花名册", "学员花名册", "trainees", "roster"];
const TEACHERS_SHEET: &[&str] = &["教师", "授课教师", "teachers"];

const CLASS_COLUMNS: &[Column] = &[
    column(&["班期编号", "class number", "class id", "class"], true),
    column(&["班期名称", "class name", "name"], true),
    column(&["培训机构", "institution"], false),
    column(&["工种", "trade"], true),
    column(&["等级", "level"], false),
];
const PLAN_COLUMNS: &[Column] = &[
    column(&["日期", "date"], true),
    column(&["开始时间", "开始", "start"], true),
    column(&["结束时间", "结束", "end"], true),
    column(&["类型", "kind", "type"], true),
    column(&["培训内容", "内容", "topic"], true),
    column(&["教师编号", "教师", "teacher"], true),
    column(&["教室", "room"], false),
    column(&["录像摄像头", "摄像头", "cameras", "camera"], false),
    column(&["工位", "实训工位", "workstations", "workstation"], false),
    column(&["录音", "sound", "audio"], false),
];
const PERSON_COLUMNS: &[Column] = &[
    column(&["编号", "number"], true),
    column(&["姓名", "name"], true),
    column(&["身份证号", "身份证号码", "id number", "id card"], false),
    column(&["备案号", "registration"], false),
];

/// Reads a class file: XLSX, or CSV with sections.
pub fn parse(file_name: &str, bytes: &[u8]) -> Result<Import, Vec<Problem>> {
    let whole = |message: String| vec![Problem { sheet: None, row: None, column: None, message }];
    let tables = sheet::read(file_name, bytes).map_err(whole)?;
    let mut reading = Reading { problems: Vec::new(), warnings: Vec::new() };
    let class = reading.class(&tables);
    match class {
        Some(class) if reading.problems.is_empty() => {
            Ok(Import { class, warnings: reading.warnings, sha256: evidence::sha256_hex(bytes) })
        }
        _ => Err(reading.problems),
    }
}

struct Reading {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// A table whose heading row was found.
struct Sheet<'a> {
    table: &'a Table,
    /// For each wanted column, its index.
    columns: Vec<Option<usize>>,
    names: Vec<String>,
    heading: usize,
}

impl Sheet<'_> {
    fn rows(&self) -> impl Iterator<Item = (usize, &[Cell])> {
        let rows = self.table.rows.iter().enumerate().skip(self.heading + 1);
        rows.map(|(at, row)| (self.table.first_row + at, row.as_slice()))
            .filter(|(_, row)| !row.iter().all(Cell::is_empty))
    }

    fn cell<'c>(&self, row: &'c [Cell], column: usize) -> &'c Cell {
        self.columns[column].and_then(|at| row.get(at)).unwrap_or(&Cell::Empty)
    }

    fn place(&self, row: usize, column: usize, message: String) -> Problem {
        let letter = self.columns[column].map(letter).unwrap_or_default();
        let column = format!("{letter} ({})", self.names[column]);
        Problem { sheet: Some(self.table.name.clone()), row: Some(row), column: Some(column), message }
    }
}

/// A column's letter as spreadsheets show it.
pub(super) fn letter(mut index: usize) -> String {
    let mut letters = String::new();
    loop {
        letters.insert(0, char::from(b'A' + (index % 26) as u8));
        match index / 26 {
            0 => return letters,
            rest => index = rest - 1,
        }
    }
}

/// A heading without what people add to it: spaces, stars, remarks in brackets, a second line.
fn plain_heading(cell: &Cell) -> String {
    let text = values::text(cell).unwrap_or_default().to_lowercase();
    let text = text.split(['\n', '(', '（', '/']).next().unwrap_or_default();
    text.replace(['*', '\u{a0}', '\r'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Reading {
    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn class(&mut self, tables: &[Table]) -> Option<Class> {
        let head = self.sheet(tables, CLASS_SHEET, CLASS_COLUMNS);
        let plan = self.sheet(tables, PLAN_SHEET, PLAN_COLUMNS);
        let trainees = self.sheet(tables, TRAINEES_SHEET, PERSON_COLUMNS);
        let teachers = self.sheet(tables, TEACHERS_SHEET, PERSON_COLUMNS);
        let (head, plan, trainees, teachers) = (head?, plan?, trainees?, teachers?);
        let head = self.head(&head);
        let teacher_list = self.people(&teachers, Role::Teacher);
        let trainee_list = self.people(&trainees, Role::Trainee);
        self.across_sheets(&trainees, &trainee_list, &teacher_list);
        let lessons = self.lessons(&plan, &teacher_list);
        let roster = trainees.table.name.clone();
        let (id, name, institution, trade, level) = head?;
        let teachers = teacher_list.into_iter().map(|(_, person)| person).collect();
        let trainees = trainee_list.iter().map(|(_, person)| person.clone()).collect();
        let class = Class { id, name, institution, trade, level, lessons, trainees, teachers };
        self.advise(&class, &roster, &trainees_rows(&trainee_list));
        Some(class)
    }

    fn sheet<'a>(&mut self, tables: &'a [Table], names: &[&str], columns: &[Column]) -> Option<Sheet<'a>> {
        let is_named = |table: &&Table| {
            let name = values::half_width(&table.name).to_lowercase();
            names.contains(&name.as_str())
        };
        let Some(table) = tables.iter().find(is_named) else {
            let found: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            let message = format!("there is no sheet {} (found: {})", names[0], found.join(", "));
            self.problem(Problem { sheet: None, row: None, column: None, message });
            return None;
        };
        let headings = |row: &[Cell]| -> Vec<Option<usize>> {
            let plain: Vec<String> = row.iter().map(plain_heading).collect();
            columns
                .iter()
                .map(|column| plain.iter().position(|heading| column.headings.contains(&heading.as_str())))
                .collect()
        };
        // a title may stand above the headings
        let known = |row: &Vec<Cell>| headings(row).iter().flatten().count();
        let heading = (0..table.rows.len().min(10)).max_by_key(|at| (known(&table.rows[*at]), usize::MAX - at));
        let heading = heading.filter(|at| known(&table.rows[*at]) > 0);
        let sheet = Some(table.name.clone());
        let Some(heading) = heading else {
            let wanted: Vec<&str> = columns.iter().map(|column| column.headings[0]).collect();
            let message = format!("no row of headings was found; it should hold {}", wanted.join("、"));
            self.problem(Problem { sheet, row: None, column: None, message });
            return None;
        };
        let indices = headings(&table.rows[heading]);
        let row = Some(table.first_row + heading);
        let mut is_complete = true;
        for (column, index) in columns.iter().zip(&indices) {
            if column.required && index.is_none() {
                is_complete = false;
                let message = format!("the column {} is missing", column.headings[0]);
                self.problem(Problem { sheet: sheet.clone(), row, column: None, message });
            }
        }
        for (at, cell) in table.rows[heading].iter().enumerate() {
            if !cell.is_empty() && !indices.contains(&Some(at)) {
                let heading = values::text(cell).unwrap_or_default();
                let message = format!("the column {heading:?} is not known and was not read");
                self.warnings.push(Problem { sheet: sheet.clone(), row, column: Some(letter(at)), message });
            }
        }
        let names = columns.iter().map(|column| column.headings[0].to_owned()).collect();
        is_complete.then_some(Sheet { table, columns: indices, names, heading })
    }

    fn text(&mut self, sheet: &Sheet, row: usize, cells: &[Cell], column: usize, required: bool) -> Option<String> {
        match values::text(sheet.cell(cells, column)) {
            Ok(text) if text.is_empty() && required => {
                self.problem(sheet.place(row, column, "must not be empty".into()));
                None
            }
            Ok(text) if text.chars().count() > 200 => {
                self.problem(sheet.place(row, column, "is longer than 200 characters".into()));
                None
            }
            Ok(text) => Some(text),
            Err(message) => {
                self.problem(sheet.place(row, column, message));
                None
            }
        }
    }

    fn head(&mut self, sheet: &Sheet) -> Option<(ClassId, String, String, String, String)> {
        let rows: Vec<_> = sheet.rows().collect();
        let Some(&(row, cells)) = rows.first() else {
            let message = "the row under the headings must describe the class".into();
            self.problem(Problem { sheet: Some(sheet.table.name.clone()), row: None, column: None, message });
            return None;
        };
        if let Some((row, _)) = rows.get(1) {
            self.problem(sheet.place(*row, 0, "a file holds one class; make one file for each".into()));
        }
        let id = self.text(sheet, row, cells, 0, true);
        let name = self.text(sheet, row, cells, 1, true);
        let institution = self.text(sheet, row, cells, 2, false);
        let trade = self.text(sheet, row, cells, 3, true);
        let level = self.text(sheet, row, cells, 4, false);
        let id = match ClassId::new(&id?) {
            Ok(id) if holds_id_card_number(id.as_str()) => {
                self.problem(sheet.place(row, 0, "holds an ID-card number; enter the number of the class".into()));
                return None;
            }
            Ok(id) => id,
            Err(message) => {
                self.problem(sheet.place(row, 0, message));
                return None;
            }
        };
        Some((id, name?, institution?, trade?, level?))
    }

    fn people(&mut self, sheet: &Sheet, role: Role) -> Vec<(usize, Person)> {
        let mut people: Vec<(usize, Person)> = Vec::new();
        for (row, cells) in sheet.rows() {
            let number = self.number(sheet, row, cells);
            let name = self.text(sheet, row, cells, 1, true);
            let id_text = self.text(sheet, row, cells, 2, role == Role::Trainee);
            let registration = self.text(sheet, row, cells, 3, false).filter(|text| !text.is_empty());
            let id_number = match id_text.filter(|text| !text.is_empty()).map(|text| IdNumber::new(&text)) {
                Some(Err(error)) => {
                    self.problem(sheet.place(row, 2, error.to_string()));
                    continue;
                }
                Some(Ok(id)) => Some(id),
                None => None,
            };
            let (Some(number), Some(name)) = (number, name) else { continue };
            if let Some((first, _)) = people.iter().find(|(_, person)| person.number == number) {
                self.problem(sheet.place(row, 0, format!("{number} stands in row {first} already")));
                continue;
            }
            let same_id = |person: &Person| id_number.is_some() && person.id_number == id_number;
            if let Some((first, _)) = people.iter().find(|(_, person)| same_id(person)) {
                self.problem(sheet.place(row, 2, format!("this ID-card number stands in row {first} already")));
                continue;
            }
            people.push((row, Person { number, name, role, id_number, registration }));
        }
        if people.is_empty() && self.problems.is_empty() {
            let message = "there is nobody in it".into();
            self.problem(Problem { sheet: Some(sheet.table.name.clone()), row: None, column: None, message });
        }
        people
    }

    fn number(&mut self, sheet: &Sheet, row: usize, cells: &[Cell]) -> Option<String> {
        let number = self.text(sheet, row, cells, 0, true)?;
        let plain = number.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        let message = if holds_id_card_number(&number) || (digits >= 15 && number.len() <= 18) {
            "looks like an ID-card number, which must not stand in records; number the roster 001, 002 … instead"
        } else if !plain || number.chars().count() > 32 {
            "use 1 to 32 letters, digits, - _ ."
        } else {
            return Some(number);
        };
        self.problem(sheet.place(row, 0, message.into()));
        None
    }

    fn across_sheets(&mut self, sheet: &Sheet, trainees: &[(usize, Person)], teachers: &[(usize, Person)]) {
        for (row, trainee) in trainees {
            if teachers.iter().any(|(_, teacher)| teacher.number == trainee.number) {
                let message =
                    format!("{} is a teacher's number too; every person needs one of their own", trainee.number);
                self.problem(sheet.place(*row, 0, message));
            }
            let same_id = |teacher: &Person| teacher.id_number.is_some() && teacher.id_number == trainee.id_number;
            if teachers.iter().any(|(_, teacher)| same_id(teacher)) {
                self.problem(sheet.place(*row, 2, "this person is on the teachers' sheet too".into()));
            }
        }
    }

    fn lessons(&mut self, sheet: &Sheet, teachers: &[(usize, Person)]) -> Vec<Lesson> {
        let mut lessons: Vec<(usize, Lesson)> = Vec::new();
        for (row, cells) in sheet.rows() {
            let date = self.value(sheet, row, 0, values::date(sheet.cell(cells, 0)));
            let start = self.value(sheet, row, 1, values::time(sheet.cell(cells, 1)));
            let end = self.value(sheet, row, 2, values::time(sheet.cell(cells, 2)));
            let kind = self.text(sheet, row, cells, 3, true);
            let topic = self.text(sheet, row, cells, 4, true);
            let teacher = self.text(sheet, row, cells, 5, true);
            let room = self.text(sheet, row, cells, 6, false);
            let cameras = self.value(sheet, row, 7, demands::cameras(sheet.cell(cells, 7)));
            let workstations = self.value(sheet, row, 8, demands::workstations(sheet.cell(cells, 8)));
            let sound = self.value(sheet, row, 9, demands::sound(sheet.cell(cells, 9)));
            let kind = kind.and_then(|kind| match kind.to_lowercase().as_str() {
                "理论" | "theory" => Some(LessonKind::Theory),
                "实操" | "实训" | "实操实训" | "practice" => Some(LessonKind::Practice),
                _ => {
                    self.problem(sheet.place(row, 3, format!("{kind:?} is neither 理论 (theory) nor 实操 (practice)")));
                    None
                }
            });
            if let Some(teacher) = &teacher
                && !teachers.iter().any(|(_, person)| &person.number == teacher)
            {
                let message = format!("no teacher with the number {teacher} is on the teachers' sheet");
                self.problem(sheet.place(row, 5, message));
            }
            let (Some(date), Some(start), Some(end), Some(kind), Some(topic), Some(teacher), Some(room)) =
                (date, start, end, kind, topic, teacher, room)
            else {
                continue;
            };
            let (Some(cameras), Some(workstations), Some(sound)) = (cameras, workstations, sound) else { continue };
            if end <= start {
                let shown = |time: Time| time.strftime("%H:%M").to_string();
                let message = format!("ends at {}, not after its start at {}", shown(end), shown(start));
                self.problem(sheet.place(row, 2, message));
                continue;
            }
            let overlaps = |other: &Lesson| other.date == date && start < other.end && other.start < end;
            if let Some((other, _)) = lessons.iter().find(|(_, other)| overlaps(other)) {
                self.problem(sheet.place(row, 1, format!("overlaps with the lesson in row {other}")));
                continue;
            }
            if kind == LessonKind::Practice && workstations.is_empty() {
                let message = "this practice lesson names no workstations: the video must show all of them \
                               (article 6(1)); write them as 1-20 or A01-A12,B3";
                self.warnings.push(sheet.place(row, 8, message.into()));
            }
            lessons.push((row, Lesson { date, start, end, kind, topic, teacher, room, cameras, workstations, sound }));
        }
        if lessons.is_empty() && self.problems.is_empty() {
            let message = "there is no lesson in it".into();
            self.problem(Problem { sheet: Some(sheet.table.name.clone()), row: None, column: None, message });
        }
        lessons.sort_by_key(|(_, lesson)| (lesson.date, lesson.start));
        lessons.into_iter().map(|(_, lesson)| lesson).collect()
    }

    fn value<T>(&mut self, sheet: &Sheet, row: usize, column: usize, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.problem(sheet.place(row, column, message))).ok()
    }

    /// What the bureau will ask about (articles 5(1) and 5(2)); none of it stops an import.
    fn advise(&mut self, class: &Class, roster: &str, rows: &HashMap<String, usize>) {
        let mut warn = |row: Option<usize>, message: String| {
            let sheet = row.is_some().then(|| roster.to_owned());
            self.warnings.push(Problem { sheet, row, column: None, message });
        };
        if !class
            .lessons
            .iter()
            .any(|lesson| lesson.topic.contains("安全") || lesson.topic.to_lowercase().contains("safety"))
        {
            warn(None, "no lesson's topic mentions 安全: the plan must include safety education (article 5(2))".into());
        }
        for teacher in class.teachers.iter().filter(|teacher| teacher.registration.is_none()) {
            warn(None, format!("teacher {} has no 备案号: teachers must be registered (article 5(2))", teacher.number));
        }
        let first_day: Option<Date> = class.lessons.first().map(|lesson| lesson.date);
        for trainee in &class.trainees {
            let age = trainee.id_number.as_ref().zip(first_day).map(|(id, day)| id.age_on(day));
            if let Some(age) = age.filter(|age| !(16..=60).contains(age)) {
                let row = rows.get(&trainee.number).copied();
                warn(
                    row,
                    format!(
                        "trainee {} is {age} years old on the first day: check the subsidy's age limits",
                        trainee.number
                    ),
                );
            }
        }
    }
}

fn trainees_rows(trainees: &[(usize, Person)]) -> HashMap<String, usize> {
    trainees.iter().map(|(row, person)| (person.number.clone(), *row)).collect()
}

#[cfg(test)]
mod tests;
