//! Where the window keeps projects that got no folder chosen, and the sample pictures.

use super::{Project, weights};
use crate::config::TrainConfig;
use crate::data::Dataset;
use crate::error::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

const SAMPLES: &str = "samples";
const SAMPLE: &str = "Sample leaves";
const SAMPLE_DRAFT: &str = ".sample-being-drawn";

/// Where projects are made: `HEADSTART_HOME`, or `Headstart` in the user's documents.
pub fn home() -> PathBuf {
    if let Some(set) = std::env::var_os("HEADSTART_HOME").filter(|v| !v.is_empty()) {
        return PathBuf::from(set);
    }
    let dirs = directories::UserDirs::new();
    let base = dirs.as_ref().and_then(|d| d.document_dir().or(Some(d.home_dir())));
    base.map_or_else(std::env::temp_dir, Path::to_path_buf).join("Headstart")
}

/// A project of a folder of pictures.
#[derive(Debug, Clone)]
pub enum ProjectOf {
    /// It is on disk.
    Known(Project),
    /// There is none yet. This one can be put on disk with [`Project::keep`] once the pictures have turned out usable.
    New(Project),
}

/// The project of the pictures in `data`: the one under `home` that names the folder, or a new one. Writes nothing.
///
/// # Errors
/// If the folder cannot be opened or holds `home` itself.
pub fn project_for(data: &Path, home: &Path) -> Result<ProjectOf> {
    let data = std::fs::canonicalize(data).map_err(|e| Error::io("open the folder", data, &e))?;
    if data.join("project.toml").is_file() {
        return Project::open(&data).map(ProjectOf::Known);
    }
    let base = std::path::absolute(home).unwrap_or_else(|_| home.to_path_buf());
    if base.starts_with(&data) {
        return Err(Error::input("this folder holds Headstart's own projects")
            .with_path(&data)
            .with_hint("Choose the folder that directly holds the class folders"));
    }
    let name = data.file_name().map_or_else(|| "Pictures".to_owned(), |n| n.to_string_lossy().into_owned());
    for n in 1.. {
        let dir = base.join(if n == 1 { name.clone() } else { format!("{name} {n}") });
        if !dir.exists() {
            let is_sample = same_folder(&base.join(SAMPLES).join(SAMPLE), &data);
            let mut config = if is_sample {
                TrainConfig::for_sample()
            } else {
                TrainConfig { backbone: weights::to_begin_with(), ..TrainConfig::default() }
            };
            config.data.path = Some(data);
            return Ok(ProjectOf::New(Project { dir, config }));
        }
        // A folder that is no project, or another folder's, keeps its name.
        if let Ok(project) = Project::open(&dir)
            && project.config.data.path.as_deref().is_some_and(|p| same_folder(p, &data))
        {
            return Ok(ProjectOf::Known(project));
        }
    }
    Err(Error::internal("every project name is taken"))
}

/// Puts a new project on disk, see [`Project::keep`].
///
/// # Errors
/// If that cannot be done; where it was to be kept under `home`, says how another place is chosen.
pub fn keep(project: &Project, dataset: &Dataset, home: &Path) -> Result<()> {
    let home = std::path::absolute(home).unwrap_or_else(|_| home.to_path_buf());
    let advice = format!(
        "Projects are kept in {}: make it writable, or set HEADSTART_HOME to another folder and start again",
        home.display()
    );
    project.keep(dataset).map_err(|e| match (e.kind(), e.hint()) {
        _ if !project.dir.starts_with(&home) => e,
        (ErrorKind::Io, Some(own)) => {
            let both = format!("{own}. {advice}");
            e.with_hint(both)
        }
        (ErrorKind::Io | ErrorKind::ReadOnly, _) => e.with_hint(advice),
        _ => e,
    })
}

fn same_folder(a: &Path, b: &Path) -> bool {
    std::fs::canonicalize(a).is_ok_and(|a| a == b)
}

/// Where the sample pictures are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SamplePlace {
    /// Here.
    Ready(PathBuf),
    /// Nowhere yet: they are to be drawn here, then given to [`keep_sample`].
    ToDraw(PathBuf),
}

/// Looks for the sample pictures under `home`, and makes room for them where they are not.
///
/// # Errors
/// If `home` cannot be written.
pub fn sample_place(home: &Path) -> Result<SamplePlace> {
    let parent = home.join(SAMPLES);
    let there = parent.join(SAMPLE);
    if there.is_dir() {
        return Ok(SamplePlace::Ready(there));
    }
    let draft = parent.join(SAMPLE_DRAFT);
    if draft.exists() {
        // Left by a start that was cut off while drawing.
        std::fs::remove_dir_all(&draft).map_err(|e| Error::io("remove", &draft, &e))?;
    }
    std::fs::create_dir_all(&parent).map_err(|e| Error::io("create", &parent, &e))?;
    Ok(SamplePlace::ToDraw(draft))
}

/// Gives the drawn sample pictures their name; only whole ones have it.
///
/// # Errors
/// If the folder cannot be renamed.
pub fn keep_sample(draft: &Path) -> Result<PathBuf> {
    let there = draft.with_file_name(SAMPLE);
    std::fs::rename(draft, &there).map_err(|e| Error::io("create", &there, &e))?;
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Layout, Verdicts};

    fn dataset(root: &Path) -> Dataset {
        Dataset {
            root: root.to_path_buf(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: Vec::new(),
            samples: Vec::new(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        }
    }

    #[test]
    fn a_project_that_cannot_be_kept_says_where_projects_are_and_how_to_choose_another_place() {
        let dir = tempfile::tempdir().unwrap();
        let (data, home) = (dir.path().join("cats"), dir.path().join("home"));
        std::fs::create_dir_all(&data).unwrap();
        // Nothing can be made below a file.
        std::fs::write(&home, "").unwrap();
        let ProjectOf::New(project) = project_for(&data, &home).unwrap() else { panic!("it is known") };
        let e = keep(&project, &dataset(&data), &home).unwrap_err().to_string();
        assert!(e.contains("could not create the folder") && e.contains("HEADSTART_HOME"), "{e}");
        assert!(e.contains(&format!("kept in {}", home.display())), "{e}");
        let elsewhere = keep(&project, &dataset(&data), &dir.path().join("other")).unwrap_err().to_string();
        assert!(!elsewhere.contains("HEADSTART_HOME"), "{elsewhere}");
    }

    #[test]
    fn a_sample_that_was_cut_off_is_drawn_again() {
        let dir = tempfile::tempdir().unwrap();
        let SamplePlace::ToDraw(draft) = sample_place(dir.path()).unwrap() else { panic!("no sample yet") };
        std::fs::create_dir_all(&draft).unwrap();
        assert_eq!(sample_place(dir.path()).unwrap(), SamplePlace::ToDraw(draft.clone()));
        assert!(!draft.exists());
        std::fs::create_dir_all(&draft).unwrap();
        let done = keep_sample(&draft).unwrap();
        assert!(done.is_dir());
        assert_eq!(sample_place(dir.path()).unwrap(), SamplePlace::Ready(done));
    }

    #[test]
    fn a_folder_of_pictures_has_one_project_however_often_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, home) = (dir.path().join("a/cats"), dir.path().join("b/cats"), dir.path().join("home"));
        std::fs::create_dir_all(&a).unwrap();
        std::fs::create_dir_all(&b).unwrap();
        let new = |data: &Path| match project_for(data, &home).unwrap() {
            ProjectOf::New(project) => project,
            ProjectOf::Known(project) => panic!("{} is there already", project.dir.display()),
        };
        let first = new(&a);
        assert_eq!(first.dir, home.join("cats"));
        assert!(!home.exists(), "finding a place writes nothing");
        first.keep(&dataset(&a)).unwrap();
        assert_eq!(new(&b).dir, home.join("cats 2"));
        let again = project_for(&a.join("."), &home).unwrap();
        assert!(matches!(again, ProjectOf::Known(project) if project.dir == first.dir));
        assert!(first.dir.join("splits.json").is_file());
        assert!(project_for(dir.path(), &home).is_err());
        assert_eq!(first.config.train, TrainConfig::default().train);
        let sample = home.join(SAMPLES).join(SAMPLE);
        std::fs::create_dir_all(&sample).unwrap();
        assert_eq!(new(&sample).config.train, TrainConfig::for_sample().train);
    }
}
