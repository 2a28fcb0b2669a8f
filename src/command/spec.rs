//! What a command declares: one `const` row, read by COMMAND, the arity gate, ACL, the router,
//! statistics and the journal.
//!
//! Invariant: a row is the only place where a fact about a command stands. Flags that follow from
//! the shape (`readonly`, `write`) are derived, so they cannot lie; [`verify`] rejects at compile
//! time a row whose keys and handler disagree.

use super::portion::Portion;
use crate::base::time::Millis;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::carried::Carried;
use crate::store::db::Db;
use crate::store::object::Kind;

/// How many arguments a command takes, its name included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly this many.
    Exact(u16),
    /// This many or more.
    AtLeast(u16),
}

impl Arity {
    /// True if `count` arguments fit.
    #[inline]
    pub const fn fits(self, count: usize) -> bool {
        match self {
            Arity::Exact(exact) => count == exact as usize,
            Arity::AtLeast(least) => count >= least as usize,
        }
    }

    /// COMMAND's form: negative for a minimum.
    pub const fn number(self) -> i64 {
        match self {
            Arity::Exact(exact) => exact as i64,
            Arity::AtLeast(least) => -(least as i64),
        }
    }

    const fn least(self) -> usize {
        match self {
            Arity::Exact(count) | Arity::AtLeast(count) => count as usize,
        }
    }
}

/// The documentation group, which is also the ACL category of the same name for data types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

/// A set of command flags; names as COMMAND prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u32);

impl Flags {
    pub const NONE: Flags = Flags(0);
    pub const FAST: Flags = Flags(1);
    pub const DENYOOM: Flags = Flags(1 << 1);
    pub const ADMIN: Flags = Flags(1 << 2);
    pub const NOSCRIPT: Flags = Flags(1 << 3);
    pub const LOADING: Flags = Flags(1 << 4);
    pub const STALE: Flags = Flags(1 << 5);
    pub const NO_AUTH: Flags = Flags(1 << 6);
    pub const ALLOW_BUSY: Flags = Flags(1 << 7);
    pub const BLOCKING: Flags = Flags(1 << 8);
    pub const PUBSUB: Flags = Flags(1 << 9);
    pub const NO_MULTI: Flags = Flags(1 << 10);
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 11);
    pub const MAY_REPLICATE: Flags = Flags(1 << 12);
    pub const SKIP_MONITOR: Flags = Flags(1 << 13);
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 14);
    pub const ASKING: Flags = Flags(1 << 15);
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 16);
    pub const PROTECTED: Flags = Flags(1 << 17);
    /// Of host commands, and of PFCOUNT, which writes only an estimate it may forget; else a
    /// keyspace command's shape says it.
    pub const READONLY: Flags = Flags(1 << 18);

    /// Both sets together.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// True if every flag of `other` is set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a command does with a key: the flags of Redis's key specifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(pub u16);

impl Access {
    /// Reads the value, may return it, leaves it as it is.
    pub const RO: Access = Access(1);
    /// Reads and changes the value.
    pub const RW: Access = Access(1 << 1);
    /// Overwrites the value without reading it.
    pub const OW: Access = Access(1 << 2);
    /// Removes the key.
    pub const RM: Access = Access(1 << 3);
    /// The value is returned, copied or tested.
    pub const ACCESS: Access = Access(1 << 4);
    /// The value is changed in a way that depends on it.
    pub const UPDATE: Access = Access(1 << 5);
    /// Elements are added, nothing else is changed.
    pub const INSERT: Access = Access(1 << 6);
    /// Content is removed.
    pub const DELETE: Access = Access(1 << 7);
    /// The argument looks like a key and is none.
    pub const NOT_KEY: Access = Access(1 << 8);
    /// The specification does not find every key.
    pub const INCOMPLETE: Access = Access(1 << 9);
    /// The flags depend on the arguments.
    pub const VARIABLE: Access = Access(1 << 10);

    /// Both sets together.
    pub const fn and(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// True if every flag of `other` is set.
    pub const fn has(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if the key may be changed.
    pub const fn writes(self) -> bool {
        self.0 & (Access::RW.0 | Access::OW.0 | Access::RM.0) != 0
    }
}

/// Where a command's keys stand.
#[derive(Clone, Copy)]
pub enum Keys {
    /// One key at a fixed position.
    At(u8, Access),
    /// Every `step`-th argument from `first` to `last`; `last` counts from the end when negative.
    Range { first: u8, last: i8, step: u8, access: Access },
    /// A count at `count_at`, followed by that many keys, one every `step` arguments.
    Counted { count_at: u8, step: u8, access: Access },
    /// After a keyword that is searched from position `from` (from the end when negative): every
    /// argument to the end that belongs to the first 1/`limit` part (`limit` 0: all). A `last` that
    /// is not negative counts from the first of them: 0 means that one alone.
    After { keyword: &'static str, from: i8, last: i8, step: u8, limit: u8, access: Access },
    /// Positions that only code can find; `sink` is called with each.
    Custom(fn(&Args<'_>, sink: &mut dyn FnMut(usize)), Access),
}

impl Keys {
    /// The access flags of the keys found by this specification.
    pub const fn access(&self) -> Access {
        match self {
            Keys::At(_, access) | Keys::Custom(_, access) => *access,
            Keys::Range { access, .. }
            | Keys::Counted { access, .. }
            | Keys::After { access, .. } => *access,
        }
    }
}

/// Reads or changes one shard's keyspace and writes its reply. Never suspends.
#[derive(Clone, Copy)]
pub enum Body {
    /// Sees the keyspace, cannot change it.
    Reads(fn(&Db, &Args<'_>, &mut Out) -> CmdResult),
    /// May change it.
    Writes(fn(&mut Db, &Args<'_>, &mut Out) -> CmdResult),
    /// Sees the keyspace, as much of it in one call as the portion says.
    ReadsPortions(fn(&Db, &Args<'_>, &mut Portion, &mut Out) -> CmdResult),
    /// May change the keyspace, as much of it in one call as the portion says.
    WritesPortions(fn(&mut Db, &Args<'_>, &mut Portion, &mut Out) -> CmdResult),
}

impl Body {
    /// True if it may change the keyspace.
    pub const fn writes(&self) -> bool {
        matches!(self, Body::Writes(_) | Body::WritesPortions(_))
    }
}

/// How the replies of several shards become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Integers are added up.
    Sum,
    /// Every shard answers OK, and so does the whole.
    AllOk,
    /// Each shard answers an array with one element per key of its own; elements return to the
    /// order of the keys.
    InOrder,
    /// Each shard answers an array; they are joined.
    Concat,
    /// Each shard answers an array of its number of keys and one of them (or null); one is drawn
    /// with those weights.
    Draw,
}

/// What phase one of a two-phase command learned on one shard: moved between cores, then given to
/// every shard's commit.
pub type Parcel = Option<Box<dyn Bulky>>;

/// Phase one: looks, and copies out what phase two needs. Cannot write, so giving up is free.
pub type Collect = fn(&Db, &Args<'_>) -> Result<Parcel, CmdError>;

/// Phase two: runs on every shard that owns one of the keys ([`Db::owns`] says which) with the
/// parcels of all, in the order of shards. The reply that counts is the one of the shard that owns
/// the first key.
pub type Commit = fn(&mut Db, &Args<'_>, &[Parcel], &mut Out) -> CmdResult;

/// [`Collect`] of as much in one call as the portion says; the parcel of the last call counts.
/// Where the shard owns all keys it only looks, in one call.
pub type CollectPortion = fn(&Db, &Args<'_>, &mut Portion) -> Result<Parcel, CmdError>;

/// [`Commit`] of as much in one call as the portion says.
pub type CommitPortion = fn(&mut Db, &Args<'_>, &[Parcel], &mut Portion, &mut Out) -> CmdResult;

/// Takes the value out on the shard that owns the first key, or copies it, as the parcels of all
/// shards say; of a copy as much in one call as the portion says. None if there is nothing to hand
/// over, or not yet.
pub type Give = fn(&mut Db, &Args<'_>, &[Parcel], &mut Portion) -> Option<Carried>;

/// Puts what was given in its place, on the shard that owns the second key, and replies.
pub type Take = fn(&mut Db, &Args<'_>, &[Parcel], Option<Carried>, &mut Out) -> CmdResult;

/// How long a command waits if there is nothing for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    Forever,
    /// Until this time, in milliseconds since the Unix epoch.
    Until(Millis),
}

/// Whether what was seen ends a wait: there is something, or the command is refused.
pub type Serves = fn(&[Parcel]) -> bool;

/// A command that waits until one of its keys has something for it. The keys that elements are
/// only added to are not waited for.
///
/// An attempt is a two-phase command, on one shard or on many. When a key changes, the shard that
/// owns it tries again with those of the keys that it owns ([`Db::owns`]), or with all where one
/// of them is a target.
#[derive(Clone, Copy)]
pub struct Blocking {
    /// Phase one.
    pub look: Collect,
    pub serves: Serves,
    /// Phase two; where nothing was seen, it answers as the command does that does not wait.
    pub act: Commit,
    /// How long to wait, given the time now; checks the arguments.
    pub patience: fn(&Args<'_>, Millis) -> Result<Patience, CmdError>,
    /// Does all of it where one shard holds all keys and the client does not wait, if the reply may
    /// be a long one.
    pub unwaiting: Option<Body>,
    /// What the keys hold that are waited for.
    pub kind: Kind,
    /// Whether a key that is gone, or holds something else, ends the wait with an error.
    pub minds_absence: bool,
    /// What stands in place of the argument at a position while the command waits, if it is not to
    /// mean something else later.
    pub pinned: fn(&Db, &Args<'_>, usize) -> Option<Vec<u8>>,
}

/// The closed set of shapes that keyspace commands have.
#[derive(Clone, Copy)]
pub enum Run {
    /// All keys on one shard (or no key at all: any shard): one hop, none when local.
    Shard(Body),
    /// The body runs per shard on its share of the arguments, then the replies are folded.
    Scatter(Body, Fold),
    /// The body runs on all shards.
    Every(Body, Fold),
    /// SCAN: the cursor at this position names the shard; while shards end early, others follow.
    Cursor(u8, Body),
    /// Keys that may lie on two or more shards, looked at first and changed together afterwards. A
    /// command whose keys are all read-only (LCS) answers in its second phase and changes nothing.
    TwoPhase { collect: Collect, commit: Commit },
    /// The same in portions, for what makes a collection, or a long reply, out of others.
    LongPhases { collect: CollectPortion, commit: CommitPortion },
    /// SORT, which learns from the elements of its first key what further keys to read. The body
    /// does all of it where one shard holds everything; `derives` says whether there are further
    /// keys.
    Sort { body: Body, derives: fn(&Args<'_>) -> bool },
    /// A value goes from the first key to the second, which may lie on two shards. Both are looked
    /// at first; then the owner of the first gives and the owner of the second takes. However large
    /// it is, the value is not copied.
    Handover { look: Collect, give: Give, take: Take },
    /// Like a two-phase command, and waits if there is nothing.
    Blocking(Blocking),
}

impl Run {
    /// True if the shape can change the keyspace; a two-phase command does not if its keys say so,
    /// see [`Command::writes`].
    const fn can_write(&self) -> bool {
        match self {
            Run::Shard(body) | Run::Scatter(body, _) | Run::Every(body, _) => body.writes(),
            Run::Cursor(_, body) | Run::Sort { body, .. } => body.writes(),
            Run::TwoPhase { .. }
            | Run::LongPhases { .. }
            | Run::Handover { .. }
            | Run::Blocking(_) => true,
        }
    }
}

/// What a write leaves in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Nothing: the command does not write.
    Never,
    /// The command as the client sent it, if the keyspace changed.
    AsIs,
    /// What the handler emitted: the request itself would not repeat (relative expiry, random
    /// choice).
    Effects,
}

/// The facts every command has, whatever runs it.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Upper case; of a subcommand the second word only.
    pub name: &'static str,
    pub arity: Arity,
    pub group: Group,
    pub flags: Flags,
    /// ACL categories beyond those derived from group and flags (`@dangerous`, `@keyspace`), lower
    /// case without `@`.
    pub acl: &'static [&'static str],
    pub keys: &'static [Keys],
    pub summary: &'static str,
    pub since: &'static str,
    pub complexity: &'static str,
    /// COMMAND's tips.
    pub tips: &'static [&'static str],
    /// True for a command that changes keys which Redis specifies as read-only: XREADGROUP.
    pub changes_what_it_reads: bool,
    /// What a call does with keys whose access is [`Access::VARIABLE`], for commands that have
    /// such keys.
    pub varying: Option<fn(&Args<'_>) -> Access>,
}

impl Spec {
    /// Position of the only key, or 0: the router's short cut.
    pub const fn single_key(&self) -> usize {
        match self.keys {
            [Keys::At(index, _)] => *index as usize,
            _ => 0,
        }
    }
}

/// A command on the keyspace.
pub struct Command {
    pub spec: Spec,
    pub run: Run,
    pub log: Log,
    /// [`Spec::single_key`] where the whole command is one hop, else 0.
    pub single_key: u8,
    /// Rows of a container command such as OBJECT; the container itself then runs only without a
    /// known subcommand.
    pub subcommands: &'static [Command],
}

/// Begins a row.
pub const fn cmd(name: &'static str, arity: Arity, group: Group) -> Spec {
    Spec {
        name,
        arity,
        group,
        flags: Flags::NONE,
        acl: &[],
        keys: &[],
        summary: "",
        since: "",
        complexity: "",
        tips: &[],
        changes_what_it_reads: false,
        varying: None,
    }
}

impl Spec {
    /// Sets the flags that do not follow from the shape.
    pub const fn flags(mut self, flags: Flags) -> Spec {
        self.flags = flags;
        self
    }

    /// Adds ACL categories.
    pub const fn acl(mut self, categories: &'static [&'static str]) -> Spec {
        self.acl = categories;
        self
    }

    /// Says where the keys are.
    pub const fn keys(mut self, keys: &'static [Keys]) -> Spec {
        self.keys = keys;
        self
    }

    /// Summary, first Redis version, complexity.
    pub const fn doc(
        mut self,
        summary: &'static str,
        since: &'static str,
        complexity: &'static str,
    ) -> Spec {
        self.summary = summary;
        self.since = since;
        self.complexity = complexity;
        self
    }

    /// COMMAND's tips (`nondeterministic_output`, `request_policy:all_shards`).
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Spec {
        self.tips = tips;
        self
    }

    /// Says that keys which Redis specifies as read-only are changed.
    pub const fn changes_what_it_reads(mut self) -> Spec {
        self.changes_what_it_reads = true;
        self
    }

    /// Says what a call does with keys whose access is [`Access::VARIABLE`].
    pub const fn varying(mut self, access: fn(&Args<'_>) -> Access) -> Spec {
        self.varying = Some(access);
        self
    }

    /// Ends the row of a keyspace command.
    pub const fn run(self, run: Run) -> Command {
        let log = if writes(&run, &self) { Log::AsIs } else { Log::Never };
        let single_key = match run {
            Run::Shard(_) => self.single_key() as u8,
            _ => 0,
        };
        Command { spec: self, run, log, single_key, subcommands: &[] }
    }
}

/// Whether a command of this shape with these keys can change the keyspace.
const fn writes(run: &Run, spec: &Spec) -> bool {
    let says_by_keys =
        matches!(run, Run::TwoPhase { .. } | Run::LongPhases { .. } | Run::Blocking(_));
    if !says_by_keys || spec.changes_what_it_reads {
        return run.can_write();
    }
    let keys = spec.keys;
    let mut i = 0;
    while i < keys.len() {
        if keys[i].access().writes() {
            return true;
        }
        i += 1;
    }
    false
}

impl Blocking {
    /// A command that waits for keys of this kind, and that needs nothing further.
    pub const fn new(
        kind: Kind,
        (look, serves, act): (Collect, Serves, Commit),
        patience: fn(&Args<'_>, Millis) -> Result<Patience, CmdError>,
    ) -> Blocking {
        let pinned = |_: &Db, _: &Args<'_>, _| None;
        let (unwaiting, minds_absence) = (None, false);
        Blocking { look, serves, act, patience, unwaiting, kind, minds_absence, pinned }
    }
}

impl Command {
    /// What the command needs to wait, if it can.
    pub const fn blocking(&self) -> Option<&Blocking> {
        match &self.run {
            Run::Blocking(blocking) => Some(blocking),
            _ => None,
        }
    }

    /// True if the command can change the keyspace.
    pub const fn writes(&self) -> bool {
        writes(&self.run, &self.spec)
    }

    /// Sets how the command is journaled.
    pub const fn log(mut self, log: Log) -> Command {
        self.log = log;
        self
    }

    /// Makes the row a container.
    pub const fn subcommands(mut self, rows: &'static [Command]) -> Command {
        self.subcommands = rows;
        self
    }
}

/// Checks a family at compile time: `const _: () = verify(COMMANDS);`.
pub const fn verify(rows: &[Command]) {
    let mut i = 0;
    while i < rows.len() {
        let row = &rows[i];
        assert!(upper(row.spec.name.as_bytes()), "names are upper case");
        assert!(!row.spec.summary.is_empty(), "every command is documented");
        assert!(!row.spec.since.is_empty() && !row.spec.complexity.is_empty(), "documented");
        let mut k = 0;
        while k < row.spec.keys.len() {
            let key = &row.spec.keys[k];
            assert!(!key.access().writes() || row.writes(), "a reader cannot write its key");
            if let Keys::At(index, _) = key {
                assert!((*index as usize) < row.spec.arity.least(), "keys lie within the arity");
            }
            k += 1;
        }
        let blocks = matches!(row.run, Run::Blocking(_));
        assert!(blocks == row.spec.flags.has(Flags::BLOCKING), "the flag is for those that wait");
        if let Run::Scatter(..) | Run::TwoPhase { .. } | Run::LongPhases { .. } | Run::Blocking(_) =
            row.run
        {
            assert!(!row.spec.keys.is_empty(), "a command over several shards needs keys");
        }
        if let Run::Handover { .. } = row.run {
            assert!(row.spec.keys.len() == 2, "a value goes from one key to another");
        }
        verify(row.subcommands);
        i += 1;
    }
}

const fn upper(name: &[u8]) -> bool {
    let mut i = 0;
    while i < name.len() {
        if name[i].is_ascii_lowercase() {
            return false;
        }
        i += 1;
    }
    !name.is_empty()
}
