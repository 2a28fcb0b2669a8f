//! One Rust file, split into what the compiler sees and what only people read.
//!
//! Invariant: `Line::code` holds no comment and no text of a string or character literal, so a rule
//! may search it for words and braces; line numbers are those of the file.
//! Absent on purpose: a parser. Words and balanced braces are all that the rules need.

/// One line of a file.
pub struct Line {
    /// The line as written.
    pub raw: String,
    /// The line without comments; literals keep their quotes and lose their text.
    pub code: String,
    /// The text of the comments on this line, markers included.
    pub comment: String,
    /// Whether the line belongs to test code.
    pub test: bool,
}

/// A file of the source tree.
pub struct Source {
    /// Path relative to the scanned root, such as `store/db.rs`.
    pub path: String,
    /// The lines, first one first.
    pub lines: Vec<Line>,
}

/// Where the scanner stands between two characters.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

impl Source {
    /// Splits `text`; never fails, whatever the text.
    pub fn parse(path: &str, text: &str) -> Source {
        let mut state = State::Code;
        let mut lines: Vec<Line> = Vec::new();
        for raw in text.lines() {
            let (code, comment) = split_line(raw, &mut state);
            lines.push(Line { raw: raw.to_owned(), code, comment, test: false });
        }
        let mut source = Source { path: path.to_owned(), lines };
        source.mark_tests();
        source
    }

    /// The folder or file under the root: `store` for `store/db.rs`, `server` for `server.rs`.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many module names lead to this file: 1 for `store/mod.rs`, 2 for `store/db.rs`.
    pub fn depth(&self) -> usize {
        let names = self.path.split('/').count();
        if self.path.ends_with("mod.rs") { names - 1 } else { names }
    }

    /// The code of all lines with their indices, character by character, from a place on.
    pub fn code_from(&self, line: usize, column: usize) -> impl Iterator<Item = (usize, char)> {
        self.lines.iter().enumerate().skip(line).flat_map(move |(index, text)| {
            let skipped = if index == line { column } else { 0 };
            text.code[skipped..].chars().chain(['\n']).map(move |character| (index, character))
        })
    }

    /// The line that closes the first brace after a place; `None` where a `;` comes first.
    pub fn closing_line(&self, line: usize, column: usize) -> Option<usize> {
        let (mut braces, mut brackets) = (0usize, 0usize);
        for (index, character) in self.code_from(line, column) {
            match character {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                ';' if braces == 0 && brackets == 0 => return None,
                '{' => braces += 1,
                '}' => {
                    braces = braces.saturating_sub(1);
                    if braces == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn mark_tests(&mut self) {
        let whole = self.path.ends_with("/tests.rs") || self.module() == "testing";
        let mut until = if whole { self.lines.len() } else { 0 };
        for index in 0..self.lines.len() {
            let code = &self.lines[index].code;
            if index >= until
                && let Some(column) = code.find("#[cfg(test)]")
            {
                let after = column + "#[cfg(test)]".len();
                until = self.closing_line(index, after).map_or(index + 1, |line| line + 1);
            }
            self.lines[index].test = index < until;
        }
    }
}

/// The places where `word` stands in `code` as an identifier of its own.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn split_line(raw: &str, state: &mut State) -> (String, String) {
    let (mut code, mut comment) = (String::new(), String::new());
    let characters: Vec<char> = raw.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        at += match *state {
            State::Code => step_code(rest, state, &mut code, &mut comment),
            State::LineComment => take(rest, rest.len(), &mut comment),
            State::BlockComment { depth } => {
                let (next, length) = match rest {
                    ['*', '/', ..] => (depth - 1, 2),
                    ['/', '*', ..] => (depth + 1, 2),
                    _ => (depth, 1),
                };
                let block = State::BlockComment { depth: next };
                *state = if next == 0 { State::Code } else { block };
                take(rest, length, &mut comment)
            }
            State::Text if rest[0] == '\\' => 2,
            State::Text => close(rest, 0, state, &mut code),
            State::RawText { hashes } => close(rest, hashes, state, &mut code),
        };
    }
    if *state == State::LineComment {
        *state = State::Code;
    }
    (code, comment)
}

fn take(rest: &[char], length: usize, into: &mut String) -> usize {
    into.extend(&rest[..length]);
    length
}

/// Leaves a string at its closing quote and passes over any other character.
fn close(rest: &[char], hashes: usize, state: &mut State, code: &mut String) -> usize {
    let closed = rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= hashes;
    if !closed {
        return 1;
    }
    *state = State::Code;
    code.push('"');
    1 + hashes
}

fn step_code(rest: &[char], state: &mut State, code: &mut String, comment: &mut String) -> usize {
    let after_word = code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    match rest {
        ['/', '/', ..] => {
            *state = State::LineComment;
            take(rest, 2, comment)
        }
        ['/', '*', ..] => {
            *state = State::BlockComment { depth: 1 };
            take(rest, 2, comment)
        }
        ['"', ..] => {
            *state = State::Text;
            take(rest, 1, code)
        }
        ['r', ..] | ['b', 'r', ..] | ['c', 'r', ..] if !after_word => raw_text(rest, state, code),
        ['\'', '\\', ..] => {
            code.push_str("''");
            let end = rest[3.min(rest.len())..].iter().position(|c| *c == '\'');
            end.map_or(rest.len(), |end| end + 4)
        }
        ['\'', _, '\'', ..] => {
            code.push_str("''");
            3
        }
        _ => take(rest, 1, code),
    }
}

/// Enters a raw string where one opens here; otherwise passes over the letter.
fn raw_text(rest: &[char], state: &mut State, code: &mut String) -> usize {
    let prefix = if rest[0] == 'r' { 1 } else { 2 };
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    if rest.get(prefix + hashes) != Some(&'"') {
        return take(rest, 1, code);
    }
    *state = State::RawText { hashes };
    code.push('"');
    prefix + hashes + 1
}
