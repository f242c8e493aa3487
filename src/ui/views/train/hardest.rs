//! The validation pictures that the network finds hardest at present.

use crate::engine::HardPicture;
use crate::ui::AppState;
use crate::ui::state::LiveTraining;
use crate::ui::theme::{Palette, class_colour, space};
use crate::ui::thumbnails::Thumbnails;
use crate::ui::widgets::{caption, picture};
use egui::{Stroke, Ui};

/// Side of a picture, in points.
const SIDE: f32 = 56.0;
/// Height of the whole strip with the gap above it, in points.
pub(super) const HEIGHT: f32 = SIDE + 36.0;

/// Draws as many as fit beside each other, the hardest first; what they are taken for has its class's colour beneath.
pub(super) fn show(ui: &mut Ui, state: &AppState, live: &LiveTraining, thumbs: &mut Thumbnails) {
    let Some(data) = state.dataset() else { return };
    let epoch = live.epochs.last().map_or(0, |e| e.epoch);
    ui.add_space(space::S);
    caption(ui, format!("Hardest validation pictures after epoch {epoch}")).on_hover_text(
        "To their own class the network gives the lowest probability. They change as it learns",
    );
    let gap = space::S;
    let fit = (((ui.available_width() + gap) / (SIDE + gap)) as usize).max(1);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for hard in live.hardest.iter().take(fit) {
            let words = words(hard, &data.classes);
            let response = picture(ui, thumbs, &data.root.join(&hard.rel), SIDE, &words);
            let wrong = hard.predicted != hard.truth;
            let colour = if wrong { class_colour(hard.predicted) } else { Palette::of(ui).stroke };
            let rect = response.rect;
            ui.painter().hline(rect.x_range(), rect.bottom() - 1.5, Stroke::new(3.0, colour));
            response.on_hover_text(words);
        }
    });
}

/// "val/bees/7.jpg: bees, taken for ants. The network gives bees 0.03".
fn words(hard: &HardPicture, classes: &[String]) -> String {
    let name = |class: usize| classes.get(class).map_or("", String::as_str);
    let truth = name(hard.truth);
    let taken = match hard.predicted == hard.truth {
        true => "recognised".to_owned(),
        false => format!("taken for {}", name(hard.predicted)),
    };
    format!("{}: {truth}, {taken}. The network gives {truth} {:.2}", hard.rel, hard.truth_probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_a_picture_is_and_what_it_is_taken_for() {
        let classes = ["ants".to_owned(), "bees".to_owned()];
        let hard = |truth| HardPicture { rel: "a.jpg".into(), truth, predicted: 0, truth_probability: 0.034 };
        assert_eq!(words(&hard(1), &classes), "a.jpg: bees, taken for ants. The network gives bees 0.03");
        assert_eq!(words(&hard(0), &classes), "a.jpg: ants, recognised. The network gives ants 0.03");
    }
}
