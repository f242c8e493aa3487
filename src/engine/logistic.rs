//! Multinomial logistic regression with an L2 penalty on frozen features: the linear head in one go.
//!
//! Minimises `mean_i w_i CE(x_i W + b, y_i) + strength / 2 * |W|^2` over features that were centred and divided by one common
//! scale, which makes the strengths comparable between backbones. Solved with L-BFGS in f64.

use super::lbfgs::{axpy, dot, minimise};
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use rayon::prelude::*;

/// Strengths that are tried, strongest first, so that each fit starts from its stronger neighbour.
const STRENGTHS: [f64; 9] = [1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4];
/// Parts into which the training pictures are divided; each is held out once.
const FOLDS: usize = 5;
/// Past this many multiplications per evaluation only one fold is held out.
const SMALL_PROBLEM: usize = 40_000_000;
const SEARCH_TOLERANCE: f64 = 1e-4;
const FINAL_TOLERANCE: f64 = 1e-6;
const MAX_ITERATIONS: usize = 400;
/// About how many fits of the search take as long as one to the end.
const SEARCHES_A_FIT: usize = 4;
/// Rows of one partial sum: fixed, so that results do not depend on the number of threads.
const ROWS: usize = 64;
/// Largest number of partial sums.
const MAX_PARTS: usize = 64;

/// Labelled features.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labelled<'a> {
    /// `[N, F]`, row by row.
    pub(crate) features: &'a [f32],
    /// F.
    pub(crate) width: usize,
    /// N classes, each below `classes`.
    pub(crate) labels: &'a [usize],
    /// Which picture each row shows; rows of one picture are held out together.
    pub(crate) pictures: &'a [usize],
    /// K.
    pub(crate) classes: usize,
    /// Weight of each class in the loss.
    pub(crate) class_weights: Option<&'a [f32]>,
}

/// A fitted linear head.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    /// `[F, K]`.
    pub(crate) weight: Vec<f32>,
    /// `[K]`.
    pub(crate) bias: Vec<f32>,
    /// The strength that had the lowest loss on held-out pictures.
    pub(crate) strength: f64,
    /// Iterations of the last fit.
    pub(crate) iterations: usize,
    /// Its largest gradient component.
    pub(crate) gradient_max: f64,
}

/// Chooses the strength on held-out pictures, then fits to all. `keep_going` is asked before every evaluation.
///
/// # Errors
/// If there are no rows, a value is not finite, or `keep_going` stops it.
pub(crate) fn fit(
    data: &Labelled<'_>,
    seed: u64,
    keep_going: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Fit> {
    let rows = Rows::new(data)?;
    let strength = rows.best_strength(&fold_of_each_row(data, seed), &|_| keep_going())?;
    rows.fit_all(strength, keep_going)
}

/// Class probabilities of each row `[N][K]`, from a fit to the rows of the other folds, at the strength that [`fit`] would choose.
/// `progress` counts what takes about the same time, and is asked before every evaluation.
///
/// # Errors
/// As [`fit`].
pub(crate) fn out_of_fold(
    data: &Labelled<'_>,
    seed: u64,
    progress: &(dyn Fn(usize, usize) -> Result<()> + Sync),
) -> Result<Vec<Vec<f32>>> {
    let rows = Rows::new(data)?;
    let folds = fold_of_each_row(data, seed);
    let searches = rows.folds_of_search() * STRENGTHS.len();
    let total = searches + FOLDS * SEARCHES_A_FIT;
    let strength = rows.best_strength(&folds, &|done| progress(done, total))?;
    let mut out = vec![Vec::new(); rows.n];
    for fold in 0..FOLDS {
        let learn: Vec<usize> = (0..rows.n).filter(|&i| folds[i] != fold).collect();
        let done = searches + fold * SEARCHES_A_FIT;
        let mut f = |x: &[f64]| progress(done, total).map(|()| rows.loss_and_gradient(&learn, x, strength));
        let start = vec![0.0; rows.k * (rows.f + 1)];
        let theta = match learn.is_empty() {
            true => start,
            false => minimise(start, FINAL_TOLERANCE, MAX_ITERATIONS, &mut f)?.x,
        };
        for i in (0..rows.n).filter(|&i| folds[i] == fold) {
            let mut p = vec![0.0; rows.k];
            rows.row_loss(i, &theta, &mut p);
            out[i] = p.into_iter().map(|v| v as f32).collect();
        }
    }
    Ok(out)
}

/// A stratified, seeded partition of the pictures into [`FOLDS`] folds, given for each row.
fn fold_of_each_row(data: &Labelled<'_>, seed: u64) -> Vec<usize> {
    let mut fold_of_picture = std::collections::BTreeMap::new();
    for class in 0..data.classes {
        let mut pictures: Vec<usize> =
            data.pictures.iter().zip(data.labels).filter(|(_, l)| **l == class).map(|(p, _)| *p).collect();
        pictures.sort_unstable();
        pictures.dedup();
        Rng::for_key(seed, &[super::keys::FOLDS, class as u64]).shuffle(&mut pictures);
        for (i, p) in pictures.into_iter().enumerate() {
            fold_of_picture.insert(p, i % FOLDS);
        }
    }
    data.pictures.iter().map(|p| fold_of_picture.get(p).copied().unwrap_or(0)).collect()
}

/// Centred and scaled rows in f64. Parameters are `[K, F + 1]`, the bias last in each row.
struct Rows {
    x: Vec<f64>,
    labels: Vec<usize>,
    weights: Vec<f64>,
    mean: Vec<f64>,
    scale: f64,
    n: usize,
    f: usize,
    k: usize,
}

impl Rows {
    fn new(data: &Labelled<'_>) -> Result<Self> {
        let (n, f, k) = (data.labels.len(), data.width, data.classes);
        if n == 0 || f == 0 || data.features.len() != n * f || data.pictures.len() != n {
            return Err(Error::internal(format!(
                "{} feature values do not make {n} rows of {f}",
                data.features.len()
            )));
        }
        if data.features.iter().any(|v| !v.is_finite()) {
            return Err(Error::new(crate::ErrorKind::Numeric, "a feature of the frozen part is not finite")
                .with_hint("Check the weight file: it may be damaged"));
        }
        let mut mean = vec![0.0; f];
        for row in data.features.chunks_exact(f) {
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v));
        }
        mean.iter_mut().for_each(|m| *m /= n as f64);
        let mut x: Vec<f64> = Vec::with_capacity(n * f);
        for row in data.features.chunks_exact(f) {
            x.extend(row.iter().zip(&mean).map(|(&v, m)| f64::from(v) - m));
        }
        let scale = (dot(&x, &x) / (n * f) as f64).sqrt().max(1e-12);
        x.iter_mut().for_each(|v| *v /= scale);
        let weights = data
            .labels
            .iter()
            .map(|&l| data.class_weights.map_or(1.0, |w| w.get(l).copied().map_or(1.0, f64::from)))
            .collect();
        Ok(Self { x, labels: data.labels.to_vec(), weights, mean, scale, n, f, k })
    }

    /// How many folds are held out in turn to choose the strength.
    fn folds_of_search(&self) -> usize {
        if self.n * self.f * self.k <= SMALL_PROBLEM { FOLDS } else { 1 }
    }

    /// The strength with the lowest loss on held-out rows. `progress` is told how many fits are done.
    fn best_strength(&self, folds: &[usize], progress: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<f64> {
        let losses: Vec<Vec<f64>> = (0..self.folds_of_search())
            .map(|fold| {
                let learn: Vec<usize> = (0..self.n).filter(|&i| folds[i] != fold).collect();
                let judge: Vec<usize> = (0..self.n).filter(|&i| folds[i] == fold).collect();
                if judge.is_empty() || learn.is_empty() {
                    return Ok(vec![0.0; STRENGTHS.len()]);
                }
                let mut start = vec![0.0; self.k * (self.f + 1)];
                STRENGTHS
                    .iter()
                    .enumerate()
                    .map(|(i, &strength)| {
                        let done = fold * STRENGTHS.len() + i;
                        let mut f =
                            |x: &[f64]| progress(done).map(|()| self.loss_and_gradient(&learn, x, strength));
                        let from = std::mem::take(&mut start);
                        start = minimise(from, SEARCH_TOLERANCE, MAX_ITERATIONS, &mut f)?.x;
                        Ok(self.loss(&judge, &start) * judge.len() as f64)
                    })
                    .collect()
            })
            .collect::<Result<_>>()?;
        let total = |s: usize| losses.iter().map(|l| l[s]).sum::<f64>();
        let best = (0..STRENGTHS.len()).min_by(|&a, &b| total(a).total_cmp(&total(b))).unwrap_or(0);
        Ok(STRENGTHS[best])
    }

    fn fit_all(&self, strength: f64, keep_going: &(dyn Fn() -> Result<()> + Sync)) -> Result<Fit> {
        let all: Vec<usize> = (0..self.n).collect();
        let mut f = |x: &[f64]| keep_going().map(|()| self.loss_and_gradient(&all, x, strength));
        let end = minimise(vec![0.0; self.k * (self.f + 1)], FINAL_TOLERANCE, MAX_ITERATIONS, &mut f)?;
        let mut weight = vec![0.0f32; self.f * self.k];
        let mut bias = vec![0.0f32; self.k];
        for (class, theta) in end.x.chunks_exact(self.f + 1).enumerate() {
            let (w, b) = theta.split_at(self.f);
            bias[class] = (b[0] - dot(w, &self.mean) / self.scale) as f32;
            for (feature, w) in w.iter().enumerate() {
                weight[feature * self.k + class] = (w / self.scale) as f32;
            }
        }
        Ok(Fit { weight, bias, strength, iterations: end.iterations, gradient_max: end.gradient_max })
    }

    /// Weighted mean of the cross-entropy over `rows`, without the penalty.
    fn loss(&self, rows: &[usize], theta: &[f64]) -> f64 {
        let mut p = vec![0.0; self.k];
        let (mut sum, mut weight) = (0.0, 0.0);
        for &i in rows {
            sum += self.weights[i] * self.row_loss(i, theta, &mut p);
            weight += self.weights[i];
        }
        sum / weight
    }

    /// Cross-entropy of row `i`; `p` gets the class probabilities.
    fn row_loss(&self, i: usize, theta: &[f64], p: &mut [f64]) -> f64 {
        let x = &self.x[i * self.f..(i + 1) * self.f];
        for (z, t) in p.iter_mut().zip(theta.chunks_exact(self.f + 1)) {
            *z = dot(x, &t[..self.f]) + t[self.f];
        }
        let top = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let truth = p[self.labels[i]] - top;
        let sum: f64 = p
            .iter_mut()
            .map(|z| {
                *z = (*z - top).exp();
                *z
            })
            .sum();
        p.iter_mut().for_each(|z| *z /= sum);
        sum.ln() - truth
    }

    fn loss_and_gradient(&self, rows: &[usize], theta: &[f64], strength: f64) -> (f64, Vec<f64>) {
        let total: f64 = rows.iter().map(|&i| self.weights[i]).sum();
        let part = ROWS.max(rows.len().div_ceil(MAX_PARTS));
        let parts: Vec<(f64, Vec<f64>)> = rows
            .par_chunks(part)
            .map(|rows| {
                let mut gradient = vec![0.0; theta.len()];
                let mut p = vec![0.0; self.k];
                let mut loss = 0.0;
                for &i in rows {
                    let w = self.weights[i] / total;
                    loss += w * self.row_loss(i, theta, &mut p);
                    let x = &self.x[i * self.f..(i + 1) * self.f];
                    for (class, g) in gradient.chunks_exact_mut(self.f + 1).enumerate() {
                        let d = w * (p[class] - f64::from(u8::from(class == self.labels[i])));
                        axpy(d, x, &mut g[..self.f]);
                        g[self.f] += d;
                    }
                }
                (loss, gradient)
            })
            .collect();
        let mut loss = 0.0;
        let mut gradient = vec![0.0; theta.len()];
        for (l, g) in parts {
            loss += l;
            axpy(1.0, &g, &mut gradient);
        }
        for (t, g) in theta.chunks_exact(self.f + 1).zip(gradient.chunks_exact_mut(self.f + 1)) {
            loss += 0.5 * strength * dot(&t[..self.f], &t[..self.f]);
            axpy(strength, &t[..self.f], &mut g[..self.f]);
        }
        (loss, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three overlapping clouds in five dimensions, one row a picture.
    struct Clouds {
        features: Vec<f32>,
        labels: Vec<usize>,
        pictures: Vec<usize>,
    }

    impl Clouds {
        fn new(n: usize) -> Self {
            let mut rng = Rng::for_key(3, &[]);
            let mut features = Vec::new();
            let labels: Vec<usize> = (0..n).map(|i| i % 3).collect();
            for &l in &labels {
                for d in 0..5 {
                    features.push((rng.normal() + if d == l { 1.5 } else { 0.0 } + 10.0) as f32);
                }
            }
            Self { features, labels, pictures: (0..n).collect() }
        }

        fn labelled(&self) -> Labelled<'_> {
            Labelled {
                features: &self.features,
                width: 5,
                labels: &self.labels,
                pictures: &self.pictures,
                classes: 3,
                class_weights: None,
            }
        }
    }

    #[test]
    fn the_fit_is_where_the_gradient_vanishes_by_finite_differences() {
        let clouds = Clouds::new(90);
        let labels = &clouds.labels;
        let weights = [1.0, 2.0, 0.5];
        let data = Labelled { class_weights: Some(&weights), ..clouds.labelled() };
        let fit = fit(&data, 0, &|| Ok(())).unwrap();
        let rows = Rows::new(&data).unwrap();
        // Back to the centred and scaled problem, whose objective is evaluated from its definition alone.
        let objective = |w: &[f64], b: &[f64]| {
            let (mut sum, mut total) = (0.0, 0.0);
            for i in 0..90 {
                let z: Vec<f64> = (0..3)
                    .map(|c| b[c] + (0..5).map(|f| rows.x[i * 5 + f] * w[f * 3 + c]).sum::<f64>())
                    .collect();
                let lse = z.iter().map(|v| v.exp()).sum::<f64>().ln();
                sum += f64::from(weights[labels[i]]) * (lse - z[labels[i]]);
                total += f64::from(weights[labels[i]]);
            }
            sum / total + 0.5 * fit.strength * w.iter().map(|v| v * v).sum::<f64>()
        };
        let w: Vec<f64> = fit.weight.iter().map(|&v| f64::from(v) * rows.scale).collect();
        let b: Vec<f64> = (0..3)
            .map(|c| {
                f64::from(fit.bias[c])
                    + (0..5).map(|f| f64::from(fit.weight[f * 3 + c]) * rows.mean[f]).sum::<f64>()
            })
            .collect();
        for j in 0..15 {
            let (mut up, mut down) = (w.clone(), w.clone());
            up[j] += 1e-4;
            down[j] -= 1e-4;
            let slope = (objective(&up, &b) - objective(&down, &b)) / 2e-4;
            assert!(slope.abs() < 1e-5, "weight {j}: slope {slope}");
        }
        assert!(fit.gradient_max <= FINAL_TOLERANCE, "{fit:?}");
        let far: Vec<f64> = w.iter().map(|v| v + 0.1).collect();
        assert!(objective(&far, &b) > objective(&w, &b));
    }

    #[test]
    fn rows_of_one_picture_are_held_out_together() {
        let pictures: Vec<usize> = (0..60).map(|i| i % 3 + 3 * (i / 6)).collect();
        let clouds = Clouds { pictures: pictures.clone(), ..Clouds::new(60) };
        let folds = fold_of_each_row(&clouds.labelled(), 1);
        for i in 0..60 {
            for j in 0..60 {
                assert!(pictures[i] != pictures[j] || folds[i] == folds[j]);
            }
        }
        let used: std::collections::BTreeSet<_> = folds.iter().collect();
        assert_eq!(used.len(), FOLDS);
    }

    #[test]
    fn a_request_to_stop_is_obeyed() {
        let clouds = Clouds::new(30);
        assert!(fit(&clouds.labelled(), 0, &|| Err(Error::cancelled())).unwrap_err().is_cancelled());
    }
}
