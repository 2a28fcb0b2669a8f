//! BITOP: strings combined bit by bit.
//!
//! The operands may lie on several shards. Each shard first combines its own, so that what travels
//! is one bitmap (two for ONE and the DIFF family), not longer than the result.
//!
//! Invariant: a missing key is a string of zeros; the result is as long as the longest operand, and
//! an empty result removes the target.

use bytes::Bytes;

use crate::command::spec::Parcel;
use crate::command::string::text::Text;
use crate::ds::bits;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::entry::Value;

const SET: Event = Event::string("set");

/// Position of the first operand.
const FIRST: usize = 3;

const ONE_SOURCE: CmdError =
    CmdError::Text("ERR BITOP NOT must be called with a single source key.");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// In the first operand and in none of the others.
    Diff,
    /// In some of the others and not in the first.
    Diff1,
    /// In the first and in some of the others.
    AndOr,
    /// In exactly one.
    One,
}

impl Operation {
    fn read(args: &Args<'_>) -> Result<Operation, CmdError> {
        use Operation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
        let names = [
            ("AND", And),
            ("OR", Or),
            ("XOR", Xor),
            ("NOT", Not),
            ("DIFF", Diff),
            ("DIFF1", Diff1),
            ("ANDOR", AndOr),
            ("ONE", One),
        ];
        let named = names.into_iter().find(|(name, _)| args.is(1, name));
        let (name, operation) = named.ok_or(CmdError::Syntax)?;
        let sources = args.len() - FIRST;
        match operation {
            Not if sources != 1 => Err(ONE_SOURCE),
            Diff | Diff1 | AndOr if sources < 2 => Err(CmdError::owned(format!(
                "ERR BITOP {name} must be called with at least two source keys."
            ))),
            _ => Ok(operation),
        }
    }

    /// True if the first operand plays a part of its own.
    fn sets_first_apart(self) -> bool {
        matches!(self, Operation::Diff | Operation::Diff1 | Operation::AndOr)
    }
}

/// Operands combined so far.
#[derive(Default)]
struct Combined {
    /// The first operand, where it plays a part of its own and is here.
    first: Option<Bytes>,
    /// The others, or all; none so far if missing.
    rest: Option<Vec<u8>>,
    /// For ONE: bits that more than one operand has.
    many: Vec<u8>,
    /// Length of the longest operand in bytes.
    longest: usize,
}

impl Bulky for Combined {}

impl Combined {
    /// Adds an operand that is no first one set apart.
    fn add(&mut self, operation: Operation, operand: &[u8]) {
        self.longest = self.longest.max(operand.len());
        if operation == Operation::One {
            let some = self.rest.get_or_insert_default();
            return bits::tally(some, &mut self.many, operand);
        }
        let Some(rest) = &mut self.rest else {
            self.rest = Some(operand.to_vec());
            return;
        };
        match operation {
            Operation::And => bits::and(rest, operand),
            Operation::Xor => bits::xor(rest, operand),
            _ => bits::or(rest, operand),
        }
    }

    /// Adds what another shard combined.
    fn merge(&mut self, operation: Operation, other: &Combined) {
        if let Some(first) = &other.first {
            self.first = Some(first.clone());
        }
        if let Some(rest) = &other.rest {
            if operation == Operation::One {
                bits::or(&mut self.many, &other.many);
            }
            self.add(operation, rest);
        }
        self.longest = self.longest.max(other.longest);
    }

    /// The result, as long as the longest operand.
    fn result(self, operation: Operation) -> Vec<u8> {
        let first = self.first.unwrap_or_default();
        let mut rest = self.rest.unwrap_or_default();
        match operation {
            Operation::And | Operation::Or | Operation::Xor => {}
            Operation::Not => bits::not(&mut rest),
            Operation::Diff => {
                let mut kept = first.to_vec();
                bits::and_not(&mut kept, &rest);
                rest = kept;
            }
            Operation::Diff1 => bits::and_not(&mut rest, &first),
            Operation::AndOr => bits::and(&mut rest, &first),
            Operation::One => bits::and_not(&mut rest, &self.many),
        }
        rest.resize(self.longest, 0);
        rest
    }
}

pub(super) fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let operation = Operation::read(args)?;
    let mut combined = Combined::default();
    let mut digits = itoa::Buffer::new();
    for position in FIRST..args.len() {
        let key = args.key(position);
        if !db.owns(key) {
            continue;
        }
        let text = Text::of_optional(db.read(key))?;
        if position == FIRST && operation.sets_first_apart() {
            let first = text.map_or_else(Bytes::new, Text::to_bytes);
            combined.longest = first.len();
            combined.first = Some(first);
        } else {
            combined.add(operation, text.map_or(&b""[..], |text| text.bytes(&mut digits)));
        }
    }
    Ok(Some(Box::new(combined)))
}

pub(super) fn commit(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let (operation, target) = (Operation::read(args)?, args.key(2));
    if !db.owns(target) {
        return Ok(());
    }
    let mut whole = Combined::default();
    let parts = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Combined>());
    parts.for_each(|part| whole.merge(operation, part));
    let result = whole.result(operation);
    out.count(result.len());
    let mut write = db.write(target);
    if result.is_empty() {
        write.remove(Event::DEL);
    } else {
        write.set_modified(Value::Big(Bytes::from(result)), Expiry::Never, SET);
    }
    Ok(())
}
