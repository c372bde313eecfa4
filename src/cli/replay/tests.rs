use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args as _, FromArgMatches as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::cli::Failure;
use crate::domain::{Severity, TimeWindow, Timestamp, Trace};

/// Unix seconds at which the tests begin.
const T0: i64 = 1_755_600_000;

/// Files of one test, and the command line that names them.
struct Bench {
    dir: TempDir,
    line: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), line: vec!["replay".into(), "--alerts".into(), "out".into()] }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn with(mut self, flag: &str, files: &[(&str, String)]) -> Self {
        self.line.push(flag.into());
        for (name, text) in files {
            fs::write(self.path(name), text).unwrap();
            self.line.push(self.path(name).display().to_string());
        }
        self
    }

    fn args(&self) -> ReplayArgs {
        let command = ReplayArgs::augment_args(clap::Command::new("replay"));
        ReplayArgs::from_arg_matches(&command.get_matches_from(&self.line)).unwrap()
    }

    fn load(&self) -> Result<ReplayInput, Failure> {
        load(&self.args())
    }

    /// The error, without the directory.
    fn told(&self) -> String {
        let dir = format!("{}/", self.dir.path().display());
        self.load().unwrap_err().to_string().replace(&dir, "")
    }
}

/// A trace with one span for each `(span id, start, duration)`; times in seconds after [`T0`].
fn trace(id: u64, spans: &[(u64, f64, f64)]) -> String {
    let us = |secs: f64| (secs * 1e6).round() as i64;
    let spans: Vec<Value> = spans
        .iter()
        .map(|(span, start, duration)| {
            json!({"spanID": format!("{span:x}"), "operationName": "op", "startTime": T0 * 1_000_000 + us(*start),
                "duration": us(*duration), "processID": "p1"})
        })
        .collect();
    format!("{}\n", json!({"traceID": format!("{id:x}"), "spans": spans, "processes": {"p1": {"serviceName": "cart"}}}))
}

fn part(id: u64, span: u64, start: f64) -> String {
    let ns = |secs: f64| ((T0 * 1_000_000 + (secs * 1e6).round() as i64) * 1_000).to_string();
    let span = json!({"traceId": format!("{id:032x}"), "spanId": format!("{span:016x}"), "name": "op",
        "startTimeUnixNano": ns(start), "endTimeUnixNano": ns(start + 0.5)});
    format!("{}\n", json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
}

fn at(secs: f64) -> Timestamp {
    Timestamp(T0 * 1_000_000 + (secs * 1e6).round() as i64)
}

fn window(from: f64, to: f64) -> TimeWindow {
    TimeWindow::new(at(from), at(to))
}

fn ids(traces: &[Trace]) -> Vec<u128> {
    traces.iter().map(|trace| trace.id.0).collect()
}

fn spans(trace: &Trace) -> Vec<u64> {
    trace.spans.iter().map(|span| span.id.0).collect()
}

fn intervals(pairs: &[(f64, f64)]) -> String {
    json!(pairs.iter().map(|(from, to)| [T0 as f64 + from, T0 as f64 + to]).collect::<Vec<_>>()).to_string()
}

#[test]
fn traces_come_by_the_end_of_their_last_span_then_by_id() {
    let text = [
        trace(9, &[(1, 0.0, 5.0)]),
        trace(3, &[(1, 1.0, 2.0), (2, 1.5, 3.5)]),
        trace(7, &[(1, 4.0, 0.5)]),
        trace(1, &[(1, 0.5, 4.5)]),
    ];
    let input = Bench::new().with("--traces", &[("a", text.concat())]).load().unwrap();
    assert_eq!(ids(&input.watch_traces), [7, 1, 3, 9]);
    assert_eq!((input.learn, input.learn_traces), (None, vec![]));
    let end = Timestamp(at(5.0).0 + 1);
    assert_eq!(input.watch, [TimeWindow::new(at(0.0), end)], "from the first start until after the last end");
}

#[test]
fn a_trace_belongs_to_the_intervals_in_which_its_first_span_starts() {
    let text = [
        trace(1, &[(1, 10.0, 1.0)]),
        trace(2, &[(1, 19.999_999, 90.0)]),
        trace(3, &[(1, 20.0, 1.0)]),
        trace(4, &[(2, 35.0, 1.0), (1, 25.0, 20.0)]),
        trace(5, &[(1, 30.0, 1.0)]),
        trace(6, &[(1, 50.0, 1.0)]),
    ];
    let input = Bench::new()
        .with("--traces", &[("a", text.concat())])
        .with("--learn-during", &[("learn", intervals(&[(40.0, 60.0), (28.0, 31.0)]))])
        .with("--watch-during", &[("watch", intervals(&[(29.0, 31.0), (10.0, 20.0), (30.5, 33.0)]))])
        .load()
        .unwrap();
    assert_eq!(ids(&input.learn_traces), [5, 6]);
    assert_eq!(ids(&input.watch_traces), [1, 5, 2], "one that is in both is in both");
    assert_eq!(input.learn.unwrap(), [window(28.0, 31.0), window(40.0, 60.0)]);
    assert_eq!(input.watch, [window(10.0, 20.0), window(29.0, 33.0)], "those that overlap are one");
    assert_eq!(input.notes, [] as [&str; 0]);
}

#[test]
fn a_trace_in_parts_is_placed_by_its_earliest_part_and_no_span_is_in_it_twice() {
    let first = [part(1, 11, 9.0), part(2, 21, 12.0), part(1, 12, 15.0)].concat();
    let second = [part(2, 22, 11.0), part(1, 12, 15.0), part(2, 21, 12.0)].concat();
    let files = [("a", first), ("b", second)];
    let turned = [files[1].clone(), files[0].clone()];
    let load = |files: &[(&str, String)]| {
        let watch = [("watch", intervals(&[(10.0, 20.0)]))];
        Bench::new().with("--traces", files).with("--watch-during", &watch).load().unwrap()
    };
    let input = load(&files);
    assert_eq!(ids(&input.watch_traces), [2], "the first part of trace 1 starts before the interval");
    assert_eq!(spans(&input.watch_traces[0]), [22, 21]);
    assert_eq!(load(&turned), input, "the order of the files does not matter");
}

#[test]
fn series_that_go_on_in_another_file_are_one() {
    let one =
        |pod: &str, points: Value| format!("{}\n", json!({"metric": {"__name__": "up", "pod": pod}, "values": points}));
    let first = one("b", json!([[T0 + 120, "3"], [T0 + 180, "4"]])) + &one("a", json!([[T0, "9"]]));
    let second = one("b", json!([[T0, "1"], [T0 + 60, "2"], [T0 + 120, "3"]]));
    let traces = [("t", trace(1, &[(1, 0.0, 1.0)]))];
    let bench = Bench::new().with("--traces", &traces).with("--metrics", &[("a", first.clone()), ("b", second)]);
    let input = bench.load().unwrap();
    let pods: Vec<&str> = input.series.iter().map(|series| series.labels["pod"].as_str()).collect();
    assert_eq!(pods, ["a", "b"]);
    let values: Vec<f64> = input.series[1].points.iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);

    let conflict = one("b", json!([[T0 + 120, "5"]]));
    let told = Bench::new().with("--traces", &traces).with("--metrics", &[("a", first), ("b", conflict)]).told();
    let expected = "the metrics have two values of up{pod=\"b\"} at 1755600120: 3 and 5";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn windows_to_rank_keep_their_names_and_their_order() {
    let rank = json!([[T0 + 60, T0 + 90, "b"], [T0 as f64 + 0.25, T0 + 30, "a"]]).to_string();
    let input =
        Bench::new().with("--traces", &[("t", String::new())]).with("--rank-during", &[("rank", rank)]).load().unwrap();
    assert_eq!(input.rank, [(window(60.0, 90.0), "b".to_owned()), (window(0.25, 30.0), "a".to_owned())]);
    assert_eq!((input.watch, input.watch_traces), (vec![], vec![]), "nothing to watch in an empty file");
}

#[test]
fn what_is_wrong_with_intervals_is_told() {
    for (text, expected) in [
        ("[[1755600010, 1755600000]]", "i: interval 1: the start 1755600010 is not before the end 1755600000; write"),
        ("[[1, 2], [5, 5]]", "i: interval 2: the start 5 is not before the end 5"),
        ("[[1755600000.0000001, 1755600000.0000002]]", "i: interval 1: the start"),
        (
            "[[1755600000000, 1755600001000]]",
            "i: interval 1: 1755600000000 is not between 1970 and 2100; write unix seconds",
        ),
        ("[[-5, 5]]", "i: interval 1: -5 is not between"),
        ("[[0, 1e999]]", "i:1:"),
        ("[[0, \"5\"]]", "i:1:8: invalid type: string \"5\", expected f64; write [["),
        ("[[0]]", "i:1:4: invalid length 1"),
        ("{}", "i:1:0: invalid type: map"),
        ("[[0, 5]", "i:1:7: EOF"),
        ("", "i:1:0: EOF"),
    ] {
        let told =
            Bench::new().with("--traces", &[("t", String::new())]).with("--watch-during", &[("i", text.into())]).told();
        assert!(told.starts_with(expected), "{text}: {told}");
    }
    for (text, expected) in [
        ("[[1, 2, \"a\"], [3, 4, \"a\"]]", "i: interval 2: the name a was given before"),
        ("[[1, 2, \"\"]]", "i: interval 1: the name is empty"),
        ("[[1, 2]]", "i:1:7: invalid length 2"),
        ("[[1, 2, 3]]", "i:1:9: invalid type: integer `3`, expected a string"),
    ] {
        let told =
            Bench::new().with("--traces", &[("t", String::new())]).with("--rank-during", &[("i", text.into())]).told();
        assert!(told.starts_with(expected), "{text}: {told}");
    }
    let mut missing = Bench::new().with("--traces", &[("t", String::new())]);
    missing.line.extend(["--learn-during".into(), missing.path("none").display().to_string()]);
    assert!(missing.told().starts_with("none: cannot be read"), "{}", missing.told());
}

#[test]
fn what_a_person_should_know_is_noted() {
    let mut broken: Value = serde_json::from_str(&trace(1, &[(1, 0.0, 1.0), (2, 0.0, 1.0)])).unwrap();
    broken["spans"][1]["spanID"] = json!("none");
    let bench = Bench::new()
        .with("--traces", &[("t", broken.to_string())])
        .with("--watch-during", &[("watch", intervals(&[(100.0, 200.0)]))]);
    let input = bench.load().unwrap();
    assert!(input.notes[0].contains("t: 1 of 2 spans were left out"), "{:?}", input.notes);
    assert!(input.notes[1].starts_with("no trace starts in the intervals"), "{:?}", input.notes);
}

#[test]
fn a_damaged_file_ends_it() {
    let told = Bench::new().with("--traces", &[("t", trace(1, &[(1, 0.0, 1.0)]) + "{\"traceID\":")]).told();
    assert!(told.starts_with("t:2:11: the text ends in the middle of a value"), "{told}");
    let mut twice = Bench::new().with("--traces", &[]);
    twice.line.extend(["-".into(), "--metrics".into(), "-".into()]);
    assert!(twice.told().starts_with("standard input (-) is named twice"), "{}", twice.told());
}

#[test]
fn lines_are_written_with_every_microsecond() {
    let suspect = |service: &str, operation: Option<&str>, score| Suspect {
        service: service.into(),
        operation: operation.map(Into::into),
        score,
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    let mut out = OutFile::create(&path).unwrap();
    let alert = AlertLine {
        start: Timestamp(1_661_140_339_209_875),
        end: Timestamp(1_661_140_400_000_000),
        severity: Severity::Sev2,
        suspects: vec![suspect("cart", Some("GET /cart"), 0.1), suspect("db", None, 3.0)],
        title: "cart is slow".into(),
        kind: String::new(),
        why: String::new(),
    };
    out.write(&OutLine::Alert(alert)).unwrap();
    out.write(&OutLine::Rank(RankLine { fault: "f\n1".into(), suspects: vec![] })).unwrap();
    let no_number = RankLine { fault: "f2".into(), suspects: vec![suspect("cart", None, f64::NAN)] };
    let refused = out.write(&OutLine::Rank(no_number)).unwrap_err().to_string();
    assert!(refused.contains("out.jsonl: cannot be written (a score of NaN"), "{refused}");
    out.finish().unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        concat!(
            r#"{"start":1661140339.209875,"end":1661140400.0,"severity":2,"#,
            r#""suspects":[{"service":"cart","operation":"GET /cart","score":0.1},{"service":"db","score":3.0}],"#,
            r#""title":"cart is slow"}"#,
            "\n",
            r#"{"fault":"f\n1","suspects":[]}"#,
            "\n"
        )
    );
    let nowhere = OutFile::create(Path::new("/nonexistent/out")).unwrap_err().to_string();
    assert!(nowhere.starts_with("/nonexistent/out: cannot be written"), "{nowhere}");
}
