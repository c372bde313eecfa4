//! The alert test of one subject in full: also where it raises nothing.

use crate::domain::{
    AlertKind, Arithmetic, KindTested, Micros, Obstacle, Severity, Subject, Tested, TimeWindow, Timestamp,
};

use super::chance;
use super::watch::{
    ENOUGH_ALONE, ERRORS_TIMES, Group, KeyWatch, LEAST_ERRORS, LEAST_EXCESS, LEAST_HITS, LEAST_SAMPLES, SubjectId,
    Test, Track, Watch, name_of,
};

/// An excess share of failures from which an alert has this severity; below, both ways to be worth an alert count.
const ERROR_LIMITS: [(Severity, f64); 3] =
    [(Severity::Sev1, 0.5), (Severity::Sev2, 0.2), (Severity::Sev3, LEAST_EXCESS)];

impl Watch {
    /// Every respect in which `subject` is judged, tried with windows that end `at`. What was counted is kept for half
    /// an hour: of earlier windows nothing is known. Empty for a subject that was never seen.
    #[must_use]
    pub fn why(&self, subject: &Subject, at: Timestamp) -> Vec<KindTested> {
        let Some(id) = self.number_of(subject) else { return Vec::new() };
        let test = self.round(at, self.since.unwrap_or(at));
        let mut kinds = match id {
            SubjectId::Key(key) => self.keys.get(key as usize).map(|key| self.key_kinds(key, &test)),
            group => self.groups.get(&group).map(|group| group_kinds(group, &test)),
        }
        .unwrap_or_default();
        let counted = kinds.len();
        // The other kinds speak only of what they saw; tested against certainty they tell all of it.
        let lenient = Test { log10_alpha: 0.0, ..test };
        self.tests(&lenient, &mut |finding| {
            let kind = finding.track.kind;
            let is_told = |known: &KindTested| known.kind == kind && known.detail == finding.detail;
            if finding.track.subject != id || kinds.iter().take(counted).any(is_told) {
                return;
            }
            let arithmetic = Arithmetic { log10_alpha: test.log10_alpha, ..finding.arithmetic };
            let obstacle = (arithmetic.log10_chance >= test.log10_alpha).then_some(Obstacle::LikelyByChance);
            let tested = Tested { severity: finding.severity, arithmetic, obstacle };
            match kinds.iter_mut().find(|known| known.kind == kind && known.detail == finding.detail) {
                Some(known) => known.tested.push(tested),
                None => kinds.push(KindTested {
                    kind,
                    detail: finding.detail,
                    samples: arithmetic.samples,
                    needs: LEAST_SAMPLES,
                    pooled: None,
                    tested: vec![tested],
                }),
            }
        });
        kinds
    }

    fn number_of(&self, subject: &Subject) -> Option<SubjectId> {
        let service = |name: &str| self.services.iter().position(|known| **known == *name).map(|at| at as u32);
        Some(match subject {
            Subject::Key(key) => SubjectId::Key(self.keys.iter().position(|known| known.key == *key)? as u32),
            Subject::Node(name) => SubjectId::Node(service(name)?),
            Subject::Edge { caller, callee } => SubjectId::Edge(service(caller)?, service(callee)?),
        })
    }

    fn key_kinds(&self, key: &KeyWatch, test: &Test) -> Vec<KindTested> {
        // Where a key's spans wait for another service, their own time belongs to the edge.
        let edge = key.edges.keys().next().filter(|_| !test.windows().any(|window| key.own.ring.sum(window).n > 0));
        let group = edge.map_or(SubjectId::Node(key.service), |callee| SubjectId::Edge(key.service, *callee));
        let together = (name_of(group, &self.keys, &self.services), ENOUGH_ALONE);
        let pooled = (key.samples < ENOUGH_ALONE || edge.is_some()).then_some(together);
        let mut kinds = vec![KindTested { pooled, ..times(AlertKind::SelfTime, &key.own, key.samples, test) }];
        if key.is_parent {
            kinds.push(times(AlertKind::Duration, &key.duration, key.samples, test));
        }
        kinds.push(errors(&key.errors, key.samples, test));
        kinds
    }
}

fn group_kinds(group: &Group, test: &Test) -> Vec<KindTested> {
    vec![times(AlertKind::SelfTime, &group.own, group.samples, test), errors(&group.errors, group.samples, test)]
}

fn kind_tested(kind: AlertKind, samples: u64, tested: Vec<Tested>) -> KindTested {
    KindTested { kind, detail: String::new(), samples, needs: LEAST_SAMPLES, pooled: None, tested }
}

fn times(kind: AlertKind, track: &Track, samples: u64, test: &Test) -> KindTested {
    let mut tested = Vec::new();
    for window in test.windows().filter(|_| samples >= LEAST_SAMPLES) {
        let counts = track.ring.sum(window);
        let rho = track.spread.rho(counts.share(2));
        for (limit, severity) in [Severity::Sev1, Severity::Sev2, Severity::Sev3].into_iter().enumerate() {
            let k = counts.k.get(limit).copied().unwrap_or(0);
            let p = counts.share(limit);
            let threshold_us = track.limits.and_then(|limits| limits.exceeding.get(limit).map(|e| e.threshold_us));
            let threshold = threshold_us.filter(|us| us.is_finite()).map(|us| Micros(f64::from(us) as u64));
            let excess = k as f64 / counts.n.max(1) as f64 - p;
            let arithmetic = Arithmetic {
                window,
                n: counts.n,
                k,
                expected: counts.expected.get(limit).copied().unwrap_or(0.0),
                threshold,
                log10_chance: chance::log10_at_least(k, counts.n, p, chance::concentration(rho, samples)),
                log10_alpha: test.log10_alpha,
                samples,
                level: track.limits.map(|limits| limits.level),
                rho,
            };
            let obstacle = match () {
                () if counts.n == 0 => Some(Obstacle::Empty),
                // What is pooled has a limit for each of its keys, and none to show.
                () if threshold_us.is_some_and(f32::is_infinite) => Some(Obstacle::NoLimit),
                () if k < LEAST_HITS => Some(Obstacle::TooFew { needs: LEAST_HITS }),
                () if excess < LEAST_EXCESS => Some(Obstacle::SmallExcess { excess, needs: LEAST_EXCESS }),
                () if arithmetic.log10_chance >= test.log10_alpha => Some(Obstacle::LikelyByChance),
                () => None,
            };
            tested.push(Tested { severity, arithmetic, obstacle });
        }
    }
    kind_tested(kind, samples, tested)
}

fn errors(track: &Track, samples: u64, test: &Test) -> KindTested {
    let spread = track.spread;
    let p = (spread.k as f64 + 0.5) / (spread.n.max(samples) as f64 + 1.0);
    let rho = spread.rho(p);
    let mut tested = Vec::new();
    for window in test.windows().filter(|_| samples >= LEAST_SAMPLES) {
        let counts = track.ring.sum(window);
        let k = counts.k.first().copied().unwrap_or(0);
        let share = k as f64 / counts.n.max(1) as f64;
        let excess = share - p;
        let arithmetic = counted(window, (counts.n, k), p, samples, rho, test);
        for (severity, needs) in ERROR_LIMITS {
            let mildest = severity == Severity::Sev3;
            let enough = excess >= needs || mildest && share >= ERRORS_TIMES * p;
            let obstacle = match () {
                () if counts.n == 0 => Some(Obstacle::Empty),
                () if k < LEAST_ERRORS => Some(Obstacle::TooFew { needs: LEAST_ERRORS }),
                () if !enough => Some(Obstacle::SmallExcess { excess, needs }),
                () if arithmetic.log10_chance >= test.log10_alpha => Some(Obstacle::LikelyByChance),
                () => None,
            };
            tested.push(Tested { severity, arithmetic, obstacle });
        }
    }
    kind_tested(AlertKind::Errors, samples, tested)
}

fn counted(window: TimeWindow, (n, k): (u64, u64), p: f64, samples: u64, rho: f64, test: &Test) -> Arithmetic {
    Arithmetic {
        window,
        n,
        k,
        expected: n as f64 * p,
        threshold: None,
        log10_chance: chance::log10_at_least(k, n, p, chance::concentration(rho, samples)),
        log10_alpha: test.log10_alpha,
        samples,
        level: None,
        rho,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{Observation, Observed, Place, Settings};
    use super::*;
    use crate::baseline::{self, DayRow, Generation, KeyBuilder, SeriesKey, Slice};
    use crate::domain::{Calendar, SpanKey, SpanKind, TraceId, UtcHour};

    /// 2026-11-16 03:20 UTC, a Monday.
    const AT: Timestamp = Timestamp::from_secs(20_773 * 86_400 + 12_000);

    fn key() -> SpanKey {
        SpanKey::new("cart", "GET /", SpanKind::Server)
    }

    /// Judges by `learnt` calls of two Mondays, which took 100 to 200 ms.
    fn watch(learnt: u64) -> Watch {
        let calendar = Calendar::utc();
        let mut builder = KeyBuilder::new(calendar);
        for day in [20_766, 20_759] {
            let mut slice = Slice::default();
            (0..learnt / 2).for_each(|i| slice.insert(Micros(100_000 + i * 997 % 100_000), false));
            let mut row = DayRow::default();
            row.merge(3, &slice);
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert!(builder.add_row(day, &bytes));
        }
        let baseline = builder.finish(10, &baseline::Settings::default().rules());
        let series = [(SeriesKey::duration(key()), Arc::new(baseline))].into();
        let mut watch = Watch::new(Settings::default(), calendar);
        watch.know([(&key(), 0)].into_iter());
        watch.use_generation(&Arc::new(Generation { number: 1, series, ..Generation::default() }));
        watch
    }

    /// Counts calls of one span each: seconds before [`AT`], duration, whether it failed.
    fn take(watch: &mut Watch, calls: &[(u64, u64, bool)]) {
        for (ago, us, error) in calls {
            let end = AT - Micros::from_secs(*ago);
            let start = end - Micros(*us);
            let span = Observation {
                key: 0,
                service: 0,
                start,
                end,
                duration: Micros(*us),
                place: Place::Node,
                own: Micros(*us),
                parent: None,
                children: (0, 0),
                error: *error,
                error_origin: *error,
                message: None,
                entry: true,
                root: true,
                orphan: false,
                fresh: true,
            };
            let observed = Observed {
                trace: TraceId(1),
                window: TimeWindow::new(start, end),
                root: Some(0),
                minute: None,
                end_to_end: Micros(*us),
                spans: vec![span],
                children: Vec::new(),
                contributions: Vec::new(),
            };
            watch.take(&observed, &mut |at| Calendar::utc().bucket(UtcHour::of(at)));
        }
    }

    #[test]
    fn it_says_how_much_is_missing() {
        let mut few = watch(12);
        take(&mut few, &[(300, 900_000, false)]);
        let told = few.why(&Subject::Key(key()), AT);
        assert_eq!((told[0].samples, told[0].needs, told[0].is_known()), (12, LEAST_SAMPLES, false));
        let mut pooled = watch(2_000);
        take(&mut pooled, &[(300, 900_000, false)]);
        let told = pooled.why(&Subject::Key(key()), AT);
        assert_eq!(told[0].pooled, Some((Subject::Node("cart".into()), ENOUGH_ALONE)));
        let mut one = watch(8_000);
        take(&mut one, &[(300, 150_000, false), (5, 900_000, false)]);
        let told = one.why(&Subject::Key(key()), AT);
        let newest = &told[0].tested[0];
        assert_eq!((newest.severity, newest.arithmetic.k), (Severity::Sev1, 1));
        assert_eq!(newest.obstacle, Some(Obstacle::TooFew { needs: LEAST_HITS }));
        assert_eq!(one.why(&Subject::Node("nobody".into()), AT), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// What is explained is what is tested: each finding stands among the trials with its numbers, and a trial without
        /// an obstacle is a finding.
        #[test]
        fn the_explanation_and_the_test_agree(
            mut calls in prop::collection::vec((0u64..880, prop::sample::select(vec![150_000u64, 260_000, 320_000, 900_000]), prop::bool::weighted(0.2)), 1..120),
        ) {
            calls.push((890, 150_000, false));
            calls.sort_by_key(|(ago, ..)| std::cmp::Reverse(*ago));
            let mut watch = watch(12_000);
            take(&mut watch, &calls);
            let findings = watch.findings(AT);
            for subject in [Subject::Key(key()), Subject::Node("cart".into())] {
                let told = watch.why(&subject, AT);
                for kind in [AlertKind::SelfTime, AlertKind::Errors] {
                    let found = findings.iter().find(|f| f.raises && f.track.kind == kind && watch.subject(f.track.subject) == subject);
                    let raised: Vec<&Tested> = told.iter().filter(|t| t.kind == kind && t.detail.is_empty()).flat_map(|t| &t.tested)
                        .filter(|t| t.obstacle.is_none()).collect();
                    match found {
                        Some(found) if found.detail.is_empty() => prop_assert!(
                            raised.iter().any(|t| t.severity == found.severity && t.arithmetic == found.arithmetic),
                            "{found:?} is not in {raised:?}"
                        ),
                        Some(_) => {}
                        None => prop_assert!(raised.is_empty(), "{raised:?} was not found"),
                    }
                }
            }
        }
    }
}
