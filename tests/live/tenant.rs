//! A corner of a real Jaeger that one test has to itself: its services carry a name that no other test and no earlier
//! run uses, so what is learnt there can be compared span by span with what was sent.

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use spanwatch::demo::{Exchange, Exported, export};
use spanwatch::domain::{SpanKey, TimeWindow, Trace};
use spanwatch::runtime::now;
use spanwatch::sources::jaeger::{self, Jaeger};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{eventually, variable};

pub struct Tenant {
    pub seed: u64,
    prefix: String,
    url: String,
    /// Where spans are sent to be renamed and passed on.
    relay: String,
    _relaying: JoinSet<()>,
}

impl Tenant {
    /// `None`, with a printed reason, where no Jaeger is named. `number` differs from test to test.
    pub async fn new(number: u64) -> Option<Self> {
        let url = variable("SPANWATCH_TEST_JAEGER")?;
        let otlp = variable("SPANWATCH_TEST_JAEGER_OTLP")?;
        // Another run begins at another moment; trace ids follow from the seed.
        let seed = u64::try_from(now().0).unwrap() / 1_000 * 10 + number;
        let prefix = format!("t{seed}-");
        let (relay, relaying) = relay(otlp, prefix.clone()).await;
        Some(Self { seed, prefix, url, relay, _relaying: relaying })
    }

    /// What a service of the exchange is called here.
    pub fn service(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A client that sees the services of this tenant, and of no other that is there already.
    pub async fn jaeger(&self) -> Jaeger {
        let client = |exclude_services| {
            let settings = jaeger::Settings { url: self.url.clone(), exclude_services, ..Default::default() };
            Jaeger::new(&settings).unwrap()
        };
        let all = client(Vec::new());
        all.probe().await.unwrap();
        let mut others = all.services().await.unwrap();
        others.retain(|service| !service.starts_with(&self.prefix));
        client(others)
    }

    /// Sends the traces that start in `window` and have ended.
    pub async fn send(&self, exchange: &Exchange, window: TimeWindow) -> Exported {
        export(exchange, window, &self.relay).await.unwrap()
    }

    /// The traces that start in `window`, as this Jaeger is to know them.
    pub fn traces<'a>(&'a self, exchange: &'a Exchange, window: TimeWindow) -> impl Iterator<Item = Trace> + 'a {
        exchange.traces_starting_in(window).map(|mut trace| {
            for span in &mut trace.spans {
                span.key = SpanKey::new(self.service(&span.key.service), &*span.key.operation, span.key.kind);
            }
            trace
        })
    }

    /// Sends a window of the past and waits until its newest trace is there.
    pub async fn fill(&self, exchange: &Exchange, window: TimeWindow) {
        let sent = self.send(exchange, window).await;
        println!("{}: {} spans of {} traces", self.prefix, sent.spans, sent.traces);
        assert_eq!(sent.traces, exchange.traces_starting_in(window).count() as u64);
        let newest = exchange.traces_starting_in(window).last().expect("a window with traffic");
        let jaeger = self.jaeger().await;
        eventually("the newest trace in Jaeger", async || {
            let found = jaeger.trace(newest.id).await.ok().flatten();
            found.filter(|found| found.spans.len() == newest.spans.len())
        })
        .await;
    }
}

/// Passes OTLP requests on to `otlp` with `prefix` before every service's name.
async fn relay(otlp: String, prefix: String) -> (String, JoinSet<()>) {
    const NAME: &str = r#"{"key":"service.name","value":{"stringValue":""#;
    let client = reqwest::Client::builder().tls_certs_only(Vec::new()).build().unwrap();
    let base = otlp.trim_end_matches('/').trim_end_matches("/v1/traces").to_owned();
    let pass = move |uri: Uri, body: Bytes| async move {
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains(NAME), "the demo writes names in another way now");
        let renamed = body.replace(NAME, &format!("{NAME}{prefix}"));
        let request = client.post(format!("{base}{uri}")).header("content-type", "application/json").body(renamed);
        match request.send().await {
            Ok(answer) => answer.status(),
            Err(_) => StatusCode::BAD_GATEWAY,
        }
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(pass).layer(DefaultBodyLimit::max(16 << 20));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, server)
}
