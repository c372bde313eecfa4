//! The whole monitor against real servers: what it learns and finds is compared with what the simulator knows.

use std::path::Path;
use std::time::Duration;

use spanwatch::baseline;
use spanwatch::demo::{Exchange, Fault, Options, Schedule};
use spanwatch::domain::{Micros, TimeWindow, Timestamp};
use spanwatch::messages::Normal;
use spanwatch::monitor::{self, Parts, Rules};
use spanwatch::runtime::now;
use spanwatch::sources::jaeger::Jaeger;
use spanwatch::store::Store;
use tokio::time::{MissedTickBehavior, interval};

use super::common::truth;
use super::common::viewer::{Viewer, slow_matches, waterfall_of};
use super::tenant::Tenant;

const HOUR: Micros = Micros::from_secs(3_600);

/// A monitor of one Jaeger and nothing else, which learns the last day.
fn watching(jaeger: Jaeger, store_dir: &Path) -> Parts {
    Parts {
        rules: Rules {
            monitor: monitor::Settings { poll_interval_s: 1, ..Default::default() },
            baseline: baseline::Settings { history_days: 1, ..Default::default() },
            ..Rules::default()
        },
        store_dir: store_dir.to_path_buf(),
        jaeger: Some(jaeger),
        prometheus: None,
        ollama: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baselines_learnt_from_a_real_jaeger_equal_the_simulators_own_samples() {
    let Some(tenant) = Tenant::new(1).await else { return };
    let to = now() - Micros::from_secs(120);
    let window = TimeWindow::new(to - Micros(6 * HOUR.0), to);
    let exchange = Exchange::new(Options {
        seed: tenant.seed,
        rate: 2.0,
        origin: window.from,
        schedule: Schedule::Quiet,
        ..Options::default()
    });
    tenant.fill(&exchange, window).await;

    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(watching(tenant.jaeger().await, dir.path()));
    viewer.learnt().await;
    viewer.end().await;
    let store = Store::open(dir.path(), chrono::Utc::now()).unwrap().store;
    let known = store.ledger().unwrap().known;
    assert!(known.iter().any(|known| known.from <= window.from && window.to <= known.to), "{known:?}");
    truth::compare(&store.generation().unwrap(), truth::of(tenant.traces(&exchange, window)));
}

/// Sends what happens from `from` on, every second, for as long as it is polled.
async fn send_live(tenant: &Tenant, exchange: &Exchange, from: Timestamp) {
    // A trace is sent once: when it has ended, as far as its start can tell.
    const LONGEST: Micros = Micros::from_secs(3);
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent_to = from;
    loop {
        seconds.tick().await;
        let to = now() - LONGEST;
        if to > sent_to {
            tenant.send(exchange, TimeWindow::new(sent_to, to)).await;
            sent_to = to;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_in_live_spans_is_the_top_alert_and_its_trace_opens() {
    let Some(tenant) = Tenant::new(2).await else { return };
    let origin = now();
    let window = TimeWindow::new(origin - Micros(2 * HOUR.0), origin - Micros::from_secs(120));
    let mut exchange = Exchange::new(Options {
        seed: tenant.seed,
        rate: 2.0,
        origin,
        schedule: Schedule::Quiet,
        ..Options::default()
    });
    tenant.fill(&exchange, window).await;

    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(watching(tenant.jaeger().await, dir.path()));
    viewer.learnt().await;
    let planned = exchange.inject(Fault::SlowMatcher, now());
    let culprit = tenant.service(Fault::SlowMatcher.culprit().unwrap());
    let (_, anomaly) = tokio::select! {
        found = slow_matches(&mut viewer, &culprit, planned) => found,
        () = send_live(&tenant, &exchange, planned.window.from) => unreachable!("it sends until it is dropped"),
    };

    let truth = tenant.traces(&exchange, planned.window).find(|trace| trace.id == anomaly.id.trace);
    let truth = truth.expect("the anomaly lies in a trace of the simulator");
    let spans = waterfall_of(&mut viewer, anomaly.id.trace).await;
    assert_eq!(spans.len(), truth.spans.len());
    let shown = spans.iter().find(|span| span.id == anomaly.id.span).expect("the anomaly's span is in the waterfall");
    let sent = truth.spans.iter().find(|span| span.id == anomaly.id.span).expect("it was sent");
    assert_eq!((&shown.key, shown.duration, shown.severity), (&sent.key, sent.duration, Some(anomaly.severity)));
    assert!(matches!(shown.normal, Normal::Known { p99, .. } if p99 < shown.duration), "{shown:?}");
    viewer.end().await;
}
