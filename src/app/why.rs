//! Why it is an alert, why not a worse or a milder one, and why there is none: the arithmetic of the alert test in words.

use super::Clock;
use super::analysis::{Page as Composed, TextLine, Tone};
use super::{App, Page, wording};
use crate::domain::{Alert, Anomaly, KindTested, Micros, Obstacle, Severity, Subject, Tested, Timestamp, odds};
use crate::messages::WhyView;

/// What is explained, and from which line on it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct WhyCursor {
    pub subject: Subject,
    /// The alert as it was when it was asked about.
    pub alert: Option<Alert>,
    /// The slow span that was selected.
    pub anomaly: Option<Anomaly>,
    /// The end of the windows that were asked for; `None` for what is known now.
    pub at: Option<Timestamp>,
    pub offset: usize,
}

impl App {
    /// The arithmetic, if it is what is shown.
    #[must_use]
    pub fn why_cursor(&self) -> Option<&WhyCursor> {
        match self.page() {
            Some(Page::Why(cursor)) => Some(cursor),
            _ => None,
        }
    }

    pub(super) fn why_cursor_mut(&mut self) -> Option<&mut WhyCursor> {
        match self.page_mut() {
            Some(Page::Why(cursor)) => Some(cursor),
            _ => None,
        }
    }
}

/// The test of the subject that is asked about; another's is never shown.
#[must_use]
pub fn shown<'a>(app: &'a App, cursor: &WhyCursor) -> Option<&'a WhyView> {
    app.topics.why.get().map(|view| &**view).filter(|view| view.subject == cursor.subject)
}

/// Columns and lines of text on a screen of this size.
#[must_use]
pub fn room((width, height): (u16, u16)) -> (usize, usize) {
    let footer = if height >= 12 { 2 } else { 1 };
    (usize::from(width.saturating_sub(2)), usize::from(height.saturating_sub(2 + footer)).max(1))
}

/// `windows end 03:12:40Z, [ ] a minute`
#[must_use]
pub fn remark(app: &App, cursor: &WhyCursor) -> String {
    shown(app, cursor)
        .map_or_else(String::new, |view| format!("windows end {}, [ ] one minute", app.clock().time_in_zone(view.at)))
}

#[must_use]
pub fn lines(app: &App, cursor: &WhyCursor, width: usize) -> Vec<TextLine> {
    let mut page = Composed::new(width);
    let view = shown(app, cursor);
    if let Some(alert) = &cursor.alert {
        verdict(&mut page, alert, view, app.clock());
    } else if let Some(anomaly) = &cursor.anomaly {
        page.add(Tone::Heading, &format!("{}.", wording::verdict(anomaly)), 3);
        let record = "It is a record of one slow span, to look into. Spans like it come on good days too: what wakes a \
            person is decided over windows of calls, below.";
        page.add(Tone::Plain, record, 3);
    }
    match view {
        None => {
            page.gap();
            page.add(Tone::Quiet, "Asked for the arithmetic.", 0);
        }
        Some(view) if view.kinds.is_empty() => {
            page.gap();
            page.add(Tone::Plain, &format!("Nothing of {} was seen: there is nothing to test.", view.subject), 0);
        }
        Some(view) => {
            for kind in &view.kinds {
                page.gap();
                tested(&mut page, kind);
            }
        }
    }
    page.lines
}

fn verdict(page: &mut Composed, alert: &Alert, view: Option<&WhyView>, clock: Clock) {
    let numbers = &alert.worst;
    let because = format!(
        "{} because {} in {}, {} expected, chance 1 in {}.",
        alert.severity,
        wording::seen(alert.kind, numbers),
        wording::window(numbers.window.length()),
        wording::expected(numbers.expected),
        odds(numbers.log10_chance),
    );
    page.add(Tone::Heading, &because, 3);
    let mut about = format!(
        "{}, {}, since {}, raised {}",
        alert.subject,
        alert.kind,
        clock.time(alert.onset),
        clock.time(alert.raised)
    );
    if let Some(closed) = alert.closed {
        about.push_str(&format!(", closed {}", clock.time(closed)));
        if alert.accepted().is_some() {
            about.push_str(", accepted as the new normal");
        }
    }
    if !alert.detail.is_empty() {
        about.push_str(&format!(": {}", alert.detail));
    }
    page.add(Tone::Plain, &about, 3);
    let level = numbers.level.map_or_else(String::new, |level| format!(" ({level})"));
    page.add(
        Tone::Plain,
        &format!(
            "An alert needs a chance below 1 in {}. The baseline rests on {}{level}; calls of one minute resemble each \
             other by {:.3} (0 not at all, 1 all alike).",
            odds(numbers.log10_alpha),
            wording::plural(numbers.samples, "sample"),
            numbers.rho,
        ),
        3,
    );
    neither_worse_nor_milder(page, alert, view);
}

/// What kept it from being worse, as far as its test is known, and why it is no milder.
pub(super) fn neither_worse_nor_milder(page: &mut Composed, alert: &Alert, view: Option<&WhyView>) {
    let numbers = &alert.worst;
    let same = |kind: &&KindTested| kind.kind == alert.kind && kind.detail == alert.detail;
    let window = numbers.window.length();
    let of_window = view.into_iter().flat_map(|view| &view.kinds).find(same);
    let worse = of_window.into_iter().flat_map(|kind| &kind.tested).filter(|tested| {
        tested.severity < alert.severity && tested.arithmetic.window.length() == window && tested.obstacle.is_some()
    });
    for tested in worse {
        let not = format!("Not {}: {}.", tested.severity, trial(alert.kind, tested));
        page.add(Tone::Plain, &not, 3);
    }
    if alert.severity != Severity::Sev5 {
        let milder =
            "Not milder: an alert keeps the worst severity that it met; it closes once polls in a row were quiet.";
        page.add(Tone::Plain, milder, 3);
    }
}

fn tested(page: &mut Composed, kind: &KindTested) {
    let raised = kind.tested.iter().filter(|tested| tested.obstacle.is_none()).map(|tested| tested.severity).min();
    let title = kind.kind.name().to_uppercase();
    let detail = if kind.detail.is_empty() { String::new() } else { format!(" ({})", kind.detail) };
    let alone = kind.pooled.is_none();
    let outcome = match raised {
        _ if !kind.is_known() => format!("no alert: not enough data (n = {}, needs {})", kind.samples, kind.needs),
        Some(severity) if alone => format!("{severity} in these windows"),
        _ if !alone => "not tested by itself".to_owned(),
        _ => "no alert in these windows".to_owned(),
    };
    page.add(Tone::Heading, &format!("{title}{detail}, {outcome}"), 3);
    if !kind.is_known() {
        return;
    }
    if let Some((together, needs)) = &kind.pooled {
        let why = if kind.samples < *needs {
            format!("by itself it needs {} samples (n = {})", wording::count(*needs), wording::count(kind.samples))
        } else {
            "its own time is the time between the two".to_owned()
        };
        page.add(Tone::Plain, &format!("It is tested as part of {together}: {why}."), 3);
    }
    let windows = kind.tested.chunk_by(|a, b| a.arithmetic.window == b.arithmetic.window);
    if kind.tested.iter().all(|tested| tested.obstacle == Some(Obstacle::Empty)) {
        page.add(Tone::Plain, "No calls in any window.", 3);
        return;
    }
    for window in windows {
        let best = window.iter().find(|tested| tested.obstacle.is_none()).or(window.last());
        if let Some(tested) = best {
            let severity = if tested.obstacle.is_none() { format!("{}: ", tested.severity) } else { String::new() };
            let length = wording::window(tested.arithmetic.window.length());
            page.add(Tone::Plain, &format!("{length:>6}  {severity}{}", trial(kind.kind, tested)), 8);
        }
    }
}

/// `3 of 41 above 480ms, 0.4 expected, chance 1 in 40; an alert needs 1 in 8×10⁶`
fn trial(kind: crate::domain::AlertKind, tested: &Tested) -> String {
    let numbers = &tested.arithmetic;
    let seen = wording::seen(kind, numbers);
    let expected = format!("{seen}, {} expected", wording::expected(numbers.expected));
    match tested.obstacle {
        Some(Obstacle::Empty) => "no calls".to_owned(),
        Some(Obstacle::NoLimit) => "too few samples are known to have such a limit".to_owned(),
        Some(Obstacle::TooFew { needs }) => format!("{expected}; an alert needs {needs}"),
        Some(Obstacle::SmallExcess { excess, needs }) => format!(
            "{expected}, {:.1} points above the expected share; an alert needs {:.0}",
            excess * 100.0,
            needs * 100.0
        ),
        Some(Obstacle::LikelyByChance) => format!(
            "{expected}, chance 1 in {}; an alert needs 1 in {}",
            odds(numbers.log10_chance),
            odds(numbers.log10_alpha)
        ),
        None => format!("{expected}, chance 1 in {}", odds(numbers.log10_chance)),
    }
}

/// The end of the windows one step of a minute away from what is shown.
#[must_use]
pub fn stepped(view: &WhyView, forward: bool) -> Timestamp {
    const STEP: Micros = Micros::from_secs(60);
    if forward { view.at + STEP } else { (view.at - STEP).max(view.oldest) }
}
