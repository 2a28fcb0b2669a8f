//! The order in which those who wait for a key are served: first come, first served.
//!
//! The server says when it puts a command into the lines of the keys it waits for. Whoever is
//! served from a key while somebody stands before him in its line has overtaken him; of whoever
//! never stood in line that is true of all who do. It is no fault where the other one was about to
//! leave; it is one if he is served later, or waits to the end of the run.

use std::collections::BTreeMap;

/// Commands by number.
#[derive(Default)]
pub struct Lines {
    /// By database and key.
    lines: BTreeMap<(usize, Vec<u8>), Vec<usize>>,
    overtakings: Vec<Overtaking>,
}

/// Somebody was served from a key before another who had come first.
pub struct Overtaking {
    pub key: Vec<u8>,
    pub first: usize,
    pub served: usize,
}

impl Lines {
    /// A command has begun to wait for a key.
    pub fn enter(&mut self, database: usize, key: &[u8], number: usize) {
        let line = self.lines.entry((database, key.to_vec())).or_default();
        if !line.contains(&number) {
            line.push(number);
        }
    }

    /// A command that may have waited is served from a key.
    pub fn serve(&mut self, database: usize, key: &[u8], number: usize) {
        let line = self.lines.get(&(database, key.to_vec()));
        let line = line.map(Vec::as_slice).unwrap_or_default();
        let place = line.iter().position(|other| *other == number).unwrap_or(line.len());
        let overtaken =
            |first: &usize| Overtaking { key: key.to_vec(), first: *first, served: number };
        self.overtakings.extend(line[..place].iter().map(overtaken));
        self.lines.values_mut().for_each(|line| line.retain(|other| *other != number));
    }

    /// What happened against the order, if nobody left in between.
    pub fn overtakings(&self) -> &[Overtaking] {
        &self.overtakings
    }
}
