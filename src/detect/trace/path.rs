//! Where the time of a trace went: self times and the critical path.
//!
//! **Self time** of a span is its duration minus the time covered by its children, where a child covers from its own start
//! to the last end below it. So a consumer that runs on after its producer ended covers the ancestor that is still open,
//! and so does the time a message waited between the two: spans and waits below a child leave no gap, because a span
//! either starts while its parent is open or is joined to it by a wait.
//!
//! **Critical path**: one walk backwards from the last end of the root's tree. At a moment within a span, the child that
//! ended last before it is followed (a descendant that outlived its parent counts as a child of the nearest ancestor still
//! open when it ends); what lies between belongs to the span. From a child's start the walk goes on in its real parent, and
//! if that had ended by then, the stretch between is a wait on the edge. A child that overlaps the moment by at most a
//! tenth of its own length still counts as ended: clocks and instrumentation are not exact, and a microsecond of overlap
//! must not hide who was waited for. One that overlaps by more ran beside.
//!
//! The stretches follow on each other without gap or overlap from the root's start to the last end of its tree.

use std::cmp::Reverse;

/// A span as an interval in a tree; parents stand before children, and siblings are ordered by start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub parent: Option<usize>,
    pub start: u64,
    /// Never before `start`.
    pub end: u64,
}

/// A stretch of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub from: u64,
    pub to: u64,
    /// The interval whose own time this is; for a wait, the one that was waited for.
    pub node: usize,
    /// The time between the end of `node`'s parent and its own start.
    pub wait: bool,
}

/// The self time of each interval.
pub(super) fn self_times(nodes: &[Interval]) -> Vec<u64> {
    let mut reach: Vec<u64> = nodes.iter().map(|node| node.end).collect();
    for (i, node) in nodes.iter().enumerate().rev() {
        if let Some(parent) = node.parent {
            reach[parent] = reach[parent].max(reach[i]);
        }
    }
    let mut covered = vec![0; nodes.len()];
    let mut covered_to: Vec<u64> = nodes.iter().map(|node| node.start).collect();
    for (i, node) in nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        let from = node.start.max(covered_to[parent]);
        let to = reach[i].min(nodes[parent].end);
        if from < to {
            covered[parent] += to - from;
            covered_to[parent] = to;
        }
    }
    nodes.iter().zip(covered).map(|(node, covered)| node.end - node.start - covered).collect()
}

/// The critical path of the tree whose top is the first interval, in the order of time. `nodes` is that tree alone.
pub(super) fn critical_path(nodes: &[Interval]) -> Vec<Stretch> {
    let tree = Clipped::new(nodes);
    let ended = tree.by_end();
    // The walk begins where the last span ended, which is under the top itself when that span outlived everybody.
    let Some(&last) = ended.below(nodes.len()).first() else {
        return Vec::new();
    };
    let mut next = vec![0; nodes.len()];
    let mut path = Vec::new();
    let (mut at, mut moment) = (last, tree.end[last]);
    loop {
        let mut follow = None;
        while let Some(&child) = ended.below(at).get(next[at]) {
            next[at] += 1;
            let length = tree.end[child] - tree.start[child];
            let overlap = tree.end[child].saturating_sub(moment);
            if tree.start[child] < moment && length > 0 && overlap <= length / 10 {
                follow = Some(child);
                break;
            }
        }
        let (from, node) = match follow {
            Some(child) => (tree.end[child].min(moment), child),
            None => (tree.start[at], at),
        };
        push(&mut path, Stretch { from, to: moment, node: at, wait: false });
        moment = from;
        at = node;
        if follow.is_none() {
            let Some(parent) = nodes[at].parent else { break };
            let from = tree.end[parent].min(moment);
            push(&mut path, Stretch { from, to: moment, node: at, wait: true });
            moment = from;
            at = parent;
        }
    }
    path.reverse();
    path
}

fn push(path: &mut Vec<Stretch>, stretch: Stretch) {
    if stretch.from < stretch.to {
        path.push(stretch);
    }
}

/// The tree with each start moved up to its parent's: a child that seems to begin before its parent cannot have been waited
/// for before, and one that seems to end before takes no time at all.
struct Clipped {
    parent: Vec<Option<usize>>,
    start: Vec<u64>,
    end: Vec<u64>,
}

/// For each interval, and for the whole tree at `len`, who counts as its child, last end first.
struct ByEnd {
    order: Vec<usize>,
    first: Vec<usize>,
}

impl ByEnd {
    fn below(&self, node: usize) -> &[usize] {
        &self.order[self.first[node]..self.first[node + 1]]
    }
}

impl Clipped {
    fn new(nodes: &[Interval]) -> Self {
        let mut tree = Self { parent: Vec::new(), start: Vec::new(), end: Vec::new() };
        for node in nodes {
            let start = node.parent.map_or(node.start, |parent| node.start.max(tree.start[parent]));
            tree.parent.push(node.parent);
            tree.start.push(start);
            tree.end.push(node.end.max(start));
        }
        tree
    }

    fn by_end(&self) -> ByEnd {
        let holders = self.holders();
        let count = self.parent.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&i| (holders[i], Reverse(self.end[i]), self.start[i], i));
        let mut first = vec![0; count + 2];
        for &holder in &holders {
            first[holder + 1] += 1;
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        ByEnd { order, first }
    }

    /// For each interval the nearest ancestor that is still open when it ends; `len` when none is.
    ///
    /// Open ancestors are kept as a stack on which ends grow towards the bottom; entering an interval overwrites one place
    /// of it, leaving puts that back. So each costs one binary search, however deep the trace.
    fn holders(&self) -> Vec<usize> {
        let count = self.parent.len();
        let mut holders = Vec::with_capacity(count);
        let mut stack: Vec<usize> = vec![0; count];
        let mut height = 0;
        let mut entered: Vec<(usize, usize, usize)> = Vec::new(); // who, height before, what stood in its place
        for i in 0..count {
            while let Some(&(who, before, stood)) = entered.last() {
                if self.parent[i] == Some(who) {
                    break;
                }
                stack[height - 1] = stood;
                height = before;
                entered.pop();
            }
            let end = self.end[i];
            let outlive = stack[..height].partition_point(|&ancestor| self.end[ancestor] >= end);
            holders.push(if outlive == 0 { count } else { stack[outlive - 1] });
            let keep = stack[..height].partition_point(|&ancestor| self.end[ancestor] > end);
            entered.push((i, height, stack[keep]));
            stack[keep] = i;
            height = keep + 1;
        }
        holders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(of: &[(Option<usize>, u64, u64)]) -> Vec<Interval> {
        of.iter().map(|&(parent, start, end)| Interval { parent, start, end }).collect()
    }

    fn told(nodes: &[Interval]) -> Vec<(u64, u64, usize, bool)> {
        critical_path(nodes).iter().map(|s| (s.from, s.to, s.node, s.wait)).collect()
    }

    #[test]
    fn the_child_that_ended_last_is_followed() {
        let nodes = tree(&[(None, 0, 100), (Some(0), 10, 40), (Some(0), 15, 60), (Some(2), 20, 50), (Some(0), 70, 90)]);
        assert_eq!(
            told(&nodes),
            [
                (0, 15, 0, false),
                (15, 20, 2, false),
                (20, 50, 3, false),
                (50, 60, 2, false),
                (60, 70, 0, false),
                (70, 90, 4, false),
                (90, 100, 0, false)
            ]
        );
        assert_eq!(self_times(&nodes), [30, 30, 15, 30, 20]);
    }

    #[test]
    fn a_consumer_is_hoisted_and_the_wait_belongs_to_the_edge() {
        let nodes = tree(&[(None, 0, 100), (Some(0), 10, 12), (Some(1), 30, 60)]);
        assert_eq!(
            told(&nodes),
            [(0, 10, 0, false), (10, 12, 1, false), (12, 30, 2, true), (30, 60, 2, false), (60, 100, 0, false)]
        );
        assert_eq!(self_times(&nodes), [50, 2, 30], "neither consumer nor wait is the root's own time");
    }

    #[test]
    fn a_consumer_that_outlives_the_root_is_on_the_path() {
        let nodes = tree(&[(None, 0, 20), (Some(0), 10, 12), (Some(1), 30, 60)]);
        assert_eq!(told(&nodes), [(0, 10, 0, false), (10, 12, 1, false), (12, 30, 2, true), (30, 60, 2, false)]);
        assert_eq!(self_times(&nodes), [10, 2, 30]);
    }

    #[test]
    fn a_child_that_starts_in_time_and_runs_on_covers_both() {
        let nodes = tree(&[(None, 0, 100), (Some(0), 10, 20), (Some(1), 15, 60)]);
        assert_eq!(told(&nodes), [(0, 10, 0, false), (10, 15, 1, false), (15, 60, 2, false), (60, 100, 0, false)]);
        assert_eq!(self_times(&nodes), [50, 5, 45]);
    }

    #[test]
    fn a_little_overlap_does_not_hide_who_was_waited_for() {
        let nodes = tree(&[(None, 0, 60), (Some(0), 0, 41), (Some(0), 40, 60)]);
        assert_eq!(told(&nodes), [(0, 40, 1, false), (40, 60, 2, false)]);
        let beside = tree(&[(None, 0, 60), (Some(0), 0, 55), (Some(0), 0, 39), (Some(0), 40, 60)]);
        assert_eq!(told(&beside), [(0, 39, 2, false), (39, 40, 0, false), (40, 60, 3, false)]);
    }

    #[test]
    fn a_child_before_its_parent_takes_no_time_before_it() {
        let nodes = tree(&[(None, 50, 100), (Some(0), 10, 60), (Some(0), 20, 30)]);
        assert_eq!(told(&nodes), [(50, 60, 1, false), (60, 100, 0, false)]);
        assert_eq!(self_times(&nodes), [40, 50, 10]);
    }

    #[test]
    fn no_length_at_all_is_no_path() {
        assert_eq!(told(&tree(&[(None, 5, 5), (Some(0), 5, 5), (Some(1), 5, 5)])), []);
        assert_eq!(told(&[]), []);
    }

    #[test]
    fn a_fan_below_a_chain_is_not_climbed_again_for_each() {
        // Nested chain of 20,000, and 20,000 spans at its bottom that outlive all of it: climbing would be 4 * 10^8 steps.
        let depth = 20_000;
        let mut nodes: Vec<Interval> =
            (0..depth).map(|i| Interval { parent: (i as usize).checked_sub(1), start: i, end: 200_000 - i }).collect();
        nodes.extend((0..depth).map(|i| Interval {
            parent: Some(depth as usize - 1),
            start: depth + i,
            end: 300_000 + i,
        }));
        let path = critical_path(&nodes);
        assert_eq!(path.iter().map(|s| s.to - s.from).sum::<u64>(), 300_000 + depth - 1);
    }

    /// Any tree whatever: parents before children, siblings by start as the forest gives them.
    fn any_tree() -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec((any::<prop::sample::Index>(), 0u64..200, 0u64..80), 1..40).prop_map(|raw| {
            let mut children = vec![Vec::new(); raw.len()];
            for (i, (parent, ..)) in raw.iter().enumerate().skip(1) {
                children[parent.index(i)].push(i);
            }
            let mut nodes = Vec::new();
            let mut waiting = vec![(0usize, None)];
            while let Some((i, parent)) = waiting.pop() {
                let place = nodes.len();
                nodes.push(Interval { parent, start: raw[i].1, end: raw[i].1 + raw[i].2 });
                let mut below = children[i].clone();
                below.sort_by_key(|&c| Reverse((raw[c].1, c)));
                waiting.extend(below.into_iter().map(|c| (c, Some(place))));
            }
            nodes
        })
    }

    /// Properly nested, children one after the other.
    fn nested_tree() -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec((any::<prop::sample::Index>(), 1u64..50, 0u64..50), 0..30).prop_map(|raw| {
            let mut nodes = vec![Interval { parent: None, start: 0, end: 1_000_000 }];
            let mut free: Vec<u64> = vec![0]; // where the next child of each may start
            for (parent, gap, length) in raw {
                // Only along the last branch, so that depth-first order holds.
                let branch: Vec<usize> =
                    std::iter::successors(Some(nodes.len() - 1), |&i: &usize| nodes[i].parent).collect();
                let parent = branch[parent.index(branch.len())];
                let start = free[parent] + gap;
                let end = (start + length * 1_000 / (branch.len() as u64)).min(nodes[parent].end);
                if start > nodes[parent].end {
                    continue;
                }
                free[parent] = end;
                nodes.push(Interval { parent: Some(parent), start, end });
                free.push(start);
            }
            nodes
        })
    }

    proptest! {
        #[test]
        fn the_path_fills_the_root_s_end_to_end_time_without_overlap(nodes in any_tree()) {
            let path = critical_path(&nodes);
            let start = nodes[0].start;
            let end = nodes.iter().map(|n| n.end).max().unwrap_or(start).max(start);
            let mut moment = start;
            for stretch in &path {
                prop_assert_eq!(stretch.from, moment, "no gap, no overlap");
                prop_assert!(stretch.from < stretch.to);
                let node = nodes[stretch.node];
                if stretch.wait {
                    prop_assert!(nodes[node.parent.unwrap()].end <= stretch.from && stretch.to <= node.start);
                } else {
                    prop_assert!(node.start <= stretch.from && stretch.to <= node.end, "a span's own time is within it");
                }
                moment = stretch.to;
            }
            prop_assert_eq!(moment, if path.is_empty() { start } else { end });
            prop_assert!(!path.is_empty() || end == start);
        }

        #[test]
        fn self_time_is_what_nobody_below_covers(nodes in any_tree()) {
            let selfs = self_times(&nodes);
            for (i, node) in nodes.iter().enumerate() {
                let below = |j: usize| std::iter::successors(Some(j), |&k| nodes[k].parent).skip(1).any(|k| k == i);
                let covered = |t: u64| (0..nodes.len()).filter(|&j| below(j)).any(|j| {
                    let (child, parent) = (nodes[j], nodes[nodes[j].parent.unwrap()]);
                    child.start <= t && t < child.end
                        // A wait counts below `i` only between spans that are both below it; else it begins at i's end.
                        || parent.end <= t && t < child.start
                });
                let slow = (node.start..node.end).filter(|&t| !covered(t)).count() as u64;
                // A child recorded before its parent leaves a hole that the quick way counts as covered.
                let skewed = (0..nodes.len()).any(|j| below(j) && nodes[j].start < nodes[nodes[j].parent.unwrap()].start);
                prop_assert!(selfs[i] <= node.end - node.start);
                if !skewed {
                    prop_assert_eq!(selfs[i], slow, "node {}", i);
                }
            }
        }

        #[test]
        fn self_times_of_a_nested_trace_add_up_to_its_duration(nodes in nested_tree()) {
            prop_assert_eq!(self_times(&nodes).iter().sum::<u64>(), nodes[0].end - nodes[0].start);
        }
    }
}
