//! The real loop, driven by scripted input, on a test backend.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures_util::stream::{self, Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::time::timeout;

use spanwatch::app::{App, Clip};
use spanwatch::domain::Timestamp;
use spanwatch::messages::{ActCommand, Command, CommandKind, Update, UpdateBody};
use spanwatch::runtime::{Exit, Screen, Signal, Wires, run};
use spanwatch::ui::{self, Look, ThemeName};

const LOOK: Look = Look { color: false, unicode: true, theme: ThemeName::Terminal };
const SIZE: (u16, u16) = (120, 40);

/// What happened on the screen, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Frame,
    Fitted(Option<(u16, u16)>),
    Copied(String),
    Retaken,
    Stopped,
}

struct TestScreen {
    terminal: Terminal<TestBackend>,
    seen: Rc<RefCell<Vec<Seen>>>,
    /// A line so slow that nothing ever gets through.
    stuck: Rc<Cell<bool>>,
    /// What it will tell of a copy.
    remark: Rc<RefCell<Option<String>>>,
}

impl TestScreen {
    fn new() -> Self {
        let terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap();
        Self { terminal, seen: Rc::default(), stuck: Rc::default(), remark: Rc::default() }
    }
}

impl Screen for TestScreen {
    fn is_free(&self) -> bool {
        !self.stuck.get()
    }
    fn freed(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
    fn rest(&self) -> Duration {
        Duration::from_millis(33)
    }
    fn draw(&mut self, app: &App, look: Look, now: Timestamp) -> io::Result<()> {
        self.seen.borrow_mut().push(Seen::Frame);
        self.terminal.draw(|frame| ui::draw(frame, app, look, now)).map(|_| ()).map_err(io::Error::other)
    }
    fn copy(&mut self, clip: &Clip) {
        self.seen.borrow_mut().push(Seen::Copied(clip.text().to_owned()));
    }
    async fn remark(&self) -> String {
        let remark = self.remark.borrow_mut().take();
        match remark {
            Some(remark) => remark,
            None => std::future::pending().await,
        }
    }
    fn fit(&mut self, size: Option<(u16, u16)>) -> io::Result<()> {
        self.seen.borrow_mut().push(Seen::Fitted(size));
        let (columns, rows) = size.unwrap_or(SIZE);
        self.terminal.backend_mut().resize(columns, rows);
        self.terminal.resize(Rect::new(0, 0, columns, rows)).map_err(io::Error::other)
    }
    fn retake(&mut self) -> io::Result<()> {
        self.seen.borrow_mut().push(Seen::Retaken);
        Ok(())
    }
    async fn stop(&mut self) -> io::Result<()> {
        self.seen.borrow_mut().push(Seen::Stopped);
        Ok(())
    }
}

/// One end of a session; the other is the loop.
struct Script {
    screen: TestScreen,
    wires: Wires,
    commands: mpsc::UnboundedReceiver<Command>,
    updates: mpsc::Sender<Update>,
}

impl Script {
    fn new() -> Self {
        let (commands, orders) = mpsc::unbounded_channel();
        let (updates, reader) = mpsc::channel(64);
        let wires = Wires { commands, updates: reader, ended: Some(Box::pin(std::future::pending())), keeper: None };
        Self { screen: TestScreen::new(), wires, commands: orders, updates }
    }

    /// Runs until the loop ends by itself; a loop that hangs is a failure.
    async fn play(
        &mut self,
        input: impl Stream<Item = io::Result<Event>> + Unpin,
        signals: Vec<Signal>,
    ) -> (Exit, App) {
        let mut app = App::new(SIZE);
        let signals = stream::iter(signals).chain(stream::pending());
        let clock = || Timestamp::from_secs(1_800_000_000);
        let running = run(&mut app, &mut self.screen, &mut self.wires, input, signals, LOOK, clock);
        let exit = timeout(Duration::from_secs(10), running).await.expect("the loop ends").unwrap();
        (exit, app)
    }

    fn seen(&self) -> Vec<Seen> {
        self.screen.seen.borrow().clone()
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.terminal.backend().to_string().contains(text)
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn press(c: char) -> Event {
    key(KeyCode::Char(c), KeyModifiers::NONE)
}

fn typed(events: Vec<Event>) -> impl Stream<Item = io::Result<Event>> + Unpin {
    stream::iter(events.into_iter().map(Ok)).chain(stream::pending())
}

/// Input that comes one event a round, each a while after the last, so that every one gets a frame of its own.
fn slowly(events: Vec<Event>) -> impl Stream<Item = io::Result<Event>> + Unpin {
    let paced = stream::iter(events).then(|event| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(event)
    });
    Box::pin(paced.chain(stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn q_quits_after_a_first_frame() {
    let mut script = Script::new();
    let (exit, _) = script.play(slowly(vec![press('q')]), Vec::new()).await;
    assert_eq!(exit, Exit::Quit);
    assert_eq!(script.seen().first(), Some(&Seen::Frame));
}

#[tokio::test(start_paused = true)]
async fn an_idle_screen_is_not_drawn_again() {
    let mut script = Script::new();
    let unused = vec![Event::FocusLost, Event::FocusGained, press('q')];
    let (_, app) = script.play(slowly(unused), Vec::new()).await;
    assert_eq!(script.seen(), [Seen::Frame], "nothing changed (revision {})", app.revision());
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_updates_costs_a_frame_not_a_frame_each() {
    let mut script = Script::new();
    for revision in 1..=50 {
        let body = UpdateBody::Notice(format!("notice {revision}"));
        script.updates.try_send(Update { revision, body }).unwrap();
    }
    script.play(slowly(vec![Event::FocusLost, press('q')]), Vec::new()).await;
    let frames = script.seen().iter().filter(|seen| **seen == Seen::Frame).count();
    assert!((2..=3).contains(&frames), "{:?}", script.seen());
}

#[tokio::test(start_paused = true)]
async fn a_line_on_which_nothing_moves_does_not_stop_the_keys() {
    let mut script = Script::new();
    script.screen.stuck.set(true);
    let (exit, _) =
        script.play(slowly(vec![press('?'), key(KeyCode::Esc, KeyModifiers::NONE), press('q')]), Vec::new()).await;
    assert_eq!(exit, Exit::Quit);
    assert_eq!(script.seen(), [], "no frame was forced onto it");
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_the_person_reach_the_monitor_as_commands() {
    let mut script = Script::new();
    script.play(slowly(vec![press('r'), press('q')]), Vec::new()).await;
    let mut sent = Vec::new();
    while let Ok(command) = script.commands.try_recv() {
        sent.push(command);
    }
    assert!(sent.iter().any(|command| command.kind == CommandKind::Recalculate), "{sent:?}");
    let ids: Vec<u64> = sent.iter().map(|command| command.id.0).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "ids grow: {ids:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_wait_before_a_question_is_drawn_do_not_answer_it() {
    let silence = |script: &mut Script| {
        let mut sent = std::iter::from_fn(|| script.commands.try_recv().ok());
        sent.any(|command| matches!(command.kind, CommandKind::Act(ActCommand::Silence { .. })))
    };
    let enter = key(KeyCode::Enter, KeyModifiers::NONE);
    let keys: Vec<Event> = "ssvc=a".chars().map(press).chain([enter.clone()]).collect();
    let interrupt = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut script = Script::new();
    script.play(typed(keys.iter().cloned().chain([interrupt.clone()]).collect()), Vec::new()).await;
    assert!(!silence(&mut script), "all came at once");
    let mut script = Script::new();
    script.play(slowly(keys.into_iter().chain([interrupt]).collect()), Vec::new()).await;
    assert!(silence(&mut script), "each was read");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_died_is_told_and_the_screen_stays() {
    let mut script = Script::new();
    let (gone, _) = mpsc::channel(1);
    script.wires.ended = Some(Box::pin(async { Err("the store is on fire".to_owned()) }));
    drop(std::mem::replace(&mut script.updates, gone));
    let (exit, _) = script.play(slowly(vec![Event::FocusLost, press('q')]), Vec::new()).await;
    assert_eq!(exit, Exit::Quit, "the person decides when to leave");
    assert!(script.shows("the store is on fire"), "{}", script.screen.terminal.backend());
    assert!(script.wires.ended.is_none());
    timeout(Duration::from_secs(1), script.wires.close()).await.expect("nothing to wait for").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_size_is_taken_and_painted_whole() {
    let mut script = Script::new();
    script.play(slowly(vec![Event::Resize(1, 1), Event::Resize(80, 24), press('q')]), Vec::new()).await;
    let expected = [Seen::Frame, Seen::Fitted(Some((1, 1))), Seen::Frame, Seen::Fitted(Some((80, 24))), Seen::Frame];
    assert_eq!(script.seen(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_copied_reaches_the_screen_and_its_size_is_told() {
    let mut script = Script::new();
    script.play(slowly(vec![press('y'), Event::FocusLost, press('q')]), Vec::new()).await;
    let seen = script.seen();
    let copied = seen.iter().find_map(|seen| if let Seen::Copied(text) = seen { Some(text) } else { None }).unwrap();
    assert!(copied.ends_with("Waiting for the first poll."), "{copied}");
    assert_eq!(seen.last(), Some(&Seen::Frame), "{seen:?}");
    assert!(script.shows(&format!("copied {} bytes", copied.len())), "{}", script.screen.terminal.backend());
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_went_wrong_is_told() {
    let mut script = Script::new();
    *script.screen.remark.borrow_mut() = Some("tmux did not take the copy".to_owned());
    script.play(slowly(vec![Event::FocusLost, press('q')]), Vec::new()).await;
    assert!(script.shows("tmux did not take the copy"), "{}", script.screen.terminal.backend());
}

#[tokio::test(start_paused = true)]
async fn suspending_and_redrawing_paint_every_cell_anew() {
    let mut script = Script::new();
    let keys = ['z', 'l'].map(|c| key(KeyCode::Char(c), KeyModifiers::CONTROL));
    script.play(slowly(keys.into_iter().chain([press('q')]).collect()), Vec::new()).await;
    assert_eq!(script.seen(), [Seen::Frame, Seen::Stopped, Seen::Frame, Seen::Fitted(None), Seen::Frame]);
}

#[tokio::test(start_paused = true)]
async fn signals_end_the_loop_with_their_own_exit_code_and_continue_retakes() {
    for (signal, code) in [(Signal::Interrupt, 130), (Signal::Terminate, 143), (Signal::Hangup, 129)] {
        let mut script = Script::new();
        let (exit, _) = script.play(typed(Vec::new()), vec![Signal::Continued, signal]).await;
        assert_eq!(exit, Exit::Signalled(signal));
        assert_eq!(signal.exit_code(), code);
        assert!(script.seen().contains(&Seen::Retaken));
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_went_away_ends_the_loop() {
    let mut script = Script::new();
    let (exit, _) = script.play(stream::iter([Err(io::Error::other("gone"))]), Vec::new()).await;
    assert_eq!(exit, Exit::HungUp);
    let (exit, _) = Script::new().play(stream::empty(), Vec::new()).await;
    assert_eq!(exit, Exit::HungUp);
}

#[tokio::test(start_paused = true)]
async fn leaving_asks_the_monitor_to_flush_and_waits_two_seconds_at_most() {
    let Script { wires, mut commands, .. } = Script::new();
    let began = tokio::time::Instant::now();
    let trouble = wires.close().await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert!(trouble.contains("within 2 s"), "{trouble}");
    assert_eq!(commands.recv().await.map(|command| command.kind), Some(CommandKind::Shutdown));
}
