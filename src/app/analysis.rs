//! The text of the analysis pane: computed facts first, then metrics, then the model's words, always about the anomaly
//! that is selected. Text about another anomaly is never shown under the selected one.

use super::App;
use super::Clock;
use super::acts;
use super::keymap::Action;
use super::level;
use super::wording;
use super::wrap::wrap;
use crate::domain::{Anomaly, Counterfactual, Incident, Suspect, Timestamp, text};
use crate::messages::{Analysis, AnalysisState, IncidentView, MetricReading, PromptReceipt};

/// Stands where more text will come.
pub(super) const STREAMING: &str = " ▌";

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What the lines below are.
    Heading,
    Plain,
    /// Worth reading only when one looks for it.
    Quiet,
    /// Went wrong.
    Trouble,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine {
    pub tone: Tone,
    pub text: String,
}

/// Text that is being composed for a width.
pub(super) struct Page {
    pub(super) width: usize,
    pub(super) lines: Vec<TextLine>,
}

impl Page {
    pub(super) fn new(width: usize) -> Self {
        Self { width: width.max(10), lines: Vec::new() }
    }

    pub(super) fn add(&mut self, tone: Tone, text: &str, indent: usize) {
        self.lines.extend(wrap(text, self.width, indent).into_iter().map(|text| TextLine { tone, text }));
    }

    pub(super) fn gap(&mut self) {
        if !self.lines.is_empty() {
            self.lines.push(TextLine { tone: Tone::Plain, text: String::new() });
        }
    }
}

/// What the right end of the pane's title says.
#[must_use]
pub fn title(app: &App) -> String {
    let Some(analysis) = app.shown_analysis() else {
        return match app.topics.analysis.get() {
            Some(other) if other.state.is_running() => "running for another anomaly".to_owned(),
            _ if app.is_asked() => "asked".to_owned(),
            _ => String::new(),
        };
    };
    let state = match &analysis.state {
        AnalysisState::Gathering => "gathering, ctrl-c stops".to_owned(),
        AnalysisState::Waiting { loading: true } => "loading the model, ctrl-c stops".to_owned(),
        AnalysisState::Waiting { loading: false } => "waiting, ctrl-c stops".to_owned(),
        AnalysisState::Streaming => "streaming, ctrl-c stops".to_owned(),
        AnalysisState::Done { tokens_per_s: Some(rate), .. } => format!("done, {rate} tok/s"),
        AnalysisState::Done { .. } => "done".to_owned(),
        AnalysisState::Cancelled => "cancelled".to_owned(),
        AnalysisState::Failed(_) => "failed".to_owned(),
    };
    if analysis.model.is_empty() { state } else { format!("{}, {state}", analysis.model) }
}

/// The pane's lines at a width of `width` columns.
#[must_use]
pub fn lines(app: &App, width: usize, now: Timestamp) -> Vec<TextLine> {
    let mut page = Page::new(width);
    if app.view.trace.is_none()
        && let Some(view) = app.alerts.selected_incident(&app.view.alerts)
    {
        incident(&mut page, app, view, now);
        if app.selected_anomaly().is_some() {
            page.gap();
        }
    }
    if let Some(analysis) = app.shown_analysis() {
        run(&mut page, analysis, &app.keys().key_of(Action::Analyse), now, app.clock());
        return page.lines;
    }
    match app.selected_anomaly() {
        Some(anomaly) if app.alerts.selected_incident(&app.view.alerts).is_some() && app.view.trace.is_none() => {
            if app.is_asked() {
                page.add(Tone::Quiet, "Asked for the analysis.", 0);
            } else {
                let about = format!(
                    "Press a: the model gets {}, and the metrics of that moment.",
                    describe(anomaly, app.clock())
                );
                page.add(Tone::Quiet, &about, 0);
            }
        }
        Some(anomaly) => {
            headline(&mut page, anomaly, app.clock());
            page.gap();
            page.add(Tone::Heading, "FACTS, computed, no model", 0);
            for fact in facts(anomaly) {
                page.add(Tone::Plain, &fact, 2);
            }
            page.gap();
            if app.is_asked() {
                page.add(Tone::Quiet, "Asked for the analysis.", 0);
            } else {
                page.add(Tone::Quiet, "Press a: its trace and the metrics of that moment go to the model.", 0);
            }
            if let Some(other) = app.topics.analysis.get() {
                let which = if other.state.is_running() { "running" } else { "last" };
                let about = format!("The {which} analysis is about {}.", describe(&other.anomaly, app.clock()));
                page.add(Tone::Quiet, &about, 0);
            }
        }
        None if app.alerts.selected_incident(&app.view.alerts).is_some() => {
            page.gap();
            page.add(Tone::Quiet, &app.no_span(), 0);
        }
        None if app.alerts.is_known() => {
            let analyse = app.keys().key_of(Action::Analyse);
            let what_to_do = format!("Nothing is selected. Select a row and press {analyse} to have it explained.");
            page.add(Tone::Quiet, &what_to_do, 0);
        }
        None => page.add(Tone::Quiet, "Waiting for the first poll.", 0),
    }
    page.lines
}

/// `S1 order-matcher order.match 2.9s 03:04:10Z trace 4bf92f`
#[must_use]
pub fn describe(anomaly: &Anomaly, clock: Clock) -> String {
    format!(
        "{} {} {} {} trace {}",
        anomaly.severity,
        text::middle(&wording::key(&anomaly.key), 120),
        anomaly.duration,
        clock.time(anomaly.start),
        anomaly.id.trace.short(),
    )
}

fn headline(page: &mut Page, anomaly: &Anomaly, clock: Clock) {
    page.add(Tone::Heading, &describe(anomaly, clock), 3);
}

/// All that is known of an incident: who, in which order, by how much.
fn incident(page: &mut Page, app: &App, view: &IncidentView, now: Timestamp) {
    let IncidentView { incident, alerts, .. } = view;
    let clock = app.clock();
    page.add(Tone::Heading, &format!("{} {}", incident.severity, incident.title), 3);
    let mut when = format!("since {}, raised {}", clock.time(incident.onset), clock.time(incident.raised));
    if let Some(closed) = incident.closed {
        when.push_str(&format!(", over {}", clock.time(closed)));
    }
    page.add(Tone::Plain, &when, 0);
    if let Some(sentence) = level::sentence(app, view) {
        page.add(Tone::Plain, &sentence, 2);
    }
    for sentence in acts::sentences(view, now, clock) {
        page.add(Tone::Plain, &sentence, 2);
    }
    if let Some(what_if) = what_if(incident) {
        page.add(Tone::Plain, &what_if, 2);
    }
    page.gap();
    page.add(Tone::Heading, "SUSPECTS, computed, no model", 0);
    for (number, suspect) in incident.suspects.iter().filter(|suspect| !suspect.evidence.is_empty()).take(3).enumerate()
    {
        page.add(Tone::Plain, &format!("{} {}", number + 1, self::suspect(suspect)), 2);
    }
    page.gap();
    page.add(Tone::Heading, "ONSET", 0);
    for alert in alerts {
        let line = format!(
            "{} {} {}, {}: {}{}",
            clock.time(alert.onset),
            alert.severity,
            alert.subject,
            alert.kind,
            level::clause(alert),
            wording::arithmetic(alert),
        );
        page.add(Tone::Plain, &line, 10);
    }
    if view.life.verdict.is_none() {
        page.gap();
        page.add(Tone::Quiet, "Was it right to wake somebody? + useful, - noise", 0);
    }
}

/// What requests would take with the culprit as it normally is.
pub(super) fn what_if(incident: &Incident) -> Option<String> {
    let Counterfactual { root, requests, observed, without, normal } = incident.counterfactual.as_ref()?;
    let culprit = incident.culprit().map_or("the culprit", |culprit| &culprit.service);
    Some(format!(
        "With {culprit} as normal, {} takes {without} instead of {observed} (normal {normal}; {}).",
        wording::key(root),
        wording::plural(*requests, "request"),
    ))
}

/// `order-matcher order.match explains 91%; 34 of 41 calls slow`
pub(super) fn suspect(suspect: &Suspect) -> String {
    let operation = suspect.operation.as_ref().map_or_else(String::new, |operation| format!(" {operation}"));
    let callee = suspect.callee.as_ref().map_or_else(String::new, |callee| format!(" → {callee}"));
    let mut parts = suspect.evidence.clone();
    if let Some(share) = suspect.explains {
        parts.insert(0, format!("explains {} of the added time", wording::percent(share)));
    }
    format!("{}{operation}{callee}: {}", suspect.service, parts.join("; "))
}

/// What is known of an anomaly before anything was fetched.
fn facts(anomaly: &Anomaly) -> Vec<String> {
    let mut facts = vec![
        format!("{}.", wording::verdict(anomaly)),
        format!(
            "Normal is {} +- {} in {}, from {}.",
            wording::micros(anomaly.mean_us),
            wording::micros(anomaly.sigma_us),
            anomaly.level.describe(anomaly.bucket),
            wording::plural(anomaly.samples, "sample"),
        ),
    ];
    if anomaly.error {
        facts.push("The span says that it failed.".to_owned());
    }
    let shown: Vec<String> = anomaly.attributes.iter().take(6).map(|(key, value)| format!("{key}={value}")).collect();
    if !shown.is_empty() {
        facts.push(format!("Attributes: {}", shown.join("  ")));
    }
    facts
}

fn run(page: &mut Page, analysis: &Analysis, again: &str, now: Timestamp, clock: Clock) {
    headline(page, &analysis.anomaly, clock);
    page.gap();
    page.add(Tone::Heading, "FACTS, computed, no model", 0);
    evidence(page, &analysis.anomaly, Some(analysis));
    metrics(page, analysis, clock);
    page.gap();
    model(page, analysis, again, now);
}

/// The facts under their numbers, or what is known before anything was fetched.
pub(super) fn evidence(page: &mut Page, anomaly: &Anomaly, analysis: Option<&Analysis>) {
    let known = analysis.map_or(&[][..], |analysis| &analysis.facts);
    if known.is_empty() {
        for fact in facts(anomaly) {
            page.add(Tone::Plain, &fact, 2);
        }
    }
    for (number, fact) in known.iter().enumerate() {
        let numbered = fact.strip_prefix('E').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let fact = if numbered { fact.clone() } else { format!("E{} {fact}", number + 1) };
        page.add(Tone::Plain, &fact, 3);
    }
}

/// What the model said, and how it ended.
pub(super) fn model(page: &mut Page, analysis: &Analysis, again: &str, now: Timestamp) {
    page.add(Tone::Heading, "MODEL, likely, not proven", 0);
    let running = analysis.state == AnalysisState::Streaming;
    let text = analysis.text.trim_end();
    if !text.is_empty() {
        for (number, paragraph) in text.lines().enumerate() {
            let last = running && number + 1 == text.lines().count();
            let indent = if paragraph.starts_with("- ") { 2 } else { 0 };
            if last {
                page.add(Tone::Plain, &format!("{paragraph}{STREAMING}"), indent);
            } else {
                page.add(Tone::Plain, paragraph, indent);
            }
        }
        if !running {
            page.gap();
        }
    }
    ending(page, analysis, again, now);
}

pub(super) fn metrics(page: &mut Page, analysis: &Analysis, clock: Clock) {
    if analysis.metrics.is_empty() && analysis.metrics_note.is_none() {
        return;
    }
    page.gap();
    let at = clock.time(analysis.anomaly.start);
    page.add(Tone::Heading, &format!("METRICS at {at}, usual in the hour before"), 0);
    for reading in &analysis.metrics {
        page.add(Tone::Plain, &metric(reading, &analysis.anomaly.key.service), 2);
    }
    if let Some(note) = &analysis.metrics_note {
        page.add(Tone::Quiet, note, 0);
    }
}

fn metric(MetricReading { sample, usual }: &MetricReading, about: &str) -> String {
    let show = |value| sample.kind.show(value);
    let usual = match usual {
        Some((low, high)) => {
            let word = if sample.value > *high {
                ", above"
            } else if sample.value < *low {
                ", below"
            } else {
                ""
            };
            format!("usual {}{word}", range(&show(*low), &show(*high)))
        }
        None => "no history".to_owned(),
    };
    let of = if sample.service == about { String::new() } else { format!("{} ", sample.service) };
    format!("{of}{} {}, {usual}", sample.kind.label(), show(sample.value))
}

/// `143.1 to 152.6 MiB`: the unit once, where both ends have the same.
fn range(low: &str, high: &str) -> String {
    let unit = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, of_low) = low.split_at(unit(low));
    let (_, of_high) = high.split_at(unit(high));
    if of_low == of_high { format!("{number} to {high}") } else { format!("{low} to {high}") }
}

fn ending(page: &mut Page, analysis: &Analysis, again: &str, now: Timestamp) {
    match &analysis.state {
        AnalysisState::Gathering => page.add(Tone::Quiet, "Fetching the trace and the metrics.", 0),
        AnalysisState::Waiting { loading: true } => {
            let age = wording::age(now.since(analysis.started));
            let since = if age == "now" { String::new() } else { format!(" since {age}") };
            page.add(Tone::Quiet, &format!("Loading the model{since}; the facts above are complete."), 0);
        }
        AnalysisState::Waiting { loading: false } => {
            page.add(Tone::Quiet, "The prompt is sent, no word has come yet.", 0);
        }
        AnalysisState::Streaming => {}
        AnalysisState::Done { tokens, cut_by_limit, .. } => {
            if *cut_by_limit {
                page.add(Tone::Trouble, "The answer stopped at its length limit.", 0);
            }
            let mut parts = Vec::new();
            parts.extend(tokens.map(|n| wording::plural(n, "token")));
            parts.extend(analysis.receipt.as_ref().map(receipt));
            if !parts.is_empty() {
                page.add(Tone::Quiet, &parts.join("; "), 0);
            }
        }
        AnalysisState::Cancelled => page.add(Tone::Quiet, &format!("Cancelled; {again} starts again."), 0),
        AnalysisState::Failed(why) => page.add(Tone::Trouble, why, 0),
    }
    if analysis.receipt.as_ref().is_some_and(|receipt| receipt.truncated_by_server) {
        let warning = "The server dropped the front of the prompt: do not trust this answer; raise ollama.num_ctx.";
        page.add(Tone::Trouble, warning, 0);
    }
}

/// `prompt 2900 of 8192 tokens, nothing cut`
fn receipt(receipt: &PromptReceipt) -> String {
    let cut =
        if receipt.cut.is_empty() { "nothing cut".to_owned() } else { format!("cut: {}", receipt.cut.join(", ")) };
    let size = wording::count(receipt.tokens);
    format!("prompt {size} of {} tokens, {cut}", wording::count(receipt.context_tokens))
}

impl App {
    /// The first line that is shown of `end + 1` possible ones: what streams is followed to its end, anything else begins
    /// at its top.
    #[must_use]
    pub fn analysis_top(&self, end: usize) -> usize {
        let resting = if self.shown_analysis().is_some() { end } else { 0 };
        self.view.analysis_top.map_or(resting, |top| top.min(end))
    }

    /// The run that may be shown now: the one about the selected anomaly, or, when nothing at all is selected, the last.
    #[must_use]
    pub fn shown_analysis(&self) -> Option<&Analysis> {
        let analysis = self.topics.analysis.get()?;
        match self.selected_anomaly() {
            Some(selected) => (selected.id == analysis.anomaly.id).then_some(analysis),
            None => Some(analysis),
        }
        .map(|analysis| &**analysis)
    }

    /// Whether the selected anomaly's analysis was asked for and nothing has come of it yet.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.view.asked.is_some() && self.view.asked == self.selected_anomaly().map(|anomaly| anomaly.id)
    }
}
