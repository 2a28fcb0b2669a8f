//! A pattern matches what it was made from, and each text that a naive matcher says it does.
//!
//! The first byte says how long the pattern is; the text follows it.

#![cfg_attr(fuzzing, no_main)]

use shoal::base::glob::{glob_match, glob_prefix_slot};
use shoal_fuzz::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&length, rest)) = data.split_first() else { return };
    let (pattern, text) = rest.split_at(usize::from(length).min(rest.len()));
    let _ = (glob_match(pattern, text, false), glob_prefix_slot(pattern));
    if text.is_empty() {
        // As in Redis, not even a star matches the empty text.
        assert_eq!(glob_match(pattern, text, false), pattern.is_empty());
        return;
    }
    let escaped: Vec<u8> = text.iter().flat_map(|byte| [b'\\', *byte]).collect();
    assert!(glob_match(&escaped, text, false));
    assert!(glob_match(&escaped, &text.to_ascii_uppercase(), true));
    assert!(glob_match(&[b"*", &escaped[..], b"*"].concat(), text, false));
    assert!(glob_match(&vec![b'?'; text.len()], text, false));
    assert!(!glob_match(&vec![b'?'; text.len() + 1], text, false));
    let has_classes = pattern.iter().any(|byte| b"[\\".contains(byte));
    if !has_classes && pattern.len() <= 64 && text.len() <= 256 {
        assert_eq!(glob_match(pattern, text, false), matches_naively(pattern, text));
    }
});

/// Patterns of stars, question marks and plain bytes, by a table: `reached[n]` says whether the
/// pattern so far matches the first `n` bytes of the text.
fn matches_naively(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        if *wanted == b'*' {
            let first = reached.iter().position(|is_reached| *is_reached).unwrap_or(reached.len());
            reached[first..].fill(true);
        } else {
            for taken in (1..reached.len()).rev() {
                let fits = *wanted == b'?' || *wanted == text[taken - 1];
                reached[taken] = fits && reached[taken - 1];
            }
            reached[0] = false;
        }
    }
    reached[text.len()]
}
