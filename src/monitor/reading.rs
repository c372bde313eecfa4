//! Reading a window of traces and handing them on while they come, so that memory never holds a whole answer's spans.

use tokio::sync::mpsc;

use crate::domain::{TimeWindow, Trace};
use crate::engine::Input;
use crate::sources::http::SourceError;
use crate::sources::jaeger::{Jaeger, SearchReport};

use super::core::ToCore;

/// Batches of traces on their way to the core; a full channel holds up the parser, not the other way round.
const BATCHES: usize = 4;

/// Reads the traces of a service in a window and gives each batch to the core as `input` wraps it.
///
/// # Errors
/// When the source fails; what came before was handed on.
pub async fn read(
    jaeger: &Jaeger,
    service: &str,
    window: TimeWindow,
    to_core: &mpsc::Sender<ToCore>,
    mut input: impl FnMut(Vec<Trace>) -> Input,
) -> Result<SearchReport, SourceError> {
    let (out, mut batches) = mpsc::channel(BATCHES);
    let searching = async move { jaeger.search(service, window, &out).await };
    let handing = async {
        while let Some(traces) = batches.recv().await {
            if to_core.send(ToCore::Step(input(traces))).await.is_err() {
                // Nobody listens any more: the search ends when its channel does.
                return;
            }
        }
    };
    let (report, ()) = tokio::join!(searching, handing);
    report
}
