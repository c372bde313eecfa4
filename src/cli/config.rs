//! `spanwatch config`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Flags, output};
use crate::app::KeyMap;
use crate::app::keymap::Action;
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
    /// List every action with its keys, as [keys] names them
    Keys,
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
        ConfigCommand::Keys => output::print(&keys(&flags.setup()?.loaded.keys()))?,
        ConfigCommand::Template => output::print(config::EXAMPLE)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each action: its name, its keys, and what it does.
fn keys(map: &KeyMap) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut told: Vec<Action> = Vec::new();
    for row in map.rows() {
        let action = row.setting();
        if told.contains(&action) {
            continue;
        }
        told.push(action);
        let own = map.own().iter().find(|(known, _)| *known == action);
        let origin = own.map_or_else(String::new, |(_, origin)| format!(" ({origin})"));
        let name: &str = action.into();
        lines.push(format!("{name:<22} {:<14} {}{origin}\n", map.keys_of(action), row.help));
    }
    lines.concat()
}
