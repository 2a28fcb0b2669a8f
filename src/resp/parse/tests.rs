use super::*;
use crate::base::bytes::write_quoted;
use proptest::prelude::*;

type Arguments = Vec<Vec<u8>>;

/// What a stream of bytes amounts to: its commands, then the error that ended it, if one did.
type Outcome = (Vec<Arguments>, Option<ProtocolError>);

/// How the caller treats big arguments that are still arriving.
#[derive(Clone, Copy, PartialEq)]
enum BigBulks {
    Appended,
    Elsewhere,
}

/// Plays the connection: feeds `chunks` to a parser and collects what it says.
fn feed<'a>(
    limits: Limits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    big_bulks: BigBulks,
) -> Outcome {
    let mut parser = Parser::new(limits);
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    let mut external: Vec<Vec<u8>> = Vec::new();
    let mut outcome = (Vec::new(), None);
    // Bytes of the last external buffer that are still to come, CRLF included.
    let mut missing = 0;
    for mut chunk in chunks {
        loop {
            if missing > 0 {
                let taken = missing.min(chunk.len());
                external.last_mut().unwrap().extend_from_slice(&chunk[..taken]);
                missing -= taken;
                chunk = &chunk[taken..];
                if missing > 0 {
                    break;
                }
                let buffer = external.last_mut().unwrap();
                buffer.truncate(buffer.len() - 2);
                parser.big_bulk_done();
            }
            input.extend_from_slice(chunk);
            chunk = &[];
            match parser.next(&input, &mut spans) {
                Parsed::Command { consumed } => {
                    let argument = |&span| parser.argument(span, &input, &external).to_vec();
                    outcome.0.push(spans.iter().map(argument).collect());
                    input.drain(..consumed);
                    external.clear();
                }
                Parsed::Error(error) => {
                    outcome.1 = Some(error);
                    return outcome;
                }
                Parsed::Incomplete => match parser.big_bulk() {
                    Some(bulk) if big_bulks == BigBulks::Elsewhere => {
                        external.push(input.split_off(bulk.start));
                        missing = bulk.len + 2 - external.last().unwrap().len();
                    }
                    _ => break,
                },
            }
        }
    }
    outcome
}

fn whole(input: &[u8]) -> Outcome {
    feed(Limits::default(), [input], BigBulks::Appended)
}

fn commands(input: &[u8]) -> Vec<Arguments> {
    let (commands, error) = whole(input);
    assert_eq!(error, None, "{}", input.escape_ascii());
    commands
}

fn error(input: &[u8]) -> String {
    let message = whole(input).1.expect("an error").message();
    String::from_utf8_lossy(&message).into_owned()
}

fn arguments(words: &[&[u8]]) -> Arguments {
    words.iter().map(|word| word.to_vec()).collect()
}

fn encode(command: &Arguments) -> Vec<u8> {
    let mut request = format!("*{}\r\n", command.len()).into_bytes();
    for argument in command {
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}

#[test]
fn a_command_is_its_arguments_in_place() {
    let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n";
    let mut parser = Parser::new(Limits::default());
    let mut spans = Vec::new();
    assert_eq!(parser.next(input, &mut spans), Parsed::Command { consumed: 26 });
    let places: Vec<Place> = spans.iter().map(|span| span.place()).collect();
    assert_eq!(places, [Place::Input(8..11), Place::Input(17..18), Place::Input(24..24)].to_vec());
    assert_eq!(parser.next(&input[26..], &mut spans), Parsed::Incomplete);
}

#[test]
fn empty_commands_have_no_arguments() {
    for input in [&b"\r\n"[..], b"\n", b"  \t\r\n", b"*0\r\n", b"*-1\r\n", b"*-7\r\n"] {
        assert_eq!(commands(input), [arguments(&[])], "{}", input.escape_ascii());
    }
}

/// Redis skips the byte after a header's CR and the two after an argument without a look.
#[test]
fn bytes_in_place_of_crlf_are_skipped() {
    assert_eq!(commands(b"*1\rX$4\r\nPINGXY"), [arguments(&[b"PING"])]);
    assert_eq!(commands(b"*2\r\n$1\r\naXY$1\rZb\n\n"), [arguments(&[b"a", b"b"])]);
}

#[test]
fn inline_words_are_split_as_redis_does() {
    let cases: &[(&[u8], &[&[u8]])] = &[
        (b"PING\r\n", &[b"PING"]),
        (b"PING\n", &[b"PING"]),
        (b"  SET  a\tb \r\n", &[b"SET", b"a", b"b"]),
        (b"a\rb\r\r\n", &[b"a", b"b"]),
        (b"a\x0bb \x0c c\n", &[b"a\x0bb", b"c"]),
        (b"SET k \"a b\" 'c d'\n", &[b"SET", b"k", b"a b", b"c d"]),
        (b"\"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n", &[b"\n\r\t\x08\x07\\\"q"]),
        (b"\"\\x41\\xfF\\x4\\xg1\"\n", &[b"A\xffx4xg1"]),
        (b"'\\n\\'\\x41'\n", &[b"\\n'\\x41"]),
        (b"foo\"bar\" x'y z'\n", &[b"foobar", b"xy z"]),
        (b"\"\" ''\n", &[b"", b""]),
        (b"\"a\"\x0bb\n", &[b"a", b"b"]),
        (b"\\x41\n", &[b"\\x41"]),
        (b"$3\r\n", &[b"$3"]),
    ];
    for &(line, words) in cases {
        assert_eq!(commands(line), [arguments(words)], "{}", line.escape_ascii());
    }
}

#[test]
fn unbalanced_quotes_are_refused() {
    let lines: &[&[u8]] =
        &[b"\"a\n", b"'a\n", b"\"a\"b\n", b"'a'b\n", b"\"a\\\n", b"\"a\"\"b\"\n", b"x\"\\\"\n"];
    for line in lines {
        assert_eq!(error(line), "Protocol error: unbalanced quotes in request");
    }
}

#[test]
fn header_violations_have_the_texts_of_redis() {
    let cases: &[(&[u8], &str)] = &[
        (b"*\r\n", "invalid multibulk length"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$00\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551617\r\n", "invalid bulk length"),
    ];
    for &(input, text) in cases {
        let expected = format!("Protocol error: {text}");
        assert_eq!(error(input), expected, "{}", input.escape_ascii());
    }
    assert_eq!(whole(b"*2147483647\r\n"), (vec![], None));
    assert_eq!(whole(b"*1\r\n$536870912\r\n"), (vec![], None));
}

#[test]
fn lines_end_within_the_limit() {
    let limit = Limits::default().inline_max;
    let line = |start: &[u8], len| [start, &vec![b'1'; len - start.len()]].concat();
    for (start, text) in [
        (&b""[..], "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
    ] {
        let header = start.len() - start.len().min(1);
        assert_eq!(whole(&line(start, header + limit)), (vec![], None));
        assert_eq!(error(&line(start, header + limit + 1)), format!("Protocol error: {text}"));
    }
    let longest = [line(b"", limit), b"\n".to_vec()].concat();
    assert_eq!(commands(&longest)[0][0].len(), limit);
}

#[test]
fn a_nul_hides_the_line_end() {
    let limit = Limits::default().inline_max;
    for start in [&b"PI\0NG\r\n"[..], b"*1\0\r\n", b"*1\r\n\0\r\n"] {
        assert_eq!(whole(start), (vec![], None));
        let long = [start, &vec![b'\n'; limit]].concat();
        assert!(error(&long).starts_with("Protocol error: too big"));
    }
}

#[test]
fn strangers_may_send_little() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let message = |input: &[u8]| {
        let outcome = feed(limits, [input], BigBulks::Appended);
        outcome.1.map(|error| String::from_utf8(error.message()).unwrap())
    };
    assert_eq!(message(b"*10\r\n"), None);
    assert_eq!(message(b"*1\r\n$16384\r\n"), None);
    let cases: &[(&[u8], &str)] = &[
        (b"*11\r\n", "unauthenticated multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
    ];
    for &(input, text) in cases {
        assert_eq!(message(input), Some(format!("Protocol error: {text}")));
    }
}

#[test]
fn big_arguments_can_be_received_elsewhere() {
    let big = vec![b'x'; BIG_BULK_LEN_MIN];
    let command = arguments(&[b"SET", b"key", &big, b"EX", &big]);
    let request = [encode(&command), b"PING\r\n".to_vec()].concat();
    let expected = (vec![command, arguments(&[b"PING"])], None);
    for chunk_len in [1, 7, 1000, 40_000, 70_000] {
        let chunks = request.chunks(chunk_len);
        assert_eq!(feed(Limits::default(), chunks, BigBulks::Elsewhere), expected);
    }
    let mut parser = Parser::new(Limits::default());
    let start = request.iter().position(|&byte| byte == b'x').unwrap();
    assert_eq!(parser.next(&request[..start + 5], &mut Vec::new()), Parsed::Incomplete);
    assert_eq!(parser.big_bulk(), Some(BigBulk { start, len: big.len() }));
    parser.reset();
    assert_eq!(parser.big_bulk(), None);
}

/// All of the input except one short header must have been passed for good after every call.
#[test]
fn no_byte_is_scanned_twice() {
    let many: Arguments = (0..3000).map(|n: u32| n.to_string().into_bytes()).collect();
    let long_line = vec![b'a'; 60_000];
    let long_header = [&b"*1\r\n$"[..], &[b'0'; 60_000]].concat();
    for request in [encode(&many), long_line, long_header] {
        let mut parser = Parser::new(Limits::default());
        let mut spans = Vec::new();
        for len in 1..request.len() {
            assert_eq!(parser.next(&request[..len], &mut spans), Parsed::Incomplete);
            let progress = parser.progress;
            let known = progress.bulk_len.map_or(0, |bulk_len| bulk_len as usize + 2);
            let passed = (progress.position + known).max(progress.scanned);
            assert!(len <= passed + 2, "{len} bytes, {passed} passed");
        }
    }
}

#[test]
fn idle_parsers_hold_little_memory() {
    let many: Arguments = vec![vec![b'a']; 5000];
    let request = [encode(&many), encode(&arguments(&[b"PING"]))].concat();
    let mut parser = Parser::new(Limits::default());
    let mut spans = Vec::new();
    let mut start = 0;
    for end in 0..=request.len() {
        if let Parsed::Command { consumed } = parser.next(&request[start..end], &mut spans) {
            start += consumed;
            assert!(parser.partial.capacity() <= SPANS_KEPT_MAX);
        }
    }
    assert_eq!(start, request.len());
}

/// Pieces that requests, good and bad, are made of.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let argument = prop::collection::vec(any::<u8>(), 0..30);
    let command = prop::collection::vec(argument, 0..5).prop_map(|command| encode(&command));
    let fragment = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "*",
        "$",
        "*1\r\n",
        "*2\r\n",
        "$1\r\n",
        "$3\r\nGET\r\n",
        "*-1\r\n",
        "PING\r\n",
        "SET k 'v w'\n",
        "x\"\\x41\\n\" \"b\"\r\n",
        "\"",
        "'",
        " ",
        "a",
        "\0",
        "12345678901",
        "0",
        "-",
    ]);
    let fragment = fragment.prop_map(|text| text.as_bytes().to_vec());
    let noise = prop::collection::vec(any::<u8>(), 0..3);
    let piece = prop_oneof![4 => command, 4 => fragment, 1 => noise];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn split<'a>(stream: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut rest = stream;
    for &len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(len.min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

proptest! {
    #[test]
    fn quoted_bytes_read_back(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut line = Vec::new();
        write_quoted(&mut line, &bytes);
        line.push(b'\n');
        prop_assert_eq!(commands(&line), vec![vec![bytes]]);
    }

    #[test]
    fn any_split_gives_the_same_commands(
        stream in any_stream(),
        lens in prop::collection::vec(1usize..20, 1..10),
    ) {
        let limits = Limits { inline_max: 40, multibulk_max: 6, ..Limits::default() };
        let expected = feed(limits, [&stream[..]], BigBulks::Appended);
        for chunks in [split(&stream, &lens), split(&stream, &[1])] {
            prop_assert_eq!(&feed(limits, chunks, BigBulks::Appended), &expected);
        }
    }

    #[test]
    fn any_split_gives_the_same_big_commands(
        sizes in prop::collection::vec(
            prop_oneof![0usize..5, BIG_BULK_LEN_MIN - 1..BIG_BULK_LEN_MIN + 100], 1..5),
        lens in prop::collection::vec(1usize..30_000, 1..10),
    ) {
        let command: Arguments = sizes.iter().map(|&size| vec![b'v'; size]).collect();
        let stream = [encode(&command), encode(&command), b"PING x\r\n".to_vec()].concat();
        let expected = (vec![command.clone(), command, arguments(&[b"PING", b"x"])], None);
        for big_bulks in [BigBulks::Appended, BigBulks::Elsewhere] {
            let outcome = feed(Limits::default(), split(&stream, &lens), big_bulks);
            prop_assert_eq!(&outcome, &expected);
        }
    }

    #[test]
    fn arguments_survive_the_round_trip(
        command in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
    ) {
        prop_assert_eq!(commands(&encode(&command)), vec![command]);
    }
}
