//! Opens the window.

use headstart::engine::companion;
use headstart::nn::ops::memory::RecyclingAllocator;
use headstart::ui::App;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the window needs of Debian.
const PACKAGES: &str = "On Debian, `apt install libxkbcommon-x11-0 libx11-xcb1 libxcursor1 libxi6 libvulkan1 \
                        mesa-vulkan-drivers` installs what the window needs";

/// `assets/icon.svg`, drawn.
const ICON: &[u8] = include_bytes!("../assets/icon.png");

/// Name of the desktop entry: Wayland finds the window's name and icon by it.
const APP_ID: &str = "app.headstart.Headstart";

#[global_allocator]
static ALLOCATOR: RecyclingAllocator = RecyclingAllocator;

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if let Some(option) = paths.iter().map(|p| p.to_string_lossy()).find(|p| p.starts_with('-')) {
        return answer(&option);
    }
    if let Some(status) = companion::hand_over(false) {
        return status;
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HEADSTART_LOG").unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    if !has_display() {
        return fail("cannot be opened", "there is no display");
    }
    let mut viewport = egui::ViewportBuilder::default();
    // A window opens without its icon, too.
    if let Ok(icon) = eframe::icon_data::from_png_bytes(ICON) {
        viewport = viewport.with_icon(icon);
    }
    let options = eframe::NativeOptions {
        viewport: viewport
            .with_title("Headstart")
            .with_app_id(APP_ID)
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([960.0, 620.0]),
        ..eframe::NativeOptions::default()
    };
    let opened = AtomicBool::new(false);
    let run = || {
        let create = |cc: &eframe::CreationContext<'_>| {
            opened.store(true, Ordering::Relaxed);
            Ok(Box::new(App::new(cc, paths.clone())) as Box<dyn eframe::App>)
        };
        eframe::run_native("headstart", options, Box::new(create))
    };
    // A library that is missing makes the crates that open the window panic.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail("cannot be opened", &reason(&error)),
        Err(panic) if opened.load(Ordering::Relaxed) => fail("stopped", &message(panic.as_ref())),
        Err(panic) => fail("cannot be opened", &with_packages(&message(panic.as_ref()))),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("for an unknown reason").trim_end_matches('.').to_owned()
}

/// On X11 and Wayland a display is named by the environment; elsewhere there always is one.
fn has_display() -> bool {
    let named = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    !cfg!(all(unix, not(target_os = "macos"))) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}

fn reason(error: &eframe::Error) -> String {
    let text = error.to_string();
    // Before the operating system's words stands where in its sources the crate met them.
    let said =
        text.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": ")).map_or(&*text, |(_, rest)| rest);
    with_packages(said.trim_end_matches('.'))
}

fn with_packages(what: &str) -> String {
    match cfg!(target_os = "linux") {
        true => format!("{what}. {PACKAGES}"),
        false => what.to_owned(),
    }
}

/// The window takes no options but the customary two.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "asked for on a command line")]
fn answer(argument: &str) -> ExitCode {
    match argument {
        "--help" | "-h" => {
            println!(
                "headstart [PATH…] opens the window, with a folder of pictures, a project or pictures to classify. The same jobs run \
                 without one: see `headstart-cli --help`."
            );
            ExitCode::SUCCESS
        }
        "--version" | "-V" => {
            println!("headstart {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        other => {
            eprintln!(
                "headstart: there is no option `{other}`: it opens the window, with the paths that it is given."
            );
            eprintln!("Jobs are named on the other program's command line: see `headstart-cli --help`.");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "there is no window to say it in")]
fn fail(what: &str, why: &str) -> ExitCode {
    eprintln!("headstart: the window {what}: {why}.");
    eprintln!("The same jobs run without a window: see `headstart-cli --help`.");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_icon_can_be_drawn() {
        let icon = eframe::icon_data::from_png_bytes(super::ICON).unwrap();
        assert_eq!((icon.width, icon.height), (256, 256));
        assert!(icon.rgba.chunks_exact(4).any(|p| p[3] == 255));
    }
}
