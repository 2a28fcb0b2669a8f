//! The arguments of XREAD and XREADGROUP.

use crate::base::num;
use crate::base::time::Millis;
use crate::command::patience;
use crate::command::spec::Patience;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};

/// A request to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// Group and consumer.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    /// Most entries of a stream.
    pub(super) count: usize,
    /// Most entries of all streams.
    pub(super) max_count: usize,
    /// Bytes of the reply after which no entry follows.
    pub(super) max_size: usize,
    /// Entries are not to become pending.
    pub(super) no_ack: bool,
    /// Also pending entries that nobody has touched for so many milliseconds.
    pub(super) min_idle: Option<Millis>,
    /// How many milliseconds to wait if there is nothing; 0 for ever.
    block: Option<Millis>,
    /// Position of the first key.
    pub(super) first: usize,
    /// How many keys there are.
    pub(super) streams: usize,
}

const GROUP_ONLY: [(&str, &str); 3] = [
    ("CLAIM", "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."),
    ("GROUP", "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."),
    ("NOACK", "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
];

impl<'a> Request<'a> {
    /// Reads the arguments of XREAD, or of XREADGROUP.
    pub(super) fn read(args: &Args<'a>, by_group: bool) -> Result<Request<'a>, CmdError> {
        let mut request = Request {
            group: None,
            count: usize::MAX,
            max_count: usize::MAX,
            max_size: usize::MAX,
            no_ack: false,
            min_idle: None,
            block: None,
            first: 0,
            streams: 0,
        };
        let mut reader = args.reader(1);
        while let Some(word) = reader.peek() {
            let needed = if word.eq_ignore_ascii_case(b"GROUP") { 2 } else { 1 };
            let has_value = reader.left() > needed;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if !by_group
                && let Some((_, error)) =
                    GROUP_ONLY.iter().find(|(n, _)| is(n) && (has_value || is("NOACK")))
            {
                return Err(CmdError::Text(error));
            }
            reader.word()?;
            if is("NOACK") {
                request.no_ack = true;
            } else if !has_value {
                return Err(CmdError::Syntax);
            } else if is("STREAMS") {
                request.first = reader.position();
                request.streams = streams(args.len() - request.first, by_group)?;
                break;
            } else if is("GROUP") {
                request.group = Some((reader.word()?, reader.word()?));
            } else {
                request.read_number(word, reader.word()?)?;
            }
        }
        request.check(by_group)?;
        Ok(request)
    }

    /// Takes the value of a numeric option.
    fn read_number(&mut self, name: &[u8], value: &[u8]) -> CmdResult {
        let is = |option: &str| name.eq_ignore_ascii_case(option.as_bytes());
        let number = num::parse_i64(value);
        if is("COUNT") {
            let count = number.ok_or(CmdError::NotInteger)?;
            self.count = if count <= 0 { usize::MAX } else { count as usize };
        } else if is("MAXCOUNT") {
            self.max_count = positive(number, "ERR MAXCOUNT must be a positive integer")?;
        } else if is("MAXSIZE") {
            self.max_size = positive(number, "ERR MAXSIZE must be a positive integer")?;
        } else if is("BLOCK") {
            let error = CmdError::Text("ERR timeout is not an integer or out of range");
            let timeout = number.ok_or(error)?;
            if timeout < 0 {
                return Err(CmdError::Text("ERR timeout is negative"));
            }
            self.block = Some(timeout);
        } else if is("CLAIM") {
            let error = CmdError::Text("ERR min-idle-time is not an integer or out of range");
            let min_idle = number.ok_or(error)?;
            if min_idle < 0 {
                return Err(CmdError::Text("ERR min-idle-time must be a positive integer"));
            }
            self.min_idle = Some(min_idle);
        } else {
            return Err(CmdError::Syntax);
        }
        Ok(())
    }

    fn check(&self, by_group: bool) -> CmdResult {
        if self.first == 0 {
            return Err(CmdError::Syntax);
        }
        if by_group && self.group.is_none() {
            return Err(CmdError::Text("ERR Missing GROUP option for XREADGROUP"));
        }
        if self.count != usize::MAX && self.max_count < self.count {
            return Err(CmdError::Text("ERR MAXCOUNT must not be smaller than COUNT"));
        }
        Ok(())
    }

    /// How long it waits.
    pub(super) fn patience(&self, now: Millis) -> Result<Patience, CmdError> {
        self.block.map_or(Ok(Patience::None), |block| patience::milliseconds(block, now))
    }

    /// Most entries of one stream.
    pub(super) fn limit(&self) -> usize {
        self.count.min(self.max_count)
    }

    /// The id argument of the stream number `index`.
    pub(super) fn id<'b>(&self, args: &Args<'b>, index: usize) -> &'b [u8] {
        args.at(self.first + self.streams + index)
    }
}

fn positive(number: Option<i64>, error: &'static str) -> Result<usize, CmdError> {
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or(CmdError::Text(error))
}

/// Half of the arguments behind STREAMS.
fn streams(arguments: usize, by_group: bool) -> Result<usize, CmdError> {
    if arguments.is_multiple_of(2) {
        return Ok(arguments / 2);
    }
    Err(CmdError::Text(if by_group {
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be \
         specified."
    } else {
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be \
         specified."
    }))
}
