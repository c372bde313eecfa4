//! The time series of the simulated services: counted from the same traces that Jaeger shows.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::Arc;

use crate::demo::catalogue::{Failure, Op, Service};
use crate::demo::draft::Draft;
use crate::demo::exchange::Exchange;
use crate::demo::fault::Fault;
use crate::demo::random::mix;
use crate::domain::{Micros, TimeWindow, Timestamp};

/// One series: its labels in order of name, `__name__` among them, and where its values come from.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Vec<(&'static str, String)>,
    source: Source,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Up(Service),
    Cpu(Service),
    Memory(Service),
    Active(Service),
    Count(Op, u16),
    Sum(Op, u16),
    /// Up to this bound; its index in [`BOUNDS`], one beyond for +Inf.
    Bucket(Op, u16, usize),
}

/// OpenTelemetry's buckets for HTTP durations, in seconds.
pub(super) const BOUNDS: [(f64, &str); 14] = [
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.075, "0.075"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (0.75, "0.75"),
    (1.0, "1"),
    (2.5, "2.5"),
    (5.0, "5"),
    (7.5, "7.5"),
    (10.0, "10"),
];

/// A finished request at the entry of a service.
#[derive(Debug, Clone, Copy)]
struct Event {
    op: Op,
    status: u16,
    start: i64,
    end: i64,
}

/// The requests of one stretch of time, by operation and status.
#[derive(Debug, Clone, Default)]
struct Tally(HashMap<(Op, u16), Counts>);

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    count: u64,
    sum_us: u64,
    /// Each request in its own bucket, not cumulative.
    buckets: [u64; BOUNDS.len() + 1],
}

/// Reads values at given times. What it has counted it keeps, for the next step of a range asks for nearly the same.
#[derive(Debug)]
pub(super) struct Meter {
    exchange: Arc<Exchange>,
    now: Timestamp,
    cells: HashMap<u32, Arc<[Event]>>,
    /// The stretch that was asked last.
    window: (i64, i64, Tally),
    /// Since the counters' start, up to the last moment asked.
    total: (i64, i64, Tally),
}

const NAME: &str = "__name__";
const FAMILY: &str = "http_server_request_duration_seconds";

fn ok_status(op: Op) -> u16 {
    match op.of().http_ok {
        0 => 200,
        status => status,
    }
}

/// The statuses that an entry can answer with; the first is success.
fn statuses(op: Op) -> Vec<u16> {
    let mut statuses = vec![ok_status(op)];
    statuses.extend_from_slice(match op {
        Op::OrderSubmit | Op::Kong | Op::Post => &[402, 502, 503, 504],
        Op::BtcTransfer | Op::TransferRoute | Op::PostTransfers => &[504],
        Op::SignIn | Op::Authenticate => &[401],
        _ => &[],
    });
    statuses.push(Failure::Unexpected.status());
    statuses
}

/// Every series there is.
pub(super) fn all() -> Vec<Series> {
    let mut series = Vec::new();
    let mut add = |name: &str, service: Service, more: &[(&'static str, &str)], source: Source| {
        let mut labels = vec![
            (NAME, name.to_owned()),
            ("instance", format!("{}:9464", service.host())),
            ("job", service.name().to_owned()),
            ("service_name", service.name().to_owned()),
        ];
        labels.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        labels.sort_unstable();
        series.push(Series { labels, source });
    };
    for service in Service::ALL {
        add("up", service, &[], Source::Up(service));
        add("process_cpu_seconds_total", service, &[], Source::Cpu(service));
        add("process_resident_memory_bytes", service, &[], Source::Memory(service));
        add("http_server_active_requests", service, &[], Source::Active(service));
    }
    for op in Op::ALL {
        let Some((method, route)) = op.of().entry else { continue };
        for status in statuses(op) {
            let code = status.to_string();
            let labels =
                [("http_request_method", method), ("http_response_status_code", &*code), ("http_route", route)];
            let service = op.service();
            add(&format!("{FAMILY}_count"), service, &labels, Source::Count(op, status));
            add(&format!("{FAMILY}_sum"), service, &labels, Source::Sum(op, status));
            for (index, le) in BOUNDS.iter().map(|(_, le)| *le).chain(["+Inf"]).enumerate() {
                let [method, code, route] = labels;
                let labels = [method, code, route, ("le", le)];
                add(&format!("{FAMILY}_bucket"), service, &labels, Source::Bucket(op, status, index));
            }
        }
    }
    series
}

impl Series {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn name(&self) -> &str {
        self.label(NAME)
    }

    const fn is_counter(&self) -> bool {
        !matches!(self.source, Source::Up(_) | Source::Memory(_) | Source::Active(_))
    }
}

impl Tally {
    fn add(&mut self, event: &Event) {
        let us = event.end.abs_diff(event.start);
        let counts = self.0.entry((event.op, event.status)).or_default();
        counts.count += 1;
        counts.sum_us += us;
        let seconds = us as f64 / 1e6;
        let bucket = BOUNDS.iter().position(|(bound, _)| seconds <= *bound).unwrap_or(BOUNDS.len());
        counts.buckets[bucket] += 1;
    }

    fn value(&self, source: Source) -> f64 {
        let of = |op, status| self.0.get(&(op, status)).copied().unwrap_or_default();
        match source {
            Source::Count(op, status) => of(op, status).count as f64,
            Source::Sum(op, status) => of(op, status).sum_us as f64 / 1e6,
            Source::Bucket(op, status, bound) => of(op, status).buckets[..=bound].iter().sum::<u64>() as f64,
            Source::Up(_) | Source::Cpu(_) | Source::Memory(_) | Source::Active(_) => 0.0,
        }
    }
}

impl Meter {
    pub(super) fn new(exchange: Arc<Exchange>, now: Timestamp) -> Self {
        let empty = || (0, 0, Tally::default());
        Self { exchange, now, cells: HashMap::new(), window: empty(), total: empty() }
    }

    /// Moves the clock on, and takes up faults that were injected. What was counted stays: faults never change the past.
    pub(super) fn go_on(&mut self, exchange: Arc<Exchange>, now: Timestamp) {
        if exchange.injected() != self.exchange.injected() {
            self.cells.clear();
        }
        self.exchange = exchange;
        self.now = now;
    }

    /// The value of a series at `at`; `None` where nothing was recorded: before the retention, or more than five
    /// minutes ahead of the clock.
    pub(super) fn value(&mut self, series: &Series, at: Timestamp) -> Option<f64> {
        if !self.recorded(at) {
            return None;
        }
        let at = at.min(self.now);
        Some(match series.source {
            Source::Up(service) => f64::from(u8::from(self.is_up(service, at))),
            Source::Memory(service) => self.memory(service, at),
            Source::Active(service) => self.active(service, at),
            Source::Cpu(service) => self.cpu_seconds(service, self.counter_start(at), at.0),
            source => {
                self.count_total(at);
                self.total.2.value(source)
            }
        })
    }

    /// By how much a series grew in the `window` before `at`.
    pub(super) fn increase(&mut self, series: &Series, window: Micros, at: Timestamp) -> Option<f64> {
        if !self.recorded(at) {
            return None;
        }
        let to = at.min(self.now);
        let from = to - window;
        if !series.is_counter() {
            // As Prometheus does with a gauge: a fall looks like a reset.
            let (before, after) = (self.value(series, from)?, self.value(series, to)?);
            return Some(if after >= before { after - before } else { after });
        }
        Some(match series.source {
            Source::Cpu(service) => self.cpu_seconds(service, from.0, to.0),
            source => {
                if (self.window.0, self.window.1) != (from.0, to.0) {
                    let mut tally = Tally::default();
                    self.tally(from.0, to.0, &mut tally);
                    self.window = (from.0, to.0, tally);
                }
                self.window.2.value(source)
            }
        })
    }

    fn recorded(&self, at: Timestamp) -> bool {
        let look_back = Micros::from_secs(300);
        self.now - Exchange::RETENTION <= at && at <= self.now + look_back
    }

    /// Counters begin when the demo starts. Before that, the services were restarted every midnight UTC.
    fn counter_start(&self, at: Timestamp) -> i64 {
        const DAY_US: i64 = 86_400_000_000;
        if at >= self.exchange.origin() { self.exchange.origin().0 } else { at.0 - at.0.rem_euclid(DAY_US) }
    }

    fn count_total(&mut self, at: Timestamp) {
        let start = self.counter_start(at);
        let (begun, counted, mut tally) = std::mem::take(&mut self.total);
        let mut from = counted;
        if begun != start || at.0 < counted {
            tally = Tally::default();
            from = start;
        }
        self.tally(from, at.0, &mut tally);
        self.total = (start, at.0, tally);
    }

    /// Adds the requests that ended in `(from, to]`.
    fn tally(&mut self, from: i64, to: i64, into: &mut Tally) {
        for cell in self.cells_for(from, to) {
            for event in self.events(cell).iter().filter(|event| from < event.end && event.end <= to) {
                into.add(event);
            }
        }
    }

    /// Cells whose requests can be open in that stretch.
    fn cells_for(&self, from: i64, to: i64) -> std::ops::Range<u32> {
        self.exchange.cells(TimeWindow::new(Timestamp(from - 2 * Exchange::CELL_US), Timestamp(to + 1)))
    }

    fn events(&mut self, cell: u32) -> Arc<[Event]> {
        const MOST_CELLS: usize = 2_000;
        if self.cells.len() > MOST_CELLS {
            self.cells.clear();
        }
        let exchange = &self.exchange;
        let events = self.cells.entry(cell).or_insert_with(|| {
            let mut drafts: Vec<Draft> = Vec::new();
            exchange.cell(cell, &mut drafts);
            let spans = drafts.iter().flat_map(Draft::all_spans);
            spans
                .filter(|record| record.op.of().entry.is_some())
                .map(|record| Event {
                    op: record.op,
                    status: record.failure.map_or_else(|| ok_status(record.op), |failure| failure.status()),
                    start: record.start,
                    end: record.end(),
                })
                .collect()
        });
        Arc::clone(events)
    }

    fn active(&mut self, service: Service, at: Timestamp) -> f64 {
        let cells = self.cells_for(at.0, at.0);
        let open = |event: &&Event| event.op.service() == service && event.start <= at.0 && at.0 < event.end;
        cells.map(|cell| self.events(cell).iter().filter(open).count() as f64).sum()
    }

    /// CPU time used in a stretch, in seconds: idle cost, cost of the traffic, and what faults burn or spare.
    fn cpu_seconds(&self, service: Service, from: i64, to: i64) -> f64 {
        const SPARED_ON_A_HOLIDAY: f64 = 0.7;
        let stretch = TimeWindow::new(Timestamp(from), Timestamp(to));
        let mut seconds = self.usage(service, stretch, 1.0, 1.0);
        for planned in self.exchange.faults_within(stretch) {
            let part = TimeWindow::new(planned.window.from.max(stretch.from), planned.window.to.min(stretch.to));
            let burnt = match (planned.fault, service) {
                (Fault::CpuSaturation, Service::ApiGateway) => 0.93,
                (Fault::Surge, Service::ApiGateway | Service::CryptoWallet) => 0.12,
                (Fault::ReleaseRegression, Service::ExchangeApi) => 0.20,
                (Fault::RetryStorm, Service::ApiGateway | Service::ExchangeApi) => 0.08,
                (Fault::NewChild, Service::ExchangeApi) => 0.01,
                _ => 0.0,
            };
            seconds += burnt * part.length().0 as f64 / 1e6;
            seconds -= match (planned.fault, service) {
                (Fault::Silence, Service::OrderMatcher) => self.usage(service, part, 1.0, 1.0),
                (Fault::Holiday, _) => self.usage(service, part, 0.0, SPARED_ON_A_HOLIDAY),
                _ => 0.0,
            };
        }
        seconds
    }

    /// CPU time in seconds of an undisturbed service: a share of its idle cost, and of what its traffic costs.
    fn usage(&self, service: Service, stretch: TimeWindow, of_idle: f64, of_traffic: f64) -> f64 {
        let (idle, per_request) = match service {
            Service::CryptoWallet => (0.012, 0.06),
            Service::ApiGateway => (0.020, 0.10),
            Service::ExchangeApi => (0.025, 0.16),
            Service::OrderMatcher => (0.003, 0.02),
        };
        let mut seconds = 0.0;
        let (mut start, to) = (stretch.from.0, stretch.to.0);
        while start < to {
            let cell = start.div_euclid(Exchange::CELL_US);
            let end = to.min((cell + 1) * Exchange::CELL_US);
            let usage = of_idle * idle * (0.85 + 0.3 * noise(service, cell))
                + of_traffic * per_request * self.exchange.expected_rate(Timestamp(cell * Exchange::CELL_US));
            seconds += usage * (end - start) as f64 / 1e6;
            start = end;
        }
        seconds
    }

    /// Whether a service answers its scrapes.
    fn is_up(&self, service: Service, at: Timestamp) -> bool {
        let instant = TimeWindow::new(at, at + Micros(1));
        let mut faults = self.exchange.faults_within(instant).into_iter();
        service != Service::OrderMatcher || faults.all(|planned| planned.fault != Fault::Silence)
    }

    fn memory(&self, service: Service, at: Timestamp) -> f64 {
        const MIB: f64 = 1_048_576.0;
        let base = match service {
            Service::CryptoWallet => 182.0,
            Service::ApiGateway => 96.0,
            Service::ExchangeApi => 240.0,
            Service::OrderMatcher => 64.0,
        };
        let minute = at.0.div_euclid(Exchange::CELL_US);
        let hours = at.0 as f64 / 3.6e9;
        let swing = 0.04 * (TAU * (hours / 6.0 + f64::from(service as u8) / 4.0)).sin();
        let instant = TimeWindow::new(at, at + Micros(1));
        let released =
            self.exchange.faults_within(instant).iter().any(|planned| planned.fault == Fault::ReleaseRegression);
        let leak = if released && service == Service::ExchangeApi { 0.45 } else { 0.0 };
        // Whole pages, as a process has them.
        (base * MIB * (1.0 + swing + leak + 0.01 * noise(service, minute)) / 4_096.0).round() * 4_096.0
    }
}

/// A number in `[0, 1)` for a service and a minute.
fn noise(service: Service, minute: i64) -> f64 {
    (mix(minute as u64 ^ (service as u64) << 56) >> 11) as f64 / (1u64 << 53) as f64
}
