//! A bounded sketch of a trace for the prompt: who is on the critical path, who is slow beside it, who failed.

use crate::detect::trace::TraceShape;
use crate::domain::{Span, Trace, text};

const LONGEST_NAME: usize = 80;

/// At most `most` lines, the critical path in the order of time first, then the longest self times beside it, then what
/// failed and was not named yet; and a last line that counts the rest. Lines are clean.
pub(super) fn summary(trace: &Trace, shape: &TraceShape, most: usize) -> Vec<String> {
    let span = |row: usize| &trace.spans[shape.rows[row].span];
    let mut named = vec![false; shape.rows.len()];
    let mut lines = Vec::new();

    let mut path: Vec<usize> = (0..shape.rows.len()).filter(|&row| !shape.rows[row].critical.is_empty()).collect();
    // A long path is told by what takes longest on it, still in the order of time.
    path.sort_by_key(|&row| (std::cmp::Reverse(shape.rows[row].critical_time()), row));
    path.truncate(most / 2);
    path.sort_by_key(|&row| (shape.rows[row].critical.first().map(|piece| piece.0), row));
    for row in path {
        named[row] = true;
        lines.push(line("path", row, shape, span(row)));
    }

    let mut beside: Vec<usize> = (0..shape.rows.len()).filter(|&row| !named[row]).collect();
    beside.sort_by_key(|&row| (!span(row).error, std::cmp::Reverse(shape.rows[row].self_time), row));
    for row in beside.into_iter().take(most.saturating_sub(lines.len())) {
        named[row] = true;
        lines.push(line(if span(row).error { "failed" } else { "beside" }, row, shape, span(row)));
    }
    let rest = named.iter().filter(|named| !**named).count();
    if rest > 0 {
        lines.push(format!("{rest} more spans"));
    }
    lines
}

fn line(what: &str, row: usize, shape: &TraceShape, span: &Span) -> String {
    let it = &shape.rows[row];
    let name = span.key.to_string();
    let failed = if span.error && what != "failed" { " failed" } else { "" };
    format!(
        "{what}: {} at +{} took {}, self time {}, on the path {}{failed}",
        text::middle(&text::clean(&name), LONGEST_NAME),
        it.offset,
        span.duration,
        it.self_time,
        it.critical_time(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::trace::{shape, tests::*};
    use crate::domain::SpanKind;

    #[test]
    fn it_is_bounded_counts_the_rest_and_keeps_what_matters() {
        let mut spans = vec![span(1, 0, ("a", "root", SpanKind::Server), 0, 1_000)];
        spans.extend((0..30).map(|i| span(10 + i, 1, ("b", "part", SpanKind::Internal), i as i64 * 30, 20 + i)));
        spans[5].error = true;
        spans[5].duration = crate::domain::Micros(0);
        let trace = trace(spans);
        let lines = summary(&trace, &shape(&trace), 8);
        assert_eq!(lines.len(), 9);
        assert!(lines[0].starts_with("path: a:root at +0us took 1.0ms"), "{lines:#?}");
        assert!(lines[4].starts_with("failed: b:part"), "{lines:#?}");
        assert_eq!(lines[8], "23 more spans");
    }
}
