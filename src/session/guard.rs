//! Keeps a panic in one connection's task from taking the core with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The task panicked; the panic is already logged by the panic hook.
#[derive(Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs `task`; a panic inside it ends only it.
///
/// What the task shares with others are cells whose borrows end with the unwinding; values in them
/// may be half-changed only within the task's own connection or the one key it worked on.
pub async fn survive<T>(task: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut task = pin!(task);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Waker};

    #[test]
    fn a_panic_becomes_a_value() {
        let mut calm = pin!(survive(async { 7 }));
        let mut wild = pin!(survive(async { panic!("expected by the test") }));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(calm.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
        let outcome: Poll<Result<(), Panicked>> = wild.as_mut().poll(&mut context);
        assert_eq!(outcome, Poll::Ready(Err(Panicked)));
    }
}
