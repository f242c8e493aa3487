//! What a convolution means to cuDNN, and what is kept of it from one step to the next.

use super::Pass;
use crate::nn::ops::conv::Geometry;
use std::collections::HashMap;
use std::rc::Rc;

/// Sizes as cuDNN's descriptors take them; tensors are told as `[N, C, H, W]` whatever their layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) x: [i32; 4],
    pub(super) filter: [i32; 4],
    pub(super) y: [i32; 4],
    pub(super) bias: [i32; 4],
    pub(super) padding: [i32; 2],
    pub(super) stride: [i32; 2],
    pub(super) dilation: [i32; 2],
    pub(super) groups: i32,
}

impl Sizes {
    /// `None` where a tensor has more values than cuDNN counts.
    pub(super) fn of(geometry: &Geometry) -> Option<Self> {
        let Geometry { n, input: [h, w, cin], output: [oh, ow, cout], kernel: [kh, kw], spec } = *geometry;
        Some(Self {
            x: tensor([n, cin, h, w])?,
            filter: tensor([cout, cin / spec.groups, kh, kw])?,
            y: tensor([n, cout, oh, ow])?,
            bias: tensor([1, cout, 1, 1])?,
            padding: both(spec.padding)?,
            stride: both(spec.stride)?,
            dilation: both(spec.dilation)?,
            groups: spec.groups.try_into().ok()?,
        })
    }
}

fn tensor(sizes: [usize; 4]) -> Option<[i32; 4]> {
    let count = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
    i32::try_from(count).ok()?;
    // Each is at most the product: none is zero.
    Some(sizes.map(|size| size as i32))
}

fn both(size: usize) -> Option<[i32; 2]> {
    size.try_into().ok().map(|size| [size; 2])
}

/// Shape of a pass's result.
pub(super) fn result_shape(pass: Pass, geometry: &Geometry) -> [usize; 4] {
    let Geometry { n, input: [h, w, cin], output: [oh, ow, cout], kernel: [kh, kw], spec } = *geometry;
    match pass {
        Pass::Forward | Pass::Fused { .. } => [n, oh, ow, cout],
        Pass::Input => [n, h, w, cin],
        Pass::Filter => [cout, kh, kw, cin / spec.groups],
    }
}

/// Bytes of the workspace that is to replace one of `has` bytes where `needed` are; `None` where it is large enough. Never less than
/// twice of what there is, so that maps of growing size do not replace it each time.
pub(super) fn grown(has: usize, needed: usize) -> Option<usize> {
    const UNIT: usize = 1 << 20;
    (needed > has).then(|| needed.max(has.saturating_mul(2)).next_multiple_of(UNIT))
}

/// The first of `candidates` that can be run, and the bytes of workspace that it takes; what was said of the last where none can.
pub(super) fn first_of<A: Copy, E>(
    candidates: &[A],
    workspace: impl Fn(A) -> Result<usize, E>,
) -> Option<Result<(A, usize), E>> {
    let mut last = None;
    for &candidate in candidates {
        match workspace(candidate) {
            Ok(bytes) => return Some(Ok((candidate, bytes))),
            Err(e) => last = Some(Err(e)),
        }
    }
    last
}

/// Whether products of f32 are to keep all their bits, by the value of NVIDIA's own variable `NVIDIA_TF32_OVERRIDE`.
pub(super) fn exact(tf32_override: Option<&str>) -> bool {
    tf32_override == Some("0")
}

/// Plans by what they are for, made once. What cannot be planned is remembered, too.
#[derive(Debug)]
pub(super) struct Plans<P>(HashMap<(Pass, Geometry), Option<Rc<P>>>);

impl<P> Default for Plans<P> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<P> Plans<P> {
    /// The plan, by `make` where there is none yet; `None` where there can be none.
    ///
    /// # Errors
    /// What `make` gives, unless it is [`Refused`].
    pub(super) fn get<E>(
        &mut self,
        pass: Pass,
        geometry: &Geometry,
        make: impl FnOnce(&Sizes) -> Result<Result<P, Refused>, E>,
    ) -> Result<Option<Rc<P>>, E> {
        if let Some(plan) = self.0.get(&(pass, *geometry)) {
            return Ok(plan.clone());
        }
        let made = match Sizes::of(geometry) {
            Some(sizes) => make(&sizes)?,
            None => Err(Refused("more values than it counts".to_owned())),
        };
        match made {
            Ok(plan) => {
                let plan = Rc::new(plan);
                self.0.insert((pass, *geometry), Some(plan.clone()));
                Ok(Some(plan))
            }
            Err(why) => {
                self.refuse(pass, geometry, &why);
                Ok(None)
            }
        }
    }

    /// From now on there is none: it turned out that it cannot be run.
    pub(super) fn refuse(&mut self, pass: Pass, geometry: &Geometry, Refused(why): &Refused) {
        tracing::warn!(
            "cuDNN does not serve {pass:?} of {geometry:?} ({why}); it is done by tensor operations"
        );
        self.0.insert((pass, *geometry), None);
    }
}

/// Why cuDNN has nothing for a convolution, now and always.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);
