//! One trace as a waterfall: the tree, bars on its time axis, the critical path by a heavier line, and beside each span
//! what is normal for it.

use ratatui::style::Style;

use super::pen::Pen;
use super::{analysis, compare, footer, glyphs};
use crate::app::layout::{Area, TraceLayout};
use crate::app::waterfall::{Kind, Row, What};
use crate::app::{App, Shown, TraceCursor, freshness, span, wording};
use crate::domain::{Level, Micros, Timestamp};
use crate::messages::{Normal, SourceKind, TraceState, Waterfall, WaterfallSpan};

/// Widths of the columns; zero for one that does not fit.
#[derive(Debug, Default)]
struct Columns {
    name: u16,
    bars: u16,
    duration: u16,
    own: u16,
    p99: u16,
    percentile: u16,
    samples: u16,
    /// The severity, and a mark of what failed.
    severity: u16,
}

/// A sentence is not begun where fewer columns than this are left.
const FEWEST: u16 = 24;

impl Columns {
    fn of(width: u16) -> Self {
        let room = width.saturating_sub(1);
        let mut columns = Self { duration: 7, severity: 4, ..Self::default() };
        if width >= 60 {
            columns = Self { duration: 8, own: 8, percentile: 7, ..columns };
        }
        if width >= 110 {
            columns = Self { p99: 8, samples: 7, ..columns };
        }
        let left = room.saturating_sub(columns.numbers());
        // Names need about so much; beyond that bars use the width better.
        let name = match width {
            0..60 => left.saturating_sub(8),
            60..110 => left * 4 / 7,
            _ => (left / 2).min(64),
        };
        Self { name, bars: left - name, ..columns }
    }

    const fn normal(&self) -> u16 {
        self.p99 + self.percentile + self.samples
    }

    const fn numbers(&self) -> u16 {
        self.duration + self.own + self.normal() + self.severity
    }
}

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &TraceCursor, layout: &TraceLayout, now: Timestamp) {
    if let Some(compared) = &cursor.compare {
        return compare::draw(pen, app, cursor, compared, layout, now);
    }
    title(pen, app, cursor, layout.title);
    footer::draw(pen, app, layout.footer_rule, layout.keys, now);
    trust(pen, app, cursor, layout.trust, app.shown_at(now));
    let head = pen.theme.title(true);
    let Some(waterfall) = app.trace.waterfall(cursor.trace) else {
        let text = match app.trace.state(cursor.trace) {
            Some(TraceState::Failed(why)) => why.as_str(),
            _ => "Fetching the trace.",
        };
        pen.rule(layout.rule, "Waterfall", head, "", pen.theme.quiet());
        return super::note(pen, layout.rows, text);
    };
    if let Some(top) = cursor.detail {
        return whole(pen, app, layout, top);
    }
    pen.rule(layout.rule, "Waterfall", head, &remark(app, cursor, waterfall, layout.rule.width), pen.theme.quiet());
    if waterfall.spans.is_empty() {
        return super::note(pen, layout.rows, "The trace has no spans that can be shown.");
    }
    let columns = Columns::of(layout.rows.width);
    heads(pen, &columns, waterfall.duration, layout.columns);
    let rows = app.trace.rows.rows.iter().enumerate().skip(cursor.offset).take(layout.page());
    for (line, (number, row)) in rows.enumerate() {
        let line = layout.rows.line(line as u16);
        super::cursor(pen, line, number == cursor.row, true);
        let Some(shown) = app.trace.shown(row) else { continue };
        let mut x = name(pen, app, number, row, &shown, &columns, line);
        x = bars(pen, &shown, waterfall.duration, x, &columns, line);
        numbers(pen, &shown, x, &columns, line);
    }
    if let Some(area) = layout.detail {
        let (name, id) = span::title(app);
        if let Some(title) = area.title {
            pen.rule(title, &name, Style::new(), &id, pen.theme.quiet());
        }
        let body = Area { x: area.body.x + 1, width: area.body.width.saturating_sub(2), ..area.body };
        let lines = span::short_lines(app, usize::from(body.width), usize::from(body.height));
        compare::lines(pen, &lines, body);
    }
}

/// Everything about what is under the cursor.
fn whole(pen: &mut Pen<'_>, app: &App, layout: &TraceLayout, top: usize) {
    let (name, id) = span::title(app);
    let lines = span::lines(app, usize::from(layout.whole.width));
    let last = lines.len().saturating_sub(usize::from(layout.whole.height));
    let remark = match (last > 0, id.is_empty() || layout.rule.width < 60) {
        (true, true) => "↑↓ more".to_owned(),
        (true, false) => format!("{id}, ↑↓ more"),
        (false, true) => String::new(),
        (false, false) => id,
    };
    let fits = pen.width(&name) + pen.width(&remark) + 10 <= layout.rule.width;
    pen.rule(layout.rule, &name, pen.theme.title(true), if fits { &remark } else { "" }, pen.theme.quiet());
    analysis::text(pen, &lines[top.min(last)..], layout.whole);
}

/// The trace as a whole, and how unusual it is.
fn title(pen: &mut Pen<'_>, app: &App, cursor: &TraceCursor, line: Area) {
    let id = cursor.trace.to_string();
    let id = if line.width < 60 { cursor.trace.short() } else { id.chars().take(12).collect() };
    let right = line.x + line.width.saturating_sub(1);
    let mut x = pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), "Trace ", pen.theme.heading());
    x = pen.put_start(x, line.y, right.saturating_sub(x), &id, pen.theme.heading()) + 2;
    let Some(waterfall) = app.trace.waterfall(cursor.trace) else { return };
    let when = app.clock().time_in_zone(waterfall.start);
    let rank = waterfall.spans.first().map_or_else(String::new, rank);
    let narrow = waterfall.duration.to_string();
    let spans = wording::plural(waterfall.spans.len() as u64, "span");
    let counts = format!("{spans}, {}", wording::plural(u64::from(waterfall.services), "service"));
    let facts = [
        format!("{narrow}  {counts}  {when}  {rank}"),
        format!("{narrow}  {counts}  {when}"),
        format!("{narrow}  {spans}  {when}"),
        narrow,
    ];
    // The root's name gives way first, down to a third of the line.
    let name = waterfall.spans.first().map(|root| wording::key(&root.key)).unwrap_or_default();
    let room = right.saturating_sub(x);
    let needed = pen.width(&name).min(line.width / 3) + 2;
    let fitting = facts.iter().find(|text| needed + pen.width(text) <= room);
    let facts = fitting.or(facts.last()).map_or("", String::as_str);
    let for_name = room.saturating_sub(pen.width(facts) + 2);
    x = pen.put(x, line.y, for_name, &name, Style::new()) + 2;
    pen.put_start(x, line.y, right.saturating_sub(x), facts, Style::new());
}

/// `>p99.9`, and `≤p50` for what is not above the median.
fn place(above: Option<u16>) -> String {
    above.map_or_else(|| format!("{}p50", glyphs::AT_MOST), |thousandths| format!(">{}", span::percentile(thousandths)))
}

/// `>p99.9 of Fri 03h, n 5204`
fn rank(root: &WaterfallSpan) -> String {
    match root.normal {
        Normal::Unknown { .. } => span::no_baseline(root.normal),
        Normal::Known { above, samples, level, bucket, .. } => {
            format!("{} of {}, n {}", place(above), level.describe(bucket), wording::count(samples))
        }
    }
}

/// How far the picture can be trusted: on the screen always.
fn trust(pen: &mut Pen<'_>, app: &App, cursor: &TraceCursor, line: Area, now: Timestamp) {
    let Some(waterfall) = app.trace.waterfall(cursor.trace).filter(|waterfall| !waterfall.spans.is_empty()) else {
        return;
    };
    let mut parts: Vec<(String, Style)> = Vec::new();
    let (plain, trouble) = (Style::new(), pen.theme.trouble());
    let of = |n: u32, one: &str| wording::plural(u64::from(n), one);
    parts.push(match waterfall.orphans {
        0 => ("complete".to_owned(), plain),
        n => (format!("incomplete: {} without parent", of(n, "span")), trouble),
    });
    parts.push(match waterfall.moved {
        0 => ("skew none".to_owned(), plain),
        n => (format!("skew: {} moved, up to {}", of(n, "span"), waterfall.moved_most), trouble),
    });
    parts.push((format!("errors {}", waterfall.errors), if waterfall.errors > 0 { trouble } else { plain }));
    for (n, what) in [
        (waterfall.duplicates, "copies dropped"),
        (waterfall.cycles, "loops cut"),
        (waterfall.left_out, "spans left out"),
    ] {
        if n > 0 {
            parts.push((format!("{} {what}", wording::count(u64::from(n))), trouble));
        }
    }
    // Late spans come only from a source that answers.
    let jaeger = app.topics.sources.get().into_iter().flatten().find(|source| source.kind == SourceKind::Jaeger);
    let stale = jaeger.filter(|source| freshness::Freshness::of(source, now).is_stale());
    if let Some(source) = stale {
        parts.insert(0, (format!("{} {}", freshness::name(source.kind), freshness::word(source, now)), trouble));
    }
    if app.trace.problem().is_some() {
        parts.insert(0, ("not fetched again".to_owned(), trouble));
    } else if app.trace.is_awaited() {
        parts.insert(0, ("fetching it again".to_owned(), pen.theme.quiet()));
    }
    let notable = app.trace.tree.notable_count();
    parts.push((format!("{} to look at", wording::count(u64::from(notable))), plain));
    parts.push((wording::verdict(&cursor.anomaly), plain));
    let right = line.x + line.width.saturating_sub(1);
    let mut x = line.x + 1;
    for (text, style) in parts {
        // A few letters of a sentence say nothing; what says how far to trust the rest stands first.
        if pen.width(&text).min(FEWEST) > right.saturating_sub(x) {
            break;
        }
        x = pen.put_start(x, line.y, right.saturating_sub(x), &text, style) + 3;
    }
}

/// What the line weights mean, and where the cursor is.
fn remark(app: &App, cursor: &TraceCursor, waterfall: &Waterfall, width: u16) -> String {
    if waterfall.spans.is_empty() {
        return String::new();
    }
    let mut place = format!("row {} of {}", cursor.row + 1, app.trace.rows.count());
    if app.trace.folds.only_critical {
        place = format!("critical path only, {place}");
    }
    let legend = format!("{} critical path, {} other", glyphs::CRITICAL, glyphs::RULE);
    match width {
        0..60 => place,
        60..110 => format!("{legend}, {place}"),
        _ => format!("{legend}; NORMAL = p99 of {}, {place}", waterfall.bucket),
    }
}

fn heads(pen: &mut Pen<'_>, columns: &Columns, duration: Micros, line: Area) {
    if line.is_empty() {
        return;
    }
    let quiet = pen.theme.quiet();
    pen.put(line.x + 1, line.y, columns.name, "SPAN", quiet);
    let bars = line.x + 1 + columns.name;
    let end = bars + columns.bars;
    let parts: u16 = if columns.bars >= 36 { 4 } else { 2 };
    // The end of the axis stands at its end, the others where they begin.
    let last = duration.to_string();
    let before_last = end.saturating_sub(pen.width(&last));
    for part in 0..parts {
        let at = Micros((u128::from(duration.0) * u128::from(part) / u128::from(parts)) as u64);
        let text = if part == 0 { "0".to_owned() } else { at.to_string() };
        let x = bars + (u32::from(columns.bars) * u32::from(part) / u32::from(parts)) as u16;
        if x + pen.width(&text) < before_last {
            pen.put(x, line.y, columns.bars, &text, quiet);
        }
    }
    pen.put_right(bars, line.y, columns.bars, &last, quiet);
    let mut x = end;
    for (width, head) in [
        (columns.duration, "DUR"),
        (columns.own, "SELF"),
        (columns.p99, "NORMAL"),
        (columns.percentile, "PCTL"),
        (columns.samples, "N"),
    ] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
    pen.put(x + 1, line.y, columns.severity.saturating_sub(1), "SEV", quiet);
}

/// The row's place in the tree and what it is called; gives the column where bars begin.
fn name(
    pen: &mut Pen<'_>,
    app: &App,
    number: usize,
    row: &Row,
    shown: &Shown<'_>,
    columns: &Columns,
    line: Area,
) -> u16 {
    let quiet = pen.theme.quiet();
    let bars = line.x + 1 + columns.name;
    let end = bars.saturating_sub(1);
    let mut x = line.x + 1;
    // So much is left for a name; deeper rows say their depth instead of showing their branches.
    let room = usize::from(columns.name).saturating_sub(14);
    // Levels stand closer together where the deepest would find no room; the same on all rows, so that they line up.
    let step = if app.trace.rows.deepest as usize * 2 <= room { 2 } else { 1 };
    // An open span shows what is below it; several that were one row need a word that they are.
    let mark = match row.what {
        _ if row.hidden > 0 => glyphs::FOLDED,
        What::Group(_) => glyphs::UNFOLDED,
        What::Span(_) => " ",
    };
    let tree = match app.trace.rows.branches(number, room / step) {
        Some(ends) if !ends.is_empty() => branches(&ends, step, mark),
        Some(_) if row.hidden > 0 => format!("{mark} "),
        Some(_) => String::new(),
        None => format!("{}{}{mark}", glyphs::CUT, row.depth),
    };
    x = pen.put_start(x, line.y, end.saturating_sub(x), &tree, quiet);
    let below = match shown {
        Shown::Span(..) if row.hidden > 0 => format!(" +{}", wording::count(u64::from(row.hidden))),
        _ => String::new(),
    };
    let room = end.saturating_sub(x + pen.width(&below));
    let (text, style) = match shown {
        Shown::Span(at, span) => {
            let parent = app.trace.parent_of(*at);
            let style = if span.is_slow() || span.error { pen.theme.heading() } else { Style::new() };
            (short_name(pen, span, parent, room), style)
        }
        Shown::Group(group, first) => match group.kind() {
            Kind::Alike => {
                let at = app.trace.rows.first_span(row).unwrap_or_default();
                let count = wording::count(group.members.len() as u64);
                let count = format!("x{count} ");
                let room = room.saturating_sub(pen.width(&count));
                (count + &short_name(pen, first, app.trace.parent_of(at), room), Style::new())
            }
            Kind::Quiet => (format!("{} quiet spans", wording::count(u64::from(group.spans))), quiet),
        },
    };
    x = pen.put(x, line.y, room, &text, style);
    pen.put_start(x, line.y, end.saturating_sub(x), &below, quiet);
    bars
}

/// The service is told where it changes, and gives way to the operation where both do not fit.
fn short_name(pen: &Pen<'_>, span: &WaterfallSpan, parent: Option<&WaterfallSpan>, room: u16) -> String {
    let operation = span.key.operation.to_string();
    if parent.is_some_and(|parent| parent.key.service == span.key.service) {
        return operation;
    }
    let left = room.saturating_sub(pen.width(&operation) + 1);
    let width = pen.width(&span.key.service);
    if width <= left || left > room {
        return wording::key(&span.key);
    }
    match left {
        0..4 => operation,
        _ => format!("{} {operation}", pen.cut(&span.key.service, left)),
    }
}

/// The lines of the tree left of a row.
pub fn branches(ends: &[bool], step: usize, mark: &str) -> String {
    let mut text = String::new();
    for (level, ends_here) in ends.iter().enumerate() {
        let own = level + 1 == ends.len();
        text.push_str(match (own, ends_here) {
            (true, false) => "├",
            (true, true) => "└",
            (false, false) => "│",
            (false, true) => " ",
        });
        text.push_str(match own {
            true => mark,
            false if step > 1 => " ",
            false => "",
        });
    }
    text
}

/// Where the time of a row lies; gives the column behind.
fn bars(pen: &mut Pen<'_>, shown: &Shown<'_>, duration: Micros, x: u16, columns: &Columns, line: Area) -> u16 {
    let cells = usize::from(columns.bars);
    let mut axis = Axis::new(duration, cells);
    match shown {
        Shown::Span(_, span) => {
            let waited = span.offset.0.saturating_sub(span.waited.0);
            if span.waited > Micros::ZERO {
                axis.put(&[(Micros(waited), span.offset)], glyphs::WAIT);
            }
            axis.put(&[(span.offset, span.end())], glyphs::RULE);
            axis.put(&span.critical, glyphs::CRITICAL);
        }
        Shown::Group(group, _) => {
            axis.put(&group.pieces, if group.kind() == Kind::Quiet { glyphs::WAIT } else { glyphs::RULE });
            axis.put(&group.critical, glyphs::CRITICAL);
        }
    }
    pen.put(x, line.y, columns.bars, &axis.text(), Style::new());
    x + columns.bars
}

/// One line of cells over the time of a trace.
#[derive(Debug)]
struct Axis {
    whole_us: f64,
    cells: Vec<char>,
}

impl Axis {
    fn new(duration: Micros, cells: usize) -> Self {
        Self { whole_us: duration.0.max(1) as f64, cells: vec![' '; cells] }
    }

    /// Every piece takes at least one cell, whatever it says of its time.
    fn put(&mut self, pieces: &[(Micros, Micros)], glyph: char) {
        let count = self.cells.len();
        if count == 0 {
            return;
        }
        let at = |moment: Micros| moment.0 as f64 / self.whole_us * count as f64;
        for (from, to) in pieces {
            let first = (at(*from) as usize).min(count - 1);
            let end = (at(*to).ceil() as usize).clamp(first + 1, count);
            self.cells[first..end].fill(glyph);
        }
    }

    fn text(self) -> String {
        self.cells.into_iter().collect()
    }
}

fn numbers(pen: &mut Pen<'_>, shown: &Shown<'_>, mut x: u16, columns: &Columns, line: Area) {
    let quiet = pen.theme.quiet();
    let (duration, own) = match shown {
        Shown::Span(_, span) => (span.duration, span.self_time),
        Shown::Group(group, _) => (group.sum, group.self_time),
    };
    let mut put = |width: u16, text: &str, style: Style| {
        pen.put_right(x, line.y, width, text, style);
        x += width;
    };
    put(columns.duration, &duration.to_string(), Style::new());
    put(columns.own, &own.to_string(), Style::new());
    match shown {
        Shown::Group(group, _) => {
            // No number of one call is normal for several; what is left of the line tells the longest.
            let width = columns.normal() + columns.severity;
            if columns.normal() > 0 {
                pen.put_right(x, line.y, width, &format!("max {}", group.longest), quiet);
            }
            return;
        }
        Shown::Span(_, span) => match span.normal {
            Normal::Unknown { samples } if columns.samples > 0 => {
                let text = format!(" {}", span::no_baseline(Normal::Unknown { samples }));
                put(columns.normal(), &text, quiet);
            }
            Normal::Unknown { samples } => put(columns.percentile, &format!("n={}", wording::count(samples)), quiet),
            Normal::Known { p99, samples, level, above, .. } => {
                put(columns.p99, &p99.to_string(), quiet);
                put(columns.percentile, &place(above), if span.is_slow() { Style::new() } else { quiet });
                let wider = if level == Level::HourOfWeek { "" } else { "~" };
                put(columns.samples, &format!("{wider}{}", wording::count(samples)), quiet);
            }
        },
    }
    let Shown::Span(_, span) = shown else { return };
    if let Some(severity) = span.severity {
        pen.put(x + 1, line.y, 2, &severity.to_string(), pen.theme.severity(severity));
    }
    if span.error {
        pen.put(x + 3, line.y, 1, "!", pen.theme.trouble());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(duration: u64, cells: usize, pieces: &[&[(u64, u64)]]) -> String {
        let mut axis = Axis::new(Micros(duration), cells);
        for (pieces, glyph) in pieces.iter().zip([glyphs::RULE, glyphs::CRITICAL]) {
            let pieces: Vec<_> = pieces.iter().map(|(from, to)| (Micros(*from), Micros(*to))).collect();
            axis.put(&pieces, glyph);
        }
        axis.text()
    }

    #[test]
    fn a_bar_lies_inside_the_axis_whatever_the_span_says() {
        assert_eq!(axis(100, 8, &[&[(25, 75)], &[(50, 75)]]), "  ──━━  ");
        assert_eq!(axis(100, 8, &[&[(u64::MAX, u64::MAX)]]), "       ─");
        assert_eq!(axis(0, 3, &[&[(25, 75)]]), "  ─");
        assert_eq!(axis(100, 0, &[&[(25, 75)]]), "");
        assert_eq!(axis(1_000_000, 4, &[&[(10, 11)]]), "─   ", "what is short is still seen");
    }
}
