//! PyTorch's `torch.save` files: the zip form of PyTorch 1.6 and later, and the older form of one pickle after the other.
//!
//! Reference: `torch/serialization.py` (`_save`, `_legacy_save`).

use super::pickle::{self, Pickle, StorageRef, StorageType, TensorRef, Value};
use super::scalar::element_count;
use crate::error::{Error, Result};
use candle_core::{Device, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use zip::{CompressionMethod, ZipArchive};

/// How the older form begins: a pickle of PyTorch's magic number.
pub(super) const LEGACY_MAGIC: [u8; 15] =
    [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/// Longest description of tensors that is read, in bytes; a large network's is below one megabyte.
const MAX_PICKLE_BYTES: u64 = 16 << 20;

/// Keys under which training scripts put the state dict, the most specific first.
const WRAPPER_KEYS: [&str; 5] = ["state_dict", "model_state_dict", "model", "weights", "net"];

/// Where the values of a storage are read from.
trait Storages {
    /// The `bytes` bytes of a storage's values.
    fn fetch(&mut self, storage: &StorageRef, bytes: usize) -> Result<Vec<u8>>;
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::input(format!("the PyTorch file is damaged: {what}")).with_hint("Download or copy it again")
}

/// Reads the zip form.
pub(super) fn read_zip(file: &mut (impl Read + Seek), file_bytes: u64) -> Result<BTreeMap<String, Tensor>> {
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    let names: Vec<String> = archive.file_names().filter_map(|n| n.ok().map(|n| n.into_owned())).collect();
    let folder = names
        .iter()
        .find_map(|n| n.strip_suffix("data.pkl").filter(|rest| rest.is_empty() || rest.ends_with('/')))
        .ok_or_else(|| {
            Error::input("the file is a zip archive without PyTorch's data.pkl")
                .with_hint("Choose a .safetensors or .pth weight file")
        })?
        .to_owned();
    let mut storages = ZipStorages { archive: &mut archive, folder };
    if storages.names_order("big")? {
        return Err(Error::input("the PyTorch file was written on a big-endian machine")
            .with_hint("Convert it to .safetensors there"));
    }
    let description = storages.entry("data.pkl", MAX_PICKLE_BYTES)?;
    let (parsed, root, _) = pickle::read(&description)?;
    collect(&parsed, &root, &mut storages, file_bytes)
}

struct ZipStorages<'a, R> {
    archive: &'a mut ZipArchive<R>,
    folder: String,
}

impl<R: Read + Seek> ZipStorages<'_, R> {
    /// Whether the archive says that its values are in this byte order.
    fn names_order(&mut self, order: &str) -> Result<bool> {
        if self.archive.index_for_name(&format!("{}byteorder", self.folder)).is_none() {
            return Ok(false);
        }
        Ok(self.entry("byteorder", 16)? == order.as_bytes())
    }

    fn entry(&mut self, name: &str, max_bytes: u64) -> Result<Vec<u8>> {
        let name = format!("{}{name}", self.folder);
        let entry = self.archive.by_name(&name).map_err(|e| damaged(format!("{name}: {e}")))?;
        // PyTorch never compresses; a compressed entry could unfold without end.
        if entry.compression() != CompressionMethod::Stored || entry.size() > max_bytes {
            return Err(damaged(format!("{name} is compressed or has an impossible size")));
        }
        let mut bytes = Vec::new();
        entry.take(max_bytes).read_to_end(&mut bytes).map_err(|e| damaged(format!("{name}: {e}")))?;
        Ok(bytes)
    }
}

impl<R: Read + Seek> Storages for ZipStorages<'_, R> {
    fn fetch(&mut self, storage: &StorageRef, bytes: usize) -> Result<Vec<u8>> {
        let data = self.entry(&format!("data/{}", storage.key), bytes as u64)?;
        if data.len() != bytes {
            return Err(damaged(format!(
                "the values {} have {} bytes in place of {bytes}",
                storage.key,
                data.len()
            )));
        }
        Ok(data)
    }
}

/// Reads the older form: magic number, version, machine, state dict, list of storages, then their values.
pub(super) fn read_legacy(
    file: &mut (impl Read + Seek),
    file_bytes: u64,
) -> Result<BTreeMap<String, Tensor>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(damaged)?;
    file.by_ref().take(MAX_PICKLE_BYTES).read_to_end(&mut head).map_err(damaged)?;
    let mut at = LEGACY_MAGIC.len();
    let mut next = || -> Result<(Pickle, Value)> {
        let (parsed, root, length) = pickle::read(head.get(at..).unwrap_or_default())?;
        at += length;
        Ok((parsed, root))
    };
    let _version = next()?;
    let _machine = next()?;
    let (parsed, root) = next()?;
    let (keys, order) = next()?;
    let order = keys.texts(&order).ok_or_else(|| damaged("its list of values is not a list"))?;

    let sizes: HashMap<&str, usize> = parsed
        .tensors
        .iter()
        .map(|t| (&*t.storage.key, t.storage.len.saturating_mul(t.storage.kind.size_bytes())))
        .collect();
    let mut places = HashMap::new();
    let mut start = at as u64;
    for key in order {
        // Each run of values begins with its length, 8 bytes.
        let bytes =
            sizes.get(&*key).copied().ok_or_else(|| damaged("it holds values that no tensor uses"))?;
        start = start.saturating_add(8);
        places.insert(key, (start, bytes));
        start = start.saturating_add(bytes as u64);
    }
    if start > file_bytes {
        return Err(damaged(format!("it ends after {file_bytes} bytes and describes {start}")));
    }
    collect(&parsed, &root, &mut LegacyStorages { file, places }, file_bytes)
}

struct LegacyStorages<'a, R> {
    file: &'a mut R,
    /// Start and length in bytes of each storage's values.
    places: HashMap<std::rc::Rc<str>, (u64, usize)>,
}

impl<R: Read + Seek> Storages for LegacyStorages<'_, R> {
    fn fetch(&mut self, storage: &StorageRef, bytes: usize) -> Result<Vec<u8>> {
        let place = self.places.get(&storage.key).copied();
        let (start, held) = place.ok_or_else(|| damaged("it describes values that it does not hold"))?;
        if held != bytes {
            return Err(damaged("two of its tensors disagree about the length of their values"));
        }
        self.file.seek(SeekFrom::Start(start - 8)).map_err(damaged)?;
        let mut length = [0u8; 8];
        self.file.read_exact(&mut length).map_err(damaged)?;
        if u64::from_le_bytes(length) != storage.len as u64 {
            return Err(damaged(format!("the values {} have another length than described", storage.key)));
        }
        let mut data = vec![0; bytes];
        self.file.read_exact(&mut data).map_err(damaged)?;
        Ok(data)
    }
}

/// All floating-point tensors of the state dict in `root`.
fn collect(
    parsed: &Pickle,
    root: &Value,
    storages: &mut impl Storages,
    file_bytes: u64,
) -> Result<BTreeMap<String, Tensor>> {
    let entries = find_state_dict(parsed, root).ok_or_else(|| {
        Error::input("the PyTorch file holds no state dict of named tensors")
            .with_hint("In Python, torch.save(model.state_dict(), \"weights.pth\") writes one")
    })?;
    // No honest file holds more values than bytes; one that refers to the same values again and again could.
    let mut budget = file_bytes.saturating_mul(4);
    let mut tensors = BTreeMap::new();
    for (name, tensor) in entries {
        if super::names::is_counter(name) {
            continue;
        }
        let cost = (tensor.storage.len as u64).saturating_mul(tensor.storage.kind.size_bytes() as u64);
        budget = budget
            .checked_sub(cost)
            .ok_or_else(|| damaged(format!("the tensor {name} has more values than the file can hold")))?;
        tensors.insert(name.to_owned(), read_tensor(name, tensor, storages)?);
    }
    Ok(tensors)
}

fn read_tensor(name: &str, tensor: &TensorRef, storages: &mut impl Storages) -> Result<Tensor> {
    let StorageType::Float(scalar) = tensor.storage.kind else {
        return Err(Error::input(format!("the tensor {name} holds whole numbers"))
            .with_hint("Weights must be stored as float32, float16, bfloat16 or float64"));
    };
    let count = element_count(name, &tensor.shape)?;
    let outside = || damaged(format!("the tensor {name} reaches outside its values"));
    let span = tensor
        .shape
        .iter()
        .zip(&tensor.strides)
        .try_fold(tensor.offset, |last, (&size, &stride)| {
            size.saturating_sub(1).checked_mul(stride).and_then(|step| last.checked_add(step))
        })
        .ok_or_else(outside)?;
    if count > tensor.storage.len || (count > 0 && span >= tensor.storage.len) {
        return Err(outside());
    }
    let bytes = tensor.storage.len.checked_mul(scalar.size_bytes()).ok_or_else(outside)?;
    let values = scalar.decode(&storages.fetch(&tensor.storage, bytes)?);
    let ordered = if count == 0 {
        Vec::new()
    } else if is_contiguous(&tensor.shape, &tensor.strides) {
        values.get(tensor.offset..tensor.offset + count).ok_or_else(outside)?.to_vec()
    } else {
        gather(&values, tensor, count).ok_or_else(outside)?
    };
    Ok(Tensor::from_vec(ordered, tensor.shape.as_slice(), &Device::Cpu)?)
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected *= size;
        fits
    })
}

/// Values in row-major order of a tensor with any strides.
fn gather(values: &[f32], tensor: &TensorRef, count: usize) -> Option<Vec<f32>> {
    let mut position = vec![0usize; tensor.shape.len()];
    let mut at = tensor.offset;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        out.push(*values.get(at)?);
        for axis in (0..position.len()).rev() {
            position[axis] += 1;
            at += tensor.strides[axis];
            if position[axis] < tensor.shape[axis] {
                break;
            }
            at -= tensor.strides[axis] * position[axis];
            position[axis] = 0;
        }
    }
    Some(out)
}

/// The dictionary of named tensors, at the top or under one of the usual keys.
fn find_state_dict<'a>(parsed: &'a Pickle, root: &Value) -> Option<Vec<(&'a str, &'a TensorRef)>> {
    let mut place = root.clone();
    // A dictionary that holds itself must not be followed for ever.
    for _ in 0..4 {
        let Value::Dict(at) = place else { return None };
        let entries = parsed.dicts.get(at)?;
        let inner = WRAPPER_KEYS.iter().find_map(|wanted| {
            entries.iter().find_map(|(key, value)| match (key, value) {
                (Value::Text(key), Value::Dict(_)) if &**key == *wanted => Some(value.clone()),
                _ => None,
            })
        });
        if let Some(inner) = inner {
            place = inner;
            continue;
        }
        let tensors: Vec<_> = entries
            .iter()
            .filter_map(|(key, value)| match (key, value) {
                (Value::Text(key), Value::Tensor(t)) => Some((&**key, parsed.tensors.get(*t)?)),
                _ => None,
            })
            .collect();
        return (!tensors.is_empty()).then_some(tensors);
    }
    None
}
