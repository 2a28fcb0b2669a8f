//! Any commands on a shard end in one whole reply each, whatever their arguments: options, patterns
//! of SORT, ranges, ids, offsets, units.
//!
//! The input is lines of words; the transcripts are where the search begins (`tests/fuzz.sh`).

#![cfg_attr(fuzzing, no_main)]

use shoal::base::hash::SLOTS;
use shoal::resp::args::Args;
use shoal::resp::out::{Out, Protocol};
use shoal::resp::parse::Span;
use shoal::resp::skip::reply_len;
use shoal::session::table::{Row, table};
use shoal::shard::execute::execute;
use shoal::store::db::Db;
use shoal::store::tuning::Tuning;
use shoal_fuzz::fuzz_target;

/// Longest string that a command may build, so that the fuzzer's memory suffices.
const STRING_LEN_MAX: usize = 1 << 16;
/// Digits of an argument, for the same reason: counts of random members may be large.
const DIGITS_MAX: usize = 5;

fuzz_target!(|data: &[u8]| {
    let tuning = Tuning { string_len_max: STRING_LEN_MAX, ..Tuning::default() };
    let mut db = Db::new(2, 0, 1, 0..SLOTS, 1, tuning);
    db.set_now(1_700_000_000_000);
    for line in data.split(|byte| *byte == b'\n').take(16) {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        run(&mut db, &words);
    }
});

fn run(db: &mut Db, words: &[&[u8]]) {
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    for word in words {
        spans.push(Span::input(input.len(), word.len() as u32));
        input.extend_from_slice(word);
    }
    let args = Args::new(&input, &spans, &[]);
    let Some(Row::Data(command)) = table().resolve(&args).map(|entry| entry.row) else { return };
    let is_random = command.spec.name.contains("RAND");
    if is_random && words.iter().any(|word| word.len() > DIGITS_MAX) {
        return;
    }
    if !command.spec.arity.fits(args.len()) {
        return;
    }
    let mut out = Out::new(if input.len() % 2 == 0 { Protocol::Resp2 } else { Protocol::Resp3 });
    let _ = execute(db, command, &args, &mut out);
    let reply = out.to_vec();
    assert_eq!(reply_len(&reply), Some(reply.len()), "{}", String::from_utf8_lossy(&reply));
}
