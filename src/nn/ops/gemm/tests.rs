//! Products against sums in f64, at every instruction set of the machine.

use super::*;
use crate::nn::ops::simd::testing::at_each_level;

fn values(len: usize, pace: f64) -> Vec<f32> {
    (0..len).map(|i| ((i as f64 + 0.5) * pace).sin() as f32).collect()
}

fn naive(k: usize, a: impl Fn(usize) -> f32, b: impl Fn(usize) -> f32) -> f64 {
    (0..k).map(|p| f64::from(a(p)) * f64::from(b(p))).sum()
}

#[test]
fn products_are_right_and_clamped_and_stay_in_their_place() {
    for (m, n, k) in
        [(1, 1, 1), (12, 32, 7), (13, 33, 20), (29, 65, 300), (5, 31, 2), (37, 16, 64), (15, 9, 3)]
    {
        let (a, b, bias) = (values(m * k, 0.7), values(k * n, 1.1), values(n, 0.3));
        let row = n + 3;
        let addend = values(m * row, 1.7);
        at_each_level(|level| {
            let packed = Packed::new(Mat::rows(&b, k, n, n));
            let epilogue = Epilogue::new(Some(&bias), (-0.5, 2.0));
            for addend in [None, Some(&addend[..])] {
                let mut out = vec![9.0f32; m * row];
                product(Mat::rows(&a, m, k, k), &packed, &epilogue, Out::rows(&mut out, row).plus(addend));
                for i in 0..m {
                    for j in 0..n {
                        let sum = naive(k, |p| a[i * k + p], |p| b[p * n + j]) + f64::from(bias[j]);
                        let want = (sum + f64::from(addend.map_or(0.0, |a| a[i * row + j]))).clamp(-0.5, 2.0);
                        let got = f64::from(out[i * row + j]);
                        assert!((got - want).abs() < 1e-4, "{m} {n} {k} {level:?}: {got} instead of {want}");
                    }
                    let beside = &out[i * row + n..(i + 1) * row];
                    assert!(beside.iter().all(|&v| v == 9.0), "wrote beside the result, {level:?}");
                }
            }
        });
    }
}

#[test]
fn rows_are_read_in_segments_and_lines() {
    // Two lines of five overlapping rows, each of two segments of three values; results two apart, lines twelve.
    let (data, b) = (values(80, 0.9), values(6 * 2, 1.3));
    at_each_level(|level| {
        let packed = Packed::new(Mat::rows(&b, 6, 2, 2));
        let a = Lines { data: &data, lines: 2, line: 30, rows: 5, row: 2, segments: &[1, 17], k: 3 };
        let mut out = vec![9.0f32; 24];
        product(a, &packed, &Epilogue::none(), Out::lines(&mut out, 12, 2));
        for (l, i, j) in (0..20).map(|i| (i / 10, i / 2 % 5, i % 2)) {
            let at = |p: usize| data[l * 30 + i * 2 + [1, 17][p / 3] + p % 3];
            let want = naive(6, at, |p| b[p * 2 + j]);
            assert!((f64::from(out[l * 12 + i * 2 + j]) - want).abs() < 1e-5, "{level:?}");
        }
        assert_eq!(out[10..12], [9.0, 9.0], "{level:?}");
    });
}

#[test]
fn transposed_products_are_added() {
    for (m, n, rows, step) in
        [(1, 1, 1, 1), (13, 33, 10, 20), (24, 64, 50, 24), (7, 40, 3, 4), (30, 17, 9, 31), (15, 300, 130, 20)]
    {
        let segments = [5, 5 + rows * step + 3];
        let (a, b) = (values(segments[1] + rows * step + m, 0.7), values(2 * rows * n, 1.1));
        at_each_level(|level| {
            for first in [true, false] {
                let mut out = vec![1.0f32; m * n];
                let left = Transposed { data: &a, segments: &segments, rows, step, cols: m };
                add_product_of_transposed(left, Mat::rows(&b, 2 * rows, n, n), first, Out::rows(&mut out, n));
                for (at, &got) in out.iter().enumerate() {
                    let left = |p: usize| a[segments[p / rows] + p % rows * step + at / n];
                    let want = f64::from(u8::from(!first)) + naive(2 * rows, left, |p| b[p * n + at % n]);
                    assert!((f64::from(got) - want).abs() < 1e-4, "{m} {n} {rows} {step} {level:?}");
                }
            }
        });
    }
}

#[test]
fn rows_split_into_even_blocks() {
    let blocks = |rows| row_blocks(rows, 14).map(|(begin, end)| end - begin).collect::<Vec<_>>();
    assert_eq!(blocks(16), [8, 8]);
    assert_eq!(blocks(14), [14]);
    assert_eq!(blocks(0), [0; 0]);
    assert_eq!(blocks(31).iter().sum::<usize>(), 31);
}

#[test]
fn not_a_number_is_not_clamped_away() {
    at_each_level(|level| {
        let epilogue = Epilogue::new(None, (0.0, 6.0));
        let mut out = [0.0f32];
        let packed = Packed::new(Mat::rows(&[1.0], 1, 1, 1));
        product(Mat::rows(&[f32::NAN], 1, 1, 1), &packed, &epilogue, Out::rows(&mut out, 1));
        assert!(out[0].is_nan(), "{level:?}");
    });
}
