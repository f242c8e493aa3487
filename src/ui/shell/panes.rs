//! The parts of the window that F6 leads through: the places at the left, the screen's subject, and what stands beside it.

use egui::{Context, FocusDirection, Id, Rect, Sense, Ui};

/// A part of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// The six places.
    Rail,
    /// The screen's subject.
    Main,
    /// Settings and details beside it.
    Side,
}

impl Pane {
    const ALL: [Self; 3] = [Self::Rail, Self::Main, Self::Side];
}

/// Where the parts are, and which of them the keyboard is to go to.
#[derive(Debug, Default)]
pub struct Memory {
    places: Vec<(Pane, Rect)>,
    asked: Option<bool>,
    wanted: Option<Pane>,
    /// The part that was gone to last, and what had the focus then: elsewhere, where nothing in the part takes it.
    entered: Option<(Pane, Option<Id>)>,
}

impl Memory {
    /// The keyboard's focus goes to the next part, or the previous one, once the window is drawn again.
    pub fn step(&mut self, forward: bool) {
        self.asked = Some(forward);
    }

    /// Before the parts are drawn.
    pub(super) fn begin(&mut self, ctx: &Context) {
        let places = std::mem::take(&mut self.places);
        let focused = ctx.memory(|m| m.focused());
        if let Some((_, id @ None)) = &mut self.entered {
            *id = focused;
        }
        // What is asked for from the list of commands comes once the list is gone.
        if self.asked.is_some() && ctx.memory(|m| m.top_modal_layer().is_some()) {
            return ctx.request_repaint();
        }
        let Some(forward) = self.asked.take() else { return };
        let entered = self.entered.filter(|(_, id)| focused.is_some() && *id == focused).map(|e| e.0);
        let lies_in = |id: Id| {
            let at = ctx.read_response(id)?.rect.center();
            places.iter().find(|(_, rect)| rect.contains(at)).map(|(pane, _)| *pane)
        };
        let there: Vec<Pane> =
            Pane::ALL.into_iter().filter(|pane| places.iter().any(|(p, _)| p == pane)).collect();
        self.wanted = neighbour(&there, entered.or_else(|| focused.and_then(lies_in)), forward);
    }

    /// Before what is in a part is drawn: where the keyboard is to go there, the first thing in it has the focus.
    pub(super) fn enter(&mut self, ui: &Ui, pane: Pane) {
        self.places.push((pane, ui.max_rect()));
        if self.wanted != Some(pane) {
            return;
        }
        self.wanted = None;
        self.entered = Some((pane, None));
        // As if Tab was pressed on something that stands right before it.
        let before = Id::unique(("before the part", pane as u8));
        ui.memory_mut(|m| {
            m.request_focus(before);
            m.move_focus(FocusDirection::Next);
        });
        let corner = Rect::from_min_size(ui.max_rect().min, egui::Vec2::ZERO);
        ui.interact(corner, before, Sense::focusable_noninteractive());
    }
}

/// The part after, or before, the one with the focus; from elsewhere it goes to the screen's subject, or the last part.
fn neighbour(there: &[Pane], focus: Option<Pane>, forward: bool) -> Option<Pane> {
    let at = focus.and_then(|pane| there.iter().position(|p| *p == pane));
    match (at, forward) {
        (Some(at), true) => there.get((at + 1) % there.len()).copied(),
        (Some(at), false) => there.get((at + there.len() - 1) % there.len()).copied(),
        (None, true) => Some(Pane::Main),
        (None, false) => there.last().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_focus_goes_around_through_the_parts_that_are_there() {
        let [rail, main, side] = Pane::ALL;
        let next = |pane| neighbour(&Pane::ALL, Some(pane), true).unwrap();
        assert_eq!(Pane::ALL.map(next), [main, side, rail]);
        let previous = |pane| neighbour(&Pane::ALL, Some(pane), false).unwrap();
        assert_eq!(Pane::ALL.map(previous), [side, rail, main]);
        assert_eq!(
            neighbour(&[rail, main], Some(main), true),
            Some(rail),
            "nothing stands beside the subject"
        );
        assert_eq!(neighbour(&[rail, main], Some(side), true), Some(main), "it stands there no longer");
        assert_eq!(
            [true, false].map(|forward| neighbour(&Pane::ALL, None, forward)),
            [Some(main), Some(side)]
        );
    }
}
