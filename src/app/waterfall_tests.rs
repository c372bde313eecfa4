use std::sync::Arc;

use super::*;
use crate::domain::{Attributes, SpanKind};
use crate::messages::Normal;

pub(crate) const DURATION: u64 = 100_000;

/// A span of a tenth of the trace that nobody need look at.
pub(crate) fn span(id: u64, depth: u16, operation: &str) -> WaterfallSpan {
    WaterfallSpan {
        id: SpanId(id),
        depth,
        key: SpanKey::new("a", operation, SpanKind::Internal),
        offset: Micros(id * 10),
        duration: Micros(DURATION / 10),
        self_time: Micros(1),
        error: false,
        severity: None,
        normal: Normal::Unknown { samples: 0 },
        critical_time: Micros::ZERO,
        critical: Vec::new(),
        waited: Micros::ZERO,
        moved_us: 0,
        attributes: Attributes::default(),
        resource: Arc::default(),
        events: Vec::new(),
    }
}

pub(crate) fn failed(id: u64, depth: u16, operation: &str) -> WaterfallSpan {
    WaterfallSpan { error: true, ..span(id, depth, operation) }
}

fn short(id: u64, depth: u16, operation: &str) -> WaterfallSpan {
    WaterfallSpan { duration: Micros(DURATION / SHORT - 1), ..span(id, depth, operation) }
}

fn critical(id: u64, depth: u16, operation: &str) -> WaterfallSpan {
    let piece = (Micros(id), Micros(id + DURATION / 2));
    WaterfallSpan { critical_time: Micros(DURATION / 2), critical: vec![piece], ..span(id, depth, operation) }
}

/// Many spans below the root that have nothing to do with the others, each with a name of its own.
pub(crate) fn padded(mut spans: Vec<WaterfallSpan>) -> Vec<WaterfallSpan> {
    spans.extend((0..30).map(|n| span(1_000 + n, 1, &format!("other {n}"))));
    spans
}

fn tree(spans: &[WaterfallSpan]) -> Tree {
    Tree::of(spans, Micros(DURATION), None)
}

/// What the rows show that are not padding, with their depth as dots: ids, `N×id` for alike, `N quiet`, `+N` for hidden.
fn shown(spans: &[WaterfallSpan], folds: &Folds) -> Vec<String> {
    let tree = tree(spans);
    let rows = Rows::of(spans, &tree, folds);
    let named = |row: &Row| {
        let text = match (row.what, rows.group_of(row)) {
            (What::Span(span), _) if spans[span as usize].id.0 >= 1_000 => return None,
            (What::Span(span), _) => spans[span as usize].id.0.to_string(),
            (_, Some(group)) if group.kind() == Kind::Quiet => format!("{} quiet", group.members.len()),
            (_, Some(group)) => format!("{}×{}", group.members.len(), spans[group.members[0] as usize].id.0),
            _ => String::new(),
        };
        let hidden = if row.hidden > 0 { format!(" +{}", row.hidden) } else { String::new() };
        Some(format!("{}{text}{hidden}", ".".repeat(row.depth as usize)))
    };
    rows.rows.iter().filter_map(named).collect()
}

#[test]
fn quiet_subtrees_are_folded_and_what_failed_or_is_critical_is_not() {
    let spans = padded(vec![
        span(1, 0, "root"),
        span(2, 1, "quiet"),
        span(3, 2, "x"),
        span(4, 1, "above a failed one"),
        span(5, 2, "between"),
        failed(6, 3, "failed"),
        span(7, 1, "above the path"),
        critical(8, 2, "path"),
    ]);
    assert_eq!(shown(&spans, &Folds::default()), ["1", ".2 +1", ".4", "..5", "...6", ".7", "..8"],);
}

#[test]
fn a_trace_that_fits_a_screen_is_shown_whole() {
    let spans = vec![span(1, 0, "root"), short(2, 1, "b"), short(3, 2, "c"), short(4, 1, "d"), short(5, 1, "e")];
    assert_eq!(shown(&spans, &Folds::default()), ["1", ".2", "..3", ".4", ".5"]);
}

#[test]
fn alike_siblings_are_one_row_where_the_first_of_them_is() {
    let mut spans = vec![span(1, 0, "root"), span(2, 1, "first")];
    for n in 0..12 {
        spans.push(span(10 + n * 2, 1, "SELECT"));
        spans.push(span(11 + n * 2, 2, "row"));
    }
    spans.insert(8, failed(5, 1, "SELECT"));
    spans.push(span(90, 1, "last"));
    let spans = padded(spans);
    let mut folds = Folds::default();
    assert_eq!(shown(&spans, &folds), ["1", ".2", ".12×10 +24", ".5", ".90"], "the failed one stands by itself");
    let tree = tree(&spans);
    let rows = Rows::of(&spans, &tree, &folds);
    let group = rows.groups.iter().find(|group| group.kind() == Kind::Alike).unwrap();
    assert_eq!((group.sum, group.longest), (Micros(12 * DURATION / 10), Micros(DURATION / 10)));
    assert_eq!(group.covered, Micros(DURATION / 10 + 220), "they overlap: not the sum");
    folds.set(&rows, &rows.rows[2], true);
    let opened = shown(&spans, &folds);
    assert_eq!(opened[..5], ["1", ".2", ".12×10", "..10 +1", "..12 +1"]);
}

#[test]
fn short_quiet_siblings_are_one_row_after_the_others() {
    let mut spans = vec![span(1, 0, "root")];
    spans.extend((0..5).map(|n| short(10 + n, 1, &format!("short {n}"))));
    spans.push(span(90, 1, "last"));
    spans.push(WaterfallSpan { error: true, ..short(20, 1, "short and failed") });
    let spans = padded(spans);
    assert_eq!(shown(&spans, &Folds::default()), ["1", ".90", ".20", ".5 quiet +5"]);
}

#[test]
fn what_is_asked_for_all_holds_for_all() {
    let mut spans = vec![span(1, 0, "root"), span(2, 1, "quiet"), span(3, 2, "x")];
    spans.extend((0..4).map(|n| span(10 + n, 1, "alike")));
    let spans = padded(spans);
    let mut folds = Folds::default();
    folds.set_all(Folding::Nothing);
    assert_eq!(Rows::of(&spans, &tree(&spans), &folds).count(), spans.len(), "every span has a row");
    folds.set_all(Folding::Everything);
    assert_eq!(shown(&spans, &folds), ["1 +36"]);
    folds.set_all(Folding::Quiet);
    assert_eq!(shown(&spans, &folds), ["1", ".2 +1", ".4×10 +4"]);
}

#[test]
fn the_critical_path_alone_leaves_out_what_it_does_not_lead_through() {
    let spans = padded(vec![
        critical(1, 0, "root"),
        span(2, 1, "beside"),
        failed(3, 2, "failed beside"),
        span(4, 1, "above"),
        critical(5, 2, "path"),
    ]);
    let folds = Folds { only_critical: true, ..Folds::default() };
    assert_eq!(shown(&spans, &folds), ["1", ".4", "..5"]);
    let tree = tree(&spans);
    assert_eq!(tree.notable_from(0, true, &folds), None, "what is not shown is not jumped to");
    assert_eq!(tree.notable_from(0, true, &Folds::default()), Some(2));
}

#[test]
fn a_person_may_hide_what_failed_and_a_jump_finds_it_again() {
    let spans = padded(vec![span(1, 0, "root"), span(2, 1, "b"), span(3, 2, "c"), failed(4, 3, "d")]);
    let mut folds = Folds::default();
    folds.set_all(Folding::Everything);
    let tree = tree(&spans);
    let rows = Rows::of(&spans, &tree, &folds);
    assert_eq!(rows.showing(&tree, 3), 0, "its row is the one that hides it");
    folds.reveal(&tree, 3);
    assert_eq!(shown(&spans, &folds), ["1", ".2", "..3", "...4"]);
}

#[test]
fn spans_without_their_parents_are_folded_like_siblings_and_the_root_never() {
    let mut spans = vec![span(1, 0, "alike"), span(2, 1, "x")];
    spans.extend((0..300).map(|n| span(10 + n, 0, "alike")));
    assert_eq!(shown(&spans, &Folds::default()), ["1", ".2", "300×10 +300"]);
}

#[test]
fn branches_end_at_the_last_row_of_a_parent() {
    let spans: Vec<_> = [0, 1, 2, 1, 2, 0].iter().zip(1..).map(|(depth, id)| failed(id, *depth, "x")).collect();
    let rows = Rows::of(&spans, &tree(&spans), &Folds::default());
    assert_eq!(rows.branches(2, 8), Some(vec![false, true]));
    assert_eq!(rows.branches(4, 8), Some(vec![true, true]));
    assert_eq!(rows.branches(4, 1), None);
    assert_eq!(rows.branches(0, 1), Some(Vec::new()));
}

#[test]
fn late_spans_leave_what_is_folded_as_it_was() {
    let before = padded(vec![
        span(1, 0, "root"),
        span(2, 1, "closed"),
        failed(3, 2, "x"),
        span(4, 1, "alike"),
        span(5, 1, "alike"),
        span(6, 1, "alike"),
    ]);
    let mut folds = Folds::default();
    let first = tree(&before);
    let rows = Rows::of(&before, &first, &folds);
    folds.set(&rows, &rows.rows[1], false);
    let group = rows.rows.iter().find(|row| matches!(row.what, What::Group(_))).unwrap();
    folds.set(&rows, group, true);
    let mut after = before.clone();
    after.insert(1, span(8, 1, "late"));
    after.insert(4, span(9, 1, "alike"));
    let number = |span: u32| after.iter().position(|late| late.id == before[span as usize].id).map(|at| at as u32);
    let folds = folds.renumbered(&first, &tree(&after), number);
    assert_eq!(shown(&after, &folds), ["1", ".8", ".2 +1", ".4×9", "..9", "..4", "..5", "..6"]);
}

#[test]
fn depths_that_no_tree_has_do_not_panic() {
    let spans: Vec<_> = [5, 2, u16::MAX, 0, 7].iter().zip(1..).map(|(depth, id)| span(id, *depth, "x")).collect();
    let tree = tree(&spans);
    for all in [Folding::Quiet, Folding::Nothing, Folding::Everything] {
        let mut folds = Folds::default();
        folds.set_all(all);
        let rows = Rows::of(&spans, &tree, &folds);
        for row in 0..rows.count() {
            assert!(rows.branches(row, 100).is_some_and(|ends| ends.len() == rows.rows[row].depth as usize));
        }
    }
    let nothing = Rows::of(&[], &Tree::of(&[], Micros::ZERO, None), &Folds::default());
    assert_eq!((nothing.count(), nothing.showing(&tree, 0)), (0, 0));
}

#[test]
fn every_span_is_in_exactly_one_row_or_below_it() {
    let mut spans = Vec::new();
    for n in 0..50_000u64 {
        let depth = if n == 0 { 0 } else { 1 + (n * 7 % 13) as u16 };
        let name = format!("op {}", n % 17);
        spans.push(match n % 1_000 {
            500 => failed(n, depth, &name),
            _ if n % 3 == 0 => short(n, depth, &name),
            _ => span(n, depth, &name),
        });
    }
    let tree = tree(&spans);
    for all in [Folding::Quiet, Folding::Nothing, Folding::Everything] {
        let mut folds = Folds::default();
        folds.set_all(all);
        let rows = Rows::of(&spans, &tree, &folds);
        let own = |row: &Row| u64::from(matches!(row.what, What::Span(_)));
        let counted: u64 = rows.rows.iter().map(|row| own(row) + u64::from(row.hidden)).sum();
        assert_eq!(counted, spans.len() as u64, "{all:?}");
    }
}
