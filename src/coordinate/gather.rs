//! Commands over several cores: their parts go out together, their replies become one.
//!
//! Invariant: parts are sent before the first answer is awaited, and the local part runs meanwhile.
//! The reply is written only when every part has answered.

use std::cell::RefCell;

use super::hop::{Hop, Hops};
use super::route;
use crate::base::layout::Layout;
use crate::command::spec::{Command, Fold, Keys, Run};
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::execute;
use crate::shard::message::{Batch, CoreId, Request, Response};
use crate::store::db::Db;

/// What a coordinator sees: its own shard, the way to the others, and who owns what.
pub struct Shards {
    pub db: RefCell<Db>,
    pub hops: Hops,
    pub layout: Layout,
}

impl Shards {
    /// This core.
    pub fn me(&self) -> CoreId {
        self.hops.me()
    }

    /// Every core, this one included.
    pub fn cores(&self) -> impl Iterator<Item = CoreId> + use<> {
        (0..self.layout.cores() as u16).map(CoreId)
    }

    /// Asks every other core the same and collects the answers in the order of cores.
    pub async fn ask_others(&self, mut request: impl FnMut() -> Request) -> Vec<Response> {
        let me = self.me();
        let hops: Vec<Hop<'_>> = self
            .cores()
            .filter(|core| *core != me)
            .map(|core| self.hops.ask(core, request()))
            .collect();
        let mut answers = Vec::with_capacity(hops.len());
        for hop in hops {
            answers.push(hop.await);
        }
        answers
    }
}

/// Runs the one command of `whole` on all the cores it concerns and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let command = whole.calls[0].command;
    match command.run {
        Run::Scatter(_, fold) => {
            let plan = share(shards, command, &whole.args(0));
            let parts = split(whole, &plan);
            let parts = exchange(shards, parts).await;
            self::fold(fold, &plan, &parts, shards, out)
        }
        Run::Every(_, fold) => {
            let everything: Vec<usize> = (0..whole.args(0).len()).collect();
            let plan = Plan {
                shares: shards.cores().map(|core| (core, everything.clone())).collect(),
                order: Vec::new(),
            };
            let parts = exchange(shards, split(whole, &plan)).await;
            self::fold(fold, &plan, &parts, shards, out)
        }
        Run::TwoPhase { .. } => super::two_phase::run(shards, whole, out).await,
        Run::Cursor(position, _) => super::scan::run(shards, whole, position.into(), out).await,
        Run::Shard(_) => unreachable!("runs on one core"),
    }
}

/// Which arguments go where.
struct Plan {
    /// Argument positions per core, the command's name first.
    shares: Vec<(CoreId, Vec<usize>)>,
    /// For each key in its order, the index of the share it went to.
    order: Vec<usize>,
}

fn share(shards: &Shards, command: &Command, args: &Args<'_>) -> Plan {
    let step = match command.spec.keys {
        [Keys::Range { step, .. }] => usize::from(*step),
        _ => 1,
    };
    let mut plan = Plan { shares: Vec::new(), order: Vec::new() };
    route::for_each_key(&command.spec, args, |position| {
        let core = route::owner(shards.layout, args.key(position.index));
        let known = plan.shares.iter().position(|(owner, _)| *owner == core);
        let index = known.unwrap_or_else(|| {
            plan.shares.push((core, vec![0]));
            plan.shares.len() - 1
        });
        let end = (position.index + step).min(args.len());
        plan.shares[index].1.extend(position.index..end);
        plan.order.push(index);
    });
    plan
}

fn split(whole: &Batch, plan: &Plan) -> Vec<(CoreId, Box<Batch>)> {
    let (call, args) = (&whole.calls[0], whole.args(0));
    let part = |positions: &[usize]| {
        let mut batch = Box::new(Batch::new(whole.conditions));
        batch.push(call.command, call.statistics, &args, positions.iter().copied(), (0, 0));
        batch
    };
    plan.shares.iter().map(|(core, positions)| (*core, part(positions))).collect()
}

/// Sends each part to its core, runs the local one meanwhile, and returns them answered in the same
/// order.
pub(super) async fn exchange(shards: &Shards, parts: Vec<(CoreId, Box<Batch>)>) -> Vec<Box<Batch>> {
    let mut local = None;
    let mut away = Vec::with_capacity(parts.len());
    for (index, (core, mut batch)) in parts.into_iter().enumerate() {
        batch.is_part = true;
        if core == shards.me() {
            local = Some((index, batch));
        } else {
            away.push(shards.hops.ask(core, Request::Run(batch)));
        }
    }
    let mut answered = Vec::with_capacity(away.len() + 1);
    if let Some((_, batch)) = &mut local {
        execute::run_batch(&mut shards.db.borrow_mut(), batch, |_, _| {});
    }
    for hop in away {
        match hop.await {
            Response::Ran(batch) => answered.push(batch),
            _ => unreachable!("a batch is answered by a batch"),
        }
    }
    if let Some((index, batch)) = local {
        answered.insert(index, batch);
    }
    answered
}

fn fold(
    fold: Fold,
    plan: &Plan,
    parts: &[Box<Batch>],
    shards: &Shards,
    out: &mut Out,
) -> Result<(), CmdError> {
    for part in parts {
        refuse_error(&part.replies)?;
    }
    match fold {
        Fold::Sum => out.int(parts.iter().map(|part| header(&part.replies, 0).0).sum()),
        Fold::AllOk => out.ok(),
        Fold::InOrder => in_order(plan, parts, out),
        Fold::Concat => concat(parts, out),
        Fold::Draw => draw(parts, shards, out),
    }
    Ok(())
}

/// Makes an error of a part that of the whole.
pub(super) fn refuse_error(replies: &Out) -> Result<(), CmdError> {
    let Some(error) = replies.encoded().strip_prefix(b"-") else { return Ok(()) };
    Err(CmdError::owned(error.trim_ascii_end()))
}

/// The number in the header line at `at`, and where the line ends.
pub(super) fn header(replies: &Out, at: usize) -> (i64, usize) {
    let line = &replies.encoded()[at + 1..];
    let len = memchr::memchr(b'\r', line).expect("a shard writes whole replies");
    let number = crate::base::num::parse_i64(&line[..len]).unwrap_or(-1);
    (number, at + 1 + len + 2)
}

/// Where the bulk string or null at `at` ends. A shared value is not part of the encoded bytes.
fn element_end(replies: &Out, at: usize) -> usize {
    let (len, end) = header(replies, at);
    if replies.encoded()[at] != b'$' || len < 0 {
        return end;
    }
    let shared = replies.shared().binary_search_by_key(&end, |(at, _)| *at).is_ok();
    end + if shared { 0 } else { len as usize } + 2
}

fn in_order(plan: &Plan, parts: &[Box<Batch>], out: &mut Out) {
    let mut next: Vec<usize> = parts.iter().map(|part| header(&part.replies, 0).1).collect();
    out.array(plan.order.len());
    for &index in &plan.order {
        let end = element_end(&parts[index].replies, next[index]);
        out.append_range(&parts[index].replies, next[index], end);
        next[index] = end;
    }
}

fn concat(parts: &[Box<Batch>], out: &mut Out) {
    let total: i64 = parts.iter().map(|part| header(&part.replies, 0).0).sum();
    out.array(total as usize);
    for part in parts {
        let (_, start) = header(&part.replies, 0);
        out.append_range(&part.replies, start, part.replies.encoded().len());
    }
}

/// Each part is an array of a count and a value; one part is drawn with its count as weight.
fn draw(parts: &[Box<Batch>], shards: &Shards, out: &mut Out) {
    let weights = parts.iter().map(|part| {
        let (_, first) = header(&part.replies, 0);
        header(&part.replies, first).0.max(0) as u64
    });
    let total: u64 = weights.clone().sum();
    if total == 0 {
        return out.null();
    }
    let mut rest = shards.db.borrow().random_below(total);
    for (part, weight) in parts.iter().zip(weights) {
        if rest < weight {
            let (_, first) = header(&part.replies, 0);
            let (_, value) = header(&part.replies, first);
            return out.append_range(&part.replies, value, part.replies.encoded().len());
        }
        rest -= weight;
    }
}
