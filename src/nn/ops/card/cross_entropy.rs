//! Cross-entropy of rows of logits: the host's side of `kernels/cross_entropy.cu`.

use super::launch::{Fresh, Grid, Launch, MAX_THREADS, vector_width};
use candle_core::{Result, Tensor, bail};

const FILE: &str = "cross_entropy";

/// The sum over rows and classes of `shares` times negative log-probabilities, times `scale`: a scalar, of `[N, K]` logits and f32
/// shares.
pub(crate) fn cross_entropy(logits: &Tensor, shares: &Tensor, scale: f32) -> Result<Tensor> {
    let (rows, classes) = sizes(logits, shares)?;
    let mut costs = Fresh::floats(logits, rows)?;
    let launch = Launch::of(FILE, "costs", logits.dtype())?.read(logits).read(shares).write(&mut costs);
    let launch = launch.count(u32::try_from(rows)?).count(u32::try_from(classes)?);
    // SAFETY: each warp reads a row of both, and writes one value.
    unsafe { launch.count(vector_width(classes, &[logits, shares])).run(Grid::of_rows(rows)?)? };
    let (costs, mut loss) = (costs.into_tensor(), Fresh::floats(logits, ())?);
    let launch = Launch::of(FILE, "total", logits.dtype())?.read(&costs).write(&mut loss);
    // SAFETY: the kernel reads all rows' costs, and writes one value.
    unsafe {
        let grid = Grid { blocks: [1, 1], threads: [1, MAX_THREADS] };
        launch.count(u32::try_from(rows)?).number(scale).run(grid)?;
    }
    Ok(loss.into_tensor())
}

/// The gradient of the logits from `grad`, the scalar's.
pub(crate) fn gradient_of_cross_entropy(
    logits: &Tensor,
    shares: &Tensor,
    grad: &Tensor,
    scale: f32,
) -> Result<Tensor> {
    let (rows, classes) = sizes(logits, shares)?;
    if grad.elem_count() != 1 {
        bail!("the gradient {:?} of a scalar", grad.dims());
    }
    let mut of_logits = Fresh::like(logits, (rows, classes))?;
    let launch = Launch::of(FILE, "gradient", logits.dtype())?.read(logits).read(shares).read(grad);
    let launch = launch.write(&mut of_logits).count(u32::try_from(rows)?).count(u32::try_from(classes)?);
    let launch = launch.number(scale).count(vector_width(classes, &[logits, shares]));
    // SAFETY: each warp reads a row of both and the scalar's gradient, and writes a row.
    unsafe { launch.run(Grid::of_rows(rows)?)? };
    Ok(of_logits.into_tensor())
}

fn sizes(logits: &Tensor, shares: &Tensor) -> Result<(usize, usize)> {
    if logits.dims() != shares.dims() {
        bail!("logits {:?} with shares {:?}", logits.dims(), shares.dims());
    }
    logits.dims2()
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::super::{emulated, launched};
    use crate::nn::loss::{cross_entropy, soft_cross_entropy};
    use candle_core::{Device, Tensor, Var};

    /// Values that a card gives for rows of each length of a warp's turns, ones that are alike and ones that lie far from zero.
    #[test]
    fn the_loss_and_its_gradient_are_those_of_the_processor() {
        for (rows, classes) in [(1, 1), (3, 2), (5, 37), (9, 128), (300, 10), (4, 1000)] {
            let values = |i: usize| ((i as f32 * 0.7).sin() * 30.0).round() - 500.0 * (i % 3) as f32;
            let logits: Vec<f32> = (0..rows * classes).map(values).collect();
            let targets: Vec<u32> = (0..rows).map(|i| (i * 7 % classes) as u32).collect();
            let weights: Vec<f32> =
                (0..classes).map(|c| if c % 5 == 4 { 0.0 } else { 1.0 + c as f32 }).collect();
            let mut soft = vec![0f32; rows * classes];
            for (i, row) in soft.chunks_exact_mut(classes).enumerate() {
                row[i % classes] += 0.3;
                row[(i + 1) % classes] += 0.7;
            }
            let run = || {
                let logits = Var::from_slice(&logits, (rows, classes), &Device::Cpu).unwrap();
                let hard = cross_entropy(&logits, &targets, Some(&weights), 0.1).unwrap();
                let plain = cross_entropy(&logits, &targets, None, 0.0).unwrap();
                let soft = soft_cross_entropy(&logits, &soft, Some(&weights), 0.2).unwrap();
                [hard, plain, soft].map(|loss: Tensor| {
                    let grads = (&loss * 3.0).unwrap().backward().unwrap();
                    let grads = grads.get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    (loss.to_scalar::<f32>().unwrap(), grads)
                })
            };
            let before = launched();
            let (want, got) = (run(), emulated(run));
            assert_eq!(launched() - before, 9);
            for ((loss, grads), (loss_of_card, grads_of_card)) in want.iter().zip(&got) {
                assert!((loss - loss_of_card).abs() <= 2e-6 * loss.abs().max(1.0), "{loss} {loss_of_card}");
                for (a, b) in grads.iter().zip(grads_of_card) {
                    assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{rows} {classes}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_count_does_not_spoil_the_loss_and_what_diverges_shows() {
        emulated(|| {
            let logits = |values: [f32; 3]| Tensor::from_slice(&values, (1, 3), &Device::Cpu).unwrap();
            let of = |t: &Tensor| cross_entropy(t, &[0], None, 0.0).unwrap().to_scalar::<f32>().unwrap();
            assert!((of(&logits([1.0, f32::NEG_INFINITY, 1.0])) - 2f32.ln()).abs() < 1e-6);
            assert!(of(&logits([1.0, f32::NAN, 1.0])).is_nan());
            assert!(of(&logits([f32::NAN; 3])).is_nan());
            assert!(of(&logits([1.0, f32::INFINITY, 1.0])).is_nan());
        });
    }
}
