//! Starting and stopping the cores: one thread, one executor and one driver each.
//!
//! Invariant: every socket is bound before the first core starts, so a port that is taken leaves
//! nothing half-started. Signals are handled by the thread that started the cores; they are blocked
//! in all others.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement, PoolPlacement};

use super::clock::SystemClock;
use super::cores::{Driver, Process, thread_name};
use super::listen::{self, Listening, remove_socket_file};
use super::mesh::{Beacon, mesh};
use super::preflight::{self, Refusal};
use crate::config::{Apply, Config};
use crate::session::core::{Core, Identity, OnChange};
use crate::shard::message::CoreId;

/// Ring entries of glommio's own rings, which carry only file work.
const GLOMMIO_RING_DEPTH: usize = 256;
/// Memory that glommio registers for direct file access.
const GLOMMIO_IO_MEMORY: usize = 64 << 10;

/// The running cores.
pub struct Cores {
    threads: Vec<ExecutorJoinHandle<io::Result<()>>>,
    process: Arc<Process>,
    beacons: Arc<[Beacon]>,
    unix_path: Option<std::path::PathBuf>,
}

/// Starts one core per entry of `cpus`; returns when all of them accept connections.
pub fn start(
    config: &Arc<Config>,
    identity: &Arc<Identity>,
    cpus: &[usize],
    listening: Listening,
) -> Result<Cores, Refusal> {
    block_signals();
    let (ends, beacons) = mesh(cpus.len());
    let process = Arc::new(Process::default());
    process.serving.store(cpus.len(), Ordering::Release);
    let mut cores = Cores {
        threads: Vec::new(),
        process: Arc::clone(&process),
        beacons,
        unix_path: listening.unix_path,
    };
    let work = ends.into_iter().zip(listening.per_core).zip(cpus).enumerate();
    for (number, ((end, sockets), cpu)) in work {
        let me = CoreId(number as u16);
        let (config, identity, process) =
            (Arc::clone(config), Arc::clone(identity), Arc::clone(&process));
        let seed = ahash::RandomState::new().hash_one(number);
        let body = move || async move {
            let core = Rc::new(Core::new(me, identity, config, Box::new(SystemClock::new()), seed));
            let _ = core.on_change.set(on_change(Rc::downgrade(&core)));
            Driver::new(core, process, end, sockets)?.run().await
        };
        let thread = LocalExecutorBuilder::new(Placement::Fixed(*cpu))
            .name(&thread_name(me))
            .io_memory(GLOMMIO_IO_MEMORY)
            .ring_depth(GLOMMIO_RING_DEPTH)
            .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
            .spawn(body)
            .map_err(|error| Refusal(format!("cannot start core {number}: {error}")))?;
        cores.threads.push(thread);
    }
    cores.await_ready(cpus.len())
}

/// Tries out changed settings that need something of the machine.
fn on_change(core: Weak<Core>) -> OnChange {
    Box::new(move |hook, new| {
        let Some(core) = core.upgrade() else { return Ok(()) };
        match hook {
            Apply::Port => listen::is_free(new, &core.config()).map_err(|Refusal(reason)| {
                tracing::warn!("CONFIG SET port: {reason}");
                "Unable to listen on this port. Check server logs.".to_owned()
            }),
            Apply::Bind => listen::is_free(new, &core.config()).map_err(|Refusal(reason)| {
                tracing::warn!("CONFIG SET bind: {reason}");
                "Failed to bind to specified addresses.".to_owned()
            }),
            Apply::MaxClients => preflight::fit_clients(new.maxclients, core.identity.cores)
                .map_err(|fits| {
                    format!(
                        "The operating system is not able to handle the specified number of \
                         clients, try with {fits}"
                    )
                }),
            _ => Ok(()),
        }
    })
}

impl Cores {
    fn await_ready(self, count: usize) -> Result<Cores, Refusal> {
        while self.process.ready.load(Ordering::Acquire) < count {
            if self.process.failed.load(Ordering::Acquire) {
                return Err(Refusal("a core could not start; the log says why".to_owned()));
            }
            std::thread::park_timeout(Duration::from_micros(200));
        }
        Ok(self)
    }

    /// Waits until a signal or SHUTDOWN ends the server, then for all cores to finish.
    pub fn wait(self) -> io::Result<()> {
        wait_for_stop(&self.process);
        self.process.stopping.store(true, Ordering::Release);
        for beacon in self.beacons.iter() {
            beacon.wake();
        }
        for thread in self.threads {
            thread.join().map_err(|error| io::Error::other(error.to_string()))??;
        }
        if let Some(path) = &self.unix_path {
            remove_socket_file(path);
        }
        Ok(())
    }
}

fn stop_signals() -> libc::sigset_t {
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGINT);
        set
    }
}

/// Blocks the stop signals in this thread and those it starts, so that only [`wait_for_stop`] sees
/// them.
fn block_signals() {
    // SAFETY: plain system calls on an initialised set.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &stop_signals(), std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

fn wait_for_stop(process: &Process) {
    let period = libc::timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    loop {
        // SAFETY: the set and the period are initialised; no information is asked for.
        let signal = unsafe { libc::sigtimedwait(&stop_signals(), std::ptr::null_mut(), &period) };
        if signal > 0 {
            tracing::warn!(signal, "received a signal, shutting down");
            return;
        }
        if process.stopping.load(Ordering::Acquire) {
            return;
        }
    }
}

impl Beacon {
    /// Wakes the core from a thread that has no ring.
    pub fn wake(&self) {
        let fd = self.event.load(Ordering::Acquire);
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes of ours are written to an eventfd; a closed one only makes it fail.
        unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}
