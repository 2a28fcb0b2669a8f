//! DEBUG: looks behind the scenes, for tests and for people who know what they do.
//!
//! Like Redis, DEBUG reads its subcommand itself: it is one row, and `enable-debug-command` guards
//! it as a whole. What looks at keys is a keyspace row of its own, hidden from clients, which runs
//! on the owning core.
//!
//! Invariant: no subcommand ends the process, loses data or leaves a core in a state that a client
//! cannot undo. Absent: crashes, memory leaks, reloads, and whatever shows structures we do not
//! have.

mod object;

use std::time::Duration;

use self::object::{LISTPACK, OBJECT};
use super::super::connection::Session;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::{ask_all, bad_subcommand, batch_of, help, run_on};
use crate::base::num;
use crate::command::spec::{Access, Arity, Body, Command, Flags, Fold, Group, Keys, Run, cmd};
use crate::coordinate::{gather, route};
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::digest;
use crate::shard::message::{Batch, Request, Response};
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::entry::Value;

pub const COMMANDS: &[HostCommand] = &[host(
    cmd("DEBUG", Arity::AtLeast(2), Group::Server)
        .flags(
            Flags::ADMIN
                .and(Flags::NOSCRIPT)
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::PROTECTED),
        )
        .doc("A container for debugging commands.", "1.0.0", "Depends on subcommand."),
    HostRun::Later(debug),
)];

const HELP: &[(&str, &str)] = &[
    ("DIGEST", "Returns a number that equal data sets share."),
    ("DIGEST-VALUE <key> [<key> ...]", "Returns such a number for the value of each key."),
    ("ERROR <text>", "Answers an error with this text."),
    ("HELP", "Prints this help."),
    ("HTSTATS <dbid>", "Describes the tables of a database, core by core."),
    ("LISTPACK <key>", "Logs how a key is packed; an error if it is not."),
    ("LOG <message>", "Writes a message to the server's log."),
    ("OBJECT <key>", "Describes how a key is kept."),
    (
        "POPULATE <count> [<prefix>] [<size>]",
        "Makes keys, <prefix>:0 and so on, that do not exist.",
    ),
    ("PROTOCOL <type>", "Answers a value of a protocol type; an unknown one lists them."),
    (
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "Accepted for Redis's tests; elements larger than a node are stored alone.",
    ),
    ("SET-ACTIVE-EXPIRE <0|1>", "Stops or starts the search for expired keys, on all cores."),
    ("SLEEP <seconds>", "Blocks the core that serves this connection."),
];

fn debug<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let args = whole.args(0);
        match (args.at(1).to_ascii_uppercase().as_slice(), args.len()) {
            (b"DIGEST", 2) => digest_all(session, out).await,
            (b"DIGEST-VALUE", _) => {
                let batch = batch_of(&DIGEST_VALUE, whole);
                gather::run(&session.core.shards, &batch, out).await
            }
            (b"ERROR", 3) => Err(CmdError::owned(args.at(2))),
            (b"HELP", 2) => {
                help(out, "DEBUG", HELP.iter().copied());
                Ok(())
            }
            (b"HTSTATS", 3) => table_statistics(session, whole, out).await,
            (b"LOG", 3) => {
                tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args.at(2)));
                out.ok();
                Ok(())
            }
            (b"LISTPACK", 3) => on_owner(session, whole, &LISTPACK, out).await,
            (b"OBJECT", 3) => on_owner(session, whole, &OBJECT, out).await,
            (b"POPULATE", 3..=5) => {
                Population::read(&args)?;
                gather::run(&session.core.shards, &batch_of(&POPULATE, whole), out).await
            }
            (b"PROTOCOL", 3) => protocol(args.at(2), out),
            (b"QUICKLIST-PACKED-THRESHOLD", 3) => {
                out.ok();
                Ok(())
            }
            (b"SET-ACTIVE-EXPIRE", 3) => {
                let active = c_integer(args.at(2)) != 0;
                ask_all(&session.core, || Request::ActiveExpire(active)).await;
                out.ok();
                Ok(())
            }
            (b"SLEEP", 3) => sleep(args.at(2), out),
            _ => Err(bad_subcommand("DEBUG", args.at(1))),
        }
    })
}

/// Runs a row on the core that owns the key at argument 2.
async fn on_owner(
    session: &Session,
    whole: &Batch,
    row: &'static Command,
    out: &mut Out,
) -> CmdResult {
    let owner = route::owner(session.core.shards.layout, whole.args(0).key(2));
    out.append(&run_on(&session.core, owner, row, whole).await?);
    Ok(())
}

/// The integer that a word begins with, 0 if with none.
fn c_integer(word: &[u8]) -> i64 {
    let digits = word
        .iter()
        .enumerate()
        .take_while(|(index, byte)| byte.is_ascii_digit() || (*index == 0 && **byte == b'-'));
    num::parse_i64(&word[..digits.count()]).unwrap_or(0)
}

/// Longest sleep, in seconds: a typing error must not cost a restart.
const SLEEP_MAX: f64 = 3600.0;

/// Blocks the thread, and with it every connection and every key of the core.
#[expect(clippy::disallowed_methods, reason = "blocking is what was asked for")]
fn sleep(seconds: &[u8], out: &mut Out) -> CmdResult {
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(0.0).min(SLEEP_MAX);
    std::thread::sleep(Duration::from_secs_f64(seconds));
    out.ok();
    Ok(())
}

async fn digest_all(session: &Session, out: &mut Out) -> CmdResult {
    let answers = ask_all(&session.core, || Request::Digest).await;
    let cores: Vec<_> = answers
        .into_iter()
        .filter_map(|answer| match answer {
            Response::Digests(digests) => Some(digests),
            _ => None,
        })
        .collect();
    out.simple(&digest::hex(&digest::combine(&cores)));
    Ok(())
}

/// Answers the digest of each key in arguments 1 and following; zeros where there is none.
static DIGEST_VALUE: Command = cmd("DIGEST-VALUE", Arity::AtLeast(2), Group::Server)
    .keys(&[Keys::Range { first: 2, last: -1, step: 1, access: Access::RO }])
    .run(Run::Scatter(Body::Reads(digest_values), Fold::InOrder));

fn digest_values(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.array(args.len() - 1);
    for index in 1..args.len() {
        let digest = db.peek(args.key(index)).map_or([0; 20], digest::value);
        out.simple(&digest::hex(&digest));
    }
    Ok(())
}

/// What DEBUG POPULATE is to make.
struct Population<'a> {
    count: u64,
    prefix: &'a [u8],
    /// Bytes of each value; 0 for as many as its text has.
    size: usize,
}

impl<'a> Population<'a> {
    fn read(args: &Args<'a>) -> Result<Population<'a>, CmdError> {
        let positive = |index: usize| {
            let number = args.get(index).map_or(Some(0), num::parse_i64);
            let refusal = CmdError::Text("ERR value is out of range, must be positive");
            number.and_then(|number| u64::try_from(number).ok()).ok_or(refusal)
        };
        let (count, size) = (positive(2)?, positive(4)?);
        let prefix = args.get(3).unwrap_or(b"key");
        Ok(Population { count, prefix, size: size as usize })
    }
}

/// Makes this shard's share of the keys.
static POPULATE: Command = cmd("POPULATE", Arity::AtLeast(3), Group::Server)
    .run(Run::Every(Body::Writes(populate), Fold::AllOk));

fn populate(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let Population { count, prefix, size } = Population::read(args)?;
    if size > db.tuning.string_len_max {
        return Err(CmdError::StringTooLong);
    }
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for number in 0..count {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        name.clear();
        name.extend_from_slice(prefix);
        name.push(b':');
        name.extend_from_slice(digits);
        let key = Key::new(&name);
        if !db.owns(key) || db.peek(key).is_some() {
            continue;
        }
        value.clear();
        value.extend_from_slice(b"value:");
        value.extend_from_slice(digits);
        if size > 0 {
            value.resize(size, 0);
        }
        db.write(key).set(Value::Raw(&value), Expiry::Never, Event::string("set"));
    }
    out.ok();
    Ok(())
}

/// Describes the table of the database at argument 2.
static TABLE: Command =
    cmd("HTSTATS", Arity::Exact(3), Group::Server).run(Run::Shard(Body::Reads(table)));

fn table(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    debug_assert_eq!(args.int(2), Ok(db.selected() as i64));
    let (slots, bytes) = db.table_shape();
    out.simple(&format!(
        "core {}: keys {}, with an expiry {}, table size {slots}, table bytes {bytes}",
        db.shard(),
        db.len(),
        db.volatile(),
    ));
    Ok(())
}

async fn table_statistics(session: &Session, whole: &Batch, out: &mut Out) -> CmdResult {
    let index = whole.args(0).int(2)?;
    let databases = i64::from(session.core.config().databases);
    if !(0..databases).contains(&index) {
        return Err(CmdError::Text("ERR Out of range database"));
    }
    let mut batch = batch_of(&TABLE, whole);
    batch.conditions.database = index as u16;
    let mut text = String::from("[Dictionary HT]\n");
    for owner in session.core.shards.cores() {
        let line = run_on(&session.core, owner, &TABLE, &batch).await?.to_vec();
        let line = String::from_utf8_lossy(&line);
        text.push_str(line.trim_start_matches('+').trim_end());
        text.push('\n');
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

#[expect(clippy::approx_constant, reason = "clients' tests compare with this very number")]
const SOME_DOUBLE: f64 = 3.141;

/// A value of each protocol type, as Redis's clients expect them in their tests.
fn protocol(kind: &[u8], out: &mut Out) -> CmdResult {
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double(SOME_DOUBLE),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|number| out.int(number));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|number| out.int(number));
        }
        b"map" => {
            out.map(3);
            for number in 0..3 {
                out.int(number);
                out.boolean(number == 1);
            }
        }
        b"attrib" => {
            if out.is_resp3() {
                out.raw(b"|1\r\n");
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.int(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        b"push" if out.is_resp3() => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
            out.bulk(b"Some real reply following the push reply");
        }
        b"push" => return Err(CmdError::Text("ERR RESP2 is not supported by this command")),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        _ => {
            return Err(CmdError::Text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::out::Protocol;
    use crate::store::entry::ValueRef;
    use crate::testing::Fixture;

    static ROWS: &[&[Command]] = &[&[
        cmd("OBJECT", Arity::Exact(3), Group::Server).run(OBJECT.run),
        cmd("POPULATE", Arity::AtLeast(3), Group::Server).run(POPULATE.run),
        cmd("DIGEST-VALUE", Arity::AtLeast(2), Group::Server).run(DIGEST_VALUE.run),
    ]];

    #[test]
    fn keys_are_made_once_and_described() {
        let mut fixture = Fixture::new(ROWS);
        assert_eq!(fixture.run(&["POPULATE", "x", "3", "k", "10"]), "+OK\r\n");
        assert_eq!(fixture.db.len(), 3);
        assert_eq!(fixture.run(&["POPULATE", "x", "4", "k", "2"]), "+OK\r\n");
        let value = |db: &Db, key: &str| match db.peek(Key::new(key.as_bytes())).map(|e| e.value())
        {
            Some(ValueRef::Raw(bytes)) => bytes.to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(value(&fixture.db, "k:2"), b"value:2\0\0\0");
        assert_eq!(value(&fixture.db, "k:3"), b"va");
        let line = fixture.run(&["OBJECT", "x", "k:3"]);
        assert!(line.contains(" refcount:1 encoding:embstr serializedlength:3 lru:"), "{line}");
        assert_eq!(fixture.run(&["OBJECT", "x", "none"]), "-ERR no such key\r\n");
        let digest = fixture.run(&["DIGEST-VALUE", "none"]);
        assert_eq!(digest, format!("*1\r\n+{}\r\n", "0".repeat(40)));
        for wrong in ["-1", "x", "", "99999999999999999999"] {
            let refused = fixture.run(&["POPULATE", "x", wrong]);
            assert_eq!(refused, "-ERR value is out of range, must be positive\r\n");
        }
    }

    #[test]
    fn integers_are_read_as_in_c() {
        let words = [&b"1"[..], b"0", b"-3x", b"x", b"", b"12 3", b"99999999999999999999"];
        assert_eq!(words.map(c_integer), [1, 0, -3, 0, 0, 12, 0]);
    }

    #[test]
    fn odd_durations_do_not_sleep() {
        for word in ["", "abc", "-5", "NaN", "-inf", "1e-9"] {
            let mut out = Out::new(Protocol::Resp2);
            assert_eq!(sleep(word.as_bytes(), &mut out), Ok(()));
            assert_eq!(out.to_vec(), b"+OK\r\n");
        }
    }

    #[test]
    fn every_protocol_type_has_a_value() {
        let types =
            "string integer double null array set map attrib push verbatim true false bignum";
        for kind in types.split(' ') {
            let mut out = Out::new(Protocol::Resp3);
            assert_eq!(protocol(kind.to_ascii_uppercase().as_bytes(), &mut out), Ok(()), "{kind}");
            let mut out = Out::new(Protocol::Resp2);
            assert_eq!(protocol(kind.as_bytes(), &mut out).is_ok(), kind != "push");
        }
        assert!(protocol(b"nonsense", &mut Out::new(Protocol::Resp3)).is_err());
    }
}
