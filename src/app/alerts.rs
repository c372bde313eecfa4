//! The alert list: which rows there are, and which one is selected. A row is known by what it is about, never by its
//! number, so that an update moves rows under the cursor but never the cursor to another row.

use std::collections::BTreeSet;

use super::keymap::Action;
use super::list;
use crate::domain::filter::{Filter, Subject};
use crate::domain::{Anomaly, AnomalyId, Severity, SpanKey, Timestamp};
use crate::messages::AlertView;

/// One alert as it came, or as it was when it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub view: AlertView,
    /// The monitor no longer lists it. It stays on the screen while the cursor is on it: nobody's reading is pulled away.
    pub ended: bool,
}

/// A visible row: an alert, or one anomaly of an unfolded alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Alert(usize),
    Anomaly(usize, usize),
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq)]
pub struct RowId {
    pub key: SpanKey,
    pub anomaly: Option<AnomalyId>,
}

/// What the user did with the list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlertCursor {
    pub selected: Option<RowId>,
    /// A person chose this row. Until then, and again from the top, the cursor follows the worst alert.
    pub held: bool,
    pub unfolded: BTreeSet<SpanKey>,
    pub offset: usize,
    /// The anomaly of an alert's row that was last analysed or opened. It stays that row's anomaly when a worse one
    /// comes, or when it leaves the list: what is being read does not change under the reader.
    pub pinned: Option<Anomaly>,
}

#[derive(Debug, Default)]
pub struct AlertList {
    known: bool,
    entries: Vec<Entry>,
    rows: Vec<Row>,
}

impl AlertCursor {
    /// Something was asked about this anomaly: it stays under the reader's eyes.
    pub fn hold(&mut self, anomaly: Anomaly) {
        self.held = true;
        self.pinned = Some(anomaly);
    }
}

impl AlertList {
    /// Whether the monitor has said anything about alerts yet.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The alerts that are open, worst first.
    pub fn open(&self) -> impl Iterator<Item = &AlertView> {
        self.entries.iter().filter(|entry| !entry.ended).map(|entry| &entry.view)
    }

    /// How many alerts there are of SEV1 … SEV5.
    #[must_use]
    pub fn counts(&self) -> [usize; 5] {
        let mut counts = [0; 5];
        for alert in self.open() {
            counts[alert.severity.index()] += 1;
        }
        counts
    }

    /// How many alerts the filters let pass.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row, Row::Alert(entry) if !self.entries[*entry].ended)).count()
    }

    #[must_use]
    pub fn entry(&self, row: Row) -> &Entry {
        match row {
            Row::Alert(entry) | Row::Anomaly(entry, _) => &self.entries[entry],
        }
    }

    fn id(&self, row: Row) -> RowId {
        let view = &self.entry(row).view;
        let anomaly = match row {
            Row::Alert(_) => None,
            Row::Anomaly(_, anomaly) => Some(view.anomalies[anomaly].id),
        };
        RowId { key: view.key.clone(), anomaly }
    }

    /// The number of the selected row.
    #[must_use]
    pub fn position(&self, cursor: &AlertCursor) -> Option<usize> {
        let selected = cursor.selected.as_ref()?;
        self.rows.iter().position(|row| self.is_row(*row, selected))
    }

    fn is_row(&self, row: Row, id: &RowId) -> bool {
        let view = &self.entry(row).view;
        view.key == id.key
            && match row {
                Row::Alert(_) => id.anomaly.is_none(),
                Row::Anomaly(_, anomaly) => id.anomaly == Some(view.anomalies[anomaly].id),
            }
    }

    /// Takes the monitor's list; the selected alert stays when it ended.
    pub fn take(&mut self, alerts: Vec<AlertView>, cursor: &AlertCursor) -> bool {
        let mut entries: Vec<Entry> = alerts.into_iter().map(|view| Entry { view, ended: false }).collect();
        if let Some(selected) = cursor.selected.as_ref().filter(|_| cursor.held)
            && !entries.iter().any(|entry| entry.view.key == selected.key)
            && let Some(at) = self.entries.iter().position(|entry| entry.view.key == selected.key)
        {
            let mut kept = self.entries.swap_remove(at);
            kept.ended = true;
            entries.insert(at.min(entries.len()), kept);
        }
        let changed = !self.known || self.entries != entries;
        self.known = true;
        self.entries = entries;
        changed
    }

    /// Builds the visible rows anew and puts the cursor on the row it was on; where that is gone, on its alert, else on
    /// the row that took its place.
    pub fn arrange(
        &mut self,
        cursor: &mut AlertCursor,
        least: Option<Severity>,
        filter: &Filter,
        page: usize,
        now: Timestamp,
    ) {
        if !cursor.held {
            cursor.selected = None;
        }
        let before = self.position(cursor);
        let selected_key = cursor.selected.as_ref().map(|id| id.key.clone());
        self.entries.retain(|entry| !entry.ended || Some(&entry.view.key) == selected_key.as_ref());
        self.rows.clear();
        for (number, Entry { view, .. }) in self.entries.iter().enumerate() {
            let subject = Subject { key: &view.key, severity: view.severity, since: view.first };
            let severe = |severity: Severity| least.is_none_or(|least| severity.is_at_least(least));
            if !severe(view.severity) || !filter.matches(&subject, now) {
                continue;
            }
            self.rows.push(Row::Alert(number));
            if cursor.unfolded.contains(&view.key) {
                let anomalies = view.anomalies.iter().enumerate().filter(|(_, anomaly)| severe(anomaly.severity));
                self.rows.extend(anomalies.map(|(anomaly, _)| Row::Anomaly(number, anomaly)));
            }
        }
        if self.position(cursor).is_none() {
            let of_alert = selected_key.and_then(|key| {
                self.rows.iter().copied().find(|row| matches!(row, Row::Alert(n) if self.entries[*n].view.key == key))
            });
            let in_its_place = self.rows.get(before.unwrap_or(0).min(self.rows.len().saturating_sub(1))).copied();
            cursor.selected = of_alert.or(in_its_place).map(|row| self.id(row));
        }
        self.scroll(cursor, page);
    }

    fn scroll(&self, cursor: &mut AlertCursor, page: usize) {
        let at = self.position(cursor).unwrap_or(0);
        cursor.offset = list::offset(cursor.offset, at, self.rows.len(), page);
    }

    pub fn go(&self, cursor: &mut AlertCursor, action: Action, page: usize) {
        let at = list::moved(action, self.position(cursor).unwrap_or(0), self.rows.len(), page);
        cursor.selected = self.rows.get(at).map(|row| self.id(*row));
        cursor.held = at > 0;
        self.scroll(cursor, page);
    }

    #[must_use]
    pub fn selected_alert(&self, cursor: &AlertCursor) -> Option<&AlertView> {
        let selected = cursor.selected.as_ref()?;
        self.entries.iter().map(|entry| &entry.view).find(|view| view.key == selected.key)
    }

    /// The anomaly the details are about: the selected one, or of an alert's row the pinned one, else the worst.
    #[must_use]
    pub fn selected_anomaly<'a>(&'a self, cursor: &'a AlertCursor) -> Option<&'a Anomaly> {
        let selected = cursor.selected.as_ref()?;
        match selected.anomaly {
            Some(id) => self.selected_alert(cursor)?.anomalies.iter().find(|anomaly| anomaly.id == id),
            None => cursor
                .pinned
                .as_ref()
                .filter(|pinned| pinned.key == selected.key)
                .or_else(|| self.worst_of_selected(cursor)),
        }
    }

    /// The anomaly that a new analysis of the selected row is to be about.
    #[must_use]
    pub fn worst_of_selected(&self, cursor: &AlertCursor) -> Option<&Anomaly> {
        let worse = |a: &&Anomaly, b: &&Anomaly| a.severity.cmp(&b.severity).then(b.z.total_cmp(&a.z));
        self.selected_alert(cursor)?.anomalies.iter().min_by(worse)
    }
}
