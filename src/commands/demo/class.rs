//! The demonstration's classes: real class files, whose first lesson begins about now.

use crate::class::{self, Class, ClassId};
use crate::journal::{Journal, PlanSource};
use anyhow::{Context, Result};
use jiff::ZonedDateTime;
use jiff::civil::{Time, time};

/// Somebody on a demonstration's roster.
pub struct Player {
    /// Roster number.
    pub number: String,
    /// Full name.
    pub name: String,
}

/// Numbers the names from 01.
pub fn players(names: impl IntoIterator<Item = String>) -> Vec<Player> {
    let numbered = names.into_iter().enumerate();
    numbered.map(|(at, name)| Player { number: format!("{:02}", at + 1), name }).collect()
}

/// Imports a class with a lesson in `room` whose arrival window is open at `now`.
pub fn import(
    journal: &Journal,
    number: &str,
    name: &str,
    room: &str,
    trainees: &[Player],
    now: &ZonedDateTime,
) -> Result<Class> {
    let text = csv(number, name, room, trainees, now);
    let import = class::parse("demo.csv", text.as_bytes()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the demonstration's class is wrong: {}", problems.join("; "))
    })?;
    journal.import_class(&import.class, &import.sha256, PlanSource::File, room)?;
    Ok(import.class)
}

/// Gives everybody of a class consent, as each would at the desk.
pub fn consent(journal: &Journal, class: &ClassId) -> Result<()> {
    let row = journal.store().read()?.class(class)?.context("just imported")?;
    for person in row.class.people() {
        journal.give_consent(class, &person.number, &crate::checkin::notice_sha256(), "cli")?;
    }
    Ok(())
}

fn csv(number: &str, name: &str, room: &str, trainees: &[Player], now: &ZonedDateTime) -> String {
    // A lesson never crosses midnight; near it the demonstration's lesson is a short one.
    let latest = time(23, 50, 0, 0);
    let clock = Time::new(now.hour(), now.minute(), 0, 0).unwrap_or(latest).min(latest);
    let end = Time::new((clock.hour() + 2).min(23), if clock.hour() >= 22 { 59 } else { clock.minute() }, 0, 0);
    let (start, end, date) = (clock.strftime("%H:%M"), end.unwrap_or(time(23, 59, 0, 0)).strftime("%H:%M"), now.date());
    let mut text = format!(
        "[班级]\n班期编号,班期名称,培训机构,工种,等级\n{number},{name},示范培训学校,电工,五级\n\
         [计划]\n日期,开始时间,结束时间,类型,培训内容,教师编号,教室\n{date},{start},{end},理论,安全用电,T1,{room}\n\
         [学员]\n编号,姓名,身份证号\n"
    );
    for (at, player) in trainees.iter().enumerate() {
        // Each class has birthdays of its own, so that nobody is in two.
        let day = 1 + (at % 28);
        let month = 1 + number.bytes().map(usize::from).sum::<usize>() % 12;
        let mut digits = format!("110101{:04}{month:02}{day:02}{:03}", 1980 + at / 28, 100 + at).into_bytes();
        digits.push(evidence::record::id_card_check_digit(&digits));
        text += &format!("{},{},{}\n", player.number, player.name, String::from_utf8_lossy(&digits));
    }
    text + "[教师]\n编号,姓名,备案号\nT1,陈老师,\n"
}
