//! Micro-benchmarks of what every command passes through: parser, slot and hash, table, reply
//! encoder, and a queue like the mesh's.
//!
//! Each figure is the cost of a batch of [`BATCH`] operations, because a single one is shorter than
//! reading a clock. The table's keys do not fit the caches when there are a million of them; that
//! is the case to look at.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use shoal::base::alloc::Counting;
use shoal::base::hash::{key_hash, slot};
use shoal::ds::table::{Record, Table};
use shoal::resp::out::{Out, Protocol};
use shoal::resp::parse::{Limits, Parsed, Parser};
use shoal::resp::skip::reply_len;
use shoal::store::entry::{Entry, Value};

/// The server's own allocator, as the table's figures include its work.
#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

/// Operations in one measured run.
const BATCH: usize = 128;

/// Sizes of the table in keys: within the caches, and far beyond them.
const TABLE_KEYS: [usize; 2] = [10_000, 1_000_000];

fn main() {
    divan::main();
}

fn key(number: usize) -> Vec<u8> {
    format!("key:{number:012}").into_bytes()
}

/// Numbers below `bound` in an order that no prefetcher guesses.
fn scattered(bound: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 33) as usize % bound
    })
}

fn bulk_command(words: &[&[u8]]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    command
}

/// Parses whole commands out of one full input buffer.
#[divan::bench(args = [16, 64, 1024])]
fn parse_set(bencher: Bencher, value_len: usize) {
    let value = vec![b'v'; value_len];
    let input: Vec<u8> =
        (0..BATCH).flat_map(|n| bulk_command(&[b"SET", &key(n), &value])).collect();
    let mut parser = Parser::new(Limits::default());
    let mut spans = Vec::new();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut rest = black_box(&input[..]);
        while let Parsed::Command { consumed } = parser.next(rest, &mut spans) {
            black_box(&spans);
            rest = &rest[consumed..];
        }
        assert!(rest.is_empty());
    });
}

#[divan::bench]
fn slot_of_key(bencher: Bencher) {
    let keys: Vec<Vec<u8>> = (0..BATCH).map(key).collect();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench(|| keys.iter().map(|key| u64::from(slot(black_box(key)))).sum::<u64>());
}

#[divan::bench]
fn hash_of_key(bencher: Bencher) {
    let keys: Vec<Vec<u8>> = (0..BATCH).map(key).collect();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench(|| keys.iter().fold(0, |sum, key| sum ^ key_hash(black_box(key))));
}

fn table(keys: usize) -> Table<Entry> {
    let mut table = Table::new();
    for number in 0..keys {
        insert(&mut table, &key(number));
    }
    table
}

fn insert(table: &mut Table<Entry>, key: &[u8]) {
    let entry = Entry::new(key, Value::Raw(b"0123456789abcdef"), None);
    table.insert(<Entry as Record>::hash(entry.view()), entry);
}

#[divan::bench(args = TABLE_KEYS)]
fn table_find(bencher: Bencher, keys: usize) {
    let table = table(keys);
    let wanted: Vec<Vec<u8>> = scattered(keys).take(1 << 16).map(key).collect();
    let mut batches = wanted.chunks_exact(BATCH).cycle();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let batch = batches.next().unwrap_or_default();
        let is_there =
            |key: &Vec<u8>| table.find(key_hash(key), |entry| entry.key() == &key[..]).is_some();
        assert!(batch.iter().all(is_there));
    });
}

/// As `table_find`, with the buckets and then the records of a batch prefetched.
#[divan::bench(args = TABLE_KEYS)]
fn table_find_prefetched(bencher: Bencher, keys: usize) {
    let table = table(keys);
    let wanted: Vec<Vec<u8>> = scattered(keys).take(1 << 16).map(key).collect();
    let mut batches = wanted.chunks_exact(BATCH).cycle();
    let mut hashes = Vec::with_capacity(BATCH);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let batch = batches.next().unwrap_or_default();
        hashes.clear();
        hashes.extend(batch.iter().map(|key| key_hash(key)));
        hashes.iter().for_each(|&hash| table.prefetch_bucket(hash));
        hashes.iter().for_each(|&hash| table.prefetch_record(hash));
        let is_there = |(key, &hash): (&Vec<u8>, &u64)| {
            table.find(hash, |entry| entry.key() == &key[..]).is_some()
        };
        assert!(batch.iter().zip(&hashes).all(is_there));
    });
}

/// Inserts new keys into a table that grows meanwhile, entries included.
#[divan::bench(args = TABLE_KEYS)]
fn table_insert(bencher: Bencher, keys: usize) {
    let mut table = table(keys);
    let mut next = keys;
    let batch_of_keys = || {
        next += BATCH;
        (next - BATCH..next).map(key).collect::<Vec<_>>()
    };
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(batch_of_keys)
        .bench_local_values(|batch| batch.iter().for_each(|key| insert(&mut table, key)));
}

#[divan::bench(args = [16, 64, 1024])]
fn encode_bulk(bencher: Bencher, value_len: usize) {
    let value = vec![b'v'; value_len];
    let mut out = Out::new(Protocol::Resp2);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        out.clear();
        for _ in 0..BATCH {
            out.bulk(black_box(&value));
        }
        black_box(out.len())
    });
}

#[divan::bench]
fn encode_int(bencher: Bencher) {
    let mut out = Out::new(Protocol::Resp2);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        out.clear();
        for number in 0..BATCH as i64 {
            out.int(black_box(number * 7919));
        }
        black_box(out.len())
    });
}

/// Cuts a hop's replies apart, as a connection does that merges several cores'.
#[divan::bench]
fn skip_replies(bencher: Bencher) {
    let replies =
        b"+OK\r\n$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
            .repeat(BATCH / 2);
    bencher.counter(ItemsCount::new(BATCH)).bench(|| {
        let mut rest = black_box(&replies[..]);
        while let Some(len) = reply_len(rest) {
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
    });
}

/// A message of the mesh's size through a queue of its kind, both ends on one core.
#[divan::bench]
fn queue_on_one_core(bencher: Bencher) {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<[u64; 4]>::new(BATCH);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for number in 0..BATCH as u64 {
            assert!(producer.push(black_box([number; 4])).is_ok());
        }
        let mut sum = 0;
        while let Ok(message) = consumer.pop() {
            sum += message[0];
        }
        sum
    });
}
