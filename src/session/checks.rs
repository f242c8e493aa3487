//! `checks.json` of a project: what looking at its pictures showed, so that opening it again need not decode them. Only a saving
//! of time: where it is missing, damaged or of another version of the program, the pictures are looked at again.

use crate::data::Checks;
use crate::error::{Error, Result};
use crate::export::atomic;
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "checks.json";

/// Another version of the program may decode other files.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize, Deserialize)]
struct ChecksFile {
    program: String,
    files: Checks,
}

/// What is remembered in `project`.
pub(super) fn load(project: &Path) -> Checks {
    let path = project.join(FILE);
    let Ok(bytes) = std::fs::read(&path) else { return Checks::default() };
    match serde_json::from_slice::<ChecksFile>(&bytes) {
        Ok(file) if file.program == PROGRAM => file.files,
        Ok(_) => Checks::default(),
        Err(e) => {
            tracing::warn!("{} is damaged and left out of account ({e})", path.display());
            Checks::default()
        }
    }
}

/// Remembers `checks` in `project`.
pub(super) fn save(project: &Path, checks: Checks) -> Result<()> {
    let file = ChecksFile { program: PROGRAM.to_owned(), files: checks };
    let text = serde_json::to_vec(&file)
        .map_err(|e| Error::internal(format!("could not write what the pictures showed ({e})")))?;
    atomic::write(&project.join(FILE), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_or_one_of_another_program_is_left_out_of_account() {
        let t = tempfile::tempdir().unwrap();
        let other = r#"{"program": "0.0.0-other", "files": {"a.png": {"stamp": {"len": 1, "modified_ns": 1},
            "sha256": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], "animated": false, "size": [1, 1]}}}"#;
        let mine = other.replace("0.0.0-other", PROGRAM);
        for (text, expected) in [("{\"program\": \"0", 0), (other, 0), (mine.as_str(), 1)] {
            std::fs::write(t.path().join(FILE), text).unwrap();
            assert_eq!(load(t.path()).len(), expected);
        }
        let checks = load(t.path());
        save(t.path(), checks.clone()).unwrap();
        assert_eq!(load(t.path()), checks);
    }
}
