//! The simulated exchange as a reader of its traces sees it: shape, rhythm, determinism, and what each fault changes.

use std::collections::{BTreeMap, BTreeSet};

use spanwatch::demo::{Exchange, Fault, Options, Planned, Schedule};
use spanwatch::domain::{Micros, Span, SpanId, TimeWindow, Timestamp, Trace};

/// Friday 2026-11-20 14:00 UTC.
const ORIGIN: Timestamp = Timestamp::from_secs(1_795_183_200);

fn exchange(seed: u64, rate: f64, schedule: Schedule) -> Exchange {
    Exchange::new(Options { seed, rate, origin: ORIGIN, schedule })
}

fn after(seconds: u64, length: u64) -> TimeWindow {
    let from = ORIGIN + Micros::from_secs(seconds);
    TimeWindow::new(from, from + Micros::from_secs(length))
}

fn traces(exchange: &Exchange, window: TimeWindow) -> Vec<Trace> {
    exchange.traces_starting_in(window).collect()
}

/// A busy healthy exchange and its twin that has one fault, for as long as the fault lasts.
fn twins(fault: Fault) -> (Vec<Trace>, Vec<Trace>) {
    let schedule = Schedule::Once { fault, after: Micros::ZERO };
    let window = after(0, fault.duration().secs());
    (traces(&exchange(1, 20.0, Schedule::Quiet), window), traces(&exchange(1, 20.0, schedule), window))
}

fn named<'a>(trace: &'a Trace, operation: &str) -> Option<&'a Span> {
    trace.spans.iter().find(|span| &*span.key.operation == operation)
}

fn orders(traces: &[Trace]) -> Vec<&Trace> {
    traces.iter().filter(|trace| named(trace, "order.submit.client").is_some()).collect()
}

fn of<'a>(traces: &'a [Trace], operation: &'a str) -> impl Iterator<Item = &'a Span> {
    traces.iter().flat_map(|trace| &trace.spans).filter(move |span| &*span.key.operation == operation)
}

fn durations(traces: &[Trace], operation: &str) -> Vec<u64> {
    let mut durations: Vec<u64> = of(traces, operation).map(|span| span.duration.0).collect();
    durations.sort_unstable();
    durations
}

fn median(traces: &[Trace], operation: &str) -> f64 {
    let durations = durations(traces, operation);
    assert!(durations.len() > 20, "{operation}: only {} spans", durations.len());
    durations[durations.len() / 2] as f64
}

fn error_share(traces: &[Trace], operation: &str) -> f64 {
    of(traces, operation).filter(|span| span.error).count() as f64 / of(traces, operation).count() as f64
}

fn depth(trace: &Trace, span: &Span) -> usize {
    let parents: BTreeMap<SpanId, Option<SpanId>> = trace.spans.iter().map(|span| (span.id, span.parent)).collect();
    std::iter::successors(Some(span.id), |id| parents.get(id).copied().flatten()).count()
}

fn orphans(trace: &Trace) -> usize {
    let ids: BTreeSet<SpanId> = trace.spans.iter().map(|span| span.id).collect();
    trace.spans.iter().filter(|span| span.parent.is_some_and(|parent| !ids.contains(&parent))).count()
}

#[test]
fn an_order_is_17_spans_over_four_services_nine_deep() {
    let traces = traces(&exchange(1, 5.0, Schedule::Quiet), after(0, 600));
    assert!(orders(&traces).len() > 50);
    for order in orders(&traces) {
        assert_eq!(order.spans.len(), 17);
        let services: BTreeSet<&str> = order.spans.iter().map(|span| &*span.key.service).collect();
        assert_eq!(Vec::from_iter(services), ["api-gateway", "crypto-wallet", "exchange-api", "order-matcher"]);
        assert_eq!(order.spans.iter().map(|span| depth(order, span)).max(), Some(9));
        for (child, expected) in [
            ("HTTP POST", "order.submit.client"),
            ("kong", "HTTP POST"),
            ("POST", "kong.balancer"),
            ("publish orders", "POST"),
            ("publish <default>", "publish orders"),
            ("order.match", "publish <default>"),
            ("order.response", "order.match"),
            ("payment_response process", "POST"),
            ("order.response.received", "order.submit.client"),
        ] {
            let parent = named(order, child).unwrap().parent;
            assert_eq!(parent, Some(named(order, expected).unwrap().id), "parent of {child}");
        }
        let (sent, received) = (named(order, "publish <default>").unwrap(), named(order, "order.match").unwrap());
        assert!(received.start > sent.end(), "a consumer begins after its producer ended");
        let root = order.root().unwrap();
        assert!(order.spans.iter().all(|span| root.start <= span.start && span.end() <= root.end()));
    }
}

#[test]
fn the_same_seed_gives_the_same_traces_and_another_seed_others() {
    let window = after(0, 300);
    let once = traces(&exchange(7, 1.0, Schedule::Calm), window);
    assert_eq!(once, traces(&exchange(7, 1.0, Schedule::Calm), window));
    assert_ne!(once, traces(&exchange(8, 1.0, Schedule::Calm), window));
    assert_eq!(once.iter().map(|trace| trace.id).collect::<BTreeSet<_>>().len(), once.len());
}

#[test]
fn a_window_holds_what_its_parts_hold() {
    let exchange = exchange(7, 4.0, Schedule::Once { fault: Fault::BrokenContext, after: Micros::from_secs(30) });
    let sorted = |mut traces: Vec<Trace>| {
        traces.sort_by_key(|trace| trace.id);
        traces
    };
    let parts = (0..40).flat_map(|n| traces(&exchange, after(n * 10, 10))).collect();
    assert_eq!(sorted(traces(&exchange, after(0, 400))), sorted(parts));
}

#[test]
fn history_and_live_traffic_have_the_same_rate_of_about_0_15_a_second() {
    const WEEK: u64 = 7 * 86_400;
    let exchange = exchange(3, 1.0, Schedule::Quiet);
    let (mut count, mut spans) = (0u64, 0u64);
    for trace in exchange.traces_starting_in(TimeWindow::new(ORIGIN - Micros::from_secs(WEEK), ORIGIN)) {
        count += 1;
        spans += trace.spans.len() as u64;
    }
    let rate = count as f64 / WEEK as f64;
    assert!((rate / 0.15 - 1.0).abs() < 0.02, "{rate} a second");
    let mean_spans = spans as f64 / count as f64;
    assert!((8.0..9.5).contains(&mean_spans), "{mean_spans} spans a trace");
    // The same day of the week before the start and after it.
    let live = exchange.traces_starting_in(after(0, 86_400)).count() as f64;
    let before = ORIGIN - Micros::from_secs(WEEK);
    let before = TimeWindow::new(before, before + Micros::from_secs(86_400));
    let history = exchange.traces_starting_in(before).count() as f64;
    assert!((live / history - 1.0).abs() < 0.05, "{live} live, {history} in history");
}

#[test]
fn nights_and_weekends_are_quieter_and_a_little_faster() {
    let exchange = exchange(3, 10.0, Schedule::Quiet);
    // Friday 14h, and the Sunday after it, 03h.
    let (busy, quiet) = (traces(&exchange, after(0, 3_600)), traces(&exchange, after(37 * 3_600, 3_600)));
    assert!(busy.len() as f64 > 2.0 * quiet.len() as f64, "{} and {}", busy.len(), quiet.len());
    assert!(median(&busy, "order.match") > 1.1 * median(&quiet, "order.match"));
}

#[test]
fn a_healthy_exchange_fails_rarely() {
    let traces = traces(&exchange(3, 20.0, Schedule::Quiet), after(0, 3_600));
    let failed = traces.iter().filter(|trace| trace.spans.iter().any(|span| span.error)).count();
    let share = failed as f64 / traces.len() as f64;
    assert!((0.0005..0.01).contains(&share), "{share}");
}

#[test]
fn every_fault_begins_ends_and_leaves_nothing_behind() {
    let healthy = exchange(1, 5.0, Schedule::Quiet);
    for fault in Fault::ALL {
        let name = fault.name();
        let faulty = exchange(1, 5.0, Schedule::Once { fault, after: Micros::from_secs(60) });
        let end = 60 + fault.duration().secs();
        assert_ne!(traces(&healthy, after(60, end - 60)), traces(&faulty, after(60, end - 60)), "{name} does nothing");
        assert_eq!(traces(&healthy, after(0, 50)), traces(&faulty, after(0, 50)), "{name} began early");
        // A broken context leaves a detached part that may start just after the end.
        assert_eq!(traces(&healthy, after(end + 1, 300)), traces(&faulty, after(end + 1, 300)), "{name} did not end");
        let planned = Planned::from(fault, ORIGIN + Micros::from_secs(60));
        assert_eq!(faulty.faults_within(after(0, 10_000)), [planned], "{name}");
    }
}

#[test]
fn an_injected_fault_does_not_change_what_was_seen_before() {
    let healthy = exchange(1, 5.0, Schedule::Quiet);
    for fault in Fault::ALL {
        let mut faulty = healthy.clone();
        let planned = faulty.inject(fault, ORIGIN + Micros::from_secs(90));
        let ended = |exchange: &Exchange| -> Vec<(SpanId, Span)> {
            let spans = exchange.traces_starting_in(after(0, 90)).flat_map(|trace| trace.spans);
            spans.filter(|span| span.end() <= planned.window.from).map(|span| (span.id, span)).collect()
        };
        assert_eq!(ended(&healthy), ended(&faulty), "{}", fault.name());
    }
}

#[test]
fn the_headline_fault_makes_every_match_six_times_slower_and_touches_nothing_else() {
    let (healthy, faulty) = twins(Fault::SlowMatcher);
    let ratio = median(&faulty, "order.match") / median(&healthy, "order.match");
    assert!((5.0..7.5).contains(&ratio), "{ratio}");
    let slowest_healthy = durations(&healthy, "order.match").pop();
    let slow = durations(&faulty, "order.match");
    let beyond = slow.iter().filter(|us| Some(**us) > slowest_healthy).count();
    assert!(beyond as f64 > 0.9 * slow.len() as f64, "{beyond} of {}", slow.len());
    for operation in ["INSERT orders", "SELECT balances", "kong.access.plugin.jwt"] {
        assert_eq!(durations(&healthy, operation), durations(&faulty, operation), "{operation}");
    }
}

#[test]
fn the_headline_fault_meets_an_order_with_nearly_every_seed_even_in_the_quietest_hour() {
    // Sunday 03h.
    let start = ORIGIN + Micros::from_secs(37 * 3_600);
    let met = |seed: &u64| {
        let exchange = Exchange::new(Options { seed: *seed, rate: 1.0, origin: start, schedule: Schedule::Calm });
        let from = start + Micros::from_secs(20);
        let traces: Vec<Trace> =
            exchange.traces_starting_in(TimeWindow::new(from, from + Micros::from_secs(179))).collect();
        !orders(&traces).is_empty()
    };
    let hits = (0..400).filter(met).count();
    assert!(hits >= 390, "{hits} of 400");
}

#[test]
fn slow_parts_are_slow() {
    for (fault, slow, least, untouched) in [
        (Fault::SlowWalletRead, "SELECT balances", 6.0, "INSERT orders"),
        (Fault::ReleaseRegression, "SELECT accounts", 4.0, "INSERT orders"),
        (Fault::CpuSaturation, "kong.access.plugin.jwt", 4.0, "order.match"),
        (Fault::GatewayDown, "chain.broadcast", 5.0, "INSERT ledger"),
    ] {
        let (healthy, faulty) = twins(fault);
        let ratio = |operation| median(&faulty, operation) / median(&healthy, operation);
        assert!(ratio(slow) > least, "{}: {}", fault.name(), ratio(slow));
        assert!((0.9..1.1).contains(&ratio(untouched)), "{}: {}", fault.name(), ratio(untouched));
    }
}

#[test]
fn failing_parts_fail() {
    for (fault, operation, root) in [
        (Fault::PaymentErrors, "payment_response process", "order.submit.client"),
        (Fault::GatewayDown, "chain.broadcast", "btc.transfer"),
        (Fault::AuthFailures, "authenticate", "user.sign_in"),
    ] {
        let (healthy, faulty) = twins(fault);
        assert!(error_share(&healthy, operation) < 0.03, "{}", fault.name());
        assert!(error_share(&faulty, operation) > 0.5, "{}", fault.name());
        assert!(error_share(&faulty, root) > 0.5, "{}: the caller sees it", fault.name());
    }
}

#[test]
fn a_surge_adds_traffic_and_leaves_the_usual_visits_where_they_were() {
    let (healthy, faulty) = twins(Fault::Surge);
    let ratio = faulty.len() as f64 / healthy.len() as f64;
    assert!((3.6..4.4).contains(&ratio), "{ratio}");
    let ids: BTreeSet<_> = faulty.iter().map(|trace| trace.id).collect();
    assert!(healthy.iter().all(|trace| ids.contains(&trace.id)));
}

#[test]
fn a_silent_matcher_leaves_orders_without_answer() {
    let (_, faulty) = twins(Fault::Silence);
    let orders = orders(&faulty);
    let silent = orders.iter().filter(|trace| named(trace, "order.match").is_none()).count();
    assert!(silent as f64 > 0.98 * orders.len() as f64, "{silent} of {}", orders.len());
    let root = orders[orders.len() / 2].root().unwrap();
    assert!(root.error && root.duration >= Micros::from_secs(5), "{root:?}");
    assert_eq!(orders.iter().map(|trace| orphans(trace)).sum::<usize>(), 0);
}

#[test]
fn a_backlog_is_in_the_wait_and_not_in_the_work() {
    let (healthy, faulty) = twins(Fault::QueueBacklog);
    let wait = |traces: &[Trace]| {
        let waits = orders(traces).into_iter().filter_map(|trace| {
            Some(named(trace, "order.match")?.start.since(named(trace, "publish <default>")?.end()).0)
        });
        let mut waits: Vec<u64> = waits.collect();
        waits.sort_unstable();
        waits[waits.len() / 2]
    };
    assert!(wait(&healthy) < 6_000 && wait(&faulty) > 4_000_000, "{} {}", wait(&healthy), wait(&faulty));
    assert!((median(&faulty, "order.match") / median(&healthy, "order.match") - 1.0).abs() < 0.05);
}

#[test]
fn shapes_change_as_claimed() {
    let per_order = |traces: &[Trace], name: &str| {
        let orders = orders(traces);
        let spans = orders.iter().flat_map(|t| &t.spans).filter(|span| &*span.key.operation == name).count();
        spans as f64 / orders.len() as f64
    };
    let (healthy, storm) = twins(Fault::RetryStorm);
    assert!((per_order(&healthy, "kong.balancer") - 1.0).abs() < 1e-9);
    assert!(per_order(&storm, "kong.balancer") > 4.0);

    let (_, lost) = twins(Fault::LostChild);
    for name in ["order.response", "payment_response process"] {
        assert!((per_order(&healthy, name) - 1.0).abs() < 1e-9, "{name}");
        assert!(per_order(&lost, name) < 0.02, "{name}");
    }
    assert!((per_order(&lost, "order.match") - 1.0).abs() < 1e-9);
}

#[test]
fn broken_context_splits_traces_and_lost_spans_leave_orphans() {
    let (healthy, split) = twins(Fault::BrokenContext);
    let detached =
        |traces: &[Trace]| traces.iter().filter(|trace| &*trace.root().unwrap().key.operation == "order.match").count();
    assert_eq!(detached(&healthy), 0);
    assert!(detached(&split) as f64 > 0.95 * orders(&split).len() as f64);
    let spans = |traces: &[Trace]| traces.iter().map(|trace| trace.spans.len()).sum::<usize>();
    assert!(spans(&split).abs_diff(spans(&healthy)) < 12, "no span is lost, a few cross the window's edge");
    assert!(split.iter().all(|trace| orphans(trace) == 0));

    let (_, lossy) = twins(Fault::LostSpans);
    assert!(healthy.iter().all(|trace| orphans(trace) == 0));
    let orphaned = orders(&lossy).into_iter().filter(|trace| orphans(trace) > 0).count();
    assert!(orphaned as f64 > 0.95 * orders(&lossy).len() as f64);
    assert_eq!(of(&lossy, "kong").count(), 0);
}

#[test]
fn a_release_shows_its_version() {
    let (healthy, faulty) = twins(Fault::ReleaseRegression);
    let versions = |traces: &[Trace]| -> Vec<String> {
        let spans = traces.iter().flat_map(|trace| &trace.spans);
        let of_api = spans.filter(|span| &*span.key.service == "exchange-api");
        let versions: BTreeSet<_> = of_api.filter_map(|span| span.resource.get("service.version")).collect();
        versions.into_iter().map(str::to_owned).collect()
    };
    assert_eq!(versions(&healthy), ["2.14.1"]);
    assert!(versions(&faulty).contains(&"2.15.0".to_owned()));
}
