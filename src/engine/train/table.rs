//! Rows of equal size that are computed once: in memory, or in a file of the run's folder past a budget.

use crate::engine::picture_cache::Budget;
use crate::error::{Error, Result};
use candle_core::{Device, Shape, Tensor};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A fixed number of rows, each of the same shape.
#[derive(Debug)]
pub(crate) struct Table {
    shape: Vec<usize>,
    width: usize,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Memory(Vec<f32>),
    /// Has no name in the folder (or is deleted on closing), so that nothing is left even after a crash.
    Spilled(Mutex<File>, PathBuf),
}

impl Table {
    /// Room for `count` rows of `shape`, taken from `budget` where it suffices and from a temporary file in `dir` where not.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub(crate) fn new(shape: &[usize], count: usize, budget: &Budget, dir: &Path) -> Result<Self> {
        let width: usize = shape.iter().product();
        let bytes = (width * count * size_of::<f32>()) as u64;
        let rows = if budget.take(bytes) {
            Rows::Memory(vec![0.0; width * count])
        } else {
            let file =
                tempfile::tempfile_in(dir).map_err(|e| Error::io("create a temporary file", dir, &e))?;
            file.set_len(bytes).map_err(|e| Error::io("write a temporary file", dir, &e))?;
            Rows::Spilled(Mutex::new(file), dir.to_path_buf())
        };
        Ok(Self { shape: shape.to_vec(), width, rows })
    }

    /// Whether the rows are on disk.
    pub(crate) fn is_spilled(&self) -> bool {
        matches!(self.rows, Rows::Spilled(..))
    }

    /// Values in one row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Stores rows: `values` holds them one behind the other, for the given places.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn put(&mut self, places: &[usize], values: &[f32]) -> Result<()> {
        if values.len() != places.len() * self.width {
            return Err(Error::internal(format!("{} values for {} rows", values.len(), places.len())));
        }
        for (&place, row) in places.iter().zip(values.chunks_exact(self.width.max(1))) {
            match &mut self.rows {
                Rows::Memory(all) => all[place * self.width..(place + 1) * self.width].copy_from_slice(row),
                Rows::Spilled(file, dir) => {
                    let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
                    file.seek(SeekFrom::Start((place * self.width * size_of::<f32>()) as u64))
                        .and_then(|_| file.write_all(bytemuck::cast_slice(row)))
                        .map_err(|e| Error::io("write a temporary file", dir, &e))?;
                }
            }
        }
        Ok(())
    }

    /// Rows, one behind the other.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn rows(&self, places: &[usize]) -> Result<Vec<f32>> {
        let mut out = vec![0.0f32; places.len() * self.width];
        for (&place, row) in places.iter().zip(out.chunks_exact_mut(self.width.max(1))) {
            match &self.rows {
                Rows::Memory(all) => row.copy_from_slice(&all[place * self.width..(place + 1) * self.width]),
                Rows::Spilled(file, dir) => {
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    file.seek(SeekFrom::Start((place * self.width * size_of::<f32>()) as u64))
                        .and_then(|_| file.read_exact(bytemuck::cast_slice_mut(row)))
                        .map_err(|e| Error::io("read a temporary file", dir, &e))?;
                }
            }
        }
        Ok(out)
    }

    /// Rows as a batch: `[B, shape…]`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn gather(&self, places: &[usize], device: &Device) -> Result<Tensor> {
        let mut shape = vec![places.len()];
        shape.extend(&self.shape);
        Ok(Tensor::from_vec(self.rows(places)?, Shape::from(shape), device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_file_give_the_same_rows_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let values: Vec<f32> = (0..24).map(|v| v as f32).collect();
        let read = |budget: &Budget| {
            let mut t = Table::new(&[2, 3], 4, budget, dir.path()).unwrap();
            t.put(&[3, 0], &values[..12]).unwrap();
            t.put(&[1, 2], &values[12..]).unwrap();
            let got = t.gather(&[0, 3, 2], &Device::Cpu).unwrap();
            (t.is_spilled(), got.dims().to_vec(), got.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        let budget = Budget::mib(1);
        let memory = read(&budget);
        assert!(!budget.take((1 << 20) - 95) && budget.take((1 << 20) - 96), "4 rows of 24 bytes are taken");
        let file = read(&budget);
        assert!(!memory.0 && file.0);
        assert_eq!((&memory.1, &memory.2), (&file.1, &file.2));
        assert_eq!(memory.1, [3, 2, 3]);
        assert_eq!(memory.2[..6], values[6..12]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
