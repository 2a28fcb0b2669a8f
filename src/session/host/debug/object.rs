//! DEBUG OBJECT and LISTPACK: how a value is stored.

use std::fmt::Write as _;

use crate::base::num;
use crate::command::generic::encoding_of;
use crate::command::spec::{Arity, Body, Command, Group, Run, cmd};
use crate::ds::listpack::Item;
use crate::ds::quicklist::End;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::entry::ValueRef;
use crate::store::evict;
use crate::store::list::List;
use crate::store::object::ObjectRef;

/// Describes the key at argument 2.
pub(super) static OBJECT: Command =
    cmd("OBJECT", Arity::Exact(3), Group::Server).run(Run::Shard(Body::Reads(object)));

/// Logs how the value of the key at argument 2 is packed.
pub(super) static LISTPACK: Command =
    cmd("LISTPACK", Arity::Exact(3), Group::Server).run(Run::Shard(Body::Reads(listpack)));

fn listpack(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let entry = db.peek(args.key(2)).ok_or(CmdError::NoSuchKey)?;
    let encoding = encoding_of(entry);
    let ValueRef::Object(object) = entry.value() else { return Err(NOT_PACKED) };
    if !encoding.starts_with("listpack") {
        return Err(NOT_PACKED);
    }
    let (elements, bytes) = (object.elements(), object.memory(0));
    tracing::info!(key = %entry.key().escape_ascii(), encoding, elements, bytes, "DEBUG LISTPACK");
    // These words although it went to the log: tools that ask know no others.
    out.simple("Listpack structure printed on stdout");
    Ok(())
}

const NOT_PACKED: CmdError = CmdError::Text("ERR Not a listpack encoded object.");

fn object(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let entry = db.peek(args.key(2)).ok_or(CmdError::NoSuchKey)?;
    let mut line = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.key().as_ptr(),
        encoding_of(entry),
        serialized_length(entry.value()),
        entry.access() & 0xff_ffff,
        evict::idle_seconds(entry, db.now()),
    );
    if let ValueRef::Object(ObjectRef::List(List::Quick(list))) = entry.value() {
        let limits = db.tuning.encoding;
        let _ = write!(
            line,
            " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} \
             ql_uncompressed_size:{}",
            list.nodes(),
            list.len() as f64 / list.nodes().max(1) as f64,
            limits.list_size,
            u8::from(limits.list_compress_depth > 0),
            list.uncompressed_len(),
        );
    }
    out.simple(&line);
    Ok(())
}

/// Bytes of the value in an RDB file that is not compressed; of a collection about so many.
fn serialized_length(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Int(number) => {
            integer_length(number).unwrap_or(1 + itoa::Buffer::new().format(number).len())
        }
        ValueRef::Raw(bytes) => text_length(bytes),
        ValueRef::Big(bytes) => text_length(bytes),
        ValueRef::Object(object) => collection_length(object),
    }
}

/// Each element as a string of its own.
fn collection_length(object: ObjectRef<'_>) -> usize {
    let mut digits = itoa::Buffer::new();
    let mut item = |item: Item<'_>| text_length(item.bytes(&mut digits));
    let elements: usize = match object {
        ObjectRef::List(list) => {
            let mut sum = 0;
            list.visit(End::Front, 0, usize::MAX, |element| sum += item(element));
            sum
        }
        ObjectRef::Set(set) => set.iter().map(item).sum(),
        ObjectRef::SortedSet(set) => {
            set.iter().map(|(member, _)| item(member) + size_of::<f64>()).sum()
        }
        ObjectRef::Hash(hash) => {
            let mut sum = 0;
            hash.visit(i64::MIN, |field, value| sum += item(field) + item(value));
            sum
        }
        ObjectRef::Stream(_) => object.memory(0),
    };
    header_length(object.elements()) + elements
}

fn text_length(text: &[u8]) -> usize {
    // RDB keeps what looks like a 32-bit integer as one.
    let number = (text.len() <= 11).then(|| num::parse_i64(text)).flatten();
    number.and_then(integer_length).unwrap_or(header_length(text.len()) + text.len())
}

/// Bytes in which RDB writes a length.
fn header_length(length: usize) -> usize {
    match length {
        ..0x40 => 1,
        0x40..0x4000 => 2,
        _ => 5,
    }
}

fn integer_length(number: i64) -> Option<usize> {
    i8::try_from(number)
        .map(|_| 2)
        .or_else(|_| i16::try_from(number).map(|_| 3))
        .or_else(|_| i32::try_from(number).map(|_| 5))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;
    use crate::testing::Fixture;

    #[test]
    fn values_have_the_length_of_an_rdb_file() {
        let of = |text: &str| serialized_length(ValueRef::Raw(text.as_bytes()));
        assert_eq!([of(""), of("abc"), of("100"), of("-30000"), of("70000")], [1, 4, 2, 3, 5]);
        assert_eq!([of("99999999999"), of(&"x".repeat(63)), of(&"x".repeat(64))], [12, 64, 66]);
        assert_eq!(serialized_length(ValueRef::Int(12_345_678_901_234)), 15);
    }

    #[test]
    fn collections_are_the_sum_of_their_elements() {
        let mut fixture = Fixture::new(&[command::list::COMMANDS, command::set::COMMANDS]);
        fixture.run(&["RPUSH", "list", "a", "100", "bcd"]);
        fixture.run(&["SADD", "set", "1", "2", "300"]);
        let mut line = |key: &str| {
            let words = [&b"OBJECT"[..], b"OBJECT", key.as_bytes()];
            String::from_utf8_lossy(&fixture.call(&OBJECT, &words)).into_owned()
        };
        assert!(line("list").contains(" encoding:listpack serializedlength:9 lru:"));
        assert!(!line("list").contains("ql_nodes"));
        assert!(line("set").contains(" encoding:intset serializedlength:8 lru:"));
        let element = "x".repeat(1000);
        for _ in 0..100 {
            fixture.run(&["RPUSH", "long", &element]);
        }
        let words = [&b"OBJECT"[..], b"OBJECT", b"long"];
        let line = String::from_utf8_lossy(&fixture.call(&OBJECT, &words)).into_owned();
        assert!(line.contains(" encoding:quicklist serializedlength:100202 "), "{line}");
        assert!(line.contains(" ql_nodes:13 ql_avg_node:7.69 ql_listpack_max:-2 "), "{line}");
        assert!(line.contains(" ql_compressed:0 ql_uncompressed_size:100"), "{line}");
    }
}
