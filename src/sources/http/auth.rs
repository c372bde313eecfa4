//! Where credentials come from, and when they are fetched again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

use super::{ErrorKind, Settings, SourceError};

const COMMAND_LIMIT: Duration = Duration::from_secs(5);
/// No token is longer; a command that prints on and on is cut here.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Credentials of one source. A secret is fetched when first needed and kept until the server refuses it.
pub(super) struct Auth {
    way: Way,
    /// Held while a secret is fetched, so that many requests at once run the token command once.
    kept: Mutex<Option<Secret>>,
}

enum Way {
    None,
    Bearer(Origin),
    Basic { user: String, password: Origin },
}

#[derive(Debug, Clone)]
enum Origin {
    File(PathBuf),
    Env(String),
    Command(String),
}

/// A token or a password. It has no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::None => "no credentials",
            Way::Bearer(_) => "bearer ***",
            Way::Basic { .. } => "basic ***",
        })
    }
}

impl Auth {
    pub(super) fn new(settings: &Settings) -> Self {
        let from = |file: &str, env: &str, command: &str| {
            let file = (!file.is_empty()).then(|| Origin::File(file.into()));
            let env = (!env.is_empty()).then(|| Origin::Env(env.to_owned()));
            let command = (!command.is_empty()).then(|| Origin::Command(command.to_owned()));
            file.or(env).or(command)
        };
        let s = settings;
        let bearer = from(&s.bearer_token_file, &s.bearer_token_env, &s.bearer_token_command).map(Way::Bearer);
        let basic = from(&s.basic_password_file, &s.basic_password_env, "")
            .map(|password| Way::Basic { user: s.basic_user.clone(), password });
        Self { way: bearer.or(basic).unwrap_or(Way::None), kept: Mutex::new(None) }
    }

    /// The secret in use; `None` when this source needs none.
    pub(super) async fn secret(&self) -> Result<Option<Secret>, SourceError> {
        let (Way::Bearer(origin) | Way::Basic { password: origin, .. }) = &self.way else {
            return Ok(None);
        };
        let mut kept = self.kept.lock().await;
        if kept.is_none() {
            *kept = Some(origin.read().await?);
        }
        Ok(kept.clone())
    }

    /// The server refused `used`: forgets it, unless somebody else already fetched another one.
    pub(super) async fn forget(&self, used: &Secret) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref() == Some(used) {
            *kept = None;
        }
    }

    pub(super) fn apply(&self, request: reqwest::RequestBuilder, secret: Option<&Secret>) -> reqwest::RequestBuilder {
        match (&self.way, secret) {
            (Way::Bearer(_), Some(Secret(token))) => request.bearer_auth(token),
            (Way::Basic { user, .. }, Some(Secret(password))) => request.basic_auth(user, Some(password)),
            _ => request,
        }
    }
}

impl Secret {
    /// `body` without this secret, should a server have echoed it.
    pub(super) fn removed_from(&self, body: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&body);
        if text.contains(&self.0) { text.replace(&self.0, "***").into_bytes() } else { body }
    }
}

impl Origin {
    async fn read(&self) -> Result<Secret, SourceError> {
        let (text, from) = match self {
            Self::File(path) => (read_file(path).await?, format!("file {}", path.display())),
            Self::Env(name) => {
                let value = std::env::var(name).map_err(|_| {
                    unusable(
                        format!("environment variable {name} is not set"),
                        format!("set {name} for the process that runs spanwatch"),
                    )
                })?;
                (value, format!("environment variable {name}"))
            }
            Self::Command(command) => (run(command, COMMAND_LIMIT).await?, "token command".to_owned()),
        };
        let secret = text.trim();
        if secret.is_empty() {
            return Err(unusable(format!("no secret in {from}"), format!("let {from} give the token or the password")));
        }
        if secret.chars().any(char::is_control) {
            let hint = "it must be one line of printable text";
            return Err(unusable(format!("the secret from {from} has several lines or control characters"), hint));
        }
        Ok(Secret(secret.to_owned()))
    }
}

fn unusable(reason: impl Into<String>, hint: impl Into<String>) -> SourceError {
    SourceError::new(ErrorKind::Settings, reason, hint)
}

/// On a thread that may block: such files lie on network mounts and FUSE, too.
async fn read_file(path: &Path) -> Result<String, SourceError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(owned)).await;
    let failed =
        |why: String| unusable(format!("cannot read {}: {why}", path.display()), "check the path and its rights");
    match read {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(e)) => Err(failed(e.to_string())),
        Err(e) => Err(failed(e.to_string())),
    }
}

/// Runs a token command in a process group of its own, so that at the time limit its children end with it.
async fn run(command: &str, limit: Duration) -> Result<String, SourceError> {
    let hint = "run bearer_token_command by hand; it must print the token and end within 5 seconds";
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| unusable(format!("token command did not start: {e}"), hint))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let printed = child.stdout.take();
    let whole = async {
        let mut text = String::new();
        if let Some(printed) = printed {
            printed.take(LONGEST_SECRET).read_to_string(&mut text).await?;
        }
        Ok::<_, std::io::Error>((text, child.wait().await?))
    };
    match tokio::time::timeout(limit, whole).await {
        Ok(Ok((text, status))) if status.success() => Ok(text),
        Ok(Ok((_, status))) => Err(unusable(format!("token command failed: {status}"), hint)),
        Ok(Err(e)) => Err(unusable(format!("token command could not be read: {e}"), hint)),
        Err(_) => {
            if let Some(group) = group {
                // It may have ended by itself a moment ago; then there is nothing to end.
                _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            Err(unusable(format!("token command did not end in {} s", limit.as_secs()), hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer_command(command: &str) -> Auth {
        Auth::new(&Settings { bearer_token_command: command.into(), ..Settings::default() })
    }

    #[tokio::test]
    async fn a_command_runs_once_until_its_token_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let count = dir.path().join("count");
        let auth = bearer_command(&format!("echo x >> {0}; echo token-$(wc -l < {0})", count.display()));
        let first = auth.secret().await.unwrap().unwrap();
        assert_eq!(auth.secret().await.unwrap().unwrap(), first);
        auth.forget(&first).await;
        let second = auth.secret().await.unwrap().unwrap();
        assert_ne!(first, second);
        auth.forget(&first).await;
        assert_eq!(auth.secret().await.unwrap().unwrap(), second, "a late refusal of the old token changes nothing");
        assert!(!format!("{auth:?} {first:?}").contains("token-"));
    }

    #[tokio::test]
    async fn a_command_that_fails_hangs_or_prints_nothing_says_so() {
        let failed = bearer_command("echo s3cret; exit 3").secret().await.unwrap_err();
        assert_eq!(failed.to_string(), "token command failed: exit status: 3");
        assert_eq!(bearer_command("true").secret().await.unwrap_err().to_string(), "no secret in token command");
        let hung = run("sleep 60 & sleep 60; echo late", Duration::from_millis(50)).await.unwrap_err();
        assert!(hung.to_string().starts_with("token command did not end"), "{hung}");
    }

    #[tokio::test]
    async fn secrets_come_from_files_and_the_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-file\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let auth = Auth::new(&Settings { bearer_token_file: path, ..Settings::default() });
        assert_eq!(auth.secret().await.unwrap(), Some(Secret("from-file".into())));
        let auth = Auth::new(&Settings {
            basic_user: "me".into(),
            basic_password_env: "CARGO_PKG_NAME".into(),
            ..Settings::default()
        });
        assert_eq!(auth.secret().await.unwrap(), Some(Secret("spanwatch".into())));
        let missing = Auth::new(&Settings { bearer_token_env: "SPANWATCH_NO_SUCH".into(), ..Settings::default() });
        assert!(missing.secret().await.unwrap_err().to_string().contains("SPANWATCH_NO_SUCH is not set"));
        let missing = Auth::new(&Settings { bearer_token_file: "/nonexistent/t".into(), ..Settings::default() });
        assert!(missing.secret().await.unwrap_err().to_string().contains("cannot read /nonexistent/t"));
        std::fs::write(file.path(), "two\nlines").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let auth = Auth::new(&Settings { bearer_token_file: path, ..Settings::default() });
        assert!(auth.secret().await.unwrap_err().to_string().contains("several lines"));
    }
}
