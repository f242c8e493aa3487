//! A tree of squares over points on a plane, for sums over all of them in which far ones stand together (Barnes and Hut 1986).

use rayon::prelude::*;

/// Halvings of each axis: a square of the last level is a 65536th of the whole wide.
const LEVELS: u32 = 16;

/// A square with points in it.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Mean of its points.
    centre: [f32; 2],
    count: f32,
    /// Squared side; 0 where nothing is within to be told apart.
    side: f32,
    /// The cell that comes after all within this one.
    next: u32,
}

/// Cells in the order of a walk that enters each before those within it.
#[derive(Debug)]
pub(super) struct Quadtree {
    cells: Vec<Cell>,
    /// Numbers of the points along the curve through the squares (Morton 1966): neighbours are near each other in memory.
    order: Vec<u32>,
}

/// Sum of the forces on a point that all points, itself included, push it away with.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Push {
    /// Of `q^2 (y - y')`, with `q = 1 / (1 + |y - y'|^2)`.
    pub(super) force: [f32; 2],
    /// Of `q`.
    pub(super) total: f32,
}

impl Quadtree {
    pub(super) fn new(points: &[[f32; 2]]) -> Self {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for point in points {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let extent = (high[0] - low[0]).max(high[1] - low[1]).max(f32::MIN_POSITIVE);
        let cells = (1u32 << LEVELS) as f32;
        let place = |v: f32, low: f32| ((v - low) / extent * cells).min(cells - 1.0) as u32;
        let key = |(i, p): (usize, &[f32; 2])| {
            (spread(place(p[0], low[0])) | spread(place(p[1], low[1])) << 1, i as u32)
        };
        let mut keys: Vec<(u32, u32)> = points.par_iter().enumerate().map(key).collect();
        keys.par_sort_unstable();
        let mut tree = Self { cells: Vec::with_capacity(2 * points.len()), order: Vec::new() };
        if !keys.is_empty() {
            tree.enter(&keys, points, extent);
        }
        tree.order = keys.into_iter().map(|(_, i)| i).collect();
        tree
    }

    /// Adds the smallest square around the points of `keys`, and all squares within it. Returns the sum of its points.
    fn enter(&mut self, keys: &[(u32, u32)], points: &[[f32; 2]], extent: f32) -> [f64; 2] {
        let at = self.cells.len();
        let count = keys.len() as f32;
        self.cells.push(Cell { centre: [0.0; 2], count, side: 0.0, next: 0 });
        let differ = keys[0].0 ^ keys[keys.len() - 1].0;
        let mut sum = [0f64; 2];
        if differ == 0 {
            for &(_, i) in keys {
                let point = points[i as usize];
                sum = [sum[0] + f64::from(point[0]), sum[1] + f64::from(point[1])];
            }
        } else {
            let level = differ.leading_zeros() / 2;
            let side = extent / (1u32 << level) as f32;
            self.cells[at].side = side * side;
            let shift = 2 * (LEVELS - 1 - level);
            let quarter = |key: u32| key >> shift & 3;
            let mut rest = keys;
            while let Some(&(first, _)) = rest.first() {
                let end = rest.partition_point(|k| quarter(k.0) <= quarter(first));
                let part = self.enter(&rest[..end], points, extent);
                sum = [sum[0] + part[0], sum[1] + part[1]];
                rest = &rest[end..];
            }
        }
        let next = self.cells.len() as u32;
        let cell = &mut self.cells[at];
        cell.centre = sum.map(|s| (s / f64::from(count)) as f32);
        cell.next = next;
        sum
    }

    /// What pushes each point. Squares that look narrower than `angle` (side over distance) stand together.
    pub(super) fn pushes(&self, points: &[[f32; 2]], angle: f32) -> Vec<Push> {
        let angle = angle * angle;
        let along: Vec<Push> = self.order.par_iter().map(|&i| self.push(points[i as usize], angle)).collect();
        let mut pushes = vec![Push::default(); points.len()];
        self.order.iter().zip(along).for_each(|(&i, push)| pushes[i as usize] = push);
        pushes
    }

    fn push(&self, point: [f32; 2], angle: f32) -> Push {
        let mut sum = Push::default();
        let mut at = 0;
        while let Some(cell) = self.cells.get(at) {
            let off = [point[0] - cell.centre[0], point[1] - cell.centre[1]];
            let distance = off[0] * off[0] + off[1] * off[1];
            if cell.side > 0.0 && cell.side >= angle * distance {
                at += 1;
                continue;
            }
            let q = 1.0 / (1.0 + distance);
            let pull = cell.count * q * q;
            sum.force = [sum.force[0] + pull * off[0], sum.force[1] + pull * off[1]];
            sum.total += cell.count * q;
            at = cell.next as usize;
        }
        sum
    }
}

/// Puts a zero before each of the lower sixteen bits.
fn spread(v: u32) -> u32 {
    let v = (v | v << 8) & 0x00ff_00ff;
    let v = (v | v << 4) & 0x0f0f_0f0f;
    let v = (v | v << 2) & 0x3333_3333;
    (v | v << 1) & 0x5555_5555
}
