//! How likely what was seen is when nothing is wrong: tails of counting distributions, as log₁₀, because what matters lies
//! far below what a float holds.

/// Terms below this part of the sum change nothing that is shown.
const NEGLIGIBLE: f64 = 1e-12;
/// A tail has fallen below that long before so many terms; what is larger is a sum that hardly falls, near its mean.
const MOST_TERMS: u64 = 20_000;

/// log₁₀ P(K ≥ k) for K beta-binomial with `n` trials, mean share `p` and concentration `c` = a + b.
///
/// 0 when `k` is no more than is expected: then it is no news, and the sum would be long.
/// P(K = k) = C(n, k) · B(k + a, n − k + b) / B(a, b) with a = p·c, b = (1 − p)·c; neighbouring terms have the ratio
/// (n − k)/(k + 1) · (k + a)/(n − k − 1 + b) (Skellam 1948).
#[must_use]
pub fn log10_at_least(k: u64, n: u64, p: f64, c: f64) -> f64 {
    if k > n || k as f64 <= n as f64 * p || !(p > 0.0 && p < 1.0 && c > 0.0) {
        return 0.0;
    }
    let (a, b) = (p * c, (1.0 - p) * c);
    let (kf, nf) = (k as f64, n as f64);
    let choose = ln_gamma(nf + 1.0) - ln_gamma(kf + 1.0) - ln_gamma(nf - kf + 1.0);
    let first = choose + ln_beta(kf + a, nf - kf + b) - ln_beta(a, b);
    let (mut sum, mut term) = (0.0, 1.0);
    for j in k..=n.min(k + MOST_TERMS) {
        sum += term;
        if j == n {
            break;
        }
        let (jf, rest) = (j as f64, (n - j) as f64);
        term *= rest / (jf + 1.0) * (jf + a) / (rest - 1.0 + b);
        if term < NEGLIGIBLE * sum {
            break;
        }
    }
    ((first + sum.ln()) / std::f64::consts::LN_10).min(0.0)
}

/// The concentration of a beta-binomial whose share varies with `rho` from window to window, and is itself known only from
/// `samples`: both widen it.
#[must_use]
pub fn concentration(rho: f64, samples: u64) -> f64 {
    let c = 1.0 / rho.clamp(1e-6, 0.999) - 1.0;
    1.0 / (1.0 / c + 1.0 / (samples as f64 + 1.0))
}

/// log₁₀ P(N ≥ n) for a rate of `expected` calls whose variance is `dispersion` times its mean (negative binomial; Poisson
/// at 1).
#[must_use]
pub fn log10_rate_at_least(n: u64, expected: f64, dispersion: f64) -> f64 {
    if n as f64 <= expected || expected <= 0.0 {
        return 0.0;
    }
    let rate = Rate::new(expected, dispersion);
    let (mut sum, mut term) = (0.0, 1.0);
    for j in n..n + MOST_TERMS {
        sum += term;
        term *= rate.ratio(j);
        if term < NEGLIGIBLE * sum {
            break;
        }
    }
    ((rate.ln_mass(n) + f64::ln(sum)) / std::f64::consts::LN_10).min(0.0)
}

/// log₁₀ P(N ≤ n), as [`log10_rate_at_least`].
#[must_use]
pub fn log10_rate_at_most(n: u64, expected: f64, dispersion: f64) -> f64 {
    if n as f64 >= expected || expected <= 0.0 {
        return 0.0;
    }
    let rate = Rate::new(expected, dispersion);
    let (mut sum, mut term) = (0.0, 1.0);
    for j in (0..=n).rev() {
        sum += term;
        if j == 0 {
            break;
        }
        term /= rate.ratio(j - 1);
        if term < NEGLIGIBLE * sum {
            break;
        }
    }
    ((rate.ln_mass(n) + f64::ln(sum)) / std::f64::consts::LN_10).min(0.0)
}

struct Rate {
    mean: f64,
    /// Of the negative binomial; infinite for Poisson.
    size: f64,
}

impl Rate {
    fn new(mean: f64, dispersion: f64) -> Self {
        let size = if dispersion > 1.0 + 1e-9 { mean / (dispersion - 1.0) } else { f64::INFINITY };
        Self { mean, size }
    }

    fn ln_mass(&self, n: u64) -> f64 {
        let n = n as f64;
        if self.size.is_infinite() {
            return n * self.mean.ln() - self.mean - ln_gamma(n + 1.0);
        }
        let total = self.size + self.mean;
        ln_gamma(n + self.size) - ln_gamma(self.size) - ln_gamma(n + 1.0)
            + self.size * (self.size / total).ln()
            + n * (self.mean / total).ln()
    }

    /// P(n + 1) / P(n).
    fn ratio(&self, n: u64) -> f64 {
        let n = n as f64;
        if self.size.is_infinite() {
            return self.mean / (n + 1.0);
        }
        (n + self.size) / (n + 1.0) * self.mean / (self.size + self.mean)
    }
}

/// log₁₀ of the chance of one duration at least `us` long: a Pareto tail through p99 and p99.9, whose index is at least 1
/// so that a few slow samples do not make everything likely.
#[must_use]
pub fn log10_extreme(us: f64, p99_us: f64, p99_9_us: f64) -> f64 {
    if p99_us <= 0.0 || us <= p99_9_us {
        return 0.0;
    }
    let per_decade = (p99_9_us / p99_us).log10();
    let index = if per_decade > 0.0 { (1.0 / per_decade).max(1.0) } else { f64::INFINITY };
    -3.0 - (index * (us / p99_9_us).log10()).min(300.0)
}

/// log₁₀ of the chance of a table as uneven as this, or more, when the two groups do not differ: Fisher's exact test, twice
/// the smaller tail of the hypergeometric distribution. `a` of `n` have something, and `b` of `m`.
#[must_use]
pub fn log10_uneven(a: u64, n: u64, b: u64, m: u64) -> f64 {
    if n == 0 || m == 0 || a > n || b > m {
        return 0.0;
    }
    // More than expected in the first group; otherwise the same question is asked of the second.
    let (a, n, b, m) =
        if u128::from(a) * u128::from(m) >= u128::from(b) * u128::from(n) { (a, n, b, m) } else { (b, m, a, n) };
    let (with, whole) = (a + b, n + m);
    let ln_choose = |n: u64, k: u64| {
        let (n, k) = (n as f64, k as f64);
        ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
    };
    let first = ln_choose(with, a) + ln_choose(whole - with, n - a) - ln_choose(whole, n);
    let (mut sum, mut term) = (0.0, 1.0);
    for k in a..=n.min(with) {
        sum += term;
        // P(k + 1) / P(k); 0 where no more can be in the first group.
        term *= (with - k) as f64 * (n - k) as f64 / ((k + 1) as f64 * ((k + 1 + whole) as f64 - (with + n) as f64));
        if term < NEGLIGIBLE * sum {
            break;
        }
    }
    ((first + f64::ln(sum)) / std::f64::consts::LN_10 + 2f64.log10()).min(0.0)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// ln Γ(x) for x > 0, by Stirling's series after the argument was raised above 10; good to 1e-10.
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series + shift
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The whole sum, term by term, by the definition.
    fn slow_tail(k: u64, n: u64, p: f64, c: f64) -> f64 {
        let (a, b) = (p * c, (1.0 - p) * c);
        (k..=n)
            .map(|j| {
                // C(n, j) · a(a+1)…(a+j−1) · b(b+1)…(b+n−j−1) / (c(c+1)…(c+n−1))
                let mut mass = 1.0;
                for i in 0..n {
                    let (i, j, n) = (i as f64, j as f64, n as f64);
                    mass *= if i < j { (n - i) / (j - i) * (a + i) } else { b + i - j } / (c + i);
                    let _ = n;
                }
                mass
            })
            .sum()
    }

    #[test]
    fn gamma_at_known_points() {
        for (x, factorial) in [(1.0, 1.0f64), (2.0, 1.0), (5.0, 24.0), (11.0, 3_628_800.0)] {
            assert!((ln_gamma(x) - factorial.ln()).abs() < 1e-9, "{x}");
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-9);
    }

    #[test]
    fn a_certain_tail_is_certain_and_an_impossible_one_says_nothing() {
        assert_eq!(log10_at_least(0, 10, 0.1, 19.0), 0.0);
        assert_eq!(log10_at_least(11, 10, 0.1, 19.0), 0.0);
        assert_eq!(log10_rate_at_most(50, 20.0, 1.0), 0.0);
    }

    #[test]
    fn uneven_tables_are_as_unlikely_as_fisher_says() {
        // The lady tasting tea: 4 of 4 against 0 of 4 is one of 70 tables at either end.
        assert!((log10_uneven(4, 4, 0, 4) - (2.0f64 / 70.0).log10()).abs() < 1e-9);
        assert!((log10_uneven(0, 4, 4, 4) - (2.0f64 / 70.0).log10()).abs() < 1e-9);
        // 3 of 4 against 1 of 4: 17 of 70.
        assert!((log10_uneven(3, 4, 1, 4) - (34.0f64 / 70.0).log10()).abs() < 1e-9);
        assert_eq!(log10_uneven(2, 4, 2, 4), 0.0, "an even table is no news");
        assert_eq!((log10_uneven(0, 0, 3, 4), log10_uneven(4, 4, 4, 4)), (0.0, 0.0));
        assert!(log10_uneven(48, 50, 0, 50) < -20.0);
    }

    #[test]
    fn silence_is_as_unlikely_as_poisson_says() {
        assert!((log10_rate_at_most(0, 20.0, 1.0) - -20.0 / std::f64::consts::LN_10).abs() < 1e-9);
        assert!(
            log10_rate_at_most(0, 20.0, 5.0) > log10_rate_at_most(0, 20.0, 1.0),
            "bursty traffic pauses more often"
        );
    }

    #[test]
    fn twice_the_extreme_is_less_likely_by_the_tail_s_index() {
        // p99 100 ms, p99.9 200 ms: index 3.3, so each doubling costs a decade.
        let at = |us| log10_extreme(us, 100e3, 200e3);
        assert_eq!(at(150e3), 0.0);
        assert!((at(400e3) - -4.0).abs() < 1e-6 && (at(800e3) - -5.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_fast_tail_is_the_whole_sum(n in 1u64..60, share in 0.0f64..1.0, p in 0.001f64..0.5, c in 0.5f64..500.0) {
            let k = (n as f64 * share) as u64 + 1;
            prop_assume!(k <= n && k as f64 > n as f64 * p);
            let (fast, slow) = (log10_at_least(k, n, p, c), slow_tail(k, n, p, c).log10());
            prop_assert!((fast - slow).abs() < 1e-6 * slow.abs().max(1.0), "{fast} for {slow}");
        }

        #[test]
        fn no_tail_is_above_one_or_not_a_number(
            k in 0u64..100_000, n in 0u64..100_000, p in 0.0f64..=1.0, rho in 0.0f64..=1.0, samples in any::<u32>(),
        ) {
            let told = log10_at_least(k, n, p, concentration(rho, u64::from(samples)));
            prop_assert!(told <= 0.0);
        }

        #[test]
        fn more_is_never_likelier(n in 2u64..2_000, p in 0.0005f64..0.3, rho in 0.0005f64..0.3) {
            let c = concentration(rho, 1_000);
            let tails: Vec<f64> = (1..=n).step_by((n as usize / 20).max(1)).map(|k| log10_at_least(k, n, p, c)).collect();
            prop_assert!(tails.is_sorted_by(|a, b| *a >= *b - 1e-9), "{tails:?}");
        }

        #[test]
        fn rates_have_tails_that_fall(expected in 0.1f64..5_000.0, dispersion in 1.0f64..50.0) {
            let up: Vec<f64> = (1..10).map(|m| log10_rate_at_least((expected * f64::from(m)) as u64 + 1, expected, dispersion)).collect();
            prop_assert!(up.is_sorted_by(|a, b| a >= b) && up.iter().all(|p| *p <= 0.0), "{up:?}");
        }
    }
}
