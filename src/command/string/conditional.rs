//! Optimistic locking on strings: DIGEST, DELEX, and the conditions that DELEX and SET share.
//!
//! A digest is XXH3-64 of the value, written as 16 hexadecimal digits
//! (<https://redis.io/docs/latest/commands/digest/>).
//!
//! Invariant: the form of a digest is checked only when there is a string to compare it with, as
//! Redis does: on a missing key any text will do.

use xxhash_rust::xxh3::xxh3_64;

use super::text::Text;
use crate::command::spec::Access;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;

/// Digits of a digest.
const DIGEST_DIGITS: usize = 16;

const INVALID_DIGEST: CmdError = CmdError::Text("ERR must be exactly 16 hexadecimal characters");
const INVALID_CONDITION: CmdError =
    CmdError::Text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
const NOT_A_STRING: CmdError =
    CmdError::Text("ERR Key should be of string type if conditions are specified");

/// What a value must be like, with what it is compared to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    /// IFEQ.
    Equal(&'a [u8]),
    /// IFNE.
    NotEqual(&'a [u8]),
    /// IFDEQ.
    DigestEqual(&'a [u8]),
    /// IFDNE.
    DigestNotEqual(&'a [u8]),
}

/// Makes a condition from what it compares to.
type New<'a> = fn(&'a [u8]) -> Condition<'a>;

impl<'a> Condition<'a> {
    /// Reads a condition, if the next word begins one.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Option<Condition<'a>>, CmdError> {
        let Some(new) = reader.peek().and_then(Condition::named) else { return Ok(None) };
        reader.word()?;
        reader.word().map(|operand| Some(new(operand)))
    }

    fn named(word: &[u8]) -> Option<New<'a>> {
        let conditions: [(&str, New<'a>); 4] = [
            ("IFEQ", Condition::Equal),
            ("IFNE", Condition::NotEqual),
            ("IFDEQ", Condition::DigestEqual),
            ("IFDNE", Condition::DigestNotEqual),
        ];
        let found = conditions.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, new)| *new)
    }

    /// True if both are the same option, whatever they compare to.
    pub(super) fn has_kind_of(self, other: Condition<'_>) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// Whether it holds for a missing key: nothing differs from everything.
    pub(super) fn holds_without_value(self) -> bool {
        matches!(self, Condition::NotEqual(_) | Condition::DigestNotEqual(_))
    }

    /// Whether it holds for this string. Fails if it compares to something that is no digest.
    pub(super) fn holds(self, text: Text<'_>) -> Result<bool, CmdError> {
        let mut digits = itoa::Buffer::new();
        let bytes = text.bytes(&mut digits);
        Ok(match self {
            Condition::Equal(operand) => bytes == operand,
            Condition::NotEqual(operand) => bytes != operand,
            Condition::DigestEqual(operand) => xxh3_64(bytes) == parse_digest(operand)?,
            Condition::DigestNotEqual(operand) => xxh3_64(bytes) != parse_digest(operand)?,
        })
    }
}

fn parse_digest(text: &[u8]) -> Result<u64, CmdError> {
    if text.len() != DIGEST_DIGITS || !text.iter().all(u8::is_ascii_hexdigit) {
        return Err(INVALID_DIGEST);
    }
    let digits = std::str::from_utf8(text).expect("hexadecimal digits are ASCII");
    Ok(u64::from_str_radix(digits, 16).expect("16 hexadecimal digits are 64 bits"))
}

pub(super) fn digest(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match Text::of_optional(db.read(args.key(1)))? {
        None => out.null(),
        Some(text) => {
            let digest = xxh3_64(text.bytes(&mut itoa::Buffer::new()));
            out.bulk(format!("{digest:0DIGEST_DIGITS$x}").as_bytes());
        }
    }
    Ok(())
}

/// What a DELEX with these arguments does with its key: without a condition it does not look at the
/// value.
pub(super) fn access(args: &Args<'_>) -> Access {
    let look = if args.len() > 2 { Access::RW } else { Access::RM };
    look.and(Access::DELETE)
}

pub(super) fn delex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    if args.len() != 2 && args.len() != 4 {
        return Err(CmdError::WrongArity("delex".into()));
    }
    let mut write = db.write(args.key(1));
    let remove = match (write.value(), args.get(2)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(value), Some(_)) => {
            let text = Text::of(value).map_err(|_| NOT_A_STRING)?;
            let condition = Condition::read(&mut args.reader(2))?;
            condition.ok_or(INVALID_CONDITION)?.holds(text)?
        }
    };
    let removed = remove && write.remove(Event::DEL);
    out.int(removed.into());
    Ok(())
}
