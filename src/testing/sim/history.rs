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

use super::model::Model;
use crate::base::probe::Effect;

/// A command of a client; times are the run's steps.
pub struct Operation {
    pub client: usize,
    pub database: usize,
    pub words: Effect,
    pub called: u64,
    pub reply: Option<(u64, String)>,
    effect: Option<u64>,
}

/// All commands of a run in the order of their calls, and the order in which they took effect.
#[derive(Default)]
pub struct History {
    operations: Vec<Operation>,
    effects: Vec<(u64, Effect)>,
    /// Commands that wait for ever, as it seems.
    stuck: Vec<usize>,
    error: Option<String>,
}

impl History {
    /// Number of commands.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// A command is sent; returns its number.
    pub fn call(&mut self, client: usize, database: usize, words: Effect, called: u64) -> usize {
        let reply = None;
        self.operations.push(Operation { client, database, words, called, reply, effect: None });
        self.operations.len() - 1
    }

    /// A command is answered.
    pub fn answer(&mut self, number: usize, at: u64, reply: String) {
        self.operations[number].reply = Some((at, reply));
    }

    /// A client saw something that cannot be.
    pub fn fail(&mut self, reason: String) {
        self.error.get_or_insert(reason);
    }

    /// Notes what took effect in this step.
    pub fn note_effects(&mut self, step: u64, effects: Vec<Effect>) {
        self.effects.extend(effects.into_iter().map(|effect| (step, effect)));
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
        let mut open: BTreeMap<Effect, VecDeque<usize>> = BTreeMap::new();
        for (number, operation) in self.operations.iter().enumerate() {
            open.entry(operation.words.clone()).or_default().push_back(number);
        }
        let mut model = Model::default();
        for (at, words) in &self.effects {
            let said = words.last().is_some_and(|word| word.starts_with(b"="));
            let own = &words[..words.len() - usize::from(said)];
            let Some(number) = open.get_mut(own).and_then(VecDeque::pop_front) else {
                return Err(format!("{} took effect once too often", shown(words)));
            };
            let operation = &mut self.operations[number];
            operation.effect = Some(*at);
            let expected = model.apply(operation.database, words);
            explain(number, operation, *at, &expected)?;
            if said && words[words.len() - 1][1..] != *expected.as_bytes() {
                return Err(format!("{} should be {expected:?}", shown(words)));
            }
        }
        for number in &self.stuck {
            let Operation { database, words, .. } = &self.operations[*number];
            if model.could_serve(*database, words) {
                return Err(format!("#{number} {} waits for what is there", shown(words)));
            }
        }
        let unexplained = |operation: &&Operation| {
            let timed_out = is_blocking(&operation.words)
                && operation.reply.as_ref().is_some_and(|(_, reply)| reply == "*-1\r\n");
            let is_answered = operation.reply.is_some() && !timed_out;
            operation.effect.is_none() && is_answered && !is_select(&operation.words)
        };
        match self.operations.iter().find(unexplained) {
            Some(operation) => {
                Err(format!("{} was answered and took no effect", shown(&operation.words)))
            }
            None => Ok(()),
        }
    }
}

/// Checks one command against the model's reply.
fn explain(number: usize, operation: &Operation, at: u64, expected: &str) -> Result<(), String> {
    let words = shown(&operation.words);
    if at < operation.called {
        return Err(format!("#{number} {words} took effect before it was called"));
    }
    let Some((answered, reply)) = &operation.reply else { return Ok(()) };
    if at > *answered {
        return Err(format!("#{number} {words} took effect after it was answered"));
    }
    if reply != expected {
        return Err(format!("#{number} {words} answered {reply:?}, should be {expected:?}"));
    }
    Ok(())
}

fn is_blocking(words: &Effect) -> bool {
    words[0][..2].eq_ignore_ascii_case(b"BL")
}

fn is_select(words: &Effect) -> bool {
    words[0].eq_ignore_ascii_case(b"SELECT")
}

fn shown(words: &Effect) -> String {
    String::from_utf8_lossy(&words.join(&b' ')).into_owned()
}

impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, operation) in self.operations.iter().enumerate() {
            let Operation { client, database, called, .. } = operation;
            let words = shown(&operation.words);
            write!(out, "#{number} client {client} db {database}: {words:<24} called {called}")?;
            if let Some(effect) = operation.effect {
                write!(out, ", effect {effect}")?;
            }
            match &operation.reply {
                Some((at, reply)) => writeln!(out, ", answered {at} {reply:?}")?,
                None => writeln!(out, ", not answered")?,
            }
        }
        for (step, words) in &self.effects {
            writeln!(out, "step {step}: {}", shown(words))?;
        }
        Ok(())
    }
}
