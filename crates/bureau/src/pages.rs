//! `GET /`: what the bureau's staff see of its appliances.

use crate::database::{ApplianceRow, RefusalRow};
use crate::folder::Bureau;
use crate::register::now;
use crate::server::{blocking, internal};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;
use std::sync::Arc;

/// An appliance that has not been heard of for this long is marked.
const SILENT_SECONDS: u64 = 24 * 3600;

/// The page.
pub(crate) async fn status(State(bureau): State<Arc<Bureau>>) -> Result<Response, Response> {
    let page = blocking(&bureau, |bureau| {
        let (appliances, refusals) = (bureau.database.appliances()?, bureau.database.refusals(None, 20)?);
        Ok::<_, crate::DatabaseError>(page(&bureau.name, &appliances, &refusals))
    });
    let page = page.await?.map_err(|problem| internal(&problem))?;
    let headers = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Html(page)).into_response())
}

fn page(bureau: &str, appliances: &[ApplianceRow], refusals: &[RefusalRow]) -> String {
    let mut page = format!("{HEAD}<h1>设备记录接收 <small>{}</small></h1>\n<h2>设备 Appliances</h2>\n", escape(bureau));
    if appliances.is_empty() {
        page += "<p class=\"none\">尚无设备注册。 No appliance has registered yet.</p>\n";
    } else {
        page += "<table><thead><tr><th scope=col>设备 Appliance<th scope=col class=n>记录 Records\
                 <th scope=col>最近签认 Countersigned<th scope=col>状态 State</thead><tbody>\n";
    }
    for row in appliances {
        let (mark, state) = match row.countersigned_at {
            _ if row.refusals > 0 => ("bad", format!("{} 次未通过核验 pushes did not verify", row.refusals)),
            Some(time) if now().saturating_sub(time) < SILENT_SECONDS => ("good", "正常 in order".into()),
            Some(_) => ("warn", "超过一天无记录 silent for more than a day".into()),
            None => ("warn", "尚无记录 nothing received yet".into()),
        };
        let time = row.countersigned_at.map_or("—".into(), time_text);
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code><td class=n>{}<td>{time}<td><span class={mark}>{state}</span>",
            escape(&row.device),
            row.size
        );
    }
    if !appliances.is_empty() {
        page += "</tbody></table>\n";
    }
    page += "<h2>未通过核验的上传 Refused pushes</h2>\n";
    if refusals.is_empty() {
        page += "<p class=\"none\">无 None.</p>\n";
    } else {
        page += "<table><thead><tr><th scope=col>时间 Time<th scope=col>设备 Appliance<th scope=col class=n>记录 Record\
                 <th scope=col>原因 Reason</thead><tbody>\n";
        for row in refusals {
            let seq = row.seq.map_or("—".into(), |seq| seq.to_string());
            let (time, device, problem) = (escape(&row.newest), escape(&row.device), escape(&row.problem));
            let _ = writeln!(page, "<tr><td>{time}<td><code>{device}</code><td class=n>{seq}<td>{problem}");
        }
        page += "</tbody></table>\n";
    }
    page + "</main></body></html>\n"
}

fn time_text(unix_seconds: u64) -> String {
    jiff::Timestamp::from_second(unix_seconds as i64)
        .map(|time| time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
        .unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const HEAD: &str = "<!doctype html>
<html lang=zh-CN><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">
<meta http-equiv=refresh content=10><title>设备记录接收</title>
<style>
:root { color-scheme: light dark; --line: #8884; --dim: #667; }
body { margin: 0; font: 16px/1.5 system-ui, 'Noto Sans CJK SC', sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.5rem; }
h1 { font-size: 1.7rem; } h1 small { font-weight: 400; color: var(--dim); font-size: 1rem; margin-left: .5rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .55rem .8rem .55rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; padding-right: 2rem; }
code { font-size: .9rem; } .none { color: var(--dim); }
.good::before, .warn::before, .bad::before { content: ''; display: inline-block; width: .65rem; height: .65rem; border-radius: 50%; margin-right: .5rem; }
.good::before { background: #1a8f4c; } .warn::before { background: #c98a00; } .bad::before { background: #c62f2f; } .bad { font-weight: 600; }
@media (prefers-color-scheme: dark) { :root { --dim: #aab; } }
</style></head><body><main>
";
