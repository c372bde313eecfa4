//! The 168 hours of the week of one operation: what is normal in each, what that rests on, and what changed.

use super::analysis::{Page as Text, TextLine, Tone};
use super::keymap::Action;
use super::layout::{Area, PaneArea, Shape};
use super::{App, Effect, Page, list, wording};
use crate::domain::{HourOfWeek, Level, Micros, Severity, SpanKey, Timestamp};
use crate::messages::{
    AlertLimit, CellNumbers, CommandKind, LevelView, PartView, PastView, WeekHour, WeekView, WiderCell,
};

/// A p99 that moved by less is no news; the recalculation counts the same.
const CHANGED_BY: f64 = 0.10;
/// Stretches of the week that differ by less are alike.
const ALIKE: f64 = 0.10;
/// Seconds of an hour that are worth a word.
const WORTH_A_WORD: u32 = 60;

/// What a person did on the page.
#[derive(Debug, Clone, PartialEq)]
pub struct WeekCursor {
    pub asked: SpanKey,
    /// `None` for the hour that runs.
    pub cell: Option<HourOfWeek>,
    pub metric: Metric,
    /// The changed cells are listed instead of the cell.
    pub changes: bool,
    /// The first line that is shown beside the week.
    pub top: usize,
}

/// What the shades tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metric {
    P50,
    P95,
    #[default]
    P99,
    Samples,
    Errors,
}

/// Bounds between four shades.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub bounds: [f64; 3],
}

/// One cell whose p99 is another than in the generation before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Changed {
    pub bucket: HourOfWeek,
    pub before: Micros,
    pub after: Micros,
}

impl WeekCursor {
    #[must_use]
    pub const fn of(asked: SpanKey) -> Self {
        Self { asked, cell: None, metric: Metric::P99, changes: false, top: 0 }
    }

    /// The hour under the cursor.
    #[must_use]
    pub fn cell(&self, view: &WeekView) -> HourOfWeek {
        self.cell.unwrap_or(view.bucket)
    }
}

impl Metric {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Samples => "n",
            Self::Errors => "errors",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::P50 => Self::P95,
            Self::P95 => Self::P99,
            Self::P99 => Self::Samples,
            Self::Samples => Self::Errors,
            Self::Errors => Self::P50,
        }
    }

    /// A bound as the legend writes it.
    #[must_use]
    pub fn write(self, value: f64) -> String {
        match self {
            Self::P50 | Self::P95 | Self::P99 => wording::micros(value).to_string(),
            Self::Samples => wording::count(value.round() as u64),
            Self::Errors => wording::percent(value),
        }
    }
}

impl Scale {
    /// Over the range of what is known: of times and counts in equal ratios, at least a factor of two in all, for a scale
    /// that stretches noise would show a pattern where there is none; of shares in equal steps up to 1 % at least.
    #[must_use]
    pub fn of(metric: Metric, values: &[Option<f64>]) -> Option<Self> {
        let known = || values.iter().flatten().copied();
        let most = known().fold(f64::NEG_INFINITY, f64::max);
        if !most.is_finite() {
            return None;
        }
        if metric == Metric::Errors {
            let most = most.max(0.01);
            return Some(Self { bounds: [most / 4.0, most / 2.0, most * 0.75] });
        }
        let least = known().fold(f64::INFINITY, f64::min).max(1.0);
        let ratio = (most / least).max(2.0);
        Some(Self { bounds: [0.25, 0.5, 0.75].map(|part| least * ratio.powf(part)) })
    }

    /// 0 to 3.
    #[must_use]
    pub fn step(&self, value: f64) -> usize {
        self.bounds.iter().filter(|bound| value >= **bound).count()
    }
}

/// The week that is asked for; another's is never shown.
#[must_use]
pub fn shown<'a>(app: &'a App, cursor: &WeekCursor) -> Option<&'a WeekView> {
    app.topics.week.get().map(|view| &**view).filter(|view| view.asked == cursor.asked)
}

/// Why there is no week to show.
#[must_use]
pub fn note(app: &App, cursor: &WeekCursor) -> String {
    let name = wording::key(&cursor.asked);
    match shown(app, cursor) {
        _ if app.lost.is_some() => "The monitor ended; quit and start again.".to_owned(),
        None => format!("Loading the week of {name}."),
        Some(_) => format!("Nothing was seen of {name} yet, so nothing is known of its week."),
    }
}

/// What each hour is shaded by; `None` where that is not known.
#[must_use]
pub fn values(view: &WeekView, metric: Metric) -> Vec<Option<f64>> {
    if metric == Metric::Errors {
        let mut shares = vec![(0u64, 0u64); view.hours.len()];
        for (bucket, numbers) in parts(view).iter().filter_map(|part| Some((part.bucket, part.numbers?))) {
            if let Some((errors, samples)) = shares.get_mut(bucket.index()) {
                *errors += numbers.errors;
                *samples += numbers.samples;
            }
        }
        return shares.iter().map(|(errors, n)| (*n > 0).then(|| *errors as f64 / *n as f64)).collect();
    }
    let of = |hour: &WeekHour| {
        let cell = hour.own.as_ref().map(|own| &own.cell);
        let duration = match metric {
            Metric::P50 => cell?.p50,
            Metric::P95 => cell?.p95,
            Metric::P99 => cell?.p99,
            Metric::Samples | Metric::Errors => return (hour.samples > 0).then_some(hour.samples as f64),
        };
        Some(duration.0 as f64)
    };
    view.hours.iter().map(of).collect()
}

/// What stands beside an hour's shade, besides the cursor: an alert, maintenance, borrowed.
#[must_use]
pub const fn mark(hour: &WeekHour) -> char {
    if hour.alerts > 0 {
        '!'
    } else if hour.maintenance {
        'm'
    } else if hour.own.is_none() && hour.answers.is_some() {
        '~'
    } else {
        ' '
    }
}

fn parts(view: &WeekView) -> &[PartView] {
    match &view.past {
        Some(PastView::Read { parts, .. }) => parts,
        _ => &[],
    }
}

fn wider(view: &WeekView, level: Level, bucket: HourOfWeek) -> Option<&WiderCell> {
    let at = match level {
        Level::HourOfWeek => return None,
        Level::HourOfDay => usize::from(bucket.hour()),
        Level::DayOfWeek => 24 + usize::from(bucket.day()),
        Level::Global => 31,
    };
    view.wider.get(at)
}

/// The baseline of an hour at a level.
fn numbers_at(view: &WeekView, level: Level, bucket: HourOfWeek) -> Option<&CellNumbers> {
    match level {
        Level::HourOfWeek => view.hours.get(bucket.index())?.own.as_ref(),
        _ => wider(view, level, bucket)?.numbers.as_ref(),
    }
}

/// `Fri 03h`, or `every 03h (borrowed)`: what new spans are judged by.
#[must_use]
pub fn compared_now(view: &WeekView) -> String {
    match view.hours.get(view.bucket.index()).and_then(|hour| hour.answers) {
        _ if view.learning.is_some() => "nothing yet, a new level is being learnt".to_owned(),
        None => "nothing yet, too few samples".to_owned(),
        Some(Level::HourOfWeek) => view.bucket.to_string(),
        Some(level) => format!("{} (in {} too few samples)", level.describe(view.bucket), view.bucket),
    }
}

/// All that is known of the hour under the cursor.
#[must_use]
pub fn cell_lines(cursor: &WeekCursor, view: &WeekView, width: usize) -> Vec<TextLine> {
    let mut text = Text::new(width);
    let bucket = cursor.cell(view);
    let Some(hour) = view.hours.get(bucket.index()) else { return text.lines };
    let on = match hour.days {
        0 => String::new(),
        days => format!(" on {}", wording::plural(u64::from(days), "day")),
    };
    text.add(Tone::Heading, &format!("{bucket}  n {}{on}", wording::thousands(hour.samples)), 2);
    let answering = hour.answers.and_then(|level| numbers_at(view, level, bucket));
    match (hour.answers, answering) {
        (Some(level), Some(numbers)) => {
            if level != Level::HourOfWeek {
                let source = level.describe(bucket);
                let text_of = format!("borrowed from {source}, n {}", wording::thousands(numbers.cell.samples));
                text.add(Tone::Plain, &text_of, 2);
            }
            distribution(&mut text, view, bucket, numbers, level);
        }
        _ => text.add(Tone::Plain, "No level has enough samples: nothing is judged in this hour.", 2),
    }
    each_week(&mut text, view, bucket);
    if let (Some(level), Some(numbers)) = (hour.answers, answering) {
        cut_offs(&mut text, width, numbers, level, bucket);
    }
    if let Some(level) = hour.tests
        && let Some(numbers) = numbers_at(view, level, bucket)
    {
        limits(&mut text, width, numbers);
    }
    answers(&mut text, view, hour, bucket);
    neighbours(&mut text, view, bucket);
    if hour.alerts > 0 {
        let rated = match (hour.useful, hour.noise) {
            (0, 0) => ", none rated".to_owned(),
            (useful, noise) => format!(", rated {useful} useful, {noise} noise"),
        };
        let line = format!("30 days: {} in this hour{rated}", wording::plural(u64::from(hour.alerts), "alert"));
        text.add(Tone::Plain, &line, 2);
    }
    text.lines
}

/// Percentiles, mean and deviation; the largest call where its own samples are the ones.
fn distribution(text: &mut Text, view: &WeekView, bucket: HourOfWeek, numbers: &CellNumbers, level: Level) {
    let cell = &numbers.cell;
    text.add(
        Tone::Plain,
        &format!("p50 {:<6} p90 {:<6} p95 {}", cell.p50.to_string(), cell.p90.to_string(), cell.p95),
        0,
    );
    let most = parts(view).iter().filter(|part| part.bucket == bucket).filter_map(|part| part.numbers);
    let most = most.map(|numbers| numbers.max).max().filter(|_| level == Level::HourOfWeek);
    let most = most.map_or_else(String::new, |max| format!(" max {max}"));
    text.add(Tone::Plain, &format!("p99 {:<6} p99.9 {:<6}{most}", cell.p99.to_string(), cell.p99_9.to_string()), 0);
    let (mean, sigma) = (wording::micros(cell.mean_us), wording::micros(cell.sigma_us));
    text.add(Tone::Plain, &format!("mean {mean}, sigma {sigma}"), 0);
}

/// Mildest first; a star where a wider level lent it.
fn cut_offs(text: &mut Text, width: usize, numbers: &CellNumbers, level: Level, bucket: HourOfWeek) {
    let cell = &numbers.cell;
    let mut lent: Option<Level> = None;
    let mut told = Vec::new();
    for severity in Severity::ALL.into_iter().rev() {
        let from = cell.cut_off_levels.get(severity.index()).copied().unwrap_or(level);
        let star = if from > level { "*" } else { "" };
        if from > level {
            lent = lent.max(Some(from));
        }
        let at = cell.cut_offs.get(severity.index()).copied().flatten();
        told.push(at.map_or_else(|| format!("{severity} -"), |at| format!("{severity} {at}{star}")));
    }
    text.gap();
    items(text, width, "cut-offs", &told);
    if let Some(lent) = lent {
        text.add(Tone::Quiet, &format!("  * by the deviation of {}", lent.describe(bucket)), 2);
    }
}

/// What the alert test counts.
fn limits(text: &mut Text, width: usize, numbers: &CellNumbers) {
    let limit = |(severity, limit): (Severity, &AlertLimit)| match limit.above {
        Some(above) => format!("{severity} {above} {}", wording::share(f64::from(limit.share))),
        None => format!("{severity} -"),
    };
    let mut told: Vec<String> = Severity::ALL.into_iter().zip(&numbers.limits).map(limit).collect();
    told.reverse();
    items(text, width, "alerts count above", &told);
}

/// A name and several pieces, none of which is broken over two lines.
fn items(text: &mut Text, width: usize, name: &str, pieces: &[String]) {
    let mut line = name.to_owned();
    for piece in pieces {
        if line.len() + 2 + piece.len() > width && !line.is_empty() {
            text.add(Tone::Plain, &line, 2);
            line = String::new();
        }
        line.push_str("  ");
        line.push_str(piece);
    }
    text.add(Tone::Plain, &line, 2);
}

/// Which level answers, and why; and what would if its samples were fewer.
fn answers(text: &mut Text, view: &WeekView, hour: &WeekHour, bucket: HourOfWeek) {
    text.gap();
    let judged = match hour.answers {
        None => format!("spans: not judged, n {} of {} needed", hour.samples, view.needs),
        Some(Level::HourOfWeek) => {
            format!("spans judged by {bucket}: n {} >= {}", wording::count(hour.samples), view.needs)
        }
        Some(level) => {
            format!("spans judged by {}: own n {} < {}", level.describe(bucket), hour.samples, view.needs)
        }
    };
    text.add(Tone::Plain, &judged, 2);
    let needs = format!("n >= {} on 2 days", view.needs_to_test);
    let tested = match hour.tests {
        None => "alerts: not tested, nothing is known".to_owned(),
        Some(Level::HourOfWeek) => format!("alerts tested by it: {needs}"),
        Some(level) => {
            let own = format!("own n {} on {}", wording::count(hour.samples), wording::plural(hour.days.into(), "day"));
            format!("alerts tested by {}: {own}, needs {needs}", level.describe(bucket))
        }
    };
    text.add(Tone::Plain, &tested, 2);
    let chain: Vec<String> = [Level::HourOfDay, Level::DayOfWeek, Level::Global]
        .into_iter()
        .filter_map(|level| Some((level, wider(view, level, bucket)?)))
        .map(|(level, cell)| format!("{} n {}", level.describe(bucket), wording::count(cell.samples)))
        .collect();
    text.add(Tone::Plain, &format!("if thin: {}", chain.join(", ")), 2);
}

/// What each week gave to the hour, oldest first.
fn each_week(text: &mut Text, view: &WeekView, bucket: HourOfWeek) {
    text.gap();
    match &view.past {
        None => return text.add(Tone::Quiet, "per week: being read", 2),
        Some(PastView::Failed(why)) => return text.add(Tone::Trouble, &format!("per week: {why}"), 2),
        Some(PastView::Read { .. }) => text.add(Tone::Heading, "per week", 0),
    }
    let mut none = true;
    for part in parts(view).iter().filter(|part| part.bucket == bucket) {
        none = false;
        text.add(Tone::Plain, &format!("{:>6}  {}", wording::day(part.day), part_text(part)), 8);
    }
    if none {
        text.add(Tone::Quiet, "this hour has not been watched yet", 2);
    }
}

/// `226ms  n 7,061`, `in an incident, not learnt`.
fn part_text(part: &PartView) -> String {
    let of = |seconds: u32, why: &str| (seconds >= WORTH_A_WORD).then(|| format!("{}m {why}", seconds / 60));
    if let Some(numbers) = part.numbers {
        let mut told = format!("{:>6}  n {}", numbers.p99.to_string(), wording::thousands(numbers.samples));
        let left_out =
            [of(part.incident_s, "in an incident"), of(part.maintenance_s, "maintenance"), of(part.gap_s, "not known")];
        for why in left_out.into_iter().flatten() {
            told.push_str(&format!(", {why}"));
        }
        return told;
    }
    let reasons = [
        (part.incident_s, "in an incident, not learnt"),
        (part.maintenance_s, "maintenance, not learnt"),
        (part.gap_s, "gap, not known"),
        (part.waiting_s, "not learnt yet"),
    ];
    let reason = reasons.iter().max_by_key(|(seconds, _)| *seconds).filter(|(seconds, _)| *seconds >= WORTH_A_WORD);
    reason.map_or("no calls", |(_, why)| why).to_owned()
}

/// How the hours before and after differ.
fn neighbours(text: &mut Text, view: &WeekView, bucket: HourOfWeek) {
    let p99 = |bucket: HourOfWeek| Some(view.hours.get(bucket.index())?.own.as_ref()?.cell.p99);
    let Some(own) = p99(bucket) else { return };
    let told: Vec<String> = [step(bucket, HourOfWeek::COUNT - 1), step(bucket, 1)]
        .into_iter()
        .map(|other| match p99(other) {
            Some(p99) => format!("{other} {p99} {}", wording::change(own, p99)),
            None => format!("{other} -"),
        })
        .collect();
    text.gap();
    text.add(Tone::Plain, &format!("neighbours {}", told.join(", ")), 2);
}

fn step(bucket: HourOfWeek, hours: usize) -> HourOfWeek {
    let at = (bucket.index() + hours) % HourOfWeek::COUNT;
    HourOfWeek::new((at / 24) as u8, (at % 24) as u8)
}

/// How far the week can be trusted, whether it drifts, its shape, and accepted levels.
#[must_use]
pub fn fact_lines(app: &App, view: &WeekView, width: usize) -> Vec<TextLine> {
    let mut text = Text::new(width);
    let count = |which: &dyn Fn(&WeekHour) -> bool| view.hours.iter().filter(|hour| which(hour)).count();
    let full = count(&|hour| hour.own.is_some());
    let borrowed = count(&|hour| hour.own.is_none() && hour.answers.is_some());
    let mut trust = format!("TRUST  {full} of {} cells full (n >= {})", view.hours.len(), view.needs);
    for (n, what) in [
        (borrowed, "borrowed"),
        (view.hours.len() - full - borrowed, "unknown"),
        (count(&|hour| hour.maintenance), "maintenance"),
    ] {
        if n > 0 {
            trust.push_str(&format!(", {n} {what}"));
        }
    }
    if let Some(learning) = app.topics.learning.get() {
        let days = |hours: u32| f64::from(hours) / 24.0;
        let (known, wanted) = (days(learning.hours_known), days(learning.hours_wanted));
        trust.push_str(&format!("; history {known:.1} of {wanted:.0} days"));
    }
    trust.push_str(&format!("; zone {}", view.zone));
    text.add(Tone::Plain, &trust, 7);
    if let Some(n) = view.learning {
        text.add(Tone::Plain, &format!("LEVEL  a new level is being learnt: n {n}, not judged yet"), 7);
    }
    if let Some(level) = accepted(app, &view.key) {
        let LevelView { level, .. } = level;
        let since = app.clock().date(level.since);
        text.add(Tone::Plain, &format!("LEVEL  new since {since}, accepted by {}; ! undoes it", level.by), 7);
    }
    if let Some(shape) = shape(view) {
        text.add(Tone::Plain, &format!("SHAPE  {shape}"), 7);
    }
    if let Some(PastView::Read { drift, .. }) = &view.past {
        let told: Vec<String> = drift
            .iter()
            .map(|drift| drift.map_or_else(|| "-".to_owned(), |drift| format!("{:+.0}%", drift * 100.0)))
            .collect();
        let drift = format!("DRIFT  {}  p99 of 4 weeks, each against all weeks before it", told.join("  "));
        text.add(Tone::Plain, &drift, 7);
    }
    text.lines
}

fn accepted<'a>(app: &'a App, key: &SpanKey) -> Option<&'a LevelView> {
    let levels = app.topics.levels.get().map_or(&[][..], Vec::as_slice);
    levels.iter().find(|view| view.level.keys.binary_search(key).is_ok())
}

/// Working hours against nights, and the weekend against other days, by the median p99 of their own cells; nothing where
/// half of the cells are not known.
#[must_use]
pub fn shape(view: &WeekView) -> Option<String> {
    let median = |which: &dyn Fn(HourOfWeek) -> bool| {
        let buckets = HourOfWeek::all().zip(&view.hours).filter(|(bucket, _)| which(*bucket));
        let (mut known, mut all) = (Vec::new(), 0);
        for (_, hour) in buckets {
            all += 1;
            known.extend(hour.own.as_ref().map(|own| own.cell.p99.0 as f64));
        }
        known.sort_by(f64::total_cmp);
        known.get(known.len() / 2).copied().filter(|_| known.len() * 2 >= all)
    };
    let weekday = |bucket: HourOfWeek| bucket.day() < 5;
    let work = median(&|bucket| weekday(bucket) && (9..17).contains(&bucket.hour()))?;
    let night = median(&|bucket| weekday(bucket) && bucket.hour() < 6)?;
    let mut told = against("weekdays 09-17h", "their nights 00-06h", work, night);
    let weekend = median(&|bucket| !weekday(bucket));
    if let (Some(weekend), Some(week)) = (weekend, median(&weekday)) {
        told.push_str(&format!("; {}", against("weekend", "weekdays", weekend, week)));
    }
    Some(told)
}

fn against(what: &str, other: &str, a: f64, b: f64) -> String {
    let ratio = a / b.max(1.0);
    if (1.0 - ALIKE..=1.0 + ALIKE).contains(&ratio) {
        format!("{what} like {other}")
    } else {
        format!("{what} {}x {other}", wording::times(ratio))
    }
}

/// The cells whose p99 moved by more than a tenth against the generation before, the largest moves first, and the number of
/// that generation. `None` where there is none, or it was not read yet.
#[must_use]
pub fn changed(view: &WeekView) -> Option<(u64, usize, Vec<Changed>)> {
    let Some(PastView::Read { former: Some((number, former)), .. }) = &view.past else { return None };
    let mut compared = 0;
    let mut changed = Vec::new();
    for ((bucket, hour), before) in HourOfWeek::all().zip(&view.hours).zip(former) {
        let (Some(own), Some(before)) = (&hour.own, *before) else { continue };
        let after = own.cell.p99;
        compared += 1;
        if after.0.abs_diff(before.0) as f64 > CHANGED_BY * before.0 as f64 {
            changed.push(Changed { bucket, before, after });
        }
    }
    let size = |c: &Changed| (c.after.0.max(1) as f64 / c.before.0.max(1) as f64).ln().abs();
    changed.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.bucket.cmp(&b.bucket)));
    Some((*number, compared, changed))
}

/// Every changed cell of the operation.
#[must_use]
pub fn change_lines(view: &WeekView, width: usize) -> Vec<TextLine> {
    let mut text = Text::new(width);
    let Some((number, compared, changed)) = changed(view) else {
        let why = match &view.past {
            None => "Being read.".to_owned(),
            Some(PastView::Failed(why)) => why.clone(),
            Some(PastView::Read { .. }) => {
                "No generation before this one is kept that knows this operation.".to_owned()
            }
        };
        text.add(Tone::Plain, &why, 0);
        return text.lines;
    };
    let head = format!(
        "generation {} against {number}: {} of {} moved their p99 by more than 10%",
        view.generation,
        changed.len(),
        wording::plural(compared as u64, "cell"),
    );
    text.add(Tone::Heading, &head, 2);
    for Changed { bucket, before, after } in changed {
        let change = wording::change(before, after);
        let line = format!("{bucket}  {:>6} -> {:>6}  {change}", before.to_string(), after.to_string());
        text.add(Tone::Plain, &line, 2);
    }
    text.lines
}

/// What stands beside the week.
#[must_use]
pub fn beside(cursor: &WeekCursor, view: &WeekView, width: usize) -> Vec<TextLine> {
    if cursor.changes { change_lines(view, width) } else { cell_lines(cursor, view, width) }
}

/// Columns of the week with two columns of shade and a mark for each hour, and with one, without what is left of it.
const WIDE: u16 = 78;
const NARROW: u16 = 53;
/// Fewer columns beside the week are no room for its hours.
const LEAST_BESIDE: u16 = 24;
/// The rule, the hours' names, seven days and the legend.
const WEEK_LINES: u16 = 11;

/// Which part of the page is where.
#[derive(Debug, Clone, Copy)]
pub struct WeekLayout {
    pub shape: Shape,
    pub title: Area,
    pub said: Area,
    /// The week with its legend; of narrow screens one day.
    pub week: Area,
    /// What is told of the whole week.
    pub facts: Area,
    /// What is told of the hour under the cursor.
    pub beside: PaneArea,
    pub gutter: Option<Area>,
}

impl WeekLayout {
    #[must_use]
    pub fn of(size: (u16, u16)) -> Self {
        let screen = Area::new(0, 0, size.0, size.1);
        let shape = Shape::of(size);
        let body = screen.top(size.1.saturating_sub(if size.1 >= 12 { 2 } else { 1 })).below(2);
        let padded = |area: Area| Area { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let mut layout = Self {
            shape,
            title: screen.line(0),
            said: padded(screen.line(1)),
            week: body.top(WEEK_LINES),
            facts: Area::default(),
            beside: PaneArea::default(),
            gutter: None,
        };
        let columns = if shape == Shape::Four { WIDE } else { NARROW };
        match shape {
            Shape::Four | Shape::Tabs if body.width >= columns + 2 + LEAST_BESIDE => {
                let pane = Area { x: columns + 2, width: body.width - columns - 2, ..body };
                layout.week.width = columns;
                // Where there is room, a line of air.
                let facts = body.below(WEEK_LINES + u16::from(shape == Shape::Four));
                layout.facts = padded(Area { width: columns, ..facts });
                layout.gutter = Some(Area { x: columns, width: 1, ..body.below(1) });
                layout.beside =
                    PaneArea { title: Some(pane.line(0)), body: Area { width: pane.width - 1, ..pane.below(1) } };
            }
            Shape::Four | Shape::Tabs => {
                let below = body.below(WEEK_LINES);
                layout.beside = PaneArea { title: Some(below.line(0)), body: padded(below.below(1)) };
            }
            Shape::Narrow | Shape::Tiny => {
                layout.week = body.top(3);
                layout.beside = PaneArea { title: None, body: padded(body.below(3)) };
            }
        }
        layout
    }

    /// Columns and lines of what is told of the hour under the cursor.
    fn room(&self) -> (usize, usize) {
        (usize::from(self.beside.body.width), usize::from(self.beside.body.height))
    }
}

/// The hour as one would tell it in a chat.
pub(super) fn copied(app: &App) -> Option<String> {
    let Some(Page::Week(cursor)) = app.page() else { return None };
    let view = shown(app, cursor).filter(|view| !view.hours.is_empty())?;
    let lines = beside(cursor, view, usize::MAX);
    let told = lines.iter().map(|line| line.text.trim_end()).filter(|line| !line.is_empty());
    let name = format!("{} ({})", wording::key(&view.key), view.zone);
    Some([name.as_str()].into_iter().chain(told).collect::<Vec<_>>().join("\n"))
}

impl App {
    /// Opens the week of what is selected, or goes back from it.
    pub(super) fn open_week(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(key) = self.operation_at_hand() else {
            self.say("Select an operation to see its week.", false, now);
            return;
        };
        effects.push(Effect::Send(CommandKind::ShowWeek { key: key.clone() }));
        self.view.pages.open(Page::Week(WeekCursor::of(key)), self.view.trace.is_some());
    }

    fn week_cursor(&mut self) -> Option<&mut WeekCursor> {
        match self.view.pages.shown_mut(self.view.trace.is_some()) {
            Some(Page::Week(cursor)) => Some(cursor),
            _ => None,
        }
    }

    /// The operation whose week is shown.
    pub(super) fn week_key(&self) -> Option<&SpanKey> {
        let Some(Page::Week(cursor)) = self.page() else { return None };
        Some(shown(self, cursor).map_or(&cursor.asked, |view| &view.key))
    }

    /// Whether the week is what is shown.
    pub(super) fn is_week(&self) -> bool {
        matches!(self.page(), Some(Page::Week(_)))
    }

    /// The operation after the one that is shown, or before it.
    pub(super) fn next_operation(&mut self, forward: bool, effects: &mut Vec<Effect>) {
        let Some(Page::Week(cursor)) = self.page() else { return };
        let Some(view) = shown(self, cursor) else { return };
        let Some(key) = (if forward { view.next.clone() } else { view.previous.clone() }) else { return };
        if key == view.key {
            return;
        }
        let cell = cursor.cell;
        if let Some(cursor) = self.week_cursor() {
            *cursor =
                WeekCursor { cell, metric: cursor.metric, changes: cursor.changes, ..WeekCursor::of(key.clone()) };
        }
        effects.push(Effect::Send(CommandKind::ShowWeek { key }));
    }

    pub(super) fn next_metric(&mut self) {
        if let Some(cursor) = self.week_cursor() {
            cursor.metric = cursor.metric.next();
        }
    }

    pub(super) fn show_changes(&mut self) {
        if let Some(cursor) = self.week_cursor() {
            (cursor.changes, cursor.top) = (!cursor.changes, 0);
        }
    }

    pub(super) fn go_in_week(&mut self, action: Action) {
        let (width, height) = WeekLayout::of(self.size).room();
        let Some(Page::Week(cursor)) = self.page() else { return };
        let Some(view) = shown(self, cursor).filter(|view| !view.hours.is_empty()) else { return };
        let at = cursor.cell(view);
        let end = beside(cursor, view, width).len().saturating_sub(height);
        let top = cursor.top.min(end);
        let Some(cursor) = self.week_cursor() else { return };
        let day = at.day();
        cursor.cell = Some(match action {
            Action::PageUp | Action::PageDown => {
                cursor.top = list::moved(action, top, end + 1, height);
                return;
            }
            Action::Up => step(at, HourOfWeek::COUNT - 24),
            Action::Down => step(at, 24),
            Action::HourBefore => step(at, HourOfWeek::COUNT - 1),
            Action::HourAfter => step(at, 1),
            Action::First => HourOfWeek::new(day, 0),
            Action::Last => HourOfWeek::new(day, 23),
            _ => at,
        });
        if !cursor.changes {
            cursor.top = 0;
        }
    }
}

#[cfg(test)]
#[path = "week_tests.rs"]
mod tests;
