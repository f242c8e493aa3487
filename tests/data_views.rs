//! Views of pictures against torchvision on Pillow: `tests/fixtures/data_views.py` makes the goldens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::{AugmentConfig, Interpolation, Preprocess};
use headstart::data::augment::{self, Region};
use headstart::data::{color, transform};
use headstart::nn::rng::Rng;
use image::{Rgb, RgbImage};
use serde::Deserialize;
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

#[test]
fn erasures_lie_inside_and_have_the_areas_asked_for() {
    for key in 0..2000 {
        let Some(r) = augment::random_erasure(200, &mut Rng::for_key(3, &[key])) else { continue };
        assert!(r.top + r.height <= 200 && r.left + r.width <= 200);
        let share = (r.width * r.height) as f64 / 40_000.0;
        let ratio = r.height as f64 / r.width as f64;
        assert!((0.018..0.335).contains(&share) && (0.28..3.4).contains(&ratio), "{r:?}");
    }
    let mut view = vec![1.0; 4 * 4 * 3];
    augment::erase(&mut view, 4, Region { top: 1, left: 2, height: 2, width: 1 });
    let erased: Vec<usize> = (0..48).filter(|&i| view[i] == 0.0).collect();
    assert_eq!(erased, [18, 19, 20, 30, 31, 32]);
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
