//! The table of all commands: the rows of every family, found by name.
//!
//! Invariant: a command exists if and only if a row is listed here; nothing else knows the full
//! list.

use std::pin::Pin;
use std::sync::OnceLock;

use super::connection::Session;
use super::host;
use crate::command;
use crate::command::spec::{Command, Flags, Spec};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::message::Batch;

/// A handler that may wait for other cores; gets its own copy of the arguments.
pub type LaterFuture<'a> = Pin<Box<dyn Future<Output = Result<(), CmdError>> + 'a>>;

/// How a command that is no keyspace command runs.
#[derive(Clone, Copy)]
pub enum HostRun {
    /// At once, on the connection's core.
    Now(fn(&mut Session, &Args<'_>, &mut Out) -> CmdResult),
    /// With waiting.
    Later(for<'a> fn(&'a mut Session, &'a Batch, &'a mut Out) -> LaterFuture<'a>),
}

/// A command on the server or the connection.
pub struct HostCommand {
    pub spec: Spec,
    pub run: HostRun,
    pub subcommands: &'static [HostCommand],
    /// Subcommands that work on the keyspace.
    pub data: &'static [&'static Command],
    /// True for a container that is a command of its own as well: COMMAND.
    pub runs_alone: bool,
    /// True if it can change the keyspace.
    pub writes: bool,
}

/// Ends the row of a host command.
pub const fn host(spec: Spec, run: HostRun) -> HostCommand {
    HostCommand { spec, run, subcommands: &[], data: &[], runs_alone: false, writes: false }
}

impl HostCommand {
    /// Makes the row a container.
    pub const fn subcommands(mut self, rows: &'static [HostCommand]) -> HostCommand {
        self.subcommands = rows;
        self
    }

    /// Says that it can change the keyspace.
    pub const fn writing(mut self) -> HostCommand {
        self.writes = true;
        self
    }

    /// Adds subcommands that work on the keyspace, as MEMORY has them.
    pub const fn data(mut self, rows: &'static [&'static Command]) -> HostCommand {
        self.data = rows;
        self
    }
}

/// What a row runs.
#[derive(Clone, Copy)]
pub enum Row {
    Data(&'static Command),
    Host(&'static HostCommand),
}

impl Row {
    /// What the command declares.
    pub fn spec(self) -> &'static Spec {
        match self {
            Row::Data(command) => &command.spec,
            Row::Host(command) => &command.spec,
        }
    }

    /// True if it does something without a subcommand.
    pub fn is_runnable(self) -> bool {
        match self {
            Row::Data(command) => command.subcommands.is_empty(),
            Row::Host(command) => command.subcommands.is_empty() || command.runs_alone,
        }
    }

    /// True if it can change the keyspace.
    pub fn writes(self) -> bool {
        match self {
            Row::Data(command) => command.writes() && !command.spec.flags.has(Flags::READONLY),
            Row::Host(command) => command.writes,
        }
    }

    /// True if replicas may have to be told of it: what CLIENT PAUSE WRITE holds back.
    pub fn may_change(self) -> bool {
        self.writes() || self.spec().flags.has(Flags::MAY_REPLICATE)
    }
}

/// A place in the table.
pub struct Entry {
    pub row: Row,
    /// Index in [`Table::entries`] and in per-command statistics.
    pub id: u16,
    /// Lower case; of a subcommand `container|name`.
    pub name: &'static str,
    /// Ids of the subcommands.
    pub subcommands: Vec<u16>,
}

/// All commands.
pub struct Table {
    pub entries: Vec<Entry>,
    /// Open addressing over the hash of the name; [`EMPTY`] marks a free place.
    index: Box<[u16; INDEX]>,
}

const INDEX: usize = 2048;
const EMPTY: u16 = u16::MAX;
const DATA: &[&[Command]] = &[
    command::string::COMMANDS,
    command::list::COMMANDS,
    command::bitmap::COMMANDS,
    command::hyperloglog::COMMANDS,
    command::generic::COMMANDS,
    command::set::COMMANDS,
    command::sorted_set::COMMANDS,
    command::geo::COMMANDS,
    command::hash::COMMANDS,
    command::stream::COMMANDS,
];
const HOST: &[&[HostCommand]] = host::FAMILIES;

/// The table; built on first use.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(Table::build)
}

impl Table {
    fn build() -> Table {
        let mut table = Table { entries: Vec::new(), index: Box::new([EMPTY; INDEX]) };
        for command in DATA.iter().copied().flatten() {
            let id = table.add(Row::Data(command), None);
            for sub in command.subcommands {
                table.add(Row::Data(sub), Some(id));
            }
        }
        for command in HOST.iter().copied().flatten() {
            let id = table.add(Row::Host(command), None);
            for sub in command.subcommands {
                table.add(Row::Host(sub), Some(id));
            }
            for sub in command.data {
                table.add(Row::Data(sub), Some(id));
            }
        }
        table
    }

    fn add(&mut self, row: Row, parent: Option<u16>) -> u16 {
        let id = self.entries.len() as u16;
        let own = row.spec().name.to_ascii_lowercase();
        let name = match parent {
            Some(parent) => format!("{}|{own}", self.entries[parent as usize].name),
            None => own,
        };
        let name: &'static str = Box::leak(name.into_boxed_str());
        self.entries.push(Entry { row, id, name, subcommands: Vec::new() });
        match parent {
            Some(parent) => self.entries[parent as usize].subcommands.push(id),
            None => {
                let mut at = hash(row.spec().name.as_bytes());
                while self.index[at] != EMPTY {
                    at = (at + 1) % INDEX;
                }
                self.index[at] = id;
            }
        }
        id
    }

    /// The command called `name`, in any case; a container for the first word of a subcommand.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let mut at = hash(name);
        loop {
            let id = self.index[at];
            if id == EMPTY {
                return None;
            }
            let entry = &self.entries[id as usize];
            if entry.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(entry);
            }
            at = (at + 1) % INDEX;
        }
    }

    /// The subcommand of `container` called `name`.
    pub fn subcommand(&self, container: &Entry, name: &[u8]) -> Option<&Entry> {
        let entries = container.subcommands.iter().map(|&id| &self.entries[id as usize]);
        let prefix = container.name.len() + 1;
        let mut found =
            entries.filter(|entry| entry.name.as_bytes()[prefix..].eq_ignore_ascii_case(name));
        found.next()
    }

    /// The row that `args` calls: the subcommand where there is one, else the command.
    pub fn resolve(&self, args: &Args<'_>) -> Option<&Entry> {
        let entry = self.find(args.at(0))?;
        if entry.subcommands.is_empty() {
            return Some(entry);
        }
        match args.get(1) {
            Some(name) => self.subcommand(entry, name).or(Some(entry)),
            None => Some(entry),
        }
    }
}

/// Upper and lower case letters fall together; other bytes may collide, which comparison sorts out.
/// The words overlap in short names, so that none is copied byte by byte.
#[inline]
fn hash(name: &[u8]) -> usize {
    let (first, last) = match (name.first_chunk::<8>(), name.first_chunk::<4>()) {
        (Some(first), _) => {
            (u64::from_le_bytes(*first), name.last_chunk().map(|last| u64::from_le_bytes(*last)))
        }
        (None, Some(first)) => (
            u32::from_le_bytes(*first).into(),
            name.last_chunk().map(|last| u32::from_le_bytes(*last).into()),
        ),
        (None, None) => (name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), None),
    };
    let folded = |word: u64| word & 0xdfdf_dfdf_dfdf_dfdf;
    let word = folded(first) ^ folded(last.unwrap_or(0)).rotate_left(23);
    let mixed = (word ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 53) as usize % INDEX
}
