//! What XREADGROUP changes: entries become a consumer's, and the group moves on.

use std::ops::Range;

use super::find::{Found, Step};
use super::request::Request;
use crate::command::stream::pending::{join, repeat_claim, repeat_last_id};
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::stream::Stream;
use crate::store::stream::group::Deliveries;
use crate::store::stream::id::Id;

/// Gives those of the first `count` entries that were found in a stream of this shard to the
/// consumer which are in `range`; the ranges follow one another.
pub(super) fn deliver(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request<'_>,
    found: &Found,
    (range, count): (Range<usize>, usize),
) -> CmdResult {
    let (key, Some((group, name))) = (args.key(request.first + found.index), request.group) else {
        return Ok(());
    };
    if !db.owns(key) {
        return Ok(());
    }
    let Some(mut edit) = db.edit::<Stream>(key)? else { return Ok(()) };
    let now = edit.now();
    let consumer = join(&mut edit, (key.bytes, group, name), now);
    let summary = edit.summary();
    let members = edit.group_mut(group).expect("a group was found in phase one");
    let steps = || range.clone().map(|entry| found.steps.at(entry));
    for (id, step) in steps() {
        match step {
            Step::Fresh => {
                summary.advance(members, id);
                if !request.no_ack {
                    members.deliver(id, consumer, now);
                }
            }
            Step::Claim => members.hand_over(id, consumer, now, Deliveries::OneMore),
            Step::Again => members.deliver_again(id, now),
            Step::Gone => {}
        }
    }
    let becomes_pending = |(_, step): &(Id, Step)| match step {
        Step::Fresh => !request.no_ack,
        Step::Claim => true,
        Step::Again | Step::Gone => false,
    };
    let mut pending = steps().filter(becomes_pending).map(|(id, _)| id).peekable();
    if pending.peek().is_some() {
        members.consumer_mut(consumer).active_at = Some(now);
    }
    // Entries that are new come last, and if the first became pending, that was reported.
    let moved = range.end == count && matches!(steps().next_back(), Some((_, Step::Fresh)));
    let parts = pending.map(Some).chain(moved.then_some(None));
    let is_begun = range.start > 0 && found.steps.get(0).is_some_and(|step| becomes_pending(&step));
    report(&mut edit, (key.bytes, group), parts, is_begun);
    Ok(())
}

/// Reports one change, in as many parts as it takes to repeat it: each entry that got an owner, and
/// (`None`) how far the group has read. Earlier portions may have begun with that.
fn report(
    edit: &mut Edit<'_, Stream>,
    names: (&[u8], &[u8]),
    parts: impl Iterator<Item = Option<Id>>,
    mut is_begun: bool,
) {
    for part in parts {
        if std::mem::replace(&mut is_begun, true) {
            edit.announce(Event::SILENT);
        } else {
            edit.changed(Event::SILENT);
        }
        if !edit.is_heard() {
            return;
        }
        match part {
            Some(id) => repeat_claim(edit, names, id),
            None => repeat_last_id(edit, names),
        }
    }
}
