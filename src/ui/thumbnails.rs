//! Small pictures: decoded and shrunk on named threads, uploaded once, kept in a bounded cache.

use crate::data::decode::decode_file;
use crossbeam_channel::{Receiver, Sender};
use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use fast_image_resize as fir;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

/// Longest side of a thumbnail in pixels.
pub const THUMB_PX: u32 = 192;
/// Longest side of a picture that is looked at alone, in pixels.
pub const LARGE_PX: u32 = 900;
/// The same of one that has more room than that, in pixels.
pub const HUGE_PX: u32 = 1800;
/// Longest side of a picture that is shown larger than that in a gallery, in pixels.
pub const MEDIUM_PX: u32 = 384;
/// How many textures are kept.
const KEPT: usize = 600;
/// How much memory they may take.
const KEPT_BYTES: usize = 96 << 20;
/// How many pictures may wait; older ones are forgotten and asked for again when they are drawn again.
const WAITING: usize = 200;
const THREADS: usize = 2;
/// Larger pictures are not worth a thumbnail's time.
const MAX_MEGAPIXELS: f64 = 200.0;

/// A thumbnail's state.
#[derive(Clone)]
pub enum Thumb {
    /// Being decoded.
    Loading,
    /// Ready to draw.
    Ready(TextureHandle),
    /// It cannot be decoded; the reason.
    Failed(String),
}

impl std::fmt::Debug for Thumb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loading => f.write_str("Loading"),
            Self::Ready(texture) => write!(f, "Ready({:?})", texture.size()),
            Self::Failed(reason) => write!(f, "Failed({reason:?})"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    path: PathBuf,
    side_px: u32,
}

#[derive(Debug)]
struct Entry {
    thumb: Thumb,
    used: u64,
}

/// The threads' inbox: the newest request is served first, because it is what is on the screen.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Vec<Key>>,
    ready: Condvar,
}

#[derive(Debug)]
struct Pool {
    queue: Arc<Queue>,
    answers: Receiver<(Key, Result<ColorImage, String>)>,
}

/// The cache. Starts its threads with the first picture that is asked for.
#[derive(Debug, Default)]
pub struct Thumbnails {
    entries: HashMap<Key, Entry>,
    pool: Option<Pool>,
    tick: u64,
}

impl Thumbnails {
    /// Takes in what the threads have finished. Call once a frame.
    pub fn begin_frame(&mut self, ctx: &Context) {
        self.tick += 1;
        let Some(pool) = &self.pool else { return };
        while let Ok((key, answer)) = pool.answers.try_recv() {
            let thumb = match answer {
                Ok(image) => {
                    Thumb::Ready(ctx.load_texture(key.path.to_string_lossy(), image, TextureOptions::LINEAR))
                }
                Err(reason) => Thumb::Failed(reason),
            };
            self.entries.insert(key, Entry { thumb, used: self.tick });
        }
        self.shrink();
    }

    /// The thumbnail of the picture at `path`, at most [`THUMB_PX`] on its longer side.
    pub fn get(&mut self, ctx: &Context, path: &Path) -> Thumb {
        self.get_sized(ctx, path, THUMB_PX)
    }

    /// The picture at `path`, at most `side_px` on its longer side.
    pub fn get_sized(&mut self, ctx: &Context, path: &Path, side_px: u32) -> Thumb {
        let key = Key { path: path.to_path_buf(), side_px };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used = self.tick;
            return entry.thumb.clone();
        }
        self.entries.insert(key.clone(), Entry { thumb: Thumb::Loading, used: self.tick });
        let pool = self.pool.get_or_insert_with(|| Pool::start(ctx));
        for dropped in pool.queue.push(key) {
            self.entries.remove(&dropped);
        }
        Thumb::Loading
    }

    /// How many pictures were asked for and are not there yet.
    pub fn waiting(&self) -> usize {
        self.entries.values().filter(|e| matches!(e.thumb, Thumb::Loading)).count()
    }

    /// Forgets every picture, for example because another folder was opened.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Lets those go that were drawn longest ago, where they are too many or too large.
    fn shrink(&mut self) {
        let total: usize = self.entries.values().map(Entry::bytes).sum();
        if self.entries.len() <= KEPT && total <= KEPT_BYTES {
            return;
        }
        let there = self.entries.values().filter(|e| !matches!(e.thumb, Thumb::Loading));
        let mut newest: Vec<(u64, usize)> = there.map(|e| (e.used, e.bytes())).collect();
        newest.sort_unstable_by_key(|(used, _)| std::cmp::Reverse(*used));
        let mut bytes = 0;
        let fits = |&(n, &(_, size)): &(usize, &(u64, usize))| {
            bytes += size;
            n < KEPT * 3 / 4 && bytes <= KEPT_BYTES / 4 * 3
        };
        let Some((_, &(oldest_kept, _))) = newest.iter().enumerate().take_while(fits).last() else { return };
        self.entries.retain(|_, e| matches!(e.thumb, Thumb::Loading) || e.used >= oldest_kept);
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        match &self.thumb {
            Thumb::Ready(texture) => 4 * texture.size()[0] * texture.size()[1],
            _ => 0,
        }
    }
}

impl Pool {
    fn start(ctx: &Context) -> Self {
        let queue = Arc::new(Queue::default());
        let (tx, answers) = crossbeam_channel::unbounded();
        for n in 0..THREADS {
            let (weak, tx, ctx) = (Arc::downgrade(&queue), tx.clone(), ctx.clone());
            let work = move || {
                while let Some(key) = weak.upgrade().and_then(|q| q.pop()) {
                    if !answer(key, &tx) {
                        return;
                    }
                    ctx.request_repaint();
                }
            };
            // Without the thread its pictures stay grey; nothing else depends on it.
            let _ = std::thread::Builder::new().name(format!("thumbnails-{n}")).spawn(work);
        }
        Self { queue, answers }
    }
}

impl Queue {
    /// Adds a request; returns the oldest ones that are now too many.
    fn push(&self, key: Key) -> Vec<Key> {
        let Ok(mut waiting) = self.waiting.lock() else { return vec![key] };
        waiting.push(key);
        let too_many = waiting.len().saturating_sub(WAITING);
        self.ready.notify_one();
        waiting.drain(..too_many).collect()
    }

    fn pop(&self) -> Option<Key> {
        let mut waiting = self.waiting.lock().ok()?;
        loop {
            if let Some(key) = waiting.pop() {
                return Some(key);
            }
            waiting = self.ready.wait(waiting).ok()?;
        }
    }
}

/// Decodes and sends; false when nobody listens any more.
fn answer(key: Key, tx: &Sender<(Key, Result<ColorImage, String>)>) -> bool {
    let made = catch_unwind(AssertUnwindSafe(|| thumbnail(&key.path, key.side_px)))
        .unwrap_or_else(|_| Err("decoding it failed".to_owned()));
    tx.send((key, made)).is_ok()
}

fn thumbnail(path: &Path, side_px: u32) -> Result<ColorImage, String> {
    let picture = decode_file(path, MAX_MEGAPIXELS).map_err(|e| e.what().to_owned())?;
    let (w, h) = picture.dimensions();
    let scale = (f64::from(side_px) / f64::from(w.max(h).max(1))).min(1.0);
    let fit = |v: u32| ((f64::from(v) * scale).round() as u32).max(1);
    let (tw, th) = (fit(w), fit(h));
    let source = fir::images::Image::from_vec_u8(w, h, picture.into_raw(), fir::PixelType::U8x3)
        .map_err(|e| e.to_string())?;
    let mut small = fir::images::Image::new(tw, th, fir::PixelType::U8x3);
    fir::Resizer::new().resize(&source, &mut small, None).map_err(|e| e.to_string())?;
    Ok(ColorImage::from_rgb([tw as usize, th as usize], small.buffer()))
}
