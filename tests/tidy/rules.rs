//! The rules themselves. A new one is a function here, a row in [`RULES`] and a test in `main.rs`.

use std::fmt;

use super::source::{Source, words};

/// A broken rule at a place.
pub struct Violation {
    path: String,
    /// Line number, from one.
    pub line: usize,
    /// What is wrong, and what to do instead.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A rule over one file.
pub type Rule = fn(&Source) -> Vec<Violation>;

/// Every rule that binds `src/`.
pub const RULES: &[Rule] = &[
    line_width,
    layers,
    function_length,
    file_length,
    runtime_only,
    no_suspension,
    leftovers,
    unsafe_code,
    silenced_lints,
    no_mutable_static,
];

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;

/// The layers: a module imports modules of a smaller number, and itself. Modules of one number do
/// not import each other; services meet in `session` and in `server`.
const LAYERS: &[(&str, i8)] = &[
    ("base", 0),
    ("limits", -1),
    ("config", 1),
    ("resp", 1),
    ("ds", 1),
    ("store", 2),
    ("command", 3),
    ("shard", 4),
    ("coordinate", 5),
    ("observe", 5),
    ("persist", 5),
    ("replicate", 5),
    ("cluster", 5),
    ("pubsub", 5),
    ("script", 5),
    ("session", 6),
    ("runtime", 7),
    ("server", TOP),
    ("main", TOP),
    ("lib", TOP),
    ("testing", TOP),
];

/// The number of what sees all layers and is seen by none.
const TOP: i8 = 8;

/// Where `unsafe` may stand: folders, or single files.
const UNSAFE_ALLOWED: &[&str] =
    &["ds/", "runtime/", "store/entry.rs", "store/entry/tests.rs", "base/alloc.rs"];

fn layer(module: &str) -> Option<i8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, number)| *number)
}

fn violation(source: &Source, index: usize, message: impl Into<String>) -> Violation {
    Violation { path: source.path.clone(), line: index + 1, message: message.into() }
}

/// Lines have at most 100 characters.
pub fn line_width(source: &Source) -> Vec<Violation> {
    let lines = source.lines.iter().enumerate();
    let wide = lines.filter(|(_, line)| line.raw.chars().count() > COLUMNS_MAX);
    wide.map(|(index, _)| violation(source, index, "more than 100 columns")).collect()
}

/// Modules import downwards only.
pub fn layers(source: &Source) -> Vec<Violation> {
    let module = source.module();
    let Some(own) = layer(module) else {
        let message = format!("`{module}` has no layer; give it one in tests/tidy/rules.rs");
        return vec![violation(source, 0, message)];
    };
    let mut violations = Vec::new();
    for (index, target) in imports(source) {
        let Some(number) = layer(&target) else { continue };
        let downwards = number < own || own == TOP || target == module;
        if !downwards && !source.lines[index].test {
            let message = format!("`{module}` may not import `{target}`: imports go downwards");
            violations.push(violation(source, index, message));
        }
    }
    violations
}

/// Every name of a top-level module that stands behind `crate::` or behind enough `super::`.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let from_crate = words(&line.code, "crate").map(|at| at + "crate".len());
        for end in from_crate.chain(climbs(&line.code, source.depth())) {
            if line.code[end..].starts_with("::") {
                found.extend(targets(source, index, end + 2));
            }
        }
    }
    found
}

/// The ends of those `super::super` chains that climb exactly to the crate's root.
fn climbs(code: &str, depth: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    for at in words(code, "super") {
        if code[..at].ends_with("::") {
            continue;
        }
        let mut end = at + "super".len();
        let mut steps = 1;
        while code[end..].starts_with("::super") {
            end += "::super".len();
            steps += 1;
        }
        if steps == depth {
            ends.push(end);
        }
    }
    ends
}

/// The first names of a path, or of each path of a `{group}`, that begins at a place.
fn targets(source: &Source, line: usize, column: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut name = String::new();
    let (mut depth, mut first) = (0usize, true);
    for (index, character) in source.code_from(line, column) {
        match character {
            '{' => depth += 1,
            _ if character.is_alphanumeric() || character == '_' => {
                if first && depth <= 1 {
                    name.push(character);
                }
                continue;
            }
            _ if character.is_whitespace() && name.is_empty() => continue,
            _ => {}
        }
        if !name.is_empty() {
            found.push((index, std::mem::take(&mut name)));
        }
        first = (character == ',' || character == '{') && depth == 1;
        depth = depth.saturating_sub(usize::from(character == '}'));
        if depth == 0 {
            break;
        }
    }
    found
}

/// Functions have at most 70 lines, signature and braces included.
pub fn function_length(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        for at in words(&line.code, "fn") {
            let name: String = line.code[at + 2..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let Some(last) = source.closing_line(index, at).filter(|_| !name.is_empty()) else {
                continue;
            };
            let length = last - index + 1;
            if length > FUNCTION_LINES_MAX {
                let message = format!("`{name}` has {length} lines, {FUNCTION_LINES_MAX} at most");
                violations.push(violation(source, index, message));
            }
        }
    }
    violations
}

/// Files have at most 800 lines that are not test code.
pub fn file_length(source: &Source) -> Vec<Violation> {
    let mut lines = source.lines.iter().enumerate().filter(|(_, line)| !line.test);
    let excess = lines.nth(FILE_LINES_MAX);
    let message = format!("more than {FILE_LINES_MAX} lines besides tests: split the file");
    excess.map(|(index, _)| violation(source, index, message)).into_iter().collect()
}

/// The executor and the ring are known to `runtime/` alone.
pub fn runtime_only(source: &Source) -> Vec<Violation> {
    if source.module() == "runtime" {
        return Vec::new();
    }
    let hits = each_word(source, &["glommio", "io_uring"]);
    hits.map(|(index, word)| violation(source, index, format!("{word}: only in runtime/")))
        .collect()
}

/// Data and shard code runs to its end: it cannot suspend.
pub fn no_suspension(source: &Source) -> Vec<Violation> {
    if !["ds", "store", "command", "shard"].contains(&source.module()) {
        return Vec::new();
    }
    let message = "no async here: a request runs to completion before the next is taken";
    each_word(source, &["async"]).map(|(index, _)| violation(source, index, message)).collect()
}

/// Nothing unfinished is left in the tree.
pub fn leftovers(source: &Source) -> Vec<Violation> {
    // Spelled so that this file does not contain what it forbids.
    const NOTES: [&str; 3] = ["TO\u{44}O", "FIX\u{4d}E", "X\u{58}X"];
    const MACROS: [&str; 2] = ["todo", "unimplemented"];
    let mut violations = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let note = NOTES.iter().any(|word| words(&line.comment, word).next().is_some());
        let called = |word| {
            words(&line.code, word).any(|at: usize| line.code[at + word.len()..].starts_with('!'))
        };
        if note || MACROS.into_iter().any(called) {
            violations.push(violation(source, index, "unfinished: do it, or file it elsewhere"));
        }
    }
    violations
}

/// Unsafe code stands in few places and says why it is sound. An `unsafe fn` is a contract and not
/// an operation: clippy sees to its documentation, and its body needs blocks of its own.
pub fn unsafe_code(source: &Source) -> Vec<Violation> {
    let allowed = UNSAFE_ALLOWED.iter().any(|place| source.path.starts_with(place));
    let mut violations = Vec::new();
    for (index, _) in each_word(source, &["unsafe"]) {
        let declares_contract = source.lines[index].code.contains("unsafe fn");
        if !allowed {
            let message = format!("unsafe: only in {}", UNSAFE_ALLOWED.join(", "));
            violations.push(violation(source, index, message));
        } else if !declares_contract && !justified(source, index) {
            let message = "unsafe without a `// SAFETY:` comment right above";
            violations.push(violation(source, index, message));
        }
    }
    violations
}

/// Whether a safety comment stands on the line or above it, with no other statement between.
fn justified(source: &Source, index: usize) -> bool {
    let says = |comment: &str| comment.contains("SAFETY:");
    if says(&source.lines[index].comment) {
        return true;
    }
    for line in source.lines[..index].iter().rev() {
        let code = line.code.trim();
        let ended = code.ends_with([';', '{', '}']) || line.raw.trim().is_empty();
        if ended {
            return false;
        }
        if says(&line.comment) {
            return true;
        }
    }
    false
}

/// A lint is switched off with a reason or not at all.
pub fn silenced_lints(source: &Source) -> Vec<Violation> {
    const OPENINGS: [&str; 4] = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
    let mut violations = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        for at in OPENINGS.iter().filter_map(|opening| line.code.find(opening)) {
            let attribute: String = source
                .code_from(index, at)
                .map(|(_, character)| character)
                .take_while(|character| *character != ']')
                .collect();
            if words(&attribute, "reason").next().is_none() {
                let message = "a silenced lint needs #[expect(lint, reason = \"...\")]";
                violations.push(violation(source, index, message));
            }
        }
    }
    violations
}

/// There is no global mutable state.
pub fn no_mutable_static(source: &Source) -> Vec<Violation> {
    let lines = source.lines.iter().enumerate();
    let found = lines.filter(|(_, line)| words(&line.code, "static mut").next().is_some());
    found.map(|(index, _)| violation(source, index, "static mut: state is an argument")).collect()
}

fn each_word(
    source: &Source,
    names: &'static [&'static str],
) -> impl Iterator<Item = (usize, &'static str)> {
    source.lines.iter().enumerate().flat_map(move |(index, line)| {
        names.iter().flat_map(move |name| words(&line.code, name).map(move |_| (index, *name)))
    })
}
