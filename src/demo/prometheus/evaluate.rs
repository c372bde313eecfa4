//! The value of an expression at one moment.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{Aggregation, Comparison, Expr, Grouping, Matcher, Operator};
use super::series::{Meter, Series};
use crate::domain::Timestamp;

/// Labels in order of name.
pub(super) type Labels = Vec<(String, String)>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vec<(Labels, f64)>),
}

/// Why an expression has no value: Prometheus's error type `execution`, except where a type does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    BadData(String),
    Execution(String),
}

const NAME: &str = "__name__";

/// The series that all matchers accept.
pub(super) fn select<'a>(series: &'a [Series], matchers: &[Matcher]) -> Vec<&'a Series> {
    series
        .iter()
        .filter(|series| matchers.iter().all(|matcher| matcher.accepts(series.label(&matcher.label))))
        .collect()
}

fn labels_of(series: &Series, keep_name: bool) -> Labels {
    let pairs = series.labels.iter().filter(|(key, _)| keep_name || *key != NAME);
    pairs.map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn group(labels: &Labels, grouping: &Grouping) -> Labels {
    let kept = |key: &String| match grouping {
        Grouping::Only(names) => names.contains(key),
        Grouping::Without(names) => key != NAME && !names.contains(key),
    };
    labels.iter().filter(|(key, _)| kept(key)).cloned().collect()
}

/// Evaluates at one moment.
///
/// # Errors
/// [`Failed`] with Prometheus's sentence.
pub(super) fn evaluate(expr: &Expr, series: &[Series], meter: &mut Meter, at: Timestamp) -> Result<Value, Failed> {
    Ok(match expr {
        Expr::Number(number) => Value::Scalar(*number),
        Expr::Time => Value::Scalar(at.0 as f64 / 1e6),
        Expr::Select(matchers) => Value::Vector(
            select(series, matchers)
                .into_iter()
                .filter_map(|series| Some((labels_of(series, true), meter.value(series, at)?)))
                .collect(),
        ),
        Expr::Growth { per_second, select: matchers, window } => {
            let divisor = if *per_second { window.0 as f64 / 1e6 } else { 1.0 };
            Value::Vector(
                select(series, matchers)
                    .into_iter()
                    .filter_map(|series| {
                        Some((labels_of(series, false), meter.increase(series, *window, at)? / divisor))
                    })
                    .collect(),
            )
        }
        Expr::Quantile(quantile, of) => {
            let Value::Scalar(quantile) = evaluate(quantile, series, meter, at)? else {
                return Err(Failed::BadData("expected type scalar in call to function \"histogram_quantile\"".into()));
            };
            let Value::Vector(buckets) = evaluate(of, series, meter, at)? else {
                return Err(Failed::BadData(
                    "expected type instant vector in call to function \"histogram_quantile\"".into(),
                ));
            };
            Value::Vector(quantiles(quantile, &buckets))
        }
        Expr::Aggregate { how, grouping, of } => {
            let Value::Vector(samples) = evaluate(of, series, meter, at)? else {
                return Err(Failed::BadData(
                    "expected type instant vector in aggregation expression, got scalar".into(),
                ));
            };
            let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
            for (labels, value) in samples {
                groups.entry(group(&labels, grouping)).or_default().push(value);
            }
            Value::Vector(groups.into_iter().map(|(labels, values)| (labels, aggregate(*how, &values))).collect())
        }
        Expr::Binary { op, matching, left, right } => {
            let (left, right) = (evaluate(left, series, meter, at)?, evaluate(right, series, meter, at)?);
            binary(*op, matching, left, right)?
        }
    })
}

fn aggregate(how: Aggregation, values: &[f64]) -> f64 {
    match how {
        Aggregation::Sum => values.iter().sum(),
        Aggregation::Average => values.iter().sum::<f64>() / values.len() as f64,
        Aggregation::Least => values.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregation::Most => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregation::Count => values.len() as f64,
    }
}

/// The value of an arithmetic operator, or of a comparison whether to keep the left side.
fn apply(op: Operator, left: f64, right: f64) -> Option<f64> {
    Some(match op {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Compare(comparison) => {
            let holds = match comparison {
                Comparison::Equal => left == right,
                Comparison::Unequal => left != right,
                Comparison::Greater => left > right,
                Comparison::Less => left < right,
                Comparison::AtLeast => left >= right,
                Comparison::AtMost => left <= right,
            };
            return holds.then_some(left);
        }
        Operator::Or | Operator::And | Operator::Unless => return None,
    })
}

fn binary(op: Operator, matching: &Grouping, left: Value, right: Value) -> Result<Value, Failed> {
    let is_set = matches!(op, Operator::Or | Operator::And | Operator::Unless);
    let compares = matches!(op, Operator::Compare(_));
    let unnamed = |labels: Labels| {
        if compares { labels } else { labels.into_iter().filter(|(key, _)| key != NAME).collect() }
    };
    match (left, right) {
        (Value::Scalar(_), _) | (_, Value::Scalar(_)) if is_set => {
            Err(Failed::BadData("set operator not allowed in binary scalar expression".into()))
        }
        (Value::Scalar(_), Value::Scalar(_)) if compares => {
            Err(Failed::BadData("comparisons between scalars must use BOOL modifier".into()))
        }
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(apply(op, left, right).unwrap_or(f64::NAN))),
        (Value::Vector(left), Value::Scalar(right)) => Ok(Value::Vector(
            left.into_iter().filter_map(|(labels, value)| Some((unnamed(labels), apply(op, value, right)?))).collect(),
        )),
        (Value::Scalar(left), Value::Vector(right)) => Ok(Value::Vector(
            right
                .into_iter()
                // A comparison keeps the vector's value, whichever side it stands on.
                .filter_map(|(labels, value)| {
                    apply(op, left, value).map(|result| (unnamed(labels), if compares { value } else { result }))
                })
                .collect(),
        )),
        (Value::Vector(left), Value::Vector(right)) if is_set => Ok(Value::Vector(sets(op, matching, left, right))),
        (Value::Vector(left), Value::Vector(right)) => one_to_one(op, matching, left, &right).map(Value::Vector),
    }
}

fn sets(op: Operator, matching: &Grouping, left: Vec<(Labels, f64)>, right: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let keys = |side: &[(Labels, f64)]| side.iter().map(|(labels, _)| group(labels, matching)).collect::<BTreeSet<_>>();
    let (of_left, of_right) = (keys(&left), keys(&right));
    match op {
        Operator::And => left.into_iter().filter(|(labels, _)| of_right.contains(&group(labels, matching))).collect(),
        Operator::Unless => {
            left.into_iter().filter(|(labels, _)| !of_right.contains(&group(labels, matching))).collect()
        }
        _ => {
            let added = right.into_iter().filter(|(labels, _)| !of_left.contains(&group(labels, matching)));
            left.into_iter().chain(added).collect()
        }
    }
}

fn one_to_one(
    op: Operator,
    matching: &Grouping,
    left: Vec<(Labels, f64)>,
    right: &[(Labels, f64)],
) -> Result<Vec<(Labels, f64)>, Failed> {
    let many = || {
        Failed::Execution(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".into(),
        )
    };
    let mut partners: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, value) in right {
        if partners.insert(group(labels, matching), *value).is_some() {
            return Err(many());
        }
    }
    let mut used = BTreeSet::new();
    let mut out = Vec::new();
    for (labels, value) in left {
        let key = group(&labels, matching);
        let Some(partner) = partners.get(&key) else { continue };
        if let Some(result) = apply(op, value, *partner) {
            if !used.insert(key.clone()) {
                return Err(many());
            }
            out.push((if matches!(op, Operator::Compare(_)) { labels } else { key }, result));
        }
    }
    Ok(out)
}

/// Prometheus's estimate from classic buckets: linear inside a bucket; the highest finite bound for what lies beyond.
fn quantiles(q: f64, buckets: &[(Labels, f64)]) -> Vec<(Labels, f64)> {
    let without = Grouping::Without(vec!["le".to_owned()]);
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (labels, count) in buckets {
        let bound = labels.iter().find(|(key, _)| key == "le").and_then(|(_, le)| le.parse::<f64>().ok());
        if let Some(bound) = bound {
            histograms.entry(group(labels, &without)).or_default().push((bound, *count));
        }
    }
    histograms
        .into_iter()
        .map(|(labels, mut buckets)| {
            buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            (labels, quantile(q, &buckets))
        })
        .collect()
}

fn quantile(q: f64, buckets: &[(f64, f64)]) -> f64 {
    let Some((last, total)) = buckets.last().copied().filter(|_| buckets.len() > 1) else { return f64::NAN };
    if q.is_nan() || total == 0.0 || last.is_finite() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let rank = q * total;
    let index = buckets.iter().position(|(_, count)| *count >= rank).unwrap_or(buckets.len() - 1);
    if index == buckets.len() - 1 {
        return buckets[index - 1].0;
    }
    let (below, before) = if index == 0 { (0.0, 0.0) } else { buckets[index - 1] };
    let (bound, count) = buckets[index];
    if count == before { below } else { below + (bound - below) * (rank - before) / (count - before) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_inside_a_bucket_and_stop_at_the_last_bound() {
        let buckets = [(0.1, 50.0), (0.5, 90.0), (1.0, 99.0), (f64::INFINITY, 100.0)];
        assert!((quantile(0.5, &buckets) - 0.1).abs() < 1e-12);
        assert!((quantile(0.7, &buckets) - 0.3).abs() < 1e-12);
        assert!((quantile(0.995, &buckets) - 1.0).abs() < 1e-12);
        assert!(quantile(0.5, &[(0.1, 0.0), (f64::INFINITY, 0.0)]).is_nan(), "no traffic is not zero seconds");
    }
}
