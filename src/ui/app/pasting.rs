//! What is pasted outside of text fields: a picture to classify, or files.

use crate::session::pasted::paths_in;
use crate::ui::actions::Action;
use egui::{Context, Event, Key};
use std::path::PathBuf;

/// Keys that paste, some with Ctrl, Cmd or Shift, of which nothing may be left when they are released.
const KEYS: [Key; 3] = [Key::V, Key::Insert, Key::Paste];

/// Follows the keys that paste. Where the clipboard holds text or a picture, egui says so; where it holds only copied files, as from
/// Windows' Explorer, nothing but the key's release tells that somebody wanted to paste.
#[derive(Debug, Default)]
pub(super) struct Pasting {
    /// Such a key was pressed for something else.
    other: bool,
    /// What was pasted is known.
    told: bool,
}

impl Pasting {
    /// What the events of a frame ask for.
    pub(super) fn follow(&mut self, ctx: &Context, actions: &mut Vec<Action>) {
        let typing = ctx.text_edit_focused();
        ctx.input(|i| {
            for event in &i.events {
                match event {
                    Event::PasteImage(image) => {
                        self.told = true;
                        if !typing {
                            let rgba =
                                image.pixels.iter().flat_map(egui::Color32::to_srgba_unmultiplied).collect();
                            actions.push(Action::PastePicture(image.size, rgba));
                        }
                    }
                    Event::Paste(text) => {
                        self.told = true;
                        let paths = if typing { Vec::new() } else { paths_in(text) };
                        if !paths.is_empty() {
                            actions.push(Action::OpenPaths(paths));
                        }
                    }
                    Event::Key { key, pressed: true, .. } if KEYS.contains(key) => self.other = true,
                    Event::Key { key, pressed: false, .. } if KEYS.contains(key) => {
                        if !typing && !self.other && !self.told {
                            actions.push(Action::PasteFiles);
                        }
                        *self = Self::default();
                    }
                    _ => {}
                }
            }
        });
    }
}

/// Files on the clipboard; none where it holds something else, or cannot be had.
pub(in crate::ui) fn copied_files() -> Vec<PathBuf> {
    let files = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.get().file_list());
    files.unwrap_or_else(|e| {
        tracing::debug!("no files on the clipboard: {e}");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Modifiers, RawInput};

    fn key(pressed: bool, modifiers: Modifiers) -> Event {
        Event::Key { key: Key::V, physical_key: None, pressed, repeat: false, modifiers }
    }

    /// What frames with these events ask for, one frame after the other.
    fn asked(frames: &[Vec<Event>]) -> Vec<Action> {
        let (ctx, mut pasting, mut actions) = (Context::default(), Pasting::default(), Vec::new());
        for events in frames {
            let input = RawInput { events: events.clone(), ..RawInput::default() };
            let mut drawn = ctx.run_ui(input, |ui| pasting.follow(ui.ctx(), &mut actions));
            drawn.textures_delta.clear();
        }
        actions
    }

    #[test]
    fn files_are_asked_for_where_nothing_else_was_pasted() {
        let release = || vec![key(false, Modifiers::NONE)];
        assert_eq!(asked(&[vec![], release()]), [Action::PasteFiles], "the press itself makes no event");
        let picture = Event::PasteImage(std::sync::Arc::new(egui::ColorImage::example()));
        let asked_with = |event: Event| asked(&[vec![event], release()]);
        assert!(matches!(asked_with(picture)[..], [Action::PastePicture(..)]));
        assert_eq!(asked_with(Event::Paste("just text".to_owned())), []);
        assert_eq!(asked_with(key(true, Modifiers::COMMAND)), [], "not this program's paste");
        assert_eq!(asked(&[vec![key(true, Modifiers::NONE), key(false, Modifiers::NONE)]]), [], "a letter");
        assert_eq!(asked(&[release(), release()]).len(), 2, "each time anew");
    }
}
