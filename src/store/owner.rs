//! Who owns a store. sled lets one process in and tells the next one only "could not acquire lock"; a small file beside
//! it gives the name for the sentence.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::domain::text;

fn file(dir: &Path) -> PathBuf {
    dir.join("owner")
}

/// Notes this process as the owner. Failing to is no reason not to work.
pub fn note(dir: &Path, since: DateTime<Utc>) {
    let user = std::env::var("USER").unwrap_or_else(|_| rustix::process::getuid().as_raw().to_string());
    let line = format!("pid {} of {user}, since {}\n", std::process::id(), since.format("%Y-%m-%d %H:%MZ"));
    let _ = fs::write(file(dir), line);
}

/// Takes the note back.
pub fn clear(dir: &Path) {
    let _ = fs::remove_file(file(dir));
}

/// `pid 4121 of mira, since 2026-11-20 22:10Z`, as the owner noted it.
#[must_use]
pub fn read(dir: &Path) -> Option<String> {
    let line = fs::read_to_string(file(dir)).ok()?;
    let line = text::clean(line.trim()).into_owned();
    (!line.is_empty() && line.len() < 200).then_some(line)
}
