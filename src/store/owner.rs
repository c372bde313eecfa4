//! Who owns a store. sled lets one process in and tells the next one only "could not acquire lock"; a small file beside
//! it gives the name for the sentence.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::domain::text;

fn file(dir: &Path) -> PathBuf {
    dir.join("owner")
}

/// Under whose name this process runs: as the system knows it, else as `USER` says, else the number.
///
/// The system comes first: cron, containers and service managers leave `USER` out, and `su` may leave the former one.
#[must_use]
pub fn user() -> String {
    let id = nix::unistd::getuid();
    let known = nix::unistd::User::from_uid(id).ok().flatten().map(|user| user.name);
    let names = [known, std::env::var("USER").ok()].into_iter().flatten();
    let mut names = names.map(|name| text::clean(name.trim()).into_owned());
    names.find(|name| !name.is_empty()).unwrap_or_else(|| format!("user {id}"))
}

/// Notes this process as the owner. Failing to is no reason not to work.
pub fn note(dir: &Path, since: DateTime<Utc>) {
    let line = format!("pid {} of {}, since {}\n", std::process::id(), user(), since.format("%Y-%m-%d %H:%MZ"));
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
