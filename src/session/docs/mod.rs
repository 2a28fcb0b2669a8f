//! What COMMAND DOCS says beyond a command's row: its arguments as a tree, its history, its
//! successor.
//!
//! One file per family, each a `const` slice in the order of the alphabet. A tree is the grammar of
//! its command: help texts and completion of clients read it, and tests generate requests from it.
//!
//! Invariant: every row of the table has exactly one entry here, and every request that a tree
//! allows has the arity and the key positions that the row declares.
//! Deliberately absent: summary, group, first version and complexity, which stand in the row.

mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;

#[cfg(test)]
pub mod generate;
#[cfg(test)]
mod tests;

/// The families that have entries.
pub const FAMILIES: &[&[Docs]] = &[
    string::DOCS,
    set::DOCS,
    bitmap::DOCS,
    hyperloglog::DOCS,
    generic::DOCS,
    hash::DOCS,
    connection::DOCS,
    server::DOCS,
    cluster::DOCS,
    list::DOCS,
    sorted_set::DOCS,
    geo::DOCS,
    stream::DOCS,
];

/// The entry of a command; `name` is the full name in any case, such as `get` or `config|get`.
pub fn find(name: &str) -> Option<&'static Docs> {
    FAMILIES.iter().copied().flatten().find(|docs| docs.name.eq_ignore_ascii_case(name))
}

/// The documentation of one command.
pub struct Docs {
    /// Upper case; of a subcommand `CONTAINER|NAME`.
    pub name: &'static str,
    pub arguments: &'static [Argument],
    /// What changed, and with which Redis version; oldest first.
    pub history: &'static [Change],
    pub deprecated: Option<Deprecation>,
    /// True for a command that is meant for the server's developers, whose arguments are not
    /// documented: the doc flag `syscmd`.
    pub is_internal: bool,
    /// Remarks on the row's key specifications, by index; an empty one is left out.
    pub key_notes: &'static [&'static str],
}

/// A step in the history of a command.
pub struct Change {
    /// The Redis version.
    pub since: &'static str,
    /// A sentence; words of the command stand in backquotes.
    pub text: &'static str,
}

/// Since when a command should not be used, and what to use in its place.
pub struct Deprecation {
    pub since: &'static str,
    pub replaced_by: &'static str,
}

/// What an argument is, which also says how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer,
    Double,
    Key,
    /// As KEYS takes it.
    Pattern,
    /// Seconds or milliseconds since 1970.
    UnixTime,
    /// The token alone, without a value.
    PureToken,
    /// Exactly one of the arguments inside.
    OneOf,
    /// All of the arguments inside, one after the other.
    Block,
}

impl Kind {
    /// The name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

/// A node of an argument tree, with the fields that COMMAND DOCS prints
/// (<https://redis.io/docs/latest/develop/reference/command-arguments/>).
#[derive(Clone, Copy)]
pub struct Argument {
    /// Lower case; of a pure token the token itself.
    pub name: &'static str,
    pub kind: Kind,
    /// For a key: which of the row's key specifications finds it.
    pub key_spec_index: Option<usize>,
    /// The word that precedes the value, or stands alone.
    pub token: Option<&'static str>,
    /// The Redis version that brought it, where that is later than the command itself.
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
    pub is_optional: bool,
    /// True if the value may be repeated.
    pub is_multiple: bool,
    /// True if each repetition brings the token again.
    pub is_multiple_token: bool,
    /// The parts of [`Kind::OneOf`] and [`Kind::Block`].
    pub arguments: &'static [Argument],
}

/// Begins the entry of the command with this full name.
const fn docs(name: &'static str) -> Docs {
    Docs {
        name,
        arguments: &[],
        history: &[],
        deprecated: None,
        is_internal: false,
        key_notes: &[],
    }
}

/// A step of [`Docs::history`].
const fn change(since: &'static str, text: &'static str) -> Change {
    Change { since, text }
}

impl Docs {
    /// Says nothing.
    pub const NONE: Docs = docs("");

    /// True if COMMAND DOCS prints doc flags.
    pub const fn has_flags(&self) -> bool {
        self.deprecated.is_some() || self.is_internal
    }

    const fn arguments(mut self, arguments: &'static [Argument]) -> Docs {
        self.arguments = arguments;
        self
    }

    const fn history(mut self, history: &'static [Change]) -> Docs {
        self.history = history;
        self
    }

    const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Docs {
        self.deprecated = Some(Deprecation { since, replaced_by });
        self
    }

    const fn internal(mut self) -> Docs {
        self.is_internal = true;
        self
    }

    const fn key_notes(mut self, notes: &'static [&'static str]) -> Docs {
        self.key_notes = notes;
        self
    }
}

const fn argument(name: &'static str, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        key_spec_index: None,
        token: None,
        since: None,
        deprecated_since: None,
        is_optional: false,
        is_multiple: false,
        is_multiple_token: false,
        arguments: &[],
    }
}

/// A key that the row's first key specification finds.
const fn key(name: &'static str) -> Argument {
    argument(name, Kind::Key).found_by(0)
}

const fn string(name: &'static str) -> Argument {
    argument(name, Kind::String)
}

const fn integer(name: &'static str) -> Argument {
    argument(name, Kind::Integer)
}

const fn double(name: &'static str) -> Argument {
    argument(name, Kind::Double)
}

const fn pattern(name: &'static str) -> Argument {
    argument(name, Kind::Pattern)
}

const fn unix_time(name: &'static str) -> Argument {
    argument(name, Kind::UnixTime)
}

/// A word that stands alone.
const fn token(word: &'static str) -> Argument {
    argument(word, Kind::PureToken).token(word)
}

const fn one_of(name: &'static str, arguments: &'static [Argument]) -> Argument {
    argument(name, Kind::OneOf).arguments(arguments)
}

const fn block(name: &'static str, arguments: &'static [Argument]) -> Argument {
    argument(name, Kind::Block).arguments(arguments)
}

impl Argument {
    /// Says which of the row's key specifications finds the key.
    const fn found_by(mut self, key_spec_index: usize) -> Argument {
        self.key_spec_index = Some(key_spec_index);
        self
    }

    /// Puts a word before the value.
    const fn token(mut self, word: &'static str) -> Argument {
        self.token = Some(word);
        self
    }

    const fn since(mut self, version: &'static str) -> Argument {
        self.since = Some(version);
        self
    }

    const fn deprecated_since(mut self, version: &'static str) -> Argument {
        self.deprecated_since = Some(version);
        self
    }

    const fn optional(mut self) -> Argument {
        self.is_optional = true;
        self
    }

    const fn multiple(mut self) -> Argument {
        self.is_multiple = true;
        self
    }

    /// Says that each repetition brings the token again.
    const fn multiple_token(mut self) -> Argument {
        self.is_multiple_token = true;
        self
    }

    const fn arguments(mut self, arguments: &'static [Argument]) -> Argument {
        self.arguments = arguments;
        self
    }
}
