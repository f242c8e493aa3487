//! The one user-facing error: what failed and with which value, where, and what to do about it.
//!
//! An error is made where the failure is understood, passed up with `?`, and shown exactly once: by the command line on
//! standard error, or by the window as a notice.

use std::fmt;
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is, for callers that react differently to some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something the user gave (a file, a folder, a setting) cannot be used as it is.
    Input,
    /// Nothing can be written there, because the disk is read-only.
    ReadOnly,
    /// The operating system refused: permissions, a full disk, a vanished file.
    Io,
    /// The user asked to stop.
    Cancelled,
    /// The work needs an answer first, for example whether to go on without many unreadable pictures.
    NeedsConfirmation,
    /// A numeric failure: a loss that is not finite, a tensor of the wrong shape.
    Numeric,
    /// The memory of the graphics card is full.
    OutOfMemory,
    /// A fault of the program.
    Internal,
}

/// A failure, in words for the person in front of the screen.
///
/// Reads `what failed and with which value: path. What to do.`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    path: Option<PathBuf>,
    hint: Option<String>,
}

impl Error {
    /// A new error. `what` says what failed and with which value, without a full stop.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), path: None, hint: None }
    }

    /// Something the user gave cannot be used.
    pub fn input(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, what)
    }

    /// A fault of the program itself.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, what)
    }

    /// The operating system refused to `verb` (for example "read", "write", "create") the file or folder at `path`.
    pub fn io(verb: &str, path: impl AsRef<Path>, source: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let full = || {
            let left = free_bytes(path.as_ref()).map_or_else(String::new, |bytes| {
                format!("This disk has {:.1} MB left. ", bytes as f64 / 1e6)
            });
            format!("{left}Free some disk space, then try again; what was saved before is intact")
        };
        let hint = match source.kind() {
            K::PermissionDenied => Some("Check the permissions of this file or folder".to_owned()),
            K::NotFound => Some("Check that it exists and that the name is right".to_owned()),
            K::ReadOnlyFilesystem => Some("This disk is read-only: choose a place on another one".to_owned()),
            K::StorageFull => Some(full()),
            _ => None,
        };
        let kind = match source.kind() {
            K::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            _ => ErrorKind::Io,
        };
        let mut e = Self::new(kind, format!("could not {verb} ({source})")).with_path(path);
        e.hint = hint;
        e
    }

    /// The user asked to stop.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "stopped on request")
    }

    /// Names the file or folder concerned.
    #[must_use]
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_path_buf());
        self
    }

    /// Says what the user can do about it: a sentence without a full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What failed and with which value.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The file or folder concerned, if one is.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the failure is only that the user asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.kind == ErrorKind::Cancelled
    }
}

/// `1 class`, `2 classes`, `1,373 classes`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// A count as people read it: `100,000`. Files and JSON hold the bare number.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How far something has come: `640 of 1,373`.
pub fn part_of(done: usize, total: usize) -> String {
    format!("{} of {}", thousands(done), thousands(total))
}

/// `once`, `twice`, `3 times`.
pub fn times(n: usize) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{n} times"),
    }
}

/// Where a JSON text stops making sense, in words: the parser's own speak of Rust's types.
pub fn place_in_json(e: &serde_json::Error) -> String {
    match e.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        _ if e.line() > 0 => format!("at line {}, character {}", e.line(), e.column()),
        _ => "a value is missing or of the wrong kind".to_owned(),
    }
}

/// A TOML parser's message without the names of Rust's types.
pub fn plain_toml(message: &str) -> String {
    let words = [
        ("invalid type: ", "found the "),
        ("invalid value: ", "found the "),
        ("expected usize", "which should be a whole number"),
        ("expected u64", "which should be a whole number"),
        ("expected u32", "which should be a whole number"),
        ("expected f64", "which should be a number"),
        ("expected a boolean", "which should be true or false"),
        ("expected a sequence", "which should be a list"),
        ("expected a string", "which should be a text in quotes"),
        ("floating point `", "number `"),
        ("integer `", "number `"),
        ("string \"", "text \""),
    ];
    let text = words.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    text.lines().next().unwrap_or_default().to_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(path) = &self.path {
            write!(f, ": {}", path.display())?;
        }
        if let Some(hint) = &self.hint {
            write!(f, ". {hint}.")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<candle_core::Error> for Error {
    fn from(e: candle_core::Error) -> Self {
        let told = e.to_string();
        if tells_of_full_memory(&told) {
            return Self::new(ErrorKind::OutOfMemory, "the graphics card's memory is full").with_hint(
                "Choose a smaller train.batch_size or a smaller network, close other programs that use the card, or set train.device \
                 to \"cpu\"",
            );
        }
        Self::new(ErrorKind::Numeric, format!("a tensor operation failed ({told})"))
    }
}

/// Whether a message of CUDA, its libraries or Metal means that the card's memory is full. candle hands them on as text, some of
/// them without a type of their own.
fn tells_of_full_memory(message: &str) -> bool {
    const TOLD: [&str; 8] = [
        "CUDA_ERROR_OUT_OF_MEMORY",
        "cudaErrorMemoryAllocation",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED",
        // In place of the former since cuDNN 9.
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CURAND_STATUS_ALLOCATION_FAILED",
        // Metal says no more of a buffer that it does not give, and this of work that did not fit.
        "Failed to create metal resource: Buffer",
        "kIOGPUCommandBufferCallbackErrorOutOfMemory",
    ];
    TOLD.iter().any(|told| message.contains(told))
}

/// Bytes that programs can still write to the disk of `path`, which need not exist; nothing where the system does not tell.
#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let disk = path.ancestors().find_map(|place| rustix::fs::statvfs(place).ok())?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_value_then_path_then_advice() {
        let e = Error::input("the split 1.4 is not between 0 and 1").with_path("a/b").with_hint("Use 0.2");
        assert_eq!(e.to_string(), "the split 1.4 is not between 0 and 1: a/b. Use 0.2.");
    }

    #[test]
    fn counts_are_read_in_groups_of_three() {
        let read = [0, 7, 153, 1000, 12_345, 100_000, 1_234_567].map(thousands);
        assert_eq!(read, ["0", "7", "153", "1,000", "12,345", "100,000", "1,234,567"]);
        assert_eq!([1, 1373].map(|n| count(n, "class", "classes")), ["1 class", "1,373 classes"]);
        assert_eq!(part_of(640, 1373), "640 of 1,373");
    }

    #[test]
    fn parsers_are_quoted_without_their_types() {
        let e = serde_json::from_str::<Vec<usize>>("[1,\n \"a\"]").unwrap_err();
        assert_eq!(place_in_json(&e), "at line 2, character 4");
        assert_eq!(
            place_in_json(&serde_json::from_str::<Vec<usize>>("[1").unwrap_err()),
            "it ends too early"
        );
        let e = toml::from_str::<std::collections::BTreeMap<String, usize>>("a = \"b\"").unwrap_err();
        assert_eq!(plain_toml(e.message()), "found the text \"b\", which should be a whole number");
    }

    #[test]
    fn a_full_card_is_recognised_by_what_its_libraries_say() {
        let of = |message: &str| Error::from(candle_core::Error::Cuda(message.to_owned().into())).kind();
        for full in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\") when loading conv",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            "CudnnError(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)",
        ] {
            assert_eq!(of(full), ErrorKind::OutOfMemory, "{full}");
        }
        let wrapped = candle_core::Error::Msg("Metal error Failed to create metal resource: Buffer".into());
        assert_eq!(Error::from(wrapped.context("while adding")).kind(), ErrorKind::OutOfMemory);
        for other in [
            "DriverError(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, \"too many resources requested for launch\")",
            "CudnnError(CUDNN_STATUS_NOT_SUPPORTED_SHARED_MEMORY_INSUFFICIENT)",
            "Failed to create metal resource: CommandBuffer",
        ] {
            assert_eq!(of(other), ErrorKind::Numeric, "{other}");
        }
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let e = Error::io("write", "x", &std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(e.hint().unwrap().contains("Free some disk space"), "{e}");
    }
}
