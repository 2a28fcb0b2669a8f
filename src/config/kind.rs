//! The kinds of value that a parameter can have: how the words of a value are read, and how a value
//! is printed for CONFIG GET and for a file.
//!
//! Invariant: `parse(print(value)) == value` for every value that `parse` can return. The error
//! texts are those of Redis 7, because clients and test suites compare them.
//! Absent: any knowledge of a particular parameter, and the list parameters, whose grammar is their
//! own (`lists.rs`).

use super::words;

/// What the words of a parameter mean.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Switch,
    /// A decimal integer, inclusive bounds.
    Integer { minimum: i128, maximum: i128 },
    /// File permission bits: an octal integer from 0 to `maximum`.
    Octal { maximum: i128 },
    /// Bytes, with an optional unit: `k` is 1000, `kb` is 1024, and so on up to `gb`. Inclusive
    /// bounds.
    Memory { minimum: i128, maximum: i128 },
    /// Bytes as in [`Kind::Memory`], or a percentage up to `100%`, which is held as a negative
    /// number.
    MemoryOrPercent,
    /// Exactly one of these names, in any case.
    Choice(&'static [&'static str]),
    /// Names of bits. The wider of two overlapping names must come first. Unless `many`, one name
    /// only.
    Flags { named: &'static [(&'static str, u32)], many: bool },
    /// Any bytes, without NUL unless `binary`; paths for the most part. `unset_when_empty`: an
    /// empty text is the absence of a value, and a rewritten file does not mention it.
    Text { unset_when_empty: bool, binary: bool },
    /// A list with a grammar of its own. Unless `many`, it is one word.
    List { many: bool },
}

/// A value of a parameter, as its [`Kind`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Switch`].
    Switch(bool),
    /// Of the numeric kinds, and the bits of [`Kind::Flags`].
    Number(i128),
    /// Of [`Kind::Choice`]: the index of the name.
    Choice(usize),
    /// Of [`Kind::Text`].
    Text(Vec<u8>),
}

impl Kind {
    /// Whether the value may have several words (Redis: `MULTI_ARG_CONFIG`).
    pub const fn takes_many_words(&self) -> bool {
        matches!(self, Self::Flags { many: true, .. } | Self::List { many: true })
    }

    /// Reads a value; the error is Redis's text for a value of this kind that is not valid.
    pub fn parse(&self, words: &[&[u8]]) -> Result<Value, String> {
        if let Self::Flags { named, many } = self {
            return parse_flags(named, *many, words).map(Value::Number);
        }
        let [word] = words else { return Err("wrong number of arguments".into()) };
        match *self {
            Self::Switch if word.eq_ignore_ascii_case(b"yes") => Ok(Value::Switch(true)),
            Self::Switch if word.eq_ignore_ascii_case(b"no") => Ok(Value::Switch(false)),
            Self::Switch => Err("argument must be 'yes' or 'no'".into()),
            Self::Choice(names) => parse_choice(names, word).map(Value::Choice),
            Self::Text { binary: false, .. } if word.contains(&0) => {
                Err("argument contains a NUL byte".into())
            }
            Self::Text { .. } | Self::List { .. } | Self::Flags { .. } => {
                Ok(Value::Text(word.to_vec()))
            }
            _ => self.parse_number(word).map(Value::Number),
        }
    }

    fn parse_number(&self, word: &[u8]) -> Result<i128, String> {
        let (parsed, minimum, maximum, problem) = match *self {
            Self::Memory { minimum, maximum } => {
                (parse_memory(word), minimum, maximum, "argument must be a memory value")
            }
            Self::MemoryOrPercent => (
                parse_memory(word).or_else(|| parse_percent(word)),
                -100,
                i128::from(i64::MAX),
                "argument must be a memory or percent value",
            ),
            Self::Octal { maximum } => {
                (parse_octal(word), 0, maximum, "argument couldn't be parsed as an octal number")
            }
            Self::Integer { minimum, maximum } => (
                parse_integer(word),
                minimum,
                maximum,
                "argument couldn't be parsed into an integer",
            ),
            _ => (None, 0, 0, "argument is not a number"),
        };
        let number = parsed.ok_or(problem)?;
        if (minimum..=maximum).contains(&number) {
            return Ok(number);
        }
        Err(match self {
            // Redis says so of too many bytes as well, which have wrapped around there.
            Self::MemoryOrPercent => "percentage argument must be less or equal to 100".into(),
            Self::Octal { .. } => {
                format!("argument must be between {minimum:o} and {maximum:o} inclusive")
            }
            _ => format!("argument must be between {minimum} and {maximum} inclusive"),
        })
    }

    /// The value as CONFIG GET prints it: memory in plain bytes.
    pub fn print(&self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (_, Value::Text(text)) => text.clone(),
            (_, Value::Switch(on)) => {
                if *on {
                    b"yes".to_vec()
                } else {
                    b"no".to_vec()
                }
            }
            (Self::Choice(names), Value::Choice(index)) => names[*index].into(),
            (Self::Flags { named, .. }, Value::Number(bits)) => print_flags(named, *bits).into(),
            (Self::Octal { .. }, Value::Number(number)) => format!("{number:o}").into(),
            (Self::MemoryOrPercent, Value::Number(percent @ ..0)) => {
                format!("{}%", -percent).into()
            }
            (_, Value::Number(number)) => number.to_string().into(),
            (_, Value::Choice(index)) => index.to_string().into(),
        }
    }

    /// The value as a file has it: memory with the largest unit that divides it, text in quotes.
    pub fn print_for_file(&self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (Self::Text { .. }, Value::Text(text)) => words::quote(text),
            (Self::Memory { .. } | Self::MemoryOrPercent, Value::Number(bytes @ 0..)) => {
                print_memory(*bytes).into()
            }
            _ => self.print(value),
        }
    }
}

fn parse_choice(names: &[&str], word: &[u8]) -> Result<usize, String> {
    names
        .iter()
        .position(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        .ok_or_else(|| one_of(names.iter().copied()))
}

fn parse_flags(named: &[(&str, u32)], many: bool, words: &[&[u8]]) -> Result<i128, String> {
    let refuse = || one_of(named.iter().map(|(name, _)| *name));
    if words.is_empty() || (!many && words.len() > 1) {
        return Err(refuse());
    }
    words.iter().try_fold(0, |bits, word| {
        let found = named.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, bit)| bits | i128::from(*bit)).ok_or_else(refuse)
    })
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn print_flags(named: &[(&str, u32)], bits: i128) -> String {
    if let Some((name, _)) = named.iter().find(|(_, bit)| i128::from(*bit) == bits) {
        return (*name).into();
    }
    let mut missing = bits;
    let mut names = Vec::new();
    for (name, bit) in named {
        let bit = i128::from(*bit);
        if bit != 0 && missing & bit == bit {
            names.push(*name);
            missing &= !bit;
        }
    }
    names.join(" ")
}

/// An integer in the one spelling that Redis accepts: no sign `+`, no leading zero, no `-0`.
pub(super) fn parse_integer(word: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(word).ok()?;
    let number: i64 = text.parse().ok()?;
    let canonical =
        !text.starts_with('+') && (!text.trim_start_matches('-').starts_with('0') || text == "0");
    canonical.then_some(number.into())
}

/// An integer as C's `strtoll` reads a whole string: blanks and a sign may precede, and nothing at
/// all is 0. Redis reads the numbers inside its list parameters in this way.
pub(super) fn parse_lenient_integer(word: &[u8]) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    std::str::from_utf8(word).ok()?.trim_start().parse().ok()
}

fn parse_octal(word: &[u8]) -> Option<i128> {
    if word.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(std::str::from_utf8(word).ok()?, 8).ok().map(i128::from)
}

fn parse_percent(word: &[u8]) -> Option<i128> {
    let percent = parse_integer(word.strip_suffix(b"%")?)?;
    (percent >= 0).then_some(-percent)
}

/// Bytes with an optional unit. No digits at all are 0, as in Redis; a number beyond 64 bits, which
/// Redis wraps around, is refused.
pub(super) fn parse_memory(word: &[u8]) -> Option<i128> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number: u64 = match number {
        [] => 0,
        number => std::str::from_utf8(number).ok()?.parse().ok()?,
    };
    number.checked_mul(unit).map(i128::from)
}

/// Bytes with the largest of the units `gb`, `mb`, `kb` that divides them.
pub(super) fn print_memory(bytes: i128) -> String {
    let units = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];
    match units.iter().find(|(_, size)| bytes != 0 && bytes % size == 0) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNALS: Kind = Kind::Flags {
        named: &[("default", 0), ("save", 1), ("nosave", 2), ("now", 4), ("force", 8)],
        many: true,
    };

    fn check(kind: Kind, text: &str, expected: Result<&str, &str>) {
        let words: Vec<_> = text.split(' ').map(str::as_bytes).collect();
        let printed = kind.parse(&words).map(|value| kind.print(&value));
        let expected = expected.map(|text| text.as_bytes().to_vec()).map_err(String::from);
        assert_eq!(printed, expected, "{kind:?} {text}");
    }

    #[test]
    fn integers_have_one_spelling() {
        let kind = Kind::Integer { minimum: -5, maximum: 65_535 };
        check(kind, "0", Ok("0"));
        check(kind, "-5", Ok("-5"));
        for word in ["", "-", "-0", "+1", "010", "1x", "1.0", "9223372036854775808"] {
            check(kind, word, Err("argument couldn't be parsed into an integer"));
        }
        check(kind, "65536", Err("argument must be between -5 and 65535 inclusive"));
        check(kind, "1 2", Err("wrong number of arguments"));
    }

    #[test]
    fn memory_has_units() {
        let kind = Kind::Memory { minimum: 0, maximum: u64::MAX.into() };
        check(kind, "1GB", Ok("1073741824"));
        check(kind, "1g", Ok("1000000000"));
        check(kind, "18446744073709551615", Ok("18446744073709551615"));
        check(kind, "", Ok("0"));
        for word in ["-1", "1tb", "x", "1 kb", "18446744073709551616", "99999999999gb"] {
            assert!(kind.parse(&[word.as_bytes()]).is_err(), "{word}");
        }
        check(Kind::MemoryOrPercent, "5%", Ok("5%"));
        check(Kind::MemoryOrPercent, "0%", Ok("0"));
        check(Kind::MemoryOrPercent, "5kb", Ok("5120"));
        check(
            Kind::MemoryOrPercent,
            "101%",
            Err("percentage argument must be less or equal to 100"),
        );
        let problem = "percentage argument must be less or equal to 100";
        check(Kind::MemoryOrPercent, "9223372036854775808", Err(problem));
        check(Kind::MemoryOrPercent, "-1%", Err("argument must be a memory or percent value"));
    }

    #[test]
    fn names_are_case_insensitive() {
        check(Kind::Choice(&["debug", "notice"]), "Notice", Ok("notice"));
        let problem = "argument(s) must be one of the following: debug, notice";
        check(Kind::Choice(&["debug", "notice"]), "x", Err(problem));
        check(SIGNALS, "now SAVE", Ok("save now"));
        check(SIGNALS, "default", Ok("default"));
        assert!(SIGNALS.parse(&[]).is_err());
        check(Kind::Octal { maximum: 0o777 }, "755", Ok("755"));
        check(
            Kind::Octal { maximum: 0o777 },
            "1000",
            Err("argument must be between 0 and 777 inclusive"),
        );
        check(Kind::Switch, "YES", Ok("yes"));
        check(Kind::Switch, "1", Err("argument must be 'yes' or 'no'"));
    }

    proptest! {
        #[test]
        fn what_is_printed_can_be_read(
            bytes in any::<u64>(),
            percent in 1..=100i128,
            bits in 0..16i128,
        ) {
            let memory = Kind::Memory { minimum: 0, maximum: u64::MAX.into() };
            for (kind, value) in [
                (memory, Value::Number(bytes.into())),
                (Kind::MemoryOrPercent, Value::Number(-percent)),
                (SIGNALS, Value::Number(bits)),
            ] {
                for text in [kind.print(&value), kind.print_for_file(&value)] {
                    let words: Vec<_> = text.split(|byte| *byte == b' ').collect();
                    prop_assert_eq!(kind.parse(&words), Ok(value.clone()));
                }
            }
        }

        #[test]
        fn parse_never_panics(word in prop::collection::vec(any::<u8>(), 0..24)) {
            let memory = Kind::Memory { minimum: 0, maximum: i64::MAX.into() };
            for kind in [memory, Kind::MemoryOrPercent, SIGNALS, Kind::Octal { maximum: 511 }] {
                let _ = kind.parse(&[&word]);
            }
            let _ = parse_lenient_integer(&word);
        }
    }
}
