//! Everything that is known of the span under the cursor of a waterfall, or of several that are one row.

use super::analysis::{Page, TextLine, Tone};
use super::compare::Line;
use super::trace::Shown;
use super::waterfall::{Group, Kind};
use super::{App, compare, wording};
use crate::domain::{Attributes, Level, Micros, SpanEvent, SpanKey, SpanKind, Timestamp};
use crate::messages::{Normal, Waterfall, WaterfallSpan};

/// The name and the id of what is under the cursor.
#[must_use]
pub fn title(app: &App) -> (String, String) {
    match shown(app) {
        Some((_, Shown::Span(_, span))) => (wording::key(&span.key), format!("span {}", span.id)),
        Some((_, Shown::Group(group, first))) => (group_name(group, first), String::new()),
        None => (String::new(), String::new()),
    }
}

/// The key of the span under the cursor.
#[must_use]
pub fn key_at_hand(app: &App) -> Option<&SpanKey> {
    match shown(app)? {
        (_, Shown::Span(_, span) | Shown::Group(_, span)) => Some(&span.key),
    }
}

/// `12 × exchange-api redis GET`, `38 quiet spans`.
#[must_use]
pub fn group_name(group: &Group, first: &WaterfallSpan) -> String {
    match group.kind() {
        Kind::Alike => format!("{} × {}", wording::count(group.members.len() as u64), wording::key(&first.key)),
        Kind::Quiet => format!("{}, none above {}", wording::plural(group.spans.into(), "quiet span"), group.longest),
    }
}

/// The text over the whole screen, wrapped to `width` columns.
#[must_use]
pub fn lines(app: &App, width: usize) -> Vec<TextLine> {
    let mut page = Page::new(width);
    match shown(app) {
        Some((waterfall, Shown::Span(number, span))) => {
            facts(&mut page, app, waterfall, number, span);
            if !span.events.is_empty() {
                page.gap();
                page.add(Tone::Heading, "EVENTS", 0);
            }
            for event in &span.events {
                let line = format!("{}  {}", self::event(event, waterfall, span), attributes(&event.attributes));
                page.add(Tone::Plain, line.trim_end(), 2);
            }
            if let Some(separation) = compare::shown(app).and_then(|view| compare::separation_of(view, &span.key)) {
                page.gap();
                page.add(Tone::Heading, &format!("DIFFERS FROM NORMAL, {}", compare::cohorts(separation)), 0);
                compare::tell(&mut page, separation);
            }
            page.gap();
            page.add(Tone::Heading, "ATTRIBUTES", 0);
            pairs(&mut page, span.attributes.iter(), "none");
            page.gap();
            page.add(Tone::Heading, "PROCESS", 0);
            pairs(&mut page, span.resource.iter(), "nothing but its service's name");
        }
        Some((waterfall, Shown::Group(group, _))) => {
            several(&mut page, app, waterfall, group);
            page.gap();
            page.add(Tone::Heading, "LONGEST", 0);
            longest(&mut page, app, group);
        }
        None => {}
    }
    page.lines
}

/// The same in at most `height` lines: the numbers, then what is different from normal, or as many attributes as fit.
#[must_use]
pub fn short_lines(app: &App, width: usize, height: usize) -> Vec<Line> {
    let mut page = Page::new(width);
    let mut differs = Vec::new();
    match shown(app) {
        Some((waterfall, Shown::Span(number, span))) => {
            facts(&mut page, app, waterfall, number, span);
            if let Some(first) = span.events.first() {
                let count = wording::plural(span.events.len() as u64, "event");
                page.add(Tone::Plain, &format!("{count}, the first {}", event(first, waterfall, span)), 2);
            }
            let room = height.saturating_sub(page.lines.len());
            let separation = compare::shown(app).and_then(|view| compare::separation_of(view, &span.key));
            // Fewer lines hold the heads and no news.
            if let Some(separation) = separation.filter(|_| room >= 3) {
                differs = compare::differs(separation, width, room);
            }
            if page.lines.len() + differs.len() < height {
                page.add(Tone::Quiet, &attributes(&span.attributes), 0);
            }
        }
        Some((waterfall, Shown::Group(group, _))) => several(&mut page, app, waterfall, group),
        None => {}
    }
    let mut lines: Vec<Line> = page.lines.into_iter().map(|line| Line::Text(line.tone, line.text)).collect();
    lines.truncate(height.saturating_sub(differs.len()));
    lines.extend(differs);
    lines
}

fn shown(app: &App) -> Option<(&Waterfall, Shown<'_>)> {
    let cursor = app.view.trace.as_ref()?;
    let waterfall = app.trace.waterfall(cursor.trace)?;
    Some((waterfall, app.trace.shown(app.trace.rows.get(cursor.row)?)?))
}

fn facts(page: &mut Page, app: &App, waterfall: &Waterfall, number: u32, span: &WaterfallSpan) {
    let whole = waterfall.duration.0.max(1) as f64;
    let share = |part: Micros| match part.0 as f64 / whole {
        tiny if tiny > 0.0 && tiny < 0.001 => "under 0.1%".to_owned(),
        share => wording::percent(share),
    };
    let mut when = format!(
        "starts at +{}, takes {} ({} of the trace), {} of its own",
        span.offset,
        span.duration,
        share(span.duration),
        span.self_time,
    );
    if span.critical_time > Micros::ZERO {
        when.push_str(&format!(", {} on the critical path ({})", span.critical_time, share(span.critical_time)));
    }
    if span.waited > Micros::ZERO {
        when.push_str(&format!(", {} after its parent had ended", span.waited));
    }
    page.add(Tone::Plain, &when, 2);
    page.add(Tone::Plain, &normal(span), 2);
    let recorded = recorded_start(waterfall, span);
    let exact = wording::thousands(span.duration.0);
    let mut raw = format!("{}; recorded {}, {exact} us", status(span), app.clock().exact(recorded));
    if span.moved_us != 0 {
        let direction = if span.moved_us > 0 { "later" } else { "earlier" };
        let by = Micros(span.moved_us.unsigned_abs());
        let caller = app.trace.parent_of(number).map_or("its caller", |parent| &parent.key.service);
        raw.push_str(&format!("; drawn {by} {direction}, by the clock of {caller}"));
    }
    page.add(if span.error { Tone::Trouble } else { Tone::Plain }, &raw, 2);
}

/// `+620ms retry`, after the trace's start as it is drawn.
fn event(event: &SpanEvent, waterfall: &Waterfall, span: &WaterfallSpan) -> String {
    let recorded = recorded_start(waterfall, span);
    let after = match event.at >= recorded {
        true => format!("+{}", Micros(span.offset.0.saturating_add(event.at.since(recorded).0))),
        // Somebody's clock; at least it is no news.
        false => format!("{} before it began", recorded.since(event.at)),
    };
    format!("{after} {}", event.name)
}

/// `attempt=2  reason=timeout`; of endless ones the first thousand.
fn attributes(attributes: &Attributes) -> String {
    let pairs: Vec<String> = attributes.iter().take(1_000).map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("  ")
}

fn recorded_start(waterfall: &Waterfall, span: &WaterfallSpan) -> Timestamp {
    let drawn = waterfall.start + span.offset;
    Timestamp(drawn.0.saturating_sub(span.moved_us))
}

/// `normal of Fri 03h: p50 96ms, p99 224ms (n = 5204); above p99.9, 9.3 x p99, S1`
fn normal(span: &WaterfallSpan) -> String {
    let Normal::Known { p50, p99, samples, level, bucket, above } = span.normal else {
        return no_baseline(span.normal);
    };
    let wider = match level {
        Level::HourOfWeek => String::new(),
        _ => format!("; {bucket} alone has too few"),
    };
    let place = match above {
        None => "at or below the median".to_owned(),
        Some(thousandths) => format!("above {}", percentile(thousandths)),
    };
    let times = wording::times(span.duration.0 as f64 / p99.0.max(1) as f64);
    let severity = span.severity.map_or_else(String::new, |severity| format!(", {severity}"));
    format!(
        "normal of {}: p50 {p50}, p99 {p99} (n = {samples}{wider}); {place}, {times} x p99{severity}",
        level.describe(bucket),
    )
}

/// `no baseline (n = 3)`
#[must_use]
pub fn no_baseline(normal: Normal) -> String {
    match normal {
        Normal::Unknown { samples } | Normal::Known { samples, .. } => {
            format!("no baseline (n = {})", wording::count(samples))
        }
    }
}

/// `p50`, `p99`, `p99.9`.
#[must_use]
pub fn percentile(thousandths: u16) -> String {
    match (thousandths / 10, thousandths % 10) {
        (percent, 0) => format!("p{percent}"),
        (percent, tenths) => format!("p{percent}.{tenths}"),
    }
}

/// `consumer, failed: connection refused`
fn status(span: &WaterfallSpan) -> String {
    let said = ["exception.message", "otel.status_description", "exception.type"]
        .into_iter()
        .find_map(|key| span.attributes.get(key))
        .filter(|message| !message.is_empty());
    let status = match (span.error, said, span.attributes.get("otel.status_code")) {
        (true, Some(message), _) => format!("failed: {message}"),
        (true, None, _) => "failed without a message".to_owned(),
        (false, _, Some("OK")) => "status OK".to_owned(),
        (false, ..) => "status unset".to_owned(),
    };
    match span.key.kind {
        SpanKind::Unspecified => status,
        kind => format!("{}, {status}", kind.name()),
    }
}

fn several(page: &mut Page, app: &App, waterfall: &Waterfall, group: &Group) {
    let members = group.members.len() as u64;
    let below = u64::from(group.spans) - members.min(group.spans.into());
    let below = if below > 0 { format!(" with {} below", wording::plural(below, "span")) } else { String::new() };
    let share = wording::percent(group.covered.0 as f64 / waterfall.duration.0.max(1) as f64);
    let overlap = group.sum.0 as f64 / group.covered.0.max(1) as f64;
    let how = if overlap < 1.05 { "one after the other".to_owned() } else { format!("{overlap:.1} at a time") };
    let sum = format!(
        "{} spans{below}: {} together, {} the longest, {} on average; {how}, in {} ({share} of the trace)",
        wording::count(members),
        group.sum,
        group.longest,
        Micros(group.sum.0 / members.max(1)),
        group.covered,
    );
    page.add(Tone::Plain, &sum, 2);
    if group.critical_time > Micros::ZERO {
        page.add(Tone::Plain, &format!("{} of it on the critical path", group.critical_time), 2);
    }
    match group.kind() {
        Kind::Alike => {
            if let Some(span) = group.longest_first.first().and_then(|span| app.trace.span(*span)) {
                page.add(Tone::Plain, &format!("the longest: {}", normal(span)), 2);
            }
        }
        Kind::Quiet => {
            let services: Vec<&str> = group
                .services
                .iter()
                .filter_map(|member| app.trace.span(*member))
                .map(|span| &*span.key.service)
                .collect();
            let what = format!("none failed, none is slow, each is under 0.5% of the trace: {}", services.join(", "));
            page.add(Tone::Plain, &what, 2);
        }
    }
}

/// The slowest few of several.
fn longest(page: &mut Page, app: &App, group: &Group) {
    for span in group.longest_first.iter().filter_map(|span| app.trace.span(*span)) {
        let line = format!("{} at +{}  {}  span {}", span.duration, span.offset, wording::key(&span.key), span.id);
        page.add(Tone::Plain, &line, 2);
    }
}

fn pairs<'a>(page: &mut Page, pairs: impl Iterator<Item = (&'a str, &'a str)>, none: &str) {
    let before = page.lines.len();
    for (key, value) in pairs {
        page.add(Tone::Plain, &format!("{key} = {value}"), 2);
    }
    if page.lines.len() == before {
        page.add(Tone::Quiet, none, 0);
    }
}
