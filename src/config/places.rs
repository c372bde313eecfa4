//! Where files are.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// The directories of this user, after the XDG base directory specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `$XDG_CONFIG_HOME/spanwatch/config.toml`
    pub user_config: PathBuf,
    /// `/etc/spanwatch/config.toml`
    pub system_config: PathBuf,
    /// `$XDG_DATA_HOME/spanwatch`: what was learnt.
    pub data: PathBuf,
    /// `$XDG_STATE_HOME/spanwatch`: logs and what the screens remember.
    pub state: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    #[error("no home directory is known; set HOME, or name the store with --store-dir")]
    Homeless,
    #[error("{path}: cannot be created ({error}); make it writable, or name another with --store-dir")]
    Uncreatable { path: String, error: io::Error },
}

impl Places {
    /// # Errors
    /// Without a home directory.
    pub fn of_user() -> Result<Self, PlacesError> {
        let dirs = ProjectDirs::from("", "", "spanwatch").ok_or(PlacesError::Homeless)?;
        let data = dirs.data_dir().to_owned();
        Ok(Self {
            user_config: dirs.config_dir().join("config.toml"),
            system_config: PathBuf::from("/etc/spanwatch/config.toml"),
            state: dirs.state_dir().map_or_else(|| data.clone(), Path::to_owned),
            data,
        })
    }

    /// Where baselines live unless `store.dir` says otherwise.
    #[must_use]
    pub fn default_store(&self) -> PathBuf {
        self.data.join("store")
    }
}

/// Creates a directory that only its owner may read: span names and notes are nobody else's business.
///
/// # Errors
/// With the path, when it cannot be created.
pub fn own_directory(path: &Path) -> Result<(), PlacesError> {
    let create = || DirBuilder::new().recursive(true).mode(0o700).create(path);
    let is_directory = || fs::metadata(path).is_ok_and(|found| found.is_dir());
    if is_directory() {
        return Ok(());
    }
    create().map_err(|error| PlacesError::Uncreatable { path: path.display().to_string(), error })
}
