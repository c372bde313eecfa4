//! The client against a server of its own in the same process, which answers as told.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response as Answered};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

type Piece = io::Result<Bytes>;

/// What the server does with one chat request.
enum Reply {
    Status(u16, String),
    /// The test holds the other end: each piece is sent as it comes, and dropping the end ends the body.
    Stream(mpsc::Receiver<Piece>),
    /// Never answers; holds this until the request is given up.
    Silence(Sender<()>),
}

struct Script {
    replies: Mutex<VecDeque<Reply>>,
    asked: mpsc::UnboundedSender<Value>,
    ps: &'static str,
}

struct Server {
    url: String,
    asked: mpsc::UnboundedReceiver<Value>,
}

async fn chat(State(script): State<Arc<Script>>, Json(request): Json<Value>) -> Answered {
    let _ = script.asked.send(request);
    let reply = script.replies.lock().unwrap().pop_front();
    match reply {
        None => (StatusCode::IM_A_TEAPOT, "nothing more was expected").into_response(),
        Some(Reply::Status(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Reply::Stream(pieces)) => {
            let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
                pieces.recv().await.map(|piece| (piece, pieces))
            });
            Body::from_stream(pieces).into_response()
        }
        Some(Reply::Silence(_held)) => std::future::pending().await,
    }
}

async fn serve(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn server(replies: Vec<Reply>, ps: &'static str) -> Server {
    let (asked_to, asked) = mpsc::unbounded_channel();
    let script = Arc::new(Script { replies: Mutex::new(replies.into()), asked: asked_to, ps });
    let app = axum::Router::new()
        .route("/api/chat", post(chat))
        .route("/api/version", get(|| async { r#"{"version":"0.32.1"}"# }))
        .route("/api/tags", get(|| async { r#"{"models":[{"name":"llama3.2:1b"},{"name":"qwen3:latest"}]}"# }))
        .route("/api/ps", get(|State(script): State<Arc<Script>>| async move { script.ps }))
        .with_state(script);
    Server { url: serve(app).await, asked }
}

const NONE_LOADED: &str = r#"{"models":[]}"#;
const LOADED: &str = r#"{"models":[{"name":"llama3.2:1b"}]}"#;
const DONE: &str =
    r#"{"done":true,"done_reason":"stop","prompt_eval_count":90,"eval_count":20,"eval_duration":2000000000}"#;

fn ollama(url: &str) -> Ollama {
    let mut ollama = Ollama::new(&Settings { url: url.to_owned(), ..Settings::default() }).unwrap();
    ollama.limits.pause = Duration::ZERO;
    ollama
}

fn request() -> Request {
    Request { system: "be brief".into(), user: "why?".into(), tokens_estimate: 100 }
}

fn token(text: &str) -> String {
    format!("{}\n", json!({"message": {"role": "assistant", "content": text}, "done": false}))
}

/// What is awaited, within a bound that only a hanging test reaches.
async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), awaited).await.expect("it happens")
}

/// Everything that happens.
async fn events(ollama: &Ollama) -> Vec<LlmEvent> {
    let (out, mut events) = mpsc::channel(1_000);
    timeout(Duration::from_secs(20), ollama.stream(&request(), &out)).await.expect("the stream ends");
    drop(out);
    let mut all = Vec::new();
    while let Some(event) = events.recv().await {
        all.push(event);
    }
    all
}

/// The whole body at once, from a server that closes afterwards.
async fn events_of(body: impl AsRef<[u8]>) -> Vec<LlmEvent> {
    let (pieces, stream) = mpsc::channel(1);
    pieces.send(Ok(Bytes::copy_from_slice(body.as_ref()))).await.unwrap();
    drop(pieces);
    // The one retry meets the same.
    let (again, stream_again) = mpsc::channel(1);
    again.send(Ok(Bytes::copy_from_slice(body.as_ref()))).await.unwrap();
    drop(again);
    let server = server(vec![Reply::Stream(stream), Reply::Stream(stream_again)], LOADED).await;
    events(&ollama(&server.url)).await
}

fn text_of(events: &[LlmEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let LlmEvent::Token(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

fn failure(events: &[LlmEvent]) -> &LlmError {
    match events.last() {
        Some(LlmEvent::Failed(error)) => error,
        other => panic!("no failure but {other:?}"),
    }
}

fn done(events: &[LlmEvent]) -> &Done {
    match events.last() {
        Some(LlmEvent::Done(done)) => done,
        other => panic!("not done but {other:?}"),
    }
}

async fn failure_of(status: u16, body: &str) -> LlmError {
    let replies = (0..2).map(|_| Reply::Status(status, body.to_owned())).collect();
    let server = server(replies, LOADED).await;
    failure(&events(&ollama(&server.url)).await).clone()
}

#[tokio::test]
async fn an_answer_comes_in_tokens_and_everything_is_sent_explicitly() {
    let (pieces, stream) = mpsc::channel(10);
    let mut server = server(vec![Reply::Stream(stream)], LOADED).await;
    for text in ["\n\n The", " pool", " is full\u{1b}[2J.\n"] {
        pieces.send(Ok(token(text).into())).await.unwrap();
    }
    pieces.send(Ok(DONE.into())).await.unwrap();
    drop(pieces);
    let events = events(&ollama(&server.url)).await;
    assert_eq!(text_of(&events), "The pool is full[2J.\n");
    assert_eq!(
        *done(&events),
        Done {
            tokens: Some(20),
            tokens_per_s: Some(10.0),
            cut_by_limit: false,
            prompt_tokens: Some(90),
            truncated_by_server: false
        }
    );
    assert_eq!(
        server.asked.recv().await.unwrap(),
        json!({
            "model": "llama3.2:1b",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why?"}],
            "stream": true,
            "truncate": false,
            "think": false,
            "keep_alive": 600,
            "options": {"temperature": 0.7, "repeat_penalty": 1.3, "repeat_last_n": 64, "num_ctx": 8192, "num_predict": 600},
        })
    );
}

#[tokio::test]
async fn pieces_may_be_cut_anywhere_and_hold_many_lines() {
    let body = format!("{}{}\r\n\n{DONE}\n", token("é漢"), token("字 ok").trim_end());
    let mut replies = Vec::new();
    for cut in 0..body.len() {
        let (pieces, stream) = mpsc::channel(3);
        pieces.send(Ok(Bytes::copy_from_slice(&body.as_bytes()[..cut]))).await.unwrap();
        pieces.send(Ok(Bytes::copy_from_slice(&body.as_bytes()[cut..]))).await.unwrap();
        replies.push(Reply::Stream(stream));
    }
    let server = server(replies, LOADED).await;
    let ollama = ollama(&server.url);
    for cut in 0..body.len() {
        let events = events(&ollama).await;
        assert_eq!(text_of(&events), "é漢字 ok", "cut at {cut}");
        assert_eq!(done(&events).tokens, Some(20));
    }
}

#[tokio::test]
async fn a_huge_last_line_is_read() {
    let context: Vec<u32> = (0..200_000).collect();
    let last = json!({"done": true, "message": {"content": "!"}, "context": context, "done_reason": "length"});
    let events = events_of(format!("{}{last}\n", token("ok"))).await;
    assert_eq!(text_of(&events), "ok!");
    assert!(done(&events).cut_by_limit);
}

#[tokio::test]
async fn a_line_without_end_is_given_up() {
    let (pieces, stream) = mpsc::channel(1);
    let server = server(vec![Reply::Stream(stream)], LOADED).await;
    tokio::spawn(async move { while pieces.send(Ok(Bytes::from(vec![b'x'; 1 << 20]))).await.is_ok() {} });
    assert_eq!(*failure(&events(&ollama(&server.url)).await), LlmError::LineTooLong { megabytes: 8 });
}

#[tokio::test]
async fn thinking_is_never_the_answer() {
    let thought = format!("{}\n", json!({"message": {"content": "", "thinking": "Let me see"}, "done": false}));
    let events = events_of(format!("{thought}{}{}{DONE}", token("<think>hm</thi"), token("nk>\nThe pool."))).await;
    assert_eq!(text_of(&events), "The pool.");
    let only = events_of(format!("{thought}{}", r#"{"done":true,"done_reason":"length"}"#)).await;
    assert!(failure(&only).to_string().contains("all its tokens for thinking"), "{only:?}");
}

#[tokio::test]
async fn a_server_that_does_not_know_think_is_asked_without() {
    let (pieces, stream) = mpsc::channel(2);
    let refused = Reply::Status(400, r#"{"error":"\"llama3.2:1b\" does not support thinking"}"#.into());
    let mut server = server(vec![refused, Reply::Stream(stream)], LOADED).await;
    pieces.send(Ok(format!("{}{DONE}", token("ok")).into())).await.unwrap();
    drop(pieces);
    assert_eq!(text_of(&events(&ollama(&server.url)).await), "ok");
    assert_eq!(server.asked.recv().await.unwrap()["think"], json!(false));
    assert_eq!(server.asked.recv().await.unwrap().get("think"), None);
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let missing = failure_of(404, r#"{"error":"model 'llama3.2:1b' not found"}"#).await;
    assert!(missing.to_string().contains("`ollama pull llama3.2:1b`"), "{missing}");
    let page = failure_of(404, "404 page not found").await;
    assert!(page.to_string().contains("is not Ollama (it answers 404)"), "{page}");
    let host = failure_of(403, "").await;
    assert!(matches!(host, LlmError::HostRefused { .. }) && host.to_string().contains("localhost"), "{host}");
    let busy = failure_of(503, r#"{"error":"server busy, please try again."}"#).await;
    assert!(busy.to_string().contains("busy (server busy, please try again.)"), "{busy}");
    let memory = failure_of(500, r#"{"error":"model requires more system memory (8 GiB) than is available"}"#).await;
    assert!(memory.to_string().contains("requires more system memory"), "{memory}");
    let long = failure_of(400, r#"{"error":"the input length exceeds the context length"}"#).await;
    assert!(matches!(long, LlmError::PromptTooLong { .. }), "{long}");
    let runner =
        failure_of(400, r#"{"error":{"code":400,"message":"the request exceeds the available context size"}}"#).await;
    assert!(matches!(runner, LlmError::PromptTooLong { .. }), "{runner}");
    let cloud = failure_of(401, r#"{"error":"unauthorized"}"#).await;
    assert!(cloud.to_string().contains("ollama signin"), "{cloud}");
    let html = failure_of(418, "<html>\u{1b}[2J</html>").await;
    assert!(html.to_string().contains("418 (HTML instead of JSON"), "{html}");
}

#[tokio::test]
async fn html_with_a_good_status_is_no_answer() {
    let events = events_of("<!doctype html>\n<title>Sign in</title>").await;
    assert!(failure(&events).to_string().contains("is not Ollama (HTML instead of JSON"), "{events:?}");
    let other = events_of("{\"choices\":[]}\n").await;
    assert!(failure(&other).to_string().contains("no message"), "{other:?}");
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_what_came() {
    let events = events_of(format!("{}{}\n", token("The pool"), r#"{"error":"llama runner has terminated"}"#)).await;
    assert_eq!(text_of(&events), "The pool");
    assert_eq!(*failure(&events), LlmError::BrokeOff { tokens: 1, said: "llama runner has terminated".into() });
}

#[tokio::test]
async fn an_end_without_done_is_a_cut_stream() {
    for rest in ["", "{\"mess"] {
        let events = events_of(format!("{}{}{rest}", token("The"), token(" pool"))).await;
        assert_eq!(text_of(&events), "The pool");
        assert!(failure(&events).to_string().starts_with("the stream was cut after 2 tokens ("), "{events:?}");
        assert!(failure(&events).to_string().ends_with("what came is kept, a tries again"), "{events:?}");
    }
    // A connection that breaks, once the first token is through.
    let (pieces, stream) = mpsc::channel(3);
    let server = server(vec![Reply::Stream(stream)], LOADED).await;
    let (out, mut events) = mpsc::channel(10);
    let ollama = ollama(&server.url);
    let running = tokio::spawn(async move { ollama.stream(&request(), &out).await });
    pieces.send(Ok(token("The").into())).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(LlmEvent::Token("The".into())));
    pieces.send(Err(io::Error::other("gone"))).await.unwrap();
    assert!(matches!(soon(events.recv()).await, Some(LlmEvent::Failed(LlmError::Cut { tokens: 1, .. }))));
    soon(running).await.unwrap();
}

#[tokio::test]
async fn what_fails_before_the_first_token_is_tried_once_more() {
    let (pieces, stream) = mpsc::channel(2);
    pieces.send(Ok(format!("{}{DONE}", token("ok")).into())).await.unwrap();
    drop(pieces);
    let busy = Reply::Status(503, r#"{"error":"busy"}"#.into());
    let mut server = server(vec![busy, Reply::Stream(stream)], LOADED).await;
    assert_eq!(text_of(&events(&ollama(&server.url)).await), "ok");
    assert!(server.asked.recv().await.is_some() && server.asked.recv().await.is_some());
    // A broken answer is not: its text was shown.
    let (pieces, stream) = mpsc::channel(2);
    pieces.send(Ok(token("half").into())).await.unwrap();
    drop(pieces);
    let mut server = self::server(vec![Reply::Stream(stream)], LOADED).await;
    assert!(matches!(failure(&events(&ollama(&server.url)).await), LlmError::Cut { tokens: 1, .. }));
    assert!(server.asked.recv().await.is_some());
    assert!(server.asked.try_recv().is_err());
}

#[tokio::test]
async fn nobody_at_the_address_is_said_without_its_password() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let absent = ollama(&format!("http://me:hunter2@127.0.0.1:{port}"));
    let said = failure(&events(&absent).await).to_string();
    assert_eq!(
        said,
        format!(
            "no Ollama server answers at http://127.0.0.1:{port} (connection refused); start it with `ollama serve`, or set \
             ollama.url to where it runs"
        )
    );
    assert_eq!(absent.probe().await.unwrap_err().to_string(), said);
}

#[tokio::test]
async fn a_slow_first_token_is_told_as_loading() {
    let (pieces, stream) = mpsc::channel(2);
    let server = server(vec![Reply::Stream(stream)], NONE_LOADED).await;
    let mut ollama = ollama(&server.url);
    ollama.limits.loading_after = Duration::from_millis(1);
    let (out, mut events) = mpsc::channel(10);
    let running = tokio::spawn(async move { ollama.stream(&request(), &out).await });
    assert_eq!(soon(events.recv()).await, Some(LlmEvent::Loading));
    pieces.send(Ok(format!("{}{DONE}\n", token("ok")).into())).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(LlmEvent::Token("ok".into())));
    assert!(matches!(soon(events.recv()).await, Some(LlmEvent::Done(_))));
    soon(running).await.unwrap();
}

#[tokio::test]
async fn a_loaded_model_that_is_slow_is_not_called_loading_and_given_up_in_time() {
    let (_pieces, stream) = mpsc::channel(2);
    let server = server(vec![Reply::Stream(stream)], LOADED).await;
    let mut ollama = ollama(&server.url);
    ollama.limits.loading_after = Duration::from_millis(1);
    ollama.limits.first_token = Duration::from_millis(300);
    assert_eq!(events(&ollama).await, [LlmEvent::Failed(LlmError::NoFirstToken { after_s: 0 })]);
}

#[tokio::test]
async fn silence_in_the_middle_ends_the_wait() {
    let (pieces, stream) = mpsc::channel(2);
    pieces.send(Ok(token("The").into())).await.unwrap();
    let server = server(vec![Reply::Stream(stream)], LOADED).await;
    let mut ollama = ollama(&server.url);
    ollama.limits.idle = Duration::from_millis(50);
    let events = events(&ollama).await;
    assert_eq!(text_of(&events), "The");
    assert!(matches!(failure(&events), LlmError::Silent { tokens: 1, .. }));
    soon(pieces.closed()).await;
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection_before_and_after_the_first_token() {
    let (held, mut given_up) = mpsc::channel(1);
    let (pieces, stream) = mpsc::channel(2);
    let mut server = server(vec![Reply::Silence(held), Reply::Stream(stream)], LOADED).await;
    let ollama = ollama(&server.url);
    let (out, mut events) = mpsc::channel(10);
    let waiting = tokio::spawn({
        let (ollama, out) = (ollama.clone(), out.clone());
        async move { ollama.stream(&request(), &out).await }
    });
    server.asked.recv().await.unwrap();
    waiting.abort();
    assert_eq!(soon(given_up.recv()).await, None);

    pieces.send(Ok(token("The").into())).await.unwrap();
    let streaming = tokio::spawn(async move { ollama.stream(&request(), &out).await });
    assert_eq!(soon(events.recv()).await, Some(LlmEvent::Token("The".into())));
    streaming.abort();
    soon(pieces.closed()).await;
    assert_eq!(soon(events.recv()).await, None, "nothing more is said");
}

#[tokio::test]
async fn a_receiver_that_is_gone_closes_the_connection_too() {
    let (held, mut given_up) = mpsc::channel(1);
    let mut server = server(vec![Reply::Silence(held)], LOADED).await;
    let ollama = ollama(&server.url);
    let (out, events) = mpsc::channel(10);
    let waiting = tokio::spawn(async move { ollama.stream(&request(), &out).await });
    server.asked.recv().await.unwrap();
    drop(events);
    soon(waiting).await.unwrap();
    assert_eq!(soon(given_up.recv()).await, None);
}

#[tokio::test]
async fn a_model_that_loops_is_stopped() {
    let (pieces, stream) = mpsc::channel(1);
    let server = server(vec![Reply::Stream(stream)], LOADED).await;
    let endless =
        tokio::spawn(
            async move { while pieces.send(Ok(token("Check the pool of the matcher. ").into())).await.is_ok() {} },
        );
    let events = events(&ollama(&server.url)).await;
    assert!(matches!(failure(&events), LlmError::Repeated { tokens: 5..12 }), "{events:?}");
    soon(endless).await.unwrap();
}

#[tokio::test]
async fn a_prompt_that_lost_its_beginning_is_noticed() {
    let body = |count: u64| format!("{}{}", token("ok"), json!({"done": true, "prompt_eval_count": count}));
    assert!(done(&events_of(body(50)).await).truncated_by_server);
    assert!(!done(&events_of(body(61)).await).truncated_by_server, "an estimate may be high");
    assert!(!done(&events_of(format!("{}{}", token("ok"), r#"{"done":true}"#)).await).truncated_by_server);
}

#[tokio::test]
async fn probing_finds_version_models_and_what_is_missing() {
    let server = server(vec![], LOADED).await;
    let found = ollama(&server.url).probe().await.unwrap();
    assert_eq!((found.version.as_str(), found.present, found.loaded), ("0.32.1", true, Some(true)));
    assert_eq!(found.problem(), None);
    let other =
        Ollama::new(&Settings { url: server.url.clone(), model: "phi4".into(), ..Settings::default() }).unwrap();
    let problem = other.probe().await.unwrap().problem().unwrap().to_string();
    assert!(problem.contains("`ollama pull phi4`"), "{problem}");
    let untagged = Ollama::new(&Settings { url: server.url, model: "Qwen3".into(), ..Settings::default() }).unwrap();
    assert!(untagged.probe().await.unwrap().present);
}

#[tokio::test]
async fn a_web_page_is_not_taken_for_ollama() {
    let pages = serve(axum::Router::new().fallback(|| async { "<html>Grafana</html>" })).await;
    let error = ollama(&pages).probe().await.unwrap_err().to_string();
    assert!(error.contains("is not Ollama (HTML instead of JSON"), "{error}");
    let nothing = serve(axum::Router::new()).await;
    let error = ollama(&nothing).probe().await.unwrap_err().to_string();
    assert!(error.contains("is not Ollama (it answers 404)"), "{error}");
}

#[test]
fn a_wrong_address_does_not_show_its_password() {
    let error = Ollama::new(&Settings { url: "ftp://me:hunter2@h".into(), ..Settings::default() }).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
