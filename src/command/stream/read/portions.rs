//! XREAD and XREADGROUP where one shard holds all streams: in portions, if there is much to read.
//!
//! Invariant: everything is found before anything is delivered, as on several shards; and nothing
//! is refused once something is found.

use super::find::{Search, check};
use super::request::Request;
use super::{deliver, share, write_head, write_stream};
use crate::command::portion::Portion;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;

/// How many entries are found in the time in which one is delivered: that changes three ordered
/// maps.
const FOUND_PER_DELIVERED: usize = 4;

/// How far the work is.
#[derive(Default)]
struct Reading {
    search: Search,
    /// How many entries of each stream are in the reply.
    shares: Vec<Option<usize>>,
    stage: Stage,
}

#[derive(Default, Clone, Copy)]
enum Stage {
    #[default]
    Finding,
    /// With this entry of this stream.
    Delivering(usize, usize),
    /// With this page of this stream.
    Writing(usize, usize),
}

impl Bulky for Reading {
    fn free_some(&mut self, budget: usize) -> bool {
        self.search.free_some(budget)
    }
}

/// Does a portion of XREAD, or of XREADGROUP.
pub(super) fn read(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let mut reading = match portion.take_state::<Reading>() {
        Some(reading) => *reading,
        None if portion.may_go_on() => {
            check(db, args, request)?;
            Reading::default()
        }
        None => Reading::default(),
    };
    if !reading.advance(db, args, request, portion, out)? {
        portion.go_on(0);
        if portion.may_go_on() {
            portion.keep_state(Box::new(reading));
        }
    }
    Ok(())
}

/// True if the portion is full and another may follow.
fn ends(portion: &Portion, out: &Out) -> bool {
    portion.may_go_on() && portion.is_full(out)
}

impl Reading {
    /// Goes through the stages; false if something is left to do.
    fn advance(
        &mut self,
        db: &mut Db,
        args: &Args<'_>,
        request: &Request<'_>,
        portion: &mut Portion,
        out: &mut Out,
    ) -> Result<bool, CmdError> {
        if let Stage::Finding = self.stage {
            if !self.search.advance(db, args, request, portion)? {
                return Ok(false);
            }
            let all: Vec<_> = self.search.found.iter().collect();
            self.shares = share(&all, args, request);
            self.stage = Stage::Delivering(0, 0);
        }
        if let Stage::Delivering(stream, entry) = self.stage {
            if request.group.is_some()
                && !self.deliver(db, args, request, (stream, entry), portion, out)?
            {
                return Ok(false);
            }
            write_head(&self.shares, out);
            self.stage = Stage::Writing(0, 0);
        }
        Ok(self.write(args, request, portion, out))
    }

    fn deliver(
        &mut self,
        db: &mut Db,
        args: &Args<'_>,
        request: &Request<'_>,
        (mut stream, mut entry): (usize, usize),
        portion: &mut Portion,
        out: &Out,
    ) -> Result<bool, CmdError> {
        while let Some(found) = self.search.found.get(stream) {
            if ends(portion, out) {
                self.stage = Stage::Delivering(stream, entry);
                return Ok(false);
            }
            let room = if portion.may_go_on() { portion.room() } else { usize::MAX };
            let count = self.shares[stream].unwrap_or(0);
            let end = count.min(entry.saturating_add((room / FOUND_PER_DELIVERED).max(1)));
            deliver(db, args, request, found, (entry..end, count))?;
            portion.count(1 + FOUND_PER_DELIVERED * (end - entry));
            (stream, entry) = if end == count { (stream + 1, 0) } else { (stream, end) };
        }
        Ok(true)
    }

    fn write(
        &mut self,
        args: &Args<'_>,
        request: &Request<'_>,
        portion: &mut Portion,
        out: &mut Out,
    ) -> bool {
        let Stage::Writing(mut stream, mut page) = self.stage else { return false };
        while let Some(found) = self.search.found.get_mut(stream) {
            if ends(portion, out) {
                self.stage = Stage::Writing(stream, page);
                return false;
            }
            portion.count(1);
            let Some(count) = self.shares[stream] else {
                stream += 1;
                continue;
            };
            if page == 0 {
                write_stream(found, count, args, request, out);
            }
            found.move_page(page, count, out);
            page += 1;
            if page == found.pages() {
                (stream, page) = (stream + 1, 0);
            }
        }
        true
    }
}
