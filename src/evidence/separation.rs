//! Which attributes separate slow traces of an operation from normal ones ("bubble-up").
//!
//! Every attribute of every part and every process of the kept traces is tried: each value that at least three traces
//! share, whether the attribute is there at all, and for numbers whether they lie above the median of all (Mood's median
//! test, 1950). Each is a two-by-two table of traces, tested by Fisher's exact test; the chance is multiplied by how many
//! different tables were tried (Bonferroni), for among a hundred attributes one is odd by chance. What is below one in a
//! hundred then is a signal. Signals are ranked by the difference of the two shares (Cliff's delta), because with many
//! traces also a small difference is no chance.
//!
//! Attributes that split the traces in the same way are told once, by the one that is nearest to the slow span.
//! Ids do no harm: a value that fewer than three traces share is not tried, and what only counts up with time is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::detect::chance::log10_uneven;
use crate::domain::{Exemplar, Owner, Separation, SpanKey, Split, Spread, Timestamp, What};

/// Traces on a side that are looked at.
pub const MOST_TRACES: usize = 64;
/// Fewer on a side say nothing.
pub const FEWEST_TRACES: usize = 3;
/// A value that fewer traces share cannot be told from chance.
const FEWEST_ALIKE: u32 = 3;
/// Values of one attribute that are tried, the most frequent ones.
const MOST_VALUES: usize = 16;
/// Numbers with no more different values are names.
const FEW_NUMBERS: usize = 6;
/// Signals that are told.
const MOST_TOLD: usize = 12;
/// Different tables that are tried at most.
const MOST_TRIED: usize = 4_000;

/// The traces in which a bit is set have something: one word a side.
type Members = (u64, u64);

/// A value of an attribute in one trace: the side (slow first), its place there, and what it says.
type Seen<'a> = (bool, usize, &'a str);

/// Compares two cohorts of at most [`MOST_TRACES`] traces each. `this` is the trace that is looked at, for its own values.
#[must_use]
pub fn separate(key: &SpanKey, failed: bool, this: &Exemplar, slow: &[&Exemplar], normal: &[&Exemplar]) -> Separation {
    let slow = &slow[..slow.len().min(MOST_TRACES)];
    let normal = &normal[..normal.len().min(MOST_TRACES)];
    let mut told = Separation {
        key: key.clone(),
        failed,
        slow: slow.len() as u32,
        normal: normal.len() as u32,
        tried: 0,
        splits: Vec::new(),
        no_signal: None,
    };
    if slow.len() < FEWEST_TRACES || normal.len() < FEWEST_TRACES {
        return told;
    }
    let near = |owner: &Owner| match owner {
        Owner::Span(of) if of == key => 0,
        Owner::Process(service) if *service == key.service => 1,
        Owner::Span(of) if of.service == key.service => 2,
        Owner::Process(_) => 3,
        Owner::Span(_) => 4,
    };
    let mut seen: BTreeMap<(u8, Owner, &str), Vec<Seen<'_>>> = BTreeMap::new();
    let sides = [(true, slow), (false, normal)];
    for (is_slow, traces) in sides {
        for (place, trace) in traces.iter().enumerate() {
            for (owner, name, value) in attributes(trace) {
                let known = seen.entry((near(&owner), owner, name)).or_default();
                // One key on several paths: the first of them speaks for the trace.
                if known.last().is_none_or(|(side, at, _)| (*side, *at) != (is_slow, place)) {
                    known.push((is_slow, place, value));
                }
            }
        }
    }
    let mut own: BTreeMap<(Owner, &str), &str> = BTreeMap::new();
    for (owner, name, value) in attributes(this) {
        own.entry((owner, name)).or_insert(value);
    }
    let mut splits: Vec<Split> = Vec::new();
    let mut tables: BTreeMap<Members, usize> = BTreeMap::new();
    for ((_, owner, name), values) in &seen {
        let found = tables_of(values, slow, normal);
        for (members, what) in found {
            let count = (members.0.count_ones(), members.1.count_ones());
            if count.0 + count.1 < FEWEST_ALIKE || (count.0 as usize, count.1 as usize) == (slow.len(), normal.len()) {
                continue;
            }
            if let Some(known) = tables.get(&members) {
                splits[*known].others +=
                    u32::from(splits[*known].name.as_ref() != *name || splits[*known].owner != *owner);
                continue;
            }
            if tables.len() >= MOST_TRIED {
                continue;
            }
            tables.insert(members, splits.len());
            splits.push(Split {
                owner: owner.clone(),
                name: Arc::from(*name),
                what,
                here: own.get(&(owner.clone(), *name)).map(|value| Arc::from(*value)),
                slow: count.0,
                normal: count.1,
                delta: f64::from(count.0) / slow.len() as f64 - f64::from(count.1) / normal.len() as f64,
                log10_chance: log10_uneven(count.0.into(), slow.len() as u64, count.1.into(), normal.len() as u64),
                others: 0,
            });
        }
    }
    told.tried = splits.len() as u32;
    let correction = (splits.len().max(1) as f64).log10();
    for split in &mut splits {
        split.log10_chance = (split.log10_chance + correction).min(0.0);
    }
    // Stable: of equals the one nearest to the slow span stays first.
    splits.sort_by(|a, b| {
        let size = |split: &Split| (split.delta.abs() * 1e6).round() as u64;
        b.is_signal()
            .cmp(&a.is_signal())
            .then_with(|| size(b).cmp(&size(a)))
            // What the slow ones have is read more easily than what they lack.
            .then_with(|| b.delta.total_cmp(&a.delta))
    });
    let signals = splits.iter().filter(|split| split.is_signal()).count();
    told.no_signal = splits.get(signals).cloned();
    splits.truncate(signals);
    told.splits = without_mirrors(splits);
    told.splits.truncate(MOST_TOLD);
    told
}

/// Of an attribute that has one value on the slow side and another on the normal side one row is enough.
fn without_mirrors(splits: Vec<Split>) -> Vec<Split> {
    let mut told: Vec<Split> = Vec::new();
    let mut named: BTreeSet<(Owner, Arc<str>)> = BTreeSet::new();
    for split in splits {
        let is_new = named.insert((split.owner.clone(), split.name.clone()));
        if is_new || split.delta > 0.0 && matches!(split.what, What::Value(_)) {
            told.push(split);
        }
    }
    told
}

fn attributes(trace: &Exemplar) -> impl Iterator<Item = (Owner, &str, &str)> {
    let of_spans = trace
        .parts
        .iter()
        .flat_map(|part| part.attributes.iter().map(move |(name, value)| (Owner::Span(part.key.clone()), name, value)));
    let of_processes = trace.resources.iter().flat_map(|(service, attributes)| {
        attributes.iter().map(move |(name, value)| (Owner::Process(service.clone()), name, value))
    });
    of_spans.chain(of_processes)
}

/// Everything that can be asked of one attribute.
fn tables_of(values: &[Seen<'_>], slow: &[&Exemplar], normal: &[&Exemplar]) -> Vec<(Members, What)> {
    let bit = |(is_slow, place, _): &Seen<'_>| if *is_slow { (1u64 << place, 0) } else { (0, 1u64 << place) };
    let members = |wanted: &dyn Fn(&Seen<'_>) -> bool| {
        values.iter().filter(|seen| wanted(seen)).map(bit).fold((0, 0), |(a, b), (c, d)| (a | c, b | d))
    };
    let mut tables = Vec::new();
    if values.len() < slow.len() + normal.len() {
        tables.push((members(&|_| true), What::Present));
    }
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, _, value) in values {
        *counts.entry(value).or_default() += 1;
    }
    if let Some(numbers) = numbers(values).filter(|_| counts.len() > FEW_NUMBERS) {
        if !counts_up(&numbers, slow, normal) {
            tables.extend(above_median(&numbers));
        }
        return tables;
    }
    let mut frequent: Vec<(&str, u32)> = counts.into_iter().filter(|(_, count)| *count >= FEWEST_ALIKE).collect();
    frequent.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
    frequent.truncate(MOST_VALUES);
    tables.extend(
        frequent.into_iter().map(|(value, _)| (members(&|seen| seen.2 == value), What::Value(Arc::from(value)))),
    );
    tables
}

/// The side, the place there, and the number.
type Number = (bool, usize, f64);

/// The values as numbers; nothing unless all are.
fn numbers(values: &[Seen<'_>]) -> Option<Vec<Number>> {
    let number = |(is_slow, place, value): &Seen<'_>| {
        let begins_so = value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && begins_so)?;
        Some((*is_slow, *place, number))
    };
    values.iter().map(number).collect()
}

/// Whether the numbers grow from trace to trace as a counter or a clock does: those of later traces are larger, whatever
/// else happens.
fn counts_up(numbers: &[Number], slow: &[&Exemplar], normal: &[&Exemplar]) -> bool {
    let start = |(is_slow, place, _): &Number| if *is_slow { slow[*place].start } else { normal[*place].start };
    let mut in_time: Vec<(Timestamp, f64)> =
        numbers.iter().filter(|(is_slow, ..)| !is_slow).map(|number| (start(number), number.2)).collect();
    in_time.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let pairs = in_time.windows(2).count();
    let rising = in_time.windows(2).filter(|pair| pair[0].1 < pair[1].1).count();
    pairs >= 2 && rising * 20 >= pairs * 19
}

fn above_median(numbers: &[Number]) -> Option<(Members, What)> {
    let side = |wanted: Option<bool>| {
        let mut values: Vec<f64> = numbers
            .iter()
            .filter(|(slow, ..)| wanted.is_none_or(|side| *slow == side))
            .map(|number| number.2)
            .collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let spread = |values: &[f64]| {
        let (lowest, highest) = (*values.first()?, *values.last()?);
        let middle = |at: usize| values.get(at).copied().unwrap_or(lowest);
        let median = (middle((values.len() - 1) / 2) + middle(values.len() / 2)) / 2.0;
        Some(Spread { n: values.len() as u32, lowest, median, highest })
    };
    let median = spread(&side(None))?.median;
    let (slow, normal) = (spread(&side(Some(true)))?, spread(&side(Some(false)))?);
    let above = numbers.iter().filter(|number| number.2 > median).fold((0, 0), |(a, b), (is_slow, place, _)| {
        if *is_slow { (a | 1u64 << place, b) } else { (a, b | 1u64 << place) }
    });
    Some((above, What::Above { median, slow, normal }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Attributes, Micros, Part, Side, SpanKind, TraceId};

    fn key(operation: &str) -> SpanKey {
        SpanKey::new("match", operation, SpanKind::Consumer)
    }

    /// A trace of one span, number `n` in the order of time.
    fn kept(n: u64, attributes: &[(&str, &str)], version: &str) -> Exemplar {
        let part = Part {
            parent: None,
            key: key("work"),
            side: Side { spans: 1, ..Side::default() },
            longest: Micros(1),
            attributes: attributes.iter().copied().collect(),
        };
        let process: Attributes = [("service.version", version)].into_iter().collect();
        Exemplar {
            trace: TraceId(n.into()),
            start: Timestamp::from_secs(n as i64),
            end_to_end: Micros(1),
            parts: vec![part],
            resources: vec![("match".into(), process)],
            left_out: 0,
        }
    }

    fn separated(slow: &[Exemplar], normal: &[Exemplar]) -> Separation {
        let (slow, normal): (Vec<_>, Vec<_>) = (slow.iter().collect(), normal.iter().collect());
        separate(&key("work"), false, slow[0], &slow, &normal)
    }

    fn names(told: &Separation) -> Vec<(String, u32, u32)> {
        told.splits.iter().map(|split| (split.name.to_string(), split.slow, split.normal)).collect()
    }

    #[test]
    fn what_separates_is_told_with_both_counts_and_what_does_not_is_one_row() {
        let colour = |n: u64| if n.is_multiple_of(2) { "red" } else { "blue" };
        let slow: Vec<_> = (0..20).map(|n| kept(100 + n, &[("colour", colour(n))], "2.31")).collect();
        let normal: Vec<_> = (0..30).map(|n| kept(n, &[("colour", colour(n))], "2.30")).collect();
        let told = separated(&slow, &normal);
        assert_eq!(names(&told), [("service.version".to_owned(), 20, 0)], "its other value says the same once more");
        assert_eq!(told.splits[0].owner, Owner::Process("match".into()));
        assert_eq!((told.splits[0].delta, told.splits[0].here.as_deref()), (1.0, Some("2.31")));
        assert!(told.splits[0].log10_chance < -10.0);
        let rest = told.no_signal.unwrap();
        assert_eq!((&*rest.name, rest.slow, rest.normal, rest.delta), ("colour", 10, 15, 0.0));
        assert_eq!((told.slow, told.normal), (20, 30));
    }

    #[test]
    fn ids_and_counters_separate_nothing() {
        let ids: Vec<String> = (0..60).map(|n| format!("c0ffee{:08x}", n * 7_919)).collect();
        let numbers: Vec<String> = (0..60).map(|n| (10_000 + n * 3).to_string()).collect();
        let one = |n: u64| {
            let at = n as usize;
            kept(n, &[("request.id", &ids[at]), ("order.number", &numbers[at])], "2.30")
        };
        let normal: Vec<_> = (0..40).map(one).collect();
        let slow: Vec<_> = (40..60).map(one).collect();
        let told = separated(&slow, &normal);
        assert_eq!(names(&told), []);
        assert_eq!(told.no_signal, None, "there was nothing to try");
    }

    #[test]
    fn numbers_are_told_by_median_and_range() {
        // Out of step with time, so that it is no counter.
        let rows = |n: u64, times: u64| (100 + n * 37 % 50 + times).to_string();
        let slow: Vec<_> = (0..12).map(|n| kept(100 + n, &[("db.rows", &rows(n, 50_000))], "1")).collect();
        let normal: Vec<_> = (0..40).map(|n| kept(n, &[("db.rows", &rows(n, 0))], "1")).collect();
        let told = separated(&slow, &normal);
        assert_eq!(names(&told), [("db.rows".to_owned(), 12, 14)]);
        let What::Above { slow, normal, .. } = told.splits[0].what else { panic!("it is a number") };
        assert!(slow.lowest >= 50_100.0 && normal.highest < 150.0, "{slow:?} {normal:?}");
    }

    #[test]
    fn a_few_traces_say_nothing() {
        let slow: Vec<_> = (0..2).map(|n| kept(n, &[], "2")).collect();
        let normal: Vec<_> = (0..64).map(|n| kept(n, &[], "1")).collect();
        let told = separated(&slow, &normal);
        assert_eq!((told.slow, told.normal, told.tried), (2, 64, 0));
    }

    /// Whatever attributes noise gives to two alike groups, hardly ever is it called a signal.
    #[test]
    fn noise_is_rarely_called_a_signal() {
        let mut state = 7u64;
        let mut next = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        let mut alarms = 0;
        for _ in 0..200 {
            let mut one = |n: u64| {
                let values: Vec<(String, String)> =
                    (0..20).map(|name| (format!("a{name}"), next(3).to_string())).collect();
                let pairs: Vec<(&str, &str)> = values.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                kept(n, &pairs, "1")
            };
            let slow: Vec<_> = (0..20).map(&mut one).collect();
            let normal: Vec<_> = (20..60).map(&mut one).collect();
            alarms += usize::from(!separated(&slow, &normal).splits.is_empty());
        }
        assert!(alarms <= 6, "{alarms} of 200");
    }
}
