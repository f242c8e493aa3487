//! Asking a program something, with a limit to how long it may take and how much it may say.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// More than this is not read of an answer.
const MOST: u64 = 1 << 20;
/// How often it is looked whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What a program that has ended said last arrives within this.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a program wrote to its standard output, if it ended well within `limit`.
///
/// # Errors
/// In a few words, why it gave no answer.
pub(super) fn ask(command: &mut Command, limit: Duration) -> Result<String, String> {
    let started = Instant::now();
    let pipes = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().map_err(|e| e.to_string())?;
    let (answer, complaint) = (listen(child.stdout.take()), listen(child.stderr.take()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < limit => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                end(&mut child);
                return Err(format!("it did not answer within {:.0} s", limit.as_secs_f64().ceil()));
            }
            Err(e) => {
                end(&mut child);
                return Err(e.to_string());
            }
        }
    };
    if status.success() {
        return Ok(answer.recv_timeout(LAST_WORDS).unwrap_or_default());
    }
    let complaint = complaint.recv_timeout(LAST_WORDS).unwrap_or_default();
    match complaint.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => Err(line.trim().to_owned()),
        None => Err(format!("it ended with {status}")),
    }
}

/// Reads on a thread of its own: a program that does not end keeps its output open, and so may what it started.
fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before a failure is told.
            let _ = pipe.take(MOST).read_to_end(&mut bytes);
        }
        // Nobody waits any more for a program that took too long.
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    told
}

fn end(child: &mut Child) {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn asked(script: &str, limit_ms: u64) -> Result<String, String> {
        ask(Command::new("/bin/sh").args(["-c", script]), Duration::from_millis(limit_ms))
    }

    #[test]
    fn an_answer_is_what_was_written_by_a_program_that_ended_well() {
        assert_eq!(asked("echo here; echo aside >&2", 5000).unwrap(), "here\n");
        assert_eq!(
            asked("echo x; echo >&2; echo '  why ' >&2; echo advice >&2; exit 3", 5000).unwrap_err(),
            "why"
        );
        assert!(asked("exit 3", 5000).unwrap_err().contains("3"));
        assert!(asked("kill -SEGV $$", 5000).unwrap_err().contains("11"));
        let missing = ask(&mut Command::new("/no/such/program"), Duration::from_secs(5));
        assert!(missing.unwrap_err().contains("No such file"));
    }

    #[test]
    fn a_program_that_hangs_is_ended_also_where_another_keeps_its_output_open() {
        let started = Instant::now();
        let e = asked("sleep 20 & sleep 20", 200).unwrap_err();
        assert!(e.contains("did not answer") && started.elapsed() < Duration::from_secs(10), "{e}");
        // What it started holds the output open.
        let answer = asked("sleep 3 & echo done", 5000);
        assert!(answer.is_ok() && started.elapsed() < Duration::from_secs(10));
    }
}
