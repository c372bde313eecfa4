//! What is copied, and where a trace is found in Jaeger: plain text about what the screen or the pane is about. How the
//! text reaches a clipboard is the terminal's business.

use super::Clock;
use super::analysis::{self, TextLine, Tone};
use super::{App, Effect, Place, acts, compare, incident, leading, span, trends, week, why, wording};
use crate::domain::text::clean_lines;
use crate::domain::{Alert, Severity, Timestamp, TraceId};
use crate::messages::{BaselineView, IncidentView, RecordView, ServiceState, ServiceView};

/// Bytes of base64 in one copy. Terminals drop what is longer than their own limit; the smallest in use takes this much.
pub const ENCODED_MOST: usize = 74_994;
/// Bytes of text that become that much: three for each four.
const MOST: usize = ENCODED_MOST / 4 * 3;
/// No line is that long.
pub(super) const UNBROKEN: usize = usize::MAX;

/// Text for a clipboard: clean, and no longer than one may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    text: String,
    /// Bytes before it was cut.
    whole: usize,
}

impl Clip {
    /// Whatever the text holds, no control character gets into the clipboard: pasted into a shell it would be obeyed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut text = clean_lines(text.trim_end());
        let whole = text.len();
        text.truncate(text.floor_char_boundary(MOST));
        Self { text, whole }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `copied 412 bytes`, `copied the first 56244 of 80123 bytes`
    fn told(&self) -> String {
        let size = self.text.len();
        if size < self.whole {
            format!("copied the first {size} of {} bytes", self.whole)
        } else {
            format!("copied {size} bytes")
        }
    }
}

impl App {
    /// Links to traces lead below this address, which ends without a slash.
    #[must_use]
    pub fn with_trace_pages(mut self, address: Option<String>) -> Self {
        self.trace_pages = address;
        self
    }

    pub(super) fn copy(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        // Who reads it may be elsewhere.
        match self.in_utc(|app| app.about(app.shown_at(now))) {
            Some((what, text)) => {
                let clip = Clip::new(&text);
                self.say(format!("{what}: {}.", clip.told()), false, now);
                effects.push(Effect::Copy(clip));
            }
            None => self.say("There is nothing here to copy yet.", false, now),
        }
    }

    /// Shows and copies the address of the trace in Jaeger's UI.
    pub(super) fn link(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(trace) = self.trace_at_hand() else {
            self.say("No trace is selected.", false, now);
            return;
        };
        let Some(link) = self.trace_link(trace) else {
            self.say("Jaeger is switched off, so there is no page of the trace; y copies its id.", false, now);
            return;
        };
        let clip = Clip::new(&link);
        self.say_whole(format!("{} {}", clip.text(), clip.told()), now);
        effects.push(Effect::Copy(clip));
    }

    /// `https://ops.example/jaeger/trace/4bf92f3577b34da6a3ce929d0e0e4736`
    fn trace_link(&self, trace: TraceId) -> Option<String> {
        self.trace_pages.as_ref().map(|pages| format!("{pages}/trace/{trace}"))
    }

    /// A link ends with the id, so it says both.
    pub(super) fn trace_line(&self) -> Option<String> {
        let trace = self.trace_at_hand()?;
        Some(format!("trace: {}", self.trace_link(trace).unwrap_or_else(|| trace.to_string())))
    }

    /// The trace that is open, else one of what is selected.
    fn trace_at_hand(&self) -> Option<TraceId> {
        let of_alert = || self.alert_at_hand()?.exemplars.first().copied();
        self.selected_anomaly().map(|anomaly| anomaly.id.trace).or_else(of_alert)
    }

    /// What the screen or the pane is about, by name and as text.
    fn about(&self, now: Timestamp) -> Option<(&'static str, String)> {
        match self.place() {
            Place::Trace => Some(("Trace id", self.view.trace.as_ref()?.trace.to_string())),
            Place::Span => Some(("Span", self.span_text()?)),
            Place::Why => {
                let lines = why::lines(self, self.why_cursor()?, UNBROKEN);
                Some(("Arithmetic", facts(&lines)?))
            }
            Place::Services => Some(("Service", service(self.selected_service()?))),
            Place::Baseline => Some(("Baseline", self.baseline_text()?)),
            Place::Analysis => Some(("Analysis", self.analysis_text(now)?)),
            Place::Alerts => Some(self.selected_text(now)),
            Place::Acts => self.act_text(now),
            Place::Compare | Place::Attributes => Some(("Comparison", compare::copied(self)?)),
            Place::Incident => Some(("Incident", incident::copied(self, now)?)),
            Place::Service => Some(("Service", super::service::copied(self, self.service_cursor()?, now)?)),
            Place::Map => Some(("Map", super::map::copied(self, now)?)),
            Place::Week => Some(("Hour of the week", week::copied(self)?)),
            Place::Trends => Some(("Trends", trends::copied(self, self.trends()?)?)),
            Place::Level
            | Place::EndAct
            | Place::ActForm
            | Place::Note
            | Place::Filter
            | Place::Help
            | Place::Palette => None,
        }
    }

    /// The selected row of the alert list, as one would tell it in a chat; where none is, the state of things.
    fn selected_text(&self, now: Timestamp) -> (&'static str, String) {
        let cursor = &self.view.alerts;
        let (what, mut lines) = if let Some(view) = self.alerts.selected_incident(cursor) {
            match self.alerts.selected_alert(cursor).filter(|_| cursor.selected.as_ref().is_some_and(is_alert)) {
                Some(alert) => ("Alert", alert_lines(alert, view)),
                None => ("Incident", incident_lines(view, now)),
            }
        } else if let Some(view) = self.alerts.selected_record(cursor) {
            ("Record", self.record_lines(view))
        } else {
            return ("Status", format!("{}  {}", self.clock().date(now), self.status(now).text()));
        };
        lines.extend(self.trace_line());
        (what, lines.join("\n"))
    }

    fn record_lines(&self, view: &RecordView) -> Vec<String> {
        let slow: u32 = view.counts.iter().sum();
        let title = format!(
            "{} {}: {} slow of {} judged, since {}",
            view.severity,
            wording::key(&view.key),
            wording::count(slow.into()),
            wording::count(view.judged.into()),
            self.clock().date(view.first),
        );
        let verdict = self.alerts.selected_anomaly(&self.view.alerts).map(wording::verdict);
        [title].into_iter().chain(verdict.map(|verdict| format!("why: {verdict}"))).collect()
    }

    fn baseline_text(&self) -> Option<String> {
        let view = self.topics.baseline.get()?;
        (Some(&view.key) == self.baseline_key()).then(|| baseline(view))
    }

    /// Facts, metrics and the answer.
    fn analysis_text(&self, now: Timestamp) -> Option<String> {
        let text = facts(&analysis::lines(self, UNBROKEN, now))?.replace(analysis::STREAMING, "");
        let trace = self.trace_line().map_or_else(String::new, |line| format!("\n\n{line}"));
        Some(format!("{}{trace}", text.trim_end()))
    }

    fn span_text(&self) -> Option<String> {
        let trace = self.view.trace.as_ref()?.trace;
        let lines = span::lines(self, UNBROKEN);
        let (name, id) = span::title(self);
        let head = [name, id, format!("trace {trace}")];
        let head: Vec<&str> = head.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        (!lines.is_empty()).then(|| format!("{}\n{}", head.join("  "), joined(lines.iter())))
    }
}

const fn is_alert(row: &super::RowId) -> bool {
    matches!(row, super::RowId::Alert(..))
}

fn joined<'a>(lines: impl Iterator<Item = &'a TextLine>) -> String {
    lines.map(|line| line.text.trim_end()).collect::<Vec<_>>().join("\n")
}

/// The lines without those that only say what is awaited or which key to press; nothing if there are no others.
pub(super) fn facts(lines: &[TextLine]) -> Option<String> {
    let mut told: Vec<&TextLine> = lines.iter().filter(|line| line.tone != Tone::Quiet).collect();
    // The gaps around a line that is left out become one.
    told.dedup_by(|next, before| next.text.trim().is_empty() && before.text.trim().is_empty());
    let text = joined(told.into_iter());
    (!text.trim().is_empty()).then_some(text)
}

/// `since Fri 20 Nov 03:04Z, over Fri 20 Nov 03:31Z`
fn times(onset: Timestamp, closed: Option<Timestamp>) -> String {
    let clock = Clock::UTC;
    let end = closed.map_or_else(String::new, |closed| format!(", over {}", clock.date(closed)));
    format!("since {}{end}", clock.date(onset))
}

fn incident_lines(view: &IncidentView, now: Timestamp) -> Vec<String> {
    let incident = &view.incident;
    let mut lines = vec![
        format!("{} {} (incident {})", incident.severity, incident.title, incident.id.0),
        times(incident.onset, incident.closed),
    ];
    lines.extend(leading(view).map(|alert| format!("why: {}", alert.arithmetic())));
    let suspect = incident.suspects.iter().find(|suspect| !suspect.evidence.is_empty());
    lines.extend(suspect.map(|suspect| format!("suspect: {}", analysis::suspect(suspect))));
    lines.extend(acts::sentences(view, now, Clock::UTC));
    lines
}

fn alert_lines(alert: &Alert, view: &IncidentView) -> Vec<String> {
    let detail = if alert.detail.is_empty() { String::new() } else { format!(" ({})", alert.detail) };
    let held = acts::held_word(view, alert).map_or_else(String::new, |word| format!(", {word}"));
    vec![
        format!("{} {}, {}{detail}{held} (incident {})", alert.severity, alert.subject, alert.kind, view.incident.id.0),
        times(alert.onset, alert.closed),
        format!("why: {}", alert.arithmetic()),
        format!("part of: {}", view.incident.title),
    ]
}

/// `order-matcher: S1, p99 2.4s, 7.4 x normal, errors 2.8%, 38 spans/s`
fn service(view: &ServiceView) -> String {
    let operation = view.worst_operation.as_ref().map(|key| format!(" ({})", key.operation)).unwrap_or_default();
    let parts = [
        view.severity.map(|severity: Severity| severity.to_string()),
        view.p99_now.map(|p99| format!("p99 {p99}{operation}")),
        view.times_normal.map(|times| format!("{} x normal", wording::times(times))),
        view.error_share.map(|share| format!("errors {}", wording::percent(share))),
        Some(format!("{} spans/s", wording::rate(view.spans_per_s))),
        view.last_seen
            .filter(|_| view.state == ServiceState::Absent)
            .map(|at| format!("no spans since {}", Clock::UTC.date(at))),
    ];
    format!("{}: {}", view.service, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn baseline(view: &BaselineView) -> String {
    let mut lines = vec![wording::key(&view.key)];
    match &view.cell {
        Some(cell) => {
            lines.push(format!(
                "normal: p50 {}, p95 {}, p99 {} (n = {}, {})",
                cell.p50,
                cell.p95,
                cell.p99,
                cell.samples,
                cell.level.describe(view.bucket),
            ));
            let cut_offs = Severity::ALL
                .into_iter()
                .rev()
                .filter_map(|severity| cell.cut_offs[severity.index()].map(|at| format!("{severity} {at}")));
            let cut_offs: Vec<String> = cut_offs.collect();
            if !cut_offs.is_empty() {
                lines.push(format!("cut-offs: {}", cut_offs.join(", ")));
            }
        }
        None => lines.extend(view.note.clone()),
    }
    if let (Some(p50), Some(p95), Some(p99)) = (view.now_p50, view.now_p95, view.now_p99) {
        lines.push(format!("last 5 min: p50 {p50}, p95 {p95}, p99 {p99} (n = {})", view.now_samples));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_clean_and_fits_a_clipboard() {
        let hostile = Clip::new("a\u{1b}[2J\u{7}b\r\nc\u{202e}\u{9b}d\t\u{0}\n\n");
        assert_eq!(hostile.text(), "a[2Jb\ncd ");
        assert_eq!(hostile.told(), "copied 9 bytes");
        let fits = Clip::new(&"x".repeat(MOST));
        assert_eq!((fits.text().len(), fits.told()), (56_244, "copied 56244 bytes".to_owned()));
        let long = Clip::new(&format!("x{}", "é".repeat(MOST)));
        assert_eq!(long.told(), "copied the first 56243 of 112489 bytes", "no character is torn");
        assert!(long.text().ends_with('é'));
    }
}
