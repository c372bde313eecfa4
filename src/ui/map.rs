//! Which service calls which: a list of calls, the abnormal first, or a graph from entries to leaves.

use ratatui::style::Style;

use super::pen::Pen;
use super::service::{LEFT, severity_mark, share};
use super::{footer, glyphs};
use crate::app::graph::Tip;
use crate::app::layout::{Area, Shape};
use crate::app::map::{self, Drawn, Form, MARK, MapCursor, MapLayout, MapRow};
use crate::app::{App, Mood, service, wording, wrap};
use crate::domain::{Severity, Timestamp};
use crate::messages::{EdgeView, MapView, Means, NodeView, ServiceState};

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &MapCursor, screen: Area, now: Timestamp) {
    footer::below(pen, app, screen, now);
    let now = app.shown_at(now);
    let layout = MapLayout::of((screen.width, screen.height));
    let view = app.topics.map.get().map(|view| &**view);
    title(pen, app, view, layout.title, now);
    let Some(view) = view else {
        rule(pen, cursor, &layout, "");
        let text = if app.lost.is_some() {
            "The monitor ended before it answered."
        } else {
            "Asked which service calls which."
        };
        return super::note(pen, layout.graph, text);
    };
    if view.nodes.is_empty() {
        rule(pen, cursor, &layout, "");
        return super::note(pen, layout.graph, "No service is known yet: there is nothing to draw.");
    }
    match cursor.form {
        Form::List => list(pen, view, cursor, &layout, now),
        Form::Graph => graph(pen, view, cursor, &layout),
    }
    if app.is_stale(now) {
        pen.tint(if cursor.form == Form::List { layout.rows } else { layout.graph }, pen.theme.quiet());
    }
    let told = map::detail(app, cursor, now);
    let width = usize::from(layout.detail.width.saturating_sub(2));
    let lines = told.iter().flat_map(|text| wrap(text, width, 2));
    for (row, text) in (0..layout.detail.height).zip(lines) {
        let line = layout.detail.line(row);
        pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), &text, Style::new());
    }
}

fn title(pen: &mut Pen<'_>, app: &App, view: Option<&MapView>, line: Area, now: Timestamp) {
    let right = line.x + line.width.saturating_sub(1);
    let x = pen.put(line.x + 1, line.y, right.saturating_sub(line.x + 1), "Map", pen.theme.title(true)) + 2;
    let room = right.saturating_sub(x);
    let status = app.status(now);
    if status.mood == Mood::Trouble {
        pen.put_start(x, line.y, room, status.text(), pen.theme.trouble());
        return;
    }
    let Some(view) = view else { return };
    let x = pen.put_start(x, line.y, room, &map::headline(view), Style::new()) + 2;
    let normal = format!("normal: {}", view.bucket);
    if pen.width(&normal) <= right.saturating_sub(x) {
        pen.put_right(x, line.y, right.saturating_sub(x), &normal, pen.theme.quiet());
    }
}

fn rule(pen: &mut Pen<'_>, cursor: &MapCursor, layout: &MapLayout, remark: &str) {
    let quiet = pen.theme.quiet();
    pen.rule(layout.rule, "", quiet, remark, quiet);
    let mut x = layout.rule.x + 2;
    for (form, name) in [(Form::List, "Calls"), (Form::Graph, "Graph")] {
        let here = form == cursor.form;
        let text = if here { format!(" [{name}] ") } else { format!(" {name} ") };
        let style = super::pen::lifted(if here { pen.theme.title(true) } else { Style::new() });
        x = pen.put(x, layout.rule.y, (layout.rule.x + layout.rule.width).saturating_sub(x), &text, style) + 1;
    }
}

/// Widths of the columns; zero for one that does not fit.
#[derive(Debug, Default)]
struct Columns {
    name: u16,
    via: u16,
    rate: u16,
    normal_rate: u16,
    errors: u16,
    p50: u16,
    p99: u16,
    normal: u16,
    times: u16,
    between: u16,
    between_times: u16,
    abnormal: u16,
}

impl Columns {
    fn of(width: u16) -> Self {
        let mut columns = Self { times: 7, ..Self::default() };
        if width >= 60 {
            columns = Self { via: 2, rate: 6, errors: 6, p99: 7, abnormal: 18, ..columns };
        }
        if width >= 110 {
            columns = Self {
                via: 6,
                rate: 8,
                normal_rate: 7,
                p50: 7,
                normal: 7,
                between: 8,
                between_times: 6,
                abnormal: 18,
                ..columns
            };
        }
        let rest = width.saturating_sub(LEFT + columns.numbers() + columns.abnormal);
        columns.name = rest.min(64);
        columns.abnormal += if columns.abnormal > 0 { rest - columns.name } else { 0 };
        columns
    }

    const fn numbers(&self) -> u16 {
        self.via
            + self.rate
            + self.normal_rate
            + self.errors
            + self.p50
            + self.p99
            + self.normal
            + self.times
            + self.between
            + self.between_times
    }

    fn put(&self, pen: &mut Pen<'_>, line: Area, texts: [&str; 10], style: Style) -> u16 {
        let widths = [
            self.via,
            self.rate,
            self.normal_rate,
            self.errors,
            self.p50,
            self.p99,
            self.normal,
            self.times,
            self.between,
            self.between_times,
        ];
        let mut x = line.x + LEFT + self.name;
        for (width, text) in widths.into_iter().zip(texts) {
            pen.put_right(x, line.y, width, text, style);
            x += width;
        }
        x
    }
}

fn list(pen: &mut Pen<'_>, view: &MapView, cursor: &MapCursor, layout: &MapLayout, now: Timestamp) {
    let rows = map::rows(view);
    let at = map::at(cursor, &rows);
    let remark = if layout.shape == Shape::Narrow {
        format!("{} of {}", at + 1, rows.len())
    } else {
        format!("last 5 min, row {} of {}", at + 1, rows.len())
    };
    rule(pen, cursor, layout, &remark);
    let columns = Columns::of(layout.rows.width);
    if !layout.heads.is_empty() {
        let quiet = pen.theme.quiet();
        let (via, rate) = if columns.via > 2 { ("VIA", "CALLS/S") } else { ("", "/S") };
        let heads = [via, rate, "NORMAL", "ERR", "P50", "P99", "NORMAL", "xNORM", "BETWEEN", "xNORM"];
        pen.put(layout.heads.x, layout.heads.y, LEFT + columns.name, "SEV CALLER → CALLEE", quiet);
        let x = columns.put(pen, layout.heads, heads, quiet);
        pen.put(x + 1, layout.heads.y, columns.abnormal.saturating_sub(1), "ABNORMAL", quiet);
    }
    for (number, row) in rows.iter().enumerate().skip(cursor.top).take(usize::from(layout.rows.height)) {
        let line = layout.rows.line((number - cursor.top) as u16);
        super::cursor(pen, line, number == at, true);
        match row {
            MapRow::Call(edge) => call(pen, view, edge, &columns, line, now),
            MapRow::Alone(node) => alone(pen, node, &columns, line, now),
        }
    }
}

fn call(pen: &mut Pen<'_>, view: &MapView, edge: &EdgeView, columns: &Columns, line: Area, now: Timestamp) {
    severity_mark(pen, edge.severity, line);
    let arrow = " → ";
    let room = columns.name.saturating_sub(1 + pen.width(arrow));
    // Both names get what they need, and half of what there is where that is too little.
    let (caller, callee) = (pen.width(&edge.caller), pen.width(&edge.callee));
    let half = room / 2;
    let for_caller = if caller + callee <= room { caller } else { caller.min(half.max(room.saturating_sub(callee))) };
    let x = pen.put(line.x + LEFT, line.y, for_caller, &edge.caller, Style::new());
    let x = pen.put(x, line.y, pen.width(arrow), arrow, pen.theme.quiet());
    let end = line.x + LEFT + columns.name.saturating_sub(1);
    pen.put(x, line.y, end.saturating_sub(x), &edge.callee, Style::new());
    let pace = edge.call.as_ref();
    let texts = [
        match edge.means {
            Means::Call if columns.via <= 2 => String::new(),
            Means::Queue | Means::Mixed if columns.via <= 2 => "q".to_owned(),
            means => service::means(means).to_owned(),
        },
        wording::rate(edge.per_s),
        edge.normal_per_s.map_or_else(|| "-".to_owned(), wording::rate),
        share(edge.error_share),
        super::duration(pace.map(|pace| pace.p50)),
        super::duration(pace.map(|pace| pace.p99)),
        super::duration(pace.and_then(|pace| pace.normal_p99)),
        // Alone it stands for both.
        super::times(if columns.p99 > 0 { pace.and_then(|pace| pace.times_normal) } else { edge.times_normal() }),
        super::duration(edge.between.as_ref().map(|pace| pace.p99)),
        super::times(edge.between.as_ref().and_then(|pace| pace.times_normal)),
    ];
    let x = columns.put(pen, line, texts.each_ref().map(String::as_str), Style::new());
    let gone = view.nodes.iter().find(|node| node.service == edge.callee).and_then(|node| map::absence(node, now));
    let between = service::between(edge).filter(|_| columns.between == 0);
    let words = [between.unwrap_or_default(), service::abnormal(edge)];
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    // That the called one is gone says more than that nobody calls it.
    let text = gone.filter(|_| edge.calls == 0).unwrap_or_else(|| words.join(", "));
    pen.put_start(x + 1, line.y, columns.abnormal.saturating_sub(1), &text, Style::new());
}

fn alone(pen: &mut Pen<'_>, node: &NodeView, columns: &Columns, line: Area, now: Timestamp) {
    let (mark, style) = mark(pen, node);
    pen.put(line.x + 1, line.y, 2, &mark, style);
    let text = map::absence(node, now).unwrap_or_else(|| "no call from it or to it".to_owned());
    let room = line.width.saturating_sub(LEFT);
    let name = pen.width(&node.service).min(columns.name.saturating_sub(1).min(room / 2));
    let x = pen.put(line.x + LEFT, line.y, name, &node.service, Style::new()) + 2;
    pen.put_start(x, line.y, (line.x + line.width).saturating_sub(x), &text, pen.theme.quiet());
}

fn mark(pen: &Pen<'_>, node: &NodeView) -> (String, Style) {
    match (node.state, node.severity) {
        (None | Some(ServiceState::Absent), _) => ("?".to_owned(), Style::new()),
        (Some(ServiceState::Learning), _) => ("~".to_owned(), Style::new()),
        (Some(ServiceState::Judged), Some(severity)) => (severity.to_string(), pen.theme.severity(severity)),
        (Some(ServiceState::Judged), None) => (glyphs::NORMAL.to_owned(), pen.theme.quiet()),
    }
}

fn graph(pen: &mut Pen<'_>, view: &MapView, cursor: &MapCursor, layout: &MapLayout) {
    let drawn = map::drawn(view, cursor);
    let area = layout.graph;
    let (left, top) = map::scrolled(cursor, &drawn, area);
    let fits = drawn.graph.width <= usize::from(area.width) && drawn.graph.height <= usize::from(area.height);
    let mut remarks = Vec::new();
    if drawn.folded > 0 {
        let text = format!("{} of {} services, all in the list", drawn.nodes.len(), view.nodes.len());
        remarks.push(text);
    }
    if !fits {
        remarks.push("←↑↓→ more".to_owned());
    }
    rule(pen, cursor, layout, &remarks.join(", "));
    let at = map::node_at(cursor, &drawn);
    let place = |x: usize, y: usize| {
        let (x, y) = (x.checked_sub(left)?, y.checked_sub(top)?);
        let inside = x < usize::from(area.width) && y < usize::from(area.height);
        inside.then(|| (area.x + x as u16, area.y + y as u16))
    };
    let is_of = |edge: &usize| {
        let edge = drawn.edges.get(*edge);
        let chosen = drawn.nodes.get(at).map(|node| &node.service);
        edge.is_some_and(|edge| Some(&edge.caller) == chosen || Some(&edge.callee) == chosen)
    };
    for ((y, x), cell) in &drawn.graph.cells {
        let Some((screen_x, screen_y)) = place(*x, *y) else { continue };
        let heavy = cell.edges.iter().filter_map(|edge| drawn.edges.get(*edge)).any(|edge| edge.is_abnormal());
        let style = match (cell.edges.iter().any(is_of), heavy) {
            (true, true) => pen.theme.title(true),
            (true, false) => pen.theme.cursor_mark(),
            (false, true) => pen.theme.heading(),
            (false, false) => pen.theme.quiet(),
        };
        let glyphs = if heavy { glyphs::HEAVY } else { glyphs::LINES };
        let glyph = match drawn.graph.tips.get(&(*y, *x)) {
            Some(Tip::Right) => '>',
            Some(Tip::Left) => '<',
            None => glyphs.get(usize::from(cell.sides)).copied().unwrap_or(' '),
        };
        pen.put(screen_x, screen_y, 1, glyph.encode_utf8(&mut [0; 4]), style);
    }
    for ((y, x), _) in drawn.graph.tips.iter().filter(|(_, tip)| **tip == Tip::Right) {
        let Some(severity) = worst(&drawn, *y, *x) else { continue };
        for (offset, c) in (2..).zip(severity.to_string().chars()) {
            let column = (x + offset).checked_sub(4);
            if let Some((x, y)) = column.and_then(|column| place(column, *y)) {
                pen.put(x, y, 1, c.encode_utf8(&mut [0; 4]), pen.theme.severity(severity));
            }
        }
    }
    for (number, (node, placed)) in drawn.nodes.iter().zip(&drawn.graph.nodes).enumerate() {
        // A name that begins left of the screen shows what is right of its edge.
        let hidden = left.saturating_sub(placed.x);
        let Some((x, y)) = place(placed.x.max(left), placed.y).filter(|_| hidden < placed.width) else { continue };
        let width = (placed.width - hidden).min(usize::from(area.x + area.width - x)) as u16;
        if number == at {
            pen.tint(Area::new(x, y, width, 1), pen.theme.cursor_row(true));
        }
        let (mark, style) = mark(pen, node);
        if hidden == 0 {
            pen.put(x, y, width.min(MARK as u16), &mark, style);
        }
        let past = (MARK.saturating_sub(hidden)) as u16;
        let style = if node.severity.is_some() { pen.theme.heading() } else { Style::new() };
        pen.put(x + past, y, width.saturating_sub(past), &node.service, style);
    }
}

/// The worst severity of what reaches a node there.
fn worst(drawn: &Drawn<'_>, y: usize, x: usize) -> Option<Severity> {
    let edges = &drawn.graph.cells.get(&(y, x))?.edges;
    edges.iter().filter_map(|edge| drawn.edges.get(*edge)?.severity).min()
}
