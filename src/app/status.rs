//! The whole story in one sentence, from a template and never from a model.

use super::App;
use super::freshness::Freshness;
use super::wording;
use crate::domain::text::clean;
use crate::domain::{Micros, Severity, Timestamp};
use crate::messages::{AlertView, BackFill, ServiceState, SourceKind, SourceState};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub text: String,
    pub mood: Mood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Calm,
    /// Something about spanwatch or its sources, not about the system it watches.
    Trouble,
    Alert(Severity),
}

/// An alert milder than this is a record to look into, not news: one span in five is above SEV5's cut-off on a good day.
const NEWS: Severity = Severity::Sev3;

impl App {
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if let Some(why) = &self.lost {
            return trouble(format!("The monitor ended: {}", clean(why)));
        }
        if let Some(text) = self.jaeger_trouble(now) {
            return trouble(text);
        }
        if let Some(worst) = self.alerts.open().find(|alert| alert.severity.is_at_least(NEWS)) {
            return Status { text: self.alert_sentence(worst, now), mood: Mood::Alert(worst.severity) };
        }
        let text = self.learning_sentence().unwrap_or_else(|| self.normal_sentence(now));
        Status { text, mood: Mood::Calm }
    }

    /// `a normal Friday 03h`
    fn normal_hour(&self) -> String {
        self.topics.monitor.get().map_or_else(
            || "what is normal".to_owned(),
            |monitor| format!("a normal {} {:02}h", monitor.bucket.day_name(), monitor.bucket.hour()),
        )
    }

    fn jaeger_trouble(&self, now: Timestamp) -> Option<String> {
        let jaeger = self.topics.sources.get()?.iter().find(|source| source.kind == SourceKind::Jaeger)?;
        let reason = match &jaeger.state {
            SourceState::Failing(reason) => format!(" ({})", clean(reason)),
            _ => String::new(),
        };
        match Freshness::of(jaeger, now) {
            Freshness::Off => Some("Jaeger is switched off: no spans are judged.".to_owned()),
            Freshness::Down => Some(format!("Jaeger does not answer{reason}: no spans are judged until it does.")),
            Freshness::Stale(last) => Some(format!(
                "Jaeger has not answered for {}{reason}: what is shown is from {}.",
                wording::age(now.since(last)),
                wording::clock_short(last),
            )),
            Freshness::Connecting | Freshness::Fresh | Freshness::Late(_) => None,
        }
    }

    fn alert_sentence(&self, alert: &AlertView, now: Timestamp) -> String {
        let name = wording::key(&alert.key);
        let hour = self.normal_hour();
        let how = match alert.times_normal {
            Some(times) if times >= 1.05 => format!("{}x slower than {hour}", wording::times(times)),
            _ => format!("outside {hour}"),
        };
        let age = now.since(alert.first);
        let since = if age < Micros::from_secs(10) { String::new() } else { format!(" for {}", wording::age(age)) };
        let anomalous: u64 = alert.counts.iter().copied().map(u64::from).sum();
        format!(
            "{} {how}{since}, {} of {} spans anomalous, worst {}",
            clean(&name),
            wording::count(anomalous),
            wording::count(u64::from(alert.judged).max(anomalous)),
            wording::sigma(alert.worst_z),
        )
    }

    fn learning_sentence(&self) -> Option<String> {
        let learning = self.topics.learning.get()?;
        if learning.generation > 0 {
            return None;
        }
        let hours = format!("{} of {} hours", learning.hours_known, learning.hours_wanted);
        Some(match &learning.back_fill {
            BackFill::Paused { why, .. } => format!("Learning paused at {hours}: {}", clean(why)),
            _ => format!("Learning: {hours} known; spans are judged once a baseline has enough of them."),
        })
    }

    fn normal_sentence(&self, now: Timestamp) -> String {
        let Some(services) = self.topics.services.get() else {
            return "Waiting for the first poll.".to_owned();
        };
        if services.is_empty() {
            return "No service has sent a span yet.".to_owned();
        }
        let of_state = |state| services.iter().filter(move |service| service.state == state);
        let learning = of_state(ServiceState::Learning).count();
        let absent: Vec<_> = of_state(ServiceState::Absent).collect();
        let judged = services.len() - learning - absent.len();
        let mut text = match (absent.first(), judged) {
            (Some(service), _) => {
                let since =
                    service.last_seen.map_or_else(String::new, |at| format!(" for {}", wording::age(now.since(at))));
                let more = if absent.len() > 1 { format!(" and {} more", absent.len() - 1) } else { String::new() };
                let rest = if judged > 0 { format!("; {judged} within {}", self.normal_hour()) } else { String::new() };
                format!("No spans from {}{more}{since}{rest}", clean(&service.service))
            }
            (None, 0) => format!("{} still learning", wording::plural(learning as u64, "service")),
            (None, 1) if learning == 0 => format!("The service is within {}", self.normal_hour()),
            (None, n) if learning == 0 => format!("All {n} services within {}", self.normal_hour()),
            (None, n) => {
                format!("{n} of {} services within {}, {learning} learning", services.len(), self.normal_hour())
            }
        };
        let minor = self.alerts.open().count() as u64;
        if minor > 0 {
            text.push_str(&format!("; {} at S4 or S5", wording::plural(minor, "alert")));
        }
        text.push('.');
        text
    }

    /// The last lines, printed to the normal screen on leaving: the open alerts that are news, worst first.
    #[must_use]
    pub fn summary(&self, now: Timestamp) -> String {
        const MOST: usize = 5;
        let open: Vec<&AlertView> = self.alerts.open().filter(|alert| alert.severity.is_at_least(NEWS)).collect();
        if open.is_empty() {
            return format!("{}  {}", wording::clock(now), self.status(now).text);
        }
        let mut lines = vec![format!(
            "{}  {} open at SEV3 or worse",
            wording::clock(now),
            wording::plural(open.len() as u64, "alert")
        )];
        for alert in open.iter().take(MOST) {
            let now_is = alert.p99_now.map_or_else(String::new, |p99| format!("  p99 {p99}"));
            let times = alert.times_normal.map_or_else(String::new, |x| format!(", {}x normal", wording::times(x)));
            let name = wording::key(&alert.key);
            let since = wording::age(now.since(alert.first));
            lines.push(format!("  {}  {}{now_is}{times}, since {since}", alert.severity, clean(&name)));
        }
        if open.len() > MOST {
            lines.push(format!("  and {} more", open.len() - MOST));
        }
        lines.join("\n")
    }
}

const fn trouble(text: String) -> Status {
    Status { text, mood: Mood::Trouble }
}
