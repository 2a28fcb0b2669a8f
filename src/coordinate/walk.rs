//! SCAN over all shards: one call goes on to the next shard while it has found less than it should.
//!
//! Invariant: the cursor that a client gets is always one that a shard made, so a scan needs no
//! memory here and keeps its guarantee from shard to shard.

use super::gather::{self, Shards};
use super::route;
use crate::base::layout::ScanCursor;
use crate::base::num;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::message::Batch;

/// How many keys a call finds at least, when the client does not say.
const COUNT_DEFAULT: i64 = 10;

/// Runs the one command of `whole`, whose cursor is the argument at `position`.
pub async fn run(
    shards: &Shards,
    whole: &Batch,
    position: usize,
    out: &mut Out,
) -> Result<(), CmdError> {
    let (call, args) = (whole.calls[0], whole.args(0));
    let mut words: Vec<Vec<u8>> = args.from(0).map(<[u8]>::to_vec).collect();
    let wanted = count_of(&words);
    let (mut found, mut elements) = (Out::new(out.protocol()), 0);
    loop {
        let core = route::cursor_owner(shards.layout, shards.me(), &words[position]);
        let mut batch = Box::new(Batch::new(whole.conditions));
        let borrowed: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        batch.push_words(call.command, call.statistics, &borrowed);
        let answered = gather::exchange(shards, vec![(core, batch)]).await;
        let replies = &answered[0].replies;
        gather::refuse_error(replies)?;
        let (_, cursor_at) = gather::header(replies, 0);
        let (_, digits_at) = gather::header(replies, cursor_at);
        let array_at = gather::element_end(replies, cursor_at);
        let cursor = replies.encoded()[digits_at..array_at - 2].to_vec();
        let (count, first) = gather::header(replies, array_at);
        found.append_range(replies, first, replies.encoded().len());
        elements += count;
        let stays = route::cursor_owner(shards.layout, shards.me(), &cursor) == core;
        let ends = ScanCursor::parse(&cursor).is_none_or(|cursor| cursor.number() == 0);
        words[position] = cursor;
        if ends || stays || elements >= wanted {
            break;
        }
    }
    out.array(2);
    out.bulk(&words[position]);
    out.array(elements as usize);
    out.append(&found);
    Ok(())
}

/// The value of COUNT; what is wrong with it, a shard will say.
fn count_of(words: &[Vec<u8>]) -> i64 {
    let at = words.iter().position(|word| word.eq_ignore_ascii_case(b"COUNT"));
    at.and_then(|at| num::parse_i64(words.get(at + 1)?)).unwrap_or(COUNT_DEFAULT)
}
