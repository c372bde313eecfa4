//! Random numbers that depend on a seed and on what they are for, never on what was drawn before: any minute of any
//! year can be generated alone.

use std::f64::consts::TAU;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A SplitMix64 sequence (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

/// SplitMix64's finaliser: every bit of the input reaches every bit of the output.
pub(super) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Random {
    /// The sequence of one purpose (`stream`) and one thing (`n`).
    pub(super) const fn new(seed: u64, stream: u64, n: u64) -> Self {
        Self(mix(seed ^ mix(stream.wrapping_mul(GOLDEN) ^ mix(n.wrapping_add(GOLDEN)))))
    }

    pub(super) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// Standard normal, by Box and Muller.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// How many events of a Poisson process with this mean. Large means take the normal limit.
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_are_those_of_the_distributions() {
        let mut random = Random::new(1, 2, 3);
        let n = 100_000;
        let normals: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|z| z * z).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        for expected in [0.4, 9.0, 900.0] {
            let mean = (0..n).map(|_| random.poisson(expected) as f64).sum::<f64>() / f64::from(n);
            assert!((mean / expected - 1.0).abs() < 0.02, "{mean} for {expected}");
        }
    }
}
