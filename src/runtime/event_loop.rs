//! The loop: wait once, drain, draw once.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::Event;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::session::{MonitorEnd, Wires};
use super::{RuntimeError, Screen, Signal, message_of};
use crate::app::{App, Effect, Msg};
use crate::domain::Timestamp;
use crate::messages::{Command, CommandId, CommandKind, Update};
use crate::ui::Look;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The person asked for it.
    Quit,
    Signalled(Signal),
    /// The terminal went away.
    HungUp,
}

impl Exit {
    /// 0 after `q`, 128 + number after a signal.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Quit => 0,
            Self::Signalled(signal) => signal.exit_code(),
            Self::HungUp => Signal::Hangup.exit_code(),
        }
    }
}

/// What woke the loop.
enum Woken {
    Signal(Signal),
    Input(Option<io::Result<Event>>),
    Updated(Option<Update>),
    Remarked(String),
    MonitorEnded(Result<(), String>),
    FrameOut,
    Due,
}

/// Most events of one kind taken before the screen is drawn again.
const DRAIN: usize = 1_024;
/// The shortest time between two ticks, whatever the app asks for.
const TICK: Duration = Duration::from_millis(100);

/// Runs the app until it quits, a signal ends it or the terminal goes away.
///
/// The first frame is drawn before anything is awaited. After that a frame is drawn when the app's revision grew or a
/// tick was due, when the last frame is out, and not sooner than [`Screen::rest`] after it: key to frame is immediate
/// on an idle screen, and a burst of tokens costs one frame.
///
/// # Errors
/// When the terminal can no longer be written to.
pub async fn run<S: Screen>(
    app: &mut App,
    screen: &mut S,
    wires: &mut Wires,
    mut input: impl Stream<Item = io::Result<Event>> + Unpin,
    mut signals: impl Stream<Item = Signal> + Unpin,
    look: Look,
    clock: impl Fn() -> Timestamp,
) -> Result<Exit, RuntimeError> {
    let mut shown = Shown { revision: None, drawn: 0, at: Instant::now(), ticked: Instant::now() };
    if screen.is_free() {
        shown.draw(app, screen, look, clock())?;
    }
    let mut next_command = 0;
    let mut updates_open = true;
    loop {
        let stale = shown.revision != Some(app.revision());
        let free = screen.is_free();
        let frame_due = (stale && free).then(|| shown.at + screen.rest());
        let now = clock();
        let tick_due = app.next_tick(now).map(|at| (Instant::now() + at.since(now).as_std()).max(shown.ticked + TICK));
        let due = [frame_due, tick_due].into_iter().flatten().min();

        // The order matters. Signals first: ending must work under any load. Then keys: a person never waits behind a
        // burst of updates. The risk of an ordered select is that a busy early branch starves the later ones; here it
        // cannot, because below every round drains all of them, bounded, and draws.
        let woken = tokio::select! {
            biased;
            Some(signal) = signals.next() => Woken::Signal(signal),
            event = input.next() => Woken::Input(event),
            () = screen.freed(), if stale && !free => Woken::FrameOut,
            remark = screen.remark() => Woken::Remarked(remark),
            update = wires.updates.recv(), if updates_open => Woken::Updated(update),
            ended = monitor_end(&mut wires.ended), if wires.ended.is_some() => Woken::MonitorEnded(ended),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Woken::Due,
        };

        let mut batch = Batch::default();
        match woken {
            Woken::Signal(Signal::Continued) => {
                screen.retake()?;
                shown.revision = None;
            }
            Woken::Signal(signal) => return Ok(Exit::Signalled(signal)),
            Woken::Input(Some(Ok(event))) => batch.input(event),
            Woken::Input(_) => return Ok(Exit::HungUp),
            Woken::Updated(Some(update)) => batch.messages.push(Msg::UpdateArrived(update)),
            Woken::Remarked(text) => batch.messages.push(Msg::Told(text)),
            Woken::Updated(None) => updates_open = false,
            Woken::MonitorEnded(ended) => {
                wires.ended = None;
                let why = ended.err().unwrap_or_else(|| "the monitor ended by itself; start spanwatch again".into());
                batch.messages.push(Msg::MonitorLost(why));
            }
            Woken::FrameOut | Woken::Due => {}
        }
        if !drain(&mut input, &mut batch).await {
            return Ok(Exit::HungUp);
        }
        for _ in 0..DRAIN {
            match wires.updates.try_recv() {
                Ok(update) => batch.messages.push(Msg::UpdateArrived(update)),
                Err(_) => break,
            }
        }
        if tick_due.is_some_and(|at| at <= Instant::now()) {
            shown.ticked = Instant::now();
            shown.revision = None;
            batch.messages.push(Msg::Ticked);
        }
        if let Some(size) = batch.resized {
            screen.fit(Some(size))?;
            shown.revision = None;
        }

        for message in batch.messages {
            // Keys that waited before a question was drawn, as under key repeat, are no answer to it.
            if matches!(message, Msg::KeyPressed(key) if app.is_hasty(key, shown.drawn)) {
                continue;
            }
            for effect in app.update(message, clock()) {
                match effect {
                    Effect::Quit => return Ok(Exit::Quit),
                    Effect::Send(kind) => send(wires, &mut next_command, kind),
                    Effect::Copy(clip) => {
                        screen.copy(&clip);
                        shown.revision = None;
                    }
                    Effect::Redraw => {
                        screen.fit(None)?;
                        shown.revision = None;
                    }
                    Effect::Suspend => {
                        screen.stop().await?;
                        shown.revision = None;
                    }
                }
            }
        }
        if let Some(keeper) = &mut wires.keeper {
            keeper.keep(app.kept());
        }
        let stale = shown.revision != Some(app.revision());
        if stale && screen.is_free() && shown.at + screen.rest() <= Instant::now() {
            shown.draw(app, screen, look, clock())?;
        }
    }
}

/// Takes what the terminal has ready, without waiting; false when the terminal went away.
///
/// Polled with this task's own waker. `now_or_never` would leave crossterm's stream with a waker that wakes nobody, and
/// the stream keeps the first one it was given: every key after the first would wait for something else to happen.
async fn drain(input: &mut (impl Stream<Item = io::Result<Event>> + Unpin), batch: &mut Batch) -> bool {
    poll_fn(|context| {
        for _ in 0..DRAIN {
            match input.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(event))) => batch.input(event),
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => break,
            }
        }
        Poll::Ready(true)
    })
    .await
}

async fn monitor_end(ended: &mut Option<MonitorEnd>) -> Result<(), String> {
    match ended {
        Some(ended) => ended.await,
        None => std::future::pending().await,
    }
}

/// A monitor that is gone takes no commands; that it is gone is told by its own message.
fn send(wires: &Wires, next: &mut u64, kind: CommandKind) {
    *next += 1;
    _ = wires.commands.send(Command { id: CommandId(*next), kind });
}

/// What the person sees now.
struct Shown {
    /// The app's revision on the screen; `None` when the screen must be drawn in any case.
    revision: Option<u64>,
    /// The newest of the app's revisions that was ever on the screen.
    drawn: u64,
    at: Instant,
    ticked: Instant,
}

impl Shown {
    fn draw<S: Screen>(&mut self, app: &App, screen: &mut S, look: Look, now: Timestamp) -> io::Result<()> {
        screen.draw(app, look, now)?;
        self.revision = Some(app.revision());
        self.drawn = app.revision();
        self.at = Instant::now();
        Ok(())
    }
}

/// What one round took in.
#[derive(Default)]
struct Batch {
    messages: Vec<Msg>,
    resized: Option<(u16, u16)>,
}

impl Batch {
    fn input(&mut self, event: Event) {
        if let Event::Resize(columns, rows) = event {
            self.resized = Some((columns, rows));
        }
        self.messages.extend(message_of(event));
    }
}
