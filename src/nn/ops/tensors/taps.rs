//! Maps as the taps of a window see them, without copies; and the way back.

use candle_core::{Result, Tensor};

/// `axis` with `before` and `after` positions of `value` added, or taken away where they are negative.
pub(crate) fn fit(t: &Tensor, axis: usize, (before, after): (isize, isize), value: f32) -> Result<Tensor> {
    let cut = |n: isize| n.min(0).unsigned_abs();
    let kept = t.dim(axis)?.saturating_sub(cut(before) + cut(after));
    let t = t.narrow(axis, cut(before), kept)?;
    let piece = |n: isize| {
        let mut shape = t.dims().to_vec();
        shape[axis] = n.max(0).unsigned_abs();
        Tensor::full(value, shape, t.device())?.to_dtype(t.dtype())?.contiguous()
    };
    let mut parts = Vec::with_capacity(3);
    if before > 0 {
        parts.push(piece(before)?);
    }
    parts.push(t.contiguous()?);
    if after > 0 {
        parts.push(piece(after)?);
    }
    if parts.len() == 1 { Ok(t) } else { Tensor::cat(&parts, axis)?.contiguous() }
}

/// `t: [N, H, W, C]` with `step - 1` zeros behind each position of both middle axes.
pub(crate) fn spread(t: &Tensor, step: usize) -> Result<Tensor> {
    if step == 1 {
        return Ok(t.clone());
    }
    let (n, h, w, c) = t.dims4()?;
    let zeros = (0, step as isize - 1);
    let t = fit(&fit(&t.reshape((n, h, 1, w, 1, c))?, 4, zeros, 0.0)?, 2, zeros, 0.0)?;
    t.reshape((n, h * step, w * step, c))
}

/// Where windows stand: each axis's number of them, the step between them, the padding ahead of the first and how far from a
/// window's first position its last lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) positions: [usize; 2],
    pub(crate) step: usize,
    /// Negative where the first window begins behind the first position.
    pub(crate) padding: [isize; 2],
    pub(crate) reach: [usize; 2],
}

impl Frame {
    /// Steps along an axis that hold every window.
    fn steps(&self, axis: usize) -> usize {
        self.reach[axis] / self.step + self.positions[axis]
    }

    /// Positions to add to an axis of `size` so that it is as many steps.
    fn margins(&self, axis: usize, size: usize) -> (isize, isize) {
        let before = self.padding[axis];
        (before, (self.steps(axis) * self.step) as isize - size as isize - before)
    }
}

/// A map, seen by the taps of windows.
pub(crate) struct Taps {
    frame: Frame,
    /// `[N, steps, step, steps, step, C]`.
    map: Tensor,
}

impl Taps {
    /// Of `x: [N, H, W, C]`, with `value` as padding.
    pub(crate) fn new(x: &Tensor, frame: Frame, value: f32) -> Result<Self> {
        let (n, h, w, c) = x.dims4()?;
        let padded = fit(&fit(x, 1, frame.margins(0, h), value)?, 2, frame.margins(1, w), value)?;
        let step = frame.step;
        let map = padded.contiguous()?.reshape((n, frame.steps(0), step, frame.steps(1), step, c))?;
        Ok(Self { frame, map })
    }

    /// What each window has at `tap`, counted from its first position: a view `[N, positions, positions, C]`.
    pub(crate) fn at(&self, tap: [usize; 2]) -> Result<Tensor> {
        let Frame { positions, step, .. } = self.frame;
        let rows = self.map.narrow(1, tap[0] / step, positions[0])?.narrow(2, tap[0] % step, 1)?;
        rows.narrow(3, tap[1] / step, positions[1])?.narrow(4, tap[1] % step, 1)?.squeeze(4)?.squeeze(2)
    }
}

/// The way back: adds to a map what windows give at their taps.
pub(crate) struct Spill {
    frame: Frame,
    /// Sums for the positions of each place within a step, row by row: `[N, steps, steps, C]`.
    places: Vec<Option<Tensor>>,
}

impl Spill {
    /// Onto a map of zeros.
    pub(crate) fn new(frame: Frame) -> Self {
        Self { frame, places: vec![None; frame.step * frame.step] }
    }

    /// Adds `values: [N, positions, positions, C]` at `tap` of their windows.
    pub(crate) fn add(&mut self, tap: [usize; 2], values: &Tensor) -> Result<()> {
        let step = self.frame.step;
        let mut values = values.clone();
        for (axis, tap) in tap.iter().enumerate() {
            let before = tap / step;
            let after = self.frame.steps(axis) - self.frame.positions[axis] - before;
            values = fit(&values, axis + 1, (before as isize, after as isize), 0.0)?;
        }
        let place = &mut self.places[tap[0] % step * step + tap[1] % step];
        *place = Some(match place.take() {
            Some(sum) => (sum + values)?,
            None => values,
        });
        Ok(())
    }

    /// The map's `size: [H, W]`, without the padding; `None` where nothing was added.
    pub(crate) fn finish(self, size: [usize; 2]) -> Result<Option<Tensor>> {
        let Some(zeros) = self.places.iter().flatten().next().map(Tensor::zeros_like).transpose()? else {
            return Ok(None);
        };
        let step = self.frame.step;
        let places: Vec<Tensor> =
            self.places.into_iter().map(|p| p.unwrap_or_else(|| zeros.clone())).collect();
        let rows = places.chunks(step).map(|row| Tensor::stack(row, 3)).collect::<Result<Vec<_>>>()?;
        let (n, high, wide, c) = zeros.dims4()?;
        let mut map = Tensor::stack(&rows, 2)?.reshape((n, high * step, wide * step, c))?;
        for (axis, size) in size.into_iter().enumerate() {
            let (before, after) = self.frame.margins(axis, size);
            map = fit(&map, axis + 1, (-before, -after), 0.0)?;
        }
        map.contiguous().map(Some)
    }
}
