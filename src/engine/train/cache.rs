//! The frozen part of the network, computed once for every view that training will ask for.

use super::table::Table;
use crate::backbones::Network;
use crate::engine::at_once::AtOnce;
use crate::engine::picture_cache::Budget;
use crate::engine::views::{EVAL_BATCH, Request, View, ViewMaker, pipelined};
use crate::engine::{CacheProgress, TrainEvent};
use crate::error::{ErrorKind, Result, thousands};
use crate::nn::layers::Forward;
use crate::nn::ops::tensors;
use candle_core::{DType, Device, Tensor};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Pictures that are decoded together.
const PICTURES: usize = 16;

/// Bytes of rows that a card may hold before they are read, so that it is seldom waited for.
const UNREAD: usize = 64 << 20;

/// What is computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Random views of each training picture; 1 where they are not varied.
    pub(crate) views: usize,
    /// Also the evaluation view of each training picture.
    pub(crate) train_eval: bool,
    /// Pooled features.
    pub(crate) features: bool,
    /// Activation maps at this boundary.
    pub(crate) maps: Option<usize>,
}

/// Where rows may be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room<'a> {
    /// Memory.
    pub(crate) budget: &'a Budget,
    /// Folder of the temporary file for what does not fit.
    pub(crate) dir: &'a Path,
}

/// Which pictures there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pictures<'a> {
    /// Training pictures, with their numbers.
    pub(crate) train: &'a [(usize, PathBuf)],
    /// Validation pictures.
    pub(crate) val: &'a [(usize, PathBuf)],
}

/// What was computed once. Rows: the views of each training picture, then the validation pictures, then the evaluation views
/// of the training pictures.
#[derive(Debug)]
pub(crate) struct FrozenCache {
    wanted: Wanted,
    train: usize,
    val: usize,
    features: Option<Table>,
    maps: Option<Table>,
}

impl FrozenCache {
    /// Views of each training picture.
    pub(crate) fn views(&self) -> usize {
        self.wanted.views
    }

    /// Row of a training picture's view.
    pub(crate) fn train_row(&self, picture: usize, view: usize) -> usize {
        picture * self.wanted.views + view
    }

    /// Row of a validation picture.
    pub(crate) fn val_row(&self, picture: usize) -> usize {
        self.train * self.wanted.views + picture
    }

    /// Row of a training picture's evaluation view.
    pub(crate) fn train_eval_row(&self, picture: usize) -> usize {
        self.train * self.wanted.views + self.val + picture
    }

    /// Pooled features `[rows, F]`.
    pub(crate) fn features(&self) -> Option<&Table> {
        self.features.as_ref()
    }

    /// Activation maps `[rows, H, W, C]`.
    pub(crate) fn maps(&self) -> Option<&Table> {
        self.maps.as_ref()
    }

    /// Whether some of it is on disk.
    pub(crate) fn is_spilled(&self) -> bool {
        [&self.features, &self.maps].into_iter().flatten().any(Table::is_spilled)
    }

    /// A plain sentence about the work.
    pub(crate) fn note(wanted: Wanted, pictures: Pictures<'_>, augmented: bool) -> String {
        let (t, v) = (pictures.train.len(), pictures.val.len());
        let plain = v + if wanted.train_eval { t } else { 0 };
        let total = t * wanted.views + plain;
        if augmented {
            format!(
                "The part of the network that does not learn sees every picture only now: {} in {} varied views each, {} as \
                 they are",
                thousands(t),
                wanted.views,
                thousands(plain)
            )
        } else {
            format!(
                "The part of the network that does not learn sees every picture only now: {} as they are",
                thousands(total)
            )
        }
    }

    /// Computes everything. Each picture is decoded once.
    ///
    /// # Errors
    /// If a picture cannot be decoded, the disk is full, or `keep_going` stops it.
    pub(crate) fn compute(
        network: &Network,
        maker: &ViewMaker,
        pictures: Pictures<'_>,
        wanted: Wanted,
        room: Room<'_>,
        job: &Reporter<'_>,
    ) -> Result<Self> {
        let mut cache =
            Self { wanted, train: pictures.train.len(), val: pictures.val.len(), features: None, maps: None };
        let work = cache.requests(pictures);
        let total: usize = work.iter().map(|w| w.request.views.len()).sum();
        let chunks: Vec<&[Work]> = work.chunks(PICTURES).collect();
        let mut fill = Fill { cache: &mut cache, network, total, room, unread: Default::default() };
        let device = network.store.device();
        let started = Instant::now();
        let mut done = 0;
        pipelined(
            &chunks,
            |chunk| {
                (job.keep_going)()?;
                maker.all_ahead(&chunk.iter().map(|w| w.request.clone()).collect::<Vec<_>>(), device)
            },
            |i, views| {
                let rows: Vec<usize> = chunks[i].iter().flat_map(|w| w.rows.iter().copied()).collect();
                for (at, rows) in rows.chunks(EVAL_BATCH).enumerate() {
                    (job.keep_going)()?;
                    let views = views.narrow(0, at * EVAL_BATCH, rows.len())?;
                    job.rows(rows.len(), device, |part| {
                        let x = maker.part(&views, part.clone(), device)?;
                        fill.batch(&rows[part], x).map(|()| Vec::<()>::new())
                    })?;
                    done += rows.len();
                    let views_per_s = done as f64 / started.elapsed().as_secs_f64().max(1e-9);
                    (job.on_event)(TrainEvent::Cache(CacheProgress { done, total, views_per_s }));
                }
                Ok(ControlFlow::Continue(()))
            },
        )?;
        fill.read()?;
        Ok(cache)
    }

    fn requests(&self, pictures: Pictures<'_>) -> Vec<Work> {
        let mut work = Vec::new();
        for (i, (picture, path)) in pictures.train.iter().enumerate() {
            let mut views: Vec<View> = (0..self.wanted.views).map(View::Cached).collect();
            let mut rows: Vec<usize> = (0..self.wanted.views).map(|v| self.train_row(i, v)).collect();
            if self.wanted.train_eval {
                views.push(View::Eval);
                rows.push(self.train_eval_row(i));
            }
            work.push(Work { request: Request { path: path.clone(), picture: *picture, views }, rows });
        }
        for (i, (picture, path)) in pictures.val.iter().enumerate() {
            let request = Request { path: path.clone(), picture: *picture, views: vec![View::Eval] };
            work.push(Work { request, rows: vec![self.val_row(i)] });
        }
        work
    }
}

/// How a long piece of work speaks to its job.
#[derive(Clone, Copy)]
pub(crate) struct Reporter<'a> {
    /// Fails once the job should end.
    pub(crate) keep_going: &'a (dyn Fn() -> Result<()> + Sync),
    /// Where events go.
    pub(crate) on_event: &'a (dyn Fn(TrainEvent) + Sync),
    /// How many rows a pass takes at once.
    pub(crate) at_once: &'a AtOnce,
}

impl Reporter<'_> {
    /// Lets `work` answer rows `0..count`, in smaller parts where the card's memory is full, and says so.
    ///
    /// # Errors
    /// See [`AtOnce::rows`].
    pub(crate) fn rows<T>(
        &self,
        count: usize,
        device: &Device,
        work: impl FnMut(Range<usize>) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        let fewer = |most| {
            let text = format!(
                "The card's memory was full: where nothing learns, {} from here on. The result is the same",
                if most == 1 {
                    "pictures are run one by one".to_owned()
                } else {
                    format!("{most} pictures are run at once")
                }
            );
            (self.on_event)(TrainEvent::Warning(text));
        };
        self.at_once.rows(count, device, fewer, work)
    }
}

struct Work {
    request: Request,
    rows: Vec<usize>,
}

struct Fill<'a> {
    cache: &'a mut FrozenCache,
    network: &'a Network,
    total: usize,
    room: Room<'a>,
    /// Maps and features that a card has, or still computes, with the rows that they are for.
    unread: [Vec<(Vec<usize>, Tensor)>; 2],
}

impl Fill<'_> {
    fn batch(&mut self, rows: &[usize], x: Tensor) -> Result<()> {
        let may_wait = tensors::serve(&x);
        match self.run(rows, x) {
            Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                // What is unread takes of its memory.
                self.read()?;
                Err(e)
            }
            Ok(()) if may_wait && self.unread_bytes() < UNREAD => Ok(()),
            Ok(()) => self.read(),
            failed => failed,
        }
    }

    fn unread_bytes(&self) -> usize {
        self.unread.iter().flatten().map(|(_, x)| x.elem_count() * size_of::<f32>()).sum()
    }

    fn run(&mut self, rows: &[usize], mut x: Tensor) -> Result<()> {
        let f = Forward::eval(&self.network.store);
        let mut at = 0;
        if let Some(boundary) = self.cache.wanted.maps {
            x = self.network.forward_stages(&f, &x, 0, boundary)?;
            at = boundary;
            self.unread[0].push((rows.to_vec(), x.clone()));
        }
        if self.cache.wanted.features {
            x = self.network.forward_stages(&f, &x, at, self.network.stage_count())?;
            self.unread[1].push((rows.to_vec(), self.network.pool(&f, &x)?));
        }
        Ok(())
    }

    /// Waits for what was made, and stores it.
    fn read(&mut self) -> Result<()> {
        let tables = [&mut self.cache.maps, &mut self.cache.features];
        for (table, unread) in tables.into_iter().zip(&mut self.unread) {
            for (rows, x) in unread.drain(..) {
                store(table, &rows, &x, self.total, self.room)?;
            }
        }
        Ok(())
    }
}

fn store(table: &mut Option<Table>, rows: &[usize], x: &Tensor, count: usize, room: Room<'_>) -> Result<()> {
    let values = x.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let table = match table {
        Some(t) => t,
        None => table.insert(Table::new(&x.dims()[1..], count, room.budget, room.dir)?),
    };
    table.put(rows, &values)
}
