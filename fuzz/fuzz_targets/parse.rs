//! Any bytes, split anywhere, must give the same commands and the same error as when they arrive at
//! once, and must never panic.
//!
//! The first byte of the input seeds the sizes of the reads; the rest is what the client sends.

#![cfg_attr(fuzzing, no_main)]

use shoal::base::prng::Prng;
use shoal::resp::parse::{Limits, Parsed, Parser, ProtocolError};
use shoal::resp::skip::reply_len;
use shoal_fuzz::fuzz_target;

/// Limits low enough for short inputs to reach them.
const LIMITS: Limits =
    Limits { bulk_len_max: 1 << 20, inline_max: 64, multibulk_max: 32, authenticated: true };

fuzz_target!(|data: &[u8]| {
    let Some((&seed, stream)) = data.split_first() else { return };
    let expected = play(stream, |_| stream.len());
    let mut prng = Prng::new(seed as u64);
    assert_eq!(play(stream, |_| 1), expected);
    assert_eq!(play(stream, |left| 1 + prng.below(left as u64) as usize), expected);
    assert!(reply_len(stream).is_none_or(|len| len <= stream.len()));
});

/// Feeds `stream` in reads of the sizes that `read_len` chooses; returns the arguments of each
/// command, and the error if there was one.
fn play(
    stream: &[u8],
    mut read_len: impl FnMut(usize) -> usize,
) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut parser = Parser::new(LIMITS);
    let (mut commands, mut spans) = (Vec::new(), Vec::new());
    let (mut start, mut end) = (0, 0);
    while end < stream.len() {
        end += read_len(stream.len() - end);
        loop {
            let input = &stream[start..end];
            match parser.next(input, &mut spans) {
                Parsed::Incomplete => break,
                Parsed::Error(error) => return (commands, Some(error)),
                Parsed::Command { consumed } => {
                    let argument = |&span| parser.argument(span, input, &[b""; 0]).to_vec();
                    commands.push(spans.iter().map(argument).collect());
                    start += consumed;
                }
            }
        }
    }
    (commands, None)
}
