//! SCAN over the shards: one after the other, several in one call where they hold few keys.
//!
//! Each shard answers keys of its own and where the next call goes on. When it came to its end and
//! the client asked for more keys than there are so far, the next shard is asked at once, so that a
//! small keyspace takes one call however many cores there are.
//!
//! Invariant: nothing is kept between calls; the cursor that the client sends back says it all.

use super::shards::Shards;
use super::{fold, gather};
use crate::base::layout::ScanCursor;
use crate::base::probe::{Mutation, mutated};
use crate::command::generic::scan_page;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::resp::parse::Span;
use crate::shard::message::{Batch, CoreId};

/// Runs the SCAN of `whole`, whose cursor is the argument at `position`.
pub async fn run(
    shards: &Shards,
    whole: &Batch,
    position: usize,
    out: &mut Out,
) -> Result<(), CmdError> {
    let args = whole.args(0);
    let (mut cursor, wanted) = scan_page(&args)?;
    let (mut found, mut count) = (Out::new(out.protocol()), 0);
    let mut part = whole_again(whole, &args);
    loop {
        let answered = gather::exchange(shards, owner(shards, cursor), part).await;
        let replies = &answered.replies;
        fold::refuse_error(replies)?;
        let answer = Answer::read(replies);
        found.append_range(replies, answer.keys_at, replies.encoded().len());
        count += answer.keys;
        let mut next = answer.next;
        let shard_ended = next.place == 0 && next.shard > 0;
        if shard_ended && mutated(Mutation::ScanSkipsShard) {
            next.shard += 1;
        }
        if !shard_ended || count >= wanted {
            out.array(2);
            out.bulk_int(next.number() as i64);
            out.array(count);
            out.append(&found);
            return Ok(());
        }
        part = with_cursor(whole, &args, position, next);
        cursor = next;
    }
}

/// The core that the cursor names; this one, which will answer the end, where there is none such.
fn owner(shards: &Shards, cursor: ScanCursor) -> CoreId {
    if usize::from(cursor.shard) < shards.layout.cores() {
        CoreId(cursor.shard)
    } else {
        shards.me()
    }
}

fn whole_again(whole: &Batch, args: &Args<'_>) -> Box<Batch> {
    let (call, mut batch) = (&whole.calls[0], Box::new(Batch::new(whole.conditions)));
    batch.push(call.command, call.statistics, args, 0..args.len(), (0, 0));
    batch
}

/// The same command with another cursor.
fn with_cursor(whole: &Batch, args: &Args<'_>, position: usize, cursor: ScanCursor) -> Box<Batch> {
    let number = cursor.number().to_string();
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    for (index, word) in args.from(0).enumerate() {
        let word = if index == position { number.as_bytes() } else { word };
        spans.push(Span::input(input.len(), word.len() as u32));
        input.extend_from_slice(word);
    }
    whole_again(whole, &Args::new(&input, &spans, &[]))
}

/// What one shard answered: an array of a cursor and an array of keys.
struct Answer {
    next: ScanCursor,
    /// How many keys there are, and where in the reply the first begins.
    keys: usize,
    keys_at: usize,
}

impl Answer {
    fn read(replies: &Out) -> Answer {
        let (_, cursor_at) = fold::header(replies, 0);
        let (len, digits_at) = fold::header(replies, cursor_at);
        let digits_end = digits_at + len as usize;
        let cursor = ScanCursor::parse(&replies.encoded()[digits_at..digits_end]);
        let (keys, keys_at) = fold::header(replies, digits_end + 2);
        let next = cursor.expect("a shard answers a cursor");
        Answer { next, keys: keys as usize, keys_at }
    }
}
