//! Which point is nearest to a place, without a look at all of them.

/// Points by the square of the plane that they lie in.
#[derive(Debug, Clone, Default)]
pub(super) struct Grid {
    low: [f32; 2],
    /// Side of a square.
    side: [f32; 2],
    /// Squares along each axis.
    across: usize,
    /// Where each square's points begin in `order`, and where the last one's end.
    starts: Vec<u32>,
    /// Numbers of the points, square by square.
    order: Vec<u32>,
}

/// Points to a square, on average.
const IN_A_SQUARE: usize = 4;
const MOST_ACROSS: usize = 512;

impl Grid {
    pub(super) fn new(places: &[[f32; 2]]) -> Self {
        let bounds = super::bounds(places);
        let across = ((places.len() / IN_A_SQUARE) as f32).sqrt() as usize;
        let across = across.clamp(1, MOST_ACROSS);
        let low = [bounds.min.x, bounds.min.y];
        let side = [bounds.width() / across as f32, bounds.height() / across as f32];
        let mut grid = Self { low, side, across, starts: vec![0; across * across + 1], order: Vec::new() };
        let squares: Vec<usize> = places.iter().map(|&place| grid.square(place)).collect();
        squares.iter().for_each(|&square| grid.starts[square + 1] += 1);
        for i in 1..grid.starts.len() {
            grid.starts[i] += grid.starts[i - 1];
        }
        let mut next = grid.starts.clone();
        grid.order = vec![0; places.len()];
        for (i, square) in squares.into_iter().enumerate() {
            grid.order[next[square] as usize] = i as u32;
            next[square] += 1;
        }
        grid
    }

    /// Row or column of a coordinate; of those outside, the nearest.
    fn along(&self, axis: usize, at: f32) -> usize {
        (((at - self.low[axis]) / self.side[axis]).max(0.0) as usize).min(self.across - 1)
    }

    fn square(&self, place: [f32; 2]) -> usize {
        self.along(1, place[1]) * self.across + self.along(0, place[0])
    }

    /// The nearest of `places`, those that it was made of, no farther than `reach`; of equally near ones the first.
    pub(super) fn nearest(&self, places: &[[f32; 2]], here: [f32; 2], reach: f32) -> Option<usize> {
        if self.order.is_empty() {
            return None;
        }
        let [(left, right), (bottom, top)] =
            [0, 1].map(|axis| (self.along(axis, here[axis] - reach), self.along(axis, here[axis] + reach)));
        let mut best: Option<(f32, u32)> = None;
        for row in bottom..=top {
            let squares = row * self.across + left..row * self.across + right + 1;
            let (from, to) = (self.starts[squares.start] as usize, self.starts[squares.end] as usize);
            for &i in &self.order[from..to] {
                let place = places[i as usize];
                let distance = (place[0] - here[0]).powi(2) + (place[1] - here[1]).powi(2);
                if distance <= reach * reach && best.is_none_or(|nearest| (distance, i) < nearest) {
                    best = Some((distance, i));
                }
            }
        }
        best.map(|(_, i)| i as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::rng::Rng;

    #[test]
    fn it_finds_what_a_look_at_all_finds() {
        let mut rng = Rng::for_key(4, &[]);
        let mut at = |wide: f64| -> [f32; 2] { std::array::from_fn(|_| (wide * rng.normal()) as f32) };
        let mut places: Vec<[f32; 2]> = (0..3000).map(|_| at(2.0)).collect();
        places[7] = places[1200];
        places.push([f32::NAN, 0.0]);
        let grid = Grid::new(&places);
        for _ in 0..500 {
            let (here, reach) = (at(3.0), 0.3);
            let squared = |p: &[f32; 2]| (p[0] - here[0]).powi(2) + (p[1] - here[1]).powi(2);
            let near = (0..places.len()).filter(|&i| squared(&places[i]) <= reach * reach);
            let all =
                near.min_by(|&a, &b| squared(&places[a]).total_cmp(&squared(&places[b])).then(a.cmp(&b)));
            assert_eq!(grid.nearest(&places, here, reach), all);
        }
        assert_eq!(grid.nearest(&places, places[1200], 0.01), Some(7));
        assert_eq!(Grid::new(&[]).nearest(&[], [0.0; 2], 1.0), None);
        assert_eq!(Grid::new(&[[2.0, 2.0]; 3]).nearest(&[[2.0, 2.0]; 3], [2.0, 2.1], 1.0), Some(0));
    }
}
