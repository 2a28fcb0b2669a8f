//! Everything that crosses cores, as a closed list.
//!
//! Invariant: no closure, no reference and no handle to another core's state travels; what arrives
//! is plain data that can be logged, counted and replayed by a simulator. Every request is answered
//! exactly once, with the ticket it came with; a handover by the core that it was passed on to.

use std::sync::Arc;

use bytes::Bytes;

use super::digest::Digest;
use super::handover::{Crossings, Handover};
use super::locks::{Claim, TransactionId};
use super::stats::CoreStats;
use crate::base::probe::Witness;
use crate::command::spec::{Command, Parcel};
use crate::config::Config;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::{Out, Protocol};
use crate::resp::parse::Span;
use crate::store::carried::Carried;

/// A core of this process: 0 to the number of cores less one. It owns the shard of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u16);

impl CoreId {
    /// The core's place in arrays.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Names a request until its response is back; only its sender can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub index: u32,
    pub generation: u32,
}

/// Names a command that waits, until it is answered or gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId {
    /// The core that serves the client.
    pub core: CoreId,
    pub number: u64,
}

/// One direction of the exchange between two cores.
pub enum Message {
    Request(Ticket, Request),
    Response(Ticket, Response),
    /// The transaction needs its claim no longer; nobody waits for an answer.
    Release(TransactionId),
    /// The second half of a handover, sent on by the core that did the first.
    Hand(Box<Handed>),
    /// Serve this connection from now on; nobody waits for an answer.
    Handover(Box<Handover>),
    /// There is something for the command with this number, under a claim with this id.
    Offer(u64, TransactionId),
    /// The command with this number waits no longer; where a request stands, it is answered.
    Cancel(u64),
}

/// What one core asks of another.
pub enum Request {
    /// Run these commands on your keys.
    Run(Box<Batch>),
    /// Enter a claim into your queue and, when it is granted, do what comes with it.
    Schedule(Box<Schedule>),
    /// Run these commands under the transaction's claim, then drop the claim.
    Execute(TransactionId, Box<Batch>),
    /// Claim the first part's keys, have the last part run, and then run the first.
    Join(Box<Joint>),
    /// Run the last part as soon as its keys could be claimed: all the rest is held.
    Conclude(Box<Joint>),
    /// Phase two of a two-phase command under the transaction's claim, then drop the claim.
    Commit(TransactionId, Box<Phase>),
    /// Do this phase one under a claim that stays held.
    Collect(Box<Phase>),
    /// Give the first key's value to this core, which answers; then drop the claim.
    Give(TransactionId, Box<Phase>, CoreId),
    /// Run this command, sooner or later: it waits until there is something for it.
    Block(WaiterId, Box<Batch>),
    /// Serve the command as was offered, unless there is nothing for it any more.
    Accept(WaiterId),
    /// End the wait of the client with this id.
    Unblock(u64, Unblock),
    /// Describe the clients that match.
    Clients(ClientFilter),
    /// Close the clients that match.
    Kill(ClientFilter),
    /// Hold commands back until a time (Unix milliseconds); 0 lets them go on.
    Pause { until: i64, writes_only: bool },
    /// Report your counters.
    Stats,
    /// Set your counters back.
    ResetStats,
    /// Give memory that you have no use for back to the system.
    GiveBackMemory,
    /// Make this change of the settings and put it in force on your core. Core 0 alone is asked, so
    /// that changes are made one after the other.
    SetConfig(Box<ConfigChange>),
    /// These settings are in force from now on, unless a later version already is.
    Configure(Settings),
    /// The digest of each database's keys (DEBUG DIGEST).
    Digest,
    /// Start or stop active expiry (DEBUG SET-ACTIVE-EXPIRE).
    ActiveExpire(bool),
    /// Stop serving.
    Stop,
}

/// The answer to a [`Request`].
pub enum Response {
    Ran(Box<Batch>),
    /// The last part ran, or was refused.
    Concluded(Box<Joint>),
    /// Both parts ran, or neither because it was refused too often, as it says.
    Joined(Box<Joint>),
    /// The claim is held.
    Granted,
    /// The claim comes too late: the transaction needs an id above this clock.
    Refused(u64),
    /// The claim was given up before it was granted.
    Released,
    Collected(Box<Phase>, Result<Parcel, CmdError>),
    Committed(Box<Phase>),
    /// There was nothing for the command, which waits no longer, or does so again.
    Unserved,
    /// Whether a client's wait was ended.
    Unblocked(bool),
    Clients(Vec<ClientLine>, Crossings),
    /// How many clients were closed.
    Killed(u64, Crossings),
    Stats(Box<CoreStats>),
    /// The settings after a change, or why there was none.
    Settings(Result<Settings, CmdError>),
    /// Per database, `None` where it is empty.
    Digests(Vec<Option<Digest>>),
    Done,
}

/// How CLIENT UNBLOCK ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unblock {
    /// As if the time were over.
    Timeout,
    /// With an error.
    Error,
}

/// A transaction's claim on one shard.
pub struct Schedule {
    pub id: TransactionId,
    pub claim: Claim,
    pub task: Task,
}

/// A transaction on two shards. It goes to the core with the smaller number, which claims its keys,
/// on to the other, and back; whoever asked for it need not be there any more.
pub struct Joint {
    /// Given by the first core, anew for each attempt.
    pub id: TransactionId,
    pub asker: CoreId,
    pub first: Box<Batch>,
    pub last: (CoreId, Box<Batch>),
    /// The commands that take effect when the last part runs.
    pub witness: Witness,
    /// The clock of the last core if its claim came too late there: nothing was run.
    pub refused: Option<u64>,
    /// Attempts that came to nothing.
    pub refusals: u32,
}

/// What a shard does as soon as a claim is granted. The claim stays held.
pub enum Task {
    /// Says so.
    Hold,
    /// Runs commands that only read.
    Run(Box<Batch>),
    /// Phase one of a two-phase command.
    Collect(Box<Phase>),
    /// The first part of a joint transaction is claimed: sends it on.
    Lead(Box<Joint>),
    /// Runs the last part of a joint transaction and drops the claim.
    Conclude(Box<Joint>),
}

/// The name of a parameter and its new value.
pub type Pair = (Box<[u8]>, Box<[u8]>);

/// CONFIG SET: names and values, all to be set or none.
#[derive(Debug, Clone)]
pub struct ConfigChange {
    pub pairs: Vec<Pair>,
    /// Whether the client is on this host.
    pub is_local: bool,
}

/// The settings and the number of changes that led to them.
#[derive(Debug, Clone)]
pub struct Settings {
    pub version: u64,
    pub config: Arc<Config>,
}

/// A client as CLIENT LIST prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLine {
    pub id: u64,
    pub line: String,
}

/// The conditions of CLIENT KILL and CLIENT LIST; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFilter {
    pub ids: Vec<u64>,
    pub kind: Option<ClientKind>,
    pub user: Option<String>,
    pub address: Option<String>,
    pub local_address: Option<String>,
    /// The client that asks, when it must not be hit.
    pub except: Option<u64>,
    /// Only clients connected for at least this many seconds.
    pub age_min_seconds: Option<u64>,
}

/// CLIENT LIST's TYPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    Normal,
    Master,
    Replica,
    PubSub,
}

/// Under which conditions a client's commands run.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    pub protocol: Protocol,
    pub database: u16,
    /// False after CLIENT NO-TOUCH ON.
    pub touching: bool,
}

/// One command of a batch.
#[derive(Clone, Copy)]
pub struct Call {
    pub command: &'static Command,
    /// The row's place in per-command statistics.
    pub statistics: u16,
    spans: (u32, u32),
    key_at: u8,
    /// Distance of one key from the next in a share, 0 in a whole command.
    step: u8,
    hash: u64,
    /// The hashes of a share's keys.
    hashes: (u32, u32),
}

impl Call {
    /// The hash of the only key, if somebody has computed it.
    pub fn key_hash(&self) -> Option<u64> {
        (self.hash != 0).then_some(self.hash)
    }

    /// True if this is one core's share of a command: the command's name, and some of its keys with
    /// what follows each.
    #[inline]
    pub fn is_share(&self) -> bool {
        self.step != 0
    }
}

/// Commands of one connection for the keys of one core, with their arguments; comes home with the
/// replies. The box is used again, so that buffers die where they were made.
pub struct Batch {
    pub conditions: Conditions,
    pub calls: Vec<Call>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    external: Vec<Bytes>,
    /// Hashes of the keys of shares.
    hashes: Vec<u64>,
    pub replies: Out,
    /// Where the reply to each call ends in `replies`.
    pub ends: Vec<u32>,
    /// Errors among the replies, each with its call's place in statistics.
    pub failed: Vec<(u16, CmdError)>,
    /// How long the calls took together, in nanoseconds.
    pub spent_ns: u64,
}

impl Batch {
    /// An empty batch.
    pub fn new(conditions: Conditions) -> Batch {
        Batch {
            conditions,
            calls: Vec::new(),
            bytes: Vec::new(),
            spans: Vec::new(),
            external: Vec::new(),
            hashes: Vec::new(),
            replies: Out::new(conditions.protocol),
            ends: Vec::new(),
            failed: Vec::new(),
            spent_ns: 0,
        }
    }

    /// Makes a used batch as good as new, keeping its buffers.
    pub fn recycle(&mut self, conditions: Conditions) {
        self.conditions = conditions;
        self.calls.clear();
        self.bytes.clear();
        self.spans.clear();
        self.external.clear();
        self.hashes.clear();
        self.replies.clear();
        self.replies.set_protocol(conditions.protocol);
        self.ends.clear();
        self.failed.clear();
        self.spent_ns = 0;
    }

    /// Bytes of buffers this batch holds on to.
    pub fn weight(&self) -> usize {
        self.bytes.capacity() + self.replies.encoded().len()
    }

    /// Adds a command with those of its arguments that `positions` names; `hash` belongs to the key
    /// at `key_at` (a position in the new argument list; 0: none known).
    pub fn push(
        &mut self,
        command: &'static Command,
        statistics: u16,
        args: &Args<'_>,
        positions: impl Iterator<Item = usize>,
        (key_at, hash): (u8, u64),
    ) {
        let first = self.spans.len() as u32;
        positions.for_each(|position| self.add(args, position));
        let spans = (first, self.spans.len() as u32);
        let (step, hashes) = (0, (0, 0));
        self.calls.push(Call { command, statistics, spans, key_at, step, hash, hashes });
    }

    /// Copies the argument at `position` to the end.
    #[inline]
    fn add(&mut self, args: &Args<'_>, position: usize) {
        let span = match args.owned(position) {
            Some(buffer) => {
                let len = buffer.len();
                self.external.push(buffer);
                Span::external(self.external.len() - 1, len)
            }
            None => {
                let bytes = args.at(position);
                let start = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                Span::input(start, bytes.len() as u32)
            }
        };
        self.spans.push(span);
    }

    /// Begins this core's share of a command whose keys stand `step` apart; the keys follow with
    /// [`Batch::add_key`].
    pub fn begin_share(
        &mut self,
        command: &'static Command,
        statistics: u16,
        args: &Args<'_>,
        step: u8,
    ) {
        let (first, hash) = (self.spans.len() as u32, self.hashes.len() as u32);
        self.add(args, 0);
        let (spans, hashes) = ((first, first + 1), (hash, hash));
        self.calls.push(Call { command, statistics, spans, key_at: 0, step, hash: 0, hashes });
    }

    /// Adds the key at `position`, and what follows it, to the share begun last.
    #[inline]
    pub fn add_key(&mut self, args: &Args<'_>, position: usize, hash: u64) {
        let Some(step) = self.calls.last().map(|call| usize::from(call.step)) else { return };
        let end = (position + step).min(args.len());
        (position..end).for_each(|position| self.add(args, position));
        self.hashes.push(hash);
        if let Some(call) = self.calls.last_mut() {
            (call.spans.1, call.hashes.1) = (self.spans.len() as u32, self.hashes.len() as u32);
        }
    }

    /// How long a call took on average, in nanoseconds.
    pub fn spent_ns_each(&self) -> u64 {
        self.spent_ns / self.calls.len().max(1) as u64
    }

    /// The hashes of the keys of a share.
    pub fn share_hashes(&self, call: &Call) -> &[u64] {
        &self.hashes[call.hashes.0 as usize..call.hashes.1 as usize]
    }

    /// True if some call writes.
    pub fn writes(&self) -> bool {
        self.calls.iter().any(|call| call.command.writes())
    }

    /// Another batch of the same calls, none of which has run.
    pub fn duplicate(&self) -> Box<Batch> {
        Box::new(Batch {
            calls: self.calls.clone(),
            bytes: self.bytes.clone(),
            spans: self.spans.clone(),
            external: self.external.clone(),
            hashes: self.hashes.clone(),
            ..Batch::new(self.conditions)
        })
    }

    /// Puts `word` in place of the argument at `position` of the call at `index`.
    pub fn replace(&mut self, index: usize, position: usize, word: &[u8]) {
        let span = Span::input(self.bytes.len(), word.len() as u32);
        self.bytes.extend_from_slice(word);
        self.spans[self.calls[index].spans.0 as usize + position] = span;
    }

    /// Adds a command that no client sent in these words; the first is its name.
    pub fn push_words(&mut self, command: &'static Command, statistics: u16, words: &[&[u8]]) {
        let first = self.spans.len() as u32;
        for word in words {
            self.spans.push(Span::input(self.bytes.len(), word.len() as u32));
            self.bytes.extend_from_slice(word);
        }
        let spans = (first, self.spans.len() as u32);
        let (key_at, step, hash, hashes) = (0, 0, 0, (0, 0));
        self.calls.push(Call { command, statistics, spans, key_at, step, hash, hashes });
    }

    /// The arguments of the call at `index`.
    pub fn args(&self, index: usize) -> Args<'_> {
        let call = &self.calls[index];
        args_of(call, &self.bytes, &self.spans, &self.external, &self.hashes)
    }

    /// The calls from `first` up to `end` with their arguments, and where their outcome goes.
    pub fn parts(
        &mut self,
        (first, end): (usize, usize),
    ) -> (impl Iterator<Item = (Call, Args<'_>)>, Outcome<'_>) {
        let Batch { calls, bytes, spans, external, hashes, replies, ends, failed, .. } = self;
        let calls = calls[first..end].iter();
        let each = calls.map(|call| (*call, args_of(call, bytes, spans, external, hashes)));
        (each, Outcome { replies, ends, failed })
    }

    /// Number of calls that have run.
    pub fn ran(&self) -> usize {
        self.ends.len()
    }

    /// The hash of each call's key from the call `first` on, for looking ahead; 0 where there is
    /// none.
    pub fn hashes(&self, first: usize) -> impl Iterator<Item = u64> {
        self.calls[first..].iter().map(|call| call.hash)
    }

    /// The part of `replies` that answers the call at `index`.
    pub fn reply_range(&self, index: usize) -> (usize, usize) {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        (start, self.ends[index] as usize)
    }
}

/// Where the outcome of a batch's calls goes.
pub struct Outcome<'a> {
    pub replies: &'a mut Out,
    pub ends: &'a mut Vec<u32>,
    pub failed: &'a mut Vec<(u16, CmdError)>,
}

#[inline]
fn args_of<'a>(
    call: &Call,
    bytes: &'a [u8],
    spans: &'a [Span],
    external: &'a [Bytes],
    hashes: &'a [u64],
) -> Args<'a> {
    let spans = &spans[call.spans.0 as usize..call.spans.1 as usize];
    let args = Args::new(bytes, spans, external);
    if call.is_share() {
        let hashes = &hashes[call.hashes.0 as usize..call.hashes.1 as usize];
        return args.with_hashes(call.step.into(), hashes);
    }
    args.with_hash(call.key_at.into(), call.hash)
}

/// Who gets the answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub core: CoreId,
    pub ticket: Ticket,
}

/// A value on its way from the owner of the first key to the owner of the second.
pub struct Handed {
    /// The coordinator.
    pub asker: Asker,
    pub id: TransactionId,
    pub phase: Box<Phase>,
    pub gift: Option<Carried>,
}

/// One phase of a two-phase command on one shard.
pub struct Phase {
    /// The command, alone, with all its arguments.
    pub batch: Batch,
    /// What all shards collected, in the order of their numbers; empty in phase one.
    pub parcels: Arc<Vec<Parcel>>,
    /// Who waits if there is nothing for the command, in both phases.
    pub waiter: Option<Waiter>,
}

/// A command that may have to wait.
#[derive(Debug, Clone, Copy)]
pub struct Waiter {
    pub id: WaiterId,
    /// True in phase two if there is nothing for it: it begins to wait instead, or goes on.
    pub waits: bool,
    /// True if somebody before it is called for a key of its: then it waits even if there is
    /// something for it, which it is offered as soon as it stands in line.
    pub stands_back: bool,
}

impl Waiter {
    /// In phase one.
    pub fn new(id: WaiterId) -> Waiter {
        Waiter { id, waits: false, stands_back: false }
    }
}
