//! The commands of the simulator on one sequential keyspace: what Redis would answer.
//!
//! A key may have a deadline. A command of several cores reads the clock more than once, so a key
//! whose deadline falls between the command's call and its answer may be there for it or not; the
//! model then goes both ways ([`Model::outcomes`]). In all other cases it is sure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::time::Millis;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
    Set(BTreeSet<u64>),
}

/// A value with the time at which it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    value: Value,
    deadline: Option<Millis>,
}

type Keys = BTreeMap<Vec<u8>, Held>;

/// A key with the number of its database.
pub type Place = (usize, Vec<u8>);

/// Two databases of strings, and of lists and sets under other names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    databases: [Keys; 2],
    /// Some key has had a deadline: then nobody knows how many keys are counted.
    is_volatile: bool,
}

/// A command with its database, and the times between which it ran.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub database: usize,
    pub words: &'a [Vec<u8>],
    pub called: Millis,
    pub answered: Millis,
}

impl Run<'_> {
    fn name(&self) -> String {
        String::from_utf8_lossy(&self.words[0]).to_ascii_uppercase()
    }
}

impl Model {
    /// All that a command may do and answer (in RESP2), each with the keyspace after it.
    pub fn outcomes(mut self, run: &Run<'_>) -> Vec<(Model, String)> {
        let (gone, open) = self.overdue(run);
        if gone.is_empty() && open.is_empty() {
            let reply = self.apply(run);
            return vec![(self, reply)];
        }
        let is_read = matches!(&*run.name(), "GET" | "MGET" | "EXISTS" | "PEXPIRETIME");
        let ways = (0..1u32 << open.len().min(6)).map(|choice| {
            let mut after = self.clone();
            let chosen = open.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1);
            for (database, key) in gone.iter().chain(chosen.map(|(_, place)| place)) {
                after.databases[*database].remove(key);
            }
            let reply = after.apply(run);
            (if is_read { self.clone() } else { after }, reply)
        });
        ways.collect()
    }

    /// The keys that a command names whose deadline is over for sure, and may be over.
    fn overdue(&self, run: &Run<'_>) -> (Vec<Place>, Vec<Place>) {
        let (mut gone, mut open) = (Vec::new(), Vec::new());
        for (database, keys) in self.databases.iter().enumerate().filter(|_| self.is_volatile) {
            for word in &run.words[1..] {
                let Some(deadline) = keys.get(word).and_then(|held| held.deadline) else {
                    continue;
                };
                let list = if deadline <= run.called { &mut gone } else { &mut open };
                let place = (database, word.clone());
                if deadline <= run.answered && !list.contains(&place) {
                    list.push(place);
                }
            }
        }
        (gone, open)
    }

    /// The keys of a database; with `lasting` only those that have no deadline before that.
    pub fn keys(&self, database: usize, lasting: Option<Millis>) -> Vec<Vec<u8>> {
        let lasts = |held: &Held| match (held.deadline, lasting) {
            (Some(deadline), Some(until)) => deadline > until,
            _ => true,
        };
        let keys = self.databases[database].iter().filter(|(_, held)| lasts(held));
        keys.map(|(key, _)| key.clone()).collect()
    }

    /// True if a reply of DBSIZE is right, where the model is not sure of the number.
    pub fn may_count(&self, run: &Run<'_>, reply: &str) -> bool {
        let number = reply.strip_prefix(':').and_then(|text| text.trim_end().parse().ok());
        let least = self.keys(run.database, Some(run.answered)).len();
        self.is_volatile && run.name() == "DBSIZE" && number.is_some_and(|count| least <= count)
    }

    /// Each key with what GET, LRANGE or SMEMBERS answer at `now`.
    pub fn contents(&self, now: Millis) -> BTreeMap<Place, String> {
        let mut contents = BTreeMap::new();
        for (database, keys) in self.databases.iter().enumerate() {
            let live = keys.iter().filter(|(_, held)| held.deadline.is_none_or(|at| at > now));
            for (key, held) in live {
                let shown = match &held.value {
                    Value::Text(text) => bulk(Some(text)),
                    Value::List(list) => array(list.iter().map(|element| bulk(Some(element)))),
                    Value::Set(numbers) => members(numbers),
                };
                contents.insert((database, key.clone()), shown);
            }
        }
        contents
    }

    /// True if one of the keys that a command waits for has elements at `now`.
    pub fn could_serve(&self, database: usize, words: &[Vec<u8>], now: Millis) -> bool {
        let awaited = if words[0].eq_ignore_ascii_case(b"BLMOVE") {
            &words[1..2]
        } else {
            &words[1..words.len() - 1]
        };
        let keys = self.keys(database, Some(now));
        awaited.iter().any(|key| keys.contains(key))
    }

    /// Runs a command on the keys that are there and returns its reply.
    fn apply(&mut self, run: &Run<'_>) -> String {
        let (database, words, name) = (run.database, run.words, run.name());
        if let Some(reply) = self.apply_to_lists(database, &name, words) {
            return reply;
        }
        if let Some(reply) = apply_to_sets(&mut self.databases[database], &name, words) {
            return reply;
        }
        if let Some(reply) = self.apply_to_all(database, &name, words) {
            return reply;
        }
        let keys = &mut self.databases[database];
        match name.as_str() {
            "SET" => {
                set(keys, &words[1], &words[2]);
                if let Some(time) = words.get(4) {
                    self.expire(database, &words[1], number(time));
                }
                ok()
            }
            "MSET" => set_all(keys, &words[1..]),
            "MSETNX" => {
                let free = words[1..].iter().step_by(2).all(|key| !keys.contains_key(key));
                if free {
                    set_all(keys, &words[1..]);
                }
                int(free.into())
            }
            "GET" => bulk(text(keys, &words[1])),
            "MGET" => array(words[1..].iter().map(|key| bulk(text(keys, key)))),
            "INCR" => increment(keys, &words[1]),
            "PEXPIREAT" => int(self.expire(database, &words[1], number(&words[2])).into()),
            "PERSIST" => {
                let held = keys.get_mut(&words[1]);
                int(held.is_some_and(|held| held.deadline.take().is_some()).into())
            }
            "PEXPIRETIME" => match keys.get(&words[1]).map(|held| held.deadline) {
                None => ":-2\r\n".into(),
                Some(None) => ":-1\r\n".into(),
                Some(Some(deadline)) => format!(":{deadline}\r\n"),
            },
            other => unreachable!("the model does not know {other}"),
        }
    }

    /// The reply of a command on keys of any type.
    fn apply_to_all(&mut self, database: usize, name: &str, words: &[Vec<u8>]) -> Option<String> {
        let keys = &mut self.databases[database];
        Some(match name {
            "DEL" => int(words[1..].iter().filter(|key| keys.remove(*key).is_some()).count()),
            "EXISTS" => int(words[1..].iter().filter(|key| keys.contains_key(*key)).count()),
            "DBSIZE" => int(keys.len()),
            "RENAME" => match keys.remove(&words[1]) {
                None => "-ERR no such key\r\n".into(),
                Some(held) => {
                    keys.insert(words[2].clone(), held);
                    ok()
                }
            },
            "COPY" => self.copy(database, words),
            "SWAPDB" => {
                self.databases.swap(0, 1);
                ok()
            }
            "FLUSHDB" => {
                keys.clear();
                ok()
            }
            "FLUSHALL" => {
                self.databases.iter_mut().for_each(BTreeMap::clear);
                ok()
            }
            _ => return None,
        })
    }

    /// The reply of a command on lists.
    fn apply_to_lists(&mut self, database: usize, name: &str, words: &[Vec<u8>]) -> Option<String> {
        let keys = &mut self.databases[database];
        Some(match name {
            "RPUSH" => int(push(keys, &words[1], &words[2..])),
            "LPOP" if words.len() > 2 => match keys.contains_key(&words[1]) {
                false => "*-1\r\n".into(),
                true => {
                    let popped = (0..3).map_while(|_| pop(keys, &words[1]));
                    array(popped.map(|element| bulk(Some(&element))))
                }
            },
            "LPOP" => bulk(pop(keys, &words[1]).as_ref()),
            "LRANGE" => {
                let (first, count) = if words[2] == b"0" { (0, usize::MAX) } else { (1, 2) };
                let list = keys.get(&words[1]).map(list_of).into_iter().flatten();
                array(list.skip(first).take(count).map(|element| bulk(Some(element))))
            }
            "SORT" => {
                let list = keys.get(&words[1]).map(list_of).into_iter().flatten();
                let mut sorted: Vec<_> = list.cloned().collect();
                sorted.sort();
                keys.remove(&words[4]);
                if !sorted.is_empty() {
                    push(keys, &words[4], &sorted);
                }
                int(sorted.len())
            }
            "LMOVE" | "BLMOVE" => {
                let deadline = keys.get(&words[1]).and_then(|held| held.deadline);
                let element = pop(keys, &words[1]);
                if let Some(element) = &element {
                    let is_rotated = words[1] == words[2];
                    push(keys, &words[2], std::slice::from_ref(element));
                    if let (true, Some(held)) = (is_rotated, keys.get_mut(&words[2])) {
                        held.deadline = deadline;
                    }
                }
                bulk(element.as_ref())
            }
            "BLPOP" => {
                // Where the server says from which key it served a client that waited, it is that.
                let served = words.last().and_then(|word| word.strip_prefix(b"="));
                let served = served.and_then(served_key);
                let awaited = &words[1..words.len() - 1];
                let found = awaited.iter().find(|key| match &served {
                    Some(served) => *key == served,
                    None => keys.contains_key(*key),
                });
                match found.and_then(|key| Some((key, pop(keys, key)?))) {
                    None => "*-1\r\n".into(),
                    Some((key, element)) => {
                        array([bulk(Some(key)), bulk(Some(&element))].into_iter())
                    }
                }
            }
            _ => return None,
        })
    }

    fn expire(&mut self, database: usize, key: &[u8], deadline: Millis) -> bool {
        let held = self.databases[database].get_mut(key);
        self.is_volatile |= held.is_some();
        held.map(|held| held.deadline = Some(deadline)).is_some()
    }

    /// COPY source target [DB number]
    fn copy(&mut self, database: usize, words: &[Vec<u8>]) -> String {
        let into = words.get(4).map_or(database, |number| usize::from(number[0] - b'0'));
        let source = self.databases[database].get(&words[1]).cloned();
        let copied = source.filter(|_| !self.databases[into].contains_key(&words[2]));
        let done = copied.is_some();
        if let Some(held) = copied {
            self.databases[into].insert(words[2].clone(), held);
        }
        int(done.into())
    }
}

/// The reply of a command on sets.
fn apply_to_sets(keys: &mut Keys, name: &str, words: &[Vec<u8>]) -> Option<String> {
    let numbers = |key: &Vec<u8>| match keys.get(key).map(|held| &held.value) {
        None => BTreeSet::new(),
        Some(Value::Set(numbers)) => numbers.clone(),
        Some(_) => unreachable!("sets have names of their own"),
    };
    let (target, result) = match name {
        "SADD" => {
            let before = numbers(&words[1]);
            let added = words[2..].iter().map(|word| number(word) as u64);
            let result: BTreeSet<u64> = before.iter().copied().chain(added).collect();
            let reply = int(result.len() - before.len());
            put(keys, &words[1], result);
            return Some(reply);
        }
        "SMEMBERS" => return Some(members(&numbers(&words[1]))),
        "SINTER" => return Some(members(&(&numbers(&words[1]) & &numbers(&words[2])))),
        "SUNIONCARD" => {
            let all: BTreeSet<u64> = words[2..].iter().flat_map(numbers).collect();
            return Some(int(all.len()));
        }
        "SUNIONSTORE" => (&words[1], &numbers(&words[2]) | &numbers(&words[3])),
        "SDIFFSTORE" => (&words[1], &numbers(&words[2]) - &numbers(&words[3])),
        _ => return None,
    };
    let reply = int(result.len());
    put(keys, target, result);
    Some(reply)
}

fn put(keys: &mut Keys, key: &[u8], numbers: BTreeSet<u64>) {
    if numbers.is_empty() {
        keys.remove(key);
    } else {
        keys.insert(key.to_vec(), Held { value: Value::Set(numbers), deadline: None });
    }
}

fn members(numbers: &BTreeSet<u64>) -> String {
    array(numbers.iter().map(|number| bulk(Some(&number.to_string().into_bytes()))))
}

/// The key that a reply of BLPOP names.
pub fn served_key(reply: &[u8]) -> Option<Vec<u8>> {
    let mut lines = reply.strip_prefix(b"*2\r\n")?.split(|byte| *byte == b'\n');
    lines.next();
    lines.next().map(|line| line[..line.len() - 1].to_vec())
}

fn number(word: &[u8]) -> Millis {
    String::from_utf8_lossy(word).parse().expect("clients send numbers")
}

fn text<'k>(keys: &'k Keys, key: &[u8]) -> Option<&'k Vec<u8>> {
    match &keys.get(key)?.value {
        Value::Text(text) => Some(text),
        _ => unreachable!("lists and sets have names of their own"),
    }
}

fn list_of(held: &Held) -> &VecDeque<Vec<u8>> {
    match &held.value {
        Value::List(list) => list,
        _ => unreachable!("lists have names of their own"),
    }
}

fn push(keys: &mut Keys, key: &[u8], elements: &[Vec<u8>]) -> usize {
    let empty = || Held { value: Value::List(VecDeque::new()), deadline: None };
    let Value::List(list) = &mut keys.entry(key.to_vec()).or_insert_with(empty).value else {
        unreachable!("lists have names of their own")
    };
    list.extend(elements.iter().cloned());
    list.len()
}

fn pop(keys: &mut Keys, key: &[u8]) -> Option<Vec<u8>> {
    let Value::List(list) = &mut keys.get_mut(key)?.value else {
        unreachable!("lists have names of their own")
    };
    let element = list.pop_front();
    if list.is_empty() {
        keys.remove(key);
    }
    element
}

fn ok() -> String {
    "+OK\r\n".into()
}

fn int(number: usize) -> String {
    format!(":{number}\r\n")
}

fn bulk(value: Option<&Vec<u8>>) -> String {
    match value {
        None => "$-1\r\n".into(),
        Some(value) => format!("${}\r\n{}\r\n", value.len(), String::from_utf8_lossy(value)),
    }
}

fn array(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    format!("*{}\r\n{}", items.len(), items.concat())
}

fn set(keys: &mut Keys, key: &[u8], text: &[u8]) {
    keys.insert(key.to_vec(), Held { value: Value::Text(text.to_vec()), deadline: None });
}

fn set_all(keys: &mut Keys, pairs: &[Vec<u8>]) -> String {
    pairs.chunks(2).for_each(|pair| set(keys, &pair[0], &pair[1]));
    ok()
}

fn increment(keys: &mut Keys, key: &[u8]) -> String {
    let zero = || Held { value: Value::Text(b"0".to_vec()), deadline: None };
    let held = keys.entry(key.to_vec()).or_insert_with(zero);
    let Value::Text(text) = &mut held.value else { unreachable!("lists have other names") };
    let value: usize = String::from_utf8_lossy(text).parse().expect("values are numbers");
    *text = (value + 1).to_string().into_bytes();
    int(value + 1)
}
