//! All traces of a service in a stretch of time, although no storage gives more than a limit of them at once.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::Sender;

use super::request::{self, Delivered, Question};
use super::{Api, Jaeger};
use crate::domain::{Micros, TimeWindow, Trace, TraceId};
use crate::sources::http::{ErrorKind, SourceError};

/// What a search found and what it could not get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchReport {
    /// Distinct traces delivered, and their spans.
    pub traces: u64,
    pub spans: u64,
    /// Bytes of the bodies read, after decompression.
    pub bytes: u64,
    pub requests: u64,
    /// Windows that were full and could not be split further: more traces may exist there.
    pub clipped: Vec<TimeWindow>,
    /// Windows that the server could not give at all: a span in them cannot be written as JSON, or is larger than the
    /// cap by itself.
    pub unreadable: Vec<TimeWindow>,
    /// Spans left out because they could not be right.
    pub refused_spans: u64,
}

/// Windows are not split below this.
const FLOOR: Micros = Micros::from_millis(1);
/// A search ends here; a server that ignores the window would otherwise be asked millions of times.
const MOST_REQUESTS: u64 = 4_096;
/// Below this a limit makes no sense: the storage refuses for another reason.
const LEAST_LIMIT: u32 = 10;

/// Whether the storage limits rows (spans) instead of traces, as Cassandra does: it keeps traces of the newest three
/// times `limit` rows, so a page can be cut although it holds fewer than `limit` traces. Found out by splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowLimit {
    /// Not known yet; in so many searches suspect pages turned out to be whole.
    Unknown {
        whole: u8,
    },
    Yes,
    No,
}

impl Default for RowLimit {
    fn default() -> Self {
        Self::Unknown { whole: 0 }
    }
}

impl RowLimit {
    /// Rows that a storage of that kind reads for each trace asked for.
    const ROWS_PER_TRACE: u64 = 3;
    /// Searches that split on suspicion in vain before it is dropped.
    const TRIALS: u8 = 3;

    const fn suspects(self, page: &Delivered, limit: u32) -> bool {
        !matches!(self, Self::No) && page.matching >= Self::ROWS_PER_TRACE * limit as u64
    }

    /// A search split pages on suspicion, and the halves held `new` traces which the pages had not, of `all` in the
    /// end. A few may have arrived in between; more than one in twenty were cut.
    const fn learn(self, new: u64, all: u64) -> Self {
        match self {
            Self::Unknown { .. } if new > 2 && new * 20 > all => Self::Yes,
            Self::Unknown { whole } if whole + 1 < Self::TRIALS => Self::Unknown { whole: whole + 1 },
            Self::Unknown { .. } => Self::No,
            known => known,
        }
    }
}

/// A window still to be asked for.
#[derive(Debug, Clone, Copy)]
struct Task {
    window: TimeWindow,
    /// It is half of a page that was not full but suspect.
    on_trial: bool,
}

/// The state of one search.
struct Search<'a> {
    jaeger: &'a Jaeger,
    api: Api,
    service: &'a str,
    limit: u32,
    seen: HashSet<TraceId>,
    tasks: Vec<Task>,
    report: SearchReport,
    /// How many traces the halves of suspect pages added; `None` while no page was suspect.
    added_on_trial: Option<u64>,
    /// The other API is not there to help out.
    no_v3: bool,
}

impl Jaeger {
    /// Sends every trace with a span of `service` that starts in `window` to `out`, each once, as they are read.
    /// A page that is full is split into halves until none is, down to a millisecond.
    ///
    /// # Errors
    /// Whatever the network or the server says; traces sent before stay sent. `Stopped` when nobody receives.
    pub async fn search(
        &self,
        service: &str,
        window: TimeWindow,
        out: &Sender<Vec<Trace>>,
    ) -> Result<SearchReport, SourceError> {
        if window.length() == Micros::ZERO {
            return Ok(SearchReport::default());
        }
        let mut search = Search {
            jaeger: self,
            api: self.api().await?,
            service,
            limit: self.limit.load(Ordering::Relaxed),
            seen: HashSet::new(),
            tasks: vec![Task { window, on_trial: false }],
            report: SearchReport::default(),
            added_on_trial: None,
            no_v3: false,
        };
        while let Some(task) = search.tasks.pop() {
            if search.report.requests >= MOST_REQUESTS {
                note(&mut search.report.clipped, task.window);
                continue;
            }
            search.take(task, out).await?;
        }
        if let (Some(added), Ok(mut row_limit)) = (search.added_on_trial, self.row_limit.lock()) {
            *row_limit = row_limit.learn(added, search.report.traces);
        }
        Ok(search.report)
    }
}

impl Search<'_> {
    async fn take(&mut self, task: Task, out: &Sender<Vec<Trace>>) -> Result<(), SourceError> {
        match self.page(self.api, task.window, out).await {
            Ok(page) => {
                // Kept for the next searches only now that the storage is known to accept it.
                self.jaeger.limit.fetch_min(self.limit, Ordering::Relaxed);
                self.judge(task, &page);
                Ok(())
            }
            Err(error) => self.recover(task, error, out).await,
        }
    }

    /// Asks for one window and delivers what came.
    async fn page(&mut self, api: Api, window: TimeWindow, out: &Sender<Vec<Trace>>) -> Result<Delivered, SourceError> {
        let question = Question { api, service: self.service, window, limit: self.limit };
        self.report.requests += 1;
        let Some(body) = request::ask(&self.jaeger.client, question).await? else {
            return Ok(Delivered::default());
        };
        self.report.bytes += body.len() as u64;
        let seen = std::mem::take(&mut self.seen);
        let (seen, delivered) = request::deliver(question, body, seen, out.clone()).await;
        self.seen = seen;
        let delivered = delivered?;
        self.report.traces += delivered.traces;
        self.report.spans += delivered.spans;
        self.report.refused_spans += delivered.refused;
        Ok(delivered)
    }

    /// Splits the window when the page may not have been all of it.
    fn judge(&mut self, task: Task, page: &Delivered) {
        if task.on_trial {
            *self.added_on_trial.get_or_insert(0) += page.traces;
        }
        if page.ids >= u64::from(self.limit) {
            if !self.split(task.window, task.on_trial) {
                note(&mut self.report.clipped, task.window);
            }
            return;
        }
        let row_limit = self.jaeger.row_limit.lock().map_or(RowLimit::No, |row_limit| *row_limit);
        if row_limit.suspects(page, self.limit) && !self.split(task.window, true) && row_limit == RowLimit::Yes {
            note(&mut self.report.clipped, task.window);
        }
    }

    /// The earlier half is asked for first. `false` at the floor.
    fn split(&mut self, window: TimeWindow, on_trial: bool) -> bool {
        if window.length() <= FLOOR {
            return false;
        }
        let (earlier, later) = window.halves();
        self.tasks.push(Task { window: later, on_trial });
        self.tasks.push(Task { window: earlier, on_trial });
        true
    }

    /// What can be done about a window that failed, before the whole search fails.
    async fn recover(&mut self, task: Task, error: SourceError, out: &Sender<Vec<Trace>>) -> Result<(), SourceError> {
        match error.kind() {
            ErrorKind::TooLarge => self.isolate(task),
            ErrorKind::Status(400..=599) if cannot_be_written(&error) => {
                // The other API writes such a value as text. Where it does not answer, halving finds the one span.
                let v3 = Api::V3 { summaries: false };
                if self.api == Api::Legacy && !self.no_v3 {
                    match self.page(v3, task.window, out).await {
                        Ok(page) => {
                            self.judge(task, &page);
                            return Ok(());
                        }
                        Err(e) if e.kind() == ErrorKind::Stopped => return Err(e),
                        Err(_) => self.no_v3 = true,
                    }
                }
                self.isolate(task);
            }
            ErrorKind::Status(400..=599) if complains_of_limit(&error) && self.limit / 2 >= LEAST_LIMIT => {
                self.limit /= 2;
                self.tasks.push(task);
            }
            _ => {
                self.api = self.jaeger.moved(self.api, error).await?;
                self.tasks.push(task);
            }
        }
        Ok(())
    }

    fn isolate(&mut self, task: Task) {
        if !self.split(task.window, task.on_trial) {
            note(&mut self.report.unreadable, task.window);
        }
    }
}

/// Go cannot write NaN and infinities as JSON; one such attribute spoils the whole answer.
fn cannot_be_written(error: &SourceError) -> bool {
    error.message().contains("unsupported value: ")
}

fn complains_of_limit(error: &SourceError) -> bool {
    let message = error.message().to_ascii_lowercase();
    ["search depth", "limit", "num_traces", "max traces"].iter().any(|word| message.contains(word))
}

/// Neighbouring windows are noted as one.
fn note(windows: &mut Vec<TimeWindow>, window: TimeWindow) {
    match windows.last_mut() {
        Some(last) if last.to == window.from => last.to = window.to,
        _ => windows.push(window),
    }
}
