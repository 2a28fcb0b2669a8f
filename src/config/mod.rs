//! The configuration: typed settings, read from files and the command line, shown and changed by
//! CONFIG.
//!
//! In reading order: `parameters` is the table of all parameters, `parameter` what a row is, `kind`
//! and `lists` how values are read and printed, `settings` the typed result, `words` the syntax of
//! a line, `file` and `command_line` what is read at start, `rewrite` what CONFIG REWRITE writes.
//!
//! Invariant: a `Config` is always valid. It is an immutable snapshot, published as `Arc<Config>`;
//! CONFIG SET makes a changed copy, all or nothing, and names the hooks that the caller must run
//! before it publishes the copy.
//! Absent: effects. Nothing here binds, logs, changes directory or keeps a global.

pub mod command_line;
pub mod file;
pub mod parameter;
pub mod parameters;
pub mod rewrite;
pub mod settings;

mod checks;
mod kind;
mod lists;
#[cfg(test)]
mod tests;
mod words;

use crate::base::glob;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

pub use kind::{Kind, Value};
pub use parameter::{Apply, Mutability, Parameter};
pub use parameters::PARAMETERS;
pub use settings::Settings;

/// The range into which `hz` is brought, as in Redis.
const HZ: std::ops::RangeInclusive<u32> = 1..=500;

/// The answer to `daemonize yes`: a fork would lose the rings and threads.
const NO_DAEMON: &str = "daemonize is not supported: run shoal under systemd \
    or another supervisor, or in the background of your shell";

/// A name in an error is cut off here: it is the client's text.
const NAME_SHOWN_BYTES_MAX: usize = 128;

/// The whole configuration. Read a setting as a field: `config.port`.
///
/// It dereferences to [`Settings`] so that everybody can read the fields and only the table can
/// write them.
#[derive(Clone, PartialEq)]
pub struct Config {
    settings: Settings,
    /// Values, other than the default, of parameters that have no field.
    reserved: BTreeMap<&'static str, Value>,
    /// The lines of the file that set no parameter, in their order.
    pub directives: Vec<Directive>,
    /// The absolute path of the configuration file, which CONFIG REWRITE changes.
    pub file: Option<PathBuf>,
}

/// A line of a configuration file that is not a parameter.
#[derive(Clone, PartialEq, Eq)]
pub enum Directive {
    /// `rename-command FROM TO`; an empty `to` disables the command.
    RenameCommand { from: Vec<u8>, to: Vec<u8> },
    /// `user NAME RULE ...`: the words after `user`.
    User(Vec<Vec<u8>>),
    /// `loadmodule PATH ARGUMENT ...`: the words after `loadmodule`.
    LoadModule(Vec<Vec<u8>>),
    /// `MODULE.PARAMETER VALUE ...`: all words.
    ModuleParameter(Vec<Vec<u8>>),
    /// A parameter that Redis gave up and ignores: its name.
    Obsolete(&'static str),
}

impl Deref for Config {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl fmt::Debug for Config {
    /// Shows no value of a reserved parameter and no directive: they may hold passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reserved: Vec<_> = self.reserved.keys().collect();
        let mut show = formatter.debug_struct("Config");
        show.field("settings", &self.settings).field("reserved", &reserved).finish_non_exhaustive()
    }
}

impl Default for Config {
    /// The configuration of a server started without a file or options; `dir` is the current
    /// directory.
    fn default() -> Self {
        let mut config = Self {
            settings: Settings::default(),
            reserved: BTreeMap::new(),
            directives: Vec::new(),
            file: None,
        };
        for parameter in PARAMETERS {
            let outcome = parameter.reset(&mut config);
            assert!(
                outcome.is_ok(),
                "the default of {} must be valid: {outcome:?}",
                parameter.name
            );
        }
        config
    }
}

/// Who sends CONFIG SET, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requester {
    /// Whether the client is on this host: loopback or Unix socket.
    pub is_local: bool,
    /// Whether the server is loading its data set.
    pub is_loading: bool,
}

/// The outcome of CONFIG SET: run the hooks in order, then publish the configuration. If a hook
/// fails, keep the old one and answer [`SetError::Failed`] with the hook's parameter.
#[derive(Debug)]
pub struct Update {
    /// The changed configuration.
    pub config: Arc<Config>,
    /// What must be done, each hook once, with the parameter that asks for it first.
    pub hooks: Vec<(Apply, &'static str)>,
}

/// Why CONFIG SET changed nothing. `Display` is the reply's text after `ERR `, except that
/// [`SetError::Loading`] is the LOADING error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No such parameter: the name as the client spelled it, cut off when long.
    Unknown(String),
    /// A parameter cannot have that value, or not now.
    Failed { argument: String, reason: String },
    /// The parameter cannot change while the data set is loading.
    Loading,
}

impl fmt::Display for SetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(formatter, "Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::Failed { argument, reason } => write!(
                formatter,
                "CONFIG SET failed (possibly related to argument '{argument}') - {reason}"
            ),
            Self::Loading => formatter.write_str("the server is loading the dataset in memory"),
        }
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// The default configuration with some values changed as in a file. The error is the reason in
    /// words.
    pub fn with(changes: &[(&str, &str)]) -> Result<Self, String> {
        let mut config = Self::default();
        for (name, value) in changes {
            let (parameter, _) = lookup(name.as_bytes()).ok_or_else(|| format!("no '{name}'"))?;
            parameter.set(&mut config, &split_value(parameter, value.as_bytes()))?;
        }
        config.settle()?;
        Ok(config)
    }

    /// CONFIG GET: each parameter that one of `patterns` names or matches, once, with its value. A
    /// name without a wildcard comes back as the client spelled it; hidden parameters must be
    /// named.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut matches: Vec<(Vec<u8>, &Parameter)> = Vec::new();
        let mut add = |name: &[u8], parameter| {
            if !matches.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                matches.push((name.to_vec(), parameter));
            }
        };
        for &pattern in patterns {
            if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
                if let Some((parameter, _)) = lookup(pattern) {
                    add(pattern, parameter);
                }
                continue;
            }
            for (parameter, name) in names().filter(|(parameter, _)| !parameter.is_hidden) {
                if glob::glob_match(pattern, name.as_bytes(), true) {
                    add(name.as_bytes(), parameter);
                }
            }
        }
        matches.into_iter().map(|(name, parameter)| (name, parameter.get(self))).collect()
    }

    /// CONFIG SET: validates all pairs of name and value, then changes all, in a copy. The caller
    /// has refused an odd number of arguments (`ERR syntax error`).
    pub fn set(&self, pairs: &[(&[u8], &[u8])], requester: Requester) -> Result<Update, SetError> {
        let chosen = self.choose(pairs, requester)?;
        let mut config = self.clone();
        for ((parameter, name), (_, value)) in chosen.iter().zip(pairs) {
            let words = split_value(parameter, value);
            parameter.set(&mut config, &words).map_err(|reason| SetError::failed(name, reason))?;
        }
        config.settle().map_err(|reason| SetError::failed("daemonize", reason))?;
        let mut hooks: Vec<(Apply, &'static str)> = Vec::new();
        for (parameter, name) in chosen {
            let Some(apply) = parameter.apply else { continue };
            let is_new = hooks.iter().all(|(known, _)| *known != apply);
            if is_new && parameter.get(self) != parameter.get(&config) {
                hooks.push((apply, name));
            }
        }
        Ok(Update { config: Arc::new(config), hooks })
    }

    /// The parameters that `pairs` name, if all of them may be changed now. The first obstacle is
    /// reported.
    fn choose(
        &self,
        pairs: &[(&[u8], &[u8])],
        requester: Requester,
    ) -> Result<Vec<(&'static Parameter, &'static str)>, SetError> {
        let protected_may_change = self.enable_protected_configs.allows(requester.is_local);
        let mut chosen: Vec<(&Parameter, &str)> = Vec::new();
        for (spelled, _) in pairs {
            let (parameter, name) =
                lookup(spelled).ok_or_else(|| SetError::Unknown(shown(spelled)))?;
            let refuse = |reason: &str| Err(SetError::failed(&shown(spelled), reason.into()));
            match parameter.mutability {
                Mutability::Immutable => return refuse("can't set immutable config"),
                Mutability::Protected if !protected_may_change => {
                    return refuse("can't set protected config");
                }
                _ if requester.is_loading && parameter.is_denied_while_loading => {
                    return Err(SetError::Loading);
                }
                // As in Redis, a parameter and its alias may both be given: the last one counts.
                _ if chosen.iter().any(|(_, known)| *known == name) => {
                    return refuse("duplicate parameter");
                }
                _ => chosen.push((parameter, name)),
            }
        }
        Ok(chosen)
    }

    /// The same with fewer clients, where the limit of open files does not allow more.
    pub fn with_maxclients(mut self, maxclients: u32) -> Config {
        self.settings.maxclients = maxclients;
        self
    }

    /// One sentence for each parameter or directive that was given a meaning which the server does
    /// not honour; the server logs them when it starts.
    pub fn warnings(&self) -> Vec<String> {
        let defaults = Self::default();
        let reserved = PARAMETERS.iter().filter_map(|parameter| {
            let reason = parameter.reserved?;
            let value = parameter.get(self);
            let asks = value != parameter.get(&defaults)
                && parameter.idle.is_none_or(|idle| value != idle.as_bytes());
            asks.then(|| format!("'{}' has no effect: {reason}", parameter.name))
        });
        reserved.chain(self.directives.iter().map(Directive::warning)).collect()
    }

    /// Ends a change: brings hints into their range, and refuses what no later line has taken back.
    fn settle(&mut self) -> Result<(), String> {
        self.settings.hz = self.settings.hz.clamp(*HZ.start(), *HZ.end());
        match self.daemonize {
            true => Err(NO_DAEMON.into()),
            false => Ok(()),
        }
    }
}

impl SetError {
    /// The refusal of a value, by a row or by the hook that should apply it.
    pub fn failed(argument: &str, reason: String) -> Self {
        Self::Failed { argument: argument.into(), reason }
    }
}

impl Directive {
    fn warning(&self) -> String {
        let first = |words: &[Vec<u8>]| words.first().map_or(String::new(), |word| shown(word));
        match self {
            Self::RenameCommand { from, .. } => {
                format!("'rename-command {}' has no effect: commands keep their names", shown(from))
            }
            Self::User(words) => format!(
                "'user {}' has no effect: access control lists are not available yet",
                first(words)
            ),
            Self::LoadModule(words) => {
                format!("'loadmodule {}' has no effect: there are no modules", first(words))
            }
            Self::ModuleParameter(words) => {
                format!("'{}' has no effect: there are no modules", first(words))
            }
            Self::Obsolete(name) => format!("'{name}' has no effect: it is obsolete"),
        }
    }
}

/// The parameter with this name or alias, in any case, and the one of the two that was meant.
/// Whoever logs the arguments of CONFIG SET must ask this for [`Parameter::is_sensitive`].
pub fn lookup(name: &[u8]) -> Option<(&'static Parameter, &'static str)> {
    names().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Every parameter under its name, and again under its alias.
fn names() -> impl Iterator<Item = (&'static Parameter, &'static str)> {
    PARAMETERS.iter().flat_map(|parameter| {
        let names = std::iter::once(parameter.name).chain(parameter.alias);
        names.map(move |name| (parameter, name))
    })
}

/// The words of a value given in one piece, as to CONFIG SET: single spaces part them, and an
/// empty value has none.
fn split_value<'a>(parameter: &Parameter, value: &'a [u8]) -> Vec<&'a [u8]> {
    match parameter.kind.takes_many_words() {
        true if value.is_empty() => Vec::new(),
        true => value.split(|byte| *byte == b' ').collect(),
        false => vec![value],
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(NAME_SHOWN_BYTES_MAX)]).into_owned()
}
