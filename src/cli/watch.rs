//! `spanwatch`: the monitor in full screen.

use std::process::ExitCode;

use super::{Failure, Flags};

pub fn watch(flags: &Flags) -> Result<ExitCode, Failure> {
    flags.setup()?;
    Ok(ExitCode::SUCCESS)
}
