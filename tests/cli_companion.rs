//! The ordinary command line beside a build for NVIDIA cards, which a script stands for.
#![cfg(all(target_os = "linux", not(feature = "cuda")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Installed {
    dir: tempfile::TempDir,
}

impl Installed {
    /// The program, with a companion that answers `devices` with this of its card, and everything else with what it was given.
    fn with(card: &str) -> Self {
        let it = Self { dir: tempfile::tempdir().unwrap() };
        for folder in ["cuda", "driver", "home"] {
            std::fs::create_dir(it.path(folder)).unwrap();
        }
        let built = env!("CARGO_BIN_EXE_headstart-cli");
        // A copy takes long where the program holds what debuggers need.
        std::fs::hard_link(built, it.path("headstart-cli"))
            .or_else(|_| std::fs::copy(built, it.path("headstart-cli")).map(|_| ()))
            .unwrap();
        std::fs::write(it.path("driver/libcuda.so.1"), "").unwrap();
        let script = format!(
            r#"#!/bin/sh
            case "$1" in
            --version) echo "headstart-cli {}";;
            devices) echo '[{{"device":"cuda","missing":{card}}}]';;
            *) echo "handed over: $*"; echo "$LD_LIBRARY_PATH"; echo "$HEADSTART_CUDA"; exit 7;;
            esac"#,
            env!("CARGO_PKG_VERSION")
        );
        std::fs::write(it.path("cuda/headstart-cli"), script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(it.path("cuda/headstart-cli"), mode).unwrap();
        it
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn run(&self, set: &[(&str, &str)], args: &[&str]) -> Output {
        let home = self.path("home");
        let mut command = Command::new(self.path("headstart-cli"));
        command.env("HOME", &home).env("XDG_CACHE_HOME", &home).env("XDG_DATA_HOME", &home);
        command.env("XDG_CONFIG_HOME", &home).env_remove("HEADSTART_CUDA");
        command.env("LD_LIBRARY_PATH", self.path("driver"));
        command.envs(set.iter().copied()).args(args).output().unwrap()
    }
}

#[test]
fn what_computes_goes_on_as_the_companion_and_the_rest_does_not() {
    let it = Installed::with("null");
    for _ in 0..2 {
        let (code, stdout, stderr) = common::told(&it.run(&[], &["predict", "--model", "m", "a b.jpg"]));
        let libraries = format!("{}:{}", it.path("cuda").display(), it.path("driver").display());
        assert_eq!(stdout, format!("handed over: predict --model m a b.jpg\n{libraries}\noff\n"));
        assert_eq!((code, stderr.as_str()), (7, ""));
    }
    assert!(it.path("home/headstart/cuda.json").exists(), "it is not asked each time");
    assert!(common::done(&it.run(&[], &["backbones"])).contains("mobilenet_v2"));
    assert!(common::done(&it.run(&[], &["--version"])).starts_with("headstart-cli "));
}

#[test]
fn through_a_link_from_elsewhere_the_companion_is_found_too() {
    let it = Installed::with("null");
    std::os::unix::fs::symlink(it.path("headstart-cli"), it.path("home/hs")).unwrap();
    let mut command = Command::new(it.path("home/hs"));
    command.env("HOME", it.path("home")).env("XDG_CACHE_HOME", it.path("home"));
    command.env("LD_LIBRARY_PATH", it.path("driver")).env_remove("HEADSTART_CUDA");
    let output = command.args(["predict", "--model", "m", "a.jpg"]).output().unwrap();
    // Links into its folder are seen through, so it goes by its own name.
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn switched_off_or_without_a_driver_nothing_is_handed_over_and_devices_says_why() {
    let it = Installed::with("null");
    for (set, why) in [
        (("HEADSTART_CUDA", "off"), "switched off (HEADSTART_CUDA=off)"),
        (("LD_LIBRARY_PATH", ""), "no NVIDIA driver was found"),
    ] {
        let e = common::failed(&it.run(&[set], &["predict", "--model", "m", "a.jpg"]));
        assert!(!e.contains("handed over"), "{e}");
        let told = common::done(&it.run(&[set], &["devices"]));
        // A machine with a card may have its driver elsewhere.
        let driver =
            set.0 == "LD_LIBRARY_PATH" && std::path::Path::new("/proc/driver/nvidia/version").exists();
        assert!(driver || told.contains(why), "{told}");
    }
}

#[test]
fn a_companion_that_finds_no_card_is_told_of_and_the_work_is_done_on_the_processor() {
    let it = Installed::with(r#"{"why":"no card started","advice":"x"}"#);
    let (code, _, stderr) = common::told(&it.run(&[], &["predict", "--model", "m", "a.jpg"]));
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines[0].starts_with("On the processor: ") && lines[0].contains("no card started"), "{stderr}");
    assert!(code == 1 && lines[1].starts_with("error: "), "{stderr}");
    let told = common::done(&it.run(&[], &["devices"]));
    assert!(told.contains("does not work here: no card started"), "{told}");
}
