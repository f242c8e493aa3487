//! What a dropped or typed path means on the screen that is on show.

use super::{AppState, Screen};
use crate::backbones::registry;
use crate::ui::Action;
use std::path::{Path, PathBuf};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A folder with `project.toml`.
    Project,
    /// A run or a bundle: something that classifies.
    Model,
    /// Any other folder.
    Folder,
    /// A weight file, by its name.
    Weights,
    /// A table (CSV), by its name.
    Table,
    /// Any other file.
    File,
    /// Nothing.
    Missing,
}

/// What to do about paths that were dropped on, or typed into, `state.screen`; `Err` says why nothing can be done.
///
/// # Errors
/// A sentence for a notice.
pub fn plan_drop(state: &AppState, items: &[(PathBuf, PathKind)]) -> Result<Vec<Action>, String> {
    let Some((first, kind)) = items.first() else { return Ok(Vec::new()) };
    let can_predict = state.predict_model().is_some();
    match kind {
        PathKind::Missing => Err(format!("There is nothing at {}. Check the path.", first.display())),
        PathKind::Project => Ok(vec![Action::OpenProject(first.clone())]),
        PathKind::Model => Ok(vec![
            Action::SetPredictModel(crate::session::jobs::ModelRef::Saved(first.clone())),
            Action::Go(Screen::Predict),
        ]),
        PathKind::Weights => Ok(weights(state, first)),
        PathKind::Table => labels(state, first),
        PathKind::Folder if !(state.screen == Screen::Predict && can_predict) => {
            Ok(vec![Action::OpenData(first.clone())])
        }
        PathKind::Folder | PathKind::File if can_predict => {
            let pictures = items
                .iter()
                .filter(|(_, k)| matches!(k, PathKind::File | PathKind::Folder))
                .map(|(p, _)| p.clone());
            Ok(vec![Action::Go(Screen::Predict), Action::Predict(pictures.collect())])
        }
        PathKind::Folder | PathKind::File => Err(
            "Pictures are classified once there is a model: train one, or choose complete weights under Model. To train, drop \
             the folder that holds the class folders."
                .to_owned(),
        ),
    }
}

/// A table says what the open pictures show.
fn labels(state: &AppState, path: &Path) -> Result<Vec<Action>, String> {
    if state.project.is_none() && state.refused.is_none() {
        Err("Open the folder of pictures first, then drop the table with their labels.".to_owned())
    } else if state.screen == Screen::Data {
        Ok(vec![Action::UseLabels(Some(path.to_path_buf()))])
    } else {
        Err("A table of labels belongs to the pictures: drop it on the Data screen.".to_owned())
    }
}

fn weights(state: &AppState, path: &Path) -> Vec<Action> {
    let chosen = state.config.backbone.name.as_str();
    let use_it = match backbone_in_name(path).filter(|n| *n != chosen) {
        Some(name) => Action::UseWeightsOf(name, path.to_path_buf()),
        None => Action::UseWeights(path.to_path_buf()),
    };
    vec![use_it, Action::Go(Screen::Model)]
}

/// The backbone that a weight file is of, by its name: `resnet18-f37072fd.pth` is resnet18's.
fn backbone_in_name(path: &Path) -> Option<&'static str> {
    let stem = path.file_stem()?.to_string_lossy().to_lowercase();
    registry().iter().map(|s| s.name).filter(|n| stem.contains(n)).max_by_key(|n| n.len())
}

/// The sentence over the window while something is dragged across it.
pub fn drop_hint(state: &AppState) -> &'static str {
    match state.screen {
        Screen::Predict if state.predict_model().is_some() => "Drop pictures to classify them",
        Screen::Data if state.project.is_some() || state.refused.is_some() => {
            "Drop a table of labels (CSV) to use it, or a folder of pictures to open it"
        }
        Screen::Model => "Drop a weight file to use it, or a folder to open it",
        _ => "Drop a folder of pictures, a project or a weight file to open it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::session::Project;
    use crate::session::jobs::ModelRef;

    fn plan(state: &AppState, path: &str, kind: PathKind) -> Result<Vec<Action>, String> {
        plan_drop(state, &[(path.into(), kind)])
    }

    #[test]
    fn a_folder_is_data_until_there_is_something_to_predict_with() {
        let mut state = AppState { screen: Screen::Predict, ..AppState::default() };
        assert_eq!(plan(&state, "/x", PathKind::Folder), Ok(vec![Action::OpenData("/x".into())]));
        assert!(plan(&state, "/x.png", PathKind::File).is_err());
        state.predictions.model = Some(ModelRef::Saved("/run".into()));
        let predict = vec![Action::Go(Screen::Predict), Action::Predict(vec!["/x".into()])];
        assert_eq!(plan(&state, "/x", PathKind::Folder), Ok(predict));
        state.screen = Screen::Data;
        assert_eq!(plan(&state, "/x", PathKind::Folder), Ok(vec![Action::OpenData("/x".into())]));
        assert!(matches!(plan(&state, "/x.png", PathKind::File).as_deref(), Ok([_, Action::Predict(_)])));
    }

    #[test]
    fn a_table_gives_the_open_pictures_their_labels_on_the_data_screen() {
        let mut state = AppState { screen: Screen::Data, ..AppState::default() };
        assert!(plan(&state, "/l.csv", PathKind::Table).unwrap_err().contains("folder of pictures first"));
        let project = || Project { dir: "/project".into(), config: TrainConfig::default() };
        state.refused = Some(Box::new(project()));
        let use_it = Ok(vec![Action::UseLabels(Some("/l.csv".into()))]);
        assert_eq!(plan(&state, "/l.csv", PathKind::Table), use_it, "it may make the folder usable");
        (state.refused, state.project) = (None, Some(project()));
        assert_eq!(plan(&state, "/l.csv", PathKind::Table), use_it);
        assert!(drop_hint(&state).contains("CSV"));
        state.screen = Screen::Train;
        assert!(plan(&state, "/l.csv", PathKind::Table).unwrap_err().contains("Data screen"));
    }

    #[test]
    fn a_weight_file_brings_its_backbone_along() {
        let state = AppState::default();
        let actions = plan(&state, "/w/resnet18-f37072fd.pth", PathKind::Weights).unwrap();
        assert_eq!(actions[0], Action::UseWeightsOf("resnet18", "/w/resnet18-f37072fd.pth".into()));
        assert_eq!(backbone_in_name(Path::new("vgg16_bn-6c64b313.pth")), Some("vgg16_bn"));
        assert!(plan(&state, "/nowhere", PathKind::Missing).unwrap_err().contains("/nowhere"));
    }
}
