//! Numbers as clients write them: what is accepted is printed so that it reads back as the same.

#![cfg_attr(fuzzing, no_main)]

use shoal::base::extended::Extended;
use shoal::base::num::{parse_f64, parse_i64, parse_u64, write_f64, write_i64, write_u64};
use shoal_fuzz::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut printed = Vec::new();
    if let Some(value) = parse_i64(data) {
        write_i64(&mut printed, value);
        assert_eq!(printed, data);
    }
    if let Some(value) = parse_u64(data) {
        printed.clear();
        write_u64(&mut printed, value);
        assert_eq!(parse_u64(&printed), Some(value));
    }
    if let Some(value) = parse_f64(data) {
        printed.clear();
        write_f64(&mut printed, value);
        assert_eq!(parse_f64(&printed), Some(value), "{}", String::from_utf8_lossy(&printed));
    }
    let at = data.iter().position(|byte| *byte == b' ').unwrap_or(data.len());
    let Some(left) = Extended::parse(&data[..at]) else { return };
    assert!(Extended::parse(left.to_human().as_bytes()).is_some(), "{}", left.to_human());
    let Some(right) = data.get(at + 1..).and_then(Extended::parse) else { return };
    let sums = [left.checked_add(right), right.checked_add(left)];
    assert_eq!(sums[0].map(Extended::to_human), sums[1].map(Extended::to_human));
});
