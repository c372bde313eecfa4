//! The state of every source, told whenever one of them changes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Micros, Timestamp};
use crate::messages::{SourceKind, SourceState, SourceView, UpdateBody};

use super::mailbox::Mailbox;

/// Shared by the tasks that ask the sources.
#[derive(Debug, Clone)]
pub struct Board {
    sources: Arc<Mutex<Vec<SourceView>>>,
    mailbox: Mailbox,
}

impl Board {
    /// All sources, off until a task says otherwise.
    #[must_use]
    pub fn new(mailbox: Mailbox) -> Self {
        let view = |kind| SourceView {
            kind,
            state: SourceState::Off,
            last_ok: None,
            interval: Micros::ZERO,
            detail: String::new(),
            warning: None,
        };
        let sources = [SourceKind::Jaeger, SourceKind::Prometheus, SourceKind::Ollama].map(view).to_vec();
        mailbox.tell(UpdateBody::Sources(sources.clone()));
        Self { sources: Arc::new(Mutex::new(sources)), mailbox }
    }

    /// Changes one source and tells all of them.
    pub fn change(&self, kind: SourceKind, change: impl FnOnce(&mut SourceView)) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sources.clone();
        if let Some(source) = sources.iter_mut().find(|source| source.kind == kind) {
            change(source);
        }
        if *sources != before {
            self.mailbox.tell(UpdateBody::Sources(sources.clone()));
        }
    }

    /// The source answered as it should.
    pub fn ready(&self, kind: SourceKind, at: Timestamp) {
        self.change(kind, |source| {
            source.state = SourceState::Ready;
            source.last_ok = Some(at);
        });
    }

    /// The source did not; `why` is a short reason.
    pub fn failing(&self, kind: SourceKind, why: impl Into<String>) {
        let why = why.into();
        self.change(kind, |source| source.state = SourceState::Failing(why));
    }
}
