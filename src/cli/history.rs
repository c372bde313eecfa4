//! `spanwatch history`: what happened, from the store.

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use serde::Serialize;

use super::{Failure, Flags, output};
use crate::domain::{
    Act, ActId, ActLog, Alert, Anomaly, Deed, Incident, Micros, Severity, Silence, Suspect, TimeWindow, Timestamp,
    Until, text,
};
use crate::store::{Query, Store};

/// What is looked for.
#[derive(Debug, Clone, clap::Args)]
pub struct HistoryArgs {
    /// From when: an age such as 90m, 2h or 7d, or a time such as 2026-11-20T09:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "24h", value_parser = when)]
    since: When,
    /// Until when, in the same words [default: now]
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<When>,
    /// Only what touches this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only that severity and worse: 1 is the worst, 5 the mildest
    #[arg(long, value_name = "N", value_parser = severity)]
    severity: Option<Severity>,
    /// What to list
    #[arg(long, value_enum, default_value_t = Kind::Incidents)]
    kind: Kind,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Incidents,
    Alerts,
    Anomalies,
}

/// A moment, or so long before now.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Ago(Micros),
    At(Timestamp),
}

/// An incident with what people did about it.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    incident: Incident,
    acts: Vec<Act>,
}

impl Told {
    fn new(incident: Incident, alerts: &[Alert], log: &ActLog) -> Self {
        let own: Vec<Alert> = alerts.iter().filter(|alert| alert.incident == incident.id).cloned().collect();
        let acts = log.iter().filter(|act| log.is_about(act, incident.id, &own)).cloned().collect();
        Self { incident, acts }
    }
}

/// A name, what it says, and how it is written: the columns of one line.
type Line = Vec<String>;

fn severity(text: &str) -> Result<Severity, String> {
    let number = text.parse().ok().and_then(Severity::from_number);
    number.ok_or_else(|| "a severity is a number from 1, the worst, to 5".to_owned())
}

fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::At(Timestamp(at.timestamp_micros())));
    }
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 7 * 86_400)];
    let age = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    age.map(|seconds| When::Ago(Micros::from_secs(seconds)))
        .ok_or_else(|| "write an age such as 90m, 2h or 7d, or a time such as 2026-11-20T09:00:00Z".to_owned())
}

impl When {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(age) => now - age,
            Self::At(at) => at,
        }
    }
}

pub fn history(arguments: &HistoryArgs, flags: &Flags) -> Result<ExitCode, Failure> {
    let setup = flags.setup()?;
    let utc = Utc::now();
    let now = Timestamp(utc.timestamp_micros());
    let query = arguments.query(now)?;
    let store = Store::open_to_read(&setup.store_dir, utc).map_err(|error| Failure::Sentence(error.to_string()))?;
    let found = arguments.list(&store, &query);
    store.release();
    let (text, nothing) = found?;
    output::print(&text)?;
    if nothing {
        output::complain(&arguments.nothing());
    }
    Ok(ExitCode::SUCCESS)
}

impl HistoryArgs {
    fn query(&self, now: Timestamp) -> Result<Query, Failure> {
        let (from, to) = (self.since.at(now), self.until.map_or(now, |until| until.at(now)));
        if from >= to {
            let sentence =
                format!("--since {} is not before --until {}; write the earlier time in --since", time(from), time(to));
            return Err(Failure::Sentence(sentence));
        }
        // What ended just now belongs to it.
        let window = TimeWindow::new(from, to + Micros(1));
        Ok(Query { window: Some(window), service: self.service.clone(), severity: self.severity })
    }

    fn list(&self, store: &Store, query: &Query) -> Result<(String, bool), Failure> {
        let failed = |error: crate::store::StoreError| Failure::Sentence(error.to_string());
        match self.kind {
            Kind::Incidents => {
                let log: ActLog = store.acts().map_err(failed)?.into_iter().collect();
                let alerts = store.alerts(&Query::default()).map_err(failed)?;
                let told = |incident| Told::new(incident, &alerts, &log);
                let found: Vec<Told> = store.incidents(query).map_err(failed)?.into_iter().map(told).collect();
                if self.json {
                    return self.write(&found, |told| incident_line(&told.incident));
                }
                let lines = aligned(&found.iter().map(|told| incident_line(&told.incident)).collect::<Vec<_>>());
                let mut text = String::new();
                for (line, told) in lines.lines().zip(&found) {
                    text.push_str(line);
                    text.push('\n');
                    text.extend(told.acts.iter().flat_map(|act| act_lines(act, &log)).map(|line| format!("{line}\n")));
                }
                Ok((text, found.is_empty()))
            }
            Kind::Alerts => self.write(&store.alerts(query).map_err(failed)?, alert_line),
            Kind::Anomalies => self.write(&store.anomalies(query).map_err(failed)?, anomaly_line),
        }
    }

    fn write<T: Serialize>(&self, found: &[T], line: impl Fn(&T) -> Line) -> Result<(String, bool), Failure> {
        if !self.json {
            return Ok((aligned(&found.iter().map(line).collect::<Vec<_>>()), found.is_empty()));
        }
        let mut lines = String::new();
        for one in found {
            let written = serde_json::to_string(one);
            lines
                .push_str(&written.map_err(|error| Failure::Sentence(format!("a record cannot be written: {error}")))?);
            lines.push('\n');
        }
        Ok((lines, found.is_empty()))
    }

    fn nothing(&self) -> String {
        let what = match self.kind {
            Kind::Incidents => "no incidents",
            Kind::Alerts => "no alerts",
            Kind::Anomalies => "no anomalies",
        };
        format!("{what} in that time; --since 30d looks further back")
    }
}

fn time(at: Timestamp) -> String {
    let utc = DateTime::from_timestamp(at.secs(), 0).unwrap_or_default();
    utc.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `8m20s`, or what is known of something that has not closed.
fn lasted(onset: Timestamp, closed: Option<Timestamp>, last_seen: Timestamp) -> String {
    let lasted = closed.unwrap_or(last_seen).since(onset);
    if closed.is_some() { lasted.to_string() } else { format!("{lasted}+") }
}

fn culprit(suspect: &Suspect) -> String {
    let place = match (&suspect.operation, &suspect.callee) {
        (Some(operation), Some(callee)) => format!("{}:{operation} → {callee}", suspect.service),
        (None, Some(callee)) => format!("{} → {callee}", suspect.service),
        (Some(operation), None) => format!("{}:{operation}", suspect.service),
        (None, None) => suspect.service.to_string(),
    };
    let share = suspect.explains.map_or_else(String::new, |share| format!(", explains {:.0} %", share * 100.0));
    format!("culprit {place}{share}")
}

fn incident_line(incident: &Incident) -> Line {
    vec![
        time(incident.onset),
        incident.severity.to_string(),
        lasted(incident.onset, incident.closed, incident.last_seen),
        format!("incident {}", incident.id.0),
        incident.title.clone(),
        incident.culprit().map_or_else(|| "no culprit".to_owned(), culprit),
    ]
}

/// Who did what and when, below the line of the incident; what a note says, each of its lines on one.
fn act_lines(act: &Act, log: &ActLog) -> Vec<String> {
    let until = |until: Until| match until {
        Until::Recovered => "until recovered".to_owned(),
        Until::Worse => "until worse".to_owned(),
        Until::At(at) => format!("until {}", time(at)),
    };
    let reason = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let mut more = Vec::new();
    let what = match &act.deed {
        Deed::Acknowledged(ack) => {
            let which = if ack.whole { "acknowledged it" } else { "acknowledged an alert of it" };
            format!("{which} {}{}", until(ack.hold.until), reason(&ack.hold.reason))
        }
        Deed::Silenced(Silence { matcher, hold }) => {
            format!("silenced {matcher} {}{}", until(hold.until), reason(&hold.reason))
        }
        Deed::Rated(rating) => format!("called it {}", rating.verdict),
        Deed::Noted(note) => {
            let mut lines = note.text.lines();
            let first = lines.next().unwrap_or_default();
            more.extend(lines.map(|line| format!("{:26}{}", "", text::clean(line))));
            format!("noted: {first}")
        }
        Deed::Ended(ActId(of)) => match log.get(ActId(*of)).map(|of| &of.deed) {
            Some(Deed::Silenced(silence)) => format!("ended the silence {}", silence.matcher),
            _ => "ended an acknowledgement".to_owned(),
        },
    };
    let undone = act.undone.as_ref().map(|undone| format!(" (undone {} by {})", time(undone.at), undone.by));
    let line = format!("{} {what}{}", act.by, undone.unwrap_or_default());
    std::iter::once(format!("    {}  {}", time(act.at), text::clean(&line))).chain(more).collect()
}

fn alert_line(alert: &Alert) -> Line {
    let mut detail = if alert.detail.is_empty() { String::new() } else { format!(" ({})", alert.detail) };
    if alert.accepted().is_some() {
        detail.push_str(", accepted as the new normal");
    }
    vec![
        time(alert.onset),
        alert.severity.to_string(),
        lasted(alert.onset, alert.closed, alert.last_seen),
        format!("incident {}", alert.incident.0),
        alert.kind.to_string(),
        format!("{}{detail}", alert.arithmetic()),
    ]
}

fn anomaly_line(anomaly: &Anomaly) -> Line {
    let Anomaly { duration, mean_us, sigma_us, z, cut_off_z, samples, .. } = anomaly;
    let (mean, sigma) = (Micros(mean_us.round() as u64), Micros(sigma_us.round() as u64));
    vec![
        time(anomaly.start),
        anomaly.severity.to_string(),
        duration.to_string(),
        anomaly.key.to_string(),
        format!("z {z:.1} above {cut_off_z:.1}; mean {mean} ± {sigma} of {samples} calls, {}", anomaly.level),
        format!("trace {}", anomaly.id.trace),
    ]
}

/// Columns side by side, each as wide as its widest cell; the last one ends where it ends.
fn aligned(lines: &[Line]) -> String {
    let cells: Vec<Vec<std::borrow::Cow<'_, str>>> =
        lines.iter().map(|line| line.iter().map(|cell| text::clean(cell)).collect()).collect();
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| cells.iter().filter_map(|line| line.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for line in &cells {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ages_or_moments() {
        assert_eq!(when("2h"), Ok(When::Ago(Micros::from_secs(7_200))));
        assert_eq!(when("90m"), Ok(When::Ago(Micros::from_secs(5_400))));
        assert_eq!(when("1w").map(|age| age.at(Timestamp::from_secs(700_000))), Ok(Timestamp::from_secs(95_200)));
        assert_eq!(when("2026-11-20T10:00:00+01:00"), Ok(When::At(Timestamp::from_secs(1_795_165_200))));
        for bad in ["", "h", "2", "-2h", "2 h", "2026-11-20", "99999999999999999999d", "18446744073709551615w"] {
            let refused = when(bad);
            assert!(refused.as_ref().is_err_and(|words| words.contains("such as 90m")), "{bad}: {refused:?}");
        }
    }

    #[test]
    fn columns_stand_below_each_other_and_control_characters_do_not_reach_the_terminal() {
        let lines = [vec!["a".into(), "é\u{1b}[31m".into(), "end".into()], vec!["long".into(), "b".into(), "x".into()]];
        let text = aligned(&lines);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let at: Vec<usize> =
            text.lines().map(|line| line.chars().position(|c| c == 'e' || c == 'x').unwrap()).collect();
        assert_eq!(at[0], at[1], "{text}");
    }
}
