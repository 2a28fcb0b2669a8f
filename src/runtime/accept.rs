//! Accepting connections: who is let in, and what a refused peer is told.
//!
//! Invariant: running out of descriptors or clients never stops the core; accepting pauses and is
//! tried again at the next cron.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use io_uring::{cqueue, opcode, types};
use socket2::{Socket, TcpKeepalive};

use super::cores::Process;
use super::net::Op;
use super::ring::Ring;
use crate::session::client::Peer;
use crate::session::core::{Core, add};

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected \
mode is enabled and no password is set for the default user. In this mode connections are only \
accepted from the loopback interface. To connect from elsewhere, set a password (requirepass), or \
turn the mode off with 'CONFIG SET protected-mode no' over the loopback interface, with \
'protected-mode no' in the configuration file or with '--protected-mode no' on the command line; \
bind to addresses you trust only.\r\n";

/// A connection that is let in.
pub struct Admission {
    pub socket: Socket,
    pub peer: Peer,
}

/// The listening sockets of one core. A listener's number is its place; the place of a retired one
/// is free once the kernel is done with it.
pub struct Acceptor {
    listeners: Vec<Option<Listener>>,
    core: Rc<Core>,
    process: Arc<Process>,
}

struct Listener {
    socket: Socket,
    armed: bool,
    /// Shut down: it goes with its last completion.
    retired: bool,
}

impl Listener {
    fn new(socket: Socket) -> Option<Listener> {
        Some(Listener { socket, armed: false, retired: false })
    }

    fn is_unix(&self) -> bool {
        self.socket.local_addr().is_ok_and(|address| address.is_unix())
    }
}

impl Acceptor {
    /// For these listening sockets.
    pub fn new(sockets: Vec<Socket>, core: Rc<Core>, process: Arc<Process>) -> Acceptor {
        let listeners = sockets.into_iter().map(Listener::new).collect();
        Acceptor { listeners, core, process }
    }

    /// Accepts on these TCP sockets from now on instead of those before; connections stay.
    pub fn replace_tcp(&mut self, ring: &mut Ring, sockets: Vec<Socket>) {
        for place in &mut self.listeners {
            let Some(listener) = place.as_mut().filter(|listener| !listener.is_unix()) else {
                continue;
            };
            let _ = listener.socket.shutdown(std::net::Shutdown::Both);
            listener.retired = true;
            if !listener.armed {
                *place = None;
            }
        }
        for socket in sockets {
            match self.listeners.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Listener::new(socket),
                None => self.listeners.push(Listener::new(socket)),
            }
        }
        self.arm_all(ring);
    }

    /// Starts to accept on every listener.
    pub fn arm_all(&mut self, ring: &mut Ring) {
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            let Some(listener) = listener else { continue };
            if !listener.armed && !listener.retired {
                listener.armed = true;
                let fd = types::Fd(listener.socket.as_raw_fd());
                let accept = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build();
                ring.push(accept.user_data(Op::Accept.tag(number as u32)));
            }
        }
    }

    /// Tries again where accepting had to pause.
    pub fn retry(&mut self, ring: &mut Ring) {
        self.arm_all(ring);
    }

    /// Stops accepting: waiting connections are refused by the kernel.
    pub fn close(&mut self) {
        for listener in self.listeners.iter().flatten() {
            let _ = listener.socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Handles a completed accept.
    pub fn complete(
        &mut self,
        ring: &mut Ring,
        number: u32,
        completion: &cqueue::Entry,
    ) -> Option<Admission> {
        let place = self.listeners.get_mut(number as usize)?;
        if !cqueue::more(completion.flags()) {
            match place {
                Some(listener) if !listener.retired => listener.armed = false,
                _ => *place = None,
            }
        }
        let result = completion.result();
        if result < 0 {
            self.failed(ring, -result);
            return None;
        }
        // SAFETY: the kernel has just given us this descriptor.
        let socket = unsafe { Socket::from_raw_fd(result) };
        self.arm_all(ring);
        self.admit(socket)
    }

    fn failed(&mut self, ring: &mut Ring, errno: i32) {
        match errno {
            libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS => {
                // The listener stays unarmed until the next cron, which is the back-off.
                let error = io::Error::from_raw_os_error(errno);
                tracing::warn!(%error, "cannot accept connections for now");
            }
            libc::EINVAL | libc::ECANCELED | libc::EBADF => {}
            _ => self.arm_all(ring),
        }
    }

    fn admit(&self, socket: Socket) -> Option<Admission> {
        let config = self.core.config();
        if self.process.clients.load(Ordering::Relaxed) >= config.maxclients as usize {
            return self.refuse(socket, TOO_MANY);
        }
        let peer = peer_of(&socket, config.unixsocket.as_deref());
        let local = peer.unix || peer.ip.is_some_and(is_loopback);
        if config.protected_mode && config.requirepass.as_bytes().is_empty() && !local {
            return self.refuse(socket, DENIED);
        }
        if !peer.unix && config.tcp_keepalive > 0 {
            let time = Duration::from_secs(u64::from(config.tcp_keepalive));
            let third = Duration::from_secs((u64::from(config.tcp_keepalive) / 3).max(1));
            let keepalive =
                TcpKeepalive::new().with_time(time).with_interval(third).with_retries(3);
            let _ = socket.set_tcp_keepalive(&keepalive);
        }
        Some(Admission { socket, peer })
    }

    fn refuse(&self, socket: Socket, text: &[u8]) -> Option<Admission> {
        add(&self.core.turns.connections_rejected, 1);
        let _ = socket.set_nonblocking(true);
        let _ = socket.send(text);
        None
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

fn peer_of(socket: &Socket, unix_path: Option<&Path>) -> Peer {
    let name = |address: io::Result<socket2::SockAddr>| address.ok().and_then(|a| a.as_socket());
    let text = |address: Option<SocketAddr>| match address {
        Some(address) => address.to_string(),
        None => format!("{}:0", unix_path.unwrap_or(Path::new("")).display()),
    };
    let (peer, local) = (name(socket.peer_addr()), name(socket.local_addr()));
    Peer {
        unix: local.is_none(),
        port: local.map_or(0, |address| address.port()),
        ip: peer.map(|address| address.ip()),
        address: text(peer),
        local_address: text(local),
    }
}
