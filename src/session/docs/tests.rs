//! Rows and argument trees against each other.

use std::collections::HashSet;

use super::generate::{self, Request};
use super::{Argument, FAMILIES, Kind, find};
use crate::base::prng::Prng;
use crate::command::spec::{Access, Spec};
use crate::coordinate::route;
use crate::resp::args::Args;
use crate::resp::parse::Span;
use crate::session::table::{Entry, Row, table};
use crate::testing::Fixture;

/// Pairs of options that their command refuses together with a syntax error, although its tree,
/// which is Redis's, allows them.
const EXCLUSIVE: &[(&str, [&str; 2])] = &[
    ("INCREX", ["PERSIST", "ENX"]),
    ("XADD", ["LIMIT", "LIMIT"]),
    ("XADD", ["IDMP", "IDMP"]),
    ("XADD", ["IDMPAUTO", "IDMPAUTO"]),
    ("XTRIM", ["LIMIT", "LIMIT"]),
    ("ZINTER", ["WEIGHTS", "WEIGHTS"]),
    ("ZINTERSTORE", ["WEIGHTS", "WEIGHTS"]),
    ("ZRANGE", ["BYLEX", "WITHSCORES"]),
    ("ZRANGE", ["LIMIT", "LIMIT"]),
    ("ZRANGESTORE", ["LIMIT", "LIMIT"]),
    ("ZUNION", ["WEIGHTS", "WEIGHTS"]),
    ("ZUNIONSTORE", ["WEIGHTS", "WEIGHTS"]),
];

/// Requests generated for each command.
const REQUESTS: usize = 200;

/// Calls `check` with every node of a tree.
fn walk(arguments: &[Argument], check: &mut dyn FnMut(&Argument)) {
    for argument in arguments {
        check(argument);
        walk(argument.arguments, check);
    }
}

/// Checks something about every row; the message lists all rows that fail.
fn check_rows(check: impl Fn(&Entry) -> Result<(), String>) {
    let failure = |entry: &Entry| check(entry).err().map(|text| format!("{}: {text}", entry.name));
    let failures: Vec<String> = table().entries.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn require(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok())
}

/// Calls `use_args` with the arguments of a generated request.
fn with_args<T>(request: &Request, use_args: impl FnOnce(&Args<'_>) -> T) -> T {
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    for word in &request.words {
        spans.push(Span::input(input.len(), word.len() as u32));
        input.extend_from_slice(word.as_bytes());
    }
    use_args(&Args::new(&input, &spans, &[]))
}

#[test]
fn every_row_is_documented() {
    check_rows(|entry| {
        let spec = entry.row.spec();
        require(
            !spec.summary.is_empty() && spec.summary.ends_with('.'),
            "a summary is a sentence",
        )?;
        require(!spec.complexity.is_empty(), "the complexity is missing")?;
        require(is_version(spec.since), "the first version is no version")?;
        require(find(entry.name).is_some(), "there is no entry in session/docs")
    });
}

#[test]
fn every_entry_belongs_to_one_row() {
    let rows: HashSet<&str> = table().entries.iter().map(|entry| entry.name).collect();
    assert_eq!(rows.len(), table().entries.len(), "names of rows are unique");
    let mut seen = HashSet::new();
    let names = FAMILIES.iter().copied().flatten().map(|docs| docs.name.to_ascii_lowercase());
    let names: Vec<String> = names.collect();
    let twice: Vec<&String> = names.iter().filter(|name| !seen.insert(*name)).collect();
    assert!(twice.is_empty(), "documented twice: {twice:?}");
    let stray: Vec<&String> = names.iter().filter(|name| !rows.contains(name.as_str())).collect();
    assert!(stray.is_empty(), "documented without a row: {stray:?}");
}

#[test]
fn versions_are_versions() {
    for docs in FAMILIES.iter().copied().flatten() {
        let changes = docs.history.iter().map(|change| change.since);
        let deprecation = docs.deprecated.iter().map(|deprecation| deprecation.since);
        assert!(changes.clone().is_sorted_by_key(version_key), "{}: history in order", docs.name);
        assert!(changes.chain(deprecation).all(is_version), "{}", docs.name);
        walk(docs.arguments, &mut |argument| {
            let mut versions = argument.since.iter().chain(&argument.deprecated_since);
            assert!(versions.all(|version| is_version(version)), "{}", docs.name);
        });
    }
}

fn version_key(version: &str) -> Vec<u16> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn trees_are_well_formed() {
    for docs in FAMILIES.iter().copied().flatten() {
        walk(docs.arguments, &mut |argument| {
            let place = format!("{} {}", docs.name, argument.name);
            let is_group = matches!(argument.kind, Kind::OneOf | Kind::Block);
            assert_eq!(is_group, !argument.arguments.is_empty(), "{place}: parts of a group");
            assert!(
                argument.kind != Kind::OneOf || argument.arguments.len() > 1,
                "{place}: choice"
            );
            let names_key = argument.key_spec_index.is_some();
            assert!(argument.kind != Kind::Key || names_key, "{place}: found by");
            assert!(!names_key || matches!(argument.kind, Kind::Key | Kind::Pattern), "{place}");
            if argument.kind == Kind::PureToken {
                assert!(argument.token.is_some(), "{place}: token");
            }
        });
    }
}

#[test]
fn keys_of_trees_are_those_of_rows() {
    check_rows(|entry| {
        let count = entry.row.spec().keys.len();
        let mut used = vec![false; count];
        let mut is_inside = true;
        let docs = find(entry.name).ok_or("undocumented")?;
        walk(docs.arguments, &mut |argument| {
            if let Some(index) = argument.key_spec_index {
                is_inside &= index < count;
                used.get_mut(index).into_iter().for_each(|used| *used = true);
            }
        });
        require(is_inside, "an argument names a key specification that does not exist")?;
        require(used.iter().all(|used| *used), "a key specification that no argument uses")?;
        require(docs.key_notes.len() <= count, "a note on a key specification that does not exist")
    });
}

#[test]
fn a_key_whose_access_varies_says_how() {
    check_rows(|entry| {
        let spec = entry.row.spec();
        let varies = spec.keys.iter().any(|keys| keys.access().has(Access::VARIABLE));
        require(varies == spec.varying.is_some(), "`varying` and Access::VARIABLE go together")
    });
}

#[test]
fn generated_requests_fit_their_rows() {
    let mut random = Prng::new(1);
    let mut failures = Vec::new();
    for entry in table().entries.iter().filter(|entry| entry.row.is_runnable()) {
        let Some(docs) = find(entry.name).filter(|docs| !docs.is_internal) else { continue };
        for _ in 0..REQUESTS {
            let request = generate::request(docs, &mut random);
            if let Err(text) = with_args(&request, |args| fits(entry.row.spec(), &request, args)) {
                failures.push(format!("{text}: {:?}", request.words));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn fits(spec: &Spec, request: &Request, args: &Args<'_>) -> Result<(), String> {
    require(spec.arity.fits(args.len()), "the tree and the arity of the row disagree")?;
    let mut found = Vec::new();
    route::for_each_key(spec, args, |key| found.push(key.index));
    found.sort_unstable();
    require(found == request.keys, "the tree and the key specifications of the row disagree")
}

#[test]
fn generated_requests_have_the_syntax_of_their_handlers() {
    let mut random = Prng::new(2);
    let mut fixture = Fixture::new(&[]);
    let mut failures = Vec::new();
    for entry in table().entries.iter().filter(|entry| entry.row.is_runnable()) {
        let (Row::Data(command), Some(docs)) = (entry.row, find(entry.name)) else { continue };
        for _ in 0..REQUESTS {
            let words = generate::request(docs, &mut random).words;
            if is_excluded(&words) {
                continue;
            }
            let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            let reply = String::from_utf8_lossy(&fixture.call(command, &argv)).into_owned();
            if reply.contains("syntax error") || reply.contains("arity") {
                failures.push(format!("{words:?}: {reply:?}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn is_excluded(words: &[String]) -> bool {
    let has = |option: &&str| words.iter().any(|word| word == option);
    EXCLUSIVE.iter().any(|(name, pair)| words[0] == *name && pair.iter().all(has))
}
