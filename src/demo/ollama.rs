//! Ollama's API with a scripted model: it repeats the facts of the prompt in the asked form and says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::script;
use super::world::json as answer;

const MODEL: &str = "llama3.2:1b";
const LOADING: Duration = Duration::from_millis(200);
const BETWEEN_TOKENS: Duration = Duration::from_millis(25);
/// Ollama's own default context.
const NUM_CTX: u64 = 4_096;

/// Whether the model was used already: `/api/ps` lists it then.
type Loaded = Arc<AtomicBool>;

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || "Ollama is running"))
        .route("/api/version", get(async || answer(StatusCode::OK, json!({ "version": "0.32.1" }).to_string())))
        .route("/api/tags", get(tags))
        .route("/api/ps", get(running))
        .route("/api/show", post(show))
        .route("/api/chat", post(chat))
        .route("/api/generate", post(generate))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found"))
        .with_state(Loaded::default())
}

/// A request for text, by chat or by generate.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    model: String,
    name: String,
    prompt: String,
    system: String,
    messages: Vec<Message>,
    stream: Option<bool>,
    truncate: Option<bool>,
    options: RequestOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestOptions {
    num_predict: Option<i64>,
    num_ctx: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    content: String,
}

/// How the two dialects carry the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Chat,
    Generate,
}

/// One answer on its way: the words still to come and the numbers for the last line.
#[derive(Debug)]
struct Speech {
    dialect: Dialect,
    words: std::vec::IntoIter<String>,
    spoken: u64,
    prompt_tokens: u64,
    done_reason: &'static str,
    load: Duration,
    ended: bool,
}

fn failed(status: StatusCode, text: &str) -> Response {
    answer(status, json!({ "error": text }).to_string())
}

fn details() -> Value {
    json!({
        "format": "gguf", "family": "scripted", "families": ["scripted"],
        "parameter_size": "0B", "quantization_level": "none",
    })
}

async fn tags() -> Response {
    let model = json!({
        "name": MODEL, "model": MODEL, "modified_at": "2026-08-20T10:00:00Z", "size": 0,
        "digest": "0000000000000000000000000000000000000000000000000000000000000000",
        "details": details(), "capabilities": ["completion"],
    });
    answer(StatusCode::OK, json!({ "models": [model] }).to_string())
}

async fn running(State(loaded): State<Loaded>) -> Response {
    let expires = (chrono::Utc::now() + chrono::TimeDelta::minutes(5)).to_rfc3339();
    let model = json!({
        "name": MODEL, "model": MODEL, "size": 0, "size_vram": 0, "details": details(),
        "expires_at": expires, "context_length": NUM_CTX,
    });
    let models = if loaded.load(Ordering::Relaxed) { vec![model] } else { Vec::new() };
    answer(StatusCode::OK, json!({ "models": models }).to_string())
}

/// The request, if it is one and its model exists.
fn read(body: &Bytes) -> Result<Request, Box<Response>> {
    if body.is_empty() {
        return Err(Box::new(failed(StatusCode::BAD_REQUEST, "missing request body")));
    }
    let request: Request =
        serde_json::from_slice(body).map_err(|error| Box::new(failed(StatusCode::BAD_REQUEST, &error.to_string())))?;
    let asked = if request.model.is_empty() { &request.name } else { &request.model };
    if asked.is_empty() {
        return Err(Box::new(failed(StatusCode::BAD_REQUEST, "model is required")));
    }
    let tagged = if asked.contains(':') { asked.clone() } else { format!("{asked}:latest") };
    if !tagged.eq_ignore_ascii_case(MODEL) {
        return Err(Box::new(failed(StatusCode::NOT_FOUND, &format!("model '{asked}' not found"))));
    }
    Ok(request)
}

async fn show(body: Bytes) -> Response {
    match read(&body) {
        Err(refusal) => *refusal,
        Ok(_) => {
            let shown = json!({
                "template": "{{ .Prompt }}", "parameters": "", "details": details(),
                "model_info": { "general.architecture": "scripted", "scripted.context_length": 131_072 },
                "capabilities": ["completion"],
            });
            answer(StatusCode::OK, shown.to_string())
        }
    }
}

async fn chat(State(loaded): State<Loaded>, body: Bytes) -> Response {
    speak(&loaded, &body, Dialect::Chat).await
}

async fn generate(State(loaded): State<Loaded>, body: Bytes) -> Response {
    speak(&loaded, &body, Dialect::Generate).await
}

async fn speak(loaded: &Loaded, body: &Bytes, dialect: Dialect) -> Response {
    let request = match read(body) {
        Ok(request) => request,
        Err(refusal) => return *refusal,
    };
    let prompt = match dialect {
        Dialect::Chat => request.messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n"),
        Dialect::Generate => format!("{}\n{}", request.system, request.prompt),
    };
    // About what a tokenizer makes of English with numbers.
    let prompt_tokens = (prompt.chars().count() as u64).div_ceil(4);
    if request.truncate == Some(false) && prompt_tokens > request.options.num_ctx.unwrap_or(NUM_CTX) {
        return failed(StatusCode::BAD_REQUEST, "the input length exceeds the context length");
    }
    let load = if loaded.swap(true, Ordering::Relaxed) { Duration::ZERO } else { LOADING };
    tokio::time::sleep(load).await;

    let (mut words, mut done_reason) = (Vec::new(), "stop");
    if prompt.trim().is_empty() {
        done_reason = "load";
    } else {
        words.extend(script::text(&prompt).split_inclusive(' ').map(str::to_owned));
        let most = request.options.num_predict.and_then(|most| usize::try_from(most).ok());
        if most.is_some_and(|most| most < words.len()) {
            words.truncate(most.unwrap_or_default());
            done_reason = "length";
        }
    }
    let speech =
        Speech { dialect, words: words.into_iter(), spoken: 0, prompt_tokens, done_reason, load, ended: false };
    if request.stream == Some(false) {
        return speech.whole().await;
    }
    let lines = stream::unfold(speech, async |mut speech| {
        let line = speech.next_line().await?;
        Some((Ok::<_, std::convert::Infallible>(line), speech))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

impl Speech {
    fn line(&self, text: &str) -> Value {
        let mut line = json!({ "model": MODEL, "created_at": chrono::Utc::now().to_rfc3339() });
        match self.dialect {
            Dialect::Chat => line["message"] = json!({ "role": "assistant", "content": text }),
            Dialect::Generate => line["response"] = json!(text),
        }
        line["done"] = json!(self.ended);
        if self.ended {
            let evaluation = BETWEEN_TOKENS * u32::try_from(self.spoken).unwrap_or(u32::MAX);
            let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            line["done_reason"] = json!(self.done_reason);
            line["total_duration"] = json!(nanos(self.load + evaluation));
            line["load_duration"] = json!(nanos(self.load));
            line["prompt_eval_count"] = json!(self.prompt_tokens);
            line["prompt_eval_duration"] = json!(nanos(BETWEEN_TOKENS));
            line["eval_count"] = json!(self.spoken);
            line["eval_duration"] = json!(nanos(evaluation));
        }
        line
    }

    /// The next line of the stream; `None` after the last. When the client goes away nobody asks for it.
    async fn next_line(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let word = self.words.next();
        if word.is_some() {
            tokio::time::sleep(BETWEEN_TOKENS).await;
            self.spoken += 1;
        } else {
            self.ended = true;
        }
        Some(format!("{}\n", self.line(word.as_deref().unwrap_or_default())))
    }

    /// Everything in one answer, after the time it takes to say it.
    async fn whole(mut self) -> Response {
        let text: String = self.words.by_ref().inspect(|_| self.spoken += 1).collect();
        tokio::time::sleep(BETWEEN_TOKENS * u32::try_from(self.spoken).unwrap_or(u32::MAX)).await;
        self.ended = true;
        answer(StatusCode::OK, self.line(&text).to_string())
    }
}
