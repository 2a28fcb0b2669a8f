//! Deleting single entries: XDEL, XDELEX, XACKDEL.
//!
//! Invariant: all ids are read before the first is deleted, so a request is carried out or refused
//! as a whole.

use super::add::read_references;
use super::ids;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::stream::id::Id;
use crate::store::stream::trim::References;
use crate::store::stream::{Deletion, Stream};

const XDEL: Event = Event::stream("xdel");

/// The reply for an id that is not there.
const MISSING: i64 = -1;
const DELETED: i64 = 1;
const REFERENCED: i64 = 2;

pub(super) fn xdel(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let Some(mut edit) = db.edit::<Stream>(args.key(1))? else {
        out.int(0);
        return Ok(());
    };
    let ids = ids::parse_all(args, 2, args.len())?;
    let stream = &mut *edit;
    let deleted = ids.iter().filter(|id| stream.delete(**id)).count();
    if deleted > 0 {
        edit.changed_elements(XDEL, deleted);
    }
    out.count(deleted);
    Ok(())
}

/// What follows the key, or the group, of XDELEX and XACKDEL.
struct Selection {
    references: References,
    first: usize,
    count: usize,
}

impl Selection {
    fn read(args: &Args<'_>, from: usize) -> Result<Selection, CmdError> {
        let mut reader = args.reader(from);
        let (mut references, mut ids) = (None, None);
        while !reader.done() {
            if references.is_none() {
                references = read_references(&mut reader);
                if references.is_some() {
                    continue;
                }
            }
            if reader.left() < 2 || !reader.keyword("IDS") {
                return Err(CmdError::Syntax);
            }
            let count = reader.int().ok().and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| *count > 0);
            let count =
                count.ok_or(CmdError::Text("ERR Number of IDs must be a positive integer"))?;
            if count > reader.left() {
                return Err(CmdError::Text(
                    "ERR The `numids` parameter must match the number of arguments",
                ));
            }
            ids = Some((reader.position(), count));
            (0..count).try_for_each(|_| reader.word().map(drop))?;
        }
        let (first, count) = ids.ok_or(CmdError::Text("ERR IDS option is required"))?;
        Ok(Selection { references: references.unwrap_or_default(), first, count })
    }

    fn ids(&self, args: &Args<'_>) -> Result<Vec<Id>, CmdError> {
        ids::parse_all(args, self.first, self.first + self.count)
    }

    /// Answers that none of the ids is there.
    fn write_missing(&self, out: &mut Out) {
        out.array(self.count);
        (0..self.count).for_each(|_| out.int(MISSING));
    }
}

pub(super) fn xdelex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = db.edit::<Stream>(args.key(1))?;
    let selection = Selection::read(args, 2)?;
    let Some(edit) = &mut edit else {
        selection.write_missing(out);
        return Ok(());
    };
    let ids = selection.ids(args)?;
    out.array(ids.len());
    let (stream, mut deleted) = (&mut **edit, 0);
    for id in ids {
        out.int(match stream.delete_with(id, selection.references) {
            Deletion::Deleted => {
                deleted += 1;
                DELETED
            }
            Deletion::Referenced => REFERENCED,
            Deletion::Missing => MISSING,
        });
    }
    if deleted > 0 {
        edit.changed(XDEL);
    } else if selection.references == References::Remove {
        edit.changed(Event::SILENT);
    }
    Ok(())
}

pub(super) fn xackdel(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = db.edit::<Stream>(args.key(1))?;
    let selection = Selection::read(args, 3)?;
    let group = args.at(2);
    let Some(edit) = edit.as_mut().filter(|edit| edit.group(group).is_some()) else {
        selection.write_missing(out);
        return Ok(());
    };
    let ids = selection.ids(args)?;
    out.array(ids.len());
    let stream = &mut **edit;
    let (mut acknowledged, mut deleted) = (0, 0);
    for id in ids {
        if !stream.group_mut(group).is_some_and(|group| group.acknowledge(id)) {
            out.int(MISSING);
            continue;
        }
        acknowledged += 1;
        let deletion = stream.delete_with(id, selection.references);
        deleted += usize::from(deletion == Deletion::Deleted);
        out.int(if deletion == Deletion::Referenced { REFERENCED } else { DELETED });
    }
    if deleted > 0 {
        edit.changed(XDEL);
    } else if acknowledged > 0 {
        edit.changed(Event::SILENT);
    }
    Ok(())
}
