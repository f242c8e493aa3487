//! The other build of this program, which computes on NVIDIA cards.
//!
//! A build with the feature `cuda` does not start where NVIDIA's driver and libraries are missing, so that one download for everybody
//! holds two: the ordinary programs, and beside them a folder `cuda` with programs of the same names and NVIDIA's libraries. The
//! ordinary program hands over to the other where that works, and otherwise goes on by itself, on the processor, and can say why.
//!
//! A companion is looked for beside this program's own file alone, never in the working folder or on `PATH`, and only taken where nobody
//! else could have put it there.

mod ask;
mod driver;
mod place;
mod remembered;

use place::Place;

use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

/// Set to `off`, nothing is handed over. So it is for the companion itself: should it be an ordinary build after all, it does not look
/// for one in its turn.
const SWITCH: &str = "HEADSTART_CUDA";

/// What became of handing over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Companion {
    /// Nobody looked for one: this is such a build itself, or work that needs no card.
    #[default]
    Unasked,
    /// The user wants none.
    Off,
    /// There is none beside this program.
    NotThere,
    /// There is one, and no driver of NVIDIA's.
    NoDriver,
    /// There is one that somebody else could have put there, or that is no program; why.
    Refused(String),
    /// It does not work here; why.
    Fails(String),
    /// It works.
    Works,
}

impl Companion {
    /// The same as [`why_not`](Self::why_not) in a few words.
    pub fn in_short(&self) -> Option<&'static str> {
        match self {
            Self::Unasked | Self::NotThere | Self::Works => None,
            Self::Off => Some("switched off"),
            Self::NoDriver => Some("no driver was found"),
            Self::Refused(_) | Self::Fails(_) => Some("does not work here"),
        }
    }

    /// Why there is no card in spite of a companion, and what would change that.
    pub fn why_not(&self) -> Option<(String, &'static str)> {
        match self {
            Self::Unasked | Self::NotThere | Self::Works => None,
            Self::Off => Some((
                format!("it is switched off ({SWITCH}=off)"),
                "Start without that variable of the environment",
            )),
            Self::NoDriver => Some((
                "no NVIDIA driver was found".to_owned(),
                "Where there is a card, install NVIDIA's driver, and see that `nvidia-smi` lists the card",
            )),
            Self::Refused(why) => Some((
                format!("the program for NVIDIA cards is not used: {why}"),
                "Unpack or install Headstart again",
            )),
            Self::Fails(why) => Some((
                format!("the program for NVIDIA cards does not work here: {why}"),
                "Update NVIDIA's driver, and see that `nvidia-smi` lists the card",
            )),
        }
    }
}

/// What [`hand_over`] found.
static FOUND: OnceLock<Companion> = OnceLock::new();

/// What [`hand_over`] found in this process, if it was called.
pub fn found() -> &'static Companion {
    const UNASKED: &Companion = &Companion::Unasked;
    FOUND.get().unwrap_or(UNASKED)
}

/// Whether NVIDIA's driver is on this machine.
pub(super) fn has_driver() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let library_path = || std::env::var_os("LD_LIBRARY_PATH");
    *THERE.get_or_init(|| driver::found(Path::new("/"), library_path().as_deref()).is_some())
}

/// Goes on as the companion, with the same arguments, where there is one that works: does not come back then, or with the status that it
/// ended with. Otherwise `None`, and [`found`] says why. What was found out is remembered as long as nothing of it changes; `anew` asks
/// again all the same.
///
/// Takes a few milliseconds where there is no companion or what was found is remembered, and up to some seconds for a first look.
pub fn hand_over(anew: bool) -> Option<ExitCode> {
    if cfg!(feature = "cuda") {
        return None;
    }
    let off = std::env::var(SWITCH)
        .is_ok_and(|v| matches!(v.to_lowercase().as_str(), "off" | "0" | "no" | "false"));
    let found = match (off, Place::of_this_program()) {
        (true, _) => Companion::Off,
        (false, None) => Companion::NotThere,
        (false, Some(place)) => match place.look(anew) {
            Companion::Works => match start(&place) {
                Ok(code) => return Some(code),
                Err(why) => Companion::Fails(why.to_string()),
            },
            other => other,
        },
    };
    let _ = FOUND.set(found);
    None
}

#[cfg(unix)]
fn start(place: &Place) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    // Comes back only where it failed: the companion takes the place of this process.
    Err(place.command(&place.program).args(std::env::args_os().skip(1)).exec())
}

#[cfg(not(unix))]
fn start(place: &Place) -> std::io::Result<ExitCode> {
    let status = place.command(&place.program).args(std::env::args_os().skip(1)).status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
