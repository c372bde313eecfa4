//! The numbers of one baseline: moments, percentiles, and the deviations that make a severity.

use crate::domain::{Level, Micros, Severity};

use super::sketch::Sketch;

/// A percentile that makes a severity, and how many samples it takes to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutOffRule {
    pub quantile: f64,
    /// Below this the percentile is little more than the maximum, and a wider level lends its deviation.
    pub min_samples: u64,
}

/// How cells are made of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellRules {
    /// Fewest samples that make a cell.
    pub min_samples: u64,
    /// SEV1 … SEV5.
    pub cut_offs: [CutOffRule; 5],
    /// How much longer than usual a call takes at least that counts for an alert.
    pub slow_by: Micros,
    /// What the clocks of the sources cannot tell apart: σ is never taken for smaller.
    pub clock: Micros,
}

/// A duration, and the share of calls that the history has above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exceeding {
    /// Infinite where too few samples are known to have such a cut-off.
    pub threshold_us: f32,
    /// (m + ½) / (N + 1) for m of N samples above it: never zero, because what was not seen yet may be seen.
    pub share: f32,
}

/// One baseline: a series at one level. 112 bytes, so that 500 keys with 200 baselines each stay near 10 MB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    pub samples: u64,
    pub mean_us: f64,
    /// After the floor.
    pub sigma_us: f64,
    /// p50, p90, p95, p99, p99.9 in microseconds.
    pub percentiles: [f32; 5],
    /// The deviation above which a span is SEV1 … SEV5; `None` where no level has enough samples.
    pub cut_offs: [Option<CutOff>; 5],
    /// What counts as exceeding for an alert of SEV1, SEV2 and SEV3, from this cell's own samples.
    pub exceeding: [Exceeding; 3],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutOff {
    pub z: f32,
    /// Whose percentile it is; wider than the cell's own level when borrowed.
    pub level: Level,
}

/// p50, p90, p95, p99, p99.9.
pub const PERCENTILES: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

/// Differences below one per cent of the mean are jitter of the machine, even where history was perfectly constant.
const RELATIVE_FLOOR: f64 = 0.01;

impl Cell {
    /// The numbers of a merged sketch, its own cut-offs only. `None` below [`CellRules::min_samples`].
    #[must_use]
    pub fn of(sketch: &Sketch, level: Level, rules: &CellRules) -> Option<Self> {
        if sketch.count() < rules.min_samples.max(1) {
            return None;
        }
        let mean_us = sketch.mean_us();
        let sigma_us = sketch.sigma_us().max(rules.clock.0 as f64).max(RELATIVE_FLOOR * mean_us);
        let mut asked = [0.0; PERCENTILES.len() + Severity::ALL.len()];
        let wanted = PERCENTILES.into_iter().chain(rules.cut_offs.map(|rule| rule.quantile));
        asked.iter_mut().zip(wanted).for_each(|(slot, q)| *slot = q);
        asked.sort_by(f64::total_cmp);
        let found = sketch.quantiles(asked)?;
        let quantile = |q| asked.iter().zip(found).find_map(|(other, us)| (*other == q).then_some(us)).unwrap_or(0.0);
        let known = |rule: &CutOffRule| (sketch.count() >= rule.min_samples).then(|| quantile(rule.quantile));
        // What a person would notice: half again as long as the slowest twentieth, and a little more.
        let floor_us = 1.5 * quantile(0.95) + rules.slow_by.0 as f64;
        let exceeding = |own: Option<f64>| {
            let threshold_us = own.map_or(f32::INFINITY, |us| sketch.edge_above(us.max(floor_us)) as f32);
            let above = sketch.count_from(f64::from(threshold_us));
            Exceeding { threshold_us, share: ((above as f64 + 0.5) / (sketch.count() as f64 + 1.0)) as f32 }
        };
        let [first, second, ..] = &rules.cut_offs;
        // z is monotone in the duration, so the percentile of the deviations is the deviation of the percentile.
        let cut_offs =
            rules.cut_offs.map(|rule| known(&rule).map(|us| CutOff { z: ((us - mean_us) / sigma_us) as f32, level }));
        Some(Self {
            samples: sketch.count(),
            mean_us,
            sigma_us,
            percentiles: PERCENTILES.map(|q| quantile(q) as f32),
            cut_offs,
            // The mildest needs no percentile: the floor alone is its threshold.
            exceeding: [exceeding(known(first)), exceeding(known(second)), exceeding(Some(floor_us))],
        })
    }

    /// Fills cut-offs that this cell has too few samples for from wider cells, nearest first: the wider level's
    /// deviation is applied to this cell's mean and σ, and never lies below the next milder cut-off.
    pub fn borrow_from(&mut self, wider: &[&Self]) {
        let mut least = f32::NEG_INFINITY;
        for severity in Severity::ALL.into_iter().rev() {
            let Some(slot) = self.cut_offs.get_mut(severity.index()) else { continue };
            if slot.is_none() {
                *slot = wider.iter().find_map(|cell| cell.cut_offs.get(severity.index()).copied().flatten());
            }
            if let Some(cut_off) = slot {
                cut_off.z = cut_off.z.max(least);
                least = cut_off.z;
            }
        }
    }

    /// (duration − mean) / σ.
    #[must_use]
    pub fn deviation(&self, duration: Micros) -> f64 {
        (duration.0 as f64 - self.mean_us) / self.sigma_us
    }

    /// The worst severity whose cut-off this deviation exceeds, with that cut-off.
    #[must_use]
    pub fn severity(&self, z: f64) -> Option<(Severity, CutOff)> {
        Severity::ALL.into_iter().zip(self.cut_offs).find_map(|(severity, cut_off)| {
            let cut_off = cut_off?;
            (z > f64::from(cut_off.z)).then_some((severity, cut_off))
        })
    }

    /// The duration above which a span has this severity.
    #[must_use]
    pub fn cut_off_duration(&self, severity: Severity) -> Option<(Micros, Level)> {
        let cut_off = self.cut_offs.get(severity.index()).copied().flatten()?;
        let us = self.mean_us + f64::from(cut_off.z) * self.sigma_us;
        Some((Micros(us.max(0.0).round() as u64), cut_off.level))
    }

    /// p50, p90, p95, p99 or p99.9 by position in [`PERCENTILES`].
    #[must_use]
    pub fn percentile(&self, index: usize) -> Micros {
        Micros(self.percentiles.get(index).copied().unwrap_or(0.0).max(0.0).round() as u64)
    }

    #[must_use]
    pub fn p99(&self) -> Micros {
        self.percentile(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Settings;

    fn rules() -> CellRules {
        Settings::default().rules()
    }

    fn cell(n: u64, level: Level) -> Cell {
        let mut sketch = Sketch::default();
        for i in 0..n {
            sketch.insert(Micros(1_000 + i % 1_000));
        }
        Cell::of(&sketch, level, &rules()).unwrap()
    }

    #[test]
    fn too_few_samples_make_no_cell() {
        let mut sketch = Sketch::default();
        (0..9).for_each(|_| sketch.insert(Micros(5)));
        assert_eq!(Cell::of(&sketch, Level::Global, &rules()), None);
        assert_eq!(
            Cell::of(&Sketch::default(), Level::Global, &CellRules { min_samples: 0, ..rules() }),
            None,
            "nothing is never normal"
        );
    }

    #[test]
    fn each_percentile_waits_for_its_samples_and_borrows_the_wider_deviation() {
        let mut own = cell(60, Level::HourOfWeek);
        assert_eq!(own.cut_offs.map(|c| c.is_some()), [false, false, false, true, true]);
        let hour = cell(600, Level::HourOfDay);
        let all = cell(20_000, Level::Global);
        own.borrow_from(&[&hour, &all]);
        assert_eq!(
            own.cut_offs.map(|c| c.unwrap().level),
            [Level::Global, Level::HourOfDay, Level::HourOfDay, Level::HourOfWeek, Level::HourOfWeek]
        );
        let z: Vec<f32> = own.cut_offs.iter().map(|c| c.unwrap().z).collect();
        assert!(z.is_sorted_by(|a, b| a >= b), "cut-offs grow with severity: {z:?}");
    }

    #[test]
    fn a_constant_history_has_a_floor_under_sigma() {
        let mut sketch = Sketch::default();
        (0..100).for_each(|_| sketch.insert(Micros(10_000)));
        let cell = Cell::of(&sketch, Level::Global, &rules()).unwrap();
        assert_eq!((cell.mean_us, cell.sigma_us), (10_000.0, 100.0));
        assert_eq!(cell.severity(cell.deviation(Micros(10_000))), None);
    }

    #[test]
    fn the_cut_off_duration_and_the_severity_agree() {
        let cell = cell(20_000, Level::Global);
        for severity in Severity::ALL {
            let (at, _) = cell.cut_off_duration(severity).unwrap();
            let (worst, _) = cell.severity(cell.deviation(Micros(at.0 + 2))).unwrap();
            assert!(worst.is_at_least(severity));
            let below = cell.severity(cell.deviation(Micros(at.0 - 2))).map(|(s, _)| s);
            assert!(below.is_none_or(|s| s > severity));
        }
    }
}
