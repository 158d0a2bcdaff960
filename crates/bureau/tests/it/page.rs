//! The staff's page: where an appliance stands, as its own `started` record says.

use crate::appliance::Appliance;
use crate::server::Server;
use evidence::record::{ApplianceEvent, Data};

fn started(site: &str, room: &str) -> Data {
    Data::Appliance(ApplianceEvent {
        event: "started".into(),
        version: "0.1.0".into(),
        boot: "11111111-2222-3333-4444-555555555555".into(),
        site: site.into(),
        room: room.into(),
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
