//! Reads configuration in the syntax of redis.conf: files, standard input and command-line options.
//!
//! All sources of one start are joined into one text, the options last, so that the last value wins
//! and line numbers go on; an `include` is read at its place. Errors carry the line, in Redis's
//! layout.
//! Invariant: any text ends in a configuration or an error; nesting, cycles and sizes are bounded.
//! Absent: effects. Redis changes directory and opens the log file while it reads; here that is the
//! server's.

use crate::base::glob;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Config, Directive, Parameter, lookup, shown, words};

/// Larger texts are not configuration; a device file would never end.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// The first lines of an error, in Redis's layout.
const HEADING: &str =
    concat!("\n*** FATAL CONFIG FILE ERROR (Shoal ", env!("CARGO_PKG_VERSION"), ") ***");

/// How deep files may include each other.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Parameters that Redis gave up; with one value they are accepted.
const OBSOLETE: &[&str] =
    &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// What configuration is read from, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// A file, or a pattern of files, relative to the current directory.
    pub file: Option<PathBuf>,
    /// Whether to go on with standard input.
    pub reads_standard_input: bool,
    /// Lines from the command line.
    pub options: Vec<u8>,
}

/// Why the server cannot start with this configuration. `Display` is what to show before exit code
/// 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A line cannot be accepted. `number` counts from 1; `line` hides the values of sensitive
    /// parameters.
    Line { number: usize, line: String, reason: String },
    /// Each line is valid, but not all of them together.
    Whole(String),
    /// A file cannot be read.
    Open { path: PathBuf, reason: String },
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { number, line, reason } => {
                write!(formatter, "{HEADING}\nReading the configuration file, at line {number}\n")?;
                write!(formatter, ">>> '{line}'\n{reason}")
            }
            Self::Whole(reason) => write!(formatter, "{HEADING}\n{reason}"),
            Self::Open { path, reason } => {
                write!(
                    formatter,
                    "Fatal error, can't open config file '{}': {reason}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// Reads all of `source` over the defaults.
pub fn load(source: &Source, standard_input: &mut dyn Read) -> Result<Config, LoadError> {
    let mut loader = Loader::default();
    let mut text = Vec::new();
    if let Some(path) = &source.file {
        let path = std::path::absolute(path).map_err(|error| open_error(path, &error))?;
        text = read_matching(&path)?;
        loader.open.push(path.clone());
        loader.config.file = Some(path);
    }
    if source.reads_standard_input {
        end_line(&mut text);
        let input = read_text(standard_input);
        text.extend(input.map_err(|error| open_error(Path::new("-"), &error))?);
    }
    text.push(b'\n');
    text.extend(&source.options);
    loader.read(&text)?;
    loader.config.settle().map_err(LoadError::Whole)?;
    Ok(loader.config)
}

/// The operating system's words for an error, without the number that Rust adds.
pub(super) fn explain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn open_error(path: &Path, error: &io::Error) -> LoadError {
    LoadError::Open { path: path.into(), reason: explain(error) }
}

/// What went wrong in a line, before its number is known.
enum Problem {
    Here(String),
    InFile(LoadError),
}

impl<S: Into<String>> From<S> for Problem {
    fn from(reason: S) -> Self {
        Self::Here(reason.into())
    }
}

#[derive(Default)]
struct Loader {
    config: Config,
    /// The words so far of parameters whose directives add up.
    accumulated: BTreeMap<&'static str, Vec<Vec<u8>>>,
    /// The files that are being read, the including one before the included one.
    open: Vec<PathBuf>,
}

impl Loader {
    fn read(&mut self, text: &[u8]) -> Result<(), LoadError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = trim(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            self.read_line(line).map_err(|problem| match problem {
                Problem::InFile(error) => error,
                Problem::Here(reason) => {
                    LoadError::Line { number: index + 1, line: without_secrets(line), reason }
                }
            })?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), Problem> {
        let words = words::split(line).ok_or("Unbalanced quotes in configuration line")?;
        let [name, values @ ..] = words.as_slice() else { return Ok(()) };
        if let Some((parameter, _)) = lookup(name) {
            return Ok(self.set(parameter, values)?);
        }
        let obsolete = OBSOLETE.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        let directive = match (name.to_ascii_lowercase().as_slice(), values) {
            (_, [_]) if obsolete.is_some() => Directive::Obsolete(obsolete.copied().unwrap_or("")),
            (b"include", [path]) => return self.include(path),
            (b"rename-command", [from, to]) => {
                Directive::RenameCommand { from: from.clone(), to: to.clone() }
            }
            (b"user", [_, ..]) => Directive::User(values.to_vec()),
            (b"loadmodule", [_, ..]) => Directive::LoadModule(values.to_vec()),
            (b"sentinel", _) => return Err("sentinel directive while not in sentinel mode".into()),
            (dotted, []) if dotted.contains(&b'.') => {
                return Err("Module config specified without value".into());
            }
            (dotted, _) if dotted.contains(&b'.') => Directive::ModuleParameter(words),
            _ => return Err("Bad directive or wrong number of arguments".into()),
        };
        self.config.directives.push(directive);
        Ok(())
    }

    fn set(&mut self, parameter: &'static Parameter, values: &[Vec<u8>]) -> Result<(), String> {
        let split;
        let mut values = values;
        if let (true, [value]) = (parameter.kind.takes_many_words(), values)
            && !value.is_empty()
        {
            split = words::split(value).ok_or("Unbalanced quotes in configuration line")?;
            values = &split;
        }
        if !parameter.accumulates {
            return parameter.set(&mut self.config, &borrow(values));
        }
        let all = self.accumulated.entry(parameter.name).or_default();
        let is_reset = matches!(values, [value] if value.is_empty());
        let before = if is_reset { 0 } else { all.len() };
        all.truncate(before);
        all.extend(values.iter().filter(|_| !is_reset).cloned());
        parameter.set(&mut self.config, &borrow(all))
    }

    fn include(&mut self, path: &[u8]) -> Result<(), Problem> {
        let path = self.config.dir.join(OsStr::from_bytes(path));
        if self.open.len() >= INCLUDE_DEPTH_MAX || self.open.contains(&path) {
            return Err("include is nested too deeply, or includes itself".into());
        }
        let text = read_matching(&path).map_err(Problem::InFile)?;
        self.open.push(path);
        let outcome = self.read(&text).map_err(Problem::InFile);
        self.open.pop();
        outcome
    }
}

fn borrow(words: &[Vec<u8>]) -> Vec<&[u8]> {
    words.iter().map(Vec::as_slice).collect()
}

fn trim(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let start = line.iter().take_while(|byte| is_blank(byte)).count();
    let end = line.iter().rev().take_while(|byte| is_blank(byte)).count();
    line.get(start..line.len() - end).unwrap_or_default()
}

/// The line as an error may show it: the values of sensitive parameters and of users stay unseen.
fn without_secrets(line: &[u8]) -> String {
    let mut words = words::split(line).unwrap_or_default().into_iter();
    let name = words.next().unwrap_or_else(|| {
        // A quote is not closed: the name ends at the first blank, whatever quotes it has.
        let name = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        name.iter().copied().filter(|byte| !b"\"'".contains(byte)).collect()
    });
    let is_secret = lookup(&name).is_some_and(|(parameter, _)| parameter.is_sensitive);
    if is_secret || name.eq_ignore_ascii_case(b"user") {
        return format!("{} (hidden)", shown(&name));
    }
    String::from_utf8_lossy(line).into_owned()
}

fn end_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
}

fn read_text(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let length = reader.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text)?;
    if length as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::other("the text is longer than 16 MiB"));
    }
    Ok(text)
}

/// The text of the file at `path`, or of all files if it is a pattern: then none is no error.
#[expect(clippy::disallowed_methods, reason = "configuration is read before the executors start")]
fn read_matching(path: &Path) -> Result<Vec<u8>, LoadError> {
    let paths = if has_wildcard(path.as_os_str()) { matching(path) } else { vec![path.into()] };
    let mut text = Vec::new();
    for path in paths {
        let file = std::fs::File::open(&path).and_then(|mut file| read_text(&mut file));
        end_line(&mut text);
        text.extend(file.map_err(|error| open_error(&path, &error))?);
    }
    Ok(text)
}

fn has_wildcard(name: &OsStr) -> bool {
    name.as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// The existing paths that match `path`, sorted, as the shell would list them (POSIX `glob`): a
/// name that begins with a dot must be asked for.
fn matching(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let component = component.as_os_str();
        found = found
            .into_iter()
            .flat_map(|directory| match has_wildcard(component) {
                true => entries(&directory, component.as_bytes()),
                false => vec![directory.join(component)],
            })
            .collect();
    }
    found.retain(|path| path.exists());
    found
}

#[expect(clippy::disallowed_methods, reason = "configuration is read before the executors start")]
fn entries(directory: &Path, wanted: &[u8]) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<Vec<u8>> = listing
        .filter_map(|entry| Some(entry.ok()?.file_name().into_vec()))
        .filter(|name| wanted.starts_with(b".") || !name.starts_with(b"."))
        .filter(|name| glob::glob_match(wanted, name, false))
        .collect();
    names.sort();
    names.into_iter().map(|name| directory.join(OsString::from_vec(name))).collect()
}
