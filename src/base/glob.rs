//! Glob patterns as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET know them.
//!
//! | Pattern | Matches |
//! |---|---|
//! | `*` | any bytes, or none |
//! | `?` | one byte |
//! | `[abc]` `[a-z]` `[^a-z]` | one byte of the class, or one not in it |
//! | `\x` | the byte `x`, whatever it means otherwise |
//!
//! Invariant: a match takes at most `pattern.len() * text.len()` steps and no stack. Redis recurses
//! at every `*`; here only the last `*` seen is ever tried again, which is enough: whatever an
//! earlier one could take more of, the later one can take as well.
//!
//! Oddities of Redis that are kept, since clients see them: `*` does not match the empty text; a
//! class left open ends with the pattern; bytes in ranges compare as signed; `\x` in a class and
//! case do not mix; `[a-]` is a range that ends with `]`.

use super::hash;

/// Whether `text` as a whole matches `pattern`; `ignore_case` equates ASCII letters.
pub fn glob_match(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut rest, mut position) = (pattern, 0);
    // What follows the last star, and where in the text it was last tried.
    let mut restart: Option<(&[u8], usize)> = None;
    while position < text.len() {
        if let [b'*', after @ ..] = rest {
            rest = skip_stars(after);
            if rest.is_empty() {
                return true;
            }
            restart = Some((rest, position));
        } else if let Some(after) = match_byte(rest, text[position], ignore_case) {
            rest = after;
            position += 1;
        } else if let Some((after_star, tried)) = restart {
            rest = after_star;
            position = tried + 1;
            restart = Some((after_star, position));
        } else {
            return false;
        }
    }
    skip_stars(rest).is_empty()
}

/// Returns the slot of every key that `pattern` can match, if the pattern fixes it: by a hashtag in
/// front of anything special, or by holding nothing special at all.
pub fn glob_prefix_slot(pattern: &[u8]) -> Option<u16> {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let Some(fixed_len) = pattern.iter().position(is_special) else {
        return Some(hash::slot(pattern));
    };
    let fixed = &pattern[..fixed_len];
    let has_hashtag = hash::hashtag(fixed).len() < fixed.len();
    has_hashtag.then(|| hash::slot(fixed))
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|&&byte| byte == b'*').count();
    &pattern[stars..]
}

/// Matches one byte with the front of `pattern`, which is no star; returns what follows it.
#[inline]
fn match_byte(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<&[u8]> {
    let (literal, after) = match pattern {
        [] => return None,
        [b'?', after @ ..] => return Some(after),
        [b'[', class @ ..] => {
            let (matches, after) = match_class(class, byte, ignore_case);
            return matches.then_some(after);
        }
        [b'\\', literal, after @ ..] => (*literal, after),
        [literal, after @ ..] => (*literal, after),
    };
    equal(literal, byte, ignore_case).then_some(after)
}

/// Matches one byte with the class behind a `[`; returns what follows the class.
fn match_class(class: &[u8], byte: u8, ignore_case: bool) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, rest),
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [b']', after @ ..] => return (found != negated, after),
            [first, b'-', last, after @ ..] => {
                found |= in_range(*first as i8, *last as i8, byte as i8, ignore_case);
                after
            }
            [literal, after @ ..] => {
                found |= equal(*literal, byte, ignore_case);
                after
            }
        }
    }
}

fn in_range(first: i8, last: i8, byte: i8, ignore_case: bool) -> bool {
    // The ends change places before their case does, so `[a-Z]` and `[Z-a]` are alike.
    let (low, high) = (first.min(last), first.max(last));
    let fold = |byte: i8| if ignore_case { (byte as u8).to_ascii_lowercase() as i8 } else { byte };
    (fold(low)..=fold(high)).contains(&fold(byte))
}

fn equal(left: u8, right: u8, ignore_case: bool) -> bool {
    left == right || ignore_case && left.eq_ignore_ascii_case(&right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;
    use proptest::prelude::*;

    /// The definition, by recursion: a star takes nothing, or one byte and then the same again.
    /// Exponential.
    fn glob_naive(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', after @ ..], _) => {
                let takes_one = !text.is_empty() && glob_naive(pattern, &text[1..], ignore_case);
                takes_one || glob_naive(after, text, ignore_case)
            }
            (_, []) => false,
            (_, [byte, text @ ..]) => match_byte(pattern, *byte, ignore_case)
                .is_some_and(|after| glob_naive(after, text, ignore_case)),
        }
    }

    fn check(pattern: &[u8], text: &[u8], expected: bool) {
        let shown = (pattern.escape_ascii().to_string(), text.escape_ascii().to_string());
        assert_eq!(glob_match(pattern, text, false), expected, "{shown:?}");
    }

    /// Recorded from KEYS of Redis 7.0.15, with `text` as the only key.
    #[test]
    fn matches_are_those_of_redis() {
        let recorded: &[(&[u8], &[u8], bool)] = &[
            (b"**", b"", false),
            (b"", b"a", false),
            (b"a*", b"a", true),
            (b"*a*", b"a", true),
            (b"h?llo", b"hello", true),
            (b"h?llo", b"hllo", false),
            (b"h*llo", b"hllo", true),
            (b"h[ae]llo", b"hallo", true),
            (b"h[ae]llo", b"hillo", false),
            (b"h[^e]llo", b"hallo", true),
            (b"h[^e]llo", b"hello", false),
            (b"h[a-b]llo", b"hbllo", true),
            (b"h[b-a]llo", b"hallo", true),
            (b"[a-]", b"]", true),
            (b"[a-]", b"-", false),
            (b"[a-]]", b"b", false),
            (b"[]a]", b"a", false),
            (b"[]", b"]", false),
            (b"[^]", b"x", true),
            (b"[", b"[", false),
            (b"[^", b"x", true),
            (b"[a", b"a", true),
            (b"[a-", b"-", true),
            (b"[\\]]", b"]", true),
            (b"[\\", b"\\", true),
            (b"[a\\-z]", b"-", true),
            (b"[a\\-z]", b"m", false),
            (b"\\*", b"*", true),
            (b"\\*", b"a", false),
            (b"\\", b"\\", true),
            (b"a\\", b"a", false),
            (b"[a-\xff]", b"0", true),
            (b"[a-\xff]", b"b", false),
            (b"[\x80-\xff]", b"\x90", true),
            (b"[\x00-\xff]", b"a", false),
            (b"a*b*c", b"abxbcxc", true),
            (b"a*b*c", b"abxbcx", false),
            (b"*?", b"a", true),
            (b"?*?", b"a", false),
            (b"A", b"a", false),
            (b"*[a", b"ba", true),
            (b"[^a-c]*", b"dx", true),
        ];
        for &(pattern, text, expected) in recorded {
            check(pattern, text, expected);
        }
    }

    /// From what CONFIG GET of Redis 7.0.15 finds, which ignores case.
    #[test]
    fn case_is_ignored_except_behind_a_backslash_in_a_class() {
        let recorded: &[(&[u8], bool)] = &[
            (b"[H]z", true),
            (b"[\\H]z", false),
            (b"[\\h]Z", true),
            (b"[G-I]Z", true),
            (b"[g-I]z", false),
            (b"[I-g]z", false),
            (b"[^H]z", false),
            (b"H*", true),
            (b"*Y", false),
        ];
        for &(pattern, expected) in recorded {
            let shown = pattern.escape_ascii();
            assert_eq!(glob_match(pattern, b"hz", true), expected, "{shown}");
        }
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = [b"a*".repeat(5_000), b"b".to_vec()].concat();
        check(&pattern, &[b'a'; 20_000], false);
        let classes = [b"*[^b]".repeat(1_000), b"*b".to_vec()].concat();
        check(&classes, &[b'a'; 5_000], false);
        check(&b"*".repeat(100_000), b"a", true);
    }

    #[test]
    fn a_fixed_hashtag_fixes_the_slot() {
        let fixed: &[&[u8]] =
            &[b"{tag}*", b"x{tag}[ab]?", b"plain", b"{}x", b"{open", b"a}{tag}*", b""];
        let same: &[&[u8]] = &[b"{tag}1", b"x{tag}a2", b"plain", b"{}x", b"{open", b"a}{tag}", b""];
        for (pattern, key) in fixed.iter().zip(same) {
            assert_eq!(glob_prefix_slot(pattern), Some(hash::slot(key)));
        }
        let free: &[&[u8]] = &[
            b"*",
            b"*{tag}",
            b"{ta?}",
            b"{}*",
            b"{}{tag}*",
            b"{tag*}",
            b"\\{tag}",
            b"{t\\ag}",
            b"[x]",
        ];
        for pattern in free {
            assert_eq!(glob_prefix_slot(pattern), None, "{}", pattern.escape_ascii());
        }
    }

    fn any_pattern() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(&b"aabB*?[]^-\\\xff"[..]), 0..12)
    }

    proptest! {
        #![proptest_config(cases(4000))]

        #[test]
        fn matching_equals_its_naive_twin(
            pattern in any_pattern(),
            text in prop::collection::vec(prop::sample::select(&b"aabB]-\\\xff"[..]), 1..10),
            ignore_case in any::<bool>(),
        ) {
            let expected = glob_naive(&pattern, &text, ignore_case);
            prop_assert_eq!(glob_match(&pattern, &text, ignore_case), expected);
        }

        #[test]
        fn a_fixed_slot_is_that_of_every_match(
            pattern in prop::collection::vec(prop::sample::select(&b"{}a*?\\"[..]), 0..8),
            text in prop::collection::vec(prop::sample::select(&b"{}a"[..]), 0..8),
        ) {
            if let Some(slot) = glob_prefix_slot(&pattern) && glob_match(&pattern, &text, false) {
                prop_assert_eq!(hash::slot(&text), slot);
            }
        }
    }
}
