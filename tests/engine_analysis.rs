//! Curves, calibration and the order of classes against scikit-learn and scipy (`fixtures/engine_analysis.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::engine::analysis::{Curve, cluster};
use headstart::engine::{Analysis, ConfusionMatrix, Evaluation, Prediction};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/engine_analysis.json")).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn evaluation(case: &Value) -> Evaluation {
    let truth: Vec<usize> = numbers(&case["truth"]).iter().map(|&t| t as usize).collect();
    let rows = case["probabilities"].as_array().unwrap();
    let classes = case["classes"].as_array().unwrap().len();
    let mut confusion = ConfusionMatrix::new(classes);
    let mut predictions = Vec::new();
    for (i, (truth, row)) in truth.into_iter().zip(rows).enumerate() {
        let probabilities: Vec<f32> = numbers(row).iter().map(|&p| p as f32).collect();
        // The first of the highest, as numpy's argmax.
        let top = probabilities.iter().copied().fold(0.0, f32::max);
        let predicted = probabilities.iter().position(|&p| p == top).unwrap();
        confusion.add(truth, predicted);
        predictions.push(Prediction { rel: format!("{i}.png"), truth, predicted, probabilities });
    }
    let loss = predictions.iter().map(Prediction::loss).sum::<f64>() / predictions.len() as f64;
    let classes = (0..classes).map(|c| format!("c{c}")).collect();
    Evaluation { classes, predictions, confusion, loss }
}

fn close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: {got:?} {want:?}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() < TOLERANCE, "{what}, {i}: {g} is not {w}");
    }
}

fn optional(got: Option<f64>, want: &Value, what: &str) {
    assert_eq!(got.is_some(), !want.is_null(), "{what}: {got:?} {want}");
    if let Some(got) = got {
        close(&[got], &[want.as_f64().unwrap()], what);
    }
}

#[test]
fn curves_and_their_areas_are_those_of_scikit_learn() {
    let fixture = fixture();
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let analysis = Analysis::of(&evaluation(case));
        for (class, want) in case["classes"].as_array().unwrap().iter().enumerate() {
            let curve: &Curve = &analysis.classes[class];
            let what = format!("{name}, class {class}");
            optional(curve.average_precision, &want["average_precision"], &what);
            optional(curve.auc, &want["auc"], &what);
            let each = |f: fn(&Curve, &headstart::engine::analysis::Point) -> f64| -> Vec<f64> {
                curve.points.iter().map(|p| f(curve, p)).collect()
            };
            if curve.average_precision.is_some() {
                // scikit-learn stops where everything is found.
                let full = numbers(&want["recall"]).len();
                assert!(full <= curve.points.len());
                close(&each(Curve::recall)[..full], &numbers(&want["recall"]), &what);
                close(&each(Curve::precision)[..full], &numbers(&want["precision"]), &what);
                let thresholds: Vec<f64> = curve.points.iter().map(|p| f64::from(p.threshold)).collect();
                close(&thresholds[..full], &numbers(&want["thresholds"]), &what);
            }
            if curve.auc.is_some() {
                let rates = each(Curve::false_positive_rate);
                close(&rates, &numbers(&want["false_positive_rate"]), &what);
                close(&each(Curve::recall), &numbers(&want["true_positive_rate"]), &what);
            }
        }
        let (micro, mean) = (&case["micro"], &case["macro"]);
        optional(analysis.micro.average_precision, &micro["average_precision"], name);
        optional(analysis.micro.auc, &micro["auc"], name);
        optional(analysis.macro_mean.average_precision, &mean["average_precision"], name);
        optional(analysis.macro_mean.auc, &mean["auc"], name);
        let second = |points: &[[f64; 2]]| -> Vec<f64> { points.iter().map(|p| p[1]).collect() };
        close(&second(&analysis.macro_mean.precision_recall), &numbers(&mean["precision_at"]), name);
        close(&second(&analysis.macro_mean.roc), &numbers(&mean["found_at"]), name);
    }
}

#[test]
fn calibration_and_loss_are_those_of_scikit_learn() {
    let fixture = fixture();
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let e = evaluation(case);
        let calibration = Analysis::of(&e).calibration;
        let counts: Vec<f64> = calibration.bins.iter().map(|b| b.count() as f64).collect();
        close(&counts, &numbers(&case["bins"]["counts"]), name);
        let full = || calibration.bins.iter().filter(|b| b.count() > 0);
        let accuracy: Vec<f64> = full().map(|b| b.accuracy().unwrap()).collect();
        let confidence: Vec<f64> = full().map(|b| b.confidence).collect();
        close(&accuracy, &numbers(&case["bins"]["accuracy"]), name);
        close(&confidence, &numbers(&case["bins"]["confidence"]), name);
        close(&[calibration.error], &[case["ece"].as_f64().unwrap()], name);
        // scikit-learn scales rows to a sum of 1 first, and the fixture's are rounded to f32.
        assert!((e.loss - case["loss"].as_f64().unwrap()).abs() < 1e-6, "{name}: {}", e.loss);
    }
}

#[test]
fn the_order_of_classes_is_that_of_scipys_average_linkage() {
    let fixture = fixture();
    for tree in fixture["clusters"].as_array().unwrap() {
        let rows = tree["counts"].as_array().unwrap();
        let mut confusion = ConfusionMatrix::new(rows.len());
        for (truth, row) in rows.iter().enumerate() {
            for (predicted, times) in numbers(row).into_iter().enumerate() {
                (0..times as usize).for_each(|_| confusion.add(truth, predicted));
            }
        }
        let want: Vec<usize> = numbers(&tree["leaves"]).iter().map(|&leaf| leaf as usize).collect();
        assert_eq!(cluster::order(&confusion), want);
    }
}

#[test]
fn the_highest_losses_come_first() {
    let fixture = fixture();
    let e = evaluation(&fixture["cases"][0]);
    let order = Analysis::of(&e).by_loss;
    assert_eq!(order.len(), e.predictions.len());
    assert!(order.windows(2).all(|w| e.predictions[w[0]].loss() >= e.predictions[w[1]].loss()));
}
