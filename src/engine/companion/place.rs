//! Where a companion is, and whether it can be used.

use super::ask::ask;
use super::remembered::Remembered;
use super::{Companion, SWITCH, driver};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The folder beside this program in which its companion and NVIDIA's libraries are.
const FOLDER: &str = "cuda";
/// The program that can be asked what it has; the window has no words for that.
const ASKED: &str = "headstart-cli";
/// A first look at a card takes some seconds, more on a machine that was just started.
const LIMIT: Duration = Duration::from_secs(20);

/// Where a companion is, and what is looked at to see whether it can be used.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The companion of this program.
    pub(super) program: PathBuf,
    /// The command line beside it, which can be asked.
    asked: PathBuf,
    /// This program's own file.
    own: PathBuf,
    /// Where the driver is looked for.
    root: PathBuf,
    /// `LD_LIBRARY_PATH`, or `PATH` on Windows.
    library_path: Option<OsString>,
    /// The file with what was found the last time.
    remembered: Option<PathBuf>,
    limit: Duration,
}

impl Place {
    /// That of this program's companion, links to this program seen through; none where nothing is there.
    pub(super) fn of_this_program() -> Option<Self> {
        let own = std::env::current_exe().and_then(|own| own.canonicalize()).ok()?;
        let place = Self::beside(&own)?;
        let folders = directories::ProjectDirs::from("app", "Headstart", "headstart");
        Some(Self { remembered: folders.map(|f| f.cache_dir().join("cuda.json")), ..place })
    }

    fn beside(own: &Path) -> Option<Self> {
        let folder = own.parent()?.join(FOLDER);
        folder.is_dir().then(|| Self {
            program: folder.join(own.file_name().unwrap_or_default()),
            asked: folder.join(ASKED).with_extension(std::env::consts::EXE_EXTENSION),
            own: own.to_path_buf(),
            root: PathBuf::from(std::path::MAIN_SEPARATOR_STR),
            library_path: std::env::var_os(library_variable()),
            remembered: None,
            limit: LIMIT,
        })
    }

    /// Whether the companion can be used; asks it unless what it answered is remembered.
    pub(super) fn look(&self, anew: bool) -> Companion {
        let folder = self.program.parent().unwrap_or(&self.program);
        for path in [folder, &self.program, &self.asked] {
            match whose::refusal(path, &self.own) {
                Ok(None) => {}
                Ok(Some(why)) => return Companion::Refused(format!("{} {why}", path.display())),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Companion::NotThere,
                Err(e) => return Companion::Refused(format!("{} cannot be read ({e})", path.display())),
            }
        }
        let Some(driver) = driver::found(&self.root, self.library_path.as_deref()) else {
            return Companion::NoDriver;
        };
        let remembered = Remembered::of(folder, &driver);
        if !anew && let Some(found) = self.remembered.as_deref().and_then(|file| remembered.read(file)) {
            return found;
        }
        let found = match self.has_a_card() {
            Ok(()) => Companion::Works,
            Err(why) => Companion::Fails(why),
        };
        if let Some(file) = &self.remembered {
            remembered.write(file, &found);
        }
        found
    }

    /// Asks the companion which version it is, which it answers only if all its libraries are there, and then for a card.
    fn has_a_card(&self) -> Result<(), String> {
        let own_name = format!("{}: ", self.asked.display());
        let told = ask(self.command(&self.asked).arg("--version"), self.limit)
            .map_err(|why| why.strip_prefix(&own_name).unwrap_or(&why).to_owned())?;
        let version = told.trim().rsplit(' ').next().unwrap_or_default();
        if version != env!("CARGO_PKG_VERSION") {
            return Err(format!("it is version `{version}`, and this is {}", env!("CARGO_PKG_VERSION")));
        }
        let told = ask(self.command(&self.asked).args(["devices", "--json"]), self.limit)?;
        let devices: Vec<serde_json::Value> =
            serde_json::from_str(&told).map_err(|_| "it did not say which devices it has".to_owned())?;
        let card = devices.iter().find(|d| d["device"] == "cuda").ok_or("it knows of no NVIDIA cards")?;
        match card["missing"]["why"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(()),
        }
    }

    /// A program of the companion's, which finds NVIDIA's libraries beside itself.
    pub(super) fn command(&self, program: &Path) -> Command {
        let folder = program.parent().unwrap_or(program);
        let mut command = Command::new(program);
        command.env(library_variable(), with_first(folder, self.library_path.as_deref())).env(SWITCH, "off");
        command
    }
}

fn library_variable() -> &'static str {
    if cfg!(windows) { "PATH" } else { "LD_LIBRARY_PATH" }
}

/// A list of folders with one more in front. An empty list gets no empty entry, which would mean the working folder.
fn with_first(folder: &Path, list: Option<&OsStr>) -> OsString {
    let list = list.filter(|list| !list.is_empty()).map(std::env::split_paths).into_iter().flatten();
    // A folder whose name cannot be in a list is the only one that is given.
    std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(list)).unwrap_or_else(|_| folder.into())
}

/// Who could have put a file where it is.
#[cfg(unix)]
mod whose {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    /// What is wrong with a folder or program that is to be trusted as much as `own`.
    pub(super) fn refusal(path: &Path, own: &Path) -> std::io::Result<Option<&'static str>> {
        let (data, own) = (std::fs::symlink_metadata(path)?, std::fs::metadata(own)?);
        let whose = [own.uid(), 0].contains(&data.uid());
        Ok(match data.mode() {
            _ if data.is_symlink() => Some("is a link"),
            _ if !whose => Some("belongs to somebody else than this program"),
            mode if mode & 0o002 != 0 => Some("can be changed by everybody"),
            mode if !data.is_dir() && (mode & 0o111 == 0 || !data.is_file()) => Some("is not a program"),
            _ => None,
        })
    }
}

/// Who could have put a file where it is: on Windows, whoever may write into the folder of this program.
#[cfg(not(unix))]
mod whose {
    use std::path::Path;

    pub(super) fn refusal(path: &Path, _: &Path) -> std::io::Result<Option<&'static str>> {
        let data = std::fs::symlink_metadata(path)?;
        Ok(data.is_symlink().then_some("is a link"))
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A program with a companion, a driver, and a file to remember in.
    struct Fake {
        dir: tempfile::TempDir,
    }

    impl Fake {
        /// The companion's command line is this shell script.
        fn new(script: &str) -> Self {
            let fake = Self { dir: tempfile::tempdir().unwrap() };
            let write = |path: &str, text: &str| {
                let path = fake.path(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            };
            write("headstart-cli", "");
            write("headstart", "");
            write("root/proc/driver/nvidia/version", "580");
            write("cuda/headstart-cli", &format!("#!/bin/sh\n{script}\n"));
            write("cuda/headstart", "");
            for program in ["cuda/headstart-cli", "cuda/headstart"] {
                fake.mode(program, 0o755);
            }
            fake
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }

        fn place(&self) -> Option<Place> {
            Some(Place {
                root: self.path("root"),
                library_path: None,
                remembered: Some(self.path("cache/cuda.json")),
                limit: Duration::from_secs(5),
                ..Place::beside(&self.path("headstart"))?
            })
        }

        fn look(&self) -> Companion {
            self.place().map_or(Companion::NotThere, |place| place.look(false))
        }

        /// How often the companion was asked.
        fn asked(&self) -> usize {
            std::fs::read_to_string(self.path("cuda.log")).map_or(0, |log| log.lines().count())
        }
    }

    /// Answers as the real one; `$1` of `devices` is what it says of the card.
    fn answering(card: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        format!(
            r#"echo "$1" >> "$(dirname "$0")/../cuda.log"
            case "$1" in
            --version) echo "headstart-cli {version}";;
            devices) echo '[{{"device":"cpu","missing":null}},{{"device":"cuda","missing":{card}}}]';;
            esac"#
        )
    }

    #[test]
    fn one_that_answers_is_used_and_not_asked_again() {
        let fake = Fake::new(&answering("null"));
        assert_eq!((fake.look(), fake.asked()), (Companion::Works, 2));
        assert_eq!((fake.look(), fake.asked()), (Companion::Works, 2));
        assert_eq!((fake.place().unwrap().look(true), fake.asked()), (Companion::Works, 4));
        // Another driver, or another file beside it, is another question.
        std::fs::write(fake.path("root/proc/driver/nvidia/version"), "590").unwrap();
        assert_eq!((fake.look(), fake.asked()), (Companion::Works, 6));
        std::fs::write(fake.path("cuda/libcublas.so.13"), "").unwrap();
        assert_eq!((fake.look(), fake.asked()), (Companion::Works, 8));
        // What cannot be read is not believed.
        std::fs::write(fake.path("cache/cuda.json"), "{").unwrap();
        assert_eq!((fake.look(), fake.asked()), (Companion::Works, 10));
    }

    #[test]
    fn one_that_does_not_work_says_why_and_is_not_asked_again_either() {
        let other = r#"case "$1" in --version) echo "headstart-cli 0.0.1";; esac"#;
        let loader = "echo \"$0: error while loading shared libraries: libcublas.so.13: none\" >&2; exit 127";
        for (script, why) in [
            (answering(r#"{"why":"no card started","advice":"x"}"#), "no card started"),
            (other.to_owned(), "it is version `0.0.1`"),
            (loader.to_owned(), "error while loading"),
            ("kill -ABRT $$".to_owned(), "ended with"),
            (answering("null").replace("echo '[", "echo 'x["), "did not say which devices"),
        ] {
            let fake = Fake::new(&script);
            let Companion::Fails(told) = fake.look() else { panic!("{script} works") };
            assert!(told.contains(why) && !told.contains("headstart-cli: "), "{told}");
            let asked = fake.asked();
            assert_eq!((fake.look(), fake.asked()), (Companion::Fails(told), asked));
        }
    }

    #[test]
    fn one_that_hangs_is_given_up() {
        let fake = Fake::new("sleep 20");
        let place = Place { limit: Duration::from_millis(200), ..fake.place().unwrap() };
        assert!(matches!(place.look(false), Companion::Fails(why) if why.contains("did not answer")));
    }

    #[test]
    fn without_a_companion_or_a_driver_nothing_is_asked() {
        let fake = Fake::new(&answering("null"));
        std::fs::remove_file(fake.path("root/proc/driver/nvidia/version")).unwrap();
        assert_eq!(fake.look(), Companion::NoDriver);
        std::fs::remove_file(fake.path("cuda/headstart")).unwrap();
        assert_eq!(fake.look(), Companion::NotThere);
        std::fs::remove_dir_all(fake.path("cuda")).unwrap();
        assert_eq!((fake.look(), fake.asked()), (Companion::NotThere, 0));
    }

    #[test]
    fn what_others_could_have_put_there_is_refused() {
        for (name, mode, why) in [
            ("cuda", 0o777, "changed by everybody"),
            ("cuda/headstart", 0o757, "changed by everybody"),
            ("cuda/headstart-cli", 0o644, "not a program"),
        ] {
            let fake = Fake::new(&answering("null"));
            fake.mode(name, mode);
            assert!(matches!(fake.look(), Companion::Refused(told) if told.contains(why)), "{name}");
            assert_eq!(fake.asked(), 0);
        }
        let fake = Fake::new(&answering("null"));
        std::fs::rename(fake.path("cuda"), fake.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink(fake.path("elsewhere"), fake.path("cuda")).unwrap();
        assert!(matches!(fake.look(), Companion::Refused(told) if told.contains("link")));
    }

    #[test]
    fn the_libraries_beside_it_come_first_and_the_working_folder_never() {
        let of = |list: Option<&str>| with_first(Path::new("/x/cuda"), list.map(OsStr::new));
        assert_eq!(of(None), "/x/cuda");
        assert_eq!(of(Some("")), "/x/cuda");
        assert_eq!(of(Some("/a:/b")), "/x/cuda:/a:/b");
    }
}
