//! Replies as redis-cli prints them on a terminal, so that a transcript reads like a session.
//!
//! Invariant: one departure from redis-cli, which cannot print big numbers: `(big number) 123`.

use super::reply::Reply;
use super::words;

/// The printed form, without the last line's end.
pub fn print(reply: &Reply) -> String {
    print_indented(reply, "")
}

fn print_indented(reply: &Reply, indent: &str) -> String {
    match reply {
        Reply::Status(text) => text.clone(),
        Reply::Error(text) => format!("(error) {text}"),
        Reply::Integer(value) => format!("(integer) {value}"),
        Reply::Double(digits) => format!("(double) {digits}"),
        Reply::BigNumber(digits) => format!("(big number) {digits}"),
        Reply::Bulk(bytes) => words::quote(bytes),
        Reply::Verbatim { text, .. } => String::from_utf8_lossy(text).into_owned(),
        Reply::Nil => "(nil)".to_owned(),
        Reply::Boolean(value) => format!("({value})"),
        Reply::Array(items) => list(items, ')', "(empty array)", indent),
        Reply::Set(items) => list(items, '~', "(empty set)", indent),
        Reply::Push(items) => list(items, ')', "(empty push)", indent),
        Reply::Map(pairs) => map(pairs, indent),
    }
}

fn list(items: &[Reply], mark: char, empty: &str, indent: &str) -> String {
    if items.is_empty() {
        return empty.to_owned();
    }
    let width = items.len().to_string().len();
    let deeper = format!("{indent}{:1$}", "", width + 2);
    let mut lines = Vec::new();
    for (index, item) in items.iter().enumerate() {
        // The caller has printed what stands before the first element.
        let before = if index == 0 { "" } else { indent };
        let printed = print_indented(item, &deeper);
        lines.push(format!("{before}{:width$}{mark} {printed}", index + 1));
    }
    lines.join("\n")
}

fn map(pairs: &[(Reply, Reply)], indent: &str) -> String {
    if pairs.is_empty() {
        return "(empty hash)".to_owned();
    }
    let width = pairs.len().to_string().len();
    let deeper = format!("{indent}{:1$}", "", width + 2);
    let mut lines = Vec::new();
    for (index, (key, value)) in pairs.iter().enumerate() {
        let before = if index == 0 { "" } else { indent };
        let key = print_indented(key, &deeper);
        let link = if spans_lines(value) { format!("\n{deeper}") } else { String::new() };
        let value = print_indented(value, &deeper);
        lines.push(format!("{before}{:width$}# {key} => {link}{value}", index + 1));
    }
    lines.join("\n")
}

/// Whether redis-cli starts a new line for this value of a map.
fn spans_lines(reply: &Reply) -> bool {
    let long = |items: &[Reply]| match items {
        [] => false,
        [only] => spans_lines(only),
        _ => true,
    };
    match reply {
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => long(items),
        Reply::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, only)] => spans_lines(only),
            _ => true,
        },
        _ => false,
    }
}
