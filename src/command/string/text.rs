//! A stored string, whatever form it is kept in, and the form in which an argument is stored.
//!
//! Invariant: a [`Text`] has passed the type check, so nothing that holds one can answer WRONGTYPE.
//! An integer is kept as one exactly when its canonical text is the string, so both forms read the
//! same.

use bytes::Bytes;

use crate::base::num;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::resp::parse::BIG_BULK_LEN_MIN;
use crate::store::entry::{Value, ValueRef};

/// The value of a string key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// The decimal text of this integer.
    Int(i64),
    /// These bytes.
    Raw(&'a [u8]),
    /// These bytes, which a reply may share.
    Big(&'a Bytes),
}

impl<'a> Text<'a> {
    /// The type check: [`CmdError::WrongType`] unless `value` is a string.
    #[inline]
    pub fn of(value: ValueRef<'a>) -> Result<Text<'a>, CmdError> {
        Ok(match value {
            ValueRef::Int(number) => Text::Int(number),
            ValueRef::Raw(bytes) => Text::Raw(bytes),
            ValueRef::Big(bytes) => Text::Big(bytes),
            ValueRef::Object(_) => return Err(CmdError::WrongType),
        })
    }

    /// [`Text::of`] for a key that may be missing.
    #[inline]
    pub fn of_optional(value: Option<ValueRef<'a>>) -> Result<Option<Text<'a>>, CmdError> {
        value.map(Text::of).transpose()
    }

    /// Writes it as a bulk string.
    #[inline]
    pub fn write(self, out: &mut Out) {
        match self {
            Text::Int(number) => out.bulk_int(number),
            Text::Raw(bytes) => out.bulk(bytes),
            Text::Big(bytes) => out.bulk_shared(bytes),
        }
    }

    /// Length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no command asks")]
    pub fn len(self) -> usize {
        self.bytes(&mut itoa::Buffer::new()).len()
    }

    /// The bytes; an integer is printed into `digits`.
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Text::Int(number) => digits.format(number).as_bytes(),
            Text::Raw(bytes) => bytes,
            Text::Big(bytes) => bytes,
        }
    }

    /// The bytes in a buffer that may leave this core; shared if they are many.
    pub fn to_bytes(self) -> Bytes {
        match self {
            Text::Big(bytes) => bytes.clone(),
            other => Bytes::copy_from_slice(other.bytes(&mut itoa::Buffer::new())),
        }
    }

    /// The number it spells; [`CmdError::NotInteger`] if it is not a canonical 64-bit integer.
    #[inline]
    pub fn integer(self) -> Result<i64, CmdError> {
        match self {
            Text::Int(number) => Ok(number),
            Text::Raw(bytes) => num::parse_i64(bytes).ok_or(CmdError::NotInteger),
            Text::Big(_) => Err(CmdError::NotInteger),
        }
    }
}

/// Writes a value that may be missing as a bulk string or null.
#[inline]
pub fn write_optional(text: Option<Text<'_>>, out: &mut Out) {
    match text {
        Some(text) => text.write(out),
        None => out.null(),
    }
}

/// The argument at `index` in the form in which it is stored: canonical integers as such, a large
/// argument that was received into a buffer of its own without a copy.
#[inline]
pub fn stored<'a>(args: &Args<'a>, index: usize) -> Value<'a> {
    let bytes = args.at(index);
    if let Some(number) = num::parse_i64(bytes) {
        return Value::Int(number);
    }
    if bytes.len() >= BIG_BULK_LEN_MIN
        && let Some(buffer) = args.owned(index)
    {
        return Value::Big(buffer);
    }
    Value::Raw(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::parse::Span;

    #[test]
    fn every_form_reads_the_same() {
        let big = Bytes::from_static(b"-12");
        for text in [Text::Int(-12), Text::Raw(b"-12"), Text::Big(&big)] {
            assert_eq!(text.len(), 3);
            assert_eq!(text.bytes(&mut itoa::Buffer::new()), b"-12");
            assert_eq!(text.to_bytes(), big);
        }
    }

    #[test]
    fn only_canonical_integers_are_numbers() {
        assert_eq!(Text::Raw(b"12").integer(), Ok(12));
        for text in
            [&b"012"[..], b" 12", b"12 ", b"+12", b"-0", b"1.0", b"", b"9223372036854775808"]
        {
            assert_eq!(Text::Raw(text).integer(), Err(CmdError::NotInteger), "{text:?}");
        }
    }

    #[test]
    fn a_large_argument_is_kept_without_a_copy() {
        let buffer = Bytes::from(vec![b'x'; BIG_BULK_LEN_MIN]);
        let (external, spans) = ([buffer.clone()], [Span::external(0, buffer.len())]);
        let args = Args::new(b"", &spans, &external);
        let Value::Big(kept) = stored(&args, 0) else { panic!("copied") };
        assert_eq!(kept.as_ptr(), buffer.as_ptr());
    }
}
