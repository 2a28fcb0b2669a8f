//! Commands over several cores: their parts go out together, their replies become one.
//!
//! Invariant: every part runs while all of them are claimed, so the whole happens at one instant;
//! the reply is written only when every part has answered.

use super::route;
use super::shards::Shards;
use super::transaction::{self, Work};
use crate::command::spec::{Command, Fold, Keys, Run};
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::locks::{Claim, Mode};
use crate::shard::message::{Batch, CoreId, Request, Response, Task};

/// Runs the one command of `whole` on all the cores it concerns and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let command = whole.calls[0].command;
    let (plan, fold) = match command.run {
        Run::Scatter(_, fold) => (share(shards, command, &whole.args(0)), fold),
        Run::Every(_, fold) => (everywhere(shards, command, &whole.args(0)), fold),
        Run::TwoPhase { .. } | Run::Handover { .. } => {
            return super::two_phase::run(shards, whole, out).await;
        }
        Run::Cursor(position, _) => {
            return super::scan::run(shards, whole, position.into(), out).await;
        }
        Run::Shard(_) => unreachable!("runs on one core"),
    };
    let parts = run_parts(shards, whole, &plan).await;
    self::fold(fold, &plan, &parts, shards, out)
}

/// Which arguments go where.
struct Plan {
    shares: Vec<Share>,
    /// For each key in its order, the index of the share it went to.
    order: Vec<usize>,
}

/// One shard's part.
struct Share {
    core: CoreId,
    /// Positions of its arguments, the command's name first.
    positions: Vec<usize>,
    claim: Claim,
}

impl Share {
    fn batch(&self, whole: &Batch) -> Box<Batch> {
        let mut batch = Box::new(Batch::new(whole.conditions));
        let call = &whole.calls[0];
        let positions = self.positions.iter().copied();
        batch.push(call.command, call.statistics, &whole.args(0), positions, (0, 0));
        batch
    }
}

fn share(shards: &Shards, command: &Command, args: &Args<'_>) -> Plan {
    let step = match command.spec.keys {
        [Keys::Range { step, .. }] => usize::from(*step),
        _ => 1,
    };
    let mut plan = Plan { shares: Vec::new(), order: Vec::new() };
    route::for_each_key(&command.spec, args, |position| {
        let key = args.key(position.index);
        let core = route::owner(shards.layout, key);
        let known = plan.shares.iter().position(|share| share.core == core);
        let index = known.unwrap_or_else(|| {
            plan.shares.push(Share { core, positions: vec![0], claim: Claim::Keys(Vec::new()) });
            plan.shares.len() - 1
        });
        let end = (position.index + step).min(args.len());
        plan.shares[index].positions.extend(position.index..end);
        if let Claim::Keys(keys) = &mut plan.shares[index].claim {
            keys.push((key.hash, route::mode(command, position.access)));
        }
        plan.order.push(index);
    });
    for share in &mut plan.shares {
        if let Claim::Keys(keys) = &mut share.claim {
            share.claim = Claim::keys(std::mem::take(keys));
        }
    }
    plan
}

fn everywhere(shards: &Shards, command: &Command, args: &Args<'_>) -> Plan {
    let share = |core| Share {
        core,
        positions: (0..args.len()).collect(),
        claim: Claim::Shard(Mode::of(command.writes())),
    };
    Plan { shares: shards.cores().map(share).collect(), order: Vec::new() }
}

/// Runs each share on its core, all at one instant, and returns them answered in the same order. A
/// command that only reads runs where its claim is granted, which saves a hop.
async fn run_parts(shards: &Shards, whole: &Batch, plan: &Plan) -> Vec<Box<Batch>> {
    let cores: Vec<CoreId> = plan.shares.iter().map(|share| share.core).collect();
    let writes = whole.calls[0].command.writes();
    let (held, mut answers) = transaction::hold(shards, whole, &cores, |index| {
        let share = &plan.shares[index];
        let task = if writes { Task::Hold } else { Task::Run(share.batch(whole)) };
        (share.claim.clone(), task)
    })
    .await;
    if writes {
        let work = plan.shares.iter().map(|share| (share.core, Work::Run(share.batch(whole))));
        answers = held.finish(work.collect()).await;
    }
    answers.into_iter().map(answered).collect()
}

/// The batch of an answer to one.
pub fn answered(response: Response) -> Box<Batch> {
    match response {
        Response::Ran(batch) => batch,
        _ => unreachable!("a batch is answered by a batch"),
    }
}

/// Runs the one command of `batch` on `core` as a single command.
pub(super) async fn exchange(shards: &Shards, core: CoreId, batch: Box<Batch>) -> Box<Batch> {
    answered(shards.ask(core, Request::Run(batch)).await)
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
