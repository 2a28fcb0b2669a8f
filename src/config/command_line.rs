//! The command line: `shoal [FILE] [--PARAMETER VALUE ...] [-]`, read exactly as redis-server reads
//! its own.
//!
//! Options become lines of configuration that follow the file's, so every parameter is an option
//! and there is one set of error messages. clap renders the help, from the table; it does not
//! parse, because Redis's grammar is not its: values may begin with a dash (`--bind * -::*`), an
//! option and its value may be one argument (`"--port 6380"`), `--save` may lack its value, and `-`
//! is standard input only in first or last place.
//! Absent: Redis's `--test-memory`, `--check-system` and `--sentinel`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::file::Source;
use super::{PARAMETERS, Parameter, lookup, words};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Print [`help`] and exit.
    Help,
    /// Print [`version`] and exit.
    Version,
    /// Start with the configuration from here.
    Start(Source),
}

/// Reads the arguments after the program's name.
pub fn parse(arguments: &[&[u8]]) -> Invocation {
    match arguments.first() {
        Some(&(b"-v" | b"--version")) => return Invocation::Version,
        Some(&(b"-h" | b"--help")) => return Invocation::Help,
        _ => {}
    }
    let mut source = Source::default();
    let mut options = arguments;
    if let [file, rest @ ..] = arguments
        && !file.starts_with(b"-")
    {
        source.file = Some(OsStr::from_bytes(file).into());
        options = rest;
    }
    let starts_with_options = source.file.is_none();
    let mut needs_value = false;
    for (index, &argument) in options.iter().enumerate() {
        let next = options.get(index + 1).copied();
        let is_at_an_end = (index == 0 && starts_with_options) || next.is_none();
        if argument == b"-" && is_at_an_end {
            source.reads_standard_input = true;
        } else if let (false, Some(option)) = (needs_value, argument.strip_prefix(b"--")) {
            needs_value = push_option(&mut source.options, option, next);
        } else {
            source.options.extend(words::quote(argument));
            source.options.push(b' ');
            needs_value = false;
        }
    }
    Invocation::Start(source)
}

/// Begins a line with an option's name, and with its value if that is in the same argument. Returns
/// whether the next argument is a value whatever it looks like.
fn push_option(line: &mut Vec<u8>, option: &[u8], next: Option<&[u8]>) -> bool {
    if !line.is_empty() {
        line.push(b'\n');
    }
    // A line break would smuggle in a second directive; as a blank it is harmless.
    line.extend(option.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }));
    line.push(b' ');
    if words::split(option).is_none_or(|words| words.len() != 1) {
        return false;
    }
    let is_alone = next.is_none_or(|next| next.starts_with(b"--"));
    let parameter = lookup(option.trim_ascii()).map(|(parameter, _)| parameter);
    match parameter {
        Some(parameter) if is_alone && parameter.may_stand_alone => line.extend(b"yes"),
        // An empty list in a script leaves `--save` without a value: no snapshots.
        Some(parameter) if is_alone && parameter.accumulates => line.extend(b"\"\""),
        _ => return true,
    }
    false
}

/// The text of `--version`, in the layout of redis-server's.
pub fn version() -> String {
    format!("Shoal server v={} bits={}", env!("CARGO_PKG_VERSION"), usize::BITS)
}

/// The text of `--help`: the usage and every parameter that is not hidden.
pub fn help() -> String {
    let shown = PARAMETERS.iter().filter(|parameter| !parameter.is_hidden);
    let (live, reserved): (Vec<_>, Vec<_>) = shown.partition(|row| row.reserved.is_none());
    let mut command = clap::Command::new("shoal")
        .about("A Redis-compatible in-memory server")
        .override_usage(
            "shoal [FILE] [--PARAMETER VALUE ...] [-]\n       \
             shoal --port 7777 --maxmemory 1gb\n       \
             shoal /etc/shoal.conf --loglevel verbose\n       \
             echo 'maxmemory 128mb' | shoal -",
        )
        .disable_help_flag(true)
        .arg(clap::Arg::new("file").value_name("FILE").help("A file in the syntax of redis.conf"))
        .arg(flag("help", 'h', "Print this text"))
        .arg(flag("version", 'v', "Print the version"))
        .args(live.into_iter().chain(reserved).map(option));
    command.render_help().to_string()
}

fn flag(name: &'static str, short: char, help: &'static str) -> clap::Arg {
    clap::Arg::new(name).short(short).long(name).help(help).action(clap::ArgAction::SetTrue)
}

fn option(parameter: &'static Parameter) -> clap::Arg {
    let default = match parameter.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let heading = match parameter.reserved {
        None => "Parameters",
        Some(_) => "Parameters accepted for compatibility, without effect in this version",
    };
    clap::Arg::new(parameter.name)
        .long(parameter.name)
        .value_name("VALUE")
        .help(format!("{}{default}", parameter.doc))
        .help_heading(heading)
}
