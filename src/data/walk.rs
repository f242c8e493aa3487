//! Walking a data folder: every file is either a picture of a class or left out for a reason.

use super::Progress;
use super::decode::may_be_picture;
use super::scan::{EXPECTED, Layout, SkipReason, Skipped, natural};
use super::split::Split;
use crate::error::{Error, Result, count};
use std::collections::HashSet;
use std::fs::{DirEntry, FileType};
use std::path::{Path, PathBuf};

/// How often progress is told, in files.
const PROGRESS_EVERY: usize = 512;

/// A folder or file below the root.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Path relative to the root, with `/`.
    pub(super) rel: String,
    /// Last part of it.
    pub(super) name: String,
    /// Reached through a link.
    is_link: bool,
}

/// A picture file of a class.
#[derive(Debug)]
pub(super) struct Found {
    /// Path relative to the root, with `/`.
    pub(super) rel: String,
    /// Name of its class.
    pub(super) class: String,
    /// Part that its folder says; [`Split::Train`] where folders say nothing.
    pub(super) split: Split,
}

/// What a folder contains, in natural order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Folders, and links to folders.
    dirs: Vec<Entry>,
    /// Files with a picture's name or content.
    pictures: Vec<Entry>,
}

/// The walk's state.
pub(super) struct Walk<'a> {
    /// The data folder.
    pub(super) root: PathBuf,
    /// Pictures so far.
    pub(super) found: Vec<Found>,
    /// Files and folders left out so far.
    pub(super) skipped: Vec<Skipped>,
    /// Class folders: path, class name and part.
    pub(super) class_dirs: Vec<(String, String, Split)>,
    /// Real paths of the folders that were read: each is read once.
    visited: HashSet<PathBuf>,
    /// Links to folders, followed after all real folders, with class and split.
    links: Vec<(Entry, String, Split)>,
    seen: usize,
    progress: Progress<'a>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: &Path, progress: Progress<'a>) -> Self {
        Self {
            root: root.to_path_buf(),
            found: Vec::new(),
            skipped: Vec::new(),
            class_dirs: Vec::new(),
            visited: HashSet::new(),
            links: Vec::new(),
            seen: 0,
            progress,
        }
    }

    fn skip(&mut self, rel: impl Into<String>, reason: SkipReason) {
        self.skipped.push(Skipped { rel: rel.into(), reason });
    }

    /// The root's content; what cannot be read there is an error.
    pub(super) fn list_root(&mut self) -> Result<Listing> {
        let root = self.root.clone();
        self.visited.extend(root.canonicalize());
        let entries = std::fs::read_dir(&root).map_err(|e| Error::io("read the data folder", &root, &e))?;
        self.classify("", entries)
    }

    /// A folder's content; if it cannot be read, it is left out.
    fn list(&mut self, rel: &str) -> Result<Listing> {
        match std::fs::read_dir(self.root.join(rel)) {
            Ok(entries) => self.classify(rel, entries),
            Err(e) => {
                let class = self.class_dirs.iter().find(|(dir, ..)| dir == rel).map(|(_, class, _)| class);
                let reason = match class {
                    Some(class) => SkipReason::ClassUnreadable(class.clone(), e.to_string()),
                    None => SkipReason::Unreadable(e.to_string()),
                };
                self.skip(rel, reason);
                Ok(Listing::default())
            }
        }
    }

    fn classify(&mut self, parent: &str, entries: std::fs::ReadDir) -> Result<Listing> {
        let mut listing = Listing::default();
        for entry in entries {
            match entry {
                Ok(entry) => self.classify_entry(parent, &entry, &mut listing)?,
                Err(e) => self.skip(parent, SkipReason::Unreadable(e.to_string())),
            }
        }
        listing.dirs.sort_by(|a, b| natural(&a.rel, &b.rel));
        listing.pictures.sort_by(|a, b| natural(&a.rel, &b.rel));
        Ok(listing)
    }

    fn classify_entry(&mut self, parent: &str, entry: &DirEntry, listing: &mut Listing) -> Result<()> {
        self.seen += 1;
        if self.seen.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(self.seen, self.seen)?;
        }
        let os_name = entry.file_name();
        let lossy = os_name.to_string_lossy();
        let rel = if parent.is_empty() { lossy.to_string() } else { format!("{parent}/{lossy}") };
        let Some(name) = os_name.to_str() else {
            self.skip(rel, SkipReason::Unreadable("its name is not valid Unicode; rename it".into()));
            return Ok(());
        };
        if is_hidden(name) {
            self.skip(rel, SkipReason::Hidden);
            return Ok(());
        }
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(e) => {
                self.skip(rel, SkipReason::Unreadable(e.to_string()));
                return Ok(());
            }
        };
        let Some((kind, is_link)) = self.resolve(&rel, kind) else { return Ok(()) };
        let found = Entry { rel, name: name.to_owned(), is_link };
        if kind.is_dir() {
            listing.dirs.push(found);
        } else if !kind.is_file() {
            self.skip(found.rel, SkipReason::NotAnImage);
        } else if may_be_picture(&entry.path()) {
            listing.pictures.push(found);
        } else {
            self.skip(found.rel, SkipReason::NotAnImage);
        }
        Ok(())
    }

    /// What a link points to.
    fn resolve(&mut self, rel: &str, kind: FileType) -> Option<(FileType, bool)> {
        if !kind.is_symlink() {
            return Some((kind, false));
        }
        match std::fs::metadata(self.root.join(rel)) {
            Ok(target) => Some((target.file_type(), true)),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                self.skip(rel, SkipReason::Unreadable(e.to_string()));
                None
            }
            Err(_) => {
                self.skip(rel, SkipReason::BrokenLink);
                None
            }
        }
    }

    /// Notes the real folder behind `rel` as read; false, with the reason noted, where it was read before.
    fn enter(&mut self, rel: &str) -> bool {
        let path = self.root.join(rel);
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(e) => {
                self.skip(rel, SkipReason::Unreadable(e.to_string()));
                return false;
            }
        };
        // The folder that holds the link: a link that leads above it would never end.
        let holder = path.parent().and_then(|p| p.canonicalize().ok());
        if holder.is_some_and(|h| h.starts_with(&real)) {
            self.skip(rel, SkipReason::BrokenLink);
            return false;
        }
        let fresh = self.visited.insert(real);
        if !fresh {
            let why = "a link to a folder that is read already";
            self.skip(rel, SkipReason::Unreadable(why.into()));
        }
        fresh
    }

    /// Reads one class folder and all below it.
    pub(super) fn class_dir(&mut self, dir: Entry, split: Split) -> Result<()> {
        let class = dir.name.clone();
        self.class_dirs.push((dir.rel.clone(), class.clone(), split));
        if dir.is_link {
            self.links.push((dir, class, split));
            return Ok(());
        }
        self.tree(dir.rel, &class, split)
    }

    fn tree(&mut self, rel: String, class: &str, split: Split) -> Result<()> {
        let mut pending = vec![rel];
        while let Some(rel) = pending.pop() {
            if !self.enter(&rel) {
                continue;
            }
            let listing = self.list(&rel)?;
            let found = |p: Entry| Found { rel: p.rel, class: class.to_owned(), split };
            self.found.extend(listing.pictures.into_iter().map(found));
            for dir in listing.dirs {
                if dir.is_link {
                    self.links.push((dir, class.to_owned(), split));
                } else {
                    pending.push(dir.rel);
                }
            }
        }
        Ok(())
    }

    /// Reads every folder for pictures, whatever the folders are called.
    pub(super) fn everything(&mut self, top: Listing) -> Result<()> {
        let found = |p: Entry| Found { rel: p.rel, class: String::new(), split: Split::Train };
        self.found.extend(top.pictures.into_iter().map(found));
        for dir in top.dirs {
            if dir.is_link {
                self.links.push((dir, String::new(), Split::Train));
            } else {
                self.tree(dir.rel, "", Split::Train)?;
            }
        }
        self.follow_links()
    }

    /// Reads the folders behind links that no real folder has led to.
    pub(super) fn follow_links(&mut self) -> Result<()> {
        while !self.links.is_empty() {
            for (dir, class, split) in std::mem::take(&mut self.links) {
                self.tree(dir.rel, &class, split)?;
            }
        }
        (self.progress)(self.seen.max(1), self.seen.max(1))
    }

    /// Leaves out what lies where class folders are expected.
    fn misplaced(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.skip(entry.rel, SkipReason::Misplaced);
        }
    }
}

/// Which folders are classes.
pub(super) struct Plan {
    /// How the folder is laid out.
    pub(super) layout: Layout,
    /// Whether the folder has a validation part of its own.
    pub(super) has_val: bool,
    /// Class folders with their part.
    pub(super) class_dirs: Vec<(Entry, Split)>,
}

impl Plan {
    /// Decides the layout from the root's content.
    pub(super) fn of(walk: &mut Walk<'_>, top: Listing) -> Result<Self> {
        walk.misplaced(top.pictures);
        let part = |e: &Entry| part_of(&e.name);
        let has = |s: Split| top.dirs.iter().any(|d| part(d) == Some(s));
        let only_parts = top.dirs.iter().all(|d| part(d).is_some());
        if !(has(Split::Train) && (has(Split::Val) || only_parts)) {
            let class_dirs = top.dirs.into_iter().map(|d| (d, Split::Train)).collect();
            return Ok(Self { layout: Layout::ClassFolders, has_val: false, class_dirs });
        }
        let has_val = has(Split::Val);
        let mut parts = Vec::new();
        let mut train_pictures = 0;
        for dir in top.dirs {
            let Some(split) = part_of(&dir.name) else {
                walk.skip(dir.rel, SkipReason::Misplaced);
                continue;
            };
            if !walk.enter(&dir.rel) {
                continue;
            }
            let listing = walk.list(&dir.rel)?;
            if split == Split::Train && listing.dirs.is_empty() {
                train_pictures += listing.pictures.len();
            }
            walk.misplaced(listing.pictures);
            parts.extend(listing.dirs.into_iter().map(|d| (d, split)));
        }
        if !parts.iter().any(|(_, split)| *split == Split::Train) {
            let what = format!(
                "train/ holds no class folders ({} directly in it)",
                count(train_pictures, "picture lies", "pictures lie")
            );
            return Err(Error::input(what).with_path(&walk.root).with_hint(EXPECTED));
        }
        Ok(Self { layout: Layout::SplitFolders, has_val, class_dirs: parts })
    }
}

/// The part that a name means, in capital letters or not.
pub(super) fn part_of(name: &str) -> Option<Split> {
    match name.to_lowercase().as_str() {
        "train" => Some(Split::Train),
        "val" | "valid" | "validation" => Some(Split::Val),
        "test" => Some(Split::Test),
        _ => None,
    }
}

/// Whether a file or folder is hidden, or belongs to an operating system or file manager.
pub fn is_hidden(name: &str) -> bool {
    const SYSTEM: [&str; 8] = [
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "__macosx",
        "@eadir",
        "$recycle.bin",
        "system volume information",
    ];
    name.starts_with('.') || SYSTEM.contains(&name.to_lowercase().as_str())
}
