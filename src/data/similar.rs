//! Pictures that look alike though their files differ: smaller copies, other formats, other qualities, neighbours in a burst.

use super::color::grey;
use super::transform::{Source, resize};
use crate::config::Interpolation;
use crate::error::Result;
use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Cells on each side of a hash's grid.
const SIDE: u32 = 16;
/// Hashes differ in at most this many of their 256 bits where pictures look the same: 4 %.
const MOST_DIFFERENT: u32 = 10;
/// The same of a mirror image and another picture: pictures of opposite sides are alike, not copies. Photographs of different things
/// differ in more than 50 bits.
const MOST_DIFFERENT_MIRRORED: u32 = 24;
/// Pictures that are looked at for one that a mirror image resembles, of those that a band has in common with it.
const MOST_CANDIDATES: usize = 256;
/// A hash with fewer ones or zeros is of a picture with next to nothing on it, which looks like every other such picture.
const FEWEST: u32 = 40;
/// Bits of a band. Of the sixteen bands of two hashes that differ in ten bits, at least six are the same.
const BAND: u32 = 16;
/// A band that more pictures than this have in common tells nothing of them.
const MOST_IN_BAND: usize = 64;
/// A picture that looks like more others than this is of a subject that always looks so, and no copy.
const MOST_COPIES: usize = 8;

/// What a picture looks like, in 256 bits: whether brightness rises from each cell of a grid to the next on its right. Krawetz's
/// "difference hash" (2013), as `dhash(hash_size=16)` of Python's ImageHash, with the antialiased bilinear filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerceptualHash([u64; 4]);

impl PerceptualHash {
    /// Of a picture of any size. Those with fewer pixels than the grid has cells tell too little: theirs is that of an empty picture.
    ///
    /// # Errors
    /// If the picture is empty.
    pub fn of(image: &RgbImage) -> Result<Self> {
        Self::with_mirrored(image).map(|[hash, _]| hash)
    }

    /// Of a picture, and of its mirror image.
    ///
    /// # Errors
    /// If the picture is empty.
    pub fn with_mirrored(image: &RgbImage) -> Result<[Self; 2]> {
        if image.width() <= SIDE || image.height() < SIDE {
            return Ok([Self([0; 4]); 2]);
        }
        let small = resize(image, Source::whole(image), (SIDE + 1, SIDE), Interpolation::Bilinear)?;
        let at = |x, y| grey(*small.get_pixel(x, y));
        let (mut bits, mut mirrored) = ([0; 4], [0; 4]);
        for (i, (x, y)) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))).enumerate() {
            bits[i / 64] |= u64::from(at(x, y) < at(x + 1, y)) << (i % 64);
            mirrored[i / 64] |= u64::from(at(SIDE - x, y) < at(SIDE - x - 1, y)) << (i % 64);
        }
        Ok([Self(bits), Self(mirrored)])
    }

    /// How many bits differ, 0 to 256.
    pub fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Whether there is enough on the picture to tell it from others.
    fn tells(self) -> bool {
        let ones: u32 = self.0.iter().map(|b| b.count_ones()).sum();
        (FEWEST..=SIDE * SIDE - FEWEST).contains(&ones)
    }

    fn band(self, index: u32) -> u16 {
        let at = index * BAND;
        (self.0[(at / 64) as usize] >> (at % 64)) as u16
    }
}

/// Pairs of indices, smaller first and in order, of hashes that differ in at most ten bits; without those of which one is close to
/// many others.
pub(super) fn alike(hashes: &[PerceptualHash]) -> Vec<(usize, usize)> {
    let in_band = |band: u32| {
        let mut having: HashMap<u16, Vec<usize>> = HashMap::new();
        for (i, hash) in hashes.iter().enumerate().filter(|(_, h)| h.tells()) {
            having.entry(hash.band(band)).or_default().push(i);
        }
        let mut pairs = Vec::new();
        for same in having.values().filter(|s| s.len() <= MOST_IN_BAND) {
            for (at, &a) in same.iter().enumerate() {
                let close =
                    same[at + 1..].iter().filter(|&&b| hashes[a].distance(hashes[b]) <= MOST_DIFFERENT);
                pairs.extend(close.map(|&b| (a, b)));
            }
        }
        pairs
    };
    let mut pairs: Vec<_> = (0..SIDE * SIDE / BAND).into_par_iter().flat_map_iter(in_band).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut copies = vec![0; hashes.len()];
    for &(a, b) in &pairs {
        copies[a] += 1;
        copies[b] += 1;
    }
    pairs.retain(|&(a, b)| copies[a].max(copies[b]) <= MOST_COPIES);
    pairs
}

/// Pairs of indices of pictures of different classes, of which the first, mirrored, looks like the second, and does not as it is;
/// at most one pair for each first picture. Each picture has its hash and its mirror image's.
pub(super) fn mirrored_alike(hashes: &[[PerceptualHash; 2]], classes: &[usize]) -> Vec<(usize, usize)> {
    let mut having: HashMap<(u32, u16), Vec<usize>> = HashMap::new();
    let bands = || 0..SIDE * SIDE / BAND;
    for (i, [hash, _]) in hashes.iter().enumerate().filter(|(_, h)| h[0].tells()) {
        for band in bands() {
            having.entry((band, hash.band(band))).or_default().push(i);
        }
    }
    let class = |i: usize| classes.get(i).copied();
    let match_of = |a: usize| {
        let [plain, mirrored] = *hashes.get(a)?;
        let fits = |b: &usize| {
            let other = hashes[*b][0];
            class(*b) != class(a)
                && mirrored.distance(other) <= MOST_DIFFERENT_MIRRORED
                && plain.distance(other) > 2 * MOST_DIFFERENT_MIRRORED
        };
        let candidates =
            |band| having.get(&(band, mirrored.band(band))).into_iter().flatten().take(MOST_CANDIDATES);
        let found = bands().flat_map(candidates).copied().find(fits)?;
        Some((a, found))
    };
    (0..hashes.len()).into_par_iter().filter(|&a| hashes[a][1].tells()).filter_map(match_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash with the bits of a repeatable noise, of which some are turned over.
    fn noise(seed: u64, turned: &[u32]) -> PerceptualHash {
        let mut rng = crate::nn::rng::Rng::for_key(seed, &[]);
        let mut bits = [0u64; 4];
        for i in 0..256usize {
            bits[i / 64] |= u64::from(rng.uniform() < 0.5) << (i % 64);
        }
        for &t in turned {
            bits[(t / 64) as usize] ^= 1 << (t % 64);
        }
        PerceptualHash(bits)
    }

    #[test]
    fn close_hashes_are_found_wherever_they_differ() {
        let spread: Vec<u32> = (0..10).map(|i| i * 25).collect();
        let mut hashes: Vec<PerceptualHash> = (0..500).map(|seed| noise(seed, &[])).collect();
        hashes.extend([noise(7, &spread), noise(7, &[3]), noise(9, &[spread, vec![255]].concat())]);
        assert_eq!(alike(&hashes), [(7, 500), (7, 501)]);
        // The two differ in ten bits and one: as much as is too much.
        assert_eq!(hashes[500].distance(hashes[501]), 11);
    }

    #[test]
    fn a_subject_that_always_looks_the_same_is_no_copy() {
        let of =
            |count: u32| (0..count).map(|turned| noise(3, &[turned])).chain([noise(4, &[]), noise(4, &[9])]);
        let pairs = |count| alike(&of(count).collect::<Vec<_>>()).len();
        assert_eq!([pairs(9), pairs(10), pairs(70)], [9 * 8 / 2 + 1, 1, 1]);
    }

    #[test]
    fn the_hash_of_a_mirror_image_is_that_of_the_mirrored_picture() {
        let arrow = RgbImage::from_fn(200, 120, |x, y| {
            let inside = x > 30 && x < 170 && y.abs_diff(60) * 2 < 200 - x;
            image::Rgb(if inside { [(x / 2) as u8, 40, 90] } else { [255; 3] })
        });
        let turned = image::imageops::flip_horizontal(&arrow);
        let ([a, mirrored], [b, back]) =
            (PerceptualHash::with_mirrored(&arrow).unwrap(), PerceptualHash::with_mirrored(&turned).unwrap());
        assert!(
            mirrored.distance(b) <= 1 && back.distance(a) <= 1,
            "{} {}",
            mirrored.distance(b),
            back.distance(a)
        );
        assert!(a.distance(b) > 40, "{}", a.distance(b));
    }

    #[test]
    fn a_mirror_image_is_found_in_another_class_only_and_only_where_the_picture_itself_is_not() {
        let pairs = |hashes: &[[PerceptualHash; 2]], classes: &[usize]| mirrored_alike(hashes, classes);
        let some: Vec<u32> = (0..12).map(|i| i * 21).collect();
        // The second is what the first is in a mirror, but for twelve bits.
        let sides = [
            [noise(1, &[]), noise(2, &[])],
            [noise(2, &some), noise(1, &some)],
            [noise(5, &[]), noise(6, &[])],
        ];
        assert_eq!(pairs(&sides, &[0, 1, 1]), [(0, 1), (1, 0)]);
        assert_eq!(pairs(&sides, &[1, 1, 0]), []);
        // A thing that looks the same in a mirror, and a copy of it in another class, which is another matter.
        let even = [[noise(3, &[]), noise(3, &[7])], [noise(3, &[9]), noise(3, &[11])]];
        assert_eq!(pairs(&even, &[0, 1]), []);
    }

    #[test]
    fn pictures_with_nothing_on_them_are_not_all_alike() {
        let blank = PerceptualHash::of(&RgbImage::from_pixel(50, 40, image::Rgb([255; 3]))).unwrap();
        assert_eq!((blank, alike(&[blank, blank]).len()), (PerceptualHash([0; 4]), 0));
    }

    #[test]
    fn a_smaller_copy_looks_the_same_and_a_mirrored_one_does_not() {
        let picture = RgbImage::from_fn(320, 240, |x, y| {
            let wave = |v: u32, pace: f32| ((v as f32 * pace).sin() * 90.0 + 120.0) as u8;
            image::Rgb([wave(x + y / 3, 0.05), wave(y + x / 5, 0.07), wave(x * y / 300, 0.11)])
        });
        let small = resize(&picture, Source::whole(&picture), (150, 113), Interpolation::Bicubic).unwrap();
        let mirrored = image::imageops::flip_horizontal(&picture);
        let [a, b, c] = [&picture, &small, &mirrored].map(|p| PerceptualHash::of(p).unwrap());
        assert!(a.distance(b) <= 4 && a.distance(c) > 60, "{} {}", a.distance(b), a.distance(c));
    }
}
