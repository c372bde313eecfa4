//! `spanwatch info`

use std::fmt::Write;
use std::process::ExitCode;

use super::{Failure, Flags, output};
use crate::config::Places;

pub fn info(flags: &Flags) -> Result<ExitCode, Failure> {
    let places = Places::of_user()?;
    let mut text = format!("spanwatch     {}\n", env!("CARGO_PKG_VERSION"));
    let named = flags.config.as_ref();
    for (label, path) in match named {
        Some(path) => vec![("config", path)],
        None => vec![("user config", &places.user_config), ("system config", &places.system_config)],
    } {
        let there = if path.exists() { "" } else { "  (not there)" };
        _ = writeln!(text, "{label:<13} {}{there}", path.display());
    }
    // Paths must be told even when the configuration cannot be used: they show which file to mend.
    let store = flags.setup();
    let dir = store.as_ref().map_or_else(|_| places.default_store(), |setup| setup.store_dir.clone());
    _ = writeln!(text, "{:<13} {}", "store", dir.display());
    output::print(&text)?;
    store.map(|_| ExitCode::SUCCESS)
}
