//! The commands of the simulator on one sequential keyspace: what Redis would answer.

use std::collections::BTreeMap;

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// Two databases of strings.
#[derive(Default)]
pub struct Model {
    databases: [Keys; 2],
}

impl Model {
    /// Runs a command and returns its reply, encoded in RESP2.
    pub fn apply(&mut self, database: usize, words: &[Vec<u8>]) -> String {
        let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
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
            "DBSIZE" => int(keys.len()),
            "RENAME" => match keys.remove(&words[1]) {
                None => "-ERR no such key\r\n".into(),
                Some(value) => set_all(keys, &[words[2].clone(), value]),
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
            other => unreachable!("the model does not know {other}"),
        }
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
