//! Outlines and veins of five leaves, in a frame of their own: stalk at the origin, tip near (0, 1).

use super::canvas::Point;
use crate::nn::rng::Rng;
use std::f32::consts::{FRAC_PI_2, PI};

/// The kinds of leaves: the sample's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fern,
    Ginkgo,
    Maple,
    Oak,
    Willow,
}

impl Kind {
    /// All, in the order of their names.
    pub(super) const ALL: [Self; 5] = [Self::Fern, Self::Ginkgo, Self::Maple, Self::Oak, Self::Willow];

    /// The class folder's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fern => "fern",
            Self::Ginkgo => "ginkgo",
            Self::Maple => "maple",
            Self::Oak => "oak",
            Self::Willow => "willow",
        }
    }
}

/// One leaf's geometry.
pub(super) struct Leaf {
    /// Closed outlines, filled one after another.
    pub(super) blades: Vec<Vec<Point>>,
    /// Lines, strongest first.
    pub(super) veins: Vec<Vec<Point>>,
    /// The stalk.
    pub(super) stalk: Vec<Point>,
}

/// Grows a leaf with random proportions.
pub(super) fn grow(kind: Kind, rng: &mut Rng) -> Leaf {
    let mut leaf = match kind {
        Kind::Fern => fern(rng),
        Kind::Ginkgo => ginkgo(rng),
        Kind::Maple => maple(rng),
        Kind::Oak => oak(rng),
        Kind::Willow => willow(rng),
    };
    let limit = match kind {
        Kind::Maple | Kind::Ginkgo => 0.12,
        Kind::Oak => 0.18,
        Kind::Fern | Kind::Willow => 0.35,
    };
    let bend = between(rng, -limit, limit);
    for p in leaf.blades.iter_mut().chain(&mut leaf.veins).flatten().chain(&mut leaf.stalk) {
        p[0] += bend * p[1] * p[1];
    }
    leaf
}

fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    rng.range(f64::from(low), f64::from(high)) as f32
}

fn straight(from: Point, to: Point) -> Vec<Point> {
    (0..=8)
        .map(|i| i as f32 / 8.0)
        .map(|t| [from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])])
        .collect()
}

/// A blade along the midrib: `half(side, t)` is the half width at `t` of its length, on the left (-1) and right (1).
fn along_midrib(half: impl Fn(f32, f32) -> f32) -> Vec<Point> {
    const STEPS: usize = 90;
    let t = |i: usize| i as f32 / STEPS as f32;
    let right = (0..=STEPS).map(|i| [half(1.0, t(i)), t(i)]);
    let left = (1..STEPS).rev().map(|i| [-half(-1.0, t(i)), t(i)]);
    right.chain(left).collect()
}

/// Rounded lobes, widest above the middle.
fn oak(rng: &mut Rng) -> Leaf {
    let lobes = between(rng, 3.3, 4.6);
    let depth = between(rng, 0.42, 0.62);
    let width = between(rng, 0.30, 0.40);
    let shift = [between(rng, 0.0, 0.25), between(rng, 0.0, 0.25)];
    let half = |side: f32, t: f32| {
        let body = (PI * t.powf(1.25)).sin().max(0.0).powf(0.7);
        let phase = PI * (lobes * t + shift[usize::from(side > 0.0)]);
        body * width * (1.0 - depth + depth * phase.sin().abs().powf(0.6))
    };
    let mut veins = vec![straight([0.0, 0.0], [0.0, 0.97])];
    for side in [-1.0, 1.0] {
        for k in 0..lobes as usize + 1 {
            let t = (k as f32 + 0.5 - shift[usize::from(side > 0.0)]) / lobes;
            if t > 0.08 && t < 0.93 {
                veins.push(straight([0.0, t - 0.10], [side * half(side, t) * 0.85, t + 0.01]));
            }
        }
    }
    Leaf { blades: vec![along_midrib(half)], veins, stalk: straight([0.0, 0.0], [0.0, -0.14]) }
}

/// Long and narrow, finely toothed.
fn willow(rng: &mut Rng) -> Leaf {
    let width = between(rng, 0.075, 0.12);
    let widest = between(rng, 0.75, 1.1);
    let teeth = between(rng, 22.0, 30.0);
    let half = |_: f32, t: f32| {
        let body = (PI * t.powf(widest)).sin().max(0.0).powf(0.85);
        body * width * (1.0 - 0.06 * (teeth * t).fract())
    };
    let mut veins = vec![straight([0.0, 0.0], [0.0, 0.98])];
    for k in 1..9 {
        let t = k as f32 / 10.0;
        for side in [-1.0, 1.0] {
            veins.push(straight([0.0, t], [side * half(side, t + 0.07) * 0.8, t + 0.08]));
        }
    }
    Leaf { blades: vec![along_midrib(half)], veins, stalk: straight([0.0, 0.0], [0.0, -0.10]) }
}

/// A fan with a wavy rim and a cleft.
fn ginkgo(rng: &mut Rng) -> Leaf {
    const STEPS: usize = 100;
    let spread = between(rng, 0.95, 1.25);
    let cleft = between(rng, 0.08, 0.42);
    let waves = between(rng, 9.0, 16.0);
    let wave = between(rng, 0.012, 0.03);
    let phase = between(rng, 0.0, 6.0);
    let point = |angle: f32, radius: f32| [radius * angle.sin(), radius * angle.cos()];
    let rim = |angle: f32| {
        let notch = cleft * (-(angle / 0.07).powi(2)).exp();
        let shoulder = 1.0 - 0.12 * (angle / spread).powi(2);
        0.92 * shoulder * (1.0 + wave * (waves * angle + phase).sin()) - notch
    };
    // The sides curve inwards: narrow at the stalk, wide at the rim.
    let flank = |sign: f32, t: f32| point(sign * spread * (0.45 + 0.55 * t), t * rim(spread));
    let mut outline: Vec<Point> = (0..=12).map(|i| flank(-1.0, i as f32 / 12.0)).collect();
    outline.extend((1..STEPS).map(|i| {
        let angle = spread * (2.0 * i as f32 / STEPS as f32 - 1.0);
        point(angle, rim(angle))
    }));
    outline.extend((0..=12).rev().map(|i| flank(1.0, i as f32 / 12.0)));
    let vein = |k: i32| {
        let angle = spread * k as f32 / 12.0 * 0.93;
        let reach = rim(angle) * 0.95;
        // Veins follow the flanks' curve, so that the outer ones stay inside.
        let at = |t: f32| point(angle * (0.45 + 0.55 * t), t * reach);
        (1..=10).map(|i| at(i as f32 / 10.0)).collect()
    };
    let veins = (-12..=12).filter(|k| *k != 0).map(vein).collect();
    Leaf { blades: vec![outline], veins, stalk: straight([0.0, 0.05], [between(rng, -0.08, 0.08), -0.42]) }
}

/// Five pointed, toothed lobes from one palm.
fn maple(rng: &mut Rng) -> Leaf {
    const LOBES: [(f32, f32); 5] = [(-28.0, 0.44), (30.0, 0.66), (90.0, 0.72), (150.0, 0.66), (208.0, 0.44)];
    /// Along and across a lobe, from its root to its tip.
    const EDGE: [Point; 6] =
        [[0.50, 0.15], [0.58, 0.27], [0.66, 0.15], [0.74, 0.11], [0.80, 0.16], [0.86, 0.07]];
    let palm = [0.0, 0.30];
    let fat = between(rng, 0.85, 1.2);
    let at = |angle: f32, along: f32, across: f32| {
        let (s, c) = angle.sin_cos();
        [palm[0] + c * along - s * across, palm[1] + s * along + c * across]
    };
    let shape: Vec<(f32, f32)> = LOBES
        .iter()
        .map(|(a, l)| ((a + between(rng, -4.0, 4.0)).to_radians(), l * between(rng, 0.92, 1.08)))
        .collect();
    let sinus = between(rng, 0.20, 0.30);
    let mut outline = vec![at(-FRAC_PI_2, 0.14, 0.0)];
    let mut veins = Vec::new();
    for (i, &(angle, length)) in shape.iter().enumerate() {
        let jag = |rng: &mut Rng| between(rng, 0.88, 1.12);
        let fat = if length < 0.5 { fat * 1.15 } else { fat };
        for [along, across] in EDGE {
            outline.push(at(angle, along * length, -across * fat * length * jag(rng)));
        }
        outline.push(at(angle, length, 0.0));
        for [along, across] in EDGE.into_iter().rev() {
            outline.push(at(angle, along * length, across * fat * length * jag(rng)));
        }
        if let Some(&(next, _)) = shape.get(i + 1) {
            outline.push(at((angle + next) / 2.0, sinus, 0.0));
        }
        veins.push(straight(at(-FRAC_PI_2, 0.1, 0.0), at(angle, length * 0.94, 0.0)));
        for sign in [-1.0, 1.0] {
            veins.push(straight(
                at(angle, length * 0.4, 0.0),
                at(angle, length * 0.56, sign * 0.2 * fat * length),
            ));
        }
    }
    veins.sort_by_key(|v| usize::from((v[0][1] - 0.2).abs() > 0.02));
    Leaf { blades: vec![outline], veins, stalk: straight([0.0, 0.2], [between(rng, -0.06, 0.06), -0.28]) }
}

/// A midrib with pairs of leaflets that shorten towards the tip.
fn fern(rng: &mut Rng) -> Leaf {
    let pairs = 10 + rng.below(5);
    let longest = between(rng, 0.26, 0.38);
    let lean = between(rng, 0.35, 0.75);
    let fat = between(rng, 0.75, 1.0);
    let mut blades = Vec::new();
    let mut veins = vec![straight([0.0, -0.02], [0.0, 0.98])];
    for k in 0..pairs {
        let t = k as f32 / pairs as f32;
        let length = longest * (1.0 - t).powf(0.8) * (0.55 + 0.45 * (t * 6.0).min(1.0));
        for side in [-1.0, 1.0] {
            let root = [0.0, 0.06 + 0.90 * t + side * 0.008];
            let angle = lean + between(rng, -0.06, 0.06);
            let axis = [side * angle.cos(), angle.sin()];
            let half = fat * 0.42 / pairs as f32;
            let place = |u: f32, v: f32| {
                let droop = -0.12 * length * u * u;
                [
                    root[0] + axis[0] * u * length - axis[1] * side * v,
                    root[1] + axis[1] * u * length + axis[0] * side * v + droop,
                ]
            };
            let edge = |u: f32| half * (1.0 - u).powf(0.55) * (0.6 + 0.4 * (u * 5.0).min(1.0));
            let up = (0..=12).map(|i| i as f32 / 12.0).map(|u| place(u, edge(u)));
            let down = (0..12).rev().map(|i| i as f32 / 12.0).map(|u| place(u, -edge(u)));
            blades.push(up.chain(down).collect());
            veins.push((0..=8).map(|i| place(i as f32 / 9.0, 0.0)).collect());
        }
    }
    Leaf { blades, veins, stalk: straight([0.0, 0.1], [0.0, -0.16]) }
}
