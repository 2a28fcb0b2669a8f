//! Keys that stay as they are while a command works on them over several turns.
//!
//! Invariant: what is pinned is changed by nobody but writes, which claims keep away.

use super::db::Db;

impl Db {
    /// Keeps keys with this hash, and what is in them, as they are but for writes, until
    /// [`Db::unpin`]: they do not expire and are not evicted.
    pub fn pin(&mut self, hash: u64) {
        self.pinned.push(hash);
    }

    /// Ends what one [`Db::pin`] began.
    pub fn unpin(&mut self, hash: u64) {
        if let Some(at) = self.pinned.iter().position(|pinned| *pinned == hash) {
            self.pinned.swap_remove(at);
        }
    }

    /// True if keys with this hash are pinned.
    #[inline]
    pub fn is_pinned(&self, hash: u64) -> bool {
        self.pinned.contains(&hash)
    }
}
