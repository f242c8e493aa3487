//! How fast pictures become network inputs.

use super::super::output::{CliResult, Out};
use super::{Rounds, median_ms};
use crate::config::{DataConfig, Preprocess};
use crate::data::decode::decode_file;
use crate::data::scan;
use crate::data::transform::eval_view;
use crate::engine::peak_rss_mib;
use crate::error::{Error, Result};
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Decodes, resizes, crops and normalises every picture below `data` on all cores, and writes the line.
pub(super) fn run(data: &Path, rounds: Rounds, out: &mut Out<'_>) -> CliResult {
    let config = DataConfig::default();
    let dataset = scan(data, &config, None, &|_, _| Ok(()))?;
    let paths: Vec<PathBuf> = (0..dataset.samples.len()).map(|i| dataset.path(i)).collect();
    let preprocess = Preprocess::IMAGENET;
    let view = |path: &PathBuf| -> Result<usize> {
        let image = decode_file(path, config.max_megapixels)?;
        Ok(eval_view(&image, &preprocess)?.len())
    };
    let read = paths.par_iter().filter(|path| view(path).is_ok()).count();
    if read == 0 {
        return Err(Error::input("none of the pictures can be decoded").with_path(data).into());
    }
    let ms = median_ms(rounds, || {
        paths.par_iter().filter_map(|path| view(path).ok()).sum::<usize>();
        Ok(())
    })?;
    out.json_line(&json!({
        "job": "decode",
        "pictures": read,
        "threads": rayon::current_num_threads(),
        "ms_per_image": (ms / read as f64 * 1e3).round() / 1e3,
        "images_per_s": (read as f64 / ms * 1e3).round(),
        "peak_rss_mib": peak_rss_mib(),
    }))
}
