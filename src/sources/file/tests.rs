use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::domain::{Span, SpanId, Timestamp, Trace, TraceId};
use crate::sources::jaeger::PageReport;

const START: i64 = 1_755_600_000_000_000;

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn traces(bytes: &[u8]) -> Result<Vec<Trace>, FileError> {
    let (_dir, path) = file(bytes);
    let mut found = Vec::new();
    read_traces(&path, &|_| true, &mut |trace| found.push(trace)).map(|_| found)
}

fn series(bytes: &[u8]) -> Result<Vec<Series>, FileError> {
    let (_dir, path) = file(bytes);
    read_series(&path)
}

/// The error, without the directory that the file lies in.
fn told<T: std::fmt::Debug>(result: Result<T, FileError>) -> String {
    let sentence = result.unwrap_err().to_string();
    sentence.rsplit_once("/x").map_or(sentence.clone(), |(_, after)| format!("x{after}"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A frame that a reader has to pass over.
fn skippable(length: u8) -> Vec<u8> {
    let mut frame = vec![0x53, 0x2a, 0x4d, 0x18, length, 0, 0, 0];
    frame.extend(std::iter::repeat_n(0x7b, usize::from(length)));
    frame
}

fn legacy(id: u64) -> Value {
    let span = json!({"traceID": format!("{id:x}"), "spanID": "b7", "operationName": "GET /cart", "references": [],
        "startTime": START, "duration": 1500, "processID": "p1", "tags": [], "logs": []});
    json!({"traceID": format!("{id:x}"), "spans": [span], "processes": {"p1": {"serviceName": "cart", "tags": []}}})
}

fn otlp(id: u64, span: u64) -> Value {
    json!({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]},
        "scopeSpans": [{"spans": [{"traceId": format!("{id:032x}"), "spanId": format!("{span:016x}"), "name": "GET /cart",
            "startTimeUnixNano": (START * 1_000).to_string(), "endTimeUnixNano": ((START + 1_500) * 1_000).to_string()}]}]}]})
}

/// One value a line.
fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

/// Values over several lines each, one after another.
fn pretty(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value:#}\n")).collect()
}

/// One text in every packing that is read.
fn packings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let (a, b) = bytes.split_at(bytes.len() / 2);
    vec![
        ("plain", bytes.to_vec()),
        ("plain, with a byte order mark", [b"\xef\xbb\xbf", bytes].concat()),
        ("plain, with carriage returns", text.replace('\n', "\r\n").into_bytes()),
        ("gzip", gzip(bytes)),
        ("gzip, two members and an empty one", [gzip(a), gzip(b""), gzip(b)].concat()),
        ("zstd", zstd(bytes)),
        ("zstd, frames and others between", [skippable(9), zstd(a), skippable(0), zstd(b""), zstd(b)].concat()),
    ]
}

#[test]
fn every_shape_in_every_packing_gives_the_same_traces() {
    let page = json!({"data": [legacy(1), legacy(2)], "total": 0, "limit": 0, "offset": 0, "errors": null});
    let v3 = json!({"result": otlp(2, 0xb7)});
    for (shape, text) in [
        ("a page", lines(std::slice::from_ref(&page))),
        ("a page without an end of line", page.to_string()),
        ("a page over many lines", pretty(&[page])),
        ("a trace a line", lines(&[legacy(1), legacy(2)])),
        ("a trace a line, blank lines between", format!("\n \n{}\n\n{}", legacy(1), legacy(2))),
        ("traces over many lines", pretty(&[legacy(1), legacy(2)])),
        ("a page a line", lines(&[json!({"data": [legacy(1)]}), json!({"errors": null, "data": [legacy(2)]})])),
        ("a request a line", lines(&[otlp(1, 0xb7), otlp(2, 0xb7)])),
        ("requests over many lines", pretty(&[otlp(1, 0xb7), v3])),
    ] {
        for (packing, bytes) in packings(&text) {
            let found = traces(&bytes).unwrap_or_else(|error| panic!("{shape}, {packing}: {error}"));
            assert_eq!(found.iter().map(|trace| trace.id.0).collect::<Vec<_>>(), [1, 2], "{shape}, {packing}");
            for trace in &found {
                let [span] = &trace.spans[..] else { panic!("{shape}, {packing}: {trace:?}") };
                let Span { id, key, start, duration, .. } = span;
                assert_eq!((*id, start.0, duration.0), (SpanId(0xb7), START, 1_500), "{shape}, {packing}");
                assert_eq!((&*key.service, &*key.operation), ("cart", "GET /cart"), "{shape}, {packing}");
            }
        }
    }
}

#[test]
fn traces_of_many_pieces_come_in_the_order_of_the_file() {
    let text: String = (1..=20_000).map(|id| format!("{}\n", legacy(id))).collect();
    assert!(text.len() > 4 << 20, "a few pieces: {} bytes", text.len());
    for (packing, bytes) in packings(&text) {
        let ids: Vec<u128> = traces(&bytes).unwrap().iter().map(|trace| trace.id.0).collect();
        assert!(ids.iter().copied().eq(1..=20_000), "{packing}: {} traces", ids.len());
    }
    let damaged = text.replacen("\"traceID\":\"3e8a\"", "\"traceID\":\"3e8a", 1);
    let error = told(traces(damaged.as_bytes()));
    assert!(error.starts_with("x:16010:"), "{error}");
}

#[test]
fn a_value_longer_than_a_piece_is_read_whole() {
    let mut long = legacy(1);
    long["spans"][0]["tags"] = json!([{"key": "payload", "type": "string", "value": "y".repeat(3 << 20)}]);
    let text = lines(&[legacy(7), long.clone(), legacy(2)]);
    let ids = |text: &str| traces(text.as_bytes()).unwrap().iter().map(|trace| trace.id.0).collect::<Vec<_>>();
    assert_eq!(ids(&text), [7, 1, 2]);
    assert_eq!(ids(&lines(&[long.clone(), legacy(2)])), [1, 2]);
    assert_eq!(ids(&pretty(&[long, legacy(2)])), [1, 2]);
}

#[test]
fn an_empty_file_has_no_traces() {
    for text in ["", "\n", " \r\n\n"] {
        for (packing, bytes) in packings(text) {
            assert_eq!(traces(&bytes), Ok(Vec::new()), "{text:?}, {packing}");
            assert_eq!(series(&bytes), Ok(Vec::new()), "{text:?}, {packing}");
        }
    }
    assert_eq!(traces(br#"{"data":[]}"#), Ok(Vec::new()));
}

#[test]
fn a_traces_parts_in_requests_are_given_apart_and_unasked() {
    let text = lines(&[otlp(1, 1), otlp(2, 2), otlp(1, 3), legacy(4)]);
    let (_dir, path) = file(text.as_bytes());
    let mut found = Vec::new();
    let report = read_traces(&path, &|_| false, &mut |trace| found.push((trace.id, trace.spans[0].id))).unwrap();
    assert_eq!(found, [(TraceId(1), SpanId(1)), (TraceId(2), SpanId(2)), (TraceId(1), SpanId(3))]);
    assert_eq!(report, PageReport { traces: 4, spans: 4, refused_spans: 0 });
}

#[test]
fn spans_that_cannot_be_right_are_counted() {
    let mut trace = legacy(1);
    trace["spans"][0]["startTime"] = json!(START / 1_000);
    let (_dir, path) = file(lines(&[trace, legacy(2)]).as_bytes());
    let mut found = Vec::new();
    let report = read_traces(&path, &|_| true, &mut |trace| found.push(trace.id)).unwrap();
    assert_eq!((found, report.refused_spans), (vec![TraceId(2)], 1));
}

#[test]
fn what_is_wrong_with_a_text_is_told_with_its_place() {
    let good = legacy(1).to_string();
    let half = &good[..good.len() / 2];
    let second = pretty(&[legacy(1)]);
    let third_line = second.lines().count() + 3;
    for (text, begins, says) in [
        (format!("{good}\n\n{{\"traceID\" 7}}\n{good}\n"), "x:3:12: unexpected JSON: expected `:`", "mend or remove"),
        (format!("{good}\n{half}"), "x:2:", "the file was cut off here"),
        (format!("{good}\n{half}\n{good}\n"), "x:2:", "the text ends in the middle of a value"),
        (format!("{half}\n{good}\n"), "x:", "unexpected JSON"),
        (pretty(&[legacy(1)])[..200].to_owned(), "x:", "the file was cut off here"),
        (
            format!("{second}{{\n \"traceID\": \"1\",\n  \"spans\": 5}}\n"),
            &format!("x:{third_line}:12: "),
            "expected a list",
        ),
        (format!("{second}  {{\"a\": 1}} "), &format!("x:{}:3: ", third_line - 2), "no member that tells"),
        (format!("{good}\n{good}{good}\n"), "x:2:", "trailing characters"),
        (format!("[{good}]\n"), "x:1:", "expected an object"),
        ("\"text\"".into(), "x:1:", "expected an object"),
        (r#"{"spans":[]}"#.into(), "x:1:1: no `traceID`", "add it"),
        (
            r#"{"data":null,"errors":[{"msg":"disk\u001b full"}]}"#.into(),
            "x:1:1: the server had reported: disk· full",
            "",
        ),
        (r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.into(), "x:1:1: metrics", "--metrics"),
        (r#"{"metric":{},"values":[]}"#.into(), "x:1:1: metrics among traces", "--metrics"),
        ("<html>".into(), "x:1:1: unexpected JSON", ""),
        ("\u{0}\u{1}".into(), "x:1:1: unexpected JSON", ""),
    ] {
        let error = told(traces(text.as_bytes()));
        assert!(error.starts_with(begins) && error.contains(says), "{begins}, {says}: {error}\n{text}");
    }
    let (before, after) = good.split_once("cart").unwrap();
    let not_unicode = [before.as_bytes(), b"\xff", after.as_bytes()].concat();
    assert!(told(traces(&not_unicode)).starts_with("x:1:"));
}

#[test]
fn what_is_wrong_with_a_packed_file_is_told() {
    let text = lines(&(1..2_000).map(legacy).collect::<Vec<_>>());
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 3].to_vec();
    let flipped = |mut bytes: Vec<u8>| {
        let last = bytes.len() - 2;
        bytes[last] ^= 0x55;
        bytes
    };
    let [gzip, zstd] = [gzip(text.as_bytes()), zstd(text.as_bytes())];
    for (what, bytes, says) in [
        ("gzip, cut off", cut(gzip.clone()), "ends too early"),
        ("zstd, cut off", cut(zstd.clone()), "ends too early"),
        ("gzip, cut off at once", gzip[..5].to_vec(), "ends too early"),
        ("zstd, cut off at once", zstd[..5].to_vec(), "ends too early"),
        ("zstd, cut off in a frame to pass over", [zstd.clone(), cut(skippable(9))].concat(), "ends too early"),
        ("gzip, length wrong", flipped(gzip.clone()), "damaged"),
        ("zstd, checksum wrong", flipped(zstd.clone()), "damaged"),
        ("gzip, more behind it", [gzip, b"what is no header".to_vec()].concat(), "damaged"),
        ("zstd, more behind it", [zstd, b"what is no header".to_vec()].concat(), "damaged"),
        ("bzip2", b"BZh91AY".to_vec(), "packed with bzip2; unpack it"),
        ("xz", b"\xfd7zXZ\0".to_vec(), "packed with xz"),
    ] {
        let error = told(traces(&bytes));
        assert!(error.starts_with("x: ") && error.contains(says), "{what}: {error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let read = |path: &std::path::Path| read_series(path).unwrap_err().to_string();
    assert!(read(dir.path()).contains("is a directory; name the files in it"), "{}", read(dir.path()));
    let missing = dir.path().join("missing");
    assert!(read(&missing).contains("missing: cannot be opened"), "{}", read(&missing));
}

fn one_series() -> Value {
    json!({"metric": {"__name__": "up", "pod": "cart-1", "job": "k8s"},
        "values": [[1755600000, "1"], [1755600060.5, "NaN"], [1755600120, "+Inf"], [1755600180.25, "-2.5e3"]]})
}

#[test]
fn series_come_in_every_shape_and_packing_with_their_finite_values() {
    let sum = json!({"metric": {}, "values": [[1755600000, "0"]]});
    let answer = |result: &[&Value]| json!({"status": "success", "data": {"resultType": "matrix", "result": result}});
    let turned = r#"{"data":{"result":[],"resultType":"matrix"},"status":"success"}"#;
    for (shape, text) in [
        ("an answer", lines(&[answer(&[&one_series(), &sum])])),
        ("an answer over many lines", pretty(&[answer(&[&one_series(), &sum])])),
        ("a series a line", lines(&[one_series(), sum.clone()])),
        ("answers a line", lines(&[answer(&[&one_series()]), serde_json::from_str(turned).unwrap(), answer(&[&sum])])),
    ] {
        for (packing, bytes) in packings(&text) {
            let found = series(&bytes).unwrap_or_else(|error| panic!("{shape}, {packing}: {error}"));
            let [up, sum] = &found[..] else { panic!("{shape}, {packing}: {found:?}") };
            let labels: Vec<_> = up.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(
                (up.name.as_str(), labels),
                ("up", vec![("job", "k8s"), ("pod", "cart-1")]),
                "{shape}, {packing}"
            );
            let points = [(Timestamp(START), 1.0), (Timestamp(START + 180_250_000), -2_500.0)];
            assert_eq!(up.points, points, "{shape}, {packing}");
            assert_eq!((sum.name.as_str(), sum.points.len()), ("", 1), "{shape}, {packing}");
        }
    }
}

#[test]
fn what_is_no_range_result_is_told() {
    let with = |key: &str, value: Value| {
        let mut series = one_series();
        series[key] = value;
        series.to_string()
    };
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1755600000,"7"]}}"#;
    let failed = r#"{"status":"error","errorType":"execution","error":"many-to-many"}"#;
    for (text, begins, says) in [
        (with("values", json!([[1755600000, "abc"]])), "x:1:1: series \"up\": \"abc\" is no value", "write a number"),
        (
            with("values", json!([[1_755_600_000_000i64, "1"]])),
            "x:1:1: series \"up\": 1755600000000 is no time",
            "seconds",
        ),
        (with("values", json!([[1755600000, 1]])), "x:1:", "expected a number as text"),
        (with("values", Value::Null), "x:1:1: series \"up\": no `values`", "query_range"),
        (with("histograms", json!([])), "x:1:1: series \"up\": a native histogram", "histogram_quantile"),
        (json!({"metric": {}, "value": [1, "2"]}).to_string(), "x:1:1: series \"\": one `value`", "query_range"),
        (scalar.into(), "x:1:1: the result is a scalar, not a matrix", "query_range"),
        (failed.into(), "x:1:1: the server had reported: many-to-many", "ask it again"),
        (r#"{"status":"success"}"#.into(), "x:1:1: an answer without `data`", "query_range"),
        (legacy(1).to_string(), "x:1:1: traces among metrics", "--traces"),
        (format!("{}\n{{\"metric\":", one_series()), "x:2:10: the text ends", "cut off"),
    ] {
        let error = told(series(text.as_bytes()));
        assert!(error.starts_with(begins) && error.contains(says), "{begins}, {says}: {error}\n{text}");
    }
}

/// Good files of all kinds, to be damaged.
fn good_files() -> Vec<Vec<u8>> {
    let values = [legacy(1), otlp(2, 3), one_series(), json!({"data": [legacy(4)]})];
    let texts =
        values.iter().flat_map(|value| [lines(&[value.clone(), value.clone()]), pretty(std::slice::from_ref(value))]);
    texts.flat_map(|text| packings(&text).into_iter().map(|(_, bytes)| bytes)).collect()
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for head in [&b""[..], b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"{\"data\":[", b"{\"resourceSpans\":[{"] {
            let bytes = [head, &bytes].concat();
            _ = (traces(&bytes), series(&bytes));
        }
    }

    #[test]
    fn no_damage_makes_it_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
        over in 0usize..4,
    ) {
        let files = good_files();
        let mut bytes = which.get(&files).clone();
        let from = at.index(bytes.len());
        let to = (from + over).min(bytes.len());
        bytes.splice(from..to, with);
        _ = (traces(&bytes), series(&bytes));
    }

    /// Whatever is cut off inside a line is told; nothing before it is lost in silence.
    #[test]
    fn a_cut_is_told(count in 1u64..5, at in any::<prop::sample::Index>()) {
        let text = lines(&(1..=count).map(legacy).collect::<Vec<_>>());
        let cut = &text[..at.index(text.len())];
        let whole_lines = cut.lines().zip(text.lines()).filter(|(line, whole)| line == whole).count();
        let between = cut.is_empty() || cut.ends_with('\n') || text[cut.len()..].starts_with('\n');
        match traces(cut.as_bytes()) {
            Ok(found) => prop_assert!(between && found.len() == whole_lines, "{} traces of {cut:?}", found.len()),
            Err(error) => prop_assert!(!between && error.to_string().contains("cut off"), "{error}: {cut:?}"),
        }
    }
}
