//! A trace made small enough to keep, and two such traces side by side.

use std::collections::BTreeMap;

use crate::detect::trace::shape;
use crate::domain::{Attributes, Compared, Exemplar, Micros, Part, Side, SpanKey, Trace};

/// Paths of operations that are kept of a trace.
const MOST_PARTS: usize = 200;
/// Attributes that are kept of a span or a process, and how much of each value, in bytes.
const MOST_ATTRIBUTES: usize = 32;
const LONGEST_VALUE: usize = 96;
/// Attributes of all processes and parts of a trace, in bytes: those of the first ones.
const MOST_BYTES: usize = 32_768;

/// The trace by its structure. `canonical` gives the key under which spans of a name are counted.
///
/// At most 200 parts with 32 attributes each: about 2.5 kB for 17 spans, hardly more than 60 kB for any trace.
#[must_use]
pub fn summarise(trace: &Trace, canonical: &dyn Fn(&SpanKey) -> SpanKey) -> Exemplar {
    let shape = shape(trace);
    let mut waits = vec![0u64; shape.rows.len()];
    for wait in shape.waits.iter().filter(|wait| wait.critical) {
        waits[wait.to] += wait.length().0;
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut resources: BTreeMap<_, Attributes> = BTreeMap::new();
    let mut places: BTreeMap<(Option<u16>, SpanKey), u16> = BTreeMap::new();
    // The part of each row; none where there was no room.
    let mut part_of: Vec<Option<u16>> = Vec::with_capacity(shape.rows.len());
    let mut left_out = 0;
    // What stands beside the root's tree hangs on nothing that could be compared.
    let mut tops = shape.rows.iter().enumerate().filter(|(_, row)| row.parent.is_none()).map(|(at, _)| at);
    let tree = tops.nth(1).unwrap_or(shape.rows.len());
    for (row, waited) in shape.rows.iter().zip(waits).take(tree) {
        let parent = row.parent.map(|parent| part_of[parent]);
        let span = &trace.spans[row.span];
        let key = canonical(&span.key);
        let known = match parent {
            // Below what was left out there is nothing to hang it on.
            Some(None) => None,
            _ => {
                let parent = parent.flatten();
                let next = parts.len();
                let place = places.get(&(parent, key.clone())).copied();
                place.or_else(|| {
                    let place = u16::try_from(next).ok().filter(|_| next < MOST_PARTS)?;
                    places.insert((parent, key.clone()), place);
                    parts.push(Part {
                        parent,
                        key: key.clone(),
                        side: Side::default(),
                        longest: Micros::ZERO,
                        attributes: Attributes::default(),
                    });
                    Some(place)
                })
            }
        };
        part_of.push(known);
        let Some(part) = known.and_then(|place| parts.get_mut(usize::from(place))) else {
            left_out += 1;
            continue;
        };
        let side = &mut part.side;
        if side.spans == 0 || span.duration > part.longest {
            part.longest = span.duration;
            part.attributes = short(&span.attributes);
            side.span = span.id;
        }
        side.spans += 1;
        side.duration.0 = side.duration.0.saturating_add(span.duration.0);
        side.self_time.0 = side.self_time.0.saturating_add(row.self_time.0);
        side.critical.0 = side.critical.0.saturating_add(row.critical_time().0).saturating_add(waited);
        side.errors += u32::from(span.error);
        resources.entry(key.service).or_insert_with(|| short(&span.resource));
    }
    let mut bytes = 0;
    for attributes in resources.values_mut().chain(parts.iter_mut().map(|part| &mut part.attributes)) {
        bytes += attributes.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
        if bytes > MOST_BYTES {
            *attributes = Attributes::default();
        }
    }
    Exemplar {
        trace: trace.id,
        start: shape.start,
        end_to_end: shape.end_to_end,
        parts,
        resources: resources.into_iter().collect(),
        left_out: left_out + u32::try_from(shape.rows.len() - tree).unwrap_or(u32::MAX),
    }
}

fn short(attributes: &Attributes) -> Attributes {
    let cut = |value: &'_ str| value.floor_char_boundary(LONGEST_VALUE);
    attributes.iter().take(MOST_ATTRIBUTES).map(|(name, value)| (name, &value[..cut(value)])).collect()
}

/// Both traces' paths as one tree: in the order of this one, and what is only in the normal one behind its sibling there.
#[must_use]
pub fn compare(this: &Exemplar, normal: &Exemplar) -> Vec<Compared> {
    let below_this = children(&this.parts);
    let below_normal = children(&normal.parts);
    let mut rows = Vec::with_capacity(this.parts.len());
    let top = |parts: &[Part]| (!parts.is_empty()).then_some(0u16);
    // Last in, first out: children are pushed in reverse.
    let mut waiting = vec![(0u16, top(&this.parts), top(&normal.parts))];
    while let Some((depth, here, there)) = waiting.pop() {
        let this_part = here.and_then(|at| this.parts.get(usize::from(at)));
        let normal_part = there.and_then(|at| normal.parts.get(usize::from(at)));
        let Some(key) = this_part.or(normal_part).map(|part| part.key.clone()) else { continue };
        rows.push(Compared {
            depth,
            key,
            this: this_part.map(|part| part.side),
            normal: normal_part.map(|part| part.side),
        });
        let of = |children: &BTreeMap<u16, Vec<u16>>, at: Option<u16>| {
            at.and_then(|at| children.get(&at)).cloned().unwrap_or_default()
        };
        let (mine, theirs) = (of(&below_this, here), of(&below_normal, there));
        let mut merged: Vec<(Option<u16>, Option<u16>)> = mine.iter().map(|at| (Some(*at), None)).collect();
        let mut behind = 0;
        for other in theirs {
            let key = &normal.parts[usize::from(other)].key;
            let same =
                |(at, _): &(Option<u16>, Option<u16>)| at.is_some_and(|at| this.parts[usize::from(at)].key == *key);
            match merged.iter().position(same) {
                Some(place) => {
                    merged[place].1 = Some(other);
                    behind = place + 1;
                }
                None => {
                    merged.insert(behind, (None, Some(other)));
                    behind += 1;
                }
            }
        }
        waiting.extend(merged.into_iter().rev().map(|(here, there)| (depth.saturating_add(1), here, there)));
    }
    rows
}

fn children(parts: &[Part]) -> BTreeMap<u16, Vec<u16>> {
    let mut children: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    for (place, part) in (0u16..).zip(parts) {
        if let Some(parent) = part.parent {
            children.entry(parent).or_default().push(place);
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::trace::tests::{span, trace};
    use crate::domain::SpanKind::{Client, Consumer, Producer, Server};

    fn kept(trace: &Trace) -> Exemplar {
        summarise(trace, &Clone::clone)
    }

    /// A root with two reads and a queue whose consumer runs on after everybody.
    fn order(wait: i64, work: u64, reads: u64) -> Exemplar {
        let mut spans = vec![
            span(1, 0, ("web", "order", Server), 0, 100),
            span(2, 1, ("web", "publish", Producer), 80, 10),
            span(3, 2, ("match", "work", Consumer), 90 + wait, work),
        ];
        spans.extend((0..reads).map(|n| span(10 + n, 1, ("web", "read", Client), 5 + 10 * n as i64, 10)));
        kept(&trace(spans))
    }

    #[test]
    fn repeated_siblings_are_one_part_and_the_critical_times_add_up() {
        let order = order(40, 300, 3);
        let names: Vec<(&str, u32, Option<u16>)> =
            order.parts.iter().map(|part| (&*part.key.operation, part.side.spans, part.parent)).collect();
        assert_eq!(names, [("order", 1, None), ("read", 3, Some(0)), ("publish", 1, Some(0)), ("work", 1, Some(2))]);
        assert_eq!(order.parts[1].side.duration, Micros(30));
        assert_eq!(order.parts[3].side.critical, Micros(340), "with the time in the queue");
        assert_eq!(order.parts.iter().map(|part| part.side.critical.0).sum::<u64>(), order.end_to_end.0);
    }

    #[test]
    fn differences_of_all_rows_add_up_to_the_difference_of_the_whole() {
        let (slow, normal) = (order(400, 900, 2), order(10, 50, 5));
        let rows = compare(&slow, &normal);
        let sum: i64 = rows.iter().map(Compared::contribution_us).sum();
        assert_eq!(sum, slow.end_to_end.0 as i64 - normal.end_to_end.0 as i64);
        let work = rows.iter().find(|row| &*row.key.operation == "work").unwrap();
        assert_eq!((work.depth, work.contribution_us()), (2, 1_240));
    }

    #[test]
    fn what_is_on_one_side_only_stands_where_it_belongs() {
        let this = kept(&trace(vec![
            span(1, 0, ("a", "root", Server), 0, 100),
            span(2, 1, ("a", "first", Client), 0, 10),
            span(3, 1, ("a", "new", Client), 20, 10),
            span(4, 1, ("a", "last", Client), 60, 10),
        ]));
        let normal = kept(&trace(vec![
            span(1, 0, ("a", "root", Server), 0, 100),
            span(2, 1, ("a", "first", Client), 0, 10),
            span(3, 1, ("a", "lost", Client), 20, 10),
            span(5, 3, ("b", "below", Server), 21, 5),
            span(4, 1, ("a", "last", Client), 60, 10),
        ]));
        let rows = compare(&this, &normal);
        let told: Vec<(&str, bool, bool)> =
            rows.iter().map(|row| (&*row.key.operation, row.this.is_some(), row.normal.is_some())).collect();
        assert_eq!(
            told,
            [
                ("root", true, true),
                ("first", true, true),
                ("lost", false, true),
                ("below", false, true),
                ("new", true, false),
                ("last", true, true)
            ]
        );
    }

    #[test]
    fn a_huge_trace_stays_small() {
        let mut spans = vec![span(1, 0, ("a", "root", Server), 0, 100_000)];
        let names: Vec<String> = (0..1_000).map(|n| format!("op{n}")).collect();
        spans.extend(names.iter().zip(0..).map(|(name, n)| span(2 + n, 1, ("a", name, Client), n as i64, 1)));
        let long = "é".repeat(500);
        spans[3].attributes = [("k", long.as_str())].into_iter().collect();
        let kept = kept(&trace(spans));
        assert_eq!((kept.parts.len(), kept.left_out), (MOST_PARTS, 801));
        assert_eq!(kept.parts[3].attributes.get("k").map(str::len), Some(LONGEST_VALUE));

        let names: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
        let all: Attributes = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
        let wordy = |n: u64| {
            let key = if n == 1 { "root" } else { ["a", "b", "c"][n as usize % 3] };
            let mut span = span(n, n - 1, ("a", key, Client), n as i64, 1_000 - n);
            span.attributes = all.clone();
            span
        };
        let kept = summarise(&trace((1..=150).map(wordy).collect()), &Clone::clone);
        let bytes = kept.parts.iter().flat_map(|part| part.attributes.iter()).map(|(a, b)| a.len() + b.len());
        assert!(bytes.sum::<usize>() <= MOST_BYTES && kept.parts.len() == 150);
        assert_eq!(kept.parts[0].attributes.iter().count(), MOST_ATTRIBUTES);
    }
}
