//! DEBUG DIGEST: a number that two keyspaces share if and only if they hold the same.
//!
//! It is computed as Redis does, so that a Shoal can be compared with a Redis. A key's digest
//! chains SHA-1 over its name, type and value; the digests of all keys of a database are XORed, so
//! that their order does not matter, and each core can do its own share.
//!
//! Invariant: equal keyspaces give equal digests, however their keys are divided among cores.
//! Source: <https://redis.io/docs/latest/commands/debug/>; FIPS 180-4 for SHA-1.

use sha1::{Digest as _, Sha1};

use crate::base::num;
use crate::ds::quicklist::End;
use crate::store::db::Db;
use crate::store::entry::{EntryRef, ValueRef};
use crate::store::object::{Kind, ObjectRef};
use crate::store::stream::Stream;
use crate::store::stream::id::Id;

/// A SHA-1 sum, or several combined.
pub type Digest = [u8; 20];

/// Redis's number for a type.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

fn xor_with(digest: &mut Digest, other: &[u8]) {
    digest.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// Adds `data` to a set: order does not matter.
fn xor(digest: &mut Digest, data: &[u8]) {
    xor_with(digest, &Sha1::digest(data));
}

/// Appends `data` to a sequence: order matters.
fn mix(digest: &mut Digest, data: &[u8]) {
    xor(digest, data);
    *digest = Sha1::digest(*digest).into();
}

fn mix_value(digest: &mut Digest, entry: EntryRef<'_>) {
    mix(digest, &type_number(entry.value().kind()).to_be_bytes());
    match entry.value() {
        ValueRef::Int(number) => mix(digest, itoa::Buffer::new().format(number).as_bytes()),
        ValueRef::Raw(bytes) => mix(digest, bytes),
        ValueRef::Big(bytes) => mix(digest, bytes),
        ValueRef::Object(object) => mix_object(digest, object),
    }
    if entry.expiry().is_some() {
        xor(digest, b"!!expire!!");
    }
}

fn mix_object(digest: &mut Digest, object: ObjectRef<'_>) {
    let mut digits = itoa::Buffer::new();
    match object {
        ObjectRef::List(list) => list.visit(End::Front, 0, usize::MAX, |element| {
            mix(digest, element.bytes(&mut digits));
        }),
        ObjectRef::Set(set) => {
            set.iter().for_each(|member| xor(digest, member.bytes(&mut digits)));
        }
        ObjectRef::SortedSet(set) => {
            let mut printed = Vec::new();
            for (member, score) in set.iter() {
                printed.clear();
                num::write_f64(&mut printed, score);
                xor(digest, &pair(member.bytes(&mut digits), &printed));
            }
        }
        ObjectRef::Hash(hash) => {
            let mut other = itoa::Buffer::new();
            hash.visit(i64::MIN, |field, value| {
                xor(digest, &pair(field.bytes(&mut digits), value.bytes(&mut other)));
            });
        }
        ObjectRef::Stream(stream) => mix_stream(digest, stream),
    }
}

/// The digest of one of several pairs whose order does not matter.
fn pair(first: &[u8], second: &[u8]) -> Digest {
    let mut digest = Digest::default();
    mix(&mut digest, first);
    mix(&mut digest, second);
    digest
}

/// Only the entries count, not the groups.
fn mix_stream(digest: &mut Digest, stream: &Stream) {
    let mut digits = itoa::Buffer::new();
    for entry in stream.range(Id::MIN, Id::MAX) {
        mix(digest, format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (field, value) in entry.pairs() {
            mix(digest, field.bytes(&mut digits));
            mix(digest, value.bytes(&mut digits));
        }
    }
}

/// The digest of what a key holds; of its expiry it counts that there is one.
pub fn value(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    mix_value(&mut digest, entry);
    digest
}

/// The digest of the keys of each database, `None` where there is none.
pub fn keyspace(db: &mut Db) -> Vec<Option<Digest>> {
    let selected = db.selected();
    let digests = (0..db.database_count()).map(|index| {
        db.select(index);
        let mut all = None;
        db.for_each(|entry| {
            let mut one = Digest::default();
            mix(&mut one, entry.key());
            mix_value(&mut one, entry);
            xor(all.get_or_insert_default(), &one);
        });
        all
    });
    let digests = digests.collect();
    db.select(selected);
    digests
}

/// The digest of the whole data set, out of the digests that each core gave.
pub fn combine(cores: &[Vec<Option<Digest>>]) -> Digest {
    let mut whole = Digest::default();
    let databases = cores.iter().map(Vec::len).max().unwrap_or(0);
    for database in 0..databases {
        let shares = cores.iter().filter_map(|digests| digests.get(database).copied().flatten());
        let mut keys = None;
        shares.for_each(|share| xor_with(keys.get_or_insert_default(), &share));
        if let Some(keys) = keys {
            mix(&mut whole, &(database as u32).to_be_bytes());
            xor_with(&mut whole, &keys);
        }
    }
    whole
}

/// Forty hexadecimal digits.
pub fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;
    use crate::resp::args::Key;
    use crate::store::change::Event;
    use crate::store::db::Expiry;
    use crate::store::entry::Value;
    use crate::testing::Fixture;

    fn set(db: &mut Db, key: &str, value: Value<'_>, expiry: Expiry) {
        db.write(Key::new(key.as_bytes())).set(value, expiry, Event::string("set"));
    }

    /// The expected numbers are a Redis's answers about the same keys.
    #[test]
    fn agrees_with_redis() {
        let mut fixture = Fixture::new(&[]);
        assert_eq!(hex(&combine(&[keyspace(&mut fixture.db)])), "0".repeat(40));
        set(&mut fixture.db, "a", Value::Raw(b"hello"), Expiry::Never);
        set(&mut fixture.db, "n", Value::Int(12345), Expiry::Never);
        let whole = hex(&combine(&[keyspace(&mut fixture.db)]));
        assert_eq!(whole, "644b4678ff5a11b7976efcc7118c39e47a100dba");
        let of = |db: &Db, key: &str| hex(&value(db.peek(Key::new(key.as_bytes())).expect("set")));
        assert_eq!(of(&fixture.db, "a"), "36b23a1456b2dce2c3ed252c456761301dba8060");
        assert_eq!(of(&fixture.db, "n"), "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83");
        set(&mut fixture.db, "a", Value::Raw(b"hello"), Expiry::At(i64::MAX));
        assert_ne!(of(&fixture.db, "a"), "36b23a1456b2dce2c3ed252c456761301dba8060");
    }

    /// As above.
    #[test]
    fn collections_agree_with_redis() {
        let mut fixture = Fixture::new(&[
            command::list::COMMANDS,
            command::set::COMMANDS,
            command::sorted_set::COMMANDS,
            command::stream::COMMANDS,
        ]);
        for (request, expected) in [
            ("RPUSH l a 1 b", "d5f44352f6226abea9252dad248ef5de0d964396"),
            ("SADD s a 1 b", "e8f32bbb1ad9bf537c8867de4f19fec9e001296d"),
            ("ZADD z 1 a 2.5 7 -3 c", "74335a2c30c89b903a7446239acde6f9e49a29d7"),
            ("XADD x 1-2 f 1 g v", "6103a4bff1aa5526c9273cad54ef52655ef19f17"),
        ] {
            let words: Vec<&str> = request.split(' ').collect();
            fixture.run(&words);
            let entry = fixture.db.peek(Key::new(words[1].as_bytes())).expect("it was made");
            assert_eq!(hex(&value(entry)), expected, "{request}");
        }
    }

    #[test]
    fn shares_of_cores_make_the_same_whole() {
        let (mut whole, mut left, mut right) =
            (Fixture::new(&[]), Fixture::new(&[]), Fixture::new(&[]));
        for number in 0..20i64 {
            let key = format!("key:{number}");
            let part = if number % 3 == 0 { &mut left } else { &mut right };
            for db in [&mut whole.db, &mut part.db] {
                db.select((number % 2) as usize);
                set(db, &key, Value::Int(number), Expiry::Never);
            }
        }
        let parts = [keyspace(&mut left.db), keyspace(&mut right.db)];
        assert_eq!(combine(&parts), combine(&[keyspace(&mut whole.db)]));
    }
}
