//! CONFIG: the settings of the running server.
//!
//! Core 0 makes every change, one after the other, and numbers the result; the asking core hands it
//! to all and answers when it is in force everywhere. A core that already has a later one keeps it.
//!
//! Invariant: a change is made whole or not at all, and OK means that every core works by it.

use super::super::connection::Session;
use super::super::core::Core;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::{ask_all, container, help, summaries};
use crate::command::spec::{Arity, Flags, Group, Spec, cmd};
use crate::config::rewrite::rewrite_file;
use crate::config::{Apply, Config, Requester, SetError};
use crate::observe::log;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::shard::message::{Batch, ConfigChange, CoreId, Request, Response, Settings};

/// The core that makes changes.
const AUTHORITY: CoreId = CoreId(0);

const fn admin(
    name: &'static str,
    arity: Arity,
    summary: &'static str,
    since: &'static str,
) -> Spec {
    cmd(name, arity, Group::Server)
        .flags(Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE))
        .doc(summary, since, "O(N) where N is the number of parameters")
}

pub const COMMANDS: &[HostCommand] = &[container(
    cmd("CONFIG", Arity::AtLeast(2), Group::Server).doc(
        "A container for server configuration commands.",
        "2.0.0",
        "Depends on subcommand.",
    ),
    SUBCOMMANDS,
)];

const SUBCOMMANDS: &[HostCommand] =
    &[
        host(
            admin("GET", Arity::AtLeast(3), "Returns the parameters that match.", "2.0.0"),
            HostRun::Now(get),
        ),
        host(
            cmd("HELP", Arity::Exact(2), Group::Server)
                .flags(Flags::LOADING.and(Flags::STALE))
                .doc("Lists the subcommands.", "5.0.0", "O(1)"),
            HostRun::Now(|_, _, out| {
                help(out, "CONFIG", summaries(SUBCOMMANDS));
                Ok(())
            }),
        ),
        host(
            admin("RESETSTAT", Arity::Exact(2), "Sets the counters of INFO back.", "2.0.0"),
            HostRun::Later(reset_statistics),
        ),
        host(
            admin("REWRITE", Arity::Exact(2), "Writes the settings into their file.", "2.8.0"),
            HostRun::Later(rewrite),
        ),
        host(
            admin("SET", Arity::AtLeast(4), "Changes parameters of the running server.", "2.0.0")
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
            HostRun::Later(set),
        ),
    ];

fn get(session: &mut Session, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let patterns: Vec<&[u8]> = args.from(2).collect();
    let found = session.core.config().get(&patterns);
    out.map(found.len());
    for (name, value) in found {
        out.bulk(&name);
        out.bulk(&value);
    }
    Ok(())
}

fn reset_statistics<'a>(
    session: &'a mut Session,
    _: &'a Batch,
    out: &'a mut Out,
) -> LaterFuture<'a> {
    Box::pin(async move {
        ask_all(&session.core, || Request::ResetStats).await;
        out.ok();
        Ok(())
    })
}

fn rewrite<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let config = session.core.config();
        let written = session.core.off_core(move || rewrite_file(&config)).await;
        let outcome = written.ok_or(CmdError::Text("ERR rewriting the file failed"))?;
        outcome.map_err(|error| CmdError::owned(format!("ERR {error}")))?;
        tracing::info!("CONFIG REWRITE executed");
        out.ok();
        Ok(())
    })
}

fn set<'a>(session: &'a mut Session, whole: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let args = whole.args(0);
        if !args.len().is_multiple_of(2) {
            return Err(CmdError::Syntax);
        }
        let pairs = (2..args.len())
            .step_by(2)
            .map(|index| (Box::from(args.at(index)), Box::from(args.at(index + 1))));
        let change = ConfigChange { pairs: pairs.collect(), is_local: session.client.is_local() };
        let request = Request::SetConfig(Box::new(change));
        let core = &session.core;
        let answer = match core.me() == AUTHORITY {
            true => core.serve_host(request),
            false => core.shards.hops.ask(AUTHORITY, request).await,
        };
        let Response::Settings(settings) = answer else {
            unreachable!("a change of settings is answered by settings")
        };
        let settings = settings?;
        ask_all(core, || Request::Configure(settings.clone())).await;
        out.ok();
        Ok(())
    })
}

/// Makes a change and puts it in force on this core, which must be the first.
pub fn change(core: &Core, change: &ConfigChange) -> Result<Settings, CmdError> {
    debug_assert_eq!(core.me(), AUTHORITY);
    let old = core.config();
    let pairs: Vec<(&[u8], &[u8])> =
        change.pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let requester = Requester { is_local: change.is_local, is_loading: false };
    let update = old.set(&pairs, requester).map_err(refusal)?;
    for (done, (hook, name)) in update.hooks.iter().enumerate() {
        if let Err(reason) = act(core, *hook, &update.config) {
            for (hook, _) in &update.hooks[..done] {
                if let Err(reason) = act(core, *hook, &old) {
                    tracing::warn!("a refused CONFIG SET could not be taken back: {reason}");
                }
            }
            return Err(refusal(SetError::failed(name, reason)));
        }
    }
    let settings = Settings { version: core.config_version() + 1, config: update.config };
    core.configure(settings.clone());
    Ok(settings)
}

fn refusal(error: SetError) -> CmdError {
    match error {
        SetError::Loading => CmdError::Text("LOADING Redis is loading the dataset in memory"),
        error => CmdError::owned(format!("ERR {error}")),
    }
}

/// Does what a changed parameter asks for beyond being read.
fn act(core: &Core, hook: Apply, config: &Config) -> Result<(), String> {
    match hook {
        Apply::Directory => std::env::set_current_dir(&config.dir).map_err(|error| {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }),
        Apply::LogLevel => {
            log::set_level(config.loglevel);
            Ok(())
        }
        // Each core takes these over when it is configured.
        Apply::MaxMemory | Apply::RequirePass | Apply::Hz => Ok(()),
        Apply::AppendOnly if !config.appendonly => Ok(()),
        Apply::AppendOnly => Err("persistence is not available yet".into()),
        Apply::Bind
        | Apply::Port
        | Apply::MaxClients
        | Apply::MaxMemoryClients
        | Apply::ProcTitle => match core.on_change.get() {
            Some(on_change) => on_change(hook, config),
            None if matches!(hook, Apply::Bind | Apply::Port) => {
                Err("it cannot change while the server runs".into())
            }
            None => Ok(()),
        },
    }
}
