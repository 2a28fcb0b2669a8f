//! SORT over several cores.
//!
//! Which keys it reads shows only when the elements are known, and which of them it answers when
//! those are sorted. So it claims all shards if it has patterns that lead to keys, as KEYS does,
//! and then asks in rounds under that claim:
//!
//! 1. the owner of the key for its elements (this comes with the claim);
//! 2. with BY, the owners of the weights; then the elements are sorted here;
//! 3. for each GET, the owners of the values of the elements that LIMIT leaves;
//! 4. with STORE, the owner of the target to store.
//!
//! Without such patterns, the source and the target of STORE are all it claims.
//!
//! Invariant: all is claimed before the first look and until the end, so SORT happens at one
//! instant. Nothing is written before the last round, which is one message.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::route;
use super::shards::Shards;
use super::transaction::{self, Held, Work};
use crate::base::probe::Witness;
use crate::command::generic::sort::{
    Arrangement, ELEMENTS, Elements, FIELDS, Pattern, Request as Sort, STORE, STRINGS, Sorted,
    Texts,
};
use crate::command::portion::Portion;
use crate::command::spec::{Command, Parcel};
use crate::resp::args::Key;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::locks::{Claim, Mode};
use crate::shard::message::{Batch, CoreId, Phase, Response, Task};

/// Keys, and bytes of their names, that one round asks for.
const ROUND_KEYS: usize = 4096;
const ROUND_BYTES: usize = 1 << 20;

/// Runs the SORT or SORT_RO of `whole` and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let args = whole.args(0);
    let request = Sort::read(&args, whole.calls[0].command.writes())?;
    let owner = |index| route::owner(shards.layout, args.key(index));
    let (source, target) = (owner(1), request.target.map(owner));
    let claims = claims(shards, whole, &request);
    let cores: Vec<CoreId> = claims.iter().map(|(core, _)| *core).collect();
    let mut witness = Witness::default();
    witness.note(args.from(0));
    let (held, answers) = transaction::hold(shards, &witness, &cores, |index| {
        let (core, claim) = &claims[index];
        let look = || Task::Collect(with_arguments(&ELEMENTS, whole));
        (claim.clone(), if *core == source { look() } else { Task::Hold })
    })
    .await;
    let elements = answers.into_iter().find_map(parcel).expect("the owner of the key is asked");
    let sorted = sort(&held, whole, &request, opened::<Elements>(elements?)).await?;
    let Some(target) = target else {
        reply(shards, &sorted, out).await;
        shards.bury(Arc::new(vec![Some(Box::new(sorted))]));
        return Ok(());
    };
    let mut phase = with_arguments(&STORE, whole);
    phase.parcels = Arc::new(vec![Some(Box::new(list(shards, &sorted).await))]);
    shards.bury(Arc::new(vec![Some(Box::new(sorted))]));
    match held.finish(vec![(target, Work::Commit(phase))]).await.pop() {
        Some(Response::Committed(phase)) => out.append(&phase.batch.replies),
        _ => unreachable!("a commit is answered by one"),
    }
    Ok(())
}

/// Lets the core do other things before the next portion.
async fn pause(shards: &Shards) {
    let mut is_over = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        // The core must not sleep before it has polled this again.
        shards.hops.woken.set(true);
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Answers all of it.
async fn reply(shards: &Shards, sorted: &Sorted, out: &mut Out) {
    sorted.begin(out);
    let (mut page, mut portion) = (Out::new(out.protocol()), Portion::first());
    for row in 0..sorted.rows() {
        if portion.is_full(&page) {
            out.adopt(std::mem::replace(&mut page, Out::new(out.protocol())));
            portion = Portion::first();
            pause(shards).await;
        }
        sorted.reply_row(row, &mut page);
        portion.count(1);
    }
    out.append(&page);
}

/// All of it as the elements of a list; what was not found is empty.
async fn list(shards: &Shards, sorted: &Sorted) -> Texts {
    let (mut list, mut portion) = (Texts::default(), Portion::first());
    for row in 0..sorted.rows() {
        if portion.is_spent() {
            portion = Portion::first();
            pause(shards).await;
        }
        sorted.each(row, |text| {
            let text = text.unwrap_or_default();
            portion.count(1);
            portion.count_bytes(text.len());
            list.push(Some(text));
        });
    }
    list
}

/// What is claimed where.
fn claims(shards: &Shards, whole: &Batch, request: &Sort<'_>) -> Vec<(CoreId, Claim)> {
    let args = whole.args(0);
    let owner = |index| route::owner(shards.layout, args.key(index));
    let target = request.target.map(owner);
    if request.reads_other_keys() {
        let mode = |core: CoreId| Mode::of(Some(core) == target);
        return shards.cores().map(|core| (core, Claim::Shard(mode(core)))).collect();
    }
    let source = (owner(1), (args.key(1).hash, Mode::Shared));
    let target =
        request.target.map(|index| (owner(index), (args.key(index).hash, Mode::Exclusive)));
    match target {
        None => vec![(source.0, Claim::keys(vec![source.1]))],
        Some(target) if target.0 == source.0 => {
            vec![(source.0, Claim::keys(vec![source.1, target.1]))]
        }
        Some(target) => [source, target].map(|(core, key)| (core, Claim::keys(vec![key]))).into(),
    }
}

/// Looks up what orders the elements and what is answered for them.
async fn sort(
    held: &Held<'_>,
    whole: &Batch,
    request: &Sort<'_>,
    elements: Elements,
) -> Result<Sorted, CmdError> {
    let weights = match elements.weighed_by(request) {
        Some(pattern) => Some(look_up(held, whole, pattern, &elements, None).await?),
        None => None,
    };
    let mut arrangement = Arrangement::default();
    while !arrangement.advance(&elements, request, weights.as_ref(), &mut Portion::first())? {
        pause(held.shards()).await;
    }
    if let Some(weights) = weights {
        held.shards().bury(Arc::new(vec![Some(Box::new(weights))]));
    }
    let (chosen, mut columns) = (arrangement.into_chosen(), Vec::new());
    while columns.len() < request.columns() {
        columns.push(match request.gets().get(columns.len()) {
            None | Some(Pattern::Element) => None,
            Some(pattern) => Some(look_up(held, whole, pattern, &elements, Some(&chosen)).await?),
        });
    }
    Ok(Sorted { elements, chosen, columns })
}

/// What `pattern` leads to from each of the elements at `indices`, or from all.
async fn look_up(
    held: &Held<'_>,
    whole: &Batch,
    pattern: &Pattern<'_>,
    elements: &Elements,
    indices: Option<&[usize]>,
) -> Result<Texts, CmdError> {
    let (mut all, mut next) = (Texts::default(), 0);
    let len = indices.map_or(elements.len(), <[usize]>::len);
    while next < len {
        let mut round = Round::new(held.shards(), pattern, whole);
        while next < len && !round.is_full() {
            round.add(elements.text(indices.map_or(next, |indices| indices[next])));
            next += 1;
        }
        round.ask(held, &mut all).await?;
        if next < len {
            pause(held.shards()).await;
        }
    }
    Ok(all)
}

/// Some elements whose keys are looked up together.
struct Round<'a> {
    shards: &'a Shards,
    whole: &'a Batch,
    pattern: &'a Pattern<'a>,
    /// The names of the keys, by their owners.
    names: Vec<Texts>,
    /// For each element the owner of its key; `None` if it leads to none.
    owners: Vec<Option<CoreId>>,
    name: Vec<u8>,
    bytes: usize,
}

impl<'a> Round<'a> {
    fn new(shards: &'a Shards, pattern: &'a Pattern<'a>, whole: &'a Batch) -> Round<'a> {
        let names = shards.cores().map(|_| Texts::default()).collect();
        Round { shards, whole, pattern, names, owners: Vec::new(), name: Vec::new(), bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.owners.len() >= ROUND_KEYS || self.bytes >= ROUND_BYTES
    }

    fn add(&mut self, element: &[u8]) {
        let leads_on = self.pattern.name(element, &mut self.name);
        let owner = leads_on.then(|| route::owner(self.shards.layout, Key::new(&self.name)));
        if let Some(core) = owner {
            self.names[core.index()].push(Some(&self.name));
            self.bytes += self.name.len();
        }
        self.owners.push(owner);
    }

    /// Asks all owners at once, and appends what they hold in the order of the elements.
    async fn ask(self, held: &Held<'_>, found: &mut Texts) -> Result<(), CmdError> {
        let asked: Vec<CoreId> =
            self.shards.cores().filter(|core| !self.names[core.index()].is_empty()).collect();
        let phases = asked.iter().map(|core| (*core, self.phase(&self.names[core.index()])));
        let mut answers: Vec<Option<Texts>> = self.names.iter().map(|_| None).collect();
        for (core, answer) in asked.iter().zip(held.ask(phases.collect()).await) {
            answers[core.index()] = Some(opened(parcel(answer).expect("asked to collect")?));
        }
        let mut next = vec![0; answers.len()];
        for owner in self.owners {
            found.push(owner.and_then(|core| {
                next[core.index()] += 1;
                answers[core.index()].as_ref()?.get(next[core.index()] - 1)
            }));
        }
        Ok(())
    }

    fn phase(&self, names: &Texts) -> Box<Phase> {
        let (command, field) = match self.pattern.field() {
            Some(field) => (&FIELDS, Some(field)),
            None => (&STRINGS, None),
        };
        let mut words: Vec<&[u8]> = vec![command.spec.name.as_bytes()];
        words.extend(field);
        words.extend(names.iter().flatten());
        let mut batch = Batch::new(self.whole.conditions);
        batch.push_words(command, self.whole.calls[0].statistics, &words);
        Box::new(Phase { batch, parcels: Arc::default(), waiter: None })
    }
}

/// A step with the arguments of the whole.
fn with_arguments(command: &'static Command, whole: &Batch) -> Box<Phase> {
    let (call, args) = (&whole.calls[0], whole.args(0));
    let mut batch = Batch::new(whole.conditions);
    batch.push(command, call.statistics, &args, 0..args.len(), (0, 0));
    Box::new(Phase { batch, parcels: Arc::default(), waiter: None })
}

fn parcel(answer: Response) -> Option<Result<Parcel, CmdError>> {
    match answer {
        Response::Collected(_, parcel) => Some(parcel),
        _ => None,
    }
}

/// What is in a parcel, whose sender decides the type.
fn opened<T: 'static>(parcel: Parcel) -> T {
    let content = parcel.and_then(|parcel| parcel.downcast());
    *content.expect("each step answers in its own type")
}
