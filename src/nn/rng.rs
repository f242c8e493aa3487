//! The one source of randomness: seeded, the same on every machine, and addressed by what it is for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A seeded random generator (ChaCha8).
#[derive(Debug, Clone)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The generator of `seed` for one purpose. Different keys (for example `[epoch, sample]`) give independent streams, so
    /// that results do not depend on the order or the number of threads in which work is done.
    pub fn for_key(seed: u64, key: &[u64]) -> Self {
        // SplitMix64's finaliser over the words: every bit of every word reaches the whole state.
        let mut state = [0u64; 4];
        for (i, slot) in state.iter_mut().enumerate() {
            let mut h = mix(seed ^ (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            for &word in key {
                h = mix(h ^ mix(word.wrapping_add(0x9E37_79B9_7F4A_7C15)));
            }
            *slot = h;
        }
        Self(ChaCha8Rng::from_seed(bytemuck::cast(state)))
    }

    /// Uniform in `[0, 1)` with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A whole number in `[0, n)`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The bias of a 64-bit product is below 2^-32 for every n that a data set can have.
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.uniform();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Beta(`alpha`, `alpha`) in `[0, 1]`, for `alpha` above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.ln_gamma_variate(alpha), self.ln_gamma_variate(alpha));
        // By the difference of logarithms: both variates of a small alpha may be too small for a number.
        1.0 / (1.0 + (b - a).exp())
    }

    /// Logarithm of a Gamma(`shape`, 1) variate (Marsaglia and Tsang 2000).
    fn ln_gamma_variate(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let lift = (1.0 - self.uniform()).ln() / shape;
            return self.ln_gamma_variate(shape + 1.0) + lift;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - self.uniform();
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return (d * v).ln();
            }
        }
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_stream_and_another_key_another() {
        let draw = |key: &[u64]| Rng::for_key(7, key).uniform();
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1]), draw(&[1, 0]));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut r = Rng::for_key(0, &[]);
        let n = 20_000;
        let mean = (0..n).map(|_| r.uniform()).sum::<f64>() / f64::from(n);
        let var = (0..n).map(|_| r.normal().powi(2)).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01 && (var - 1.0).abs() < 0.05, "{mean} {var}");
    }

    #[test]
    fn beta_has_its_moments_also_where_alpha_is_small() {
        for alpha in [0.05, 0.2, 1.0, 4.0] {
            let mut r = Rng::for_key(1, &[]);
            let n = 20_000;
            let drawn: Vec<f64> = (0..n).map(|_| r.beta(alpha)).collect();
            assert!(drawn.iter().all(|v| (0.0..=1.0).contains(v)));
            let mean = drawn.iter().sum::<f64>() / f64::from(n);
            let var = drawn.iter().map(|v| (v - 0.5).powi(2)).sum::<f64>() / f64::from(n);
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            // Standard error of the mean: at most 0.0036.
            assert!(
                (mean - 0.5).abs() < 0.012 && (var / expected - 1.0).abs() < 0.04,
                "{alpha}: {mean} {var}"
            );
        }
    }
}
