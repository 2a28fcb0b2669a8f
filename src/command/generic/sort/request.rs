//! What a SORT asks for, read from its arguments.

use std::ops::Range;

use crate::base::num;
use crate::resp::args::Args;
use crate::resp::error::CmdError;

/// The options of one SORT.
#[derive(Debug)]
pub struct Request<'a> {
    pub(super) by: By<'a>,
    gets: Vec<Pattern<'a>>,
    offset: i64,
    count: i64,
    pub(super) descends: bool,
    /// Whether texts are compared instead of numbers.
    pub(super) is_alphabetic: bool,
    /// Position of the key that takes the result.
    pub target: Option<usize>,
}

/// By what elements are ordered.
#[derive(Debug)]
pub(super) enum By<'a> {
    /// By themselves.
    Element,
    /// Not at all: BY with a pattern that names the same for all.
    Nothing,
    /// By what keys hold whose names contain the element.
    Pattern(Pattern<'a>),
}

/// How an element leads to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// `#`: to itself.
    Element,
    /// Without a star: to nothing.
    Nothing,
    /// To the string at the key in which it stands between two texts, or to a field of the hash
    /// there.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Request<'a> {
    /// Reads the options of SORT, or of SORT_RO, which cannot store.
    pub fn read(args: &Args<'a>, may_store: bool) -> Result<Request<'a>, CmdError> {
        let mut request = Request {
            by: By::Element,
            gets: Vec::new(),
            offset: 0,
            count: -1,
            descends: false,
            is_alphabetic: false,
            target: None,
        };
        let mut options = args.reader(2);
        while !options.done() {
            if options.keyword("ASC") {
                request.descends = false;
            } else if options.keyword("DESC") {
                request.descends = true;
            } else if options.keyword("ALPHA") {
                request.is_alphabetic = true;
            } else if options.left() > 2 && options.keyword("LIMIT") {
                (request.offset, request.count) = (options.int()?, options.int()?);
            } else if may_store && options.left() > 1 && options.keyword("STORE") {
                request.target = Some(options.position());
                options.word()?;
            } else if options.keyword("BY") {
                request.order_by(Pattern::read(options.word()?));
            } else if options.keyword("GET") {
                request.gets.push(Pattern::read(options.word()?));
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(request)
    }

    /// Once a BY forbade to sort, no further one allows it.
    fn order_by(&mut self, pattern: Pattern<'a>) {
        self.by = match (&self.by, pattern) {
            (By::Nothing, _) | (_, Pattern::Element | Pattern::Nothing) => By::Nothing,
            (_, pattern) => By::Pattern(pattern),
        };
    }

    /// True if there are patterns that lead to keys.
    pub fn reads_other_keys(&self) -> bool {
        let leads_on = |pattern: &Pattern<'_>| matches!(pattern, Pattern::Key { .. });
        matches!(self.by, By::Pattern(_)) || self.gets.iter().any(leads_on)
    }

    /// The part of `len` elements that LIMIT leaves.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let at_most_all = |number: i64| usize::try_from(number).unwrap_or(0).min(len);
        let start = at_most_all(self.offset);
        let count = if self.count < 0 { len } else { at_most_all(self.count) };
        start..len.min(start + count)
    }

    /// How many texts are answered for each element: [`super::Sorted::columns`].
    pub fn columns(&self) -> usize {
        self.gets.len().max(1)
    }

    /// The patterns of GET.
    pub fn gets(&self) -> &[Pattern<'a>] {
        &self.gets
    }
}

impl<'a> Pattern<'a> {
    /// As in Redis, a zero byte ends the part in which star and arrow are looked for.
    fn read(text: &'a [u8]) -> Pattern<'a> {
        let visible = text.split(|byte| *byte == 0).next().unwrap_or_default();
        if visible == b"#" {
            return Pattern::Element;
        }
        let Some(star) = visible.iter().position(|byte| *byte == b'*') else {
            return Pattern::Nothing;
        };
        let (before, after) = (&text[..star], &text[star + 1..]);
        let arrow = visible[star + 1..].windows(2).position(|pair| pair == b"->");
        // An arrow that nothing follows is part of the name.
        match arrow.filter(|at| star + 1 + at + 2 < visible.len()) {
            Some(at) => Pattern::Key { before, after: &after[..at], field: Some(&after[at + 2..]) },
            None => Pattern::Key { before, after, field: None },
        }
    }

    /// Writes the name of the key to which `element` leads; false if to none.
    pub fn name(&self, element: &[u8], name: &mut Vec<u8>) -> bool {
        name.clear();
        if let Pattern::Key { before, after, .. } = self {
            name.extend_from_slice(before);
            name.extend_from_slice(element);
            name.extend_from_slice(after);
        }
        matches!(self, Pattern::Key { .. })
    }

    /// The field that is meant, if a hash is.
    pub fn field(&self) -> Option<&'a [u8]> {
        match self {
            Pattern::Key { field, .. } => *field,
            Pattern::Element | Pattern::Nothing => None,
        }
    }
}

/// The number by which an element is ordered: what C's `strtod` reads, if it reads all up to the
/// end or the first zero byte. Nothing at all is zero.
pub(super) fn score(text: &[u8]) -> Option<f64> {
    let visible = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if visible.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = visible.iter().position(|byte| !is_blank(byte))?;
    // What is too small to be told from its neighbours is refused as what is too large.
    num::parse_f64(&visible[start..])
        .filter(|score| *score == 0.0 || score.is_normal() || score.is_infinite())
}
