//! The core's io_uring: set-up, the receive buffers that the kernel fills, and the one place where
//! a core sleeps.
//!
//! Invariant: the ring is used by the thread that made it (SINGLE_ISSUER), and completions are only
//! produced while that thread is inside the kernel for this ring (DEFER_TASKRUN). So nothing here
//! is shared and nothing interrupts a running command.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue, squeue, types};

use crate::base::seams::Buffers;
use crate::limits::{DIRECT_SOCKETS, LENT_MAX, RECEIVE_BUFFER_SIZE, RECEIVE_BUFFERS};

const SUBMISSIONS: u32 = 4096;
const COMPLETIONS: u32 = 16384;
/// The buffer group of the receive buffers.
pub const BUFFER_GROUP: u16 = 0;

/// What the kernel's ring can do beyond the floor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Features {
    /// The ring's descriptor is registered, so entering it skips a lookup (5.18).
    pub registered: bool,
    /// Sockets are registered, so operations on them skip a lookup (5.19).
    pub direct: bool,
    /// One completion may cover several receive buffers (6.10).
    pub bundles: bool,
    /// Waiting can collect completions for a minimum time (6.12).
    pub minimum_wait: bool,
}

impl std::fmt::Display for Features {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names = vec!["single-issuer", "defer-taskrun", "multishot", "buffer-ring"];
        for (found, name) in [
            (self.registered, "registered-ring"),
            (self.direct, "direct-sockets"),
            (self.bundles, "bundles"),
            (self.minimum_wait, "minimum-wait"),
        ] {
            if found {
                names.push(name);
            }
        }
        f.write_str(&names.join(","))
    }
}

/// A ring with operations waiting to be submitted.
pub struct Ring {
    uring: IoUring,
    /// Operations that did not fit into the submission queue.
    backlog: Vec<squeue::Entry>,
    /// What to enter: the ring's descriptor, or its number among the registered ones.
    handle: i32,
    /// Goes with `handle`.
    enter_flags: u32,
    pub features: Features,
}

/// Flags of io_uring_enter, see io_uring_enter(2).
const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
const ENTER_NO_IOWAIT: u32 = 1 << 7;

impl Ring {
    /// Makes the ring of this thread.
    pub fn new() -> io::Result<Ring> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let registered = register(&uring);
        let features = Features {
            registered: registered.is_some(),
            direct: uring.submitter().register_files_sparse(DIRECT_SOCKETS).is_ok(),
            bundles: uring.params().is_feature_recvsend_bundle(),
            minimum_wait: uring.params().is_feature_min_timeout(),
        };
        let mut enter_flags = ENTER_GETEVENTS;
        if registered.is_some() {
            enter_flags |= ENTER_REGISTERED_RING;
        }
        // Sleeping here is no waiting for a disk, which the kernel would keep books on.
        if uring.params().is_feature_no_iowait() {
            enter_flags |= ENTER_NO_IOWAIT;
        }
        let handle = registered.unwrap_or(uring.as_raw_fd());
        Ok(Ring { uring, backlog: Vec::new(), handle, enter_flags, features })
    }

    /// Registers a socket under `number`, if the kernel can and there is room; says whether
    /// operations may name it so. It must be withdrawn before the number is used again.
    pub fn install(&self, number: u32, socket: RawFd) -> bool {
        self.features.direct
            && number < DIRECT_SOCKETS
            && self.uring.submitter().register_files_update(number, &[socket]).is_ok()
    }

    /// Takes back what [`Ring::install`] did. Operations under way keep the socket themselves.
    pub fn withdraw(&self, number: u32) {
        let withdrawn = self.uring.submitter().register_files_update(number, &[-1]);
        debug_assert!(withdrawn.is_ok(), "an installed number is in range");
    }

    /// The descriptor that other rings send messages to.
    pub fn fd(&self) -> RawFd {
        self.uring.as_raw_fd()
    }

    /// Queues an operation for the next submit.
    ///
    /// The memory and descriptors it names must stay valid until its last completion; every caller
    /// in `net.rs` keeps them in the socket's slot, which is not reused before that.
    #[inline]
    pub fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: the operation's memory outlives it, by the contract above.
        if !self.backlog.is_empty() || unsafe { self.uring.submission().push(&entry) }.is_err() {
            self.backlog.push(entry);
        }
    }

    /// Submits what is queued without waiting, and lets deferred completions appear.
    pub fn submit(&mut self) -> io::Result<()> {
        self.enter(0)
    }

    /// Submits what is queued and sleeps until a completion arrives; if `want` is more than one,
    /// until so many have arrived or the first has waited for others for `window_us` microseconds.
    ///
    /// Otherwise there is no limit of time: a timer that the kernel sets up for each sleep costs as
    /// much as a small send, so the driver keeps one timeout operation in the ring instead.
    pub fn submit_and_sleep(&mut self, want: u32, window_us: u32) -> io::Result<()> {
        if want == 1 || !self.features.minimum_wait {
            return self.enter(1);
        }
        self.submit_backlog()?;
        // Without an end of the whole wait the kernel would take the minimum for the end.
        let day = types::Timespec::new().sec(24 * 60 * 60);
        let limits = types::SubmitArgs::new().timespec(&day).min_wait_usec(window_us);
        settled(self.call(want, ENTER_EXT_ARG, &raw const limits as usize, size_of_val(&limits)))
    }

    /// True if the kernel has seen every operation that was queued before the last submit and
    /// nothing was queued since.
    pub fn is_all_submitted(&mut self) -> bool {
        self.backlog.is_empty() && self.uring.submission().is_empty()
    }

    fn enter(&mut self, want: u32) -> io::Result<()> {
        self.submit_backlog()?;
        settled(self.call(want, 0, 0, 0))
    }

    /// Moves what had no room into the submission queue, submitting what fills it.
    fn submit_backlog(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            settled(self.call(0, 0, 0, 0))?;
            let mut queue = self.uring.submission();
            let room = queue.capacity() - queue.len();
            if room == 0 {
                break;
            }
            for entry in self.backlog.drain(..room.min(self.backlog.len())) {
                // SAFETY: as in `push`; there is room.
                unsafe { queue.push(&entry) }.expect("there is room");
            }
        }
        Ok(())
    }

    /// Submits and waits for `want` completions. A plain submit would not run deferred work; asking
    /// for events, even none, does. `argument`, if it is not 0, is the address of so many bytes.
    fn call(&mut self, want: u32, flags: u32, argument: usize, len: usize) -> io::Result<()> {
        let pending = self.uring.submission().len() as u32;
        let (handle, flags) = (self.handle, self.enter_flags | flags);
        // SAFETY: the argument outlives the call; what the queue's entries refer to stays valid by
        // the contract of `push`.
        let entered = unsafe {
            libc::syscall(libc::SYS_io_uring_enter, handle, pending, want, flags, argument, len)
        };
        if entered < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// True if completions wait to be taken.
    pub fn has_completions(&mut self) -> bool {
        !self.uring.completion().is_empty()
    }

    /// Moves the completions that are there into `into`.
    #[inline]
    pub fn completions(&mut self, into: &mut Vec<cqueue::Entry>) {
        into.extend(self.uring.completion());
    }

    /// Registers the receive buffers.
    pub fn provide_buffers(&self) -> io::Result<Rc<BufferRing>> {
        let buffers = BufferRing::map()?;
        // SAFETY: the mapping lives as long as the ring: the driver owns both and drops the ring
        // first.
        unsafe {
            self.uring.submitter().register_buf_ring_with_flags(
                buffers.entries.as_ptr() as u64,
                RECEIVE_BUFFERS,
                BUFFER_GROUP,
                0,
            )?;
        }
        buffers.publish();
        Ok(Rc::new(buffers))
    }
}

/// Registers the ring's own descriptor for this thread; its number, if the kernel can.
fn register(uring: &IoUring) -> Option<i32> {
    const REGISTER_RING_FDS: libc::c_uint = 20;
    /// `struct io_uring_rsrc_update`.
    #[repr(C)]
    struct Update {
        offset: u32,
        reserved: u32,
        data: u64,
    }
    let fd = uring.as_raw_fd();
    let mut update = Update { offset: u32::MAX, reserved: 0, data: fd as u64 };
    // SAFETY: the kernel reads and writes one update, which outlives the call.
    let registered = unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, &raw mut update, 1)
    };
    (registered == 1).then_some(update.offset as i32)
}

/// What remains of a result when it is clear what to do: come again.
fn settled(entered: io::Result<()>) -> io::Result<()> {
    match entered {
        Err(error) if !is_transient(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Interrupted, or the completion queue wants to be emptied first: come again.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN))
}

/// The buffers that the kernel fills on multishot receive, and the ring in which it finds the free
/// ones.
///
/// The kernel takes buffers in the order in which it got them, so giving it all would send every
/// receive through memory that has left the cache. It gets only as many as it needed at once so
/// far; the others wait on a stack, the most recently used on top.
pub struct BufferRing {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: Cell<u16>,
    /// Free buffers that the kernel does not have.
    returned: RefCell<Vec<u16>>,
    /// Buffers that the kernel has.
    offered: Cell<u16>,
    /// How many it should have.
    wanted: Cell<u16>,
    starving: Cell<bool>,
}

/// How many buffers the kernel gets before it asked for more.
const OFFERED_FIRST: u16 = LENT_MAX as u16;

const ENTRIES_LEN: usize = RECEIVE_BUFFERS as usize * size_of::<BufRingEntry>();
/// From one buffer to the next. Were it a multiple of a page, the beginnings of all buffers would
/// compete for the same few lines of the first-level cache.
const STRIDE: usize = RECEIVE_BUFFER_SIZE + 3 * 64;
const MEMORY_LEN: usize = RECEIVE_BUFFERS as usize * STRIDE;

fn map(len: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: an anonymous private mapping at an address of the kernel's choice.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_ANONYMOUS | libc::MAP_PRIVATE,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(NonNull::new(address.cast()).expect("a mapping is not at address 0"))
}

impl BufferRing {
    fn map() -> io::Result<BufferRing> {
        let entries = map(ENTRIES_LEN)?.cast();
        Ok(BufferRing {
            entries,
            memory: map(MEMORY_LEN)?,
            tail: Cell::new(0),
            returned: RefCell::new((0..RECEIVE_BUFFERS).rev().collect()),
            offered: Cell::new(0),
            wanted: Cell::new(OFFERED_FIRST),
            starving: Cell::new(false),
        })
    }

    /// Hands free buffers to the kernel, as many as it should have. True if it had run out before.
    #[inline]
    pub fn publish(&self) -> bool {
        if self.offered.get() >= self.wanted.get() {
            return false;
        }
        self.offer()
    }

    fn offer(&self) -> bool {
        let mut returned = self.returned.borrow_mut();
        let mut tail = self.tail.get();
        let mut offered = self.offered.get();
        while offered < self.wanted.get()
            && let Some(id) = returned.pop()
        {
            offered += 1;
            let place = (tail & (RECEIVE_BUFFERS - 1)) as usize;
            // SAFETY: `place` is below the number of entries; the kernel reads entries only below
            // the published tail.
            unsafe {
                let entry = &mut *self.entries.as_ptr().add(place);
                let address = self.memory.as_ptr().add(id as usize * STRIDE);
                entry.set_addr(address as u64);
                entry.set_len(RECEIVE_BUFFER_SIZE as u32);
                entry.set_bid(id);
            }
            tail = tail.wrapping_add(1);
        }
        if tail == self.tail.get() {
            return false;
        }
        self.offered.set(offered);
        self.tail.set(tail);
        // SAFETY: the tail lies in the first entry, is aligned for u16, and the kernel only reads
        // it.
        unsafe {
            let shared = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*shared).store(tail, Ordering::Release);
        }
        self.starving.replace(false)
    }

    /// The kernel has filled a buffer.
    #[inline]
    pub fn taken(&self) {
        self.offered.set(self.offered.get() - 1);
    }

    /// The kernel found no buffer: from now on it gets more of them, unless it has as many as so
    /// many connections may hold.
    pub fn ran_out(&self, connections: usize) {
        self.starving.set(true);
        if usize::from(self.wanted.get()) < LENT_MAX * connections {
            self.wanted.set((self.wanted.get() * 2).min(RECEIVE_BUFFERS));
        }
    }
}

impl Buffers for BufferRing {
    #[inline]
    fn bytes(&self, id: u16, start: usize, end: usize) -> &[u8] {
        assert!(id < RECEIVE_BUFFERS && start <= end && end <= RECEIVE_BUFFER_SIZE);
        let at = id as usize * STRIDE + start;
        // SAFETY: inside the mapping; a lent buffer is not written by the kernel until it is given
        // back.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(at), end - start) }
    }

    #[inline]
    fn give_back(&self, id: u16) {
        self.returned.borrow_mut().push(id);
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: both mappings are ours and nothing refers to them any more: chunks hold the ring
        // alive.
        unsafe {
            libc::munmap(self.entries.as_ptr().cast(), ENTRIES_LEN);
            libc::munmap(self.memory.as_ptr().cast(), MEMORY_LEN);
        }
    }
}
