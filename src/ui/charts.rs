//! Small pictures made of characters.

use super::glyphs::{BARS, SHADES};
use crate::domain::Micros;

/// Heights of ratios to normal on a fixed logarithmic scale, so that two rows can be compared: normal is low, 16 times
/// normal is full. Missing values are missing.
#[must_use]
pub fn ratios(values: &[Option<f32>]) -> String {
    values.iter().map(|value| value.map_or(' ', |ratio| BARS[ratio_height(f64::from(ratio))])).collect()
}

fn ratio_height(ratio: f64) -> usize {
    let height = if ratio > 0.0 { 1.0 + 1.5 * ratio.log2() } else { 0.0 };
    height.clamp(0.0, 7.0).round() as usize
}

/// Durations as heights against the largest of them or twice `normal`: a normal hour lies at half height.
#[must_use]
pub fn durations(values: &[Option<Micros>], normal: Option<Micros>) -> String {
    let most = values.iter().flatten().copied().chain(normal.map(twice)).max().unwrap_or_default();
    let height = |us: u64| ((us as f64 / most.0.max(1) as f64) * 7.0).round().clamp(0.0, 7.0) as usize;
    values.iter().map(|value| value.map_or(' ', |value| BARS[height(value.0)])).collect()
}

#[must_use]
pub const fn twice(duration: Micros) -> Micros {
    Micros(duration.0.saturating_mul(2))
}

/// Shares as heights, in at most `columns` columns; bins are summed where there are more bins than columns.
#[must_use]
pub fn shares(bins: &[f32], columns: usize) -> String {
    let group = bins.len().div_ceil(columns.max(1)).max(1);
    let sums: Vec<f32> = bins.chunks(group).map(|bins| bins.iter().filter(|share| share.is_finite()).sum()).collect();
    let most = sums.iter().copied().fold(0.0, f32::max);
    sums.iter()
        .map(|share| {
            if *share <= 0.0 || most <= 0.0 {
                ' '
            } else {
                BARS[((share / most) * 7.0).round().clamp(0.0, 7.0) as usize]
            }
        })
        .collect()
}

/// How many columns [`shares`] takes.
#[must_use]
pub fn share_columns(bins: usize, columns: usize) -> usize {
    bins.div_ceil(bins.div_ceil(columns.max(1)).max(1))
}

/// A chart of `height` lines, top first, on a linear scale from zero to `most`. `width` columns a value.
#[must_use]
pub fn columns(values: &[Option<Micros>], most: Micros, height: usize, width: usize) -> Vec<String> {
    let eighths = |value: Micros| {
        let share = value.0 as f64 / most.0.max(1) as f64;
        ((share * height as f64 * 8.0).round() as usize).clamp(1, height * 8)
    };
    (0..height)
        .map(|line| {
            let below = (height - 1 - line) * 8;
            let cell = |value: &Option<Micros>| match value.map(eighths) {
                Some(filled) if filled > below => BARS[(filled - below).min(8) - 1],
                _ => ' ',
            };
            values.iter().flat_map(|value| std::iter::repeat_n(cell(value), width)).collect()
        })
        .collect()
}

/// A shade for each value, on a logarithmic scale between the smallest and the largest. A week that hardly varies is
/// all light: a scale that stretches noise would show a pattern where there is none.
#[must_use]
pub fn shades(values: &[Option<Micros>]) -> Vec<Option<char>> {
    let known = || values.iter().flatten().map(|value| value.0.max(1) as f64);
    let least = known().fold(f64::INFINITY, f64::min);
    let most = known().fold(0.0, f64::max);
    let range = (most / least).ln().max(2f64.ln());
    let shade = |value: Micros| {
        let share = (value.0.max(1) as f64 / least).ln() / range;
        SHADES[((share * 4.0) as usize).min(3)]
    };
    values.iter().map(|value| value.map(shade)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_is_low_and_missing_is_missing() {
        assert_eq!(ratios(&[Some(1.0), None, Some(2.0), Some(16.0), Some(f32::NAN), Some(0.0)]), "▂ ▄█▁▁");
    }

    #[test]
    fn a_chart_fills_from_below() {
        let most = Micros(100);
        let drawn = columns(&[Some(Micros(100)), Some(Micros(25)), None, Some(Micros(0))], most, 2, 1);
        assert_eq!(drawn, ["█   ", "█▄ ▁"]);
    }

    #[test]
    fn a_flat_week_shows_no_pattern() {
        let week = [Some(Micros(100)), Some(Micros(104)), None];
        assert_eq!(shades(&week), [Some('░'), Some('░'), None]);
        assert_eq!(shades(&[Some(Micros(100)), Some(Micros(1_000))]), [Some('░'), Some('█')]);
    }

    #[test]
    fn bins_are_summed_into_the_columns_there_are() {
        assert_eq!(shares(&[0.5, 0.0, 0.25, 0.25], 2), "██");
        assert_eq!(shares(&[0.0, 0.5, 0.25], 9), " █▅");
        assert_eq!((shares(&[0.1; 64], 49).chars().count(), share_columns(64, 49)), (32, 32));
    }
}
