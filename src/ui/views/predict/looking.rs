//! What the network looks at in a picture that the pointer or the keyboard's focus rests on, or that is selected: its heat map.

use crate::session::Explained;
use crate::ui::state::JobKind;
use crate::ui::theme::space;
use crate::ui::widgets::heat_overlay::{self, HeatOverlay, STRENGTH};
use crate::ui::widgets::{caption, check_box};
use crate::ui::{Action, AppState};
use egui::{Checkbox, Context, Rect, Ui};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long the pointer rests on a picture before its map is asked for, in seconds.
const REST_S: f64 = 0.2;

/// What this part remembers between frames.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The enlarged picture is shown without its map.
    off: bool,
    /// The picture that the pointer or the focus is on, and since when, in seconds.
    on: Option<(PathBuf, f64)>,
    listed: HeatOverlay,
    enlarged: HeatOverlay,
}

/// What is known of a picture's map.
pub(super) enum Look<'a> {
    /// There is one, or the reason why this model has none.
    Known(&'a Arc<Explained>),
    /// It is asked for.
    Coming,
    /// It could not be made.
    Failed(String),
}

impl Memory {
    /// Notes which picture of the list the pointer or the focus is on in this frame.
    pub(super) fn rest_on(&mut self, ctx: &Context, path: Option<&Path>) {
        let now = ctx.input(|i| i.time);
        match (path, &self.on) {
            (Some(path), Some((on, since))) if on == path => {
                let left = since + REST_S - now;
                if left > 0.0 {
                    ctx.request_repaint_after(Duration::from_secs_f64(left));
                }
            }
            (Some(path), _) => {
                self.on = Some((path.to_path_buf(), now));
                ctx.request_repaint_after(Duration::from_secs_f64(REST_S));
            }
            (None, _) => self.on = None,
        }
    }

    /// Whether the pointer or the focus has rested on a picture for long enough.
    pub(super) fn rests_on(&self, ctx: &Context, path: &Path) -> bool {
        let now = ctx.input(|i| i.time);
        self.on.as_ref().is_some_and(|(on, since)| now - since >= REST_S && on == path)
    }

    /// Lays the map over a picture of the list, of which a square shows the middle.
    pub(super) fn overlay(&mut self, ui: &Ui, (place, shown): (Rect, Rect), explained: &Arc<Explained>) {
        self.listed.paint(ui, (place, shown), explained, STRENGTH);
    }
}

/// What is known of the picture's map; asks for it where nothing is. One is worked on at a time, so that the next is always that of
/// the picture that is looked at then.
pub(super) fn look<'a>(state: &'a AppState, path: &Path, actions: &mut Vec<Action>) -> Option<Look<'a>> {
    let model = state.predict_model()?;
    if let Some(explained) = state.insight.explained(&model, path, None) {
        return Some(Look::Known(explained));
    }
    if let Some(why) = state.insight.why_not(&model, path) {
        return Some(Look::Failed(format!("No heat map: {}", why.what())));
    }
    if state.job_of(&JobKind::Explain).is_none() {
        actions.push(Action::LookInto(path.to_path_buf()));
    }
    Some(Look::Coming)
}

impl Look<'_> {
    /// What the map says, or why there is none; `class` is the most probable one.
    pub(super) fn words(&self, class: &str) -> String {
        match self {
            Self::Known(explained) => match &explained.explanation.heat {
                Ok(heat) => heat_overlay::meaning(heat, class),
                Err(why) => format!("No heat map: {}", why.what()),
            },
            Self::Coming => "Working out what the network looks at…".to_owned(),
            Self::Failed(why) => why.clone(),
        }
    }
}

/// The map over the enlarged picture, which is drawn at `place`, with its switch and what it says under it.
pub(super) fn enlarged(
    ui: &mut Ui,
    (state, memory): (&AppState, &mut Memory),
    (path, class): (&Path, &str),
    place: Option<Rect>,
    actions: &mut Vec<Action>,
) {
    let Some(look) = look(state, path, actions) else { return };
    if let Look::Known(explained) = &look
        && let Ok(heat) = &explained.explanation.heat
    {
        if let Some(place) = place.filter(|_| !memory.off) {
            memory.enlarged.paint(ui, (place, place), explained, STRENGTH);
        }
        let mut on = !memory.off;
        check_box(ui, Checkbox::new(&mut on, "Heat map")).on_hover_text(heat_overlay::method(heat.method));
        memory.off = !on;
    }
    caption(ui, look.words(class));
    ui.add_space(space::XS);
}
