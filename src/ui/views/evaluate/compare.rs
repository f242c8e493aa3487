//! What changed since another run, and the way to train again.

use crate::data::DecisionChanges;
use crate::engine::analysis::Comparison;
use crate::error::thousands;
use crate::session::{RunInfo, RunState};
use crate::ui::state::{Compared, Selection, ShownEvaluation, file_name};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::count;
use crate::ui::widgets::{caption, drop_down, link_button, secondary_button};
use crate::ui::{Action, AppState};
use egui::{ComboBox, Label, RichText, Ui};
use std::path::{Path, PathBuf};

/// Draws what changed since another run, where there is another one.
pub(super) fn show(ui: &mut Ui, state: &AppState, shown: &ShownEvaluation, actions: &mut Vec<Action>) {
    let Some(run_dir) = judged_run(state, shown) else { return };
    let others: Vec<&RunInfo> =
        state.runs.iter().filter(|r| r.state == RunState::Finished && r.dir != run_dir).collect();
    if others.is_empty() {
        return;
    }
    ui.horizontal(|ui| {
        ui.set_min_height(28.0);
        other_run(ui, state, (run_dir, &others), actions);
        if let Some(compared) = &shown.compared {
            changes(ui, compared, actions);
        }
    });
    if let Some((words, meaning)) = shown.compared.as_ref().and_then(said) {
        // One line, however narrow: what the tabs show begins right under it.
        let text = RichText::new(words).small().color(Palette::of(ui).muted);
        ui.add(Label::new(text).truncate().show_tooltip_when_elided(false)).on_hover_text(meaning);
    }
}

/// Draws the button that trains once more, where the evaluation is a run's.
pub(super) fn train_again(ui: &mut Ui, state: &AppState, shown: &ShownEvaluation, actions: &mut Vec<Action>) {
    if let Some(run_dir) = judged_run(state, shown) {
        again_button(ui, state, run_dir, actions);
    }
}

/// The run whose validation pictures were judged.
fn judged_run<'a>(state: &AppState, shown: &'a ShownEvaluation) -> Option<&'a Path> {
    shown.run_dir.as_deref().filter(|_| state.shows_validation(shown))
}

fn again_button(ui: &mut Ui, state: &AppState, run_dir: &Path, actions: &mut Vec<Action>) {
    let why = "Trains once more with this run's settings and the pictures as you have decided on them by now, then shows what \
               that changed on the same validation pictures";
    let busy = state.training_job().is_some();
    let button = ui.add_enabled_ui(!busy, |ui| secondary_button(ui, "Train again and compare")).inner;
    let button = button.on_hover_text(why).on_disabled_hover_text("Training is running");
    if button.clicked() {
        actions.push(Action::TrainAgain(run_dir.to_path_buf()));
    }
}

fn other_run(
    ui: &mut Ui,
    state: &AppState,
    (run_dir, others): (&Path, &[&RunInfo]),
    actions: &mut Vec<Action>,
) {
    let chosen = state.compare_with.as_ref().filter(|dir| *dir != run_dir);
    let name = |dir: &PathBuf| format!("Compared with run {}", file_name(dir));
    let combo = ComboBox::from_id_salt("compare with")
        .width(190.0)
        .selected_text(chosen.map_or_else(|| "Compare with another run".to_owned(), name));
    let list = drop_down(ui, combo, |lines| {
        if lines.line(chosen.is_none(), "With no other run") {
            actions.push(Action::CompareWith(None));
        }
        for run in others {
            let accuracy =
                run.summary.as_ref().map_or(String::new(), |s| format!(" · {:.3}", s.val.accuracy));
            if lines.line(chosen == Some(&run.dir), format!("Run {}{accuracy}", run.id)) {
                actions.push(Action::CompareWith(Some(run.dir.clone())));
            }
        }
    });
    list.on_hover_text("Shows what this run has right or wrong where the other has not");
}

fn changes(ui: &mut Ui, compared: &Compared, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let c = &compared.comparison;
    ui.spacing_mut().item_spacing.x = space::S;
    if c.common == 0 {
        caption(
            ui,
            format!("No picture was judged by both this run and run {}", file_name(&compared.run_dir)),
        );
        return;
    }
    let share = |right: usize| right as f64 / c.common as f64;
    let (before, after) = (share(c.right_before), share(c.right_after));
    let ink = match c.right_after.cmp(&c.right_before) {
        std::cmp::Ordering::Greater => p.good,
        std::cmp::Ordering::Less => p.bad,
        std::cmp::Ordering::Equal => p.text,
    };
    ui.label(
        RichText::new(format!("{before:.3} to {after:.3} on {}", count(c.common, "picture", "pictures")))
            .strong()
            .color(ink),
    )
    .on_hover_text(explained(c));
    for (n, word, selection) in [
        (c.put_right.len(), "put right", Selection::PutRight),
        (c.newly_wrong.len(), "newly wrong", Selection::NewlyWrong),
    ] {
        if n == 0 {
            caption(ui, format!("none {word}"));
        } else if link_button(ui, format!("{} {word}", thousands(n))).clicked() {
            actions.push(Action::Select(Some(selection)));
        }
    }
}

/// What the numbers are worth in one line, and what that means; nothing where there are none.
fn said(compared: &Compared) -> Option<(String, String)> {
    let c = &compared.comparison;
    if c.common == 0 {
        return None;
    }
    let (mut words, mut meaning) = (chance(c), chance(c));
    meaning.push_str(
        " (McNemar's exact test: how often models that are equally good differ at least this much)",
    );
    if let Some([before, after]) = c.losses {
        words.push_str(&format!(" · loss {before:.3} to {after:.3}"));
        meaning.push_str(&format!(
            ". Mean loss on these pictures {before:.3} before, {after:.3} now: it falls where a model gives the right classes \
             more, also where nothing else changes"
        ));
    }
    if let Some(decided) = decided(&compared.decisions) {
        words.push_str(&format!(" · since then {decided}"));
        meaning.push_str(&format!(
            ". Since that run: {decided}. The runs were not trained on the same pictures, so what changed may come from the \
             pictures as well as from the settings"
        ));
    }
    if c.relabelled > 0 {
        let them = count(c.relabelled, "picture has", "pictures have");
        words.push_str(&format!(" · {them} another class now, for both runs"));
        meaning.push_str(&format!(
            ". {them} another class since, which counts here for both runs, so the accuracy listed with the earlier run differs"
        ));
    }
    Some((words, meaning))
}

/// What was decided about pictures between both runs; nothing where that is nothing.
fn decided(changes: &DecisionChanges) -> Option<String> {
    let parts = [
        (changes.left_out, "left out"),
        (changes.taken_back, "taken back in"),
        (changes.labelled, "labelled by you"),
        (changes.moved, "moved to another part"),
    ];
    let words = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(*n)));
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The comparison in sentences.
fn explained(c: &Comparison) -> String {
    let mut text = format!(
        "Accuracy on the {} that both runs were judged by: {} right before, {} now",
        count(c.common, "picture", "pictures"),
        c.right_before,
        c.right_after
    );
    if c.relabelled > 0 {
        let them = count(c.relabelled, "of them has", "of them have");
        text.push_str(&format!(". {them} another class now, which counts for both"));
    }
    let left = c.only_before + c.only_after;
    if left > 0 {
        text.push_str(&format!(
            ". {} judged by only one of the runs",
            count(left, "picture was", "pictures were")
        ));
    }
    text
}

fn chance(c: &Comparison) -> String {
    if c.put_right.is_empty() && c.newly_wrong.is_empty() {
        return "Both have the same pictures right".to_owned();
    }
    match c.p_value {
        p if p < 0.001 => {
            "Hardly chance: equally good models differ so much less than once in 1000 times".to_owned()
        }
        p if p < 0.05 => {
            format!("Hardly chance: equally good models differ so much {:.1} times in 100", 100.0 * p)
        }
        p if p > 0.995 => {
            "This says nothing about which is better: equally good models always differ so much".to_owned()
        }
        p => format!("May be chance: equally good models differ so much {:.0} times in 100", 100.0 * p),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_comparison_says_what_it_is_worth_and_why_its_numbers_are_its_own() {
        let mut c = Comparison {
            common: 153,
            right_before: 146,
            right_after: 146,
            put_right: vec![1],
            newly_wrong: vec![2],
            relabelled: 0,
            only_before: 0,
            only_after: 0,
            p_value: 1.0,
            losses: Some([0.147, 0.115]),
        };
        let words = |c: &Comparison, decisions| {
            let run_dir = "/runs/0001".into();
            said(&Compared { run_dir, comparison: Arc::new(c.clone()), decisions })
        };
        let (plain, meaning) = words(&c, DecisionChanges::default()).unwrap();
        assert!(
            plain.ends_with("equally good models always differ so much · loss 0.147 to 0.115"),
            "{plain}"
        );
        c.losses = None;
        assert!(meaning.contains("McNemar"), "{meaning}");
        c.relabelled = 1;
        let decisions = DecisionChanges { left_out: 2, labelled: 1, ..DecisionChanges::default() };
        let (plain, meaning) = words(&c, decisions).unwrap();
        let why =
            " · since then 2 left out, 1 labelled by you · 1 picture has another class now, for both runs";
        assert!(plain.ends_with(why), "{plain}");
        assert!(meaning.contains("the accuracy listed with the earlier run differs"), "{meaning}");
        for (p_value, words) in
            [(0.0004, "less than once in 1000"), (0.021, "2.1 times in 100"), (0.3, "30 times in 100")]
        {
            c.p_value = p_value;
            assert!(chance(&c).contains(words), "{}", chance(&c));
        }
        c.common = 0;
        assert_eq!(words(&c, DecisionChanges::default()), None);
    }
}
