//! A real Jaeger, named by `SPANWATCH_TEST_JAEGER` (query) and `SPANWATCH_TEST_JAEGER_OTLP` (OTLP/HTTP), fed with the
//! demo's spans.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use spanwatch::demo::{Exchange, Options, Schedule, export};
use spanwatch::domain::{Micros, Span, SpanId, SpanKind, TimeWindow, Timestamp, Trace, TraceId};
use spanwatch::runtime::now;
use spanwatch::sources::jaeger::{Api, Jaeger, Settings};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;

use super::{eventually, variable, within};

const SERVICES: [&str; 4] = ["api-gateway", "crypto-wallet", "exchange-api", "order-matcher"];

/// What Jaeger was fed with, once for all tests of this file.
struct Fed {
    window: TimeWindow,
    truth: BTreeMap<TraceId, Trace>,
}

static FED: OnceCell<Fed> = OnceCell::const_new();

fn at(url: String) -> Jaeger {
    Jaeger::new(&Settings { url, ..Settings::default() }).unwrap()
}

async fn fed() -> Option<(Jaeger, &'static Fed)> {
    let url = variable("SPANWATCH_TEST_JAEGER")?;
    let otlp = variable("SPANWATCH_TEST_JAEGER_OTLP")?;
    let jaeger = at(url);
    let fed = FED.get_or_init(|| feed(&otlp, &jaeger)).await;
    Some((jaeger, fed))
}

/// The same server through each of its APIs. Most versions have both, and probing would always choose the same one: a
/// forwarder in front hides the other.
async fn each_api() -> Option<(Vec<(Jaeger, JoinSet<()>)>, &'static Fed)> {
    let (plain, fed) = fed().await?;
    let url = variable("SPANWATCH_TEST_JAEGER")?;
    let mut servers = Vec::new();
    for v3 in [false, true] {
        let (address, forwarder) = forward(url.trim_end_matches('/').to_owned(), v3).await;
        let jaeger = at(address);
        match jaeger.probe().await {
            Ok(found) => {
                assert_eq!(matches!(found.api, Api::V3 { .. }), v3, "{found:?}");
                servers.push((jaeger, forwarder));
            }
            Err(error) => println!("skipped: this Jaeger has no {} API ({error})", if v3 { "v3" } else { "legacy" }),
        }
    }
    plain.probe().await.unwrap();
    assert!(!servers.is_empty(), "neither API answers");
    Some((servers, fed))
}

/// Serves one API of the server at `url` and 404 for the other.
async fn forward(url: String, v3: bool) -> (String, JoinSet<()>) {
    let client = reqwest::Client::builder().tls_certs_only(Vec::new()).build().unwrap();
    let pass = move |uri: Uri| async move {
        if uri.path().starts_with("/api/v3/") != v3 {
            return (StatusCode::NOT_FOUND, HeaderMap::new(), Vec::new());
        }
        let answer = client.get(format!("{url}{uri}")).send().await.unwrap();
        let kept = ["content-type", "date"];
        let headers = answer.headers().iter().filter(|(name, _)| kept.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        (answer.status(), headers, answer.bytes().await.unwrap().to_vec())
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, Router::new().fallback(pass)).await.unwrap() });
    (address, server)
}

/// Twenty minutes of the exchange that ended two minutes ago, so that no trace is still under way. The seed is the
/// moment: a Jaeger that was fed before holds other trace ids.
async fn feed(otlp: &str, jaeger: &Jaeger) -> Fed {
    let to = Timestamp::from_secs(now().secs() - 120);
    let window = TimeWindow::new(to - Micros::from_secs(1_200), to);
    let seed = u64::try_from(to.secs()).unwrap();
    let exchange = Exchange::new(Options {
        seed,
        rate: 2.0,
        origin: window.from,
        schedule: Schedule::Quiet,
        ..Options::default()
    });
    let sent = export(&exchange, window, otlp).await.unwrap();
    let truth: BTreeMap<TraceId, Trace> = exchange.traces_starting_in(window).map(|trace| (trace.id, trace)).collect();
    assert_eq!(sent.traces, truth.len() as u64);
    let last = *truth.keys().next_back().unwrap();
    eventually("the last trace in Jaeger", async || {
        let found = jaeger.trace(last).await.ok().flatten();
        found.filter(|found| found.spans.len() == truth[&last].spans.len())
    })
    .await;
    Fed { window, truth }
}

/// Searches every service and joins what belongs together, as the poller does.
async fn searched(jaeger: &Jaeger, window: TimeWindow) -> BTreeMap<TraceId, BTreeMap<SpanId, Span>> {
    let mut found: BTreeMap<TraceId, BTreeMap<SpanId, Span>> = BTreeMap::new();
    for service in SERVICES {
        let (sender, mut pages) = mpsc::channel::<Vec<Trace>>(16);
        let reading = async {
            while let Some(page) = pages.recv().await {
                for trace in page {
                    found.entry(trace.id).or_default().extend(trace.spans.iter().map(|span| (span.id, span.clone())));
                }
            }
        };
        let asking = async {
            let report = jaeger.search(service, window, &sender).await.unwrap();
            drop(sender);
            report
        };
        let (report, ()) = within("a search", Duration::from_secs(60), async { tokio::join!(asking, reading) }).await;
        assert!(report.clipped.is_empty(), "{service}: {report:?}");
        assert_eq!(report.refused_spans, 0, "{service}: {report:?}");
    }
    found
}

#[tokio::test]
async fn probing_finds_an_api_and_the_services_are_there() {
    let Some((jaeger, _)) = fed().await else { return };
    let found = jaeger.probe().await.unwrap();
    println!("Jaeger {found:?}");
    let services: BTreeSet<String> = jaeger.services().await.unwrap().into_iter().collect();
    for service in SERVICES {
        assert!(services.contains(service), "{services:?}");
    }
}

#[tokio::test]
async fn every_span_that_was_sent_is_found_with_its_duration_through_either_api() {
    let Some((servers, fed)) = each_api().await else { return };
    for (jaeger, _forwarder) in &servers {
        let found = searched(jaeger, fed.window).await;
        for (id, trace) in &fed.truth {
            let spans = found.get(id).unwrap_or_else(|| panic!("trace {id} is missing"));
            assert_eq!(spans.len(), trace.spans.len(), "spans of trace {id}");
            for truth in &trace.spans {
                let span = &spans[&truth.id];
                assert_eq!(
                    (&span.key, span.start, span.duration, span.error, span.parent),
                    (&truth.key, truth.start, truth.duration, truth.error, truth.parent),
                    "span {} of trace {id}",
                    truth.id
                );
            }
        }
    }
}

#[tokio::test]
async fn an_order_is_17_spans_and_its_consumer_is_a_sibling_of_the_publisher() {
    let Some((servers, fed)) = each_api().await else { return };
    let order = fed.truth.values().find(|trace| trace.spans.len() == 17).expect("orders are the most common flow");
    for (jaeger, _forwarder) in &servers {
        let trace = jaeger.trace(order.id).await.unwrap().expect("it was sent");
        assert_eq!(trace.spans.len(), 17);
        let services: BTreeSet<&str> = trace.spans.iter().map(|span| &*span.key.service).collect();
        assert_eq!(Vec::from_iter(services), SERVICES);
        let of_kind = |kind| trace.spans.iter().find(|span| span.key.kind == kind).expect("the queue is crossed");
        let (producer, consumer) = (of_kind(SpanKind::Producer), of_kind(SpanKind::Consumer));
        assert_eq!(producer.parent, consumer.parent, "publisher and consumer are siblings");
    }
}

#[tokio::test]
async fn a_trace_that_does_not_exist_is_none() {
    let Some((jaeger, _)) = fed().await else { return };
    let nobody = TraceId::parse("0123456789abcdef0123456789abcdef").unwrap();
    assert_eq!(jaeger.trace(nobody).await.unwrap(), None);
}
