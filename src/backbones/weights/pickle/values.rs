//! What a pickle may hold.

use crate::backbones::weights::scalar::Scalar;
use std::rc::Rc;

/// A function or type that a state dict may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(StorageType),
    /// A type object such as `torch.float32`, which nothing here needs.
    Dtype,
}

/// Element type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backbones::weights) enum StorageType {
    Float(Scalar),
    /// Whole numbers of this many bytes: counters, which are not read.
    Integer(usize),
}

impl StorageType {
    pub(in crate::backbones::weights) fn size_bytes(self) -> usize {
        match self {
            Self::Float(scalar) => scalar.size_bytes(),
            Self::Integer(bytes) => bytes,
        }
    }
}

/// A run of values in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backbones::weights) struct StorageRef {
    pub(in crate::backbones::weights) kind: StorageType,
    /// Name of the entry that holds the values.
    pub(in crate::backbones::weights) key: Rc<str>,
    /// How many values it has.
    pub(in crate::backbones::weights) len: usize,
}

/// A view into a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backbones::weights) struct TensorRef {
    pub(in crate::backbones::weights) storage: StorageRef,
    pub(in crate::backbones::weights) offset: usize,
    pub(in crate::backbones::weights) shape: Vec<usize>,
    pub(in crate::backbones::weights) strides: Vec<usize>,
}

/// A value on the machine's stack. Compound values are places in an arena.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::backbones::weights) enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    /// Tuple or list: a place in [`Pickle::sequences`].
    Sequence(usize),
    /// A place in [`Pickle::dicts`].
    Dict(usize),
    /// A place in [`Pickle::tensors`].
    Tensor(usize),
    Storage(Rc<StorageRef>),
    Global(GlobalRef),
}

/// Keeps [`Global`] private to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backbones::weights) struct GlobalRef(pub(super) Global);

/// What a pickle held.
#[derive(Debug, Default)]
pub(in crate::backbones::weights) struct Pickle {
    pub(super) sequences: Vec<Vec<Value>>,
    pub(in crate::backbones::weights) dicts: Vec<Vec<(Value, Value)>>,
    pub(in crate::backbones::weights) tensors: Vec<TensorRef>,
}

impl Pickle {
    /// The items of a sequence of texts.
    pub(in crate::backbones::weights) fn texts(&self, value: &Value) -> Option<Vec<Rc<str>>> {
        let Value::Sequence(place) = value else { return None };
        let one = |v: &Value| match v {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        self.sequences.get(*place)?.iter().map(one).collect()
    }
}

/// The global of this name, if a state dict may name it.
pub(super) fn known_global(module: &str, name: &str) -> Option<Global> {
    use Scalar::{Bf16, F16, F32, F64};
    let storage = |kind| Some(Global::Storage(kind));
    match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch", "FloatStorage") => storage(StorageType::Float(F32)),
        ("torch", "DoubleStorage") => storage(StorageType::Float(F64)),
        ("torch", "HalfStorage") => storage(StorageType::Float(F16)),
        ("torch", "BFloat16Storage") => storage(StorageType::Float(Bf16)),
        ("torch", "LongStorage") => storage(StorageType::Integer(8)),
        ("torch", "IntStorage") => storage(StorageType::Integer(4)),
        ("torch", "ShortStorage") => storage(StorageType::Integer(2)),
        ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => storage(StorageType::Integer(1)),
        ("torch", "float32" | "float64" | "float16" | "bfloat16" | "int64" | "int32" | "uint8" | "bool") => {
            Some(Global::Dtype)
        }
        _ => None,
    }
}
