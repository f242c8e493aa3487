//! Weight initialisation, drawn from our own seeded generator, and the builder that registers parameters with it.

use super::params::{ParamId, ParamKind, ParamStore};
use super::rng::Rng;
use crate::error::Result;
use candle_core::{Device, Tensor};
use rayon::prelude::*;

/// How a parameter's first values are drawn. Fans are those of PyTorch: `fan_in` is the number of inputs that reach one
/// output, `fan_out` the number of outputs that one input reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// Normal with mean 0 and this deviation.
    Normal(f64),
    /// Normal with deviation `sqrt(2 / fan_out)` (He et al. 2015): torchvision's ResNet, MobileNet and VGG convolutions.
    KaimingNormalFanOut,
    /// Normal with deviation `sqrt(2 / fan_in)` (He et al. 2015): torchvision's DenseNet convolutions.
    KaimingNormalFanIn,
    /// Uniform within `sqrt(6 / fan_in)` of 0 (He et al. 2015): torchvision's SqueezeNet convolutions.
    KaimingUniformFanIn,
    /// Uniform within `1 / sqrt(fan_in)` of 0: PyTorch's default for weights and biases of convolutions and linear layers.
    /// A bias takes the fan of its weight.
    TorchDefault {
        /// Inputs that reach one output.
        fan_in: usize,
    },
}

impl Init {
    /// Draws `shape` (inside layout) for parameter number `index`.
    ///
    /// # Errors
    /// If the tensor cannot be made.
    pub fn draw(self, shape: &[usize], seed: u64, index: usize, device: &Device) -> Result<Tensor> {
        // [KH, KW, Cin / groups, Cout] and [In, Out] alike: the last axis is the output, the last but one the input.
        let (taps, inputs, outputs) = match *shape {
            [kh, kw, cin, cout] => (kh * kw, cin, cout),
            [cin, cout] => (1, cin, cout),
            _ => (1, shape.iter().product(), 1),
        };
        let (fan_in, fan_out) = ((taps * inputs).max(1) as f64, (taps * outputs).max(1) as f64);
        let values = match self {
            Self::Constant(value) => vec![value; shape.iter().product()],
            Self::Normal(std) => fill(shape, seed, index, |r| r.normal() * std),
            Self::KaimingNormalFanOut => {
                let std = (2.0 / fan_out).sqrt();
                fill(shape, seed, index, |r| r.normal() * std)
            }
            Self::KaimingNormalFanIn => {
                let std = (2.0 / fan_in).sqrt();
                fill(shape, seed, index, |r| r.normal() * std)
            }
            Self::KaimingUniformFanIn => {
                let bound = (6.0 / fan_in).sqrt();
                fill(shape, seed, index, |r| r.range(-bound, bound))
            }
            Self::TorchDefault { fan_in } => {
                let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
                fill(shape, seed, index, |r| r.range(-bound, bound))
            }
        };
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}

/// Fills in parcels, each with its own stream, so that large networks are drawn on all cores and always alike.
fn fill(shape: &[usize], seed: u64, index: usize, draw: impl Fn(&mut Rng) -> f64 + Sync) -> Vec<f32> {
    let mut values = vec![0f32; shape.iter().product()];
    values.par_chunks_mut(1 << 16).enumerate().for_each(|(parcel, values)| {
        let mut rng = Rng::for_key(seed, &[index as u64, parcel as u64]);
        values.iter_mut().for_each(|v| *v = draw(&mut rng) as f32);
    });
    values
}

/// Registers parameters under a common prefix, with fresh values.
#[derive(Debug)]
pub struct ParamBuilder<'a> {
    store: &'a mut ParamStore,
    prefix: String,
    seed: u64,
    device: Device,
}

impl<'a> ParamBuilder<'a> {
    /// A builder without a prefix. Parameter number i of the store is drawn from `seed` and i.
    pub fn new(store: &'a mut ParamStore, seed: u64, device: &Device) -> Self {
        Self { store, prefix: String::new(), seed, device: device.clone() }
    }

    /// A builder whose names all begin with `prefix.name.`; an empty name changes nothing.
    pub fn child(&mut self, name: &str) -> ParamBuilder<'_> {
        let prefix = self.full_name(name);
        ParamBuilder { store: self.store, prefix, seed: self.seed, device: self.device.clone() }
    }

    /// Registers `prefix.name` with values drawn by `init`.
    ///
    /// # Errors
    /// If the name is taken or the shape does not fit `kind`.
    pub fn add(&mut self, name: &str, kind: ParamKind, shape: &[usize], init: Init) -> Result<ParamId> {
        let values = init.draw(shape, self.seed, self.store.len(), &self.device)?;
        self.store.add(self.full_name(name), kind, values)
    }

    /// How many parameters the store holds so far: the number of the next one.
    pub fn registered(&self) -> usize {
        self.store.len()
    }

    fn full_name(&self, name: &str) -> String {
        match (self.prefix.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (_, true) => self.prefix.clone(),
            _ => format!("{}.{name}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init, shape: &[usize]) -> (f64, f64) {
        let v =
            init.draw(shape, 3, 5, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let largest = v.iter().fold(0f64, |m, &v| m.max(f64::from(v).abs()));
        let square: f64 = v.iter().map(|&v| f64::from(v).powi(2)).sum();
        ((square / v.len() as f64).sqrt(), largest)
    }

    #[test]
    fn spreads_are_those_of_the_formulas() {
        let conv = [3, 3, 64, 128];
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.02;
        let (std, _) = moments(Init::KaimingNormalFanOut, &conv);
        assert!(near(std, (2.0 / (9.0 * 128.0f64)).sqrt()), "{std}");
        let (std, _) = moments(Init::KaimingNormalFanIn, &conv);
        assert!(near(std, (2.0 / (9.0 * 64.0f64)).sqrt()), "{std}");
        let (std, largest) = moments(Init::KaimingUniformFanIn, &conv);
        let bound = (6.0 / (9.0 * 64.0f64)).sqrt();
        assert!(
            near(std, bound / 3f64.sqrt()) && near(largest, bound) && largest <= bound,
            "{std} {largest}"
        );
        let (_, largest) = moments(Init::TorchDefault { fan_in: 400 }, &[400, 100]);
        assert!(near(largest, 0.05), "{largest}");
        let (std, _) = moments(Init::Normal(0.01), &[400, 100]);
        assert!(near(std, 0.01), "{std}");
    }

    #[test]
    fn names_are_joined_and_draws_depend_on_seed_and_position() {
        let mut store = ParamStore::new();
        let draw = |seed, index| {
            let t = Init::Normal(1.0).draw(&[4], seed, index, &Device::Cpu).unwrap();
            t.to_vec1::<f32>().unwrap()
        };
        let mut root = ParamBuilder::new(&mut store, 1, &Device::Cpu);
        let mut inner = root.child("layer1");
        let mut block = inner.child("0");
        let id = block.add("bias", ParamKind::Bias, &[4], Init::Normal(1.0)).unwrap();
        assert_eq!(block.registered(), 1);
        assert_eq!(store.get(id).name, "layer1.0.bias");
        assert_eq!(store.tensor(id).to_vec1::<f32>().unwrap(), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }
}
