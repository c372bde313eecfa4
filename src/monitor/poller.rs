//! Polls live traces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc, watch};

use crate::domain::{Micros, SpanId, TimeWindow, Timestamp, Trace, TraceId};
use crate::engine::Input;
use crate::messages::SourceKind;
use crate::sources::http::{Backoff, SourceError};
use crate::sources::jaeger::Jaeger;

use super::board::Board;
use super::clock::Clock;
use super::core::ToCore;
use super::reading::read;
use super::{jitter, parts};

/// Services are listed again, and all of them polled, every so many polls; otherwise only those where traces begin:
/// every other service would bring the same traces again.
const POLLS_BETWEEN_SWEEPS: u64 = 10;
/// A longer window is polled in pieces, so that a long outage does not become one answer.
const LONGEST_WINDOW: Micros = Micros::from_secs(3_600);
/// The first poll begins this far back and tells where traces begin; from there a second reading goes further back, so that
/// the screens begin with something to show. Every service brings the same traces again, so only the former asks all.
const FIRST_SWEEP: Micros = Micros::from_secs(60);
const FIRST_REACH: Micros = Micros::from_secs(300);
/// A trace of which nothing ended for this long gets no root any more.
const UNDER_WAY: Micros = Micros::from_secs(30);
/// Incomplete traces are asked for again this often, and so many at a time.
const MOST_RETRIES: u8 = 3;
const MOST_REREADS: usize = 20;

pub struct Poller {
    pub jaeger: Arc<Jaeger>,
    pub clock: Clock,
    pub board: Board,
    pub to_core: mpsc::Sender<ToCore>,
    pub interval: Micros,
    pub settle_us: Arc<AtomicU64>,
    /// Wakes the poller before its time.
    pub poll_now: Arc<Notify>,
    /// Tells back-fill which services there are once the backend has answered, and hears where else it saw traces begin.
    pub roster: watch::Sender<Option<Roster>>,
}

/// Services, and those where traces begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    pub all: Vec<String>,
    pub entries: BTreeSet<String>,
}

impl Roster {
    /// The services to ask: where traces begin, and every other service too in a sweep, or while none is known.
    #[must_use]
    pub fn to_ask(&self, sweep: bool) -> Vec<String> {
        self.all
            .iter()
            .filter(|service| sweep || self.entries.is_empty() || self.entries.contains(*service))
            .cloned()
            .collect()
    }

    /// Learns where these traces begin. A trace under way has no root yet, for that ends last: it would make an entry of
    /// whatever service it has reached, and every later trace would be read once for each service in it.
    pub fn note(&mut self, traces: &[Trace], now: Timestamp) {
        let has_root = |trace: &Trace| trace.spans.iter().any(|span| span.parent.is_none());
        let is_over = |trace: &Trace| trace.spans.iter().all(|span| span.end() + UNDER_WAY < now);
        for trace in traces.iter().filter(|trace| has_root(trace) || is_over(trace)) {
            self.note_first(trace);
        }
    }

    /// Learns where a trace begins whose root will not come any more.
    fn note_first(&mut self, trace: &Trace) {
        if let Some(first) = trace.root()
            && !self.entries.contains(&*first.key.service)
        {
            self.entries.insert(first.key.service.to_string());
        }
    }
}

/// Traces that had a hole when they were read, and how often they were asked for since.
#[derive(Debug, Default)]
struct Incomplete(BTreeMap<TraceId, u8>);

impl Incomplete {
    fn note(&mut self, trace: &Trace) {
        if is_complete(trace) {
            self.0.remove(&trace.id);
        } else {
            self.0.entry(trace.id).or_insert(0);
        }
    }

    /// The next ones to ask for, and whether it is for the last time; each is given out at most [`MOST_RETRIES`] times.
    fn due(&mut self) -> Vec<(TraceId, bool)> {
        self.0.retain(|_, tries| *tries < MOST_RETRIES);
        let next = self.0.iter_mut().take(MOST_REREADS);
        next.map(|(id, tries)| {
            *tries += 1;
            (*id, *tries == MOST_RETRIES)
        })
        .collect()
    }
}

/// Exactly one root, and every parent there.
fn is_complete(trace: &Trace) -> bool {
    let ids: BTreeSet<SpanId> = trace.spans.iter().map(|span| span.id).collect();
    let roots = trace.spans.iter().filter(|span| span.parent.is_none()).count();
    roots == 1 && trace.spans.iter().filter_map(|span| span.parent).all(|parent| ids.contains(&parent))
}

/// The window of the next poll: from where the last one ended, reaching back over what may have come late. Each trace
/// is read twice at most: when spans come later than twice the interval, the window's end moves back instead.
#[must_use]
fn next_window(polled_to: Timestamp, now: Timestamp, interval: Micros, settle: Micros) -> TimeWindow {
    let reach = Micros(settle.0.min(2 * interval.0));
    let behind = Micros(settle.0.saturating_sub(2 * interval.0));
    TimeWindow::new(polled_to - reach, (now - behind).max(polled_to))
}

impl Poller {
    /// Polls until nobody listens any more.
    pub async fn run(self, live_from: Timestamp) {
        let mut backoff =
            Backoff::new(self.interval.as_std(), (self.interval.as_std() * 6).max(std::time::Duration::from_secs(60)));
        let mut polled_to = live_from - FIRST_SWEEP;
        let mut roster = Roster::default();
        let mut incomplete = Incomplete::default();
        let mut polls = 0u64;
        let mut probed = false;
        let mut wrong_clock = None;
        while !self.to_core.is_closed() {
            let result = async {
                if !probed {
                    wrong_clock = self.probe().await?;
                    probed = true;
                }
                if polls.is_multiple_of(POLLS_BETWEEN_SWEEPS) {
                    roster.all = self.jaeger.services().await?;
                }
                // The first polls are sweeps too: only after some of them is it known which traces get no root.
                let sweep = polls.is_multiple_of(POLLS_BETWEEN_SWEEPS) || polls <= MOST_RETRIES.into();
                let polled = self.poll(&mut roster, &mut incomplete, polled_to, sweep).await?;
                if polls == 0 {
                    let before = TimeWindow::new(live_from - FIRST_REACH, live_from - FIRST_SWEEP);
                    self.read_window(&mut roster, &mut incomplete, before, false).await?;
                }
                Ok::<_, SourceError>(polled)
            }
            .await;
            let wait = match result {
                Ok((to, doubt)) => {
                    polled_to = to;
                    let warning = wrong_clock.clone().or_else(|| doubt.map(str::to_owned));
                    self.board.change(SourceKind::Jaeger, |source| source.warning = warning);
                    polls += 1;
                    backoff.reset();
                    self.board.ready(SourceKind::Jaeger, self.clock.now());
                    self.roster.send_if_modified(|known| {
                        if let Some(known) = known {
                            roster.entries.extend(known.entries.iter().cloned());
                        }
                        let changed = known.as_ref() != Some(&roster);
                        *known = Some(roster.clone());
                        changed
                    });
                    self.interval.as_std()
                }
                Err(error) => {
                    // The other API may be the one that answers when the backend comes back.
                    probed = false;
                    self.board.failing(SourceKind::Jaeger, error.to_string());
                    backoff.next_delay(jitter(), error.retry_after())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.poll_now.notified() => {}
                () = self.to_core.closed() => {}
            }
        }
    }

    /// Finds the API. Returns what is wrong with this machine's clock, if anything is.
    async fn probe(&self) -> Result<Option<String>, SourceError> {
        let found = self.jaeger.probe().await?;
        self.board.change(SourceKind::Jaeger, |source| source.detail = found.detail);
        let offset = found.server_time.and_then(|server| self.clock.follow(server));
        Ok(offset.map(|offset| format!("clock {} {}", offset.by, if offset.behind { "behind" } else { "ahead" })))
    }

    /// Reads one window. Returns how many parts of it were cut by a limit, and how many could not be read.
    async fn read_window(
        &self,
        roster: &mut Roster,
        incomplete: &mut Incomplete,
        window: TimeWindow,
        sweep: bool,
    ) -> Result<(usize, usize), SourceError> {
        let now = self.clock.now();
        let (mut clipped, mut unreadable) = (0, 0);
        for service in roster.to_ask(sweep) {
            let report = read(&self.jaeger, &service, window, &self.to_core, |traces| {
                roster.note(&traces, now);
                traces.iter().for_each(|trace| incomplete.note(trace));
                Input::TracesPolled(traces)
            });
            let report = report.await?;
            clipped += report.clipped.len();
            unreadable += report.unreadable.len();
        }
        let _ = self.to_core.send(ToCore::Step(Input::PollEnded(window))).await;
        Ok((clipped, unreadable))
    }

    /// One poll, in pieces if it has much to catch up with. Returns up to where everything was read, and what is doubtful
    /// about it.
    async fn poll(
        &self,
        roster: &mut Roster,
        incomplete: &mut Incomplete,
        polled_to: Timestamp,
        sweep: bool,
    ) -> Result<(Timestamp, Option<&'static str>), SourceError> {
        let settle = Micros(self.settle_us.load(Ordering::Relaxed));
        let whole = next_window(polled_to, self.clock.now(), self.interval, settle);
        let mut clipped = 0;
        let mut unreadable = 0;
        for window in parts(whole, LONGEST_WINDOW) {
            let (cut, lost) = self.read_window(roster, incomplete, window, sweep).await?;
            clipped += cut;
            unreadable += lost;
        }
        for (id, last) in incomplete.due() {
            if let Some(trace) = self.jaeger.trace(id).await? {
                incomplete.note(&trace);
                if last {
                    roster.note_first(&trace);
                }
                let _ = self.to_core.send(ToCore::Step(Input::TracesPolled(vec![trace]))).await;
            }
        }
        let doubt = match (clipped, unreadable) {
            (0, 0) => None,
            (0, _) => Some("some traces unreadable"),
            _ => Some("some traces cut by limit"),
        };
        Ok((whole.to, doubt))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Attributes, Span, SpanKey, SpanKind};

    fn trace(id: u128, spans: &[(u64, Option<u64>, &str)]) -> Trace {
        let span = |(id, parent, service): &(u64, Option<u64>, &str)| Span {
            id: SpanId(*id),
            parent: parent.map(SpanId),
            key: SpanKey::new(*service, "op", SpanKind::Server),
            start: Timestamp::from_secs(*id as i64),
            duration: Micros(1),
            error: false,
            attributes: Attributes::default(),
            resource: Arc::default(),
        };
        Trace { id: TraceId(id), spans: spans.iter().map(span).collect() }
    }

    #[test]
    fn only_services_where_traces_begin_are_asked_between_sweeps() {
        let mut roster = Roster { all: vec!["a".into(), "b".into(), "c".into()], entries: BTreeSet::new() };
        assert_eq!(roster.to_ask(false).len(), 3, "nothing is known yet");
        let now = Timestamp::from_secs(5);
        roster.note(&[trace(1, &[(1, None, "a"), (2, Some(1), "b")])], now);
        assert_eq!(roster.to_ask(false), ["a"]);
        assert_eq!(roster.to_ask(true).len(), 3);
        let rootless = trace(2, &[(2, Some(1), "c")]);
        roster.note(std::slice::from_ref(&rootless), now);
        assert_eq!(roster.to_ask(false), ["a"], "its root may only not have ended yet");
        roster.note(&[rootless], now + UNDER_WAY);
        assert_eq!(roster.to_ask(false), ["a", "c"], "without a root it begins where it is seen");
    }

    #[test]
    fn an_incomplete_trace_is_asked_for_a_few_times_only() {
        let mut incomplete = Incomplete::default();
        incomplete.note(&trace(1, &[(2, Some(1), "b")]));
        incomplete.note(&trace(2, &[(1, None, "a"), (2, Some(1), "b")]));
        for tries in 1..=MOST_RETRIES {
            assert_eq!(incomplete.due(), [(TraceId(1), tries == MOST_RETRIES)]);
        }
        assert!(incomplete.due().is_empty());
    }

    #[test]
    fn a_trace_that_became_whole_is_left_alone() {
        let mut incomplete = Incomplete::default();
        incomplete.note(&trace(1, &[(2, Some(1), "b")]));
        incomplete.note(&trace(1, &[(1, None, "a"), (2, Some(1), "b")]));
        assert!(incomplete.due().is_empty());
    }

    #[test]
    fn windows_leave_no_hole_and_reach_back_two_intervals_at_most() {
        let interval = Micros::from_secs(10);
        let secs = Timestamp::from_secs;
        assert_eq!(
            next_window(secs(100), secs(110), interval, Micros::from_secs(4)),
            TimeWindow::new(secs(96), secs(110))
        );
        // Spans that come 50 s late: the window follows 30 s behind now.
        let late = Micros::from_secs(50);
        let mut polled_to = secs(100);
        for now in (110..200).step_by(10) {
            let window = next_window(polled_to, secs(now), interval, late);
            assert!(window.from <= polled_to && window.to >= polled_to);
            assert!(window.length() <= Micros::from_secs(30));
            polled_to = window.to;
        }
        assert_eq!(polled_to, secs(160));
    }
}
