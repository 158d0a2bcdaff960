//! Where a workstation is in a picture, and how much of that two have in common.

/// Lines that a picture is looked at along.
const LINES: usize = 180;

/// The inside of a polygon (even-odd rule), along lines across the picture.
#[derive(Default)]
pub(super) struct Place {
    /// By line: spans inside, in order.
    lines: Vec<(usize, Vec<[f64; 2]>)>,
}

impl Place {
    /// Corners: x, y, each 0 to 1 of the picture's width and height; what lies outside it counts as its edge.
    pub fn of(polygon: &[[f64; 2]]) -> Place {
        let corners: Vec<[f64; 2]> = polygon.iter().map(|corner| corner.map(|value| value.clamp(0.0, 1.0))).collect();
        let mut lines = Vec::new();
        for line in 0..LINES {
            let y = (line as f64 + 0.5) / LINES as f64;
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            let crossing = edges.filter(|(one, other)| (one[1] > y) != (other[1] > y));
            let mut at: Vec<f64> = crossing
                .map(|(one, other)| (other[0] - one[0]) * (y - one[1]) / (other[1] - one[1]) + one[0])
                .collect();
            at.sort_unstable_by(f64::total_cmp);
            let spans: Vec<[f64; 2]> = at.chunks_exact(2).map(|ends| [ends[0], ends[1]]).collect();
            if !spans.is_empty() {
                lines.push((line, spans));
            }
        }
        Place { lines }
    }

    /// Share of the picture.
    pub fn area(&self) -> f64 {
        let length: f64 = self.lines.iter().flat_map(|(_, spans)| spans).map(|[from, until]| until - from).sum();
        length / LINES as f64
    }

    /// Share of the picture that is in both.
    pub fn common(&self, other: &Place) -> f64 {
        let (mut length, mut others) = (0.0, other.lines.iter().peekable());
        for (line, spans) in &self.lines {
            while others.next_if(|(at, _)| at < line).is_some() {}
            let Some((_, theirs)) = others.next_if(|(at, _)| at == line) else { continue };
            let (mut ours, mut theirs) = (spans.iter().peekable(), theirs.iter().peekable());
            while let (Some([from, until]), Some([other_from, other_until])) = (ours.peek(), theirs.peek()) {
                length += (until.min(*other_until) - from.max(*other_from)).max(0.0);
                if until < other_until {
                    ours.next()
                } else {
                    theirs.next()
                };
            }
        }
        length / LINES as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 0.002
    }

    #[test]
    fn areas_and_what_two_have_in_common_are_those_of_the_polygons() {
        let square = Place::of(&[[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]);
        let triangle = Place::of(&[[0.2, 0.2], [0.6, 0.2], [0.2, 0.6]]);
        let apart = Place::of(&[[0.7, 0.7], [0.9, 0.7], [0.9, 0.9]]);
        // A bow tie, a U, and corners far outside.
        let crossed = Place::of(&[[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]]);
        let bent = Place::of(&[
            [0.2, 0.2],
            [0.3, 0.2],
            [0.3, 0.5],
            [0.5, 0.5],
            [0.5, 0.2],
            [0.6, 0.2],
            [0.6, 0.6],
            [0.2, 0.6],
        ]);
        let far = Place::of(&[[-1e300, -1e300], [1e300, -1e300], [1e300, 1e300], [-1e300, 1e300]]);
        assert!(is_near(square.area(), 0.16) && is_near(triangle.area(), 0.08) && is_near(crossed.area(), 0.08));
        assert!(is_near(bent.area(), 0.1) && is_near(far.area(), 1.0));
        assert!(is_near(square.common(&triangle), 0.08) && is_near(bent.common(&square), 0.1));
        assert!(is_near(far.common(&bent), 0.1) && is_near(triangle.common(&bent), 0.04));
        assert_eq!((square.common(&apart), Place::of(&[]).area()), (0.0, 0.0));
    }
}
