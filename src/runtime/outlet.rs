//! The thread that writes frames.
//!
//! A line of 1,000 B/s blocks `write()` for seconds. Only this thread waits for it: the loop builds a frame in memory when
//! the last one is out, always from the newest state, so at most one frame is under way and none is stale.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Frames given and frames finished, and what went wrong with one.
#[derive(Debug, Default)]
struct Progress {
    written: AtomicU64,
    last_us: AtomicU64,
    freed: Notify,
    failure: Mutex<Option<io::Error>>,
}

/// Where frames go. One at a time.
#[derive(Debug)]
pub struct Outlet {
    frames: SyncSender<Vec<u8>>,
    given: u64,
    progress: Arc<Progress>,
}

impl Outlet {
    /// Starts the thread; it ends when the outlet is dropped.
    pub fn start(mut device: impl Write + Send + 'static) -> io::Result<Self> {
        let (frames, waiting) = sync_channel::<Vec<u8>>(1);
        let progress = Arc::new(Progress::default());
        let mine = Arc::clone(&progress);
        std::thread::Builder::new().name("frames".into()).spawn(move || {
            for frame in waiting {
                let began = Instant::now();
                if let Err(error) = device.write_all(&frame).and_then(|()| device.flush()) {
                    *mine.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                mine.last_us.store(took, Ordering::Relaxed);
                mine.written.fetch_add(1, Ordering::Release);
                mine.freed.notify_one();
            }
        })?;
        Ok(Self { frames, given: 0, progress })
    }

    #[must_use]
    pub fn is_free(&self) -> bool {
        self.progress.written.load(Ordering::Acquire) == self.given
    }

    /// Returns when every frame given is out.
    pub async fn freed(&self) {
        while !self.is_free() {
            self.progress.freed.notified().await;
        }
    }

    /// How long the last write took: a slow line is given time to breathe.
    #[must_use]
    pub fn last_write(&self) -> Duration {
        Duration::from_micros(self.progress.last_us.load(Ordering::Relaxed))
    }

    /// Hands over one frame. The error is that of an earlier write.
    pub fn give(&mut self, frame: Vec<u8>) -> io::Result<()> {
        if let Some(error) = self.progress.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        self.frames.try_send(frame).map_err(|_| io::Error::other("the last frame is still on its way"))?;
        self.given += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A line that lets a write through only when told to.
    struct Gate {
        open: Receiver<()>,
        seen: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.open.recv().map_err(io::Error::other)?;
            self.seen.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_blocked_line_makes_the_outlet_busy_and_nobody_else() {
        let (opener, open) = channel();
        let (seen, frames) = channel();
        let mut outlet = Outlet::start(Gate { open, seen }).unwrap();
        assert!(outlet.is_free());
        outlet.give(b"one".to_vec()).unwrap();
        assert!(!outlet.is_free(), "the write is blocked");
        opener.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), outlet.freed()).await.unwrap();
        assert_eq!(frames.recv().unwrap(), b"one");
        assert!(outlet.is_free());
    }

    #[tokio::test]
    async fn a_line_that_died_is_told_with_the_next_frame() {
        let (opener, open) = channel();
        let (seen, _frames) = channel();
        drop(opener);
        let mut outlet = Outlet::start(Gate { open, seen }).unwrap();
        outlet.give(b"lost".to_vec()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), outlet.freed()).await.unwrap();
        assert!(outlet.give(b"next".to_vec()).is_err());
    }
}
