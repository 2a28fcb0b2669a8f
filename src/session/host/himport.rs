//! HIMPORT: hashes with the same fields, whose names a connection says once.
//!
//! Invariant: fieldsets belong to a connection, and are gone with it and after RESET. What reaches
//! a shard are fields with their values.
//! <https://redis.io/docs/latest/commands/himport/>

use std::collections::HashSet;

use super::super::connection::Session;
use super::super::redirect;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::container;
use crate::command::hash::import::IMPORT;
use crate::command::spec::{Access, Arity, Flags, Group, Keys, Spec, cmd};
use crate::coordinate::{gather, route};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::message::{Batch, Request};

const DUPLICATE: CmdError = CmdError::Text("ERR duplicate field name in fieldset");
const UNKNOWN: CmdError = CmdError::Text("ERR no such fieldset");
const UNEQUAL: CmdError = CmdError::Text("ERR value count does not match fieldset field count");
const TOO_LARGE: CmdError = CmdError::Text("ERR fieldsets of this connection take too much memory");

const PER_FIELDSET: &str = "O(N) with N the fieldsets of the connection";

const fn sub(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::Hash)
}

pub const COMMANDS: &[HostCommand] = &[container(
    sub("HIMPORT", Arity::AtLeast(2)).doc(
        "Groups the commands that import hashes with the same fields.",
        "8.10.0",
        "Depends on the subcommand.",
    ),
    &[
        host(
            sub("DISCARD", Arity::Exact(3)).doc("Forgets a fieldset.", "8.10.0", PER_FIELDSET),
            HostRun::Now(discard),
        ),
        host(
            sub("DISCARDALL", Arity::Exact(2)).doc(
                "Forgets all fieldsets of the connection.",
                "8.10.0",
                PER_FIELDSET,
            ),
            HostRun::Now(discard_all),
        ),
        host(
            sub("PREPARE", Arity::AtLeast(4)).flags(Flags::DENYOOM).doc(
                "Names the fields of hashes to come.",
                "8.10.0",
                "O(N) with N the fields",
            ),
            HostRun::Now(prepare),
        ),
        host(
            sub("SET", Arity::AtLeast(5))
                .flags(Flags::DENYOOM)
                .keys(&[Keys::At(2, Access::OW.and(Access::UPDATE))])
                .doc(
                    "Stores a hash with the fields of a fieldset and these values.",
                    "8.10.0",
                    "O(N) with N the fields of the fieldset",
                ),
            HostRun::Later(set),
        )
        .writing(),
    ],
)];

fn prepare(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut seen = HashSet::with_capacity_and_hasher(args.len(), ahash::RandomState::new());
    if !args.from(3).all(|field| seen.insert(field)) {
        return Err(DUPLICATE);
    }
    if !session.client.fieldsets.borrow_mut().prepare(args.at(2), args.from(3)) {
        return Err(TOO_LARGE);
    }
    out.ok();
    Ok(())
}

fn discard(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.int(session.client.fieldsets.borrow_mut().discard(args.at(2)).into());
    Ok(())
}

fn discard_all(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.count(session.client.fieldsets.borrow_mut().clear());
    Ok(())
}

fn set<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let batch = request(session, whole)?;
        redirect::pass(session, &IMPORT, &batch.args(0))?;
        let owner = route::owner(session.core.shards.layout, batch.args(0).key(1));
        let answer = session.core.shards.ask(owner, Request::Run(batch)).await;
        let mut batch = gather::answered(answer);
        match batch.failed.pop() {
            Some((_, error)) => Err(error),
            None => {
                out.append(&batch.replies);
                Ok(())
            }
        }
    })
}

/// The request to the shard: fields and values in turn.
fn request(session: &Session, whole: &Batch) -> Result<Box<Batch>, CmdError> {
    let args = whole.args(0);
    let fieldsets = session.client.fieldsets.borrow();
    let fields = fieldsets.get(args.at(3)).ok_or(UNKNOWN)?;
    if fields.len() != args.len() - 4 {
        return Err(UNEQUAL);
    }
    let pairs = fields.iter().zip(args.from(4)).flat_map(|(field, value)| [&**field, value]);
    let words: Vec<&[u8]> = [&b"HIMPORT"[..], args.at(2)].into_iter().chain(pairs).collect();
    let mut batch = Box::new(Batch::new(whole.conditions));
    batch.push_words(&IMPORT, whole.calls[0].statistics, &words);
    Ok(batch)
}
