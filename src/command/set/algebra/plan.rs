//! How a result is computed: which sets are gone through, and which are asked about each member.
//!
//! Invariant: a plan names each member of the result once, also where several sets have it.

use std::ops::Range;

use crate::command::spec::Parcel;
use crate::resp::args::Args;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::object::Typed;
use crate::store::set::Set;

/// The sources of one command as far as they are known in one place; a missing key is no set.
pub(in crate::command::set) struct Sources<'s> {
    /// The first source of the command; `None` if it is missing or elsewhere.
    first: Option<&'s Set>,
    others: Vec<&'s Set>,
    /// Whether a source is missing, or what another shard's have in common is nothing.
    any_empty: bool,
}

/// What one shard sends to the one that computes the result.
pub(super) struct Share {
    pub set: Set,
    /// Whether it was made from the first source.
    pub has_first: bool,
}

impl Bulky for Share {
    fn free_some(&mut self, budget: usize) -> bool {
        self.set.free_some(budget)
    }
}

impl<'s> Sources<'s> {
    /// The sources on this shard. Their types were checked.
    pub fn here(db: &'s Db, args: &Args<'_>, keys: &Range<usize>) -> Sources<'s> {
        let mut sources = Sources { first: None, others: Vec::new(), any_empty: false };
        for position in keys.clone() {
            let key = args.key(position);
            if !db.owns(key) {
                continue;
            }
            match db.peek_as::<Set>(key).ok().flatten() {
                Some(set) if position == keys.start => sources.first = Some(set),
                Some(set) => sources.others.push(set),
                None => sources.any_empty = true,
            }
        }
        sources
    }

    /// The sources on this shard, and what stands for those elsewhere.
    pub fn everywhere(
        db: &'s Db,
        args: &Args<'_>,
        keys: &Range<usize>,
        parcels: &'s [Parcel],
    ) -> Sources<'s> {
        let mut sources = Sources::here(db, args, keys);
        let shares = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Share>());
        for share in shares {
            sources.any_empty |= share.set.is_empty();
            if share.has_first {
                sources.first = Some(&share.set);
            } else {
                sources.others.push(&share.set);
            }
        }
        sources
    }

    fn all(&self) -> Vec<&'s Set> {
        self.first.into_iter().chain(self.others.iter().copied()).collect()
    }
}

/// Which of the members that come by belong to the result.
pub(in crate::command::set) enum Rule<'s> {
    /// Each, the first time.
    Once,
    /// Those that all of these sets have.
    InAll(Vec<&'s Set>),
    /// Those that none of these sets has.
    InNone(Vec<&'s Set>),
    /// Those of the last set that came by in none before it.
    InLastOnly,
}

/// How to compute a result.
pub(in crate::command::set) struct Plan<'s> {
    /// The sets to go through, one after the other.
    pub walked: Vec<&'s Set>,
    pub rule: Rule<'s>,
    /// What it costs to judge a member, in searches of a dictionary.
    pub member_cost: usize,
}

impl<'s> Plan<'s> {
    fn new(walked: Vec<&'s Set>, rule: Rule<'s>) -> Plan<'s> {
        let member_cost = match &rule {
            Rule::Once | Rule::InLastOnly => 1,
            Rule::InAll(sets) | Rule::InNone(sets) => {
                sets.iter().map(|set| set.search_cost()).sum::<usize>().max(1)
            }
        };
        Plan { walked, rule, member_cost }
    }

    fn nothing() -> Plan<'s> {
        Plan::new(Vec::new(), Rule::Once)
    }

    /// What it costs at most to compute the result, in searches of a dictionary.
    pub fn cost(&self) -> usize {
        let members: usize = self.walked.iter().map(|set| set.len()).sum();
        members.saturating_mul(self.member_cost)
    }

    /// Whether members that came by may come by again.
    pub fn remembers(&self) -> bool {
        matches!(self.rule, Rule::Once | Rule::InLastOnly)
    }

    /// About how many members are remembered on the way.
    pub fn remembered(&self) -> usize {
        let lengths = self.walked.iter().map(|set| set.len());
        match self.rule {
            Rule::InAll(_) | Rule::InNone(_) => 0,
            Rule::Once => lengths.max().unwrap_or(0),
            Rule::InLastOnly => lengths.rev().skip(1).max().unwrap_or(0),
        }
    }
}

/// Which members the result has.
pub(in crate::command::set) trait Operation {
    /// The event of a stored result.
    const STORED: Event;
    /// Whether COUNT takes APPROX.
    const TAKES_APPROX: bool = false;

    /// How to compute the result.
    fn plan<'s>(sources: &Sources<'s>) -> Plan<'s>;

    /// How to compute the least that stands for these sources, of which the command's first is one
    /// if `has_first`.
    fn plan_share<'s>(sources: &Sources<'s>, has_first: bool) -> Plan<'s> {
        let _ = has_first;
        Self::plan(sources)
    }
}

/// SINTER.
pub(in crate::command::set) struct Intersection;

/// SUNION.
pub(in crate::command::set) struct Union;

/// SDIFF.
pub(in crate::command::set) struct Difference;

impl Operation for Intersection {
    const STORED: Event = Event::set("sinterstore");

    fn plan<'s>(sources: &Sources<'s>) -> Plan<'s> {
        if sources.any_empty {
            return Plan::nothing();
        }
        let mut sets = sources.all();
        sets.sort_by_key(|set| set.len());
        if sets.is_empty() {
            return Plan::nothing();
        }
        Plan::new(vec![sets.remove(0)], Rule::InAll(sets))
    }
}

impl Operation for Union {
    const STORED: Event = Event::set("sunionstore");
    const TAKES_APPROX: bool = true;

    fn plan<'s>(sources: &Sources<'s>) -> Plan<'s> {
        let sets = sources.all();
        let rule = if sets.len() > 1 { Rule::Once } else { Rule::InAll(Vec::new()) };
        Plan::new(sets, rule)
    }
}

impl Operation for Difference {
    const STORED: Event = Event::set("sdiffstore");

    fn plan<'s>(sources: &Sources<'s>) -> Plan<'s> {
        let Some(first) = sources.first else { return Plan::nothing() };
        let others = &sources.others;
        // Asking each set about each member costs their product; gathering what the others have
        // first, their sum.
        let gathered: usize = others.iter().map(|set| set.len()).sum();
        if others.len() > 2 && first.len() / 2 * (others.len() - 1) > gathered {
            let walked = others.iter().copied().chain([first]).collect();
            return Plan::new(walked, Rule::InLastOnly);
        }
        Plan::new(vec![first], Rule::InNone(others.clone()))
    }

    fn plan_share<'s>(sources: &Sources<'s>, has_first: bool) -> Plan<'s> {
        if has_first { Self::plan(sources) } else { Union::plan(sources) }
    }
}
