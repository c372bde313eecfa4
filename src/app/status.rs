//! The whole story in one sentence, from a template and never from a model.

use super::App;
use super::freshness::Freshness;
use super::wording;
use crate::domain::text::clean;
use crate::domain::{Micros, Severity, Timestamp};
use crate::messages::{AlertView, BackFill, ServiceState, SourceKind, SourceState};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The same news in fewer and fewer words; at least one.
    pub texts: Vec<String>,
    pub mood: Mood,
}

impl Status {
    /// In full.
    #[must_use]
    pub fn text(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }
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
            return Status { texts: self.alert_sentences(worst, now), mood: Mood::Alert(worst.severity) };
        }
        let text = self.learning_sentence().unwrap_or_else(|| self.normal_sentence(now));
        Status { texts: vec![text], mood: Mood::Calm }
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
            Freshness::Down => Some(format!("Jaeger does not answer{reason}: nothing is judged.")),
            Freshness::Stale(last) => Some(format!(
                "Jaeger has not answered for {}{reason}: what is shown is from {}.",
                wording::age(now.since(last)),
                wording::clock_short(last),
            )),
            Freshness::Connecting | Freshness::Fresh | Freshness::Late(_) => None,
        }
    }

    fn alert_sentences(&self, alert: &AlertView, now: Timestamp) -> Vec<String> {
        let name = wording::key(&alert.key);
        let name = clean(&name);
        let hour = self.normal_hour();
        let bucket = self.topics.monitor.get().map(|monitor| monitor.bucket);
        let short_hour = bucket.map_or_else(|| "normal".to_owned(), |bucket| format!("a normal {bucket}"));
        let times = alert.times_normal.filter(|times| *times >= 1.05).map(wording::times);
        let age = now.since(alert.first);
        let since = if age < Micros::from_secs(10) { String::new() } else { format!(" for {}", wording::age(age)) };
        let anomalous: u64 = alert.counts.iter().copied().map(u64::from).sum();
        let anomalous_of =
            format!("{} of {}", wording::count(anomalous), wording::count(u64::from(alert.judged).max(anomalous)));
        let worst = wording::sigma(alert.worst_z);
        let [how, shorter, shortest] = match times {
            Some(x) => [format!("{x}x slower than {hour}"), format!("{x}x {short_hour}"), format!("{x}x normal")],
            None => [format!("outside {hour}"), format!("outside {short_hour}"), "not normal".to_owned()],
        };
        vec![
            format!("{name} {how}{since}, {anomalous_of} spans anomalous, worst {worst}"),
            format!("{name} {shorter}{since}, {anomalous_of} spans anomalous, worst {worst}"),
            format!("{name} {shorter}{since}, {anomalous_of} anomalous, worst {worst}"),
            format!("{name} {shorter}{since}, worst {worst}"),
            format!("{name} {shorter}{since}"),
            format!("{name} {shortest}{since}"),
            format!("{} {shortest}{since}", clean(&alert.key.service)),
        ]
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
            return format!("{}  {}", wording::clock(now), self.status(now).text());
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

fn trouble(text: String) -> Status {
    Status { texts: vec![text], mood: Mood::Trouble }
}
