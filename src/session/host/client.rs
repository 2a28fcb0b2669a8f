//! CLIENT: what connections there are, and what one may ask for itself.
//!
//! Invariant: a client is described and closed by its own core; the asking core only puts the
//! answers together. A client never closes itself through its link, but after its reply.

use std::fmt::Write;

use super::super::client::{Client, ReplyMode};
use super::super::connection::Session;
use super::super::core::Core;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::{ask_all, bad_subcommand, container, help, shown, summaries};
use crate::base::num;
use crate::command::spec::{Arity, Flags, Group, Spec, cmd};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::handover::Crossings;
use crate::shard::message::{
    Asker, Batch, ClientFilter, ClientKind, ClientLine, Request, Response, Unblock,
};

const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::NOSCRIPT);

const fn sub(name: &'static str, arity: Arity, summary: &'static str, since: &'static str) -> Spec {
    cmd(name, arity, Group::Connection)
        .flags(ANY_TIME)
        .acl(&["connection"])
        .doc(summary, since, "O(1)")
}

const fn admin(
    name: &'static str,
    arity: Arity,
    summary: &'static str,
    since: &'static str,
) -> Spec {
    let mut spec = sub(name, arity, summary, since);
    spec.complexity = "O(N) where N is the number of client connections";
    spec.flags(ANY_TIME.and(Flags::ADMIN))
}

pub const COMMANDS: &[HostCommand] = &[container(
    cmd("CLIENT", Arity::AtLeast(2), Group::Connection).doc(
        "A container for client connection commands.",
        "2.4.0",
        "Depends on subcommand.",
    ),
    SUBCOMMANDS,
)];

const SUBCOMMANDS: &[HostCommand] =
    &[
        host(
            sub("GETNAME", Arity::Exact(2), "Returns the name of the connection.", "2.6.9"),
            HostRun::Now(get_name),
        ),
        host(
            sub("GETREDIR", Arity::Exact(2), "Returns whom invalidations are sent to.", "6.0.0"),
            HostRun::Now(get_redirection),
        ),
        host(
            sub("HELP", Arity::Exact(2), "Lists the subcommands.", "5.0.0")
                .flags(Flags::LOADING.and(Flags::STALE)),
            HostRun::Now(|_, _, out| {
                help(out, "CLIENT", summaries(SUBCOMMANDS));
                Ok(())
            }),
        ),
        host(
            sub("ID", Arity::Exact(2), "Returns the number of the connection.", "5.0.0"),
            HostRun::Now(id),
        ),
        host(
            sub("INFO", Arity::Exact(2), "Describes the connection.", "6.2.0")
                .tips(&["nondeterministic_output"]),
            HostRun::Later(info),
        ),
        host(
            admin("KILL", Arity::AtLeast(3), "Closes the connections that match.", "2.4.0"),
            HostRun::Later(kill),
        ),
        host(
            admin("LIST", Arity::AtLeast(2), "Describes connections, all or some.", "2.4.0")
                .tips(&["nondeterministic_output"]),
            HostRun::Later(list),
        ),
        host(
            admin("NO-EVICT", Arity::Exact(3), "Protects the connection from eviction.", "7.0.0")
                .doc("Protects the connection from eviction.", "7.0.0", "O(1)"),
            HostRun::Now(no_evict),
        ),
        host(
            sub("NO-TOUCH", Arity::Exact(3), "Lets commands leave no trace of access.", "7.2.0"),
            HostRun::Now(no_touch),
        ),
        host(
            admin("PAUSE", Arity::AtLeast(3), "Holds commands back for a time.", "3.0.0").doc(
                "Holds commands back for a time.",
                "3.0.0",
                "O(1)",
            ),
            HostRun::Later(pause),
        ),
        host(
            sub("REPLY", Arity::Exact(3), "Says whether commands are answered.", "3.2.0"),
            HostRun::Now(reply),
        ),
        host(
            sub("SETINFO", Arity::Exact(4), "Names the client's library.", "7.2.0")
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
            HostRun::Now(set_info),
        ),
        host(
            sub("SETNAME", Arity::Exact(3), "Names the connection.", "2.6.9"),
            HostRun::Now(set_name_command),
        ),
        host(
            sub("TRACKINGINFO", Arity::Exact(2), "Describes client-side caching.", "6.2.0"),
            HostRun::Now(tracking_info),
        ),
        host(
            admin("UNBLOCK", Arity::AtLeast(3), "Ends the wait of a client.", "5.0.0").doc(
                "Ends the wait of a client.",
                "5.0.0",
                "O(log N) where N is the number of client connections",
            ),
            HostRun::Later(unblock),
        ),
        host(
            admin("UNPAUSE", Arity::Exact(2), "Lets paused commands go on.", "6.2.0"),
            HostRun::Later(unpause),
        ),
    ];

fn id(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.int(session.client.id as i64);
    Ok(())
}

fn get_name(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let name = session.client.name.borrow();
    if name.is_empty() {
        out.null()
    } else {
        out.bulk(&name)
    }
    Ok(())
}

fn set_name_command(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_name(&session.client, args.at(2))?;
    out.ok();
    Ok(())
}

/// Refuses what would break a line of CLIENT LIST; `what` begins the error.
pub(super) fn is_printable(text: &[u8], what: &str) -> CmdResult {
    if text.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    let text = format!("ERR {what} cannot contain spaces, newlines or special characters.");
    Err(CmdError::owned(text))
}

/// Names a client; an empty name takes it away.
pub(super) fn set_name(client: &Client, name: &[u8]) -> CmdResult {
    is_printable(name, "Client names")?;
    *client.name.borrow_mut() = name.to_vec();
    Ok(())
}

fn set_info(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let client = &session.client;
    let (field, attribute) = match () {
        () if args.is(2, "lib-name") => (&client.lib_name, "lib-name"),
        () if args.is(2, "lib-ver") => (&client.lib_version, "lib-ver"),
        () => {
            let text = format!("ERR Unrecognized option '{}'", shown(args.at(2)));
            return Err(CmdError::owned(text));
        }
    };
    is_printable(args.at(3), attribute)?;
    *field.borrow_mut() = args.at(3).to_vec();
    out.ok();
    Ok(())
}

fn reply(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mode = &session.client.reply;
    match () {
        () if args.is(2, "on") => {
            mode.set(ReplyMode::On);
            out.ok();
        }
        () if args.is(2, "off") => mode.set(ReplyMode::Off),
        () if args.is(2, "skip") => {
            if mode.get() != ReplyMode::Off {
                mode.set(ReplyMode::SkipNext);
            }
        }
        () => return Err(CmdError::Syntax),
    }
    Ok(())
}

fn unblock<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let args = whole.args(0);
        let how = match args.len() {
            3 => Unblock::Timeout,
            4 if args.is(3, "timeout") => Unblock::Timeout,
            4 if args.is(3, "error") => Unblock::Error,
            4 => {
                return Err(CmdError::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
            }
            _ => return Err(bad_subcommand("CLIENT", args.at(1))),
        };
        // No client has a number below 1.
        let id = args.int(2)?.max(0) as u64;
        let shards = &session.core.shards;
        let (ticket, own) = shards.hops.ask_self();
        session.core.unblock(Asker { core: session.core.me(), ticket }, id, how);
        let mut answers = shards.ask_others(|| Request::Unblock(id, how)).await;
        answers.push(own.await);
        let ended = |answer: &Response| matches!(answer, Response::Unblocked(true));
        out.int(answers.iter().any(ended).into());
        Ok(())
    })
}

fn on_or_off(args: &Args<'_>) -> Result<bool, CmdError> {
    match () {
        () if args.is(2, "on") => Ok(true),
        () if args.is(2, "off") => Ok(false),
        () => Err(CmdError::Syntax),
    }
}

fn no_evict(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    session.client.no_evict.set(on_or_off(args)?);
    out.ok();
    Ok(())
}

fn no_touch(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    session.client.no_touch.set(on_or_off(args)?);
    out.ok();
    Ok(())
}

fn get_redirection(_: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.int(-1);
    Ok(())
}

fn tracking_info(_: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.map(3);
    out.bulk(b"flags");
    out.set(1);
    out.bulk(b"off");
    out.bulk(b"redirect");
    out.int(-1);
    out.bulk(b"prefixes");
    out.array(0);
    Ok(())
}

fn info<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let line = session.client.line(session.core.now()).line;
        out.verbatim("txt", format!("{line}\n").as_bytes());
        Ok(())
    })
}

fn client_kind(word: &[u8]) -> Result<ClientKind, CmdError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientKind::Normal),
        b"master" | b"primary" => Ok(ClientKind::Master),
        b"replica" | b"slave" => Ok(ClientKind::Replica),
        b"pubsub" => Ok(ClientKind::PubSub),
        _ => Err(CmdError::owned(format!("ERR Unknown client type '{}'", shown(word)))),
    }
}

fn list_filter(args: &Args<'_>) -> Result<ClientFilter, CmdError> {
    let mut filter = ClientFilter::default();
    match args.len() {
        2 => {}
        4 if args.is(2, "type") => filter.kind = Some(client_kind(args.at(3))?),
        4.. if args.is(2, "id") => {
            for word in args.from(3) {
                let id = num::parse_i64(word).ok_or(CmdError::Text("ERR Invalid client ID"))?;
                // No client has a number below 1, so 0 stands for all of them.
                filter.ids.push(id.max(0) as u64);
            }
        }
        _ => return Err(CmdError::Syntax),
    }
    Ok(filter)
}

/// The lines of all clients that match, wherever they are served.
async fn describe_all(core: &Core, filter: &ClientFilter) -> Vec<ClientLine> {
    loop {
        let answers = ask_all(core, || Request::Clients(filter.clone())).await;
        let (lines, crossings): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Response::Clients(lines, crossings) => Some((lines, crossings)),
                _ => None,
            })
            .unzip();
        if Crossings::nobody_between(&crossings) {
            return lines.into_iter().flatten().collect();
        }
    }
}

/// Closes all clients that match, wherever they are served; returns how many.
async fn kill_all(core: &Core, filter: &ClientFilter) -> i64 {
    let mut killed = 0;
    loop {
        let answers = ask_all(core, || Request::Kill(filter.clone())).await;
        let (counts, crossings): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Response::Killed(count, crossings) => Some((count as i64, crossings)),
                _ => None,
            })
            .unzip();
        killed += counts.iter().sum::<i64>();
        if Crossings::nobody_between(&crossings) {
            return killed;
        }
    }
}

fn list<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let filter = list_filter(&whole.args(0))?;
        let mut lines = describe_all(&session.core, &filter).await;
        lines.sort_unstable_by_key(|line| line.id);
        // One that moved between two answers was met twice.
        lines.dedup_by_key(|line| line.id);
        let mut text = String::new();
        let mut print = |line: &ClientLine| {
            let _ = writeln!(text, "{}", line.line);
        };
        if filter.ids.is_empty() {
            lines.iter().for_each(&mut print);
        } else {
            // Clients that were named come in the order in which they were.
            for id in &filter.ids {
                if let Ok(index) = lines.binary_search_by_key(id, |line| line.id) {
                    print(&lines[index]);
                }
            }
        }
        out.verbatim("txt", text.as_bytes());
        Ok(())
    })
}

/// Which clients CLIENT KILL is to close.
#[derive(Debug, PartialEq, Eq)]
struct Sentence {
    filter: ClientFilter,
    spare_self: bool,
    /// The form with an address only, which answers OK or an error.
    is_old: bool,
}

impl Sentence {
    fn read(args: &Args<'_>) -> Result<Sentence, CmdError> {
        let mut filter = ClientFilter::default();
        if args.len() == 3 {
            filter.address = Some(text(args.at(2)));
            return Ok(Sentence { filter, spare_self: false, is_old: true });
        }
        let mut spare_self = true;
        let mut options = args.reader(2);
        while !options.done() {
            let (option, value) = (options.word()?, options.word()?);
            match option.to_ascii_lowercase().as_slice() {
                b"id" => filter.ids = vec![positive(value, NO_ID, NO_ID)?],
                b"maxage" => {
                    let age = positive(
                        value,
                        "ERR maxage is not an integer or out of range",
                        "ERR maxage should be greater than 0",
                    )?;
                    filter.age_min_seconds = Some(age);
                }
                b"type" => filter.kind = Some(client_kind(value)?),
                b"addr" => filter.address = Some(text(value)),
                b"laddr" => filter.local_address = Some(text(value)),
                b"user" if value == b"default" => filter.user = Some(text(value)),
                b"user" => {
                    let text = format!("ERR No such user '{}'", shown(value));
                    return Err(CmdError::owned(text));
                }
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => spare_self = true,
                b"skipme" if value.eq_ignore_ascii_case(b"no") => spare_self = false,
                _ => return Err(CmdError::Syntax),
            }
        }
        Ok(Sentence { filter, spare_self, is_old: false })
    }
}

const NO_ID: &str = "ERR client-id should be greater than 0";

fn positive(
    word: &[u8],
    no_integer: &'static str,
    too_small: &'static str,
) -> Result<u64, CmdError> {
    match num::parse_i64(word) {
        None => Err(CmdError::Text(no_integer)),
        Some(number @ 1..) => Ok(number as u64),
        Some(_) => Err(CmdError::Text(too_small)),
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn kill<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let Sentence { mut filter, spare_self, is_old } = Sentence::read(&whole.args(0))?;
        let hits_self = !spare_self && session.client.matches(&filter, session.core.now());
        filter.except = Some(session.client.id);
        let killed = kill_all(&session.core, &filter).await + i64::from(hits_self);
        session.closing |= hits_self;
        match killed {
            0 if is_old => return Err(CmdError::Text("ERR No such client")),
            _ if is_old => out.ok(),
            killed => out.int(killed),
        }
        Ok(())
    })
}

/// The duration in milliseconds, and whether only writes are held back.
fn pause_wanted(args: &Args<'_>) -> Result<(i64, bool), CmdError> {
    let writes_only = match args.get(3) {
        _ if args.len() > 4 => return Err(bad_subcommand("CLIENT", args.at(1))),
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"write") => true,
        Some(word) if word.eq_ignore_ascii_case(b"all") => false,
        Some(_) => return Err(CmdError::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    match num::parse_i64(args.at(2)) {
        None => Err(CmdError::Text("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(CmdError::Text("ERR timeout is negative")),
        Some(milliseconds) => Ok((milliseconds, writes_only)),
    }
}

fn pause<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let (milliseconds, writes_only) = pause_wanted(&whole.args(0))?;
        let until = session.core.now().saturating_add(milliseconds);
        ask_all(&session.core, || Request::Pause { until, writes_only }).await;
        out.ok();
        Ok(())
    })
}

fn unpause<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        ask_all(&session.core, || Request::Pause { until: 0, writes_only: false }).await;
        out.ok();
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_args;
    use proptest::prelude::*;

    fn split(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    fn sentence(line: &str) -> Result<Sentence, CmdError> {
        with_args(&split(line), Sentence::read)
    }

    #[test]
    fn kill_has_two_forms() {
        let old = sentence("CLIENT KILL 1.2.3.4:5").expect("an address");
        assert!(old.is_old && !old.spare_self);
        assert_eq!(old.filter.address.as_deref(), Some("1.2.3.4:5"));
        let new =
            sentence("CLIENT KILL id 7 LADDR a:1 TYPE pubsub MAXAGE 9 USER default SKIPME no");
        let expected = ClientFilter {
            ids: vec![7],
            kind: Some(ClientKind::PubSub),
            user: Some("default".into()),
            local_address: Some("a:1".into()),
            age_min_seconds: Some(9),
            ..ClientFilter::default()
        };
        assert_eq!(new, Ok(Sentence { filter: expected, spare_self: false, is_old: false }));
        assert!(sentence("CLIENT KILL ID 7").expect("an id").spare_self);
        for wrong in
            ["ID 0", "ID x", "MAXAGE 0", "TYPE x", "USER x", "SKIPME x", "x y", "ID 1 ADDR"]
        {
            assert!(sentence(&format!("CLIENT KILL {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn list_is_by_type_or_by_number() {
        let filter = |line: &str| with_args(&split(line), list_filter);
        assert_eq!(filter("CLIENT LIST"), Ok(ClientFilter::default()));
        assert_eq!(filter("CLIENT LIST ID 3 -1 3").expect("numbers").ids, [3, 0, 3]);
        let kind = filter("CLIENT LIST TYPE slave").expect("a type").kind;
        assert_eq!(kind, Some(ClientKind::Replica));
        for wrong in ["TYPE", "TYPE normal ID", "ID", "x", "x y"] {
            let line = format!("CLIENT LIST {wrong}");
            assert_eq!(filter(&line), Err(CmdError::Syntax), "{wrong}");
        }
    }

    #[test]
    fn names_are_graphic() {
        assert!(is_printable(b"!~az09", "x").is_ok() && is_printable(b"", "x").is_ok());
        for wrong in [&b"a b"[..], b"a\n", b"\x7f", b"\xc3\xa9", b"\0"] {
            assert!(is_printable(wrong, "x").is_err());
        }
    }

    proptest! {
        #[test]
        fn no_words_panic(words in prop::collection::vec(
            prop_oneof![
                "id|TYPE|addr|skipme|maxage|user|yes|no|normal|all".prop_map(String::into_bytes),
                "-?[0-9]{1,20}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            3..9,
        )) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            with_args(&words, |args| {
                let _ = Sentence::read(args);
                let _ = list_filter(args);
                let _ = pause_wanted(args);
            });
        }
    }
}
