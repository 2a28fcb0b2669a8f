//! One command over several cores: its parts go out together, their replies become one.
//!
//! Invariant: every part runs while all of them are claimed, so the whole happens at one instant;
//! the reply is written only when every part has answered.

use super::atomic;
use super::fold::{self, Part};
use super::route::{self, Placed};
use super::shards::Shards;
use crate::base::probe::Witness;
use crate::command::spec::Run;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::message::{Batch, CoreId, Request, Response};

/// Runs the one command of `whole` on all the cores it concerns and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let command = whole.calls[0].command;
    let (parts, order, fold) = match command.run {
        Run::Scatter(_, fold) => {
            let (parts, order) = scattered(shards, whole);
            (parts, order, fold)
        }
        Run::Every(_, fold) => {
            let parts = shards.cores().map(|core| (core, whole.duplicate()));
            (parts.collect(), Vec::new(), fold)
        }
        Run::TwoPhase { .. } | Run::LongPhases { .. } | Run::Handover { .. } | Run::Blocking(_) => {
            return super::two_phase::run(shards, whole, out).await;
        }
        Run::Cursor(position, _) => {
            return super::scan::run(shards, whole, position.into(), out).await;
        }
        Run::Sort { .. } => return super::sort::run(shards, whole, out).await,
        Run::Shard(_) => unreachable!("runs on one core"),
    };
    let mut witness = Witness::default();
    witness.note(whole.args(0).from(0));
    let answered = atomic::run(shards, parts, witness).await;
    let parts: Vec<Part<'_>> = answered.iter().map(|batch| Part::whole(&batch.replies)).collect();
    fold::fold(fold, &parts, order.into_iter(), shards, out)
}

/// The shares of the one command of `whole`, and for each key in its order the index of its share.
fn scattered(shards: &Shards, whole: &Batch) -> (Vec<(CoreId, Box<Batch>)>, Vec<usize>) {
    let (call, args) = (&whole.calls[0], whole.args(0));
    let step = route::key_step(call.command);
    let (mut parts, mut order) = (Vec::<(CoreId, Box<Batch>)>::new(), Vec::new());
    route::for_each_placed(
        shards.layout,
        call.command,
        &args,
        |Placed { position, core, hash }| {
            let known = parts.iter().position(|(owner, _)| *owner == core);
            let index = known.unwrap_or_else(|| {
                let mut batch = Box::new(Batch::new(whole.conditions));
                batch.begin_share(call.command, call.statistics, &args, step);
                parts.push((core, batch));
                parts.len() - 1
            });
            parts[index].1.add_key(&args, position as usize, hash);
            order.push(index);
        },
    );
    (parts, order)
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
