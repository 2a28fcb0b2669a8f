//! stand-in
use super::table::{HostCommand, HostRun, host};
use crate::command::spec::*;
pub const FAMILIES: &[&[HostCommand]] = &[&[host(
    cmd("PING", Arity::AtLeast(1), Group::Connection).flags(Flags::FAST).doc("x", "1", "O(1)"),
    HostRun::Now(|_, _, out| { out.simple("PONG"); Ok(()) }),
), host(
    cmd("CONFIG", Arity::AtLeast(1), Group::Connection).flags(Flags::FAST).doc("x", "1", "O(1)"),
    HostRun::Now(|_, _, out| { out.array(0); Ok(()) }),
)]];
