//! One operation over time: a plot, tracks that share its axis, and what is told at the cursor.

use ratatui::style::Style;

use super::pen::Pen;
use super::{charts, glyphs};
use crate::app::Clock;
use crate::app::layout::{Area, Shape};
use crate::app::trends::{self, LABELS, TrendPlot, TrendsCursor};
use crate::app::{App, wording};
use crate::domain::{Micros, Severity, TimeWindow, Timestamp, lower_edge};
use crate::messages::{TrendColumn, TrendRange, TrendsView};

/// Shares of the calls of a column from which each shade begins; the lightest stands for any.
const SHADES: [f64; 4] = [0.02, 0.10, 0.25, 0.50];
/// Spans of SEV1 and SEV2 in an hour from which each shade begins.
const RECORDS: [u32; 4] = [3, 10, 20, 40];
/// A chart of shares reaches to this at least: less is drawn as little.
const LEAST_SHARE: f64 = 0.05;

/// Where the parts are.
struct Parts {
    plot: Area,
    axis: Area,
    labels: Area,
    tracks: Area,
    rule: Area,
    text: Area,
}

impl Parts {
    fn of(screen: Area) -> Self {
        let text = if screen.height >= 32 { 6 } else { 4 };
        let body = screen.below(2).top(screen.height.saturating_sub(4));
        let plot = body.top(body.height.saturating_sub(text + 6));
        let rest = body.below(plot.height);
        Self {
            plot,
            axis: rest.line(0),
            labels: rest.line(1),
            tracks: rest.below(2).top(3),
            rule: rest.line(5),
            text: rest.below(6),
        }
    }
}

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &TrendsCursor, screen: Area, now: Timestamp) {
    super::footer::below(pen, app, screen, now);
    let stale = app.is_stale(app.shown_at(now));
    let view = trends::shown(app, cursor);
    if Shape::of((screen.width, screen.height)) == Shape::Narrow {
        return narrow(pen, app, cursor, view, screen, stale);
    }
    head(pen, cursor, app.clock(), view, screen, stale);
    let parts = Parts::of(screen);
    let Some(view) = view else {
        return super::note(pen, parts.plot, "Loading what is known of this operation.");
    };
    if stale {
        pen.tint(parts.plot, pen.theme.quiet());
    }
    let cells = Cells::of(view, parts.plot);
    match cursor.plot {
        TrendPlot::Days => days(pen, view, &parts),
        _ if view.columns.is_empty() => super::note(pen, parts.plot, nothing(view)),
        TrendPlot::Heatmap => heatmap(pen, view, &cells, parts.plot),
        TrendPlot::Percentiles => percentiles(pen, view, &cells, parts.plot),
        TrendPlot::Errors => errors(pen, &cells, parts.plot),
        TrendPlot::Rate => rate(pen, &cells, parts.plot),
        TrendPlot::Weeks => weeks(pen, view, &cells, parts.plot),
    }
    if cursor.plot != TrendPlot::Days {
        axis(pen, view, cursor, &cells, &parts, app.clock());
        tracks(pen, view, &cells, parts.tracks);
    }
    let title = if cursor.plot == TrendPlot::Days {
        format!("The last {} days", view.days.len())
    } else {
        format!("At the cursor: {}", trends::when(view, cursor.stretch(view), app.clock()))
    };
    pen.rule(parts.rule, &title, pen.theme.heading(), legend(cursor.plot), pen.theme.quiet());
    text(pen, app, cursor, parts.text);
}

fn nothing(view: &TrendsView) -> &'static str {
    if view.stored {
        "Nothing is known of this time: the operation was not watched, or nothing was learnt of it. Z shows a longer time."
    } else {
        "Reading what the store has of this operation."
    }
}

fn head(pen: &mut Pen<'_>, cursor: &TrendsCursor, clock: Clock, view: Option<&TrendsView>, screen: Area, stale: bool) {
    let (first, second) = (screen.line(0), screen.line(1));
    let step = view.map_or_else(String::new, |view| format!(", 1 column = {}", length(view.step)));
    let stale = if stale { "STALE, " } else { "" };
    let remark = if cursor.plot == TrendPlot::Days {
        format!("{stale}{}", TrendRange::Month.name())
    } else {
        format!("{stale}{}{step}", cursor.range.name())
    };
    let room = first.width.saturating_sub(pen.width(&remark) + 4);
    let end = pen.put(first.x + 1, first.y, room.min(8), "Trends  ", pen.theme.title(true));
    pen.put(end, first.y, room.saturating_sub(8), &wording::key(&cursor.key), pen.theme.heading());
    pen.put_right(first.x, first.y, first.width.saturating_sub(1), &remark, pen.theme.quiet());
    let mut x = second.x + 1;
    for plot in TrendPlot::ALL {
        let here = plot == cursor.plot;
        let (name, style) = if here {
            (format!("[{}]", plot.name()), pen.theme.title(true))
        } else {
            (format!(" {} ", plot.name()), pen.theme.quiet())
        };
        x = pen.put(x, second.y, (second.x + second.width).saturating_sub(x), &name, style);
    }
    let left = (second.x + second.width).saturating_sub(x + 3);
    let source =
        view.filter(|_| cursor.plot != TrendPlot::Days).map(|view| trends::source(view, clock)).unwrap_or_default();
    if pen.width(&source) <= left {
        pen.put_right(x + 2, second.y, left, &source, pen.theme.quiet());
    }
}

/// `4 min`, `1 h`, `12 h`
fn length(step: Micros) -> String {
    match step.secs() / 60 {
        minutes @ 0..60 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

const fn legend(plot: TrendPlot) -> &'static str {
    match plot {
        TrendPlot::Heatmap => "share of calls: · ░ 2% ▒ 10% ▓ 25% █ 50%",
        TrendPlot::Percentiles => "━ p99  ─ p95  · p50  ░ normal",
        TrendPlot::Errors => "calls that failed",
        TrendPlot::Rate => "calls a second, ─ normal",
        TrendPlot::Weeks => "p99 by the clock",
        TrendPlot::Days => "digit: worst alert, shade: SEV1-2",
    }
}

/// Which column each cell of a plot shows.
struct Cells<'v> {
    columns: Vec<Option<&'v TrendColumn>>,
    stretches: Vec<TimeWindow>,
}

impl<'v> Cells<'v> {
    fn of(view: &'v TrendsView, area: Area) -> Self {
        let width = area.width.saturating_sub(LABELS + 1);
        Self::across(view, width)
    }

    /// Each cell shows the column at its middle.
    fn across(view: &'v TrendsView, width: u16) -> Self {
        let at = |part: u64| {
            let whole = u128::from(view.window.length().0);
            view.window.from + Micros((whole * u128::from(part) / (2 * u128::from(width.max(1)))) as u64)
        };
        let cells = 0..u64::from(width);
        let columns = cells.clone().map(|cell| view.column_at(at(2 * cell + 1))).collect();
        let stretches = cells.map(|cell| TimeWindow::new(at(2 * cell), at(2 * cell + 2))).collect();
        Self { columns, stretches }
    }

    /// The cell that shows a moment.
    fn of_moment(&self, at: Timestamp) -> Option<u16> {
        self.stretches.iter().position(|stretch| stretch.contains(at)).map(|cell| cell as u16)
    }

    fn each<T>(&self, of: impl Fn(&TrendColumn) -> Option<T>) -> Vec<Option<T>> {
        self.columns.iter().map(|column| column.and_then(&of)).collect()
    }
}

fn label(pen: &mut Pen<'_>, area: Area, row: u16, text: &str) {
    pen.put_right(area.x, area.y + row, LABELS - 1, text, pen.theme.quiet());
    pen.put(area.x + LABELS - 1, area.y + row, 1, glyphs::GUTTER, pen.theme.quiet());
}

fn put_row(pen: &mut Pen<'_>, area: Area, row: u16, text: &str) {
    pen.put(area.x + LABELS, area.y + row, area.width.saturating_sub(LABELS + 1), text, Style::new());
}

/// The rows of a plot on a logarithmic scale, each of one line or more.
struct Rows {
    /// Ascending; the last is the upper edge of the highest row.
    edges: Vec<u64>,
    /// Lines of a row.
    lines: u16,
}

impl Rows {
    fn draw(pen: &mut Pen<'_>, view: &TrendsView, plot: TrendPlot, area: Area) -> Self {
        let (low, high) = trends::extent(view, plot);
        let edges = trends::scale(low, high, usize::from(area.height));
        let count = edges.len().saturating_sub(1).max(1) as u16;
        let rows = Self { edges, lines: (area.height / count).clamp(1, 3) };
        for line in 0..area.height {
            label(pen, area, line, "");
        }
        for (row, edge) in (0..count).zip(&rows.edges) {
            label(pen, area, rows.foot(row, area), &Micros(*edge).to_string());
        }
        rows
    }

    fn count(&self) -> u16 {
        self.edges.len().saturating_sub(1) as u16
    }

    /// The lowest line of a row. The first row stands on the axis.
    fn foot(&self, row: u16, area: Area) -> u16 {
        area.height.saturating_sub(1 + row * self.lines)
    }

    /// The row of a duration.
    fn of(&self, us: u64) -> u16 {
        let above = self.edges.partition_point(|edge| *edge <= us) as u16;
        above.saturating_sub(1).min(self.count().saturating_sub(1))
    }
}

fn shade(share: f64, steps: &[f64]) -> char {
    match steps.iter().filter(|step| share >= **step).count() {
        0 if share > 0.0 => '·',
        0 => ' ',
        step => glyphs::SHADES.get(step - 1).copied().unwrap_or('█'),
    }
}

fn heatmap(pen: &mut Pen<'_>, view: &TrendsView, cells: &Cells<'_>, area: Area) {
    let rows = Rows::draw(pen, view, TrendPlot::Heatmap, area);
    // The share of each row of a column, the lowest first.
    let shares = |column: &TrendColumn| {
        let mut shares = vec![0.0; usize::from(rows.count())];
        for (bin, calls) in column.durations.iter() {
            let middle = lower_edge(bin).midpoint(lower_edge(bin + 1).saturating_sub(1));
            if let Some(share) = shares.get_mut(usize::from(rows.of(middle))) {
                *share += calls as f64 / column.numbers.n.max(1) as f64;
            }
        }
        shares
    };
    let all: Vec<Option<Vec<f64>>> = cells.each(|column| Some(shares(column)));
    for row in 0..rows.count() {
        let share = |shares: &Vec<f64>| shares.get(usize::from(row)).copied();
        let text: String = all
            .iter()
            .map(|shares| shares.as_ref().and_then(share).map_or(' ', |share| shade(share, &SHADES)))
            .collect();
        for line in 0..rows.lines {
            put_row(pen, area, rows.foot(row, area).saturating_sub(line), &text);
        }
    }
}

fn percentiles(pen: &mut Pen<'_>, view: &TrendsView, cells: &Cells<'_>, area: Area) {
    let rows = Rows::draw(pen, view, TrendPlot::Percentiles, area);
    for row in 0..rows.count() {
        let band = |column: &TrendColumn| {
            let normal = column.normal?;
            (rows.of(normal.p50.0)..=rows.of(normal.p99.0)).contains(&row).then_some('░')
        };
        let mark = |column: &TrendColumn| {
            let [p50, p95, p99] = column.numbers.percentiles?;
            // Where two share a row the worse is drawn.
            let marks = [(p99, glyphs::CRITICAL), (p95, glyphs::RULE), (p50, glyphs::WAIT)];
            marks.into_iter().find(|(value, _)| rows.of(value.0) == row).map(|(_, glyph)| glyph)
        };
        let text = |glyphs: Vec<Option<char>>| glyphs.into_iter().map(|glyph| glyph.unwrap_or(' ')).collect::<String>();
        let foot = rows.foot(row, area);
        put_row(pen, area, foot, &text(cells.each(|column| mark(column).or_else(|| band(column)))));
        for line in 1..rows.lines {
            put_row(pen, area, foot.saturating_sub(line), &text(cells.each(band)));
        }
    }
}

/// Columns from zero; `normal` is a line behind them.
fn chart(
    pen: &mut Pen<'_>,
    area: Area,
    values: &[Option<f64>],
    normal: &[Option<f64>],
    (most, told): (f64, &dyn Fn(f64) -> String),
) {
    let height = usize::from(area.height);
    let scaled: Vec<Option<Micros>> =
        values.iter().map(|value| value.map(|value| Micros((value / most * 1e6) as u64))).collect();
    let lines = charts::columns(&scaled, Micros(1_000_000), height, 1);
    let row_of = |value: f64| height.saturating_sub(1).saturating_sub(((value / most) * height as f64) as usize);
    for (row, line) in lines.iter().enumerate() {
        let text: String = line
            .chars()
            .zip(normal.iter().copied().chain(std::iter::repeat(None)))
            .map(|(c, normal)| match normal {
                Some(normal) if c == ' ' && row_of(normal) == row => glyphs::RULE,
                _ => c,
            })
            .collect();
        let at = most * (height - row) as f64 / height.max(1) as f64;
        let labelled = row == 0 || row == height / 2;
        label(pen, area, row as u16, &if labelled { told(at) } else { String::new() });
        put_row(pen, area, row as u16, &text);
    }
}

fn errors(pen: &mut Pen<'_>, cells: &Cells<'_>, area: Area) {
    let share = |column: &TrendColumn| (column.numbers.n > 0).then(|| column.errors as f64 / column.numbers.n as f64);
    let shares = cells.each(share);
    let most = shares.iter().flatten().copied().fold(LEAST_SHARE, f64::max);
    chart(pen, area, &shares, &[], (most, &wording::percent));
}

fn rate(pen: &mut Pen<'_>, cells: &Cells<'_>, area: Area) {
    let rates = cells.each(|column| Some(column.numbers.per_s));
    let normal = cells.each(|column| column.normal.map(|normal| normal.per_s));
    let most = rates.iter().chain(&normal).flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return super::note(pen, area, "No calls in all of this time.");
    }
    // The largest column does not touch the top.
    chart(pen, area, &rates, &normal, (most * 1.05, &wording::rate));
}

fn p99_of(numbers: Option<&crate::messages::TrendNumbers>) -> Option<Micros> {
    numbers?.percentiles.map(|[_, _, p99]| p99)
}

fn weeks(pen: &mut Pen<'_>, view: &TrendsView, cells: &Cells<'_>, area: Area) {
    if view.wanted.range == TrendRange::Month {
        return super::note(pen, area, "Four weeks before these 30 days nothing is kept; z shows a shorter time.");
    }
    let now = cells.each(|column| p99_of(Some(&column.numbers)));
    let before = |week: usize| cells.each(|column| p99_of(column.weeks.get(week).and_then(Option::as_ref)));
    let all: Vec<(String, Vec<Option<Micros>>)> = [("now".to_owned(), now)]
        .into_iter()
        .chain((0..4).map(|week| (format!("-{} w", week + 1), before(week))))
        .collect();
    let most = all.iter().flat_map(|(_, values)| values).flatten().copied().max().unwrap_or_default();
    let height = (area.height / 5).max(1);
    for (at, (name, values)) in (0..).zip(&all) {
        let top = at * height;
        let body = area.below(top).top(height);
        // A line of air between charts that have more than one line.
        let lines = usize::from(body.height.saturating_sub(u16::from(height > 2)));
        if lines == 0 {
            return;
        }
        for row in 0..body.height {
            label(pen, body, row, "");
        }
        let drawn = charts::columns(values, most, lines, 1);
        for (row, line) in drawn.iter().enumerate() {
            put_row(pen, body, (usize::from(body.height) - lines + row) as u16, line);
        }
        let foot = body.height - 1;
        label(pen, body, foot, name);
        if at == 0 && body.height > 1 && most > Micros::ZERO {
            label(pen, body, 0, &most.to_string());
        }
        if values.iter().all(Option::is_none) {
            pen.put(
                body.x + LABELS + 1,
                body.y + foot,
                body.width.saturating_sub(LABELS + 2),
                "not known",
                pen.theme.quiet(),
            );
        }
    }
}

/// The axis with the cursor on it, and times below.
fn axis(pen: &mut Pen<'_>, view: &TrendsView, cursor: &TrendsCursor, cells: &Cells<'_>, parts: &Parts, clock: Clock) {
    let quiet = pen.theme.quiet();
    let width = cells.columns.len();
    let line: String = std::iter::once('└').chain(std::iter::repeat_n(glyphs::RULE, width)).collect();
    let area = parts.axis;
    pen.put(area.x + LABELS - 1, area.y, area.width.saturating_sub(LABELS), &line, quiet);
    let stretch = cursor.stretch(view);
    let middle = stretch.from + Micros(stretch.length().0 / 2);
    if let Some(cell) = cells.of_moment(middle) {
        pen.put(area.x + LABELS + cell, area.y, 1, glyphs::POINTER, pen.theme.title(true));
    }
    let area = parts.labels;
    let mut taken = 0;
    for at in ticks(view, clock) {
        let text = tick(view.wanted.range, at, clock);
        let Some(cell) = cells.of_moment(at) else { continue };
        let length = pen.width(&text);
        if cell >= taken && usize::from(cell + length) <= width {
            pen.put(area.x + LABELS + cell, area.y, length, &text, quiet);
            taken = cell + length + 2;
        }
    }
}

/// Round times within the plot.
fn ticks(view: &TrendsView, clock: Clock) -> impl Iterator<Item = Timestamp> {
    let secs: i64 = match view.wanted.range {
        TrendRange::Hour => 600,
        TrendRange::SixHours => 3_600,
        TrendRange::Day => 3 * 3_600,
        TrendRange::Week | TrendRange::Month => 86_400,
    };
    let to = view.window.to;
    std::iter::successors(Some(clock.next_round(view.window.from, secs)), move |at| Some(clock.next_round(*at, secs)))
        .take_while(move |at| *at < to)
}

fn tick(range: TrendRange, at: Timestamp, clock: Clock) -> String {
    match range {
        TrendRange::Hour | TrendRange::SixHours | TrendRange::Day => clock.short(at),
        TrendRange::Week | TrendRange::Month => clock.day(at),
    }
}

fn tracks(pen: &mut Pen<'_>, view: &TrendsView, cells: &Cells<'_>, area: Area) {
    let quiet = pen.theme.quiet();
    for (row, name) in ["band", "alerts", "maint."].into_iter().enumerate() {
        let line = area.line(row as u16);
        if !line.is_empty() {
            pen.put(line.x + 1, line.y, LABELS - 1, name, quiet);
        }
    }
    for (cell, (column, stretch)) in (0..).zip(cells.columns.iter().zip(&cells.stretches)) {
        let x = area.x + LABELS + cell;
        let mut put = |row: u16, glyph: char, style: Style| {
            if row < area.height {
                pen.put(x, area.y + row, 1, glyph.encode_utf8(&mut [0; 4]), style);
            }
        };
        match column {
            Some(column) if column.outside => put(0, glyphs::CRITICAL, Style::new()),
            Some(column) if column.normal.is_some() && column.numbers.n > 0 => put(0, glyphs::RULE, quiet),
            _ => {}
        }
        let is_hour = column.is_some_and(|column| column.source == crate::messages::TrendSource::Hours);
        if trends::is_within(&view.maintenance, *stretch) {
            put(2, glyphs::MAINTENANCE, Style::new());
        } else if column.is_none() {
            put(2, glyphs::UNKNOWN, quiet);
        } else if is_hour && trends::is_within(&view.left_out, *stretch) {
            put(2, glyphs::LEFT_OUT, quiet);
        }
    }
    alerts(pen, view, cells, area.x + LABELS, area.line(1));
}

/// The severity of the worst alert in each cell.
fn alerts(pen: &mut Pen<'_>, view: &TrendsView, cells: &Cells<'_>, x: u16, line: Area) {
    if line.is_empty() {
        return;
    }
    for (cell, stretch) in (0..).zip(&cells.stretches) {
        if let Some(alert) = trends::alert_in(view, *stretch) {
            digit(pen, alert.severity, x + cell, line.y);
        }
    }
}

fn digit(pen: &mut Pen<'_>, severity: Severity, x: u16, y: u16) {
    pen.put(x, y, 1, &severity.number().to_string(), pen.theme.severity(severity));
}

/// 30 days from left to right, hours of the day from top to bottom, as many together as the plot asks for.
fn days(pen: &mut Pen<'_>, view: &TrendsView, parts: &Parts) {
    if view.days.is_empty() || !view.stored {
        return super::note(pen, parts.plot, "Reading the last 30 days.");
    }
    // There is neither a cursor nor a track here.
    let area = Area { height: parts.plot.height + 4, ..parts.plot };
    let together = [1u16, 2, 3, 4, 6].into_iter().find(|hours| 24 / hours <= area.height).unwrap_or(24);
    let wide = (area.width.saturating_sub(LABELS + 1) / view.days.len().max(1) as u16).clamp(1, 4);
    for row in 0..24 / together {
        let first = usize::from(row * together);
        label(pen, area, row, &format!("{first:02}h"));
        for (number, day) in (0..).zip(&view.days) {
            let x = area.x + LABELS + number * wide;
            let hours = first..first + usize::from(together);
            let worst = hours.clone().filter_map(|hour| trends::alert_of(day, hour)).min();
            let most = hours.map(|hour| trends::records_of(day, hour)).max().unwrap_or(0);
            match worst {
                Some(severity) => digit(pen, severity, x, area.y + row),
                None => {
                    let glyph = shade(f64::from(most), &RECORDS.map(f64::from));
                    pen.put(x, area.y + row, 1, glyph.encode_utf8(&mut [0; 4]), Style::new());
                }
            }
        }
    }
    let below = area.y + 24 / together;
    if below >= parts.rule.y {
        return;
    }
    let mut taken = 0;
    for (number, day) in (0..).zip(&view.days) {
        // Noon is within the day in every zone.
        let text = tick(TrendRange::Month, day.start + Micros::from_secs(43_200), Clock::UTC);
        let (at, length) = (number * wide, pen.width(&text));
        if at >= taken && area.x + LABELS + at + length <= area.x + area.width {
            pen.put(area.x + LABELS + at, below, length, &text, pen.theme.quiet());
            taken = at + length + 2;
        }
    }
}

fn text(pen: &mut Pen<'_>, app: &App, cursor: &TrendsCursor, area: Area) {
    let room = area.width.saturating_sub(2);
    for (row, line) in (0..area.height).zip(trends::lines(app, cursor)) {
        pen.put_start(area.x + 1, area.y + row, room, &line, Style::new());
    }
}

/// One chart line of p99, the alerts below it, and the numbers.
fn narrow(pen: &mut Pen<'_>, app: &App, cursor: &TrendsCursor, view: Option<&TrendsView>, screen: Area, stale: bool) {
    let room = screen.width.saturating_sub(2);
    let line = |row: u16| screen.line(row);
    pen.put(screen.x + 1, line(0).y, room, &wording::key(&cursor.key), pen.theme.title(true));
    let stale = if stale { "STALE, " } else { "" };
    let name = if cursor.plot == TrendPlot::Heatmap { "p99" } else { cursor.plot.name() };
    let range = if cursor.plot == TrendPlot::Days { TrendRange::Month } else { cursor.range };
    let remark = format!("{stale}{name}, {}", range.name());
    pen.put_start(screen.x + 1, line(1).y, room, &remark, pen.theme.quiet());
    let body = screen.below(2).top(screen.height.saturating_sub(3));
    let Some(view) = view else {
        return super::note(pen, body, "Loading what is known of this operation.");
    };
    if cursor.plot == TrendPlot::Days {
        return lines(pen, app, cursor, body);
    }
    if view.columns.is_empty() {
        return super::note(pen, body, nothing(view));
    }
    let cells = Cells::across(view, room);
    let (drawn, unit) = match cursor.plot {
        TrendPlot::Errors => {
            let shares = cells
                .each(|column| (column.numbers.n > 0).then(|| Micros(column.errors * 1_000_000 / column.numbers.n)));
            (charts::columns(&shares, most(&shares, (LEAST_SHARE * 1e6) as u64), 2, 1), "")
        }
        TrendPlot::Rate => {
            let rates = cells.each(|column| Some(Micros((column.numbers.per_s * 1e6) as u64)));
            (charts::columns(&rates, most(&rates, 1), 2, 1), "")
        }
        TrendPlot::Weeks => {
            let values = cells.each(|column| p99_of(column.weeks.first().and_then(Option::as_ref)));
            (charts::columns(&values, most(&values, 1), 2, 1), "a week before")
        }
        _ => {
            let values = cells.each(|column| p99_of(Some(&column.numbers)));
            (charts::columns(&values, most(&values, 1), 2, 1), "")
        }
    };
    for (row, text) in (0..).zip(&drawn) {
        pen.put(body.x + 1, body.y + row, room, text, Style::new());
    }
    alerts(pen, view, &cells, body.x + 1, body.line(2));
    let stretch = cursor.stretch(view);
    let when = format!("{} {unit}", trends::when(view, stretch, app.clock()));
    let middle = stretch.from + Micros(stretch.length().0 / 2);
    if let Some(cell) = cells.of_moment(middle) {
        pen.tint(Area::new(body.x + 1 + cell, body.y, 1, 2), pen.theme.here());
    }
    pen.put_start(body.x + 1, body.line(3).y, room, &when, pen.theme.quiet());
    lines(pen, app, cursor, body.below(4));
}

fn most(values: &[Option<Micros>], least: u64) -> Micros {
    values.iter().flatten().copied().max().unwrap_or_default().max(Micros(least))
}

/// The text, wrapped.
fn lines(pen: &mut Pen<'_>, app: &App, cursor: &TrendsCursor, area: Area) {
    let room = area.width.saturating_sub(2);
    let told = trends::lines(app, cursor);
    let wrapped = told.iter().flat_map(|line| crate::app::wrap(line, usize::from(room), 0));
    for (row, line) in (0..area.height).zip(wrapped) {
        pen.put_start(area.x + 1, area.y + row, room, &line, Style::new());
    }
}
