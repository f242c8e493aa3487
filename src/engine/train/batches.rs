//! How an epoch's pictures are divided into steps: evenly, and into smaller ones from where the card's memory was full.

/// What is left of an epoch.
#[derive(Debug)]
pub(crate) struct Batches {
    /// Positions in the training pictures, in the order in which they are learned from.
    order: Vec<usize>,
    /// How many of them the steps so far have learned from.
    done: usize,
    size: usize,
    /// Statistics are taken over the pictures of a step.
    statistics: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Its number in an epoch of steps of its size, from 0.
    pub(crate) step: usize,
    /// How many steps such an epoch has.
    pub(crate) steps: usize,
    /// Positions in the training pictures.
    pub(crate) pictures: Vec<usize>,
}

impl Batches {
    /// An epoch's, in steps of `size` pictures. With `statistics` a last step of a single picture is left out, as it has none.
    pub(crate) fn new(order: Vec<usize>, size: usize, statistics: bool) -> Self {
        Self { order, done: 0, size: size.max(1), statistics }
    }

    /// Pictures in one step.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The steps that are left.
    pub(crate) fn left(&self) -> Vec<Batch> {
        let all = self.order.len();
        let lonely = |from: usize| self.statistics && from > 0 && all - from == 1;
        let steps = match all % self.size {
            1 if lonely(all - 1) => all / self.size,
            _ => all.div_ceil(self.size),
        };
        (self.done..all)
            .step_by(self.size)
            .filter(|&from| !lonely(from))
            .map(|from| Batch {
                step: from / self.size,
                steps,
                pictures: self.order[from..all.min(from + self.size)].to_vec(),
            })
            .collect()
    }

    /// Notes that a step of so many pictures was made.
    pub(crate) fn made(&mut self, pictures: usize) {
        self.done += pictures;
    }

    /// Makes the steps that are left half as large, and gives their size; none where they cannot be smaller.
    pub(crate) fn halve(&mut self) -> Option<usize> {
        let least = if self.statistics { 2 } else { 1 };
        (self.size / 2 >= least).then(|| {
            self.size /= 2;
            self.size
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(b: &Batches) -> Vec<(usize, usize, usize)> {
        b.left().iter().map(|s| (s.step, s.steps, s.pictures.len())).collect()
    }

    #[test]
    fn an_epoch_is_divided_evenly_and_a_lonely_picture_left_out_where_it_has_no_statistics() {
        let of = |n: usize, size, statistics| Batches::new((0..n).collect(), size, statistics);
        assert_eq!(sizes(&of(9, 4, false)), [(0, 3, 4), (1, 3, 4), (2, 3, 1)]);
        assert_eq!(sizes(&of(9, 4, true)), [(0, 2, 4), (1, 2, 4)]);
        assert_eq!(sizes(&of(8, 4, true)), [(0, 2, 4), (1, 2, 4)]);
        assert_eq!(sizes(&of(1, 4, true)), [(0, 1, 1)], "an epoch is not empty");
    }

    #[test]
    fn half_as_large_steps_go_on_where_the_larger_ended() {
        let order: Vec<usize> = (0..20).rev().collect();
        let mut b = Batches::new(order.clone(), 8, false);
        let mut seen = b.left()[0].pictures.clone();
        b.made(seen.len());
        assert_eq!((b.halve(), b.size()), (Some(4), 4));
        // As far into the epoch as before: 8 of 20 pictures are 2 of 5 steps.
        assert_eq!(sizes(&b), [(2, 5, 4), (3, 5, 4), (4, 5, 4)]);
        seen.extend(b.left().into_iter().flat_map(|s| s.pictures));
        assert_eq!(seen, order);
    }

    #[test]
    fn there_is_a_smallest_step() {
        let halvings = |size, statistics| {
            let mut b = Batches::new(vec![0; 9], size, statistics);
            std::iter::from_fn(|| b.halve()).collect::<Vec<_>>()
        };
        assert_eq!((halvings(9, false), halvings(9, true)), (vec![4, 2, 1], vec![4, 2]));
        assert_eq!((halvings(3, true), halvings(1, false)), (vec![], vec![]));
    }
}
