//! The alert test of one subject in full: also where it raises nothing.

use crate::domain::{AlertKind, Arithmetic, KindTested, Obstacle, Subject, Tested, Timestamp};

use super::subjects::{ENOUGH_ALONE, Group, KeyWatch, SubjectId, Track, name_of};
use super::test::{LEAST_SAMPLES, Test};
use super::watch::{Watch, service_number};

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
            let obstacle = Obstacle::of_chance(&arithmetic);
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
        let service = |name: &str| service_number(&self.services, name);
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
        kinds.push(errors(&key.errors, test));
        kinds
    }
}

fn group_kinds(group: &Group, test: &Test) -> Vec<KindTested> {
    vec![times(AlertKind::SelfTime, &group.own, group.samples, test), errors(&group.errors, test)]
}

fn times(kind: AlertKind, track: &Track, samples: u64, test: &Test) -> KindTested {
    kind_tested(kind, samples, test.times_tested(track, samples, true).collect())
}

fn errors(track: &Track, test: &Test) -> KindTested {
    kind_tested(AlertKind::Errors, track.learnt.calls as u64, test.errors_tested(track, true).collect())
}

const fn kind_tested(kind: AlertKind, samples: u64, tested: Vec<Tested>) -> KindTested {
    KindTested { kind, detail: String::new(), samples, needs: LEAST_SAMPLES, pooled: None, tested }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{Observation, Observed, Place, Settings};
    use super::*;
    use crate::baseline::{self, DayRow, Generation, KeyBuilder, KeyStructure, SeriesKey, Slice, Structure};
    use crate::detect::test::LEAST_HITS;
    use crate::domain::{Calendar, Micros, Severity, SpanKey, SpanKind, TimeWindow, TraceId, UtcHour};

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
        let baseline = builder.finish(&baseline::Settings::default().rules());
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
    fn failures_as_frequent_as_history_has_them_are_no_news() {
        let mut watch = watch(12_000);
        let failing = KeyStructure { calls: 12_000, errors: 1_200, origins: 1_200, ..KeyStructure::default() };
        let structure = Structure { keys: [(key(), failing)].into(), ..Structure::default() };
        let learnt = Generation { structure: Arc::new(structure), ..Generation::clone(&watch.generation) };
        watch.use_generation(&Arc::new(learnt));
        // One call in ten fails, as ever; no minute of it was watched yet.
        let calls: Vec<(u64, u64, bool)> = (0..200).rev().map(|i| (i * 4, 150_000, i % 10 == 0)).collect();
        take(&mut watch, &calls);
        let errors =
            |watch: &mut Watch| watch.findings(AT).iter().filter(|f| f.track.kind == AlertKind::Errors).count();
        assert_eq!(errors(&mut watch), 0);
        take(&mut watch, &(0..60).rev().map(|ago| (ago, 150_000, true)).collect::<Vec<_>>());
        assert_eq!(errors(&mut watch), 2, "the key and its service");
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
                    let found = findings.iter().find(|f| f.raises() && f.track.kind == kind && watch.subject(f.track.subject) == subject);
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
