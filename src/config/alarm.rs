//! `[alarm]`: who is told when something is wrong.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use url::Url;

/// Where alarms are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmConfig {
    /// Messages to one target in a minute, at most; what is more is told in one message. WeCom and DingTalk refuse more
    /// than 20.
    pub messages_a_minute: u32,
    /// Who is told.
    #[serde(rename = "target")]
    pub targets: Vec<AlarmTarget>,
}

/// One receiver of alarms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmTarget {
    /// What status and log call it.
    pub name: String,
    /// What it understands.
    pub kind: AlarmKind,
    /// Where messages are posted to; such addresses contain a key. Give this or `url_file`.
    #[serde(default)]
    pub url: Option<SecretText>,
    /// A file with the address.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// A file with the secret that messages are signed with (DingTalk: `SEC…`).
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The messages' language.
    #[serde(default)]
    pub language: Language,
}

/// What a receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmKind {
    /// A JSON object of our own; docs/alarms.md describes it.
    Json,
    /// A robot of a WeCom group (企业微信群机器人).
    Wecom,
    /// A robot of a DingTalk group (钉钉自定义机器人).
    Dingtalk,
}

/// The language of what people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> SecretText {
        SecretText(text)
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Default for AlarmConfig {
    fn default() -> Self {
        AlarmConfig { messages_a_minute: 10, targets: Vec::new() }
    }
}

impl AlarmConfig {
    pub(super) fn anchor(&mut self, folder: &Path) {
        for target in &mut self.targets {
            for file in [&mut target.url_file, &mut target.secret_file].into_iter().flatten() {
                if file.is_relative() {
                    *file = folder.join(&*file);
                }
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: String| Err((format!("alarm.{key}"), message));
        if !(1..=20).contains(&self.messages_a_minute) {
            return wrong("messages_a_minute", format!("{} is not between 1 and 20", self.messages_a_minute));
        }
        for (at, target) in self.targets.iter().enumerate() {
            let key = |field: &str| format!("target.{field}");
            if target.name.trim().is_empty() {
                return wrong(&key("name"), "must not be empty".into());
            }
            if self.targets[..at].iter().any(|other| other.name == target.name) {
                return wrong(&key("name"), format!("{:?} names two targets", target.name));
            }
            if target.url.is_some() == target.url_file.is_some() {
                return wrong(&key("url"), format!("target {:?} needs either url or url_file", target.name));
            }
            if target.secret_file.is_some() && target.kind != AlarmKind::Dingtalk {
                return wrong(&key("secret_file"), format!("target {:?}: only DingTalk signs", target.name));
            }
            if let Some(url) = &target.url {
                check_url(url.expose()).map_err(|problem| (format!("alarm.{}", key("url")), problem))?;
            }
        }
        Ok(())
    }
}

/// Whether alarms may be sent to an address: over TLS, or to this machine. The problem does not repeat it.
pub fn check_url(text: &str) -> Result<Url, String> {
    let url: Url = text.trim().parse().map_err(|error| format!("is no address ({error})"))?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        scheme => Err(format!("{scheme:?} is not https, and the address is not this machine's")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_its_key_is_never_printed_and_never_sent_to_in_the_clear() {
        let text =
            "[[target]]\nname = \"duty\"\nkind = \"wecom\"\nurl = \"https://example.com/send?key=tell-nobody\"\n";
        let config: AlarmConfig = toml::from_str(text).expect("a config");
        config.check().expect("right");
        assert!(!format!("{config:?}").contains("tell-nobody"));
        let config: AlarmConfig = toml::from_str(&text.replace("https", "http")).expect("a config");
        let (key, message) = config.check().expect_err("not over TLS");
        assert_eq!(key, "alarm.target.url");
        assert!(!message.contains("tell-nobody"), "{message}");
        check_url("http://127.0.0.1:9000/hook").expect("this machine");
    }
}
