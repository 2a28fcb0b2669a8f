//! Glob patterns for names of parameters and for `include`: `*`, `?`, `[a-z]`, `[^a-z]`, backslash.
//!
//! Invariant: time is at most the product of the two lengths, since only the last star is ever
//! retried.

/// Whether the whole of `text` matches `pattern`.
pub(super) fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            at_pattern += 1;
            retry = Some((at_pattern, at_text));
            continue;
        }
        match one(&pattern[at_pattern..], text[at_text], ignore_case) {
            Some(length) => (at_pattern, at_text) = (at_pattern + length, at_text + 1),
            None => match retry {
                None => return false,
                Some((after_star, start)) => {
                    retry = Some((after_star, start + 1));
                    (at_pattern, at_text) = (after_star, start + 1);
                }
            },
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first item if it matches `byte`.
fn one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let fold = |byte: u8| if ignore_case { byte.to_ascii_lowercase() } else { byte };
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => class(pattern, fold(byte), fold),
        [b'\\', literal, ..] => (fold(literal) == fold(byte)).then_some(2),
        [literal, ..] => (fold(literal) == fold(byte)).then_some(1),
    }
}

/// The length of the class at the start of `pattern` if it has `byte`. An unclosed class ends with
/// the pattern.
fn class(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<usize> {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    loop {
        let (low, high, length) = match pattern[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', literal, ..] => (literal, literal, 2),
            [first, b'-', last, ..] => (first.min(last), first.max(last), 3),
            [literal, ..] => (literal, literal, 1),
        };
        found |= (fold(low)..=fold(high)).contains(&byte);
        at += length;
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_as_redis_does() {
        let check = |pattern: &str, text: &str, expected| {
            let matched = matches(pattern.as_bytes(), text.as_bytes(), true);
            assert_eq!(matched, expected, "{pattern} {text}");
        };
        check("*", "", true);
        check("MAX*", "maxmemory", true);
        check("*m*y*", "maxmemory", true);
        check("h?z", "hz", false);
        check("h[a-z]", "hz", true);
        check("h[^a-z]", "hz", false);
        check("h[xz", "hz", true);
        check("h\\*", "h*", true);
        check("hz", "hz*", false);
        assert!(!matches(b"H*", b"hz", false));
        assert!(!matches("a*".repeat(5000).as_bytes(), "a".repeat(4999).as_bytes(), false));
    }
}
