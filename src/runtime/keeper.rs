//! Writes what the screens remember, by a thread of its own: a home directory on a slow disk must not hold up a key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::app::Kept;

/// How long leaving waits for the last of it to be written.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Keeper {
    kept: Sender<Kept>,
    last: Option<Kept>,
    done: Receiver<Result<(), String>>,
}

impl Keeper {
    /// A keeper for this file, in a directory that is there. `None` if no thread can be had: nothing is remembered then.
    #[must_use]
    pub fn of(path: PathBuf) -> Option<Self> {
        let (kept, to_write) = channel::<Kept>();
        let (tell, done) = channel();
        let work = move || {
            let mut outcome = Ok(());
            while let Ok(first) = to_write.recv() {
                let newest = to_write.try_iter().last().unwrap_or(first);
                outcome = write(&path, &newest).map_err(|error| {
                    format!("{}: what the screens remember cannot be written ({error})", path.display())
                });
            }
            // Nobody may wait for it any more.
            _ = tell.send(outcome);
        };
        thread::Builder::new().name("keeper".into()).spawn(work).ok().map(|_| Self { kept, last: None, done })
    }

    /// Has it written, unless it is what was written last.
    pub fn keep(&mut self, kept: Kept) {
        if self.last.as_ref() != Some(&kept) {
            self.last = Some(kept.clone());
            // The thread ends only with this sender.
            _ = self.kept.send(kept);
        }
    }

    /// Waits until the newest is written, for half a second at most; the sentence says why it is not.
    #[must_use]
    pub fn close(self) -> Option<String> {
        drop(self.kept);
        match self.done.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome.err(),
            Err(_) => Some("what the screens remember was not written within half a second".to_owned()),
        }
    }
}

/// What the last sitting left. Nothing if there was none, or a sentence if the file is not what was written.
///
/// # Errors
/// With the path and what to do.
pub fn read(path: &Path) -> Result<Option<Kept>, String> {
    let advice = "the screens start as configured; remove the file if this is said again";
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| format!("{}: cannot be understood ({error}); {advice}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: cannot be read ({error}); {advice}", path.display())),
    }
}

/// Whole or not at all, and readable by nobody else: notes and filters name what a company runs.
fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = serde_json::to_vec(kept).map_err(io::Error::from).and_then(|bytes| file.write_all(&bytes));
    written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| _ = fs::remove_file(&new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(filter: &str) -> Kept {
        Kept { filter: filter.to_owned(), ..Kept::default() }
    }

    #[test]
    fn the_newest_is_there_after_closing_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view.json");
        assert_eq!(read(&path), Ok(None));
        let mut keeper = Keeper::of(path.clone()).unwrap();
        (0..100).for_each(|n| keeper.keep(kept(&n.to_string())));
        assert_eq!(keeper.close(), None);
        assert_eq!(read(&path), Ok(Some(kept("99"))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_told_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view.json");
        fs::write(&path, "{\"pane\": 7").unwrap();
        let told = read(&path).unwrap_err();
        assert!(told.contains("view.json") && told.contains("remove the file"), "{told}");
        let mut keeper = Keeper::of(dir.path().join("gone").join("view.json")).unwrap();
        keeper.keep(kept("x"));
        assert!(keeper.close().is_some_and(|told| told.contains("gone/view.json")));
    }

    #[test]
    fn a_file_of_another_version_is_read_as_far_as_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view.json");
        fs::write(&path, "{\"filter\": \"svc:pay\", \"later\": {\"x\": 1}}").unwrap();
        assert_eq!(read(&path), Ok(Some(kept("svc:pay"))));
    }
}
