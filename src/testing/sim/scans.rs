//! What an iteration with SCAN promises: a key that is there from its beginning to its end is
//! returned, and none that never was.
//!
//! An iteration claims nothing, so a command that was not answered when it began may not yet have
//! done all of its work: the time before its effect counts as well.

use std::collections::BTreeSet;

use super::model::Model;
use crate::base::time::Millis;

/// One iteration of a client; times are the run's steps.
#[derive(Debug, Default)]
pub struct Iteration {
    pub client: usize,
    pub database: usize,
    pub begun: u64,
    /// When its last reply had come, in steps and by the clock.
    pub ended: Option<(u64, Millis)>,
    pub returned: BTreeSet<Vec<u8>>,
    /// The client went to another database meanwhile.
    pub is_cut: bool,
}

/// An iteration that ended, and what its database held meanwhile.
pub struct Watch<'i> {
    iteration: &'i Iteration,
    from: u64,
    to: u64,
    until: Millis,
    always: Option<BTreeSet<Vec<u8>>>,
    ever: BTreeSet<Vec<u8>>,
}

impl<'i> Watch<'i> {
    /// Watches an iteration from the step `from` on; `None` if it did not come to its end.
    pub fn new(iteration: &'i Iteration, from: u64) -> Option<Watch<'i>> {
        let (to, until) = iteration.ended.filter(|_| !iteration.is_cut)?;
        Some(Watch { iteration, from, to, until, always: None, ever: BTreeSet::new() })
    }

    /// Takes note of the keyspace between an effect in the step `last` and one in the step `next`.
    pub fn see(&mut self, models: &[Model], last: u64, next: u64) {
        if next < self.from || last > self.to {
            return;
        }
        for model in models {
            let database = self.iteration.database;
            self.ever.extend(model.keys(database, None));
            let lasting = model.keys(database, Some(self.until)).into_iter().collect();
            self.always = Some(match self.always.take() {
                None => lasting,
                Some(always) => always.intersection(&lasting).cloned().collect(),
            });
        }
    }

    /// Says what is wrong with what was returned.
    pub fn check(&self) -> Result<(), String> {
        let Iteration { client, returned, begun, .. } = self.iteration;
        let shown = |keys: Vec<&Vec<u8>>| {
            keys.into_iter()
                .map(|key| String::from_utf8_lossy(key).into_owned())
                .collect::<Vec<_>>()
        };
        let missing: Vec<&Vec<u8>> = self.always.iter().flatten().collect();
        let missing = shown(missing.into_iter().filter(|key| !returned.contains(*key)).collect());
        let unknown = shown(returned.difference(&self.ever).collect());
        if missing.is_empty() && unknown.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the iteration of client {client} from step {begun} on leaves out {missing:?} and has \
             {unknown:?}, which never were"
        ))
    }
}
