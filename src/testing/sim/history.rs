//! What clients asked and were answered, and the check that one order explains it all.
//!
//! The server says when each command takes effect: a single command when it runs, a transaction
//! when all its claims are held ([`crate::base::probe::took_effect`]). The commands are repeated in
//! that order on a sequential model. If every reply is the model's, and each command took effect
//! once, between its call and its reply, then that order is a witness of strict serializability
//! (Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects", 1990).
//!
//! A command is recognised by its words. Those of different clients differ in the case of the
//! name's letters; equal ones of one client take effect in the order in which they were sent.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::lines::Lines;
use super::model::{Model, Place, Run, served_key};
use super::scans::{Iteration, Watch};
use crate::base::probe::Effect;
use crate::base::time::Millis;

/// Keyspaces that a history may leave possible; beyond that it is not checked further.
const MODELS_MAX: usize = 64;

/// A step of a run and the time by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub step: u64,
    pub time: Millis,
}

/// A command of a client.
pub struct Operation {
    pub client: usize,
    pub database: usize,
    pub words: Effect,
    pub called: Moment,
    pub reply: Option<(Moment, String)>,
    /// The step in which it took effect.
    effect: Option<u64>,
}

/// All commands of a run in the order of their calls, and the order in which they took effect.
#[derive(Default)]
pub struct History {
    operations: Vec<Operation>,
    effects: Vec<(u64, Effect)>,
    iterations: Vec<Iteration>,
    /// When each client that is gone had gone, by number.
    departures: BTreeMap<usize, u64>,
    /// The clients by their ids on the server.
    clients: BTreeMap<Vec<u8>, usize>,
    /// Commands that wait for ever, as it seems.
    stuck: Vec<usize>,
    /// What the shards hold in the end, and when that is.
    end: Option<(Millis, BTreeMap<Place, String>)>,
    error: Option<String>,
}

impl History {
    /// Number of commands.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// There is a client of this number, with this id.
    pub fn meet(&mut self, client: usize, id: u64) {
        self.clients.insert(id.to_string().into_bytes(), client);
    }

    /// A command is sent; returns its number.
    pub fn call(&mut self, client: usize, database: usize, words: Effect, called: Moment) -> usize {
        let reply = None;
        self.operations.push(Operation { client, database, words, called, reply, effect: None });
        self.operations.len() - 1
    }

    /// The step in which a command was sent.
    pub fn called(&self, number: usize) -> u64 {
        self.operations[number].called.step
    }

    /// A command is answered.
    pub fn answer(&mut self, number: usize, at: Moment, reply: String) {
        self.operations[number].reply = Some((at, reply));
    }

    /// A client has come to the end of an iteration.
    pub fn iterated(&mut self, iteration: Iteration) {
        self.iterations.push(iteration);
    }

    /// A client has gone, or was sent away.
    pub fn depart(&mut self, client: usize, step: u64) {
        self.departures.entry(client).or_insert(step);
    }

    /// A client saw something that cannot be.
    pub fn fail(&mut self, reason: String) {
        self.error.get_or_insert(reason);
    }

    /// Notes what took effect in this step.
    pub fn note_effects(&mut self, step: u64, effects: Vec<Effect>) {
        self.effects.extend(effects.into_iter().map(|effect| (step, effect)));
    }

    /// The shards hold this in the end.
    pub fn end(&mut self, now: Millis, contents: BTreeMap<Place, String>) {
        self.end = Some((now, contents));
    }

    /// True if this command waits for a key, and for ever.
    pub fn waits_for_ever(&self, number: usize) -> bool {
        let words = &self.operations[number].words;
        is_blocking(words) && words.last().is_some_and(|word| word.starts_with(b"0e"))
    }

    /// Nothing happens any more, and this command waits.
    pub fn leave_waiting(&mut self, number: usize) {
        self.stuck.push(number);
    }

    /// Fails unless the order of effects explains all replies.
    pub fn check(&mut self) -> Result<(), String> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let (models, lines) = self.replay()?;
        for overtaking in lines.overtakings() {
            let first = &self.operations[overtaking.first];
            if first.effect.is_some() || self.stuck.contains(&overtaking.first) {
                let key = String::from_utf8_lossy(&overtaking.key).into_owned();
                let (first, served) = (overtaking.first, overtaking.served);
                return Err(format!("#{served} was served from {key} before #{first}"));
            }
        }
        if models.len() <= MODELS_MAX {
            self.check_end(&models)?;
        }
        self.check_kills()?;
        let unexplained = |operation: &&Operation| {
            let timed_out = is_blocking(&operation.words)
                && operation.reply.as_ref().is_some_and(|(_, reply)| reply == "*-1\r\n");
            let is_answered = operation.reply.is_some() && !timed_out;
            operation.effect.is_none() && is_answered && !is_beside(&operation.words)
        };
        match self.operations.iter().find(unexplained) {
            Some(operation) => {
                Err(format!("{} was answered and took no effect", shown(&operation.words)))
            }
            None => Ok(()),
        }
    }

    /// Repeats the effects on the model; returns what it may hold then, and who waited for what.
    fn replay(&mut self) -> Result<(Vec<Model>, Lines), String> {
        let mut open: BTreeMap<Effect, VecDeque<usize>> = BTreeMap::new();
        for (number, operation) in self.operations.iter().enumerate() {
            open.entry(operation.words.clone()).or_default().push_back(number);
        }
        let iterations = std::mem::take(&mut self.iterations);
        let beginning = |iteration: &Iteration| self.unfinished_since(iteration.begun);
        let watch = |iteration| Watch::new(iteration, beginning(iteration));
        let mut watches: Vec<Watch<'_>> = iterations.iter().filter_map(watch).collect();
        let (mut models, mut lines, mut last) = (vec![Model::default()], Lines::default(), 0);
        let effects = std::mem::take(&mut self.effects);
        let outcome = effects.iter().try_for_each(|(at, words)| {
            watches.iter_mut().for_each(|watch| watch.see(&models, last, *at));
            last = *at;
            let own = own_words(words);
            if is_beside(own) {
                return Ok(());
            }
            if let Some(keys) = words.last().and_then(|word| word.strip_prefix(b"+")) {
                if let Some(number) = open.get(own).and_then(|numbers| numbers.front()) {
                    let database = self.operations[*number].database;
                    let keys = keys.split(|byte| *byte == b' ');
                    keys.for_each(|key| lines.enter(database, key, *number));
                }
                return Ok(());
            }
            let Some(number) = open.get_mut(own).and_then(VecDeque::pop_front) else {
                return Err(format!("{} took effect once too often", shown(words)));
            };
            self.operations[number].effect = Some(*at);
            models = self.explain(number, *at, words, std::mem::take(&mut models))?;
            self.serve(number, words, &mut lines);
            Ok(())
        });
        self.effects = effects;
        outcome?;
        watches.iter_mut().for_each(|watch| watch.see(&models, last, u64::MAX));
        if models.len() <= MODELS_MAX {
            watches.iter().try_for_each(Watch::check)?;
        }
        Ok((models, lines))
    }

    /// The first step in which a command took effect that was not answered at `begun`.
    fn unfinished_since(&self, begun: u64) -> u64 {
        let mut effects: BTreeMap<&[Vec<u8>], VecDeque<u64>> = BTreeMap::new();
        for (step, words) in &self.effects {
            effects.entry(own_words(words)).or_default().push_back(*step);
        }
        let unfinished = self.operations.iter().filter(|operation| {
            operation.called.step < begun
                && operation.reply.as_ref().is_none_or(|(at, _)| at.step >= begun)
        });
        let steps = unfinished.filter_map(|operation| {
            let steps = effects.get(&operation.words[..])?;
            steps.iter().copied().find(|step| *step >= operation.called.step)
        });
        steps.chain([begun]).min().expect("there is at least one")
    }

    /// What may be after a command, if its reply is one that may be.
    fn explain(
        &self,
        number: usize,
        at: u64,
        words: &Effect,
        models: Vec<Model>,
    ) -> Result<Vec<Model>, String> {
        let operation = &self.operations[number];
        let shown = shown(&operation.words);
        if at < operation.called.step {
            return Err(format!("#{number} {shown} took effect before it was called"));
        }
        let answered = operation.reply.as_ref();
        if answered.is_some_and(|(answered, _)| at > answered.step) {
            return Err(format!("#{number} {shown} took effect after it was answered"));
        }
        if models.len() > MODELS_MAX {
            return Ok(models);
        }
        let said = words.last().and_then(|word| word.strip_prefix(b"="));
        let run = Run {
            database: operation.database,
            words,
            called: operation.called.time,
            answered: answered.map_or(Millis::MAX, |(at, _)| at.time),
        };
        let (mut possible, mut expected) = (Vec::new(), None);
        for model in models {
            for (after, reply) in model.outcomes(&run) {
                let is_answered = answered
                    .is_none_or(|(_, heard)| *heard == reply || after.may_count(&run, heard));
                if is_answered && said.is_none_or(|said| said == reply.as_bytes()) {
                    if !possible.contains(&after) {
                        possible.push(after);
                    }
                } else {
                    expected.get_or_insert(reply);
                }
            }
        }
        if possible.is_empty() {
            let heard = answered.map(|(_, reply)| reply);
            return Err(format!("#{number} {shown} answered {heard:?}, should be {expected:?}"));
        }
        Ok(possible)
    }

    /// Notes that a command which may wait was served, and from which key.
    fn serve(&self, number: usize, words: &Effect, lines: &mut Lines) {
        let Operation { database, words: own, reply, .. } = &self.operations[number];
        if !is_blocking(own) {
            return;
        }
        let said = words.last().and_then(|word| word.strip_prefix(b"="));
        let reply = said.or(reply.as_ref().map(|(_, reply)| reply.as_bytes()));
        let is_move = own[0].eq_ignore_ascii_case(b"BLMOVE");
        let key = if is_move { Some(own[1].clone()) } else { reply.and_then(served_key) };
        if let Some(key) = key {
            lines.serve(*database, &key, number);
        }
    }

    /// Compares what the shards hold in the end, and who waits for ever, with the model.
    fn check_end(&self, models: &[Model]) -> Result<(), String> {
        let Some((now, contents)) = &self.end else { return Ok(()) };
        let models: Vec<&Model> =
            models.iter().filter(|model| model.contents(*now) == *contents).collect();
        if models.is_empty() {
            return Err(format!("in the end the shards hold {contents:?}"));
        }
        for number in &self.stuck {
            let Operation { database, words, .. } = &self.operations[*number];
            if models.iter().all(|model| model.could_serve(*database, words, *now)) {
                return Err(format!("#{number} {} waits for what is there", shown(words)));
            }
        }
        Ok(())
    }

    /// Whoever was said to be closed must be gone; who was not found must have been on the way out.
    fn check_kills(&self) -> Result<(), String> {
        let is_kill = |operation: &&Operation| operation.words[0].eq_ignore_ascii_case(b"CLIENT");
        let kills: Vec<&Operation> = self.operations.iter().filter(is_kill).collect();
        for kill in &kills {
            let Some((at, reply)) = &kill.reply else { continue };
            let target = &kill.words[3];
            let gone = self.clients.get(target).and_then(|client| self.departures.get(client));
            let others = kills.iter().filter(|other| other.words[3] == *target);
            let is_right = match reply.as_str() {
                ":1\r\n" => gone.is_some(),
                ":0\r\n" => {
                    let was_hit = others.filter(|other| other.called.step < at.step).count() > 1;
                    gone.is_some_and(|step| *step <= at.step) || was_hit
                }
                _ => false,
            };
            if !is_right {
                let words = shown(&kill.words);
                return Err(format!("{words} answered {reply:?}, and its client left {gone:?}"));
            }
        }
        Ok(())
    }
}

/// The client's words of an effect, without what the server adds.
fn own_words(words: &[Vec<u8>]) -> &[Vec<u8>] {
    let is_added = |word: &Vec<u8>| matches!(word.first(), Some(b'=' | b'+'));
    &words[..words.len() - usize::from(words.last().is_some_and(is_added))]
}

fn is_blocking(words: &[Vec<u8>]) -> bool {
    words[0][..2].eq_ignore_ascii_case(b"BL")
}

/// True for commands that say nothing of one moment of the keyspace.
fn is_beside(words: &[Vec<u8>]) -> bool {
    let beside = [&b"SELECT"[..], b"CLIENT", b"SCAN"];
    beside.iter().any(|name| words[0].eq_ignore_ascii_case(name))
}

fn shown(words: &[Vec<u8>]) -> String {
    let word = |word: &Vec<u8>| {
        let beginning = String::from_utf8_lossy(&word[..word.len().min(40)]).into_owned();
        let rest = word.len().saturating_sub(40);
        if rest == 0 { beginning } else { format!("{beginning}...({rest} more)") }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, operation) in self.operations.iter().enumerate() {
            let Operation { client, database, called, .. } = operation;
            let (words, step) = (shown(&operation.words), called.step);
            write!(out, "#{number} client {client} db {database}: {words:<24} called {step}")?;
            if let Some(effect) = operation.effect {
                write!(out, ", effect {effect}")?;
            }
            match &operation.reply {
                Some((at, reply)) => {
                    let reply: String = reply.chars().take(200).collect();
                    writeln!(out, ", answered {} {reply:?}", at.step)?;
                }
                None => writeln!(out, ", not answered")?,
            }
        }
        for (step, words) in &self.effects {
            writeln!(out, "step {step}: {}", shown(words))?;
        }
        Ok(())
    }
}
