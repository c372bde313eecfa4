//! The command line: definitions, and one file for each subcommand.

mod completions;
mod config;
pub mod demo;
mod doctor;
mod flags;
mod history;
mod info;
mod output;
pub mod replay;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use flags::Flags;

/// Learns what is normal for every span and says what is abnormal.
///
/// Without a subcommand the full-screen monitor starts. Try `spanwatch demo` first: it needs no network.
#[derive(Debug, Parser)]
#[command(name = "spanwatch", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Watch a simulated exchange: no network and no backend needed
    Demo(crate::demo::DemoArgs),
    /// Check, show or write the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Judge traces in files, in event time, as fast as they can be read
    Replay(replay::ReplayArgs),
    /// List past incidents, alerts and anomalies from the store
    History(history::HistoryArgs),
    /// Try every backend, the store and the terminal, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Print the paths in use
    Info,
    /// Print a completion script for a shell
    Completions {
        /// As in: spanwatch completions bash > ~/.local/share/bash-completion/completions/spanwatch
        shell: clap_complete::Shell,
    },
}

/// Why a command failed. `Display` is one or more lines, each a sentence for standard error.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Places(#[from] crate::config::PlacesError),
    #[error(transparent)]
    Runtime(#[from] crate::runtime::RuntimeError),
    #[error("standard output: {0}")]
    Output(std::io::Error),
    #[error("{0}")]
    Sentence(String),
}

/// The whole program: 0 is success, 1 failure, 2 wrong usage, 128 + number an end by signal.
#[must_use]
pub fn main() -> ExitCode {
    crate::runtime::remember_panics_while_drawing();
    let cli = Cli::parse();
    let done = match cli.command {
        None => watch::watch(&cli.flags),
        Some(Subcommands::Demo(arguments)) => demo::demo(&arguments, &cli.flags),
        Some(Subcommands::Config(command)) => config::run(&command, &cli.flags),
        Some(Subcommands::Replay(arguments)) => replay::replay(&arguments, &cli.flags),
        Some(Subcommands::History(arguments)) => history::history(&arguments, &cli.flags),
        Some(Subcommands::Doctor(arguments)) => doctor::doctor(&arguments, &cli.flags),
        Some(Subcommands::Info) => info::info(&cli.flags),
        Some(Subcommands::Completions { shell }) => completions::completions(shell),
    };
    done.unwrap_or_else(|failure| match failure {
        // Whoever reads us has read enough (`spanwatch config show | head`).
        Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        failure => {
            output::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_short_help_fits_a_small_terminal() {
        let help = Cli::command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 24, "{} lines:\n{help}", help.lines().count());
    }
}
