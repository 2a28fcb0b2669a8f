//! What the server is filled with, and the commands that are measured on it.

use crate::client::Client;
use crate::failure::Failure;

/// A command, and what comes before each round of it.
pub(super) struct Case {
    pub command: &'static str,
    pub prepare: &'static [&'static str],
}

const fn reads(command: &'static str) -> Case {
    Case { command, prepare: &[] }
}

const fn after(prepare: &'static [&'static str], command: &'static str) -> Case {
    Case { command, prepare }
}

const COPY_LIST: &[&str] = &["COPY {b}list {b}t REPLACE"];
const COPY_SET: &[&str] = &["COPY {b}set {b}t REPLACE"];
const COPY_HASH: &[&str] = &["COPY {b}hash {b}t REPLACE"];
const COPY_SORTED: &[&str] = &["COPY {b}sorted {b}t REPLACE"];
const COPY_STREAM: &[&str] = &["COPY {b}stream {b}t REPLACE"];
const REMOVED: &[&str] = &["DEL {b}t"];
/// Of two cores the other has this key.
const FAR_REMOVED: &[&str] = &["DEL {a}t"];
const GROUPED: &[&str] = &["XGROUP DESTROY {b}stream g", "XGROUP CREATE {b}stream g 0"];
const PENDING: &[&str] = &[
    "XGROUP DESTROY {b}stream g",
    "XGROUP CREATE {b}stream g 0",
    "XREADGROUP GROUP g c STREAMS {b}stream >",
];

/// The commands, those that read first. All collections belong to one slot, and so to one core;
/// keys that begin with `{a}` belong to the other one of two.
pub(super) const CASES: &[Case] = &[
    reads("PING"),
    reads("LRANGE {b}list 0 -1"),
    reads("SMEMBERS {b}set"),
    reads("HGETALL {b}hash"),
    reads("HKEYS {b}hash"),
    reads("ZRANGE {b}sorted 0 -1"),
    reads("ZRANGE {b}sorted 0 -1 WITHSCORES"),
    reads("ZRANGEBYSCORE {b}sorted -inf +inf"),
    reads("XRANGE {b}stream - +"),
    reads("XREVRANGE {b}stream + -"),
    reads("XREAD STREAMS {b}stream 0"),
    reads("KEYS *"),
    reads("KEYS *9999"),
    reads("HRANDFIELD {b}hash 500000"),
    reads("SRANDMEMBER {b}set 500000"),
    reads("ZRANDMEMBER {b}sorted 500000"),
    reads("LPOS {b}list none"),
    reads("LREM {b}list 0 none"),
    reads("LINSERT {b}list BEFORE none x"),
    reads("SORT {b}list ALPHA"),
    reads("SORT {b}list BY * ALPHA GET *"),
    reads("SORT {b}set BY nosort"),
    reads("SUNION {b}set"),
    reads("SINTER {b}set {b}set"),
    reads("SDIFF {b}set {b}none"),
    reads("SUNION {b}set {b}hundred"),
    reads("SUNIONCARD 2 {b}set {b}set"),
    reads("SUNIONSTORE {b}t {b}set"),
    reads("SINTERSTORE {b}t {b}set {b}set"),
    reads("SUNIONSTORE {a}t {b}set {b}hundred"),
    reads("SINTER {a}none {b}set"),
    reads("ZUNION 2 {b}sorted {b}set WITHSCORES"),
    reads("ZINTER 2 {b}sorted {b}set"),
    reads("ZDIFF 2 {b}sorted {b}hundred"),
    reads("ZINTERCARD 2 {b}sorted {b}set"),
    reads("ZUNIONSTORE {b}t 1 {b}sorted"),
    reads("ZINTERSTORE {b}t 2 {b}sorted {b}set"),
    reads("ZUNIONSTORE {a}t 2 {b}sorted {b}set"),
    reads("ZRANGESTORE {b}t {b}sorted 0 -1"),
    reads("ZRANGESTORE {a}t {b}sorted 0 -1"),
    reads("MEMORY USAGE {b}set SAMPLES 0"),
    after(COPY_LIST, "LTRIM {b}t 500000 500010"),
    after(COPY_LIST, "LPOP {b}t 900000"),
    after(COPY_STREAM, "XTRIM {b}t MAXLEN 0"),
    after(COPY_SORTED, "ZREMRANGEBYRANK {b}t 1 999000"),
    after(COPY_SORTED, "ZPOPMIN {b}t 900000"),
    after(COPY_SORTED, "ZMPOP 1 {b}t MAX COUNT 900000"),
    after(COPY_SORTED, "ZMPOP 2 {a}none {b}t MIN COUNT 900000"),
    after(COPY_LIST, "LMPOP 1 {b}t LEFT COUNT 900000"),
    after(COPY_LIST, "LMPOP 2 {a}none {b}t LEFT COUNT 900000"),
    after(COPY_SET, "SPOP {b}t 500000"),
    after(COPY_SET, "SPOP {b}t 1000000"),
    after(COPY_SET, "DEL {b}t"),
    after(COPY_HASH, "SET {b}t x"),
    after(COPY_HASH, "EXPIRE {b}t 0"),
    after(COPY_HASH, "SUNIONSTORE {b}t {b}none"),
    after(REMOVED, "COPY {b}list {b}t"),
    after(REMOVED, "COPY {b}set {b}t"),
    after(REMOVED, "COPY {b}hash {b}t"),
    after(REMOVED, "COPY {b}sorted {b}t"),
    after(REMOVED, "COPY {b}stream {b}t"),
    after(FAR_REMOVED, "COPY {b}set {a}t"),
    after(FAR_REMOVED, "COPY {b}hash {a}t"),
    after(FAR_REMOVED, "COPY {b}sorted {a}t"),
    after(REMOVED, "SORT {b}list ALPHA STORE {b}t"),
    after(FAR_REMOVED, "SORT {b}list ALPHA STORE {a}t"),
    after(GROUPED, "XREADGROUP GROUP g c STREAMS {b}stream >"),
    after(PENDING, "XREADGROUP GROUP g c STREAMS {b}stream 0"),
    after(PENDING, "XREADGROUP GROUP g c CLAIM 0 STREAMS {b}stream >"),
    after(PENDING, "XPENDING {b}stream g - + 1000000"),
    after(PENDING, "XAUTOCLAIM {b}stream g d 0 - COUNT 1000000"),
    after(PENDING, "XINFO STREAM {b}stream FULL COUNT 0"),
    after(REMOVED, "FLUSHALL"),
];

/// Elements sent with one command.
const STEP: usize = 1000;

/// Empties the server, and stores each kind of collection with so many elements of 16 bytes, and as
/// many keys.
pub(super) fn fill(client: &mut Client, elements: usize) -> Result<(), Failure> {
    client.call(&["FLUSHALL"])?;
    for number in 0..100 {
        client.call(&["SADD", "{b}hundred", &format!("element:{:08}", number * 3)])?;
    }
    for first in (0..elements).step_by(STEP) {
        let numbers = first..elements.min(first + STEP);
        let texts: Vec<String> = numbers.map(|number| format!("element:{number:08}")).collect();
        let mut commands = [
            ["RPUSH", "{b}list"],
            ["SADD", "{b}set"],
            ["HSET", "{b}hash"],
            ["ZADD", "{b}sorted"],
            ["MSET", "{b}string"],
        ]
        .map(|head| head.map(str::to_owned).to_vec());
        commands[4].push("value".to_owned());
        for (index, text) in texts.iter().enumerate() {
            commands[0].push(text.clone());
            commands[1].push(text.clone());
            commands[2].extend([text.clone(), text.clone()]);
            commands[3].extend([((first + index) as f64 / 2.0).to_string(), text.clone()]);
            commands[4].extend([text.clone(), "value".to_owned()]);
        }
        let entries = texts
            .into_iter()
            .map(|text| ["XADD", "{b}stream", "*", "field", &text].map(str::to_owned).to_vec());
        let commands: Vec<Vec<String>> = commands.into_iter().chain(entries).collect();
        for command in &commands {
            client.send(command)?;
        }
        for command in &commands {
            client.receive(command)?;
        }
    }
    Ok(())
}
