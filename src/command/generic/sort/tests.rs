use proptest::prelude::*;

use super::elements::Elements;
use super::request::{Pattern, Request, score};
use super::texts::Texts;
use crate::command::generic::COMMANDS;
use crate::command::string;
use crate::ds::quicklist::End;
use crate::resp::args::Key;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::hash::{FieldExpiry, Hash};
use crate::store::list::List;
use crate::store::set::Set;
use crate::testing::{Fixture, with_args};

const ADD: Event = Event::generic("add");

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS, string::COMMANDS])
}

fn fill(db: &mut Db, key: &str, elements: &[&str]) {
    let mut list = db.edit_or_create::<List>(Key::new(key.as_bytes())).expect("a list");
    for element in elements {
        list.push(End::Back, element.as_bytes(), &Default::default());
    }
    list.changed(ADD);
}

/// The bulk strings of a reply; `-` for null.
fn words(reply: &str) -> Vec<String> {
    let mut lines = reply.split("\r\n").skip(1);
    let mut words = Vec::new();
    while let Some(line) = lines.next() {
        match line {
            "$-1" | "_" => words.push("-".into()),
            line if line.starts_with('$') => words.push(lines.next().unwrap_or("").to_owned()),
            _ => {}
        }
    }
    words
}

fn sort(fixture: &mut Fixture, command: &str) -> String {
    let argv: Vec<&str> = command.split(' ').collect();
    let reply = fixture.run(&argv);
    if reply.starts_with('*') { words(&reply).join(" ") } else { reply }
}

/// The expected replies are a Redis's.
#[test]
fn replies_are_those_of_redis() {
    let mut fixture = fixture();
    fill(&mut fixture.db, "l", &["3", "1", "2", "10"]);
    fixture.run(&["MSET", "w_1", "5", "w_2", "-1", "w_3", "2", "text", "x"]);
    let mut hash = fixture.db.edit_or_create::<Hash>(Key::new(b"h1")).expect("a hash");
    hash.set(b"f", b"9", FieldExpiry::Never, 0, &Default::default());
    hash.changed(ADD);
    drop(hash);
    for (command, expected) in [
        ("SORT l", "1 2 3 10"),
        ("SORT l DESC LIMIT 1 2", "3 2"),
        ("SORT l LIMIT 2 -1", "3 10"),
        ("SORT l LIMIT -1 2", "1 2"),
        ("SORT l LIMIT 10 2", ""),
        ("SORT l LIMIT 0 0", ""),
        ("SORT l BY nosort DESC LIMIT 1 2", "2 1"),
        ("SORT l BY nosort LIMIT 1 2", "1 2"),
        ("SORT l ALPHA", "1 10 2 3"),
        ("SORT l BY w_*", "2 10 3 1"),
        (
            "SORT l BY w_* LIMIT 0 2 GET # GET w_* GET no GET x*->f GET w_*->",
            "2 -1 - - - 10 - - - -",
        ),
        ("SORT l BY h*->f GET h*->f GET w_*->f DESC LIMIT 0 2", "9 - - -"),
        ("SORT l ALPHA BY w_*", "10 2 3 1"),
        ("SORT l ALPHA DESC BY w_*", "1 3 2 10"),
        ("SORT l BY nosort BY w_*", "3 1 2 10"),
        ("SORT l BY w_* BY nosort", "3 1 2 10"),
        ("SORT l BY w_* STORE to", ":4\r\n"),
        ("SORT to BY nosort", "2 10 3 1"),
        ("SORT l STORE to GET no", ":4\r\n"),
        ("SORT to", "   "),
        ("SORT none STORE to", ":0\r\n"),
        ("EXISTS to", ":0\r\n"),
        ("SORT none", ""),
        ("SORT_RO l", "1 2 3 10"),
        ("SORT_RO l STORE x", "-ERR syntax error\r\n"),
        ("SORT l BY", "-ERR syntax error\r\n"),
        ("SORT l LIMIT 1", "-ERR syntax error\r\n"),
        ("SORT l LIMIT 1 b", "-ERR value is not an integer or out of range\r\n"),
        ("SORT l BY te*t", "1 10 2 3"),
    ] {
        assert_eq!(sort(&mut fixture, command), expected, "{command}");
    }
    for command in ["SORT w_1", "SORT h1", "SORT h1 BY nosort"] {
        assert!(sort(&mut fixture, command).starts_with("-WRONGTYPE"), "{command}");
    }
    fill(&mut fixture.db, "l", &["x"]);
    let error = "-ERR One or more scores can't be converted into double\r\n";
    assert_eq!(sort(&mut fixture, "SORT l"), error);
    assert_eq!(sort(&mut fixture, "SORT l STORE l"), error);
    assert_eq!(sort(&mut fixture, "SORT l STORE l ALPHA"), ":5\r\n");
    assert_eq!(sort(&mut fixture, "SORT l BY nosort"), "1 10 2 3 x");
}

#[test]
fn sets_are_stored_in_an_order_of_their_own() {
    let mut fixture = fixture();
    let mut set = fixture.db.edit_or_create::<Set>(Key::new(b"s")).expect("a set");
    for member in [b"b", b"a", b"c"] {
        set.insert(member, &Default::default());
    }
    set.changed(ADD);
    drop(set);
    assert_eq!(sort(&mut fixture, "SORT s BY nosort STORE to"), ":3\r\n");
    assert_eq!(sort(&mut fixture, "SORT to BY nosort"), "a b c");
    assert_eq!(sort(&mut fixture, "SORT s BY nosort LIMIT 1 1").len(), 1);
}

#[test]
fn scores_are_read_as_strtod_does() {
    for (text, expected) in [
        ("", Some(0.0)),
        ("1.5", Some(1.5)),
        (" 3", Some(3.0)),
        ("\t-3e2", Some(-300.0)),
        ("0x10", Some(16.0)),
        ("inf", Some(f64::INFINITY)),
        ("1\0x", Some(1.0)),
        ("0", Some(0.0)),
        ("3 ", None),
        (" ", None),
        ("nan", None),
        ("1e400", None),
        ("1e-320", None),
        ("x", None),
    ] {
        assert_eq!(score(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn patterns_lead_where_redis_looks() {
    let name = |pattern: &str| {
        with_args(&[b"SORT", b"k", b"GET", pattern.as_bytes()], |args| {
            let request = Request::read(args, true).expect("well-formed");
            let (pattern, mut name) = (request.gets()[0], Vec::new());
            let leads_on = pattern.name(b"E", &mut name);
            let field = pattern.field().map(|field| String::from_utf8_lossy(field).into_owned());
            leads_on.then(|| (String::from_utf8_lossy(&name).into_owned(), field))
        })
    };
    let some = |name: &str, field: Option<&str>| Some((name.to_owned(), field.map(str::to_owned)));
    assert_eq!(name("#"), None);
    assert_eq!(name("a"), None);
    assert_eq!(name("a->b"), None);
    assert_eq!(name("a*b*"), some("aEb*", None));
    assert_eq!(name("a->b*c->d->e"), some("a->bEc", Some("d->e")));
    assert_eq!(name("*->"), some("E->", None));
    assert_eq!(name("*->*"), some("E", Some("*")));
}

#[test]
fn missing_texts_are_told_from_empty_ones() {
    let mut texts = Texts::default();
    let all = [None, Some(&b""[..]), Some(b"ab"), None, None, Some(b"c")];
    all.iter().for_each(|text| texts.push(*text));
    assert_eq!(texts.iter().collect::<Vec<_>>(), all);
}

proptest! {
    #[test]
    fn limits_cut_what_the_whole_would_be(
        numbers in prop::collection::vec(-9i32..9, 0..30),
        offset in -2i64..35,
        count in -2i64..35,
        descends in any::<bool>(),
        is_alphabetic in any::<bool>(),
    ) {
        let texts: Vec<String> = numbers.iter().map(i32::to_string).collect();
        let mut fixture = fixture();
        let elements: Vec<&str> = texts.iter().map(String::as_str).collect();
        if !elements.is_empty() {
            fill(&mut fixture.db, "l", &elements);
        }
        let mut expected = texts.clone();
        if is_alphabetic {
            expected.sort();
        } else {
            expected.sort_by_key(|text| (text.parse::<i32>().unwrap_or(0), text.clone()));
        }
        if descends {
            expected.reverse();
        }
        let (skip, take) = (offset.max(0) as usize, if count < 0 { 99 } else { count as usize });
        let expected: Vec<String> = expected.into_iter().skip(skip).take(take).collect();
        let (offset, count) = (offset.to_string(), count.to_string());
        let mut argv = vec!["SORT", "l", "LIMIT", &offset, &count];
        argv.extend(descends.then_some("DESC"));
        argv.extend(is_alphabetic.then_some("ALPHA"));
        prop_assert_eq!(words(&fixture.run(&argv)), expected);
    }
}

#[test]
fn a_pattern_is_only_followed_where_it_matters() {
    with_args(&[b"SORT", b"k", b"BY", b"w*", b"GET", b"#"], |args| {
        let request = Request::read(args, true).expect("well-formed");
        assert!(request.reads_other_keys());
        let none = Elements::default();
        assert!(none.weighed_by(&request).is_none(), "there is nothing to weigh");
    });
    with_args(&[b"SORT", b"k", b"BY", b"w", b"GET", b"#", b"GET", b"w"], |args| {
        let request = Request::read(args, true).expect("well-formed");
        assert!(!request.reads_other_keys());
        assert!(matches!(request.gets(), [Pattern::Element, Pattern::Nothing]));
    });
}
