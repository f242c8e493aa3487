//! Views of pictures against torchvision on Pillow: `tests/fixtures/data_views.py` makes the goldens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::{AugmentConfig, Interpolation, Preprocess};
use headstart::data::augment::{self, Region};
use headstart::data::similar::PerceptualHash;
use headstart::data::{color, transform};
use headstart::nn::rng::Rng;
use image::{Rgb, RgbImage};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize, Clone)]
struct Case {
    name: String,
    kind: String,
    w: u32,
    h: u32,
    #[serde(default)]
    resize: usize,
    #[serde(default)]
    crop: usize,
    filter: Option<Interpolation>,
    r#box: Option<[usize; 4]>,
    #[serde(default)]
    size: usize,
    #[serde(default)]
    amount: f64,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_views")
}

fn cases(kind: &str) -> Vec<(Case, RgbImage)> {
    let text = std::fs::read_to_string(fixtures().join("cases.json")).unwrap();
    let all: Vec<Case> = serde_json::from_str(&text).unwrap();
    let chosen: Vec<Case> = all.into_iter().filter(|c| c.kind == kind).collect();
    assert!(!chosen.is_empty(), "no goldens of {kind}");
    let golden = |c: &Case| image::open(fixtures().join(&c.name)).unwrap().into_rgb8();
    chosen.into_iter().map(|c| (c.clone(), golden(&c))).collect()
}

/// The formula of `data_views.py`.
fn picture(w: u32, h: u32) -> RgbImage {
    let tri = |v: u64| if v % 512 < 256 { v % 512 } else { 511 - v % 512 };
    RgbImage::from_fn(w, h, |x, y| {
        let (x, y) = (u64::from(x), u64::from(y));
        Rgb([0u64, 1, 2].map(|c| {
            let noise = ((x * 7919 + y * 104_729 + c * 1_299_709) ^ (x * y * 31)) / 8 % 32;
            let slopes = tri(x * (5 + 2 * c) + y * 3) * 3 + tri(y * (9 - 2 * c) + x * 2) * 4;
            (slopes / 8 + noise).min(255) as u8
        }))
    })
}

#[test]
fn a_perceptual_hash_is_that_of_pillow() {
    #[derive(Deserialize)]
    struct Case {
        size: (u32, u32),
        hash: [u64; 4],
        close: [u64; 4],
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_similar.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(cases.len(), 5);
    for Case { size: (w, h), hash, close } in cases {
        let ours = serde_json::to_value(PerceptualHash::of(&picture(w, h)).unwrap()).unwrap();
        let ours: [u64; 4] = serde_json::from_value(ours).unwrap();
        for i in 0..4 {
            let undecided = (ours[i] ^ hash[i]) & close[i];
            assert_eq!((ours[i] ^ hash[i]) & !close[i], 0, "{w} x {h}, number {i}");
            assert!(undecided.count_ones() <= 2, "{w} x {h}, number {i}: {undecided:b}");
        }
    }
}

/// Mean and largest absolute difference, in levels of 255.
fn difference(a: &RgbImage, b: &RgbImage) -> (f64, u8) {
    assert_eq!(a.dimensions(), b.dimensions());
    let each: Vec<u8> = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = each.iter().map(|&d| f64::from(d)).sum::<f64>() / each.len() as f64;
    (mean, each.into_iter().max().unwrap_or(0))
}

#[test]
fn evaluation_views_equal_torchvision() {
    for (c, golden) in cases("eval") {
        let p = Preprocess {
            resize_px: c.resize,
            crop_px: c.crop,
            interpolation: c.filter.unwrap(),
            ..Preprocess::IMAGENET
        };
        let view = transform::eval_picture(&picture(c.w, c.h), &p).unwrap();
        let (mean, max) = difference(&view, &golden);
        assert!(mean <= 0.3 && max <= 2, "{}: mean {mean}, max {max}", c.name);
    }
}

#[test]
fn normalisation_is_torchvisions() {
    let p = Preprocess { resize_px: 8, crop_px: 8, ..Preprocess::IMAGENET };
    let image = RgbImage::from_pixel(8, 8, Rgb([0, 128, 255]));
    let view = transform::eval_view(&image, &p).unwrap();
    assert_eq!(view.len(), 8 * 8 * 3);
    let expected = [-0.485 / 0.229, (128.0 / 255.0 - 0.456) / 0.224, (1.0 - 0.406) / 0.225];
    for (v, e) in view.iter().zip(expected.iter().cycle()) {
        assert!((v - e).abs() < 1e-6, "{v} {e}");
    }
}

#[test]
fn random_resized_crops_equal_torchvision() {
    for (c, golden) in cases("crop") {
        let [top, left, height, width] = c.r#box.unwrap();
        let region = Region { top, left, height, width };
        let view = augment::resized_crop(&picture(c.w, c.h), region, c.size, c.filter.unwrap()).unwrap();
        let (mean, max) = difference(&view, &golden);
        assert!(mean <= 0.3 && max <= 2, "{}: mean {mean}, max {max}", c.name);
    }
}

#[test]
fn rotations_equal_torchvision() {
    for (c, golden) in cases("rotate") {
        let view = augment::rotate(&picture(c.w, c.h), c.amount);
        assert_eq!(difference(&view, &golden).1, 0, "{} by {}", c.name, c.amount);
    }
}

#[test]
fn colour_adjustments_equal_torchvision() {
    type Adjust = fn(&mut RgbImage, f64);
    let all: [(&str, Adjust); 4] = [
        ("brightness", color::adjust_brightness),
        ("contrast", color::adjust_contrast),
        ("saturation", color::adjust_saturation),
        ("hue", color::adjust_hue),
    ];
    for (kind, adjust) in all {
        for (c, golden) in cases(kind) {
            let mut view = picture(c.w, c.h);
            adjust(&mut view, c.amount);
            assert_eq!(difference(&view, &golden).1, 0, "{} by {}", c.name, c.amount);
        }
    }
}

#[test]
fn only_the_square_is_resized_without_changing_it() {
    for (w, h) in [(211, 97), (97, 211), (300, 300)] {
        let p = Preprocess { resize_px: 60, crop_px: 41, ..Preprocess::IMAGENET };
        let image = picture(w, h);
        let (rw, rh) = transform::resized_dims((w, h), p.resize_px).unwrap();
        let whole = transform::resize(
            &image,
            transform::Source::whole(&image),
            (rw as u32, rh as u32),
            p.interpolation,
        );
        let at = |n: usize| ((n - 41) as f64 / 2.0).round_ties_even() as u32;
        let cut = image::imageops::crop_imm(&whole.unwrap(), at(rw), at(rh), 41, 41).to_image();
        assert_eq!(difference(&transform::eval_picture(&image, &p).unwrap(), &cut).1, 0, "{w}x{h}");
    }
}

#[test]
fn random_regions_have_the_areas_and_ratios_asked_for() {
    let (mut area, mut aspect) = (0.0, 0.0);
    const N: u64 = 4000;
    for key in 0..N {
        let mut rng = Rng::for_key(1, &[key]);
        let r = augment::random_region((1000, 1000), [0.1, 0.5], [0.75, 4.0 / 3.0], &mut rng).unwrap();
        assert!(r.top + r.height <= 1000 && r.left + r.width <= 1000);
        let (w, h) = (r.width as f64, r.height as f64);
        assert!((0.098..0.502).contains(&(w * h / 1e6)) && (0.745..1.34).contains(&(w / h)), "{r:?}");
        area += w * h / 1e6 / N as f64;
        aspect += (w / h).ln() / N as f64;
    }
    // Standard errors: 0.0018 and 0.0026.
    assert!((area - 0.3).abs() < 0.008 && aspect.abs() < 0.012, "{area} {aspect}");
    let mut rng = Rng::for_key(2, &[]);
    let wide = augment::random_region((1000, 10), [1.0, 1.0], [0.75, 4.0 / 3.0], &mut rng).unwrap();
    assert_eq!(wide, Region { top: 0, left: 493, height: 10, width: 13 });
    let tall = augment::random_region((9, 100), [1.0, 1.0], [0.75, 4.0 / 3.0], &mut rng).unwrap();
    assert_eq!(tall, Region { top: 44, left: 0, height: 12, width: 9 });
}

#[derive(Deserialize)]
struct Erasing {
    erase: Vec<Erased>,
    drawn: Drawn,
}

#[derive(Deserialize)]
struct Erased {
    side: usize,
    r#box: [usize; 4],
    view: Vec<f32>,
}

#[derive(Deserialize)]
struct Drawn {
    side: usize,
    draws: usize,
    deciles: BTreeMap<String, Vec<f64>>,
}

fn erasing() -> Erasing {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join("erasing.json")).unwrap()).unwrap()
}

#[test]
fn an_erased_view_equals_torchvisions() {
    for case in erasing().erase {
        let side = case.side;
        let p = Preprocess { resize_px: side, crop_px: side, ..Preprocess::IMAGENET };
        let mut view = transform::eval_view(&picture(side as u32, side as u32), &p).unwrap();
        let [top, left, height, width] = case.r#box;
        augment::erase(&mut view, side, Region { top, left, height, width });
        assert_eq!(view.len(), case.view.len());
        for (i, (ours, theirs)) in view.iter().zip(&case.view).enumerate() {
            assert!((ours - theirs).abs() < 2e-6, "{:?} at {i}: {ours} for {theirs}", case.r#box);
        }
    }
}

#[test]
fn erasures_are_drawn_as_torchvision_draws_them() {
    let Drawn { side, draws, deciles } = erasing().drawn;
    let boxes: Vec<Region> = (0..draws as u64)
        .filter_map(|key| augment::random_erasure(side, &mut Rng::for_key(3, &[key])))
        .collect();
    // Ten draws in a row that do not fit are next to impossible.
    assert_eq!(boxes.len(), draws);
    let size = side as f64;
    for r in &boxes {
        assert!(r.top + r.height <= side && r.left + r.width <= side, "{r:?}");
        let (share, ratio) = ((r.width * r.height) as f64 / size.powi(2), r.height as f64 / r.width as f64);
        assert!((0.019..0.333).contains(&share) && (0.29..3.4).contains(&ratio), "{r:?}");
    }
    type Measure = fn(&Region, f64) -> f64;
    let measures: [(&str, Measure); 4] = [
        ("area", |r, size| (r.width * r.height) as f64 / size.powi(2)),
        ("log_ratio", |r, _| (r.height as f64 / r.width as f64).ln()),
        ("top", |r, size| r.top as f64 / (size - r.height as f64)),
        ("left", |r, size| r.left as f64 / (size - r.width as f64)),
    ];
    for (name, measure) in measures {
        for (i, decile) in deciles[name].iter().enumerate() {
            let below = boxes.iter().filter(|r| measure(r, size) <= *decile).count() as f64 / draws as f64;
            // Both samples have a standard error of at most 0.0035; whole pixels tie at a decile, by less than 0.005.
            let wanted = (i + 1) as f64 / 10.0;
            assert!((below - wanted).abs() < 0.02, "{name}: {below} are below the decile {wanted}");
        }
    }
}

#[test]
fn as_many_views_are_erased_as_asked_for() {
    let p = Preprocess { resize_px: 16, crop_px: 16, ..Preprocess::IMAGENET };
    // No pixel of a view of this picture is the mean colour unless it was erased.
    let image = RgbImage::from_pixel(16, 16, Rgb([255, 0, 255]));
    let erased = |erasing: f64| {
        let config = AugmentConfig { erasing, ..AugmentConfig::default() };
        let view = |key| augment::train_view(&image, &p, &config, &mut Rng::for_key(7, &[key])).unwrap();
        (0..1000).filter(|&key| view(key).contains(&0.0)).count()
    };
    assert_eq!((erased(0.0), erased(1.0)), (0, 1000));
    // Standard deviation: 14.5.
    assert!((240..360).contains(&erased(0.3)), "{}", erased(0.3));
}

#[test]
fn training_views_follow_their_key_and_equal_evaluation_when_off() {
    let p = Preprocess { resize_px: 40, crop_px: 32, ..Preprocess::IMAGENET };
    let image = picture(90, 70);
    let all = AugmentConfig {
        vflip: 0.5,
        rotation_degrees: 20.0,
        brightness: 0.3,
        contrast: 0.3,
        saturation: 0.3,
        hue: 0.1,
        erasing: 0.5,
        ..AugmentConfig::default()
    };
    let view = |key| augment::train_view(&image, &p, &all, &mut Rng::for_key(5, &[key])).unwrap();
    assert_eq!(view(1), view(1));
    assert_ne!(view(1), view(2));
    assert_eq!(view(1).len(), 32 * 32 * 3);
    let off = AugmentConfig { enabled: false, ..all.clone() };
    let plain = augment::train_view(&image, &p, &off, &mut Rng::for_key(5, &[1])).unwrap();
    assert_eq!(plain, transform::eval_view(&image, &p).unwrap());
}
