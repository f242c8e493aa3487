//! What is worked out once for the pictures on show: which they are and in which order, and what the panel says about all. For many
//! pictures that takes longer than a frame may: then it is done on a thread of its own, and what was on show stays until it is there.

use super::{Memory, SPLITS};
use crate::data::{Preflight, Split};
use crate::ui::state::division::OwnParts;
use crate::ui::state::gallery::{Arrangement, Filter, Sorting};
use crossbeam_channel::{Receiver, TryRecvError};
use egui::Context;
use std::sync::Arc;

/// Up to this many pictures are arranged at once, which takes a millisecond or two.
const AT_ONCE: usize = 5000;

/// What an arrangement is made for.
#[derive(Debug, Clone, Default, PartialEq)]
struct Wanted {
    filter: Filter,
    sorting: Sorting,
    /// Side of the square that the network looks at, in pixels.
    input_px: u32,
}

impl Wanted {
    fn of(&self, preflight: &Preflight) -> Arrangement {
        Arrangement::of(preflight, &self.filter, self.sorting, self.input_px)
    }
}

/// What is on show.
#[derive(Debug, Default)]
pub(super) struct Shown {
    of: Option<Arc<Preflight>>,
    wanted: Wanted,
    pub(super) arrangement: Arrangement,
    pub(super) overview: Overview,
    coming: Option<(Wanted, Receiver<Arrangement>)>,
}

/// What is worked out once for a data set.
#[derive(Debug)]
pub(super) struct Overview {
    /// How many pictures of each class each split has.
    pub(super) counts: [(Split, Vec<usize>); 3],
    /// Whether a finding's pictures can be shown, for each.
    pub(super) showable: Vec<bool>,
    /// Which parts the folder, or the label table, says itself.
    pub(super) own: OwnParts,
}

impl Default for Overview {
    fn default() -> Self {
        Self { counts: SPLITS.map(|s| (s, Vec::new())), showable: Vec::new(), own: OwnParts::default() }
    }
}

impl Overview {
    fn of(preflight: &Preflight) -> Self {
        let data = &preflight.dataset;
        let there = |file: &String| data.position(file).is_some();
        Self {
            counts: SPLITS.map(|s| (s, data.class_counts(s))),
            showable: preflight.findings.iter().map(|f| f.files.iter().any(there)).collect(),
            own: OwnParts::of(data),
        }
    }

    /// How many pictures each of [`SPLITS`] has.
    pub(super) fn totals(&self) -> [usize; 3] {
        self.counts.each_ref().map(|(_, counts)| counts.iter().sum())
    }
}

impl Memory {
    /// Brings the arrangement up to date, or sees to it that it will be; the selection follows.
    pub(super) fn update(&mut self, ctx: &Context, preflight: &Arc<Preflight>, input_px: u32) {
        if !self.shown.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, preflight)) {
            return self.begin_with(preflight, input_px);
        }
        if let Some((wanted, coming)) = self.shown.coming.take() {
            match coming.try_recv() {
                Ok(arrangement) => self.show(wanted, arrangement),
                // One at a time: where more is changed meanwhile, the next one is of all of it.
                Err(TryRecvError::Empty) => return self.shown.coming = Some((wanted, coming)),
                Err(TryRecvError::Disconnected) => {}
            }
        }
        let wanted = Wanted { filter: self.filter.clone(), sorting: self.sorting, input_px };
        if wanted == self.shown.wanted {
            return;
        }
        if preflight.dataset.samples.len() > AT_ONCE {
            self.shown.coming = arrange(ctx, preflight, &wanted);
        }
        if self.shown.coming.is_none() {
            let arrangement = wanted.of(preflight);
            self.show(wanted, arrangement);
        }
    }

    fn show(&mut self, wanted: Wanted, arrangement: Arrangement) {
        self.picked.keep_shown(&arrangement);
        let before = &self.shown.wanted;
        if (&wanted.filter, wanted.sorting) != (&before.filter, before.sorting) {
            // Where the gallery was scrolled to are other pictures now: the selected ones are looked for, or the first.
            let selected = self.picked.iter().next().and_then(|index| arrangement.place(index));
            self.bring_into_view = Some(selected.unwrap_or(0));
        }
        (self.shown.wanted, self.shown.arrangement) = (wanted, arrangement);
    }

    /// Takes up another scan, or the same one after a decision.
    fn begin_with(&mut self, preflight: &Arc<Preflight>, input_px: u32) {
        // There may be fewer classes, and other findings at the same places.
        self.filter.class = self.filter.class.filter(|c| *c < preflight.dataset.classes.len());
        let before = self.shown.of.take();
        let title = |of: &Preflight, place: usize| of.findings.get(place).map(|f| f.title.clone());
        let finding = self.filter.finding.take();
        let wanted = finding.zip(before.as_ref()).and_then(|(f, of)| title(of, f));
        self.filter.finding =
            wanted.and_then(|wanted| preflight.findings.iter().position(|f| f.title == wanted));
        let all_again = finding.is_some() && self.filter.finding.is_none();
        let wanted = Wanted { filter: self.filter.clone(), sorting: self.sorting, input_px };
        let arrangement = wanted.of(preflight);
        match before {
            Some(before) => self
                .picked
                .follow((&before.dataset, &self.shown.arrangement), (&preflight.dataset, &arrangement)),
            None => self.picked.keep_shown(&arrangement),
        }
        // Nothing is decided next about one of all pictures that has come into the place of one of the finding's.
        if all_again {
            self.picked.clear();
        }
        let overview = Overview::of(preflight);
        self.shown = Shown { of: Some(Arc::clone(preflight)), wanted, arrangement, overview, coming: None };
    }
}

/// Arranges the pictures on a thread; none where it cannot be started.
fn arrange(
    ctx: &Context,
    preflight: &Arc<Preflight>,
    wanted: &Wanted,
) -> Option<(Wanted, Receiver<Arrangement>)> {
    let (done, coming) = crossbeam_channel::bounded(1);
    let (ctx, preflight, of) = (ctx.clone(), Arc::clone(preflight), wanted.clone());
    let work = move || {
        // Nobody waits any more where other pictures are on show by now.
        let _ = done.send(of.of(&preflight));
        ctx.request_repaint();
    };
    let thread = std::thread::Builder::new().name("arrangement".to_owned()).spawn(work);
    thread.is_ok().then(|| (wanted.clone(), coming))
}
