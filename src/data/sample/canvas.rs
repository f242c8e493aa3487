//! Drawing: a picture at three times its size, polygons and strokes on it, then averaged down.

use image::{Rgb, RgbImage};

/// Samples per pixel along each axis.
pub(super) const OVER: usize = 3;

/// A point or vector in pixels.
pub(super) type Point = [f32; 2];

/// A colour, each part `0..=1`.
pub(super) type Color = [f32; 3];

/// A picture being drawn, coordinates in final pixels.
pub(super) struct Canvas {
    side: usize,
    samples: Vec<Color>,
}

impl Canvas {
    /// A square picture whose background `paint` gives for each pixel.
    pub(super) fn new(side: usize, paint: impl Fn(f32, f32) -> Color) -> Self {
        let wide = side * OVER;
        let mut samples = vec![[0.0; 3]; wide * wide];
        for y in 0..side {
            let rows = y * OVER * wide;
            for x in 0..side {
                let color = paint(x as f32 + 0.5, y as f32 + 0.5);
                samples[rows + x * OVER..rows + (x + 1) * OVER].fill(color);
            }
            for copy in 1..OVER {
                samples.copy_within(rows..rows + wide, rows + copy * wide);
            }
        }
        Self { side, samples }
    }

    /// Fills a polygon (wherever its outline winds round at all) with what `paint` gives, mixed in by `opacity`.
    pub(super) fn fill(&mut self, outline: &[Point], opacity: f32, paint: impl Fn(f32, f32) -> Color) {
        let wide = self.side * OVER;
        let scale = OVER as f32;
        let (low, high) = outline
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), p| (low.min(p[1] * scale), high.max(p[1] * scale)));
        let mut crossings = Vec::new();
        for row in (low.max(0.0) as usize)..(high.max(0.0).ceil() as usize).min(wide) {
            let y = (row as f32 + 0.5) / scale;
            crossings.clear();
            for (i, a) in outline.iter().enumerate() {
                let b = outline[(i + 1) % outline.len()];
                if (a[1] <= y) != (b[1] <= y) {
                    let x = (a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0])) * scale;
                    crossings.push((x, if a[1] <= y { 1 } else { -1 }));
                }
            }
            crossings.sort_by(|a: &(f32, i32), b| a.0.total_cmp(&b.0));
            let mut winding = 0;
            for span in crossings.windows(2) {
                winding += span[0].1;
                if winding == 0 {
                    continue;
                }
                let from = (span[0].0 + 0.5).max(0.0) as usize;
                let to = ((span[1].0 + 0.5).max(0.0) as usize).min(wide);
                for column in from..to {
                    let color = paint((column as f32 + 0.5) / scale, y);
                    mix(&mut self.samples[row * wide + column], color, opacity);
                }
            }
        }
    }

    /// Draws a line that thins from one width to another.
    pub(super) fn stroke(&mut self, line: &[Point], widths: [f32; 2], opacity: f32, color: Color) {
        let n = line.len();
        if n < 2 {
            return;
        }
        let side = |i: usize, sign: f32| {
            let (a, b) = (line[i.saturating_sub(1)], line[(i + 1).min(n - 1)]);
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            let length = dx.hypot(dy).max(1e-6);
            let t = i as f32 / (n - 1) as f32;
            let half = sign * 0.5 * (widths[0] + t * (widths[1] - widths[0])) / length;
            [line[i][0] - dy * half, line[i][1] + dx * half]
        };
        let mut outline: Vec<Point> = (0..n).map(|i| side(i, 1.0)).collect();
        outline.extend((0..n).rev().map(|i| side(i, -1.0)));
        self.fill(&outline, opacity, |_, _| color);
    }

    /// The mean of each pixel's samples.
    pub(super) fn finish(&self) -> Vec<Color> {
        let wide = self.side * OVER;
        let share = 1.0 / (OVER * OVER) as f32;
        let mut out = vec![[0.0f32; 3]; self.side * self.side];
        for (row, samples) in self.samples.chunks_exact(wide).enumerate() {
            let target = &mut out[row / OVER * self.side..][..self.side];
            for (pixel, group) in target.iter_mut().zip(samples.chunks_exact(OVER)) {
                for s in group {
                    for c in 0..3 {
                        pixel[c] += s[c] * share;
                    }
                }
            }
        }
        out
    }
}

fn mix(under: &mut Color, over: Color, opacity: f32) {
    for c in 0..3 {
        under[c] += (over[c] - under[c]) * opacity;
    }
}

/// Blurs with a Gaussian of `sigma` pixels; edges repeat.
pub(super) fn blur(pixels: &[Color], side: usize, sigma: f32) -> Vec<Color> {
    let reach = (sigma * 2.5).ceil() as i64;
    let weight = |d: i64| (-0.5 * (d as f32 / sigma).powi(2)).exp();
    let sum: f32 = (-reach..=reach).map(weight).sum();
    let taps: Vec<(i64, f32)> = (-reach..=reach).map(|d| (d, weight(d) / sum)).collect();
    let last = side as i64 - 1;
    let pass = |source: &[Color], dx: i64, dy: i64| -> Vec<Color> {
        let at = |i: usize, d: i64| {
            let (x, y) = ((i % side) as i64 + d * dx, (i / side) as i64 + d * dy);
            source[(y.clamp(0, last) * side as i64 + x.clamp(0, last)) as usize]
        };
        (0..source.len())
            .map(|i| {
                taps.iter().fold([0.0; 3], |sum, &(d, w)| {
                    let p = at(i, d);
                    [sum[0] + w * p[0], sum[1] + w * p[1], sum[2] + w * p[2]]
                })
            })
            .collect()
    };
    pass(&pass(pixels, 1, 0), 0, 1)
}

/// To 8 bits.
pub(super) fn to_rgb8(pixels: &[Color], side: usize) -> RgbImage {
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let p = pixels[y as usize * side + x as usize];
        Rgb(p.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8))
    })
}

/// Smooth random values in `0..=1` on a lattice of 1 (value noise).
pub(super) fn noise(seed: u32, x: f32, y: f32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (tx, ty) = (smooth(x - fx), smooth(y - fy));
    let (ix, iy) = (fx as i32 as u32, fy as i32 as u32);
    let at = |dx: u32, dy: u32| {
        let mut h = seed
            ^ ix.wrapping_add(dx).wrapping_mul(0x9E37_79B1)
            ^ iy.wrapping_add(dy).wrapping_mul(0x85EB_CA77);
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
    };
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * tx;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * tx;
    top + (bottom - top) * ty
}

/// Three octaves of [`noise`], `0..=1`.
pub(super) fn clouds(seed: u32, x: f32, y: f32) -> f32 {
    (noise(seed, x, y) * 4.0 + noise(seed ^ 1, x * 2.1, y * 2.1) * 2.0 + noise(seed ^ 2, x * 4.3, y * 4.3))
        / 7.0
}
