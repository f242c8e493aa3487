//! Downloading weights because a flag asks for it.

use super::progress::Style;
use crate::backbones::BackboneSpec;
use crate::engine::Control;
use crate::error::Result;
use crate::session::hub::{self, Hub};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::{Path, PathBuf};

/// What stands for the published weights where a file may be named.
const HUB: &str = "hub";

/// Whether `given` means the hub, and no file of that name.
pub(super) fn is_wanted(given: &Path) -> bool {
    given == Path::new(HUB) && !given.is_file()
}

/// The backbone's published weights, from the cache or else from the hub.
///
/// # Errors
/// If there are none, or the download fails; what has arrived is continued next time.
pub(super) fn weights(spec: &BackboneSpec, style: Style) -> Result<PathBuf> {
    let file = hub::file_of(spec)?;
    if let Some(here) = hub::cached(spec) {
        return Ok(here);
    }
    let target = match style {
        Style::Bar => ProgressDrawTarget::stderr_with_hz(15),
        Style::Json | Style::None => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(spec.file_bytes()), target);
    let template = "{msg:32!} {bar:30} {decimal_bytes} of {decimal_total_bytes}, {eta} left";
    let template = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(template.progress_chars("=> "));
    bar.set_message(format!("Downloading {}", spec.name));
    let path = Hub::from_env()?.download(&file, &Control::default(), &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    path
}
