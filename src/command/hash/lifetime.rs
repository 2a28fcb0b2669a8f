//! Fields together with their expiry: HGETDEL, HGETEX, HSETEX.
//!
//! Invariant: HGETDEL and HGETEX check the key's type before their arguments, HSETEX after them.
//! All fields get one expiry; a time that is over removes them.

use super::expire::{report_expiry, report_persisted};
use super::fields::{report_deleted, words};
use super::options::{FIELDS_MISSING, FIELDS_TWICE, Field, Fields, field_time, unknown_argument};
use super::{EXPIRES, SET};
use crate::base::time::Millis;
use crate::command::item::write_item;
use crate::command::string::lifetime::Unit;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::hash::{FieldExpiry, Hash};

const EXPIRY_MISSING: CmdError = CmdError::Text("ERR missing expire time");
const CONDITION_TWICE: CmdError =
    CmdError::Text("ERR Only one of FXX or FNX arguments can be specified");
const EXPIRY_TWICE_PERSIST: CmdError =
    CmdError::Text("ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified");
const EXPIRY_TWICE_KEEP: CmdError =
    CmdError::Text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
const BAD_COUNT: &str = "ERR invalid number of fields";

/// What becomes of the fields' expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// The command's default.
    Unspecified,
    /// PERSIST.
    Persist,
    /// KEEPTTL.
    Keep,
    /// EX, PX, EXAT or PXAT.
    Until(Millis),
}

/// On which fields HSETEX depends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// FXX: all of them exist.
    AllExist,
    /// FNX: none of them exists.
    NoneExists,
}

/// Which of the two commands reads its options.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Set,
}

struct Options<'a> {
    verb: Verb,
    lifetime: Lifetime,
    condition: Option<Condition>,
    fields: Option<Fields<'a>>,
}

impl<'a> Options<'a> {
    /// Reads the options to the end of the arguments.
    fn read(
        args: &Args<'a>,
        verb: Verb,
        now: Millis,
    ) -> Result<(Options<'a>, Fields<'a>), CmdError> {
        let mut options =
            Options { verb, lifetime: Lifetime::Unspecified, condition: None, fields: None };
        let mut reader = args.reader(2);
        while let Some(word) = reader.peek() {
            reader.word()?;
            if word.eq_ignore_ascii_case(b"FIELDS") {
                options.read_fields(args, &mut reader)?;
            } else if let Some(unit) = Unit::named(word) {
                options.check_first_lifetime()?;
                let text = reader.peek().ok_or(EXPIRY_MISSING)?;
                reader.word()?;
                options.lifetime = Lifetime::Until(field_time(text, unit, now, options.command())?);
            } else if !options.read_word(word)? {
                return Err(unknown_argument(word));
            }
        }
        let fields = options.fields.ok_or(FIELDS_MISSING)?;
        Ok((options, fields))
    }

    fn command(&self) -> &'static str {
        match self.verb {
            Verb::Get => "hgetex",
            Verb::Set => "hsetex",
        }
    }

    fn read_fields(&mut self, args: &Args<'a>, reader: &mut Reader<'a>) -> CmdResult {
        if self.fields.is_some() {
            return Err(FIELDS_TWICE);
        }
        if reader.done() {
            return Err(CmdError::WrongArity(self.command().into()));
        }
        let width = if self.verb == Verb::Set { 2 } else { 1 };
        self.fields = Some(Fields::read(args, reader, width, BAD_COUNT)?);
        Ok(())
    }

    /// Reads an option of one word; false if it is none.
    fn read_word(&mut self, word: &[u8]) -> Result<bool, CmdError> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let condition = match self.verb {
            Verb::Get if is("PERSIST") => {
                self.check_first_lifetime()?;
                self.lifetime = Lifetime::Persist;
                return Ok(true);
            }
            Verb::Set if is("KEEPTTL") => {
                self.check_first_lifetime()?;
                self.lifetime = Lifetime::Keep;
                return Ok(true);
            }
            Verb::Set if is("FXX") => Condition::AllExist,
            Verb::Set if is("FNX") => Condition::NoneExists,
            _ => return Ok(false),
        };
        if self.condition.replace(condition).is_some() {
            return Err(CONDITION_TWICE);
        }
        Ok(true)
    }

    fn check_first_lifetime(&self) -> CmdResult {
        match self.lifetime {
            Lifetime::Unspecified => Ok(()),
            _ if self.verb == Verb::Get => Err(EXPIRY_TWICE_PERSIST),
            _ => Err(EXPIRY_TWICE_KEEP),
        }
    }
}

pub(super) fn hgetdel(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let key = args.key(1);
    db.peek_as::<Hash>(key)?;
    let (now, fields) = (db.now(), Fields::only(args)?);
    out.array(fields.len());
    let Some(mut edit) = db.edit_hash(key)? else {
        fields.iter().for_each(|_| out.null());
        return Ok(());
    };
    let mut deleted = Vec::new();
    for Field { name, .. } in fields.iter() {
        if write_value(&edit, name, now, out) {
            edit.remove(name, now);
            deleted.push(name);
        }
    }
    report_deleted(&mut edit, key.bytes, &deleted);
    Ok(())
}

pub(super) fn hgetex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let key = args.key(1);
    db.peek_as::<Hash>(key)?;
    let now = db.now();
    let (options, fields) = Options::read(args, Verb::Get, now)?;
    out.array(fields.len());
    let Some(mut edit) = db.edit_hash(key)? else {
        fields.iter().for_each(|_| out.null());
        return Ok(());
    };
    let mut touched = Vec::new();
    for Field { name, .. } in fields.iter() {
        if !write_value(&edit, name, now, out) {
            continue;
        }
        let expiry = edit.get_with_expiry(name, now).and_then(|(_, expiry)| expiry);
        match options.lifetime {
            Lifetime::Persist if expiry.is_some() => edit.set_expiry(name, None),
            Lifetime::Until(time) if time <= now => {
                edit.remove(name, now);
            }
            Lifetime::Until(time) => edit.set_expiry(name, Some(time)),
            _ => continue,
        }
        touched.push(name);
    }
    match options.lifetime {
        Lifetime::Until(time) if time <= now => report_deleted(&mut edit, key.bytes, &touched),
        Lifetime::Until(time) => report_expiry(&mut edit, key.bytes, time, &touched),
        _ => report_persisted(&mut edit, key.bytes, &touched),
    }
    Ok(())
}

/// Writes the value of a field, or null; says whether there was one.
fn write_value(hash: &Hash, name: &[u8], now: Millis, out: &mut Out) -> bool {
    let value = hash.get(name, now);
    match value {
        Some(value) => write_item(value, out),
        None => out.null(),
    }
    value.is_some()
}

pub(super) fn hsetex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (key, now, limits) = (args.key(1), db.now(), db.tuning.encoding);
    let (options, fields) = Options::read(args, Verb::Set, now)?;
    let mut edit = db.edit_or_create_hash(key)?;
    let mut exist = fields.iter().map(|field| edit.contains(field.name, now));
    let is_met = match options.condition {
        None => true,
        Some(Condition::AllExist) => exist.all(|exists| exists),
        Some(Condition::NoneExists) => exist.all(|exists| !exists),
    };
    out.int(is_met.into());
    if !is_met {
        return Ok(());
    }
    let hash = &mut *edit;
    hash.expect(fields.len(), &limits);
    let expiry = match options.lifetime {
        Lifetime::Keep | Lifetime::Until(_) => FieldExpiry::Keep,
        Lifetime::Unspecified | Lifetime::Persist => FieldExpiry::Never,
    };
    for Field { name, value } in fields.iter() {
        hash.set(name, value, expiry, now, &limits);
        match options.lifetime {
            Lifetime::Until(time) if time <= now => {
                hash.remove(name, now);
            }
            Lifetime::Until(time) => hash.set_expiry(name, Some(time)),
            _ => {}
        }
    }
    report_set(&mut edit, key.bytes, options.lifetime, fields, now);
    Ok(())
}

/// Reports what HSETEX did.
fn report_set(
    edit: &mut Edit<'_, Hash>,
    key: &[u8],
    lifetime: Lifetime,
    fields: Fields<'_>,
    now: Millis,
) {
    edit.changed(SET);
    let Lifetime::Until(time) = lifetime else { return };
    let names: Vec<&[u8]> = fields.iter().map(|field| field.name).collect();
    if time <= now {
        // Whatever the fields held before, they are gone.
        edit.repeat_as(&words(&[b"HDEL", key], &names));
        edit.changed(super::DELETED);
        return;
    }
    let pairs: Vec<&[u8]> = fields.iter().flat_map(|field| [field.name, field.value]).collect();
    let (mut time_digits, mut count_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let time = time_digits.format(time).as_bytes();
    let count = count_digits.format(fields.len()).as_bytes();
    edit.repeat_as(&words(&[b"HSETEX", key, b"PXAT", time, b"FIELDS", count], &pairs));
    edit.changed(EXPIRES);
}
