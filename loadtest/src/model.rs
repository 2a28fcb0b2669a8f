//! What the server must answer if it is right: the model of `--check`.
//!
//! One connection has one model and keys that no other connection touches, and the server executes
//! a connection's requests in order. So the reply to each request is known when it is sent, however
//! long the pipeline. Invariant: [`Model::expect`] and [`Model::verify`] are called in the same
//! order, once each per request. Absent: expiry and eviction; both would make a missing key right.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::decode::{Value, decode};
use crate::encode::digits;
use crate::failure::Failure;
use crate::mix::Operation;
use crate::sizes::{Pool, ValueRef};

/// What was drawn for one request, in the order of its arguments.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    pub keys: Vec<u64>,
    pub elements: Vec<u64>,
    pub values: Vec<ValueRef>,
}

impl Drawn {
    /// Forgets the last request.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.elements.clear();
        self.values.clear();
    }
}

/// The keys of one connection.
#[derive(Debug, Default)]
pub struct Model {
    strings: HashMap<u64, ValueRef>,
    counters: HashMap<u64, i64>,
    lists: HashMap<u64, VecDeque<ValueRef>>,
    /// Fields of hashes, by the numbers of key and field.
    fields: HashMap<(u64, u64), ValueRef>,
    /// Members of sets and of sorted sets.
    members: HashSet<(Operation, u64, u64)>,
    /// Keys with a request that was redirected: what they hold is no longer known.
    unknown: HashSet<u64>,
    expectations: VecDeque<Expectation>,
}

#[derive(Debug)]
struct Expectation {
    operation: Operation,
    key: Option<u64>,
    reply: Expected,
}

#[derive(Debug)]
enum Expected {
    Text(&'static str),
    Integer(i64),
    Value(Option<ValueRef>),
    Values(Vec<Option<ValueRef>>),
    AnythingButAnError,
}

impl Model {
    /// Carries out a request that is being sent, and notes what it must be answered.
    pub fn expect(&mut self, operation: Operation, drawn: &Drawn, range_last: u64) {
        let reply = if drawn.keys.iter().any(|key| self.unknown.contains(key)) {
            Expected::AnythingButAnError
        } else {
            self.apply(operation, drawn, range_last)
        };
        let key = drawn.keys.first().copied();
        self.expectations.push_back(Expectation { operation, key, reply });
    }

    fn apply(&mut self, operation: Operation, drawn: &Drawn, range_last: u64) -> Expected {
        let key = drawn.keys.first().copied().unwrap_or_default();
        // Of ZADD's two the first is the score.
        let element = drawn.elements.last().copied().unwrap_or_default();
        match operation {
            Operation::Ping => Expected::Text("PONG"),
            // The server chooses the id that XADD returns.
            Operation::Custom | Operation::Xadd => Expected::AnythingButAnError,
            Operation::Get => Expected::Value(self.strings.get(&key).copied()),
            Operation::Mget => {
                let value = |key| self.strings.get(key).copied();
                Expected::Values(drawn.keys.iter().map(value).collect())
            }
            Operation::Set | Operation::Mset => {
                self.strings.extend(drawn.keys.iter().copied().zip(drawn.values.iter().copied()));
                Expected::Text("OK")
            }
            Operation::Del => Expected::Integer(self.strings.remove(&key).is_some().into()),
            Operation::Incr => {
                let counter = self.counters.entry(key).or_default();
                *counter += 1;
                Expected::Integer(*counter)
            }
            Operation::Lpush => {
                let list = self.lists.entry(key).or_default();
                if let Some(&value) = drawn.values.first() {
                    list.push_front(value);
                }
                Expected::Integer(list.len() as i64)
            }
            Operation::Rpop => {
                Expected::Value(self.lists.get_mut(&key).and_then(VecDeque::pop_back))
            }
            Operation::Lrange => {
                let list = self.lists.get(&key);
                let items = list.into_iter().flatten().take(range_last as usize + 1);
                Expected::Values(items.copied().map(Some).collect())
            }
            Operation::Hset => {
                let value = drawn.values.first().copied();
                let old = value.and_then(|value| self.fields.insert((key, element), value));
                Expected::Integer(old.is_none().into())
            }
            Operation::Hget => Expected::Value(self.fields.get(&(key, element)).copied()),
            Operation::Sadd | Operation::Zadd => {
                Expected::Integer(self.members.insert((operation, key, element)).into())
            }
        }
    }

    /// Compares a reply with what the oldest open request must be answered.
    ///
    /// # Errors
    ///
    /// [`Failure::Mismatch`] with both.
    pub fn verify(&mut self, reply: &[u8], pool: &Pool) -> Result<(), Failure> {
        let Some(expectation) = self.expectations.pop_front() else {
            unreachable!("every request in flight has an expectation")
        };
        let received = decode(reply);
        let is_right = match (&received, &expectation.reply) {
            (None | Some(Value::Error(_)), _) => false,
            (Some(_), Expected::AnythingButAnError) => true,
            (Some(value), expected) => *value == expected.value(pool),
        };
        if is_right {
            return Ok(());
        }
        Err(Failure::Mismatch {
            request: expectation.request(),
            expected: expectation.reply.describe(pool),
            received: received.map_or("nonsense".to_string(), |value| format!("{value:?}")),
        })
    }

    /// Takes note that the oldest open request was redirected instead of executed.
    pub fn redirected(&mut self) {
        if let Some(Expectation { key: Some(key), .. }) = self.expectations.pop_front() {
            self.unknown.insert(key);
        }
    }
}

impl Expectation {
    fn request(&self) -> String {
        let name = format!("{:?}", self.operation).to_ascii_uppercase();
        match self.key {
            Some(key) => format!("{name} of key {}", String::from_utf8_lossy(&digits(key))),
            None => name,
        }
    }
}

impl Expected {
    fn value(&self, pool: &Pool) -> Value {
        let bytes = |value: &Option<ValueRef>| match value {
            Some(value) => Value::Bytes(pool.bytes(*value).to_vec()),
            None => Value::Null,
        };
        match self {
            Expected::Text(text) => Value::Text(text.to_string()),
            Expected::Integer(number) => Value::Integer(*number),
            Expected::Value(value) => bytes(value),
            Expected::Values(values) => Value::Array(values.iter().map(bytes).collect()),
            Expected::AnythingButAnError => Value::Null,
        }
    }

    fn describe(&self, pool: &Pool) -> String {
        match self {
            Expected::AnythingButAnError => "anything but an error".to_string(),
            _ => format!("{:?}", self.value(pool)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizes::Sizes;

    /// Two values of different bytes, and a model to try them on.
    struct Trial {
        model: Model,
        pool: Pool,
        values: Vec<ValueRef>,
    }

    impl Trial {
        fn new() -> Trial {
            let sizes: Sizes = "8".parse().unwrap();
            let pool = Pool::new(&sizes, 1);
            let mut rng = fastrand::Rng::with_seed(1);
            let values = (0..3).map(|_| pool.draw(&sizes, &mut rng)).collect();
            Trial { model: Model::default(), pool, values }
        }

        fn send(&mut self, operation: Operation, keys: &[u64], values: &[usize]) {
            let values = values.iter().map(|&index| self.values[index]).collect();
            let drawn = Drawn { keys: keys.to_vec(), elements: vec![5], values };
            self.model.expect(operation, &drawn, 99);
        }

        fn bulk(&self, value: usize) -> String {
            let text = String::from_utf8(self.pool.bytes(self.values[value]).to_vec()).unwrap();
            format!("$8\r\n{text}\r\n")
        }

        fn receive(&mut self, reply: &str) -> Result<(), String> {
            self.model.verify(reply.as_bytes(), &self.pool).map_err(|failure| failure.to_string())
        }
    }

    #[test]
    fn a_pipeline_is_answered_in_order() {
        let mut trial = Trial::new();
        trial.send(Operation::Get, &[1], &[]);
        trial.send(Operation::Set, &[1], &[0]);
        trial.send(Operation::Get, &[1], &[]);
        trial.send(Operation::Mset, &[1, 2], &[1, 2]);
        trial.send(Operation::Mget, &[2, 1, 3], &[]);
        trial.send(Operation::Del, &[1], &[]);
        trial.send(Operation::Del, &[1], &[]);
        let mget = format!("*3\r\n{}{}$-1\r\n", trial.bulk(2), trial.bulk(1));
        let get = trial.bulk(0);
        for reply in ["$-1\r\n", "+OK\r\n", &get, "+OK\r\n", &mget, ":1\r\n", ":0\r\n"] {
            trial.receive(reply).unwrap();
        }
    }

    #[test]
    fn counters_lists_and_members_are_remembered() {
        let mut trial = Trial::new();
        let both = format!("*2\r\n{}{}", trial.bulk(1), trial.bulk(0));
        let first = trial.bulk(0);
        for (operation, values, reply) in [
            (Operation::Incr, &[][..], ":1\r\n"),
            (Operation::Incr, &[], ":2\r\n"),
            (Operation::Rpop, &[], "$-1\r\n"),
            (Operation::Lpush, &[0], ":1\r\n"),
            (Operation::Lpush, &[1], ":2\r\n"),
            (Operation::Lrange, &[], &both),
            (Operation::Rpop, &[], &first),
            (Operation::Sadd, &[], ":1\r\n"),
            (Operation::Sadd, &[], ":0\r\n"),
            (Operation::Hget, &[], "$-1\r\n"),
            (Operation::Hset, &[0], ":1\r\n"),
            (Operation::Hget, &[], &first),
            (Operation::Hset, &[1], ":0\r\n"),
            (Operation::Xadd, &[0], "$3\r\n1-1\r\n"),
            (Operation::Ping, &[], "+PONG\r\n"),
            (Operation::Custom, &[], "*0\r\n"),
        ] {
            trial.send(operation, &[7], values);
            trial.receive(reply).unwrap();
        }
    }

    #[test]
    fn wrong_replies_are_told_apart() {
        let mut trial = Trial::new();
        for (operation, reply) in [
            (Operation::Get, "+OK\r\n"),
            (Operation::Incr, ":2\r\n"),
            (Operation::Incr, "-ERR\r\n"),
            (Operation::Custom, "-ERR\r\n"),
            (Operation::Ping, "$4\r\nPONG\r\n"),
        ] {
            trial.send(operation, &[7], &[]);
            let text = trial.receive(reply).unwrap_err();
            assert!(text.contains("wrong reply to"), "{text}");
        }
        trial.send(Operation::Set, &[1], &[0]);
        trial.receive("+OK\r\n").unwrap();
        trial.send(Operation::Get, &[1], &[]);
        let stale = trial.bulk(1);
        assert!(trial.receive(&stale).unwrap_err().contains("GET of key 000000000001"));
    }

    #[test]
    fn a_redirected_key_is_no_longer_known() {
        let mut trial = Trial::new();
        trial.send(Operation::Incr, &[7], &[]);
        trial.model.redirected();
        trial.send(Operation::Incr, &[7], &[]);
        trial.receive(":41\r\n").unwrap();
    }
}
