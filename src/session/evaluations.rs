//! An evaluation on disk: `predictions.csv`, one line a picture, `curves.csv`, one line a threshold, and `summary.json`, the
//! numbers. A run's own stay as they are, but where its predictions are damaged.

use super::report;
use crate::engine::{Analysis, ConfusionMatrix, Evaluation, Prediction};
use crate::error::{Error, Result, part_of};
use crate::export::atomic;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

const FILE: &str = "predictions.csv";
const CURVES: &str = "curves.csv";
const NUMBERS: &str = "summary.json";

/// What a run's damaged predictions are called once it was judged anew.
const SET_ASIDE: &str = "predictions.damaged.csv";

/// Columns before the classes' own, as [`Evaluation::to_csv`] writes them.
const FIXED: [&str; 4] = ["path", "true", "predicted", "probability"];

/// Largest share by which the probabilities of a line may miss 1 before the file counts as damaged: they are written with
/// seven digits, so only something that is no probability gets there.
const SUM_TOLERANCE: f32 = 0.01;

/// Writes `predictions.csv`, `summary.json` (accuracy, macro F1, loss, each class's precision, recall, F1, support, average
/// precision and area under the ROC curve, the confusion matrix with a row for each true class, calibration, confused pairs,
/// the highest losses) and `curves.csv` into `dir`, which is created. `test_judged` says how often the run was judged on its
/// test pictures, where it was now.
///
/// # Errors
/// If the folder cannot be written, or is a run's: its own results stay as they are.
pub fn save_evaluation(dir: &Path, evaluation: &Evaluation, test_judged: Option<usize>) -> Result<()> {
    check_no_run(dir)?;
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, &e))?;
    let analysis = Analysis::of(evaluation);
    let numbers = report::numbers(evaluation, &analysis, test_judged);
    let text = serde_json::to_vec_pretty(&numbers)
        .map_err(|e| Error::internal(format!("could not write the numbers ({e})")))?;
    atomic::write(&dir.join(FILE), &evaluation.to_csv()?)?;
    atomic::write(&dir.join(CURVES), &report::curves_csv(evaluation, &analysis)?)?;
    atomic::write(&dir.join(NUMBERS), &text)
}

fn check_no_run(dir: &Path) -> Result<()> {
    if dir.join("config.toml").exists() {
        return Err(Error::input("the evaluation would replace the results of the run in this folder")
            .with_path(dir)
            .with_hint("Choose another folder"));
    }
    Ok(())
}

/// Refuses a folder that holds a run, or, unless that may be replaced, an evaluation.
///
/// # Errors
/// Says what is there and what to do.
pub fn check_place_of_evaluation(dir: &Path, replace: bool) -> Result<()> {
    check_no_run(dir)?;
    if !replace && [FILE, CURVES, NUMBERS].iter().any(|name| dir.join(name).exists()) {
        return Err(Error::input("this folder already holds an evaluation")
            .with_path(dir)
            .with_hint("Choose another folder, or replace it with --force"));
    }
    Ok(())
}

/// Reads a finished run's `predictions.csv` back into an evaluation.
///
/// # Errors
/// If the file is missing or damaged, or is of fewer or more pictures than the numbers beside it.
pub fn load_evaluation(run_dir: &Path) -> Result<Evaluation> {
    let path = run_dir.join(FILE);
    let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, &e))?;
    let found = from_csv(&bytes).and_then(|evaluation| {
        let there = evaluation.predictions.len();
        match (twice(&evaluation), counted(run_dir)) {
            (Some(rel), _) => Err(format!("{rel} is there twice")),
            (None, Some(all)) if all != there => Err(format!("{} pictures are there", part_of(there, all))),
            _ => Ok(evaluation),
        }
    });
    found.map_err(|why| Error::input(format!("the predictions are damaged ({why})")).with_path(&path))
}

/// A picture that is there more than once, if one is.
fn twice(evaluation: &Evaluation) -> Option<&str> {
    let mut seen = HashSet::new();
    evaluation.predictions.iter().map(|p| p.rel.as_str()).find(|rel| !seen.insert(*rel))
}

/// How many pictures were judged, as the numbers of a run or an evaluation say; nothing where they do not.
fn counted(dir: &Path) -> Option<usize> {
    let numbers: Value = serde_json::from_slice(&std::fs::read(dir.join(NUMBERS)).ok()?).ok()?;
    let pictures = numbers.get("val").unwrap_or(&numbers).get("pictures")?.as_u64()?;
    usize::try_from(pictures).ok().filter(|n| *n > 0)
}

/// Where a finished run's predictions cannot be read any more, an evaluation of its `own` pictures takes their place; the damaged
/// file is kept beside it. Where it is of other pictures, because some are gone or came, or nothing can be written, the run stays as it
/// is.
pub(super) fn mend(run_dir: &Path, own: &BTreeSet<String>, evaluation: &Evaluation) {
    let finished = run_dir.join(NUMBERS).exists();
    let all = counted(run_dir).is_none_or(|all| all == evaluation.predictions.len());
    let same = all && evaluation.predictions.iter().all(|p| own.contains(&p.rel));
    if !finished || !same || load_evaluation(run_dir).is_ok() {
        return;
    }
    let file = run_dir.join(FILE);
    let mended = evaluation.to_csv().and_then(|csv| {
        if file.exists() {
            let aside = run_dir.join(SET_ASIDE);
            std::fs::rename(&file, &aside).map_err(|e| Error::io("rename to", &aside, &e))?;
        }
        atomic::write(&file, &csv)
    });
    if let Err(e) = mended {
        tracing::warn!("a run's damaged predictions stay as they are: {e}");
    }
}

fn from_csv(bytes: &[u8]) -> Result<Evaluation, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    if header.iter().take(FIXED.len()).ne(FIXED) || header.len() == FIXED.len() {
        return Err(format!("the first line is not {} and the class names", FIXED.join(",")));
    }
    let classes: Vec<String> = header.iter().skip(FIXED.len()).map(str::to_owned).collect();
    let mut evaluation = Evaluation {
        confusion: ConfusionMatrix::new(classes.len()),
        classes,
        predictions: Vec::new(),
        loss: 0.0,
    };
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| e.to_string())?;
        let p = prediction(&record, &evaluation.classes).map_err(|why| format!("line {}: {why}", i + 2))?;
        evaluation.confusion.add(p.truth, p.predicted);
        evaluation.loss += p.loss();
        evaluation.predictions.push(p);
    }
    evaluation.loss /= evaluation.predictions.len().max(1) as f64;
    Ok(evaluation)
}

fn prediction(record: &csv::StringRecord, classes: &[String]) -> Result<Prediction, String> {
    let text = |column: usize| record.get(column).unwrap_or_default();
    let class = |column: usize| {
        let name = text(column);
        classes.iter().position(|c| c == name).ok_or_else(|| format!("there is no class `{name}`"))
    };
    let (truth, predicted) = (class(1)?, class(2)?);
    let probabilities: Vec<f32> = (FIXED.len()..record.len())
        .map(|column| text(column).parse().map_err(|_| format!("`{}` is not a number", text(column))))
        .collect::<Result<_, String>>()?;
    let sum: f32 = probabilities.iter().sum();
    if sum.is_nan() || (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(format!("the probabilities sum to {sum}"));
    }
    Ok(Prediction { rel: text(0).to_owned(), truth, predicted, probabilities })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluation() -> Evaluation {
        let classes = vec!["ants, red".to_owned(), "bees".to_owned()];
        let predictions = vec![
            Prediction {
                rel: "val/ants, red/1.png".into(),
                truth: 0,
                predicted: 0,
                probabilities: vec![0.9, 0.1],
            },
            Prediction {
                rel: "val/bees/ä \"2\".png".into(),
                truth: 1,
                predicted: 0,
                probabilities: vec![0.6, 0.4],
            },
            Prediction {
                rel: "val/bees/3.png".into(),
                truth: 1,
                predicted: 1,
                probabilities: vec![0.1, 0.9],
            },
        ];
        let mut confusion = ConfusionMatrix::new(2);
        predictions.iter().for_each(|p| confusion.add(p.truth, p.predicted));
        let loss = predictions.iter().map(Prediction::loss).sum::<f64>() / 3.0;
        Evaluation { classes, predictions, confusion, loss }
    }

    #[test]
    fn written_and_read_back_it_is_the_same() {
        let t = tempfile::tempdir().unwrap();
        save_evaluation(&t.path().join("new"), &evaluation(), Some(2)).unwrap();
        assert_eq!(load_evaluation(&t.path().join("new")).unwrap(), evaluation());
        let numbers: serde_json::Value =
            serde_json::from_slice(&std::fs::read(t.path().join("new/summary.json")).unwrap()).unwrap();
        assert_eq!(numbers["confusion"], json!([[1, 0], [1, 1]]));
        assert_eq!((&numbers["correct"], &numbers["pictures"]), (&json!(2), &json!(3)));
        assert_eq!(numbers["classes"][1]["recall"], json!(0.5));
        assert_eq!((&numbers["test_judged"], &numbers["classes"][1]["roc_auc"]), (&json!(2), &json!(1.0)));
        assert_eq!(numbers["confused_pairs"][0]["classes"], json!(["ants, red", "bees"]));
        assert_eq!(numbers["highest_losses"][0]["path"], "val/bees/ä \"2\".png");
        let curves = std::fs::read_to_string(t.path().join("new/curves.csv")).unwrap();
        assert!(curves.starts_with("class,threshold,precision,recall,false_positive_rate\n"), "{curves}");
        assert!(curves.contains("bees,0.4,1,1,0\n") && curves.contains("bees,0.9,1,0.5,0\n"), "{curves}");
    }

    #[test]
    fn damage_is_named_with_its_line() {
        for (text, word) in [
            ("", "first line"),
            ("path,true,predicted,probability\n", "first line"),
            ("path,true,predicted,probability,a,b\nx,a,c,0.5,0.5,0.5\n", "line 2: there is no class `c`"),
            ("path,true,predicted,probability,a,b\nx,a,b,0.5,0.5,0.5\nx,a,b,0.5", "fields"),
            ("path,true,predicted,probability,a,b\nx,a,b,0.5,0.5,half\n", "`half` is not a number"),
            ("path,true,predicted,probability,a,b\nx,a,b,0.5,NaN,0.5\n", "sum to NaN"),
        ] {
            let e = from_csv(text.as_bytes()).unwrap_err();
            assert!(e.contains(word), "{text:?}: {e}");
        }
    }
}
