//! How long values are: one size, a range, or a weighted choice of both.
//!
//! Values are cut from one pool of random letters, so making one costs a copy. Invariant: every
//! size fits into the pool, wherever in its first [`OFFSETS`] bytes the value begins.

use std::str::FromStr;

use fastrand::Rng;

/// Redis refuses longer strings by default (`proto-max-bulk-len`).
const SIZE_MAX: usize = 512 << 20;

/// Number of places in the pool where a value may begin.
const OFFSETS: usize = 1 << 16;

/// A weighted choice of size ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    choices: Vec<Choice>,
    weight_total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    smallest: usize,
    largest: usize,
    weight: u64,
}

impl Sizes {
    /// Returns the only size there is, if there is only one.
    pub fn fixed(&self) -> Option<usize> {
        match &self.choices[..] {
            [only] if only.smallest == only.largest => Some(only.smallest),
            _ => None,
        }
    }

    /// Returns the largest size that can be drawn, in bytes.
    pub fn largest(&self) -> usize {
        self.choices.iter().map(|choice| choice.largest).max().unwrap_or(0)
    }

    /// Draws a size in bytes.
    pub fn sample(&self, rng: &mut Rng) -> usize {
        if let Some(size) = self.fixed() {
            return size;
        }
        let mut ticket = rng.u64(..self.weight_total);
        for choice in &self.choices {
            if ticket < choice.weight {
                return rng.usize(choice.smallest..=choice.largest);
            }
            ticket -= choice.weight;
        }
        unreachable!("a ticket is below the sum of the weights")
    }
}

impl FromStr for Sizes {
    type Err = String;

    /// Reads `SIZE` or `SIZE-SIZE`, each with an optional `:WEIGHT`, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let choices: Vec<Choice> = text.split(',').map(choice).collect::<Result<_, _>>()?;
        let weight_total = choices.iter().map(|choice| choice.weight).sum();
        Ok(Sizes { choices, weight_total })
    }
}

fn choice(text: &str) -> Result<Choice, String> {
    let (range, weight) = text.split_once(':').unwrap_or((text, "1"));
    let (smallest, largest) = range.split_once('-').unwrap_or((range, range));
    let (smallest, largest) = (size(smallest)?, size(largest)?);
    if smallest > largest {
        return Err(format!("{range} runs backwards"));
    }
    match weight.parse::<u32>() {
        Ok(weight) if weight > 0 => Ok(Choice { smallest, largest, weight: weight.into() }),
        _ => Err(format!("{weight} is not a weight")),
    }
}

/// Reads a size with an optional `k` or `m` (powers of 1024).
fn size(text: &str) -> Result<usize, String> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, unit) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 1 << 10),
        Some(b'm') => (&lower[..lower.len() - 1], 1 << 20),
        _ => (lower, 1),
    };
    match digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(size) if size <= SIZE_MAX => Ok(size),
        _ => Err(format!("{text} is not a size of at most 512m")),
    }
}

/// Where a value lies in the [`Pool`]: two equal references are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueRef {
    offset: u32,
    size: u32,
}

/// Random letters to cut values from.
#[derive(Debug)]
pub struct Pool {
    letters: Vec<u8>,
}

impl Pool {
    /// Makes a pool for values of these sizes.
    pub fn new(sizes: &Sizes, seed: u64) -> Pool {
        let mut rng = Rng::with_seed(seed);
        let letters = (0..OFFSETS + sizes.largest()).map(|_| rng.alphanumeric() as u8).collect();
        Pool { letters }
    }

    /// Draws a value of one of these sizes, which must be those the pool was made for.
    #[inline]
    pub fn draw(&self, sizes: &Sizes, rng: &mut Rng) -> ValueRef {
        let size = sizes.sample(rng) as u32;
        ValueRef { offset: rng.u32(..OFFSETS as u32), size }
    }

    /// Returns the bytes of a value.
    #[inline]
    pub fn bytes(&self, value: ValueRef) -> &[u8] {
        &self.letters[value.offset as usize..][..value.size as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!("64".parse::<Sizes>().unwrap().fixed(), Some(64));
        assert_eq!("2kb".parse::<Sizes>().unwrap().fixed(), Some(2048));
        assert_eq!("1-1m:3,7".parse::<Sizes>().unwrap().largest(), 1 << 20);
        for bad in ["", "x", "5-3", "1:0", "1:", "513m", "-3", "1,,2", "99999999999999999999k"] {
            assert!(bad.parse::<Sizes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn samples_follow_ranges_and_weights() {
        let sizes: Sizes = "10-19:3,100".parse().unwrap();
        let mut rng = Rng::with_seed(3);
        let mut small = [0; 10];
        let mut large = 0;
        for _ in 0..40_000 {
            match sizes.sample(&mut rng) {
                size @ 10..=19 => small[size - 10] += 1,
                100 => large += 1,
                size => panic!("{size} was drawn"),
            }
        }
        assert!((9_500..10_500).contains(&large), "{large}");
        assert!(small.iter().all(|count| (2_700..3_300).contains(count)), "{small:?}");
    }

    #[test]
    fn values_have_the_drawn_size_and_fit_the_pool() {
        let sizes: Sizes = "0-3000".parse().unwrap();
        let pool = Pool::new(&sizes, 1);
        let mut rng = Rng::with_seed(1);
        for _ in 0..10_000 {
            let value = pool.draw(&sizes, &mut rng);
            assert_eq!(pool.bytes(value).len(), value.size as usize);
        }
    }
}
