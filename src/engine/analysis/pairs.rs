//! Which two classes are taken for each other.

use crate::engine::ConfusionMatrix;

/// Two classes and the mistakes between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The class that comes first in the data set.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// Pictures of `a` taken for `b`.
    pub a_as_b: usize,
    /// Pictures of `b` taken for `a`.
    pub b_as_a: usize,
}

impl Pair {
    /// Mistakes in both directions.
    pub fn mistakes(&self) -> usize {
        self.a_as_b + self.b_as_a
    }
}

/// All pairs with a mistake between them, the most mistakes first, equal ones in the classes' order.
pub fn confused_pairs(confusion: &ConfusionMatrix) -> Vec<Pair> {
    let n = confusion.classes();
    let mut pairs: Vec<Pair> = (0..n)
        .flat_map(|a| (a + 1..n).map(move |b| (a, b)))
        .map(|(a, b)| Pair { a, b, a_as_b: confusion.count(a, b), b_as_a: confusion.count(b, a) })
        .filter(|pair| pair.mistakes() > 0)
        .collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.mistakes()));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_count_and_the_most_confused_come_first() {
        let mut m = ConfusionMatrix::new(4);
        for (t, p, times) in [(0, 0, 9), (0, 1, 1), (2, 1, 2), (1, 2, 1), (3, 0, 1)] {
            (0..times).for_each(|_| m.add(t, p));
        }
        let got: Vec<_> = confused_pairs(&m).iter().map(|p| (p.a, p.b, p.a_as_b, p.b_as_a)).collect();
        assert_eq!(got, [(1, 2, 1, 2), (0, 1, 1, 0), (0, 3, 0, 1)]);
    }
}
