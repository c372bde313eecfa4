//! A trace beside a normal one of its operation: where the time went that it took longer, and which attributes separate
//! slow traces from normal ones.

use super::Clock;
use super::analysis::{Page, Tone};
use super::keymap::Action;
use super::{App, list, span, wording};
use crate::domain::{Compared, Level, Micros, Owner, Separation, SpanKey, Split, Spread, What, odds};
use crate::messages::{ComparisonView, TraceState};

/// The view over a waterfall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompareCursor {
    /// The attributes are shown instead of the rows.
    pub attributes: bool,
    /// They were asked for from the rows, and lead back there.
    rows_below: bool,
    is_open: bool,
    /// The row under the cursor; until somebody moves it, the one that explains most.
    row: Option<usize>,
    offset: usize,
    /// The first line of the attributes.
    pub top: usize,
}

/// A line of the attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Text(Tone, String),
    /// The heads of the columns: what the traces on the odd side are.
    Heads(&'static str),
    Row(DifferRow),
}

/// One attribute in columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferRow {
    /// `service.version (order-matcher)`
    pub name: String,
    /// `= 2.31.0`, `above 1204`
    pub value: String,
    /// `48/50`
    pub slow: String,
    pub normal: String,
    /// `1 in 10²⁰`, or that there is no signal.
    pub chance: String,
    pub is_signal: bool,
}

/// From this part of the difference on a row is one to jump to.
const NOTABLE: u64 = 10;
/// Fewer columns have no room for columns.
const COLUMNS_FROM: usize = 60;
/// From so many columns on the ranges of numbers are told beside their medians.
const RANGES_FROM: usize = 100;

impl CompareCursor {
    /// The rows or the attributes, on the same row as before.
    #[must_use]
    pub fn showing(self, attributes: bool) -> Self {
        let rows_below = attributes && (self.rows_below || self.is_open);
        Self { attributes, rows_below, is_open: true, top: 0, ..self }
    }

    /// What is seen one step back; nothing once that is the waterfall.
    #[must_use]
    pub fn left(self) -> Option<Self> {
        (self.attributes && self.rows_below).then_some(Self { attributes: false, rows_below: false, ..self })
    }

    /// The row under the cursor, and the first that is shown.
    #[must_use]
    pub fn place(&self, view: &ComparisonView, page: usize) -> (usize, usize) {
        let row = self.row.unwrap_or_else(|| largest(view)).min(view.rows.len().saturating_sub(1));
        let offset = if self.row.is_some() { self.offset } else { row.saturating_sub(page / 3) };
        (row, list::offset(offset, row, view.rows.len(), page))
    }

    fn put(&mut self, row: usize, view: &ComparisonView, page: usize) {
        let (_, offset) = self.place(view, page);
        (self.row, self.offset) = (Some(row), list::offset(offset, row, view.rows.len(), page));
    }

    pub fn go(&mut self, action: Action, view: &ComparisonView, page: usize) {
        let (row, _) = self.place(view, page);
        self.put(list::moved(action, row, view.rows.len(), page), view, page);
    }

    /// Goes to the next or previous row that explains much of the difference. False if there is none.
    pub fn go_to_notable(&mut self, forward: bool, view: &ComparisonView, page: usize) -> bool {
        let (row, _) = self.place(view, page);
        let found = if forward {
            (row + 1..view.rows.len()).find(|at| is_notable(view, *at))
        } else {
            (0..row).rev().find(|at| is_notable(view, *at))
        };
        if let Some(found) = found {
            self.put(found, view, page);
        }
        found.is_some()
    }
}

/// The row with the largest part in the difference.
fn largest(view: &ComparisonView) -> usize {
    let longer = view.longer_us();
    let part = |row: &Compared| if longer < 0 { -row.contribution_us() } else { row.contribution_us() };
    let rows = view.rows.iter().enumerate();
    rows.max_by_key(|(at, row)| (part(row), std::cmp::Reverse(*at))).map_or(0, |(at, _)| at)
}

/// A tenth of the difference or more, a path that begins on one side only, or failure on one side only.
#[must_use]
pub fn is_notable(view: &ComparisonView, at: usize) -> bool {
    let Some(row) = view.rows.get(at) else { return false };
    let longer = view.longer_us().unsigned_abs();
    let contribution = row.contribution_us().unsigned_abs();
    let parent = view.rows.iter().take(at).rev().find(|other| other.depth < row.depth);
    let sides = |row: &Compared| (row.this.is_some(), row.normal.is_some());
    let begins = sides(row) != (true, true) && parent.is_none_or(|parent| sides(parent) != sides(row));
    let errors = |side: Option<crate::domain::Side>| side.is_some_and(|side| side.errors > 0);
    let fails = errors(row.this) != errors(row.normal);
    contribution > 0 && contribution.saturating_mul(NOTABLE) >= longer || begins || fails
}

/// For each level above a row and for its own, whether nothing more follows there: how its branches are drawn.
#[must_use]
pub fn branches(view: &ComparisonView, at: usize) -> Vec<bool> {
    let depth = view.rows.get(at).map_or(0, |row| row.depth);
    let mut ends = vec![true; usize::from(depth)];
    let mut open = depth;
    for row in view.rows.iter().skip(at + 1) {
        if row.depth <= open {
            open = row.depth;
            if let Some(end) = usize::from(open).checked_sub(1).and_then(|level| ends.get_mut(level)) {
                *end = false;
            }
            open = open.saturating_sub(1);
        }
        if open == 0 {
            break;
        }
    }
    ends
}

/// The comparison of the trace that is open; another's is never shown.
#[must_use]
pub fn shown(app: &App) -> Option<&ComparisonView> {
    let trace = app.view.trace.as_ref()?.trace;
    app.topics.comparison.get().map(|view| &**view).filter(|view| view.trace == trace)
}

/// `+2.5s`, `-12ms`, `=`
#[must_use]
pub fn difference(this: Micros, normal: Micros) -> String {
    match this.0.cmp(&normal.0) {
        std::cmp::Ordering::Greater => format!("+{}", Micros(this.0 - normal.0)),
        std::cmp::Ordering::Less => format!("-{}", Micros(normal.0 - this.0)),
        std::cmp::Ordering::Equal => "=".to_owned(),
    }
}

/// The row's share of the whole difference, signed: 1 is all of it.
#[must_use]
pub fn share(view: &ComparisonView, row: &Compared) -> Option<f64> {
    let longer = view.longer_us();
    (longer != 0).then(|| row.contribution_us() as f64 / longer as f64)
}

/// `2.9s, 2.5s longer than normal (412ms)`
#[must_use]
pub fn headline(view: &ComparisonView) -> String {
    let Some(normal) = &view.normal else { return view.end_to_end.to_string() };
    let by = Micros(view.longer_us().unsigned_abs());
    let how = if view.longer_us() < 0 { "shorter" } else { "longer" };
    format!("{}, {by} {how} than normal ({})", view.end_to_end, normal.end_to_end)
}

/// With which trace it is compared, each shorter than the one before; or that there is none.
#[must_use]
pub fn against(view: &ComparisonView, clock: Clock) -> Vec<String> {
    let Some(normal) = &view.normal else { return vec![no_normal(view)] };
    let wider = match normal.level {
        Level::HourOfWeek => format!("of {}", view.bucket),
        level => format!("of {}, none of {}", level.describe(view.bucket), view.bucket),
    };
    let choice = match (normal.of, normal.median) {
        (1, None) => format!("the only one kept {wider}"),
        (1, Some(median)) => format!("the only one kept {wider} (median {median})"),
        (of, None) => format!("in the middle of {} kept {wider}", wording::count(of.into())),
        (of, Some(median)) => {
            format!("nearest to the median {median} of {} kept {wider}", wording::count(of.into()))
        }
    };
    let (took, when) = (normal.end_to_end, clock.date(normal.start));
    let id: String = normal.trace.to_string().chars().take(12).collect();
    let mut told = vec![
        format!("normal: trace {id}, {when}, {took}, {choice}"),
        format!(
            "normal: {}, {when}, nearest to the median of {} {wider}",
            normal.trace.short(),
            wording::count(normal.of.into())
        ),
        format!("normal: {}, {when}, {took}", normal.trace.short()),
    ];
    if u64::from(view.kept) > u64::from(normal.of) {
        told.insert(0, format!("{}, {} of all hours", told[0], wording::count(view.kept.into())));
    }
    if view.left_out > 0 {
        told.insert(0, format!("{}; {} left out", told[0], wording::plural(view.left_out.into(), "span")));
    }
    told
}

fn no_normal(view: &ComparisonView) -> String {
    let operation = view.operation.as_ref().map_or_else(|| "it".to_owned(), wording::key);
    format!("no normal trace of {operation} kept yet")
}

/// Why there are no rows.
#[must_use]
pub fn note(app: &App) -> String {
    let trace = app.view.trace.as_ref().and_then(|cursor| app.trace.state(cursor.trace));
    match (shown(app), trace) {
        (Some(view), _) if view.operation.is_none() => "The trace has no spans that can be compared.".to_owned(),
        (Some(view), _) => format!(
            "There is {}. One is kept of each half-hour of the week: one of which no span failed or was slow, and during \
             which no alert was open about its services.",
            no_normal(view)
        ),
        (None, Some(TraceState::Failed(why))) => why.clone(),
        (None, Some(TraceState::Loaded(_))) => "Looking for a normal trace.".to_owned(),
        (None, _) => "Fetching the trace.".to_owned(),
    }
}

/// What is told of the row under the cursor.
#[must_use]
pub fn sentence(view: &ComparisonView, row: &Compared) -> String {
    let times =
        |spans: u32| if spans > 1 { format!(" in {}", wording::plural(spans.into(), "span")) } else { String::new() };
    let (this, normal) = match (row.this, row.normal) {
        (Some(this), Some(normal)) => (this, normal),
        (Some(this), None) => {
            return format!("Only in this trace: {}{}.", this.duration, times(this.spans));
        }
        (None, Some(normal)) => {
            return format!("Only in the normal trace: {}{}.", normal.duration, times(normal.spans));
        }
        (None, None) => return String::new(),
    };
    let mut text = format!("{}{} against {}{}", this.duration, times(this.spans), normal.duration, times(normal.spans));
    match (this.critical, normal.critical) {
        (Micros::ZERO, Micros::ZERO) => text.push_str("; off the critical path in both"),
        (this, normal) => {
            let of = |us: Micros| if us == Micros::ZERO { "none".to_owned() } else { us.to_string() };
            text.push_str(&format!("; on the critical path {} against {}", of(this), of(normal)));
        }
    }
    if let Some(share) = share(view, row).filter(|share| share.abs() >= 0.005) {
        let by = Micros(view.longer_us().unsigned_abs());
        text.push_str(&format!(", {} of the {by}", percent(share)));
    }
    if this.errors != normal.errors {
        let failed = wording::plural(this.errors.into(), "failure");
        text.push_str(&format!("; {failed} against {}", wording::count(normal.errors.into())));
    }
    text + "."
}

/// A share of the difference in at most five columns: `76%`, `-3%`, `>999%`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = (share * 100.0).round();
    if percent.abs() > 999.0 {
        format!("{}999%", if percent < 0.0 { "<-" } else { ">" })
    } else {
        format!("{percent:.0}%")
    }
}

/// The separation about a span's key; `None` where it was neither slow nor failed.
#[must_use]
pub fn separation_of<'a>(view: &'a ComparisonView, key: &SpanKey) -> Option<&'a Separation> {
    view.separations.iter().find(|separation| separation.key == *key)
}

/// `12 slow, 48 normal traces kept`
#[must_use]
pub fn cohorts(separation: &Separation) -> String {
    let odd = if separation.failed { "failed" } else { "slow" };
    let (slow, normal) = (separation.slow, separation.normal);
    format!("{} {odd}, {} normal traces", wording::count(slow.into()), wording::count(normal.into()))
}

/// The attributes of one separation in at most `most` lines of `width` columns. The last is that which shows that was
/// looked.
#[must_use]
pub fn differs(separation: &Separation, width: usize, most: usize) -> Vec<Line> {
    let quiet = |text: &str| vec![Line::Text(Tone::Quiet, text.to_owned())];
    if separation.tried == 0 {
        let odd = if separation.failed { "failed" } else { "slow" };
        let few = separation.slow < 3 || separation.normal < 3;
        let text = match few {
            true => format!("Attributes tell {odd} from normal traces once 3 of each are kept."),
            false => "No attribute varies between these traces.".to_owned(),
        };
        return quiet(&text);
    }
    let last = separation.no_signal.as_ref();
    let room = most.saturating_sub(1 + usize::from(last.is_some()));
    let mut lines = vec![Line::Heads(if separation.failed { "FAILED" } else { "SLOW" })];
    let each = if width < COLUMNS_FROM { 2 } else { 1 };
    let told = separation.splits.iter().take((room / each).max(usize::from(last.is_none())));
    let rows = told.chain(last).map(|split| row(separation, split, width >= RANGES_FROM));
    if width >= COLUMNS_FROM {
        lines.extend(rows.map(Line::Row));
    } else {
        let mut page = Page::new(width);
        for row in rows {
            let tone = if row.is_signal { Tone::Plain } else { Tone::Quiet };
            page.add(tone, &format!("{} {}", row.name, row.value), 2);
            let odd = if separation.failed { "failed" } else { "slow" };
            let signal = if row.is_signal { "" } else { ", no signal" };
            page.add(tone, &format!("  {} {odd}, {} normal{signal}", row.slow, row.normal), 2);
        }
        lines = page.lines.into_iter().map(|line| Line::Text(line.tone, line.text)).collect();
    }
    lines.truncate(most.max(1));
    lines
}

fn row(separation: &Separation, split: &Split, ranges: bool) -> DifferRow {
    let owner = match &split.owner {
        Owner::Span(key) if *key == separation.key => String::new(),
        Owner::Span(key) if key.service == separation.key.service => format!(" ({})", key.operation),
        Owner::Span(key) => format!(" ({})", wording::key(key)),
        Owner::Process(service) => format!(" ({service} process)"),
    };
    let mut value = match &split.what {
        What::Value(value) => format!("= {value}"),
        What::Present => "is there".to_owned(),
        What::Above { median, slow, normal } if ranges => {
            format!("above {}: {}, normal {}", number(*median), spread(slow), spread(normal))
        }
        What::Above { median, slow, normal } => {
            let medians = format!("{}, normal {}", number(slow.median), number(normal.median));
            format!("above {}: {medians}", number(*median))
        }
    };
    if split.others > 0 {
        value.push_str(&format!(" (+{} alike)", split.others));
    }
    match (&split.what, &split.here) {
        _ if !split.is_signal() => {}
        (What::Value(value), Some(here)) if value == here => {}
        (What::Present, Some(_)) => {}
        (What::Value(_) | What::Present | What::Above { .. }, None) => value.push_str(", not here"),
        (What::Above { .. }, Some(here)) if here.parse().is_ok_and(|here: f64| above(&split.what, here)) => {}
        (_, Some(here)) => value.push_str(&format!(", here {here}")),
    }
    let of = |count: u32, whole: u32| format!("{}/{}", wording::count(count.into()), wording::count(whole.into()));
    let is_signal = split.is_signal();
    DifferRow {
        name: format!("{}{owner}", split.name),
        value,
        slow: of(split.slow, separation.slow),
        normal: of(split.normal, separation.normal),
        chance: if is_signal { format!("1 in {}", odds(split.log10_chance)) } else { "no signal".to_owned() },
        is_signal,
    }
}

/// Whether a number is on the upper side.
fn above(what: &What, number: f64) -> bool {
    matches!(what, What::Above { median, .. } if number > *median)
}

/// A number as an engineer writes it: `310`, `2.1M`, `0.25`.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return wording::count(value as u64);
    }
    match value.abs() {
        1e4.. => format!("{value:.1e}"),
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// `2.1M (310..3.4M)`
fn spread(spread: &Spread) -> String {
    format!("{} ({}..{})", number(spread.median), number(spread.lowest), number(spread.highest))
}

/// Whether the same attributes separate both.
fn is_same(a: &Separation, b: &Separation) -> bool {
    let names = |separation: &Separation| -> Vec<_> {
        let value = |split: &Split| if let What::Value(value) = &split.what { Some(value.clone()) } else { None };
        let of = |split: &Split| (split.owner.clone(), split.name.clone(), value(split));
        let mut names: Vec<_> = separation.splits.iter().map(of).collect();
        names.sort();
        names
    };
    a.failed == b.failed && (a.tried > 0) == (b.tried > 0) && names(a) == names(b)
}

/// What the counts and the chance mean.
const HOW: &str = "Counted are kept traces: those in which the operation took longer than its p99, or failed, within two \
    hours of this one, and the nearest normal ones. The chance is Fisher's exact test, times the splits that were tried; \
    below 1 in 100 it is a signal. Largest difference of shares first.";

/// All that is known of attributes, for the view of its own: first about the span that the waterfall's cursor is on.
#[must_use]
pub fn lines(app: &App, width: usize) -> Vec<Line> {
    let text = |page: Page| page.lines.into_iter().map(|line| Line::Text(line.tone, line.text));
    let Some(view) = shown(app) else {
        let mut page = Page::new(width);
        page.add(Tone::Quiet, &note(app), 0);
        return text(page).collect();
    };
    let here = span::key_at_hand(app);
    let mut all: Vec<&Separation> = view.separations.iter().collect();
    all.sort_by_key(|separation| here != Some(&separation.key));
    let mut lines: Vec<Line> = Vec::new();
    let mut told: Vec<&Separation> = Vec::new();
    for separation in all {
        // What waits for a slow span is slow by the same cause: said once.
        if told.iter().any(|other| is_same(other, separation)) {
            continue;
        }
        told.push(separation);
        let mut page = Page::new(width);
        if !lines.is_empty() {
            page.lines.push(super::analysis::TextLine { tone: Tone::Plain, text: String::new() });
        }
        let tried = match separation.tried {
            0 => String::new(),
            n => format!(", {} tried", wording::plural(n.into(), "split")),
        };
        let title = format!("{}: {}{tried}", wording::key(&separation.key), cohorts(separation));
        page.add(Tone::Heading, &title, 2);
        lines.extend(text(page));
        lines.extend(differs(separation, width, usize::MAX));
        let others: Vec<String> = view
            .separations
            .iter()
            .filter(|other| other.key != separation.key && is_same(separation, other))
            .map(|other| wording::key(&other.key))
            .collect();
        if !others.is_empty() {
            let mut page = Page::new(width);
            page.add(Tone::Quiet, &format!("The same holds for {}.", others.join(", ")), 2);
            lines.extend(text(page));
        }
    }
    let mut page = Page::new(width);
    if lines.is_empty() {
        page.add(Tone::Quiet, &note(app), 0);
    } else {
        page.lines.push(super::analysis::TextLine { tone: Tone::Plain, text: String::new() });
        page.add(Tone::Quiet, HOW, 0);
    }
    lines.extend(text(page));
    lines
}

/// The same as text, for the span's detail and for copying.
pub(super) fn tell(page: &mut Page, separation: &Separation) {
    for line in differs(separation, RANGES_FROM, usize::MAX) {
        match line {
            Line::Text(tone, text) => page.add(tone, &text, 2),
            Line::Heads(_) => {}
            Line::Row(row) => {
                let odd = if separation.failed { "failed" } else { "slow" };
                let chance = if row.is_signal { format!("chance {}", row.chance) } else { row.chance };
                let text = format!("{} {}: {} {odd}, {} normal, {chance}", row.name, row.value, row.slow, row.normal);
                page.add(if row.is_signal { Tone::Plain } else { Tone::Quiet }, &text, 2);
            }
        }
    }
}

/// The comparison as one would tell it in a chat: what explains most first.
pub(super) fn copied(app: &App) -> Option<String> {
    let view = shown(app)?;
    let operation = view.operation.as_ref().map(wording::key)?;
    let mut lines = vec![format!("{operation}: {}", headline(view)), format!("trace: {}", view.trace)];
    lines.extend(view.normal.as_ref().map(|normal| format!("normal trace: {}", normal.trace)));
    lines.extend(against(view, app.clock()).into_iter().next());
    let mut rows: Vec<(usize, &Compared)> =
        view.rows.iter().enumerate().filter(|(at, _)| is_notable(view, *at)).collect();
    rows.sort_by_key(|(at, row)| (std::cmp::Reverse(row.contribution_us().unsigned_abs()), *at));
    lines.extend(
        rows.into_iter().take(5).map(|(_, row)| format!("{}: {}", wording::key(&row.key), sentence(view, row))),
    );
    let mut page = Page::new(usize::MAX);
    for separation in &view.separations {
        page.add(Tone::Plain, &format!("{}: {}", wording::key(&separation.key), cohorts(separation)), 0);
        tell(&mut page, separation);
    }
    lines.extend(page.lines.into_iter().filter(|line| line.tone != Tone::Quiet).map(|line| line.text));
    Some(lines.join("\n"))
}
