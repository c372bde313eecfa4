//! What is not learnt: minutes of incidents and of maintenance.

use std::collections::BTreeMap;

use crate::baseline::{Coming, MaintenancePlan, gaps, unite};
use crate::domain::{Alert, AlertId, AlertKind, Micros, Subject, TimeWindow, Timestamp, UtcHour};

use super::MINUTE_US;

/// An alert that stays open is trouble for so long. What lasts longer is how things are now: without learning it, they
/// would be abnormal for ever.
const LONGEST: Micros = Micros::from_secs(6 * 3_600);
/// The first abnormal span ended at the onset; it began before.
const BEFORE: Micros = Micros::from_secs(60);

/// Stretches of time that are left out of what is learnt, in whole minutes of the time at which traces begin.
#[derive(Debug, Clone)]
pub struct Hygiene {
    maintenance: MaintenancePlan,
    /// Of each alert.
    troubled: BTreeMap<AlertId, TimeWindow>,
    /// Alerts that a person took for the new normal, from that whole minute on.
    forgiven: BTreeMap<AlertId, Timestamp>,
    /// What is left out of the hour that was asked for last.
    asked: Option<(UtcHour, Vec<TimeWindow>)>,
}

/// The whole minutes that a window touches.
const fn whole_minutes(window: TimeWindow) -> TimeWindow {
    let from = window.from.0.div_euclid(MINUTE_US) * MINUTE_US;
    let to = (window.to.0 + MINUTE_US - 1).div_euclid(MINUTE_US) * MINUTE_US;
    TimeWindow::new(Timestamp(from), Timestamp(to))
}

impl Hygiene {
    pub const fn new(maintenance: MaintenancePlan) -> Self {
        Self { maintenance, troubled: BTreeMap::new(), forgiven: BTreeMap::new(), asked: None }
    }

    /// From `alert`'s onset to `to` things were not normal. What was learnt before `released` stays learnt.
    pub fn trouble(&mut self, alert: &Alert, to: Timestamp, released: Timestamp) {
        // A limit that a person set says nothing about what is normal.
        if alert.kind == AlertKind::Threshold {
            return;
        }
        let to = to.min(alert.onset + LONGEST);
        let mut window = whole_minutes(TimeWindow::new((alert.onset - BEFORE).max(released), to));
        if let Some(since) = self.forgiven.get(&alert.id) {
            window.to = window.to.min(*since);
        }
        if window.from < window.to {
            let known = self.troubled.entry(alert.id).or_insert(window);
            *known = TimeWindow::new(known.from.min(window.from), known.to.max(window.to));
            self.asked = None;
        }
    }

    /// From `since`, a whole minute, on these alerts are no trouble. Returns the stretches in which nothing else is either.
    pub fn forgive(&mut self, alerts: &[AlertId], since: Timestamp) -> Vec<TimeWindow> {
        let mut forgiven = Vec::new();
        for alert in alerts {
            self.forgiven.insert(*alert, since);
            if let Some(window) = self.troubled.get_mut(alert).filter(|window| window.to > since) {
                unite(&mut forgiven, TimeWindow::new(window.from.max(since), window.to));
                window.to = since.max(window.from);
            }
        }
        self.troubled.retain(|_, window| window.from < window.to);
        self.asked = None;
        forgiven.iter().flat_map(|window| gaps(&self.within(*window), *window)).collect()
    }

    /// The maintenance that is known, and when it is next.
    pub fn coming(&self, now: Timestamp) -> Vec<Coming> {
        self.maintenance.coming(now)
    }

    /// Forgets trouble that ended before anything is learnt from.
    pub fn forget_before(&mut self, at: Timestamp) {
        self.troubled.retain(|_, stretch| stretch.to > at);
    }

    /// The left-out stretches within a window.
    pub fn within(&self, window: TimeWindow) -> Vec<TimeWindow> {
        let mut all = Vec::new();
        let maintenance = self.maintenance.within(window);
        for stretch in self.troubled.values().copied().chain(maintenance.into_iter().map(whole_minutes)) {
            unite(&mut all, TimeWindow::new(stretch.from.max(window.from), stretch.to.min(window.to)));
        }
        all
    }

    /// The maintenance, of whatever services, within a window, in whole minutes; disjoint and ascending.
    pub fn maintenance(&self, window: TimeWindow) -> Vec<TimeWindow> {
        let mut all = Vec::new();
        for stretch in self.maintenance.within(window).into_iter().map(whole_minutes) {
            unite(&mut all, TimeWindow::new(stretch.from.max(window.from), stretch.to.min(window.to)));
        }
        all
    }

    /// Whether what began then is left out.
    pub fn covers(&mut self, at: Timestamp) -> bool {
        let hour = UtcHour::of(at);
        if self.asked.as_ref().is_none_or(|(asked, _)| *asked != hour) {
            let whole = TimeWindow::new(hour.start(), UtcHour(hour.0.saturating_add(1)).start());
            self.asked = Some((hour, self.within(whole)));
        }
        self.asked.as_ref().is_some_and(|(_, stretches)| stretches.iter().any(|stretch| stretch.contains(at)))
    }

    /// Whether no alert is raised for this, because something was done to it on purpose within the window.
    pub fn silences(&self, subject: &Subject, window: TimeWindow) -> bool {
        self.maintenance.is_of(window, subject.services().collect::<Vec<_>>().into_iter())
    }
}
