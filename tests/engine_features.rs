//! How long it takes to find the most alike of very many pictures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::engine::Features;
use headstart::engine::features::Neighbourhood;
use headstart::nn::rng::Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;

const PICTURES: usize = 100_000;
const WIDTH: usize = 1280;

#[test]
#[ignore = "takes a gigabyte of memory and half of one on disk"]
fn a_hundred_thousand_pictures_are_compared_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::for_key(1, &[]);
    let values: Vec<f32> = (0..PICTURES * WIDTH).map(|_| rng.uniform() as f32).collect();
    let known: Vec<_> = (0..PICTURES)
        .map(|i| json!({"rel": format!("{i}.png"), "bytes": 1, "modified_ms": 1, "training": true, "class": 0}))
        .collect();
    let description = json!({
        "version": 1, "model_sha256": "digest", "classes": ["one"], "familiar": null, "pictures": known,
    });
    let predicted = vec![0u32; PICTURES];
    let bytes = |values| bytemuck::cast_slice::<f32, u8>(values);
    let tensors = [
        ("features", TensorView::new(Dtype::F32, vec![PICTURES, WIDTH], bytes(&values)).unwrap()),
        ("predicted", TensorView::new(Dtype::U32, vec![PICTURES], bytemuck::cast_slice(&predicted)).unwrap()),
    ];
    let header = HashMap::from([("headstart".to_owned(), description.to_string())]);
    let file = safetensors::serialize(tensors, Some(header)).unwrap();
    std::fs::write(dir.path().join("features.safetensors"), file).unwrap();
    drop(values);
    let features = Features::load(dir.path(), "digest").unwrap().unwrap();
    let began = Instant::now();
    let alike = features.most_alike(features.row(77), 6, |_| true);
    let took = began.elapsed();
    assert_eq!((alike.len(), alike[0].picture), (6, 77));
    assert!(took.as_secs_f64() < 1.0, "{took:?}");
    println!("{PICTURES} x {WIDTH}: {took:?}");
}

/// Features of a hundred groups of pictures, as a run's folder keeps them.
fn grouped(dir: &std::path::Path, pictures: usize, width: usize) -> Features {
    let mut rng = Rng::for_key(2, &[]);
    let middles: Vec<f32> = (0..100 * width).map(|_| 3.0 * rng.normal() as f32).collect();
    let mut values = Vec::with_capacity(pictures * width);
    for i in 0..pictures {
        let middle = &middles[i % 100 * width..(i % 100 + 1) * width];
        values.extend(middle.iter().map(|m| m + rng.normal() as f32));
    }
    let known: Vec<_> = (0..pictures)
        .map(|i| json!({"rel": format!("{i}.png"), "bytes": 1, "modified_ms": 1, "training": true, "class": i % 10}))
        .collect();
    let classes: Vec<String> = (0..10).map(|c| format!("class {c}")).collect();
    let description = json!({
        "version": 1, "model_sha256": "digest", "classes": classes, "familiar": null, "pictures": known,
    });
    let predicted = vec![0u32; pictures];
    let bytes = bytemuck::cast_slice::<f32, u8>(&values);
    let tensors = [
        ("features", TensorView::new(Dtype::F32, vec![pictures, width], bytes).unwrap()),
        ("predicted", TensorView::new(Dtype::U32, vec![pictures], bytemuck::cast_slice(&predicted)).unwrap()),
    ];
    let header = HashMap::from([("headstart".to_owned(), description.to_string())]);
    let file = safetensors::serialize(tensors, Some(header)).unwrap();
    std::fs::write(dir.join("features.safetensors"), file).unwrap();
    Features::load(dir, "digest").unwrap().unwrap()
}

#[test]
#[ignore = "takes minutes, and a gigabyte of memory"]
fn a_hundred_thousand_pictures_are_arranged_within_minutes() {
    let dir = tempfile::tempdir().unwrap();
    for (pictures, width, most) in [(5_000, 1280, 60.0), (100_000, 512, 400.0)] {
        let features = grouped(dir.path(), pictures, width);
        let began = Instant::now();
        let found = Neighbourhood::of(&features, 0, &|_, _| Ok(())).unwrap();
        let took = began.elapsed();
        println!("{pictures} x {width}: {} arranged, {took:?}", found.arranged);
        assert!(took.as_secs_f64() < most, "{took:?}");
        // Each picture's group is on the plane where the group's others are.
        let near = |i: usize| {
            let at = found.points[i];
            let distance = |j: &usize| (0..2).map(|a| (found.points[*j][a] - at[a]).powi(2)).sum::<f32>();
            let others = (0..pictures).filter(|&j| j != i);
            others.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
        };
        let same = (0..pictures).step_by(pictures / 200).filter(|&i| near(i) % 100 == i % 100).count();
        assert!(same >= 190, "{same} of 200");
    }
}
