use super::*;
use crate::resp::out::Protocol;
use crate::resp::parse::Span;
use crate::session::table::table;

/// The reply to a call of GETKEYS, GETKEYSANDFLAGS, LIST, INFO or DOCS, on one line.
fn reply(line: &str) -> String {
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    for word in line.split(' ') {
        spans.push(Span::input(input.len(), word.len() as u32));
        input.extend_from_slice(word.as_bytes());
    }
    let args = Args::new(&input, &spans, &[]);
    let mut out = Out::new(Protocol::Resp2);
    let result = match args.at(1) {
        b"GETKEYS" => keys(table(), &args, &mut out, false),
        b"GETKEYSANDFLAGS" => keys(table(), &args, &mut out, true),
        b"LIST" => list(table(), &args, &mut out),
        b"INFO" => info(table(), &args, &mut out),
        _ => describe::docs(table(), &args, &mut out),
    };
    match result {
        Ok(()) => String::from_utf8(out.to_vec()).expect("text").replace("\r\n", " "),
        Err(error) => error.text().into_owned(),
    }
}

#[test]
fn keys_are_found_by_the_rows() {
    assert_eq!(reply("COMMAND GETKEYS get a"), "*1 $1 a ");
    assert_eq!(reply("COMMAND GETKEYS MSETEX 2 a 1 b 2 NX"), "*2 $1 a $1 b ");
    assert_eq!(reply("COMMAND GETKEYS OBJECT freq a"), "*1 $1 a ");
    assert_eq!(reply("COMMAND GETKEYSANDFLAGS DEL a"), "*1 *2 $1 a *2 +RM +delete ");
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let invalid = "ERR Invalid arguments specified for command";
    assert_eq!(reply("COMMAND GETKEYS MSETEX 3 a 1 b 2"), invalid);
    assert_eq!(reply("COMMAND GETKEYS MSETEX 0 a 1 b 2"), invalid);
    assert_eq!(reply("COMMAND GETKEYS MSETEX x a 1 b 2"), invalid);
    let count = "ERR Invalid number of arguments specified for command";
    assert_eq!(reply("COMMAND GETKEYS GET a b"), count);
    let keyless = "ERR The command has no key arguments";
    assert_eq!(reply("COMMAND GETKEYS PING a"), keyless);
    let unknown = "ERR Invalid command specified";
    assert_eq!(reply("COMMAND GETKEYS nonsense a"), unknown);
    assert_eq!(reply("COMMAND GETKEYS config|get a"), unknown);
    assert_eq!(reply("COMMAND GETKEYS CONFIG nonsense"), unknown);
}

#[test]
fn what_a_call_does_with_its_key_may_depend_on_its_options() {
    let flags = |line: &str| reply(line).split_once("$1 k ").expect("a key").1.to_owned();
    assert_eq!(flags("COMMAND GETKEYSANDFLAGS SET k v"), "*2 +OW +update ");
    assert_eq!(flags("COMMAND GETKEYSANDFLAGS SET k v GET"), "*3 +RW +access +update ");
    assert_eq!(flags("COMMAND GETKEYSANDFLAGS SET k v IFEQ x"), "*2 +RW +update ");
    assert_eq!(flags("COMMAND GETKEYSANDFLAGS DELEX k"), "*2 +RM +delete ");
    assert_eq!(flags("COMMAND GETKEYSANDFLAGS DELEX k IFEQ x"), "*2 +RW +delete ");
}

#[test]
fn names_are_filtered() {
    assert_eq!(reply("COMMAND LIST FILTERBY PATTERN CONFIG|G*"), "*1 $10 config|get ");
    assert_eq!(reply("COMMAND LIST FILTERBY MODULE get"), "*0 ");
    assert!(reply("COMMAND LIST FILTERBY ACLCAT STRING").contains("$3 get "));
    assert_eq!(reply("COMMAND LIST FILTERBY ACLCAT @string"), "*0 ");
    assert_eq!(reply("COMMAND LIST FILTERBY ACLCAT"), "ERR syntax error");
}

#[test]
fn unknown_names_are_null_or_left_out() {
    assert_eq!(reply("COMMAND INFO nonsense get|x config|nonsense"), "*3 $-1 $-1 $-1 ");
    assert_eq!(reply("COMMAND DOCS nonsense"), "*0 ");
}
