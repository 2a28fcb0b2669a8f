//! Handing file work to glommio while the core sleeps in its own ring.
//!
//! glommio completes file operations only when its reactor is polled, which the driver's loop does
//! not do. So the driver must know when such work is in flight: every use of glommio's files goes
//! through [`FileWork::run`], and while something runs the driver gives the reactor a turn at least
//! every [`REACTOR_PERIOD`].

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::base::seams::{BlockingWork, Offload};

/// How long file work may be held up when the core is otherwise idle.
pub const REACTOR_PERIOD: Duration = Duration::from_micros(50);

/// Counts the file operations in flight on this core.
#[derive(Clone, Default)]
pub struct FileWork {
    in_flight: Rc<Cell<usize>>,
}

struct Running<'a>(&'a Cell<usize>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl FileWork {
    /// Runs a future that awaits glommio's files or timers.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.in_flight.set(self.in_flight.get() + 1);
        let _running = Running(&self.in_flight);
        work.await
    }

    /// True while something is in flight.
    #[inline]
    pub fn busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Gives glommio's reactor a turn: returns through a real timer, since a yield would not reach
    /// it.
    pub async fn poll_reactor(&self) {
        glommio::timer::Timer::new(REACTOR_PERIOD).await;
    }
}

impl Offload for FileWork {
    fn run(&self, work: BlockingWork) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(FileWork::run(self, async {
            // A panic would take glommio's pool with it. The panic hook has logged it.
            let guarded = move || catch_unwind(AssertUnwindSafe(work)).is_ok();
            glommio::executor().spawn_blocking(guarded).await;
        }))
    }
}
