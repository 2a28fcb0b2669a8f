//! The dictionary inside a collection: from 64-bit hashes to owned records, few or many.
//!
//! # Problem
//!
//! Sets, hashes and the member index of sorted sets keep their members here once they have
//! outgrown a listpack: by number, then there are hundreds to millions, or by the size of one
//! value, then there may be a single one. The keyspace's table begins with a page; a hash of one
//! long field must not pay for that.
//!
//! # Shape
//!
//! ```text
//! Dict, 16 bytes      0          1..9        10..17     ..  137..273       from 274
//! | pointer | len |   nothing -> 1 bucket -> 2 buckets  ..  32 buckets ->  boxed ds::table
//!                                64 bytes    128 bytes      2048 bytes     pages of 4096 bytes
//! ```
//!
//! A row (`dict/row.rs`) is built from the buckets of the table: fingerprints, overflow counters,
//! 48-bit pointers. It is rebuilt in the next width when it is full, and in the one before when it
//! has shrunk to 40 % of that; at most 273 records move, prefetched together, in 10 us or so. The
//! table then grows a page at a time. So no growth makes anybody wait.
//!
//! # Scanning
//!
//! Cursors are the table's: home bucket, of 59, and prefix. Homes in a row are computed from the
//! same bits of the hash, so they stand in the same order. Claim: while home h is walked, all
//! records that stayed from the first step on and have a home below h have been visited. A step in
//! a row visits whole homes, as many as one bucket covers, and ends with the first one that it has
//! not visited. A step in the table does what its essay says. A cursor in mid-home that meets a
//! row, as the table has shrunk meanwhile, visits that home anew: records are repeated, not missed.
//!
//! Why not one flat table with open addressing and a byte of metadata each: it doubles in one
//! pause. Why not Redis's two tables and a rehash that each operation advances: it costs 8 to 16
//! bytes a bucket, 8 for the chain, and a second lookup while it lasts.
//!
//! Absent: members, values, encodings; and hashing, which is the record's business.

mod row;
#[cfg(test)]
mod tests;

use ahash::AHashSet;

use self::row::{Row, Width};
use super::table::prefetch::prefetch;
use super::table::segment::{BUCKETS, home_among, home_of};
use super::table::walk::{below, cursor_home, cursor_of};
use super::table::{self, Record, Sweep, Table, into_word, update_slot};

/// A sample of more than this share of all records, one in so many, is drawn in one pass over all
/// of them. A smaller one is drawn record by record.
const SAMPLE_SHARE: usize = 4;

/// A dictionary of records by 64-bit hash. See the module's essay.
pub struct Dict<R: Record> {
    form: Form<R>,
}

enum Form<R: Record> {
    Row(Row),
    Table(Box<Table<R>>),
}

/// Where a record lies. Valid until the next `insert`, `remove` or `free_some` of its dictionary;
/// a later use may panic or lead to another record.
#[derive(Clone, Copy, Debug)]
pub struct Position(Place);

#[derive(Clone, Copy, Debug)]
enum Place {
    Row(u8, u8),
    Table(table::Position),
}

// SAFETY: a dictionary owns its buckets and records, and shares nothing; it may go to another
// thread wherever its records may.
unsafe impl<R: Record + Send> Send for Dict<R> {}
// SAFETY: nothing in a shared dictionary changes but what its records change themselves.
unsafe impl<R: Record + Sync> Sync for Dict<R> {}

impl<R: Record> Default for Dict<R> {
    fn default() -> Dict<R> {
        Dict::new()
    }
}

impl<R: Record> Dict<R> {
    /// An empty dictionary, without an allocation.
    pub fn new() -> Dict<R> {
        Dict { form: Form::Row(Row::new(Width::Zero)) }
    }

    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Row(row) => row.len(),
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there is no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes of the dictionary itself, without its records.
    pub fn memory(&self) -> usize {
        match &self.form {
            Form::Row(row) => row.memory(),
            Form::Table(table) => size_of::<Table<R>>() + table.memory(),
        }
    }

    /// The record with this hash that `is_match` accepts.
    #[inline]
    pub fn find<'d>(
        &'d self,
        hash: u64,
        mut is_match: impl FnMut(R::Ref<'d>) -> bool,
    ) -> Option<Position> {
        match &self.form {
            Form::Row(row) => {
                // SAFETY: a row's words are those of records that the dictionary owns.
                let place = row.find(hash, |word| is_match(unsafe { R::borrow(word) }))?;
                Some(in_row(place))
            }
            Form::Table(table) => {
                table.find(hash, is_match).map(|place| Position(Place::Table(place)))
            }
        }
    }

    /// Starts to load the bucket where a search for `hash` begins: first stage of a batch.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        match &self.form {
            Form::Row(row) => {
                let buckets = row.buckets();
                let home = buckets.as_ptr().wrapping_add(home_among(hash, buckets.len()));
                prefetch(home.cast());
            }
            Form::Table(table) => table.prefetch_bucket(hash),
        }
    }

    /// Starts to load the record with `hash` from its home bucket: second stage of a batch, once
    /// the bucket has arrived. The few records of a small dictionary are taken to be near already.
    #[inline]
    pub fn prefetch_record(&self, hash: u64) {
        if let Form::Table(table) = &self.form {
            table.prefetch_record(hash);
        }
    }

    /// The record at a position.
    #[inline]
    pub fn get(&self, position: Position) -> R::Ref<'_> {
        // SAFETY: the word is that of a record which the dictionary owns.
        unsafe { R::borrow(self.word_at(position)) }
    }

    /// Changes the record at a position, which may move in memory meanwhile but keeps its hash.
    pub fn update<T>(&mut self, position: Position, change: impl FnOnce(&mut R) -> T) -> T {
        match (&mut self.form, position.0) {
            (Form::Row(row), Place::Row(bucket, slot)) => {
                let line = &mut row.buckets_mut()[usize::from(bucket)];
                let slot = usize::from(slot);
                assert!(line.is_occupied(slot), "the record at the position was removed");
                // SAFETY: the slot is occupied, and the dictionary owns its record.
                unsafe { update_slot(line, slot, change) }
            }
            (Form::Table(table), Place::Table(place)) => table.update(place, change),
            _ => panic_stale(),
        }
    }

    /// Puts another record of the same hash in place of the one at a position, which it returns.
    pub fn replace(&mut self, position: Position, record: R) -> R {
        self.update(position, |old| std::mem::replace(old, record))
    }

    /// Adds a record under `hash`. The caller knows that no equal record is present.
    pub fn insert(&mut self, hash: u64, record: R) -> Position {
        if let Form::Row(row) = &self.form
            && row.len() == row.width().limit()
        {
            self.widen();
        }
        match &mut self.form {
            Form::Row(row) => in_row(row.place(hash, into_word(record))),
            Form::Table(table) => Position(Place::Table(table.insert(hash, record))),
        }
    }

    /// Takes out the record at a position; `hash` is the one under which it was inserted.
    pub fn remove(&mut self, position: Position, hash: u64) -> R {
        let record = match (&mut self.form, position.0) {
            (Form::Row(row), Place::Row(bucket, slot)) => {
                let (bucket, slot) = (usize::from(bucket), usize::from(slot));
                let is_occupied = row.buckets()[bucket].is_occupied(slot);
                assert!(is_occupied, "the record at the position was removed");
                let word = row.take(hash, bucket, slot);
                // SAFETY: the slot is vacant now, so the word's ownership passes to here.
                unsafe { R::from_word(word) }
            }
            (Form::Table(table), Place::Table(place)) => table.remove(place, hash),
            _ => panic_stale(),
        };
        self.narrow();
        record
    }

    /// One step of a scan: visits a few records and returns the cursor of the next step, zero after
    /// the last one. A scan starts with zero. Records that are present during the whole scan are
    /// visited at least once, whatever happens between steps, and exactly once if nothing does.
    /// Cursors are below 2^48; one that was never handed out may end the scan.
    pub fn scan<'d>(&'d self, cursor: u64, mut visit: impl FnMut(R::Ref<'d>)) -> u64 {
        match &self.form {
            Form::Row(row) => {
                let home = cursor_home(cursor);
                if home >= BUCKETS {
                    return 0;
                }
                // SAFETY: a row's words are those of records that the dictionary owns.
                let record = |word| unsafe { R::borrow(word) };
                let home_of = |word| home_of(R::hash(record(word)));
                cursor_of(row.scan(home, home_of, |word| visit(record(word))))
            }
            Form::Table(table) => table.scan(cursor, visit),
        }
    }

    /// Visits some of the records whose hash is at least `first` and returns the hash with which
    /// the rest begins; `None` at the end. See [`Table::walk_from`].
    pub fn walk_from<'d>(&'d self, first: u64, mut visit: impl FnMut(R::Ref<'d>)) -> Option<u64> {
        match &self.form {
            Form::Row(row) => {
                // SAFETY: a row's words are those of records that the dictionary owns.
                let records = row.words().map(|word| unsafe { R::borrow(word) });
                records.filter(|record| first == 0 || R::hash(*record) >= first).for_each(visit);
                None
            }
            Form::Table(table) => table.walk_from(first, &mut visit),
        }
    }

    /// Goes through the records whose hash is at least `first`, in the order of hashes, until the
    /// weights that `visit` returns come to about `budget`. Returns the hash with which the rest
    /// begins; `None` at the end.
    pub fn walk_some<'d>(
        &'d self,
        mut first: u64,
        budget: usize,
        mut visit: impl FnMut(R::Ref<'d>) -> usize,
    ) -> Option<u64> {
        let mut spent = 0usize;
        loop {
            first = self.walk_from(first, |record| spent = spent.saturating_add(visit(record)))?;
            if spent >= budget {
                return Some(first);
            }
        }
    }

    /// All records, in no order.
    pub fn iter<'d>(&'d self) -> impl Iterator<Item = R::Ref<'d>> + 'd
    where
        R: 'd,
    {
        let (row, table) = match &self.form {
            Form::Row(row) => (Some(row), None),
            Form::Table(table) => (None, Some(table)),
        };
        // SAFETY: a row's words are those of records that the dictionary owns.
        let in_row =
            row.into_iter().flat_map(|row| row.words().map(|word| unsafe { R::borrow(word) }));
        in_row.chain(table.into_iter().flat_map(|table| table.iter()))
    }

    /// A record chosen uniformly. `random` must yield uniform words.
    pub fn random(&self, random: &mut impl FnMut() -> u64) -> Option<Position> {
        match &self.form {
            Form::Row(row) => row.nth(below(random(), row.len())).map(in_row),
            Form::Table(table) => table.random(random).map(|place| Position(Place::Table(place))),
        }
    }

    /// Visits `count` different records, or all if there are no more; every choice of so many is
    /// equally likely, but not every order. Takes time in proportion to `count`, and memory for
    /// `count` words.
    pub fn sample<'d>(
        &'d self,
        count: usize,
        random: &mut impl FnMut() -> u64,
        mut visit: impl FnMut(R::Ref<'d>),
    ) {
        if count > self.len() / SAMPLE_SHARE {
            return self.select(count, random, visit);
        }
        let mut seen = AHashSet::with_capacity(count);
        while seen.len() < count
            && let Some(position) = self.random(random)
        {
            if seen.insert(self.word_at(position)) {
                visit(self.get(position));
            }
        }
    }

    /// Drops up to `max_records` records, those of a row all at once, and says whether all are
    /// gone.
    pub fn free_some(&mut self, max_records: usize) -> bool {
        let Form::Table(table) = &mut self.form else {
            *self = Dict::new();
            return true;
        };
        let mut left = max_records;
        let mut judge = |_: R::Ref<'_>| {
            let goes = left > 0;
            left = left.saturating_sub(1);
            if goes { Sweep::Remove } else { Sweep::Keep(u64::MAX) }
        };
        let target = table.len().saturating_sub(max_records);
        while table.len() > target {
            table.sweep_segment(table.segment_count() - 1, &mut judge, drop);
        }
        if table.is_empty() {
            *self = Dict::new();
        }
        self.is_empty()
    }

    /// Selection sampling (Knuth, TAOCP volume 2, algorithm 3.4.2 S): one pass, in which a record
    /// is taken with the share of those still wanted among those still to come.
    fn select<'d>(
        &'d self,
        count: usize,
        random: &mut impl FnMut() -> u64,
        mut visit: impl FnMut(R::Ref<'d>),
    ) {
        let mut wanted = count.min(self.len());
        for (index, record) in self.iter().enumerate() {
            if wanted == 0 {
                return;
            }
            if below(random(), self.len() - index) < wanted {
                wanted -= 1;
                visit(record);
            }
        }
    }

    fn word_at(&self, position: Position) -> u64 {
        match (&self.form, position.0) {
            (Form::Row(row), Place::Row(bucket, slot)) => {
                let line = &row.buckets()[usize::from(bucket)];
                let slot = usize::from(slot);
                assert!(line.is_occupied(slot), "the record at the position was removed");
                line.word(slot)
            }
            (Form::Table(table), Place::Table(place)) => table.word_at(place),
            _ => panic_stale(),
        }
    }

    /// Makes room in a full row.
    #[cold]
    fn widen(&mut self) {
        let Form::Row(row) = &self.form else { return };
        match row.width().wider() {
            Some(width) => self.form = Form::Row(moved::<R>(row, width)),
            None => {
                let mut table = Box::new(Table::new());
                row.words().for_each(|word| prefetch(word as *const u8));
                for word in row.words() {
                    // SAFETY: the row's words own their records. From here on the table does: the
                    // row frees its buckets only.
                    let record = unsafe { R::from_word(word) };
                    // SAFETY: as above; the record is not dropped in between.
                    table.insert(R::hash(unsafe { R::borrow(word) }), record);
                }
                self.form = Form::Table(table);
            }
        }
    }

    /// Takes a smaller form if there is far too much room.
    #[inline]
    fn narrow(&mut self) {
        let (width, narrower) = match &self.form {
            Form::Row(row) => (row.width(), row.width().narrower()),
            Form::Table(_) => (Width::Zero, Width::ThirtyTwo),
        };
        if width != narrower && self.len() <= narrower.low_mark() {
            self.narrow_to(narrower);
        }
    }

    #[cold]
    fn narrow_to(&mut self, width: Width) {
        match &mut self.form {
            Form::Row(row) => self.form = Form::Row(moved::<R>(row, width)),
            Form::Table(table) => {
                let mut row = Row::new(width);
                while !table.is_empty() {
                    table.sweep_segment(
                        table.segment_count() - 1,
                        |_| Sweep::Remove,
                        |record| {
                            let word = into_word(record);
                            // SAFETY: the word owns a record, which the row takes over.
                            row.place(R::hash(unsafe { R::borrow(word) }), word);
                        },
                    );
                }
                self.form = Form::Row(row);
            }
        }
    }
}

impl<R: Record> Drop for Dict<R> {
    fn drop(&mut self) {
        if let Form::Row(row) = &self.form {
            row.words().for_each(|word| prefetch(word as *const u8));
            for word in row.words() {
                // SAFETY: the dictionary owns its row's records, and the row's words are not used
                // again.
                drop(unsafe { R::from_word(word) });
            }
        }
    }
}

/// A row of another width with the same words. The old one must be dropped without its records.
fn moved<R: Record>(old: &Row, width: Width) -> Row {
    old.words().for_each(|word| prefetch(word as *const u8));
    let mut row = Row::new(width);
    for word in old.words() {
        // SAFETY: a row's words are those of records that the dictionary owns.
        row.place(R::hash(unsafe { R::borrow(word) }), word);
    }
    row
}

fn in_row((bucket, slot): (usize, usize)) -> Position {
    Position(Place::Row(bucket as u8, slot as u8))
}

#[cold]
fn panic_stale() -> ! {
    panic!("the dictionary has changed since the position was found")
}
