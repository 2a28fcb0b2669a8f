//! The commands by which a client introduces itself and chooses how it is served.
//!
//! Invariant: a connection's protocol, database and permissions change here and nowhere else, and
//! each change is in force before the next command is read.

use super::super::connection::Session;
use super::super::table::{HostCommand, HostRun, host};
use crate::command::spec::{Arity, Flags, Group, cmd};
use crate::observe::info;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::{Out, Protocol};

use super::client::{is_printable, set_name};
use super::shown;

const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::FAST);
/// Of what a client may do before it has said who it is.
const BEFORE_AUTH: Flags = ANY_TIME.and(Flags::NOSCRIPT).and(Flags::NO_AUTH).and(Flags::ALLOW_BUSY);

pub const COMMANDS: &[HostCommand] = &[
    host(
        cmd("AUTH", Arity::AtLeast(2), Group::Connection).flags(BEFORE_AUTH).doc(
            "Says who the client is, with a password.",
            "1.0.0",
            "O(N) where N is the number of passwords defined for the user",
        ),
        HostRun::Now(auth),
    ),
    host(
        cmd("ECHO", Arity::Exact(2), Group::Connection).flags(ANY_TIME).doc(
            "Returns the given string.",
            "1.0.0",
            "O(1)",
        ),
        HostRun::Now(echo),
    ),
    host(
        cmd("HELLO", Arity::AtLeast(1), Group::Connection).flags(BEFORE_AUTH).doc(
            "Chooses the protocol version and describes the server.",
            "6.0.0",
            "O(1)",
        ),
        HostRun::Now(hello),
    ),
    host(
        cmd("PING", Arity::AtLeast(1), Group::Connection)
            .flags(Flags::FAST)
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .doc("Shows that the server answers.", "1.0.0", "O(1)"),
        HostRun::Now(ping),
    ),
    host(
        cmd("QUIT", Arity::AtLeast(1), Group::Connection).flags(BEFORE_AUTH).doc(
            "Closes the connection.",
            "1.0.0",
            "O(1)",
        ),
        HostRun::Now(quit),
    ),
    host(
        cmd("RESET", Arity::Exact(1), Group::Connection).flags(BEFORE_AUTH).doc(
            "Makes the connection as good as new.",
            "6.2.0",
            "O(1)",
        ),
        HostRun::Now(reset),
    ),
    host(
        cmd("SELECT", Arity::Exact(2), Group::Connection).flags(ANY_TIME).doc(
            "Changes the selected database.",
            "1.0.0",
            "O(1)",
        ),
        HostRun::Now(select),
    ),
];

fn ping(_: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match args.len() {
        1 => out.simple("PONG"),
        2 => out.bulk(args.at(1)),
        _ => return Err(CmdError::WrongArity("ping".into())),
    }
    Ok(())
}

fn echo(_: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.bulk(args.at(1));
    Ok(())
}

fn quit(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    session.closing = true;
    out.ok();
    Ok(())
}

fn reset(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let authenticated = session.core.config().requirepass.as_bytes().is_empty();
    session.client.reset(authenticated);
    session.retune();
    out.set_protocol(Protocol::Resp2);
    out.simple("RESET");
    Ok(())
}

fn select(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let index = args.int(1)?;
    if i32::try_from(index).is_err() {
        return Err(CmdError::Text(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    match u16::try_from(index) {
        Ok(index) if u32::from(index) < session.core.config().databases => {
            session.client.database.set(index);
            out.ok();
            Ok(())
        }
        _ => Err(CmdError::DatabaseOutOfRange),
    }
}

const WRONG_PASSWORD: CmdError =
    CmdError::Text("WRONGPASS invalid username-password pair or user is disabled.");

fn auth(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (user, password) = match args.len() {
        2 if session.core.config().requirepass.as_bytes().is_empty() => {
            return Err(CmdError::Text(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (&b"default"[..], args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return Err(CmdError::Syntax),
    };
    authenticate(session, user, password)?;
    out.ok();
    Ok(())
}

/// Lets the client in, or leaves it as it is.
fn authenticate(session: &mut Session, user: &[u8], password: &[u8]) -> CmdResult {
    let config = session.core.config();
    let secret = config.requirepass.as_bytes();
    if user != b"default" || !(secret.is_empty() || equal_in_constant_time(secret, password)) {
        return Err(WRONG_PASSWORD);
    }
    session.client.authenticated.set(true);
    session.retune();
    Ok(())
}

/// Compares without telling by its duration where the difference is. It tells the length of
/// `given`.
fn equal_in_constant_time(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = secret.len() ^ given.len();
    for (index, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ secret[index % secret.len()]);
    }
    difference == 0
}

/// What HELLO was asked for.
#[derive(Default)]
struct Introduction<'a> {
    protocol: Option<Protocol>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Introduction<'a> {
    fn read(args: &Args<'a>) -> Result<Introduction<'a>, CmdError> {
        let mut wanted = Introduction::default();
        if args.len() == 1 {
            return Ok(wanted);
        }
        wanted.protocol = Some(match args.int(1) {
            Ok(2) => Protocol::Resp2,
            Ok(3) => Protocol::Resp3,
            Ok(_) => return Err(CmdError::Text("NOPROTO unsupported protocol version")),
            Err(_) => {
                let text = "ERR Protocol version is not an integer or out of range";
                return Err(CmdError::Text(text));
            }
        });
        let mut options = args.reader(2);
        while let Some(option) = options.peek() {
            let more = options.left() - 1;
            if more >= 2 && options.keyword("AUTH") {
                wanted.login = Some((options.word()?, options.word()?));
            } else if more >= 1 && options.keyword("SETNAME") {
                let name = options.word()?;
                is_printable(name, "Client names")?;
                wanted.name = Some(name);
            } else {
                let text = format!("ERR Syntax error in HELLO option '{}'", shown(option));
                return Err(CmdError::owned(text));
            }
        }
        Ok(wanted)
    }
}

fn hello(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let wanted = Introduction::read(args)?;
    if let Some((user, password)) = wanted.login {
        authenticate(session, user, password)?;
    }
    if !session.client.authenticated.get() {
        return Err(CmdError::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO AUTH <user> <pass> option can be used to authenticate the client and select the \
             RESP protocol version at the same time",
        ));
    }
    if let Some(name) = wanted.name {
        set_name(&session.client, name)?;
    }
    if let Some(protocol) = wanted.protocol {
        session.client.protocol.set(protocol);
        out.set_protocol(protocol);
    }
    describe(session, out);
    Ok(())
}

fn describe(session: &Session, out: &mut Out) {
    out.map(7);
    let is_cluster = session.core.config().core_ports;
    for (field, value) in [("server", "redis"), ("version", info::REDIS_VERSION)] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"proto");
    out.int(if out.is_resp3() { 3 } else { 2 });
    out.bulk(b"id");
    out.int(session.client.id as i64);
    for (field, value) in [("mode", info::mode(is_cluster)), ("role", "master")] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"modules");
    out.array(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_args;
    use proptest::prelude::*;

    fn read(words: &[&str]) -> Result<(bool, Option<Protocol>), String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        with_args(&words, |args| {
            let wanted = Introduction::read(args).map_err(|error| error.text().into_owned())?;
            Ok((wanted.login.is_some() && wanted.name.is_some(), wanted.protocol))
        })
    }

    #[test]
    fn hello_takes_its_options_in_any_order() {
        assert_eq!(read(&["HELLO"]), Ok((false, None)));
        let all = ["HELLO", "3", "setname", "me", "auth", "default", "x"];
        assert_eq!(read(&all), Ok((true, Some(Protocol::Resp3))));
        for cut in [3, 5, 6] {
            assert!(read(&all[..cut]).is_err_and(|text| text.starts_with("ERR Syntax error in")));
        }
        let unsupported = Err("NOPROTO unsupported protocol version".to_owned());
        assert_eq!(read(&["HELLO", "4"]), unsupported);
        assert!(read(&["HELLO", "2", "SETNAME", "a b"]).is_err());
    }

    proptest! {
        #[test]
        fn no_introduction_panics(words in prop::collection::vec(
            prop_oneof![
                Just(&b"AUTH"[..]), Just(&b"setname"[..]), Just(&b"3"[..]),
                Just(&b"x"[..]), Just(&b""[..]), Just(&b"\xff\x00"[..]),
            ],
            1..7,
        )) {
            let _ = with_args(&words, |args| Introduction::read(args).map(|_| ()));
        }
    }

    #[test]
    fn passwords_are_compared_whole() {
        assert!(equal_in_constant_time(b"secret", b"secret"));
        for wrong in ["", "s", "secre", "secret1", "secretsecret", "Secret"] {
            assert!(!equal_in_constant_time(b"secret", wrong.as_bytes()), "{wrong}");
        }
    }
}
