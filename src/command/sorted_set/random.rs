//! ZRANDMEMBER.

use ahash::AHashSet;

use super::entries::{open_list, write_member};
use crate::command::portion::{Portion, Selection};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::sorted_set::SortedSet;

const COUNT_RANGE: CmdError = CmdError::Text(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/// How many members, not necessarily different ones, a client may ask for: its reply is built in
/// memory as a whole.
const REPEATED_MAX: u64 = 1 << 24;

/// A sample of more than this share of all members, one in so many, is drawn in one pass.
const SAMPLE_SHARE: usize = 4;

pub(super) fn zrandmember(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    if args.len() > 2 {
        return several(db, args, portion, out);
    }
    match db.read_as::<SortedSet>(args.key(1))? {
        Some(set) => one(db, set, out, false),
        None => out.null(),
    }
    Ok(())
}

/// Writes a member drawn at random.
fn one(db: &Db, set: &SortedSet, out: &mut Out, with_scores: bool) {
    let rank = db.random_below(set.len() as u64) as usize;
    let (member, score) = set.at(rank).expect("the rank is below the number of members");
    write_member(out, member, score, with_scores);
}

fn several(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let count = args.int(2)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 3 && !with_scores {
        return Err(CmdError::Syntax);
    }
    let is_large = count.unsigned_abs() > i64::MAX as u64 / 2;
    if with_scores && is_large || count < 0 && count.unsigned_abs() > REPEATED_MAX {
        return Err(CmdError::OutOfRange);
    }
    let Some(set) = db.read_as::<SortedSet>(args.key(1))? else {
        out.array(0);
        return Ok(());
    };
    if count < 0 {
        let count = count.unsigned_abs() as usize;
        open_list(out, count, with_scores);
        (0..count).for_each(|_| one(db, set, out, with_scores));
    } else {
        let count = (count as usize).min(set.len());
        if portion.admits(count) {
            different(db, set, portion, out, (count, with_scores));
        }
    }
    Ok(())
}

/// Writes `count` different members, every choice of so many being equally likely.
fn different(
    db: &Db,
    set: &SortedSet,
    portion: &mut Portion,
    out: &mut Out,
    (count, with_scores): (usize, bool),
) {
    if portion.is_first() {
        open_list(out, count, with_scores);
    }
    let is_share = count > set.len() / SAMPLE_SHARE || matches!(set, SortedSet::Packed(_));
    if is_share || portion.may_go_on() {
        let mut prng = db.draw();
        let mut selection = Selection::resume(portion, set.len(), count);
        let left = portion.at() as u64 as usize..set.len();
        for (member, score) in set.walk(left.clone(), false) {
            if selection.takes(&mut prng) {
                write_member(out, member, score, with_scores);
            }
            if portion.may_go_on() && portion.next(&left, out).is_break() {
                break;
            }
        }
        return selection.keep(portion, count);
    }
    let mut seen = AHashSet::with_capacity(count);
    while seen.len() < count {
        let rank = db.random_below(set.len() as u64) as usize;
        if seen.insert(rank) {
            let (member, score) = set.at(rank).expect("the rank is below the number of members");
            write_member(out, member, score, with_scores);
        }
    }
}
