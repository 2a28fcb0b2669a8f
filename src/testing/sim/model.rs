//! The commands of the simulator on one sequential keyspace: what Redis would answer.

use std::collections::{BTreeMap, VecDeque};

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;
type Lists = BTreeMap<Vec<u8>, VecDeque<Vec<u8>>>;

/// Two databases of strings, and of lists under other names.
#[derive(Default)]
pub struct Model {
    databases: [Keys; 2],
    lists: [Lists; 2],
}

impl Model {
    /// Runs a command and returns its reply, encoded in RESP2.
    pub fn apply(&mut self, database: usize, words: &[Vec<u8>]) -> String {
        let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
        if let Some(reply) = self.apply_to_lists(database, &name, words) {
            return reply;
        }
        let keys = &mut self.databases[database];
        match name.as_str() {
            "SET" => set_all(keys, &words[1..]),
            "MSET" => set_all(keys, &words[1..]),
            "MSETNX" => {
                let free = words[1..].iter().step_by(2).all(|key| !keys.contains_key(key));
                if free {
                    set_all(keys, &words[1..]);
                }
                int(free.into())
            }
            "GET" => bulk(keys.get(&words[1])),
            "MGET" => {
                let values = words[1..].iter().map(|key| bulk(keys.get(key)));
                format!("*{}\r\n{}", words.len() - 1, values.collect::<String>())
            }
            "INCR" => increment(keys, &words[1]),
            "DEL" => int(words[1..].iter().filter(|key| keys.remove(*key).is_some()).count()),
            "EXISTS" => int(words[1..].iter().filter(|key| keys.contains_key(*key)).count()),
            "DBSIZE" => int(keys.len() + self.lists[database].len()),
            "RENAME" => match keys.remove(&words[1]) {
                None => "-ERR no such key\r\n".into(),
                Some(value) => set_all(keys, &[words[2].clone(), value]),
            },
            "COPY" => self.copy(database, words),
            "SWAPDB" => {
                self.databases.swap(0, 1);
                self.lists.swap(0, 1);
                ok()
            }
            "FLUSHDB" => {
                keys.clear();
                self.lists[database].clear();
                ok()
            }
            "FLUSHALL" => {
                self.databases.iter_mut().for_each(BTreeMap::clear);
                self.lists.iter_mut().for_each(BTreeMap::clear);
                ok()
            }
            other => unreachable!("the model does not know {other}"),
        }
    }

    /// The reply of a command on lists.
    fn apply_to_lists(&mut self, database: usize, name: &str, words: &[Vec<u8>]) -> Option<String> {
        let lists = &mut self.lists[database];
        Some(match name {
            "RPUSH" => {
                let list = lists.entry(words[1].clone()).or_default();
                list.extend(words[2..].iter().cloned());
                int(list.len())
            }
            "LPOP" if words.len() > 2 => match lists.contains_key(&words[1]) {
                false => "*-1\r\n".into(),
                true => array((0..3).filter_map(|_| pop(lists, &words[1])).collect()),
            },
            "LRANGE" => {
                let (first, count) = if words[2] == b"0" { (0, usize::MAX) } else { (1, 2) };
                let list = lists.get(&words[1]).into_iter().flatten();
                array(list.skip(first).take(count).cloned().collect())
            }
            "LPOP" => bulk(pop(lists, &words[1]).as_ref()),
            "LMOVE" | "BLMOVE" => {
                let element = pop(lists, &words[1]);
                if let Some(element) = &element {
                    lists.entry(words[2].clone()).or_default().push_back(element.clone());
                }
                bulk(element.as_ref())
            }
            "BLPOP" => {
                // Where the server says from which key it served a client that waited, it is that.
                let served = words.last().and_then(|word| served_key(word));
                let keys = &words[1..words.len() - 1];
                let found = keys.iter().find(|key| match &served {
                    Some(served) => *key == served,
                    None => lists.contains_key(*key),
                });
                match found.and_then(|key| Some((key, pop(lists, key)?))) {
                    None => "*-1\r\n".into(),
                    Some((key, element)) => {
                        format!("*2\r\n{}{}", bulk(Some(key)), bulk(Some(&element)))
                    }
                }
            }
            "RENAME" => {
                let list = lists.remove(&words[1])?;
                lists.insert(words[2].clone(), list);
                ok()
            }
            _ => return None,
        })
    }

    /// True if one of the keys that a command waits for has elements.
    pub fn could_serve(&self, database: usize, words: &[Vec<u8>]) -> bool {
        let awaited = if words[0].eq_ignore_ascii_case(b"BLMOVE") {
            &words[1..2]
        } else {
            &words[1..words.len() - 1]
        };
        awaited.iter().any(|key| self.lists[database].contains_key(key))
    }

    /// COPY source target [DB number]
    fn copy(&mut self, database: usize, words: &[Vec<u8>]) -> String {
        let into = words.get(4).map_or(database, |number| usize::from(number[0] - b'0'));
        let source = self.databases[database].get(&words[1]).cloned();
        let copied = source.filter(|_| !self.databases[into].contains_key(&words[2]));
        let done = copied.is_some();
        if let Some(value) = copied {
            self.databases[into].insert(words[2].clone(), value);
        }
        int(done.into())
    }
}

/// The key in what the server says that it answered to a client that waited.
fn served_key(word: &[u8]) -> Option<Vec<u8>> {
    let reply = word.strip_prefix(b"=*2\r\n")?;
    let mut lines = reply.split(|byte| *byte == b'\n');
    lines.next();
    lines.next().map(|line| line[..line.len() - 1].to_vec())
}

fn pop(lists: &mut Lists, key: &[u8]) -> Option<Vec<u8>> {
    let list = lists.get_mut(key)?;
    let element = list.pop_front();
    if list.is_empty() {
        lists.remove(key);
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

fn array(elements: Vec<Vec<u8>>) -> String {
    let texts: String = elements.iter().map(|element| bulk(Some(element))).collect();
    format!("*{}\r\n{texts}", elements.len())
}

fn set_all(keys: &mut Keys, pairs: &[Vec<u8>]) -> String {
    for pair in pairs.chunks(2) {
        keys.insert(pair[0].clone(), pair[1].clone());
    }
    ok()
}

fn increment(keys: &mut Keys, key: &[u8]) -> String {
    let value = keys.entry(key.to_vec()).or_insert_with(|| b"0".to_vec());
    let number: usize = String::from_utf8_lossy(value).parse().expect("values are numbers");
    *value = (number + 1).to_string().into_bytes();
    int(number + 1)
}
