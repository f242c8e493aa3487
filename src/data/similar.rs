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
/// Hashes differ in at most this many of their 256 bits where pictures look the same whatever else is known of them: 4 %.
const MOST_DIFFERENT: u32 = 10;
/// Hashes of one picture saved anew as JPEG of quality 95 to 40, at half its size, brighter or with an edge cut off differ in up to
/// this many, because even ground turns bits over: whether they are copies is then for their thumbnails to say.
const MOST_DIFFERENT_OF_COPIES: u32 = 48;
/// Correlation of the thumbnails of copies. Of 396 photographs and 98 drawings it is over 0.99 however they were saved anew, and over
/// 0.98 where made brighter; of two different ones it is under 0.91, and no two are within 58 bits.
const LEAST_CORRELATED: f32 = 0.98;
/// Cells on each side of a thumbnail: each is the mean of two by two cells of the hash's grid.
const THUMBNAIL: usize = 8;
/// The same of a mirror image and another picture: pictures of opposite sides are alike, not copies. Photographs of different things
/// differ in more than 50 bits.
const MOST_DIFFERENT_MIRRORED: u32 = 24;
/// Pictures that are looked at for one that a mirror image resembles, of those that a band has in common with it.
const MOST_CANDIDATES: usize = 256;
/// A hash with fewer ones or zeros is of a picture with next to nothing on it, which looks like every other such picture.
const FEWEST: u32 = 40;
/// The same where thumbnails speak too.
const FEWEST_OF_COPIES: u32 = 20;
/// Bits of a band. Of the sixteen bands of two hashes that differ in ten bits, at least six are the same; the bits that saving anew
/// turns over lie together, on even ground, and leave others the same.
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

/// A picture in 8 by 8 shades of grey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbnail([[u8; THUMBNAIL]; THUMBNAIL]);

impl Thumbnail {
    /// Pearson's correlation of the shades, from -1 to 1: neither brightness nor contrast counts. 0 where one has but a single shade.
    fn correlation(self, other: Self) -> f32 {
        let centred = |t: Self| {
            let mean =
                t.0.iter().flatten().map(|&v| f32::from(v)).sum::<f32>() / (THUMBNAIL * THUMBNAIL) as f32;
            t.0.map(|row| row.map(|v| f32::from(v) - mean))
        };
        let (a, b) = (centred(self), centred(other));
        let product = |x: &[[f32; THUMBNAIL]; THUMBNAIL], y: &[[f32; THUMBNAIL]; THUMBNAIL]| -> f32 {
            x.iter().flatten().zip(y.iter().flatten()).map(|(x, y)| x * y).sum()
        };
        let spread = (product(&a, &a) * product(&b, &b)).sqrt();
        if spread > 0.0 { product(&a, &b) / spread } else { 0.0 }
    }
}

/// What is remembered of how a picture looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appearance {
    /// As it is.
    pub(super) hash: PerceptualHash,
    /// In a mirror.
    pub(super) mirrored: PerceptualHash,
    /// As it is.
    pub(super) thumbnail: Thumbnail,
}

impl PerceptualHash {
    /// Of a picture of any size. Those with fewer pixels than the grid has cells tell too little: theirs is that of an empty picture.
    ///
    /// # Errors
    /// If the picture is empty.
    pub fn of(image: &RgbImage) -> Result<Self> {
        Appearance::of(image).map(|seen| seen.hash)
    }

    /// How many bits differ, 0 to 256.
    pub fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Whether there is enough on the picture to tell it from others.
    fn tells(self) -> bool {
        self.has(FEWEST)
    }

    /// Whether it has at least so many ones, and zeros.
    fn has(self, fewest: u32) -> bool {
        let ones: u32 = self.0.iter().map(|b| b.count_ones()).sum();
        (fewest..=SIDE * SIDE - fewest).contains(&ones)
    }

    fn band(self, index: u32) -> u16 {
        let at = index * BAND;
        (self.0[(at / 64) as usize] >> (at % 64)) as u16
    }
}

impl Appearance {
    /// Of a picture of any size, and of its mirror image. Those with fewer pixels than the grid has cells tell too little: theirs is
    /// that of an empty picture.
    ///
    /// # Errors
    /// If the picture is empty.
    pub(super) fn of(image: &RgbImage) -> Result<Self> {
        let nothing = PerceptualHash([0; 4]);
        let mut seen =
            Self { hash: nothing, mirrored: nothing, thumbnail: Thumbnail([[0; THUMBNAIL]; THUMBNAIL]) };
        if image.width() <= SIDE || image.height() < SIDE {
            return Ok(seen);
        }
        let small = resize(image, Source::whole(image), (SIDE + 1, SIDE), Interpolation::Bilinear)?;
        let at = |x, y| grey(*small.get_pixel(x, y));
        for (i, (x, y)) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))).enumerate() {
            seen.hash.0[i / 64] |= u64::from(at(x, y) < at(x + 1, y)) << (i % 64);
            seen.mirrored.0[i / 64] |= u64::from(at(SIDE - x, y) < at(SIDE - x - 1, y)) << (i % 64);
        }
        for (y, row) in (0..).step_by(2).zip(&mut seen.thumbnail.0) {
            for (x, cell) in (0..).step_by(2).zip(row) {
                let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                *cell = ((four.map(u32::from).iter().sum::<u32>() + 2) / 4) as u8;
            }
        }
        Ok(seen)
    }

    /// Whether the other is of the same picture, saved anew.
    fn is_copy(&self, other: &Self) -> bool {
        let bits = self.hash.distance(other.hash);
        (bits <= MOST_DIFFERENT && self.hash.tells() && other.hash.tells())
            || (bits <= MOST_DIFFERENT_OF_COPIES
                && self.thumbnail.correlation(other.thumbnail) >= LEAST_CORRELATED)
    }
}

/// Pairs of indices, smaller first and in order, of pictures that look the same; without those of which one looks like many others.
pub(super) fn alike(seen: &[Appearance]) -> Vec<(usize, usize)> {
    let in_band = |band: u32| {
        let mut having: HashMap<u16, Vec<usize>> = HashMap::new();
        for (i, look) in seen.iter().enumerate().filter(|(_, l)| l.hash.has(FEWEST_OF_COPIES)) {
            having.entry(look.hash.band(band)).or_default().push(i);
        }
        let mut pairs = Vec::new();
        for same in having.values().filter(|s| s.len() <= MOST_IN_BAND) {
            for (at, &a) in same.iter().enumerate() {
                let copies = same[at + 1..].iter().filter(|&&b| seen[a].is_copy(&seen[b]));
                pairs.extend(copies.map(|&b| (a, b)));
            }
        }
        pairs
    };
    let mut pairs: Vec<_> = (0..SIDE * SIDE / BAND).into_par_iter().flat_map_iter(in_band).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut copies = vec![0; seen.len()];
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

    /// Hashes with thumbnails of a single shade, which have nothing to say.
    fn bare(hashes: &[PerceptualHash]) -> Vec<Appearance> {
        let thumbnail = Thumbnail([[9; THUMBNAIL]; THUMBNAIL]);
        hashes.iter().map(|&hash| Appearance { hash, mirrored: hash, thumbnail }).collect()
    }

    #[test]
    fn close_hashes_are_found_wherever_they_differ() {
        let spread: Vec<u32> = (0..10).map(|i| i * 25).collect();
        let mut hashes: Vec<PerceptualHash> = (0..500).map(|seed| noise(seed, &[])).collect();
        hashes.extend([noise(7, &spread), noise(7, &[3]), noise(9, &[spread, vec![255]].concat())]);
        assert_eq!(alike(&bare(&hashes)), [(7, 500), (7, 501)]);
        // The two differ in ten bits and one: as much as is too much.
        assert_eq!(hashes[500].distance(hashes[501]), 11);
    }

    #[test]
    fn a_subject_that_always_looks_the_same_is_no_copy() {
        let of =
            |count: u32| (0..count).map(|turned| noise(3, &[turned])).chain([noise(4, &[]), noise(4, &[9])]);
        let pairs = |count| alike(&bare(&of(count).collect::<Vec<_>>())).len();
        assert_eq!([pairs(9), pairs(10), pairs(70)], [9 * 8 / 2 + 1, 1, 1]);
    }

    #[test]
    fn the_hash_of_a_mirror_image_is_that_of_the_mirrored_picture() {
        let arrow = RgbImage::from_fn(200, 120, |x, y| {
            let inside = x > 30 && x < 170 && y.abs_diff(60) * 2 < 200 - x;
            image::Rgb(if inside { [(x / 2) as u8, 40, 90] } else { [255; 3] })
        });
        let turned = image::imageops::flip_horizontal(&arrow);
        let [a, b] = [&arrow, &turned].map(|picture| Appearance::of(picture).unwrap());
        let apart = (a.mirrored.distance(b.hash), b.mirrored.distance(a.hash), a.hash.distance(b.hash));
        assert!(apart.0 <= 1 && apart.1 <= 1 && apart.2 > 40, "{apart:?}");
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
        let blank = Appearance::of(&RgbImage::from_pixel(50, 40, image::Rgb([255; 3]))).unwrap();
        assert_eq!((blank.hash, alike(&[blank, blank]).len()), (PerceptualHash([0; 4]), 0));
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

    /// The picture as a JPEG file of `quality`, read again.
    fn saved_anew(picture: &RgbImage, quality: u8) -> RgbImage {
        let mut file = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality).encode_image(picture).unwrap();
        image::load_from_memory(&file).unwrap().into_rgb8()
    }

    #[test]
    fn a_picture_saved_anew_is_found_though_even_ground_turns_its_bits_over() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("sample");
        crate::data::sample::write_sample(&to, &|_, _| Ok(())).unwrap();
        let mut pictures = Vec::new();
        for class in std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
            let files = std::fs::read_dir(class).unwrap().map(|e| e.unwrap().path());
            pictures.extend(files.take(3).map(|file| image::open(file).unwrap().into_rgb8()));
        }
        let seen: Vec<Appearance> = pictures.iter().map(|p| Appearance::of(p).unwrap()).collect();
        assert_eq!(alike(&seen), [], "of different pictures none is a copy");
        let mut apart = 0;
        for quality in [95, 80, 70, 50] {
            for (picture, original) in pictures.iter().zip(&seen) {
                let copy = Appearance::of(&saved_anew(picture, quality)).unwrap();
                apart = apart.max(copy.hash.distance(original.hash));
                assert_eq!(alike(&[*original, copy]), [(0, 1)], "quality {quality}");
            }
        }
        assert!(apart > MOST_DIFFERENT, "the hashes alone would do: {apart}");
    }

    #[test]
    fn thumbnails_correlate_whatever_their_brightness_and_contrast() {
        let of = |shade: &dyn Fn(usize) -> u8| {
            Thumbnail(std::array::from_fn(|y| std::array::from_fn(|x| shade(y * THUMBNAIL + x))))
        };
        let (rising, even) = (of(&|i| i as u8), of(&|_| 7));
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
        close(rising.correlation(of(&|i| 100 + 2 * i as u8)), 1.0);
        close(rising.correlation(of(&|i| 255 - i as u8)), -1.0);
        close(rising.correlation(even), 0.0);
    }
}
