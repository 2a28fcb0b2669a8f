//! A pattern matches what it was made from, and each text that a naive matcher says it does.
//!
//! The first byte says how long the pattern is; the text follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal::base::glob::{glob_match, glob_prefix_slot};

fuzz_target!(|data: &[u8]| {
    let Some((&length, rest)) = data.split_first() else { return };
    let (pattern, text) = rest.split_at(usize::from(length).min(rest.len()));
    let _ = (glob_match(pattern, text, false), glob_prefix_slot(pattern));
    let escaped: Vec<u8> = text.iter().flat_map(|byte| [b'\\', *byte]).collect();
    assert!(glob_match(&escaped, text, false));
    assert!(glob_match(&escaped, &text.to_ascii_uppercase(), true));
    assert!(glob_match(&[b"*", &escaped[..], b"*"].concat(), text, false));
    assert!(glob_match(&vec![b'?'; text.len()], text, false));
    assert!(!glob_match(&vec![b'?'; text.len() + 1], text, false));
    let has_classes = pattern.iter().any(|byte| b"[\\".contains(byte));
    if !has_classes && pattern.len() < 12 && text.len() < 24 {
        assert_eq!(glob_match(pattern, text, false), matches_naively(pattern, text));
    }
});

/// Patterns of stars, question marks and plain bytes.
fn matches_naively(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((b'*', after)), _) => {
            (0..=text.len()).any(|taken| matches_naively(after, &text[taken..]))
        }
        (Some((b'?', after)), Some((_, rest))) => matches_naively(after, rest),
        (Some((byte, after)), Some((first, rest))) => byte == first && matches_naively(after, rest),
        (Some(_), None) => false,
    }
}
