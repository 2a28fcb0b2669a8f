use super::*;
use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

fn parse(text: &str) -> Extended {
    Extended::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
}

fn incremented(value: &str, increment: &str) -> Option<String> {
    let sum =
        Extended::parse(value.as_bytes())?.checked_add(Extended::parse(increment.as_bytes())?);
    Some(sum?.to_human())
}

/// Recorded from SET and INCRBYFLOAT of Redis 7.0.15 on x86-64 glibc.
#[test]
fn sums_are_those_of_redis() {
    let recorded = [
        ("0", "0.1", "0.1"),
        ("0.1", "0.2", "0.3"),
        ("3", "1.1", "4.1"),
        ("10.5", "0.1", "10.6"),
        ("5.0e3", "2.0e2", "5200"),
        ("1", "-1", "0"),
        ("-0.1", "0.1", "0"),
        ("0", "-0", "0"),
        ("0", "-1e-30", "0"),
        ("0", "1e-17", "0.00000000000000001"),
        ("0", "5e-18", "0"),
        ("0", "1.5e-17", "0.00000000000000002"),
        ("0", "2.5e-17", "0.00000000000000002"),
        ("0", "0x1p-58", "0"),
        ("0", "-0x1.8p-18", "-0.00000572204589844"),
        ("17179869184", "1.5", "17179869185.5"),
        ("18446744073709551615", "0", "18446744073709551615"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("9007199254740993", "0.00000000000000001", "9007199254740993"),
        ("1e18", "0.1", "1000000000000000000.125"),
        ("1e19", "0.05", "10000000000000000000"),
        ("123456789012345678", "0.99999", "123456789012345679"),
        ("1e30", "1", "1000000000000000000024696061952"),
        ("0x10", "0X.8p1", "17"),
        ("3.6e-4951", "0", "0"),
        ("+5", "1.", "6"),
        (".5", "-.5", "0"),
        ("1e400", "-1e400", "0"),
        ("99999999999999999999", "0", "100000000000000000000"),
        ("0.30000000000000000001", "0", "0.3"),
        ("1.7976931348623157e50", "3", "179769313486231569998745160964765932081738814586880"),
    ];
    for (value, increment, sum) in recorded {
        assert_eq!(incremented(value, increment).as_deref(), Some(sum), "{value} + {increment}");
    }
    let large = incremented("1e4932", "0").unwrap();
    assert_eq!(large.len(), 4933);
    assert!(large.ends_with("38418113791886622720"));
}

#[test]
fn what_redis_refuses_is_refused() {
    let refused = [
        "",
        " 1",
        "1 ",
        "+",
        "-",
        ".",
        "e1",
        "1e",
        "1e+",
        "0x",
        "0x.",
        "0x1p",
        "1_0",
        "nan",
        "-nan",
        "infinit",
        "1e4933",
        "-1e4933",
        "1e-4951",
        "1e-4952",
        "1e999999999999",
        "1e-999999999999",
        "0x1p16384",
        "0x1p-16447",
        "--1",
        "1\0",
    ];
    for text in refused {
        assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Extended::parse(&[b'1'; 5120]), None);
    assert_eq!(Extended::parse(&[b'0'; 5119]).map(Extended::to_human).as_deref(), Some("0"));
    assert_eq!(Extended::parse(b"1\xff"), None);
}

#[test]
fn infinity_is_read_but_never_made() {
    assert!(parse("-inf").is_nan_or_infinite());
    assert_eq!(parse("+Infinity").to_human(), "inf");
    assert_eq!(parse("-INF").to_human(), "-inf");
    assert_eq!(parse("inf").checked_add(parse("1")), None);
    assert_eq!(parse("-inf").checked_add(parse("inf")), None);
    let largest = parse("1.18973149535723176502e4932");
    assert!(!largest.is_nan_or_infinite());
    assert_eq!(largest.checked_add(largest), None);
    assert_eq!(largest.checked_add(parse("1")), Some(largest));
}

#[test]
fn zeros_are_numbers_whatever_their_exponent() {
    for text in ["0", "-0", "0.000", ".0", "0.", "0e99999999999", "0x0p-99999999999", "0e-99999"] {
        assert_eq!(parse(text).to_human(), "0", "{text}");
    }
}

#[test]
fn subnormal_numbers_add_up() {
    let least = parse("0x1p-16445");
    assert_eq!((least.significand, least.exponent), (1, EXPONENT_MIN));
    let twice = least.checked_add(least).unwrap();
    assert_eq!((twice.significand, twice.exponent), (2, EXPONENT_MIN));
    let largest = parse("0x0.fffffffffffffffep-16382");
    let normal = largest.checked_add(least).unwrap();
    assert_eq!((normal.significand, normal.exponent), (1 << 63, EXPONENT_MIN));
}

/// The sum by integers of any length.
fn add_naive(left: Extended, right: Extended) -> Extended {
    let base = left.exponent.min(right.exponent);
    let integer = |value: Extended| {
        let sign = if value.negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, BigUint::from(value.significand)) << (value.exponent - base)
    };
    let sum = integer(left) + integer(right);
    let both_negative = left.negative && right.negative;
    let negative = sum.sign() == Sign::Minus || sum.sign() == Sign::NoSign && both_negative;
    Extended::rounded(negative, leading_bits(sum.magnitude(), false, base))
}

/// Numbers of all sizes, often close to each other or to a power of two.
fn any_extended() -> impl Strategy<Value = Extended> {
    let exponent = prop_oneof![
        8 => -140..20i32,
        1 => EXPONENT_MIN..EXPONENT_MIN + 130,
        1 => EXPONENT_MAX - 3..=EXPONENT_MAX,
    ];
    let significand = prop_oneof![
        any::<u64>(),
        (0..64u32, 0..3u64).prop_map(|(bit, less)| (1u64 << bit).wrapping_sub(less)),
    ];
    (any::<bool>(), significand, exponent).prop_map(|(negative, significand, exponent)| {
        let exact = Binary { significand: significand as u128, inexact: false, exponent };
        Extended::rounded(negative, exact)
    })
}

proptest! {
    #[test]
    fn adding_equals_its_naive_twin(left in any_extended(), right in any_extended()) {
        let naive = add_naive(left, right);
        let expected = (!naive.infinite).then_some(naive);
        prop_assert_eq!(left.checked_add(right), expected);
        prop_assert_eq!(right.checked_add(left), expected);
    }

    #[test]
    fn printing_equals_its_naive_twin(value in any_extended()) {
        let scaled = BigUint::from(value.significand) * 10u32.pow(9) * 10u32.pow(8);
        let rounded = if value.exponent >= 0 {
            scaled << value.exponent
        } else {
            let dropped = -value.exponent as u32;
            let (kept, half) = (&scaled >> dropped, BigUint::from(1u32) << (dropped - 1));
            let rest = &scaled - (&kept << dropped);
            let is_up = rest > half || rest == half && kept.bit(0);
            kept + is_up as u32
        };
        let digits = format!("{:018}", rounded);
        let (integer, fraction) = digits.split_at(digits.len() - 17);
        let text = format!("{integer}.{fraction}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let sign = if value.negative && text != "0" { "-" } else { "" };
        prop_assert_eq!(value.to_human(), format!("{sign}{text}"));
    }

    /// Decimals are exact up to the final rounding, so rounding them to 53 bits must give the
    /// nearest double.
    #[test]
    fn decimals_round_like_those_of_the_standard_library(
        text in "[0-9]{1,25}([.][0-9]{0,30})?(e-?[0-9]{1,2})?",
    ) {
        let exact = Decimal::scan(text.as_bytes()).unwrap().to_binary().unwrap();
        prop_assert_eq!(exact.to_f64(), text.parse::<f64>().ok());
    }

    #[test]
    fn short_and_long_conversion_agree(digits in "[1-9][0-9]{0,18}", power in -18i32..=18) {
        let short = short_to_binary(digits.as_bytes(), power).unwrap();
        let long = long_to_binary(digits.as_bytes(), power);
        prop_assert_eq!(Extended::rounded(false, short), Extended::rounded(false, long));
    }

    #[test]
    fn arbitrary_text_is_survived(text in "[-+0-9a-fA-FxXpPinty. ]{0,30}") {
        if let Some(value) = Extended::parse(text.as_bytes()) {
            prop_assert!(value.infinite || Extended::parse(value.to_human().as_bytes()).is_some());
        }
    }
}
