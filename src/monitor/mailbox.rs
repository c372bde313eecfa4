//! The way out: newest update of each topic, and streams in order. A slow reader costs nothing but its own delay.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::messages::{Update, UpdateBody};

/// Notices and answers that nobody has read yet; beyond that the oldest go.
const LONGEST_STREAM: usize = 1_000;

#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    closed: bool,
    topics: BTreeMap<u8, Update>,
    stream: VecDeque<Update>,
}

/// A number for each topic; `None` for streams.
const fn topic(body: &UpdateBody) -> Option<u8> {
    match body {
        UpdateBody::Sources(_) => Some(0),
        UpdateBody::Monitor(_) => Some(1),
        UpdateBody::Services(_) => Some(2),
        UpdateBody::Records(_) => Some(3),
        UpdateBody::Learning(_) => Some(4),
        UpdateBody::Baseline(_) => Some(5),
        UpdateBody::Trace(_) => Some(6),
        UpdateBody::Recalculation(_) => Some(7),
        UpdateBody::Analysis(_) => Some(8),
        UpdateBody::Incidents(_) => Some(9),
        UpdateBody::Why(_) => Some(10),
        UpdateBody::Levels(_) => Some(11),
        UpdateBody::Acts(_) => Some(12),
        UpdateBody::Noise(_) => Some(13),
        UpdateBody::Comparison(_) => Some(14),
        UpdateBody::IncidentHistory(_) => Some(15),
        UpdateBody::Service(_) => Some(20),
        UpdateBody::Map(_) => Some(21),
        UpdateBody::Week(_) => Some(22),
        UpdateBody::Trends(_) => Some(23),
        UpdateBody::TokensArrived { .. } | UpdateBody::Notice(_) | UpdateBody::CommandAnswered { .. } => None,
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tell(&self, body: UpdateBody) {
        let mut state = self.lock();
        state.revision += 1;
        let revision = state.revision;
        state.put(Update { revision, body });
        drop(state);
        self.0.filled.notify_one();
    }

    /// Nothing more will be told; the reader gets what is there and then the end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.filled.notify_one();
    }

    /// Carries updates to the reader until it goes away or the mailbox is closed and empty.
    pub async fn deliver(self, reader: mpsc::Sender<Update>) {
        loop {
            let Ok(place) = reader.reserve().await else { return };
            loop {
                // A future made before looking does not miss what is told in between.
                let filled = self.0.filled.notified();
                let (next, closed) = {
                    let mut state = self.lock();
                    (state.take(), state.closed)
                };
                if let Some(update) = next {
                    place.send(update);
                    break;
                }
                if closed {
                    return;
                }
                tokio::select! {
                    () = filled => {}
                    () = reader.closed() => return,
                }
            }
        }
    }
}

impl State {
    fn put(&mut self, update: Update) {
        match &update.body {
            // An analysis holds its text so far, so tokens that wait are in it already …
            UpdateBody::Analysis(analysis) => {
                let id = analysis.id;
                self.stream.retain(
                    |waiting| !matches!(&waiting.body, UpdateBody::TokensArrived { analysis, .. } if *analysis == id),
                );
            }
            // … and tokens join an analysis that waits.
            UpdateBody::TokensArrived { analysis, text } => {
                if let Some(Update { body: UpdateBody::Analysis(waiting), revision }) = self.topics.get_mut(&8)
                    && waiting.id == *analysis
                {
                    waiting.text.push_str(text);
                    *revision = update.revision;
                    return;
                }
                if let Some(Update { body: UpdateBody::TokensArrived { analysis: last, text: more }, .. }) =
                    self.stream.back_mut()
                    && last == analysis
                {
                    more.push_str(text);
                    return;
                }
            }
            _ => {}
        }
        match topic(&update.body) {
            Some(topic) => {
                self.topics.insert(topic, update);
            }
            None => {
                self.stream.push_back(update);
                if self.stream.len() > LONGEST_STREAM {
                    self.stream.pop_front();
                }
            }
        }
    }

    /// Whatever was told first, topics before streams of the same moment.
    fn take(&mut self) -> Option<Update> {
        let topic = self.topics.iter().min_by_key(|(_, update)| update.revision).map(|(topic, _)| *topic);
        let of_topic = topic.and_then(|topic| self.topics.get(&topic)).map(|update| update.revision);
        let of_stream = self.stream.front().map(|update| update.revision);
        match (of_topic, of_stream) {
            (Some(a), Some(b)) if b < a => self.stream.pop_front(),
            (Some(_), _) => topic.and_then(|topic| self.topics.remove(&topic)),
            (None, _) => self.stream.pop_front(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Anomaly, AnomalyId, Attributes, HourOfWeek, Level, Micros, Severity, SpanId, SpanKey, SpanKind, Timestamp,
        TraceId,
    };
    use crate::messages::{Analysis, AnalysisId, AnalysisState};

    fn analysis(id: u64, text: &str) -> UpdateBody {
        UpdateBody::Analysis(Box::new(Analysis {
            id: AnalysisId(id),
            anomaly: Anomaly {
                id: AnomalyId { trace: TraceId(1), span: SpanId(1) },
                key: SpanKey::new("cart", "GET /", SpanKind::Server),
                severity: Severity::Sev1,
                start: Timestamp(0),
                duration: Micros(1),
                mean_us: 1.0,
                sigma_us: 1.0,
                z: 1.0,
                cut_off_z: 1.0,
                level: Level::Global,
                samples: 1,
                bucket: HourOfWeek::new(0, 0),
                error: false,
                attributes: Attributes::default(),
            },
            state: AnalysisState::Streaming,
            model: "m".into(),
            started: Timestamp(0),
            facts: Vec::new(),
            metrics: Vec::new(),
            metrics_note: None,
            text: text.into(),
            receipt: None,
        }))
    }

    fn tokens(id: u64, text: &str) -> UpdateBody {
        UpdateBody::TokensArrived { analysis: AnalysisId(id), text: text.into() }
    }

    /// What a reader that was away ends up with.
    fn text_read(mailbox: &Mailbox) -> String {
        let mut text = String::new();
        while let Some(update) = { mailbox.lock().take() } {
            match update.body {
                UpdateBody::Analysis(analysis) => text = analysis.text,
                UpdateBody::TokensArrived { text: more, .. } => text.push_str(&more),
                _ => {}
            }
        }
        text
    }

    #[test]
    fn a_reader_that_was_away_reads_every_token_once() {
        let mailbox = Mailbox::default();
        for body in [analysis(1, ""), tokens(1, "a"), tokens(1, "b"), analysis(1, "ab"), tokens(1, "c")] {
            mailbox.tell(body);
        }
        assert_eq!(text_read(&mailbox), "abc");
        for body in [tokens(1, "d"), tokens(1, "e"), analysis(1, "abcde"), tokens(1, "f")] {
            mailbox.tell(body);
        }
        assert_eq!(text_read(&mailbox), "abcdef");
    }

    #[tokio::test]
    async fn only_the_newest_of_a_topic_is_delivered_and_then_the_end() {
        let mailbox = Mailbox::default();
        for i in 0..5 {
            mailbox.tell(UpdateBody::Services(Vec::new()));
            mailbox.tell(UpdateBody::Notice(i.to_string()));
        }
        mailbox.close();
        let (reader, mut read) = mpsc::channel(100);
        mailbox.deliver(reader).await;
        let mut services = Vec::new();
        let mut notices = String::new();
        while let Some(update) = read.recv().await {
            match update.body {
                UpdateBody::Notice(text) => notices += &text,
                _ => services.push(update.revision),
            }
        }
        assert_eq!((services, notices.as_str()), (vec![9], "01234"));
    }
}
