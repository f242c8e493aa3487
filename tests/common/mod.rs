//! What the tests of the command line share: the program, and tiny folders of pictures.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs `headstart-cli`, away from the user's own folders.
pub(crate) fn cli<S: AsRef<std::ffi::OsStr>>(home: &Path, args: impl IntoIterator<Item = S>) -> Output {
    command(home).args(args).output().expect("the program starts")
}

/// `headstart-cli`, away from the user's own folders.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headstart-cli"));
    command.env("HOME", home).env("XDG_DATA_HOME", home).env("XDG_CONFIG_HOME", home);
    command.env_remove("HEADSTART_WEIGHTS");
    command
}

/// The exit status, standard output and standard error.
pub(crate) fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Standard output of a run that must have gone well.
pub(crate) fn done(output: &Output) -> String {
    let (code, stdout, stderr) = told(output);
    assert_eq!(code, 0, "standard error: {stderr}\nstandard output: {stdout}");
    stdout
}

/// The one line of standard error of a run that must have failed.
pub(crate) fn failed(output: &Output) -> String {
    let (code, stdout, stderr) = told(output);
    assert_eq!(code, 1, "standard error: {stderr}\nstandard output: {stdout}");
    assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{stderr}");
    stderr
}

/// Two classes of six pictures of 24 x 24 pixels that differ in colour: `dark` and `light`.
pub(crate) fn tiny_pictures(dir: &Path) {
    for (class, level) in [("dark", 40u8), ("light", 200u8)] {
        let folder = dir.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..6u8 {
            let picture = image::RgbImage::from_fn(24, 24, |x, y| {
                let noise = (x as u8).wrapping_mul(7) ^ (y as u8).wrapping_mul(13) ^ n.wrapping_mul(31);
                image::Rgb([level + noise % 16, level + noise % 11, level])
            });
            picture.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
}
