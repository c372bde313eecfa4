//! How much the calls of one minute resemble each other: what makes a bad minute likelier than independent calls would.

use serde::{Deserialize, Serialize};

/// Sums over windows of one minute: calls n, and those that counted k.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Windows with at least one call.
    pub windows: u64,
    pub n: u64,
    pub k: u64,
    pub n_squared: u64,
    pub n_k: u64,
    pub k_squared: u64,
    /// Σ of squared differences of n between neighbouring minutes, and how many such pairs: burstiness of the rate
    /// without its daily rhythm.
    pub steps: u64,
    pub step_squares: u64,
}

/// Until that many windows are known, [`UNKNOWN_RHO`] stands in for a part of them.
const ENOUGH_WINDOWS: f64 = 200.0;
/// Assumed before anything is known: one bad host of twenty makes a twentieth of a minute's calls bad together.
pub const UNKNOWN_RHO: f64 = 0.05;
/// More resemblance than is assumed is believed from that many windows on: for less, many are needed.
const FEW_WINDOWS: f64 = 5.0;
/// Calls are never taken for perfectly independent.
const LEAST_RHO: f64 = 0.0005;
const MOST_RHO: f64 = 0.5;

impl Spread {
    pub fn add(&mut self, n: u64, k: u64) {
        if n == 0 {
            return;
        }
        self.windows += 1;
        self.n += n;
        self.k += k;
        self.n_squared = self.n_squared.saturating_add(n.saturating_mul(n));
        self.n_k = self.n_k.saturating_add(n.saturating_mul(k));
        self.k_squared = self.k_squared.saturating_add(k.saturating_mul(k));
    }

    pub fn add_step(&mut self, before: u64, after: u64) {
        let step = before.abs_diff(after);
        self.steps += 1;
        self.step_squares = self.step_squares.saturating_add(step.saturating_mul(step));
    }

    pub fn merge(&mut self, other: &Self) {
        self.windows += other.windows;
        self.n += other.n;
        self.k += other.k;
        self.n_squared = self.n_squared.saturating_add(other.n_squared);
        self.n_k = self.n_k.saturating_add(other.n_k);
        self.k_squared = self.k_squared.saturating_add(other.k_squared);
        self.steps += other.steps;
        self.step_squares = self.step_squares.saturating_add(other.step_squares);
    }

    /// The intra-class correlation ρ of a beta-binomial with mean share `p`, by moments: Var K = n·p·(1−p)·(1+(n−1)·ρ),
    /// summed over windows. What few windows say is mixed with what is assumed before any are known.
    #[must_use]
    pub fn rho(&self, p: f64) -> f64 {
        let (n, k) = (self.n_squared as f64, self.n_k as f64);
        let squares = self.k_squared as f64 - 2.0 * p * k + p * p * n;
        let binomial = p * (1.0 - p);
        let pairs = binomial * (self.n_squared as f64 - self.n as f64);
        let observed =
            if pairs > 0.0 { ((squares - binomial * self.n as f64) / pairs).clamp(0.0, MOST_RHO) } else { 0.0 };
        let windows = if pairs > 0.0 { self.windows as f64 } else { 0.0 };
        let mixed = |unknown: f64| (observed * windows + UNKNOWN_RHO * unknown) / (windows + unknown);
        let unknown = (ENOUGH_WINDOWS - windows).max(0.0);
        let rho = if unknown > 0.0 { mixed(unknown) } else { observed };
        let rho = if windows >= FEW_WINDOWS { rho.max(mixed(FEW_WINDOWS).min(observed)) } else { rho };
        rho.clamp(LEAST_RHO, MOST_RHO)
    }

    /// Index of dispersion of the calls a minute, at least 1 (Poisson), from half the mean squared step.
    #[must_use]
    pub fn dispersion(&self) -> f64 {
        if self.n == 0 || (self.steps as f64) < FEW_WINDOWS {
            return UNKNOWN_DISPERSION;
        }
        let mean = self.n as f64 / self.steps as f64;
        let observed = (self.step_squares as f64 / (2.0 * self.steps as f64) / mean).max(1.0);
        let unknown = (ENOUGH_WINDOWS - self.steps as f64).max(0.0);
        (observed * self.steps as f64 + UNKNOWN_DISPERSION * unknown) / (self.steps as f64 + unknown)
    }
}

/// Of rates nobody has watched yet.
const UNKNOWN_DISPERSION: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_is_the_assumption_and_many_windows_speak_for_themselves() {
        assert_eq!(Spread::default().rho(0.01), UNKNOWN_RHO);
        let mut calm = Spread::default();
        (0..1_000).for_each(|i| calm.add(100, u64::from(i % 2 == 0) * 2));
        assert!(calm.rho(0.01) < 0.002, "{}", calm.rho(0.01));
        let mut bursts = Spread::default();
        (0..1_000).for_each(|i| bursts.add(100, if i % 100 == 0 { 100 } else { 0 }));
        assert!(bursts.rho(0.01) > 0.4, "all or nothing: {}", bursts.rho(0.01));
    }

    #[test]
    fn resemblance_is_believed_sooner_than_its_absence() {
        let mut few = Spread::default();
        (0..20).for_each(|_| few.add(100, 1));
        assert!(few.rho(0.01) > 0.04, "twenty quiet minutes prove little");
        (0..5).for_each(|_| few.add(100, 60));
        assert!(few.rho(0.12) > 0.1, "five bad ones prove much: {}", few.rho(0.12));
    }

    #[test]
    fn a_steady_trend_is_no_burst() {
        let mut spread = Spread::default();
        for i in 0..500u64 {
            spread.add(100 + i, 0);
            spread.add_step(100 + i, 101 + i);
        }
        assert_eq!(spread.dispersion(), 1.0);
    }
}
