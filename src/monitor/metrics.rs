//! Polls metrics: for their freshness in the header, for what supports a suspect, and for the moments when a question
//! comes later than the answer.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use crate::detect::{METRICS_LEARNT, METRICS_YOUNG};
use crate::domain::{MetricKind, MetricSample, Micros, TimeWindow, Timestamp};
use crate::engine::{Input, MetricReading};
use crate::messages::SourceKind;
use crate::sources::http::{Backoff, SourceError};
use crate::sources::prometheus::Prometheus;

use super::board::Board;
use super::clock::Clock;
use super::core::ToCore;
use super::jitter;

pub struct MetricsPoller {
    pub prometheus: Arc<Prometheus>,
    pub clock: Clock,
    pub board: Board,
    pub interval: Micros,
    pub poll_now: Arc<Notify>,
    pub to_core: mpsc::Sender<ToCore>,
}

impl MetricsPoller {
    /// Polls until nobody listens any more.
    pub async fn run(self) {
        let mut backoff =
            Backoff::new(self.interval.as_std(), (self.interval.as_std() * 4).max(std::time::Duration::from_secs(120)));
        let mut probed = false;
        let mut past: Option<Result<(), SourceError>> = None;
        while !self.to_core.is_closed() {
            let result = async {
                if !probed {
                    let found = self.prometheus.probe().await?;
                    self.board.change(SourceKind::Prometheus, |source| source.detail = found.version);
                    probed = true;
                }
                self.prometheus.poll(self.clock.now()).await
            }
            .await;
            let wait = match result {
                Ok(samples) => {
                    backoff.reset();
                    if past.is_none() {
                        // A server that keeps no past, or refuses so much of it, is asked once: what is normal is then
                        // learnt from now on.
                        past = Some(self.tell_past().await);
                    }
                    let readings = resources(&samples, |_| false);
                    let _ = self.to_core.send(ToCore::Step(Input::MetricsPolled(readings))).await;
                    let note = self.prometheus.notes().into_iter().next();
                    let none = || samples.is_empty().then(|| "no known metric".to_owned());
                    let unknown = || past.as_ref()?.as_ref().err().map(|error| format!("no past: {error}"));
                    let warning = note.or_else(none).or_else(unknown);
                    self.board.change(SourceKind::Prometheus, |source| source.warning = warning);
                    self.board.ready(SourceKind::Prometheus, self.clock.now());
                    self.interval.as_std()
                }
                Err(error) => {
                    probed = false;
                    self.fail(&error);
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

    /// Gives what the metrics were lately, for their normal to be known from the start.
    async fn tell_past(&self) -> Result<(), SourceError> {
        let now = self.clock.now();
        let samples = self.prometheus.past(&RESOURCES, TimeWindow::new(now - METRICS_LEARNT, now)).await?;
        let readings = resources(&samples, |at| now.since(at) > METRICS_YOUNG);
        let _ = self.to_core.send(ToCore::Step(Input::MetricsPolled(readings))).await;
        Ok(())
    }

    fn fail(&self, error: &SourceError) {
        self.board.failing(SourceKind::Prometheus, error.to_string());
    }
}

/// What a service uses. Its rate, errors and latency are seen in its spans, more exactly.
const RESOURCES: [MetricKind; 3] = [MetricKind::Cpu, MetricKind::Memory, MetricKind::ActiveConnections];

/// `is_normal` says at which times they were what is normal.
fn resources(samples: &[MetricSample], is_normal: impl Fn(Timestamp) -> bool) -> Vec<MetricReading> {
    samples
        .iter()
        .filter(|sample| RESOURCES.contains(&sample.kind))
        .map(|sample| MetricReading {
            service: Arc::from(sample.service.as_str()),
            name: Arc::from(sample.kind.label()),
            at: sample.at,
            value: sample.value,
            normal: is_normal(sample.at),
        })
        .collect()
}
