//! Which points lie within a closed line.

/// Numbers of the places within the polygon of `line`'s corners, by the parity of crossings; its last corner is joined to the first.
pub(super) fn within(line: &[[f32; 2]], places: &[[f32; 2]]) -> Vec<usize> {
    let inside = |[x, y]: [f32; 2]| {
        let mut odd = false;
        let mut before = line.len().wrapping_sub(1);
        for (i, &[ax, ay]) in line.iter().enumerate() {
            let [bx, by] = line[before];
            if (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
                odd = !odd;
            }
            before = i;
        }
        odd
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
