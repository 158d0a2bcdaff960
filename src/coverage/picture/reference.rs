//! The picture as it should be: its points, its fine detail, and what is inside each workstation.

use super::grey::{Grey, LEAST_CONTRAST, Template};
use super::motion::{Found, Map, Motion, motion};
use crate::coverage::polygon::contains;
use crate::picture::Picture;
use crate::store::Workstation;

/// Width at which structure is compared, px.
pub(super) const WIDTH: usize = 320;
/// A point is looked for in cells of this side, px.
const CELL: usize = 16;
/// From a point to the edge of what is compared around it, px.
const REACH: usize = 7;
/// The same at half the width.
const HALF_REACH: usize = 4;
/// A piece that is at least this alike is the reference's.
pub(super) const ALIKE: f32 = 0.6;
/// A point that has not moved is looked for this far, px.
const IN_PLACE: i32 = 2;
/// One that has moved, px at half the width: 15 % of the width.
const MOVED: i32 = 24;
/// A camera has moved when one point in so many agrees on how.
const AGREEING: usize = 8;
/// Side of the cells that workstations are divided into, px.
const STATION_CELL: usize = 8;
/// Workstations' cells are smaller, and so is what is compared, px.
const STATION_REACH: usize = 4;
/// A flat cell that is brighter or darker than it was by more than this shows something else, grey levels.
const OTHER_LEVEL: f32 = 22.0;

/// A point that can be told from what is around it.
struct Point {
    x: usize,
    y: usize,
    template: Template,
    half: Template,
    /// See [`sharpness`].
    sharpness: f32,
    /// See [`Grey::detail`].
    detail: f32,
}

/// What became of the reference's points in a picture.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Matches {
    /// Share that is where it was.
    pub in_place: f32,
    /// Share that is not, and where the picture is flat now.
    pub flat: f32,
    /// Median of the fine detail against the reference's, light taken out.
    pub sharpness: f32,
    /// Most of those that are where they were look more alike the farther they are looked for: they have moved a little.
    pub drifts: bool,
}

/// A cell of a workstation.
struct Cell {
    x: usize,
    y: usize,
    template: Template,
    level: f32,
}

struct Station {
    name: String,
    cells: Vec<Cell>,
}

/// How much of a workstation is to be seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// Share of its cells that look as they should.
    pub visible: f32,
    /// Share of them that lie outside the picture.
    pub outside: f32,
}

/// A picture at the three widths that it is judged at.
pub(super) struct Scales {
    /// Twice [`WIDTH`].
    pub fine: Grey,
    /// [`WIDTH`].
    pub grey: Grey,
    /// Half of [`WIDTH`].
    pub half: Grey,
    /// A quarter of [`WIDTH`].
    pub coarse: Grey,
}

impl Scales {
    pub fn of(picture: &Picture) -> Scales {
        let fine = Grey::of(picture, 2 * WIDTH);
        let grey = fine.halved();
        let half = grey.halved();
        let coarse = half.halved();
        Scales { fine, grey, half, coarse }
    }
}

pub(super) struct Reference {
    pub coarse: Grey,
    grey: Grey,
    points: Vec<Point>,
    stations: Vec<Station>,
}

impl Reference {
    pub fn new(picture: &Picture, workstations: &[Workstation]) -> Reference {
        let Scales { fine, grey, half, coarse } = Scales::of(picture);
        let points = points(&fine, &grey, &half);
        let stations = workstations.iter().map(|marked| station(&grey, marked)).collect();
        Reference { coarse, grey, points, stations }
    }

    /// Whether there is enough in it to compare anything with.
    pub fn has_structure(&self) -> bool {
        self.points.len() >= 8
    }

    /// A workstation that holds no cell: nothing could ever be told of it.
    pub fn without_cells(&self) -> Option<&str> {
        self.stations.iter().find(|station| station.cells.is_empty()).map(|station| station.name.as_str())
    }

    /// Height at [`WIDTH`], px.
    pub fn height(&self) -> f64 {
        self.grey.height as f64
    }

    /// Whether a picture has the reference's shape.
    pub fn fits(&self, scales: &Scales) -> bool {
        self.grey.height == scales.grey.height
    }

    /// Looks for each point where it was.
    pub fn matches(&self, scales: &Scales) -> Matches {
        let (mut flat, mut ratios) = (0, Vec::with_capacity(self.points.len()));
        let mut off = [Vec::with_capacity(self.points.len()), Vec::with_capacity(self.points.len())];
        for point in &self.points {
            let (x, y) = (point.x as i32, point.y as i32);
            let (at_x, at_y, likeness) = point.template.best(&scales.grey, x, y, IN_PLACE);
            if likeness >= ALIKE {
                off[0].push(at_x - x);
                off[1].push(at_y - y);
            } else if scales.grey.detail(point.x, point.y, REACH) < 0.25 * point.detail {
                flat += 1;
            }
            ratios.push(sharpness(&scales.fine, &scales.grey, point.x, point.y) / point.sharpness);
        }
        let count = self.points.len().max(1) as f32;
        ratios.sort_unstable_by(f32::total_cmp);
        let sharpness = ratios.get(ratios.len() / 2).copied().unwrap_or(1.0);
        let in_place = off[0].len() as f32 / count;
        let drifts = off.iter_mut().any(|off| {
            off.sort_unstable();
            off.get(off.len() / 2).is_some_and(|middle| middle.abs() >= IN_PLACE)
        });
        Matches { in_place, flat: flat as f32 / count, sharpness, drifts }
    }

    /// Looks for each point farther away: how the camera has turned, if it shows the reference's place at all.
    pub fn motion(&self, scales: &Scales) -> Option<Motion> {
        let near = |point: &Point, (dx, dy): (i32, i32), distance: i32| {
            let (x, y) = ((point.x / 2) as i32 + dx, (point.y / 2) as i32 + dy);
            let (x, y, likeness) = point.half.best(&scales.half, x, y, distance);
            if likeness < ALIKE {
                return None;
            }
            let (x, y, likeness) = point.template.best(&scales.grey, 2 * x, 2 * y, 2);
            (likeness >= ALIKE)
                .then_some(Found { from: [point.x as f64, point.y as f64], to: [f64::from(x), f64::from(y)] })
        };
        let found: Vec<Found> = self.points.iter().filter_map(|point| near(point, (0, 0), MOVED)).collect();
        let least = (self.points.len() / AGREEING).max(8);
        motion(&found, least).or_else(|| {
            // Farther still: first the whole picture is shifted over the reference.
            let (dx, dy) = self.whole_shift(&scales.coarse);
            let found: Vec<Found> =
                self.points.iter().filter_map(|point| near(point, (2 * dx, 2 * dy), MOVED / 3)).collect();
            motion(&found, least)
        })
    }

    /// The shift of the whole picture at a quarter of [`WIDTH`], px: up to half of it.
    fn whole_shift(&self, coarse: &Grey) -> (i32, i32) {
        let (width, height) = (coarse.width as i32, coarse.height as i32);
        let (mut best, mut shift) = (f32::MIN, (0, 0));
        for dy in (-height / 3)..=(height / 3) {
            for dx in (-width / 2)..=(width / 2) {
                let likeness = shifted_likeness(&self.coarse, coarse, dx, dy);
                if likeness > best {
                    (best, shift) = (likeness, (dx, dy));
                }
            }
        }
        shift
    }

    /// How much of each workstation is to be seen in a picture that `map` leads to. `None`: there is nothing in it that
    /// could be told from anything else.
    pub fn stations(&self, grey: &Grey, map: &Map) -> Vec<(&str, Option<Seen>)> {
        let light = self.light(grey, map);
        self.stations.iter().map(|station| (station.name.as_str(), station.seen(grey, map, light))).collect()
    }

    /// Gain and offset of the picture's light against the reference's, by the points that are the same.
    fn light(&self, grey: &Grey, map: &Map) -> (f32, f32) {
        let (mut count, mut x_sum, mut y_sum, mut xx, mut xy) = (0.0f32, 0.0, 0.0, 0.0, 0.0);
        for point in &self.points {
            let [x, y] = map.apply([point.x as f64, point.y as f64]).map(|value| value.round() as i32);
            if point.template.likeness(grey, x, y) < ALIKE {
                continue;
            }
            for (dx, dy) in [(0, 0), (-5, -5), (5, -5), (-5, 5), (5, 5)] {
                let before = self.grey.row((point.y as i32 + dy) as usize)[(point.x as i32 + dx) as usize];
                let now = grey.row((y + dy) as usize)[(x + dx) as usize];
                (count, x_sum, y_sum) = (count + 1.0, x_sum + before, y_sum + now);
                (xx, xy) = (xx + before * before, xy + before * now);
            }
        }
        let spread = xx - x_sum * x_sum / count.max(1.0);
        if count < 20.0 || spread < count * 25.0 {
            return (1.0, 0.0);
        }
        let gain = ((xy - x_sum * y_sum / count) / spread).clamp(0.2, 5.0);
        (gain, (y_sum - gain * x_sum) / count)
    }
}

impl Station {
    fn seen(&self, grey: &Grey, map: &Map, (gain, offset): (f32, f32)) -> Option<Seen> {
        if self.cells.is_empty() {
            return None;
        }
        let (mut visible, mut outside) = (0, 0);
        for cell in &self.cells {
            let [x, y] = map.apply([cell.x as f64, cell.y as f64]).map(|value| value.round() as i32);
            if !grey.holds(x, y, STATION_REACH) {
                outside += 1;
                continue;
            }
            let is_same = if cell.template.contrast >= LEAST_CONTRAST {
                let near = cell.template.best(grey, x, y, IN_PLACE).2;
                near >= ALIKE - 0.1
            } else {
                let now = Template::at(grey, x as usize, y as usize, STATION_REACH);
                let level = level(grey, x as usize, y as usize);
                // Noise is amplified with the light.
                let flat = now.contrast < 2.0 * LEAST_CONTRAST * gain.max(1.0);
                flat && (level - (gain * cell.level + offset)).abs() < OTHER_LEVEL * gain.max(1.0)
            };
            visible += usize::from(is_same);
        }
        let count = self.cells.len() as f32;
        Some(Seen { visible: visible as f32 / count, outside: outside as f32 / count })
    }
}

fn points(fine: &Grey, grey: &Grey, half: &Grey) -> Vec<Point> {
    let mut points = Vec::new();
    // Room is left at the edges for the comparison at each of the scales.
    let margin = 2 * HALF_REACH + 2;
    for top in (margin..grey.height.saturating_sub(margin + CELL)).step_by(CELL) {
        for left in (margin..grey.width.saturating_sub(margin + CELL)).step_by(CELL) {
            let places = (0..CELL).step_by(4).flat_map(|dy| (0..CELL).step_by(4).map(move |dx| (left + dx, top + dy)));
            let strongest =
                places.map(|(x, y)| (corner(grey, x, y), x, y)).max_by(|one, other| one.0.total_cmp(&other.0));
            let Some((_, x, y)) = strongest.filter(|found| found.0 > 12.0) else { continue };
            let template = Template::at(grey, x, y, REACH);
            let half_template = Template::at(half, x / 2, y / 2, HALF_REACH);
            if template.contrast < LEAST_CONTRAST || half_template.contrast < LEAST_CONTRAST {
                continue;
            }
            let sharpness = sharpness(fine, grey, x, y).max(1e-3);
            points.push(Point { x, y, template, half: half_template, sharpness, detail: grey.detail(x, y, REACH) });
        }
    }
    points
}

/// Fine detail at twice the width against all contrast: blur takes the one away and leaves the other, light changes both.
fn sharpness(fine: &Grey, grey: &Grey, x: usize, y: usize) -> f32 {
    let contrast = Template::at(grey, x, y, REACH).contrast;
    fine.detail(2 * x, 2 * y, 2 * REACH - 1) / (contrast * contrast + 1.0)
}

/// How surely a place can be told from its neighbours in every direction: the smaller eigenvalue of the gradients'
/// second moments (Shi and Tomasi, 1994), grey levels squared a pixel.
fn corner(grey: &Grey, x: usize, y: usize) -> f32 {
    let (mut xx, mut yy, mut xy) = (0.0f32, 0.0f32, 0.0f32);
    for row in y - 5..=y + 5 {
        let (above, here, below) = (grey.row(row - 1), grey.row(row), grey.row(row + 1));
        for at in x - 5..=x + 5 {
            let (dx, dy) = ((here[at + 1] - here[at - 1]) / 2.0, (below[at] - above[at]) / 2.0);
            (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
        }
    }
    let count = 121.0;
    let (xx, yy, xy) = (xx / count, yy / count, xy / count);
    (xx + yy) / 2.0 - (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt()
}

fn station(grey: &Grey, marked: &Workstation) -> Station {
    let (width, height) = (grey.width as f64, grey.height as f64);
    let polygon: Vec<[f64; 2]> = marked.polygon.iter().map(|[x, y]| [x * width, y * height]).collect();
    let mut cells = Vec::new();
    for y in (STATION_REACH..grey.height.saturating_sub(STATION_REACH)).step_by(STATION_CELL) {
        for x in (STATION_REACH..grey.width.saturating_sub(STATION_REACH)).step_by(STATION_CELL) {
            if contains(&polygon, [x as f64, y as f64]) {
                let template = Template::at(grey, x, y, STATION_REACH);
                cells.push(Cell { x, y, template, level: level(grey, x, y) });
            }
        }
    }
    Station { name: marked.workstation.clone(), cells }
}

fn level(grey: &Grey, x: usize, y: usize) -> f32 {
    let rows = y - STATION_REACH..=y + STATION_REACH;
    let sum: f32 = rows.map(|row| grey.row(row)[x - STATION_REACH..=x + STATION_REACH].iter().sum::<f32>()).sum();
    sum / (2 * STATION_REACH + 1).pow(2) as f32
}

/// Correlation of two pictures where one is shifted over the other.
fn shifted_likeness(reference: &Grey, now: &Grey, dx: i32, dy: i32) -> f32 {
    let (width, height) = (reference.width.min(now.width) as i32, reference.height.min(now.height) as i32);
    let (left, right) = (0.max(-dx), width.min(width - dx));
    let (top, bottom) = (0.max(-dy), height.min(height - dy));
    let (mut count, mut a, mut b, mut aa, mut bb, mut ab) = (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32);
    for y in top..bottom {
        let one = &reference.row(y as usize)[left as usize..right as usize];
        let other = &now.row((y + dy) as usize)[(left + dx) as usize..(right + dx) as usize];
        for (x, y) in one.iter().zip(other) {
            a += x;
            b += y;
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
        count += one.len() as f32;
    }
    let count = count.max(1.0);
    let spread = (aa - a * a / count) * (bb - b * b / count);
    (ab - a * b / count) / spread.max(1.0).sqrt()
}
