//! Laying a directed graph out for a screen of characters: layers from left to right, one line a node, lines between them
//! that turn at right angles.
//!
//! Layers by longest path; of a cycle the call back to where a walk from the entries came from is drawn against the
//! direction. Long lines of one node share their way through the layers between. Order within layers by barycentre (Sugiyama
//! et al. 1981). Between two layers each line turns on a track of its own unless it can share one without being mistaken: in
//! no cell do two lines meet that have neither their beginning nor their end in common; a line that only crosses another
//! interrupts it. The result depends on the order of the nodes and on nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::keymap::Action;

pub const UP: u8 = 1;
pub const DOWN: u8 = 2;
pub const LEFT: u8 = 4;
pub const RIGHT: u8 = 8;
const VERTICAL: u8 = UP | DOWN;
const HORIZONTAL: u8 = LEFT | RIGHT;

/// Sweeps over all layers, there and back.
const SWEEPS: usize = 6;
/// Columns between two layers besides those in which lines turn: one before, and room for two characters and a tip behind.
const AIR: usize = 5;
/// Rows from one node to the next.
const PITCH: i64 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    pub width: usize,
    pub height: usize,
    /// In the order in which they were given.
    pub nodes: Vec<Placed>,
    /// By row and column.
    pub cells: BTreeMap<(usize, usize), Cell>,
    /// Where a line reaches a node, by row and column.
    pub tips: BTreeMap<(usize, usize), Tip>,
}

/// A node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placed {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub layer: usize,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// To which sides it leads.
    pub sides: u8,
    /// Places of the edges that it is part of, ascending.
    pub edges: BTreeSet<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tip {
    /// Into the node on its right.
    Right,
    /// Into the node on its left.
    Left,
}

/// A node, or where a long line passes a layer.
#[derive(Debug, Clone, Copy)]
struct Vertex {
    layer: usize,
    /// `None` for a passage.
    node: Option<usize>,
    /// In units of [`PITCH`].
    y: i64,
}

/// A line from one layer to the next.
#[derive(Debug, Clone)]
struct Segment {
    from: usize,
    to: usize,
    edges: BTreeSet<usize>,
}

/// Lines that turn in the same column.
#[derive(Debug, Clone)]
struct Track {
    from: usize,
    segments: Vec<usize>,
}

/// Lays nodes of these widths out. Edges are pairs of places of nodes; those to itself or out of range are left out.
#[must_use]
pub fn lay_out(widths: &[usize], edges: &[(usize, usize)]) -> Graph {
    let count = widths.len();
    let is_drawn = |(from, to): &(usize, usize)| from != to && *from < count && *to < count;
    // Pairs in the direction of the layers, with the edges that they stand for and whether one leads there, or back.
    let backward = backward(count, edges);
    let mut pairs: BTreeMap<(usize, usize), (BTreeSet<usize>, bool, bool)> = BTreeMap::new();
    for (number, (from, to)) in edges.iter().enumerate().filter(|(_, edge)| is_drawn(edge)) {
        let back = backward.contains(&(*from, *to));
        let pair = pairs.entry(if back { (*to, *from) } else { (*from, *to) }).or_default();
        pair.0.insert(number);
        pair.1 |= !back;
        pair.2 |= back;
    }
    let layers = layers(count, pairs.keys().copied());
    let (mut vertices, segments) = passages(&layers, &pairs);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (number, vertex) in vertices.iter().enumerate() {
        order[vertex.layer].push(number);
    }
    reduce_crossings(&mut order, &segments, vertices.len());
    align(&mut vertices, &order, &segments);

    let lowest = vertices.iter().map(|vertex| vertex.y).min().unwrap_or(0);
    let mut rows: Vec<usize> = vertices.iter().map(|vertex| ((vertex.y - lowest) * PITCH) as usize).collect();
    let mut channels: Vec<Vec<Track>> = Vec::new();
    for layer in 0..order.len().saturating_sub(1) {
        let here: Vec<usize> = (0..segments.len()).filter(|n| vertices[segments[*n].from].layer == layer).collect();
        let tracks = ordered(tracks_of(&segments, &here, &rows), &segments, &rows).unwrap_or_else(|| {
            // No order of the tracks keeps lines in the same row apart: then no two are in the same row.
            for vertex in order.iter().skip(layer + 1).flatten() {
                rows[*vertex] += 1;
            }
            let apart = tracks_of(&segments, &here, &rows);
            ordered(apart.clone(), &segments, &rows).unwrap_or(apart)
        });
        channels.push(tracks);
    }
    draw(widths, &pairs, &vertices, &segments, &order, &rows, &channels)
}

/// Edges to a node from which a walk came that began at the entries and went by order.
fn backward(count: usize, edges: &[(usize, usize)]) -> BTreeSet<(usize, usize)> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut called = vec![false; count];
    let drawn: BTreeSet<(usize, usize)> =
        edges.iter().copied().filter(|(from, to)| from != to && *from < count && *to < count).collect();
    for (from, to) in &drawn {
        below[*from].push(*to);
        called[*to] = true;
    }
    let mut backward = BTreeSet::new();
    let (mut seen, mut open) = (vec![false; count], vec![false; count]);
    let entries = (0..count).filter(|node| !called[*node]).chain((0..count).filter(|node| called[*node]));
    for entry in entries {
        let mut walk: Vec<(usize, usize)> = Vec::new();
        if !seen[entry] {
            (seen[entry], open[entry]) = (true, true);
            walk.push((entry, 0));
        }
        while let Some((node, next)) = walk.last_mut() {
            let Some(to) = below[*node].get(*next).copied() else {
                open[*node] = false;
                walk.pop();
                continue;
            };
            *next += 1;
            if open[to] {
                backward.insert((*node, to));
            } else if !seen[to] {
                (seen[to], open[to]) = (true, true);
                walk.push((to, 0));
            }
        }
    }
    backward
}

/// The longest way from an entry to each node.
fn layers(count: usize, pairs: impl Iterator<Item = (usize, usize)> + Clone) -> Vec<usize> {
    let (mut layers, mut waiting) = (vec![0; count], vec![0usize; count]);
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in pairs {
        below[from].push(to);
        waiting[to] += 1;
    }
    let mut ready: Vec<usize> = (0..count).filter(|node| waiting[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        for to in &below[node] {
            layers[*to] = layers[*to].max(layers[node] + 1);
            waiting[*to] -= 1;
            if waiting[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    layers
}

/// The nodes and the passages of long lines, and the lines from layer to layer.
fn passages(
    layers: &[usize],
    pairs: &BTreeMap<(usize, usize), (BTreeSet<usize>, bool, bool)>,
) -> (Vec<Vertex>, Vec<Segment>) {
    let mut vertices: Vec<Vertex> =
        layers.iter().enumerate().map(|(node, layer)| Vertex { layer: *layer, node: Some(node), y: 0 }).collect();
    let mut passing: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut segments: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    for ((from, to), (edges, ..)) in pairs {
        let mut last = *from;
        for layer in layers[*from] + 1..layers[*to] {
            let next = *passing.entry((*from, layer)).or_insert_with(|| {
                vertices.push(Vertex { layer, node: None, y: 0 });
                vertices.len() - 1
            });
            segments.entry((last, next)).or_default().extend(edges);
            last = next;
        }
        segments.entry((last, *to)).or_default().extend(edges);
    }
    (vertices, segments.into_iter().map(|((from, to), edges)| Segment { from, to, edges }).collect())
}

/// The vertices next to each, before and after it.
fn neighbours(segments: &[Segment], count: usize) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let (mut before, mut after) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for segment in segments {
        after[segment.from].push(segment.to);
        before[segment.to].push(segment.from);
    }
    (before, after)
}

fn reduce_crossings(order: &mut [Vec<usize>], segments: &[Segment], count: usize) {
    let (before, after) = neighbours(segments, count);
    let mut place = vec![0.0; count];
    let note = |layer: &[usize], place: &mut [f64]| {
        for (at, vertex) in layer.iter().enumerate() {
            // In the middle of its layer, so that layers of different sizes compare.
            place[*vertex] = at as f64 - layer.len() as f64 / 2.0;
        }
    };
    order.iter().for_each(|layer| note(layer, &mut place));
    let last = order.len();
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let beside = if forward { &before } else { &after };
        for step in 0..last {
            let layer = &mut order[if forward { step } else { last - 1 - step }];
            let mean = |vertex: usize| match beside[vertex].len() {
                0 => place[vertex],
                n => beside[vertex].iter().map(|other| place[*other]).sum::<f64>() / n as f64,
            };
            let mut keyed: Vec<(f64, usize)> = layer.iter().map(|vertex| (mean(*vertex), *vertex)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = keyed.into_iter().map(|(_, vertex)| vertex).collect();
            note(layer, &mut place);
        }
    }
}

/// Gives each vertex a row near those that it is tied to, in the order of its layer.
fn align(vertices: &mut [Vertex], order: &[Vec<usize>], segments: &[Segment]) {
    let (before, after) = neighbours(segments, vertices.len());
    for layer in order {
        for (at, vertex) in layer.iter().enumerate() {
            vertices[*vertex].y = at as i64;
        }
    }
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let beside = if forward { &before } else { &after };
        for step in 0..order.len() {
            let layer = &order[if forward { step } else { order.len() - 1 - step }];
            let wanted: Vec<i64> = layer
                .iter()
                .map(|vertex| {
                    let mut rows: Vec<i64> = beside[*vertex].iter().map(|other| vertices[*other].y).collect();
                    rows.sort_unstable();
                    rows.get(rows.len().saturating_sub(1) / 2).copied().unwrap_or(vertices[*vertex].y)
                })
                .collect();
            let mut last = i64::MIN;
            for (vertex, wanted) in layer.iter().zip(&wanted) {
                last = last.saturating_add(1).max(*wanted);
                vertices[*vertex].y = last;
            }
            // What was pushed down is spread to both sides.
            let pushed: i64 = layer.iter().zip(&wanted).map(|(vertex, wanted)| vertices[*vertex].y - wanted).sum();
            let shift = pushed / layer.len().max(1) as i64;
            for vertex in layer {
                vertices[*vertex].y -= shift;
            }
        }
    }
}

/// The lines of one channel by the columns in which they turn. Those of one vertex share one, but for lines to a vertex that
/// others lead to as well and that the shared column would pass.
fn tracks_of(segments: &[Segment], here: &[usize], rows: &[usize]) -> Vec<Track> {
    let mut entering: BTreeMap<usize, usize> = BTreeMap::new();
    let mut leaving: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in here {
        *entering.entry(segments[*number].to).or_default() += 1;
        leaving.entry(segments[*number].from).or_default().push(*number);
    }
    let mut found = Vec::new();
    for (from, mut lines) in leaving {
        let row = |number: &usize| rows[segments[*number].to];
        lines.retain(|number| row(number) != rows[from]);
        lines.sort_by_key(row);
        let mut together = Vec::new();
        for above in [true, false] {
            let side: Vec<usize> = lines.iter().copied().filter(|number| (row(number) < rows[from]) == above).collect();
            let far = if above { side.first() } else { side.last() }.copied();
            let (alone, shared): (Vec<usize>, Vec<usize>) = side.into_iter().partition(|number| {
                Some(*number) != far && entering.get(&segments[*number].to).is_some_and(|n| *n > 1)
            });
            found.extend(alone.into_iter().map(|number| Track { from, segments: vec![number] }));
            together.extend(shared);
        }
        if !together.is_empty() {
            found.push(Track { from, segments: together });
        }
    }
    found
}

/// Tracks from left to right with few crossings, so that no two lines in one row overlap; `None` if there is no such order.
fn ordered(mut tracks: Vec<Track>, segments: &[Segment], rows: &[usize]) -> Option<Vec<Track>> {
    let target = |number: &usize| rows[segments[*number].to];
    let ends = |track: &Track| {
        let all = || track.segments.iter().map(target);
        (all().min().unwrap_or(0), all().max().unwrap_or(0))
    };
    // Lines upwards: the upper ones first; lines downwards: the lower ones first; of one vertex the longest first.
    tracks.sort_by_key(|track| {
        let (row, (top, bottom)) = (rows[track.from] as i64, ends(track));
        if top < rows[track.from] { (0, row, top as i64) } else { (1, -row, -(bottom as i64)) }
    });
    // What leaves a row must have turned before another line enters the row.
    let is_before = |a: &Track, b: &Track| a.from != b.from && b.segments.iter().any(|n| target(n) == rows[a.from]);
    let mut sorted = Vec::with_capacity(tracks.len());
    while !tracks.is_empty() {
        let free = (0..tracks.len()).find(|at| !tracks.iter().any(|other| is_before(other, &tracks[*at])))?;
        sorted.push(tracks.remove(free));
    }
    Some(sorted)
}

fn draw(
    widths: &[usize],
    pairs: &BTreeMap<(usize, usize), (BTreeSet<usize>, bool, bool)>,
    vertices: &[Vertex],
    segments: &[Segment],
    order: &[Vec<usize>],
    rows: &[usize],
    channels: &[Vec<Track>],
) -> Graph {
    let mut graph = Graph { nodes: vec![Placed::default(); widths.len()], ..Graph::default() };
    // Where each layer begins, and how wide its names are with a column of air on both sides.
    let mut columns: Vec<(usize, usize)> = Vec::new();
    let mut x = 0;
    for (layer, vertices_here) in order.iter().enumerate() {
        let names = vertices_here.iter().filter_map(|vertex| vertices[*vertex].node).map(|node| widths[node]);
        let width = names.max().unwrap_or(0) + 2;
        columns.push((x, width));
        x += width + channels.get(layer).map_or(0, |tracks| tracks.len() + AIR);
    }
    graph.width = x;
    graph.height = rows.iter().max().map_or(0, |last| last + 1);
    for (number, vertex) in vertices.iter().enumerate() {
        if let Some(node) = vertex.node {
            let (x, layer) = (columns[vertex.layer].0 + 1, vertex.layer);
            graph.nodes[node] = Placed { x, y: rows[number], width: widths[node], layer };
        }
    }
    // Of each cell which lines pass it, and to which sides.
    let mut pieces: BTreeMap<(usize, usize), Vec<(u8, usize)>> = BTreeMap::new();
    for (number, segment) in segments.iter().enumerate() {
        let layer = vertices[segment.from].layer;
        let (column, width) = columns[layer];
        let start = vertices[segment.from].node.map_or(column, |node| column + widths[node] + 2);
        let channel = column + width;
        let (target_column, target_width) = columns[layer + 1];
        let end = match vertices[segment.to].node {
            Some(_) => target_column - 1,
            None => target_column + target_width - 1,
        };
        let (from, to) = (rows[segment.from], rows[segment.to]);
        let mut put = |y: usize, x: usize, sides: u8| pieces.entry((y, x)).or_default().push((sides, number));
        if from == to {
            (start..=end).for_each(|x| put(from, x, HORIZONTAL));
            continue;
        }
        let track = channels[layer].iter().position(|track| track.segments.contains(&number)).unwrap_or(0);
        let turn = channel + 1 + track;
        (start..turn).for_each(|x| put(from, x, HORIZONTAL));
        put(from, turn, LEFT | if to > from { DOWN } else { UP });
        (from.min(to) + 1..from.max(to)).for_each(|y| put(y, turn, VERTICAL));
        put(to, turn, RIGHT | if to > from { UP } else { DOWN });
        (turn + 1..=end).for_each(|x| put(to, x, HORIZONTAL));
    }
    for (at, pieces) in pieces {
        let only_crossing = pieces.iter().all(|(sides, _)| *sides == VERTICAL || *sides == HORIZONTAL);
        let upright = pieces.iter().any(|(sides, _)| *sides == VERTICAL);
        let mut cell = Cell::default();
        for (sides, number) in pieces.iter().filter(|(sides, _)| !(only_crossing && upright) || *sides == VERTICAL) {
            cell.sides |= sides;
            cell.edges.extend(&segments[*number].edges);
        }
        graph.cells.insert(at, cell);
    }
    for ((from, to), (_, there, back)) in pairs {
        let (left, right) = (graph.nodes[*from], graph.nodes[*to]);
        if *there {
            graph.tips.insert((right.y, right.x - 2), Tip::Right);
        }
        if *back {
            graph.tips.insert((left.y, left.x + left.width + 1), Tip::Left);
        }
    }
    graph
}

impl Graph {
    /// The node that a movement from `node` leads to: up and down within its layer, left and right (fold and unfold) to
    /// the nearest of the next layer.
    #[must_use]
    pub fn moved(&self, node: usize, action: Action, page: usize) -> usize {
        let Some(here) = self.nodes.get(node) else { return 0 };
        let of_layer = |layer: usize| {
            let mut found: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].layer == layer).collect();
            found.sort_by_key(|n| (self.nodes[*n].y, *n));
            found
        };
        let nearest = |layer: Option<usize>| {
            let found = layer.map(of_layer).unwrap_or_default();
            found.into_iter().min_by_key(|n| (self.nodes[*n].y.abs_diff(here.y), *n)).unwrap_or(node)
        };
        match action {
            Action::Fold => nearest(here.layer.checked_sub(1)),
            Action::Unfold => nearest(Some(here.layer + 1)),
            _ => {
                let layer = of_layer(here.layer);
                let at = layer.iter().position(|n| *n == node).unwrap_or(0);
                let at = super::list::moved(action, at, layer.len(), page / PITCH as usize);
                layer.get(at).copied().unwrap_or(node)
            }
        }
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
