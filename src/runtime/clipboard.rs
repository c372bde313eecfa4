//! The person's clipboard, reached through whatever lies between the program and their terminal: OSC 52, which works over
//! SSH where no clipboard tool does.
//!
//! tmux takes no such sequence from a program by default (`set-clipboard external`), but does the same for its own command,
//! so that is tried first. Only then the sequence is sent, both to tmux itself and through it. screen takes none and passes
//! on short strings, so there it goes in pieces.

use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Environment;
use crate::app::Clip;

/// What the bytes pass before they reach the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    /// `here` if it runs on this machine and not at the other end of an SSH connection.
    Tmux {
        here: bool,
    },
    Screen,
}

/// screen before 4.2 kept 256 bytes of a string, with what begins and ends it.
const SCREEN_PIECE: usize = 252;
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Shared {
    /// Bytes that go out with the next frame.
    waiting: Mutex<Vec<u8>>,
    remark: Mutex<Option<String>>,
    remarked: Notify,
}

/// Holds what was copied until a frame takes it along.
#[derive(Debug)]
pub struct Clipboard {
    between: Between,
    shared: Arc<Shared>,
    loading: Option<JoinHandle<()>>,
}

/// A poisoned lock still holds whole values.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clipboard {
    /// The clipboard of the terminal that the environment tells of.
    #[must_use]
    pub fn behind(env: Environment<'_>) -> Self {
        Self { between: between(env), shared: Arc::default(), loading: None }
    }

    /// Copies, in place of what was copied before and is not out yet. Nothing is waited for.
    pub fn copy(&mut self, clip: &Clip) {
        if let Some(former) = self.loading.take() {
            former.abort();
        }
        let sequence = sequence(clip.text(), self.between);
        if self.between != (Between::Tmux { here: true }) {
            *locked(&self.shared.waiting) = sequence;
            return;
        }
        locked(&self.shared.waiting).clear();
        let (shared, text) = (Arc::clone(&self.shared), clip.text().to_owned());
        self.loading = Some(tokio::spawn(async move {
            if let Err(why) = load(Command::new("tmux"), &text).await {
                *locked(&shared.waiting) = sequence;
                *locked(&shared.remark) = Some(format!(
                    "tmux did not take the copy ({why}); sent through it, which needs `set -g allow-passthrough on`."
                ));
                shared.remarked.notify_one();
            }
        }));
    }

    /// Returns when there is something to tell of what became of a copy.
    pub async fn remark(&self) -> String {
        loop {
            if let Some(text) = locked(&self.shared.remark).take() {
                return text;
            }
            self.shared.remarked.notified().await;
        }
    }

    /// Bytes for the terminal, once.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut locked(&self.shared.waiting))
    }

    /// Returns when tmux has answered.
    pub async fn settled(&mut self) {
        if let Some(loading) = self.loading.take() {
            // It ends by itself; a panic in it left nothing half done.
            _ = loading.await;
        }
    }
}

/// Over SSH only `TERM` tells what runs at the other end.
fn between(env: Environment<'_>) -> Between {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let term = env("TERM").unwrap_or_default();
    if set("TMUX") {
        Between::Tmux { here: true }
    } else if set("STY") {
        Between::Screen
    } else if term.starts_with("tmux") {
        Between::Tmux { here: false }
    } else if term.starts_with("screen") {
        Between::Screen
    } else {
        Between::Nothing
    }
}

/// The bytes that put `text` into the clipboard of a terminal: OSC 52, wrapped for what it must pass.
fn sequence(text: &str, between: Between) -> Vec<u8> {
    let bare = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    match between {
        Between::Nothing => bare.into_bytes(),
        // For a tmux that takes it from programs, and for one that lets it through.
        Between::Tmux { .. } => format!("{bare}\x1bPtmux;{}\x1b\\", bare.replace('\x1b', "\x1b\x1b")).into_bytes(),
        Between::Screen => {
            let pieces = bare.as_bytes().chunks(SCREEN_PIECE);
            pieces.flat_map(|piece| [b"\x1bP".as_slice(), piece, b"\x1b\\"].concat()).collect()
        }
    }
}

/// Gives the text to tmux, which keeps it in a buffer and sends it to the terminals it is shown on (`-w`, since 3.2).
async fn load(mut tmux: Command, text: &str) -> Result<(), String> {
    tmux.args(["load-buffer", "-w", "-"]).kill_on_drop(true);
    tmux.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let work = async {
        let mut child = tmux.spawn().map_err(|error| error.to_string())?;
        if let Some(mut input) = child.stdin.take() {
            // One that does not read says why on leaving.
            _ = input.write_all(text.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default().trim();
        Err(if said.is_empty() { output.status.to_string() } else { said.to_owned() })
    };
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("it did not answer within 2 s".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ENCODED_MOST;

    fn decoded(base64: &str) -> String {
        String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap()
    }

    #[test]
    fn the_environment_tells_what_lies_between() {
        let of = |env: &[(&str, &str)]| {
            between(&|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("TERM", "xterm-256color")]), Between::Nothing);
        assert_eq!(of(&[("TERM", "screen-256color"), ("TMUX", "/tmp/t,1,0")]), Between::Tmux { here: true });
        assert_eq!(of(&[("TERM", "tmux-256color")]), Between::Tmux { here: false });
        assert_eq!(of(&[("TERM", "xterm"), ("STY", "7.pts")]), Between::Screen);
        assert_eq!(of(&[("TERM", "screen.xterm"), ("TMUX", "")]), Between::Screen);
    }

    #[test]
    fn a_terminal_gets_the_text_and_nothing_else() {
        let bytes = String::from_utf8(sequence("trace 4bf9\nsince 03:04", Between::Nothing)).unwrap();
        let base64 = bytes.strip_prefix("\x1b]52;c;").and_then(|rest| rest.strip_suffix('\x07')).unwrap();
        assert_eq!(decoded(base64), "trace 4bf9\nsince 03:04");
    }

    #[test]
    fn the_longest_copy_is_no_longer_than_terminals_take() {
        let clip = Clip::new(&"é\u{1b}".repeat(100_000));
        let bytes = sequence(clip.text(), Between::Nothing);
        let frame = "\x1b]52;c;\x07".len();
        assert!((ENCODED_MOST - 4 + frame..=ENCODED_MOST + frame).contains(&bytes.len()), "{}", bytes.len());
    }

    #[test]
    fn tmux_gets_it_for_itself_and_to_pass_on() {
        let bytes = String::from_utf8(sequence("abc", Between::Tmux { here: false })).unwrap();
        assert_eq!(bytes, "\x1b]52;c;YWJj\x07\x1bPtmux;\x1b\x1b]52;c;YWJj\x07\x1b\\");
    }

    #[test]
    fn screen_gets_pieces_that_it_can_hold() {
        let text = "0123456789".repeat(100);
        let bytes = String::from_utf8(sequence(&text, Between::Screen)).unwrap();
        let pieces: Vec<&str> = bytes.split_terminator("\x1b\\").collect();
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.len() <= 254 && piece.starts_with("\x1bP")));
        let whole: String = pieces.iter().filter_map(|piece| piece.strip_prefix("\x1bP")).collect();
        let base64 = whole.strip_prefix("\x1b]52;c;").and_then(|rest| rest.strip_suffix('\x07')).unwrap();
        assert_eq!(decoded(base64), text);
    }

    /// A program in tmux's place.
    fn stand_in(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn tmux_is_given_the_text_itself() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut tmux = stand_in("echo \"$0 $@\" > arguments; cat > text");
        tmux.current_dir(dir.path());
        load(tmux, "all of it").await.unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("text")).unwrap(), "all of it");
        assert_eq!(std::fs::read_to_string(dir.path().join("arguments")).unwrap(), "load-buffer -w -\n");
    }

    #[tokio::test]
    async fn a_tmux_that_refuses_or_is_not_there_says_why() {
        let tmux = stand_in("echo 'command load-buffer: unknown flag -w' >&2; exit 1");
        assert_eq!(load(tmux, &"x".repeat(50_000)).await.unwrap_err(), "command load-buffer: unknown flag -w");
        assert!(load(Command::new("/nowhere/tmux"), "x").await.is_err());
    }
}
