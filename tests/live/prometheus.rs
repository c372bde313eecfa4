//! A real Prometheus that scrapes the demo's `/metrics`, named by `SPANWATCH_TEST_PROMETHEUS`.

use std::collections::{BTreeMap, BTreeSet};

use spanwatch::baseline;
use spanwatch::demo::{self, Fault, Schedule, ServeOptions};
use spanwatch::domain::{MetricKind, MetricSample};
use spanwatch::llm::{self, Ollama};
use spanwatch::messages::AnalysisState;
use spanwatch::monitor::{self, Parts, Rules};
use spanwatch::runtime::now;
use spanwatch::sources::jaeger::{self, Jaeger};
use spanwatch::sources::prometheus::{Prometheus, Settings};

use super::common::viewer::{Viewer, analysis_of, slow_matches};
use super::{eventually, variable};

const SERVICES: [&str; 4] = ["api-gateway", "crypto-wallet", "exchange-api", "order-matcher"];

fn server() -> Option<Prometheus> {
    let url = variable("SPANWATCH_TEST_PROMETHEUS")?;
    Some(Prometheus::new(&Settings { url, ..Settings::default() }).unwrap())
}

/// Everything the four services report, once rates have two scrapes to stand on.
async fn complete(prometheus: &Prometheus) -> BTreeMap<(String, MetricKind), MetricSample> {
    eventually("six metrics of four services", async || {
        let samples = prometheus.poll(now()).await.unwrap();
        let found: BTreeMap<_, _> =
            samples.into_iter().map(|sample| ((sample.service.clone(), sample.kind), sample)).collect();
        let all = SERVICES.iter().all(|service| {
            [MetricKind::Cpu, MetricKind::Memory, MetricKind::RequestRate, MetricKind::ActiveConnections]
                .iter()
                .all(|kind| found.contains_key(&((*service).to_owned(), *kind)))
        });
        all.then_some(found)
    })
    .await
}

#[tokio::test]
async fn probing_finds_the_version_and_the_clock() {
    let Some(prometheus) = server() else { return };
    let found = prometheus.probe().await.unwrap();
    println!("Prometheus {}", found.version);
    assert!(found.version.starts_with(|c: char| c.is_ascii_digit()), "{found:?}");
    let here = now();
    let server = found.server_time.expect("Prometheus sends a Date header");
    assert!(server.since(here).secs() < 5 && here.since(server).secs() < 5, "same machine, same clock: {found:?}");
}

#[tokio::test]
async fn one_poll_gives_every_service_its_own_values_in_the_unit_that_is_named() {
    let Some(prometheus) = server() else { return };
    let found = complete(&prometheus).await;
    let services: BTreeSet<&str> = found.keys().map(|(service, _)| service.as_str()).collect();
    for service in SERVICES {
        assert!(services.contains(service), "{services:?}");
        let value = |kind| found[&(service.to_owned(), kind)].value;
        let megabytes = value(MetricKind::Memory) / 1e6;
        assert!((10.0..2_000.0).contains(&megabytes), "{service}: memory in bytes, found {megabytes} MB");
        let cores = value(MetricKind::Cpu);
        assert!((0.0..4.0).contains(&cores), "{service}: CPU in cores, found {cores}");
        let rate = value(MetricKind::RequestRate);
        assert!((0.0..1_000.0).contains(&rate), "{service}: requests per second, found {rate}");
    }
    for sample in found.values() {
        assert!(sample.value.is_finite() && !sample.query.is_empty(), "{sample:?}");
        if sample.kind == MetricKind::ErrorRate {
            assert!((0.0..=1.0).contains(&sample.value), "a share: {sample:?}");
        }
    }
    let memories: BTreeSet<u64> =
        SERVICES.iter().map(|service| found[&((*service).to_owned(), MetricKind::Memory)].value as u64).collect();
    assert_eq!(memories.len(), SERVICES.len(), "each service has a value of its own: {memories:?}");
}

#[tokio::test]
async fn readings_agree_with_the_poll_and_carry_the_hour_before() {
    let Some(prometheus) = server() else { return };
    let polled = complete(&prometheus).await;
    for service in SERVICES {
        let readings = prometheus.readings(service, now()).await.unwrap();
        let memory = readings.iter().find(|reading| reading.sample.kind == MetricKind::Memory).expect("memory");
        assert_eq!(memory.sample.service, service);
        let before = polled[&(service.to_owned(), MetricKind::Memory)].value;
        let moved = (memory.sample.value - before).abs() / before;
        assert!(moved < 0.5, "{service}: {before} then {}", memory.sample.value);
        assert!(memory.history.windows(2).all(|pair| pair[0].0 < pair[1].0), "oldest first: {:?}", memory.history);
        assert!(readings.iter().all(|reading| reading.sample.service == service), "{readings:?}");
    }
}

#[tokio::test]
async fn a_service_nobody_scrapes_has_no_readings_and_that_is_no_error() {
    let Some(prometheus) = server() else { return };
    let readings = prometheus.readings("no-such-service\"} or vector(1) #", now()).await.unwrap();
    assert!(readings.is_empty(), "{readings:?}");
}

#[tokio::test]
async fn a_query_the_server_refuses_is_told_in_its_own_words() {
    let Some(url) = variable("SPANWATCH_TEST_PROMETHEUS") else { return };
    let mut settings = Settings { url, ..Settings::default() };
    settings.metrics.cpu = "sum by (service_name) (".into();
    let prometheus = Prometheus::new(&settings).unwrap();
    let told = match prometheus.poll(now()).await {
        Err(error) => format!("{error} {}", error.hint()),
        Ok(_) => prometheus.notes().join(" "),
    };
    assert!(told.contains("parse error"), "{told:?}");
}

/// Traces and model are served in this process; the metrics are those of the same services that Prometheus scrapes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_prompt_of_an_analysis_holds_what_prometheus_says_of_the_culprit() {
    let Some(prometheus) = server() else { return };
    complete(&prometheus).await;
    let served = demo::serve(ServeOptions { seed: 42, rate: 2.0, schedule: Schedule::Quiet, port_base: None });
    let served = served.await.unwrap();
    let jaeger = jaeger::Settings { url: served.jaeger_url.clone(), ..Default::default() };
    let ollama = llm::Settings { url: served.ollama_url.clone(), num_predict: 40, ..Default::default() };
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(Parts {
        rules: Rules {
            monitor: monitor::Settings { poll_interval_s: 1, metrics_interval_s: 5, ..Default::default() },
            baseline: baseline::Settings { history_days: 1, ..Default::default() },
            ..Rules::default()
        },
        store_dir: dir.path().to_path_buf(),
        jaeger: Some(Jaeger::new(&jaeger).unwrap()),
        prometheus: server(),
        ollama: Some(Ollama::new(&ollama).unwrap()),
    });
    viewer.learnt().await;
    let culprit = Fault::SlowMatcher.culprit().unwrap();
    let planned = served.inject(Fault::SlowMatcher);
    let (_, anomaly) = slow_matches(&mut viewer, culprit, planned).await;
    let analysis = analysis_of(&mut viewer, anomaly.id).await;
    viewer.end().await;

    assert!(matches!(analysis.state, AnalysisState::Done { .. }), "{:?}", analysis.state);
    let told = analysis.metrics.iter().map(|reading| &reading.sample).find(|sample| sample.kind == MetricKind::Cpu);
    let told = told.unwrap_or_else(|| panic!("no CPU of {culprit}: {:?}", analysis.metrics_note));
    assert_eq!(told.service, culprit);
    let asked = prometheus.readings(culprit, anomaly.start + anomaly.duration).await.unwrap();
    let asked = asked.iter().map(|reading| &reading.sample).find(|sample| sample.kind == MetricKind::Cpu);
    let asked = asked.expect("it was there a moment ago");
    assert!((told.value / asked.value - 1.0).abs() < 1e-9, "{} then {}", told.value, asked.value);
    let prompt = &analysis.receipt.expect("the prompt was built").prompt;
    let said = MetricKind::Cpu.show(told.value);
    assert!(prompt.contains(&said), "no {said} in {prompt}");
    println!("CPU of {culprit} in the prompt: {said}");
}
