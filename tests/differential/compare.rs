//! When two replies to one command count as equal.
//!
//! Invariant: they are equal byte for byte, but for the short list in [`equivalent`].

use crate::grammar::Command;
use crate::sorted_sets;
use crate::support::reply::Reply;

/// A reply with the bytes that it came in.
pub type Received = (Reply, Vec<u8>);

/// By how much the two servers' clocks may have moved between equal commands.
const DRIFT_MS: i64 = 20_000;

/// Whether a server may answer `actual` where the reference answers `expected`.
pub fn equivalent(command: &Command, expected: &Received, actual: &Received, counts: bool) -> bool {
    if expected.1 == actual.1 {
        return true;
    }
    let name =
        |at: usize| command.get(at).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    match (name(0).as_slice(), &expected.0, &actual.0) {
        // Time passes between the two servers' turns.
        (b"PTTL" | b"PEXPIRETIME", Reply::Integer(left), Reply::Integer(right)) => {
            near(*left, *right, DRIFT_MS)
        }
        (b"TTL" | b"EXPIRETIME", Reply::Integer(left), Reply::Integer(right)) => {
            near(*left, *right, DRIFT_MS / 1000)
        }
        // Each server counts from its own accesses, and shares objects or does not.
        (b"OBJECT", Reply::Integer(_), Reply::Integer(_)) => {
            matches!(name(1).as_slice(), b"IDLETIME" | b"REFCOUNT")
        }
        // Lists and sets begin as listpacks since 7.2; SORT leaves sorted sets as they are.
        (b"OBJECT", Reply::Bulk(old), Reply::Bulk(new)) => {
            matches!(old.as_slice(), b"quicklist" | b"hashtable" | b"skiplist")
                && new == b"listpack"
        }
        // Any key will do; that it exists is left to the transcripts.
        (b"RANDOMKEY", Reply::Bulk(_), Reply::Bulk(_)) => true,
        // An expired key is counted until somebody meets it.
        (b"DBSIZE", Reply::Integer(_), Reply::Integer(_)) => !counts,
        (b"RANDOMKEY", Reply::Bulk(_) | Reply::Nil, Reply::Bulk(_) | Reply::Nil) => !counts,
        // Later versions say it in other words.
        (b"XREAD" | b"XREADGROUP", Reply::Error(left), Reply::Error(right)) => {
            left.starts_with("ERR Unbalanced") && right.starts_with("ERR Unbalanced")
        }
        // Since 7.2, an attempt to read adds its consumer even if there is nothing.
        (b"XGROUP", Reply::Integer(0..=1), Reply::Integer(0..=1)) => name(1) == b"CREATECONSUMER",
        (b"XPENDING", Reply::Array(left), Reply::Array(right)) => same_pending(left, right),
        // Of several keys that are no sketches, cores name another one first.
        (b"PFCOUNT" | b"PFMERGE", Reply::Error(left), Reply::Error(right)) => {
            left.starts_with("WRONGTYPE") && right.starts_with("WRONGTYPE")
        }
        // Before 7.2 Redis looked for the key before it read the arguments.
        (b"BITCOUNT" | b"BITPOS", Reply::Integer(-1..=0), Reply::Error(_)) => true,
        (b"BITCOUNT" | b"BITPOS", Reply::Error(old), Reply::Error(_)) => {
            old.starts_with("WRONGTYPE")
        }
        // Sets of keys have no order, and a part of an iteration may be any part.
        (b"KEYS", Reply::Array(_), Reply::Array(_)) => same_set(&expected.0, &actual.0),
        (b"SCAN" | b"SSCAN" | b"HSCAN", Reply::Array(_), Reply::Array(_)) => {
            let whole = complete(&expected.0) && complete(&actual.0);
            !whole || same_set(&expected.0, &actual.0)
        }
        // Members of sets have no order either; Redis packs them since 7.2 only.
        (b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF", _, _) => same_set(&expected.0, &actual.0),
        // Nor do those that SORT leaves as they come.
        (b"SORT" | b"SORT_RO", _, _) if is_left_unsorted(command) => {
            same_set(&expected.0, &actual.0)
        }
        // And the fields of large hashes.
        (b"HGETALL" | b"HKEYS" | b"HVALS", _, _) => same_set(&expected.0, &actual.0),
        (name, expected, actual) => sorted_sets::equivalent(command, name, expected, actual),
    }
}

/// Whether SORT's pattern names no key, so that there is nothing to sort by.
fn is_left_unsorted(command: &Command) -> bool {
    let patterns = command.windows(2).filter(|words| words[0].eq_ignore_ascii_case(b"BY"));
    patterns.map(|words| &words[1]).next_back().is_some_and(|pattern| !pattern.contains(&b'*'))
}

/// Whether both are negative (no key, no expiry) and equal, or both positive and close.
fn near(left: i64, right: i64, tolerance: i64) -> bool {
    left >= 0 && right >= 0 && left.abs_diff(right) <= tolerance.unsigned_abs()
}

fn same_set(expected: &Reply, actual: &Reply) -> bool {
    expected.clone().sorted() == actual.clone().sorted()
}

/// Whether two lists of pending entries are equal but for how long they have been pending.
fn same_pending(expected: &[Reply], actual: &[Reply]) -> bool {
    let timeless = |entry: &Reply| match entry.items() {
        [id, owner, Reply::Integer(_), deliveries] => {
            Some((id.clone(), owner.clone(), deliveries.clone()))
        }
        _ => None,
    };
    let equal = |(left, right): (&Reply, &Reply)| {
        timeless(left).is_some() && timeless(left) == timeless(right)
    };
    expected.len() == actual.len() && expected.iter().zip(actual).all(equal)
}

/// Whether a reply of SCAN ends the iteration.
fn complete(reply: &Reply) -> bool {
    reply.items().first().and_then(Reply::bytes) == Some(b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &str) -> Received {
        let (reply, length) = Reply::parse(bytes.as_bytes()).expect("a whole reply");
        assert_eq!(length, bytes.len());
        (reply, bytes.as_bytes().to_vec())
    }

    fn equal(command: &str, expected: &str, actual: &str) -> bool {
        let command = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        equivalent(&command, &received(expected), &received(actual), true)
    }

    #[test]
    fn replies_are_compared_byte_for_byte() {
        assert!(equal("GET a", "$1\r\n1\r\n", "$1\r\n1\r\n"));
        assert!(!equal("GET a", "$1\r\n1\r\n", ":1\r\n"));
        assert!(!equal("GET a", "$-1\r\n", "_\r\n"));
        assert!(!equal("SET a", "-ERR syntax error\r\n", "-ERR Syntax error\r\n"));
        assert!(!equal("DBSIZE", ":1\r\n", ":2\r\n"));
        assert!(!equal("MGET a b", "*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n"));
    }

    #[test]
    fn times_may_drift_but_not_change_their_kind() {
        assert!(equal("pttl a", ":100000\r\n", ":99000\r\n"));
        assert!(!equal("PTTL a", ":100000\r\n", ":10000\r\n"));
        assert!(!equal("TTL a", ":-1\r\n", ":-2\r\n"));
        assert!(!equal("TTL a", ":5\r\n", ":-2\r\n"));
        assert!(!equal("OBJECT ENCODING a", ":1\r\n", ":2\r\n"));
    }

    #[test]
    fn members_have_no_order_but_are_all_there() {
        assert!(equal("SUNION a b", "*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n"));
        assert!(equal("SMEMBERS a", "~2\r\n:1\r\n:2\r\n", "~2\r\n:2\r\n:1\r\n"));
        assert!(!equal("SMEMBERS a", "~1\r\n:1\r\n", "*1\r\n:1\r\n"));
        assert!(!equal("SINTER a b", "*1\r\n:1\r\n", "*1\r\n:2\r\n"));
        let (old, new) = ("$9\r\nhashtable\r\n", "$8\r\nlistpack\r\n");
        assert!(equal("OBJECT ENCODING a", old, new) && !equal("OBJECT ENCODING a", new, old));
    }

    #[test]
    fn keys_have_no_order_but_are_all_there() {
        assert!(equal("KEYS *", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"));
        assert!(!equal("KEYS *", "*1\r\n$1\r\na\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"));
    }
}
