//! Downloads of weights: how far each is, and how it ended.

use super::{AppState, FollowUp, Screen, Tone};
use crate::backbones;
use crate::error::Error;
use crate::session::hub::DownloadEvent;
use crate::ui::Action;

/// Time left is shown once a download has run this long, in seconds.
const ETA_AFTER_S: f64 = 2.0;

/// A download that runs, or one that ended without the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Download {
    /// Bytes here.
    pub done: u64,
    /// Bytes in all; 0 while they are not known.
    pub total: u64,
    /// Window time and bytes when the first came, to tell the speed by.
    since: Option<(f64, u64)>,
    /// It was cancelled and has not ended yet.
    pub stopping: bool,
    /// How it ended.
    pub end: Option<DownloadEnd>,
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq)]
pub enum DownloadEnd {
    /// It failed.
    Failed(Error),
    /// The user cancelled it; what had arrived is kept.
    Cancelled,
}

impl Download {
    /// Whether bytes may still come.
    pub fn runs(&self) -> bool {
        self.end.is_none()
    }

    /// Share of the bytes that is here, in `[0, 1]`; `None` while nothing is known.
    pub fn frac(&self) -> Option<f32> {
        (self.total > 0).then(|| self.done as f32 / self.total as f32)
    }

    /// Seconds until it is here, at the speed so far.
    pub fn left_s(&self, now_s: f64) -> Option<f64> {
        let (began_s, began) = self.since?;
        let (ran, came) = (now_s - began_s, self.done.saturating_sub(began));
        let known = ran >= ETA_AFTER_S && came > 0;
        known.then(|| ran / came as f64 * self.total.saturating_sub(self.done) as f64)
    }

    /// `12 of 47 MB`.
    pub fn megabytes(&self) -> String {
        format!("{:.0} of {}", self.done as f64 / 1e6, megabytes(self.total))
    }
}

/// `47 MB`; smaller ones with a decimal, and from 1000 MB on `1.2 GB`.
pub fn megabytes(bytes: u64) -> String {
    match bytes as f64 / 1e6 {
        mb if mb < 9.95 => format!("{mb:.1} MB"),
        mb if mb < 999.5 => format!("{mb:.0} MB"),
        mb => format!("{:.1} GB", mb / 1e3),
    }
}

impl AppState {
    /// Takes in what a download tells. Returns what must follow.
    pub fn absorb_download(&mut self, event: DownloadEvent) -> Option<FollowUp> {
        match event {
            DownloadEvent::Progress { backbone, done, total } => {
                let now = self.now_s;
                let download = self.downloads.entry(backbone).or_default();
                download.since.get_or_insert((now, done));
                (download.done, download.total) = (done, total);
                None
            }
            DownloadEvent::Finished { backbone, outcome: Ok(path) } => {
                self.downloads.remove(backbone);
                let title = backbones::title(backbone);
                self.notices.push(Tone::Good, format!("The weights of {title} are here"));
                Some(FollowUp::Downloaded(backbone, path))
            }
            DownloadEvent::Finished { backbone, outcome: Err(error) } => {
                let download = self.downloads.entry(backbone).or_default();
                download.stopping = false;
                if error.is_cancelled() {
                    download.end = Some(DownloadEnd::Cancelled);
                } else {
                    let title = backbones::title(backbone);
                    let text = format!("The weights of {title} did not come: {error}");
                    self.notices.push_with(Tone::Bad, text, "See Model", Action::Go(Screen::Model));
                    download.end = Some(DownloadEnd::Failed(error));
                }
                None
            }
        }
    }

    /// The downloads that run, by backbone.
    pub fn running_downloads(&self) -> impl Iterator<Item = (&'static str, &Download)> {
        self.downloads.iter().filter(|(_, d)| d.runs()).map(|(name, d)| (*name, d))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(state: &mut AppState, now_s: f64, done: u64) {
        state.now_s = now_s;
        let event = DownloadEvent::Progress { backbone: "resnet18", done, total: 47_000_000 };
        assert_eq!(state.absorb_download(event), None);
    }

    #[test]
    fn a_continued_download_tells_its_time_by_what_came_now() {
        let mut state = AppState::default();
        progress(&mut state, 10.0, 27_000_000);
        assert_eq!(state.downloads["resnet18"].left_s(10.5), None);
        progress(&mut state, 15.0, 37_000_000);
        let d = &state.downloads["resnet18"];
        assert_eq!((d.left_s(15.0), d.megabytes()), (Some(5.0), "37 of 47 MB".to_owned()));
        assert_eq!(megabytes(4_950_000), "5.0 MB");
    }

    #[test]
    fn an_end_without_the_file_stays_on_show_and_one_with_it_leads_on() {
        let end = |outcome| DownloadEvent::Finished { backbone: "resnet18", outcome };
        let mut state = AppState::default();
        progress(&mut state, 0.0, 1);
        state.absorb_download(end(Err(Error::cancelled())));
        assert_eq!(state.downloads["resnet18"].end, Some(DownloadEnd::Cancelled));
        assert_eq!(state.downloads["resnet18"].done, 1);
        state.absorb_download(end(Err(Error::input("no"))));
        assert!(matches!(state.downloads["resnet18"].end, Some(DownloadEnd::Failed(_))));
        // Somebody may be on another screen by now.
        let told = &state.notices.all()[0];
        assert!(told.text.contains("ResNet-18 did not come: no") && told.next.is_some(), "{}", told.text);
        assert_eq!((state.notices.all().len(), state.running_downloads().count()), (1, 0));
        let follow = state.absorb_download(end(Ok("/w".into())));
        assert_eq!(follow, Some(FollowUp::Downloaded("resnet18", "/w".into())));
        assert!(state.downloads.is_empty() && state.notices.all()[1].text.contains("ResNet-18 are here"));
    }
}
