//! Ranges read, counted, stored and removed: ZRANGE and what it replaced, ZCOUNT, ZLEXCOUNT,
//! ZRANGESTORE, ZREMRANGEBY*.

use std::ops::Range;

use super::bounds::{Bounds, By};
use super::entries::{open_list, write_member};
use crate::command::portion::Portion;
use crate::command::spec::Parcel;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::object::{EncodingLimits, Object, Typed};
use crate::store::sorted_set::SortedSet;

const LIMIT_BY_RANK: CmdError = CmdError::Text(
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
const SCORES_BY_LEX: CmdError =
    CmdError::Text("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

const ZRANGESTORE: Event = super::event("zrangestore");

/// What the name of a command already says about its range.
struct Form {
    /// None: an option says it.
    by: Option<By>,
    backwards: Option<bool>,
    stores: bool,
    /// Position of the lower or first bound.
    bounds_at: usize,
}

const ZRANGE: Form = Form { by: None, backwards: None, stores: false, bounds_at: 2 };
const STORE: Form = Form { by: None, backwards: None, stores: true, bounds_at: 3 };

const fn old_form(by: By, backwards: bool) -> Form {
    Form { by: Some(by), backwards: Some(backwards), stores: false, bounds_at: 2 }
}

/// A range with its options.
struct Query<'a> {
    bounds: Bounds<'a>,
    backwards: bool,
    offset: i64,
    /// How many members at most; negative for all.
    limit: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    fn read(args: &Args<'a>, form: &Form) -> Result<Query<'a>, CmdError> {
        let (mut by, mut backwards) = (form.by, form.backwards);
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        let mut options = args.reader(form.bounds_at + 2);
        while !options.done() {
            if !form.stores && options.keyword("WITHSCORES") {
                with_scores = true;
            } else if options.left() > 2 && options.keyword("LIMIT") {
                (offset, limit) = (options.int()?, options.int()?);
            } else if backwards.is_none() && options.keyword("REV") {
                backwards = Some(true);
            } else if by.is_none() && options.keyword("BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && options.keyword("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        let (by, backwards) = (by.unwrap_or(By::Rank), backwards.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(LIMIT_BY_RANK);
        }
        if with_scores && by == By::Lex {
            return Err(SCORES_BY_LEX);
        }
        let (mut low, mut high) = (args.at(form.bounds_at), args.at(form.bounds_at + 1));
        if backwards && by != By::Rank {
            (low, high) = (high, low);
        }
        let bounds = Bounds::read(by, low, high)?;
        Ok(Query { bounds, backwards, offset, limit, with_scores })
    }

    /// The ranks that are asked for.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.ranks(set, self.backwards);
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let left = ranks.len().saturating_sub(offset);
        let count = usize::try_from(self.limit).map_or(left, |limit| limit.min(left));
        let skipped = offset.min(ranks.len());
        if self.backwards {
            let end = ranks.end - skipped;
            end - count..end
        } else {
            let start = ranks.start + skipped;
            start..start + count
        }
    }
}

fn reply(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out, form: &Form) -> CmdResult {
    let query = Query::read(args, form)?;
    let Some(set) = db.read_as::<SortedSet>(args.key(1))? else {
        out.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    let Some(here) = portion.range(ranks.len()) else { return Ok(()) };
    if portion.is_first() {
        open_list(out, ranks.len(), query.with_scores);
    }
    let left = if query.backwards {
        ranks.start..ranks.end - here.start
    } else {
        ranks.start + here.start..ranks.end
    };
    for (member, score) in set.walk(left, query.backwards) {
        write_member(out, member, score, query.with_scores);
        if portion.next(&here, out).is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn zrange(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    reply(db, args, portion, out, &ZRANGE)
}

pub(super) fn zrevrange(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    reply(db, args, portion, out, &old_form(By::Rank, true))
}

pub(super) fn zrangebyscore(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    reply(db, args, portion, out, &old_form(By::Score, false))
}

pub(super) fn zrevrangebyscore(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    reply(db, args, portion, out, &old_form(By::Score, true))
}

pub(super) fn zrangebylex(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    reply(db, args, portion, out, &old_form(By::Lex, false))
}

pub(super) fn zrevrangebylex(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    reply(db, args, portion, out, &old_form(By::Lex, true))
}

fn count(db: &Db, args: &Args<'_>, out: &mut Out, by: By) -> CmdResult {
    let bounds = Bounds::read(by, args.at(2), args.at(3))?;
    let set = db.read_as::<SortedSet>(args.key(1))?;
    out.count(set.map_or(0, |set| bounds.ranks(set, false).len()));
    Ok(())
}

pub(super) fn zcount(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    count(db, args, out, By::Score)
}

pub(super) fn zlexcount(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    count(db, args, out, By::Lex)
}

fn remove(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
    (by, event): (By, Event),
) -> CmdResult {
    let bounds = Bounds::read(by, args.at(2), args.at(3))?;
    let mut total = 0;
    if let Some(mut set) = db.edit::<SortedSet>(args.key(1))? {
        let ranks = if portion.is_first() { bounds.ranks(&set, false) } else { ranks_at(portion) };
        total = ranks.len();
        if !portion.admits(total) {
            return Ok(());
        }
        let here = portion.room().min(total - portion.counted());
        set.remove_ranks(ranks.start..ranks.start + here);
        portion.count(here);
        if portion.counted() < total {
            portion.go_on((ranks.start as u128) << 64 | ranks.end as u128);
            return Ok(());
        }
        if total > 0 {
            set.changed_elements(event, total);
        }
    }
    out.count(total);
    Ok(())
}

/// The ranks that are to be removed, as they were when the command began.
fn ranks_at(portion: &Portion) -> Range<usize> {
    (portion.at() >> 64) as usize..portion.at() as usize
}

pub(super) fn zremrangebyrank(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    remove(db, args, portion, out, (By::Rank, super::event("zremrangebyrank")))
}

pub(super) fn zremrangebyscore(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    remove(db, args, portion, out, (By::Score, super::event("zremrangebyscore")))
}

pub(super) fn zremrangebylex(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    remove(db, args, portion, out, (By::Lex, super::event("zremrangebylex")))
}

/// A range on its way to where it is stored.
struct Stored(SortedSet);

impl Bulky for Stored {
    fn free_some(&mut self, budget: usize) -> bool {
        self.0.free_some(budget)
    }
}

impl Stored {
    /// Adds as many members of these ranks as the portion says. False if there are more.
    fn go_on(
        &mut self,
        set: &SortedSet,
        ranks: Range<usize>,
        limits: &EncodingLimits,
        portion: &mut Portion,
    ) -> bool {
        let Some(here) = portion.range(ranks.len()) else { return false };
        // To read a member and to add it takes about twice as long as either.
        let count = portion.room().div_ceil(2).min(here.len());
        let first = ranks.start + here.start;
        let mut digits = itoa::Buffer::new();
        for (member, score) in set.walk(first..first + count, false) {
            self.0.append(member.bytes(&mut digits), score, limits);
        }
        if count < here.len() {
            portion.go_on((here.start + count) as u128);
        }
        count == here.len()
    }
}

/// Copies the range out, on the core of the source, if it is stored on another.
pub(super) fn zrangestore_collect(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
) -> Result<Parcel, CmdError> {
    let query = Query::read(args, &STORE)?;
    if !db.owns(args.key(2)) {
        return Ok(None);
    }
    let set = db.read_as::<SortedSet>(args.key(2))?;
    if db.owns(args.key(1)) {
        return Ok(None);
    }
    let mut stored = take_stored(portion);
    if let Some(set) = set
        && !stored.go_on(set, query.ranks(set), &db.tuning.encoding, portion)
    {
        portion.keep_state(stored);
        return Ok(None);
    }
    Ok(Some(stored))
}

pub(super) fn zrangestore_commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let (target, source) = (args.key(1), args.key(2));
    if !db.owns(target) {
        return Ok(());
    }
    let mut stored = take_stored(portion);
    let mut collected = parcels.iter().flatten();
    let (set, ranks) = if db.owns(source) {
        let set = db.peek_as::<SortedSet>(source)?;
        (set, set.map(|set| Query::read(args, &STORE).map(|query| query.ranks(set))).transpose()?)
    } else {
        let set = collected.find_map(|parcel| parcel.downcast_ref::<Stored>()).map(|it| &it.0);
        (set, set.map(|set| 0..set.len()))
    };
    if let (Some(set), Some(ranks)) = (set, ranks)
        && !stored.go_on(set, ranks, &db.tuning.encoding, portion)
    {
        portion.keep_state(stored);
        return Ok(());
    }
    out.count(stored.0.len());
    let stored = Object::SortedSet(stored.0);
    db.write(target).put_object(stored, Expiry::Never, ZRANGESTORE);
    Ok(())
}

/// What the portions before have stored.
fn take_stored(portion: &mut Portion) -> Box<Stored> {
    portion.take_state().unwrap_or_else(|| Box::new(Stored(SortedSet::new())))
}
