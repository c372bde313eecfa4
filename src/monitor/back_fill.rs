//! Learns from the traces that the backend still has, newest day first.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::baseline::gaps;
use crate::domain::{Micros, TimeWindow, Timestamp, Trace, UtcHour};
use crate::engine::Input;
use crate::messages::BackFill;
use crate::sources::http::{Backoff, SourceError};
use crate::sources::jaeger::Jaeger;

use super::clock::Clock;
use super::core::{Beginning, ToCore};
use super::jitter;
use super::poller::Roster;
use super::reading::read;

const HOUR: Micros = Micros::from_secs(3_600);
const DAY: Micros = Micros::from_secs(86_400);
/// Baselines are made as soon as this much is learnt, and again at the end.
const PROVISIONAL_AFTER: Micros = Micros(7 * DAY.0);
/// The newest traces may be incomplete still: they are read last, and not before they are this old.
const SETTLED_AFTER: Micros = Micros::from_secs(20);

pub struct BackFiller {
    pub jaeger: Arc<Jaeger>,
    pub clock: Clock,
    pub to_core: mpsc::Sender<ToCore>,
    /// Shared with the poller: it lists the services, and both note where traces begin.
    pub roster: watch::Sender<Option<Roster>>,
    pub requests: usize,
    pub history: Micros,
}

/// How far it has come. A slow backend takes minutes for a day, so each hour counts as soon as it is read.
#[derive(Debug, Clone, Copy)]
struct Progress {
    hours_done: u32,
    hours_total: u32,
}

impl Progress {
    const fn running(self) -> BackFill {
        BackFill::Running { hours_done: self.hours_done, hours_total: self.hours_total }
    }

    const fn paused(self, why: String) -> BackFill {
        BackFill::Paused { hours_done: self.hours_done, hours_total: self.hours_total, why }
    }
}

/// What is to be read, in hours at most, by UTC day: newest day first, but the hour that is still going on last.
#[must_use]
fn plan(known: &[TimeWindow], whole: TimeWindow) -> Vec<Vec<TimeWindow>> {
    let mut days: Vec<Vec<TimeWindow>> = Vec::new();
    let hours = gaps(known, whole).into_iter().flat_map(|gap| {
        // Cut at full hours, so that a window never spans two of them.
        let first = UtcHour::of(gap.from);
        let last = UtcHour::of(gap.to);
        (first.0..=last.0).map(move |hour| {
            let start = UtcHour(hour).start();
            TimeWindow::new(gap.from.max(start), gap.to.min(start + HOUR))
        })
    });
    for window in hours.filter(|window| window.from < window.to) {
        let day = UtcHour::of(window.from).day();
        match days.last_mut() {
            Some(last) if last.first().is_some_and(|first| UtcHour::of(first.from).day() == day) => last.push(window),
            _ => days.push(vec![window]),
        }
    }
    days.reverse();
    let newest = days.first_mut().and_then(|day| day.pop_if(|window| window.to == whole.to));
    days.retain(|day| !day.is_empty());
    days.extend(newest.map(|window| vec![window]));
    days
}

impl BackFiller {
    /// Fills what is not known of the last days, then what becomes unknown again: one after the other, so that nothing is
    /// read twice.
    pub async fn run(self, beginning: Beginning, mut forgotten: mpsc::UnboundedReceiver<Vec<TimeWindow>>) {
        self.fill(beginning).await;
        while let Some(windows) = forgotten.recv().await {
            self.fill_again(&windows).await;
        }
    }

    async fn fill_again(&self, windows: &[TimeWindow]) {
        let days: Vec<Vec<TimeWindow>> = windows.iter().flat_map(|window| plan(&[], *window)).collect();
        let mut progress = Progress { hours_done: 0, hours_total: days.iter().map(Vec::len).sum::<usize>() as u32 };
        let mut backoff = Backoff::new(std::time::Duration::from_secs(2), std::time::Duration::from_secs(120));
        for (index, windows) in days.iter().enumerate() {
            self.read_patiently(windows, &mut progress, &mut backoff).await;
            let moved = if index + 1 == days.len() { BackFill::Done } else { progress.running() };
            let ended = Input::HistoryEnded { windows: windows.clone(), progress: moved };
            let _ = self.to_core.send(ToCore::Step(ended)).await;
        }
    }

    async fn fill(&self, beginning: Beginning) {
        let Beginning { known, live_from, generation_at } = beginning;
        let days = plan(&known, TimeWindow::new(live_from - self.history, live_from));
        let mut progress = Progress { hours_done: 0, hours_total: days.iter().map(Vec::len).sum::<usize>() as u32 };
        let mut learnt = Micros::ZERO;
        let mut provisional = generation_at.is_some();
        let mut backoff = Backoff::new(std::time::Duration::from_secs(2), std::time::Duration::from_secs(120));
        self.tell(progress.running()).await;
        if self.roster.subscribe().wait_for(Option::is_some).await.is_err() {
            return;
        }
        let hour_before = TimeWindow::new(live_from - HOUR, live_from);
        while let Err(error) = self.find_beginnings(hour_before).await {
            self.tell(progress.paused(error.to_string())).await;
            tokio::time::sleep(backoff.next_delay(jitter(), error.retry_after())).await;
        }
        backoff.reset();
        for (index, windows) in days.iter().enumerate() {
            // What is read of a day before a failure is remembered by the core, and not read again.
            let last = index + 1 == days.len();
            if last {
                self.settle(live_from).await;
            }
            self.read_patiently(windows, &mut progress, &mut backoff).await;
            learnt = Micros(learnt.0 + windows.iter().map(|window| window.length().0).sum::<u64>());
            let moved = if last { BackFill::Done } else { progress.running() };
            let ended = Input::HistoryEnded { windows: windows.clone(), progress: moved };
            if self.to_core.send(ToCore::Step(ended)).await.is_err() {
                return;
            }
            if last || index + 2 == days.len() || (!provisional && learnt >= PROVISIONAL_AFTER) {
                provisional = true;
                let _ = self.to_core.send(ToCore::Recalculate { rehearse: false, answer: None }).await;
            }
        }
        if days.is_empty() {
            self.tell(BackFill::Done).await;
        }
    }

    /// Reads the windows of a day, however long that takes.
    async fn read_patiently(&self, windows: &[TimeWindow], progress: &mut Progress, backoff: &mut Backoff) {
        let mut missing = windows.to_vec();
        while let Err(error) = self.read_day(&mut missing, progress).await {
            self.tell(progress.paused(error.to_string())).await;
            tokio::time::sleep(backoff.next_delay(jitter(), error.retry_after())).await;
        }
        backoff.reset();
    }

    async fn tell(&self, progress: BackFill) {
        let _ = self.to_core.send(ToCore::Step(Input::BackFillMoved(progress))).await;
    }

    /// Looks through a window of every service where no trace is known to begin. The first polls see a minute, and a job
    /// that runs every few minutes in a service that otherwise only answers calls would be learnt one hour in ten.
    async fn find_beginnings(&self, window: TimeWindow) -> Result<(), SourceError> {
        let mut roster = self.roster.borrow().clone().unwrap_or_default();
        for service in roster.all.clone() {
            if roster.entries.contains(&service) {
                continue;
            }
            let (out, mut batches) = mpsc::channel(1);
            let (jaeger, asked) = (&self.jaeger, &service);
            let searching = async move { jaeger.search(asked, window, &out).await };
            let noting = async {
                while let Some(traces) = batches.recv().await {
                    roster.note(&traces, self.clock.now());
                }
            };
            let (report, ()) = tokio::join!(searching, noting);
            report?;
        }
        self.roster.send_modify(|known| {
            if let Some(known) = known {
                known.entries.append(&mut roster.entries);
            }
        });
        Ok(())
    }

    /// Reads the windows of one day, several at once, and takes those that were read off the list.
    async fn read_day(&self, missing: &mut Vec<TimeWindow>, progress: &mut Progress) -> Result<(), SourceError> {
        let roster = self.roster.borrow().clone().unwrap_or_default();
        let mut tasks: JoinSet<(TimeWindow, Result<(), SourceError>)> = JoinSet::new();
        let mut waiting = missing.clone();
        let mut failure = None;
        loop {
            while tasks.len() < self.requests && failure.is_none() {
                let Some(window) = waiting.pop() else { break };
                // One hour in ten is read of every service, to find traces that begin elsewhere.
                let sweep = UtcHour::of(window.from).0 % 10 == 0;
                let services = roster.to_ask(sweep);
                let (jaeger, to_core) = (Arc::clone(&self.jaeger), self.to_core.clone());
                let (roster, now) = (self.roster.clone(), self.clock.now());
                tasks.spawn(async move {
                    let note = |traces: &[Trace]| note_beginnings(&roster, traces, now);
                    (window, read_window(&jaeger, &to_core, window, &services, note).await)
                });
            }
            match tasks.join_next().await {
                None => break,
                Some(Ok((window, Ok(())))) => {
                    missing.retain(|other| *other != window);
                    progress.hours_done += 1;
                    self.tell(progress.running()).await;
                }
                Some(Ok((_, Err(error)))) => failure = Some(error),
                Some(Err(_)) => {}
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Waits until traces that began before `at` can be expected to be complete.
    async fn settle(&self, at: Timestamp) {
        let ready = at + SETTLED_AFTER;
        tokio::time::sleep(ready.since(self.clock.now()).as_std()).await;
    }
}

/// What an hour of every service shows of where traces begin is known from the next day on.
fn note_beginnings(roster: &watch::Sender<Option<Roster>>, traces: &[Trace], now: Timestamp) {
    roster.send_if_modified(|known| {
        let Some(known) = known else { return false };
        let before = known.entries.len();
        known.note(traces, now);
        known.entries.len() > before
    });
}

async fn read_window(
    jaeger: &Jaeger,
    to_core: &mpsc::Sender<ToCore>,
    window: TimeWindow,
    services: &[String],
    note: impl Fn(&[Trace]),
) -> Result<(), SourceError> {
    for service in services {
        let input = |traces: Vec<Trace>| {
            note(&traces);
            Input::HistoryRead { window, traces }
        };
        read(jaeger, service, window, to_core, input).await?;
    }
    let _ = to_core.send(ToCore::Step(Input::HistoryWindowRead(window))).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: i64, to: i64) -> TimeWindow {
        TimeWindow::new(Timestamp::from_secs(from * 3_600), Timestamp::from_secs(to * 3_600))
    }

    #[test]
    fn days_come_newest_first_and_windows_within_one_hour() {
        let live_from = Timestamp::from_secs(100 * 3_600 + 1_234);
        let whole = TimeWindow::new(Timestamp::from_secs(40 * 3_600 + 600), live_from);
        let days = plan(&[hours(50, 80)], whole);
        let flat: Vec<TimeWindow> = days.iter().flatten().copied().collect();
        assert!(flat.iter().all(|w| w.length() <= HOUR && UtcHour::of(w.from) == UtcHour::of(w.to - Micros(1))));
        assert_eq!(flat.iter().map(|w| w.length().0).sum::<u64>(), whole.length().0 - 30 * HOUR.0);
        let firsts: Vec<i32> = days.iter().map(|day| UtcHour::of(day[0].from).day()).collect();
        assert_eq!(firsts, [4, 3, 2, 1, 4], "the hour that is going on is read last");
    }

    #[test]
    fn nothing_is_planned_when_all_is_known() {
        assert!(plan(&[hours(0, 100)], hours(10, 90)).is_empty());
    }
}
