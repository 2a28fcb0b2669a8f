//! Micro-benchmarks of what every command passes through: parser, slot and hash, table, reply
//! encoder, mesh between cores, and locks.
//!
//! Each figure is the cost of a batch of [`BATCH`] operations, because a single one is shorter than
//! reading a clock. The table's keys do not fit the caches when there are a million of them; that
//! is the case to look at.

use std::sync::atomic::{AtomicBool, Ordering};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use shoal::base::alloc::Counting;
use shoal::base::hash::{key_hash, slot};
use shoal::ds::table::{Record, Table};
use shoal::resp::out::{Out, Protocol};
use shoal::resp::parse::{Limits, Parsed, Parser};
use shoal::resp::skip::reply_len;
use shoal::runtime::mesh::{MeshEnd, mesh};
use shoal::shard::locks::{Claim, Locks, Mode, Scheduled, TransactionId};
use shoal::shard::message::{CoreId, Message};
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

/// Messages of a batch through the mesh and out again, both ends on one core: without the cost of
/// moving a cache line.
#[divan::bench]
fn mesh_on_one_core(bencher: Bencher) {
    let (mut ends, _beacons) = mesh(2);
    let mut outbox = Vec::with_capacity(BATCH);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        outbox.extend((0..BATCH as u64).map(release));
        ends[0].publish(CoreId(1), black_box(&mut outbox));
        let mut clocks = 0;
        assert_eq!(ends[1].drain(BATCH, |_, message| clocks += clock_of(&message)), BATCH);
        clocks
    });
}

/// A batch to another core and back, where that core does nothing else: what a hop costs at least.
/// Small batches are dominated by the way, large ones by the messages.
#[divan::bench(args = [1, 16, 128])]
#[expect(clippy::disallowed_methods, reason = "the other core is a thread")]
fn mesh_round_trip(bencher: Bencher, batch: usize) {
    let (mut ends, _beacons) = mesh(2);
    let (mut far, mut near) = (ends.pop().expect("two ends"), ends.pop().expect("two ends"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| echo(&mut far, &is_over));
        let mut outbox = Vec::with_capacity(batch);
        bencher.counter(ItemsCount::new(batch)).bench_local(|| {
            outbox.extend((0..batch as u64).map(release));
            near.publish(CoreId(1), &mut outbox);
            let mut count = 0;
            while count < batch {
                count += near.drain(batch, |_, message| {
                    black_box(clock_of(&message));
                });
                std::hint::spin_loop();
            }
        });
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Sends back whatever comes.
fn echo(end: &mut MeshEnd, is_over: &AtomicBool) {
    let mut outbox = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        end.drain(BATCH, |_, message| outbox.push(message));
        if !outbox.is_empty() {
            end.publish(CoreId(0), &mut outbox);
        }
        std::hint::spin_loop();
    }
}

fn release(clock: u64) -> Message {
    Message::Release(TransactionId { clock, core: CoreId(0) })
}

fn clock_of(message: &Message) -> u64 {
    match message {
        Message::Release(id) => id.clock,
        _ => 0,
    }
}

/// Claims this many keys and lets them go, on a shard where nobody else claims anything.
#[divan::bench(args = [1, 10, 100])]
fn locks_claim_and_release(bencher: Bencher, keys: usize) {
    let mut locks: Locks<u64> = Locks::new(CoreId(0));
    let hashes: Vec<u64> = (0..BATCH * keys).map(|number| key_hash(&key(number))).collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for wanted in hashes.chunks_exact(keys) {
            let id = locks.next_id();
            let scheduled = locks.schedule(id, exclusive(wanted), 0);
            assert!(matches!(scheduled, Scheduled::Granted(_)));
            locks.release(id);
        }
    });
}

/// A batch of transactions queues for the same two keys, and each is granted as the one before it
/// ends.
#[divan::bench]
fn locks_in_a_queue(bencher: Bencher) {
    let mut locks: Locks<u64> = Locks::new(CoreId(0));
    let wanted = [key_hash(b"one"), key_hash(b"two")];
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let ids: Vec<TransactionId> = (0..BATCH).map(|_| locks.next_id()).collect();
        for &id in &ids {
            black_box(locks.schedule(id, exclusive(&wanted), id.clock));
        }
        for &id in &ids {
            locks.release(id);
            black_box(locks.next_granted());
        }
        assert!(locks.is_idle());
    });
}

/// What every single command asks while some transaction holds other keys.
#[divan::bench]
fn locks_look(bencher: Bencher) {
    let mut locks: Locks<u64> = Locks::new(CoreId(0));
    let held: Vec<u64> = (0..16).map(|number| key_hash(&key(number))).collect();
    let id = locks.next_id();
    assert!(matches!(locks.schedule(id, exclusive(&held), 0), Scheduled::Granted(_)));
    let others: Vec<u64> = (0..BATCH).map(|number| key_hash(&key(1000 + number))).collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        assert!(!others.iter().any(|hash| locks.is_held(black_box(*hash), Mode::Exclusive)));
    });
}

fn exclusive(hashes: &[u64]) -> Claim {
    Claim::keys(hashes.iter().map(|hash| (*hash, Mode::Exclusive)).collect())
}
