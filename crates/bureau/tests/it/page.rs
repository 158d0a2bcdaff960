//! The staff's page: where an appliance stands, as its own `started` record says.

use crate::appliance::Appliance;
use crate::server::{Server, bureau};
use evidence::record::{ApplianceEvent, CameraInUse, Data};

fn started(site: &str, room: &str) -> Data {
    Data::Appliance(ApplianceEvent {
        event: "started".into(),
        version: "0.1.0".into(),
        boot: "11111111-2222-3333-4444-555555555555".into(),
        site: site.into(),
        room: room.into(),
        cameras: Vec::new(),
        limits: Default::default(),
    })
}

#[tokio::test]
async fn the_page_shows_where_each_appliance_stands_and_where_it_was_moved_to() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let page = server.get("/").await.text;
    assert!(page.contains("地点未知") && page.contains(appliance.id()), "nothing was received yet: {page}");

    let mut records = vec![appliance.signed(0, "2026-11-24T08:00:00.000+08:00", started("南开实训基地", "301"))];
    records.push(appliance.record(1, "log"));
    appliance.receipt(&server, 0, &records).await;
    let page = server.get("/").await.text;
    assert!(page.contains("南开实训基地 · 301") && !page.contains("地点未知"), "{page}");
    let listed = server.get("/v1/appliances").await.json();
    assert_eq!((&listed[0]["site"], &listed[0]["room"]), (&"南开实训基地".into(), &"301".into()));

    records.push(appliance.signed(2, "2026-11-24T09:00:00.000+08:00", started("河西<b>校区", "205")));
    appliance.receipt(&server, 2, &records).await;
    let page = server.get("/").await.text;
    assert!(page.contains("河西&lt;b&gt;校区 · 205"), "the newest place, as plain text: {page}");
    assert!(!page.contains("南开实训基地"), "{page}");
}

/// Whoever has a checkpoint of an appliance can ask for its receipt again; that does not make a dead one look alive.
#[tokio::test]
async fn a_checkpoint_that_is_sent_again_is_no_sign_of_life() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let mut records = appliance.records(0..3);
    appliance.receipt(&server, 0, &records).await;
    let marked = "超过三天无新记录";
    let page = server.get("/").await.text;
    assert!(!page.contains(marked) && page.contains("刚刚收到"), "{page}");

    let database = server.database();
    let age = |hours: u32| {
        database.execute("UPDATE receipts SET time = time - ?1 * 3600", [hours]).expect("aged");
        database.execute("UPDATE appliances SET countersigned = countersigned - ?1 * 3600", [hours]).expect("aged");
    };
    age(25);
    assert!(server.get("/").await.text.contains("超过一天无联系"));
    // After a weekend without lessons, its receipt asked for meanwhile: in order, and the page says since when.
    age(38);
    appliance.receipt(&server, 3, &records).await;
    let page = server.get("/").await.text;
    assert!(!page.contains(marked) && page.contains("正常") && page.contains("2 天前收到"), "{page}");
    age(10);
    // A checkpoint of before, and one that was never a batch: they are answered, and change nothing.
    for (first, size) in [(3, 3), (0, 3), (0, 2), (1, 1)] {
        appliance.receipt(&server, first, &records[..size]).await;
    }
    let page = server.get("/").await.text;
    assert!(page.contains(marked) && page.contains("3 天前收到"), "{page}");
    let listed = server.get("/v1/appliances").await.json();
    let time = |name: &str| listed[0][name].as_u64().expect("a time");
    assert!(time("countersigned_at") - time("received_at") >= 73 * 3600, "{listed}");
    assert!(server.command("appliances", &[]).contains("3 records, newest received "));

    records.push(appliance.record(3, "log"));
    appliance.receipt(&server, 3, &records).await;
    assert!(!server.get("/").await.text.contains(marked));
}

#[tokio::test]
async fn what_a_log_says_is_found_without_anybody_asking_and_stands_on_the_page() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let path = format!("/v1/appliances/{}/review", appliance.id());
    let Data::Appliance(mut event) = started("南开实训基地", "301") else { unreachable!("it is one") };
    event.cameras = vec![CameraInUse { name: "back".into(), kind: "file".into(), recorded: true }];
    let film = vec![appliance.signed(0, "2026-11-24T08:00:00.000+08:00", Data::Appliance(event))];
    appliance.receipt(&server, 0, &film).await;
    // The server does it by itself, at once for a log that it has never looked through: within a minute of a push.
    let printed = server.command("review", &[]);
    assert!(printed.contains("1 records, 0 failures, 1 warnings") && printed.contains("film"), "{printed}");
    let found = server.get(&path).await.json();
    assert_eq!(
        (&found["records"], &found["warnings"], &found["failures"]),
        (&1.into(), &1.into(), &0.into()),
        "{found}"
    );
    assert_eq!((&found["findings"][0]["code"], &found["findings"][0]["seq"]), (&"film".into(), &0.into()), "{found}");
    let page = server.get("/").await.text;
    let address = format!("/appliances/{}", appliance.id());
    assert!(page.contains(&address) && page.contains("需要说明</span>") && !page.contains("记录核验不通过"), "{page}");
    let page = server.get(&address).await.text;
    assert!(page.contains("0 项不成立，1 项需要说明") && page.contains("camera back is none"), "{page}");
    assert!(page.contains("设备把视频文件当作摄像头播放"), "{page}");
    assert_eq!(server.get("/appliances/nobody").await.status, 404);

    // Somebody has had a hand in the bureau's own database.
    let database = server.database();
    let other = appliance.signed(0, "2026-11-24T08:00:00.001+08:00", started("南开实训基地", "301"));
    database.execute("UPDATE records SET jws = ?1", [other]).expect("altered");
    assert_eq!(bureau(&["review", "--dir", server.dir()]).status.code(), Some(1));
    let page = server.get("/").await.text;
    assert!(page.contains("记录核验不通过") && page.contains("核验不通过</span>"), "{page}");
}
