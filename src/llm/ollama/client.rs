//! Requests to an Ollama server.

use std::convert::Infallible;
use std::error::Error as _;
use std::time::Duration;

use reqwest::{Response, Url};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::address::{is_loopback, normalise, shown};
use super::answer::Answer;
use super::lines::{LONGEST_LINE_MB, LineBuffer};
use super::settings::Settings;
use super::stutter::Stutter;
use super::wire::{Chat, Chunk, Models, Version, not_json, refusal, said, same_model};
use crate::domain::text;
use crate::llm::{Done, LlmError, LlmEvent, Request};

/// What is known of the server after asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub version: String,
    /// Names of the models that were pulled.
    pub models: Vec<String>,
    /// The configured model.
    pub model: String,
    /// Whether the configured model is among them.
    pub present: bool,
    /// Whether it is in memory; `None` when the server would not say.
    pub loaded: Option<bool>,
}

/// A server and how to use it. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Ollama {
    settings: Settings,
    base: String,
    /// The address without user and password.
    shown: String,
    http: reqwest::Client,
    limits: Limits,
}

/// There is no limit on an answer as a whole: a long one is not a broken one.
#[derive(Debug, Clone)]
struct Limits {
    first_token: Duration,
    idle: Duration,
    /// A short answer that needs no model.
    answer: Duration,
    /// How long nothing may come before it is asked whether the model is in memory.
    loading_after: Duration,
    /// Between a failure that may pass and the one retry.
    pause: Duration,
}

/// Attempts beyond the first, all before the first token.
const RETRIES: u32 = 1;
/// Bytes of an answer that is not streamed.
const BODY_CAP: usize = 4 << 20;
/// A server that counts fewer than this share of the tokens estimated has dropped some: estimates are not that much too high.
const DROPPED_BELOW: f64 = 0.6;

impl Ollama {
    /// # Errors
    /// [`LlmError::Address`] or [`LlmError::Client`].
    pub fn new(settings: &Settings) -> Result<Self, LlmError> {
        let bad_address = |why: String| {
            let written = if settings.url.contains('@') { "(has a password)" } else { settings.url.as_str() };
            LlmError::Address { written: text::middle(&text::clean(written), 100).into_owned(), why }
        };
        let base = normalise(&settings.url).map_err(bad_address)?;
        let url = Url::parse(&base).map_err(|error| bad_address(error.to_string()))?;
        Ok(Self {
            http: build_client(settings, is_loopback(&url))?,
            shown: shown(&url),
            base,
            limits: Limits {
                first_token: Duration::from_secs(settings.first_token_s),
                idle: Duration::from_secs(settings.idle_s),
                answer: Duration::from_secs(10),
                loading_after: Duration::from_secs(2),
                pause: Duration::from_secs(1),
            },
            settings: settings.clone(),
        })
    }

    /// The configured model.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.settings.model
    }

    /// How it is used.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks for version, models, and whether the configured one is there. A missing model is found, not an error.
    ///
    /// # Errors
    /// When nobody answers, or not as Ollama does.
    pub async fn probe(&self) -> Result<Found, LlmError> {
        let version: Version = self.get("/api/version").await?;
        let models = self.get::<Models>("/api/tags").await?.names();
        Ok(Found {
            version: text::clean(&version.version).into_owned(),
            present: models.iter().any(|name| same_model(name, &self.settings.model)),
            models,
            model: self.settings.model.clone(),
            loaded: self.is_loaded().await,
        })
    }

    /// Asks the model and sends what happens, `Done` or `Failed` last. Dropping the future, or the receiver, closes the
    /// connection, and the server stops.
    pub async fn stream(&self, request: &Request, out: &Sender<LlmEvent>) {
        let last = tokio::select! {
            () = out.closed() => return,
            answered = self.ask(request, out) => match answered {
                Ok(done) => LlmEvent::Done(done),
                Err(error) => LlmEvent::Failed(error),
            },
        };
        // Nobody listening any more is no failure.
        let _ = out.send(last).await;
    }

    async fn ask(&self, request: &Request, out: &Sender<LlmEvent>) -> Result<Done, LlmError> {
        let mut think = Some(false);
        let mut retries = 0;
        let (mut stream, first) = loop {
            match self.open(request, think, out).await {
                Ok(open) => break open,
                Err(LlmError::Refused { status: 400, said }) if think.is_some() && said.contains("think") => {
                    think = None;
                }
                Err(error) if error.may_pass() && retries < RETRIES => {
                    retries += 1;
                    tokio::time::sleep(self.limits.pause).await;
                }
                Err(error) => return Err(error),
            }
        };
        let mut reading =
            Reading { ollama: self, request, out, answer: Answer::default(), stutter: Stutter::default() };
        let mut line = first;
        loop {
            if let Some(done) = reading.read(&line).await? {
                return Ok(done);
            }
            let next = timeout(self.limits.idle, stream.next_line())
                .await
                .map_err(|_| LlmError::Silent { after_s: self.limits.idle.as_secs(), tokens: reading.answer.tokens })?;
            line = next.map_err(|broken| broken.after(reading.answer.tokens))?;
        }
    }

    /// Sends the request and waits for the first line of the answer, asking meanwhile whether the model is being loaded.
    async fn open(
        &self,
        request: &Request,
        think: Option<bool>,
        out: &Sender<LlmEvent>,
    ) -> Result<(Stream, Vec<u8>), LlmError> {
        let chat = Chat::new(&self.settings, request, think);
        let first_line = async {
            let sent = self.http.post(format!("{}/api/chat", self.base)).json(&chat).send().await;
            let response = sent.map_err(|error| self.transport(&error))?;
            if !response.status().is_success() {
                return Err(self.refused(response).await);
            }
            let mut stream = Stream { response, buffer: LineBuffer::default() };
            let first = stream.next_line().await.map_err(|broken| broken.after(0))?;
            Ok((stream, first))
        };
        let limit = self.limits.first_token;
        tokio::select! {
            never = self.watch_loading(out) => match never {},
            first = timeout(limit, first_line) => first.unwrap_or(Err(LlmError::NoFirstToken { after_s: limit.as_secs() })),
        }
    }

    /// Says once that the model is being loaded, if it is; never ends.
    async fn watch_loading(&self, out: &Sender<LlmEvent>) -> Infallible {
        tokio::time::sleep(self.limits.loading_after).await;
        if self.is_loaded().await == Some(false) {
            // A closed channel ends the whole stream elsewhere.
            let _ = out.send(LlmEvent::Loading).await;
        }
        std::future::pending().await
    }

    /// Whether the configured model is in memory.
    async fn is_loaded(&self) -> Option<bool> {
        let models: Models = self.get("/api/ps").await.ok()?;
        Some(models.names().iter().any(|name| same_model(name, &self.settings.model)))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LlmError> {
        let answer = async {
            let sent = self.http.get(format!("{}{path}", self.base)).send().await;
            let response = sent.map_err(|error| self.transport(&error))?;
            if !response.status().is_success() {
                return Err(match self.refused(response).await {
                    // No model was asked for here: there is no such page.
                    LlmError::ModelMissing { .. } => self.not_ollama("it answers 404".to_owned()),
                    other => other,
                });
            }
            let body = read_capped(response).await.map_err(|error| self.transport(&error))?;
            serde_json::from_slice(&body).map_err(|_| self.not_ollama(not_json(&body)))
        };
        let limit = self.limits.answer;
        timeout(limit, answer).await.unwrap_or_else(|_| {
            Err(LlmError::Absent { url: self.shown.clone(), why: format!("no answer within {} s", limit.as_secs()) })
        })
    }

    async fn refused(&self, response: Response) -> LlmError {
        let status = response.status();
        let location = response.headers().get("location").and_then(|to| to.to_str().ok()).map(str::to_owned);
        // The status alone tells enough when its body does not come.
        let body =
            timeout(self.limits.answer, read_capped(response)).await.ok().and_then(Result::ok).unwrap_or_default();
        refusal(status, &body, location.as_deref(), &self.settings.model, &self.shown)
    }

    fn not_ollama(&self, what: String) -> LlmError {
        LlmError::NotOllama { url: self.shown.clone(), what }
    }

    /// A request that got no answer at all.
    fn transport(&self, error: &reqwest::Error) -> LlmError {
        if error.is_connect() {
            LlmError::Absent { url: self.shown.clone(), why: reason(error) }
        } else {
            LlmError::Cut { tokens: 0, why: reason(error) }
        }
    }
}

impl Found {
    /// What has to be done before the model can be used, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<LlmError> {
        (!self.present).then(|| LlmError::ModelMissing { model: self.model.clone() })
    }
}

/// An answer being read.
struct Reading<'a> {
    ollama: &'a Ollama,
    request: &'a Request,
    out: &'a Sender<LlmEvent>,
    answer: Answer,
    stutter: Stutter,
}

impl Reading<'_> {
    /// Takes one line; gives back how the answer ended when this was its last.
    async fn read(&mut self, line: &[u8]) -> Result<Option<Done>, LlmError> {
        let tokens = self.answer.tokens;
        let chunk: Chunk = serde_json::from_slice(line).map_err(|_| {
            if tokens == 0 {
                self.ollama.not_ollama(not_json(line))
            } else {
                LlmError::Cut { tokens, why: "a line was not JSON".to_owned() }
            }
        })?;
        if let Some(error) = &chunk.error {
            return Err(LlmError::BrokeOff { tokens, said: said(error) });
        }
        if let Some(message) = &chunk.message {
            self.answer.thought |= message.thinking.as_ref().is_some_and(|thinking| !thinking.is_empty());
            let text = self.answer.take(message.content.as_deref().unwrap_or_default());
            self.tell(text).await?;
        } else if !chunk.done && tokens == 0 {
            return Err(self.ollama.not_ollama("its answer has no message".to_owned()));
        }
        if !chunk.done {
            return Ok(None);
        }
        let held = self.answer.finish();
        self.tell(held).await?;
        if self.answer.tokens == 0 {
            let model = self.ollama.settings.model.clone();
            return Err(LlmError::Empty { model, thought: self.answer.thought });
        }
        Ok(Some(self.done(&chunk)))
    }

    async fn tell(&mut self, text: String) -> Result<(), LlmError> {
        if text.is_empty() {
            return Ok(());
        }
        let repeats = self.stutter.hears(&text);
        // A closed channel ends the whole stream elsewhere.
        let _ = self.out.send(LlmEvent::Token(text)).await;
        if repeats { Err(LlmError::Repeated { tokens: self.answer.tokens }) } else { Ok(()) }
    }

    fn done(&self, chunk: &Chunk) -> Done {
        let seconds = chunk.eval_duration.filter(|&ns| ns > 0).map(|ns| ns as f64 / 1e9);
        let estimate = self.request.tokens_estimate as f64;
        Done {
            tokens: chunk.eval_count,
            tokens_per_s: chunk.eval_count.zip(seconds).map(|(tokens, seconds)| tokens as f64 / seconds),
            cut_by_limit: chunk.done_reason.as_deref() == Some("length"),
            prompt_tokens: chunk.prompt_eval_count,
            truncated_by_server: chunk.prompt_eval_count.is_some_and(|count| (count as f64) < estimate * DROPPED_BELOW),
        }
    }
}

/// A response read line by line.
struct Stream {
    response: Response,
    buffer: LineBuffer,
}

/// Why no further line comes.
enum BrokenStream {
    Ended,
    Failed(String),
    TooLong,
}

impl Stream {
    async fn next_line(&mut self) -> Result<Vec<u8>, BrokenStream> {
        loop {
            if let Some(line) = self.buffer.next_line() {
                return Ok(line);
            }
            match self.response.chunk().await {
                Ok(Some(piece)) => self.buffer.push(&piece).map_err(|_| BrokenStream::TooLong)?,
                // A last line may lack its end, but not its closing brace: then it is half a line.
                Ok(None) => {
                    return self
                        .buffer
                        .rest()
                        .filter(|rest| !rest.starts_with(b"{") || rest.ends_with(b"}"))
                        .ok_or(BrokenStream::Ended);
                }
                Err(error) => return Err(BrokenStream::Failed(reason(&error))),
            }
        }
    }
}

impl BrokenStream {
    fn after(self, tokens: u64) -> LlmError {
        match self {
            Self::Ended => LlmError::Cut { tokens, why: "it ended without saying so".to_owned() },
            Self::Failed(why) => LlmError::Cut { tokens, why },
            Self::TooLong => LlmError::LineTooLong { megabytes: LONGEST_LINE_MB },
        }
    }
}

fn build_client(settings: &Settings, loopback: bool) -> Result<reqwest::Client, LlmError> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("spanwatch/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(settings.connect_s))
            .redirect(reqwest::redirect::Policy::none())
            // A compressed stream comes in lumps.
            .no_gzip();
        // HTTP_PROXY in the environment must not get what stays on this machine.
        if loopback { builder.no_proxy() } else { builder }
    };
    // Without any CA certificate on the host the client cannot be built, not even for http.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only(Vec::new()).build())
        .map_err(|error| LlmError::Client { why: reason(&error) })
}

async fn read_capped(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece[..piece.len().min(BODY_CAP - body.len())]);
        if body.len() == BODY_CAP {
            break;
        }
    }
    Ok(body)
}

/// The innermost reason, which has neither the URL nor its password.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut innermost: Option<&dyn std::error::Error> = error.source();
    while let Some(source) = innermost {
        if let Some(io) = source.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return "connection refused".to_owned();
        }
        match source.source() {
            Some(deeper) => innermost = Some(deeper),
            None => return text::middle(&text::clean(&source.to_string()), 120).into_owned(),
        }
    }
    "no reason given".to_owned()
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
