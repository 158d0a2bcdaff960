//! What is sent: our own JSON, and the bodies that robots of WeCom and DingTalk understand.
//!
//! WeCom: <https://developer.work.weixin.qq.com/document/path/91770>. DingTalk:
//! <https://open.dingtalk.com/document/robots/customize-robot-security-settings>.

use super::watch::Event;
use crate::attention::Attention;
use crate::attention::chinese;
use crate::config::{AlarmKind, Language};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::record::FindingEnding;
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};
use url::Url;

/// Longest text, bytes; WeCom refuses more than 2048.
const LONGEST: usize = 1800;

/// Who sends.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub device: String,
    pub site: String,
    pub room: String,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// `None` is a test.
    pub event: Option<Event>,
    /// When, RFC 3339.
    pub time: String,
    /// So many further ones are told of in this one.
    pub more: usize,
}

impl Message {
    /// In words.
    pub fn text(&self, sender: &Sender, language: Language) -> String {
        let is_english = language == Language::En;
        let what = match (&self.event, is_english) {
            (None, false) => "测试消息：报警通道正常。".into(),
            (None, true) => "test: alarms reach you.".into(),
            (Some(Event::Begun(attention)), false) => format!("报警：{}", plain_zh(attention)),
            (Some(Event::Begun(attention)), true) => format!("alarm: {}", plain_en(attention)),
            (Some(Event::Ended(attention)), false) => format!("已恢复：{}", plain_zh(attention)),
            (Some(Event::Ended(attention)), true) => format!("over: {}", plain_en(attention)),
            (Some(Event::Left(attention)), false) => format!("检查已停止，未确认恢复：{}", plain_zh(attention)),
            (Some(Event::Left(attention)), true) => {
                format!("no longer looked at, not known to be over: {}", plain_en(attention))
            }
        };
        let more = match (self.more, is_english) {
            (0, _) => String::new(),
            (more, false) => format!("\n另有 {more} 条，请查看管理页面。"),
            (more, true) => format!("\nand {more} more; see the staff page."),
        };
        let Sender { site, room, .. } = sender;
        let time = self.time.get(..19).unwrap_or(&self.time).replace('T', " ");
        let head = if is_english { "[Rollcall]" } else { "【点名】" };
        let text = format!("{head}{site} {room}\n{what}{more}\n{time}");
        let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text[..end.unwrap_or(0)].to_owned()
    }

    /// The body of the request.
    pub fn body(&self, kind: AlarmKind, sender: &Sender, language: Language) -> Value {
        let text = self.text(sender, language);
        match kind {
            AlarmKind::Wecom | AlarmKind::Dingtalk => json!({"msgtype": "text", "text": {"content": text}}),
            AlarmKind::Json => {
                let (event, ending, attention) = match &self.event {
                    None => ("test", None, None),
                    Some(Event::Begun(attention)) => ("begun", None, Some(attention)),
                    Some(Event::Ended(attention)) => ("ended", Some(FindingEnding::Over), Some(attention)),
                    Some(Event::Left(attention)) => ("ended", Some(FindingEnding::Unwatched), Some(attention)),
                };
                json!({
                    "appliance": sender.device,
                    "site": sender.site,
                    "room": sender.room,
                    "time": self.time,
                    "event": event,
                    "ending": ending,
                    "attention": attention.map(bare),
                    "text": text,
                    "more": self.more,
                })
            }
        }
    }
}

/// Without what others have said: an error's text may quote an address or a person's number.
fn bare(attention: &Attention) -> Attention {
    match attention.clone() {
        Attention::Camera { camera, state, .. } => Attention::Camera { camera, state, problem: None },
        Attention::SyncAlarm { .. } => Attention::SyncAlarm { message: String::new() },
        Attention::StatusUnknown { .. } => Attention::StatusUnknown { message: String::new() },
        Attention::Trouble { .. } => Attention::Trouble { message: String::new() },
        Attention::CannotDelete { .. } => Attention::CannotDelete { message: String::new() },
        Attention::NotArchived { .. } => Attention::NotArchived { message: String::new() },
        Attention::ForeignRecordings { files, .. } => Attention::ForeignRecordings { files, first: "…".into() },
        Attention::AlarmUndelivered { target, .. } => Attention::AlarmUndelivered { target, problem: String::new() },
        other => other,
    }
}

/// In Chinese, without what others have said.
pub(crate) fn plain_zh(attention: &Attention) -> String {
    chinese::chinese(&bare(attention)).trim_end_matches(['：', ' ']).to_owned()
}

/// In English, without what others have said.
pub(crate) fn plain_en(attention: &Attention) -> String {
    bare(attention).to_string().trim_end_matches([':', ' ']).to_owned()
}

/// DingTalk's signature: HMAC-SHA256 of time and secret, in the address.
pub(super) fn sign(url: &mut Url, secret: &str, now: Timestamp) {
    let timestamp = now.as_millisecond();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, format!("{timestamp}\n{secret}").as_bytes()));
    url.query_pairs_mut().append_pair("timestamp", &timestamp.to_string()).append_pair("sign", &signature);
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::record::FindingKind;

    fn sender() -> Sender {
        Sender { device: "appliance".into(), site: "南开区实训基地".into(), room: "301".into() }
    }

    fn message(event: Option<Event>) -> Message {
        Message { event, time: "2026-11-24T08:00:00.000+08:00".into(), more: 0 }
    }

    #[test]
    fn a_message_says_where_what_and_when_in_either_language() {
        let covered = Attention::Finding {
            what: FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            since: "2026-11-24T07:59:58.000+08:00".into(),
        };
        let begun = message(Some(Event::Begun(covered.clone())));
        let text = begun.text(&sender(), Language::Zh);
        assert!(text.starts_with("【点名】南开区实训基地 301\n报警：") && text.contains("back"), "{text}");
        assert!(text.contains("遮挡") && text.ends_with("2026-11-24 08:00:00"), "{text}");
        let body = begun.body(AlarmKind::Wecom, &sender(), Language::En);
        let content = body["text"]["content"].as_str().expect("a text");
        assert!(content.contains("alarm: ") && content.contains("covered"), "{content}");
        let body = message(Some(Event::Ended(covered.clone()))).body(AlarmKind::Json, &sender(), Language::Zh);
        assert_eq!((body["event"].as_str(), body["attention"]["what"].as_str()), (Some("ended"), Some("covered")));
        assert!(
            body["ending"] == "over" && body["text"].as_str().is_some_and(|text| text.contains("已恢复")),
            "{body}"
        );
        let left = message(Some(Event::Left(covered)));
        let body = left.body(AlarmKind::Json, &sender(), Language::Zh);
        assert_eq!((body["event"].as_str(), body["ending"].as_str()), (Some("ended"), Some("unwatched")));
        let text = left.text(&sender(), Language::Zh);
        assert!(text.contains("检查已停止，未确认恢复：") && !text.contains("已恢复"), "{text}");
        assert!(left.text(&sender(), Language::En).contains("not known to be over"));
    }

    #[test]
    fn what_errors_quote_stays_here() {
        let trouble = Attention::Trouble { message: "T1 of class 2026-001".into() };
        for kind in [AlarmKind::Json, AlarmKind::Wecom, AlarmKind::Dingtalk] {
            for language in [Language::Zh, Language::En] {
                let body = message(Some(Event::Begun(trouble.clone()))).body(kind, &sender(), language).to_string();
                assert!(!body.contains("T1"), "{body}");
            }
        }
    }

    #[test]
    fn a_signature_is_the_one_that_dingtalk_computes() {
        let mut url: Url = "https://oapi.dingtalk.com/robot/send?access_token=x".parse().expect("an address");
        sign(&mut url, "SECsecret", Timestamp::from_millisecond(1_700_000_000_000).expect("in range"));
        let sign = url.query_pairs().find(|(key, _)| key == "sign").expect("signed").1.into_owned();
        // printf '1700000000000\nSECsecret' | openssl dgst -sha256 -hmac SECsecret -binary | base64
        assert_eq!(sign, "0QWYb8Ux63Sm4BhHaJNL3lv5mqW1sLFoks7vu+HFFi4=");
    }
}
