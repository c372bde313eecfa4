//! The shapes Ollama speaks. Only what is used is read; everything may be missing.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::domain::text;
use crate::llm::{LlmError, Request};

/// `POST /api/chat`. Every option is sent: defaults differ between versions.
#[derive(Debug, Serialize)]
pub(super) struct Chat<'a> {
    model: &'a str,
    messages: [ChatMessage<'a>; 2],
    stream: bool,
    /// A prompt that does not fit is to be an error, not to lose its beginning in silence.
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<bool>,
    /// As a number of seconds: a string without a unit is refused.
    keep_alive: i64,
    options: Options,
}

#[derive(Debug, Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Serialize)]
struct Options {
    temperature: f64,
    repeat_penalty: f64,
    repeat_last_n: i32,
    num_ctx: u32,
    num_predict: u32,
}

impl<'a> Chat<'a> {
    pub fn new(settings: &'a Settings, request: &'a Request, think: Option<bool>) -> Self {
        Self {
            model: &settings.model,
            messages: [
                ChatMessage { role: "system", content: &request.system },
                ChatMessage { role: "user", content: &request.user },
            ],
            stream: true,
            truncate: false,
            think,
            keep_alive: settings.keep_alive_s,
            options: Options {
                temperature: settings.temperature,
                repeat_penalty: settings.repeat_penalty,
                repeat_last_n: settings.repeat_last_n,
                num_ctx: settings.num_ctx,
                num_predict: settings.num_predict,
            },
        }
    }
}

/// One line of the answer.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    pub message: Option<Message>,
    #[serde(default)]
    pub done: bool,
    pub done_reason: Option<String>,
    pub error: Option<serde_json::Value>,
    pub prompt_eval_count: Option<u64>,
    pub eval_count: Option<u64>,
    /// Nanoseconds.
    pub eval_duration: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub content: Option<String>,
    pub thinking: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub version: String,
}

/// `/api/tags` and `/api/ps` alike.
#[derive(Debug, Deserialize)]
pub(super) struct Models {
    /// `null` when there is none.
    #[serde(default)]
    pub models: Option<Vec<Model>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Model {
    #[serde(default)]
    pub name: String,
}

impl Models {
    pub fn names(self) -> Vec<String> {
        self.models.unwrap_or_default().into_iter().map(|model| text::clean(&model.name).into_owned()).collect()
    }
}

/// Whether two names mean one model: no tag means `latest`, case does not matter.
pub(super) fn same_model(a: &str, b: &str) -> bool {
    let full = |name: &str| {
        let name = name.to_lowercase();
        let tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if tagged { name } else { format!("{name}:latest") }
    };
    full(a) == full(b)
}

/// What an `error` value says, clean and short: a string, or an object with a message.
pub(super) fn said(error: &serde_json::Value) -> String {
    let message = error.as_str().or_else(|| error.get("message").and_then(|message| message.as_str()));
    message.map_or_else(|| brief(&error.to_string()), brief)
}

fn brief(message: &str) -> String {
    text::middle(text::clean(message).trim(), 200).into_owned()
}

/// What a body that is not what was asked for seems to be.
pub(super) fn not_json(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let start = start.trim_start();
    if start.starts_with('<') {
        "HTML instead of JSON, a proxy or a login page?".to_owned()
    } else if start.is_empty() {
        "an empty answer".to_owned()
    } else {
        format!("instead of JSON it says: {}", text::middle(text::clean(start).trim(), 80))
    }
}

/// A status that is no success, with its body, as an error.
pub(super) fn refusal(status: StatusCode, body: &[u8], location: Option<&str>, model: &str, url: &str) -> LlmError {
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let error = json.as_ref().and_then(|json| json.get("error"));
    let told = error.map(said);
    let said =
        told.clone().unwrap_or_else(|| if body.trim_ascii().is_empty() { String::new() } else { not_json(body) });
    let (url, model) = (url.to_owned(), model.to_owned());
    match status.as_u16() {
        300..=399 => {
            let to =
                location.map_or_else(|| "elsewhere".to_owned(), |to| brief(to.split(['?', '#']).next().unwrap_or(to)));
            LlmError::NotOllama { url, what: format!("it redirects to {to}") }
        }
        400 if is_length(&said) => LlmError::PromptTooLong { said },
        401 => LlmError::Unauthorized { model },
        403 if told.is_none() => LlmError::HostRefused { url },
        404 if told.is_some() => LlmError::ModelMissing { model },
        404 | 405 => LlmError::NotOllama { url, what: format!("it answers {}", status.as_u16()) },
        429 | 503 => LlmError::Busy { said },
        500 => LlmError::ModelFailed { model, said },
        status => LlmError::Refused { status, said },
    }
}

/// The words of Ollama ("the input length exceeds the context length") and of the runner beneath it ("the request exceeds
/// the available context size").
fn is_length(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("context") && ["length", "size", "exceed", "too long"].iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tag_means_latest() {
        assert!(same_model("llama3", "Llama3:latest"));
        assert!(same_model("reg:5000/a/b", "reg:5000/a/b:latest"));
        assert!(!same_model("llama3.2:1b", "llama3.2:3b"));
    }

    #[test]
    fn a_redirect_does_not_show_its_query() {
        let error = refusal(StatusCode::FOUND, b"", Some("https://login/x?token=abc"), "m", "http://h");
        assert!(error.to_string().contains("https://login/x") && !error.to_string().contains("abc"), "{error}");
    }
}
