//! The system's clocks, behind the seam.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::seams::Clock;

/// Reads the kernel's clocks.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    pub fn new() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    fn unix_micros(&self) -> i64 {
        let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_micros() as i64
    }

    fn monotonic_nanos(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
