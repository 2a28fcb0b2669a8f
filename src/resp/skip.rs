//! Finds where a reply ends, without looking at what it says.
//!
//! Replies that several cores encoded are merged in request order, so the merger must cut each
//! core's bytes into values. Invariant: time is linear in the bytes and memory constant, whatever
//! the nesting: what is still to come is a number, not a stack.
//!
//! Deliberately absent: the streamed types of the RESP3 specification (`$?`, `*?`), which neither
//! Redis nor Shoal sends, and any check of what a line or a string holds.

use crate::base::num::parse_i64;

/// Returns the length in bytes of the first complete RESP2 or RESP3 value in `bytes`, together with
/// any attributes in front of it; `None` if the value is not there as a whole, or is malformed.
pub fn reply_len(bytes: &[u8]) -> Option<usize> {
    let mut position = 0;
    let mut values_left = 1u64;
    while values_left > 0 {
        let &kind = bytes.get(position)?;
        let text = position + 1;
        let line_end = text + memchr::memchr(b'\r', &bytes[text..])?;
        if *bytes.get(line_end + 1)? != b'\n' {
            return None;
        }
        position = line_end + 2;
        values_left -= 1;
        let count = || parse_i64(&bytes[text..line_end]);
        match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
            // A negative length is the null of RESP2.
            b'$' | b'!' | b'=' => {
                if let Ok(len) = usize::try_from(count()?) {
                    position = position.checked_add(len)?.checked_add(2)?;
                    if position > bytes.len() {
                        return None;
                    }
                }
            }
            b'*' | b'~' | b'>' => {
                values_left = values_left.checked_add(count()?.max(0) as u64)?;
            }
            b'%' => values_left = values_left.checked_add(pairs(count()?)?)?,
            // An attribute precedes a value and is none itself.
            b'|' => values_left = values_left.checked_add(pairs(count()?)?)?.checked_add(1)?,
            _ => return None,
        }
    }
    Some(position)
}

/// Number of values in a map of `count` pairs.
fn pairs(count: i64) -> Option<u64> {
    (count.max(0) as u64).checked_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks that `reply` is found whole, and never before its last byte is there.
    fn check(reply: &[u8]) {
        for len in 0..reply.len() {
            assert_eq!(reply_len(&reply[..len]), None, "{}", reply[..len].escape_ascii());
        }
        let more = [reply, b"+OK\r\n"].concat();
        assert_eq!(reply_len(reply), Some(reply.len()), "{}", reply.escape_ascii());
        assert_eq!(reply_len(&more), Some(reply.len()), "{}", reply.escape_ascii());
    }

    #[test]
    fn every_type_is_measured() {
        let replies: &[&[u8]] = &[
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":-12\r\n",
            b"_\r\n",
            b"#t\r\n",
            b",1.5e3\r\n",
            b"(3492890328409238509324850943850943825024385\r\n",
            b"$0\r\n\r\n",
            b"$5\r\n\r\n\r\nx\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"!5\r\nERR x\r\n",
            b"=7\r\ntxt:abc\r\n",
            b"*0\r\n",
            b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
            b"~1\r\n+a\r\n",
            b">2\r\n+message\r\n%0\r\n",
            b"%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n_\r\n",
            b"|1\r\n+ttl\r\n:3\r\n*1\r\n|1\r\n+a\r\n+b\r\n:5\r\n",
        ];
        for reply in replies {
            check(reply);
        }
    }

    #[test]
    fn malformed_replies_have_no_length() {
        let replies: &[&[u8]] =
            &[b"", b"\r\n", b"x\r\n", b"$x\r\n", b"+OK\rx", b"*\r\n", b"$9223372036854775807\r\n"];
        for reply in replies {
            assert_eq!(reply_len(reply), None, "{}", reply.escape_ascii());
        }
        assert_eq!(reply_len(&b"%9223372036854775807\r\n".repeat(3)), None);
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut reply = b"*1\r\n".repeat(1_000_000);
        reply.extend_from_slice(b":1\r\n");
        assert_eq!(reply_len(&reply), Some(reply.len()));
    }

    /// A value of any type, nested at most four deep.
    fn any_reply() -> impl Strategy<Value = Vec<u8>> {
        let scalar = prop_oneof![
            "[+:,(#_-][a-z]{0,5}".prop_map(|line| [line.as_bytes(), b"\r\n"].concat()),
            (prop::sample::select(&b"$!="[..]), prop::collection::vec(any::<u8>(), 0..20))
                .prop_map(|(kind, text)| {
                    let head = format!("{}{}\r\n", kind as char, text.len());
                    [head.as_bytes(), &text, b"\r\n"].concat()
                }),
        ];
        scalar.prop_recursive(4, 32, 6, |value| {
            let values = prop::collection::vec(value, 0..6);
            (prop::sample::select(&b"*~>%|"[..]), values).prop_map(|(kind, mut values)| {
                let is_attribute = kind == b'|';
                if is_attribute && values.len().is_multiple_of(2) {
                    values.push(b"+last\r\n".to_vec());
                }
                let count = values.len() - is_attribute as usize;
                let is_paired = is_attribute || kind == b'%' && count.is_multiple_of(2);
                let kind = if kind == b'%' && !is_paired { b'*' } else { kind };
                let count = if is_paired { count / 2 } else { count };
                let head = format!("{}{count}\r\n", kind as char);
                [head.as_bytes(), &values.concat()].concat()
            })
        })
    }

    proptest! {
        #[test]
        fn any_value_is_measured(reply in any_reply()) {
            check(&reply);
        }

        #[test]
        fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(reply_len(&bytes).is_none_or(|len| len <= bytes.len()));
        }
    }
}
