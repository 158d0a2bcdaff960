//! A day of recordings for the pages' tests: coded by ffmpeg, journalled as the appliance does.

use anyhow::{Context, Result, ensure};
use evidence::record::{Data, FindingKind, Gap, GapCause, Segment, Sound, VideoCodec};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use rollcall::class;
use rollcall::journal::{Journal, NewFinding, PlanSource};
use rollcall::picture::Picture;
use rollcall::store::{GapRow, SegmentRow};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The day that is staged: it is over, whatever the time is now.
pub const DATE: &str = "2026-03-02";
/// Another, without a lesson, on which the sound failed.
const MUTE_DATE: &str = "2026-03-05";
const CAMERA: &str = "back";
const CLASS: &str = "TJNK-2026-0091";

/// A class with two lessons on that day, and workstations in its plan.
pub fn lessons(journal: &Journal) -> Result<()> {
    let text = format!(
        "[班级]\n班期编号,班期名称,培训机构,工种,等级\n{CLASS},2026年第二期焊工班,示范培训学校,焊工,五级\n\
         [计划]\n日期,开始时间,结束时间,类型,培训内容,教师编号,教室\n{DATE},08:30,08:40,理论,焊接安全,T1,301\n\
         {DATE},08:50,09:00,实操,平焊,T1,301\n\
         [学员]\n编号,姓名,身份证号\n01,赵一,110101198005120030\n[教师]\n编号,姓名,备案号\nT1,刘老师,\n"
    );
    let import = class::parse("day.csv", text.as_bytes());
    let import = import.map_err(|problems| anyhow::anyhow!("the staged class is wrong: {problems:?}"))?;
    let mut class = import.class;
    for lesson in &mut class.lessons {
        lesson.workstations = vec!["01".into(), "02".into()];
    }
    journal.import_class(&class, &import.sha256, PlanSource::File, "301")?;
    journal.store().set_pin(&class.id, "T1", "2580")?;
    Ok(())
}

/// Two lessons' recording: segments of 10 s, with gaps of two causes, findings, and a roll call's bookmark.
pub fn record(journal: &Journal, root: &Path) -> Result<()> {
    let folder = root.join(CAMERA).join(DATE);
    std::fs::create_dir_all(&folder)?;
    let at = |time: &str| -> Result<Timestamp> {
        Ok(format!("{DATE}T{time}+08:00[Asia/Shanghai]").parse::<ZonedDateTime>()?.timestamp())
    };
    // The second lesson's sound is FLAC, as of a camera that sends G.711.
    code(&folder, "aac")?;
    code(&folder, "flac")?;
    let mut number = 0;
    let mut segments = |from: Timestamp, count: usize, sound: &str| -> Result<Timestamp> {
        let mut start = from;
        for _ in 0..count {
            let file = folder.join(format!("{sound}-{:03}.mp4", number % 12));
            number += 1;
            let name = start.to_zoned_datetime(journal.zone().clone()).strftime("%Y-%m-%dT%H%M%S.mp4").to_string();
            let path = folder.join(&name);
            std::fs::copy(&file, &path)?;
            let end = start + SignedDuration::from_secs(10);
            segment(journal, root, &path, start, end)?;
            start = end;
        }
        Ok(start)
    };
    // 08:20:00 to 08:22:00, a gap of 10 s, to 08:40:00 but for two minutes.
    let mut now = segments(at("08:20:00")?, 12, "aac")?;
    now = gap(journal, now, 10, GapCause::CameraStalled)?;
    now = segments(now, 60, "aac")?;
    now = gap(journal, now, 120, GapCause::Network)?;
    segments(now, 35, "aac")?;
    segments(at("08:40:00")?, 90, "flac")?;
    gap(journal, at("08:55:00")?, 300, GapCause::ApplianceOff)?;
    mute(journal, root, &folder)?;
    for part in 0..12 {
        for sound in ["aac", "flac"] {
            std::fs::remove_file(folder.join(format!("{sound}-{part:03}.mp4")))?;
        }
    }
    findings(journal, at("08:26:00")?, at("08:52:30")?)
}

/// Three minutes from 08:20 on whose files all say that there is sound: it stops in the middle of the second segment, and
/// comes back in the last.
fn mute(journal: &Journal, root: &Path, sounding: &Path) -> Result<()> {
    const SEGMENTS: usize = 18;
    let folder = root.join(CAMERA).join(MUTE_DATE);
    std::fs::create_dir_all(&folder)?;
    let mut start = format!("{MUTE_DATE}T08:20:00+08:00[Asia/Shanghai]").parse::<ZonedDateTime>()?.timestamp();
    for number in 0..SEGMENTS {
        let mut file = std::fs::read(sounding.join(format!("aac-{:03}.mp4", number % 12)))?;
        match number {
            0 => {}
            1 => silence(&mut file, 5..10)?,
            _ if number + 1 == SEGMENTS => silence(&mut file, 0..5)?,
            _ => silence(&mut file, 0..10)?,
        }
        let path = folder.join(start.to_zoned_datetime(journal.zone().clone()).strftime("%H%M%S.mp4").to_string());
        std::fs::write(&path, &file)?;
        let end = start + SignedDuration::from_secs(10);
        segment(journal, root, &path, start, end)?;
        start = end;
    }
    Ok(())
}

/// Takes the sound out of these fragments, as if none had come: its box becomes free space.
fn silence(file: &mut [u8], fragments: std::ops::Range<usize>) -> Result<()> {
    let boxes = |file: &[u8], mut at: usize, end: usize| {
        let mut found = Vec::new();
        while at + 8 <= end {
            let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap_or_default()) as usize;
            found.push((at, at + size.max(8), file[at + 4..at + 8].to_vec()));
            at += size.max(8);
        }
        found
    };
    let all = boxes(file, 0, file.len()).into_iter().filter(|(.., kind)| kind == b"moof").enumerate();
    for (_, (moof, end, _)) in all.filter(|(number, _)| fragments.contains(number)) {
        let trafs = boxes(file, moof + 8, end).into_iter().filter(|(.., kind)| kind == b"traf").collect::<Vec<_>>();
        ensure!(trafs.len() == 2, "pictures and sound in each fragment");
        file[trafs[1].0 + 4..trafs[1].0 + 8].copy_from_slice(b"free");
    }
    Ok(())
}

/// Two minutes of coded pictures with the time in them, and a tone, as segments of 10 s, a group of pictures a second.
fn code(folder: &Path, sound: &str) -> Result<()> {
    let picture = "testsrc2=size=640x360:rate=20:duration=120";
    let tone = "sine=frequency=220:sample_rate=48000:duration=120";
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "20", "-pix_fmt", "yuv420p"])
        .args(["-c:a", sound, "-b:a", "32k"])
        .args(["-f", "segment", "-segment_time", "10", "-segment_format", "mp4"])
        // FLAC in MP4 is new to ffmpeg 5: the muxer wants to be told that it may.
        .args(["-segment_format_options", "movflags=+frag_keyframe+empty_moov+default_base_moof:strict=-2"])
        .args(["-reset_timestamps", "1", "-segment_list_size", "0"])
        .arg(folder.join(format!("{sound}-%03d.mp4")))
        .status()?;
    ensure!(made.success(), "ffmpeg could not make the segments with {sound}");
    Ok(())
}

fn segment(journal: &Journal, root: &Path, path: &Path, start: Timestamp, end: Timestamp) -> Result<()> {
    let (bytes, sha256) = rollcall::recording::hash_file(path)?;
    let mut row = SegmentRow {
        seq: 0,
        camera: CAMERA.into(),
        start,
        end,
        path: path.strip_prefix(root).context("below the root")?.to_string_lossy().into_owned(),
        bytes,
        sha256,
    };
    journal.transaction(|batch| {
        let data = Data::Segment(Segment {
            camera: CAMERA.into(),
            start: journal.time_text(start),
            end: journal.time_text(end),
            frames: 200,
            lost_packets: Some(0),
            bytes,
            sha256: row.sha256.clone(),
            previous: batch.last_segment(CAMERA)?.map(|before| before.sha256),
            codec: VideoCodec::H264,
            width: 640,
            height: 360,
            sound: Sound::Recorded,
            recovered: false,
        });
        row.seq = batch.append(data)?.seq;
        batch.put_segment(&row)?;
        Ok::<_, rollcall::journal::JournalError>(())
    })?;
    Ok(())
}

fn gap(journal: &Journal, start: Timestamp, seconds: i64, cause: GapCause) -> Result<Timestamp> {
    let end = start + SignedDuration::from_secs(seconds);
    journal.transaction(|batch| {
        let (from, until) = (journal.time_text(start), journal.time_text(end));
        let seq = batch.append(Data::Gap(Gap { camera: CAMERA.into(), start: from, end: until, cause }))?.seq;
        batch.put_gap(&GapRow { seq, camera: CAMERA.into(), start, end, cause })?;
        Ok::<_, rollcall::journal::JournalError>(())
    })?;
    Ok(end)
}

fn findings(journal: &Journal, covered: Timestamp, hidden: Timestamp) -> Result<()> {
    let mut picture = Picture::black(320, 180);
    for (at, value) in picture.rgb.iter_mut().enumerate() {
        *value = (at / 960) as u8;
    }
    let thumbnail = picture.to_jpeg(80)?;
    let tell = |what, workstation: Option<&str>, start: Timestamp, seconds| -> Result<()> {
        let new = NewFinding {
            what,
            camera: Some(CAMERA.into()),
            workstation: workstation.map(str::to_owned),
            class: None,
            start,
            measured: BTreeMap::new(),
        };
        let row = journal.begin_finding(new, Some(&thumbnail))?;
        journal.end_finding(&row, start + SignedDuration::from_secs(seconds), BTreeMap::new())?;
        Ok(())
    };
    tell(FindingKind::Covered, None, covered, 45)?;
    tell(FindingKind::WorkstationHidden, Some("02"), hidden, 90)
}
