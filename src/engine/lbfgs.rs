//! Limited-memory BFGS (Liu and Nocedal 1989) for smooth functions, in f64.

use crate::error::Result;
use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 12;
/// Armijo's share of the promised decrease that a step must give.
const DECREASE: f64 = 1e-4;
/// Halvings of a step before the search gives up: the function is then flat to rounding.
const MAX_HALVINGS: usize = 40;

/// A function of the point: its value and its gradient there.
type Objective<'a> = dyn FnMut(&[f64]) -> Result<(f64, Vec<f64>)> + 'a;

/// Where the search ended.
#[derive(Debug, Clone)]
pub(crate) struct Minimum {
    /// The point.
    pub(crate) x: Vec<f64>,
    /// Largest absolute component of the gradient there.
    pub(crate) gradient_max: f64,
    /// Iterations made.
    pub(crate) iterations: usize,
}

/// Minimises `f` from `start`. `f` gives value and gradient; an error from it stops the search.
///
/// Ends when the gradient's largest component is at most `tolerance`, after `max_iterations`, or where rounding leaves no
/// descent.
pub(crate) fn minimise(
    start: Vec<f64>,
    tolerance: f64,
    max_iterations: usize,
    f: &mut Objective<'_>,
) -> Result<Minimum> {
    let mut x = start;
    let (mut value, mut gradient) = f(&x)?;
    let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    let mut iterations = 0;
    while iterations < max_iterations && max_abs(&gradient) > tolerance {
        let mut direction = descent_direction(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = dot(&direction, &gradient);
        }
        let first = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let Some(next) = search(&x, value, &direction, slope, first, f)? else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        iterations += 1;
        let step: Vec<f64> = next.x.iter().zip(&x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next.gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * dot(&change, &change) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back(Pair { step, change, curvature });
        }
        x = next.x;
        value = next.value;
        gradient = next.gradient;
    }
    Ok(Minimum { x, gradient_max: max_abs(&gradient), iterations })
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// The two-loop recursion: an approximate Newton direction.
fn descent_direction(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for p in pairs.iter().rev() {
        let alpha = dot(&p.step, &q) / p.curvature;
        axpy(-alpha, &p.change, &mut q);
        alphas.push(alpha);
    }
    if let Some(last) = pairs.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        q.iter_mut().for_each(|v| *v *= scale);
    }
    for (p, alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = dot(&p.change, &q) / p.curvature;
        axpy(alpha - beta, &p.step, &mut q);
    }
    q
}

/// Backtracking line search; `None` where no step decreases the function.
fn search(
    x: &[f64],
    value: f64,
    direction: &[f64],
    slope: f64,
    first: f64,
    f: &mut Objective<'_>,
) -> Result<Option<Point>> {
    let mut length = first;
    for _ in 0..MAX_HALVINGS {
        let mut at = x.to_vec();
        axpy(length, direction, &mut at);
        let (v, gradient) = f(&at)?;
        if v <= value + DECREASE * length * slope {
            return Ok(Some(Point { x: at, value: v, gradient }));
        }
        length *= 0.5;
    }
    Ok(None)
}

/// Scalar product with eight running sums, so that it vectorises; the order of summation is fixed.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (p, q) in a8.iter().zip(b8) {
        for i in 0..8 {
            sums[i] += p[i] * q[i];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(p, q)| p * q).sum::<f64>()
}

/// `y += k * x`.
pub(crate) fn axpy(k: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += k * x;
    }
}

fn max_abs(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |m, x| m.max(x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_valley_of_rosenbrock() {
        let mut f = |p: &[f64]| {
            let (x, y) = (p[0], p[1]);
            let g = vec![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
            Ok(((1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2), g))
        };
        let m = minimise(vec![-1.2, 1.0], 1e-8, 500, &mut f).unwrap();
        assert!((m.x[0] - 1.0).abs() < 1e-6 && (m.x[1] - 1.0).abs() < 1e-6, "{m:?}");
        assert!(m.iterations < 100 && m.gradient_max <= 1e-8, "{m:?}");
    }

    #[test]
    fn an_error_from_the_function_stops_the_search() {
        let mut f = |_: &[f64]| Err(crate::Error::cancelled());
        assert!(minimise(vec![0.0], 1e-8, 10, &mut f).unwrap_err().is_cancelled());
    }
}
