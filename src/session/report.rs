//! The numbers of an evaluation as files for other programs.

use crate::engine::analysis::Curve;
use crate::engine::metrics::wilson_interval;
use crate::engine::{Analysis, ClassMetrics, Evaluation};
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// Losses that are listed.
const LISTED: usize = 20;

/// What `summary.json` holds. Intervals are Wilson's of 95 %, that of macro F1 is the bootstrap's; what is not defined, such as the area under the curve of a class
/// without pictures, is null.
pub(super) fn numbers(e: &Evaluation, analysis: &Analysis, test_judged: Option<usize>) -> Value {
    let m = &e.confusion;
    let name = |class: usize| e.classes.get(class).cloned().unwrap_or_default();
    let interval = |part, whole| {
        let (low, high) = wilson_interval(part, whole);
        json!([low, high])
    };
    let class = |(class, c): (usize, ClassMetrics)| {
        let hit = m.count(class, class);
        let curve = analysis.classes.get(class);
        json!({
            "name": name(class),
            "precision": c.precision,
            "recall": c.recall,
            "f1": c.f1,
            "support": c.support,
            "precision_interval": interval(hit, m.column_total(class)),
            "recall_interval": interval(hit, c.support),
            "average_precision": curve.and_then(|c| c.average_precision),
            "roc_auc": curve.and_then(|c| c.auc),
        })
    };
    let (micro, mean) = (&analysis.micro, &analysis.macro_mean);
    let bins: Vec<Value> = analysis
        .calibration
        .bins
        .iter()
        .map(|b| json!({"low": b.low, "high": b.high, "right": b.right, "wrong": b.wrong, "mean_confidence": b.confidence}))
        .collect();
    let pairs: Vec<Value> = analysis
        .pairs
        .iter()
        .map(|p| json!({"classes": [name(p.a), name(p.b)], "first_as_second": p.a_as_b, "second_as_first": p.b_as_a}))
        .collect();
    let losses: Vec<Value> = analysis
        .by_loss
        .iter()
        .take(LISTED)
        .filter_map(|&i| e.predictions.get(i))
        .map(|p| json!({"path": p.rel, "true": name(p.truth), "predicted": name(p.predicted), "loss": p.loss()}))
        .collect();
    let mut numbers = json!({
        "version": 1,
        "pictures": m.total(),
        "correct": m.correct(),
        "accuracy": m.accuracy(),
        "macro_f1": m.macro_f1(),
        "loss": e.loss,
        "classes": m.per_class().into_iter().enumerate().map(class).collect::<Vec<_>>(),
        "confusion": (0..m.classes())
            .map(|truth| (0..m.classes()).map(|predicted| m.count(truth, predicted)).collect::<Vec<_>>())
            .collect::<Vec<_>>(),
        "accuracy_interval": interval(m.correct(), m.total()),
        "macro_f1_interval": [analysis.macro_f1_interval.0, analysis.macro_f1_interval.1],
        "micro": {"average_precision": micro.average_precision, "roc_auc": micro.auc},
        "macro": {"average_precision": mean.average_precision, "roc_auc": mean.auc},
        "calibration": {"expected_error": analysis.calibration.error, "bins": bins},
        "confused_pairs": pairs,
        "highest_losses": losses,
    });
    if let (Some(times), Some(object)) = (test_judged, numbers.as_object_mut()) {
        object.insert("test_judged".to_owned(), json!(times));
    }
    numbers
}

/// `curves.csv`: a line for each point of each class's curve, the highest threshold first. Recall is the true positive rate.
///
/// # Errors
/// Only if memory runs out.
pub(super) fn curves_csv(e: &Evaluation, analysis: &Analysis) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::internal(format!("could not write the curves ({e})"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["class", "threshold", "precision", "recall", "false_positive_rate"]).map_err(failed)?;
    let known = |curve: &&Curve| curve.positives > 0;
    for (name, curve) in e.classes.iter().zip(&analysis.classes).filter(|(_, curve)| known(curve)) {
        for p in &curve.points {
            let numbers = [curve.precision(p), curve.recall(p), curve.false_positive_rate(p)];
            let texts = [name.clone(), p.threshold.to_string()];
            out.write_record(texts.into_iter().chain(numbers.map(|n| n.to_string()))).map_err(failed)?;
        }
    }
    out.into_inner().map_err(|e| Error::internal(format!("could not write the curves ({e})")))
}
