//! CLUSTER: this process as a Redis Cluster that owns every slot.
//!
//! Without `core-ports` the process is one node. With it each core is a node of its own, at the
//! port on which it alone listens, so that cluster-aware clients reach the owner of a key directly.
//!
//! Invariant: the slots of the nodes are those of the cores: each slot has one node. Absent: the
//! cluster bus and everything that changes a cluster.
//! Source: <https://redis.io/docs/latest/commands/cluster-slots/> and its siblings.

use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Range;

use super::super::connection::Session;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::{container, help, run_on, summaries};
use crate::base::hash::{self, SLOTS};
use crate::command::spec::{Arity, Body, Command, Flags, Group, Run, Spec, cmd};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::message::{Batch, CoreId};
use crate::store::db::Db;

const fn sub(name: &'static str, arity: Arity, summary: &'static str, since: &'static str) -> Spec {
    cmd(name, arity, Group::Cluster).flags(Flags::STALE).doc(
        summary,
        since,
        "O(N) where N is the number of nodes",
    )
}

const fn mode(name: &'static str, summary: &'static str) -> Spec {
    cmd(name, Arity::Exact(1), Group::Cluster)
        .flags(Flags::FAST)
        .acl(&["connection"])
        .doc(summary, "3.0.0", "O(1)")
}

pub const COMMANDS: &[HostCommand] = &[
    host(mode("ASKING", "Follows a redirection of one command."), HostRun::Now(as_in_a_cluster)),
    container(
        cmd("CLUSTER", Arity::AtLeast(2), Group::Cluster).doc(
            "A container for Redis Cluster commands.",
            "3.0.0",
            "Depends on subcommand.",
        ),
        SUBCOMMANDS,
    ),
    host(
        mode("READONLY", "Allows reading from a replica in a cluster.")
            .flags(Flags::FAST.and(Flags::LOADING).and(Flags::STALE)),
        HostRun::Now(as_in_a_cluster),
    ),
    host(
        mode("READWRITE", "Ends what READONLY allowed.")
            .flags(Flags::FAST.and(Flags::LOADING).and(Flags::STALE)),
        HostRun::Now(as_in_a_cluster),
    ),
];

/// What a node says that has no replica and no slot on the move: nothing changes for the client.
fn as_in_a_cluster(_: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.ok();
    Ok(())
}

const SUBCOMMANDS: &[HostCommand] = &[
    host(
        sub("COUNTKEYSINSLOT", Arity::Exact(3), "Counts the keys in a slot.", "3.0.0"),
        HostRun::Later(count_keys),
    ),
    host(
        sub("GETKEYSINSLOT", Arity::Exact(4), "Returns some keys of a slot.", "3.0.0")
            .tips(&["nondeterministic_output"]),
        HostRun::Later(get_keys),
    ),
    host(
        sub("HELP", Arity::Exact(2), "Lists the subcommands.", "5.0.0")
            .flags(Flags::LOADING.and(Flags::STALE)),
        HostRun::Now(|_, _, out| {
            help(out, "CLUSTER", summaries(SUBCOMMANDS));
            Ok(())
        }),
    ),
    host(
        sub("INFO", Arity::Exact(2), "Describes the cluster's state.", "3.0.0")
            .tips(&["nondeterministic_output"]),
        HostRun::Now(info),
    ),
    host(
        sub("KEYSLOT", Arity::Exact(3), "Returns the slot of a key.", "3.0.0"),
        HostRun::Now(key_slot),
    ),
    host(
        sub("LINKS", Arity::Exact(2), "Lists the links between nodes: there are none.", "7.0.0")
            .tips(&["nondeterministic_output"]),
        HostRun::Now(|_, _, out| {
            out.array(0);
            Ok(())
        }),
    ),
    host(sub("MYID", Arity::Exact(2), "Returns the id of the node.", "3.0.0"), HostRun::Now(my_id)),
    host(
        sub("MYSHARDID", Arity::Exact(2), "Returns the id of the node's shard.", "7.2.0")
            .flags(Flags::LOADING.and(Flags::STALE))
            .tips(&["nondeterministic_output"]),
        HostRun::Now(my_shard_id),
    ),
    host(
        sub("NODES", Arity::Exact(2), "Describes the nodes, as lines of text.", "3.0.0")
            .tips(&["nondeterministic_output"]),
        HostRun::Now(nodes_text),
    ),
    host(
        sub("SHARDS", Arity::Exact(2), "Describes the nodes by shards.", "7.0.0")
            .flags(Flags::LOADING.and(Flags::STALE))
            .tips(&["nondeterministic_output"]),
        HostRun::Now(shards),
    ),
    host(
        sub("SLOTS", Arity::Exact(2), "Maps ranges of slots to nodes.", "3.0.0")
            .flags(Flags::LOADING.and(Flags::STALE))
            .tips(&["nondeterministic_output"]),
        HostRun::Now(slots),
    ),
];

/// A node as clients see it.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    id: String,
    ip: String,
    port: u16,
    slots: Range<u16>,
    is_me: bool,
}

impl Node {
    fn last_slot(&self) -> u16 {
        self.slots.end - 1
    }
}

/// The id of node `index`: the run id with the number in its last digits.
fn node_id(run_id: &str, index: u16) -> String {
    let kept = run_id.get(..36).unwrap_or_default();
    format!("{kept:0<36}{index:04x}")
}

/// A shard has one node; its id is the node's, turned around to be another.
fn shard_id(node_id: &str) -> String {
    node_id.chars().rev().collect()
}

/// The nodes, in the order of their slots. Clients are told the address at which they reached us.
fn nodes(session: &Session) -> Vec<Node> {
    let (core, identity) = (&session.core, &session.core.identity);
    let local = session.client.local_address.parse::<SocketAddr>();
    let ip = local.map(|address| address.ip().to_canonical().to_string()).unwrap_or_default();
    let node = |index: u16, port: u16, slots: Range<u16>, is_me: bool| Node {
        id: node_id(&identity.run_id, index),
        ip: ip.clone(),
        port,
        slots,
        is_me,
    };
    let (config, base) = (core.config(), core.config().port);
    if !config.core_ports {
        return vec![node(0, base, 0..SLOTS, true)];
    }
    let layout = core.shards.layout;
    (0..layout.cores() as u16)
        .map(|index| {
            let port = base.saturating_add(1 + index);
            node(index, port, layout.slots_of(index), index == core.me().0)
        })
        .collect()
}

fn me(session: &Session) -> String {
    let index = if session.core.config().core_ports { session.core.me().0 } else { 0 };
    node_id(&session.core.identity.run_id, index)
}

fn my_id(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.bulk(me(session).as_bytes());
    Ok(())
}

fn my_shard_id(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.bulk(shard_id(&me(session)).as_bytes());
    Ok(())
}

fn key_slot(_: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.int(hash::slot(args.at(2)).into());
    Ok(())
}

fn info(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let count = nodes(session).len();
    let fields: &[(&str, usize)] = &[
        ("cluster_slots_assigned", SLOTS.into()),
        ("cluster_slots_ok", SLOTS.into()),
        ("cluster_slots_pfail", 0),
        ("cluster_slots_fail", 0),
        ("cluster_known_nodes", count),
        ("cluster_size", count),
        ("cluster_current_epoch", 1),
        ("cluster_my_epoch", 1),
        ("cluster_stats_messages_sent", 0),
        ("cluster_stats_messages_received", 0),
        ("total_cluster_links_buffer_limit_exceeded", 0),
    ];
    let mut text = String::from("cluster_state:ok\r\n");
    for (name, value) in fields {
        let _ = write!(text, "{name}:{value}\r\n");
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn slots(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let nodes = nodes(session);
    out.array(nodes.len());
    for node in &nodes {
        out.array(3);
        out.int(node.slots.start.into());
        out.int(node.last_slot().into());
        out.array(4);
        out.bulk(node.ip.as_bytes());
        out.int(node.port.into());
        out.bulk(node.id.as_bytes());
        out.array(0);
    }
    Ok(())
}

fn shards(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let nodes = nodes(session);
    out.array(nodes.len());
    for node in &nodes {
        out.map(2);
        out.bulk(b"slots");
        out.array(2);
        out.int(node.slots.start.into());
        out.int(node.last_slot().into());
        out.bulk(b"nodes");
        out.array(1);
        write_node(node, out);
    }
    Ok(())
}

fn write_node(node: &Node, out: &mut Out) {
    out.map(7);
    out.bulk(b"id");
    out.bulk(node.id.as_bytes());
    out.bulk(b"port");
    out.int(node.port.into());
    for (name, value) in [("ip", &*node.ip), ("endpoint", &node.ip), ("role", "master")] {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"replication-offset");
    out.int(0);
    out.bulk(b"health");
    out.bulk(b"online");
}

fn nodes_text(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let text: String = nodes(session).iter().map(node_line).collect();
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Id, address with the port of the absent bus, flags, primary, ping, pong, epoch, link, slots.
fn node_line(node: &Node) -> String {
    format!(
        "{} {}:{}@0 {}master - 0 0 1 connected {}-{}\n",
        node.id,
        node.ip,
        node.port,
        if node.is_me { "myself," } else { "" },
        node.slots.start,
        node.last_slot()
    )
}

/// Counts the keys of the slot at argument 2.
static COUNT: Command = cmd("COUNTKEYSINSLOT", Arity::Exact(3), Group::Cluster)
    .run(Run::Shard(Body::Reads(count_body)));
/// Lists keys of the slot at argument 2, at most as many as argument 3 says.
static KEYS: Command =
    cmd("GETKEYSINSLOT", Arity::Exact(4), Group::Cluster).run(Run::Shard(Body::Reads(keys_body)));

fn slot(args: &Args<'_>, error: &'static str) -> Result<u16, CmdError> {
    let slot = u16::try_from(args.int(2)?).ok().filter(|slot| *slot < SLOTS);
    slot.ok_or(CmdError::Text(error))
}

const NO_SLOT: &str = "ERR Invalid slot";
const NO_SLOT_OR_COUNT: &str = "ERR Invalid slot or number of keys";

fn count_body(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut count = 0;
    db.for_each_in_slot(slot(args, NO_SLOT)?, |_| count += 1);
    out.count(count);
    Ok(())
}

fn keys_body(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (slot, max) = (slot(args, NO_SLOT_OR_COUNT)?, args.int(3)?);
    let mut names: Vec<Box<[u8]>> = Vec::new();
    db.for_each_in_slot(slot, |entry| {
        if (names.len() as i64) < max {
            names.push(entry.key().into());
        }
    });
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name));
    Ok(())
}

fn count_keys<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let slot = slot(&whole.args(0), NO_SLOT)?;
        let owner = CoreId(session.core.shards.layout.core_of(slot));
        out.append(&run_on(&session.core, owner, &COUNT, whole).await?);
        Ok(())
    })
}

fn get_keys<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let args = whole.args(0);
        args.int(2)?;
        if args.int(3)? < 0 {
            return Err(CmdError::Text(NO_SLOT_OR_COUNT));
        }
        let slot = slot(&args, NO_SLOT_OR_COUNT)?;
        let owner = CoreId(session.core.shards.layout.core_of(slot));
        out.append(&run_on(&session.core, owner, &KEYS, whole).await?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_forty_digits_and_differ() {
        let run_id = "0123456789abcdef0123456789abcdef01234567";
        let ids: Vec<String> = (0..3).map(|index| node_id(run_id, index)).collect();
        assert!(ids.iter().all(|id| id.len() == 40 && id.starts_with(&run_id[..36])));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_ne!(shard_id(&ids[1]), ids[1]);
        assert_eq!(node_id("", 7), format!("{}0007", "0".repeat(36)));
    }

    #[test]
    fn a_node_is_one_line() {
        let node = Node {
            id: "a".repeat(40),
            ip: "127.0.0.1".into(),
            port: 7000,
            slots: 0..8192,
            is_me: true,
        };
        let line = node_line(&node);
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        assert_eq!(
            fields[1..],
            ["127.0.0.1:7000@0", "myself,master", "-", "0", "0", "1", "connected", "0-8191"]
        );
    }
}
