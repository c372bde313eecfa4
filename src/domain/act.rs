//! What people do about alerts: acknowledge, silence, rate; and when that ends.
//!
//! Every act is one row of a log, with who did it and when; what takes an act back is a row of its own or a note on it, so
//! that nothing that was done is forgotten. Nothing here stops an alert from being raised, recorded or left out of what is
//! learnt: an act only says whom it still has to wake.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::filter::{Filter, FilterError};
use super::{Alert, AlertKind, Calendar, IncidentId, Micros, Severity, Subject, Timestamp, Undone};

/// Numbered from 1 in the order in which they were done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActId(pub u64);

/// What is the same of an alert when it comes again under another number.
pub type Fingerprint = (Subject, AlertKind);

/// One thing that a person did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub id: ActId,
    pub at: Timestamp,
    /// The user who did it.
    pub by: String,
    pub deed: Deed,
    /// It is as if it had not been done.
    pub undone: Option<Undone>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Acknowledged(Ack),
    Silenced(Silence),
    Rated(Rating),
    Noted(Note),
    /// This acknowledgement or silence was ended before its time.
    Ended(ActId),
}

/// Somebody looks into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    /// What it was about, as people read it then.
    pub title: String,
    /// The incident, and those under whose numbers it went on after a restart.
    pub incidents: Vec<IncidentId>,
    /// All alerts of the incident are meant, later ones too; otherwise only those that `about` names.
    pub whole: bool,
    /// In order, each once.
    pub about: Vec<Fingerprint>,
    pub hold: Hold,
}

/// Whatever matches is nobody's business now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// In the language of [`super::filter`].
    pub matcher: String,
    pub hold: Hold,
}

/// How long an acknowledgement or a silence holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub until: Until,
    /// May be empty.
    pub reason: String,
    /// The worst severity covered when it began; of a silence that met nothing yet none.
    pub worst: Option<Severity>,
    /// Alerts covered since it began.
    pub met: u64,
    /// It ended by itself.
    pub over: Option<Over>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Nothing that it covers is open any more.
    Recovered,
    /// Something that it covers is more severe than when it began.
    Worse,
    At(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    pub at: Timestamp,
    pub why: OverWhy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverWhy {
    Recovered,
    Worse { from: Severity, to: Severity },
    TimeOver,
}

/// Whether it was right to wake somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    pub incident: IncidentId,
    pub verdict: Verdict,
}

/// What somebody wrote down about an incident, for whoever has it next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub incident: IncidentId,
    /// Clean lines, no more than [`Note::MOST`] characters.
    pub text: String,
}

impl Note {
    /// Characters in one note. A pasted log file is no note.
    pub const MOST: usize = 2_000;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Useful,
    Noise,
}

/// What is known of the alerts that a hold covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covered {
    /// Some are open; the worst of them.
    Open(Severity),
    /// None is open, and more may come: the incident may go on under its number, or a silence may match what comes.
    Pausing,
    /// None is open, and what was covered comes no more.
    Gone,
    /// Nothing can be said yet: the watch has just begun.
    Unknown,
}

impl Hold {
    #[must_use]
    pub const fn new(until: Until, reason: String, worst: Option<Severity>, met: u64) -> Self {
        Self { until, reason, worst, met, over: None }
    }

    /// Why it ends now, if it does.
    #[must_use]
    pub fn ends(&self, covered: Covered, now: Timestamp) -> Option<OverWhy> {
        if self.over.is_some() {
            return None;
        }
        match (self.until, covered) {
            (Until::At(at), _) if now >= at => Some(OverWhy::TimeOver),
            (Until::Worse, Covered::Open(to)) => {
                self.worst.filter(|from| to < *from).map(|from| OverWhy::Worse { from, to })
            }
            (Until::Recovered, Covered::Pausing | Covered::Gone) | (_, Covered::Gone) if self.met > 0 => {
                Some(OverWhy::Recovered)
            }
            _ => None,
        }
    }
}

impl Ack {
    #[must_use]
    pub fn covers(&self, alert: &Alert) -> bool {
        self.incidents.contains(&alert.incident) && (self.whole || self.names(alert))
    }

    /// Whether it was about the same as this alert, under whatever number.
    #[must_use]
    pub fn names(&self, alert: &Alert) -> bool {
        let place = |(subject, kind): &Fingerprint| (subject, *kind).cmp(&(&alert.subject, alert.kind));
        self.about.binary_search_by(place).is_ok()
    }

    /// Remembers what else it is about. Says whether that is news.
    pub fn learn(&mut self, alert: &Alert) -> bool {
        let print = (alert.subject.clone(), alert.kind);
        match self.about.binary_search(&print) {
            Ok(_) => false,
            Err(place) => {
                self.about.insert(place, print);
                true
            }
        }
    }
}

impl Ack {
    /// Whether it takes the place of an earlier one: the last word on an incident counts.
    #[must_use]
    pub fn replaces(&self, earlier: &Self) -> bool {
        let same = self.whole || !earlier.whole && self.about == earlier.about;
        same && self.incidents.iter().any(|incident| earlier.incidents.contains(incident))
    }
}

/// All acts, each as it is now.
#[derive(Debug, Clone, Default)]
pub struct ActLog(BTreeMap<ActId, Act>);

impl FromIterator<Act> for ActLog {
    fn from_iter<T: IntoIterator<Item = Act>>(acts: T) -> Self {
        Self(acts.into_iter().map(|act| (act.id, act)).collect())
    }
}

impl ActLog {
    /// Takes an act as it is now.
    pub fn take(&mut self, act: Act) {
        self.0.insert(act.id, act);
    }

    #[must_use]
    pub fn get(&self, id: ActId) -> Option<&Act> {
        self.0.get(&id)
    }

    /// The number of the next act.
    #[must_use]
    pub fn next(&self) -> ActId {
        ActId(self.0.keys().next_back().map_or(1, |id| id.0 + 1))
    }

    /// In the order in which they were done.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Act> {
        self.0.values()
    }

    fn after(&self, id: ActId) -> impl DoubleEndedIterator<Item = &Act> {
        self.0.range(ActId(id.0.saturating_add(1))..).map(|(_, act)| act).filter(|act| act.undone.is_none())
    }

    /// Who ended an act before its time, unless that was undone.
    #[must_use]
    pub fn ended(&self, id: ActId) -> Option<Undone> {
        let end = self.after(id).find(|act| matches!(act.deed, Deed::Ended(of) if of == id))?;
        Some(Undone { at: end.at, by: end.by.clone() })
    }

    fn replaced(&self, act: &Act) -> Option<Timestamp> {
        let Deed::Acknowledged(earlier) = &act.deed else { return None };
        let later = self.after(act.id);
        later
            .filter(|act| matches!(&act.deed, Deed::Acknowledged(ack) if ack.replaces(earlier)))
            .map(|act| act.at)
            .next()
    }

    /// Whether an acknowledgement or a silence holds.
    #[must_use]
    pub fn is_in_force(&self, act: &Act) -> bool {
        act.deed.hold().is_some() && self.spent_at(act).is_none()
    }

    /// When an act stopped to matter; `None` for one that holds.
    #[must_use]
    pub fn spent_at(&self, act: &Act) -> Option<Timestamp> {
        if let Some(undone) = &act.undone {
            return Some(undone.at);
        }
        let Some(hold) = act.deed.hold() else { return Some(act.at) };
        let over = hold.over.map(|over| over.at);
        over.or_else(|| self.ended(act.id).map(|ended| ended.at)).or_else(|| self.replaced(act))
    }

    /// What was said of an incident last, and by whom.
    #[must_use]
    pub fn rating(&self, incident: IncidentId) -> Option<(Verdict, &str)> {
        self.0.values().rev().filter(|act| act.undone.is_none()).find_map(|act| match &act.deed {
            Deed::Rated(rating) if rating.incident == incident => Some((rating.verdict, act.by.as_str())),
            _ => None,
        })
    }

    /// What was written down about an incident, in order.
    pub fn notes(&self, incident: IncidentId) -> impl DoubleEndedIterator<Item = (&Act, &Note)> {
        let standing = self.0.values().filter(|act| act.undone.is_none());
        standing.filter_map(move |act| match &act.deed {
            Deed::Noted(note) if note.incident == incident => Some((act, note)),
            _ => None,
        })
    }

    /// Whether an act is about this incident, of which these are alerts. A silence is if it held one of them back.
    #[must_use]
    pub fn is_about(&self, act: &Act, incident: IncidentId, alerts: &[Alert]) -> bool {
        match &act.deed {
            Deed::Acknowledged(ack) => ack.incidents.contains(&incident),
            Deed::Rated(rating) => rating.incident == incident,
            Deed::Noted(note) => note.incident == incident,
            Deed::Ended(of) => self.get(*of).is_some_and(|of| self.is_about(of, incident, alerts)),
            Deed::Silenced(silence) => {
                let Ok(filter) = Silence::filter(&silence.matcher) else { return false };
                let gone = self.spent_at(act);
                let met = |alert: &Alert| {
                    let from = alert.onset.max(act.at);
                    let lasts = alert.closed.is_none_or(|closed| act.at <= closed);
                    lasts && gone.is_none_or(|gone| gone > from) && filter.matches_alert(alert, from)
                };
                alerts.iter().any(met)
            }
        }
    }

    /// The newest act that can be undone; what ended by itself has nothing to undo.
    #[must_use]
    pub fn last(&self) -> Option<&Act> {
        let over = |act: &Act| act.deed.hold().is_some_and(|hold| hold.over.is_some());
        self.0.values().rev().find(|act| act.undone.is_none() && !over(act))
    }
}

impl Silence {
    /// The matcher, ready to be asked.
    ///
    /// # Errors
    /// What is wrong with it and what to write. One that lets everything pass is refused: it would silence what nobody
    /// thought of.
    pub fn filter(matcher: &str) -> Result<Filter, FilterError> {
        let filter = Filter::parse(matcher)?;
        if filter.is_empty() {
            return Err(FilterError::new("Write what to silence: svc=pay, op:order*, kind:errors or sev<=3."));
        }
        Ok(filter)
    }
}

impl Deed {
    #[must_use]
    pub const fn hold(&self) -> Option<&Hold> {
        match self {
            Self::Acknowledged(ack) => Some(&ack.hold),
            Self::Silenced(silence) => Some(&silence.hold),
            Self::Rated(_) | Self::Noted(_) | Self::Ended(_) => None,
        }
    }

    pub const fn hold_mut(&mut self) -> Option<&mut Hold> {
        match self {
            Self::Acknowledged(ack) => Some(&mut ack.hold),
            Self::Silenced(silence) => Some(&mut silence.hold),
            Self::Rated(_) | Self::Noted(_) | Self::Ended(_) => None,
        }
    }
}

impl Until {
    /// Reads `recovered` (or `resolved`), `worse`, a length such as `90m`, `2h` or `1d`, or a clock time such as `07:30`,
    /// which is the next one in the calendar's zone. The words may be cut short.
    ///
    /// # Errors
    /// One sentence that says what to write.
    pub fn parse(text: &str, now: Timestamp, calendar: &Calendar) -> Result<Self, String> {
        let word = text.trim().to_lowercase();
        if word.is_empty() {
            return Err("Write until when: recovered, worse, 2h or 07:30.".to_owned());
        }
        if "recovered".starts_with(&word) || "resolved".starts_with(&word) {
            return Ok(Self::Recovered);
        }
        if "worse".starts_with(&word) {
            return Ok(Self::Worse);
        }
        if let Some(minute) = minute_of_day(&word) {
            return Ok(Self::At(calendar.next(minute, now)));
        }
        match super::filter::length(&word) {
            Some(Micros::ZERO) => Err("It would be over at once: write 2h, or 07:30.".to_owned()),
            Some(length) if length <= LONGEST => Ok(Self::At(now + length)),
            Some(_) => Err("It would be forgotten by then: write at most 365d, or recovered.".to_owned()),
            None => Err(format!("\"{}\" is no end: write recovered, worse, 2h or 07:30.", text.trim())),
        }
    }
}

/// Nobody remembers for longer why something is quiet.
const LONGEST: Micros = Micros::from_secs(365 * 86_400);

/// Minutes after midnight of `7:30` or `07:30`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>, below: u16| {
        let plain = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten().filter(|number| *number < below)
    };
    Some(number(hour, 1..=2, 24)? * 60 + number(minute, 2..=2, 60)?)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Useful => "useful",
            Self::Noise => "noise",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Severity::{Sev1, Sev2, Sev3};

    /// Friday 20 November 2026, 03:12:44 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_144_364);

    fn hold(until: Until, worst: Option<Severity>, met: u64) -> Hold {
        Hold::new(until, String::new(), worst, met)
    }

    #[test]
    fn an_end_is_read_as_people_write_it() {
        let utc = Calendar::utc();
        let read = |text: &str| Until::parse(text, NOW, &utc);
        for word in ["recovered", "r", "Resolved", " rec "] {
            assert_eq!(read(word), Ok(Until::Recovered), "{word}");
        }
        assert_eq!((read("w"), read("worse")), (Ok(Until::Worse), Ok(Until::Worse)));
        assert_eq!(read("2h"), Ok(Until::At(NOW + Micros::from_secs(7_200))));
        assert_eq!(read("07:30"), Ok(Until::At(Timestamp::from_secs(1_795_159_800))), "today");
        assert_eq!(
            read("3:12"),
            Ok(Until::At(Timestamp::from_secs(1_795_144_320 + 86_400))),
            "tomorrow: it has passed"
        );
        let berlin = Calendar::new(chrono_tz::Europe::Berlin);
        assert_eq!(Until::parse("07:30", NOW, &berlin), Ok(Until::At(Timestamp::from_secs(1_795_156_200))));
        for wrong in ["", "soon", "24:00", "7:3", "0h", "99999d", "-2h", "é", "7:30:00", "recoveredd"] {
            let why = read(wrong).unwrap_err();
            assert!(why.ends_with('.') && (why.contains("2h") || why.contains("365d")), "{wrong:?}: {why}");
        }
    }

    #[test]
    fn a_clock_time_that_the_clocks_skip_is_met_an_hour_later() {
        let berlin = Calendar::new(chrono_tz::Europe::Berlin);
        // Sunday 29 March 2026, 01:00 in Berlin; at 02:00 the clocks say 03:00.
        let night = Timestamp::from_secs(1_774_742_400);
        assert_eq!(berlin.next(150, night), Timestamp::from_secs(1_774_742_400 + 5_400));
    }

    #[test]
    fn a_hold_ends_for_its_reason_and_no_other() {
        use Covered::{Gone, Open, Pausing, Unknown};
        let later = NOW + Micros::from_secs(60);
        let time = hold(Until::At(later), Some(Sev2), 1);
        let recovered = hold(Until::Recovered, Some(Sev2), 1);
        let worse = hold(Until::Worse, Some(Sev2), 1);
        for (held, covered, now, ends) in [
            (&time, Open(Sev1), NOW, None),
            (&time, Open(Sev3), later, Some(OverWhy::TimeOver)),
            (&time, Unknown, later, Some(OverWhy::TimeOver)),
            (&time, Pausing, NOW, None),
            (&time, Gone, NOW, Some(OverWhy::Recovered)),
            (&recovered, Open(Sev1), later, None),
            (&recovered, Pausing, NOW, Some(OverWhy::Recovered)),
            (&recovered, Unknown, NOW, None),
            (&worse, Open(Sev2), later, None),
            (&worse, Open(Sev3), later, None),
            (&worse, Open(Sev1), NOW, Some(OverWhy::Worse { from: Sev2, to: Sev1 })),
            (&worse, Pausing, NOW, None),
            (&worse, Gone, NOW, Some(OverWhy::Recovered)),
        ] {
            assert_eq!(held.ends(covered, now), ends, "{held:?} with {covered:?}");
        }
        let met_nothing = hold(Until::Recovered, None, 0);
        assert_eq!(met_nothing.ends(Pausing, later), None, "what has not begun cannot recover");
    }

    fn ack(id: u64, incident: u64, whole: bool) -> Act {
        let about = vec![(Subject::Node("cart".into()), AlertKind::Errors)];
        let incidents = vec![IncidentId(incident)];
        let hold = hold(Until::Worse, Some(Sev2), 1);
        act(id, Deed::Acknowledged(Ack { title: String::new(), incidents, whole, about, hold }))
    }

    fn act(id: u64, deed: Deed) -> Act {
        Act { id: ActId(id), at: NOW + Micros::from_secs(id), by: format!("user {id}"), deed, undone: None }
    }

    fn undone(act: Act) -> Act {
        Act { undone: Some(Undone { at: NOW, by: "noor".to_owned() }), ..act }
    }

    fn in_force(log: &ActLog) -> Vec<u64> {
        log.iter().filter(|act| log.is_in_force(act)).map(|act| act.id.0).collect()
    }

    #[test]
    fn the_last_word_on_an_incident_counts_until_it_is_undone() {
        let log = |acts: &[Act]| acts.iter().cloned().collect::<ActLog>();
        let (first, second) = (ack(1, 7, true), ack(2, 7, true));
        assert_eq!(in_force(&log(&[first.clone(), second.clone()])), [2]);
        assert_eq!(in_force(&log(&[first.clone(), ack(2, 8, true)])), [1, 2], "another incident");
        assert_eq!(in_force(&log(&[first.clone(), ack(2, 7, false)])), [1, 2], "one alert says nothing of the others");
        assert_eq!(in_force(&log(&[ack(1, 7, false), second.clone()])), [2], "all of it says something of each");
        assert_eq!(in_force(&log(&[first.clone(), undone(second.clone())])), [1]);
        let end = act(3, Deed::Ended(ActId(2)));
        let ended = log(&[first.clone(), second.clone(), end.clone()]);
        assert_eq!((in_force(&ended), ended.last()), (vec![], Some(&end)), "what was replaced does not come back");
        assert_eq!(ended.ended(ActId(2)).map(|ended| ended.by), Some("user 3".to_owned()));
        let back = log(&[first, second.clone(), undone(end)]);
        assert_eq!((in_force(&back), back.last(), back.next()), (vec![2], Some(&second), ActId(4)));
    }

    #[test]
    fn the_newest_verdict_on_an_incident_that_was_not_undone_counts() {
        let rated = |id, verdict| act(id, Deed::Rated(Rating { incident: IncidentId(7), verdict }));
        let log: ActLog = [rated(1, Verdict::Noise), rated(2, Verdict::Useful)].into_iter().collect();
        assert_eq!(log.rating(IncidentId(7)), Some((Verdict::Useful, "user 2")));
        let log: ActLog = [rated(1, Verdict::Noise), undone(rated(2, Verdict::Useful))].into_iter().collect();
        assert_eq!(log.rating(IncidentId(7)), Some((Verdict::Noise, "user 1")));
        assert_eq!(log.rating(IncidentId(8)), None);
    }

    #[test]
    fn a_silence_of_everything_is_refused() {
        assert!(Silence::filter("  ").unwrap_err().to_string().contains("svc=pay"));
        assert!(Silence::filter("scv:pay").is_err());
        assert!(Silence::filter("sev<=3 !svc:pay").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_an_end_or_a_sentence_and_no_end_has_passed(text in ".{0,12}", now in -1_000_000_000i64..4_000_000_000) {
            let now = Timestamp::from_secs(now);
            match Until::parse(&text, now, &Calendar::new(chrono_tz::America::New_York)) {
                Ok(Until::At(at)) => prop_assert!(at > now && at.since(now) <= LONGEST),
                Ok(_) => {}
                Err(why) => prop_assert!(why.ends_with('.')),
            }
        }

        #[test]
        fn a_clock_time_comes_within_a_day_and_an_hour(minute in 0u16..1_440, now in 0i64..4_000_000_000) {
            let now = Timestamp::from_secs(now);
            for zone in [chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::Asia::Kolkata] {
                let at = Calendar::new(zone).next(minute, now);
                prop_assert!(at > now && at.since(now) <= Micros::from_secs(25 * 3_600), "{zone}: {at:?}");
            }
        }

        #[test]
        fn a_hold_that_is_over_stays_as_it_is(until in prop::sample::select(vec![Until::Recovered, Until::Worse, Until::At(NOW)])) {
            let over = Over { at: NOW, why: OverWhy::TimeOver };
            let ended = Hold { over: Some(over), ..hold(until, Some(Sev3), 3) };
            for covered in [Covered::Open(Sev1), Covered::Pausing, Covered::Gone, Covered::Unknown] {
                prop_assert_eq!(ended.ends(covered, NOW), None);
            }
        }
    }
}
