//! Commands about what is being worked on: the pictures of the run on show, the chosen network, the plan of training, single runs.

use super::{Command, command};
use crate::backbones::find;
use crate::config::Solver;
use crate::session::{RunInfo, RunState};
use crate::ui::Action;
use crate::ui::state::{AppState, Download, EvaluateTab, JobKind, MORE_EPOCHS, MapLayout, Screen, file_name};
use crate::ui::views::train::phases;

impl AppState {
    /// What can be asked of all pictures of the run on show.
    pub(super) fn looking_commands(&self, list: &mut Vec<Command>) {
        let running = |kind: &JobKind| self.job_of(kind).map(|_| "It is being done".to_owned());
        let no_run = || self.judged_model().is_none().then(|| "No run's evaluation is on show".to_owned());
        let no_pictures = || {
            let closed = self.judged_dataset().is_none();
            closed.then(|| "Open the pictures that the run was trained on first".to_owned())
        };
        let compare = no_run().or_else(no_pictures).or_else(|| running(&JobKind::Analyse));
        let tab = Action::ShowEvaluateTab;
        list.push(
            command("Compare the pictures", None, Action::Analyse, compare).after(tab(EvaluateTab::Suspects)),
        );
        let uncompared = || self.analysis().is_none().then(|| "Compare the pictures first".to_owned());
        let arrange = no_run().or_else(uncompared).or_else(|| running(&JobKind::Arrange));
        let action = Action::ArrangeMap(MapLayout::Neighbourhood);
        list.push(
            command("Arrange the map by neighbourhood", None, action, arrange).after(tab(EvaluateTab::Map)),
        );
        let untested = || {
            let none = self.test_pictures().is_none();
            none.then(|| "The open pictures hold none for testing this run".to_owned())
        };
        let test = no_run().or_else(untested).or_else(|| running(&JobKind::Evaluate));
        list.push(
            command("Judge on the test pictures", None, Action::JudgeTest, test)
                .after(Action::Go(Screen::Evaluate)),
        );
        let no_model = self.predict_model().is_none().then(|| "There is no model yet".to_owned());
        list.push(command("Paste pictures to classify", None, Action::AskPaste, no_model));
        let none = || {
            let pictures = self.predictions.pictures();
            pictures.is_empty().then(|| "No pictures are classified".to_owned())
        };
        let clear = none().or_else(|| running(&JobKind::Predict));
        list.push(
            command("Clear the classified pictures", None, Action::ClearPredictions, clear)
                .after(Action::Go(Screen::Predict)),
        );
        if let Some(run) = self.run_behind() {
            let action = Action::ShowRun(run.to_path_buf());
            list.push(
                command("Back to the validation pictures", None, action, None)
                    .after(Action::Go(Screen::Evaluate)),
            );
        }
    }

    /// What can be asked of the chosen network, and done with the settings of the next run.
    pub(super) fn setting_commands(&self, list: &mut Vec<Command>) {
        list.push(
            command("Find a learning rate: try rates", None, Action::FindRate, self.rates_block())
                .after(Action::Go(Screen::Train)),
        );
        let at_once = self.config.train.solver == Solver::Logistic;
        let more = phases::with_one_more(&self.config).filter(|_| !at_once);
        let full = match at_once {
            true => "A head that is fitted at once has no phases",
            false => "There are enough phases",
        };
        let blocked = more.is_none().then(|| full.to_owned());
        let action = Action::SetConfig(Box::new(more.unwrap_or_else(|| self.config.clone())));
        list.push(command("Add a phase of training", None, action, blocked).after(Action::Go(Screen::Train)));
        if let Some(file) = &self.config.data.labels {
            let name = format!("Without the label file {}", file_name(file));
            let busy = self.training_job().map(|_| "Training is running".to_owned());
            list.push(command(name, None, Action::UseLabels(None), busy));
        }
        let Ok(spec) = find(&self.config.backbone.name) else { return };
        let busy = (!self.jobs.is_empty()).then(|| "Something else is computing now".to_owned());
        let name = format!("Measure the speed of {}", spec.title);
        list.push(
            command(name, None, Action::MeasureSpeed(spec.name), busy).after(Action::Go(Screen::Model)),
        );
        let here = self.known_weights.get(spec.name).is_some_and(|files| !files.is_empty());
        let blocked = match self.downloads.get(spec.name) {
            _ if spec.hub_file().is_none() => Some("They cannot be downloaded from here: choose a file"),
            _ if here => Some("They are on this computer already"),
            Some(download) if Download::runs(download) => Some("They are being downloaded"),
            _ => None,
        };
        let name = format!("Download the weights of {}", spec.title);
        list.push(
            command(name, None, Action::DownloadWeights(spec.name), blocked.map(str::to_owned))
                .after(Action::Go(Screen::Model)),
        );
    }

    /// What can be done with each run.
    pub(super) fn run_commands(&self, list: &mut Vec<Command>) {
        let blocked = self.train_block();
        let training = |run: &RunInfo| {
            let here = matches!(self.training_job().map(|job| &job.kind), Some(JobKind::Train { run_dir }) if *run_dir == run.dir);
            here || run.state == RunState::Training
        };
        for run in &self.runs {
            let (id, dir) = (&run.id, || run.dir.clone());
            let name = format!("Same settings as run {id}, from scratch");
            list.push(command(name, None, Action::TrainFromScratch(dir()), blocked.clone()));
            if run.state == RunState::Finished && run.config.train.solver == Solver::Gradient {
                for more in MORE_EPOCHS {
                    let name = format!("Go on with run {id} for {more} more epochs");
                    list.push(command(name, None, Action::ExtendRun(dir(), more), blocked.clone()));
                }
            }
            let busy = training(run).then(|| "It is being trained".to_owned());
            list.push(command(format!("Delete run {id}"), None, Action::DeleteRun(dir()), busy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::ui::commands::matching;

    fn run(id: &str, state: RunState) -> RunInfo {
        RunInfo {
            id: id.into(),
            dir: format!("/runs/{id}").into(),
            state,
            config: TrainConfig::default(),
            epochs: Vec::new(),
            summary: None,
            model_bytes: None,
            notes: String::new(),
            damage: None,
        }
    }

    #[test]
    fn what_screens_offer_is_found_by_its_words() {
        let runs = vec![run("0002", RunState::Interrupted), run("0001", RunState::Finished)];
        let mut state = AppState { runs, ..AppState::default() };
        state.config.backbone.name = "resnet18".to_owned();
        state.config.data.labels = Some("/tables/labels.csv".into());
        let commands = state.commands();
        for (words, action) in [
            ("compare the pictures", Action::Analyse),
            ("arrange", Action::ArrangeMap(MapLayout::Neighbourhood)),
            ("find a rate", Action::FindRate),
            ("try rates", Action::FindRate),
            ("judge test pictures", Action::JudgeTest),
            ("measure speed", Action::MeasureSpeed("resnet18")),
            ("download weights", Action::DownloadWeights("resnet18")),
            ("run 0002 from scratch", Action::TrainFromScratch("/runs/0002".into())),
            ("0001 20 more epochs", Action::ExtendRun("/runs/0001".into(), 20)),
            ("delete run 0001", Action::DeleteRun("/runs/0001".into())),
            ("paste pictures", Action::AskPaste),
            ("without label file", Action::UseLabels(None)),
            ("clear classified", Action::ClearPredictions),
        ] {
            let found = matching(&commands, words);
            assert!(found.iter().any(|c| c.action == action), "{words}: {found:?}");
        }
        assert!(matching(&commands, "0002 more epochs").is_empty(), "it has not ended");
        let [phase] = matching(&commands, "add phase")[..] else { panic!("one command adds a phase") };
        let Action::SetConfig(config) = &phase.action else { panic!("{phase:?}") };
        let before = state.config.train.own_phases(false).len();
        assert_eq!((config.train.phases.len(), &phase.blocked), (before + 1, &None));
        assert_eq!(phase.lead, Some(Action::Go(Screen::Train)));
    }

    #[test]
    fn what_makes_no_sense_now_says_why() {
        let mut state = AppState::default();
        state.config.train.solver = Solver::Logistic;
        let commands = state.commands();
        let why = |words: &str| matching(&commands, words)[0].blocked.clone().unwrap_or_default();
        assert_eq!(why("compare the pictures"), "No run's evaluation is on show");
        assert_eq!(why("add a phase"), "A head that is fitted at once has no phases");
        assert!(why("find a rate").contains("no learning rate"));
        assert_eq!(why("paste pictures"), "There is no model yet");
        assert_eq!(why("clear classified"), "No pictures are classified");
        assert!(matching(&commands, "back to the validation").is_empty());
        assert!(matching(&commands, "without label file").is_empty());
    }
}
