//! Where a reference's points lie in another picture → how the camera has turned: a similarity by RANSAC, then a
//! homography through all that agree with it. The same points give the same answer.

/// A point of the reference, found again elsewhere. Pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub from: [f64; 2],
    pub to: [f64; 2],
}

/// A projective map of the plane (row-major, the last element 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Map(pub [f64; 9]);

/// How a camera has turned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Motion {
    pub map: Map,
    /// Points that agree.
    pub agreeing: usize,
}

/// Points within this distance of where the map takes them agree, px.
const AGREES: f64 = 2.5;
/// Pairs of points that are tried.
const TRIES: usize = 400;
/// A homography has eight unknowns; fewer points than this give a similarity only.
const FOR_HOMOGRAPHY: usize = 16;

impl Map {
    pub const NONE: Map = Map([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let m = &self.0;
        let depth = m[6] * x + m[7] * y + m[8];
        let depth = if depth.abs() < 1e-9 { 1e-9 } else { depth };
        [(m[0] * x + m[1] * y + m[2]) / depth, (m[3] * x + m[4] * y + m[5]) / depth]
    }

    /// The farthest that a corner of a picture is moved, px.
    pub fn farthest(&self, width: f64, height: f64) -> f64 {
        let corners = [[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]];
        corners.iter().map(|corner| distance(self.apply(*corner), *corner)).fold(0.0, f64::max)
    }

    /// How much of what a picture shows is led outside it, 0 to 1.
    pub fn share_outside(&self, width: f64, height: f64) -> f64 {
        const STEPS: u32 = 16;
        let at = |step: u32, length: f64| (f64::from(step) + 0.5) / f64::from(STEPS) * length;
        let places = (0..STEPS).flat_map(|x| (0..STEPS).map(move |y| [at(x, width), at(y, height)]));
        let is_inside = |[x, y]: [f64; 2]| (0.0..width).contains(&x) && (0.0..height).contains(&y);
        let outside = places.filter(|place| !is_inside(self.apply(*place))).count();
        outside as f64 / f64::from(STEPS * STEPS)
    }

    /// How far the middle of a picture is moved, px.
    pub fn shift(&self, width: f64, height: f64) -> f64 {
        let middle = [width / 2.0, height / 2.0];
        distance(self.apply(middle), middle)
    }

    /// Turn (degrees) and scale around the middle of a picture.
    pub fn turn_and_scale(&self, width: f64, height: f64) -> (f64, f64) {
        let (middle, beside) = ([width / 2.0, height / 2.0], [width / 2.0 + 1.0, height / 2.0]);
        let (a, b) = (self.apply(middle), self.apply(beside));
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        (dy.atan2(dx).to_degrees(), dx.hypot(dy))
    }

    fn similarity(one: &Found, other: &Found) -> Option<Map> {
        let (dx, dy) = (other.from[0] - one.from[0], other.from[1] - one.from[1]);
        let (tx, ty) = (other.to[0] - one.to[0], other.to[1] - one.to[1]);
        let length = dx * dx + dy * dy;
        // Points close to each other tell little about turn and scale.
        if length < 400.0 {
            return None;
        }
        let (a, b) = ((dx * tx + dy * ty) / length, (dx * ty - dy * tx) / length);
        let scale = a.hypot(b);
        if !(0.5..=2.0).contains(&scale) {
            return None;
        }
        let [x, y] = one.from;
        Some(Map([a, -b, one.to[0] - a * x + b * y, b, a, one.to[1] - b * x - a * y, 0.0, 0.0, 1.0]))
    }

    fn agrees(&self, found: &Found) -> bool {
        distance(self.apply(found.from), found.to) <= AGREES
    }
}

fn distance(one: [f64; 2], other: [f64; 2]) -> f64 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}

/// The motion that most of the points agree with; `None` when not even a quarter, or fewer than `least`, do.
pub(super) fn motion(found: &[Found], least: usize) -> Option<Motion> {
    let mut best: (usize, Option<Map>) = (0, None);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = || {
        // xorshift64: any fixed sequence does.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % found.len().max(1) as u64) as usize
    };
    if found.len() < 2 {
        return None;
    }
    for _ in 0..TRIES {
        let (one, other) = (pick(), pick());
        let Some(map) = Map::similarity(&found[one], &found[other]) else { continue };
        let agreeing = found.iter().filter(|found| map.agrees(found)).count();
        if agreeing > best.0 {
            best = (agreeing, Some(map));
        }
    }
    let similar = best.1.filter(|_| best.0 >= least && best.0 * 4 >= found.len())?;
    let agreeing: Vec<Found> = found.iter().filter(|found| similar.agrees(found)).copied().collect();
    let refined = if agreeing.len() >= FOR_HOMOGRAPHY { homography(&agreeing) } else { None };
    // A homography must explain at least as much, and be one that a camera can make.
    let map = refined.filter(|map| {
        let (_, scale) = map.turn_and_scale(320.0, 180.0);
        (0.5..=2.0).contains(&scale) && agreeing.iter().filter(|found| map.agrees(found)).count() >= agreeing.len()
    });
    Some(Motion { map: map.unwrap_or(similar), agreeing: agreeing.len() })
}

/// The homography through points, by least squares (Hartley's normalisation, the last element fixed to 1).
fn homography(found: &[Found]) -> Option<Map> {
    let (from_middle, from_scale) = normalisation(found.iter().map(|found| found.from));
    let (to_middle, to_scale) = normalisation(found.iter().map(|found| found.to));
    let mut equations = [[0.0f64; 9]; 8];
    for Found { from, to } in found {
        let (x, y) = ((from[0] - from_middle[0]) * from_scale, (from[1] - from_middle[1]) * from_scale);
        let (u, v) = ((to[0] - to_middle[0]) * to_scale, (to[1] - to_middle[1]) * to_scale);
        for (row, right) in
            [([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y], u), ([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y], v)]
        {
            for at in 0..8 {
                for other in 0..8 {
                    equations[at][other] += row[at] * row[other];
                }
                equations[at][8] += row[at] * right;
            }
        }
    }
    let h = solve(equations)?;
    // Back to pixels: H = T₂⁻¹ · h · T₁.
    let first =
        [from_scale, 0.0, -from_scale * from_middle[0], 0.0, from_scale, -from_scale * from_middle[1], 0.0, 0.0, 1.0];
    let last = [1.0 / to_scale, 0.0, to_middle[0], 0.0, 1.0 / to_scale, to_middle[1], 0.0, 0.0, 1.0];
    let h = [h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], 1.0];
    let whole = multiply(&multiply(&last, &h), &first);
    (whole[8].abs() > 1e-9).then(|| Map(whole.map(|value| value / whole[8])))
}

fn normalisation(points: impl Iterator<Item = [f64; 2]> + Clone) -> ([f64; 2], f64) {
    let count = points.clone().count().max(1) as f64;
    let middle =
        points.clone().fold([0.0, 0.0], |sum, point| [sum[0] + point[0], sum[1] + point[1]]).map(|sum| sum / count);
    let spread = points.map(|point| distance(point, middle)).sum::<f64>() / count;
    (middle, std::f64::consts::SQRT_2 / spread.max(1e-6))
}

fn multiply(one: &[f64; 9], other: &[f64; 9]) -> [f64; 9] {
    std::array::from_fn(|at| (0..3).map(|k| one[at / 3 * 3 + k] * other[k * 3 + at % 3]).sum())
}

/// Gauss's elimination with the greatest pivot; `None` when the equations do not determine the unknowns.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < 1e-12 {
            return None;
        }
        let upper = rows[column];
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / upper[column];
            row.iter_mut().zip(upper).skip(column).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut solution = [0.0; 8];
    for at in (0..8).rev() {
        let known: f64 = (at + 1..8).map(|other| rows[at][other] * solution[other]).sum();
        solution[at] = (rows[at][8] - known) / rows[at][at];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(map: Map, wrong: usize) -> Vec<Found> {
        let points = (0..9).flat_map(|x| (0..6).map(move |y| [20.0 + 35.0 * f64::from(x), 15.0 + 30.0 * f64::from(y)]));
        points
            .enumerate()
            .map(|(at, from)| {
                let mut to = map.apply(from);
                if at % 54 < wrong {
                    to = [(at * 97 % 320) as f64, (at * 53 % 180) as f64];
                }
                Found { from, to }
            })
            .collect()
    }

    #[test]
    fn a_turned_and_shifted_camera_is_measured_though_half_of_the_points_are_wrong() {
        let (sin, cos) = 3.0f64.to_radians().sin_cos();
        let map = Map([1.02 * cos, -1.02 * sin, 18.0, 1.02 * sin, 1.02 * cos, -6.0, 0.0, 0.0, 1.0]);
        let motion = motion(&grid(map, 26), 8).expect("found");
        let (turn, scale) = motion.map.turn_and_scale(320.0, 180.0);
        assert!((turn - 3.0).abs() < 0.1 && (scale - 1.02).abs() < 0.005, "{turn} {scale}");
        assert!(motion.agreeing >= 28, "{}", motion.agreeing);
    }

    #[test]
    fn a_change_of_perspective_is_mapped_exactly() {
        let map = Map([1.01, 0.01, 4.0, -0.01, 0.99, 2.0, 4e-5, -3e-5, 1.0]);
        let found = motion(&grid(map, 6), 8).expect("found").map;
        for corner in [[0.0, 0.0], [320.0, 0.0], [320.0, 180.0]] {
            let off = distance(found.apply(corner), map.apply(corner));
            assert!(off < 0.2, "{off} px at {corner:?}");
        }
    }

    #[test]
    fn points_that_agree_on_nothing_are_no_motion() {
        assert!(motion(&grid(Map::NONE, 54), 8).is_none());
        assert!(motion(&[], 8).is_none());
    }
}
