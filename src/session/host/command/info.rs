//! COMMAND INFO: a row as Redis describes it, with flags, categories, tips and key specifications
//! (<https://redis.io/docs/latest/commands/command/>).

use super::categories::{CATEGORIES, is_in_category};
use crate::command::spec::{Access, Flags, Keys, Run};
use crate::resp::out::Out;
use crate::session::docs;
use crate::session::table::{Entry, Row, Table};

/// Flags in the order in which Redis prints them; those it hides are absent.
const FLAGS: &[(Flags, &str)] = &[
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
];

/// What stands behind the flag `movablekeys`, which is derived.
const FLAGS_LAST: &[(Flags, &str)] = &[(Flags::ALLOW_BUSY, "allow_busy")];

const ACCESS: &[(Access, &str)] = &[
    (Access::RO, "RO"),
    (Access::RW, "RW"),
    (Access::OW, "OW"),
    (Access::RM, "RM"),
    (Access::ACCESS, "access"),
    (Access::UPDATE, "update"),
    (Access::INSERT, "insert"),
    (Access::DELETE, "delete"),
    (Access::NOT_KEY, "not_key"),
    (Access::INCOMPLETE, "incomplete"),
    (Access::VARIABLE, "variable_flags"),
];

/// Writes the ten elements that describe a command, subcommands within them.
pub fn write(table: &Table, entry: &Entry, out: &mut Out) {
    let spec = entry.row.spec();
    let legacy = LegacyRange::of(spec.keys);
    out.array(10);
    out.bulk(entry.name.as_bytes());
    out.int(spec.arity.number());
    write_flags(flag_names(entry.row, legacy.is_partial), out);
    out.int(legacy.first.into());
    out.int(legacy.last.into());
    out.int(legacy.step.into());
    let categories = CATEGORIES.iter().filter(|category| is_in_category(entry.row, category));
    write_flags(categories.map(|category| format!("@{category}")).collect(), out);
    out.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    write_key_specs(entry, out);
    if entry.subcommands.is_empty() {
        return out.set(0);
    }
    out.array(entry.subcommands.len());
    for &id in &entry.subcommands {
        write(table, &table.entries[id as usize], out);
    }
}

/// True if the command looks at the keyspace and cannot change it.
pub fn is_readonly(row: Row) -> bool {
    match row {
        Row::Data(command) => {
            let looks = !command.spec.keys.is_empty() || !matches!(command.run, Run::Shard(_));
            looks && !row.writes()
        }
        Row::Host(command) => command.spec.flags.has(Flags::READONLY),
    }
}

fn flag_names(row: Row, has_movable_keys: bool) -> Vec<&'static str> {
    let flags = row.spec().flags;
    let named = |list: &'static [(Flags, &'static str)]| {
        list.iter().filter(move |(flag, _)| flags.has(*flag)).map(|(_, name)| *name)
    };
    let mut names = Vec::new();
    names.extend(row.writes().then_some("write"));
    names.extend(is_readonly(row).then_some("readonly"));
    names.extend(named(FLAGS));
    names.extend(has_movable_keys.then_some("movablekeys"));
    names.extend(named(FLAGS_LAST));
    names
}

/// What a command does with a key, in Redis's words.
pub fn access_names(access: Access) -> Vec<&'static str> {
    ACCESS.iter().filter(|(flag, _)| access.has(*flag)).map(|(_, name)| *name).collect()
}

/// Writes words as a set of simple strings.
pub fn write_flags<T: AsRef<str>>(names: Vec<T>, out: &mut Out) {
    out.set(names.len());
    names.iter().for_each(|name| out.simple(name.as_ref()));
}

/// A number in the description of a key specification.
fn field(name: &str, value: i64, out: &mut Out) {
    out.bulk(name.as_bytes());
    out.int(value);
}

fn write_key_specs(entry: &Entry, out: &mut Out) {
    let keys = entry.row.spec().keys;
    let notes = docs::find(entry.name).map_or(&[][..], |docs| docs.key_notes);
    out.set(keys.len());
    for (index, keys) in keys.iter().enumerate() {
        let note = notes.get(index).copied().filter(|note| !note.is_empty());
        write_key_spec(keys, note, out);
    }
}

fn write_key_spec(keys: &Keys, note: Option<&str>, out: &mut Out) {
    out.map(3 + usize::from(note.is_some()));
    if let Some(note) = note {
        out.bulk(b"notes");
        out.bulk(note.as_bytes());
    }
    out.bulk(b"flags");
    write_flags(access_names(keys.access()), out);
    write_begin_search(keys, out);
    write_find_keys(keys, out);
}

/// Opens `title`: a map of a type and of that type's fields, `fields` of which must follow.
fn open_step(title: &str, kind: &str, fields: usize, out: &mut Out) {
    out.bulk(title.as_bytes());
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(fields);
}

fn write_begin_search(keys: &Keys, out: &mut Out) {
    const TITLE: &str = "begin_search";
    match *keys {
        Keys::At(first, _) | Keys::Range { first, .. } | Keys::Counted { count_at: first, .. } => {
            open_step(TITLE, "index", 1, out);
            field("index", first.into(), out);
        }
        Keys::After { keyword, from, .. } => {
            open_step(TITLE, "keyword", 2, out);
            out.bulk(b"keyword");
            out.bulk(keyword.as_bytes());
            field("startfrom", from.into(), out);
        }
        Keys::Custom(..) => open_step(TITLE, "unknown", 0, out),
    }
}

fn write_find_keys(keys: &Keys, out: &mut Out) {
    const TITLE: &str = "find_keys";
    let range = |last: i64, step: u8, limit: u8, out: &mut Out| {
        open_step(TITLE, "range", 3, out);
        field("lastkey", last, out);
        field("keystep", step.into(), out);
        field("limit", limit.into(), out);
    };
    match *keys {
        Keys::At(..) => range(0, 1, 0, out),
        Keys::Range { first, last, step, .. } => {
            let last = i64::from(last);
            range(if last < 0 { last } else { last - i64::from(first) }, step, 0, out);
        }
        Keys::After { last, step, limit, .. } => range(last.into(), step, limit, out),
        Keys::Counted { step, .. } => {
            open_step(TITLE, "keynum", 3, out);
            field("keynumidx", 0, out);
            field("firstkey", 1, out);
            field("keystep", step.into(), out);
        }
        Keys::Custom(..) => open_step(TITLE, "unknown", 0, out),
    }
}

/// First key, last key and step: how COMMAND described keys before there were key specifications.
#[derive(Debug, Default, PartialEq, Eq)]
struct LegacyRange {
    first: u8,
    /// Counted from the end when negative.
    last: i8,
    step: u8,
    /// True if there are keys beside the range.
    is_partial: bool,
}

impl LegacyRange {
    /// The range of a single specification as it is; several are joined while they stand side by
    /// side.
    fn of(keys: &[Keys]) -> LegacyRange {
        if let [only] = keys
            && let Some((first, last, step)) = fixed_range(only)
        {
            let is_partial = only.access().has(Access::INCOMPLETE);
            return LegacyRange { first, last, step, is_partial };
        }
        let mut joined = LegacyRange::default();
        for keys in keys {
            let Some((first, last, 1)) = fixed_range(keys) else {
                joined.is_partial = true;
                continue;
            };
            if joined.step == 0 {
                joined = LegacyRange { first, step: 1, ..joined };
            } else if i16::from(first) != i16::from(joined.last) + 1 {
                joined.is_partial = true;
                continue;
            }
            joined.last = last;
            joined.is_partial |= keys.access().has(Access::INCOMPLETE);
        }
        joined
    }
}

/// First, last and step, if the keys stand at positions that no argument moves.
fn fixed_range(keys: &Keys) -> Option<(u8, i8, u8)> {
    match *keys {
        Keys::At(index, _) => Some((index, index as i8, 1)),
        Keys::Range { first, last, step, .. } => Some((first, last, step)),
        Keys::Counted { .. } | Keys::After { .. } | Keys::Custom(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types and numbers of a key specification, in the order in which they are written.
    fn described(keys: &Keys) -> String {
        let mut out = Out::default();
        write_key_spec(keys, None, &mut out);
        let text = String::from_utf8(out.to_vec()).expect("text");
        let is_value = |line: &&str| !line.starts_with(['$', '*']);
        text.lines().filter(is_value).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn key_specifications_have_the_numbers_of_redis() {
        // ZUNION, XREAD, LCS and SORT, as Redis 7.0 describes them.
        let access = Access::RO;
        assert_eq!(
            described(&Keys::Counted { count_at: 1, step: 1, access }),
            "flags +RO begin_search type index spec index :1 \
             find_keys type keynum spec keynumidx :0 firstkey :1 keystep :1",
        );
        let keyword = "STREAMS";
        assert_eq!(
            described(&Keys::After { keyword, from: 1, last: -1, step: 1, limit: 2, access }),
            "flags +RO begin_search type keyword spec keyword STREAMS startfrom :1 \
             find_keys type range spec lastkey :-1 keystep :1 limit :2",
        );
        assert_eq!(
            described(&Keys::Range { first: 1, last: 2, step: 1, access }),
            "flags +RO begin_search type index spec index :1 \
             find_keys type range spec lastkey :1 keystep :1 limit :0",
        );
        assert_eq!(
            described(&Keys::Custom(|_, _| {}, access)),
            "flags +RO begin_search type unknown spec \
             find_keys type unknown spec",
        );
    }

    #[test]
    fn neighbours_are_joined_into_one_range() {
        let at = |index| Keys::At(index, Access::RO);
        let range = |first, last, step, is_partial| LegacyRange { first, last, step, is_partial };
        assert_eq!(LegacyRange::of(&[]), LegacyRange::default());
        assert_eq!(LegacyRange::of(&[at(1)]), range(1, 1, 1, false));
        assert_eq!(LegacyRange::of(&[at(1), at(2)]), range(1, 2, 1, false));
        assert_eq!(LegacyRange::of(&[at(1), at(3)]), range(1, 1, 1, true));
        let pairs = Keys::Range { first: 1, last: -1, step: 2, access: Access::OW };
        assert_eq!(LegacyRange::of(&[pairs]), range(1, -1, 2, false));
        let counted = Keys::Counted { count_at: 2, step: 1, access: Access::RO };
        assert_eq!(LegacyRange::of(&[counted]), range(0, 0, 0, true));
        assert_eq!(LegacyRange::of(&[at(1), counted]), range(1, 1, 1, true));
        let incomplete = Keys::At(1, Access::RO.and(Access::INCOMPLETE));
        assert_eq!(LegacyRange::of(&[incomplete]), range(1, 1, 1, true));
    }
}
