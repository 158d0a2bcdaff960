//! Where workstations are: polygons in a picture.

/// Whether a point lies inside a polygon (even-odd rule).
pub(super) fn contains(polygon: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
    let crossed = edges.filter(|(one, other)| {
        (one[1] > y) != (other[1] > y) && x < (other[0] - one[0]) * (y - one[1]) / (other[1] - one[1]) + one[0]
    });
    crossed.count() % 2 == 1
}
