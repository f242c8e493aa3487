//! Classified pictures as a table.

use crate::engine::{Ranked, Unlike};
use crate::error::{Error, Result};
use std::path::Path;

/// The word for what is not decided.
pub const UNDECIDED: &str = "undecided";

/// A picture that was classified, or could not be.
#[derive(Debug, Clone, Copy)]
pub struct TableRow<'a> {
    /// The file.
    pub path: &'a Path,
    /// Classes by falling probability, or why there are none; nothing where it was not its turn yet.
    pub result: Option<&'a Result<Ranked>>,
    /// How it compares with those in training, where that is known.
    pub unlike: Option<&'a Unlike>,
}

/// The most probable class, or [`UNDECIDED`] where its probability is below `decide_from`; nothing without classes.
pub fn decision(result: Option<&Result<Ranked>>, decide_from: f32) -> Option<&str> {
    let (label, probability) = result?.as_ref().ok()?.first()?;
    Some(if *probability >= decide_from { label } else { UNDECIDED })
}

/// Classified pictures as CSV: `path`, then `top` pairs of `label_N` and `probability_N`, then `error`; where any was compared with
/// those in training, also `unlike_training` (`true` or `false`) and `similarity_to_training`; where `decide_from` is above 0, also
/// `decision`.
///
/// # Errors
/// Only if memory runs out.
pub fn predictions_csv(rows: &[TableRow<'_>], top: usize, decide_from: f32) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::internal(format!("could not write the CSV ({e})"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    let (compared, decides) = (rows.iter().any(|r| r.unlike.is_some()), decide_from > 0.0);
    let mut header = vec!["path".to_owned()];
    header.extend((1..=top).flat_map(|n| [format!("label_{n}"), format!("probability_{n}")]));
    header.push("error".to_owned());
    if compared {
        header.extend(["unlike_training", "similarity_to_training"].map(str::to_owned));
    }
    if decides {
        header.push("decision".to_owned());
    }
    csv.write_record(&header).map_err(failed)?;
    for row in rows {
        let (ranked, error) = match row.result {
            Some(Ok(ranked)) => (ranked.as_slice(), String::new()),
            Some(Err(e)) => (&[][..], e.to_string()),
            None => (&[][..], String::new()),
        };
        let mut line = vec![row.path.to_string_lossy().into_owned()];
        line.extend((0..top).flat_map(|n| match ranked.get(n) {
            Some((label, p)) => [label.clone(), format!("{p:.6}")],
            None => [String::new(), String::new()],
        }));
        line.push(error);
        if compared {
            line.extend(match row.unlike {
                Some(unlike) => [unlike.is_unlike().to_string(), format!("{:.6}", unlike.similarity)],
                None => [String::new(), String::new()],
            });
        }
        if decides {
            line.push(decision(row.result, decide_from).unwrap_or_default().to_owned());
        }
        csv.write_record(line).map_err(failed)?;
    }
    csv.into_inner().map_err(|e| Error::internal(format!("could not write the CSV ({e})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_a_line_also_one_that_failed() {
        let ranked = Ok(vec![("a, b".to_owned(), 0.75), ("c".to_owned(), 0.25)]);
        let broken = Err(Error::input("not a picture"));
        let row = |path, result, unlike| TableRow { path: Path::new(path), result: Some(result), unlike };
        let text = |rows: &[TableRow<'_>], decide_from| {
            String::from_utf8(predictions_csv(rows, 1, decide_from).unwrap()).unwrap()
        };
        let plain = [row("1.png", &ranked, None), row("2.png", &broken, None)];
        assert_eq!(
            text(&plain, 0.0),
            "path,label_1,probability_1,error\n1.png,\"a, b\",0.750000,\n2.png,,,not a picture\n"
        );
        let unlike = Unlike { similarity: 0.25, familiar: 0.5 };
        let compared = [row("1.png", &ranked, Some(&unlike)), row("2.png", &broken, None)];
        assert_eq!(
            text(&compared, 0.0).lines().collect::<Vec<_>>(),
            [
                "path,label_1,probability_1,error,unlike_training,similarity_to_training",
                "1.png,\"a, b\",0.750000,,true,0.250000",
                "2.png,,,not a picture,,"
            ]
        );
        assert_eq!(
            text(&plain, 0.75).lines().collect::<Vec<_>>(),
            [
                "path,label_1,probability_1,error,decision",
                "1.png,\"a, b\",0.750000,,\"a, b\"",
                "2.png,,,not a picture,"
            ]
        );
        assert!(text(&plain, 0.8).contains(",,undecided\n"));
    }
}
