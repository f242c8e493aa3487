//! Against values of `tests/fixtures/engine_neighbourhood_golden.py`.

use super::super::tests::of_rows;
use super::*;
use crate::engine::features::map::principal_plane;
use crate::error::Error;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Neighbours that trustworthiness is about.
const NEIGHBOURS: usize = 5;

fn numbers(list: &Value) -> Vec<f32> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn rows(list: &Value) -> Vec<Vec<f32>> {
    list.as_array().unwrap().iter().map(numbers).collect()
}

/// Weighted as in the script, so that no two distances are the same.
fn digits(golden: &Value) -> Vec<Vec<f32>> {
    let weighted = |row: Vec<f32>| row.iter().zip(0..).map(|(v, i)| v * (1.0 + i as f32 / 1024.0)).collect();
    rows(&golden["digits"]).into_iter().map(weighted).collect()
}

fn golden() -> (Value, Features) {
    let text = include_str!("../../../../tests/fixtures/engine_neighbourhood_golden.json");
    let golden: Value = serde_json::from_str(text).unwrap();
    let labels: Vec<usize> = numbers(&golden["labels"]).into_iter().map(|v| v as usize).collect();
    let features = of_rows(&digits(&golden), &labels, 10);
    (golden, features)
}

fn affinities(golden: &Value) -> Affinities {
    let pad = |row: Vec<f32>| -> [f32; WIDE] { std::array::from_fn(|i| row[i]) };
    let rows: Vec<[f32; WIDE]> = digits(golden).into_iter().map(pad).collect();
    let near = nearest::others(&rows, (3.0 * PERPLEXITY + 1.0) as usize, &|_, _| Ok(())).unwrap();
    Affinities::of(&near, PERPLEXITY)
}

/// How many of each row's neighbours on the plane are its neighbours, by ranks (Venna and Kaski 2001).
fn trustworthiness(features: &Features, plane: &[[f32; 2]]) -> f64 {
    let n = plane.len();
    let ranked = |i: usize, distance: &dyn Fn(usize) -> f64| -> Vec<usize> {
        let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
        others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        others
    };
    let mut off = 0;
    for i in 0..n {
        let between =
            |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum() };
        let before = ranked(i, &|j| between(features.row(i), features.row(j)));
        let mut rank = vec![0; n];
        before.iter().enumerate().for_each(|(r, &j)| rank[j] = r + 1);
        let near = ranked(i, &|j| between(&plane[i], &plane[j]));
        off += near[..NEIGHBOURS].iter().map(|&j| rank[j].saturating_sub(NEIGHBOURS)).sum::<usize>();
    }
    let (n, k) = (n as f64, NEIGHBOURS as f64);
    1.0 - off as f64 * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0))
}

#[test]
fn affinities_and_gradient_are_those_of_scikit_learn() {
    let (golden, _) = golden();
    let affinities = affinities(&golden);
    let wanted = numbers(&golden["affinities_of_first"]);
    let mut found = vec![0f32; wanted.len()];
    affinities.row(0).iter().for_each(|&(j, p)| found[j as usize] = p);
    for (got, want) in found.iter().zip(&wanted) {
        assert!((got - want).abs() <= 1e-4 * want + 1e-9, "{got} for {want}");
    }
    let at: Vec<[f32; 2]> = rows(&golden["at"]).iter().map(|p| [p[0], p[1]]).collect();
    let wanted = numbers(&golden["gradient"]);
    let largest = wanted.iter().fold(0f32, |m, v| m.max(v.abs()));
    let most_off = |angle: f32| {
        let found = descent::gradient(&affinities, &at, 1.0, angle);
        found.as_flattened().iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max) / largest
    };
    assert!(most_off(0.0) < 1e-4, "{}", most_off(0.0));
    // With squares that stand together it is near, and not the same.
    assert!((1e-5..0.05).contains(&most_off(0.5)), "{}", most_off(0.5));
}

#[test]
fn the_plane_can_be_trusted_as_scikit_learns_can() {
    let (golden, features) = golden();
    let pca = principal_plane(&features, 0, &|| Ok(())).unwrap();
    let known = golden["trustworthiness_of_pca"].as_f64().unwrap();
    assert!((trustworthiness(&features, &pca.points) - known).abs() < 1e-3, "the measure is scikit-learn's");
    let found = Neighbourhood::of(&features, 0, &|_, _| Ok(())).unwrap();
    let ours = trustworthiness(&features, &found.points);
    let theirs = golden["trustworthiness_of_tsne"].as_f64().unwrap();
    assert!(ours > theirs - 0.005 && theirs > known + 0.1, "{ours}, scikit-learn {theirs}, PCA {known}");
    assert_eq!(found.arranged, features.len());
    // Most of a sample's digits lie as all of them would.
    let laid = Neighbourhood::with_most(&features, 200, 0, &|_, _| Ok(())).unwrap();
    assert_eq!(laid.arranged, 200);
    let trust = trustworthiness(&features, &laid.points);
    assert!(trust > known + 0.05, "{trust}");
}

#[test]
fn it_is_the_same_for_any_number_of_threads() {
    let (_, features) = golden();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Neighbourhood::with_most(&features, 120, 3, &|_, _| Ok(())).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn few_the_same_and_damaged_pictures_have_a_place() {
    let of = |rows: &[Vec<f32>]| {
        let features = of_rows(rows, &vec![0; rows.len()], 1);
        Neighbourhood::of(&features, 0, &|_, _| Ok(())).unwrap().points
    };
    assert!(of(&[]).is_empty());
    let spread = |n: usize| (0..n).map(|i| vec![i as f32, (i * i % 7) as f32]).collect::<Vec<_>>();
    for rows in
        [spread(1), spread(2), spread(3), spread(9), vec![vec![1.0; 8]; 40], vec![vec![f32::NAN; 3]; 5]]
    {
        let points = of(&rows);
        assert_eq!(points.len(), rows.len());
        assert!(points.as_flattened().iter().all(|v| v.is_finite()), "{rows:?}: {points:?}");
    }
}

#[test]
fn a_sample_has_the_same_share_of_each_class() {
    let labels: Vec<usize> = (0..1000).map(|i| usize::from(i >= 900)).collect();
    let features = of_rows(&vec![vec![0.0]; 1000], &labels, 3);
    let chosen = sample(&features, 100, 5);
    assert_eq!(chosen.len(), 100);
    assert_eq!(chosen.iter().filter(|&&i| i >= 900).count(), 10);
    assert!(chosen.is_sorted() && chosen != sample(&features, 100, 6));
}

#[test]
fn it_can_be_stopped_at_every_step() {
    let (_, features) = golden();
    for stop in [0, 200, 700] {
        let last = AtomicUsize::new(0);
        let told = |done: usize, total: usize| {
            assert_eq!(total, LOOKING + descent::STEPS);
            assert!(last.swap(done, Ordering::Relaxed) <= done);
            if done >= stop { Err(Error::cancelled()) } else { Ok(()) }
        };
        assert!(Neighbourhood::of(&features, 0, &told).unwrap_err().is_cancelled());
    }
}
