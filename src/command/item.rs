//! Elements of collections in replies.

use crate::ds::listpack::Item;
use crate::resp::out::Out;

/// Writes an element as a bulk string, in which form it may be stored as an integer.
#[inline]
pub(super) fn write_item(item: Item<'_>, out: &mut Out) {
    match item {
        Item::Int(value) => out.bulk_int(value),
        Item::Text(text) => out.bulk(text),
    }
}
