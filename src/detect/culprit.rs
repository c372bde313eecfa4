//! Who began it: services ranked by what speaks for them.
//!
//! A service that is broken slows its own work, the calls into it and, when it lacks CPU or network, the calls out of it.
//! So two questions are asked of each service: how much of all that is abnormal does it explain, and how much of what it
//! touches is abnormal at all? Only the harmonic mean of both keeps the hub, which touches everything, from always winning.
//! Odd shapes, failures and missing calls are added: they say where a request went wrong, not only where it waited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{AlertKind, Counterfactual, Micros, SpanKey, SpanKind, Suspect, TimeWindow};

use super::observation::Place;
use super::rates::RateOrigin;
use super::shapes::{LEAST_RISE, RARE};
use super::subjects::{Group, KeyWatch, Learnt, SubjectId};
use super::test::{LEAST_HITS, LEAST_SAMPLES};
use super::watch::Watch;

/// Standard deviations from which a group of calls counts as evidence.
const SIGNIFICANT: f64 = 4.0;
/// From that many on, evidence counts in full.
const FULL: f64 = 10.0;
/// Fewer calls say nothing about a share.
const LEAST_CALLS: u64 = 3;
/// Shapes: from where they count, and where in full.
const SHAPE_SIGNIFICANT: f64 = 8.0;
const SHAPE_FULL: f64 = 40.0;
/// A known shape must at least have doubled: what is suspected need not alarm by itself.
const DOUBLED: f64 = 2.0;
/// A known shape that has risen says less than one never seen.
const RISEN_WEIGHT: f64 = 0.6;
/// Whom an odd span usually calls and now does not is suspected as well, by less than half.
const UNCALLED_WEIGHT: f64 = 0.45;
/// An odd shape above another odd one is its consequence.
const CONSEQUENCE: f64 = 0.3;
const MOST_SUSPECTS: usize = 10;
/// Metrics that left their own baseline support a suspect that has other evidence, and outweigh a weak one; without any,
/// they are a hint.
const METRIC_WEIGHT: f64 = 1.5;
const METRIC_ALONE: f64 = 0.1;
/// Who is silent while its callers are not explains whatever they do instead; traffic that others send explains slowness.
const SILENT_SCORE: f64 = 2.0;
const SURGE_SCORE: f64 = 1.0;
/// log₁₀ of the chance from which a surge or a silence counts in full.
const FULL_LOG10: f64 = -6.0;
/// Failures vary no more than that from minute to minute when it is asked who began them: bursts are what is looked for.
const LARGEST_ERROR_RHO: f64 = 0.01;
/// Failures by far more than chance count for that at least, however small their share.
const FEW_FAILURES: f64 = 0.3;
/// What breaks a tie between the ends of an edge.
const CALLED: f64 = 0.01;
/// A hair of evidence orders those that have none.
const TIE: f64 = 1e-4;

/// What else speaks for a service, from outside the traces: 0 to 1, and in words.
pub type Support = BTreeMap<Arc<str>, (f64, String)>;

/// One group's share of exceedances over a window.
struct Evidence {
    subject: SubjectId,
    /// Share in excess of the expected, 0 to 1.
    excess: f64,
    /// In standard deviations, overdispersion included.
    z: f64,
    n: u64,
    k: u64,
}

impl Evidence {
    fn weight(&self) -> f64 {
        if self.z > SIGNIFICANT { self.excess * (self.z / FULL).min(1.0) } else { 0.0 }
    }

    const fn touches(&self, service: u32) -> bool {
        match self.subject {
            SubjectId::Edge(caller, callee) => caller == service || callee == service,
            SubjectId::Node(node) => node == service,
            SubjectId::Key(_) => false,
        }
    }

    const fn is_edge(&self) -> bool {
        matches!(self.subject, SubjectId::Edge(..))
    }
}

/// (k − n·p) over its standard deviation; the variance of few expected hits is not taken for smaller than a quarter.
fn deviation(k: u64, n: u64, p: f64, rho: f64) -> f64 {
    let (k, n) = (k as f64, n as f64);
    let overdispersion = 1.0 + (n - 1.0).max(0.0) * rho;
    (k - n * p) / ((n * p * (1.0 - p)).max(0.25) * overdispersion).sqrt()
}

#[derive(Default)]
struct Odd {
    score: f64,
    new: bool,
    words: String,
    operation: Option<Arc<str>>,
}

impl Odd {
    /// Takes the other's place if that weighs more.
    fn rise(&mut self, other: Self) {
        if other.score > self.score {
            *self = other;
        }
    }
}

/// What failed first in a service, over all its operations.
#[derive(Default)]
struct Failing<'a> {
    n: u64,
    k: u64,
    expected: f64,
    variance: f64,
    most: Option<(u64, &'a KeyWatch)>,
}

impl<'a> Failing<'a> {
    fn add(&mut self, watch: &'a KeyWatch, k: u64, n: u64, p: f64, rho: f64) {
        let calls = n as f64;
        self.n += n;
        self.k += k;
        self.expected += calls * p;
        self.variance += calls * p * (1.0 - p) * (1.0 + (calls - 1.0).max(0.0) * rho);
        if k > self.most.map_or(0, |(most, _)| most) {
            self.most = Some((k, watch));
        }
    }
}

impl Watch {
    /// The suspects of a window, best first; those with no evidence at all come last, by a hair.
    #[must_use]
    pub fn suspects(&self, window: TimeWindow, support: &Support) -> Vec<Suspect> {
        let evidence = self.evidence(window);
        let times = self.by_times(&evidence);
        let odd = self.by_shapes(window);
        let failing = self.by_errors(window);
        let rates = self.by_rates(window);
        let explained = self.explained(window);
        let mut suspects: Vec<Suspect> = self
            .services
            .iter()
            .enumerate()
            .map(|(number, service)| {
                let number = number as u32;
                let mut clauses = Vec::new();
                let mut score = times.get(&number).copied().unwrap_or(0.0);
                let loudest =
                    evidence.iter().filter(|e| e.touches(number)).max_by(|a, b| a.weight().total_cmp(&b.weight()));
                let loudest = loudest.filter(|e| e.weight() > 0.0);
                if let Some(e) = loudest {
                    let place = self.subject(e.subject);
                    clauses.push(format!("{} of {} calls slow at {place}", e.k, e.n));
                }
                let mut operation = loudest.and_then(|_| self.loudest_operation(number, window));
                for (found, clause) in [odd.get(&number), failing.get(&number), rates.get(&number)]
                    .into_iter()
                    .flatten()
                    .map(|o| (o, &o.words))
                {
                    score += found.score;
                    clauses.push(clause.clone());
                    if operation.is_none() || found.score > times.get(&number).copied().unwrap_or(0.0) {
                        operation.clone_from(&found.operation);
                    }
                }
                if let Some((weight, words)) = support.get(service) {
                    score += if score > 0.0 { METRIC_WEIGHT } else { METRIC_ALONE } * weight;
                    clauses.push(words.clone());
                }
                // Between the two ends of an edge, the one that is called has to answer.
                let called = evidence
                    .iter()
                    .filter(|e| matches!(e.subject, SubjectId::Edge(_, callee) if callee == number))
                    .map(Evidence::weight)
                    .fold(0.0, f64::max);
                score += CALLED * called;
                let hair = evidence.iter().filter(|e| e.touches(number)).map(|e| e.z).fold(0.0, f64::max);
                Suspect {
                    service: service.clone(),
                    operation,
                    callee: None,
                    score: score + TIE * hair,
                    explains: explained.get(&number).copied(),
                    evidence: clauses,
                }
            })
            .collect();
        suspects.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
        suspects.truncate(MOST_SUSPECTS);
        suspects
    }

    fn evidence(&self, window: TimeWindow) -> Vec<Evidence> {
        let of = |(subject, group): (&SubjectId, &Group)| {
            let counts = group.own.ring.sum(window);
            if counts.n < LEAST_CALLS || group.samples < LEAST_SAMPLES {
                return None;
            }
            let [_, _, k] = counts.k;
            let p = counts.share(2);
            let z = deviation(k, counts.n, p, group.own.spread.rho(p));
            let excess = ((k as f64 / counts.n as f64 - p) / (1.0 - p)).clamp(0.0, 1.0);
            Some(Evidence { subject: *subject, excess, z, n: counts.n, k })
        };
        self.groups.iter().filter_map(of).collect()
    }

    fn by_times(&self, evidence: &[Evidence]) -> BTreeMap<u32, f64> {
        let total: f64 = evidence.iter().map(Evidence::weight).sum();
        let mut scores = BTreeMap::new();
        if total <= 0.0 {
            return scores;
        }
        for service in 0..self.services.len() as u32 {
            let touched: Vec<&Evidence> = evidence.iter().filter(|e| e.touches(service)).collect();
            let explained = touched.iter().map(|e| e.weight()).sum::<f64>() / total;
            let edges: Vec<f64> = touched.iter().filter(|e| e.is_edge()).map(|e| e.weight()).collect();
            let node = touched.iter().filter(|e| !e.is_edge()).map(|e| e.weight()).fold(0.0, f64::max);
            let abnormal = node.max(edges.iter().sum::<f64>() / edges.len().max(1) as f64);
            if explained + abnormal > 0.0 {
                scores.insert(service, 2.0 * explained * abnormal / (explained + abnormal));
            }
        }
        scores
    }

    /// Odd shapes, at the deepest service that has one.
    fn by_shapes(&self, window: TimeWindow) -> BTreeMap<u32, Odd> {
        let mut odd: BTreeMap<u32, Odd> = BTreeMap::new();
        let mut uncalled: BTreeMap<u32, Odd> = BTreeMap::new();
        for watch in self.keys.iter().filter(|watch| watch.structure.calls >= LEAST_SAMPLES) {
            let calls = watch.errors.ring.sum(window).n;
            for (shape, ring) in watch.shapes.seen() {
                let k = ring.sum(window).n;
                if k < 2 {
                    continue;
                }
                let n = calls.max(k);
                let (set, kind, which) = watch.shapes.describe(shape, &self.keys);
                let p = watch.shapes.share(&set);
                let share = k as f64 / n as f64;
                let new = p < RARE;
                if !new && (share < p + LEAST_RISE || share < DOUBLED * p) {
                    continue;
                }
                let z = deviation(k, n, p, 0.0);
                if z < SHAPE_SIGNIFICANT {
                    continue;
                }
                let score = (z / SHAPE_FULL).min(1.0) * if new { 1.0 } else { RISEN_WEIGHT };
                let names = which.iter().map(|key| &*key.operation).collect::<Vec<_>>().join(", ");
                let words = match kind {
                    AlertKind::LostChild => format!("{k} of {n} {} without {names}", watch.key.operation),
                    _ => format!(
                        "{k} of {n} {} with {}",
                        watch.key.operation,
                        if names.is_empty() { "an odd set of calls" } else { &names }
                    ),
                };
                // A span that waits for an answer and has none did ask.
                let asked = matches!(watch.key.kind, SpanKind::Client | SpanKind::Producer);
                let callees = if kind == AlertKind::LostChild {
                    self.services_below(&which, watch.service)
                } else {
                    BTreeSet::new()
                };
                let unanswered = asked && !callees.is_empty();
                let (caller, callee) = if unanswered { (UNCALLED_WEIGHT, 1.0) } else { (1.0, UNCALLED_WEIGHT) };
                let operation = Some(watch.key.operation.clone());
                odd.entry(watch.service).or_default().rise(Odd {
                    score: caller * score,
                    new,
                    words: words.clone(),
                    operation,
                });
                for service in callees {
                    uncalled.entry(service).or_default().rise(Odd {
                        score: callee * score,
                        new: false,
                        words: words.clone(),
                        operation: None,
                    });
                }
            }
        }
        let news: BTreeSet<u32> = odd.iter().filter(|(_, o)| o.new).map(|(service, _)| *service).collect();
        for (service, found) in &mut odd {
            if news.iter().any(|below| below != service && self.learnt_calls.contains(&(*service, *below))) {
                found.score *= CONSEQUENCE;
            }
        }
        for (service, found) in uncalled {
            odd.entry(service).or_default().rise(found);
        }
        odd
    }

    /// Services that these keys belong to or call, other than `own`.
    fn services_below(&self, keys: &[SpanKey], own: u32) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<(&SpanKey, u8)> = keys.iter().map(|key| (key, 0)).collect();
        while let Some((key, depth)) = waiting.pop() {
            let Some(watch) = self.keys.iter().find(|watch| watch.key == *key) else { continue };
            if watch.service != own {
                found.insert(watch.service);
            } else if depth < 6 {
                waiting.extend(watch.structure.shapes.keys().flatten().map(|child| (child, depth + 1)));
            }
        }
        found
    }

    /// Failures, at the span that failed first: no child of it did. Of a service the operation that fails most, or all
    /// together where each has too few calls to say anything.
    fn by_errors(&self, window: TimeWindow) -> BTreeMap<u32, Odd> {
        let mut failing: BTreeMap<u32, Odd> = BTreeMap::new();
        let mut together: BTreeMap<u32, Failing<'_>> = BTreeMap::new();
        for watch in self.keys.iter().filter(|watch| watch.structure.calls >= LEAST_SAMPLES) {
            let n = watch.errors.ring.sum(window).n;
            if n == 0 {
                continue;
            }
            let k = watch.origins.ring.sum(window).n;
            let Learnt { calls, .. } = watch.errors.learnt;
            let p = Learnt { calls, counted: watch.structure.origins as f64 }.share();
            let rho = watch.errors.spread.rho(p).min(LARGEST_ERROR_RHO);
            let all = together.entry(watch.service).or_default();
            all.add(watch, k, n, p, rho);
            let z = deviation(k, n, p, rho);
            if k < LEAST_HITS || z < SIGNIFICANT {
                continue;
            }
            let share = ((k as f64 / n as f64 - p) / (1.0 - p)).clamp(0.0, 1.0);
            let score = share.max(FEW_FAILURES) * (z / FULL).min(1.0);
            let words = format!("{k} of {n} {} failed first here", watch.key.operation);
            let operation = Some(watch.key.operation.clone());
            failing.entry(watch.service).or_default().rise(Odd { score, new: false, words, operation });
        }
        for (service, all) in together {
            let z = (all.k as f64 - all.expected) / all.variance.max(0.25).sqrt();
            if let Some((_, most)) = all.most
                && all.k >= LEAST_HITS
                && z >= SIGNIFICANT
            {
                let score = FEW_FAILURES * (z / FULL).min(1.0);
                let words = format!("{} of {} spans failed first here, most in {}", all.k, all.n, most.key.operation);
                let operation = Some(most.key.operation.clone());
                failing.entry(service).or_default().rise(Odd { score, new: false, words, operation });
            }
        }
        failing
    }

    /// Where traffic began to be far more or far less than usual.
    fn by_rates(&self, window: TimeWindow) -> BTreeMap<u32, Odd> {
        let mut told: BTreeMap<u32, Odd> = BTreeMap::new();
        for origin in self.rate_origins(window) {
            let RateOrigin { service, kind, key, n, expected, log10_chance, multiplies } = origin;
            let full = if kind == AlertKind::Silence { SILENT_SCORE } else { SURGE_SCORE };
            let score = full * (log10_chance / FULL_LOG10).min(1.0);
            let (words, operation) = if multiplies {
                (format!("asks {} {n} times for its requests, {expected:.0} expected", key.key.service), None)
            } else {
                let operation = key.key.operation.clone();
                (format!("{n} calls of {operation}, {expected:.0} expected"), Some(operation))
            };
            told.entry(service).or_default().rise(Odd { score, new: false, words, operation });
        }
        told
    }

    fn loudest_operation(&self, service: u32, window: TimeWindow) -> Option<Arc<str>> {
        let share = |watch: &&KeyWatch| {
            let counts = watch.own.ring.sum(window);
            let [_, _, k] = counts.k;
            (k as f64 - counts.share(2) * counts.n as f64).max(0.0)
        };
        let own = self.keys.iter().filter(|watch| watch.service == service);
        own.max_by(|a, b| share(a).total_cmp(&share(b)).then_with(|| b.key.cmp(&a.key)))
            .filter(|watch| share(watch) > 0.0)
            .map(|watch| watch.key.operation.clone())
    }

    /// Σ(observed − expected) by contributor, over the traces of a window whose root's usual contributions are known.
    fn added(&self, window: TimeWindow) -> BTreeMap<(u32, Place), f64> {
        let mut added: BTreeMap<(u32, Place), f64> = BTreeMap::new();
        for (root, spent) in self.paths.sum(window) {
            let Some(watch) = self.keys.get(root as usize).filter(|watch| watch.structure.roots >= LEAST_SAMPLES)
            else {
                continue;
            };
            for (contributor, us) in &spent.contributions {
                *added.entry(*contributor).or_default() += *us as f64;
            }
            let per_trace = spent.traces as f64 / watch.structure.roots as f64;
            for ((key, callee), us) in &watch.structure.contributions {
                if let Some(contributor) = self.contributor(key, callee.as_deref()) {
                    *added.entry(contributor).or_default() -= *us as f64 * per_trace;
                }
            }
        }
        added
    }

    fn contributor(&self, key: &SpanKey, callee: Option<&str>) -> Option<(u32, Place)> {
        let number = self.keys.iter().position(|watch| watch.key == *key)? as u32;
        let Some(callee) = callee else { return Some((number, Place::Node)) };
        let callee = self.services.iter().position(|service| **service == *callee)? as u32;
        Some((number, Place::Edge(callee)))
    }

    /// By service the share of the added time that its own work, and the calls into it, explain.
    fn explained(&self, window: TimeWindow) -> BTreeMap<u32, f64> {
        let added = self.added(window);
        let total: f64 = added.values().filter(|us| **us > 0.0).sum();
        let mut shares = BTreeMap::new();
        if total <= 0.0 {
            return shares;
        }
        for ((key, place), us) in added.iter().filter(|(_, us)| **us > 0.0) {
            let service = match place {
                Place::Edge(callee) => *callee,
                Place::Node => self.keys.get(*key as usize).map_or(u32::MAX, |watch| watch.service),
            };
            *shares.entry(service).or_default() += us / total;
        }
        shares
    }

    /// What the requests of a window would take if `service` were as it normally is: those of the root with the most
    /// added time.
    #[must_use]
    pub fn counterfactual(&self, window: TimeWindow, service: &str) -> Option<Counterfactual> {
        let number = self.services.iter().position(|known| **known == *service)? as u32;
        let belongs = |key: u32, place: Place| match place {
            Place::Edge(callee) => callee == number,
            Place::Node => self.keys.get(key as usize).is_some_and(|watch| watch.service == number),
        };
        let mut best: Option<(f64, Counterfactual)> = None;
        for (root, spent) in self.paths.sum(window) {
            let Some(watch) = self.keys.get(root as usize).filter(|watch| watch.structure.roots >= LEAST_SAMPLES)
            else {
                continue;
            };
            let observed: u64 =
                spent.contributions.iter().filter(|((key, place), _)| belongs(*key, *place)).map(|(_, us)| us).sum();
            let usual: f64 = watch
                .structure
                .contributions
                .iter()
                .filter_map(|((key, callee), us)| Some((self.contributor(key, callee.as_deref())?, us)))
                .filter(|((key, place), _)| belongs(*key, *place))
                .map(|(_, us)| *us as f64)
                .sum::<f64>()
                / watch.structure.roots as f64;
            let added = (observed as f64 / spent.traces as f64 - usual) * spent.traces as f64;
            if added > best.as_ref().map_or(0.0, |(most, _)| *most) {
                let mean = spent.mean();
                let normal = watch.structure.mean_end_to_end()?;
                // What ran beside the culprit was hidden behind it: without it, nothing ends sooner than usual.
                let without = (mean.0 as f64 - added / spent.traces as f64).max(normal.0.min(mean.0) as f64);
                let told = Counterfactual {
                    root: watch.key.clone(),
                    requests: spent.traces,
                    observed: mean,
                    without: Micros(without as u64),
                    normal,
                };
                best = Some((added, told));
            }
        }
        best.map(|(_, told)| told)
    }
}
