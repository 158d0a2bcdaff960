//! The class file to fill in, as XLSX and as CSV, with one example of everything. Both import as they are.

use rust_xlsxwriter::{Color, DataValidation, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError};

struct Sheet {
    name: &'static str,
    columns: &'static [(&'static str, &'static str, f64)],
    examples: &'static [&'static [&'static str]],
}

const SHEETS: [Sheet; 4] = [
    Sheet {
        name: "班级",
        columns: &[
            ("班期编号", "区人社局核发的班期编号，将写入每条记录", 22.0),
            ("班期名称", "显示在打卡屏上", 28.0),
            ("培训机构", "机构全称", 30.0),
            ("工种", "申报工种", 14.0),
            ("等级", "如：五级/初级工", 16.0),
        ],
        examples: &[&["TJNK-2026-0138", "2026年第三期电工初级班", "南开示范职业培训学校", "电工", "五级"]],
    },
    Sheet {
        name: "计划",
        columns: &[
            ("日期", "如 2026-11-23", 14.0),
            ("开始时间", "如 08:30", 11.0),
            ("结束时间", "须晚于开始时间；同日课次不得重叠", 11.0),
            ("类型", "理论 或 实操", 9.0),
            ("培训内容", "须有安全教育课", 34.0),
            ("教师编号", "见“教师”表", 11.0),
            ("教室", "与打卡机所在教室一致；留空为本班教室", 12.0),
            ("录像摄像头", "本课次须录像的摄像头，名称与设备配置一致，用顿号或逗号分隔；留空为全部录像摄像头", 16.0),
            ("工位", "须始终在画面中的实训工位，如 1-20 或 A01-A12、B3；实操课须填写", 16.0),
            (
                "录音",
                "是 或留空：录音；涉及商业秘密经区人社局同意不录音的，填 否：同意文号，如 否：津人社2026-12号",
                26.0,
            ),
        ],
        examples: &[
            &["2026-11-23", "08:30", "10:00", "理论", "安全教育与用电规程", "T01", "", "", "", "是"],
            &["2026-11-23", "10:15", "11:45", "理论", "电路基础", "T01", "", "", "", ""],
            &["2026-11-24", "08:30", "11:45", "实操", "照明线路安装", "T02", "", "front、back", "1-12、A01-A04", "是"],
        ],
    },
    Sheet {
        name: "学员",
        columns: &[
            ("编号", "本班内唯一，如 001；将写入记录，不得填身份证号", 10.0),
            ("姓名", "只保存在本机；打卡屏只显示姓", 12.0),
            ("身份证号", "18位；只保存在本机，用于核验身份", 24.0),
        ],
        examples: &[
            &["001", "张三", "110105198503150019"],
            &["002", "李四", "120104199207080028"],
            &["003", "欧阳小梅", "130102199811230044"],
        ],
    },
    Sheet {
        name: "教师",
        columns: &[
            ("编号", "与学员编号不得相同，如 T01", 10.0),
            ("姓名", "", 12.0),
            ("身份证号", "可不填", 24.0),
            ("备案号", "已备案教师的备案号", 20.0),
        ],
        examples: &[&["T01", "陈建国", "", "NK-JS-2023-017"], &["T02", "王秀兰", "", "NK-JS-2021-004"]],
    },
];

/// The template as one CSV file with a section for each sheet.
pub fn csv() -> &'static str {
    static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let mut text = String::new();
        for sheet in &SHEETS {
            let headings: Vec<&str> = sheet.columns.iter().map(|(heading, ..)| *heading).collect();
            text += &format!("[{}]\n{}\n", sheet.name, headings.join(","));
            for row in sheet.examples {
                text += &format!("{}\n", row.join(","));
            }
        }
        text
    });
    &TEXT
}

/// The template as an XLSX workbook.
pub fn xlsx() -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let heading = Format::new()
        .set_bold()
        .set_font_color(Color::White)
        .set_background_color(Color::RGB(0x1F4E79))
        .set_align(FormatAlign::Center)
        .set_align(FormatAlign::VerticalCenter)
        .set_border(FormatBorder::Thin);
    // text, so that Excel neither rounds ID-card numbers nor turns 001 into 1
    let example = Format::new().set_num_format("@").set_font_color(Color::RGB(0x7F7F7F)).set_border(FormatBorder::Hair);
    let blank = Format::new().set_num_format("@");
    for sheet in &SHEETS {
        let page = book.add_worksheet().set_name(sheet.name)?;
        for (column, (title, help, width)) in sheet.columns.iter().enumerate() {
            let column = column as u16;
            page.set_column_width(column, *width)?;
            page.set_column_format(column, &blank)?;
            page.write_string_with_format(0, column, *title, &heading)?;
            if !help.is_empty() {
                page.insert_note(0, column, &rust_xlsxwriter::Note::new(*help).set_author("Rollcall"))?;
            }
        }
        page.set_row_height(0, 24)?;
        for (row, values) in sheet.examples.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                page.write_string_with_format(row as u32 + 1, column as u16, *value, &example)?;
            }
        }
        page.set_freeze_panes(1, 0)?.set_repeat_rows(0, 0)?;
        print_on_a4(page);
        if sheet.name == "计划" {
            let kinds = DataValidation::new().allow_list_strings(&["理论", "实操"])?;
            page.add_data_validation(1, 3, 500, 3, &kinds)?;
        }
    }
    explain(book.add_worksheet().set_name("说明")?)?;
    book.save_to_buffer()
}

/// Printed, a sheet is as wide as a page of A4 on its side.
fn print_on_a4(page: &mut Worksheet) {
    page.set_paper_size(9).set_landscape().set_print_fit_to_pages(1, 0);
}

fn explain(page: &mut Worksheet) -> Result<(), XlsxError> {
    let title = Format::new().set_bold().set_font_size(14);
    let bold = Format::new().set_bold();
    let wrap = Format::new().set_text_wrap().set_align(FormatAlign::Top);
    page.set_column_width(0, 14)?.set_column_width(1, 14)?.set_column_width(2, 70)?;
    print_on_a4(page);
    page.write_string_with_format(0, 0, "班期导入表填写说明", &title)?;
    page.write_string(1, 0, "灰色行是示例，请覆盖或删除。所有单元格均为文本格式，请勿更改。表头可用中文或英文。")?;
    page.write_string(
        2,
        0,
        "填好后运行：rollcall class import 文件.xlsx；有误时逐条指出工作表、行、列，不会导入一半。",
    )?;
    let mut row = 4;
    for sheet in &SHEETS {
        for (heading, help, _) in sheet.columns {
            page.write_string_with_format(row, 0, sheet.name, &bold)?;
            page.write_string(row, 1, *heading)?;
            page.write_string_with_format(row, 2, *help, &wrap)?;
            row += 1;
        }
    }
    Ok(())
}
