//! Downloading the chosen backbone's weights: what it would cost, how far it is, how it ended.

use super::columns;
use crate::backbones::{BackboneSpec, WeightSource};
use crate::ui::icons::Icon;
use crate::ui::shell::clock;
use crate::ui::state::{Download, DownloadEnd, megabytes};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::{caption, progress_bar, secondary_button};
use crate::ui::{Action, AppState};
use egui::{Label, Ui, vec2};

/// Draws it, for a backbone that has `source` on the hub.
pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    spec: &'static BackboneSpec,
    source: &WeightSource,
    actions: &mut Vec<Action>,
) {
    match state.downloads.get(spec.name) {
        Some(download) if download.runs() => running(ui, state, spec, download, actions),
        Some(Download { end: Some(DownloadEnd::Failed(error)), .. }) => {
            let p = Palette::of(ui);
            super::weights::line(ui, Icon::CircleAlert, p.bad, &sentence(&error.to_string()));
            offer(ui, spec, source, "Try again", actions);
        }
        Some(stopped) => {
            let kept = match stopped.total {
                0 => "The download was cancelled.".to_owned(),
                _ => format!("The download was cancelled at {}, which are kept.", stopped.megabytes()),
            };
            ui.add(Label::new(kept).wrap());
            offer(ui, spec, source, "Go on downloading", actions);
        }
        None => {
            let label = format!("Download {}", megabytes(columns::file_bytes(spec)));
            offer(ui, spec, source, &label, actions);
        }
    }
}

fn offer(
    ui: &mut Ui,
    spec: &'static BackboneSpec,
    source: &WeightSource,
    label: &str,
    actions: &mut Vec<Action>,
) {
    ui.horizontal_wrapped(|ui| {
        if secondary_button(ui, label).clicked() {
            actions.push(Action::DownloadWeights(spec.name));
        }
        caption(ui, format!("from {} · licence {}", source.place, source.licence));
    });
}

fn running(
    ui: &mut Ui,
    state: &AppState,
    spec: &'static BackboneSpec,
    download: &Download,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::M;
        let name = format!("Download of {}", spec.title);
        let bar = progress_bar(ui, download.frac().unwrap_or(0.0), vec2(180.0, 6.0));
        bar.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, &name));
        ui.label(words(download, state.now_s));
        if !download.stopping && secondary_button(ui, "Cancel download").clicked() {
            actions.push(Action::CancelDownload(spec.name));
        }
    });
}

/// `12 of 47 MB · 0:08 left`.
fn words(download: &Download, now_s: f64) -> String {
    if download.stopping {
        return "Stopping; what has arrived is kept".to_owned();
    }
    if download.total == 0 {
        return "Asking the hub".to_owned();
    }
    let left = download.left_s(now_s).map_or(String::new(), |s| format!(" · {} left", clock(s)));
    format!("{}{left}", download.megabytes())
}
