//! The server's own log: to standard error or to `logfile`, at Redis's levels.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;

use crate::config::Config;
use crate::config::settings::LogLevel;

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Opens the log. The error says what is wrong with `logfile`.
pub fn start(config: &Config) -> Result<(), String> {
    let (level, handle) = reload::Layer::new(filter(config.loglevel));
    let format = tracing_subscriber::fmt::layer().with_target(false).with_thread_names(true);
    let base = tracing_subscriber::registry().with(level);
    if config.logfile.as_os_str().as_bytes().is_empty() {
        let _ = tracing::subscriber::set_global_default(base.with(format.with_writer(io::stderr)));
    } else {
        #[expect(clippy::disallowed_methods, reason = "start-up, before any core runs")]
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&config.logfile);
        let file = file.map_err(|error| {
            format!("cannot open logfile '{}': {error}", config.logfile.display())
        })?;
        let writer = format.with_ansi(false).with_writer(std::sync::Arc::new(file));
        let _ = tracing::subscriber::set_global_default(base.with(writer));
    }
    let _ = LEVEL.set(handle);
    log_panics();
    Ok(())
}

/// Changes what is logged from now on.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        let _ = handle.reload(filter(level));
    }
}

/// A panic goes to the log with its place, not to standard error in its own form.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        tracing::error!("panic: {panic}\n{trace}");
    }));
}
