//! Reading weight files: `.safetensors` and PyTorch's `.pth`, without ever executing what is in them.

mod load;
mod names;
mod pickle;
mod pth;
mod safetensors;
mod scalar;

pub use load::load_into;
pub(crate) use names::TimmNames;

use crate::error::{Error, ErrorKind, Result};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Named tensors in the disk layout (PyTorch's), f32 on the CPU.
#[derive(Debug, Clone)]
pub struct StateDict {
    /// Where they came from.
    pub path: PathBuf,
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// What happened to each tensor of a weight file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Where the weights came from.
    pub path: PathBuf,
    /// How many tensors were loaded.
    pub loaded: usize,
    /// The network's parameters that the file does not have (the head's not counted where it is new on purpose).
    pub missing: Vec<String>,
    /// Tensors of the file that the network does not have.
    pub unexpected: Vec<String>,
    /// Tensors that fitted after a change of shape, with what was done.
    pub reshaped: Vec<String>,
    /// Tensors of the published head, dropped on purpose because the head is new.
    pub dropped_head: Vec<String>,
    /// Tensors of stages that the network does without, because it is cut before them or pools differently.
    pub beyond_cut: Vec<String>,
}

impl LoadReport {
    /// One or two plain sentences for people.
    pub fn summary(&self) -> String {
        let mut parts = vec![format!("{} tensors loaded", self.loaded)];
        if !self.reshaped.is_empty() {
            parts.push(format!("{} of them reshaped", self.reshaped.len()));
        }
        if !self.missing.is_empty() {
            parts.push(format!("missing: {}", listed(&self.missing)));
        }
        if !self.unexpected.is_empty() {
            parts.push(format!("not used: {}", listed(&self.unexpected)));
        }
        if !self.beyond_cut.is_empty() {
            parts.push(format!("{} behind the cut left out", self.beyond_cut.len()));
        }
        let mut text = parts.join(", ");
        text.push('.');
        if !self.dropped_head.is_empty() {
            text.push_str(" The file's own classifier was left out on purpose: this one is new.");
        }
        text
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a}, {b}, {c} and {} more", rest.len()),
        few => few.join(", "),
    }
}

/// Reads a weight file by its content. PyTorch's counters of batches (`num_batches_tracked`) are left out.
///
/// # Errors
/// If it cannot be read, is corrupt, or holds anything but tensors.
pub fn read_state_dict(path: &Path) -> Result<StateDict> {
    read(path).map_err(|e| if e.path().is_some() { e } else { e.with_path(path) })
}

/// What a person calls a weight file: its repository where it lies in the cache of the Hugging Face Hub
/// (`models--timm--resnet18.tv_in1k/snapshots/COMMIT/model.safetensors`), otherwise its name.
pub fn label(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let repository = match parts.as_slice() {
        [.., repository, snapshots, _, _] if snapshots == "snapshots" => repository.strip_prefix("models--"),
        _ => None,
    };
    match repository {
        Some(repository) => repository.replacen("--", "/", 1),
        None => {
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
        }
    }
}

fn read(path: &Path) -> Result<StateDict> {
    let file = File::open(path).map_err(|e| Error::io("open the weights", path, &e))?;
    let info = file.metadata().map_err(|e| Error::io("read the weights", path, &e))?;
    if info.is_dir() {
        return Err(Error::input("a folder was given as weights").with_hint("Choose the weight file in it"));
    }
    let tensors = read_tensors(&mut BufReader::new(file), info.len())?;
    Ok(StateDict { path: path.to_path_buf(), tensors })
}

fn read_tensors(file: &mut (impl Read + Seek), file_bytes: u64) -> Result<BTreeMap<String, Tensor>> {
    let unreadable =
        |e: std::io::Error| Error::new(ErrorKind::Io, format!("could not read the weights ({e})"));
    let mut start = Vec::new();
    file.by_ref().take(64).read_to_end(&mut start).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let tensors = match Format::of(&start)? {
        Format::Safetensors => safetensors::read(file, file_bytes)?,
        Format::PyTorchZip => pth::read_zip(file, file_bytes)?,
        Format::PyTorchLegacy => pth::read_legacy(file, file_bytes)?,
    };
    let tensors = names::strip_wrappers(tensors);
    if tensors.is_empty() {
        return Err(Error::input("the weight file holds no tensors").with_hint("Choose another file"));
    }
    Ok(tensors)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Safetensors,
    PyTorchZip,
    PyTorchLegacy,
}

impl Format {
    /// The format of a file that begins so.
    fn of(start: &[u8]) -> Result<Self> {
        let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
        if start.is_empty() {
            return Err(Error::input("the weight file is empty").with_hint("Download or copy it again"));
        }
        if start.starts_with(b"PK\x03\x04") {
            return Ok(Self::PyTorchZip);
        }
        if start.starts_with(&pth::LEGACY_MAGIC) {
            return Ok(Self::PyTorchLegacy);
        }
        // Eight bytes of length, of which an honest one needs four, then the header's brace.
        if start.get(4..9) == Some(b"\0\0\0\0{") {
            return Ok(Self::Safetensors);
        }
        let (what, hint) = if text.starts_with("version https://git-lfs") {
            ("the file is only a Git LFS pointer, not the weights", "Fetch the real file with git lfs pull")
        } else if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") {
            ("the file is a web page, not weights", "Download the file itself, not the page that shows it")
        } else if start.starts_with(b"\x89HDF") {
            ("the file is in HDF5 form (Keras)", "Choose a .safetensors or PyTorch .pth file")
        } else if start.starts_with(&[0x80]) {
            (
                "the file is a Python pickle, not PyTorch weights",
                "In Python, torch.save(model.state_dict(), \"weights.pth\") writes a file that can be read",
            )
        } else {
            (
                "the file is neither safetensors nor PyTorch weights",
                "Choose a .safetensors or PyTorch .pth file",
            )
        };
        Err(Error::input(what).with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::rng::Rng;
    use std::io::Cursor;

    fn read_bytes(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
        read_tensors(&mut Cursor::new(bytes), bytes.len() as u64)
    }

    /// Every truncation is refused; a change of any byte gives values or an error, never a crash.
    fn survives_damage(original: &[u8]) {
        for length in 0..original.len() {
            assert!(read_bytes(&original[..length]).is_err(), "cut to {length} bytes");
        }
        for at in 0..original.len() {
            for bits in [0xff, 0x01, 0x80] {
                let mut bytes = original.to_vec();
                bytes[at] ^= bits;
                let _ = read_bytes(&bytes);
            }
        }
    }

    #[test]
    fn a_file_of_the_hub_is_called_by_its_repository() {
        let path = Path::new("/h/hub/models--timm--resnet18.tv_in1k/snapshots/0123abc/model.safetensors");
        assert_eq!(label(path), "timm/resnet18.tv_in1k");
        assert_eq!(label(Path::new("/w/model.safetensors")), "model.safetensors");
    }

    #[test]
    fn a_damaged_pytorch_file_is_an_error_and_nothing_worse() {
        survives_damage(include_bytes!("../../../tests/fixtures/backbones_legacy.pth"));
        survives_damage(include_bytes!("../../../tests/fixtures/backbones_plain.pth"));
    }

    #[test]
    fn a_damaged_safetensors_file_is_an_error_and_nothing_worse() {
        let values = [0u8; 24];
        let view =
            ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F32, vec![2, 3], &values).unwrap();
        let file = ::safetensors::serialize([("a", &view), ("b", &view)], None).unwrap();
        assert_eq!(read_bytes(&file).unwrap().len(), 2);
        survives_damage(&file);
    }

    #[test]
    fn no_sequence_of_opcodes_crashes_the_pickle_reader() {
        // The opcodes of real files, in an order that no one meant, with arguments that are often valid.
        const OPCODES: &[u8] = b"(.012NJKMGX)t]aed}subqrhjcRQ\x85\x86\x87\x8a\x8c\x93\x94\x88";
        let globals: [&[u8]; 3] = [
            b"ccollections\nOrderedDict\n",
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ctorch\nFloatStorage\n",
        ];
        let mut rng = Rng::for_key(11, &[]);
        for _ in 0..20_000 {
            let mut program = Vec::new();
            for _ in 0..rng.below(40) {
                match rng.below(8) {
                    0 => program.extend_from_slice(globals[rng.below(3)]),
                    1 => program.extend_from_slice(&[b'K', rng.below(6) as u8]),
                    _ => program.push(OPCODES[rng.below(OPCODES.len())]),
                }
            }
            program.push(b'.');
            let _ = pickle::read(&program);
        }
    }
}
