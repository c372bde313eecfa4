//! The simulated exchange as a reader of its traces sees it: shape, rhythm, determinism, and what each fault changes.

use std::collections::{BTreeMap, BTreeSet};

use spanwatch::demo::{Effect, Exchange, Fault, Injection, Options, Planned, Schedule};
use spanwatch::domain::{Micros, Span, SpanId, TimeWindow, Timestamp, Trace};

/// Friday 2026-11-20 14:00 UTC.
const ORIGIN: Timestamp = Timestamp::from_secs(1_795_183_200);

fn exchange(seed: u64, rate: f64, schedule: Schedule) -> Exchange {
    Exchange::new(Options { seed, rate, origin: ORIGIN, schedule, ..Options::default() })
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

fn is_job(trace: &Trace) -> bool {
    ["ledger.reconcile", "settlement.batch"].iter().any(|job| named(trace, job).is_some())
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
    let visits = |window| exchange.traces_starting_in(window).filter(|trace| !is_job(trace));
    for trace in visits(TimeWindow::new(ORIGIN - Micros::from_secs(WEEK), ORIGIN)) {
        count += 1;
        spans += trace.spans.len() as u64;
    }
    let rate = count as f64 / WEEK as f64;
    assert!((rate / 0.15 - 1.0).abs() < 0.02, "{rate} a second");
    let mean_spans = spans as f64 / count as f64;
    assert!((8.0..9.5).contains(&mean_spans), "{mean_spans} spans a trace");
    // The same day of the week before the start and after it.
    let live = visits(after(0, 86_400)).count() as f64;
    let before = ORIGIN - Micros::from_secs(WEEK);
    let before = TimeWindow::new(before, before + Micros::from_secs(86_400));
    let history = visits(before).count() as f64;
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
        assert_eq!(fault.culprit().is_none(), [Fault::Holiday, Fault::SourceGap].contains(&fault), "{name}");
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
        let exchange = Exchange::new(Options {
            seed: *seed,
            rate: 1.0,
            origin: start,
            schedule: Schedule::Calm,
            ..Options::default()
        });
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
        (Fault::LevelShift, "INSERT orders", 2.8, "SELECT accounts"),
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

#[test]
fn a_slow_network_is_between_the_services_and_in_none_of_them() {
    let (healthy, faulty) = twins(Fault::SlowNetwork);
    for (caller, callee) in [("kong.balancer", "POST"), ("POST exchange-api/transfers", "POST /transfers")] {
        let added = median(&faulty, caller) - median(&healthy, caller);
        assert!((220_000.0..260_000.0).contains(&added), "{caller}: {added}");
        assert!((median(&faulty, callee) / median(&healthy, callee) - 1.0).abs() < 0.1, "{callee}");
    }
}

#[test]
fn a_new_child_and_a_wrong_parent_change_the_shape_and_lose_nothing() {
    let (healthy, faulty) = twins(Fault::NewChild);
    assert_eq!(of(&healthy, "fraud.check").count(), 0);
    for order in orders(&faulty) {
        let (check, post) = (named(order, "fraud.check"), named(order, "POST").unwrap());
        assert!(check.is_none_or(|check| check.parent == Some(post.id)));
    }
    assert!(of(&faulty, "fraud.check").count() as f64 > 0.98 * orders(&faulty).len() as f64);

    let (_, faulty) = twins(Fault::WrongParent);
    let below = |trace: &&Trace| {
        named(trace, "payment_response process").unwrap().parent == named(trace, "order.response").map(|span| span.id)
    };
    let wrong = orders(&faulty).into_iter().filter(below).count();
    assert!(wrong as f64 > 0.98 * orders(&faulty).len() as f64, "{wrong}");
    assert!(faulty.iter().all(|trace| orphans(trace) == 0));
}

#[test]
fn stuck_orders_stay_open_while_their_calls_are_done() {
    let (healthy, faulty) = twins(Fault::StuckRequests);
    assert!(median(&faulty, "order.submit.client") > 45e6);
    assert!((median(&faulty, "HTTP POST") / median(&healthy, "HTTP POST") - 1.0).abs() < 0.05);
}

#[test]
fn a_new_error_has_a_message_that_no_healthy_week_knows() {
    let messages = |traces: &[Trace]| -> BTreeSet<String> {
        let spans = of(traces, "payment_response process");
        spans.filter_map(|span| span.attributes.get("otel.status_description").map(str::to_owned)).collect()
    };
    let week = exchange(1, 1.0, Schedule::Quiet);
    let known = messages(&traces(&week, TimeWindow::new(ORIGIN - Micros::from_secs(604_800), ORIGIN)));
    let (_, faulty) = twins(Fault::NewError);
    assert_eq!(messages(&faulty).difference(&known).count(), 1, "{known:?}");
    assert!(!known.is_empty());
}

#[test]
fn jobs_run_by_the_clock_until_nobody_starts_them() {
    let day = after(0, 86_400);
    let starts = |schedule: Schedule, job: &str| -> Vec<i64> {
        traces(&exchange(1, 0.1, schedule), day).iter().filter_map(|t| Some(named(t, job)?.start.secs())).collect()
    };
    let reconciled = starts(Schedule::Quiet, "ledger.reconcile");
    assert_eq!(reconciled.len(), 288);
    assert!(reconciled.iter().all(|second| second % 300 <= 2));
    let settled = starts(Schedule::Quiet, "settlement.batch");
    assert!(settled.len() == 1 && settled[0] % 86_400 - 3 * 3_600 <= 2, "{settled:?}");

    // From 02:55.
    let stopped = Schedule::Once { fault: Fault::SchedulerStopped, after: Micros::from_secs(12 * 3_600 + 55 * 60) };
    assert!(starts(stopped, "settlement.batch").is_empty());
    assert_eq!(starts(stopped, "ledger.reconcile").len(), 285);
}

#[test]
fn a_holiday_thins_everything_alike_and_a_gap_leaves_nothing() {
    let (healthy, holiday) = twins(Fault::Holiday);
    for root in ["order.submit.client", "btc.transfer", "user.sign_in", "GET /wallet"] {
        let share = of(&holiday, root).count() as f64 / of(&healthy, root).count() as f64;
        assert!((0.25..0.35).contains(&share), "{root}: {share}");
    }
    let (_, gap) = twins(Fault::SourceGap);
    let window = after(0, Fault::SourceGap.duration().secs());
    assert!(gap.iter().flat_map(|trace| &trace.spans).all(|span| !window.contains(span.end())));
    assert!(gap.iter().all(|trace| !trace.spans.is_empty()));
}

#[test]
fn only_the_hour_of_the_week_explains_a_slow_monday() {
    let habitual =
        Exchange::new(Options { seed: 1, rate: 20.0, origin: ORIGIN, slow_mondays: true, ..Options::default() });
    let usual = exchange(1, 20.0, Schedule::Quiet);
    // Monday 2026-11-16, from 08:00.
    let hour = |n: i64| {
        let from = Timestamp::from_secs(1_794_816_000 + 3_600 * n);
        TimeWindow::new(from, from + Micros::from_secs(3_600))
    };
    for n in [0, 2, 25] {
        assert_eq!(traces(&habitual, hour(n)), traces(&usual, hour(n)), "{n}");
    }
    let (slow, fast) = (traces(&habitual, hour(1)), traces(&usual, hour(1)));
    assert!((2.9..3.1).contains(&(median(&slow, "SELECT balances") / median(&fast, "SELECT balances"))));
    assert_eq!(durations(&slow, "order.match"), durations(&fast, "order.match"));
}

#[test]
fn ended_traces_come_in_the_order_of_their_ends_whatever_the_window() {
    for fault in [Fault::StuckRequests, Fault::BrokenContext, Fault::SourceGap] {
        let exchange = exchange(3, 5.0, Schedule::Once { fault, after: Micros::from_secs(70) });
        let end = |trace: &Trace| trace.spans.iter().map(Span::end).max().unwrap();
        let ended = |from: u64, length: u64| exchange.traces_ended_in(after(from, length));
        let mut expected: Vec<Trace> = exchange
            .traces_starting_in(TimeWindow::new(ORIGIN - Micros::from_secs(60), ORIGIN + Micros::from_secs(400)))
            .filter(|trace| after(0, 400).contains(end(trace)))
            .collect();
        expected.sort_by_key(|trace| (end(trace), trace.id));
        assert!(expected.len() > 100);
        assert!(ended(0, 400).eq(expected.iter().cloned()), "{}", fault.name());
        let parts: Vec<Trace> = (0..16).flat_map(|n| ended(n * 25, 25)).collect();
        assert_eq!(parts, expected, "{}", fault.name());
    }
}

/// A healthy exchange and its twin with one injection, over five minutes of it.
fn injected(injection: Injection) -> (Vec<Trace>, Vec<Trace>) {
    let (after_start, lasting) = (Micros::from_secs(60), Micros::from_secs(300));
    let schedule = Schedule::Inject { injection, after: after_start, lasting };
    let (healthy, struck) = (exchange(1, 20.0, Schedule::Quiet), exchange(1, 20.0, schedule));
    assert_eq!(traces(&healthy, after(0, 50)), traces(&struck, after(0, 50)), "{injection} began early");
    assert_eq!(traces(&healthy, after(361, 100)), traces(&struck, after(361, 100)), "{injection} did not end");
    (traces(&healthy, after(60, 300)), traces(&struck, after(60, 300)))
}

fn of_target<'a>(traces: &'a [Trace], target: &'a str) -> impl Iterator<Item = &'a Span> {
    let spans = traces.iter().flat_map(|trace| &trace.spans);
    spans.filter(move |span| *span.key.service == *target || span.key.to_string() == target)
}

#[test]
fn every_injection_does_what_it_says_to_its_target() {
    for effect in Effect::ALL {
        for injection in Injection::choices(effect) {
            let (text, target) = (injection.to_string(), injection.target().to_string());
            let target = &*target;
            assert!(target == "all" || target.starts_with(injection.culprit()), "{text}");
            let (healthy, struck) = injected(injection);
            assert!(struck.iter().all(|trace| orphans(trace) == 0 && !trace.spans.is_empty()), "{text}");
            let count = |traces: &[Trace]| of_target(traces, target).count() as f64;
            let failed = |traces: &[Trace]| of_target(traces, target).filter(|span| span.error).count() as f64;
            let mean =
                |traces: &[Trace]| of_target(traces, target).map(|s| s.duration.0 as f64).sum::<f64>() / count(traces);
            match effect {
                Effect::Slow { .. } => assert!(mean(&struck) > mean(&healthy) + 4_000.0, "{text}"),
                Effect::Errors { .. } => {
                    let share = failed(&struck) / count(&struck);
                    assert!((0.15..0.7).contains(&share), "{text}: {share}");
                }
                Effect::Surge { .. } if target == "all" => {
                    let ratio = struck.len() as f64 / healthy.len() as f64;
                    assert!((4.6..5.4).contains(&ratio), "{text}: {ratio}");
                }
                Effect::Surge { .. } => {
                    let ratio = count(&struck) / count(&healthy);
                    assert!((4.2..5.8).contains(&ratio), "{text}: {ratio}");
                    let others = |traces: &[Trace]| {
                        traces.iter().filter(|t| of_target(&[(*t).clone()], target).count() == 0).count()
                    };
                    assert_eq!(others(&healthy), others(&struck), "{text}");
                }
                Effect::Silence => {
                    assert!(count(&struck) < 0.02 * count(&healthy), "{text}");
                    assert_eq!(
                        of(&healthy, "GET /wallet").count() == of(&struck, "GET /wallet").count(),
                        target != "crypto-wallet:GET /wallet",
                        "{text}"
                    );
                }
                Effect::NewMessage => assert!(failed(&struck) == failed(&healthy) && struck != healthy, "{text}"),
            }
        }
    }
}

#[test]
fn a_call_that_fails_fails_its_callers() {
    let (_, struck) = injected("errors:0.5:order-matcher:order.match".parse().unwrap());
    for order in orders(&struck) {
        let failed = named(order, "order.match").unwrap().error;
        for caller in ["POST", "kong", "order.submit.client"] {
            assert!(!failed || named(order, caller).unwrap().error, "{caller}");
        }
        assert!(!named(order, "publish orders").unwrap().error, "the message was sent");
    }
}
