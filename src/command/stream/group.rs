//! The commands on consumer groups and their members: XGROUP and XSETID, and XACK.
//!
//! Invariant: options and the key are looked at in Redis's order; a group is changed last.

use super::{ids, no_such_group};
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::object::Typed;
use crate::store::stream::Stream;
use crate::store::stream::group::Group;
use crate::store::stream::id::Id;

const KEY_REQUIRED: CmdError = CmdError::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to \
     use the MKSTREAM option to create an empty stream automatically.",
);
const BUSY_GROUP: CmdError = CmdError::Text("BUSYGROUP Consumer Group name already exists");
const ENTRIES_READ: CmdError = CmdError::Text("ERR value for ENTRIESREAD must be positive or -1");

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <entries-read>]",
    "    Adds a group that begins behind <id>, or behind the last entry.",
    "    * MKSTREAM: creates the key if it does not exist.",
    "    * ENTRIESREAD: says how many entries lie up to <id>.",
    "CREATECONSUMER <key> <group> <consumer>",
    "    Adds a consumer to a group.",
    "DELCONSUMER <key> <group> <consumer>",
    "    Removes a consumer from a group, with its pending entries.",
    "DESTROY <key> <group>",
    "    Removes a group.",
    "SETID <key> <group> <id|$> [ENTRIESREAD <entries-read>]",
    "    Says behind which entry a group goes on.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn help(_: &Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    super::write_help(HELP, out);
    Ok(())
}

/// The options of XGROUP CREATE and SETID.
#[derive(Default)]
struct Options {
    creates_key: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn read(args: &Args<'_>, may_create: bool) -> Result<Options, CmdError> {
        let (mut reader, mut options) = (args.reader(5), Options::default());
        while !reader.done() {
            if may_create && reader.keyword("MKSTREAM") {
                options.creates_key = true;
            } else if reader.left() > 1 && reader.keyword("ENTRIESREAD") {
                options.entries_read = read_entries_read(&mut reader)?;
            } else {
                return Err(super::bad_subcommand("XGROUP", args.at(1)));
            }
        }
        Ok(options)
    }
}

fn read_entries_read(reader: &mut Reader<'_>) -> Result<Option<u64>, CmdError> {
    match reader.int()? {
        -1 => Ok(None),
        count => u64::try_from(count).map(Some).map_err(|_| ENTRIES_READ),
    }
}

/// Opens the stream at position 2, which must exist.
fn open<'d>(db: &'d mut Db, args: &Args<'d>) -> Result<Edit<'d, Stream>, CmdError> {
    db.edit::<Stream>(args.key(2))?.ok_or(KEY_REQUIRED)
}

/// Opens the stream at position 2, in which the group at position 3 must exist.
fn open_group<'d>(db: &'d mut Db, args: &Args<'d>) -> Result<Edit<'d, Stream>, CmdError> {
    let edit = open(db, args)?;
    match edit.group(args.at(3)) {
        Some(_) => Ok(edit),
        None => Err(no_such_group(args.at(2), args.at(3))),
    }
}

fn group<'e>(edit: &'e mut Edit<'_, Stream>, name: &[u8]) -> &'e mut Group {
    edit.group_mut(name).expect("the group was found when the stream was opened")
}

/// The id at position 4, where `$` is the stream's last one.
fn group_id(
    args: &Args<'_>,
    last: Id,
    parse: fn(&[u8]) -> Result<Id, CmdError>,
) -> Result<Id, CmdError> {
    match args.at(4) {
        b"$" => Ok(last),
        word => parse(word),
    }
}

pub(super) fn create(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let options = Options::read(args, true)?;
    let mut edit = if options.creates_key {
        db.edit_or_create::<Stream>(args.key(2))?
    } else {
        open(db, args)?
    };
    if args.len() > 8 {
        return Err(super::bad_subcommand("XGROUP", args.at(1)));
    }
    let summary = edit.summary();
    let id = group_id(args, summary.last, ids::parse_strict)?;
    let entries_read = options.entries_read.map(|read| read.min(summary.added));
    if !edit.add_group(args.at(3), Group::new(id, entries_read)) {
        return Err(BUSY_GROUP);
    }
    edit.changed(Event::stream("xgroup-create"));
    if args.at(4) == b"$" {
        let text = id.text();
        let words: Vec<&[u8]> =
            (0..args.len()).map(|i| if i == 4 { &*text } else { args.at(i) }).collect();
        edit.repeat_as(&words);
    }
    out.ok();
    Ok(())
}

pub(super) fn set_id(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let options = Options::read(args, false)?;
    let mut edit = open_group(db, args)?;
    if args.len() > 7 {
        return Err(super::bad_subcommand("XGROUP", args.at(1)));
    }
    let summary = edit.summary();
    let id = group_id(args, summary.last, |word| ids::parse(word, 0))?;
    let group = group(&mut edit, args.at(3));
    group.last_id = id;
    group.entries_read = options.entries_read.map(|read| read.min(summary.added));
    edit.changed(Event::stream("xgroup-setid"));
    out.ok();
    Ok(())
}

pub(super) fn destroy(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = open(db, args)?;
    let removed = edit.remove_group(args.at(3));
    out.int(removed.is_some().into());
    if let Some(group) = removed {
        let mut rest = Stream::new();
        rest.add_group(args.at(3), group);
        edit.bury(rest);
        edit.changed(Event::stream("xgroup-destroy"));
    }
    Ok(())
}

pub(super) fn create_consumer(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = open_group(db, args)?;
    let now = edit.now();
    let is_new = group(&mut edit, args.at(3)).add_consumer(args.at(4), now).is_some();
    if is_new {
        edit.changed(Event::stream("xgroup-createconsumer"));
    }
    out.int(is_new.into());
    Ok(())
}

pub(super) fn delete_consumer(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = open_group(db, args)?;
    let group = group(&mut edit, args.at(3));
    let Some(consumer) = group.find_consumer(args.at(4)) else {
        out.int(0);
        return Ok(());
    };
    out.count(group.remove_consumer(consumer));
    edit.changed(Event::stream("xgroup-delconsumer"));
    Ok(())
}

pub(super) fn xack(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = db.edit::<Stream>(args.key(1))?;
    let group = edit.as_mut().and_then(|edit| edit.group_mut(args.at(2)));
    let Some(group) = group else {
        out.int(0);
        return Ok(());
    };
    let ids = ids::parse_all(args, 3, args.len())?;
    let acknowledged = ids.iter().filter(|id| group.acknowledge(**id)).count();
    if acknowledged > 0
        && let Some(edit) = &mut edit
    {
        edit.changed_elements(Event::SILENT, acknowledged);
    }
    out.count(acknowledged);
    Ok(())
}

pub(super) fn xsetid(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let last = ids::parse_strict(args.at(2))?;
    let (mut reader, mut added, mut max_deleted) = (args.reader(3), None, None);
    while !reader.done() {
        if reader.left() > 1 && reader.keyword("ENTRIESADDED") {
            let count = u64::try_from(reader.int()?);
            added = Some(count.map_err(|_| CmdError::Text("ERR entries_added must be positive"))?);
        } else if reader.left() > 1 && reader.keyword("MAXDELETEDID") {
            let id = ids::parse_strict(reader.word()?)?;
            max_deleted = Some(id);
            if last < id {
                return Err(CmdError::Text(
                    "ERR The ID specified in XSETID is smaller than the provided \
                     max_deleted_entry_id",
                ));
            }
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let mut edit = db.edit::<Stream>(args.key(1))?.ok_or(CmdError::NoSuchKey)?;
    check_summary(&edit, last, added)?;
    edit.set_summary(last, added, max_deleted.filter(|id| *id != Id::MIN));
    edit.changed(Event::stream("xsetid"));
    out.ok();
    Ok(())
}

/// Refuses what would contradict the entries that are there.
fn check_summary(stream: &Stream, last: Id, added: Option<u64>) -> CmdResult {
    let summary = stream.summary();
    if last < summary.max_deleted {
        return Err(CmdError::Text(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if stream.last_entry().is_some_and(|entry| last < entry.id) {
        return Err(CmdError::Text(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if summary.length > 0 && added.is_some_and(|added| summary.length > added) {
        return Err(CmdError::Text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    Ok(())
}

/// XCFGSET: how long and how many messages of producers are remembered.
pub(super) fn xcfgset(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = db.edit::<Stream>(args.key(1))?.ok_or(CmdError::NoSuchKey)?;
    let (mut reader, mut seconds, mut messages) = (args.reader(2), None, None);
    while !reader.done() {
        if reader.left() > 1 && reader.keyword("IDMP-DURATION") {
            let range = "IDMP-DURATION must be between 1 and 86400 seconds";
            read_once(&mut reader, &mut seconds, "IDMP-DURATION", 86_400, range)?;
        } else if reader.left() > 1 && reader.keyword("IDMP-MAXSIZE") {
            let range = "IDMP-MAXSIZE must be between 1 and 10000 entries";
            read_once(&mut reader, &mut messages, "IDMP-MAXSIZE", 10_000, range)?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if seconds.is_none() && messages.is_none() {
        return Err(CmdError::Text("ERR At least one parameter must be specified"));
    }
    let in_force = edit.tuning().retention;
    let known = edit.idempotence_mut(in_force);
    let mut retention = known.retention();
    retention.seconds = seconds.unwrap_or(retention.seconds);
    retention.messages = messages.map_or(retention.messages, |messages| messages as usize);
    if known.set_retention(retention) {
        edit.changed(Event::SILENT);
    }
    out.ok();
    Ok(())
}

fn read_once(
    reader: &mut Reader<'_>,
    value: &mut Option<u64>,
    name: &str,
    most: u64,
    range: &str,
) -> CmdResult {
    if value.is_some() {
        return Err(CmdError::owned(format!("ERR {name} specified multiple times")));
    }
    let number = u64::try_from(reader.int()?).unwrap_or(0);
    if !(1..=most).contains(&number) {
        return Err(CmdError::owned(format!("ERR {range}")));
    }
    *value = Some(number);
    Ok(())
}

/// XIDMPRECORD: restores what XADD with IDMP remembers.
pub(super) fn xidmprecord(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let id = ids::parse_strict(args.at(4))?;
    let (producer, message) = (args.at(2), args.at(3));
    if producer.is_empty() {
        return Err(CmdError::Text("ERR producer ID must be non-empty"));
    }
    if message.is_empty() {
        return Err(CmdError::Text("ERR idempotent ID must be non-empty"));
    }
    let mut edit = db.edit::<Stream>(args.key(1))?.ok_or(CmdError::NoSuchKey)?;
    if !edit.contains(id) {
        return Err(CmdError::Text("ERR No such message in stream"));
    }
    let (now, retention) = (edit.now(), edit.tuning().retention);
    let known = edit.idempotence_mut(retention);
    match known.find(producer, message, now) {
        None => {
            known.remember(producer, message, id, now);
            edit.changed(Event::SILENT);
        }
        Some(known) if known == id => {}
        Some(_) => {
            return Err(CmdError::Text(
                "ERR IID already exists for this producer with a different stream ID",
            ));
        }
    }
    out.ok();
    Ok(())
}
