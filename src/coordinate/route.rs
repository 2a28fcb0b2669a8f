//! Where a command goes: the keys its row declares, and the cores that own them.
//!
//! Invariant: routing reads the row and the arguments only. It never looks at a keyspace.

use crate::base::layout::Layout;
use crate::base::num;
use crate::command::spec::{Access, Command, Keys, Run, Spec};
use crate::resp::args::{Args, Key};
use crate::shard::locks::Mode;
use crate::shard::message::CoreId;

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// It names no key: any core, so this one.
    Here,
    /// All of it on this core.
    One(CoreId),
    /// On several cores.
    Many,
    /// On all cores.
    Every,
}

/// A key's place among the arguments, with what the command does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPosition {
    pub index: usize,
    pub access: Access,
}

/// Calls `found` for every key argument. Arguments that do not fit the declaration (a count that is
/// no number) yield no key: the handler will answer the error.
pub fn for_each_key(spec: &Spec, args: &Args<'_>, mut found: impl FnMut(KeyPosition)) {
    for keys in spec.keys.iter().filter(|keys| !lacks_a_value(keys, args)) {
        let access = keys.access();
        positions(keys, args, &mut |index| {
            if index < args.len() {
                found(KeyPosition { index, access });
            }
        });
    }
}

/// Calls `found` with the hash of every key of a single command, and how the key is to be claimed.
pub fn for_each_claimed(command: &Command, args: &Args<'_>, mut found: impl FnMut(u64, Mode)) {
    for_each_key(&command.spec, args, |position| {
        found(args.key(position.index).hash, mode(command, position.access));
    });
}

/// How a key is claimed that `command` accesses so. Where the access depends on the arguments, the
/// command decides.
pub fn mode(command: &Command, access: Access) -> Mode {
    let may_change =
        access.writes() || access.has(Access::VARIABLE) || command.spec.changes_what_it_reads;
    Mode::of(command.writes() && may_change)
}

/// Calls `found` with the position of every key that one specification finds; positions may lie
/// behind the last argument.
pub fn positions(keys: &Keys, args: &Args<'_>, found: &mut dyn FnMut(usize)) {
    match *keys {
        Keys::At(index, _) => found(index.into()),
        Keys::Range { first, last, step, .. } => {
            let end = from_end(last, args.len());
            (first.into()..=end).step_by(step.into()).for_each(found);
        }
        Keys::Counted { count_at, step, .. } => {
            let Some(count) = args.get(count_at.into()).and_then(num::parse_i64) else { return };
            let first = usize::from(count_at) + 1;
            let fit = (args.len().saturating_sub(first)).div_ceil(step.into());
            if count > 0 && count as u64 <= fit as u64 {
                (0..count as usize).for_each(|n| found(first + n * usize::from(step)));
            }
        }
        Keys::After { keyword, from, last, step, limit, .. } => {
            let Some(first) = after_keyword(args, keyword, from) else { return };
            let left = args.len().saturating_sub(first);
            let count = if limit > 1 { left / usize::from(limit) } else { left };
            let end = match last {
                _ if limit > 1 => first + count,
                0.. => args.len().min(first + last as usize + 1),
                _ => from_end(last, args.len()) + 1,
            };
            (first..end).step_by(step.into()).for_each(found);
        }
        Keys::Custom(find, _) => find(args, found),
    }
}

/// True if the last key comes without its value: nothing may be sent to any shard before the
/// handler refuses.
fn lacks_a_value(keys: &Keys, args: &Args<'_>) -> bool {
    let Keys::Range { first, last, step, .. } = *keys else { return false };
    let count = (from_end(last, args.len()) + 1).saturating_sub(first.into());
    !count.is_multiple_of(step.into())
}

fn from_end(index: i8, len: usize) -> usize {
    if index < 0 { len.saturating_sub(index.unsigned_abs().into()) } else { index as usize }
}

fn after_keyword(args: &Args<'_>, keyword: &str, from: i8) -> Option<usize> {
    let found = if from < 0 {
        (0..=from_end(from, args.len())).rev().find(|&index| args.is(index, keyword))
    } else {
        (from as usize..args.len()).find(|&index| args.is(index, keyword))
    };
    found.map(|index| index + 1)
}

/// The core that owns `key`.
#[inline]
pub fn owner(layout: Layout, key: Key<'_>) -> CoreId {
    CoreId(layout.core_of(key.slot()))
}

/// A key's place among the arguments, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub position: u32,
    pub core: CoreId,
    pub hash: u64,
}

/// Calls `found` for every key argument, in their order.
pub fn for_each_placed(
    layout: Layout,
    command: &Command,
    args: &Args<'_>,
    mut found: impl FnMut(Placed),
) {
    for_each_key(&command.spec, args, |KeyPosition { index, .. }| {
        let key = args.key(index);
        found(Placed { position: index as u32, core: owner(layout, key), hash: key.hash });
    });
}

/// How far apart the keys of a command over several cores stand: what lies between belongs to the
/// key before it.
pub fn key_step(command: &Command) -> u8 {
    match command.spec.keys {
        [Keys::Range { step, .. }] => *step,
        _ => 1,
    }
}

/// True if the command may use any key of a shard that it runs on.
pub fn is_on_every_key(command: &Command, args: &Args<'_>) -> bool {
    match command.run {
        Run::Every(..) => true,
        Run::Sort { derives, .. } => derives(args),
        _ => false,
    }
}

/// Decides where `command` runs.
pub fn route(layout: Layout, me: CoreId, command: &Command, args: &Args<'_>) -> Route {
    match command.run {
        Run::Every(..) if layout.cores() > 1 => return Route::Every,
        Run::Every(..) => return Route::One(me),
        Run::Cursor(..) if layout.cores() > 1 => return Route::Many,
        Run::Sort { derives, .. } if layout.cores() > 1 && derives(args) => return Route::Many,
        _ => {}
    }
    if command.spec.keys.is_empty() || layout.cores() == 1 {
        return Route::Here;
    }
    let mut route = Route::Here;
    for_each_key(&command.spec, args, |position| {
        let core = owner(layout, args.key(position.index));
        route = match route {
            Route::Here => Route::One(core),
            Route::One(same) if same == core => route,
            _ => Route::Many,
        };
    });
    route
}
