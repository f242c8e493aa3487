use super::*;
use crate::config::TrainMode;
use crate::data::Split;
use crate::session::JobId;
use crate::ui::state::{JobKind, RunningJob};

fn change(state: &mut AppState, epochs: usize, at_s: f64) {
    let before = state.config.clone();
    state.now_s = at_s;
    state.config.train.epochs = Some(epochs);
    state.record_settings(before);
}

fn exclude(state: &mut AppState, rel: &str) {
    let decided = Decided { decision: Decision::Exclude, pictures: vec![rel.to_owned()] };
    state.decisions.take(Step::Decided(decided));
    state.end_redo();
}

fn epochs(state: &AppState) -> Option<usize> {
    state.config.train.epochs
}

#[test]
fn what_was_before_own_phases_comes_back_with_the_automatic_plan() {
    let mut state = AppState::default();
    assert_eq!(state.history.before_phases(), None);
    for (mode, epochs) in [(TrainMode::Auto, None), (TrainMode::Full, Some(9))] {
        (state.config.train.mode, state.config.train.epochs) = (mode, epochs);
        let chosen = state.config.clone();
        for _ in 0..2 {
            let before = state.config.clone();
            state.config.train.add_phase(before.train.own_phases(true)[0].clone(), true);
            state.now_s += 10.0;
            state.record_settings(before);
        }
        state.config.train.forget_phases(state.history.before_phases());
        assert_eq!(state.config, chosen);
    }
}

#[test]
fn settings_and_decisions_are_taken_back_in_the_order_in_which_they_were_made() {
    let mut state = AppState::default();
    let first = epochs(&state);
    change(&mut state, 7, 10.0);
    exclude(&mut state, "a.png");
    change(&mut state, 9, 20.0);
    assert_eq!((state.undo(), epochs(&state)), (Some(TakenBack::Settings(None)), Some(7)));
    assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
    state.decisions.take(Step::Undone);
    assert_eq!((state.undo(), epochs(&state)), (Some(TakenBack::Settings(None)), first));
    assert!(state.to_undo().is_none() && state.undo().is_none());
    assert_eq!((state.redo(), epochs(&state)), (Some(TakenBack::Settings(None)), Some(7)));
    assert_eq!(state.redo(), Some(TakenBack::Decision(Step::Redone)));
    state.decisions.take(Step::Redone);
    assert_eq!((state.redo(), epochs(&state)), (Some(TakenBack::Settings(None)), Some(9)));
    assert!(state.to_redo().is_none());
}

#[test]
fn pictures_divided_anew_are_divided_as_before_again_though_no_setting_changed() {
    let mut state = AppState::default();
    let division = |text: &str| SavedDivision(text.as_bytes().into());
    let (first, second, third) = (division("first"), division("second"), division("third"));
    let divide =
        |state: &mut AppState, val_fraction: f64, (before, after): (&SavedDivision, &SavedDivision)| {
            let settings = state.config.clone();
            state.config.data.val_fraction = val_fraction;
            let division = Redivided { before: before.clone(), after: after.clone() };
            state.record_division(settings, Some(division));
        };
    let share = state.config.data.val_fraction;
    divide(&mut state, share, (&first, &second));
    divide(&mut state, 0.4, (&second, &third));
    let as_before = |division: &SavedDivision| Some(TakenBack::Settings(Some(division.clone())));
    assert_eq!((state.undo(), state.config.data.val_fraction), (as_before(&second), share));
    assert_eq!(state.to_undo(), Some(Undoable::Settings("how the pictures are divided")));
    assert_eq!(state.undo(), as_before(&first));
    assert_eq!((state.undo(), state.redo()), (None, as_before(&second)));
    assert_eq!((state.redo(), state.config.data.val_fraction), (as_before(&third), 0.4));
    // A slider moved at once is a change of its own: it does not take the division with it.
    let fourth = division("fourth");
    divide(&mut state, 0.3, (&third, &fourth));
    let at_once = state.now_s + 0.1;
    change(&mut state, 7, at_once);
    assert_eq!((state.undo(), state.undo()), (Some(TakenBack::Settings(None)), as_before(&third)));
}

#[test]
fn a_dragged_slider_is_one_change() {
    let mut state = AppState::default();
    let first = epochs(&state);
    for (i, n) in (5..15).enumerate() {
        change(&mut state, n, 10.0 + 0.1 * i as f64);
    }
    change(&mut state, 40, 30.0);
    state.undo();
    assert_eq!(epochs(&state), Some(14));
    state.undo();
    assert_eq!(epochs(&state), first);
    change(&mut state, 3, 31.0);
    assert!(state.to_redo().is_none(), "a new change ends what could be brought back");
}

#[test]
fn what_was_written_about_a_run_is_taken_back_and_brought_back() {
    let mut state = AppState::default();
    change(&mut state, 7, 10.0);
    state.record_notes("/runs/1".into(), String::new(), "dim".to_owned());
    state.record_notes("/runs/1".into(), "dim".to_owned(), "bright".to_owned());
    let notes = |text: &str| Some(TakenBack::Notes("/runs/1".into(), text.to_owned()));
    assert_eq!(state.to_undo(), Some(Undoable::Notes(Path::new("/runs/1"))));
    assert_eq!((state.undo(), state.undo()), (notes("dim"), notes("")));
    assert_eq!((state.redo(), state.redo()), (notes("dim"), notes("bright")));
    assert_eq!((state.undo(), state.undo()), (notes("dim"), notes("")));
    assert_eq!((state.undo(), epochs(&state)), (Some(TakenBack::Settings(None)), None));
}

#[test]
fn a_note_on_any_run_is_taken_back_before_the_decision_made_earlier() {
    let mut state = AppState::default();
    exclude(&mut state, "a.png");
    state.record_notes("/runs/3".into(), String::new(), "dim".to_owned());
    state.record_notes("/runs/1".into(), String::new(), "bright".to_owned());
    let notes = |run: &str| Some(TakenBack::Notes(run.into(), String::new()));
    assert_eq!((state.undo(), state.undo()), (notes("/runs/1"), notes("/runs/3")));
    assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
}

#[test]
fn a_notice_offers_undo_only_while_its_step_is_the_newest() {
    let offered = |state: &AppState| state.notices.all().iter().any(|n| n.next.is_some());
    let told = |state: &mut AppState| {
        state.notices.push_step("Brought back: leave out a.png".to_owned(), "Undo", Action::Undo);
    };
    let newer: [fn(&mut AppState); 4] = [
        |s| exclude(s, "b.png"),
        |s| change(s, 7, 10.0),
        |s| s.record_notes("/runs/1".into(), String::new(), "dim".to_owned()),
        |s| s.record_deletion("/runs/1".into(), "/trash/1".into()),
    ];
    for step in newer {
        let mut state = AppState::default();
        told(&mut state);
        assert!(offered(&state));
        step(&mut state);
        assert!(!offered(&state) && state.notices.all().len() == 1);
    }
    let mut state = AppState::default();
    let restore = Action::RestoreRun("/trash/1".into());
    state.notices.push_with(Tone::Info, "Run 1 is deleted", "Undo", restore);
    state.forget_deletion(Path::new("/trash/2"));
    assert!(offered(&state));
    state.forget_deletion(Path::new("/trash/1"));
    assert!(!offered(&state), "the run is back");
}

#[test]
fn settings_are_called_as_their_panel_calls_them() {
    let mut state = AppState::default();
    change(&mut state, 7, 10.0);
    assert_eq!(state.to_undo(), Some(Undoable::Settings("the setting \u{201c}Epochs\u{201d}")));
}

#[test]
fn a_deleted_run_is_what_comes_back_first_unless_it_is_back_already() {
    let mut state = AppState::default();
    exclude(&mut state, "a.png");
    for n in [1, 2] {
        state.record_deletion(format!("/runs/{n}").into(), format!("/trash/{n}").into());
    }
    assert_eq!(state.to_undo(), Some(Undoable::Deleted(Path::new("/runs/2"))));
    assert_eq!(state.undo(), Some(TakenBack::Deletion("/trash/2".into())));
    state.forget_deletion(Path::new("/trash/1"));
    assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
}

#[test]
fn a_decision_about_many_pictures_is_told_with_its_way_back() {
    let mut state = AppState::default();
    let about = |n: usize| Decided {
        decision: Decision::Split(Split::Train),
        pictures: (0..n).map(|i| format!("ants/{i}.png")).collect(),
    };
    state.decided(&about(1));
    assert!(state.notices.all().is_empty(), "one picture shows it itself");
    state.decided(&about(26));
    let [said] = state.notices.all() else { panic!("{:?}", state.notices.all()) };
    assert_eq!(
        (said.text.as_str(), &said.next),
        ("26 pictures are for training", &Some(("Undo", Action::Undo)))
    );
    assert_eq!(decision_words(&about(1)), "0.png is for training");
}

#[test]
fn a_new_change_ends_what_could_be_brought_back_of_decisions_too() {
    let mut state = AppState::default();
    exclude(&mut state, "a.png");
    exclude(&mut state, "b.png");
    assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
    state.decisions.take(Step::Undone);
    assert!(state.to_redo().is_some());
    change(&mut state, 7, 10.0);
    assert_eq!(state.redo(), None, "b.png stays in");
    // What is undone from then on can be brought back, and no more.
    assert_eq!(state.undo(), Some(TakenBack::Settings(None)));
    assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
    state.decisions.take(Step::Undone);
    assert!(matches!(state.to_redo(), Some(Undoable::Decision(d)) if d.pictures == ["a.png"]));
    state.decisions.take(Step::Redone);
    assert_eq!(state.to_redo(), Some(Undoable::Settings("the setting \u{201c}Epochs\u{201d}")));
    state.redo();
    assert_eq!(state.to_redo(), None);
    // A new decision begins anew.
    let decided = Decided { decision: Decision::Exclude, pictures: vec!["c.png".to_owned()] };
    state.end_redo();
    state.decisions.take(Step::Decided(decided.clone()));
    state.decided(&decided);
    state.undo();
    state.decisions.take(Step::Undone);
    assert!(state.to_redo().is_some());
}

#[test]
fn a_run_that_was_brought_back_can_be_deleted_once_more() {
    let mut state = AppState::default();
    state.record_deletion("/runs/1".into(), "/trash/1".into());
    assert_eq!(state.undo(), Some(TakenBack::Deletion("/trash/1".into())));
    assert_eq!(state.to_redo(), Some(Undoable::Deleted(Path::new("/runs/1"))));
    assert_eq!(state.redo(), Some(TakenBack::Delete("/runs/1".into())));
    assert_eq!((state.to_undo(), state.to_redo()), (None, None), "until it is done");
    state.record_deletion("/runs/1".into(), "/trash/2".into());
    assert_eq!(state.undo(), Some(TakenBack::Deletion("/trash/2".into())));
    // Of two, the second can be deleted again after the first; and a new deletion ends that.
    let mut state = AppState::default();
    let delete =
        |state: &mut AppState, n: u8| state.record_deletion(format!("/runs/{n}").into(), "/trash".into());
    delete(&mut state, 1);
    delete(&mut state, 2);
    state.undo();
    state.undo();
    assert_eq!(state.redo(), Some(TakenBack::Delete("/runs/1".into())));
    delete(&mut state, 1);
    assert_eq!(state.redo(), Some(TakenBack::Delete("/runs/2".into())));
    delete(&mut state, 2);
    state.undo();
    delete(&mut state, 3);
    assert_eq!(state.redo(), None);
}

#[test]
fn how_pictures_are_divided_waits_for_the_end_of_training() {
    let mut state = AppState::default();
    assert_eq!(state.undo_block(), Some("There is nothing to undo"));
    let before = state.config.clone();
    state.config.data.val_fraction = 0.4;
    state.record_settings(before);
    change(&mut state, 7, 10.0);
    state.jobs.push(RunningJob::new(JobId(1), JobKind::Train { run_dir: "/runs/1".into() }));
    assert_eq!(state.undo_block(), None, "the next run's epochs");
    state.undo();
    assert!(state.undo_block().unwrap().contains("training is running"));
    state.jobs.clear();
    assert_eq!(state.undo_block(), None);
}
