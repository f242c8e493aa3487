//! How long it takes to find the most alike of very many pictures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::engine::Features;
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
