//! TrivialAugment and RandAugment against torchvision on Pillow: `tests/fixtures/data_policies.py` makes the goldens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::{AugmentConfig, AugmentPolicy, Preprocess};
use headstart::data::augment::operations::Operation;
use headstart::data::augment::{policy, train_view};
use headstart::nn::rng::Rng;
use image::{Rgb, RgbImage, imageops};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SIZE: (u32, u32) = (37, 29);

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    trivial: BTreeMap<String, Space>,
    rand: BTreeMap<String, Space>,
}

#[derive(Deserialize)]
struct Case {
    operation: String,
    magnitude: f64,
    picture: String,
}

#[derive(Deserialize)]
struct Space {
    magnitudes: Vec<f64>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn golden() -> Golden {
    serde_json::from_str(&std::fs::read_to_string(fixture("data_policies.json")).unwrap()).unwrap()
}

fn named(name: &str) -> Operation {
    Operation::ALL.into_iter().find(|o| format!("{o:?}") == name).unwrap()
}

/// The formula of `data_views.py`, and its dull variant.
fn picture(kind: &str) -> RgbImage {
    let tri = |v: u64| if v % 512 < 256 { v % 512 } else { 511 - v % 512 };
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let (x, y) = (u64::from(x), u64::from(y));
        Rgb([0u64, 1, 2].map(|c| {
            let noise = ((x * 7919 + y * 104_729 + c * 1_299_709) ^ (x * y * 31)) / 8 % 32;
            let slopes = tri(x * (5 + 2 * c) + y * 3) * 3 + tri(y * (9 - 2 * c) + x * 2) * 4;
            let full = (slopes / 8 + noise).min(255) as u8;
            if kind == "dull" { full / 2 + 40 } else { full }
        }))
    })
}

#[test]
fn every_operation_equals_torchvisions() {
    let all = image::open(fixture("data_policies.png")).unwrap().into_rgb8();
    let golden = golden();
    let mut seen: Vec<&str> = golden.cases.iter().map(|c| c.operation.as_str()).collect();
    seen.dedup();
    assert_eq!(seen.len(), Operation::ALL.len());
    for (i, case) in golden.cases.iter().enumerate() {
        let theirs = imageops::crop_imm(&all, 0, i as u32 * SIZE.1, SIZE.0, SIZE.1).to_image();
        let mut ours = picture(&case.picture);
        named(&case.operation).apply(&mut ours, case.magnitude);
        let wrong = ours.as_raw().iter().zip(theirs.as_raw()).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "{} by {} of the {} picture", case.operation, case.magnitude, case.picture);
    }
}

/// Up to the last bit of single precision, in which torchvision computes them, and the six decimals of the fixture.
fn same(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= f64::from(f32::EPSILON) * theirs.abs() + 6e-7
}

#[test]
fn magnitudes_of_all_bins_equal_torchvisions() {
    let golden = golden();
    for (name, space) in &golden.trivial {
        for (bin, theirs) in space.magnitudes.iter().enumerate() {
            let ours = policy::trivial(named(name), bin);
            assert!(same(ours, *theirs), "{name} {bin}: {ours} for {theirs}");
        }
    }
    for (name, space) in &golden.rand {
        for (bin, theirs) in space.magnitudes.iter().enumerate() {
            // torchvision's size is height and width.
            let ours = policy::rand(named(name), bin, (160, 224));
            assert!(same(ours, *theirs), "{name} {bin}: {ours} for {theirs}");
        }
    }
    assert_eq!((golden.trivial.len(), golden.rand.len()), (14, 14));
}

#[test]
fn a_policy_follows_its_key_and_none_draws_nothing() {
    let config =
        |policy| AugmentConfig { policy, crop_scale: [1.0, 1.0], hflip: 0.0, ..AugmentConfig::default() };
    let p = Preprocess { resize_px: 29, crop_px: 29, ..Preprocess::IMAGENET };
    let square = imageops::crop_imm(&picture("full"), 0, 0, 29, 29).to_image();
    let view =
        |policy, key: u64| train_view(&square, &p, &config(policy), &mut Rng::for_key(5, &[key])).unwrap();
    for policy in [AugmentPolicy::Trivial, AugmentPolicy::Rand] {
        assert_eq!(view(policy, 1), view(policy, 1));
        let changed = (0..50).filter(|&key| view(policy, key) != view(AugmentPolicy::None, key)).count();
        // One operation of fourteen is none, and some do nothing to this picture.
        assert!((30..=50).contains(&changed), "{policy:?}: {changed}");
    }
    let mut rng = Rng::for_key(5, &[]);
    assert!(policy::draw(&config(AugmentPolicy::None), square.dimensions(), &mut rng).is_empty());
    assert_eq!(rng.below(1 << 30), Rng::for_key(5, &[]).below(1 << 30));
}
