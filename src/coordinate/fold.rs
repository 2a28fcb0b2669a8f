//! Several shards' replies to the shares of one command become its reply.
//!
//! Invariant: a shard's reply is read where it stands, between two places of what its batch
//! answered; only what goes to the client is copied. An error of any share is the answer.

use super::shards::Shards;
use crate::base::num;
use crate::command::spec::Fold;
use crate::resp::error::CmdError;
use crate::resp::out::Out;

/// One shard's reply: the bytes from `start` to `end` of what was written there.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub replies: &'a Out,
    pub start: usize,
    pub end: usize,
}

impl<'a> Part<'a> {
    /// Everything that was written.
    pub fn whole(replies: &'a Out) -> Part<'a> {
        Part { replies, start: 0, end: replies.encoded().len() }
    }

    /// The number in its first line, and where that line ends.
    fn header(&self) -> (i64, usize) {
        header(self.replies, self.start)
    }

    /// The error that this is, if it is one.
    fn error(&self) -> Option<CmdError> {
        let error = self.replies.encoded()[self.start..self.end].strip_prefix(b"-")?;
        Some(CmdError::owned(error.trim_ascii_end()))
    }
}

/// Writes the reply of a command whose shares were answered by `parts`. `order` names for each key
/// in its order the part that has it.
pub fn fold(
    fold: Fold,
    parts: &[Part<'_>],
    order: impl ExactSizeIterator<Item = usize>,
    shards: &Shards,
    out: &mut Out,
) -> Result<(), CmdError> {
    if let Some(error) = parts.iter().find_map(Part::error) {
        return Err(error);
    }
    match fold {
        Fold::Sum => out.int(parts.iter().map(|part| part.header().0).sum()),
        Fold::AllOk => out.ok(),
        Fold::InOrder => in_order(parts, order, out),
        Fold::Concat => concat(parts, out),
        Fold::Draw => draw(parts, shards, out),
    }
    Ok(())
}

/// Makes an error of a part that of the whole.
pub(super) fn refuse_error(replies: &Out) -> Result<(), CmdError> {
    Part::whole(replies).error().map_or(Ok(()), Err)
}

/// The number in the header line at `at`, and where the line ends.
pub(super) fn header(replies: &Out, at: usize) -> (i64, usize) {
    let line = &replies.encoded()[at + 1..];
    let len = memchr::memchr(b'\r', line).expect("a shard writes whole replies");
    let number = num::parse_i64(&line[..len]).unwrap_or(-1);
    (number, at + 1 + len + 2)
}

/// Where the bulk string or null at `at` ends. A shared value is not part of the encoded bytes.
fn element_end(replies: &Out, at: usize) -> usize {
    let (len, end) = header(replies, at);
    if replies.encoded()[at] != b'$' || len < 0 {
        return end;
    }
    let shared = replies.shared().binary_search_by_key(&end, |(at, _)| *at).is_ok();
    end + if shared { 0 } else { len as usize } + 2
}

fn in_order(parts: &[Part<'_>], order: impl ExactSizeIterator<Item = usize>, out: &mut Out) {
    let mut next: Vec<usize> = parts.iter().map(|part| part.header().1).collect();
    out.array(order.len());
    for index in order {
        let end = element_end(parts[index].replies, next[index]);
        out.append_range(parts[index].replies, next[index], end);
        next[index] = end;
    }
}

fn concat(parts: &[Part<'_>], out: &mut Out) {
    let total: i64 = parts.iter().map(|part| part.header().0).sum();
    out.array(total as usize);
    for part in parts {
        out.append_range(part.replies, part.header().1, part.end);
    }
}

/// Each part is an array of a count and a value; one part is drawn with its count as weight.
fn draw(parts: &[Part<'_>], shards: &Shards, out: &mut Out) {
    let weights = parts.iter().map(|part| {
        let (_, first) = part.header();
        header(part.replies, first).0.max(0) as u64
    });
    let total: u64 = weights.clone().sum();
    if total == 0 {
        return out.null();
    }
    let mut rest = shards.db.borrow().random_below(total);
    for (part, weight) in parts.iter().zip(weights) {
        if rest < weight {
            let (_, first) = part.header();
            let (_, value) = header(part.replies, first);
            return out.append_range(part.replies, value, part.end);
        }
        rest -= weight;
    }
}
