//! How much memory training would take with the present settings.

use crate::config::TrainConfig;
use crate::data::{Preflight, Split};
use crate::engine::memory::{MemoryEstimate, estimate};
use crate::ui::AppState;
use crate::ui::icons::{self, Icon};
use crate::ui::state::megabytes;
use crate::ui::theme::Palette;
use crate::ui::widgets::{icon_beside, setting};
use egui::{Label, RichText, Ui};
use std::sync::Arc;

/// Pictures of a folder that is not open yet, for training and validation.
const USUAL: (usize, usize) = (240, 60);

/// The last estimate, and what it is of: made once for settings and pictures.
#[derive(Debug)]
pub(super) struct Estimated {
    of: (TrainConfig, Option<Arc<Preflight>>),
    found: Option<MemoryEstimate>,
}

impl Estimated {
    fn new(config: &TrainConfig, preflight: Option<&Arc<Preflight>>) -> Self {
        let (classes, pictures) = match preflight.map(|p| &p.dataset) {
            Some(d) => {
                let of = |split| d.class_counts(split).iter().sum();
                (d.classes.len(), (of(Split::Train), of(Split::Val)))
            }
            None => (2, USUAL),
        };
        // Settings that do not fit together are told where training is started.
        Self { of: (config.clone(), preflight.cloned()), found: estimate(config, classes, pictures).ok() }
    }

    fn is_of(&self, config: &TrainConfig, preflight: Option<&Arc<Preflight>>) -> bool {
        let same = match (&self.of.1, preflight) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same && self.of.0 == *config
    }
}

/// Draws the estimate, and a warning where it is more than the computer has free.
pub(super) fn show(ui: &mut Ui, config: &TrainConfig, state: &AppState, last: &mut Option<Estimated>) {
    let preflight = state.preflight.as_ref();
    let made = match last.take().filter(|e| e.is_of(config, preflight)) {
        Some(made) => made,
        None => Estimated::new(config, preflight),
    };
    let Some(found) = last.insert(made).found else { return };
    setting(ui, "Memory for training", &why(&found, state.free_memory), |ui| {
        ui.label(format!("about {}", megabytes(found.total())))
    });
    if let Some(text) = warning(found.total(), state.free_memory) {
        let p = Palette::of(ui);
        ui.horizontal_top(|ui| {
            icon_beside(ui, Icon::TriangleAlert, icons::SIZE, p.warn);
            ui.add(Label::new(RichText::new(text).small()).wrap());
        });
    }
}

fn why(m: &MemoryEstimate, free: Option<u64>) -> String {
    let free = free.map_or(String::new(), |bytes| format!("\n\nFree on this computer: {}", megabytes(bytes)));
    format!(
        "An estimate from the shapes of the network, usually within half as much again.\n\nWeights and their copies {}, what learning \
         adds {}, activations of one step {}, pictures and features that are kept {}{free}",
        megabytes(m.weights),
        megabytes(m.learning),
        megabytes(m.activations),
        megabytes(m.pictures),
    )
}

/// What to do where training would take more than is free.
fn warning(needed: u64, free: Option<u64>) -> Option<String> {
    let free = free.filter(|free| needed > *free)?;
    Some(format!(
        "That is more than the {} that are free. Fewer pictures a step, fewer stages that learn or a smaller backbone need less",
        megabytes(free)
    ))
}

#[cfg(test)]
mod tests {
    use super::warning;

    #[test]
    fn only_more_than_is_free_is_warned_of() {
        assert_eq!((warning(5, Some(5)), warning(5, None)), (None, None));
        assert!(warning(3_000_000_000, Some(2_000_000_000)).unwrap().contains("free"));
    }
}
