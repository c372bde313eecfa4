//! Opening the files, whatever state they are in.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// sled's own limit for pages in memory; it is a wish, see [`Store::reopen`](super::Store::reopen).
const CACHE_BYTES: u64 = 8 << 20;
/// A healthy store opens in milliseconds; a damaged one may never.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Trees {
    pub db: sled::Db,
    pub learnt: sled::Tree,
    pub generations: sled::Tree,
    pub anomalies: sled::Tree,
    pub alerts: sled::Tree,
    pub incidents: sled::Tree,
    pub quiet: sled::Tree,
    pub levels: sled::Tree,
    pub acts: sled::Tree,
    pub exemplars: sled::Tree,
}

impl Trees {
    fn open(path: &Path) -> Result<Self, sled::Error> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None)
            .open()?;
        Ok(Self {
            learnt: db.open_tree("learnt")?,
            generations: db.open_tree("generations")?,
            anomalies: db.open_tree("anomalies")?,
            alerts: db.open_tree("alerts")?,
            incidents: db.open_tree("incidents")?,
            quiet: db.open_tree("quiet")?,
            levels: db.open_tree("levels")?,
            acts: db.open_tree("acts")?,
            exemplars: db.open_tree("exemplars")?,
            db,
        })
    }
}

/// Opening runs in a thread of its own: with damaged files sled may panic or never come back.
pub fn open_guarded(path: &Path) -> Result<Trees, String> {
    let (tell, told) = std::sync::mpsc::channel();
    let path = path.to_path_buf();
    std::thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(move || {
            let opened = std::panic::catch_unwind(AssertUnwindSafe(|| open_patiently(&path)));
            let _ = tell.send(opened);
        })
        .map_err(|error| error.to_string())?;
    match told.recv_timeout(OPEN_LIMIT) {
        Ok(Ok(opened)) => opened.map_err(|error| error.to_string()),
        Ok(Err(_)) => Err("its files are damaged".to_owned()),
        Err(RecvTimeoutError::Timeout) => Err(format!("it did not open within {} s", OPEN_LIMIT.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("opening it failed".to_owned()),
    }
}

/// sled frees its lock a moment after its last handle is dropped, here or in a process that is just ending.
fn open_patiently(path: &Path) -> Result<Trees, sled::Error> {
    let mut tries = LOCK_TRIES;
    loop {
        match Trees::open(path) {
            Err(error) if is_locked(&error.to_string()) && tries > 0 => {
                tries -= 1;
                std::thread::park_timeout(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
}

/// The error's kind does not tell a held lock from other trouble; only its text does.
pub fn is_locked(why: &str) -> bool {
    why.contains("could not acquire lock")
}

pub fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
