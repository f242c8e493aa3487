//! What stands around attention's products, by kernels for cards (`card/kernels/softmax.cu`).

use super::Attention;
use crate::nn::ops::card::{Fresh, Grid, Launch, vector_width};
use candle_core::{D, Result, Tensor, bail};

const FILE: &str = "softmax";

/// `softmax(scale * x)` over the last axis.
pub(super) fn softmax(x: &Tensor, scale: f32) -> Result<Tensor> {
    let x = x.contiguous()?;
    let columns = x.dim(D::Minus1)?;
    let rows = x.elem_count() / columns;
    let mut y = Fresh::like(&x, x.shape().clone())?;
    let launch = Launch::of(FILE, "softmax", x.dtype())?.read(&x).write(&mut y);
    let launch = launch.count(u32::try_from(rows)?).count(u32::try_from(columns)?).number(scale);
    // SAFETY: each warp reads a row, and writes one.
    unsafe { launch.count(vector_width(columns, &[&x])).run(Grid::of_rows(rows)?)? };
    Ok(y.into_tensor())
}

/// The gradient of x, from the result `p` of [`softmax`] and its gradient.
pub(super) fn softmax_gradient(p: &Tensor, grad: &Tensor, scale: f32) -> Result<Tensor> {
    let (p, grad) = (p.contiguous()?, grad.contiguous()?);
    if p.dims() != grad.dims() || p.dtype() != grad.dtype() {
        bail!("the gradient {:?} {:?} of a softmax {:?} {:?}", grad.dtype(), grad, p.dtype(), p);
    }
    let columns = p.dim(D::Minus1)?;
    let rows = p.elem_count() / columns;
    let mut of_x = Fresh::like(&p, p.shape().clone())?;
    let launch = Launch::of(FILE, "softmax_gradient", p.dtype())?.read(&p).read(&grad).write(&mut of_x);
    let launch = launch.count(u32::try_from(rows)?).count(u32::try_from(columns)?).number(scale);
    // SAFETY: each warp reads a row of both, and writes one.
    unsafe { launch.count(vector_width(columns, &[&p, &grad])).run(Grid::of_rows(rows)?)? };
    Ok(of_x.into_tensor())
}

impl Attention {
    /// `[pictures, T, parts, heads, D]` as `[parts, pictures, heads, T, D]`.
    pub(super) fn split_heads(&self, x: &Tensor, parts: usize) -> Result<Tensor> {
        let x = x.contiguous()?;
        let width = vector_width(self.depth, &[&x]);
        let items = self.items(parts, width, &x)?;
        let mut y = Fresh::like(&x, (parts, self.pictures, self.heads, self.tokens, self.depth))?;
        let launch = Launch::of(FILE, "split_heads", x.dtype())?.read(&x).write(&mut y);
        let launch = self.sizes(launch.count(u32::try_from(self.pictures)?), parts)?;
        // SAFETY: each thread reads some neighbours of a head, and writes them.
        unsafe { launch.count(u32::try_from(items)?).count(width).run(Grid::of_threads(items)?)? };
        Ok(y.into_tensor())
    }

    /// The way back, of one part or of three.
    pub(super) fn join_heads(&self, parts: &[&Tensor]) -> Result<Tensor> {
        let parts = parts.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
        let refs: Vec<&Tensor> = parts.iter().collect();
        let (&[first] | &[first, _, _]) = &refs[..] else { bail!("{} parts of attention", refs.len()) };
        let width = vector_width(self.depth, &refs);
        let mut items = 0;
        for part in &refs {
            items += self.items(1, width, part)?;
        }
        let shape = (self.pictures, self.tokens, refs.len(), self.heads, self.depth);
        let mut y = Fresh::like(first, shape)?;
        let launch = Launch::of(FILE, "join_heads", first.dtype())?.read(first);
        let launch = launch.read_if(refs.get(1).copied()).read_if(refs.get(2).copied()).write(&mut y);
        let launch = self.sizes(launch, refs.len())?;
        // SAFETY: each thread reads some neighbours of a head of a part, and writes them.
        unsafe { launch.count(u32::try_from(items)?).count(width).run(Grid::of_threads(items)?)? };
        Ok(y.into_tensor())
    }

    /// The next arguments of a launch: tokens, parts, heads and depth.
    fn sizes<'a>(&self, launch: Launch<'a>, parts: usize) -> Result<Launch<'a>> {
        let launch = launch.count(u32::try_from(self.tokens)?).count(u32::try_from(parts)?);
        Ok(launch.count(u32::try_from(self.heads)?).count(u32::try_from(self.depth)?))
    }

    /// Packs of `width` values of `t`, which has `parts`.
    fn items(&self, parts: usize, width: u32, t: &Tensor) -> Result<usize> {
        let count = self.pictures * self.tokens * parts * self.width();
        if t.elem_count() != count {
            bail!("{parts} parts of attention {self:?} of a tensor {:?}", t.dims());
        }
        Ok(count / width as usize)
    }
}
