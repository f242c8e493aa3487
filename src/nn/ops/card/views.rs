//! Views of pictures, made on a card: the host's side of `kernels/views.cu`.

use super::launch::{Fresh, Grid, Launch, MAX_THREADS};
use candle_core::{DType, Device, Result, Tensor, bail};

const FILE: &str = "views";
/// Largest side of a view: sums of its greys have room in 32 bits.
pub(crate) const LARGEST_VIEW: usize = 4096;
/// Most adjustments of colour.
const ADJUSTMENTS: usize = 4;

/// Whole numbers that resize an axis: each result is the sum of levels times taps, rounded and shifted by `bits`; one without taps is
/// black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taps {
    /// Bits behind the point, at least 1.
    pub(crate) bits: u32,
    /// For each result the first position that counts, and the taps of those from there.
    pub(crate) rows: Vec<(usize, Vec<i32>)>,
}

/// A step that changes colours, as `Adjustment` in views.cu.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Recolour {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
    /// Steps of 256.
    Hue(u8),
}

/// An operation of a policy, as `Operation` in views.cu.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// As a view is turned.
    Move([i32; 6]),
    /// Between each pixel's grey and itself, or beyond.
    Colour(f32),
    /// Between the smoothed picture and the picture, or beyond.
    Sharpness(f32),
    /// Between black and the picture, or beyond.
    Brightness(f32),
    /// Between the picture's mean grey and itself, or beyond.
    Contrast(f32),
    /// The bits that are kept.
    Posterize(u8),
    /// The first level that is inverted.
    Solarize(u32),
    AutoContrast,
    Equalize,
}

/// Words of a [`Change`].
const CHANGE_WORDS: usize = 8;

impl Change {
    fn words(self) -> [u32; CHANGE_WORDS] {
        let (what, by) = match self {
            Self::Move(from) => {
                let [a, b, c, d, e, f] = from.map(i32::cast_unsigned);
                return [1, 0, a, b, c, d, e, f];
            }
            Self::Colour(factor) => (2, factor.to_bits()),
            Self::Sharpness(factor) => (3, factor.to_bits()),
            Self::Brightness(factor) => (4, factor.to_bits()),
            Self::Contrast(factor) => (5, factor.to_bits()),
            Self::Posterize(kept) => (6, u32::from(kept)),
            Self::Solarize(from) => (7, from),
            Self::AutoContrast => (8, 0),
            Self::Equalize => (9, 0),
        };
        [what, by, 0, 0, 0, 0, 0, 0]
    }
}

/// A view that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    /// Rows of RGB of a whole picture.
    pub(crate) pixels: &'a [u8],
    /// Its columns.
    pub(crate) width: usize,
    /// What is cut out: the first row and column, rows and columns.
    pub(crate) cut: [usize; 4],
    /// From the cut's rows and columns to the square's.
    pub(crate) taps: [Taps; 2],
    /// Left to right, and upside down.
    pub(crate) mirrored: [bool; 2],
    /// Where the first pixel comes from, x and y, and how far that moves with x and with y; 16 bits behind the point.
    pub(crate) turned: Option<[i32; 6]>,
    pub(crate) recolours: Vec<Recolour>,
    /// Behind them, one after another.
    pub(crate) changes: Vec<Change>,
    /// The first row and column, rows and columns.
    pub(crate) erased: Option<[usize; 4]>,
}

/// What a batch is made from, in the kernels' words.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    plans: Vec<u32>,
    taps: Vec<u32>,
    /// Pixels between the two ways of resizing.
    middle: usize,
    /// Columns of the widest cut.
    widest: usize,
}

impl Words {
    /// Adds the first word of the taps, those of one result and the bits to the plan.
    fn add_taps(&mut self, taps: &Taps, size: usize, side: usize) -> Result<()> {
        let fits = |(first, taps): &(usize, Vec<i32>)| first + taps.len() <= size;
        if taps.rows.len() != side || !taps.rows.iter().all(fits) || !(1..31).contains(&taps.bits) {
            bail!("taps for another size than {size} and {side}");
        }
        let most = taps.rows.iter().map(|(_, taps)| taps.len()).max().unwrap_or(0);
        self.plans.extend([u32::try_from(self.taps.len())?, u32::try_from(most + 2)?, taps.bits]);
        for (first, row) in &taps.rows {
            self.taps.extend([u32::try_from(*first)?, u32::try_from(row.len())?]);
            self.taps.extend(row.iter().map(|tap| tap.cast_unsigned()));
            self.taps.extend(std::iter::repeat_n(0, most - row.len()));
        }
        Ok(())
    }

    /// Adds views of one picture: what several of them show is sent once.
    fn add_views(&mut self, views: &[View<'_>], side: usize) -> Result<()> {
        let Some(first) = views.first() else { return Ok(()) };
        for view in views {
            let [top, left, height, width] = view.cut;
            let inside = left + width <= view.width && (top + height) * view.width * 3 <= view.pixels.len();
            if height * width == 0 || !inside || view.recolours.len() > ADJUSTMENTS {
                let pixels = view.pixels.len() / 3;
                bail!("a view of {:?} of {pixels} pixels in rows of {}", view.cut, view.width);
            }
        }
        let area = |[_, _, height, width]: [usize; 4]| height * width;
        let all = views.iter().map(|view| view.cut).reduce(around).unwrap_or(first.cut);
        if area(all) >= views.iter().map(|view| area(view.cut)).sum() {
            for view in views {
                let at = self.add_pixels(view, view.cut)?;
                self.add(view, (at, view.cut[3] * 3), side)?;
            }
            return Ok(());
        }
        let (at, row) = (self.add_pixels(first, all)?, all[3] * 3);
        for view in views {
            let own = (view.cut[0] - all[0]) * row + (view.cut[1] - all[1]) * 3;
            self.add(view, (at + own, row), side)?;
        }
        Ok(())
    }

    /// Adds what is in a cut, and gives its first byte.
    fn add_pixels(&mut self, view: &View<'_>, [top, left, height, width]: [usize; 4]) -> Result<usize> {
        let at = self.bytes.len();
        u32::try_from(at + height * width * 3)?;
        for line in view.pixels.chunks_exact(view.width * 3).skip(top).take(height) {
            self.bytes.extend_from_slice(&line[left * 3..(left + width) * 3]);
        }
        Ok(at)
    }

    /// Adds a view of which the cut's pixels begin `at` a byte, and its rows so many bytes behind each other.
    fn add(&mut self, view: &View<'_>, (at, row): (usize, usize), side: usize) -> Result<()> {
        let [_, _, height, width] = view.cut;
        self.plans.extend([at, row, width, self.middle].map(|v| v as u32));
        u32::try_from(self.middle + side * width)?;
        self.middle += side * width;
        self.widest = self.widest.max(width);
        let [down, across] = &view.taps;
        self.add_taps(down, height, side)?;
        self.add_taps(across, width, side)?;
        let [level, upright] = view.mirrored.map(u32::from);
        self.plans.extend([level | upright << 1, u32::from(view.turned.is_some())]);
        self.plans.extend(view.turned.unwrap_or_default().map(i32::cast_unsigned));
        self.plans.extend(view.erased.unwrap_or_default().map(|v| v as u32));
        self.plans.push(view.recolours.len() as u32);
        for i in 0..ADJUSTMENTS {
            self.plans.extend(match view.recolours.get(i) {
                Some(Recolour::Brightness(by)) => [0, by.to_bits()],
                Some(Recolour::Contrast(by)) => [1, by.to_bits()],
                Some(Recolour::Saturation(by)) => [2, by.to_bits()],
                Some(Recolour::Hue(by)) => [3, u32::from(*by)],
                None => [0, 0],
            });
        }
        Ok(())
    }
}

/// The smallest cut with both in it.
fn around(a: [usize; 4], b: [usize; 4]) -> [usize; 4] {
    let (top, left) = (a[0].min(b[0]), a[1].min(b[1]));
    let (bottom, right) = ((a[0] + a[2]).max(b[0] + b[2]), (a[1] + a[3]).max(b[1] + b[3]));
    [top, left, bottom - top, right - left]
}

/// A batch of views, `[N, side, side, 3]` in `dtype` on `device`. Each level of each channel has its value in `values`, one channel's
/// 256 behind the other's; what is erased is 0.
///
/// # Errors
/// If a view does not fit its picture, or there is no room.
pub(crate) fn views(
    views: &[View<'_>],
    side: usize,
    values: &[f32],
    device: &Device,
    dtype: DType,
) -> Result<Tensor> {
    let mut words = Words::default();
    for views in views.chunk_by(|a, b| std::ptr::eq(a.pixels, b.pixels)) {
        words.add_views(views, side)?;
    }
    if views.is_empty() || !(1..=LARGEST_VIEW).contains(&side) || values.len() != 3 * 256 {
        bail!("{} views of {side} pixels", views.len());
    }
    words.bytes.resize(words.bytes.len().next_multiple_of(4), 0);
    let pixels: Vec<u32> = words.bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let on_card = |words: Vec<u32>| Tensor::new(words, device);
    let (pixels, plans, taps) = (on_card(pixels)?, on_card(words.plans)?, on_card(words.taps)?);
    let values = Tensor::new(values, device)?;
    let (count, size) = (u32::try_from(views.len())?, u32::try_from(side)?);
    let grid = |items: usize| grid(items, count);

    let mut middle = Fresh::new(device, DType::U32, words.middle)?;
    let launch = Launch::of(FILE, "down", dtype)?.read(&pixels).read(&plans).read(&taps).write(&mut middle);
    // SAFETY: threads read what the plans' taps reach of their cuts, which lie inside of the pixels, and each writes a pixel.
    unsafe { launch.count(size).run(grid(side * words.widest)?)? };
    let middle = middle.into_tensor();

    let mut squares = Fresh::new(device, DType::U32, (views.len(), side, side))?;
    let launch = Launch::of(FILE, "across", dtype)?.read(&middle).read(&plans).read(&taps);
    // SAFETY: as before; every pixel of the squares has a thread.
    unsafe { launch.write(&mut squares).count(size).run(grid(side * side)?)? };
    let squares = squares.into_tensor();

    let mut means = Fresh::new(device, DType::U32, views.len())?;
    let launch = Launch::of(FILE, "greys", dtype)?.read(&squares).read(&plans).write(&mut means);
    // SAFETY: each block reads its square, and writes its mean.
    unsafe { launch.count(size).run(Grid { blocks: [count, 1], threads: [MAX_THREADS, 1] })? };
    let means = means.into_tensor();

    let rounds = views.iter().map(|view| view.changes.len()).max().unwrap_or(0);
    let (squares, means) = if rounds == 0 {
        (squares, Some(means))
    } else {
        let mut adjusted = Fresh::new(device, DType::U32, (views.len(), side, side))?;
        let launch = Launch::of(FILE, "adjust", dtype)?.read(&squares).read(&plans).read(&means);
        // SAFETY: threads read pixels of their square, and each writes one.
        unsafe { launch.write(&mut adjusted).count(size).run(grid(side * side)?)? };
        let mut squares = adjusted.into_tensor();
        for round in 0..rounds {
            squares = changed(&squares, views, round, dtype)?;
        }
        (squares, None)
    };

    let mut batch = Fresh::new(device, dtype, (views.len(), side, side, 3))?;
    let launch = Launch::of(FILE, "finish", dtype)?.read(&squares).read(&plans).read_if(means.as_ref());
    // SAFETY: threads read pixels of their square, and each writes one of its view.
    unsafe { launch.read(&values).write(&mut batch).count(size).run(grid(side * side)?)? };
    Ok(batch.into_tensor())
}

/// A row of blocks for each of `count` pictures, with a thread for each of `items` things.
fn grid(items: usize, count: u32) -> Result<Grid> {
    let blocks = [u32::try_from(items.div_ceil(MAX_THREADS as usize))?, count];
    Ok(Grid { blocks, threads: [MAX_THREADS, 1] })
}

/// Squares `[N, side, side]` behind this operation of each view, from 0; those of views that have no more stay as they are.
fn changed(squares: &Tensor, views: &[View<'_>], round: usize, dtype: DType) -> Result<Tensor> {
    let (count, side, _) = squares.dims3()?;
    let change = |view: &View<'_>| view.changes.get(round).map_or([0; CHANGE_WORDS], |change| change.words());
    let words: Vec<u32> = views.iter().flat_map(change).collect();
    let changes = Tensor::new(words, squares.device())?;
    let (blocks, size) = (u32::try_from(count)?, u32::try_from(side)?);
    let mut tables = Fresh::new(squares.device(), DType::U32, (count, 3, 256))?;
    let launch = Launch::of(FILE, "level_tables", dtype)?.read(squares).read(&changes).write(&mut tables);
    // SAFETY: each block reads its square and its change, and writes its tables where the next kernel reads them.
    unsafe { launch.count(size).run(Grid { blocks: [blocks, 1], threads: [MAX_THREADS, 1] })? };
    let tables = tables.into_tensor();
    let mut changed = Fresh::new(squares.device(), DType::U32, (count, side, side))?;
    let launch = Launch::of(FILE, "operate", dtype)?.read(squares).read(&changes).read(&tables);
    // SAFETY: threads read pixels of their square and levels of its tables, and each writes a pixel.
    unsafe { launch.write(&mut changed).count(size).run(grid(side * side, blocks)?)? };
    Ok(changed.into_tensor())
}
