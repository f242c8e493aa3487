//! The command line: the same jobs as the window, for scripts, servers and tests.
//!
//! Exit status 0 for done, 1 for failed with the reason on standard error, 2 for a wrong command line. One file a command.

mod backbones;
mod bench;
mod compare;
mod devices;
mod download;
mod evaluate;
mod export;
mod find_rate;
mod inspect;
mod job;
mod output;
mod predict;
mod progress;
mod sample;
mod tables;
mod train;

use crate::engine::companion::{self, Companion};
use clap::{Parser, Subcommand};
use output::{Failure, Out};
use std::io::Write as _;
use std::process::ExitCode;

/// Transfer learning on your own pictures, without a window.
#[derive(Debug, Parser)]
#[command(name = "headstart-cli", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is in a folder of pictures, and what is wrong with it.
    Inspect(inspect::Args),
    /// Train a classifier on a folder of pictures.
    Train(Box<train::Args>),
    /// Judge a trained model on a folder of labelled pictures.
    Evaluate(evaluate::Args),
    /// Compare a run's pictures by its model: doubtful labels, and what is unlike anything in training.
    Compare(compare::Args),
    /// Classify pictures.
    Predict(predict::Args),
    /// Take a trained model away.
    Export(export::Args),
    /// List the networks that can be trained.
    Backbones(backbones::Args),
    /// List where the work can be done on this machine, and why not elsewhere.
    Devices(devices::Args),
    /// Write the sample pictures into a new folder.
    Sample(sample::Args),
    /// Measure how fast this machine is.
    Bench(bench::Args),
}

impl Command {
    /// Goes on as the build for NVIDIA cards where that is beside this one and works, for what a card is good for. Where it should work and
    /// does not, says so, and `None` as always.
    fn with_a_card(&self) -> Option<ExitCode> {
        let asks = matches!(self, Self::Devices(_));
        let computes = matches!(
            self,
            Self::Train(_) | Self::Evaluate(_) | Self::Compare(_) | Self::Predict(_) | Self::Bench(_)
        );
        if !asks && !computes {
            return None;
        }
        let status = companion::hand_over(asks);
        if computes && let found @ (Companion::Refused(_) | Companion::Fails(_)) = companion::found() {
            let why = found.why_not().map_or_else(String::new, |(why, _)| why);
            let _ = writeln!(std::io::stderr(), "On the processor: {why}. See `headstart-cli devices`");
        }
        status
    }
}

/// Runs the program on its command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to standard output and are no failure; a closed pipe there is none either.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    if let Some(status) = cli.command.with_a_card() {
        return status;
    }
    let mut out = Out::new(std::io::stdout().lock());
    let result = match &cli.command {
        Command::Inspect(args) => inspect::run(args, &mut out),
        Command::Train(args) => train::run(args, &mut out),
        Command::Evaluate(args) => evaluate::run(args, &mut out),
        Command::Compare(args) => compare::run(args, &mut out),
        Command::Predict(args) => predict::run(args, &mut out),
        Command::Export(args) => export::run(args, &mut out),
        Command::Backbones(args) => backbones::run(args, &mut out),
        Command::Devices(args) => devices::run(args, &mut out),
        Command::Sample(args) => sample::run(args, &mut out),
        Command::Bench(args) => bench::run(args, &mut out),
    };
    match result.and_then(|()| out.flush()) {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Failed(e)) => {
            let _ = writeln!(std::io::stderr(), "error: {e}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
