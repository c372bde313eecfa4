//! A trace beside a normal one, row by row; and the attributes that separate slow traces from normal ones.

use ratatui::style::Style;

use super::pen::Pen;
use super::{analysis, footer, glyphs, trace};
use crate::app::analysis::TextLine;
use crate::app::compare::{self, DifferRow, Line};
use crate::app::layout::{Area, TraceLayout};
use crate::app::{App, CompareCursor, TraceCursor, wording, wrap};
use crate::domain::{Compared, Micros, Side, Timestamp};
use crate::messages::ComparisonView;

/// Widths of the columns; zero for one that does not fit.
#[derive(Debug, Default)]
struct Columns {
    name: u16,
    this: u16,
    normal: u16,
    difference: u16,
    own: u16,
    own_normal: u16,
    own_difference: u16,
    bar: u16,
    share: u16,
}

impl Columns {
    fn of(width: u16) -> Self {
        let mut columns = Self { this: 7, difference: 9, ..Self::default() };
        if width >= 60 {
            columns = Self { this: 8, normal: 8, difference: 9, own_difference: 10, share: 7, ..columns };
        }
        if width >= 110 {
            columns = Self { own: 9, own_normal: 8, own_difference: 9, bar: 14, ..columns };
        }
        let numbers = columns.this
            + columns.normal
            + columns.difference
            + columns.own
            + columns.own_normal
            + columns.own_difference
            + columns.bar
            + columns.share;
        Self { name: width.saturating_sub(1 + numbers), ..columns }
    }
}

pub fn draw(
    pen: &mut Pen<'_>,
    app: &App,
    trace: &TraceCursor,
    cursor: &CompareCursor,
    layout: &TraceLayout,
    now: Timestamp,
) {
    title(pen, app, trace, cursor, layout.title);
    footer::draw(pen, app, layout.footer_rule, layout.keys, now);
    let view = compare::shown(app);
    if let Some(view) = view {
        let room = layout.trust.width.saturating_sub(2);
        let told = compare::against(view, app.clock());
        let fitting = told.iter().find(|text| pen.width(text) <= room);
        let text = fitting.or(told.last()).map_or("", String::as_str);
        pen.put_start(layout.trust.x + 1, layout.trust.y, room, text, Style::new());
    }
    if cursor.attributes {
        return attributes(pen, app, cursor, layout);
    }
    let head = pen.theme.title(true);
    let Some(view) = view.filter(|view| !view.rows.is_empty()) else {
        pen.rule(layout.rule, "Comparison", head, "", pen.theme.quiet());
        return super::note(pen, layout.rows, &compare::note(app));
    };
    let (at, offset) = cursor.place(view, layout.page());
    let remark = match layout.rule.width {
        0..60 => format!("row {} of {}", at + 1, view.rows.len()),
        60..110 => format!("OF IT = part of the difference, row {} of {}", at + 1, view.rows.len()),
        _ => format!("OF IT = part of the difference, by the critical path; row {} of {}", at + 1, view.rows.len()),
    };
    pen.rule(layout.rule, "Comparison", head, &remark, pen.theme.quiet());
    let columns = Columns::of(layout.rows.width);
    heads(pen, &columns, layout.columns);
    for (line, number) in (offset..view.rows.len()).take(layout.page()).enumerate() {
        let line = layout.rows.line(line as u16);
        super::cursor(pen, line, number == at, true);
        row(pen, view, number, &columns, line);
    }
    if let Some(area) = layout.detail
        && let Some(row) = view.rows.get(at)
    {
        detail(
            pen,
            view,
            row,
            area.title,
            Area { x: area.body.x + 1, width: area.body.width.saturating_sub(2), ..area.body },
        );
    }
}

fn title(pen: &mut Pen<'_>, app: &App, trace: &TraceCursor, cursor: &CompareCursor, line: Area) {
    let id: String = trace.trace.to_string().chars().take(if line.width < 60 { 6 } else { 12 }).collect();
    let what = if cursor.attributes { "Attributes" } else { "Compare" };
    let right = line.x + line.width.saturating_sub(1);
    let head = format!("{what} {id}");
    let x = pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), &head, pen.theme.heading()) + 2;
    let Some(view) = compare::shown(app) else { return };
    let said = compare::headline(view);
    let room = right.saturating_sub(x);
    let name = view.operation.as_ref().map(wording::key).unwrap_or_default();
    let for_name = room.saturating_sub(pen.width(&said) + 2);
    // Below this a cut name says nothing.
    let x = if for_name >= 8 { pen.put(x, line.y, for_name, &name, Style::new()) + 2 } else { x };
    pen.put_start(x, line.y, right.saturating_sub(x), &said, Style::new());
}

fn heads(pen: &mut Pen<'_>, columns: &Columns, line: Area) {
    if line.is_empty() {
        return;
    }
    let quiet = pen.theme.quiet();
    pen.put(line.x + 1, line.y, columns.name, "OPERATION", quiet);
    let mut x = line.x + 1 + columns.name;
    let own = if columns.own > 0 { "DIFF" } else { "SELF DIFF" };
    for (width, head) in [
        (columns.this, "THIS"),
        (columns.normal, "NORMAL"),
        (columns.difference, "DIFF"),
        (columns.own, "SELF"),
        (columns.own_normal, "NORMAL"),
        (columns.own_difference, own),
        (columns.bar, ""),
        (columns.share, "OF IT"),
    ] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
}

fn row(pen: &mut Pen<'_>, view: &ComparisonView, number: usize, columns: &Columns, line: Area) {
    let Some(row) = view.rows.get(number) else { return };
    let quiet = pen.theme.quiet();
    let end = line.x + columns.name;
    let room = usize::from(columns.name).saturating_sub(14);
    let deepest = view.rows.iter().map(|row| usize::from(row.depth)).max().unwrap_or(0);
    let step = if deepest * 2 <= room { 2 } else { 1 };
    let tree = match compare::branches(view, number) {
        ends if ends.len() * step > room => format!("{}{} ", glyphs::CUT, row.depth),
        ends => trace::branches(&ends, step, " "),
    };
    let x = pen.put_start(line.x + 1, line.y, end.saturating_sub(line.x + 1), &tree, quiet);
    let is_notable = compare::is_notable(view, number);
    let share = compare::share(view, row);
    let is_small = !is_notable && share.is_none_or(|share| share.abs() < 0.01);
    let name_style = if is_notable { pen.theme.heading() } else { Style::new() };
    let spans = |side: Option<Side>| side.map_or(0, |side| side.spans);
    let times = match (spans(row.this), spans(row.normal)) {
        (0..=1, 0..=1) => String::new(),
        (this, normal) if this == normal || normal == 0 => format!("x{} ", wording::count(this.into())),
        (0, normal) => format!("x{} ", wording::count(normal.into())),
        // Ten times the calls is news even where each is as fast as ever.
        (this, normal) => format!("x{}/{} ", wording::count(this.into()), wording::count(normal.into())),
    };
    let room = end.saturating_sub(x);
    let parent = view.rows.iter().take(number).rev().find(|other| other.depth < row.depth);
    let same = parent.is_some_and(|parent| parent.key.service == row.key.service);
    let name = if same { row.key.operation.to_string() } else { wording::key(&row.key) };
    pen.put(x, line.y, room, &format!("{times}{name}"), name_style);
    numbers(pen, row, columns, Area { x: end + 1, ..line }, if is_small { quiet } else { Style::new() });
    let x = end
        + 1
        + columns.this
        + columns.normal
        + columns.difference
        + columns.own
        + columns.own_normal
        + columns.own_difference;
    if let Some(share) = share.filter(|share| share.abs() >= 0.005) {
        bar(pen, share, columns, x, line);
        pen.put_right(x + columns.bar, line.y, columns.share, &compare::percent(share), name_style);
    }
}

/// The bars of rows that explain the difference add up to the column's width.
fn bar(pen: &mut Pen<'_>, share: f64, columns: &Columns, x: u16, line: Area) {
    let cells = usize::from(columns.bar.saturating_sub(2));
    let filled = ((share.clamp(0.0, 1.0) * cells as f64).round() as usize).max(usize::from(share > 0.0));
    let text: String = std::iter::repeat_n(glyphs::CRITICAL, filled.min(cells)).collect();
    pen.put_start(x + 2, line.y, cells as u16, &text, Style::new());
}

fn numbers(pen: &mut Pen<'_>, row: &Compared, columns: &Columns, line: Area, style: Style) {
    let quiet = pen.theme.quiet();
    let of = |side: Option<Side>, what: fn(&Side) -> Micros| side.as_ref().map(what);
    let text = |duration: Option<Micros>| duration.map_or_else(|| "-".to_owned(), |duration| duration.to_string());
    let (this, normal) = (of(row.this, |side| side.duration), of(row.normal, |side| side.duration));
    let (own, own_normal) = (of(row.this, |side| side.self_time), of(row.normal, |side| side.self_time));
    let difference = match (this, normal) {
        (Some(this), Some(normal)) => compare::difference(this, normal),
        (Some(_), None) => "only now".to_owned(),
        _ => "missing".to_owned(),
    };
    // Beside a row of one side only, both columns of differences would say the same.
    let own_difference = own.zip(own_normal).map_or_else(String::new, |(a, b)| compare::difference(a, b));
    let failed = row.this.is_some_and(|side| side.errors > 0);
    let mut x = line.x;
    for (width, text, style) in [
        (columns.this, text(this), style),
        (columns.normal, text(normal), quiet),
        (columns.difference, difference, style),
        (columns.own, text(own), style),
        (columns.own_normal, text(own_normal), quiet),
        (columns.own_difference, own_difference, style),
    ] {
        pen.put_right(x, line.y, width, &text, style);
        x += width;
    }
    if failed {
        pen.put(line.x, line.y, 1, "!", pen.theme.trouble());
    }
}

/// The row in words, and the attributes that go with its slowness.
fn detail(pen: &mut Pen<'_>, view: &ComparisonView, row: &Compared, title: Option<Area>, body: Area) {
    let separation = compare::separation_of(view, &row.key);
    let remark = separation.map(compare::cohorts).unwrap_or_default();
    if let Some(title) = title {
        pen.rule(title, &wording::key(&row.key), Style::new(), &remark, pen.theme.quiet());
    }
    let told = wrap(&compare::sentence(view, row), usize::from(body.width), 2);
    for (at, text) in told.iter().enumerate() {
        let line = body.line(at as u16);
        pen.put_start(line.x, line.y, line.width, text, Style::new());
    }
    let Some(separation) = separation else { return };
    let gap = u16::from(body.height >= 8);
    let rest = body.below(told.len() as u16 + gap);
    lines(pen, &compare::differs(separation, usize::from(rest.width), usize::from(rest.height)), rest);
}

/// The attributes on a screen of their own.
fn attributes(pen: &mut Pen<'_>, app: &App, cursor: &CompareCursor, layout: &TraceLayout) {
    let all = compare::lines(app, usize::from(layout.whole.width));
    let last = all.len().saturating_sub(usize::from(layout.whole.height));
    let more = if last > 0 { "↑↓ more" } else { "" };
    pen.rule(layout.rule, "What slow traces have", pen.theme.title(true), more, pen.theme.quiet());
    lines(pen, &all[cursor.top.min(last)..], layout.whole);
}

/// Draws lines with their columns; the first column takes what the values leave.
pub fn lines(pen: &mut Pen<'_>, lines: &[Line], area: Area) {
    const COUNT: u16 = 8;
    let chance = if area.width >= 100 { 14 } else { 0 };
    let room = area.width.saturating_sub(2 * COUNT + chance);
    let wanted = |text: fn(&DifferRow) -> &str| {
        let rows = lines.iter().filter_map(|line| if let Line::Row(row) = line { Some(text(row)) } else { None });
        rows.map(|text| pen.width(text)).max().unwrap_or(0)
    };
    let (name, value) = (wanted(|row| &row.name), wanted(|row| &row.value));
    let name =
        if name + 2 + value <= room { name.max(9) } else { name.min(room.saturating_sub(value + 2).max(room * 2 / 5)) };
    let quiet = pen.theme.quiet();
    for (at, line) in (0..area.height).zip(lines) {
        let y = area.y + at;
        let mut put = |columns: [&str; 5], style: Style| {
            let [head, text, slow, normal, odds] = columns;
            pen.put(area.x, y, name, head, style);
            pen.put_start(area.x + name + 2, y, room.saturating_sub(name + 2), text, style);
            pen.put_right(area.x + room, y, COUNT, slow, style);
            pen.put_right(area.x + room + COUNT, y, COUNT, normal, style);
            pen.put_right(area.x + room + 2 * COUNT, y, chance, odds, style);
        };
        match line {
            Line::Heads(odd) => put(["ATTRIBUTE", "", odd, "NORMAL", "CHANCE"], quiet),
            Line::Row(row) => {
                let style = if row.is_signal { Style::new() } else { quiet };
                put([&row.name, &row.value, &row.slow, &row.normal, &row.chance], style);
            }
            Line::Text(tone, text) => {
                let line = TextLine { tone: *tone, text: text.clone() };
                analysis::text(pen, &[line], area.line(at));
            }
        }
    }
}
