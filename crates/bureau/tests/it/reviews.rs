//! What the bureau finds by itself in the logs that it has: of each alone, and of all together.

use crate::appliance::Appliance;
use crate::server::{Server, bureau, client};
use evidence::record::Data;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("of this form")
}

/// So many hours from now.
fn at(hours: i64) -> String {
    let time = Timestamp::now() + SignedDuration::from_hours(hours);
    time.strftime("%Y-%m-%dT%H:00:00.000+00:00").to_string()
}

/// A log that grows.
struct Log {
    appliance: Appliance,
    records: Vec<String>,
}

impl Log {
    async fn new(seed: u8, server: &Server) -> Log {
        Log { appliance: Appliance::registered(seed, server).await, records: Vec::new() }
    }

    fn add(&mut self, hours: i64, data: Data) -> u64 {
        let seq = self.records.len() as u64;
        self.records.push(self.appliance.signed(seq, &at(hours), data));
        seq
    }

    /// A plan of class A: when each lesson begins, and whether it is given in another room. Each is of two hours.
    fn plan(&mut self, hours: i64, lessons: &[(i64, bool)]) {
        let plan = json!({"class": "A", "sha256": "", "trainees": 1, "teachers": 1, "lessons": lessons.len(),
                          "first_day": "2026-11-24", "last_day": "2026-11-24", "source": "file"});
        let plan = self.add(hours, Data::Plan(read(plan)));
        for (start, elsewhere) in lessons {
            let lesson = json!({"class": "A", "plan": plan, "start": at(*start), "end": at(start + 2), "kind": "theory",
                                "teacher": "T1", "elsewhere": elsewhere});
            self.add(hours, Data::Lesson(read(lesson)));
        }
    }

    fn account(&mut self, start: i64) {
        let coverage = json!({"class": "A", "start": at(start), "end": at(start + 2), "from": at(start), "cameras": [],
                              "required_share": 0.99, "complete": false});
        self.add(start + 2, Data::Coverage(read(coverage)));
    }

    async fn push(&self, server: &Server, first: usize) {
        self.appliance.receipt(server, first, &self.records).await;
    }

    /// What the bureau's review says, and in short of each finding: severity, code and record.
    async fn review(&self, server: &Server) -> (Value, Vec<String>) {
        server.command("review", &[]);
        let review = server.get(&format!("/v1/appliances/{}/review", self.appliance.id())).await.json();
        let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
        let short =
            |finding: &Value| format!("{} {} {}", text(finding, "severity"), text(finding, "code"), finding["seq"]);
        let found = review["findings"].as_array().expect("a list").iter().map(short).collect();
        (review, found)
    }
}

#[tokio::test]
async fn how_many_lessons_are_complete_and_how_many_are_elsewhere_is_told_before_what_was_found() {
    let server = Server::start();
    let mut log = Log::new(1, &server).await;
    log.plan(-60, &[(-50, false), (-2, true)]);
    log.account(-50);
    log.push(&server, 0).await;
    let (review, found) = log.review(&server).await;
    assert_eq!(found, ["warning incomplete_lesson 3", "note lessons null", "note lessons_elsewhere 0"], "{review}");
    assert_eq!((&review["failures"], &review["warnings"]), (&0.into(), &1.into()), "notes are counted as neither");

    let lessons = "class A: 1 lesson accounted for, 0 complete";
    let elsewhere = "class A: 1 lessons are given in other rooms";
    let printed = server.command("review", &[]);
    assert!(printed.contains(&format!("  note     {:20} {lessons}", "lessons")), "{printed}");
    assert!(printed.find(elsewhere) < printed.find("  warning  incomplete_lesson"), "{printed}");

    let page = server.get(&format!("/appliances/{}", log.appliance.id())).await.text;
    let places =
        [lessons, elsewhere, "不成立，1 项需要说明", "is not of a complete lesson"].map(|text| page.find(text));
    assert!(places[2] < places[0] && places[0] < places[1] && places[1] < places[3] && places[2].is_some(), "{page}");
    // A log of which nothing has to be explained has a page too.
    let page = server.get("/").await.text;
    assert!(page.contains(&format!("<a class=place href=\"/appliances/{}\">", log.appliance.id())), "{page}");
}

#[tokio::test]
async fn a_lesson_that_each_room_leaves_to_another_is_told_until_a_log_accounts_for_it() {
    let server = Server::start();
    let mut one = Log::new(1, &server).await;
    // The last may still be told of by a log that has not come.
    one.plan(-90, &[(-80, true), (-70, true), (-60, true), (-10, true)]);
    // A lesson that is not given after all, and one that is moved.
    one.plan(-75, &[(-80, true), (-70, true), (-50, true), (-10, true)]);
    one.push(&server, 0).await;
    let mut other = Log::new(2, &server).await;
    other.plan(-90, &[(-80, false), (-70, true), (-50, false)]);
    other.account(-80);
    other.push(&server, 0).await;
    let nowhere = |found: Vec<String>| found.into_iter().filter(|told| told.contains("nowhere")).collect::<Vec<_>>();
    let (review, found) = one.review(&server).await;
    let listed = &review["findings"][0];
    assert_eq!(nowhere(found), ["warning lessons_nowhere 7"], "{review}");
    assert!(
        listed["message"].as_str().expect("text").starts_with("2 lessons that plans give to other rooms"),
        "{listed}"
    );
    assert_eq!(review["warnings"], 1, "{review}");
    let (review, found) = other.review(&server).await;
    assert_eq!(nowhere(found), ["warning lessons_nowhere 2"], "both leave it to the other: {review}");

    let first = other.records.len();
    other.account(-50);
    other.push(&server, first).await;
    let (review, found) = one.review(&server).await;
    assert_eq!(nowhere(found), ["warning lessons_nowhere 7"], "{review}");
    assert!(review.to_string().contains("1 lessons that plans give to other rooms"), "{review}");
    let mut third = Log::new(3, &server).await;
    third.account(-70);
    third.push(&server, 0).await;
    let (review, found) = one.review(&server).await;
    assert_eq!(nowhere(found), [""; 0], "{review}");
    assert_eq!(review["warnings"], 0, "{review}");
}

/// Whoever has destroyed recordings could make more warnings than are listed.
#[tokio::test]
async fn many_warnings_of_one_kind_do_not_hide_that_recordings_are_gone() {
    let server = Server::start();
    let mut log = Log::new(1, &server).await;
    for hours in 0..250 {
        let export = json!({"what": "log", "size": 1});
        log.add(-hours, Data::Export(read(export)));
    }
    let segment = json!({"camera": "back", "start": at(-2), "end": at(-1), "frames": 1, "bytes": 1, "sha256": "ab",
                         "codec": "h264", "width": 1, "height": 1, "sound": "none"});
    let segment = log.add(0, Data::Segment(read(segment)));
    let deletion = json!({"camera": "back", "segments": [segment], "bytes": 1, "reason": "lost", "archived": false});
    log.add(0, Data::Deletion(read(deletion)));
    log.push(&server, 0).await;
    let (review, found) = log.review(&server).await;
    let lost = format!("warning lost_segment {segment}");
    assert!(found.len() == 200 && found[..50].contains(&lost), "{review}");
    let page = server.get(&format!("/appliances/{}", log.appliance.id())).await.text;
    assert!(page.contains("录像文件已丢失") && page.contains("另有 "), "{page}");
}

#[tokio::test]
async fn a_database_of_before_opens_and_its_logs_are_looked_through_again() {
    let mut server = Server::start();
    let mut log = Log::new(1, &server).await;
    log.plan(-60, &[(-2, true)]);
    log.push(&server, 0).await;
    server.kill();
    let before = r#"{"time":4000000000,"records":2,"failures":0,"warnings":1,
                     "findings":[{"is_failure":false,"code":"film","seq":0,"message":"told before"}]}"#;
    let database = server.database();
    database
        .execute_batch("DROP TABLE accounted; DROP TABLE elsewhere; DELETE FROM reviews; PRAGMA user_version = 4;")
        .expect("as it was");
    database.execute("INSERT INTO reviews SELECT id, ?1 FROM appliances", [before]).expect("as it was");
    drop(database);
    assert!(bureau(&["appliances", "--dir", server.dir()]).status.success());
    let reviews: i64 = server.database().query_row("SELECT count(*) FROM reviews", [], |row| row.get(0)).expect("read");
    assert_eq!(reviews, 0, "each log is looked through again");
    server.serve();
    // Without the connections that the kill has cut.
    server.client = client(server.folder.path());
    let (review, found) = log.review(&server).await;
    assert_eq!(found, ["note lessons null", "note lessons_elsewhere 0"], "{review}");
}
