//! Dividing groups of pictures so that none is torn apart and each part still has its share of each class.
//!
//! The greedy way of scikit-learn's `StratifiedGroupKFold` (1.1): groups go, those with the most uneven classes first, each to
//! the part after which the classes are spread most evenly; parts may be of different sizes here.

use crate::nn::rng::Rng;

/// Pictures that stay together.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// Samples, by index.
    pub(super) members: Vec<usize>,
    /// How many of each class it has, by class: only those that occur, in order.
    pub(super) counts: Vec<(usize, usize)>,
    /// Names it among all, whatever their order.
    pub(super) key: u64,
}

impl Unit {
    fn len(&self) -> usize {
        self.members.len()
    }

    /// Standard deviation of its counts over all classes.
    fn unevenness(&self, classes: usize) -> f64 {
        let n = classes.max(1) as f64;
        let sum: f64 = self.counts.iter().map(|(_, k)| *k as f64).sum();
        let squares: f64 = self.counts.iter().map(|(_, k)| (*k as f64).powi(2)).sum();
        (squares / n - (sum / n).powi(2)).max(0.0).sqrt()
    }
}

/// The part of each unit. `shares` are the parts' shares of all pictures, each above 0; `fixed` says where a unit already is.
pub(super) fn assign(
    units: &[Unit],
    classes: usize,
    shares: &[f64],
    fixed: &[Option<usize>],
    seed: u64,
) -> Vec<usize> {
    let mut totals = vec![0usize; classes];
    for (class, n) in units.iter().flat_map(|u| &u.counts) {
        totals[*class] += n;
    }
    let mut spread = Spread { shares, totals, filled: vec![vec![0; classes]; shares.len()] };
    let mut parts = vec![0; units.len()];
    for (u, part) in fixed.iter().enumerate().filter_map(|(u, f)| Some((u, (*f)?))) {
        parts[u] = part;
        spread.add(&units[u], part);
    }
    let draw = |u: usize| Rng::for_key(seed, &[units[u].key]).uniform();
    let mut order: Vec<(f64, f64, usize)> = (0..units.len())
        .filter(|u| fixed[*u].is_none())
        .map(|u| (units[u].unevenness(classes), draw(u), u))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    for (_, _, u) in order {
        let part = spread.best(&units[u]);
        parts[u] = part;
        spread.add(&units[u], part);
    }
    parts
}

/// How full the parts are.
struct Spread<'a> {
    shares: &'a [f64],
    totals: Vec<usize>,
    /// By part and class.
    filled: Vec<Vec<usize>>,
}

impl Spread<'_> {
    fn add(&mut self, unit: &Unit, part: usize) {
        for (class, n) in &unit.counts {
            self.filled[part][*class] += n;
        }
    }

    /// How unevenly a class is spread over the parts, with `extra` in one of them.
    fn deviation(&self, class: usize, extra: Option<(usize, usize)>) -> f64 {
        let level = |part: usize| {
            let more = extra.filter(|(p, _)| *p == part).map_or(0, |(_, n)| n);
            (self.filled[part][class] + more) as f64 / (self.totals[class] as f64 * self.shares[part])
        };
        let n = self.shares.len() as f64;
        let mean = (0..self.shares.len()).map(level).sum::<f64>() / n;
        ((0..self.shares.len()).map(|p| (level(p) - mean).powi(2)).sum::<f64>() / n).sqrt()
    }

    /// The part that is best for a unit: the most even classes, then the emptier part.
    fn best(&self, unit: &Unit) -> usize {
        let cost = |part: usize| {
            let of = |&(class, n): &(usize, usize)| {
                self.deviation(class, Some((part, n))) - self.deviation(class, None)
            };
            unit.counts.iter().map(of).sum::<f64>()
        };
        let fullness = |part: usize| self.filled[part].iter().sum::<usize>() as f64 / self.shares[part];
        let costs: Vec<f64> = (0..self.shares.len()).map(cost).collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let near = (0..costs.len()).filter(|&p| costs[p] - least <= 1e-9 * least.abs().max(1e-9));
        near.min_by(|&a, &b| fullness(a).total_cmp(&fullness(b))).unwrap_or(0)
    }
}

/// Moves whole units so that part 0 has every class, and part `judged`, where there is one, every class of which part 0 can spare
/// a unit. Units that are `fixed` are moved only where part 0 would be without a class.
pub(super) fn fill_gaps(
    units: &[Unit],
    parts: &mut [usize],
    classes: usize,
    judged: Option<usize>,
    fixed: &[Option<usize>],
) {
    let of_class = |class: usize, part: usize, parts: &[usize]| -> Vec<usize> {
        let has = |u: &usize| units[*u].counts.iter().any(|(c, _)| *c == class);
        (0..units.len()).filter(|u| parts[*u] == part).filter(has).collect()
    };
    for class in 0..classes {
        if of_class(class, 0, parts).is_empty() {
            let elsewhere = (0..units.len()).filter(|u| units[*u].counts.iter().any(|(c, _)| *c == class));
            if let Some(u) = elsewhere.max_by_key(|u| (fixed[*u].is_none(), units[*u].len())) {
                parts[u] = 0;
            }
        }
    }
    let Some(judged) = judged else { return };
    for class in 0..classes {
        if !of_class(class, judged, parts).is_empty() {
            continue;
        }
        let spare = |u: &usize| {
            fixed[*u].is_none()
                && units[*u].counts.iter().all(|(c, _)| of_class(*c, 0, parts).iter().any(|v| v != u))
        };
        let smallest = of_class(class, 0, parts).into_iter().filter(spare).min_by_key(|u| units[*u].len());
        if let Some(u) = smallest {
            parts[u] = judged;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of random sizes with one or two of three classes.
    fn units(n: usize, seed: u64) -> Vec<Unit> {
        let mut rng = Rng::for_key(seed, &[1]);
        let mut next = 0;
        let mut one = |key: usize| {
            let class = rng.below(3);
            let mut counts = vec![(class, 1 + rng.below(9))];
            if rng.uniform() < 0.4 && class < 2 {
                counts.push((2, 1 + rng.below(4)));
            }
            let len: usize = counts.iter().map(|(_, n)| n).sum();
            next += len;
            Unit { members: (next - len..next).collect(), counts, key: key as u64 }
        };
        (0..n).map(&mut one).collect()
    }

    fn share(units: &[Unit], parts: &[usize], class: usize, part: usize) -> f64 {
        let count = |keep: &dyn Fn(usize) -> bool| -> usize {
            let of =
                |u: usize| units[u].counts.iter().filter(|(c, _)| *c == class).map(|(_, n)| n).sum::<usize>();
            (0..units.len()).filter(|u| keep(*u)).map(of).sum()
        };
        count(&|u| parts[u] == part) as f64 / count(&|_| true) as f64
    }

    #[test]
    fn every_part_has_about_its_share_of_every_class() {
        for seed in 0..8 {
            let units = units(120, seed);
            for shares in [&[0.8, 0.2][..], &[0.7, 0.2, 0.1], &[0.2; 5]] {
                let parts = assign(&units, 3, shares, &vec![None; units.len()], seed);
                for (part, want) in shares.iter().enumerate() {
                    for class in 0..3 {
                        let got = share(&units, &parts, class, part);
                        assert!(
                            (got - want).abs() < 0.06,
                            "{seed} {shares:?}: class {class} part {part}: {got}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_units_does_not_matter_and_the_seed_does() {
        let units = units(60, 3);
        let none = vec![None; 60];
        let parts = assign(&units, 3, &[0.8, 0.2], &none, 5);
        let mut turned: Vec<Unit> = units.clone();
        turned.reverse();
        let mut again = assign(&turned, 3, &[0.8, 0.2], &none, 5);
        again.reverse();
        assert_eq!(parts, again);
        assert_ne!(parts, assign(&units, 3, &[0.8, 0.2], &none, 6));
    }

    #[test]
    fn what_is_fixed_stays_and_gaps_are_filled_by_whole_units() {
        let unit = |members: &[usize], counts: &[(usize, usize)], key| Unit {
            members: members.to_vec(),
            counts: counts.to_vec(),
            key,
        };
        let two = [unit(&[0, 1], &[(0, 2)], 1), unit(&[2, 3], &[(0, 2)], 2)];
        let mut parts = vec![0, 0];
        fill_gaps(&two, &mut parts, 1, Some(1), &[None, None]);
        assert_eq!(parts.iter().filter(|p| **p == 1).count(), 1, "one of two groups is held out");
        let fixed = [Some(1), None];
        assert_eq!(assign(&two, 1, &[0.8, 0.2], &fixed, 0), [1, 0]);
        let mut parts = vec![1];
        fill_gaps(&two[..1], &mut parts, 1, Some(1), &[None]);
        assert_eq!(parts, [0], "the only group of a class is learned from");
    }
}
