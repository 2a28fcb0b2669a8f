//! The few statistics that a comparison needs.
//!
//! Deliberately absent: confidence intervals. A handful of rounds does not support them; the spread
//! of the rounds is in the raw results.

/// Returns the middle value, or the mean of the two in the middle; `None` of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Returns the geometric mean, which is how ratios are averaged; `None` of nothing. Values that are
/// not above 0 have none and are left out.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> =
        values.into_iter().filter(|value| *value > 0.0).map(f64::ln).collect();
    match logarithms.len() {
        0 => None,
        count => Some((logarithms.iter().sum::<f64>() / count as f64).exp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn medians_of_few() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0]), Some(5.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn ratios_cancel_out() {
        assert_eq!(geometric_mean([]), None);
        assert!((geometric_mean([4.0, 0.25, 0.0]).unwrap() - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn half_of_the_values_are_on_each_side(values in prop::collection::vec(-1e9..1e9, 1..40)) {
            let middle = median(values.iter().copied()).unwrap();
            let below = values.iter().filter(|value| **value < middle).count();
            let above = values.iter().filter(|value| **value > middle).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }

        #[test]
        fn means_lie_between_the_extremes(values in prop::collection::vec(1e-3..1e3, 1..40)) {
            let mean = geometric_mean(values.iter().copied()).unwrap();
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(0.0, f64::max);
            prop_assert!(least <= mean * (1.0 + 1e-9) && mean <= most * (1.0 + 1e-9));
        }
    }
}
