//! Elements that move from one list to another: LMOVE, RPOPLPUSH, LMOVEM.
//!
//! The two lists may lie on two shards. Phase one copies the elements out, in the order in which
//! they will stand in the target, and looks at the target's type; phase two adds them to it and
//! removes them from the source.
//!
//! Invariant: what is done follows from the arguments and the parcels alone, so both shards do
//! their half or neither. That the target is no list matters only if there are elements to move.

use super::{end, popped, pushed, write_item};
use crate::base::num;
use crate::command::spec::Parcel;
use crate::ds::quicklist::End;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::list::List;
use crate::store::object::{EncodingLimits, Typed};

const NO_COUNT: CmdError = CmdError::Text("ERR count should be greater than 0");

/// How many elements move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// As many as there are, up to this.
    UpTo(usize),
    /// So many, or none.
    Exactly(usize),
}

/// Which elements move, and to where.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    pub from: End,
    pub to: End,
    pub amount: Amount,
    /// Whether they stand in the target as they stood in the source, not as if they had been moved
    /// one by one.
    pub keeps_order: bool,
}

impl Transfer {
    fn one(from: End, to: End) -> Transfer {
        Transfer { from, to, amount: Amount::UpTo(1), keeps_order: false }
    }

    /// Reads `LEFT|RIGHT LEFT|RIGHT` at positions 3 and 4.
    pub fn read_one(args: &Args<'_>) -> Result<Transfer, CmdError> {
        Ok(Transfer::one(end(args.at(3))?, end(args.at(4))?))
    }

    /// Reads the same, and `[COUNT|EXACTLY number OBO|BULK]` from position `options` on.
    pub fn read_many(args: &Args<'_>, options: usize) -> Result<Transfer, CmdError> {
        let mut transfer = Transfer::read_one(args)?;
        let mut options = args.reader(options);
        if options.done() {
            return Ok(transfer);
        }
        let is_exact = match options.keyword("EXACTLY") {
            true => true,
            false if options.keyword("COUNT") => false,
            false => return Err(CmdError::Syntax),
        };
        let number = num::parse_i64(options.word()?).filter(|number| *number > 0);
        let count = number.ok_or(NO_COUNT)? as usize;
        transfer.amount = if is_exact { Amount::Exactly(count) } else { Amount::UpTo(count) };
        transfer.keeps_order = options.keyword("BULK");
        if !transfer.keeps_order && !options.keyword("OBO") || !options.done() {
            return Err(CmdError::Syntax);
        }
        Ok(transfer)
    }

    /// How many elements of a list of this length move.
    pub fn count(self, length: usize) -> usize {
        match self.amount {
            Amount::UpTo(count) => count.min(length),
            Amount::Exactly(count) if count <= length => count,
            Amount::Exactly(_) => 0,
        }
    }

    /// Where they begin in the source.
    fn start(self, length: usize, count: usize) -> usize {
        if self.from == End::Front { 0 } else { length - count }
    }

    /// Copies out what moves, in the order of the target; `None` if nothing does.
    fn copy(self, list: &List) -> Option<List> {
        let (length, count) = (list.len(), self.count(list.len()));
        let start = self.start(length, count);
        // One by one, the last to come stands at the end where all came in.
        let is_reversed = !self.keeps_order && self.from == self.to;
        let (walk, first) =
            if is_reversed { (End::Back, start + count) } else { (End::Front, start + 1) };
        let mut moved = List::new();
        let limits = EncodingLimits::default();
        if count > 0 {
            list.visit(walk, first - 1, count, |item| {
                moved.push(End::Back, item.bytes(&mut itoa::Buffer::new()), &limits);
            });
        }
        (count > 0).then_some(moved)
    }
}

/// What one shard knows of the two lists.
#[derive(Default)]
struct Seen {
    moved: Option<List>,
    target_is_other: bool,
}

impl Bulky for Seen {}

/// Phase one.
pub(super) fn collect(db: &Db, args: &Args<'_>, transfer: Transfer) -> Result<Parcel, CmdError> {
    let (source, target) = (args.key(1), args.key(2));
    let mut seen = Seen::default();
    if db.owns(source) {
        let list = db.peek_as::<List>(source)?;
        seen.moved = list.and_then(|list| transfer.copy(list));
    }
    seen.target_is_other = db.owns(target) && db.peek_as::<List>(target).is_err();
    Ok(Some(Box::new(seen)))
}

/// True if there is something to move.
pub(super) fn is_something(parcels: &[Parcel]) -> bool {
    let mut seen = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Seen>());
    seen.any(|seen| seen.moved.is_some())
}

/// Phase two: returns what has moved, in the order of the target.
fn commit<'p>(
    db: &mut Db,
    args: &Args<'_>,
    transfer: Transfer,
    parcels: &'p [Parcel],
) -> Result<Option<&'p List>, CmdError> {
    let mut seen = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Seen>());
    let Some(moved) = seen.clone().find_map(|seen| seen.moved.as_ref()) else { return Ok(None) };
    if seen.any(|seen| seen.target_is_other) {
        return Err(CmdError::WrongType);
    }
    let (source, target) = (args.key(1), args.key(2));
    if source.bytes == target.bytes {
        rotate(db, source, transfer, moved)?;
        return Ok(Some(moved));
    }
    if db.owns(target) {
        let mut list = db.edit_or_create::<List>(target)?;
        let limits = list.tuning().encoding;
        add(&mut list, transfer.to, moved, &limits);
        list.changed(pushed(transfer.to));
    }
    if db.owns(source)
        && let Some(mut list) = db.edit::<List>(source)?
    {
        let limits = list.tuning().encoding;
        remove(&mut list, transfer, moved.len(), &limits);
        list.changed_elements(popped(transfer.from), 0);
    }
    Ok(Some(moved))
}

/// Moves elements within a list, which is never empty in between for anybody to see.
fn rotate(db: &mut Db, key: Key<'_>, transfer: Transfer, moved: &List) -> CmdResult {
    if let Some(mut list) = db.edit::<List>(key)? {
        let limits = list.tuning().encoding;
        remove(&mut list, transfer, moved.len(), &limits);
        add(&mut list, transfer.to, moved, &limits);
        list.changed(pushed(transfer.to));
        list.changed_elements(popped(transfer.from), 0);
    }
    Ok(())
}

fn remove(list: &mut List, transfer: Transfer, count: usize, limits: &EncodingLimits) {
    list.remove_range(transfer.start(list.len(), count), count, limits);
}

/// Adds elements at an end so that they stand there in their order.
fn add(list: &mut List, to: End, moved: &List, limits: &EncodingLimits) {
    let (walk, first) = match to {
        End::Front => (End::Back, moved.len() - 1),
        End::Back => (End::Front, 0),
    };
    moved.visit(walk, first, moved.len(), |item| {
        list.push(to, item.bytes(&mut itoa::Buffer::new()), limits);
    });
}

pub(super) fn collect_lmove(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    collect(db, args, Transfer::read_one(args)?)
}

pub(super) fn lmove(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let transfer = Transfer::read_one(args)?;
    write_one(commit(db, args, transfer, parcels)?, out)
}

const RPOPLPUSH: (End, End) = (End::Back, End::Front);

pub(super) fn collect_rpoplpush(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    collect(db, args, Transfer::one(RPOPLPUSH.0, RPOPLPUSH.1))
}

pub(super) fn rpoplpush(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let transfer = Transfer::one(RPOPLPUSH.0, RPOPLPUSH.1);
    write_one(commit(db, args, transfer, parcels)?, out)
}

fn write_one(moved: Option<&List>, out: &mut Out) -> CmdResult {
    match moved.and_then(|moved| moved.peek(End::Front)) {
        Some(item) => write_item(out, item),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn collect_lmovem(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    collect(db, args, Transfer::read_many(args, 5)?)
}

pub(super) fn lmovem(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    move_many(db, args, Transfer::read_many(args, 5)?, parcels, out)
}

/// Phase two of a command that answers an array.
pub(super) fn move_many(
    db: &mut Db,
    args: &Args<'_>,
    transfer: Transfer,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    match commit(db, args, transfer, parcels)? {
        Some(moved) => {
            out.array(moved.len());
            moved.visit(End::Front, 0, moved.len(), |item| write_item(out, item));
        }
        None => out.null_array(),
    }
    Ok(())
}
