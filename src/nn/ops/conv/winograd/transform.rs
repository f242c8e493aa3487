//! The transforms of F(4x4, 3x3), each vectorised over channels.
//!
//! With the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"), four
//! results of a three-tap filter are `At · ((G · g) * (Bt · d))`. Two dimensions apply each matrix from both sides. The weight
//! gradient is the same bilinear form turned round: `Gt · ((A · e) * (Bt · d))` with `e` the results' gradients.

use crate::nn::ops::parallel::Shared;
use crate::nn::ops::simd::{Isa, Kernel, Vector, dispatch};

/// Results of a tile along an axis.
pub(super) const OUT: usize = 4;
/// Points along an axis: pixels that a tile sees.
pub(super) const SIDE: usize = 6;
/// Points of a tile: products of matrices.
pub(super) const POINTS: usize = SIDE * SIDE;

/// `Bt · x`.
#[inline(always)]
unsafe fn bt<V: Vector>(x: [V; SIDE]) -> [V; SIDE] {
    // SAFETY: called in kernels with their vector type.
    unsafe {
        let (two, four, five) = (V::splat(2.0), V::splat(4.0), V::splat(-5.0));
        let (minus_two, minus_four) = (V::splat(-2.0), V::splat(-4.0));
        let (a, b) = (x[2].mul_add(minus_four, x[4]), x[1].mul_add(minus_four, x[3]));
        let (c, d) = (x[4].sub(x[2]), x[3].sub(x[1]));
        [
            x[0].mul_add(four, x[2].mul_add(five, x[4])),
            a.add(b),
            a.sub(b),
            d.mul_add(two, c),
            d.mul_add(minus_two, c),
            x[1].mul_add(four, x[3].mul_add(five, x[5])),
        ]
    }
}

/// `At · m`.
#[inline(always)]
unsafe fn at<V: Vector>(m: [V; SIDE]) -> [V; OUT] {
    // SAFETY: called in kernels with their vector type.
    unsafe {
        let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum).add(sum2),
            difference2.mul_add(V::splat(2.0), difference),
            sum2.mul_add(V::splat(4.0), sum),
            difference2.mul_add(V::splat(8.0), difference).add(m[5]),
        ]
    }
}

/// `A · e`.
#[inline(always)]
unsafe fn a<V: Vector>(e: [V; OUT]) -> [V; SIDE] {
    // SAFETY: called in kernels with their vector type.
    unsafe {
        let (even, odd) = (e[0].add(e[2]), e[1].add(e[3]));
        let even2 = e[2].mul_add(V::splat(4.0), e[0]);
        let odd2 = e[3].mul_add(V::splat(8.0), e[1].add(e[1]));
        [e[0], even.add(odd), even.sub(odd), even2.add(odd2), even2.sub(odd2), e[3]]
    }
}

/// `G · g`.
#[inline(always)]
unsafe fn g<V: Vector>(g: [V; 3]) -> [V; SIDE] {
    // SAFETY: called in kernels with their vector type.
    unsafe {
        let ends = g[0].add(g[2]).mul(V::splat(-1.0 / 6.0));
        let ends2 = g[2].mul_add(V::splat(1.0 / 6.0), g[0].mul(V::splat(1.0 / 24.0)));
        let (sixth, twelfth) = (V::splat(1.0 / 6.0), V::splat(1.0 / 12.0));
        let (middle, middle2) = (g[1].mul(sixth), g[1].mul(twelfth));
        [
            g[0].mul(V::splat(0.25)),
            ends.sub(middle),
            ends.add(middle),
            ends2.add(middle2),
            ends2.sub(middle2),
            g[2],
        ]
    }
}

/// `Gt · u`.
#[inline(always)]
unsafe fn gt<V: Vector>(u: [V; SIDE]) -> [V; 3] {
    // SAFETY: called in kernels with their vector type.
    unsafe {
        let (sum, difference) = (u[1].add(u[2]), u[2].sub(u[1]));
        let (sum2, difference2) = (u[3].add(u[4]), u[3].sub(u[4]));
        let (sixth, minus_sixth) = (V::splat(1.0 / 6.0), V::splat(-1.0 / 6.0));
        let first = u[0].mul_add(V::splat(0.25), sum.mul(minus_sixth));
        let last = sum2.mul_add(sixth, u[5]);
        [
            sum2.mul_add(V::splat(1.0 / 24.0), first),
            difference.mul_add(sixth, difference2.mul(V::splat(1.0 / 12.0))),
            sum.mul_add(minus_sixth, last),
        ]
    }
}

/// Applies a one-dimensional transform from both sides: `T · m · Tt`. A macro, not a function of closures: only what is certainly
/// inlined is compiled for the kernel's vectors.
macro_rules! both_sides {
    ($transform:path, $from:expr => $to:expr, load($row:ident, $column:ident) $load:expr, store($to_row:ident, $to_column:ident, $value:ident) $store:expr) => {{
        let mut between = [[V::splat(0.0); $from]; $to];
        for $column in 0..$from {
            let mut values = [V::splat(0.0); $from];
            for $row in 0..$from {
                values[$row] = $load;
            }
            let values = $transform(values);
            for row in 0..$to {
                between[row][$column] = values[row];
            }
        }
        for $to_row in 0..$to {
            let values = $transform(between[$to_row]);
            for $to_column in 0..$to {
                let $value = values[$to_column];
                $store;
            }
        }
    }};
}

/// First channels of vectors that cover `channels`; the last may overlap with the one before.
#[inline(always)]
fn vectors(channels: usize, lanes: usize) -> impl Iterator<Item = usize> {
    (0..channels).step_by(lanes).map(move |first| first.min(channels - lanes))
}

/// Where a tile of pixels lies: rows and columns that exist of it, all in one map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Index of the map's pixel at the tile's first row and column, which may lie outside.
    pub(super) origin: isize,
    /// First and behind the last row that exist.
    pub(super) rows: (usize, usize),
    /// First and behind the last column that exist.
    pub(super) columns: (usize, usize),
}

/// Transforms tiles of pixels to points: `SIDE` by `SIDE` pixels by `Bt` for the input, or `OUT` by `OUT` pixels by `A` for a
/// gradient of the result.
pub(super) struct ToPoints<'a, const FROM: usize> {
    /// Pixels, `channels` values each.
    pub(super) src: &'a [f32],
    /// Pixels in a row of the map.
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) tiles: &'a [Tile],
    /// `channels` zeros.
    pub(super) zeros: &'a [f32],
    /// Planes of values, one for each point and `plane` apart.
    pub(super) points: &'a Shared<'a>,
    pub(super) plane: usize,
    /// Where in each plane `[tiles][channels]` values are written.
    pub(super) first: usize,
}

impl<const FROM: usize> ToPoints<'_, FROM> {
    fn check(&self, lanes: usize) {
        assert!(self.channels >= lanes && self.zeros.len() >= self.channels);
        assert!(self.first + self.tiles.len() * self.channels <= self.plane);
        assert!(POINTS * self.plane <= self.points.len());
    }

    /// Transforms the tiles.
    ///
    /// # Safety
    /// Nobody else may use the places of the planes that are written.
    pub(super) unsafe fn write(self)
    where
        Self: Kernel<Output = ()>,
    {
        dispatch(self);
    }

    /// The pixels of a tile, zeros where there are none.
    #[inline(always)]
    fn pixels(&self, tile: Tile) -> [[*const f32; FROM]; FROM] {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let inside = (tile.rows.0..tile.rows.1).contains(&row)
                    && (tile.columns.0..tile.columns.1).contains(&column);
                if !inside {
                    return self.zeros.as_ptr();
                }
                let pixel = (tile.origin + (row * self.width + column) as isize) as usize * self.channels;
                self.src[pixel..pixel + self.channels].as_ptr()
            })
        })
    }
}

impl Kernel for ToPoints<'_, SIDE> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        self.check(I::V::LANES);
        input_points::<I::V>(self);
    }
}

#[inline(always)]
fn input_points<V: Vector>(job: ToPoints<'_, SIDE>) {
    for (i, tile) in job.tiles.iter().enumerate() {
        let pixels = job.pixels(*tile);
        for channel in vectors(job.channels, V::LANES) {
            // SAFETY: `pixels` has `channels` values at each place, and `check` made sure that the points fit.
            unsafe {
                let to = job.points.as_ptr().add(job.first + i * job.channels + channel);
                both_sides!(
                    bt, SIDE => SIDE,
                    load(row, column) V::load(pixels[row][column].add(channel)),
                    store(row, column, v) v.store(to.add((row * SIDE + column) * job.plane))
                );
            }
        }
    }
}

impl Kernel for ToPoints<'_, OUT> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        self.check(I::V::LANES);
        gradient_points::<I::V>(self);
    }
}

#[inline(always)]
fn gradient_points<V: Vector>(job: ToPoints<'_, OUT>) {
    for (i, tile) in job.tiles.iter().enumerate() {
        let pixels = job.pixels(*tile);
        for channel in vectors(job.channels, V::LANES) {
            // SAFETY: as in `input_points`.
            unsafe {
                let to = job.points.as_ptr().add(job.first + i * job.channels + channel);
                both_sides!(
                    a, OUT => SIDE,
                    load(row, column) V::load(pixels[row][column].add(channel)),
                    store(row, column, v) v.store(to.add((row * SIDE + column) * job.plane))
                );
            }
        }
    }
}

/// Transforms products at the points to results, adds to them, clamps them, and writes those that exist.
pub(super) struct ToResults<'a> {
    /// Laid out as by [`ToPoints`].
    pub(super) points: &'a [f32],
    pub(super) plane: usize,
    /// Where in each plane the tiles begin.
    pub(super) first: usize,
    pub(super) channels: usize,
    pub(super) tiles: &'a [Tile],
    /// Pixels in a row of the map.
    pub(super) width: usize,
    /// `channels` values, or none.
    pub(super) bias: &'a [f32],
    /// Laid out like the map, or none.
    pub(super) addend: &'a [f32],
    pub(super) clamp: (f32, f32),
    /// The map.
    pub(super) out: &'a Shared<'a>,
}

impl ToResults<'_> {
    /// Transforms the tiles.
    ///
    /// # Safety
    /// Nobody else may use these tiles of the map.
    pub(super) unsafe fn write(self) {
        dispatch(self);
    }
}

impl Kernel for ToResults<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let lanes = I::V::LANES;
        assert!(self.channels >= lanes && (self.bias.is_empty() || self.bias.len() >= self.channels));
        assert!(self.addend.is_empty() || self.addend.len() == self.out.len());
        assert!(self.first + self.tiles.len() * self.channels <= self.plane);
        assert!(POINTS * self.plane <= self.points.len());
        results::<I::V>(&self);
    }
}

#[inline(always)]
fn results<V: Vector>(job: &ToResults<'_>) {
    for (i, tile) in job.tiles.iter().enumerate() {
        let last = tile.origin as usize + (tile.rows.1 - 1) * job.width + tile.columns.1 - 1;
        assert!((last + 1) * job.channels <= job.out.len(), "tile outside of the map");
        for channel in vectors(job.channels, V::LANES) {
            // SAFETY: the assertions above, and the promise to `write`.
            unsafe {
                let (low, high) = (V::splat(job.clamp.0), V::splat(job.clamp.1));
                let bias = match job.bias {
                    [] => V::splat(0.0),
                    bias => V::load(bias.as_ptr().add(channel)),
                };
                let from = job.points.as_ptr().add(job.first + i * job.channels + channel);
                both_sides!(
                    at, SIDE => OUT,
                    load(row, column) V::load(from.add((row * SIDE + column) * job.plane)),
                    store(row, column, v) if row < tile.rows.1 && column < tile.columns.1 {
                        let pixel = tile.origin as usize + row * job.width + column;
                        let place = pixel * job.channels + channel;
                        let mut v = v.add(bias);
                        if !job.addend.is_empty() {
                            v = v.add(V::load(job.addend.as_ptr().add(place)));
                        }
                        v.clamp(low, high).store(job.out.as_ptr().add(place));
                    }
                );
            }
        }
    }
}

/// Transforms weights to points.
pub(super) struct WeightPoints<'a> {
    /// `[3 * 3][tap]`, as many values as there are at a point.
    pub(super) weights: &'a [f32],
    /// Distance between taps, a multiple of the vector's lanes.
    pub(super) tap: usize,
    /// The points' planes, `plane` apart.
    pub(super) points: &'a Shared<'a>,
    pub(super) plane: usize,
    /// Where in each plane the values go.
    pub(super) first: usize,
}

impl WeightPoints<'_> {
    /// Transforms the weights.
    ///
    /// # Safety
    /// Nobody else may use the places of the planes that are written.
    pub(super) unsafe fn write(self) {
        dispatch(self);
    }
}

impl Kernel for WeightPoints<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        assert!(self.tap.is_multiple_of(I::V::LANES) && 9 * self.tap <= self.weights.len());
        assert!(self.first + self.tap <= self.plane && POINTS * self.plane <= self.points.len());
        weight_points::<I::V>(&self);
    }
}

#[inline(always)]
fn weight_points<V: Vector>(job: &WeightPoints<'_>) {
    for at in (0..job.tap).step_by(V::LANES) {
        // SAFETY: the assertions in `run`, and the promise to `write`.
        unsafe {
            let from = job.weights.as_ptr().add(at);
            let to = job.points.as_ptr().add(job.first + at);
            both_sides!(
                g, 3 => SIDE,
                load(row, column) V::load(from.add((row * 3 + column) * job.tap)),
                store(row, column, v) v.store(to.add((row * SIDE + column) * job.plane))
            );
        }
    }
}

/// Transforms sums at the points to gradients of weights.
pub(super) struct ToWeights<'a> {
    /// `[POINTS][plane]`, each beginning with the values to transform.
    pub(super) points: &'a [f32],
    pub(super) plane: usize,
    /// `[3 * 3][plane]`.
    pub(super) weights: &'a Shared<'a>,
    /// Which values of a plane.
    pub(super) range: (usize, usize),
}

impl ToWeights<'_> {
    /// Transforms the values.
    ///
    /// # Safety
    /// Nobody else may use this range of each plane of the weights.
    pub(super) unsafe fn write(self) {
        dispatch(self);
    }
}

impl Kernel for ToWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        assert!(self.range.1 <= self.plane && self.range.1 - self.range.0 >= I::V::LANES);
        assert!(POINTS * self.plane <= self.points.len() && 9 * self.plane <= self.weights.len());
        to_weights::<I::V>(&self);
    }
}

#[inline(always)]
fn to_weights<V: Vector>(job: &ToWeights<'_>) {
    let (begin, end) = job.range;
    for first in vectors(end - begin, V::LANES) {
        // SAFETY: the assertions in `run`, and the promise to `write`.
        unsafe {
            let from = job.points.as_ptr().add(begin + first);
            let to = job.weights.as_ptr().add(begin + first);
            both_sides!(
                gt, SIDE => 3,
                load(row, column) V::load(from.add((row * SIDE + column) * job.plane)),
                store(row, column, v) v.store(to.add((row * 3 + column) * job.plane))
            );
        }
    }
}
