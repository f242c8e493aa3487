//! Which points lie within a closed line.

/// Strips across the line's height: a point is held against the edges of its strip alone.
const STRIPS: usize = 256;

/// Numbers of the places within the polygon of `line`'s corners, by the parity of crossings; its last corner is joined to the first.
pub(super) fn within(line: &[[f32; 2]], places: &[[f32; 2]]) -> Vec<usize> {
    let low = line.iter().fold(f32::INFINITY, |low, corner| low.min(corner[1]));
    let high = line.iter().fold(f32::NEG_INFINITY, |high, corner| high.max(corner[1]));
    let strip = |y: f32| (((y - low) / (high - low) * STRIPS as f32).max(0.0) as usize).min(STRIPS - 1);
    let mut edges: Vec<Vec<[[f32; 2]; 2]>> = vec![Vec::new(); STRIPS];
    let mut before = line.last();
    for corner in line {
        if let Some(&[x, y]) = before {
            let strips = strip(y.min(corner[1]))..=strip(y.max(corner[1]));
            edges[strips].iter_mut().for_each(|strip| strip.push([*corner, [x, y]]));
        }
        before = Some(corner);
    }
    let inside = |[x, y]: [f32; 2]| {
        let crossed = |[[ax, ay], [bx, by]]: &[[f32; 2]; 2]| {
            (ay > &y) != (by > &y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
        };
        (low..=high).contains(&y) && edges[strip(y)].iter().filter(|edge| crossed(edge)).count() % 2 == 1
    };
    (0..places.len()).filter(|&i| inside(places[i])).collect()
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_notch_is_outside() {
        // A square with a triangle cut out from above.
        let line = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]];
        let places = [[1.0, 0.5], [2.0, 3.0], [3.8, 3.0], [5.0, 1.0], [2.0, 0.9]];
        assert_eq!(within(&line, &places), [0, 2, 4]);
        assert!(within(&[], &places).is_empty());
    }
}
