//! How much memory the process has allocated, counted by the allocator itself.
//!
//! Every thread adds to a cell of its own, on cache lines of its own, so counting costs two plain
//! instructions and never a contended write; whoever asks adds the cells up. A thread that frees
//! what another allocated makes its own cell negative, and the sum stays right.
//!
//! Invariant: the sum of all cells is the number of bytes requested and not yet freed.
//! Absent: what the allocator adds for alignment and its own books. The resident size shows that.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// Threads with a cell of their own; those that come later share the last one.
const CELLS: usize = 512;
const SHARED: usize = CELLS - 1;
const UNASSIGNED: usize = usize::MAX;

/// Bytes that one thread allocated less what it freed. Two lines, because the prefetcher takes
/// pairs.
#[repr(align(128))]
struct Balance(AtomicIsize);

static BALANCES: [Balance; CELLS] = [const { Balance(AtomicIsize::new(0)) }; CELLS];
static THREADS: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Constant and without a destructor: reading it neither allocates nor fails at a thread's end.
    static CELL: Cell<usize> = const { Cell::new(UNASSIGNED) };
}

/// An allocator that counts for [`used`] what `A` hands out.
pub struct Counting<A>(pub A);

#[inline]
fn count(change: isize) {
    let cell = CELL.with(|cell| match cell.get() {
        UNASSIGNED => assign(cell),
        index => index,
    });
    let balance = &BALANCES[cell].0;
    if cell == SHARED {
        balance.fetch_add(change, Ordering::Relaxed);
    } else {
        // Only this thread writes here, so there is nothing to lose between the load and the store.
        let before = balance.load(Ordering::Relaxed);
        balance.store(before.wrapping_add(change), Ordering::Relaxed);
    }
}

#[cold]
fn assign(cell: &Cell<usize>) -> usize {
    let index = THREADS.fetch_add(1, Ordering::Relaxed).min(SHARED);
    cell.set(index);
    index
}

// SAFETY: every call goes to `A` unchanged, which is an allocator; counting touches no memory that
// `A` manages, does not allocate and does not unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    // SAFETY: the contract is the one of `A`, to which every argument goes unchanged.
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        let pointer = unsafe { self.0.alloc(layout) };
        if !pointer.is_null() {
            count(layout.size() as isize);
        }
        pointer
    }

    // SAFETY: the contract is the one of `A`, to which every argument goes unchanged.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        let pointer = unsafe { self.0.alloc_zeroed(layout) };
        if !pointer.is_null() {
            count(layout.size() as isize);
        }
        pointer
    }

    // SAFETY: the contract is the one of `A`, to which every argument goes unchanged.
    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    // SAFETY: the contract is the one of `A`, to which every argument goes unchanged.
    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        let moved = unsafe { self.0.realloc(pointer, layout, size) };
        if !moved.is_null() {
            count(size as isize - layout.size() as isize);
        }
        moved
    }
}

/// The block size that mimalloc uses for `size` bytes, built with an alignment of 8 (see
/// `.cargo/config.toml`): multiples of 8 up to 64, above that four steps for each power of two.
#[inline]
pub fn block_size(size: usize) -> usize {
    if size <= 64 {
        return size.next_multiple_of(8);
    }
    let top_bit = (size - 1).ilog2();
    size.next_multiple_of(1 << (top_bit - 2))
}

/// Makes mimalloc give back to the system what this thread has no use for (MEMORY PURGE). Takes
/// longer the more there is; without effect where it is not the global allocator.
pub fn give_back() {
    // SAFETY: it may be called at any time, and touches only what nobody has allocated.
    #[cfg(not(miri))]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

/// Bytes allocated by the whole process; 0 where [`Counting`] is not the global allocator. Reads
/// one cache line per thread.
pub fn used() -> usize {
    let cells = THREADS.load(Ordering::Relaxed).min(CELLS);
    let sum: isize = BALANCES[..cells].iter().map(|cell| cell.0.load(Ordering::Relaxed)).sum();
    // Another thread's allocation may be missed while its release is seen.
    sum.max(0) as usize
}

/// The largest amount that a call of this function has seen, the present one included. Whoever
/// wants a good peak samples often.
pub fn sample_peak() -> usize {
    let now = used();
    PEAK.fetch_max(now, Ordering::Relaxed).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;

    static COUNTED: Counting<System> = Counting(System);

    fn balance() -> isize {
        BALANCES[CELL.with(Cell::get)].0.load(Ordering::Relaxed)
    }

    #[test]
    fn what_is_taken_and_given_back_balances() {
        let layout = Layout::from_size_align(1000, 8).expect("a valid layout");
        // SAFETY: the layout has a size; each pointer is freed once, with its last layout.
        unsafe {
            let first = COUNTED.alloc(layout);
            let start = balance() - 1000;
            let zeroed = COUNTED.alloc_zeroed(layout);
            assert_eq!(balance(), start + 2000);
            assert!(used() >= 2000 && sample_peak() >= 2000);
            let moved = COUNTED.realloc(first, layout, 3000);
            assert_eq!(balance(), start + 4000);
            let larger = Layout::from_size_align(3000, 8).expect("a valid layout");
            COUNTED.dealloc(moved, larger);
            COUNTED.dealloc(zeroed, layout);
            assert_eq!(balance(), start);
        }
    }

    #[test]
    fn block_sizes_are_the_allocators() {
        let expected = [
            (1, 8),
            (16, 16),
            (17, 24),
            (64, 64),
            (65, 80),
            (112, 112),
            (113, 128),
            (129, 160),
            (1000, 1024),
            (1025, 1280),
            (16384, 16384),
            (16385, 20480),
        ];
        for (size, block) in expected {
            assert_eq!(block_size(size), block);
        }
        let most = if cfg!(miri) { 3000 } else { 100_000 };
        assert!((1..most).all(
            |size| block_size(size) >= size && block_size(block_size(size)) == block_size(size)
        ));
    }
}
