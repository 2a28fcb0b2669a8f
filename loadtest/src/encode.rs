//! Requests as templates: everything that never changes is encoded once, before the run.
//!
//! Invariant: a [`Template`] always yields one well-formed RESP array of bulk strings. Numbers of
//! keys and elements have a fixed width, so that only values and lifetimes need a length at run
//! time; making a request is a few copies into the connection's buffer.

/// How many digits the numbers of keys and elements have, leading zeros included.
pub const NUMBER_DIGITS: usize = 12;

/// One argument of a command, of which parts are drawn anew for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// These bytes.
    Fixed(Vec<u8>),
    /// A key: its number between the text before and after.
    Key { before: Vec<u8>, after: Vec<u8> },
    /// A number below `--elements` between the text before and after.
    Element { before: Vec<u8>, after: Vec<u8> },
    /// A value of `--data-size` bytes.
    Value,
    /// A lifetime in seconds, out of `--ttl`.
    Lifetime,
}

impl Argument {
    /// An argument that is always `text`.
    pub fn fixed(text: &str) -> Argument {
        Argument::Fixed(text.into())
    }

    /// A key that begins with `prefix` and ends with its number.
    pub fn key(prefix: &str) -> Argument {
        Argument::Key { before: prefix.into(), after: Vec::new() }
    }

    /// An element, field or member that begins with `prefix` and ends with its number.
    pub fn element(prefix: &str) -> Argument {
        Argument::Element { before: prefix.into(), after: Vec::new() }
    }
}

/// Draws what a template leaves open. Called in the order of the arguments.
pub trait Draw {
    /// Draws the number of a key.
    fn key(&mut self) -> u64;
    /// Draws the number of an element.
    fn element(&mut self) -> u64;
    /// Draws a value; it is valid until the next call.
    fn value(&mut self) -> &[u8];
    /// Draws a lifetime in seconds.
    fn lifetime(&mut self) -> u64;
}

/// A request with holes.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    key_text: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Vec<u8>),
    Key,
    Element,
    Value,
    Lifetime,
}

impl Template {
    /// Compiles a command from its arguments, the first of which is its name.
    pub fn new(arguments: &[Argument]) -> Template {
        let mut builder = Builder::default();
        builder.literal(format!("*{}\r\n", arguments.len()).as_bytes());
        for argument in arguments {
            builder.argument(argument);
        }
        let key_text = arguments.iter().find_map(|argument| match argument {
            Argument::Key { before, after } => Some((before.clone(), after.clone())),
            _ => None,
        });
        Template { pieces: builder.pieces, key_text }
    }

    /// Returns what stands before and after the number of the first key, if there is a key.
    pub fn key_text(&self) -> Option<(&[u8], &[u8])> {
        self.key_text.as_ref().map(|(before, after)| (&before[..], &after[..]))
    }

    /// Returns how many keys a request names.
    pub fn key_count(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Key)).count()
    }

    /// Appends one request to `out`, with what `draw` draws in the holes.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>, draw: &mut impl Draw) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Key => out.extend_from_slice(&digits(draw.key())),
                Piece::Element => out.extend_from_slice(&digits(draw.element())),
                Piece::Value => bulk(out, draw.value()),
                Piece::Lifetime => {
                    bulk(out, itoa::Buffer::new().format(draw.lifetime()).as_bytes());
                }
            }
        }
    }
}

/// Joins neighbouring literals while a template grows.
#[derive(Default)]
struct Builder {
    pieces: Vec<Piece>,
}

impl Builder {
    fn literal(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    fn argument(&mut self, argument: &Argument) {
        match argument {
            Argument::Fixed(text) => {
                let mut bytes = Vec::new();
                bulk(&mut bytes, text);
                self.literal(&bytes);
            }
            Argument::Key { before, after } => self.number(before, Piece::Key, after),
            Argument::Element { before, after } => self.number(before, Piece::Element, after),
            Argument::Value => self.pieces.push(Piece::Value),
            Argument::Lifetime => self.pieces.push(Piece::Lifetime),
        }
    }

    fn number(&mut self, before: &[u8], hole: Piece, after: &[u8]) {
        let len = before.len() + NUMBER_DIGITS + after.len();
        self.literal(format!("${len}\r\n").as_bytes());
        self.literal(before);
        self.pieces.push(hole);
        self.literal(after);
        self.literal(b"\r\n");
    }
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(bytes.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Returns the last [`NUMBER_DIGITS`] decimal digits of a number.
#[inline]
pub fn digits(mut number: u64) -> [u8; NUMBER_DIGITS] {
    let mut text = [b'0'; NUMBER_DIGITS];
    for pair in text.rchunks_exact_mut(2) {
        // Most numbers are short, and their leading zeros are already there.
        if number == 0 {
            break;
        }
        let low = (number % 100) as u8;
        number /= 100;
        pair.copy_from_slice(&[b'0' + low / 10, b'0' + low % 10]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws 1, 2, 3 and so on.
    struct Counter(u64, Vec<u8>);

    impl Draw for Counter {
        fn key(&mut self) -> u64 {
            self.0 += 1;
            self.0
        }
        fn element(&mut self) -> u64 {
            self.key()
        }
        fn value(&mut self) -> &[u8] {
            let len = self.key() as usize;
            self.1 = vec![b'v'; len];
            &self.1
        }
        fn lifetime(&mut self) -> u64 {
            self.key()
        }
    }

    #[test]
    fn holes_are_filled_in_order() {
        let after = b":end".to_vec();
        let template = Template::new(&[
            Argument::fixed("CMD"),
            Argument::key("key:"),
            Argument::Element { before: Vec::new(), after },
            Argument::Value,
            Argument::fixed("EX"),
            Argument::Lifetime,
        ]);
        let mut out = Vec::new();
        template.encode(&mut out, &mut Counter(0, Vec::new()));
        let expected = "*6\r\n$3\r\nCMD\r\n$16\r\nkey:000000000001\r\n$16\r\n000000000002:end\r\n\
            $3\r\nvvv\r\n$2\r\nEX\r\n$1\r\n4\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(template.key_count(), 1);
        assert_eq!(template.key_text(), Some((&b"key:"[..], &b""[..])));
    }

    #[test]
    fn what_never_changes_is_one_piece() {
        let template = Template::new(&[Argument::fixed("GET"), Argument::key("k")]);
        assert_eq!(template.pieces.len(), 3);
        assert_eq!(Template::new(&[Argument::fixed("PING")]).pieces.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(number in 0u64..1_000_000_000_000) {
            let text = String::from_utf8(digits(number).to_vec()).unwrap();
            proptest::prop_assert_eq!(text, format!("{number:012}"));
        }
    }
}
