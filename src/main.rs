//! Opens the window.

use headstart::ui::App;
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HEADSTART_LOG").unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    if !has_display() {
        return fail("there is no display");
    }
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Headstart")
            .with_app_id("headstart")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([960.0, 620.0]),
        ..eframe::NativeOptions::default()
    };
    match eframe::run_native("headstart", options, Box::new(|cc| Ok(Box::new(App::new(cc))))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&reason(&error)),
    }
}

/// On X11 and Wayland a display is named by the environment; elsewhere there always is one.
fn has_display() -> bool {
    let named = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    !cfg!(all(unix, not(target_os = "macos"))) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}

fn reason(error: &eframe::Error) -> String {
    let text = error.to_string();
    let missing_driver = matches!(error, eframe::Error::Wgpu(_));
    match missing_driver && cfg!(target_os = "linux") {
        true => format!(
            "{text}. On Debian, `apt install libvulkan1 mesa-vulkan-drivers` gives it a graphics driver"
        ),
        false => text,
    }
}

#[expect(clippy::print_stderr, reason = "there is no window to say it in")]
fn fail(why: &str) -> ExitCode {
    eprintln!("headstart: the window cannot be opened: {why}.");
    eprintln!("The same jobs run without a window: see `headstart-cli --help`.");
    ExitCode::FAILURE
}
