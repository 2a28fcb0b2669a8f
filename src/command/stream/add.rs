//! XADD and XTRIM.
//!
//! Invariant: options are read to the end before the key is looked at, and an entry is refused
//! before anything changes.
//! <https://redis.io/docs/latest/commands/xadd/>

use xxhash_rust::xxh3::Xxh3;

use super::ids::{self, Wanted};
use super::{Words, write_bulk_id};
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::stream::id::Id;
use crate::store::stream::node::Fields;
use crate::store::stream::trim::{References, Threshold, Trim};
use crate::store::stream::{NodeLimits, Stream, Summary};
use crate::store::tuning::Tuning;

const TWO_THRESHOLDS: CmdError = CmdError::Text(
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
);
const NEGATIVE_LENGTH: CmdError = CmdError::Text("ERR The MAXLEN argument must be >= 0.");
const NEGATIVE_LIMIT: CmdError = CmdError::Text("ERR The LIMIT argument must be >= 0.");
const LIMIT_WITHOUT_THRESHOLD: CmdError =
    CmdError::Text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const NO_THRESHOLD: CmdError =
    CmdError::Text("ERR syntax error, XTRIM must be called with a trimming strategy");
const EXACT_LIMIT: CmdError =
    CmdError::Text("ERR syntax error, LIMIT cannot be used without the special ~ option");
const ID_ZERO: CmdError = CmdError::Text("ERR The ID specified in XADD must be greater than 0-0");
const ID_TOO_SMALL: CmdError = CmdError::Text(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
const EXHAUSTED: CmdError =
    CmdError::Text("ERR The stream has exhausted the last possible ID, unable to add more items");
const TOO_LARGE: CmdError = CmdError::Text("ERR Elements are too large to be stored");
const TWO_MESSAGES: CmdError =
    CmdError::Text("ERR syntax error, IDMP/IDMPAUTO specified multiple times");
const ID_OF_MESSAGE: CmdError =
    CmdError::Text("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");

/// Entries that approximate trimming looks at for each that a node may hold.
const NODES_PER_TRIM: u64 = 100;
/// Most entries that approximate trimming takes unless told otherwise, if nodes have no limit, and
/// at most.
const TRIMMED_DEFAULT: u64 = 10_000;
const TRIMMED_MAX: u64 = 1_000_000;

/// The options on trimming, which XADD and XTRIM share.
#[derive(Default)]
struct TrimOptions {
    threshold: Option<Threshold>,
    /// Position of its argument.
    threshold_at: usize,
    is_approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
}

impl TrimOptions {
    /// Reads one option; false if the next word begins none.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<bool, CmdError> {
        let has_value = reader.left() > 1;
        if has_value && reader.keyword("MAXLEN") {
            self.read_operator(reader)?;
            let length = u64::try_from(reader.int()?).map_err(|_| NEGATIVE_LENGTH)?;
            self.threshold = Some(Threshold::Length(length));
        } else if has_value && reader.keyword("MINID") {
            self.read_operator(reader)?;
            self.threshold = Some(Threshold::Id(ids::parse_strict(reader.word()?)?));
        } else if has_value && reader.keyword("LIMIT") {
            self.limit = Some(u64::try_from(reader.int()?).map_err(|_| NEGATIVE_LIMIT)?);
        } else {
            return Ok(self.references.is_none() && self.read_references(reader));
        }
        Ok(true)
    }

    fn read_operator(&mut self, reader: &mut Reader<'_>) -> CmdResult {
        if self.threshold.is_some() {
            return Err(TWO_THRESHOLDS);
        }
        let has_operator = reader.left() > 1;
        self.is_approximate = has_operator && reader.keyword("~");
        if has_operator && !self.is_approximate {
            reader.keyword("=");
        }
        self.threshold_at = reader.position();
        Ok(())
    }

    fn read_references(&mut self, reader: &mut Reader<'_>) -> bool {
        self.references = read_references(reader);
        self.references.is_some()
    }

    /// Checks the options against each other.
    fn finish(self, tuning: &Tuning) -> Result<Option<(Trim, usize)>, CmdError> {
        let has_limit = self.limit.is_some_and(|limit| limit > 0);
        if has_limit && self.threshold.is_none() {
            return Err(LIMIT_WITHOUT_THRESHOLD);
        }
        if self.limit.is_some() && !self.is_approximate {
            return Err(EXACT_LIMIT);
        }
        let Some(threshold) = self.threshold else { return Ok(None) };
        let limit = match self.limit {
            Some(limit) => limit,
            None if self.is_approximate => default_limit(tuning),
            None => 0,
        };
        let limit = (limit > 0).then_some(limit);
        let references = self.references.unwrap_or_default();
        let is_approximate = self.is_approximate;
        Ok(Some((Trim { threshold, is_approximate, limit, references }, self.threshold_at)))
    }
}

fn default_limit(tuning: &Tuning) -> u64 {
    match (tuning.encoding.stream_entries as u64).saturating_mul(NODES_PER_TRIM) {
        0 => TRIMMED_DEFAULT,
        limit => limit.min(TRIMMED_MAX),
    }
}

/// Reads what shall become of mentions in consumer groups, if the next word says it.
pub(super) fn read_references(reader: &mut Reader<'_>) -> Option<References> {
    if reader.keyword("KEEPREF") {
        Some(References::Keep)
    } else if reader.keyword("DELREF") {
        Some(References::Remove)
    } else if reader.keyword("ACKED") {
        Some(References::Acknowledged)
    } else {
        None
    }
}

/// A message that must not be added twice.
struct Message<'a> {
    producer: &'a [u8],
    /// None: the content is its name.
    name: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads IDMP or IDMPAUTO, if the next word is one of them.
    fn read(reader: &mut Reader<'a>) -> Result<Option<Message<'a>>, CmdError> {
        let non_empty = |word: &'a [u8], error: &'static str| match word {
            [] => Err(CmdError::Text(error)),
            word => Ok(word),
        };
        if reader.left() > 1 && reader.keyword("IDMPAUTO") {
            let producer = "ERR syntax error, IDMPAUTO requires a non-empty producer ID";
            let producer = non_empty(reader.word()?, producer)?;
            return Ok(Some(Message { producer, name: None }));
        }
        if reader.left() > 2 && reader.keyword("IDMP") {
            let producer = "ERR syntax error, IDMP requires a non-empty producer ID";
            let producer = non_empty(reader.word()?, producer)?;
            let name = "ERR syntax error, IDMP requires a non-empty idempotent ID";
            let name = non_empty(reader.word()?, name)?;
            return Ok(Some(Message { producer, name: Some(name) }));
        }
        Ok(None)
    }

    /// The name under which it is remembered.
    fn name(&self, fields: &ArgFields<'_>) -> Vec<u8> {
        self.name.map_or_else(|| content_name(fields).into(), <[u8]>::to_vec)
    }
}

/// A digest of fields and values that does not depend on their order, the same as Redis's.
fn content_name(fields: &ArgFields<'_>) -> [u8; 16] {
    let (mut sums, mut parities) = ([0u64; 2], [0u64; 2]);
    for index in 0..fields.len() {
        let (field, mut pair) = (fields.field(index), Xxh3::new());
        pair.update(field);
        pair.update(&(field.len() as u64).to_le_bytes());
        pair.update(fields.value(index));
        let digest = pair.digest128();
        for (half, part) in [digest as u64, (digest >> 64) as u64].into_iter().enumerate() {
            sums[half] = sums[half].wrapping_add(part);
            parities[half] ^= part;
        }
    }
    let mut name = [0; 16];
    name[..8].copy_from_slice(&(sums[0] ^ parities[1].rotate_left(1)).to_le_bytes());
    name[8..].copy_from_slice(&(sums[1] ^ parities[0].rotate_left(1)).to_le_bytes());
    name
}

/// Fields and values among the arguments.
struct ArgFields<'a> {
    args: Args<'a>,
    first: usize,
}

impl Fields for ArgFields<'_> {
    fn len(&self) -> usize {
        (self.args.len() - self.first) / 2
    }

    fn field(&self, index: usize) -> &[u8] {
        self.args.at(self.first + 2 * index)
    }

    fn value(&self, index: usize) -> &[u8] {
        self.args.at(self.first + 2 * index + 1)
    }
}

/// Everything in front of the fields of XADD.
struct AddOptions<'a> {
    may_create: bool,
    message: Option<Message<'a>>,
    trim: Option<(Trim, usize)>,
    id: Wanted,
    /// Position of the id.
    id_at: usize,
}

impl<'a> AddOptions<'a> {
    fn read(args: &Args<'a>, tuning: &Tuning) -> Result<AddOptions<'a>, CmdError> {
        let mut reader = args.reader(2);
        let (mut trim, mut message, mut may_create) = (TrimOptions::default(), None, true);
        let mut id = Wanted::Any;
        while let Some(word) = reader.peek() {
            if word == b"*" {
                break;
            }
            if trim.read(&mut reader)? {
                continue;
            }
            if reader.keyword("NOMKSTREAM") {
                may_create = false;
                continue;
            }
            if let Some(another) = Message::read(&mut reader)? {
                if message.replace(another).is_some() {
                    return Err(TWO_MESSAGES);
                }
                continue;
            }
            id = ids::parse_wanted(word)?;
            if message.is_some() {
                return Err(ID_OF_MESSAGE);
            }
            break;
        }
        let id_at = reader.position();
        Ok(AddOptions { may_create, message, trim: trim.finish(tuning)?, id, id_at })
    }
}

/// The id of the next entry.
fn next_id(wanted: Wanted, summary: &Summary, now: u64) -> Result<Id, CmdError> {
    let last = summary.last;
    if last == Id::MAX {
        return Err(EXHAUSTED);
    }
    let id = match wanted {
        Wanted::Exactly(id) => id,
        Wanted::At(ms) if ms != last.ms => Id::new(ms, 0),
        Wanted::At(ms) => Id::new(ms, last.seq.checked_add(1).ok_or(ID_TOO_SMALL)?),
        Wanted::Any if now > last.ms => Id::new(now, 0),
        Wanted::Any => last.next().expect("the last id is not the largest"),
    };
    if id > last { Ok(id) } else { Err(ID_TOO_SMALL) }
}

pub(super) fn xadd(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let options = AddOptions::read(args, &db.tuning)?;
    let first = options.id_at + 1;
    if args.len() < first + 2 || !(args.len() - first).is_multiple_of(2) {
        return Err(CmdError::WrongArity("xadd".into()));
    }
    if options.id == Wanted::Exactly(Id::MIN) {
        return Err(ID_ZERO);
    }
    let mut edit = if options.may_create {
        db.edit_or_create::<Stream>(args.key(1))?
    } else {
        let Some(edit) = db.edit::<Stream>(args.key(1))? else {
            out.null();
            return Ok(());
        };
        edit
    };
    let fields = ArgFields { args: *args, first };
    let (now, Tuning { encoding: limits, retention, .. }) = (edit.now(), edit.tuning());
    let limits = NodeLimits { bytes: limits.stream_bytes, entries: limits.stream_entries };
    let stream = &mut *edit;
    let name = options.message.as_ref().map(|message| message.name(&fields));
    if let (Some(message), Some(name)) = (&options.message, &name)
        && let Some(id) = stream.idempotence().and_then(|k| k.find(message.producer, name, now))
    {
        stream.idempotence_mut(retention).duplicates += 1;
        write_bulk_id(id, out);
        return Ok(());
    }
    let id = next_id(options.id, &stream.summary(), now as u64)?;
    stream.append(id, &fields, limits).map_err(|_| TOO_LARGE)?;
    if let (Some(message), Some(name)) = (&options.message, &name) {
        stream.idempotence_mut(retention).remember(message.producer, name, id, now);
    }
    write_bulk_id(id, out);
    let trimmed = options.trim.map_or(0, |(trim, _)| stream.trim(&trim));
    report_added(&mut edit, args, &options, id, name.as_deref());
    if trimmed > 0 {
        edit.changed_elements(Event::stream("xtrim"), 0);
    }
    Ok(())
}

/// Reports the new entry; what repeats it names the id and how far was trimmed.
fn report_added(
    edit: &mut Edit<'_, Stream>,
    args: &Args<'_>,
    options: &AddOptions<'_>,
    id: Id,
    name: Option<&[u8]>,
) {
    edit.changed(Event::stream("xadd"));
    if !edit.is_heard() {
        return;
    }
    let mut words = Words::default();
    words.push(b"XADD");
    words.push(args.at(1));
    if let Some((trim, _)) = options.trim {
        push_threshold(&mut words, &trim, &edit.summary());
    }
    words.push(&id.text());
    args.from(options.id_at + 1).for_each(|word| words.push(word));
    words.repeat(edit);
    if let (Some(message), Some(name)) = (&options.message, name) {
        edit.changed(Event::SILENT);
        let mut words = Words::default();
        words.push(b"XIDMPRECORD");
        [args.at(1), message.producer, name, &id.text()]
            .into_iter()
            .for_each(|word| words.push(word));
        words.repeat(edit);
    }
}

/// Adds the words that trim exactly as far as was trimmed.
fn push_threshold(words: &mut Words, trim: &Trim, summary: &Summary) {
    match trim.references {
        References::Keep => {}
        References::Remove => words.push(b"DELREF"),
        References::Acknowledged => words.push(b"ACKED"),
    }
    match trim.threshold {
        Threshold::Length(length) => {
            words.push(b"MAXLEN");
            words.push(b"=");
            words.push_number(if trim.is_approximate { summary.length } else { length });
        }
        Threshold::Id(id) => {
            words.push(b"MINID");
            words.push(b"=");
            words.push(&if trim.is_approximate { summary.first } else { id }.text());
        }
    }
}

pub(super) fn xtrim(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (mut reader, mut options) = (args.reader(2), TrimOptions::default());
    while !reader.done() {
        if !options.read(&mut reader)? {
            return Err(CmdError::Syntax);
        }
    }
    let has_threshold = options.threshold.is_some();
    let (trim, _) = match options.finish(&db.tuning) {
        Ok(trim) => trim.ok_or(NO_THRESHOLD)?,
        Err(EXACT_LIMIT) if !has_threshold => return Err(NO_THRESHOLD),
        Err(error) => return Err(error),
    };
    let Some(mut edit) = db.edit::<Stream>(args.key(1))? else {
        out.int(0);
        return Ok(());
    };
    let trimmed = edit.trim(&trim);
    if trimmed > 0 {
        edit.changed_elements(Event::stream("xtrim"), trimmed as usize);
        if edit.is_heard() {
            let mut words = Words::default();
            words.push(b"XTRIM");
            words.push(args.at(1));
            push_threshold(&mut words, &trim, &edit.summary());
            words.repeat(&mut edit);
        }
    }
    out.int(trimmed as i64);
    Ok(())
}
