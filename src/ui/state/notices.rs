//! Messages: shown once as a toast, kept in a list until they are taken away.

use super::with_setting_names;
use crate::ui::Action;

/// Number of a notice.
pub type NoticeId = u64;

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Good to know.
    Info,
    /// Something worked.
    Good,
    /// Worth a look.
    Warn,
    /// Something failed.
    Bad,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its number.
    pub id: NoticeId,
    /// How it is meant.
    pub tone: Tone,
    /// What it says.
    pub text: String,
    /// What can be done about it: the words of a button, and what it does.
    pub next: Option<(&'static str, Action)>,
    /// Window time at which it was first drawn, in seconds.
    pub shown_s: Option<f64>,
}

/// All messages, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    last: NoticeId,
    list: Vec<Notice>,
    /// The one that tells what was taken or brought back last.
    step: Option<NoticeId>,
    /// The one that tells why what was asked for last cannot be done.
    refusal: Option<NoticeId>,
    /// Whether the list is open.
    pub open: bool,
}

/// How many are kept.
const KEPT: usize = 100;
/// How long a toast stays, in seconds.
const TOAST_S: f64 = 6.0;
/// How long a failure's toast stays, in seconds.
const TOAST_BAD_S: f64 = 12.0;

impl Notices {
    /// Adds a message.
    pub fn push(&mut self, tone: Tone, text: impl Into<String>) {
        self.add(tone, text.into(), None);
    }

    /// Adds a message with something that can be done about it: the words of a button, and what it does.
    pub fn push_with(&mut self, tone: Tone, text: impl Into<String>, word: &'static str, action: Action) {
        self.add(tone, text.into(), Some((word, action)));
    }

    /// Tells what was taken or brought back, in place of what was told so before, and offers the way back.
    pub fn push_step(&mut self, text: String, word: &'static str, action: Action) {
        if let Some(earlier) = self.step.take() {
            self.dismiss(earlier);
        }
        self.add(Tone::Info, text, Some((word, action)));
        self.step = Some(self.last);
    }

    /// Tells why something cannot be done, in place of what was told so before.
    pub fn push_refusal(&mut self, text: String) {
        if let Some(earlier) = self.refusal.take() {
            self.dismiss(earlier);
        }
        self.add(Tone::Info, text, None);
        self.refusal = Some(self.last);
    }

    /// Adds a message to the list that is on show elsewhere already: no toast tells it once more.
    pub fn keep(&mut self, tone: Tone, text: impl Into<String>) {
        self.add(tone, text.into(), None);
        if let Some(kept) = self.list.last_mut() {
            kept.shown_s = Some(f64::NEG_INFINITY);
        }
    }

    /// Takes the buttons of these actions away: pressed now, they would do something else than their notice says.
    pub fn withdraw(&mut self, stale: impl Fn(&Action) -> bool) {
        for notice in &mut self.list {
            notice.next = notice.next.take().filter(|(_, action)| !stale(action));
        }
    }

    fn add(&mut self, tone: Tone, text: String, next: Option<(&'static str, Action)>) {
        self.last += 1;
        let text = with_setting_names(&text);
        self.list.push(Notice { id: self.last, tone, text, next, shown_s: None });
        if self.list.len() > KEPT {
            self.list.remove(0);
        }
    }

    /// All that are kept, oldest first.
    pub fn all(&self) -> &[Notice] {
        &self.list
    }

    /// Takes one away.
    pub fn dismiss(&mut self, id: NoticeId) {
        self.list.retain(|n| n.id != id);
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.list.clear();
        self.open = false;
    }

    /// Starts the clock of messages that have not been drawn yet.
    pub fn mark_shown(&mut self, now_s: f64) {
        for n in self.list.iter_mut().filter(|n| n.shown_s.is_none()) {
            n.shown_s = Some(now_s);
        }
    }

    /// Those still on show as toasts.
    pub fn toasts(&self, now_s: f64) -> impl Iterator<Item = &Notice> {
        self.list.iter().filter(move |n| n.left_s(now_s) > 0.0)
    }

    /// Seconds until the next toast goes.
    pub fn next_change_s(&self, now_s: f64) -> Option<f64> {
        self.toasts(now_s).map(|n| n.left_s(now_s)).reduce(f64::min)
    }
}

impl Notice {
    fn left_s(&self, now_s: f64) -> f64 {
        let stay = if self.tone == Tone::Bad { TOAST_BAD_S } else { TOAST_S };
        self.shown_s.map_or(stay, |s| stay - (now_s - s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_takes_the_place_of_the_one_before_and_what_is_kept_is_no_toast() {
        let mut notices = Notices::default();
        notices.push_refusal("Train is not possible now".to_owned());
        notices.push_refusal("Undo is not possible now".to_owned());
        notices.keep(Tone::Bad, "Training failed");
        let texts: Vec<&str> = notices.all().iter().map(|n| n.text.as_str()).collect();
        assert_eq!(texts, ["Undo is not possible now", "Training failed"]);
        let toasts: Vec<&str> = notices.toasts(0.0).map(|n| n.text.as_str()).collect();
        assert_eq!(toasts, ["Undo is not possible now"]);
    }

    #[test]
    fn only_the_last_step_back_is_told_and_buttons_go_with_what_they_were_for() {
        let mut notices = Notices::default();
        let told =
            |n: &Notices| n.all().iter().map(|n| (n.text.clone(), n.next.is_some())).collect::<Vec<_>>();
        notices.push_with(Tone::Info, "Labels", "Undo", Action::Undo);
        notices.push_with(Tone::Info, "Saved", "Reveal", Action::Reveal("x".into()));
        notices.push_step("Taken back: a".to_owned(), "Redo", Action::Redo);
        notices.push_step("Taken back: b".to_owned(), "Redo", Action::Redo);
        let row = |text: &str, button| (text.to_owned(), button);
        assert_eq!(told(&notices), [row("Labels", true), row("Saved", true), row("Taken back: b", true)]);
        notices.withdraw(|a| matches!(a, Action::Undo | Action::Redo));
        assert_eq!(told(&notices), [row("Labels", false), row("Saved", true), row("Taken back: b", false)]);
    }
}
