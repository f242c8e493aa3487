//! Named parameters, trainable or frozen, in the order in which the network registers them.

use crate::error::{Error, Result};
use candle_core::{Device, Tensor, Var};
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a parameter is: decides its layout on disk, whether it decays, and whether an optimizer may touch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Convolution weight: `[KH, KW, Cin / groups, Cout]` inside, `[Cout, Cin / groups, KH, KW]` on disk.
    ConvWeight,
    /// Linear weight: `[In, Out]` inside, `[Out, In]` on disk.
    LinearWeight,
    /// Bias of a convolution or linear layer, `[C]`; does not decay.
    Bias,
    /// Scale or shift of a normalisation, `[C]`; does not decay.
    Norm,
    /// Running mean or variance, `[C]`; never trained by gradient.
    RunningStat,
    /// Learned token or positions, `[1, T, C]`; does not decay.
    Embedding,
    /// Factor of each channel of a residual branch: `[C]` inside, `[C, 1, 1]` on disk; does not decay.
    LayerScale,
}

impl ParamKind {
    /// The disk's shape of a parameter of shape `inside`.
    pub fn disk_shape(self, inside: &[usize]) -> Vec<usize> {
        match (self, inside) {
            (Self::ConvWeight, &[kh, kw, cin, cout]) => vec![cout, cin, kh, kw],
            (Self::LinearWeight, &[inputs, outputs]) => vec![outputs, inputs],
            (Self::LayerScale, &[channels]) => vec![channels, 1, 1],
            _ => inside.to_vec(),
        }
    }
}

/// Handle of a parameter in its [`ParamStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub(crate) usize);

/// One named parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// State-dict name, torchvision's: `features.0.0.weight`.
    pub name: String,
    /// What it is.
    pub kind: ParamKind,
    /// Values in the inside layout, f32. To be changed through the store or an optimizer only, so that values derived from
    /// it (folded weights) are known to be out of date.
    pub var: Var,
    /// Whether gradients are wanted.
    pub trainable: bool,
}

/// All parameters of a network. Iteration order is registration order, always.
#[derive(Debug, Default)]
pub struct ParamStore {
    params: Vec<Param>,
    /// How often each parameter has changed.
    versions: Vec<AtomicU64>,
    by_name: HashMap<String, usize>,
    /// Values made from parameters, with the versions they were made of.
    derived: Mutex<HashMap<ParamId, (u64, Derived)>>,
}

/// Something made from parameters: folded and packed weights.
type Derived = Arc<dyn Any + Send + Sync>;

impl ParamStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a parameter with its initial values in the inside layout, trainable unless it is a running statistic.
    ///
    /// # Errors
    /// If the name is taken or the rank does not fit `kind`.
    pub fn add(&mut self, name: String, kind: ParamKind, init: Tensor) -> Result<ParamId> {
        if self.by_name.contains_key(&name) {
            return Err(Error::internal(format!("two parameters are called {name}")));
        }
        check_rank(inside_rank(kind), &init).map_err(|e| Error::internal(format!("{name}: {}", e.what())))?;
        let var = Var::from_tensor(&init.detach().contiguous()?)?;
        let id = ParamId(self.params.len());
        self.by_name.insert(name.clone(), id.0);
        self.params.push(Param { name, kind, var, trainable: kind != ParamKind::RunningStat });
        self.versions.push(AtomicU64::new(0));
        Ok(id)
    }

    /// How many parameters there are (tensors, not values).
    pub fn len(&self) -> usize {
        self.params.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// How many values the parameters for which `choose` says so hold together; running statistics are never counted.
    pub fn value_count(&self, choose: impl Fn(&Param) -> bool) -> usize {
        let counted = |p: &&Param| p.kind != ParamKind::RunningStat && choose(p);
        self.params.iter().filter(counted).map(|p| p.var.elem_count()).sum()
    }

    /// The parameter's tensor: tracked by the gradient graph only while it is trainable. It shares the parameter's memory.
    pub fn tensor(&self, id: ParamId) -> Tensor {
        let param = self.get(id);
        if param.trainable { param.var.as_tensor().clone() } else { param.var.as_detached_tensor() }
    }

    /// One parameter.
    pub fn get(&self, id: ParamId) -> &Param {
        &self.params[id.0]
    }

    /// Handle by name.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.by_name.get(name).copied().map(ParamId)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &Param)> {
        self.params.iter().enumerate().map(|(i, p)| (ParamId(i), p))
    }

    /// The trainable ones, in order.
    pub fn trainable_ids(&self) -> Vec<ParamId> {
        self.iter().filter(|(_, p)| p.trainable).map(|(id, _)| id).collect()
    }

    /// Freezes or unfreezes: afterwards exactly those parameters learn for which `choose` says so. Running statistics are
    /// never trainable.
    pub fn set_trainable(&mut self, mut choose: impl FnMut(ParamId, &Param) -> bool) {
        // Values derived for what was frozen may never be asked for again.
        self.derived.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        for i in 0..self.params.len() {
            let chosen = choose(ParamId(i), &self.params[i]);
            let param = &mut self.params[i];
            param.trainable = chosen && param.kind != ParamKind::RunningStat;
        }
    }

    /// Replaces values, given in the inside layout.
    ///
    /// # Errors
    /// If the shape differs.
    pub fn set(&self, id: ParamId, values: &Tensor) -> Result<()> {
        let param = self.get(id);
        if param.var.dims() != values.dims() {
            return Err(Error::input(format!(
                "{} has shape {:?}, not {:?}",
                param.name,
                param.var.dims(),
                values.dims()
            )));
        }
        param.var.set(&values.to_device(param.var.device())?)?;
        self.touch(id);
        Ok(())
    }

    /// Values in the disk layout (PyTorch's): `(name, tensor)` in order. Later changes of the store do not show in them.
    ///
    /// # Errors
    /// If a copy fails.
    pub fn to_disk_layout(&self) -> Result<Vec<(String, Tensor)>> {
        let convert = |p: &Param| {
            let values = p.var.as_detached_tensor();
            let values = match p.kind {
                ParamKind::ConvWeight => values.permute((3, 2, 0, 1))?.force_contiguous()?,
                ParamKind::LinearWeight => values.t()?.force_contiguous()?,
                ParamKind::LayerScale => {
                    values.reshape(p.kind.disk_shape(values.dims()))?.force_contiguous()?
                }
                ParamKind::Bias | ParamKind::Norm | ParamKind::RunningStat | ParamKind::Embedding => {
                    values.copy()?
                }
            };
            Ok((p.name.clone(), values))
        };
        self.params.iter().map(convert).collect()
    }

    /// Turns a tensor from the disk layout into the inside layout of `kind`, contiguous.
    ///
    /// # Errors
    /// If its rank does not fit.
    pub fn from_disk_layout(kind: ParamKind, tensor: &Tensor) -> Result<Tensor> {
        let disk_rank = if kind == ParamKind::LayerScale { 3 } else { inside_rank(kind) };
        check_rank(disk_rank, tensor)?;
        Ok(match kind {
            ParamKind::ConvWeight => tensor.permute((2, 3, 1, 0))?.contiguous()?,
            ParamKind::LinearWeight => tensor.t()?.contiguous()?,
            ParamKind::LayerScale => tensor.flatten_all()?.contiguous()?,
            ParamKind::Bias | ParamKind::Norm | ParamKind::RunningStat | ParamKind::Embedding => {
                tensor.contiguous()?
            }
        })
    }

    /// A copy of all values, for keeping the best epoch.
    ///
    /// # Errors
    /// If a copy fails.
    pub fn snapshot(&self) -> Result<Vec<Tensor>> {
        self.params.iter().map(|p| Ok(p.var.as_detached_tensor().copy()?)).collect()
    }

    /// Puts a snapshot back.
    ///
    /// # Errors
    /// If it is of another network; nothing is changed then.
    pub fn restore(&self, snapshot: &[Tensor]) -> Result<()> {
        let fits = self.params.len() == snapshot.len()
            && self.params.iter().zip(snapshot).all(|(p, t)| p.var.dims() == t.dims());
        if !fits {
            return Err(Error::internal("the kept weights are those of another network"));
        }
        snapshot.iter().enumerate().try_for_each(|(i, t)| self.set(ParamId(i), t))
    }

    /// Device of the parameters; the processor while there are none.
    pub fn device(&self) -> &Device {
        self.params.first().map_or(&Device::Cpu, |p| p.var.device())
    }

    /// Notes that a parameter's values have changed.
    pub(crate) fn touch(&self, id: ParamId) {
        self.versions[id.0].fetch_add(1, Ordering::Relaxed);
    }

    /// What `make` gives, kept under `id` until it is asked for with another `version`: the sum of the versions of all
    /// parameters that `make` reads. There is one kind of it under an `id`.
    pub(crate) fn derived<T: Any + Send + Sync>(
        &self,
        id: ParamId,
        version: u64,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let lock = || self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().get(&id).filter(|(made_of, _)| *made_of == version).map(|(_, kept)| kept.clone());
        if let Some(Ok(kept)) = kept.map(Arc::downcast) {
            return Ok(kept);
        }
        let made = Arc::new(make()?);
        lock().insert(id, (version, made.clone()));
        Ok(made)
    }

    /// Grows with every change of the parameter's values.
    pub(crate) fn version(&self, id: ParamId) -> u64 {
        self.versions[id.0].load(Ordering::Relaxed)
    }
}

fn inside_rank(kind: ParamKind) -> usize {
    match kind {
        ParamKind::ConvWeight => 4,
        ParamKind::Embedding => 3,
        ParamKind::LinearWeight => 2,
        ParamKind::Bias | ParamKind::Norm | ParamKind::RunningStat | ParamKind::LayerScale => 1,
    }
}

fn check_rank(rank: usize, tensor: &Tensor) -> Result<()> {
    if tensor.rank() == rank {
        return Ok(());
    }
    Err(Error::input(format!(
        "a tensor of shape {:?} has not the {rank} dimensions it must have",
        tensor.dims()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn store() -> (ParamStore, ParamId, ParamId) {
        let mut store = ParamStore::new();
        let iota = |n: usize| Tensor::arange(0f32, n as f32, &Device::Cpu).unwrap();
        let weight = iota(2 * 3 * 5 * 7).reshape((2, 3, 5, 7)).unwrap();
        let w = store.add("conv.weight".into(), ParamKind::ConvWeight, weight).unwrap();
        let m = store.add("bn.running_mean".into(), ParamKind::RunningStat, iota(7)).unwrap();
        store.add("fc.weight".into(), ParamKind::LinearWeight, iota(6).reshape((2, 3)).unwrap()).unwrap();
        store.add("scale".into(), ParamKind::LayerScale, iota(4)).unwrap();
        let token = iota(6).reshape((1, 2, 3)).unwrap();
        store.add("token".into(), ParamKind::Embedding, token).unwrap();
        (store, w, m)
    }

    #[test]
    fn layouts_go_to_disk_and_back() {
        let (store, w, _) = store();
        let disk = store.to_disk_layout().unwrap();
        assert_eq!(disk[0].1.dims(), [7, 5, 2, 3]);
        assert_eq!(disk[2].1.dims(), [3, 2]);
        assert_eq!(disk[3].1.dims(), [4, 1, 1]);
        // Output channel 6, input channel 4, row 1, column 2.
        let at = disk[0].1.get(6).unwrap().get(4).unwrap().get(1).unwrap().get(2).unwrap();
        assert_eq!(at.to_scalar::<f32>().unwrap(), (((3 + 2) * 5 + 4) * 7 + 6) as f32);
        for ((_, p), (name, t)) in store.iter().zip(&disk) {
            assert_eq!(&p.name, name);
            assert_eq!(p.kind.disk_shape(p.var.dims()), t.dims());
            let back = ParamStore::from_disk_layout(p.kind, t).unwrap();
            assert!(back.is_contiguous());
            let difference = (back - p.var.as_tensor()).unwrap().abs().unwrap().sum_all().unwrap();
            assert_eq!(difference.to_scalar::<f32>().unwrap(), 0.0);
        }
        assert!(ParamStore::from_disk_layout(ParamKind::Bias, &store.tensor(w)).is_err());
    }

    #[test]
    fn only_trainable_parameters_are_tracked() {
        let (mut store, w, m) = store();
        assert!(store.tensor(w).track_op() && !store.tensor(m).track_op());
        store.set_trainable(|_, _| false);
        assert!(!store.tensor(w).track_op());
        store.set_trainable(|_, _| true);
        assert!(store.tensor(w).track_op() && !store.tensor(m).track_op());
        assert_eq!(store.trainable_ids().len(), 4);
        assert_eq!(store.value_count(|_| true), 2 * 3 * 5 * 7 + 6 + 4 + 6);
    }

    #[test]
    fn a_snapshot_does_not_follow_later_changes() {
        let (store, _, m) = store();
        let kept = store.snapshot().unwrap();
        let on_disk = store.to_disk_layout().unwrap();
        let before = store.version(m);
        store.set(m, &Tensor::zeros(7, DType::F32, &Device::Cpu).unwrap()).unwrap();
        assert!(store.version(m) > before);
        let sum = |t: &Tensor| t.sum_all().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!((sum(&store.tensor(m)), sum(&on_disk[1].1)), (0.0, 21.0));
        store.restore(&kept).unwrap();
        assert_eq!(sum(&store.tensor(m)), 21.0);
        assert!(store.restore(&kept[1..]).is_err());
    }

    #[test]
    fn names_are_unique() {
        let (mut store, w, _) = store();
        assert_eq!(store.find("conv.weight"), Some(w));
        assert_eq!(store.find("conv.bias"), None);
        let again = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
        assert!(store.add("conv.weight".into(), ParamKind::Bias, again).is_err());
    }
}
