//! Which service calls which: as a list of calls, and as a graph.

use std::collections::BTreeSet;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use super::graph::{Graph, lay_out};
use super::keymap::Action;
use super::layout::{Area, Shape};
use super::page::Page;
use super::{App, list, service, wording};
use crate::domain::{Severity, SpanKey, Timestamp, text};
use crate::messages::{EdgeView, MapView, NodeView, ServiceState};

/// What a person did on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapCursor {
    /// It was opened about this service.
    pub around: Option<Arc<str>>,
    pub form: Form,
    /// The row of the list that was chosen.
    pub row: Option<RowId>,
    pub top: usize,
    /// The node of the graph that was chosen.
    pub node: Option<Arc<str>>,
    /// The first visible column and row of the graph.
    pub scroll: (usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    List,
    Graph,
}

/// A call, or a service that neither calls nor is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowId {
    pub service: Arc<str>,
    pub callee: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MapRow<'a> {
    Call(&'a EdgeView),
    Alone(&'a NodeView),
}

impl MapRow<'_> {
    fn id(&self) -> RowId {
        match self {
            Self::Call(edge) => RowId { service: edge.caller.clone(), callee: Some(edge.callee.clone()) },
            Self::Alone(node) => RowId { service: node.service.clone(), callee: None },
        }
    }

    fn touches(&self, service: &str) -> bool {
        match self {
            Self::Call(edge) => *edge.caller == *service || *edge.callee == *service,
            Self::Alone(node) => *node.service == *service,
        }
    }
}

/// Nodes of the graph: of more, the abnormal and those with most neighbours.
pub const MOST_NODES: usize = 60;
/// Columns of a name in the graph; a longer one is cut in its middle.
const NAME: usize = 24;
/// Columns before a name: its severity or another mark.
pub const MARK: usize = 3;

/// Where what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapLayout {
    pub shape: Shape,
    pub title: Area,
    pub rule: Area,
    pub heads: Area,
    pub rows: Area,
    /// The graph, which has no heads.
    pub graph: Area,
    pub detail: Area,
}

impl MapLayout {
    #[must_use]
    pub fn of(size: (u16, u16)) -> Self {
        let screen = Area::new(0, 0, size.0, size.1);
        let shape = Shape::of(size);
        let (footer, detail) = match shape {
            Shape::Four => (2, 3),
            Shape::Tabs => (2, 2),
            _ => (1, 0),
        };
        let below = screen.below(2).top(size.1.saturating_sub(2 + footer + detail));
        let heads = if matches!(shape, Shape::Four | Shape::Tabs) { 1 } else { 0 };
        Self {
            shape,
            title: screen.line(0),
            rule: screen.line(1),
            heads: below.top(heads),
            rows: below.below(heads),
            graph: below,
            detail: screen.below(size.1.saturating_sub(footer + detail)).top(detail),
        }
    }
}

/// The calls, the abnormal first, then services without any.
#[must_use]
pub fn rows(view: &MapView) -> Vec<MapRow<'_>> {
    let tied: BTreeSet<&str> = view.edges.iter().flat_map(|edge| [&*edge.caller, &*edge.callee]).collect();
    let alone = view.nodes.iter().filter(|node| !tied.contains(&*node.service));
    view.edges.iter().map(MapRow::Call).chain(alone.map(MapRow::Alone)).collect()
}

/// The row that is chosen: at first one about the service that the map was opened for.
#[must_use]
pub fn at(cursor: &MapCursor, rows: &[MapRow<'_>]) -> usize {
    let chosen = cursor.row.as_ref().and_then(|id| rows.iter().position(|row| row.id() == *id));
    let around = || cursor.around.as_ref().and_then(|around| rows.iter().position(|row| row.touches(around)));
    chosen.or_else(around).unwrap_or(0)
}

/// The graph of a map, and which services are in it, in the order of its nodes.
#[derive(Debug)]
pub struct Drawn<'a> {
    pub nodes: Vec<&'a NodeView>,
    /// In the order of the graph's edges.
    pub edges: Vec<&'a EdgeView>,
    pub graph: Graph,
    /// Services that are not in it.
    pub folded: usize,
}

#[must_use]
pub fn drawn<'a>(view: &'a MapView, cursor: &MapCursor) -> Drawn<'a> {
    let mut neighbours: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for edge in &view.edges {
        *neighbours.entry(&edge.caller).or_default() += 1;
        *neighbours.entry(&edge.callee).or_default() += 1;
    }
    let mut nodes: Vec<&NodeView> = view.nodes.iter().collect();
    nodes.sort_by_key(|node| {
        let about = Some(&node.service) != cursor.around.as_ref();
        let ties = neighbours.get(&*node.service).copied().unwrap_or(0);
        (about, node.severity.map_or(u8::MAX, Severity::number), std::cmp::Reverse(ties), &node.service)
    });
    let folded = nodes.split_off(nodes.len().min(MOST_NODES)).len();
    nodes.sort_by_key(|node| &node.service);
    let place = |name: &Arc<str>| nodes.binary_search_by_key(&name, |node| &node.service).ok();
    let (edges, ends): (Vec<&EdgeView>, Vec<(usize, usize)>) =
        view.edges.iter().filter_map(|edge| Some((edge, (place(&edge.caller)?, place(&edge.callee)?)))).unzip();
    let widths: Vec<usize> =
        nodes.iter().map(|node| MARK + text::clean(&node.service).width().clamp(1, NAME)).collect();
    Drawn { graph: lay_out(&widths, &ends), nodes, edges, folded }
}

/// The place of the node that is chosen: at first the one that the map was opened for, else the first that calls others.
#[must_use]
pub fn node_at(cursor: &MapCursor, drawn: &Drawn<'_>) -> usize {
    let place = |name: &Arc<str>| drawn.nodes.iter().position(|node| node.service == *name);
    let first = || {
        let places = drawn.graph.nodes.iter().enumerate();
        places.min_by_key(|(_, placed)| (placed.layer, placed.y)).map(|(place, _)| place)
    };
    cursor.node.as_ref().and_then(place).or_else(|| cursor.around.as_ref().and_then(place)).or_else(first).unwrap_or(0)
}

/// The node that is chosen: of a call the one that is called.
#[must_use]
pub fn node<'a>(app: &'a App, cursor: &MapCursor) -> Option<&'a NodeView> {
    let view = app.topics.map.get()?;
    let named = |name: &str| view.nodes.iter().find(|node| *node.service == *name);
    match cursor.form {
        Form::List => match rows(view).get(at(cursor, &rows(view)))? {
            MapRow::Call(edge) => named(&edge.callee),
            MapRow::Alone(node) => Some(*node),
        },
        Form::Graph => {
            let drawn = drawn(view, cursor);
            drawn.nodes.get(node_at(cursor, &drawn)).copied()
        }
    }
}

/// The operation that is most abnormal of what is chosen.
pub(super) fn operation<'a>(app: &'a App, cursor: &MapCursor) -> Option<&'a SpanKey> {
    let view = app.topics.map.get()?;
    let rows = rows(view);
    let of_call = match rows.get(at(cursor, &rows)) {
        Some(MapRow::Call(edge)) if cursor.form == Form::List => edge.call.as_ref().map(|pace| &pace.operation),
        _ => None,
    };
    of_call.or_else(|| node(app, cursor)?.worst_operation.as_ref())
}

/// `no spans for 12m`, `only metrics, newest 2m ago`; nothing of one that is there.
#[must_use]
pub fn absence(node: &NodeView, now: Timestamp) -> Option<String> {
    let since = |text: &str, end: &str| node.last_seen.map(|at| format!("{text}{}{end}", wording::age(now.since(at))));
    match node.state {
        None => Some(since("only metrics, the newest ", " old").unwrap_or_else(|| "only metrics".to_owned())),
        Some(ServiceState::Absent) => {
            Some(since("no spans for ", "").unwrap_or_else(|| "no spans since the start".to_owned()))
        }
        Some(_) => None,
    }
}

/// A node in lines: how it is, whom it calls, who calls it.
#[must_use]
pub fn node_lines(view: &MapView, node: &NodeView, now: Timestamp) -> Vec<String> {
    let mut parts = vec![node.service.to_string()];
    parts.extend(node.severity.map(|severity| severity.to_string()));
    parts.extend(node.kinds.iter().map(ToString::to_string));
    if node.state == Some(ServiceState::Learning) {
        parts.push("learning".to_owned());
    }
    parts.extend(absence(node, now));
    if let Some(times) = node.times_normal {
        let of = node.worst_operation.as_ref().map_or_else(String::new, |key| format!(" ({})", key.operation));
        parts.push(format!("p99 {} x normal{of}", wording::times(times)));
    }
    let mut lines = vec![parts.join(", ")];
    for (word, outward) in [("calls", true), ("called by", false)] {
        let ends = |edge: &EdgeView| {
            if outward {
                (edge.caller.clone(), edge.callee.clone())
            } else {
                (edge.callee.clone(), edge.caller.clone())
            }
        };
        let others: Vec<String> = view
            .edges
            .iter()
            .filter(|edge| ends(edge).0 == node.service)
            .map(|edge| {
                let times = edge.times_normal().filter(|times| *times >= 1.5);
                let times = times.map_or_else(String::new, |times| format!(" x{}", wording::times(times)));
                let severity = edge.severity.map_or_else(String::new, |severity| format!("{severity} "));
                format!("{severity}{} {}/s{times}", ends(edge).1, wording::rate(edge.per_s))
            })
            .collect();
        if !others.is_empty() {
            lines.push(format!("{word} {}", others.join(", ")));
        }
    }
    lines
}

/// What is told of the chosen row or node below it.
#[must_use]
pub fn detail(app: &App, cursor: &MapCursor, now: Timestamp) -> Vec<String> {
    let Some(view) = app.topics.map.get() else { return Vec::new() };
    let rows = rows(view);
    match rows.get(at(cursor, &rows)) {
        Some(MapRow::Call(edge)) if cursor.form == Form::List => vec![service::edge_text(edge)],
        _ => node(app, cursor).map_or_else(Vec::new, |node| node_lines(view, node, now)),
    }
}

/// `5 services, 6 calls, 2 abnormal`
#[must_use]
pub fn headline(view: &MapView) -> String {
    let mut parts =
        vec![wording::plural(view.nodes.len() as u64, "service"), wording::plural(view.edges.len() as u64, "call")];
    let abnormal = view.edges.iter().filter(|edge| edge.is_abnormal()).count();
    if abnormal > 0 {
        parts.push(format!("{abnormal} abnormal"));
    }
    if view.uncounted > 0 {
        parts.push(format!("{} not counted", wording::plural(view.uncounted, "call")));
    }
    parts.join(", ")
}

/// The list as text.
#[must_use]
pub fn copied(app: &App, now: Timestamp) -> Option<String> {
    let view = app.topics.map.get()?;
    let mut lines = vec![format!("{} ({})", headline(view), app.clock().date(now))];
    for row in rows(view) {
        lines.push(match row {
            MapRow::Call(edge) => service::edge_text(edge),
            MapRow::Alone(node) => format!("{}, no calls from or to it", node_lines(view, node, now).join(", ")),
        });
    }
    Some(lines.join("\n"))
}

pub(super) fn ages(app: &App, _cursor: &MapCursor) -> Vec<Timestamp> {
    let nodes = app.topics.map.get().into_iter().flat_map(|view| &view.nodes);
    let told = nodes.filter(|node| matches!(node.state, None | Some(ServiceState::Absent)));
    told.filter_map(|node| node.last_seen).collect()
}

impl App {
    /// Shows which service calls which, around what the screen is about.
    pub(super) fn open_map(&mut self) {
        let around = self.service_at_hand();
        let cursor = MapCursor { around, ..MapCursor::default() };
        self.view.pages.open(Page::Map(cursor), self.view.trace.is_some());
        self.arrange_map();
    }

    pub(super) fn map_cursor(&self) -> Option<&MapCursor> {
        match self.page() {
            Some(Page::Map(cursor)) => Some(cursor),
            _ => None,
        }
    }

    fn map_cursor_mut(&mut self) -> Option<&mut MapCursor> {
        match self.view.pages.shown_mut(self.view.trace.is_some()) {
            Some(Page::Map(cursor)) => Some(cursor),
            _ => None,
        }
    }

    pub(super) fn take_map(&mut self, revision: u64, view: Box<MapView>, now: Timestamp) -> bool {
        let changed = self.topics.map.take(revision, view);
        self.arrange(now);
        changed
    }

    /// Keeps what is chosen in sight.
    pub(super) fn arrange_map(&mut self) {
        let layout = MapLayout::of(self.size);
        let Some(mut cursor) = self.map_cursor().cloned() else { return };
        let Some(view) = self.topics.map.get() else { return };
        match cursor.form {
            Form::List => {
                let rows = rows(view);
                cursor.top = list::offset(cursor.top, at(&cursor, &rows), rows.len(), usize::from(layout.rows.height));
            }
            Form::Graph => {
                let drawn = drawn(view, &cursor);
                cursor.scroll = scrolled(&cursor, &drawn, layout.graph);
            }
        }
        if let Some(there) = self.map_cursor_mut() {
            *there = cursor;
        }
    }

    pub(super) fn go_in_map(&mut self, action: Action) {
        let layout = MapLayout::of(self.size);
        let Some(mut cursor) = self.map_cursor().cloned() else { return };
        let Some(view) = self.topics.map.get() else { return };
        match cursor.form {
            Form::List => {
                let rows = rows(view);
                let at = list::moved(action, at(&cursor, &rows), rows.len(), usize::from(layout.rows.height));
                cursor.row = rows.get(at).map(MapRow::id);
            }
            Form::Graph => {
                let drawn = drawn(view, &cursor);
                let page = usize::from(layout.graph.height);
                let at = drawn.graph.moved(node_at(&cursor, &drawn), action, page);
                cursor.node = drawn.nodes.get(at).map(|node| node.service.clone());
            }
        }
        if let Some(there) = self.map_cursor_mut() {
            *there = cursor;
        }
        self.arrange_map();
    }

    /// The list, or the graph. What is chosen in one is chosen in the other.
    pub(super) fn other_form(&mut self) {
        let Some(mut cursor) = self.map_cursor().cloned() else { return };
        let chosen = node(self, &cursor).map(|node| node.service.clone());
        match cursor.form {
            Form::List => {
                // Without a row of one's own choice it is about what the map was opened for.
                if cursor.row.is_some() {
                    cursor.node = chosen;
                }
                cursor.form = Form::Graph;
            }
            Form::Graph => {
                if cursor.node.is_some() {
                    cursor.row = self.topics.map.get().and_then(|view| {
                        let rows = rows(view);
                        let chosen = chosen?;
                        rows.iter().find(|row| row.touches(&chosen)).map(MapRow::id)
                    });
                }
                cursor.form = Form::List;
            }
        }
        if let Some(there) = self.map_cursor_mut() {
            *there = cursor;
        }
        self.arrange_map();
    }

    pub(super) fn open_in_map(&mut self) {
        let chosen = self.map_cursor().and_then(|cursor| node(self, cursor)).map(|node| node.service.clone());
        if let Some(service) = chosen {
            self.open_service(service);
        }
    }
}

/// The first visible column and row, so that the chosen node is seen with its marks.
#[must_use]
pub fn scrolled(cursor: &MapCursor, drawn: &Drawn<'_>, area: Area) -> (usize, usize) {
    let Some(placed) = drawn.graph.nodes.get(node_at(cursor, drawn)) else { return (0, 0) };
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let end = (placed.x + placed.width).min(drawn.graph.width.saturating_sub(1));
    let x = list::offset(cursor.scroll.0, end, drawn.graph.width, width);
    let x = list::offset(x, placed.x.saturating_sub(1), drawn.graph.width, width);
    (x, list::offset(cursor.scroll.1, placed.y, drawn.graph.height, height))
}
