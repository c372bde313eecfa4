//! The alert list: incidents with their alerts, below them the records of slow spans; which rows there are, and which one
//! is selected. A row is known by what it is about, never by its number, so that an update moves rows under the cursor but
//! never the cursor to another row.

use std::collections::BTreeSet;

use super::keymap::Action;
use super::list;
use crate::domain::filter::{self, Filter};
use crate::domain::{Alert, AlertId, Anomaly, AnomalyId, IncidentId, Severity, SpanKey, SpanKind, Subject, Timestamp};
use crate::messages::{Calm, IncidentView, RecordView};

/// A span key's slow spans as they came, or as they were when the last of them was forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub view: RecordView,
    /// The monitor no longer lists it. It stays on the screen while the cursor is on it: nobody's reading is pulled away.
    pub ended: bool,
}

/// A visible row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Incident(usize),
    /// An alert of an unfolded incident, and below it its numbers in words.
    Alert(usize, usize),
    Arithmetic(usize, usize),
    /// How many incidents are held back.
    Calm,
    /// What the rows below it are.
    Heading,
    Record(usize),
    /// One slow span of an unfolded record.
    Anomaly(usize, usize),
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq)]
pub enum RowId {
    Incident(IncidentId),
    Alert(IncidentId, AlertId),
    Calm,
    Record(SpanKey),
    Anomaly(SpanKey, AnomalyId),
}

/// What the user did with the list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlertCursor {
    pub selected: Option<RowId>,
    /// A person chose this row. Until then, and again from the top, the cursor follows the worst.
    pub held: bool,
    pub unfolded: BTreeSet<SpanKey>,
    pub unfolded_incidents: BTreeSet<IncidentId>,
    /// The incidents that are held back are shown.
    pub unfolded_calm: bool,
    pub offset: usize,
    /// The slow span that was last analysed or opened for a row. It stays that row's when a worse one comes, or when it
    /// leaves the list: what is being read does not change under the reader.
    pub pinned: Option<(RowId, Anomaly)>,
}

#[derive(Debug, Default)]
pub struct AlertList {
    known: bool,
    incidents: Vec<IncidentView>,
    entries: Vec<Entry>,
    rows: Vec<Row>,
    /// What each row is about, as it was arranged last; `None` where the cursor cannot be.
    ids: Vec<Option<RowId>>,
    /// The incident that is being read, as it was when the monitor listed it last.
    forgotten: Option<IncidentView>,
}

impl Row {
    /// Whether the cursor can be on it.
    #[must_use]
    pub const fn is_selectable(self) -> bool {
        !matches!(self, Self::Heading | Self::Arithmetic(..))
    }
}

impl RowId {
    /// The row that stays when this one is folded away.
    fn outer(&self) -> Self {
        match self {
            Self::Alert(incident, _) => Self::Incident(*incident),
            Self::Anomaly(key, _) => Self::Record(key.clone()),
            whole => whole.clone(),
        }
    }

    #[must_use]
    pub const fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Incident(id) | Self::Alert(id, _) => Some(*id),
            Self::Calm | Self::Record(_) | Self::Anomaly(..) => None,
        }
    }

    #[must_use]
    pub const fn record(&self) -> Option<&SpanKey> {
        match self {
            Self::Record(key) | Self::Anomaly(key, _) => Some(key),
            Self::Incident(_) | Self::Alert(..) | Self::Calm => None,
        }
    }

    /// Whether it is one slow span, and not a group of which the worst is meant.
    #[must_use]
    pub const fn is_one_span(&self) -> bool {
        matches!(self, Self::Anomaly(..))
    }
}

impl AlertCursor {
    /// Something was asked about this slow span: it stays under the reader's eyes.
    pub fn hold(&mut self, anomaly: Anomaly) {
        self.held = true;
        self.pinned = self.selected.as_ref().map(|row| {
            let row = if row.is_one_span() { row.outer() } else { row.clone() };
            (row, anomaly)
        });
    }

    /// Unfolds or folds the selected row; folding one of its inner rows selects the outer one.
    pub fn fold(&mut self, open: bool) {
        let Some(selected) = self.selected.clone() else { return };
        let changed = match (&selected, open) {
            (RowId::Incident(id) | RowId::Alert(id, _), true) => self.unfolded_incidents.insert(*id),
            (RowId::Incident(id) | RowId::Alert(id, _), false) => self.unfolded_incidents.remove(id),
            (RowId::Calm, open) => std::mem::replace(&mut self.unfolded_calm, open) != open,
            (RowId::Record(key) | RowId::Anomaly(key, _), true) => self.unfolded.insert(key.clone()),
            (RowId::Record(key) | RowId::Anomaly(key, _), false) => self.unfolded.remove(key),
        };
        if open {
            self.held = true;
        } else if changed {
            self.selected = Some(selected.outer());
        }
    }

    fn pinned_for(&self, row: &RowId) -> Option<&Anomaly> {
        self.pinned.as_ref().filter(|(pinned, _)| pinned == row).map(|(_, anomaly)| anomaly)
    }
}

impl AlertList {
    /// Whether the monitor has said anything about incidents yet.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Open ones, the worst first, then those that ended.
    #[must_use]
    pub fn incidents(&self) -> &[IncidentView] {
        &self.incidents
    }

    /// An incident by its number, whatever the filters let pass.
    #[must_use]
    pub fn incident(&self, id: IncidentId) -> Option<&IncidentView> {
        self.incidents.iter().chain(&self.forgotten).find(|view| view.incident.id == id)
    }

    /// Whether the monitor no longer lists it.
    #[must_use]
    pub fn is_forgotten(&self, id: IncidentId) -> bool {
        self.known && !self.incidents.iter().any(|view| view.incident.id == id)
    }

    /// The incidents that are open, worst first.
    pub fn open(&self) -> impl Iterator<Item = &IncidentView> {
        self.incidents.iter().filter(|view| view.incident.is_open())
    }

    /// The open incidents that want somebody, worst first.
    pub fn active(&self) -> impl Iterator<Item = &IncidentView> {
        self.open().filter(|view| view.life.calm.is_none())
    }

    /// The open incidents that are held back, worst first.
    pub fn calm(&self) -> impl Iterator<Item = (&IncidentView, &Calm)> {
        self.open().filter_map(|view| Some((view, view.life.calm.as_ref()?)))
    }

    #[must_use]
    pub fn records(&self) -> &[Entry] {
        &self.entries
    }

    /// How many incidents that want somebody there are of SEV1 … SEV5.
    #[must_use]
    pub fn counts(&self) -> [usize; 5] {
        let mut counts = [0; 5];
        for view in self.active() {
            counts[view.incident.severity.index()] += 1;
        }
        counts
    }

    /// How many of the incidents that want somebody the filters let pass.
    #[must_use]
    pub fn shown(&self) -> usize {
        let wants = |view: &IncidentView| view.incident.is_open() && view.life.calm.is_none();
        self.rows.iter().filter(|row| matches!(row, Row::Incident(n) if wants(&self.incidents[*n]))).count()
    }

    /// How many records the filters let pass.
    #[must_use]
    pub fn shown_records(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row, Row::Record(entry) if !self.entries[*entry].ended)).count()
    }

    fn id(&self, row: Row) -> Option<RowId> {
        Some(match row {
            Row::Incident(n) => RowId::Incident(self.incidents[n].incident.id),
            Row::Alert(n, alert) => RowId::Alert(self.incidents[n].incident.id, self.incidents[n].alerts[alert].id),
            Row::Arithmetic(..) | Row::Heading => return None,
            Row::Calm => RowId::Calm,
            Row::Record(n) => RowId::Record(self.entries[n].view.key.clone()),
            Row::Anomaly(n, anomaly) => {
                let view = &self.entries[n].view;
                RowId::Anomaly(view.key.clone(), view.anomalies[anomaly].id)
            }
        })
    }

    /// The number of the selected row.
    #[must_use]
    pub fn position(&self, cursor: &AlertCursor) -> Option<usize> {
        self.find(cursor.selected.as_ref()?)
    }

    fn find(&self, id: &RowId) -> Option<usize> {
        self.ids.iter().position(|known| known.as_ref() == Some(id))
    }

    /// Takes the monitor's incidents. The one that is being read stays at hand where it is not among them any more.
    pub fn take_incidents(&mut self, incidents: Vec<IncidentView>, reading: Option<IncidentId>) -> bool {
        let changed = !self.known || self.incidents != incidents;
        let listed = |id: &IncidentId| incidents.iter().any(|view| view.incident.id == *id);
        self.forgotten = reading.filter(|id| !listed(id)).and_then(|id| self.incident(id).cloned());
        self.known = true;
        self.incidents = incidents;
        changed
    }

    /// Takes the monitor's records; the selected one stays when it ended.
    pub fn take_records(&mut self, records: Vec<RecordView>, cursor: &AlertCursor) -> bool {
        let mut entries: Vec<Entry> = records.into_iter().map(|view| Entry { view, ended: false }).collect();
        if let Some(selected) = cursor.selected.as_ref().and_then(RowId::record).filter(|_| cursor.held)
            && !entries.iter().any(|entry| entry.view.key == *selected)
            && let Some(at) = self.entries.iter().position(|entry| entry.view.key == *selected)
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

    /// Builds the visible rows anew and puts the cursor on the row it was on; where that is gone, on what it was part of,
    /// else on the row that took its place.
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
        let selected_key = cursor.selected.as_ref().and_then(RowId::record).cloned();
        self.entries.retain(|entry| !entry.ended || Some(&entry.view.key) == selected_key.as_ref());
        self.rows.clear();
        let severe = |severity: Severity| least.is_none_or(|least| severity.is_at_least(least));
        let passing = self.incidents.iter().enumerate();
        let passing = passing.filter(|(_, view)| severe(view.incident.severity) && passes(filter, view, now));
        let (calm, others): (Vec<_>, Vec<_>) = passing.partition(|(_, view)| view.life.calm.is_some());
        let (open, over): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, view)| view.incident.is_open());
        let some_calm = !calm.is_empty();
        let calm = if cursor.unfolded_calm { calm } else { Vec::new() };
        for (group, above) in [(open, None), (calm, some_calm.then_some(Row::Calm)), (over, None)] {
            self.rows.extend(above);
            for (number, view) in group {
                self.rows.push(Row::Incident(number));
                if cursor.unfolded_incidents.contains(&view.incident.id) {
                    let alerts = 0..view.alerts.len();
                    self.rows.extend(alerts.flat_map(|n| [Row::Alert(number, n), Row::Arithmetic(number, n)]));
                }
            }
        }
        let above = self.rows.len();
        for (number, Entry { view, .. }) in self.entries.iter().enumerate() {
            let subject = filter::Subject { key: &view.key, severity: view.severity, since: view.first, alert: None };
            if !severe(view.severity) || !filter.matches(&subject, now) {
                continue;
            }
            if self.rows.len() == above {
                self.rows.push(Row::Heading);
            }
            self.rows.push(Row::Record(number));
            if cursor.unfolded.contains(&view.key) {
                let anomalies = view.anomalies.iter().enumerate().filter(|(_, anomaly)| severe(anomaly.severity));
                self.rows.extend(anomalies.map(|(anomaly, _)| Row::Anomaly(number, anomaly)));
            }
        }
        self.ids = self.rows.iter().map(|row| self.id(*row)).collect();
        if self.position(cursor).is_none() {
            let outer = cursor.selected.as_ref().map(RowId::outer).filter(|outer| self.find(outer).is_some());
            let place = before.unwrap_or(0).min(self.rows.len().saturating_sub(1));
            let in_its_place = || self.ids.get(self.nearest(place, true)?).cloned().flatten();
            cursor.selected = outer.or_else(in_its_place);
        }
        self.scroll(cursor, page);
    }

    /// The nearest row that can be selected, from `at` on downwards or upwards, else the other way.
    fn nearest(&self, at: usize, down: bool) -> Option<usize> {
        let fits = |n: &usize| self.rows[*n].is_selectable();
        let below = || (at..self.rows.len()).find(fits);
        let above = || (0..self.rows.len().min(at + 1)).rev().find(fits);
        if down { below().or_else(above) } else { above().or_else(below) }
    }

    /// Keeps the selected row in sight, with the heading above it and the numbers below it where there is room.
    fn scroll(&self, cursor: &mut AlertCursor, page: usize) {
        let at = self.position(cursor).unwrap_or(0);
        let kin = |n: usize| self.rows.get(n).is_some_and(|row| !row.is_selectable());
        let rows = self.rows.len();
        let first = if at > 0 && kin(at - 1) && self.rows.get(at - 1) == Some(&Row::Heading) { at - 1 } else { at };
        let last = if kin(at + 1) { at + 1 } else { at };
        for row in [last, first, at] {
            cursor.offset = list::offset(cursor.offset, row, rows, page);
        }
    }

    pub fn go(&self, cursor: &mut AlertCursor, action: Action, page: usize) {
        let from = self.position(cursor).unwrap_or(0);
        let to = list::moved(action, from, self.rows.len(), page);
        let Some(at) = self.nearest(to, to >= from) else { return };
        cursor.selected = self.ids[at].clone();
        cursor.held = self.nearest(0, true) < Some(at);
        self.scroll(cursor, page);
    }

    /// The incident that is selected, or of which an alert is.
    #[must_use]
    pub fn selected_incident(&self, cursor: &AlertCursor) -> Option<&IncidentView> {
        let id = cursor.selected.as_ref()?.incident()?;
        self.incidents.iter().find(|view| view.incident.id == id)
    }

    /// The selected alert; of an incident the worst one about its culprit.
    #[must_use]
    pub fn selected_alert(&self, cursor: &AlertCursor) -> Option<&Alert> {
        let view = self.selected_incident(cursor)?;
        match cursor.selected.as_ref()? {
            RowId::Alert(_, id) => view.alerts.iter().find(|alert| alert.id == *id),
            _ => leading(view),
        }
    }

    #[must_use]
    pub fn selected_record(&self, cursor: &AlertCursor) -> Option<&RecordView> {
        let key = cursor.selected.as_ref()?.record()?;
        self.entries.iter().map(|entry| &entry.view).find(|view| view.key == *key)
    }

    /// The slow span that the details are about: the selected one, or of another row the pinned one, else the worst.
    #[must_use]
    pub fn selected_anomaly<'a>(&'a self, cursor: &'a AlertCursor) -> Option<&'a Anomaly> {
        match cursor.selected.as_ref()? {
            RowId::Anomaly(_, id) => self.selected_record(cursor)?.anomalies.iter().find(|a| a.id == *id),
            row => cursor.pinned_for(row).or_else(|| self.worst_of_selected(cursor)),
        }
    }

    /// The slow span that a new analysis of the selected row is to be about.
    #[must_use]
    pub fn worst_of_selected(&self, cursor: &AlertCursor) -> Option<&Anomaly> {
        match cursor.selected.as_ref()? {
            RowId::Incident(_) => self.selected_incident(cursor)?.exemplars.first(),
            RowId::Alert(..) => worst_of(self.selected_incident(cursor)?, self.selected_alert(cursor)?),
            RowId::Calm => None,
            RowId::Record(_) | RowId::Anomaly(..) => {
                let worse = |a: &&Anomaly, b: &&Anomaly| a.severity.cmp(&b.severity).then(b.z.total_cmp(&a.z));
                self.selected_record(cursor)?.anomalies.iter().min_by(worse)
            }
        }
    }
}

/// The worst slow span that was kept of one alert.
#[must_use]
pub fn worst_of<'a>(view: &'a IncidentView, alert: &Alert) -> Option<&'a Anomaly> {
    let touches = |anomaly: &&Anomaly| {
        alert.exemplars.contains(&anomaly.id.trace)
            && alert.subject.services().any(|service| *service == anomaly.key.service)
    };
    view.exemplars.iter().find(touches)
}

/// The alert that stands for an incident: the worst of those about its culprit, else the worst.
#[must_use]
pub fn leading(view: &IncidentView) -> Option<&Alert> {
    let culprit = view.incident.culprit();
    let blamed = |alert: &Alert| {
        culprit.is_some_and(|culprit| alert.subject.services().any(|service| *service == culprit.service))
    };
    let own = |alert: &Alert| culprit.is_some_and(|culprit| *alert.subject.service() == culprit.service);
    let rank = |alert: &&Alert| (!alert.is_open(), !own(alert), !blamed(alert), alert.severity, alert.id);
    view.alerts.iter().min_by_key(rank)
}

/// An incident passes a filter as soon as something that it touches does.
fn passes(filter: &Filter, view: &IncidentView, now: Timestamp) -> bool {
    let bare = |service: &std::sync::Arc<str>| SpanKey {
        service: service.clone(),
        operation: std::sync::Arc::from(""),
        kind: SpanKind::Unspecified,
    };
    let (severity, since) = (view.incident.severity, view.incident.onset);
    let matches = |key: &SpanKey, alert| filter.matches(&filter::Subject { key, severity, since, alert }, now);
    let of_alert = |alert: &Alert| match &alert.subject {
        Subject::Key(key) => matches(key, Some(alert.kind)),
        other => other.services().any(|service| matches(&bare(service), Some(alert.kind))),
    };
    let culprit = view.incident.culprit().and_then(|culprit| {
        let operation = culprit.operation.clone()?;
        Some(SpanKey { operation, ..bare(&culprit.service) })
    });
    let nothing = view.incident.services.is_empty() && view.alerts.is_empty();
    view.alerts.iter().any(of_alert)
        || culprit.as_ref().is_some_and(|key| matches(key, None))
        || view.incident.services.iter().map(bare).any(|key| matches(&key, None))
        || nothing && filter.is_empty()
}
