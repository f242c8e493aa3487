//! The safetensors format: a JSON header with names, types, shapes and places, then the values.

use super::scalar::{Scalar, element_count};
use crate::error::{Error, Result};
use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

/// Longest header that is read, in bytes: the format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Reads all floating-point tensors, one at a time, so that no more than one is held twice.
pub(super) fn read(file: &mut (impl Read + Seek), file_bytes: u64) -> Result<BTreeMap<String, Tensor>> {
    let (metadata, data_start) = read_header(file, file_bytes)?;
    let data_bytes = file_bytes - data_start;
    check_places(&metadata, data_bytes)?;
    let mut tensors = BTreeMap::new();
    let mut infos: Vec<(String, &TensorInfo)> = metadata.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    for (name, info) in infos {
        if super::names::is_counter(&name) {
            continue;
        }
        let scalar = scalar_of(&name, info.dtype)?;
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0u8; end - start];
        file.seek(SeekFrom::Start(data_start + start as u64)).map_err(|e| broken(&e))?;
        file.read_exact(&mut bytes).map_err(|e| broken(&e))?;
        let tensor = Tensor::from_vec(scalar.decode(&bytes), info.shape.as_slice(), &Device::Cpu)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

fn broken(e: &std::io::Error) -> Error {
    Error::input(format!("the safetensors file cannot be read to its end ({e})"))
        .with_hint("Download or copy it again")
}

fn read_header(file: &mut (impl Read + Seek), file_bytes: u64) -> Result<(Metadata, u64)> {
    let mut length = [0u8; 8];
    file.seek(SeekFrom::Start(0)).map_err(|e| broken(&e))?;
    file.read_exact(&mut length).map_err(|e| broken(&e))?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > MAX_HEADER_BYTES || header_bytes > file_bytes.saturating_sub(8) {
        return Err(Error::input(format!(
            "the safetensors header claims {header_bytes} bytes of a file of {file_bytes}"
        ))
        .with_hint("The file is cut short or damaged: download or copy it again"));
    }
    let mut header = vec![0u8; header_bytes as usize];
    file.read_exact(&mut header).map_err(|e| broken(&e))?;
    let metadata = serde_json::from_slice(&header).map_err(|e| {
        Error::input(format!("the safetensors header is damaged ({e})"))
            .with_hint("Download or copy it again")
    })?;
    Ok((metadata, 8 + header_bytes))
}

/// Every tensor has the bytes that its shape and type need, and together they fill the file exactly, without overlap.
fn check_places(metadata: &Metadata, data_bytes: u64) -> Result<()> {
    let mut infos: Vec<(String, &TensorInfo)> = metadata.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    let mut reached = 0usize;
    for (name, info) in &infos {
        let (start, end) = info.data_offsets;
        let bits = element_count(name, &info.shape)?.checked_mul(info.dtype.bitsize());
        if start != reached || end < start || bits.is_none_or(|b| b.div_ceil(8) != end - start) {
            return Err(Error::input(format!(
                "the safetensors header places the tensor {name} of shape {:?} at bytes {start} to {end}, which does not fit",
                info.shape
            ))
            .with_hint("The file is damaged: download or copy it again"));
        }
        reached = end;
    }
    if reached as u64 != data_bytes {
        return Err(Error::input(format!(
            "the safetensors header describes {reached} bytes of values and the file has {data_bytes}"
        ))
        .with_hint("The file is cut short or damaged: download or copy it again"));
    }
    Ok(())
}

fn scalar_of(name: &str, dtype: Dtype) -> Result<Scalar> {
    match dtype {
        Dtype::F16 => Ok(Scalar::F16),
        Dtype::BF16 => Ok(Scalar::Bf16),
        Dtype::F32 => Ok(Scalar::F32),
        Dtype::F64 => Ok(Scalar::F64),
        other => Err(Error::input(format!("the tensor {name} has the type {other:?}"))
            .with_hint("Weights must be stored as F32, F16, BF16 or F64")),
    }
}
