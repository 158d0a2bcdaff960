use super::*;
use crate::class::{template_csv, template_xlsx};
use proptest::prelude::*;

fn problems(csv: &str) -> Vec<String> {
    parse("class.csv", csv.as_bytes()).expect_err("has mistakes").iter().map(Problem::to_string).collect()
}

#[test]
fn the_templates_import_as_they_are() {
    let xlsx = parse("class.xlsx", &template_xlsx().expect("writes")).expect("the XLSX template is a good class");
    let csv = parse("class.csv", template_csv().as_bytes()).expect("the CSV template is a good class");
    assert_eq!(xlsx.class, csv.class);
    assert_eq!(xlsx.class.trainees[0].name, "张三");
    assert!(xlsx.warnings.is_empty(), "{:?}", xlsx.warnings);
}

#[test]
fn a_csv_that_chinese_excel_wrote_is_read() {
    let (bytes, _, _) = encoding_rs::GB18030.encode(template_csv());
    assert_eq!(parse("class.csv", &bytes).expect("GB 18030").class.trainees[0].name, "张三");
}

#[test]
fn english_headings_are_taken_too() {
    let csv = "[class]\nclass number,class name,trade\nC1,Electricians,electrician\n[plan]\ndate,start,end,kind,topic,teacher\n2026-11-23,8:30,10:00,theory,safety,T1\n[trainees]\nnumber,name,id number\n001,Li Lei,11010519491231002X\n[teachers]\nnumber,name,registration\nT1,Han Mei,R1\n";
    assert_eq!(parse("c.csv", csv.as_bytes()).expect("good").class.lessons.len(), 1);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let csv = "[班级]\n班期编号,班期名称,工种\nC 1,电工,电工\n\
        [计划]\n日期,开始时间,结束时间,类型,培训内容,教师编号\n\
        2026-02-30,8:30,10:00,理论,安全,T1\n2026-11-23,10:00,8:30,理论,安全,T1\n2026-11-24,8:30,10:00,理论,安全,T1\n\
        2026-11-24,9:30,11:00,聊天,安全,T9\n\
        [学员]\n编号,姓名,身份证号\n001,张三,11010519491231002X\n001,李四,110105194912310021\n\
        11010519491231002X,王五,11010519491231002X\n004,,\n\
        [教师]\n编号,姓名\nT1,陈老师\n";
    let found = problems(csv);
    for (place, what) in [
        ("sheet 班级, row 3, column A (班期编号)", "C 1"),
        ("sheet 计划, row 6, column A (日期)", "2026-02-30"),
        ("sheet 计划, row 7, column C (结束时间)", "not after its start"),
        ("sheet 计划, row 9, column D (类型)", "聊天"),
        ("sheet 计划, row 9, column F (教师编号)", "T9"),
        ("sheet 学员, row 13, column C (身份证号)", "check digit"),
        ("sheet 学员, row 14, column A (编号)", "ID-card number"),
        ("sheet 学员, row 15, column B (姓名)", "empty"),
        ("sheet 学员, row 15, column C (身份证号)", "empty"),
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(place) && line.contains(what)),
            "{place}: {what} in {found:#?}"
        );
    }
}

#[test]
fn missing_sheets_and_columns_are_named() {
    assert!(problems("[班级]\n班期编号\nC1\n").iter().any(|line| line.contains("计划")));
    let csv = template_csv().replace("身份证号", "证件");
    let import = parse("c.csv", csv.as_bytes()).expect_err("trainees need ID-card numbers");
    assert!(import.iter().any(|problem| problem.to_string().contains("身份证号")), "{import:?}");
    assert!(problems("hello").iter().any(|line| line.contains("[班级]")));
    let xls = parse("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1").expect_err("old format");
    assert!(xls[0].message.contains(".xlsx"));
    assert!(parse("x.xlsx", b"PK\x03\x04 not really").is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, text in "\\PC*") {
        let _ = parse("x.csv", &bytes);
        let _ = parse("x.csv", text.as_bytes());
        let _ = parse("x.xlsx", &[b"PK\x03\x04", &bytes[..]].concat());
    }
}

/// A good plan with one lesson, whose last columns are `cells`.
fn plan(kind: &str, cells: &str) -> String {
    format!(
        "[班级]\n班期编号,班期名称,工种\nC1,电工,电工\n\
         [计划]\n日期,开始时间,结束时间,类型,培训内容,教师编号,录像摄像头,工位,录音\n\
         2026-11-23,8:30,10:00,{kind},安全,T1,{cells}\n\
         [学员]\n编号,姓名,身份证号\n001,张三,110105198503150019\n[教师]\n编号,姓名,备案号\nT1,陈老师,B1\n"
    )
}

#[test]
fn a_lesson_names_its_cameras_workstations_and_sound() {
    let csv = plan("实操", "front、back,1-3 B7,否：津人社2026-12号");
    let import = parse("c.csv", csv.as_bytes()).expect("good");
    assert!(import.warnings.is_empty(), "{:?}", import.warnings);
    let lesson = &import.class.lessons[0];
    assert_eq!(lesson.cameras, ["front", "back"]);
    assert_eq!(lesson.workstations, ["1", "2", "3", "B7"]);
    assert_eq!(lesson.sound, crate::class::SoundPolicy::Dropped { consent: "津人社2026-12号".into() });
    let english = plan("practice", "all,A01-A02,no: consent 12/2026")
        .replace("录像摄像头,工位,录音", "cameras,workstations,sound");
    let lesson = parse("c.csv", english.as_bytes()).expect("good").class.lessons.remove(0);
    assert_eq!((lesson.cameras.len(), lesson.workstations.join(" ").as_str()), (0, "A01 A02"));
    assert_eq!(lesson.sound, crate::class::SoundPolicy::Dropped { consent: "consent 12/2026".into() });
}

#[test]
fn mistakes_in_what_a_lesson_demands_are_told_with_their_place() {
    for (cells, place, what) in [
        ("前门,,", "sheet 计划, row 6, column G (录像摄像头)", "a-z"),
        (",5-1,", "sheet 计划, row 6, column H (工位)", "before it begins"),
        (",,否", "sheet 计划, row 6, column I (录音)", "否：津人社2026-12号"),
        (",,随便", "sheet 计划, row 6, column I (录音)", "neither 是"),
    ] {
        let found = problems(&plan("理论", cells));
        assert!(found[0].starts_with(place) && found[0].contains(what), "{cells}: {found:?}");
    }
}

#[test]
fn a_practice_lesson_without_workstations_is_warned_of() {
    let warnings = parse("c.csv", plan("实操", ",,").as_bytes()).expect("good").warnings;
    let warning = warnings.first().expect("a warning").to_string();
    assert!(warning.starts_with("sheet 计划, row 6, column H (工位)") && warning.contains("6(1)"), "{warning}");
    assert!(parse("c.csv", plan("理论", ",,").as_bytes()).expect("good").warnings.is_empty());
}

/// A workbook of one sheet with these cells.
fn workbook(cells: &[(u32, u16, &str)]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let page = book.add_worksheet();
    page.set_name("学员").expect("a name");
    for (row, column, text) in cells {
        page.write_string(*row, *column, *text).expect("written");
    }
    book.save_to_buffer().expect("saved")
}

#[test]
fn a_stray_cell_far_away_is_named_and_takes_no_room() {
    for (row, column, name) in
        [(1_048_575, 16_383, "XFD1048576"), (1_048_575, 51, "AZ1048576"), (20_000, 0, "A20001"), (0, 200, "GS1")]
    {
        let bytes = workbook(&[(0, 0, "编号"), (row, column, "x")]);
        let problems = parse("x.xlsx", &bytes).expect_err("too far");
        assert!(problems[0].message.starts_with(&format!("sheet 学员: cell {name} is not empty")), "{}", problems[0]);
    }
    // What lies within the limits is read, in its place.
    let tables = sheet::read("x.xlsx", &workbook(&[(2, 1, "编号"), (19_999, 199, "x")])).expect("within the limits");
    let [table] = &tables[..] else { panic!("{} tables", tables.len()) };
    assert_eq!((table.name.as_str(), table.first_row, table.rows.len()), ("学员", 3, 19_998));
    assert_eq!(table.rows[0], [Cell::Empty, Cell::Text("编号".into())]);
    assert_eq!(table.rows[19_997][199], Cell::Text("x".into()));
    assert!(sheet::read("x.xlsx", &workbook(&[])).expect("a workbook")[0].rows.is_empty());
}

#[test]
fn a_zip_bomb_is_refused_whatever_it_says_of_its_size() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("xl/workbook.xml", zip::write::SimpleFileOptions::default()).expect("begun");
    let zeros = vec![0; 1 << 20];
    (0..70).for_each(|_| std::io::Write::write_all(&mut zip, &zeros).expect("written"));
    let honest = zip.finish().expect("finished").into_inner();
    assert!(honest.len() < 1 << 20);
    let message = |bytes: &[u8]| parse("x.xlsx", bytes).expect_err("too large")[0].message.clone();
    assert!(message(&honest).contains("would unpack to more than 64 MB"), "{}", message(&honest));
    let mut liar = honest.clone();
    for (mark, at) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
        let header = honest.windows(4).position(|window| window == mark).expect("a header");
        liar[header + at..header + at + 4].copy_from_slice(&100u32.to_le_bytes());
    }
    assert!(message(&liar).contains("would unpack to") || message(&liar).contains("damaged"), "{}", message(&liar));
}
