//! Updates of many parameters by few launches: the host's side of `kernels/optimizer.cu`.

use super::launch::{Fresh, Grid, Launch, MAX_THREADS, Word, vector_width};
use candle_core::{DType, Result, Tensor, bail};

const FILE: &str = "optimizer";
/// Parameters of a launch, values of a block and words of a parameter, as the kernels have them.
const PARAMETERS: usize = 48;
const BLOCK_VALUES: usize = 4096;
const WORDS: usize = 8;

/// A parameter, its gradient, and what an update rule keeps of it, all f32 in its shape.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) values: Tensor,
    pub(crate) grad: Tensor,
    /// Momentum, or first moment.
    pub(crate) first: Option<Tensor>,
    /// Second moment.
    pub(crate) second: Option<Tensor>,
    /// What the values are pulled to.
    pub(crate) source: Option<Tensor>,
    /// Learning rate; of Adam by its first correction.
    pub(crate) rate: f32,
    /// Share of the values that is added to the gradient.
    pub(crate) decay: f32,
    /// Share of the values that is left (Adam).
    pub(crate) shrink: f32,
    /// Root of the second correction (Adam).
    pub(crate) root: f32,
}

/// What is done with gradients, as in `optim::rules`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// `first = momentum * first + grad`, and the step is `ahead * grad + kept * first`.
    Descend { momentum: f32, ahead: f32, kept: f32 },
    /// Adam with one less the first decay, the second and one less the second.
    Adam { new_first: f32, old_second: f32, new_second: f32, eps: f32 },
}

/// Updates parameters in place. The gradient gets `pull` times the distance from the source, and is scaled down to a norm of
/// `most` all together; where its norm is not finite nothing is changed, nor where that of the update `before` was not. Gives that norm
/// and the factor, in f64 on the card, if there is a most.
///
/// # Errors
/// If something does not fit; if memory is full. Nothing is changed then.
pub(crate) fn update(
    parameters: &[Parameter],
    step: Step,
    pull: f32,
    most: Option<f32>,
    before: Option<&Tensor>,
) -> Result<Option<Tensor>> {
    for parameter in parameters {
        parameter.check(step)?;
    }
    let batches: Vec<Batch<'_>> = parameters.chunks(PARAMETERS).map(Batch::of).collect();
    let clip = match (most, parameters.first()) {
        (Some(most), Some(first)) => Some(clip_factor(&batches, &first.values, pull, (most, before))?),
        _ => None,
    };
    for batch in &batches {
        let count = batch.parameters.len() as u32;
        let start =
            |kernel| Ok::<_, candle_core::Error>(batch.launch(kernel)?.read_if(clip.as_ref()).count(count));
        let launch = match step {
            Step::Descend { momentum, ahead, kept } => {
                start("descend")?.number(momentum).number(ahead).number(kept)
            }
            Step::Adam { new_first, old_second, new_second, eps } => {
                start("adam")?.number(new_first).number(old_second).number(new_second).number(eps)
            }
        };
        // SAFETY: the table has as many parameters as are counted, with a block for each part of their values; what belongs to a
        // parameter has as many values.
        unsafe { launch.number(pull).count(batch.width).run(batch.grid()?)? };
    }
    Ok(clip)
}

/// The norm of all gradients and the factor that brings it down to `most`, by those of the update before.
fn clip_factor(
    batches: &[Batch<'_>],
    like: &Tensor,
    pull: f32,
    (most, before): (f32, Option<&Tensor>),
) -> Result<Tensor> {
    let blocks: usize = batches.iter().map(|batch| batch.blocks).sum();
    let mut parts = Fresh::new(like.device(), DType::F64, blocks)?;
    let mut first_part = 0;
    for batch in batches {
        let launch = batch.launch("square_sums")?.write(&mut parts).count(batch.parameters.len() as u32);
        let launch = launch.count(u32::try_from(first_part)?).number(pull).count(batch.width);
        // SAFETY: as in `update`; each block writes one part, behind those of the batches before.
        unsafe { launch.run(batch.grid()?)? };
        first_part += batch.blocks;
    }
    let parts = parts.into_tensor();
    let mut norm_and_factor = Fresh::new(like.device(), DType::F64, 2)?;
    let launch = Launch::of(FILE, "clip_factor", DType::F32)?.read(&parts).read_if(before);
    let launch = launch.write(&mut norm_and_factor);
    // SAFETY: one block reads as many parts as there are and the norm before, and writes two values.
    unsafe {
        let one = Grid { blocks: [1, 1], threads: [MAX_THREADS, 1] };
        launch.count(u32::try_from(blocks)?).number(most).run(one)?;
    }
    Ok(norm_and_factor.into_tensor())
}

impl Parameter {
    fn check(&self, step: Step) -> Result<()> {
        let count = self.values.elem_count();
        if let Some(misfit) = self.tensors().find(|t| t.elem_count() != count || t.dtype() != DType::F32) {
            bail!("an update of {:?} with {:?} {:?}", self.values.dims(), misfit.dtype(), misfit.dims());
        }
        if matches!(step, Step::Adam { .. }) && (self.first.is_none() || self.second.is_none()) {
            bail!("Adam without its moments");
        }
        Ok(())
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let kept = [&self.first, &self.second, &self.source];
        [&self.values, &self.grad].into_iter().chain(kept.into_iter().flatten())
    }

    fn blocks(&self) -> usize {
        self.values.elem_count().div_ceil(BLOCK_VALUES)
    }

    /// The parameter's words of the table, if its values begin with this block.
    fn words(&self, first_block: usize) -> Result<[Word<'_>; WORDS]> {
        fn update(kept: &Option<Tensor>) -> Word<'_> {
            kept.as_ref().map_or(Word::Absent, Word::Update)
        }
        Ok([
            Word::Update(&self.values),
            Word::Read(&self.grad),
            update(&self.first),
            update(&self.second),
            self.source.as_ref().map_or(Word::Absent, Word::Read),
            Word::Pair([u32::try_from(self.values.elem_count())?, u32::try_from(first_block)?]),
            Word::Pair([self.rate.to_bits(), self.decay.to_bits()]),
            Word::Pair([self.shrink.to_bits(), self.root.to_bits()]),
        ])
    }
}

/// Parameters of one launch.
struct Batch<'a> {
    parameters: &'a [Parameter],
    blocks: usize,
    width: u32,
}

impl<'a> Batch<'a> {
    fn of(parameters: &'a [Parameter]) -> Self {
        let tensors: Vec<&Tensor> = parameters.iter().flat_map(Parameter::tensors).collect();
        Self {
            parameters,
            blocks: parameters.iter().map(Parameter::blocks).sum(),
            // Rests that are no packs are the kernels' own matter.
            width: vector_width(BLOCK_VALUES, &tensors),
        }
    }

    /// The beginning of a launch: the kernel and its table.
    fn launch(&self, kernel: &'static str) -> Result<Launch<'a>> {
        let (mut words, mut block) = (Vec::with_capacity(PARAMETERS * WORDS), 0);
        for parameter in self.parameters {
            words.extend(parameter.words(block)?);
            block += parameter.blocks();
        }
        Ok(Launch::of(FILE, kernel, DType::F32)?.table(words, PARAMETERS * WORDS))
    }

    fn grid(&self) -> Result<Grid> {
        Ok(Grid { blocks: [u32::try_from(self.blocks)?, 1], threads: [MAX_THREADS, 1] })
    }
}
