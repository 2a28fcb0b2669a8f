//! One item, and its encoding.

use std::fmt;
use std::ptr;

use crate::base::num::parse_i64;

/// What an entry holds. Text that is an integer's canonical decimal is stored as the integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item<'a> {
    /// An integer; its text is the decimal one.
    Int(i64),
    /// Any other bytes. To be stored, it must not be the canonical decimal of an integer;
    /// `Item::from` finds out.
    Text(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The item as text; `buffer` is where that of an integer is written.
    #[inline]
    pub fn bytes<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Item::Int(value) => buffer.format(value).as_bytes(),
            Item::Text(text) => text,
        }
    }

    /// Whether the item's text is `text`.
    #[inline]
    pub fn is(self, text: &[u8]) -> bool {
        match self {
            Item::Int(value) => parse_i64(text) == Some(value),
            Item::Text(own) => own == text,
        }
    }

    /// The item's text, in a vector of its own.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// Number of bytes that the item takes in a listpack.
    #[inline]
    pub fn stored_len(self) -> usize {
        Encoded::new(self).span()
    }
}

impl<'a> From<&'a [u8]> for Item<'a> {
    #[inline]
    fn from(text: &'a [u8]) -> Item<'a> {
        // Most texts are not numbers, and most of those can be told by their last byte.
        match text.last() {
            Some(b'0'..=b'9') => parse_i64(text).map_or(Item::Text(text), Item::Int),
            _ => Item::Text(text),
        }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Item<'a> {
    fn from(text: &'a [u8; N]) -> Item<'a> {
        Item::from(&text[..])
    }
}

impl From<i64> for Item<'_> {
    fn from(value: i64) -> Self {
        Item::Int(value)
    }
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Int(value) => value.fmt(f),
            Item::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
        }
    }
}

const SMALL_TEXT: u8 = 0x80;
const SMALL_INT: u8 = 0xC0;
const MEDIUM_TEXT: u8 = 0xE0;
const LARGE_TEXT: u8 = 0xF0;
const INT_16: u8 = 0xF1;
const INT_24: u8 = 0xF2;
const INT_32: u8 = 0xF3;
const INT_64: u8 = 0xF4;

/// The first lengths of text that need the next encoding.
const SMALL_TEXT_END: usize = 64;
const MEDIUM_TEXT_END: usize = 4096;

/// An item as it is stored: the first bytes (an integer's are all), and the text.
pub(super) struct Encoded<'a> {
    head: [u8; 16],
    head_len: usize,
    text: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn new(item: Item<'a>) -> Encoded<'a> {
        let (text, head, head_len) = match item {
            Item::Int(value) => {
                let (head, head_len) = integer_head(value);
                (&[][..], head, head_len)
            }
            Item::Text(text) => {
                let (head, head_len) = text_head(text.len());
                (text, head, head_len)
            }
        };
        Encoded { head: head.to_le_bytes(), head_len, text }
    }

    /// Length of encoding and data.
    #[inline]
    fn len(&self) -> usize {
        self.head_len + self.text.len()
    }

    /// Length of the entry.
    #[inline]
    pub(super) fn span(&self) -> usize {
        span(self.len())
    }

    /// Writes the entry and returns where it ends.
    ///
    /// # Safety
    /// From `target` on, [`span`](Self::span) bytes may be written; the text is not among them.
    #[inline]
    pub(super) unsafe fn write(&self, target: *mut u8) -> *mut u8 {
        let length = self.len();
        // SAFETY: head, text and back length make up the span.
        unsafe {
            target.write(self.head[0]);
            for at in 1..self.head_len {
                target.add(at).write(self.head[at]);
            }
            let text = target.add(self.head_len);
            ptr::copy_nonoverlapping(self.text.as_ptr(), text, self.text.len());
            write_back_length(text.add(self.text.len()), length)
        }
    }
}

/// An item to be searched for.
///
/// The first eight bytes of an entry say its kind, its length and, of most texts, enough to tell
/// them apart; so they are compared as one word.
pub(super) struct Needle<'a> {
    encoded: Encoded<'a>,
    word: u64,
    mask: u64,
}

impl<'a> Needle<'a> {
    pub(super) fn new(item: Item<'a>) -> Needle<'a> {
        let encoded = Encoded::new(item);
        let mut first = [0; 8];
        let parts = encoded.head[..encoded.head_len].iter().chain(encoded.text);
        first.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        let unused_bits = 64 - 8 * encoded.len().min(8) as u32;
        Needle { encoded, word: u64::from_le_bytes(first), mask: u64::MAX >> unused_bits }
    }

    /// Whether the entry at the start of `bytes` holds the item.
    #[inline]
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk() {
            Some(&first) if u64::from_le_bytes(first) & self.mask != self.word => false,
            _ => {
                let Encoded { head, head_len, text } = &self.encoded;
                bytes.strip_prefix(&head[..*head_len]).is_some_and(|rest| rest.starts_with(text))
            }
        }
    }
}

/// The bytes of an integer, as a little-endian number, and how many they are.
#[inline]
fn integer_head(value: i64) -> (u128, usize) {
    let tagged = |tag: u8, bytes: usize| {
        let data = value as u64 & (u64::MAX >> (64 - 8 * bytes));
        (u128::from(data) << 8 | u128::from(tag), 1 + bytes)
    };
    let fits = |bits: u32| matches!(value >> (bits - 1), 0 | -1);
    if (0..=0x7F).contains(&value) {
        (value as u128, 1)
    } else if fits(13) {
        let high = SMALL_INT | (value >> 8) as u8 & 0x1F;
        (u128::from(high) | u128::from(value as u8) << 8, 2)
    } else if fits(16) {
        tagged(INT_16, 2)
    } else if fits(24) {
        tagged(INT_24, 3)
    } else if fits(32) {
        tagged(INT_32, 4)
    } else {
        tagged(INT_64, 8)
    }
}

/// The bytes in front of a text of `length` bytes, and how many they are.
#[inline]
fn text_head(length: usize) -> (u128, usize) {
    match length {
        0..SMALL_TEXT_END => (u128::from(SMALL_TEXT | length as u8), 1),
        SMALL_TEXT_END..MEDIUM_TEXT_END => {
            let high = MEDIUM_TEXT | (length >> 8) as u8;
            (u128::from(high) | u128::from(length as u8) << 8, 2)
        }
        _ => (u128::from(length as u32) << 8 | u128::from(LARGE_TEXT), 5),
    }
}

/// Length of encoding and data of the entry at the start of `bytes`, unless its encoding is not one
/// or cut off. The data may be.
#[inline]
pub(super) fn encoded_len(bytes: &[u8]) -> Option<usize> {
    Some(match *bytes.first()? {
        0..SMALL_TEXT => 1,
        first @ SMALL_TEXT..SMALL_INT => 1 + usize::from(first & 0x3F),
        SMALL_INT..MEDIUM_TEXT => 2,
        first @ MEDIUM_TEXT..LARGE_TEXT => {
            2 + (usize::from(first & 0xF) << 8 | usize::from(*bytes.get(1)?))
        }
        LARGE_TEXT => 5 + u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?) as usize,
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    })
}

/// The item at the start of `bytes`, with the length of its encoding and data; `None` if it is
/// malformed or cut off.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<(Item<'_>, usize)> {
    let length = encoded_len(bytes)?;
    let entry = bytes.get(..length)?;
    let item = match entry[0] {
        first @ 0..SMALL_TEXT => Item::Int(first.into()),
        SMALL_TEXT..SMALL_INT => Item::Text(&entry[1..]),
        first @ SMALL_INT..MEDIUM_TEXT => {
            // Thirteen bits to the top, and back with their sign.
            let bits = u16::from_be_bytes([first, entry[1]]) << 3;
            Item::Int((bits as i16 >> 3).into())
        }
        MEDIUM_TEXT..LARGE_TEXT => Item::Text(&entry[2..]),
        LARGE_TEXT => Item::Text(&entry[5..]),
        INT_16 => Item::Int(i16::from_le_bytes([entry[1], entry[2]]).into()),
        INT_24 => Item::Int(i64::from(i32::from_le_bytes([0, entry[1], entry[2], entry[3]]) >> 8)),
        INT_32 => Item::Int(i32::from_le_bytes(*entry[1..].first_chunk()?).into()),
        _ => Item::Int(i64::from_le_bytes(*entry[1..].first_chunk()?)),
    };
    Some((item, length))
}

/// Length of an entry whose encoding and data have `length` bytes: the back length takes one more,
/// and one more again from bounds that are one less than they could be, which is how Redis has it.
#[inline]
pub(super) fn span(length: usize) -> usize {
    length
        + match length {
            0..0x80 => 1,
            0x80..0x3FFF => 2,
            0x3FFF..0x1F_FFFF => 3,
            0x1F_FFFF..0xFFF_FFFF => 4,
            _ => 5,
        }
}

/// Writes the back length for `length` and returns where it ends.
///
/// # Safety
/// `span(length) - length` bytes may be written.
#[inline]
unsafe fn write_back_length(target: *mut u8, length: usize) -> *mut u8 {
    let bytes = span(length) - length;
    for at in 0..bytes {
        let group = (length >> (7 * (bytes - 1 - at))) as u8 & 0x7F;
        // SAFETY: by contract.
        unsafe { target.add(at).write(if at == 0 { group } else { group | 0x80 }) }
    }
    // SAFETY: by contract.
    unsafe { target.add(bytes) }
}

/// The back length that ends where `bytes` does; `None` if it is longer than five bytes.
#[inline]
pub(super) fn read_back_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (group, &byte) in bytes.iter().rev().take(5).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}
