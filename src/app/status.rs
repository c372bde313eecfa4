//! The whole story in one sentence, from a template and never from a model.

use super::App;
use super::acts;
use super::freshness::Freshness;
use super::wording;
use crate::domain::text::clean;
use crate::domain::{Severity, Timestamp};
use crate::messages::{BackFill, IncidentView, ServiceState, SourceKind, SourceState};

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

/// How the sentence begins when there is nothing to tell.
const ALL_NORMAL: &str = "All normal";

impl App {
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if let Some(why) = &self.lost {
            return trouble(format!("The monitor ended: {}", clean(why)));
        }
        if let Some(text) = self.jaeger_trouble(now) {
            return trouble(text);
        }
        if let Some(worst) = self.alerts.active().next() {
            return Status { texts: self.incident_sentences(worst), mood: Mood::Alert(worst.incident.severity) };
        }
        if let Some(calm) = self.calm_words(now) {
            let texts = vec![format!("No incident wants anybody: {calm}."), format!("{calm}.")];
            return Status { texts, mood: Mood::Calm };
        }
        let text = self.learning_sentence().unwrap_or_else(|| self.normal_sentence(now));
        let short = text.split_once(": ").filter(|(word, _)| *word == ALL_NORMAL).map(|(word, _)| format!("{word}."));
        Status { texts: std::iter::once(text).chain(short).collect(), mood: Mood::Calm }
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
                self.clock().short(last),
            )),
            Freshness::Connecting | Freshness::Fresh | Freshness::Late(_) => None,
        }
    }

    /// `1 incident: order-matcher (order.match) is slow; 2 other services feel it, since 03:12:40Z`
    fn incident_sentences(&self, worst: &IncidentView) -> Vec<String> {
        let open = self.alerts.active().count() as u64;
        let incidents = wording::plural(open, "incident");
        let title = clean(&worst.incident.title);
        let short = wording::short_title(&title);
        let culprit = worst.incident.culprit().map_or(short, |culprit| &culprit.service);
        let culprit = clean(culprit);
        let since = self.clock().time(worst.incident.onset);
        let more = if open > 1 { format!(" and {} more", open - 1) } else { String::new() };
        vec![
            format!("{incidents}: {title}, since {since}"),
            format!("{incidents}: {short}, since {since}"),
            format!("{short}, since {since}{more}"),
            format!("{short}{more}"),
            format!("{culprit}, since {since}{more}"),
            format!("{culprit}{more}"),
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
            (None, 1) if learning == 0 => format!("{ALL_NORMAL}: the service is within {}", self.normal_hour()),
            (None, n) if learning == 0 => format!("{ALL_NORMAL}: {n} services within {}", self.normal_hour()),
            (None, n) => {
                format!("{n} of {} services within {}, {learning} learning", services.len(), self.normal_hour())
            }
        };
        text.push('.');
        text
    }

    /// The last lines, printed to the normal screen on leaving: the open incidents, worst first.
    #[must_use]
    pub fn summary(&self, now: Timestamp) -> String {
        const MOST: usize = 5;
        let open: Vec<&IncidentView> = self.alerts.open().collect();
        if open.is_empty() {
            return format!("{}  {}", self.clock().date_in_zone(now), self.status(now).text());
        }
        let mut lines = vec![format!(
            "{}  {} open",
            self.clock().date_in_zone(now),
            wording::plural(open.len() as u64, "incident")
        )];
        for IncidentView { incident, life, .. } in open.iter().take(MOST) {
            let since = self.clock().time(incident.onset);
            // Who leaves is reminded of what is only quiet because somebody said so.
            let held = life.calm.as_ref().map_or_else(String::new, |calm| {
                let word = if calm.acked { "acked" } else { "silenced" };
                format!(", {word} by {}, {}", clean(&calm.by), acts::until(calm.until, now, self.clock()))
            });
            lines.push(format!("  {}  {}, since {since}{held}", incident.severity, clean(&incident.title)));
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
