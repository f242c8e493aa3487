//! One download: from what is here already to the whole file, checked.

use super::cache::{create_parent, is_sha256};
use super::client::{Hub, Metadata, broken, failed};
use crate::backbones::HubFile;
use crate::engine::Control;
use crate::error::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::http::header;

/// Bytes read at once.
const CHUNK: usize = 1 << 16;
/// Longest sleep without a look at the switches.
const NAP: Duration = Duration::from_millis(50);

impl Hub {
    /// Downloads `file` into the cache, unless it is there; returns its path there. What an earlier attempt left is continued.
    /// `progress` is told `(bytes here, bytes in all)`.
    ///
    /// # Errors
    /// If the hub cannot be reached, refuses the file or sends another one, the disk is full, or `control` was cancelled. What
    /// has arrived by then is kept, unless it is wrong.
    pub fn download(
        &self,
        file: &HubFile,
        control: &Control,
        progress: &dyn Fn(u64, u64),
    ) -> Result<PathBuf> {
        if let Some(here) = self.cache.find(file) {
            return Ok(here);
        }
        control.checkpoint()?;
        let metadata = self.metadata(file)?;
        if let Some(known) = file.sha256.filter(|known| *known != metadata.digest) {
            return Err(failed(format!(
                "{} holds another file than the known one now (SHA-256 {}, known {known})",
                file.repository, metadata.digest
            ))
            .with_hint("Look whether there is a newer Headstart, or download the file with a browser"));
        }
        let _lock = self.cache.lock(file, &metadata.digest, control)?;
        let blob = self.cache.blob(file, &metadata.digest);
        if !blob.is_file() {
            create_parent(&blob)?;
            self.complete(file, &metadata, &blob, control, progress)?;
        }
        self.cache.publish(file, &metadata.commit, &metadata.digest)
    }

    fn complete(
        &self,
        file: &HubFile,
        metadata: &Metadata,
        blob: &Path,
        control: &Control,
        progress: &dyn Fn(u64, u64),
    ) -> Result<()> {
        let mut part = Part::open(blob, control)?;
        let (mut left, wait) = self.retries;
        while part.len < metadata.size {
            progress(part.len, metadata.size);
            let before = part.len;
            match self.receive(file, metadata.size, &mut part, control, progress) {
                Ok(()) => {}
                Err(e) => {
                    left = if part.len > before { self.retries.0 } else { left };
                    if !e.may_pass || left == 0 {
                        return Err(e.error);
                    }
                    left -= 1;
                    tracing::warn!("{}", e.error);
                    sleep(wait, control)?;
                }
            }
        }
        progress(metadata.size, metadata.size);
        part.finish(metadata, blob)
    }

    /// Asks for the rest and takes what comes.
    fn receive(
        &self,
        file: &HubFile,
        size: u64,
        part: &mut Part,
        control: &Control,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), Broken> {
        let answer = self.bytes(file, part.len).map_err(Broken::passing)?;
        let text = |name| answer.headers().get(name).and_then(|v| v.to_str().ok());
        let continues = answer.status() == 206
            && text(header::CONTENT_RANGE).is_some_and(|r| r.starts_with(&format!("bytes {}-", part.len)));
        if part.len > 0 && !continues {
            // It sends all of it, or has less than is here.
            part.begin_anew()?;
            if answer.status() == 416 {
                return Ok(());
            }
        }
        let mut body = answer.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            control.checkpoint()?;
            let n = body.read(&mut chunk).map_err(|e| Broken::passing(interrupted(e, file)))?;
            let bytes = chunk.get(..n).unwrap_or_default();
            if n == 0 && part.len < size {
                return Err(Broken::passing(interrupted(std::io::ErrorKind::UnexpectedEof.into(), file)));
            }
            if n == 0 {
                return Ok(());
            }
            if part.len + n as u64 > size {
                part.begin_anew()?;
                return Err(Broken::lasting(
                    failed(format!("more bytes came than {} has", file.file))
                        .with_hint("Check HF_ENDPOINT and the proxy, and try again"),
                ));
            }
            part.add(bytes)?;
            progress(part.len, size);
        }
    }
}

fn interrupted(e: std::io::Error, file: &HubFile) -> Error {
    let why = broken(ureq::Error::from(e), file.repository);
    failed(format!("the connection broke: {}", why.what())).with_hint("Try again: it goes on where it ended")
}

fn sleep(wait: Duration, control: &Control) -> Result<()> {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        control.checkpoint()?;
        std::thread::sleep(NAP);
    }
    Ok(())
}

/// Why an attempt ended.
struct Broken {
    error: Error,
    /// Another attempt may fare better.
    may_pass: bool,
}

impl Broken {
    fn passing(error: Error) -> Self {
        Self { error, may_pass: true }
    }

    fn lasting(error: Error) -> Self {
        Self { error, may_pass: false }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::lasting(error)
    }
}

/// What has arrived of a file, with the digest of it so far.
struct Part {
    path: PathBuf,
    file: File,
    len: u64,
    hasher: Sha256,
}

impl Part {
    /// What an earlier attempt left for `blob`, which is read once for its digest.
    fn open(blob: &Path, control: &Control) -> Result<Self> {
        let mut path = blob.as_os_str().to_owned();
        path.push(".incomplete");
        let path = PathBuf::from(path);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(|e| Error::io("write to the cache", &path, &e))?;
        let mut part = Self { path, file, len: 0, hasher: Sha256::new() };
        let mut chunk = vec![0; CHUNK];
        loop {
            control.checkpoint()?;
            let n = part.file.read(&mut chunk).map_err(|e| Error::io("read", &part.path, &e))?;
            if n == 0 {
                return Ok(part);
            }
            part.hasher.update(chunk.get(..n).unwrap_or_default());
            part.len += n as u64;
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io("write the download", &self.path, &e))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn begin_anew(&mut self) -> Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|e| Error::io("write to the cache", &self.path, &e))?;
        (self.len, self.hasher) = (0, Sha256::new());
        Ok(())
    }

    /// Gives the whole file its name, if it is the one that the hub spoke of.
    fn finish(self, metadata: &Metadata, blob: &Path) -> Result<()> {
        let digest: String = self.hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let wrong = self.len != metadata.size || is_sha256(&metadata.digest) && digest != metadata.digest;
        if wrong {
            // What is wrong must not be continued.
            std::fs::remove_file(&self.path).map_err(|e| Error::io("remove", &self.path, &e))?;
            return Err(failed(format!(
                "what arrived is not the file that was promised (SHA-256 {digest}, promised {})",
                metadata.digest
            ))
            .with_hint("It was deleted. Try again; if it happens again, look at the proxy or HF_ENDPOINT"));
        }
        self.file.sync_all().map_err(|e| Error::io("write the download", &self.path, &e))?;
        std::fs::rename(&self.path, blob).map_err(|e| Error::io("write the download", blob, &e))
    }
}
