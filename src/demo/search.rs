//! Finding traces as Jaeger does: all conditions hold on one and the same visible span; newest first.

use std::ops::ControlFlow;

use super::catalogue::{AttributeSink, Service};
use super::draft::Draft;
use super::exchange::Exchange;
use super::flows::Record;
use crate::domain::{Micros, TimeWindow, Timestamp};

/// What is looked for. `from` and `to` are both included, and apply to the start of the matching span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Search {
    /// `None`: any service.
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) limit: usize,
    pub(super) least: Option<Micros>,
    pub(super) most: Option<Micros>,
    pub(super) tags: Vec<(String, String)>,
}

/// Compares the attributes of a span with one wanted.
struct Wanted<'a> {
    key: &'a str,
    value: &'a str,
    found: bool,
}

impl AttributeSink for Wanted<'_> {
    fn text(&mut self, key: &str, value: &str) {
        self.found |= key == self.key && value == self.value;
    }

    fn int(&mut self, key: &str, value: u64) {
        self.found |= key == self.key && self.value.parse() == Ok(value);
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.found |= key == self.key && self.value.parse() == Ok(value);
    }
}

impl Search {
    /// Shows each found trace, newest first, until the limit is reached or the viewer has enough.
    pub(super) fn run(&self, exchange: &Exchange, now: Timestamp, mut show: impl FnMut(&Draft) -> ControlFlow<()>) {
        let service = match self.service.as_deref().map(Service::from_name) {
            Some(None) => return,
            Some(known) => known,
            None => None,
        };
        let from = self.from.max(now - Exchange::RETENTION);
        let to = self.to.min(now);
        if to < from {
            return;
        }
        // A span that starts in the window may belong to a trace that started in the minute before.
        let reach = Micros(Exchange::CELL_US as u64);
        let mut drafts = Vec::new();
        let mut found = 0;
        for cell in exchange.cells(TimeWindow::new(from - reach, to + Micros(1))).rev() {
            exchange.cell(cell, &mut drafts);
            for draft in drafts.iter().rev() {
                if !draft.visible(now).any(|(_, record)| self.accepts(draft, record, service, from, to)) {
                    continue;
                }
                if found == self.limit || show(draft).is_break() {
                    return;
                }
                found += 1;
            }
        }
    }

    fn accepts(
        &self,
        draft: &Draft,
        record: &Record,
        service: Option<Service>,
        from: Timestamp,
        to: Timestamp,
    ) -> bool {
        let operation = record.op.of();
        (from.0..=to.0).contains(&record.start)
            && service.is_none_or(|service| operation.service == service)
            && self.operation.as_deref().is_none_or(|name| operation.name == name)
            && self.least.is_none_or(|least| record.duration >= least.0)
            && self.most.is_none_or(|most| record.duration <= most.0)
            && self.tags.iter().all(|(key, value)| {
                let mut wanted = Wanted { key, value, found: false };
                wanted.text("span.kind", operation.kind.name());
                wanted.text("host.name", operation.service.host());
                wanted.text("service.version", operation.service.version(record.next_release));
                for (key, value) in operation.fixed {
                    wanted.text(key, value);
                }
                record.op.describe(&draft.context, record.failure, &mut wanted);
                wanted.found
            })
    }
}
