//! Which commands a run sends, and how often each.
//!
//! Invariant: a [`Mix`] has at least one command, and every weight is above 0. Commands on
//! different types use different keys (`key:`, `counter:`, `list:`, `set:`, `hash:`, `zset:`,
//! `stream:`), so that any mix runs without type errors.

use std::str::FromStr;

use fastrand::Rng;

use crate::encode::{Argument, Template};

/// What a command does, for the model of `--check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Get,
    Set,
    Incr,
    Mset,
    Mget,
    Del,
    Lpush,
    Rpop,
    Lrange,
    Sadd,
    Hset,
    Hget,
    Zadd,
    Xadd,
    Ping,
    /// A command typed by the user: all that is known is that it must not fail.
    Custom,
}

/// What shapes the named commands.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Put in front of every key.
    pub key_prefix: String,
    /// How many keys MGET and MSET name.
    pub keys_per_command: usize,
    /// Whether SET gives its key a lifetime.
    pub has_lifetime: bool,
    /// Index of the last element that LRANGE asks for, counted from 0.
    pub range_last: u64,
}

/// A command with a name on the command line.
struct Named {
    name: &'static str,
    operation: Operation,
    /// What the keys begin with, after `--key-prefix`.
    family: &'static str,
    arguments: fn(key: Argument, shape: &Shape) -> Vec<Argument>,
}

const NAMED: &[Named] = &[
    named("get", Operation::Get, "key:", |key, _| vec![Argument::fixed("GET"), key]),
    named("set", Operation::Set, "key:", set),
    named("mget", Operation::Mget, "key:", |key, shape| {
        let keys = std::iter::repeat_n(key, shape.keys_per_command);
        std::iter::once(Argument::fixed("MGET")).chain(keys).collect()
    }),
    named("mset", Operation::Mset, "key:", |key, shape| {
        let pairs = std::iter::repeat_n([key, Argument::Value], shape.keys_per_command);
        std::iter::once(Argument::fixed("MSET")).chain(pairs.flatten()).collect()
    }),
    named("del", Operation::Del, "key:", |key, _| vec![Argument::fixed("DEL"), key]),
    named("incr", Operation::Incr, "counter:", |key, _| vec![Argument::fixed("INCR"), key]),
    named("lpush", Operation::Lpush, "list:", |key, _| {
        vec![Argument::fixed("LPUSH"), key, Argument::Value]
    }),
    named("rpop", Operation::Rpop, "list:", |key, _| vec![Argument::fixed("RPOP"), key]),
    named("lrange", Operation::Lrange, "list:", |key, shape| {
        let last = shape.range_last.to_string();
        vec![Argument::fixed("LRANGE"), key, Argument::fixed("0"), Argument::fixed(&last)]
    }),
    named("sadd", Operation::Sadd, "set:", |key, _| {
        vec![Argument::fixed("SADD"), key, Argument::element("element:")]
    }),
    named("hset", Operation::Hset, "hash:", |key, _| {
        vec![Argument::fixed("HSET"), key, Argument::element("field:"), Argument::Value]
    }),
    named("hget", Operation::Hget, "hash:", |key, _| {
        vec![Argument::fixed("HGET"), key, Argument::element("field:")]
    }),
    // The score is drawn apart from the member, so that members move.
    named("zadd", Operation::Zadd, "zset:", |key, _| {
        vec![Argument::fixed("ZADD"), key, Argument::element(""), Argument::element("element:")]
    }),
    named("xadd", Operation::Xadd, "stream:", |key, _| {
        let id = Argument::fixed("*");
        vec![Argument::fixed("XADD"), key, id, Argument::fixed("field"), Argument::Value]
    }),
    named("ping", Operation::Ping, "", |_, _| vec![Argument::fixed("PING")]),
];

const fn named(
    name: &'static str,
    operation: Operation,
    family: &'static str,
    arguments: fn(Argument, &Shape) -> Vec<Argument>,
) -> Named {
    Named { name, operation, family, arguments }
}

fn set(key: Argument, shape: &Shape) -> Vec<Argument> {
    let mut arguments = vec![Argument::fixed("SET"), key, Argument::Value];
    if shape.has_lifetime {
        arguments.extend([Argument::fixed("EX"), Argument::Lifetime]);
    }
    arguments
}

impl Named {
    fn command(&self, weight: u32, shape: &Shape) -> Command {
        let key = Argument::key(&format!("{}{}", shape.key_prefix, self.family));
        let template = Template::new(&(self.arguments)(key, shape));
        Command { name: self.name.to_string(), operation: self.operation, template, weight }
    }
}

/// One named command and its weight, as in `get=90`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    name: String,
    weight: u32,
}

impl FromStr for Weighted {
    type Err = String;

    /// Reads `NAME` or `NAME=WEIGHT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
        let name = name.trim().to_ascii_lowercase();
        if !NAMED.iter().any(|named| named.name == name) {
            let names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
            return Err(format!("{name:?} is none of {}", names.join(", ")));
        }
        Ok(Weighted { name, weight: self::weight(weight)? })
    }
}

fn weight(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(weight) if (1..=1_000_000).contains(&weight) => Ok(weight),
        _ => Err(format!("{text:?} is not a weight between 1 and 1000000")),
    }
}

/// A command typed by the user, as in `5=SET session:__key__ __data__`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    arguments: Vec<Argument>,
    weight: u32,
}

impl FromStr for Typed {
    type Err = String;

    /// Reads a command in words, which may be quoted, with an optional `WEIGHT=` in front.
    /// `__key__` and `__element__` stand for numbers, alone or inside a word; `__data__` for a
    /// value.
    fn from_str(text: &str) -> Result<Self, String> {
        let (weight, command) = match text.split_once('=') {
            Some((digits, rest)) if weight(digits).is_ok() => (weight(digits)?, rest),
            _ => (1, text),
        };
        let words = words(command)?;
        if words.is_empty() {
            return Err("the command is empty".to_string());
        }
        let arguments = words.iter().map(|word| argument(word)).collect::<Result<_, _>>()?;
        Ok(Typed { arguments, weight })
    }
}

/// Splits at blanks that are not inside single or double quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut is_inside = false;
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter.is_whitespace() => {
                is_inside = false;
                continue;
            }
            _ => {}
        }
        if !std::mem::replace(&mut is_inside, true) {
            words.push(String::new());
        }
        let is_quotation_mark =
            (quote == Some(letter)) || (quote.is_none() && "'\"".contains(letter));
        if let (false, Some(word)) = (is_quotation_mark, words.last_mut()) {
            word.push(letter);
        }
    }
    if quote.is_some() { Err("a quotation mark is not closed".to_string()) } else { Ok(words) }
}

fn argument(word: &str) -> Result<Argument, String> {
    let parts =
        |hole: &str| word.split_once(hole).map(|(before, after)| (before.into(), after.into()));
    if word == "__data__" {
        return Ok(Argument::Value);
    }
    let argument = match (parts("__key__"), parts("__element__")) {
        (Some((before, after)), None) => Argument::Key { before, after },
        (None, Some((before, after))) => Argument::Element { before, after },
        (None, None) => Argument::fixed(word),
        (Some(_), Some(_)) => return Err(format!("{word} has two holes")),
    };
    let holes = ["__key__", "__element__", "__data__"];
    if holes.iter().map(|hole| word.matches(hole).count()).sum::<usize>() > 1
        || word.contains("__data__")
    {
        return Err(format!("{word}: one hole a word, and __data__ is a word of its own"));
    }
    Ok(argument)
}

/// A command of the mix.
#[derive(Clone, Debug)]
pub struct Command {
    /// How reports call it.
    pub name: String,
    pub operation: Operation,
    pub template: Template,
    weight: u32,
}

/// Commands with weights.
#[derive(Clone, Debug)]
pub struct Mix {
    commands: Vec<Command>,
    weight_total: u32,
}

impl Mix {
    /// Makes the mix of these commands; GET alone if there are none.
    pub fn new(weighted: &[Weighted], typed: &[Typed], shape: &Shape) -> Mix {
        let named = weighted.iter().filter_map(|weighted| {
            let row = NAMED.iter().find(|named| named.name == weighted.name)?;
            Some(row.command(weighted.weight, shape))
        });
        let mut commands: Vec<Command> = named.collect();
        for typed in typed {
            let first = match typed.arguments.first() {
                Some(Argument::Fixed(name)) => String::from_utf8_lossy(name).to_ascii_lowercase(),
                _ => "command".to_string(),
            };
            let same = |name: &str| commands.iter().any(|command| command.name == name);
            let name = (1..)
                .map(|n| if n == 1 { first.clone() } else { format!("{first}#{n}") })
                .find(|name| !same(name))
                .unwrap_or_default();
            let template = Template::new(&typed.arguments);
            let operation = Operation::Custom;
            commands.push(Command { name, operation, template, weight: typed.weight });
        }
        if commands.is_empty() {
            commands.push(NAMED[0].command(1, shape));
        }
        Mix::of(commands)
    }

    fn of(commands: Vec<Command>) -> Mix {
        let weight_total = commands.iter().map(|command| command.weight).sum();
        Mix { commands, weight_total }
    }

    /// Returns a mix of SET alone, without lifetimes: what `--preload` sends.
    pub fn preload(shape: &Shape) -> Mix {
        let shape = Shape { has_lifetime: false, ..shape.clone() };
        let set = Weighted { name: "set".to_string(), weight: 1 };
        Mix::new(&[set], &[], &shape)
    }

    /// Returns mixes of one DEL each, which together remove all keys that this mix may touch.
    pub fn removals(&self) -> Vec<Mix> {
        let mut prefixes: Vec<&[u8]> = Vec::new();
        for command in self.commands.iter().filter(|c| c.operation != Operation::Custom) {
            match command.template.key_text() {
                Some((before, _)) if !prefixes.contains(&before) => prefixes.push(before),
                _ => {}
            }
        }
        let removal = |before: &[u8]| {
            let key = Argument::Key { before: before.to_vec(), after: Vec::new() };
            let template = Template::new(&[Argument::fixed("DEL"), key]);
            let operation = Operation::Custom;
            Mix::of(vec![Command { name: "del".to_string(), operation, template, weight: 1 }])
        };
        prefixes.into_iter().map(removal).collect()
    }

    /// Returns the commands; [`Mix::draw`] returns indexes into them.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Draws the index of a command.
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> usize {
        if self.commands.len() == 1 {
            return 0;
        }
        let mut ticket = rng.u32(..self.weight_total);
        for (index, command) in self.commands.iter().enumerate() {
            if ticket < command.weight {
                return index;
            }
            ticket -= command.weight;
        }
        unreachable!("a ticket is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape { key_prefix: "p:".into(), keys_per_command: 3, has_lifetime: false, range_last: 99 }
    }

    fn mix(named: &[&str], typed: &[&str]) -> Mix {
        let named: Vec<Weighted> = named.iter().map(|text| text.parse().unwrap()).collect();
        let typed: Vec<Typed> = typed.iter().map(|text| text.parse().unwrap()).collect();
        Mix::new(&named, &typed, &shape())
    }

    #[test]
    fn weights_are_frequencies() {
        let mix = mix(&["get=70", "SET=20"], &["10=ECHO hello"]);
        let mut rng = Rng::with_seed(5);
        let mut counts = [0i32; 3];
        for _ in 0..100_000 {
            counts[mix.draw(&mut rng)] += 1;
        }
        for (count, expected) in counts.into_iter().zip([70_000, 20_000, 10_000]) {
            assert!((count - expected).abs() < 800, "{counts:?}");
        }
    }

    #[test]
    fn every_name_makes_a_command() {
        for row in NAMED {
            let mix = mix(&[row.name], &[]);
            assert_eq!(mix.commands()[0].name, row.name);
            let has_key = mix.commands()[0].template.key_text().is_some();
            assert_eq!(has_key, row.operation != Operation::Ping, "{}", row.name);
        }
        assert_eq!(mix(&["mset"], &[]).commands()[0].template.key_count(), 3);
        assert_eq!(mix(&[], &[]).commands()[0].name, "get");
    }

    #[test]
    fn typed_commands_have_holes() {
        let typed: Typed = "7=SET 'a key:__key__' __data__ x__element__y".parse().unwrap();
        assert_eq!(typed.weight, 7);
        let key = Argument::Key { before: b"a key:".to_vec(), after: Vec::new() };
        let element = Argument::Element { before: b"x".to_vec(), after: b"y".to_vec() };
        assert_eq!(typed.arguments, [Argument::fixed("SET"), key, Argument::Value, element]);
        let empty_word: Typed = "ECHO ''".parse().unwrap();
        assert_eq!(empty_word.arguments.len(), 2);
        let with_equals: Typed = "SET a b=c".parse().unwrap();
        assert_eq!(with_equals.arguments.len(), 3);
        for bad in
            ["", "  ", "GET 'x", "GET __key____key__", "GET x__data__", "A __key____element__"]
        {
            assert!(bad.parse::<Typed>().is_err(), "{bad:?}");
        }
        assert_eq!(mix(&["get"], &["GET a", "GET b"]).commands()[2].name, "get#3");
    }

    #[test]
    fn bad_weights_and_names_are_refused() {
        for bad in ["", "nope", "get=0", "get=-1", "get=x", "get=1000001"] {
            assert!(bad.parse::<Weighted>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn removals_cover_each_family_once() {
        let removals = mix(&["get", "set", "incr", "ping", "zadd"], &["GET x:__key__"]).removals();
        let prefixes: Vec<_> =
            removals.iter().map(|mix| mix.commands()[0].template.key_text().unwrap().0).collect();
        assert_eq!(prefixes, [&b"p:key:"[..], b"p:counter:", b"p:zset:"]);
    }
}
