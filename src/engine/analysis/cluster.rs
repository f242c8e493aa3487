//! An order of the classes in which those that are taken for each other stand side by side.

use crate::engine::ConfusionMatrix;

/// The leaves, from left to right, of the tree that average linkage (UPGMA, Sokal and Michener 1958) makes of the classes.
/// Two classes are as far apart as 1 less the mean of the two shares of one that were taken for the other.
pub fn order(confusion: &ConfusionMatrix) -> Vec<usize> {
    leaves(distances(confusion), confusion.classes())
}

fn distances(confusion: &ConfusionMatrix) -> Vec<f64> {
    let n = confusion.classes();
    let rows: Vec<f64> = (0..n).map(|truth| confusion.row_total(truth).max(1) as f64).collect();
    let taken = |a: usize, b: usize| confusion.count(a, b) as f64 / rows[a];
    (0..n * n).map(|i| (i / n, i % n)).map(|(a, b)| 1.0 - (taken(a, b) + taken(b, a)) / 2.0).collect()
}

/// Two clusters that become one.
struct Merge {
    /// A leaf of each.
    of: [usize; 2],
    distance: f64,
}

/// Average linkage by nearest-neighbour chains (Müllner 2011, "Modern hierarchical, agglomerative clustering algorithms"),
/// with scipy's choice between equal distances, so that `scipy.cluster.hierarchy.leaves_list` gives the same order.
/// `distances`: `[n, n]`, symmetric; changed on the way.
fn leaves(mut distances: Vec<f64>, n: usize) -> Vec<usize> {
    let mut size = vec![1.0_f64; n];
    let mut chain: Vec<usize> = Vec::with_capacity(n);
    let mut merges: Vec<Merge> = Vec::with_capacity(n);
    while merges.len() + 1 < n {
        if chain.is_empty() {
            chain.extend((0..n).find(|&i| size[i] > 0.0));
        }
        let Some(&end) = chain.last() else { break };
        // The one before in the chain is preferred among equally near ones, which keeps the chain from going in circles.
        let before = chain.len().checked_sub(2).map(|i| chain[i]);
        let mut nearest = before;
        let mut distance = before.map_or(f64::INFINITY, |b| distances[end * n + b]);
        for other in (0..n).filter(|&other| size[other] > 0.0 && other != end) {
            if distances[end * n + other] < distance {
                (distance, nearest) = (distances[end * n + other], Some(other));
            }
        }
        let Some(nearest) = nearest else { break };
        if before != Some(nearest) {
            chain.push(nearest);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let (gone, kept) = (end.min(nearest), end.max(nearest));
        merges.push(Merge { of: [gone, kept], distance });
        let (a, b) = (std::mem::replace(&mut size[gone], 0.0), size[kept]);
        size[kept] = a + b;
        for other in (0..n).filter(|&other| size[other] > 0.0 && other != kept) {
            let mean = (a * distances[other * n + gone] + b * distances[other * n + kept]) / (a + b);
            distances[other * n + kept] = mean;
            distances[kept * n + other] = mean;
        }
    }
    merges.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    read_leaves(&merges, n)
}

/// The leaves under the last of the sorted merges: in each, the cluster that was made first stands first.
fn read_leaves(merges: &[Merge], n: usize) -> Vec<usize> {
    // The number of the cluster that each number has become part of: leaves first, then one for each merge.
    let mut parent: Vec<usize> = (0..n + merges.len()).collect();
    let mut clusters: Vec<Vec<usize>> = (0..n).map(|leaf| vec![leaf]).collect();
    for (i, merge) in merges.iter().enumerate() {
        let mut roots = merge.of.map(|mut at| {
            while parent[at] != at {
                at = parent[at];
            }
            at
        });
        roots.sort_unstable();
        for root in roots {
            parent[root] = n + i;
        }
        let [mut first, second] = roots.map(|root| std::mem::take(&mut clusters[root]));
        first.extend(second);
        clusters.push(first);
    }
    clusters.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_classes_keep_their_order() {
        assert!(order(&ConfusionMatrix::new(0)).is_empty());
        assert_eq!(order(&ConfusionMatrix::new(1)), [0]);
        assert_eq!(order(&ConfusionMatrix::new(2)), [0, 1]);
    }

    #[test]
    fn classes_that_are_taken_for_each_other_stand_side_by_side() {
        let mut m = ConfusionMatrix::new(6);
        for (t, p, times) in
            [(0, 0, 9), (0, 4, 5), (4, 4, 9), (1, 1, 9), (1, 5, 3), (5, 5, 9), (2, 2, 9), (3, 3, 9)]
        {
            (0..times).for_each(|_| m.add(t, p));
        }
        let order = order(&m);
        let at = |class: usize| order.iter().position(|&c| c == class).unwrap();
        assert!(at(0).abs_diff(at(4)) == 1 && at(1).abs_diff(at(5)) == 1, "{order:?}");
    }
}
