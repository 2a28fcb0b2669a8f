//! Starting and stopping the cores: one thread, one executor and one driver each.
//!
//! Invariant: every socket is bound before the first core starts, so a port that is taken leaves
//! nothing half-started. Signals are handled by the thread that started the cores; they are blocked
//! in all others.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement, PoolPlacement};
use socket2::{Domain, SockAddr, Socket, Type};

use super::clock::SystemClock;
use super::cores::{Driver, Process, thread_name};
use super::mesh::{Beacon, mesh};
use super::net::listen_tcp;
use super::preflight::Refusal;
use crate::config::Config;
use crate::session::core::{Core, Identity};
use crate::shard::message::CoreId;

/// Ring entries of glommio's own rings, which carry only file work.
const GLOMMIO_RING_DEPTH: usize = 256;
/// Memory that glommio registers for direct file access.
const GLOMMIO_IO_MEMORY: usize = 64 << 10;

/// The listening sockets of each core.
pub struct Listening {
    per_core: Vec<Vec<Socket>>,
    /// Addresses that are listened on, for the log.
    pub addresses: Vec<String>,
    unix_path: Option<std::path::PathBuf>,
}

/// Opens all listening sockets that the configuration asks for.
pub fn listen(config: &Config, cores: usize) -> Result<Listening, Refusal> {
    let mut listening = Listening {
        per_core: (0..cores).map(|_| Vec::new()).collect(),
        addresses: Vec::new(),
        unix_path: None,
    };
    if config.port != 0 {
        let backlog = config.tcp_backlog as i32;
        for address in &config.bind {
            listen_on(&mut listening, address, config.port, backlog, 0..cores)?;
        }
        if config.core_ports {
            for core in 0..cores {
                let port = core_port(config.port, core)?;
                for address in &config.bind {
                    listen_on(&mut listening, address, port, backlog, core..core + 1)?;
                }
            }
        }
        if listening.addresses.is_empty() {
            return Err(Refusal("no address of 'bind' could be listened on".to_owned()));
        }
    }
    if let Some(path) = &config.unixsocket {
        listen_unix(&mut listening, path, config)?;
    }
    if listening.addresses.is_empty() {
        return Err(Refusal(
            "configured to not listen anywhere: set port or unixsocket".to_owned(),
        ));
    }
    Ok(listening)
}

/// The port that `core` has for itself.
fn core_port(base: u16, core: usize) -> Result<u16, Refusal> {
    let port = u16::try_from(usize::from(base) + 1 + core);
    port.map_err(|_| Refusal(format!("core-ports: there is no port {base} + 1 + {core}")))
}

/// Listens on `port` of `address`, on the sockets of `cores`.
fn listen_on(
    listening: &mut Listening,
    address: &str,
    port: u16,
    backlog: i32,
    cores: Range<usize>,
) -> Result<(), Refusal> {
    let (optional, name) = match address.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, address),
    };
    let refuse = |error: io::Error| {
        let hint = if error.kind() == io::ErrorKind::AddrInUse {
            " Another server runs there; stop it or choose another --port."
        } else {
            ""
        };
        Refusal(format!("cannot listen on {name} port {port}: {error}.{hint}"))
    };
    for socket_address in resolve(name, port).map_err(refuse)? {
        let absent = |error: &io::Error| {
            matches!(
                error.raw_os_error(),
                Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT)
            )
        };
        let sockets = &mut listening.per_core[cores.clone()];
        match listen_together(sockets, socket_address, backlog) {
            Ok(()) => listening.addresses.push(socket_address.to_string()),
            Err(error) if optional && absent(&error) => {}
            Err(error) => return Err(refuse(error)),
        }
    }
    Ok(())
}

fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match name {
        "*" => Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)]),
        "::*" => Ok(vec![SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)]),
        name => Ok((name, port).to_socket_addrs()?.collect()),
    }
}

fn listen_together(
    per_core: &mut [Vec<Socket>],
    address: SocketAddr,
    backlog: i32,
) -> io::Result<()> {
    // The cores share the port with SO_REUSEPORT, which another server of the same user could join
    // unnoticed. A trial without it fails where anybody else listens.
    let trial = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    trial.set_reuse_address(true)?;
    if address.is_ipv6() {
        trial.set_only_v6(true)?;
    }
    trial.bind(&address.into())?;
    trial.listen(1)?;
    drop(trial);
    for sockets in per_core {
        sockets.push(listen_tcp(address, backlog)?);
    }
    Ok(())
}

fn listen_unix(listening: &mut Listening, path: &Path, config: &Config) -> Result<(), Refusal> {
    let shown = path.display();
    let refuse = |error: io::Error| Refusal(format!("cannot listen on {shown}: {error}"));
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(refuse)?;
    let address = SockAddr::unix(path).map_err(refuse)?;
    let somebody = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(refuse)?;
    if somebody.connect(&address).is_ok() {
        return Err(Refusal(format!("cannot listen on {shown}: another server uses it")));
    }
    remove_socket_file(path);
    socket.bind(&address).map_err(refuse)?;
    if config.unixsocketperm != 0 {
        set_mode(path, config.unixsocketperm).map_err(refuse)?;
    }
    socket.listen(config.tcp_backlog as i32).map_err(refuse)?;
    for sockets in &mut listening.per_core {
        sockets.push(socket.try_clone().map_err(refuse)?);
    }
    listening.addresses.push(format!("unix:{shown}"));
    listening.unix_path = Some(path.to_owned());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "start-up and shutdown, while no core runs")]
fn remove_socket_file(path: &Path) {
    let _ = std::fs::remove_file(path);
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

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
