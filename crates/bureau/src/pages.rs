//! `GET /`: what the bureau's staff see of its appliances. What needs somebody comes first.
//!
//! Nothing on it runs or is loaded from elsewhere; what appliances have sent stands there as plain text.

use crate::database::{Ahead, ApplianceRow, DatabaseError, RefusalRow, Review, Reviewed};
use crate::folder::Bureau;
use crate::push::CLOCK_TOLERANCE_SECONDS;
use crate::register::now;
use crate::review::newest;
use crate::server::{blocking, internal};
use crate::staff::{not_looked_through, of_appliance};
use crate::text::html;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse, Response};
use evidence::verdict::{Severity, chinese};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::sync::Arc;

/// An appliance that has not been heard of for this long is marked.
const SILENT_SECONDS: u64 = 24 * 3600;
/// An appliance that has sent nothing new for this long is marked, though receipts are asked for in its name: that
/// anybody can do who has a checkpoint of it. Longer than a weekend.
const NOTHING_NEW_SECONDS: u64 = 3 * 24 * 3600;
/// Refused pushes on the page.
const REFUSALS: u32 = 30;

/// The page.
pub(crate) async fn status(State(bureau): State<Arc<Bureau>>) -> Result<Response, Response> {
    let page = blocking(&bureau, |bureau| {
        let database = &bureau.database;
        let shown = Shown {
            bureau: &bureau.name,
            zone: &bureau.zone,
            now: now(),
            newest_time: database.newest_time()?,
            appliances: database
                .appliances()?
                .into_iter()
                .map(|row| newest(bureau, &row).map(|review| (row, review)))
                .collect::<Result<_, _>>()?,
            refusals: database.refusals(None, REFUSALS)?,
        };
        Ok::<_, DatabaseError>(shown.page())
    });
    let page = page.await?.map_err(|problem| internal(&problem))?;
    Ok(answer(page))
}

/// What was found in one appliance's log.
pub(crate) async fn review(
    State(bureau): State<Arc<Bureau>>,
    device: Result<Path<String>, PathRejection>,
) -> Result<Response, Response> {
    let page = of_appliance(&bureau, device, |bureau, row| {
        let review = newest(bureau, row)?;
        Ok(review.map(|review| review_page(bureau, row, &review)))
    });
    page.await?.map(answer).ok_or_else(not_looked_through)
}

fn answer(page: String) -> Response {
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [(CONTENT_SECURITY_POLICY, policy), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    (headers, Html(page)).into_response()
}

/// What the page shows.
struct Shown<'a> {
    bureau: &'a str,
    zone: &'a TimeZone,
    /// Seconds since the Unix epoch.
    now: u64,
    /// The newest time that this bureau has signed with.
    newest_time: u64,
    /// With the newest look through its whole log.
    appliances: Vec<(ApplianceRow, Option<Review>)>,
    refusals: Vec<RefusalRow>,
}

/// How an appliance is; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Contradicts,
    DoesNotVerify,
    Silent,
    NothingNew,
    Waiting,
    Ahead,
    ClockUnset,
    Good,
}

impl Health {
    fn of((row, review): &(ApplianceRow, Option<Review>), now: u64) -> Health {
        let fails = review.as_ref().is_some_and(|review| review.failures > 0);
        let is_past = |time: u64, limit| now.saturating_sub(time) >= limit;
        match row.countersigned_at {
            _ if row.contradictions > 0 => Health::Contradicts,
            _ if fails => Health::DoesNotVerify,
            Some(time) if is_past(time, SILENT_SECONDS) => Health::Silent,
            Some(_) if row.received_at.is_some_and(|time| is_past(time, NOTHING_NEW_SECONDS)) => Health::NothingNew,
            None => Health::Waiting,
            Some(_) if row.ahead.is_some() => Health::Ahead,
            Some(_) if row.last_clock.as_deref() == Some("unset") => Health::ClockUnset,
            Some(_) => Health::Good,
        }
    }

    /// Class, Chinese, English.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Health::Contradicts => ("bad", "与已签认记录矛盾", "contradicts what was countersigned"),
            Health::DoesNotVerify => ("bad", "记录核验不通过", "its log does not verify"),
            Health::Silent => ("warn", "超过一天无联系", "not heard of for over a day"),
            Health::NothingNew => ("warn", "超过三天无新记录", "nothing new for over three days"),
            Health::Waiting => ("wait", "尚无记录", "nothing received yet"),
            Health::Ahead => ("warn", "记录时间超前", "records came before their time"),
            Health::ClockUnset => ("warn", "设备时钟未校准", "its clock was never set"),
            Health::Good => ("good", "正常", "in order"),
        }
    }
}

impl Shown<'_> {
    fn page(&self) -> String {
        let bureau = html(self.bureau);
        let mut page = head(&format!("设备记录接收 · {bureau}"), "<meta http-equiv=refresh content=30>");
        let _ = writeln!(
            page,
            "<body><header><h1>设备记录接收<small>{bureau}</small></h1><p>{}</p></header>\n<main>",
            self.time(self.now)
        );
        if self.newest_time > self.now + CLOCK_TOLERANCE_SECONDS {
            let _ = writeln!(
                page,
                "<p class=alarm role=alert>本机时钟早于最近一次签认（{}），已停止签认。请校准时钟。<br>\
                 This machine's clock is behind its newest countersignature; nothing is countersigned until it is right.</p>",
                self.time(self.newest_time)
            );
        }
        self.sums(&mut page);
        self.appliances(&mut page);
        self.reviews(&mut page);
        self.refusals(&mut page);
        page + "<footer>签认表示本局已收到并核验该设备截至当时的全部记录。 \
                A countersignature says that the bureau had received and verified all records up to it.</footer>\n\
                </main></body></html>\n"
    }

    fn sums(&self, page: &mut String) {
        let healths: Vec<Health> = self.appliances.iter().map(|row| Health::of(row, self.now)).collect();
        let count = |wanted: &[Health]| healths.iter().filter(|health| wanted.contains(health)).count();
        let attention = healths.len() - count(&[Health::Waiting, Health::Good]);
        let records: u64 = self.appliances.iter().map(|(row, _)| row.size).sum();
        let class = match attention {
            0 => "",
            _ if count(&[Health::Contradicts, Health::DoesNotVerify]) > 0 => " bad",
            _ => " warn",
        };
        *page += "<ul class=sums>";
        for (class, number, name, english) in [
            ("", self.appliances.len() as u64, "设备", "appliances"),
            (" good", count(&[Health::Good]) as u64, "正常", "in order"),
            (class, attention as u64, "需要处理", "need attention"),
            ("", records, "已签认记录", "countersigned records"),
        ] {
            let number = grouped(number);
            let _ = write!(page, "<li class=\"sum{class}\"><b>{number}</b>{name} <span lang=en>{english}</span></li>");
        }
        *page += "</ul>\n";
    }

    fn appliances(&self, page: &mut String) {
        *page += "<h2>设备 <span lang=en>Appliances</span></h2>\n<div class=card>";
        if self.appliances.is_empty() {
            *page += "<p>尚无设备注册。用 <code>bureau invite</code> 生成注册码。<br>\
                      <span class=en lang=en>No appliance has registered yet; <code>bureau invite</code> makes a code for one.</span></p></div>\n";
            return;
        }
        *page += "<table><thead><tr><th scope=col>地点 <span lang=en>Place</span>\
                  <th scope=col>状态 <span lang=en>State</span><th scope=col class=n>记录 <span lang=en>Records</span>\
                  <th scope=col>最新记录 <span lang=en>Newest record</span>\
                  <th scope=col>最近签认 <span lang=en>Countersigned</span></thead><tbody>\n";
        let mut rows: Vec<(Health, &ApplianceRow, bool)> =
            self.appliances.iter().map(|shown| (Health::of(shown, self.now), &shown.0, shown.1.is_some())).collect();
        rows.sort_by_key(|(health, ..)| *health);
        for (health, row, is_reviewed) in rows {
            let device = html(&row.device);
            let place = place(row).unwrap_or_else(|| "地点未知".into());
            let place = match is_reviewed {
                true => format!("<a class=place href=\"/appliances/{device}\">{place}</a>"),
                false => format!("<span class=place>{place}</span>"),
            };
            let (class, state, english) = health.words();
            let newest = row.last_time.as_deref().map_or("—".into(), |time| self.text_time(time));
            let clock = match row.last_clock.as_deref() {
                Some("unset") => "<small>时钟未校准</small>",
                Some("holdover") => "<small>时钟暂未同步</small>",
                _ => "",
            };
            let ahead = row.ahead.map_or(String::new(), |Ahead { seq, seconds }| {
                format!("<small>记录 {seq} 的时间比收到时晚 {}</small>", length(seconds))
            });
            let received = row
                .received_at
                .map_or(String::new(), |time| format!("<small>{}收到</small>", ago(self.now.saturating_sub(time))));
            let countersigned = row.countersigned_at.map_or("—".into(), |time| {
                format!("{}<small>{}</small>", self.time(time), ago(self.now.saturating_sub(time)))
            });
            let unproven = match row.refusals - row.contradictions {
                0 => String::new(),
                count => format!("<small>另有 {count} 次无效上传，不能证明来自该设备</small>"),
            };
            let _ = writeln!(
                page,
                "<tr><td>{place}<small><code>{device}</code></small>\
                 <td><span class=\"state {class}\">{state}</span><small lang=en>{english}</small>{unproven}\
                 <td class=n>{}<td class=t>{newest}{received}{clock}{ahead}<td class=t>{countersigned}",
                grouped(row.size),
            );
        }
        *page += "</tbody></table></div>\n";
    }

    /// Whose log says something when it is looked through whole.
    fn reviews(&self, page: &mut String) {
        *page += "<h2>记录核验 <span lang=en>What the logs say</span></h2>\n<div class=card>";
        let found = |(row, review): &'_ (ApplianceRow, Option<Review>)| {
            let review = review.clone().filter(|review| review.failures + review.warnings > 0);
            review.map(|review| (row.clone(), review))
        };
        let mut shown: Vec<(ApplianceRow, Review)> = self.appliances.iter().filter_map(found).collect();
        if shown.is_empty() {
            *page += "<p>无 <span class=en lang=en>None</span></p></div>\n";
            return;
        }
        shown.sort_by_key(|(_, review)| std::cmp::Reverse((review.failures, review.warnings)));
        *page += "<table><thead><tr><th scope=col>设备 <span lang=en>Appliance</span><th scope=col>结论 <span lang=en>Verdict</span>\
                  <th scope=col class=n>不成立 <span lang=en>Failures</span><th scope=col class=n>需要说明 <span lang=en>To be explained</span>\
                  <th scope=col>核验时间 <span lang=en>Looked through</span></thead><tbody>\n";
        for (row, review) in shown {
            let (class, state, english) = verdict(&review);
            let device = html(&row.device);
            let _ = writeln!(
                page,
                "<tr><td><a href=\"/appliances/{device}\">{}</a><small><code>{device}</code></small>\
                 <td><span class=\"state {class}\">{state}</span><small lang=en>{english}</small>\
                 <td class=n>{}<td class=n>{}<td class=t>{}<small>{} 条记录</small>",
                place(&row).unwrap_or_else(|| "地点未知".into()),
                grouped(review.failures),
                grouped(review.warnings),
                self.time(review.time),
                grouped(review.records),
            );
        }
        *page += "</tbody></table></div>\n";
    }

    fn refusals(&self, page: &mut String) {
        *page += "<h2>未通过核验的上传 <span lang=en>Refused pushes</span></h2>\n<div class=card>";
        if self.refusals.is_empty() {
            *page += "<p>无 <span class=en lang=en>None</span></p></div>\n";
            return;
        }
        *page += "<table><thead><tr><th scope=col>时间 <span lang=en>Time</span>\
                  <th scope=col>设备 <span lang=en>Appliance</span><th scope=col class=n>记录 <span lang=en>Record</span>\
                  <th scope=col>性质 <span lang=en>Weight</span><th scope=col>原因 <span lang=en>Reason</span></thead><tbody>\n";
        for row in &self.refusals {
            let appliance = self.appliances.iter().find(|(appliance, _)| appliance.device == row.device);
            let place = appliance.and_then(|(appliance, _)| place(appliance)).unwrap_or_default();
            let seq = row.seq.map_or("—".into(), grouped);
            let times = if row.times > 1 { format!("<small>共 {} 次</small>", row.times) } else { String::new() };
            let (class, weight, english) = match (&row.settled, &row.proof) {
                (Some(_), _) => ("wait", "已处理", "settled"),
                (None, Some(_)) => ("bad", "设备签名为证", "signed by the appliance"),
                (None, None) => ("warn", "来源不能证明", "anybody may have sent it"),
            };
            let settled = if row.settled.is_some() { " class=settled" } else { "" };
            let _ = writeln!(
                page,
                "<tr{settled}><td class=t>{}{times}<td>{place}<small><code>{}</code></small><td class=n>{seq}\
                 <td><span class=\"state {class}\">{weight}</span><small lang=en>{english}</small><td class=reason>{}",
                self.text_time(&row.newest),
                html(&row.device),
                html(&row.problem),
            );
        }
        *page += "</tbody></table></div>\n";
    }

    fn time(&self, unix_seconds: u64) -> String {
        time(self.zone, unix_seconds)
    }
}

/// What the newest look through one appliance's log found.
fn review_page(bureau: &Bureau, row: &ApplianceRow, review: &Review) -> String {
    let place = place(row).unwrap_or_else(|| "地点未知".into());
    let (class, state, english) = verdict(review);
    let mut page = head(&format!("{place} · {}", html(&bureau.name)), "");
    let _ = writeln!(
        page,
        "<body><header><h1>{place}<small>{}</small></h1><p><a href=\"/\">设备记录接收</a></p></header>\n<main>\
         <p><span class=\"state {class}\">{state}</span> <span class=en lang=en>{english}</span> {} 项不成立，{} 项需要说明；\
         {} 条记录，{} 核验</p>",
        html(&bureau.name),
        grouped(review.failures),
        grouped(review.warnings),
        grouped(review.records),
        time(&bureau.zone, review.time),
    );
    let (notes, problems) = (review.notes().collect::<Vec<_>>(), review.problems().collect::<Vec<_>>());
    if !notes.is_empty() {
        findings(&mut page, "课程 <span lang=en>Lessons</span>", &notes, 0);
    }
    let left = (review.failures + review.warnings).saturating_sub(problems.len() as u64);
    findings(&mut page, "核验结果 <span lang=en>What was found</span>", &problems, left);
    page + "</main></body></html>\n"
}

/// A table of findings under its own heading. `left`: how many there are besides.
fn findings(page: &mut String, heading: &str, findings: &[&Reviewed], left: u64) {
    let _ = writeln!(page, "<h2>{heading}</h2>\n<div class=card>");
    if findings.is_empty() {
        *page += "<p>无 <span class=en lang=en>None</span></p></div>\n";
        return;
    }
    *page += "<table><thead><tr><th scope=col>性质 <span lang=en>Weight</span>\
              <th scope=col class=n>记录 <span lang=en>Record</span><th scope=col>内容 <span lang=en>What</span></thead><tbody>\n";
    for finding in findings {
        let (class, weight) = match finding.severity {
            Severity::Failure => ("bad", "不成立"),
            Severity::Warning => ("warn", "需要说明"),
            Severity::Note => ("wait", "说明"),
        };
        let _ = writeln!(
            page,
            "<tr><td><span class=\"state {class}\">{weight}</span><td class=n>{}<td>{}<small lang=en>{} <code>{}</code></small>",
            finding.seq.map_or("—".into(), grouped),
            chinese(&finding.code).unwrap_or_default(),
            html(&finding.message),
            html(&finding.code),
        );
    }
    if left > 0 {
        let _ = writeln!(
            page,
            "<tr><td colspan=3>另有 {} 项，见 <code>bureau export</code> 和 <code>bureau verify --json</code>",
            grouped(left)
        );
    }
    *page += "</tbody></table></div>\n";
}

/// Class, Chinese, English.
fn verdict(review: &Review) -> (&'static str, &'static str, &'static str) {
    match (review.failures, review.warnings) {
        (0, 0) => ("good", "核验通过", "verified"),
        (0, _) => ("warn", "需要说明", "to be explained"),
        _ => ("bad", "核验不通过", "does not verify"),
    }
}

fn head(title: &str, more: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=zh-CN><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">{more}<title>{title}</title>\n\
         <style>\n{}</style></head>\n",
        include_str!("pages.css"),
    )
}

fn time(zone: &TimeZone, unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|time| Timestamp::from_second(time).ok());
    time.map_or("—".into(), |time| format(zone, time))
}

impl Shown<'_> {
    /// A time as RFC 3339 has it, if it is one.
    fn text_time(&self, text: &str) -> String {
        text.parse().map_or_else(|_| html(text), |time| format(self.zone, time))
    }
}

fn format(zone: &TimeZone, time: Timestamp) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Where an appliance stands, as it says itself.
fn place(row: &ApplianceRow) -> Option<String> {
    let (site, room) = row.site.as_ref().zip(row.room.as_ref())?;
    Some(format!("{} · {}", html(site), html(room)))
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn ago(seconds: u64) -> String {
    if seconds < 60 { "刚刚".into() } else { format!("{}前", length(seconds)) }
}

fn length(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} 分钟", seconds / 60),
        3600..172_800 => format!("{} 小时", seconds / 3600),
        _ => format!("{} 天", seconds / 86_400),
    }
}
