//! Signals as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
    Hangup,
    /// The shell brought the program back to the foreground.
    Continued,
}

impl Signal {
    /// 128 + number, as shells report a death by signal.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Continued => 0,
        }
    }
}

/// SIGINT, SIGTERM, SIGHUP and SIGCONT of this process.
#[derive(Debug)]
pub struct Signals {
    sources: [(Signal, UnixSignal); 4],
}

impl Signals {
    pub fn listen() -> io::Result<Self> {
        let sources = [
            (Signal::Terminate, signal(SignalKind::terminate())?),
            (Signal::Hangup, signal(SignalKind::hangup())?),
            (Signal::Interrupt, signal(SignalKind::interrupt())?),
            (Signal::Continued, signal(continued())?),
        ];
        Ok(Self { sources })
    }
}

pub(super) fn continued() -> SignalKind {
    SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())
}

impl Stream for Signals {
    type Item = Signal;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Signal>> {
        for (name, source) in &mut self.sources {
            if source.poll_recv(context).is_ready() {
                return Poll::Ready(Some(*name));
            }
        }
        Poll::Pending
    }
}
