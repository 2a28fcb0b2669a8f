//! Order and sign of extended numbers.

use std::cmp::Ordering;

use super::{EXPONENT_MAX, Extended};

impl Extended {
    /// The largest finite number, `LDBL_MAX` of C.
    pub const MAX: Extended = Extended {
        negative: false,
        infinite: false,
        significand: u64::MAX,
        exponent: EXPONENT_MAX,
    };

    /// The number with its sign turned.
    pub fn negated(self) -> Extended {
        Extended { negative: !self.negative, ..self }
    }

    /// True if the sign is a minus, that of a negative zero too.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// Compares two numbers; both zeros are equal.
    pub fn compare(self, other: Extended) -> Ordering {
        // Every number but zero and subnormal ones has its top bit set, so exponents decide first.
        let magnitude = |number: Extended| (number.infinite, number.exponent, number.significand);
        let is_zero = |number: Extended| number.significand == 0 && !number.infinite;
        match (self.negative, other.negative) {
            _ if is_zero(self) && is_zero(other) => Ordering::Equal,
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(self).cmp(&magnitude(other)),
            (true, true) => magnitude(other).cmp(&magnitude(self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered() {
        let rising = [
            "-inf", "-1e4000", "-2", "-1.5", "-1e-4940", "0", "1e-4940", "2e-4940", "1", "1.5",
            "2", "1e4000", "inf",
        ];
        let numbers = rising.map(|text| Extended::parse(text.as_bytes()).expect(text));
        for (i, a) in numbers.iter().enumerate() {
            for (j, b) in numbers.iter().enumerate() {
                assert_eq!(a.compare(*b), i.cmp(&j), "{} {}", rising[i], rising[j]);
            }
        }
    }

    #[test]
    fn zeros_are_equal_and_the_maximum_is_finite() {
        let zero = Extended::parse(b"0").expect("a number");
        assert_eq!(zero.compare(zero.negated()), Ordering::Equal);
        assert!(!Extended::MAX.is_nan_or_infinite());
        assert_eq!(Extended::MAX.checked_add(Extended::MAX), None);
        let infinity = Extended::parse(b"inf").expect("a number");
        assert_eq!(Extended::MAX.compare(infinity), Ordering::Less);
    }
}
