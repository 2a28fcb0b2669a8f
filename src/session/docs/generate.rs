//! Random requests that an argument tree allows: the grammar of every command, for tests.
//!
//! Invariant: a generated request has the arity, the words and the order that the tree prescribes,
//! and knows where its keys stand. Values are small and ordinary, so that a request may only fail
//! for what the keyspace holds or for options that exclude each other, never for its syntax.

use super::{Argument, Docs, Kind};
use crate::base::prng::Prng;

/// The most repetitions of an argument that may be repeated.
const REPETITIONS_MAX: u64 = 3;

/// A request, and the positions of its keys in rising order.
#[derive(Debug, Default)]
pub struct Request {
    pub words: Vec<String>,
    pub keys: Vec<usize>,
}

/// Arguments that count those after them.
const COUNTS: &[&str] = &["numkeys", "numids"];

/// A request to the command that `docs` describes.
pub fn request(docs: &Docs, random: &mut Prng) -> Request {
    let mut request = Request::default();
    request.words.extend(docs.name.split('|').map(str::to_owned));
    sequence(docs.arguments, random, &mut request);
    request
}

/// All of `arguments`, but some of the optional ones.
fn sequence(arguments: &[Argument], random: &mut Prng, request: &mut Request) {
    let mut arguments = arguments.iter();
    // A list behind a list of keys has one element for each of them.
    let mut keys = None;
    while let Some(argument) = arguments.next() {
        if argument.is_optional && random.chance(1, 2) {
            continue;
        }
        if !COUNTS.contains(&argument.name) {
            let count = keys.filter(|_| argument.is_multiple);
            let count = count.unwrap_or_else(|| repetitions(argument, random));
            keys = keys.or((argument.kind == Kind::Key && argument.is_multiple).then_some(count));
            repeated(argument, count, random, request);
            continue;
        }
        // The number says how often the argument after it is repeated.
        let counted = arguments.next().expect("keys follow their number");
        let count = 1 + random.below(REPETITIONS_MAX);
        request.words.push(count.to_string());
        (0..count).for_each(|_| value(counted, random, request));
    }
}

/// How often an argument stands, where more than once is allowed.
fn repetitions(argument: &Argument, random: &mut Prng) -> u64 {
    if argument.is_multiple { 1 + random.below(REPETITIONS_MAX) } else { 1 }
}

/// One argument with its token, `count` times.
fn repeated(argument: &Argument, count: u64, random: &mut Prng, request: &mut Request) {
    for repetition in 0..count {
        if argument.kind != Kind::PureToken && (repetition == 0 || argument.is_multiple_token) {
            request.words.extend(argument.token.map(str::to_owned));
        }
        value(argument, random, request);
    }
}

fn value(argument: &Argument, random: &mut Prng, request: &mut Request) {
    let word = match argument.kind {
        Kind::Block => return sequence(argument.arguments, random, request),
        Kind::OneOf => {
            let choice = random.below(argument.arguments.len() as u64) as usize;
            let chosen = &argument.arguments[choice];
            return repeated(chosen, repetitions(chosen, random), random, request);
        }
        Kind::Key => {
            request.keys.push(request.words.len());
            pick(&["a", "b", "{a}c", ""], random)
        }
        Kind::PureToken => argument.token.expect("a pure token has a token"),
        Kind::String => pick(&["1", "7.5", "word", "0123456789abcdef"], random),
        Kind::Integer => pick(&["1", "2", "7"], random),
        Kind::Double => pick(&["1", "-2.5", "1e3"], random),
        Kind::Pattern => pick(&["*", "a?", "[a-c]*"], random),
        Kind::UnixTime => pick(&["1", "4102444800", "4102444800000"], random),
    };
    request.words.push(word.to_owned());
}

fn pick<'a>(words: &[&'a str], random: &mut Prng) -> &'a str {
    words[random.below(words.len() as u64) as usize]
}
