use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap as Headers, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use futures_util::stream;

use super::*;
use crate::sources::http::base_url;

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    base_url(&address.to_string(), |_| false).unwrap()
}

fn client(base: Url, settings: &Settings) -> Client {
    Client::new(base, settings).unwrap()
}

async fn ask(router: Router, settings: Settings) -> Result<Vec<u8>, SourceError> {
    client(serve(router).await, &settings).get("x", &[]).await?.json()
}

#[tokio::test]
async fn an_endless_body_is_refused_at_the_cap() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let zeros = move || async move {
        let chunks = (0..200u32).map(move |_| {
            counter.fetch_add(1_000_000, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b'{'; 1_000_000]))
        });
        Body::from_stream(stream::iter(chunks))
    };
    let settings = Settings { body_cap_mb: 3, ..Settings::default() };
    let error = ask(Router::new().route("/x", get(zeros)), settings).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TooLarge, "answer larger than 3 MB"));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 60_000_000, "{sent} bytes were taken from the server after the cap");
}

#[tokio::test]
async fn a_length_above_the_cap_is_refused_before_the_body() {
    let router = Router::new().route("/x", get(|| async { vec![b'['; 2_000_001] }));
    let settings = Settings { body_cap_mb: 2, ..Settings::default() };
    assert_eq!(ask(router, settings).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn redirects_are_followed_at_home_only() {
    let other = serve(Router::new().route("/x", get(|| async { "{\"stolen\":true}" }))).await;
    let to_other = format!("{other}x?token=abc");
    let router = Router::new()
        .route("/x", get(|| async { Redirect::temporary("/y") }))
        .route("/y", get(|| async { "{}" }))
        .route("/away", get(move || async move { Redirect::temporary(&to_other) }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }));
    let client = client(serve(router).await, &Settings::default());
    assert_eq!(client.get("x", &[]).await.unwrap().json().unwrap(), b"{}");
    let away = client.get("away", &[]).await.unwrap().json().unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Auth);
    assert!(away.to_string().contains("redirected to http://127.0.0.1:"), "{away}");
    assert!(!format!("{away:?}").contains("abc"), "a query may hold a token: {away:?}");
    assert_eq!(client.get("loop", &[]).await.unwrap().json().unwrap_err().kind(), ErrorKind::Auth);
}

#[tokio::test]
async fn a_refused_token_is_fetched_again_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let only_second = move |headers: Headers| async move {
        counter.fetch_add(1, Ordering::Relaxed);
        match headers.get("authorization").and_then(|value| value.to_str().ok()) {
            Some("Bearer t2") => (StatusCode::OK, "{}".to_owned()),
            other => (StatusCode::UNAUTHORIZED, format!("bad token {other:?}")),
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("n");
    let command = format!("echo x >> {0}; echo t$(wc -l < {0})", count.display());
    let settings = Settings { bearer_token_command: command, ..Settings::default() };
    let client = client(serve(Router::new().route("/x", get(only_second))).await, &settings);
    assert!(client.get("x", &[]).await.unwrap().json().is_ok());
    assert!(client.get("x", &[]).await.unwrap().json().is_ok());
    assert_eq!(asked.load(Ordering::Relaxed), 3, "one refusal, then the new token is kept");
}

#[tokio::test]
async fn a_token_that_stays_refused_is_an_error_without_the_token() {
    let echo = |headers: Headers| async move { (StatusCode::UNAUTHORIZED, format!("you sent {headers:?}")) };
    let settings = Settings { bearer_token_command: "echo s3cret".into(), ..Settings::default() };
    let error = ask(Router::new().route("/x", get(echo)), settings).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.to_string().starts_with("401 unauthorized: you sent"), "{error}");
    assert!(!format!("{error:?} {error} {}", error.message()).contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn basic_credentials_and_headers_are_sent() {
    let check = |headers: Headers| async move {
        let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
        format!("[{:?}]", (of("authorization"), of("x-tenant"), of("user-agent")))
    };
    let mut settings =
        Settings { basic_user: "me".into(), basic_password_env: "CARGO_PKG_NAME".into(), ..Settings::default() };
    settings.headers.insert("x-tenant".into(), "blue".into());
    let body = ask(Router::new().route("/x", get(check)), settings).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("Basic bWU6c3BhbndhdGNo") && body.contains("blue") && body.contains("spanwatch/"), "{body}");
}

#[tokio::test]
async fn what_a_server_says_is_told_apart() {
    let limited = || async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "slow down").into_response() };
    let dated = || async {
        let headers = [("date", "Fri, 20 Nov 2026 10:00:00 GMT"), ("retry-after", "Fri, 20 Nov 2026 10:01:30 GMT")];
        (StatusCode::SERVICE_UNAVAILABLE, headers, "Service Unavailable").into_response()
    };
    let router = Router::new()
        .route("/html", get(|| async { ([("content-type", "text/html")], "<!doctype html><title>Log in") }))
        .route("/text", get(|| async { "hello \u{1b}[2J" }))
        .route("/empty", get(|| async { "" }))
        .route("/forbidden", get(|| async { (StatusCode::FORBIDDEN, "unknown tenant\n") }))
        .route("/limited", get(limited))
        .route("/dated", get(dated));
    let client = client(serve(router).await, &Settings::default());
    for (path, kind, reason) in [
        ("html", ErrorKind::Html, "HTML instead of JSON (login page?)"),
        ("text", ErrorKind::Malformed, "not JSON: \"hello ·[2J\""),
        ("empty", ErrorKind::Malformed, "empty answer instead of JSON"),
        ("forbidden", ErrorKind::Auth, "403 forbidden: unknown tenant"),
        ("limited", ErrorKind::RateLimited, "429 too many requests: slow down"),
        ("dated", ErrorKind::Status(503), "503 server error: Service Unavailable"),
        ("nowhere", ErrorKind::Status(404), "404 not found"),
    ] {
        let error = client.get(path, &[]).await.unwrap().json().unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, reason), "{path}");
        assert!(!error.hint().is_empty());
    }
    let wait = async |path| client.get(path, &[]).await.unwrap().json().unwrap_err().retry_after();
    assert_eq!(wait("limited").await, Some(Duration::from_secs(7)));
    assert_eq!(wait("dated").await, Some(Duration::from_secs(90)));
}

#[tokio::test]
async fn the_network_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refused = client(base_url(&address, |_| false).unwrap(), &Settings::default());
    assert_eq!(refused.get("x", &[]).await.unwrap_err().to_string(), "connection refused");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = base_url(&silent.local_addr().unwrap().to_string(), |_| false).unwrap();
    let slow = client(base, &Settings { timeout_s: 1, ..Settings::default() });
    assert_eq!(slow.get("x", &[]).await.unwrap_err().to_string(), "no answer in 1 s");
}

#[tokio::test]
async fn an_answer_shorter_than_announced_was_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = base_url(&listener.local_addr().unwrap().to_string(), |_| false).unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        _ = socket.read(&mut request).await;
        _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":").await;
    });
    let error = client(base, &Settings::default()).get("x", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CutOff, "{error}");
}

#[tokio::test]
async fn forms_and_queries_are_encoded_under_the_base_path() {
    let form = |body: String| async move { format!("[{body:?}]") };
    let query = |uri: axum::http::Uri| async move { format!("[{:?}]", uri.to_string()) };
    let router = Router::new().route("/base/q", post(form).get(query));
    let base = serve(router).await.join("/base").unwrap();
    let client = client(base, &Settings::default());
    let pairs = [("a", "x&y=1"), ("b", "ü {s=\"1\"}")];
    let posted = client.post_form("q", &pairs).await.unwrap().json().unwrap();
    assert_eq!(String::from_utf8(posted).unwrap(), "[\"a=x%26y%3D1&b=%C3%BC+%7Bs%3D%221%22%7D\"]");
    let got = client.get("q", &pairs).await.unwrap().json().unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), "[\"/base/q?a=x%26y%3D1&b=%C3%BC+%7Bs%3D%221%22%7D\"]");
}

#[tokio::test]
async fn the_servers_clock_is_read_from_its_date() {
    let router = Router::new().route("/x", get(|| async { ([("date", "Fri, 20 Nov 2026 10:00:00 GMT")], "{}") }));
    let answer = client(serve(router).await, &Settings::default()).get("x", &[]).await.unwrap();
    assert_eq!(answer.server_time, Some(Timestamp::from_secs(1_795_168_800)));
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_named() {
    let base = base_url("localhost", |_| false).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in ["/nonexistent/ca.pem", file.path().to_str().unwrap()] {
        let settings = Settings { ca_file: path.into(), ..Settings::default() };
        let error = Client::new(base.clone(), &settings).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
}
