//! A picture of one leaf on some ground, among other things, under some light.

use super::canvas::{Canvas, Color, Point, blur, clouds, noise, to_rgb8};
use super::leaf::{Kind, Leaf, grow};
use crate::nn::rng::Rng;
use image::RgbImage;
use std::f32::consts::TAU;

/// Colours that leaves of every kind can have: greens first, then autumn.
const LEAF_COLORS: [Color; 9] = [
    [0.20, 0.42, 0.14],
    [0.32, 0.53, 0.18],
    [0.46, 0.62, 0.24],
    [0.16, 0.34, 0.22],
    [0.66, 0.66, 0.20],
    [0.86, 0.70, 0.18],
    [0.82, 0.45, 0.13],
    [0.66, 0.20, 0.13],
    [0.47, 0.31, 0.17],
];

/// Two colours and a pattern.
const GROUNDS: [(Color, Color, Pattern); 7] = [
    ([0.30, 0.22, 0.15], [0.45, 0.35, 0.25], Pattern::Grains),
    ([0.52, 0.37, 0.24], [0.67, 0.50, 0.34], Pattern::Planks),
    ([0.85, 0.82, 0.75], [0.93, 0.91, 0.86], Pattern::Smooth),
    ([0.24, 0.33, 0.13], [0.40, 0.50, 0.22], Pattern::Blades),
    ([0.48, 0.49, 0.50], [0.63, 0.63, 0.62], Pattern::Grains),
    ([0.71, 0.63, 0.49], [0.82, 0.74, 0.60], Pattern::Grains),
    ([0.36, 0.42, 0.50], [0.46, 0.53, 0.60], Pattern::Smooth),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Grains,
    Planks,
    Smooth,
    Blades,
}

fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    rng.range(f64::from(low), f64::from(high)) as f32
}

fn chance(rng: &mut Rng, p: f64) -> bool {
    rng.uniform() < p
}

fn lerp(a: Color, b: Color, t: f32) -> Color {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
}

fn times(a: Color, factor: f32) -> Color {
    a.map(|v| v * factor)
}

/// Draws one picture, 160 to 192 pixels wide and high.
pub(super) fn draw(kind: Kind, rng: &mut Rng) -> RgbImage {
    let side = 160 + 8 * rng.below(5);
    let s = side as f32;
    let light = between(rng, 0.0, TAU);
    let mut canvas = ground(side, rng);
    for _ in 0..rng.below(5) {
        pebble(&mut canvas, s, light, rng);
    }
    for _ in 0..rng.below(4) {
        twig(&mut canvas, s, rng);
    }
    if chance(rng, 0.4) {
        intruder(&mut canvas, kind, s, light, rng);
    }
    let size = s * between(rng, 0.66, 0.92);
    let wander = 0.5 - 0.34 * size / s;
    let middle = [s * (0.5 + between(rng, -0.4, 0.4) * wander), s * (0.5 + between(rng, -0.4, 0.4) * wander)];
    let pose = Pose::random(kind, size, middle, rng);
    leaf(&mut canvas, &grow(kind, rng), &pose, leaf_color(kind, rng), light, rng);
    if chance(rng, 0.35) {
        twig(&mut canvas, s, rng);
    }
    develop(&canvas, side, light, rng)
}

fn ground(side: usize, rng: &mut Rng) -> Canvas {
    let (dark, bright, pattern) = GROUNDS[rng.below(GROUNDS.len())];
    let seed = rng.below(1 << 30) as u32;
    let (sin, cos) = between(rng, 0.0, TAU).sin_cos();
    let shade = between(rng, 0.85, 1.12);
    let (dark, bright) = (times(dark, shade), times(bright, shade));
    let mut canvas = Canvas::new(side, |x, y| {
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let t = match pattern {
            Pattern::Grains => {
                0.6 * clouds(seed, u / 22.0, v / 22.0) + 0.5 * noise(seed ^ 9, u / 2.2, v / 2.2)
            }
            Pattern::Planks => {
                let rings = clouds(seed, u / 90.0, v / 9.0) * 6.0;
                let gap = if (v / 46.0).rem_euclid(1.0) < 0.03 { -1.2 } else { 0.0 };
                0.5 + 0.5 * (rings * 3.0).sin() * 0.6 + 0.3 * noise(seed ^ 5, u / 14.0, v / 1.4) - 0.15 + gap
            }
            Pattern::Smooth => clouds(seed, u / 60.0, v / 60.0) + 0.15 * noise(seed ^ 7, u, v),
            Pattern::Blades => clouds(seed, u / 12.0, v / 12.0),
        };
        lerp(dark, bright, t)
    });
    if pattern == Pattern::Blades {
        let s = side as f32;
        for _ in 0..170 {
            let root = [between(rng, 0.0, s), between(rng, 0.0, s * 1.1)];
            let lean = between(rng, -9.0, 9.0);
            let tall = between(rng, 12.0, 34.0);
            let line: Vec<Point> = (0..6)
                .map(|i| i as f32 / 5.0)
                .map(|t| [root[0] + lean * t * t, root[1] - tall * t])
                .collect();
            let color = times(lerp(dark, bright, between(rng, 0.0, 1.5)), between(rng, 0.75, 1.15));
            canvas.stroke(&line, [2.4, 0.4], 0.9, color);
        }
    }
    canvas
}

/// Where and how a leaf lies.
struct Pose {
    size: f32,
    middle: Point,
    turn: [f32; 2],
    /// Foreshortening across and along, sign included.
    squash: [f32; 2],
}

impl Pose {
    fn random(kind: Kind, size: f32, middle: Point, rng: &mut Rng) -> Self {
        let angle = between(rng, 0.0, TAU);
        let mirror = if chance(rng, 0.5) { -1.0 } else { 1.0 };
        // Long leaves fill a picture less: they may be larger.
        let size = if matches!(kind, Kind::Willow | Kind::Fern) { size * 1.12 } else { size };
        let squash = [mirror * between(rng, 0.8, 1.0), between(rng, 0.86, 1.0)];
        Self { size, middle, turn: [angle.sin(), angle.cos()], squash }
    }

    fn place(&self, p: &Point) -> Point {
        let x = p[0] * self.squash[0] * self.size;
        let y = (0.45 - p[1]) * self.squash[1] * self.size;
        let [sin, cos] = self.turn;
        [self.middle[0] + x * cos - y * sin, self.middle[1] + x * sin + y * cos]
    }

    fn line(&self, points: &[Point]) -> Vec<Point> {
        points.iter().map(|p| self.place(p)).collect()
    }
}

/// Half of the leaves have a colour typical of their kind, the others any.
fn leaf_color(kind: Kind, rng: &mut Rng) -> Color {
    let typical: &[usize] = match kind {
        Kind::Fern => &[0, 1, 3],
        Kind::Ginkgo => &[2, 4, 5],
        Kind::Maple => &[5, 6, 7],
        Kind::Oak => &[0, 1, 8],
        Kind::Willow => &[1, 2, 4],
    };
    let pick =
        if chance(rng, 0.5) { typical[rng.below(typical.len())] } else { rng.below(LEAF_COLORS.len()) };
    let near = LEAF_COLORS[rng.below(LEAF_COLORS.len())];
    times(lerp(LEAF_COLORS[pick], near, between(rng, 0.0, 0.2)), between(rng, 0.85, 1.15))
}

fn leaf(canvas: &mut Canvas, leaf: &Leaf, pose: &Pose, color: Color, light: f32, rng: &mut Rng) {
    let unit = pose.size / 100.0;
    let (ly, lx) = light.sin_cos();
    let drop = between(rng, 1.2, 3.6);
    for step in 1..=4 {
        let off = drop * step as f32 / 2.5;
        for blade in &leaf.blades {
            let shadow: Vec<Point> =
                pose.line(blade).iter().map(|p| [p[0] - lx * off, p[1] - ly * off]).collect();
            canvas.fill(&shadow, 0.13, |_, _| [0.02, 0.02, 0.03]);
        }
    }
    let stalk = pose.line(&leaf.stalk);
    canvas.stroke(&stalk, [2.2 * unit, 1.7 * unit], 1.0, times(color, 0.72));

    let seed = rng.below(1 << 30) as u32;
    let other = LEAF_COLORS[rng.below(LEAF_COLORS.len())];
    let patch = between(rng, 0.0, 0.45);
    let middle = pose.middle;
    let paint = |x: f32, y: f32| {
        let t = ((clouds(seed, x / 26.0, y / 26.0) - 0.45) * 4.0).clamp(0.0, 1.0);
        let slope = ((x - middle[0]) * lx + (y - middle[1]) * ly) / pose.size;
        let grain = 0.92 + 0.16 * noise(seed ^ 3, x / 3.0, y / 3.0);
        let spot = if noise(seed ^ 11, x / 5.0, y / 5.0) > 0.93 { 0.7 } else { 1.0 };
        times(lerp(color, other, t * patch), grain * spot * (1.0 + 0.35 * slope))
    };
    for blade in &leaf.blades {
        let outline = pose.line(blade);
        canvas.fill(&outline, 1.0, paint);
        let mut rim = outline;
        rim.extend(rim.first().copied());
        canvas.stroke(&rim, [0.9 * unit; 2], 0.45, times(color, 0.6));
    }
    let vein = lerp(color, if chance(rng, 0.6) { [0.95, 0.93, 0.70] } else { [0.15, 0.12, 0.06] }, 0.38);
    for (i, line) in leaf.veins.iter().enumerate() {
        let width = if i == 0 { 1.7 } else { 0.85 } * unit;
        canvas.stroke(&pose.line(line), [width, width * 0.4], if i == 0 { 0.85 } else { 0.55 }, vein);
    }
}

/// A smaller leaf of another kind, mostly outside of the picture.
fn intruder(canvas: &mut Canvas, kind: Kind, s: f32, light: f32, rng: &mut Rng) {
    let others: Vec<Kind> = Kind::ALL.into_iter().filter(|k| *k != kind).collect();
    let other = others[rng.below(others.len())];
    let angle = between(rng, 0.0, TAU);
    let (sin, cos) = angle.sin_cos();
    let reach = s * 0.5 / sin.abs().max(cos.abs());
    let middle = [s * 0.5 + cos * reach, s * 0.5 + sin * reach];
    let size = s * between(rng, 0.3, 0.48);
    let pose = Pose::random(other, size, middle, rng);
    leaf(canvas, &grow(other, rng), &pose, leaf_color(other, rng), light, rng);
}

fn twig(canvas: &mut Canvas, s: f32, rng: &mut Rng) {
    let mut at = [between(rng, -0.1, 1.1) * s, between(rng, -0.1, 1.1) * s];
    let mut heading = between(rng, 0.0, TAU);
    let step = s * between(rng, 0.03, 0.07);
    let line: Vec<Point> = (0..12)
        .map(|_| {
            heading += between(rng, -0.3, 0.3);
            at = [at[0] + step * heading.cos(), at[1] + step * heading.sin()];
            at
        })
        .collect();
    let width = between(rng, 1.2, 3.4);
    let bark = lerp([0.22, 0.15, 0.10], [0.50, 0.40, 0.30], between(rng, 0.0, 1.0));
    let shadow: Vec<Point> = line.iter().map(|p| [p[0] + 1.2, p[1] + 1.6]).collect();
    canvas.stroke(&shadow, [width, width * 0.5], 0.3, [0.03, 0.03, 0.03]);
    canvas.stroke(&line, [width, width * 0.5], 1.0, bark);
    canvas.stroke(&line, [width * 0.35, width * 0.1], 0.4, times(bark, 1.5));
}

fn pebble(canvas: &mut Canvas, s: f32, light: f32, rng: &mut Rng) {
    let middle = [between(rng, 0.0, s), between(rng, 0.0, s)];
    let radius = s * between(rng, 0.015, 0.055);
    let long = between(rng, 1.0, 1.6);
    let (sin, cos) = between(rng, 0.0, TAU).sin_cos();
    let outline = |grown: f32, off: f32| -> Vec<Point> {
        (0..28)
            .map(|i| (i as f32 / 28.0 * TAU).sin_cos())
            .map(|(v, u)| {
                let (u, v) = (u * radius * long * grown, v * radius * grown);
                [middle[0] + u * cos - v * sin + off, middle[1] + u * sin + v * cos + off]
            })
            .collect()
    };
    let stone = lerp([0.35, 0.33, 0.31], [0.78, 0.75, 0.70], between(rng, 0.0, 1.0));
    let (ly, lx) = light.sin_cos();
    canvas.fill(&outline(1.05, 1.3), 0.35, |_, _| [0.03, 0.03, 0.03]);
    canvas.fill(&outline(1.0, 0.0), 1.0, |x, y| {
        let slope = ((x - middle[0]) * lx + (y - middle[1]) * ly) / radius;
        times(stone, 1.0 + 0.22 * slope)
    });
}

/// Light falling from one side, focus, white balance, exposure and the sensor's noise.
fn develop(canvas: &Canvas, side: usize, light: f32, rng: &mut Rng) -> RgbImage {
    let mut pixels = canvas.finish();
    let sigma = between(rng, 0.0, 1.1);
    if sigma > 0.3 {
        pixels = blur(&pixels, side, sigma);
    }
    let exposure = between(rng, 0.82, 1.16);
    let warmth = between(rng, -0.06, 0.06);
    let gain = [exposure * (1.0 + warmth), exposure, exposure * (1.0 - warmth)];
    let contrast = between(rng, 0.9, 1.12);
    let (ly, lx) = light.sin_cos();
    let fall = between(rng, 0.0, 0.28);
    let vignette = between(rng, 0.0, 0.3);
    let grain = between(rng, 0.005, 0.028);
    for (i, p) in pixels.iter_mut().enumerate() {
        let u = (i % side) as f32 / side as f32 - 0.5;
        let v = (i / side) as f32 / side as f32 - 0.5;
        let lit = 1.0 + fall * (u * lx + v * ly) - vignette * (u * u + v * v);
        let speck = rng.normal() as f32 * grain;
        for c in 0..3 {
            p[c] = (p[c] * gain[c] * lit - 0.45) * contrast + 0.45 + speck;
        }
    }
    to_rgb8(&pixels, side)
}
