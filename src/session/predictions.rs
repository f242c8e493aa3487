//! Classified pictures as a table.

use crate::engine::{Ranked, Unlike};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::PathBuf;

/// Classified pictures as CSV: `path`, then `top` pairs of `label_N` and `probability_N`, then `error`; where any was compared with
/// those in training, also `unlike_training` (`true` or `false`) and `similarity_to_training`.
///
/// # Errors
/// Only if memory runs out.
pub fn predictions_csv(
    pictures: &[(PathBuf, Result<Ranked>)],
    top: usize,
    compared: &HashMap<PathBuf, Unlike>,
) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::internal(format!("could not write the CSV ({e})"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    let more = ["unlike_training", "similarity_to_training"].into_iter().filter(|_| !compared.is_empty());
    let pairs = (1..=top).flat_map(|n| [format!("label_{n}"), format!("probability_{n}")]);
    let header = std::iter::once("path".to_owned())
        .chain(pairs)
        .chain(["error".to_owned()])
        .chain(more.map(str::to_owned));
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
        let of_training = match compared.get(path) {
            Some(unlike) => [unlike.is_unlike().to_string(), format!("{:.6}", unlike.similarity)],
            None => [String::new(), String::new()],
        };
        let row = row.chain(of_training.into_iter().filter(|_| !compared.is_empty()));
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
        let text = |compared: &HashMap<PathBuf, Unlike>| {
            String::from_utf8(predictions_csv(&pictures, 1, compared).unwrap()).unwrap()
        };
        assert_eq!(
            text(&HashMap::new()),
            "path,label_1,probability_1,error\n1.png,\"a, b\",0.750000,\n2.png,,,not a picture\n"
        );
        let unlike = Unlike { similarity: 0.25, familiar: 0.5 };
        let compared = text(&HashMap::from([(PathBuf::from("1.png"), unlike)]));
        assert_eq!(
            compared.lines().collect::<Vec<_>>(),
            [
                "path,label_1,probability_1,error,unlike_training,similarity_to_training",
                "1.png,\"a, b\",0.750000,,true,0.250000",
                "2.png,,,not a picture,,"
            ]
        );
    }
}
