//! The parameters whose values have a grammar of their own: `bind`, `save`, `dir`, percentiles and
//! the like.
//!
//! Invariant: each `set` changes nothing unless it accepts all of its words. Error texts are
//! Redis's where Redis has the parameter.
//! Absent: opening, binding or creating anything. `dir` alone looks at the file system, because its
//! value is the absolute path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::file::explain;
use super::kind::{parse_integer, parse_lenient_integer, parse_memory, print_memory};
use super::settings::{Cores, KeyspaceEvents, OutputBufferLimit, SavePoint, Settings};
use super::words::quote;

/// Redis's bound on the addresses of `bind`.
const BIND_ADDRESSES_MAX: usize = 16;

/// The highest CPU number that `cpus` accepts: the kernel's default `cpu_set_t` ends there.
const CPU_MAX: u16 = 1023;

/// Access to a field with a grammar of its own.
#[derive(Clone, Copy)]
pub(super) struct Structured {
    /// The value as CONFIG GET prints it.
    pub(super) get: fn(&Settings) -> Vec<u8>,
    /// Replaces the value. A list that may be empty can be given as one empty word.
    pub(super) set: fn(&mut Settings, &[&[u8]]) -> Result<(), String>,
    /// The lines of a rewritten file, given the settings and the default ones.
    pub(super) lines: fn(&Settings, &Settings) -> Vec<Line>,
}

/// What CONFIG REWRITE writes after the name of a parameter.
pub(super) struct Line {
    /// The words, in quotes where needed.
    pub(super) text: Vec<u8>,
    /// Whether the line is added to a file that has no line for it.
    pub(super) must_appear: bool,
}

impl Line {
    fn new(text: impl Into<Vec<u8>>, must_appear: bool) -> Self {
        Self { text: text.into(), must_appear }
    }
}

/// Drops the one empty word that stands for an empty list.
fn unless_empty<'a>(words: &'a [&'a [u8]]) -> &'a [&'a [u8]] {
    if words == [b""] { &[] } else { words }
}

/// An address or host name: something printable that a file can hold without quotes.
fn address(word: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
    let text = std::str::from_utf8(word).ok()?;
    (!word.is_empty() && word.iter().all(is_plain)).then(|| text.to_owned())
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) const BIND: Structured = Structured {
    get: |settings| settings.bind.join(" ").into(),
    set: |settings, words| {
        if words.len() > BIND_ADDRESSES_MAX {
            return Err("Too many bind addresses specified.".into());
        }
        let addresses: Option<_> = unless_empty(words).iter().map(|word| address(word)).collect();
        settings.bind = addresses.ok_or("Failed to bind to specified addresses.")?;
        Ok(())
    },
    lines: |settings, defaults| match settings.bind.as_slice() {
        addresses if addresses == defaults.bind => vec![],
        [] => vec![Line::new("\"\"", true)],
        addresses => vec![Line::new(addresses.join(" "), true)],
    },
};

pub(super) const SAVE: Structured = Structured {
    get: |settings| {
        let numbers = settings.save.iter().flat_map(|point| [point.seconds, point.changes.into()]);
        join(&numbers.collect::<Vec<_>>()).into()
    },
    set: |settings, words| {
        let points = unless_empty(words).chunks(2).map(save_point);
        settings.save = points.collect::<Option<_>>().ok_or("Invalid save parameters")?;
        Ok(())
    },
    lines: |settings, _| match settings.save.as_slice() {
        [] => vec![Line::new("\"\"", true)],
        points => points
            .iter()
            .map(|point| Line::new(format!("{} {}", point.seconds, point.changes), true))
            .collect(),
    },
};

fn save_point(words: &[&[u8]]) -> Option<SavePoint> {
    let [seconds, changes] = words else { return None };
    let seconds =
        parse_lenient_integer(seconds)?.try_into().ok().filter(|seconds| *seconds >= 1)?;
    let changes = i32::try_from(parse_lenient_integer(changes)?).ok()?.try_into().ok()?;
    Some(SavePoint { seconds, changes })
}

pub(super) const OUTPUT_BUFFER_LIMITS: Structured = Structured {
    get: |settings| {
        let limits = &settings.client_output_buffer_limit;
        let classes =
            [("normal", limits.normal), ("slave", limits.replica), ("pubsub", limits.pubsub)];
        let print = |(class, limit): (&str, OutputBufferLimit)| {
            format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        };
        classes.map(print).join(" ").into()
    },
    set: set_output_buffer_limits,
    lines: |settings, defaults| {
        let limits = &settings.client_output_buffer_limit;
        let defaults = &defaults.client_output_buffer_limit;
        let classes = [
            ("normal", limits.normal, defaults.normal),
            ("replica", limits.replica, defaults.replica),
            ("pubsub", limits.pubsub, defaults.pubsub),
        ];
        let line = |(class, limit, default): (&str, OutputBufferLimit, OutputBufferLimit)| {
            let hard = print_memory(limit.hard_bytes.into());
            let soft = print_memory(limit.soft_bytes.into());
            Line::new(format!("{class} {hard} {soft} {}", limit.soft_seconds), limit != default)
        };
        classes.map(line).into()
    },
};

/// Classes that are not named keep their limits.
fn set_output_buffer_limits(settings: &mut Settings, words: &[&[u8]]) -> Result<(), String> {
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = settings.client_output_buffer_limit;
    for words in words.chunks(4) {
        let class = match words[0].to_ascii_lowercase().as_slice() {
            b"normal" => &mut limits.normal,
            b"slave" | b"replica" => &mut limits.replica,
            b"pubsub" => &mut limits.pubsub,
            _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
        };
        *class = output_buffer_limit(&words[1..])
            .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
    }
    settings.client_output_buffer_limit = limits;
    Ok(())
}

fn output_buffer_limit(words: &[&[u8]]) -> Option<OutputBufferLimit> {
    let [hard, soft, seconds] = words else { return None };
    Some(OutputBufferLimit {
        hard_bytes: parse_memory(hard)?.try_into().ok()?,
        soft_bytes: parse_memory(soft)?.try_into().ok()?,
        soft_seconds: i32::try_from(parse_lenient_integer(seconds)?).ok()?.try_into().ok()?,
    })
}

pub(super) const PERCENTILES: Structured = Structured {
    get: |settings| print_percentiles(settings).into(),
    set: |settings, words| {
        settings.latency_tracking_info_percentiles =
            unless_empty(words).iter().map(|word| percentile(word)).collect::<Result<_, _>>()?;
        Ok(())
    },
    lines: |settings, _| match print_percentiles(settings) {
        none if none.is_empty() => vec![Line::new("\"\"", true)],
        percentiles => vec![Line::new(percentiles, true)],
    },
};

fn percentile(word: &[u8]) -> Result<f64, String> {
    let parsed = std::str::from_utf8(word).ok().and_then(|word| word.parse::<f64>().ok());
    match parsed.filter(|number| !number.is_nan()) {
        None => Err("Invalid latency-tracking-info-percentiles parameters".into()),
        Some(number) if (0.0..=100.0).contains(&number) => Ok(number),
        Some(_) => {
            Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                .into())
        }
    }
}

/// Six digits after the point, less the zeros at the end: what C's `%f` shows, trimmed.
fn print_percentiles(settings: &Settings) -> String {
    let print = |percentile: &f64| {
        let digits = format!("{percentile:.6}");
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    settings.latency_tracking_info_percentiles.iter().map(print).collect::<Vec<_>>().join(" ")
}

pub(super) const KEYSPACE_EVENTS: Structured = Structured {
    get: |settings| print_events(settings.notify_keyspace_events).into(),
    set: |settings, words| {
        let letters = words.first().copied().unwrap_or_default();
        settings.notify_keyspace_events =
            parse_events(letters).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    },
    lines: |settings, _| {
        let events = settings.notify_keyspace_events;
        vec![Line::new(quote(print_events(events).as_bytes()), !events.is_empty())]
    },
};

fn parse_events(letters: &[u8]) -> Option<KeyspaceEvents> {
    letters.iter().try_fold(KeyspaceEvents::default(), |events, letter| {
        let bits = match KeyspaceEvents::LETTERS.iter().position(|known| known == letter) {
            Some(index) => 1 << index,
            None if *letter == b'A' => KeyspaceEvents::ALL,
            None => return None,
        };
        Some(KeyspaceEvents(events.0 | bits))
    })
}

fn print_events(events: KeyspaceEvents) -> String {
    let has_all = events.0 & KeyspaceEvents::ALL == KeyspaceEvents::ALL;
    let rest = if has_all { KeyspaceEvents(events.0 & !KeyspaceEvents::ALL) } else { events };
    let letters = KeyspaceEvents::LETTERS.iter().filter(|letter| rest.contains(**letter));
    has_all.then_some('A').into_iter().chain(letters.map(|letter| char::from(*letter))).collect()
}

pub(super) const DIRECTORY: Structured = Structured {
    get: |settings| settings.dir.as_os_str().as_bytes().to_vec(),
    set: |settings, words| {
        let wanted = Path::new(OsStr::from_bytes(words.first().copied().unwrap_or_default()));
        settings.dir = absolute_directory(&settings.dir, wanted)?;
        Ok(())
    },
    lines: |settings, _| vec![Line::new(quote(settings.dir.as_os_str().as_bytes()), true)],
};

/// The directory to which `cd wanted` leads from `current`. The blank settings have no current
/// directory: there it is the process's.
fn absolute_directory(current: &Path, wanted: &Path) -> Result<PathBuf, String> {
    if current.as_os_str().is_empty() && wanted == Path::new(".") {
        return Ok(std::env::current_dir().unwrap_or_else(|_| wanted.into()));
    }
    if wanted.as_os_str().is_empty() {
        return Err("No such file or directory".into());
    }
    let directory = current.join(wanted).canonicalize().map_err(|error| explain(&error))?;
    if !directory.is_dir() {
        return Err("Not a directory".into());
    }
    Ok(directory)
}

pub(super) const REPLICA_OF: Structured = Structured {
    get: |settings| match &settings.replicaof {
        Some((host, port)) => format!("{host} {port}").into(),
        None => Vec::new(),
    },
    set: |settings, words| {
        settings.replicaof = match words {
            [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => None,
            [host, port] => {
                let port = parse_lenient_integer(port).and_then(|port| port.try_into().ok());
                let port = port.ok_or("Invalid master port")?;
                Some((address(host).ok_or("Invalid master host")?, port))
            }
            _ => return Err("wrong number of arguments".into()),
        };
        Ok(())
    },
    lines: |settings, _| match &settings.replicaof {
        Some((host, port)) => vec![Line::new(format!("{host} {port}"), true)],
        None => vec![],
    },
};

pub(super) const OOM_SCORES: Structured = Structured {
    get: |settings| join(&settings.oom_score_adj_values).into(),
    set: |settings, words| {
        let words: [&[u8]; 3] = words.try_into().map_err(|_| "wrong number of arguments")?;
        let score = |word: &[u8]| {
            let score = parse_lenient_integer(word)?.try_into().ok()?;
            (-2000..=2000).contains(&score).then_some(score)
        };
        let [Some(primary), Some(replica), Some(child)] = words.map(score) else {
            return Err(
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into()
            );
        };
        settings.oom_score_adj_values = [primary, replica, child];
        Ok(())
    },
    lines: |settings, defaults| {
        let scores = settings.oom_score_adj_values;
        vec![Line::new(join(&scores), scores != defaults.oom_score_adj_values)]
    },
};

pub(super) const CORES: Structured = Structured {
    get: |settings| print_cores(settings.cores).into(),
    set: |settings, words| {
        let word = words.first().copied().unwrap_or_default();
        settings.cores = if word.eq_ignore_ascii_case(b"auto") {
            Cores::Auto
        } else {
            let count = parse_integer(word).and_then(|count| count.try_into().ok());
            let count = count.filter(|count| (1..=CPU_MAX + 1).contains(count));
            Cores::Count(count.ok_or("argument must be 'auto' or between 1 and 1024 inclusive")?)
        };
        Ok(())
    },
    lines: |settings, defaults| {
        vec![Line::new(print_cores(settings.cores), settings.cores != defaults.cores)]
    },
};

fn print_cores(cores: Cores) -> String {
    match cores {
        Cores::Auto => "auto".into(),
        Cores::Count(count) => count.to_string(),
    }
}

pub(super) const CPUS: Structured = Structured {
    get: |settings| print_cpus(&settings.cpus).into(),
    set: |settings, words| {
        let word = words.first().copied().unwrap_or_default();
        settings.cpus = parse_cpus(word)
            .ok_or("argument must be a list of CPU numbers such as '0,2-5', each once")?;
        Ok(())
    },
    lines: |settings, defaults| {
        let differs = settings.cpus != defaults.cpus;
        vec![Line::new(quote(print_cpus(&settings.cpus).as_bytes()), differs)]
    },
};

fn parse_cpus(list: &[u8]) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    if list.is_empty() {
        return Some(cpus);
    }
    let number = |text: &str| {
        let number = parse_integer(text.as_bytes())?.try_into().ok()?;
        (number <= CPU_MAX).then_some(number)
    };
    for range in std::str::from_utf8(list).ok()?.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u16, u16) = (number(first)?, number(last)?);
        if first > last || (first..=last).any(|cpu| cpus.contains(&cpu)) {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// The list with each run of consecutive numbers as a range.
fn print_cpus(cpus: &[u16]) -> String {
    let run = |run: &[u16]| match run {
        [first, .., last] => format!("{first}-{last}"),
        one => join(one),
    };
    cpus.chunk_by(|left, right| left + 1 == *right).map(run).collect::<Vec<_>>().join(",")
}
