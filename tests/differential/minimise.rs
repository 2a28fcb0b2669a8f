//! Makes a failing stream short: delta debugging (Zeller and Hildebrandt 2002).

use std::time::{Duration, Instant};

/// The most time that minimising may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that still fails and from which no single element can be left out (unless time ran
/// out).
pub fn minimise<T: Clone>(stream: &[T], fails: &mut dyn FnMut(&[T]) -> bool) -> Vec<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut shortest = stream.to_vec();
    let mut chunk = shortest.len().div_ceil(2);
    while chunk > 0 && Instant::now() < deadline {
        let mut at = 0;
        let mut shortened = false;
        while at < shortest.len() && Instant::now() < deadline {
            let end = (at + chunk).min(shortest.len());
            let candidate = [&shortest[..at], &shortest[end..]].concat();
            if fails(&candidate) {
                shortest = candidate;
                shortened = true;
            } else {
                at = end;
            }
        }
        if !shortened || chunk > 1 {
            chunk /= 2;
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::minimise;

    #[test]
    fn only_what_matters_remains() {
        let stream: Vec<u32> = (0..200).collect();
        let mut fails = |part: &[u32]| {
            let at = |wanted| part.iter().position(|value| *value == wanted);
            matches!((at(17), at(131), at(132)), (Some(a), Some(b), Some(c)) if a < b && b < c)
        };
        assert_eq!(minimise(&stream, &mut fails), [17, 131, 132]);
    }
}
