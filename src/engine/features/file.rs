//! `features.safetensors` of a run: the features, with the list of their pictures in the header, so that one rename replaces both.

use super::{Familiar, Features, Known};
use crate::error::{Error, Result};
use crate::export::atomic;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

const FILE: &str = "features.safetensors";
/// Key of the header's metadata under which [`Description`] is kept.
const KEY: &str = "headstart";
const FEATURES: &str = "features";
const PREDICTED: &str = "predicted";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Description {
    version: u32,
    model_sha256: String,
    classes: Vec<String>,
    familiar: Option<Familiar>,
    pictures: Vec<Known>,
}

impl Features {
    /// Keeps them in a run's folder: a file of the safetensors format with `features`, `[N, F]` f32, and `predicted`, `[N]` u32.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self, run_dir: &Path) -> Result<()> {
        let description = Description {
            version: VERSION,
            model_sha256: self.model.clone(),
            classes: self.classes.clone(),
            familiar: self.familiar,
            pictures: self.pictures.clone(),
        };
        let failed =
            |e: &dyn std::fmt::Display| Error::internal(format!("could not write the features ({e})"));
        let text = serde_json::to_string(&description).map_err(|e| failed(&e))?;
        let shape = vec![self.len(), self.width];
        let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(|e| failed(&e));
        let tensors = [
            (FEATURES, view(Dtype::F32, shape, bytemuck::cast_slice(&self.values))?),
            (PREDICTED, view(Dtype::U32, vec![self.len()], bytemuck::cast_slice(&self.predicted))?),
        ];
        let metadata = HashMap::from([(KEY.to_owned(), text)]);
        let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| failed(&e))?;
        atomic::write(&run_dir.join(FILE), &bytes)
    }

    /// What is kept in a run's folder of the model whose weights have this SHA-256; nothing where there is none, or another
    /// model's. A damaged file counts as none: everything in it can be computed again.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn load(run_dir: &Path, model_sha256: &str) -> Result<Option<Self>> {
        let path = run_dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path, &e)),
        };
        match parse(&bytes) {
            Ok(features) => Ok(features.filter(|f| f.model == model_sha256)),
            Err(why) => {
                tracing::warn!("{} is damaged and left out of account ({why})", path.display());
                Ok(None)
            }
        }
    }
}

/// Nothing where a newer program wrote it.
fn parse(bytes: &[u8]) -> Result<Option<Features>, String> {
    let words = |e: SafeTensorError| e.to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(words)?;
    let text = header.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or("it has no list of pictures")?;
    let description: Description = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if description.version > VERSION {
        return Ok(None);
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(words)?;
    let values = tensors.tensor(FEATURES).map_err(words)?;
    let predicted = tensors.tensor(PREDICTED).map_err(words)?;
    let count = description.pictures.len();
    let classes = description.classes.len();
    if values.dtype() != Dtype::F32 || predicted.dtype() != Dtype::U32 || predicted.shape() != [count] {
        return Err("its values have another type or shape".to_owned());
    }
    if values.shape().first() != Some(&count) || values.shape().len() != 2 {
        return Err(format!("features of shape {:?} for {count} pictures", values.shape()));
    }
    let predicted: Vec<u32> = bytemuck::pod_collect_to_vec(predicted.data());
    let known = |class: usize| class < classes;
    if !description.pictures.iter().all(|p| known(p.class)) || !predicted.iter().all(|&p| known(p as usize)) {
        return Err("it names a class that it does not have".to_owned());
    }
    let Description { model_sha256, classes, familiar, pictures, .. } = description;
    let values = bytemuck::pod_collect_to_vec(values.data());
    let features = Features::of_parts(model_sha256, classes, pictures, predicted, values);
    Ok(Some(Features { familiar, ..features }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::of_rows;
    use super::*;

    #[test]
    fn kept_and_read_back_they_are_the_same_for_this_model_alone() {
        let dir = tempfile::tempdir().unwrap();
        let rows: Vec<Vec<f32>> = (0..7).map(|i| vec![i as f32, -1.5, 0.25 * i as f32]).collect();
        let mut features = of_rows(&rows, &[0, 1, 0, 1, 0, 1, 1], 2);
        features.familiar = Some(Familiar { similarity: 0.5, neighbour: 5, roots: true });
        assert_eq!(Features::load(dir.path(), "digest").unwrap(), None);
        features.save(dir.path()).unwrap();
        assert_eq!(Features::load(dir.path(), "digest").unwrap(), Some(features));
        assert_eq!(Features::load(dir.path(), "another").unwrap(), None);
    }

    #[test]
    fn damage_and_newer_versions_count_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let rows = vec![vec![1.0, 2.0]; 3];
        of_rows(&rows, &[0, 0, 1], 2).save(dir.path()).unwrap();
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        let changed = |from: &str, to: &str| {
            let at = whole.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bytes = whole.clone();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        let version = (r#"version\":1"#, r#"version\":7"#);
        let class = (r#"class\":1"#, r#"class\":9"#);
        for bytes in [
            whole[..whole.len() - 3].to_vec(),
            b"not a file".to_vec(),
            changed(version.0, version.1),
            changed(class.0, class.1),
        ] {
            std::fs::write(dir.path().join(FILE), bytes).unwrap();
            assert_eq!(Features::load(dir.path(), "digest").unwrap(), None);
        }
        std::fs::write(dir.path().join(FILE), &whole).unwrap();
        assert!(Features::load(dir.path(), "digest").unwrap().is_some());
    }
}
