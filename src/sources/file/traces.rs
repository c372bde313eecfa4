//! Traces from files, by the same mapping as live ones.

use std::path::Path;

use super::error::Fault;
use super::kind::{Kind, kind};
use super::pieces::{self, Piece};
use super::{FileError, open};
use crate::domain::Trace;
use crate::sources::jaeger::{self, Names, PageReport};

/// Reads the traces of a file and gives them to `each` in the file's order; traces without a span are left out.
///
/// Jaeger's JSON holds whole traces: those that `wanted` refuses are dropped at once and cost no memory. OTLP holds
/// requests, and a trace may go on in any later one: its parts are given without asking `wanted`, and whoever takes
/// them joins those of one id.
///
/// The report counts all that was found, wanted or not; an OTLP trace counts once in every request.
///
/// # Errors
/// A file that cannot be opened, unpacked or read to its end; a value that is no JSON or holds no traces. Traces before
/// it were given. A span that cannot be right (no id, no process, an absurd time) is no error: the report counts it.
pub fn read_traces(
    path: &Path,
    wanted: &(dyn Fn(&Trace) -> bool + Sync),
    each: &mut dyn FnMut(Trace),
) -> Result<PageReport, FileError> {
    let mut report = PageReport::default();
    pieces::in_order(open::open(path)?, &|piece, name| read(piece, name, wanted), &mut |(traces, found)| {
        report.add(found);
        traces.into_iter().for_each(&mut *each);
    })?;
    Ok(report)
}

fn read(
    piece: &Piece,
    name: &str,
    wanted: &(dyn Fn(&Trace) -> bool + Sync),
) -> Result<(Vec<Trace>, PageReport), FileError> {
    let (mut traces, mut report, mut names) = (Vec::new(), PageReport::default(), Names::default());
    piece.each_value(name, |value| {
        let mut take_whole = |trace: Trace, _| {
            if !trace.spans.is_empty() && wanted(&trace) {
                traces.push(trace);
            }
        };
        report.add(match kind(value)? {
            Kind::Trace => jaeger::legacy_trace(value, &mut names, &mut take_whole)?,
            Kind::Page => jaeger::legacy_page(value, &mut names, &mut take_whole)?,
            Kind::Otlp => jaeger::otlp_page(value, &mut names, &mut |trace, _| {
                if !trace.spans.is_empty() {
                    traces.push(trace);
                }
            })?,
            Kind::Answer | Kind::Series => {
                return Err(Fault::other("metrics among traces", "give this file with --metrics"));
            }
        });
        Ok(())
    })?;
    Ok((traces, report))
}
