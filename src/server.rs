//! The composition root: from the command line to running cores and back to an exit code.
//!
//! Invariant: nothing listens and nothing is written before the configuration is whole and the
//! machine has been checked.

use std::io::{self, IsTerminal};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::alloc;
use crate::base::hash;
use crate::base::seams::Clock;
use crate::base::time::Millis;
use crate::config::settings::{Cores, Supervised};
use crate::config::{Config, command_line, file};
use crate::limits;
use crate::observe::log;
use crate::runtime::clock::SystemClock;
use crate::runtime::preflight::{self, Refusal};
use crate::runtime::{listen, start, text};
use crate::session::core::Identity;

/// Runs the server with the process's arguments.
pub fn run() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_bytes()).collect();
    let source = match command_line::parse(&words) {
        command_line::Invocation::Help => {
            print!("{}", command_line::help());
            return ExitCode::SUCCESS;
        }
        command_line::Invocation::Version => {
            println!("{}", command_line::version());
            return ExitCode::SUCCESS;
        }
        command_line::Invocation::Start(source) => source,
    };
    let config = match file::load(&source, &mut std::io::stdin()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal(reason)) => {
            eprintln!("shoal: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> Result<(), Refusal> {
    let started = SystemClock::new();
    enter_directory(&config)?;
    log::start(&config).map_err(Refusal)?;
    let features = preflight::check()?;
    let cpus = choose_cpus(&config)?;
    let config = Arc::new(fit_files(config, cpus.len()));
    let listening = listen::listen(&config, cpus.len())?;
    let addresses = listening.addresses.join(" ");
    let identity = Arc::new(identity(&config, cpus.len(), features.to_string(), &started));
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    text::populate();
    let cores = start::start(&config, &identity, &cpus, listening)?;
    identity.startup_memory.store(alloc::used() as u64, Ordering::Relaxed);
    let _pid_file = PidFile::write(&config)?;
    announce(&config, &cpus, &addresses, &identity, &started);
    if let Err(error) = tell_supervisor(&config) {
        tracing::warn!(%error, "the supervisor could not be told that the server is ready");
    }
    let ended = cores.wait().map_err(|error| Refusal(format!("a core failed: {error}")));
    tracing::info!("bye");
    ended
}

fn announce(
    config: &Config,
    cpus: &[usize],
    addresses: &str,
    identity: &Identity,
    started: &SystemClock,
) {
    if config.always_show_logo || std::io::stderr().is_terminal() {
        eprintln!("  ><(((º>   ><(((º>\n      ><(((º>   shoal {}\n", env!("CARGO_PKG_VERSION"));
    }
    let pid = std::process::id();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid, "shoal");
    tracing::info!(cores = cpus.len(), ?cpus, "one shard per core");
    tracing::info!("ring: {}", identity.ring_features);
    tracing::info!("listening on {addresses}");
    let ready_ms = started.monotonic_nanos() / 1_000_000;
    tracing::info!(ready_ms, "ready to accept connections");
}

/// Tells systemd that the server is ready, by a datagram to `$NOTIFY_SOCKET` (sd_notify(3)); a name
/// that begins with `@` is an abstract one.
fn tell_supervisor(config: &Config) -> io::Result<()> {
    match config.supervised {
        Supervised::No => return Ok(()),
        Supervised::Upstart => return Err(io::Error::other("upstart is not supported")),
        Supervised::Systemd | Supervised::Auto => {}
    }
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        if config.supervised == Supervised::Auto {
            return Ok(());
        }
        return Err(io::Error::other("NOTIFY_SOCKET is not set"));
    };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let text = b"READY=1\nSTATUS=Ready to accept connections\n";
    UnixDatagram::unbound()?.send_to_addr(text, &address).map(drop)
}

fn enter_directory(config: &Config) -> Result<(), Refusal> {
    std::env::set_current_dir(&config.dir).map_err(|error| {
        Refusal(format!("cannot change to directory '{}': {error}", config.dir.display()))
    })
}

/// Which CPU each core is pinned to. More cores than CPUs share them, which is for tests.
fn choose_cpus(config: &Config) -> Result<Vec<usize>, Refusal> {
    let allowed = preflight::allowed_cpus();
    let chosen: Vec<usize> = config.cpus.iter().map(|cpu| *cpu as usize).collect();
    if let Some(stranger) = chosen.iter().find(|cpu| !allowed.contains(cpu)) {
        return Err(Refusal(format!(
            "--cpus names CPU {stranger}, which this process may not use; allowed: {allowed:?}"
        )));
    }
    let candidates = if chosen.is_empty() { allowed } else { chosen };
    let count = match config.cores {
        Cores::Count(count) => count as usize,
        Cores::Auto if !config.cpus.is_empty() => candidates.len(),
        Cores::Auto => candidates.len().min(preflight::quota_cpus().unwrap_or(usize::MAX)),
    };
    if count > limits::CORES_MAX {
        return Err(Refusal(format!("--cores may be at most {}", limits::CORES_MAX)));
    }
    Ok(candidates.into_iter().cycle().take(count.max(1)).collect())
}

/// Raises the limit of open files to what `maxclients` needs, or lowers `maxclients` to what is
/// granted.
fn fit_files(config: Config, cores: usize) -> Config {
    match preflight::fit_clients(config.maxclients, cores) {
        Ok(()) => config,
        Err(fits) => {
            tracing::warn!(
                "maxclients is lowered to {fits}: the limit of open files cannot be raised \
                 (ulimit -n)"
            );
            config.with_maxclients(fits)
        }
    }
}

fn identity(config: &Config, cores: usize, ring_features: String, clock: &SystemClock) -> Identity {
    let path = |path: Option<&std::path::Path>| {
        path.map(|path| path.display().to_string()).unwrap_or_default()
    };
    let started: Millis = clock.unix_millis();
    Identity {
        run_id: run_id(),
        started,
        cores,
        ring_features,
        config_file: path(config.file.as_deref()),
        executable: path(std::env::current_exe().ok().as_deref()),
        startup_memory: AtomicU64::new(0),
    }
}

/// Forty random hexadecimal digits.
fn run_id() -> String {
    let random = |salt: u64| hash::key_hash(&salt.to_ne_bytes()) ^ fresh(salt);
    let text: String = (0..3).map(|salt| format!("{:016x}", random(salt))).collect();
    text[..40].to_owned()
}

fn fresh(salt: u64) -> u64 {
    ahash::RandomState::new().hash_one(salt)
}

/// The file that holds the process id while the server runs.
struct PidFile(Option<std::path::PathBuf>);

impl PidFile {
    #[expect(clippy::disallowed_methods, reason = "start-up")]
    fn write(config: &Config) -> Result<PidFile, Refusal> {
        if let Some(path) = &config.pidfile {
            std::fs::write(path, format!("{}\n", std::process::id())).map_err(|error| {
                Refusal(format!("cannot write pidfile '{}': {error}", path.display()))
            })?;
        }
        Ok(PidFile(config.pidfile.clone()))
    }
}

impl Drop for PidFile {
    #[expect(clippy::disallowed_methods, reason = "shutdown")]
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
