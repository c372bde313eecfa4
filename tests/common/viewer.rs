//! A reader of the monitor's updates, as the screens are one.

use std::time::Duration;

use spanwatch::demo::Planned;
use spanwatch::domain::{Anomaly, AnomalyId, TraceId};
use spanwatch::messages::{
    Analysis, BackFill, Command, CommandId, CommandKind, RecalculationState, RecordView, TraceState, UpdateBody,
    WaterfallSpan,
};
use spanwatch::monitor::{self, Handle, Parts};

/// Nothing here takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A reader of updates that gives commands too.
pub struct Viewer {
    handle: Handle,
    commands: u64,
}

impl Viewer {
    pub fn of(parts: Parts) -> Self {
        Self { handle: monitor::start(parts), commands: 0 }
    }

    pub fn send(&mut self, kind: CommandKind) -> CommandId {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.handle.commands.send(Command { id, kind }).unwrap();
        id
    }

    /// Reads until `wanted` gives something.
    pub async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&UpdateBody) -> Option<T>) -> T {
        let reading = async {
            while let Some(update) = self.handle.updates.recv().await {
                if let Some(found) = wanted(&update.body) {
                    return Some(found);
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the monitor ended before {what}"),
            Err(_) => panic!("no {what} within {PATIENCE:?}"),
        }
    }

    pub async fn learnt(&mut self) {
        let mut filled = false;
        self.until("end of learning", |body| match body {
            UpdateBody::Learning(view) => {
                filled |= view.back_fill == BackFill::Done;
                None
            }
            UpdateBody::Recalculation(RecalculationState::Done { .. }) if filled => Some(()),
            UpdateBody::Recalculation(RecalculationState::Failed(why)) => panic!("{why}"),
            _ => None,
        })
        .await;
    }

    pub async fn end(mut self) {
        self.send(CommandKind::Shutdown);
        tokio::time::timeout(PATIENCE, self.handle.ended).await.unwrap().unwrap().unwrap();
    }
}

/// Waits until the alert at the top is `order.match` of `service`, SEV1 or SEV2, for a span of the fault. What was
/// unusual by chance before does not count.
pub async fn slow_matches(viewer: &mut Viewer, service: &str, fault: Planned) -> (RecordView, Anomaly) {
    viewer
        .until("alert of the fault", |body| {
            let UpdateBody::Records(alerts) = body else { return None };
            let top = alerts.first().filter(|top| top.severity.number() <= 2)?;
            let named = &*top.key.service == service && &*top.key.operation == "order.match";
            let mut anomalies = top.anomalies.iter();
            let anomaly = anomalies.find(|anomaly| named && fault.window.contains(anomaly.start))?;
            Some((top.clone(), anomaly.clone()))
        })
        .await
}

/// Analyses an anomaly and follows the run to its end.
pub async fn analysis_of(viewer: &mut Viewer, anomaly: AnomalyId) -> Analysis {
    viewer.send(CommandKind::StartAnalysis { anomaly });
    let mut streamed = String::new();
    viewer
        .until("end of the analysis", |body| match body {
            UpdateBody::TokensArrived { text, .. } => {
                streamed.push_str(text);
                None
            }
            UpdateBody::Analysis(analysis) => {
                assert!(analysis.text.starts_with(&streamed), "tokens are the beginning of the text");
                streamed.clone_from(&analysis.text);
                (!analysis.state.is_running()).then(|| (**analysis).clone())
            }
            _ => None,
        })
        .await
}

/// Opens a trace and waits for its waterfall.
pub async fn waterfall_of(viewer: &mut Viewer, trace: TraceId) -> Vec<WaterfallSpan> {
    viewer.send(CommandKind::ShowTrace { trace });
    viewer
        .until("trace", |body| match body {
            UpdateBody::Trace(view) => match &view.state {
                TraceState::Loaded(waterfall) => Some(waterfall.spans.clone()),
                TraceState::Failed(why) => panic!("{why}"),
                TraceState::Loading => None,
            },
            _ => None,
        })
        .await
}
