//! Where a key lives: its cluster slot, and the 64-bit hash by which tables find it.
//!
//! Invariant: the top 14 bits of [`key_hash`] are the key's slot, so whatever is ordered by hash is
//! ordered by slot first, and a slot's keys are one contiguous range of the hash space. The lower
//! 50 bits come from ahash under a seed drawn once per process, so a client cannot aim at
//! collisions inside a slot. Hashes therefore never leave the process; slots may, as they are Redis
//! Cluster's.
//!
//! Deliberately absent: which core owns a slot. That is a table which can change; this cannot.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

/// Number of hash slots (Redis Cluster specification, "Key distribution model").
pub const SLOTS: u16 = 16384;

/// How far the slot stands from the low end of a key hash.
const SLOT_SHIFT: u32 = 50;

const _: () = assert!(SLOTS as u64 == 1 << (u64::BITS - SLOT_SHIFT), "slot fills the top bits");

/// Returns the slot of `key`: CRC16 of its hashtag, or of the whole key if it has none, modulo
/// [`SLOTS`].
#[inline]
pub fn slot(key: &[u8]) -> u16 {
    crc16(hashtag(key)) % SLOTS
}

/// Returns the part of `key` that decides its slot: what stands between the first `{` and the first
/// `}` after it, if that is not empty, else the whole key (Redis Cluster specification, "Hash
/// tags").
#[inline]
pub fn hashtag(key: &[u8]) -> &[u8] {
    match find_open_brace(key) {
        None => key,
        Some(open) => hashtag_after(key, open),
    }
}

/// Returns the hash of `key`: its slot in the top 14 bits, 50 seeded bits below.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    key_hash_in_slot(slot(key), key)
}

/// Returns what [`key_hash`] returns, for a caller that already knows `slot(key)`.
#[inline]
pub fn key_hash_in_slot(slot: u16, key: &[u8]) -> u64 {
    debug_assert!(slot < SLOTS);
    (slot as u64) << SLOT_SHIFT | seeded_hash(key) >> (u64::BITS - SLOT_SHIFT)
}

/// Returns the hash of what a collection holds, a member or a field: 64 seeded bits, no slot.
#[inline]
pub fn member_hash(bytes: &[u8]) -> u64 {
    seeded_hash(bytes)
}

/// Returns the slot inside a hash made by [`key_hash`].
#[inline]
pub fn slot_of_hash(hash: u64) -> u16 {
    (hash >> SLOT_SHIFT) as u16
}

/// Fixes the process-wide seed, so that a simulation with the same seed sees the same hashes.
///
/// The seed is settled by the first hash or the first call, whichever comes earlier, because tables
/// hold hashes made under it. Returns whether this call settled it. Unit tests of this crate run
/// under a constant seed without calling this.
pub fn seed_for_tests(seed: u64) -> bool {
    SEED.set(seeded_state(seed)).is_ok()
}

static SEED: OnceLock<ahash::RandomState> = OnceLock::new();

#[inline]
fn seeded_hash(bytes: &[u8]) -> u64 {
    let mut hasher = SEED.get_or_init(initial_state).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cold]
fn initial_state() -> ahash::RandomState {
    if cfg!(test) { seeded_state(0) } else { ahash::RandomState::new() }
}

/// Not `RandomState::with_seed`: that one mixes in keys which differ from process to process.
fn seeded_state(seed: u64) -> ahash::RandomState {
    ahash::RandomState::with_seeds(seed, !seed, seed.rotate_left(32), !seed.rotate_left(32))
}

/// Finds the first `{`. Keys are short and mostly have none, so this tests eight bytes at a time in
/// line; a call to memchr costs more than the whole search.
#[inline]
fn find_open_brace(key: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = key.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differences = u64::from_le_bytes(*word) ^ (ONES * b'{' as u64);
        // Zero bytes keep their high bit here. Bytes above a zero byte may be wrong, the lowest is
        // not.
        let zeros = differences.wrapping_sub(ONES) & !differences & HIGH_BITS;
        if zeros != 0 {
            return Some(index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let in_tail = tail.iter().position(|&byte| byte == b'{')?;
    Some(words.len() * 8 + in_tail)
}

fn hashtag_after(key: &[u8], open: usize) -> &[u8] {
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest) {
        None | Some(0) => key,
        Some(close) => &rest[..close],
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, no reflection, initial value and final xor zero.
///
/// A CRC is linear, so eight bytes can be looked up independently and the results xored:
/// `TABLES[k]` holds the CRC of each byte with `k` zero bytes behind it (Kounavis and Berry, "Novel
/// Table Lookup-Based Algorithms for High-Performance CRC Generation", 2008: slicing-by-8).
#[inline]
fn crc16(bytes: &[u8]) -> u16 {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut crc = 0u16;
    for word in words {
        let [high, low] = crc.to_be_bytes();
        crc = TABLES[7][(word[0] ^ high) as usize]
            ^ TABLES[6][(word[1] ^ low) as usize]
            ^ TABLES[5][word[2] as usize]
            ^ TABLES[4][word[3] as usize]
            ^ TABLES[3][word[4] as usize]
            ^ TABLES[2][word[5] as usize]
            ^ TABLES[1][word[6] as usize]
            ^ TABLES[0][word[7] as usize];
    }
    for &byte in tail {
        crc = crc << 8 ^ TABLES[0][((crc >> 8) as u8 ^ byte) as usize];
    }
    crc
}

static TABLES: [[u16; 256]; 8] = crc16_tables();

const fn crc16_tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[zeros - 1][byte];
            tables[zeros][byte] = shorter << 8 ^ tables[0][(shorter >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn crc16_naive(bytes: &[u8]) -> u16 {
        let mut crc = 0u16;
        for &byte in bytes {
            crc ^= (byte as u16) << 8;
            for _ in 0..8 {
                crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            }
        }
        crc
    }

    fn hashtag_naive(key: &[u8]) -> &[u8] {
        let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
        let rest = &key[open + 1..];
        match rest.iter().position(|&byte| byte == b'}') {
            Some(close) if close > 0 => &rest[..close],
            _ => key,
        }
    }

    #[test]
    fn crc16_has_its_published_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    /// Recorded from CLUSTER KEYSLOT of Redis 7.0.15.
    #[test]
    fn slots_equal_those_of_redis() {
        let recorded: &[(&[u8], u16)] = &[
            (b"", 0),
            (b"a", 15495),
            (b"foo", 12182),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"foo{bar}{zap}", 5061),
            (b"{user1000}.following", 3443),
            (b"{user1000}.followers", 3443),
            (b"user1000", 3443),
            (b"foo{bar", 15278),
            (b"foo}bar{", 11073),
            (b"{}", 15257),
            (b"{}x", 10595),
            (b"{}{x}", 3257),
            (b"key:000000000001", 8924),
            (b"123456789", 12739),
            (b"abcdefghijklmnopqrstuvwxyz0123456789{tag}", 8338),
            (b"a}{b}c", 3300),
            (b"abcdefg{h}", 11694),
        ];
        for &(key, expected) in recorded {
            assert_eq!(slot(key), expected, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn hash_carries_the_slot_on_top() {
        for key in [&b"foo"[..], b"", b"{tag}x", b"key:000000000001"] {
            assert_eq!(slot_of_hash(key_hash(key)), slot(key));
            assert_eq!(key_hash(key), key_hash_in_slot(slot(key), key));
        }
        assert_ne!(key_hash(b"{tag}1"), key_hash(b"{tag}2"));
    }

    #[test]
    fn equal_seeds_give_equal_hashes() {
        assert_eq!(seeded_state(7).hash_one(1), seeded_state(7).hash_one(1));
        assert_ne!(seeded_state(7).hash_one(1), seeded_state(8).hash_one(1));
    }

    #[test]
    fn low_bits_spread_over_short_keys() {
        let mut buckets = [0u32; 64];
        for number in 0..64_000 {
            let key = format!("{{t}}{number}");
            buckets[key_hash(key.as_bytes()) as usize % 64] += 1;
        }
        assert!(buckets.iter().all(|count| (800..1200).contains(count)), "{buckets:?}");
    }

    proptest! {
        #[test]
        fn crc16_equals_its_naive_twin(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(crc16(&bytes), crc16_naive(&bytes));
        }

        #[test]
        fn hashtag_equals_its_naive_twin(
            key in prop::collection::vec(prop::sample::select(&b"{}az|\xfb"[..]), 0..40),
        ) {
            prop_assert_eq!(hashtag(&key), hashtag_naive(&key));
        }
    }
}
