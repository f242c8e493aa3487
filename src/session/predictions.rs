//! Classified pictures as a table.

use crate::engine::Ranked;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// Classified pictures as CSV: `path`, then `top` pairs of `label_N` and `probability_N`, then `error`.
///
/// # Errors
/// Only if memory runs out.
pub fn predictions_csv(pictures: &[(PathBuf, Result<Ranked>)], top: usize) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::internal(format!("could not write the CSV ({e})"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    let pairs = (1..=top).flat_map(|n| [format!("label_{n}"), format!("probability_{n}")]);
    let header = std::iter::once("path".to_owned()).chain(pairs).chain(["error".to_owned()]);
    csv.write_record(header).map_err(failed)?;
    for (path, result) in pictures {
        let (ranked, error) = match result {
            Ok(ranked) => (ranked.as_slice(), String::new()),
            Err(e) => (&[][..], e.to_string()),
        };
        let pairs = (0..top).flat_map(|n| match ranked.get(n) {
            Some((label, p)) => [label.clone(), format!("{p:.6}")],
            None => [String::new(), String::new()],
        });
        let row = std::iter::once(path.to_string_lossy().into_owned()).chain(pairs).chain([error]);
        csv.write_record(row).map_err(failed)?;
    }
    csv.into_inner().map_err(|e| Error::internal(format!("could not write the CSV ({e})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_a_line_also_one_that_failed() {
        let ranked = vec![("a, b".to_owned(), 0.75), ("c".to_owned(), 0.25)];
        let pictures = [
            (PathBuf::from("1.png"), Ok(ranked)),
            (PathBuf::from("2.png"), Err(Error::input("not a picture"))),
        ];
        let text = String::from_utf8(predictions_csv(&pictures, 1).unwrap()).unwrap();
        assert_eq!(
            text,
            "path,label_1,probability_1,error\n1.png,\"a, b\",0.750000,\n2.png,,,not a picture\n"
        );
    }
}
