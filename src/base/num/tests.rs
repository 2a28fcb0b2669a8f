use super::*;
use proptest::prelude::*;

fn f64_text(value: f64) -> String {
    let mut out = Vec::new();
    write_f64(&mut out, value);
    String::from_utf8(out).unwrap()
}

fn i64_text(value: i64) -> String {
    let mut out = Vec::new();
    write_i64(&mut out, value);
    String::from_utf8(out).unwrap()
}

#[test]
fn integers_are_canonical() {
    let accepted = ["0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"];
    for text in accepted {
        assert_eq!(parse_i64(text.as_bytes()), text.parse().ok(), "{text}");
    }
    let refused = [
        "",
        "-",
        "+1",
        "00",
        "01",
        "-0",
        "-01",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x1",
        "1\0",
        "--1",
        "\u{661}",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "100000000000000000000",
        "-00000000000000000001",
    ];
    for text in refused {
        assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn unsigned_integers_reach_twice_as_far() {
    assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    assert_eq!(parse_u64(b"0"), Some(0));
    for text in ["18446744073709551616", "99999999999999999999", "-1", "-0", "+1", "00", "", "1x"] {
        assert_eq!(parse_u64(text.as_bytes()), None, "{text}");
    }
}

/// Recorded from ZADD and ZSCORE of Redis 7.0.15 on x86-64 glibc.
#[test]
fn doubles_are_what_strtod_takes() {
    let accepted: &[(&str, f64)] = &[
        ("1", 1.0),
        ("+1.5", 1.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("00012", 12.0),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("inf", f64::INFINITY),
        ("-Inf", f64::NEG_INFINITY),
        ("+iNfInItY", f64::INFINITY),
        ("0x10", 16.0),
        ("0X1.8p1", 3.0),
        ("-0x.8P+4", -8.0),
        ("0x1p-1074", 5e-324),
        ("0x1.fffffffffffff7p0", 1.9999999999999998),
        ("0x1.fffffffffffff8p0", 2.0),
        ("0x1.00000000000008p0", 1.0),
        ("0x1.000000000000080000000000000000000000000001p0", 1.0000000000000002),
        ("4.9e-324", 5e-324),
        ("0e999999999999", 0.0),
        ("0x0p999999999999", 0.0),
    ];
    for &(text, value) in accepted {
        assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
    }
    let refused = [
        "",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        " 1",
        "1 ",
        "\t1",
        "nan",
        "-NaN",
        "nan(1)",
        "infinit",
        "in",
        "0x",
        "0x.",
        "0xp1",
        "0x1p",
        "0x1p+",
        "0x1.8.1",
        "1_0",
        "1e400",
        "-1e400",
        "1e-400",
        "0x1p1024",
        "0x1p-1076",
        "0x1p999999999999",
        "+-1",
        "1f",
        "1\0",
    ];
    for text in refused {
        assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
    }
    assert!(parse_f64(b"-0").is_some_and(|zero| zero.is_sign_negative()));
    assert_eq!(parse_f64(b"\xff"), None);
}

/// Texts outside the integer range were recorded from `fpconv_dtoa` as shipped with Redis 8.
#[test]
fn doubles_print_as_redis_prints_them() {
    let cases: &[(f64, &str)] = &[
        (0.0, "0"),
        (-0.0, "-0"),
        (3.0, "3"),
        (-17.0, "-17"),
        (0.1, "0.1"),
        (3.25, "3.25"),
        (-1.5, "-1.5"),
        (123456789.123, "123456789.123"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (0.00012345678, "1.2345678e-4"),
        (0.000012345678, "1.2345678e-5"),
        (0.00001, "0.00001"),
        (0.00123456789012, "0.00123456789012"),
        (0.00000012345678, "1.2345678e-7"),
        (4611686018427387904.0, "4611686018427387904"),
        (9223372036854775808.0, "9223372036854776000"),
        (1e19, "1e+19"),
        (1.5e20, "1.5e+20"),
        (12345678901234567890.0, "12345678901234567000"),
        (1e21, "1e+21"),
        (-1.25e100, "-1.25e+100"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ];
    for &(value, text) in cases {
        assert_eq!(f64_text(value), text);
    }
}

proptest! {
    #[test]
    fn integers_survive_the_round_trip(value in any::<i64>(), shift in 0..64) {
        let value = value >> shift;
        prop_assert_eq!(i64_text(value), value.to_string());
        prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
        let unsigned = value as u64;
        prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
    }

    #[test]
    fn an_accepted_integer_prints_as_it_was(text in "[+-]{0,1}[0-9]{0,21}") {
        let naive = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(parse_i64(text.as_bytes()), naive);
        let naive = text.parse::<u64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(parse_u64(text.as_bytes()), naive);
    }

    #[test]
    fn doubles_survive_the_round_trip(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(!value.is_nan());
        prop_assert_eq!(parse_f64(f64_text(value).as_bytes()).map(f64::to_bits), Some(bits));
    }

    #[test]
    fn hexadecimal_doubles_are_exact(bits in any::<u64>()) {
        let value = f64::from_bits(bits & !(1 << 63));
        prop_assume!(value.is_finite());
        let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52 & 2047) as i32);
        let (leading, exponent) = if biased == 0 { (0, -1022) } else { (1, biased - 1023) };
        let text = format!("0x{leading}.{fraction:013x}p{exponent}");
        prop_assert_eq!(parse_f64(text.as_bytes()), Some(value));
    }

    #[test]
    fn arbitrary_text_is_survived(text in "[-+0-9a-fA-FxXpPinty. ]{0,24}") {
        prop_assert!(parse_f64(text.as_bytes()).is_none_or(|value| !value.is_nan()));
    }
}
