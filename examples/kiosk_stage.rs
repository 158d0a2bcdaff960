//! A kiosk for tests of its pages: a real appliance with a class of today, before whose camera a QR code, a photo or
//! nothing is held, and to whose pages a test can say, over standard input, whatever a camera rarely shows.
//!
//! `kiosk_stage none|qr|PHOTO|recordings` prints the pages' address. `recordings` has a day behind it: segments of a
//! moving picture with sound, gaps, findings and a roll call, journalled as the appliance does. Each line of standard input is JSON with one of the keys
//! `outcome`, `expectation`, `pending`, `enrolling`, `trouble`, as `checkin::live` has them, or `records` and a kind. Ends with standard input.

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rollcall::appliance::Appliance;
use rollcall::checkin::live::{Enrolling, Expectation, Live, Outcome, PendingQr, Trouble};
use rollcall::clock::{SystemClock, TestClock, local};
use rollcall::commands::appliance::Models;
use rollcall::commands::demo::{class, film};
use rollcall::config::Config;
use rollcall::journal::Journal;
use rollcall::picture::Picture;
use serde::Deserialize;
use std::io::BufRead;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Say {
    Outcome(Outcome),
    Expectation(Vec<Expectation>),
    Pending(Option<PendingQr>),
    Enrolling(Option<Enrolling>),
    Trouble(Option<String>),
    /// Prints the payloads of the log's records of that kind, as one line of JSON.
    Records(String),
}

#[path = "stage/day.rs"]
mod day;

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).context("none, qr, or a photo")?;
    let folder = tempfile::tempdir()?;
    let config_file = folder.path().join("rollcall.toml");
    let head = "[appliance]\nsite = \"南开实训基地\"\nroom = \"301\"\nstate_dir = \"state\"\n\
                [web]\nlisten = \"127.0.0.1:0\"\n[checkin]\nclose_after_days = 65535\n";
    std::fs::write(&config_file, head)?;
    let config = Config::load(&config_file)?;
    let (clock, zone) = (Arc::new(SystemClock::default()), config.timezone());
    // It was set up before the day that may be staged.
    let (state, before) = (&config.appliance.state_dir, TestClock::at("2026-03-01T00:00:00Z".parse()?));
    let journal = Journal::initialise(state, "南开实训基地", "301", Arc::new(before), zone.clone())?;
    if wanted == "recordings" {
        day::lessons(&journal)?;
    }
    drop(journal);
    let journal = Journal::open_state(state, clock.clone(), zone.clone())?;
    let names = ["张三", "李四", "欧阳小梅", "王五"].map(String::from);
    let now = local(&*clock, &zone);
    let class =
        class::import(&journal, "TJNK-2026-0138", "2026年第三期电工初级班", "301", &class::players(names), &now)?;
    journal.store().set_pin(&class.id, "T1", "2580")?;
    let models = Models::load(&config)?;
    let mut vision = models.vision()?;
    let video = folder.path().join("film.mkv");
    match wanted.as_str() {
        "none" => {}
        "recordings" => {
            day::record(&journal, &config.recordings())?;
            let mut moving = Picture::black(1280, 720);
            for (at, pixel) in moving.rgb.chunks_exact_mut(3).enumerate() {
                let (x, y) = (at % 1280, at / 1280);
                pixel.fill(if (x / 160 + y / 120) % 2 == 0 { 70 } else { 170 });
            }
            still(&moving, &folder.path().join("room.jpg"), &video)?;
        }
        "qr" => {
            let token = journal.store().read()?.qr_token(&class.id, "02")?.context("02 is on the roster")?;
            still(&code(&token.to_text())?, &folder.path().join("code.jpg"), &video)?;
        }
        photo => {
            let portrait = film::Portrait::open(Path::new(photo), &mut vision)?;
            film::shoot(&[film::Scene { photo: Some(&portrait), pupil_distance_px: 90.0, seconds: 8.0 }], &video)?;
        }
    }
    // A camera whose file is not there is a camera that is absent, which a test wants to see as well.
    let camera = "[[camera]]\nname = \"front\"\nkind = \"file\"\npath = \"film.mkv\"\nrepeat = true\n";
    // Nothing listens there: a network camera that is off.
    let off = "[[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:9/camera\"\n";
    let off = if wanted == "recordings" { off } else { "" };
    std::fs::write(&config_file, format!("{head}{camera}{off}"))?;
    let config = Config::load(&config_file)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(config.web.listen).await?;
        println!("http://{}", listener.local_addr()?);
        let appliance = Appliance::start(config, journal, Some(vision), Some(listener))?;
        let (live, journal) = (appliance.live.clone(), appliance.journal.clone());
        tokio::task::spawn_blocking(move || obey(&live, &journal)).await??;
        Ok(appliance.stop().await?)
    })
}

fn obey(live: &Live, journal: &Journal) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Say::Outcome(outcome) => live.tell(Arc::new(outcome)),
            Say::Expectation(expectation) => live.expect(expectation),
            Say::Pending(pending) => live.wait_for_pin(pending),
            Say::Enrolling(enrolling) => live.show_enrolling(enrolling),
            Say::Trouble(why) => live.trouble(Trouble::Saving, why),
            Say::Records(kind) => println!("{}", records(journal, &kind)?),
        }
    }
    Ok(())
}

fn records(journal: &Journal, kind: &str) -> Result<serde_json::Value> {
    let mut found = Vec::new();
    for signed in journal.store().read()?.records(0, usize::MAX >> 1, usize::MAX >> 1)? {
        let payload = signed.as_str().split('.').nth(1).context("a JWS has three parts")?;
        let record: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
        if record["kind"] == kind {
            found.push(record);
        }
    }
    Ok(found.into())
}

/// A QR code as it is held before a camera.
fn code(text: &str) -> Result<Picture> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::Q)?;
    let (modules, scale) = (code.width(), 9);
    let mut picture = Picture::black(1280, 720);
    picture.rgb.fill(200);
    let (left, top) = ((1280 - modules * scale) / 2, (720 - modules * scale) / 2);
    for (at, colour) in code.to_colors().into_iter().enumerate() {
        let value = colour.select(20, 235);
        for (x, y) in (0..scale * scale).map(|pixel| (pixel % scale, pixel / scale)) {
            let pixel = (top + at / modules * scale + y) * 1280 + left + at % modules * scale + x;
            picture.rgb[pixel * 3..pixel * 3 + 3].fill(value);
        }
    }
    Ok(picture)
}

fn still(picture: &Picture, photo: &Path, video: &Path) -> Result<()> {
    std::fs::write(photo, picture.to_jpeg(90)?)?;
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-loop", "1", "-framerate", "20", "-t", "10", "-i"])
        .arg(photo)
        .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"])
        .arg(video)
        .status()?;
    anyhow::ensure!(made.success(), "ffmpeg could not make {}", video.display());
    Ok(())
}
