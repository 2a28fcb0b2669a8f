//! Elements by what they are: LPOS, LREM.

use std::ops::ControlFlow;

use super::pop::at_end;
use crate::base::num;
use crate::ds::listpack::Item;
use crate::ds::quicklist::End;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::list::List;

const RANK_ZERO: CmdError = CmdError::Text(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
     or use negative to start from the end of the list",
);
const COUNT_NEGATIVE: CmdError = CmdError::Text("ERR COUNT can't be negative");
const MAXLEN_NEGATIVE: CmdError = CmdError::Text("ERR MAXLEN can't be negative");
const NO_MAGNITUDE: CmdError = CmdError::Text(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/// How LPOS searches.
struct Search {
    from: End,
    /// Matches that are passed over.
    skipped: usize,
    /// Matches that are returned, as an array if given.
    count: Option<usize>,
    /// Elements that are compared.
    compared: usize,
}

impl Search {
    fn read(mut options: Reader<'_>) -> Result<Search, CmdError> {
        let mut search = Search { from: End::Front, skipped: 0, count: None, compared: usize::MAX };
        while !options.done() {
            if options.left() < 2 {
                return Err(CmdError::Syntax);
            }
            if options.keyword("RANK") {
                let (from, rank) = directed(options.int()?)?;
                search.from = from;
                search.skipped = rank.checked_sub(1).ok_or(RANK_ZERO)?;
            } else if options.keyword("COUNT") {
                let count = amount(options.word()?).ok_or(COUNT_NEGATIVE)?;
                search.count = Some(if count == 0 { usize::MAX } else { count });
            } else if options.keyword("MAXLEN") {
                let length = amount(options.word()?).ok_or(MAXLEN_NEGATIVE)?;
                search.compared = if length == 0 { usize::MAX } else { length };
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(search)
    }

    /// Calls `found` with the position of each match that is to be returned.
    fn run(&self, list: &List, element: &[u8], mut found: impl FnMut(usize)) {
        let needle = Item::from(element);
        let length = list.len();
        let (mut compared, mut skipped, mut returned) = (0, 0, 0);
        let _ = list.walk(self.from, at_end(self.from, length), |item| {
            if item == needle {
                if skipped < self.skipped {
                    skipped += 1;
                } else {
                    found(if self.from == End::Front { compared } else { length - 1 - compared });
                    returned += 1;
                }
            }
            compared += 1;
            let is_done = returned == self.count.unwrap_or(1) || compared == self.compared;
            if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
}

/// A number that is not negative.
fn amount(word: &[u8]) -> Option<usize> {
    num::parse_i64(word).and_then(|number| usize::try_from(number).ok())
}

/// A number whose sign says from which end, and its magnitude.
fn directed(number: i64) -> Result<(End, usize), CmdError> {
    let magnitude = number.checked_abs().ok_or(NO_MAGNITUDE)?;
    Ok((if number < 0 { End::Back } else { End::Front }, magnitude as usize))
}

pub(super) fn lpos(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let search = Search::read(args.reader(3))?;
    let list = db.read_as::<List>(args.key(1))?;
    let mut found = Vec::new();
    if let Some(list) = list {
        search.run(list, args.at(2), |position| found.push(position));
    }
    match (search.count, found.first()) {
        (Some(_), _) => {
            out.array(found.len());
            found.iter().for_each(|position| out.count(*position));
        }
        (None, Some(position)) => out.count(*position),
        (None, None) => out.null(),
    }
    Ok(())
}

pub(super) fn lrem(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (from, count) = directed(args.int(2)?)?;
    let mut removed = 0;
    if let Some(mut list) = db.edit::<List>(args.key(1))? {
        let limits = list.tuning().encoding;
        let count = if count == 0 { usize::MAX } else { count };
        removed = list.remove_equal(from, args.at(3), count, &limits);
        if removed > 0 {
            list.changed_elements(Event::list("lrem"), removed);
        }
    }
    out.count(removed);
    Ok(())
}
