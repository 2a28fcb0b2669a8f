//! The server as a whole: its time, its figures, its end.
//!
//! Invariant: what these commands report is gathered when they are asked; nothing is kept for them.

use super::super::connection::Session;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::memory::memory;
use super::{statistics, total};
use crate::base::num;
use crate::command::spec::{Arity, Flags, Group, cmd};
use crate::config::settings::Supervised;
use crate::observe::info::{self, Facts};
use crate::observe::process::Figures;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::message::Batch;

const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE);

pub const COMMANDS: &[HostCommand] = &[
    host(
        cmd("INFO", Arity::AtLeast(1), Group::Server)
            .flags(ANY_TIME)
            .acl(&["dangerous"])
            .tips(&[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ])
            .doc("Returns figures about the server, by sections.", "1.0.0", "O(1)"),
        HostRun::Later(info),
    ),
    host(
        cmd("LOLWUT", Arity::AtLeast(1), Group::Server)
            .flags(Flags::READONLY.and(Flags::FAST))
            .doc("Draws a picture and names the version.", "5.0.0", "O(1)"),
        HostRun::Now(lolwut),
    ),
    host(
        cmd("SHUTDOWN", Arity::AtLeast(1), Group::Server)
            .flags(
                ANY_TIME
                    .and(Flags::ADMIN)
                    .and(Flags::NOSCRIPT)
                    .and(Flags::NO_MULTI)
                    .and(Flags::ALLOW_BUSY),
            )
            .doc("Closes all connections and ends the server.", "1.0.0", "O(1)"),
        HostRun::Now(shutdown),
    ),
    host(
        cmd("TIME", Arity::Exact(1), Group::Server)
            .flags(ANY_TIME.and(Flags::FAST))
            .tips(&["nondeterministic_output"])
            .doc("Returns the server's clock.", "2.6.0", "O(1)"),
        HostRun::Now(time),
    ),
];

fn time(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let now = session.core.clock.unix_micros();
    out.array(2);
    out.bulk_int(now / 1_000_000);
    out.bulk_int(now % 1_000_000);
    Ok(())
}

fn info<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let core = &session.core;
        let cores = statistics(core).await;
        let total = total(&cores);
        let (config, identity, process) = (core.config(), &core.identity, Figures::read());
        let facts = Facts {
            config: &config,
            now_us: core.clock.unix_micros(),
            started: identity.started,
            run_id: &identity.run_id,
            port: config.port,
            executable: &identity.executable,
            config_file: &identity.config_file,
            ring_features: &identity.ring_features,
            supervisor: supervisor(config.supervised),
            is_cluster: config.core_ports,
            total: &total,
            cores: &cores,
            command_name: &|id| core.table.entries[id].name,
            memory: memory(core, &total, &process),
            process,
        };
        let names: Vec<&[u8]> = whole.args(0).from(1).collect();
        out.verbatim("txt", info::render(&facts, &names).as_bytes());
        Ok(())
    })
}

/// Who supervises this process and has been told that it is ready.
fn supervisor(setting: Supervised) -> &'static str {
    let is_told = match setting {
        Supervised::No | Supervised::Upstart => false,
        Supervised::Systemd | Supervised::Auto => std::env::var_os("NOTIFY_SOCKET").is_some(),
    };
    if is_told { "systemd" } else { "no" }
}

/// What SHUTDOWN was told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ending {
    save: bool,
    no_save: bool,
    now: bool,
    force: bool,
    abort: bool,
}

impl Ending {
    fn read(args: &Args<'_>) -> Result<Ending, CmdError> {
        let mut ending = Ending::default();
        for word in args.from(1) {
            match word.to_ascii_lowercase().as_slice() {
                b"save" => ending.save = true,
                b"nosave" => ending.no_save = true,
                b"now" => ending.now = true,
                b"force" => ending.force = true,
                b"abort" => ending.abort = true,
                _ => return Err(CmdError::Syntax),
            }
        }
        let others = ending.save || ending.no_save || ending.now || ending.force;
        if (ending.save && ending.no_save) || (ending.abort && others) {
            return Err(CmdError::Syntax);
        }
        Ok(ending)
    }
}

fn shutdown(session: &mut Session, args: &Args<'_>, _: &mut Out) -> CmdResult {
    let ending = Ending::read(args)?;
    if ending.abort {
        // A shutdown waits for nothing, so none is ever under way when a command runs.
        return Err(CmdError::Text("ERR No shutdown in progress."));
    }
    if ending.save {
        return Err(CmdError::Text(
            "ERR SHUTDOWN SAVE is not possible: persistence is not available yet. Use NOSAVE.",
        ));
    }
    tracing::warn!(client = session.client.id, "shutdown requested");
    session.core.stopping.set(true);
    session.closing = true;
    Ok(())
}

/// Width and height of LOLWUT's picture, unless others are asked for.
const CANVAS: (i64, i64) = (66, 9);
/// Largest width and height.
const CANVAS_MAX: (i64, i64) = (1000, 100);
const FISH: &[&str] = &["><>", "<><", "><((o>", "<o))><", "><(((\u{b0}>", "<\u{b0})))><"];

fn lolwut(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut words = args.reader(1);
    if words.left() >= 2 && words.keyword("VERSION") {
        words.int()?;
    }
    // As in Redis, an argument that the picture does not know changes nothing.
    let mut size = |default: i64, max: i64| {
        let word = words.word().ok().and_then(num::parse_i64);
        word.unwrap_or(default).clamp(1, max) as usize
    };
    let (columns, rows) = (size(CANVAS.0, CANVAS_MAX.0), size(CANVAS.1, CANVAS_MAX.1));
    let db = session.core.shards.db.borrow();
    let mut picture = shoal(columns, rows, |bound| db.random_below(bound as u64) as usize);
    picture.push_str("\nA shoal: many small fish, and no leader. Redis ver. ");
    picture.push_str(info::REDIS_VERSION);
    picture.push('\n');
    out.verbatim("txt", picture.as_bytes());
    Ok(())
}

/// A shoal of fish, denser in the middle of the canvas; all swim the same way.
fn shoal(columns: usize, rows: usize, mut below: impl FnMut(usize) -> usize) -> String {
    let direction = below(2);
    let mut picture = String::with_capacity((columns + 1) * rows);
    for row in 0..rows {
        let from_middle = (2 * row + 1).abs_diff(rows);
        let spread = 2 + 16 * from_middle / rows;
        let mut column = below(2 * spread);
        picture.extend(std::iter::repeat_n(' ', column.min(columns)));
        while column < columns {
            let fish = FISH[2 * below(FISH.len() / 2) + direction];
            let gap = 2 + below(spread);
            if column + fish.chars().count() > columns {
                break;
            }
            picture.push_str(fish);
            picture.extend(std::iter::repeat_n(' ', gap));
            column += fish.chars().count() + gap;
        }
        picture.truncate(picture.trim_end_matches(' ').len());
        picture.push('\n');
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_picture_stays_on_its_canvas(
            columns in 1usize..200,
            rows in 1usize..40,
            seed in any::<usize>(),
        ) {
            let mut state = seed;
            let picture = shoal(columns, rows, |bound| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % bound
            });
            prop_assert_eq!(picture.lines().count(), rows);
            prop_assert!(picture.lines().all(|line| line.chars().count() <= columns));
        }
    }
}
