//! `/cameras/{name}`: a camera's picture now, its reference picture, and where staff mark the workstations in it.

use super::kiosk::refusal;
use super::staff::{Words, camera_view};
use super::{App, asset, blocking, error, internal};
use crate::camera::Camera;
use crate::checkin::{Staff, admit};
use crate::coverage::picture::{Unusable, unusable};
use crate::journal::{Appended, Journal, JournalError};
use crate::picture::Picture;
use crate::store::{StoreError, Workstation};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// Width of a camera's picture on the pages, px.
const PICTURE_WIDTH: u32 = 640;
/// Pictures taken to become a reference that are kept until one does.
const STILLS: usize = 4;
/// Corners and workstations that a picture may have at most.
const MOST_CORNERS: usize = 32;
const MOST_WORKSTATIONS: usize = 200;
/// Longest body that marks them: each corner is two numbers.
const MOST_BYTES: usize = 1 << 20;

/// Pictures that were taken to become a reference: SHA-256 (hex), JPEG.
#[derive(Default)]
pub struct Stills(Mutex<VecDeque<(String, Vec<u8>)>>);

impl Stills {
    fn keep(&self, jpeg: Vec<u8>) -> String {
        let sha256 = evidence::sha256_hex(&jpeg);
        let mut stills = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        stills.retain(|(known, _)| *known != sha256);
        stills.truncate(STILLS - 1);
        stills.push_front((sha256.clone(), jpeg));
        sha256
    }

    fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let stills = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        stills.iter().find(|(known, _)| known == sha256).map(|(_, jpeg)| jpeg.clone())
    }
}

pub(super) fn routes() -> Router<Arc<App>> {
    let script = include_str!("assets/workstations.js");
    let style = include_str!("assets/workstations.css");
    Router::new()
        .route("/cameras/{name}", get(page))
        .route("/cameras/{name}/workstations", get(marked).post(save).layer(DefaultBodyLimit::max(MOST_BYTES)))
        .route("/cameras/{name}/stills", post(still))
        .route("/cameras/{name}/pictures/{file}", get(reference))
        .route("/staff/workstations.js", get(async move || asset("text/javascript; charset=utf-8", script)))
        .route("/staff/workstations.css", get(async move || asset("text/css; charset=utf-8", style)))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    lang: String,
}

#[derive(Template)]
#[template(path = "workstations.html")]
struct Page {
    words: Words,
    room: String,
    camera: super::staff::CameraView,
}

fn no_camera() -> Response {
    error(StatusCode::NOT_FOUND, "no_camera", "there is no such camera")
}

fn no_picture() -> Response {
    error(StatusCode::NOT_FOUND, "no_picture", "no such camera, or no picture of it yet")
}

fn camera<'a>(app: &'a App, name: &str) -> Option<&'a Camera> {
    app.cameras.iter().find(|camera| camera.name() == name)
}

/// The page, or with `.jpg` the camera's newest picture.
async fn page(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Response> {
    if let Some(name) = name.strip_suffix(".jpg") {
        return picture(&app, name).await;
    }
    let words = Words::of(&wanted.lang);
    let camera = camera(&app, &name).ok_or_else(no_camera)?;
    let room = app.config.appliance.room.clone();
    let page = Page { words, room, camera: camera_view(&camera.status(), words) };
    let html = page.render().map_err(|problem| internal(&problem))?;
    Ok(([(CACHE_CONTROL, "no-store")], Html(html)).into_response())
}

async fn picture(app: &App, name: &str) -> Result<Response, Response> {
    let frame = camera(app, name).and_then(|camera| camera.frames().get()).ok_or_else(no_picture)?;
    let jpeg = blocking(move || {
        let picture = &frame.picture;
        let width = PICTURE_WIDTH.min(picture.width).max(1);
        let height = (picture.height * width / picture.width.max(1)).max(1);
        picture.scaled(width, height).to_jpeg(75).map_err(|problem| internal(&problem))
    });
    Ok(jpeg_response(jpeg.await?))
}

fn jpeg_response(jpeg: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "no-store")], jpeg).into_response()
}

/// What is marked, and what the plans ask for.
async fn marked(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Response> {
    camera(&app, &name).ok_or_else(no_camera)?;
    let body = blocking(move || {
        let known = || -> Result<_, StoreError> {
            let reader = app.journal.store().read()?;
            let classes = reader.classes()?;
            let lessons = classes.iter().flat_map(|row| &row.class.lessons);
            let planned: BTreeSet<String> = lessons.flat_map(|lesson| lesson.workstations.iter().cloned()).collect();
            Ok((reader.reference(&name)?, planned))
        };
        let (reference, planned) = known().map_err(|problem| internal(&problem))?;
        let picture = reference.as_ref().map(|reference| evidence::sha256_hex(&reference.picture));
        let workstations = reference.map(|reference| reference.workstations).unwrap_or_default();
        Ok(json!({ "picture": picture, "workstations": workstations, "planned": planned }))
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body.await?)).into_response())
}

/// Takes the camera's present picture, whole, to become its reference.
async fn still(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Response> {
    let frame = camera(&app, &name).and_then(|camera| camera.frames().get()).ok_or_else(no_picture)?;
    let picture = blocking(move || {
        let jpeg = frame.picture.to_jpeg(90).map_err(|problem| internal(&problem))?;
        Ok(app.stills.keep(jpeg))
    });
    Ok(Json(json!({ "picture": picture.await? })).into_response())
}

/// A picture by its hash: the reference, or one that may become it.
async fn reference(
    State(app): State<Arc<App>>,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, Response> {
    let sha256 = file.strip_suffix(".jpg").ok_or_else(no_picture)?.to_owned();
    let jpeg = blocking(move || find(&app, &name, &sha256)).await?;
    Ok(jpeg_response(jpeg))
}

fn find(app: &App, name: &str, sha256: &str) -> Result<Vec<u8>, Response> {
    if let Some(jpeg) = app.stills.get(sha256) {
        return Ok(jpeg);
    }
    let reader = app.journal.store().read().map_err(|problem| internal(&problem))?;
    let reference = reader.reference(name).map_err(|problem| internal(&problem))?;
    let picture = reference.map(|reference| reference.picture);
    picture.filter(|picture| evidence::sha256_hex(picture) == sha256).ok_or_else(no_picture)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Save {
    staff: Staff,
    /// SHA-256 (hex) of the picture that the polygons were drawn on.
    picture: String,
    workstations: Vec<Workstation>,
}

async fn save(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(save): Json<Save>,
) -> Result<Response, Response> {
    camera(&app, &name).ok_or_else(no_camera)?;
    check(&save.workstations).map_err(|why| error(StatusCode::UNPROCESSABLE_ENTITY, "workstations", &why))?;
    let appended = blocking(move || {
        admit(&app.journal, &save.staff).map_err(|problem| refusal(&problem))?;
        let picture = find(&app, &name, &save.picture)?;
        set(&app.journal, &name, &picture, &save.workstations, &save.staff.number)
    });
    Ok(Json(json!({ "seq": appended.await?.seq })).into_response())
}

/// Sets a camera's reference, by the teacher with that number. Refuses a picture that shows nothing, and workstations of
/// which nothing could be told in it.
fn set(
    journal: &Journal,
    camera: &str,
    jpeg: &[u8],
    workstations: &[Workstation],
    number: &str,
) -> Result<Appended, Response> {
    usable(jpeg, workstations)?;
    let set = journal.set_reference(camera, jpeg, workstations, &format!("staff:{number}"));
    set.map_err(|problem| match problem {
        JournalError::Refused(why) => error(StatusCode::UNPROCESSABLE_ENTITY, "workstations", &why),
        other => internal(&other),
    })
}

fn usable(jpeg: &[u8], workstations: &[Workstation]) -> Result<(), Response> {
    let picture = Picture::decode(jpeg).map_err(|problem| internal(&problem))?;
    let Some(why) = unusable(&picture, workstations) else { return Ok(()) };
    let (code, detail) = match &why {
        Unusable::NoStructure => ("no_structure", None),
        Unusable::TooSmall(workstation) => ("workstation_too_small", Some(workstation)),
    };
    let body = json!({ "code": code, "error": why.to_string(), "detail": detail });
    Err((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
}

/// Whether the polygons are ones: each named once, within the picture, of three corners or more that are not on a line.
fn check(workstations: &[Workstation]) -> Result<(), String> {
    if workstations.len() > MOST_WORKSTATIONS {
        return Err(format!("more than {MOST_WORKSTATIONS} workstations"));
    }
    let mut names = BTreeSet::new();
    for Workstation { workstation, polygon } in workstations {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if workstation.is_empty() || workstation.chars().count() > 32 || !workstation.chars().all(plain) {
            return Err(format!("{workstation:?} is not a workstation's number: use 1 to 32 letters, digits, - _ ."));
        }
        if !names.insert(workstation) {
            return Err(format!("workstation {workstation} is marked twice"));
        }
        if !(3..=MOST_CORNERS).contains(&polygon.len()) {
            return Err(format!("workstation {workstation} needs 3 to {MOST_CORNERS} corners"));
        }
        if !polygon.iter().flatten().all(|at| (0.0..=1.0).contains(at)) {
            return Err(format!("workstation {workstation} lies outside the picture"));
        }
        let next = polygon.iter().cycle().skip(1);
        let area: f64 = polygon.iter().zip(next).map(|([x, y], [u, v])| x * v - u * y).sum::<f64>().abs() / 2.0;
        if area < 1e-4 {
            return Err(format!("workstation {workstation} is too small to be seen"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Stills, check, set};
    use crate::clock::SystemClock;
    use crate::journal::Journal;
    use crate::picture::Picture;
    use crate::store::Workstation;
    use std::sync::Arc;

    fn marked(name: &str, polygon: &[[f64; 2]]) -> Workstation {
        Workstation { workstation: name.into(), polygon: polygon.to_vec() }
    }

    #[test]
    fn only_a_polygon_in_the_picture_with_a_name_of_its_own_is_a_workstation() {
        let square = [[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.1, 0.4]];
        assert_eq!(check(&[marked("01", &square), marked("02", &square)]), Ok(()));
        assert!(check(&[marked("01", &square), marked("01", &square)]).is_err());
        for (name, polygon) in [
            ("", &square[..]),
            ("a b", &square),
            ("01", &square[..2]),
            ("01", &[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]),
            ("01", &[[0.1, 0.1], [1.4, 0.1], [0.4, 0.4]]),
            ("01", &[[0.1, 0.1], [f64::NAN, 0.1], [0.4, 0.4]]),
        ] {
            assert!(check(&[marked(name, polygon)]).is_err(), "{name:?} {polygon:?}");
        }
    }

    #[test]
    fn few_pictures_are_kept() {
        let stills = Stills::default();
        let hashes: Vec<String> = (0..6).map(|picture: u8| stills.keep(vec![picture])).collect();
        assert_eq!(stills.get(&hashes[5]), Some(vec![5]));
        assert_eq!(stills.get(&hashes[0]), None);
    }

    #[tokio::test]
    async fn a_picture_that_shows_nothing_becomes_no_reference_nor_a_sliver_a_workstation() {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, zone) = (Arc::new(SystemClock::default()), jiff::tz::TimeZone::UTC);
        let journal = Journal::initialise(folder.path(), "site", "301", clock, zone).expect("initialised");
        let black = Picture::black(640, 360);
        let mut room = black.clone();
        for (at, pixel) in room.rgb.chunks_exact_mut(3).enumerate() {
            let (x, y) = (at % 640 / 23, at / 640 / 19);
            pixel.fill((60 + (x * 7 + y * 13) * (x + 3 * y) % 140) as u8);
        }
        let whole = marked("01", &[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.1, 0.4]]);
        let sliver = marked("02", &[[0.101, 0.1], [0.111, 0.1], [0.111, 0.9], [0.101, 0.9]]);
        let set = |picture: &Picture, marked: &Workstation| {
            let jpeg = picture.to_jpeg(90).expect("encodes");
            set(&journal, "back", &jpeg, std::slice::from_ref(marked), "T1").map(|appended| appended.seq)
        };
        for (picture, marked, code, detail) in [
            (&black, &whole, "no_structure", serde_json::Value::Null),
            (&room, &sliver, "workstation_too_small", "02".into()),
        ] {
            let refused = set(picture, marked).expect_err(code);
            assert_eq!(refused.status(), 422);
            let body = axum::body::to_bytes(refused.into_body(), 1 << 20).await.expect("a body");
            let told: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!((&told["code"], &told["detail"]), (&code.into(), &detail));
        }
        assert_eq!(set(&room, &whole).expect("set"), 1);
    }
}
