//! What the commands on expiring fields share: the list of fields, and times.
//!
//! Invariant: reading options has no effect. Errors are those of Redis, which differ from command
//! to command.

use crate::base::num;
use crate::base::time::Millis;
use crate::command::string::lifetime::Unit;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, shown};

/// The latest time at which a field may expire, in milliseconds since the Unix epoch: Redis keeps
/// 46 bits of it.
const TIME_MAX: Millis = (1 << 46) - 1;

pub(super) const FIELDS_TWICE: CmdError =
    CmdError::Text("ERR FIELDS keyword specified multiple times");
pub(super) const FIELDS_MISSING: CmdError = CmdError::Text("ERR missing FIELDS argument");
const FIELDS_MISPLACED: CmdError =
    CmdError::Text("ERR Mandatory argument FIELDS is missing or not at the right position");
const FIELDS_NOT_POSITIVE: CmdError =
    CmdError::Text("ERR Number of fields must be a positive integer");
const FIELDS_UNEQUAL: CmdError =
    CmdError::Text("ERR The `numfields` parameter must match the number of arguments");
const TOO_FEW: CmdError = CmdError::Text("ERR wrong number of arguments");
const NEGATIVE_TIME: CmdError = CmdError::Text("ERR invalid expire time, must be >= 0");

/// What stands behind FIELDS and its count: names, or names and values in turn.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    args: Args<'a>,
    first: usize,
    count: usize,
    /// Arguments of each field.
    width: usize,
}

/// One of [`Fields`].
pub(super) struct Field<'a> {
    pub name: &'a [u8],
    /// The argument behind the name, or the name if there are no values.
    pub value: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the count and steps over so many fields of `width` arguments. `bad_count` is the error
    /// for what is no count, or zero.
    pub fn read(
        args: &Args<'a>,
        options: &mut Reader<'a>,
        width: usize,
        bad_count: &'static str,
    ) -> Result<Fields<'a>, CmdError> {
        let count = num::parse_i64(options.word()?).and_then(|count| i32::try_from(count).ok());
        let count = count.filter(|count| *count > 0).ok_or(CmdError::Text(bad_count))? as usize;
        if count > options.left() / width {
            return Err(TOO_FEW);
        }
        let first = options.position();
        for _ in 0..count * width {
            options.word()?;
        }
        Ok(Fields { args: *args, first, count, width })
    }

    /// The names behind FIELDS as the second argument, where nothing else may stand.
    pub fn only(args: &Args<'a>) -> Result<Fields<'a>, CmdError> {
        if !args.is(2, "FIELDS") {
            return Err(FIELDS_MISPLACED);
        }
        let count = num::parse_i64(args.at(3)).and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count > 0).ok_or(FIELDS_NOT_POSITIVE)?;
        if count != args.len() - 4 {
            return Err(FIELDS_UNEQUAL);
        }
        Ok(Fields { args: *args, first: 4, count, width: 1 })
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> {
        let fields = *self;
        (0..fields.count).map(move |index| {
            let at = fields.first + index * fields.width;
            Field { name: fields.args.at(at), value: fields.args.at(at + fields.width - 1) }
        })
    }
}

/// The time, in milliseconds since the Unix epoch, that a client gives a field in this unit.
pub(super) fn field_time(
    text: &[u8],
    unit: Unit,
    now: Millis,
    command: &'static str,
) -> Result<Millis, CmdError> {
    let number = num::parse_i64(text).ok_or(CmdError::NotInteger)?;
    if number < 0 {
        return Err(NEGATIVE_TIME);
    }
    let scale = if unit.in_seconds() { 1000 } else { 1 };
    let base = if unit.is_relative() { now } else { 0 };
    let time = number.checked_mul(scale).and_then(|time| time.checked_add(base));
    time.filter(|time| *time <= TIME_MAX).ok_or(CmdError::InvalidExpire(command))
}

/// The error for an argument that no option begins with.
pub(super) fn unknown_argument(word: &[u8]) -> CmdError {
    CmdError::owned([b"ERR unknown argument: ", shown(word, word.len())].concat())
}
