//! `spanwatch config`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Flags, output};
use crate::config;

#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Say every mistake in the configuration, with its place
    Check,
    /// Print the values in effect; secrets are masked
    Show {
        /// Say beside each value where it was written
        #[arg(long)]
        origin: bool,
    },
    /// Print a file with every key, its meaning and its default
    Template,
}

pub fn run(command: &ConfigCommand, flags: &Flags) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Check => {
            let setup = flags.setup()?;
            let files: Vec<String> = setup.files.iter().map(|file| file.display().to_string()).collect();
            let read = if files.is_empty() { "no file, defaults".into() } else { files.join(", ") };
            output::print(&format!("The configuration is good ({read}).\n"))?;
        }
        ConfigCommand::Show { origin } => output::print(&config::show(&flags.setup()?.loaded, *origin))?,
        ConfigCommand::Template => output::print(config::EXAMPLE)?,
    }
    Ok(ExitCode::SUCCESS)
}
