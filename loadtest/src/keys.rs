//! Which key a request names: distributions over the numbers `0..keys`.
//!
//! Invariant: a sample is always below the number of keys. Under the skewed distributions low
//! numbers are the popular ones; they are not scattered, because servers hash their keys anyway and
//! a known hot key is easier to look at.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// How requests spread over the keys, as the command line says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Every key is as likely as any other.
    Uniform,
    /// The key of rank k is drawn with a probability proportional to `k^-exponent`.
    Zipf { exponent: f64 },
    /// A share of the requests goes to a share of the keys; inside and outside, all are equal.
    Hot { requests: f64, keys: f64 },
}

impl FromStr for Distribution {
    type Err = String;

    /// Reads `uniform`, `zipf`, `zipf:EXPONENT` or `hot:REQUESTS%:KEYS%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            ["uniform"] => Ok(Distribution::Uniform),
            ["zipf"] => Ok(Distribution::Zipf { exponent: 0.99 }),
            ["zipf", exponent] => match exponent.parse::<f64>() {
                Ok(exponent) if exponent > 0.0 && exponent <= 10.0 => {
                    Ok(Distribution::Zipf { exponent })
                }
                _ => Err("the exponent of zipf is above 0 and at most 10".to_string()),
            },
            ["hot", requests, keys] => {
                Ok(Distribution::Hot { requests: share(requests)?, keys: share(keys)? })
            }
            _ => Err("expected uniform, zipf[:EXPONENT] or hot:REQUESTS%:KEYS%".to_string()),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distribution::Uniform => write!(f, "uniform"),
            Distribution::Zipf { exponent } => write!(f, "zipf:{exponent}"),
            Distribution::Hot { requests, keys } => {
                write!(f, "hot:{}%:{}%", requests * 100.0, keys * 100.0)
            }
        }
    }
}

/// Reads a percentage, with or without its sign, as a fraction.
fn share(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(format!("{text} is not a percentage")),
    }
}

/// Draws key numbers.
#[derive(Clone, Debug)]
pub enum Sampler {
    Uniform { keys: u64 },
    Zipf(Zipf),
    Hot { keys: u64, hot_keys: u64, hot_requests: f64 },
}

impl Sampler {
    /// Prepares to draw from `0..keys`. Needs `keys > 0`.
    pub fn new(distribution: Distribution, keys: u64) -> Sampler {
        assert!(keys > 0, "there is nothing to draw from");
        match distribution {
            Distribution::Uniform => Sampler::Uniform { keys },
            Distribution::Zipf { exponent } => Sampler::Zipf(Zipf::new(keys, exponent)),
            Distribution::Hot { requests, keys: share } => {
                let hot_keys = ((keys as f64 * share).round() as u64).clamp(1, keys);
                Sampler::Hot { keys, hot_keys, hot_requests: requests }
            }
        }
    }

    /// Draws one key number.
    #[inline]
    pub fn sample(&self, rng: &mut Rng) -> u64 {
        match self {
            Sampler::Uniform { keys } => rng.u64(..keys),
            Sampler::Zipf(zipf) => zipf.sample(rng),
            Sampler::Hot { keys, hot_keys, hot_requests } => {
                if hot_keys == keys || rng.f64() < *hot_requests {
                    rng.u64(..hot_keys)
                } else {
                    rng.u64(hot_keys..keys)
                }
            }
        }
    }
}

/// Zipf's distribution in constant time and memory: W. Hörmann and G. Derflinger,
/// "Rejection-inversion to generate variates from monotone discrete distributions", 1996.
///
/// The area under `h(x) = x^-exponent` is inverted; a draw is rejected where the hat's histogram
/// stands out over it, which happens less than once in five draws for any exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    keys: f64,
    exponent: f64,
    /// Integral of `h` up to 1.5, less `h(1)`: the lower end of the inverted range.
    low: f64,
    /// Integral of `h` up to `keys + 0.5`: the upper end.
    high: f64,
    /// Within this distance below an integer a draw is accepted without looking at `h`.
    squeeze: f64,
}

impl Zipf {
    fn new(keys: u64, exponent: f64) -> Zipf {
        let keys = keys as f64;
        let mut zipf = Zipf { keys, exponent, low: 0.0, high: 0.0, squeeze: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(keys + 0.5);
        zipf.squeeze = 2.0 - zipf.integral_inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    fn sample(&self, rng: &mut Rng) -> u64 {
        loop {
            let area = self.high + rng.f64() * (self.low - self.high);
            let x = self.integral_inverse(area);
            let rank = (x + 0.5).floor().clamp(1.0, self.keys);
            if rank - x <= self.squeeze || area >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u64 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// Integral of the weight from 1 to `x`; for exponent 1 it is the logarithm, and near 1 the
    /// series keeps the difference of nearly equal powers exact.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        exp_m1_over(log * (1.0 - self.exponent)) * log
    }

    fn integral_inverse(&self, area: f64) -> f64 {
        let scaled = (area * (1.0 - self.exponent)).max(-1.0);
        (ln_1p_over(scaled) * area).exp()
    }
}

/// `(e^x - 1) / x`, and its limit at 0.
fn exp_m1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`, and its limit at 0.
fn ln_1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 400_000;

    fn counts(distribution: Distribution, keys: u64) -> Vec<usize> {
        let sampler = Sampler::new(distribution, keys);
        let mut rng = Rng::with_seed(7);
        let mut counts = vec![0; keys as usize];
        for _ in 0..DRAWS {
            counts[sampler.sample(&mut rng) as usize] += 1;
        }
        counts
    }

    /// Five standard deviations: one false alarm in two million comparisons.
    fn assert_close(count: usize, probability: f64, what: &str) {
        let mean = DRAWS as f64 * probability;
        let deviation = (mean * (1.0 - probability)).sqrt();
        let distance = (count as f64 - mean).abs();
        assert!(distance <= 5.0 * deviation + 1.0, "{what}: {count} drawn, {mean:.1} expected");
    }

    #[test]
    fn uniform_keys_are_equally_frequent() {
        for count in counts(Distribution::Uniform, 40) {
            assert_close(count, 1.0 / 40.0, "uniform");
        }
    }

    #[test]
    fn zipf_follows_the_power_law_for_every_exponent() {
        for exponent in [0.2, 0.5, 0.99, 1.0, 1.000_000_001, 1.5, 3.0] {
            for keys in [1u64, 2, 3, 100] {
                let total: f64 = (1..=keys).map(|k| (k as f64).powf(-exponent)).sum();
                let drawn = counts(Distribution::Zipf { exponent }, keys);
                for (index, count) in drawn.into_iter().enumerate() {
                    let probability = ((index + 1) as f64).powf(-exponent) / total;
                    let what = format!("exponent {exponent}, rank {} of {keys}", index + 1);
                    assert_close(count, probability, &what);
                }
            }
        }
    }

    #[test]
    fn a_hot_set_gets_its_share() {
        let drawn = counts(Distribution::Hot { requests: 0.9, keys: 0.1 }, 100);
        for (key, count) in drawn.into_iter().enumerate() {
            assert_close(count, if key < 10 { 0.09 } else { 0.1 / 90.0 }, "hot");
        }
    }

    #[test]
    fn extremes_stay_in_range() {
        let mut rng = Rng::with_seed(1);
        for text in ["uniform", "zipf:10", "zipf:0.01", "hot:100:0", "hot:0:100", "hot:50:100"] {
            for keys in [1, 2, 1 << 40] {
                let sampler = Sampler::new(text.parse().unwrap(), keys);
                assert!((0..2000).all(|_| sampler.sample(&mut rng) < keys), "{text} of {keys}");
            }
        }
    }

    #[test]
    fn texts_are_read() {
        assert_eq!("zipf".parse(), Ok(Distribution::Zipf { exponent: 0.99 }));
        assert_eq!("hot:90%:10%".parse(), Ok(Distribution::Hot { requests: 0.9, keys: 0.1 }));
        for bad in ["", "zipf:0", "zipf:x", "zipf:nan", "hot:90", "hot:101:1", "hot:-1:1", "other"]
        {
            assert!(bad.parse::<Distribution>().is_err(), "{bad}");
        }
    }
}
