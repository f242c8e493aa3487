//! Standard output that may be closed at any time, as by `| head`.

use crate::error::Error;
use serde::Serialize;
use std::fmt::Display;
use std::io::{BufWriter, ErrorKind, Write};

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// It failed; the reason is for standard error.
    Failed(Error),
    /// Nobody reads the output any more, which is no error.
    OutputClosed,
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(Error::io("write", "standard output", &e)),
        }
    }
}

pub(super) type CliResult<T = ()> = Result<T, Failure>;

/// Standard output, line by line.
pub(super) struct Out<'a> {
    writer: BufWriter<Box<dyn Write + 'a>>,
}

impl<'a> Out<'a> {
    pub(super) fn new(writer: impl Write + 'a) -> Self {
        Self { writer: BufWriter::new(Box::new(writer)) }
    }

    /// Writes one line.
    pub(super) fn line(&mut self, text: impl Display) -> CliResult {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// Writes one value as JSON, on several lines.
    pub(super) fn json(&mut self, value: &impl Serialize) -> CliResult {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::internal(format!("could not write JSON ({e})")))?;
        self.line(text)
    }

    /// Writes one value as one line of JSON and sends it at once, for a program that follows the work.
    pub(super) fn json_line(&mut self, value: &impl Serialize) -> CliResult {
        let text = serde_json::to_string(value)
            .map_err(|e| Error::internal(format!("could not write JSON ({e})")))?;
        self.line(text)?;
        self.flush()
    }

    /// Sends what was written.
    pub(super) fn flush(&mut self) -> CliResult {
        Ok(self.writer.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_ends_the_work_without_an_error() {
        let mut out = Out::new(Closed);
        assert!(matches!(out.json_line(&1), Err(Failure::OutputClosed)));
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = std::io::Error::from(ErrorKind::StorageFull);
        assert!(
            matches!(Failure::from(full), Failure::Failed(e) if e.to_string().contains("standard output"))
        );
    }
}
