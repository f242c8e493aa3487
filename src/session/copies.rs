//! Copies of classified pictures, in folders named after their classes.

use super::places::check_outside;
use crate::error::{Error, Result};
use crate::export::atomic::without_place;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The folder that the classes' folders are in.
    pub out: PathBuf,
    /// How many pictures were copied.
    pub copied: usize,
    /// How many were there already, with the same content.
    pub present: usize,
    /// Why others could not be read.
    pub failed: Vec<Error>,
}

/// Copies each picture into the folder of its class in `out`. What is there already stays as it is: where a name is taken, the copy
/// gets a number.
///
/// # Errors
/// If `out` lies in `data`, cannot be written to, or `progress` stops it; whole copies made until then stay.
pub(super) fn copy_by_class(
    pictures: &[(PathBuf, String)],
    out: &Path,
    data: Option<&Path>,
    progress: crate::data::Progress<'_>,
) -> Result<Copied> {
    if let Some(data) = data {
        check_outside("the copies", out, data)?;
    }
    let mut done = Copied { out: out.to_path_buf(), copied: 0, present: 0, failed: Vec::new() };
    for (i, (picture, class)) in pictures.iter().enumerate() {
        progress(i, pictures.len())?;
        let folder = out.join(folder_name(class));
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, &e))?;
        match File::open(picture) {
            Ok(source) => match copy(source, picture, &folder)? {
                true => done.copied += 1,
                false => done.present += 1,
            },
            Err(e) => done.failed.push(Error::io("read the picture", picture, &e)),
        }
    }
    progress(pictures.len(), pictures.len())?;
    Ok(done)
}

/// Whether a copy was made; it is not where one is there already.
fn copy(mut source: File, picture: &Path, folder: &Path) -> Result<bool> {
    let io = |e: std::io::Error| Error::io("copy the picture to", folder, &without_place(e));
    // Written beside first: a copy is whole or not there.
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    std::io::copy(&mut source, &mut beside).map_err(io)?;
    for number in 1.. {
        let place = folder.join(numbered(picture, number));
        if same_content(&place, beside.path()) {
            return Ok(false);
        }
        match beside.persist_noclobber(&place) {
            Ok(_) => return Ok(true),
            Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => beside = e.file,
            Err(e) => return Err(io(e.error)),
        }
    }
    Ok(false)
}

/// `leaf.jpg`, `leaf (2).jpg` and so on.
fn numbered(picture: &Path, number: usize) -> String {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
    let stem = text(picture.file_stem()).unwrap_or_else(|| "picture".to_owned());
    let extension = text(picture.extension()).map_or(String::new(), |e| format!(".{e}"));
    if number == 1 { format!("{stem}{extension}") } else { format!("{stem} ({number}){extension}") }
}

fn same_content(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (File::open(a), File::open(b)) else { return false };
    let length = |f: &File| f.metadata().map(|m| m.len()).ok();
    if length(&a).is_none() || length(&a) != length(&b) {
        return false;
    }
    let mut b = BufReader::new(b).bytes();
    BufReader::new(a).bytes().all(|x| matches!((x, b.next()), (Ok(x), Some(Ok(y))) if x == y))
}

/// A class's name as a folder's name on every system.
fn folder_name(class: &str) -> String {
    const RESERVED: [&str; 22] = [
        "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
        "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
    ];
    let plain = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
    let name: String = class.chars().map(plain).collect();
    let name = name.trim().trim_end_matches('.');
    let taken =
        RESERVED.iter().any(|r| name.split('.').next().is_some_and(|stem| stem.eq_ignore_ascii_case(r)));
    if name.is_empty() || taken || name.starts_with('.') { format!("_{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(dir: &Path, name: &str, content: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn run(pictures: &[(PathBuf, String)], out: &Path) -> Result<Copied> {
        copy_by_class(pictures, out, None, &|_, _| Ok(()))
    }

    #[test]
    fn pictures_of_one_name_do_not_overwrite_each_other_and_the_same_one_is_copied_once() {
        let t = tempfile::tempdir().unwrap();
        let of = |folder: &str, content: &str| picture(t.path(), &format!("{folder}/leaf.jpg"), content);
        let pictures = [
            (of("a", "one"), "oak".to_owned()),
            (of("b", "two"), "oak".to_owned()),
            (of("c", "one"), "oak".to_owned()),
            (of("d", "one"), "ash".to_owned()),
            (t.path().join("gone.jpg"), "ash".to_owned()),
        ];
        let out = t.path().join("out");
        let first = run(&pictures, &out).unwrap();
        assert_eq!((first.copied, first.present, first.failed.len()), (3, 1, 1));
        assert!(first.failed[0].to_string().contains("gone.jpg"));
        let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(
            [read("oak/leaf.jpg"), read("oak/leaf (2).jpg"), read("ash/leaf.jpg")],
            ["one", "two", "one"]
        );
        let again = run(&pictures, &out).unwrap();
        assert_eq!((again.copied, again.present), (0, 4));
        assert_eq!(std::fs::read_dir(out.join("oak")).unwrap().count(), 2, "nothing is left beside");
    }

    #[test]
    fn a_class_is_never_a_way_out_of_the_folder() {
        for (class, want) in [
            ("../../etc", "_.._.._etc"),
            ("a/b", "a_b"),
            ("con", "_con"),
            ("aux.x", "_aux.x"),
            (" . ", "_"),
            ("Ahorn · süß", "Ahorn · süß"),
        ] {
            assert_eq!(folder_name(class), want);
        }
    }

    #[test]
    fn copies_are_not_written_among_the_pictures_that_are_learned_from() {
        let t = tempfile::tempdir().unwrap();
        let one = [(picture(t.path(), "data/oak/1.jpg", "x"), "oak".to_owned())];
        let data = t.path().join("data");
        let refused = copy_by_class(&one, &data.join("sorted"), Some(&data), &|_, _| Ok(())).unwrap_err();
        assert!(refused.to_string().contains("never written to"), "{refused}");
        assert!(!data.join("sorted").exists());
    }

    #[test]
    fn stopping_keeps_whole_copies_only() {
        let t = tempfile::tempdir().unwrap();
        let pictures: Vec<_> =
            (0..4).map(|i| (picture(t.path(), &format!("{i}.png"), "x"), "oak".to_owned())).collect();
        let out = t.path().join("out");
        let stop = |done, _| if done == 2 { Err(Error::cancelled()) } else { Ok(()) };
        assert!(copy_by_class(&pictures, &out, None, &stop).unwrap_err().is_cancelled());
        assert_eq!(std::fs::read_dir(out.join("oak")).unwrap().count(), 2);
    }
}
