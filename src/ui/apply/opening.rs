//! Opening folders, projects and the sample, and what follows from it.

use crate::session::jobs::JobRequest;
use crate::session::{Divide, Project};
use crate::ui::actions::{Action, Pick};
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use crate::ui::state::{JobKind, RunningJob, Tone};

impl App {
    pub(super) fn open(&mut self, action: Action) {
        if self.state.training_job().is_some() {
            let text = "Training is running. Stop it, or wait until it is finished, to open something else.";
            return self.state.notices.push(Tone::Warn, text);
        }
        let looking = |job: &RunningJob| matches!(job.kind, JobKind::OpenData | JobKind::WriteSample);
        if self.state.jobs.iter().any(looking) {
            let text = "A folder is being looked through. Cancel that, or wait until it is done, to open something else.";
            return self.state.notices.push(Tone::Warn, text);
        }
        self.state.path_error = None;
        match action {
            Action::OpenData(path) => self.disk.ask(DiskRequest::ProjectFor(path)),
            Action::OpenProject(path) => self.disk.ask(DiskRequest::OpenProject(path)),
            Action::TrySample => {
                self.state.sample_wanted = true;
                self.disk.ask(DiskRequest::Sample);
            }
            Action::AllowUnreadable => {
                self.state.config.data.allow_many_unreadable = true;
                self.settings_changed();
            }
            Action::DivideAnew(data) => {
                self.state.division_asked = false;
                self.state.trying = Some(data);
                self.look_through(Divide::Anew);
            }
            Action::UseLabels(labels) => match self.state.with_labels(labels) {
                Some(project) => self.open_new(project),
                None => self.look_through(Divide::AsSaved),
            },
            _ => self.scan(Divide::AsSaved),
        }
    }

    /// A project was opened: its settings, its pictures, its runs.
    pub(in crate::ui) fn opened(&mut self, project: Project) {
        self.save_if_due();
        self.state.adopt(project);
        self.show_opened();
        self.scan(Divide::AsSaved);
        self.refresh_runs();
    }

    /// A folder has no project yet: its pictures are looked through first.
    pub(in crate::ui) fn open_new(&mut self, project: Project) {
        let Some(root) = project.config.data.path.clone() else { return };
        let config = Box::new(project.config.data.clone());
        self.save_if_due();
        self.state.data_error = None;
        self.state.opening = Some(Box::new(project));
        let divide = Divide::AsSaved;
        self.submit(JobKind::OpenData, JobRequest::OpenData { root, config, project: None, divide });
    }

    /// The pictures of a new project turned out usable.
    pub(in crate::ui) fn keep_new(&mut self) {
        self.keep_project();
        self.show_opened();
    }

    pub(in crate::ui) fn keep_project(&self) {
        if let (Some(project), Some(data)) = (&self.state.project, self.state.dataset()) {
            self.disk.ask(DiskRequest::Keep(Box::new(project.clone()), Box::new(data.clone())));
        }
    }

    /// Forgets what was shown of another project.
    pub(super) fn show_opened(&mut self) {
        self.disk.ask(DiskRequest::SaveSettings(self.state.settings.clone()));
        self.save_due_s = None;
        self.cx.thumbnails.clear();
        self.cx.data = Default::default();
        self.cx.train = Default::default();
        self.cx.export = Default::default();
        self.check_weights();
        self.refresh_exports();
    }

    pub(in crate::ui) fn refresh_exports(&self) {
        if let Some(project) = &self.state.project {
            self.disk.ask(DiskRequest::Exports(project.clone()));
        }
    }

    /// Looks through the open project's pictures with its settings.
    pub(in crate::ui) fn scan(&mut self, divide: Divide) {
        self.state.trying = None;
        self.look_through(divide);
    }

    /// Looks through the open project's pictures, with the settings that are being tried if there are any.
    fn look_through(&mut self, divide: Divide) {
        let Some(project) = &self.state.project else { return };
        let Some(root) = project.config.data.path.clone() else {
            let text =
                "The project names no folder of pictures. Open the folder: that begins another project.";
            let open = Action::Pick(Pick::DataFolder);
            return self.state.notices.push_with(Tone::Warn, text, "Open a folder\u{2026}", open);
        };
        self.state.opening = None;
        let request = JobRequest::OpenData {
            root,
            config: Box::new(self.state.trying.as_deref().unwrap_or(&self.state.config.data).clone()),
            project: Some(project.dir.clone()),
            divide,
        };
        self.submit(JobKind::OpenData, request);
    }
}
