//! Listening sockets: which addresses the configuration names, and how cores share them.
//!
//! Every core has a socket of its own for each address (SO_REUSEPORT), so that the kernel spreads
//! connections; a Unix socket is one, duplicated.
//!
//! Invariant: a port that anybody else listens on is never shared with them; it is refused before
//! the first socket of ours is opened.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::net::listen_tcp;
use super::preflight::Refusal;
use crate::config::Config;

/// The listening sockets of each core.
pub struct Listening {
    pub(super) per_core: Vec<Vec<Socket>>,
    /// Addresses that are listened on, for the log.
    pub addresses: Vec<String>,
    pub(super) unix_path: Option<std::path::PathBuf>,
}

/// Opens all listening sockets that the configuration asks for.
pub fn listen(config: &Config, cores: usize) -> Result<Listening, Refusal> {
    let mut listening = Listening {
        per_core: (0..cores).map(|_| Vec::new()).collect(),
        addresses: Vec::new(),
        unix_path: None,
    };
    let per_core = &mut listening.per_core;
    let backlog = config.tcp_backlog as i32;
    listening.addresses = each_address(config, config.port, |address| {
        claim(address)?;
        for sockets in &mut *per_core {
            sockets.push(listen_tcp(address, backlog)?);
        }
        Ok(())
    })?;
    if config.core_ports {
        for (core, sockets) in per_core.iter_mut().enumerate() {
            let addresses = each_address(config, core_port(config.port, core)?, |address| {
                claim(address)?;
                sockets.push(listen_tcp(address, backlog)?);
                Ok(())
            })?;
            listening.addresses.extend(addresses);
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

/// One core's TCP sockets for the addresses of `config`, which [`is_free`] found to be free.
pub fn listen_again(config: &Config) -> Result<Vec<Socket>, Refusal> {
    let mut sockets = Vec::new();
    each_address(config, config.port, |address| {
        sockets.push(listen_tcp(address, config.tcp_backlog as i32)?);
        Ok(())
    })?;
    Ok(sockets)
}

/// Fails unless every core could listen on the addresses of `new`, while they still listen on those
/// of `old`.
pub fn is_free(new: &Config, old: &Config) -> Result<(), Refusal> {
    if new.core_ports {
        return Err(Refusal(
            "addresses and port stay as they are while core-ports is on".to_owned(),
        ));
    }
    each_address(new, new.port, |address| {
        // Sockets of this process are in the way of a claim, but not of a socket like them.
        if new.port == old.port { listen_tcp(address, 1).map(drop) } else { claim(address) }
    })?;
    Ok(())
}

/// Calls `open` with `port` on each address of `config`; returns those on which it succeeded.
fn each_address(
    config: &Config,
    port: u16,
    mut open: impl FnMut(SocketAddr) -> io::Result<()>,
) -> Result<Vec<String>, Refusal> {
    let mut opened = Vec::new();
    if port == 0 {
        return Ok(opened);
    }
    for address in &config.bind {
        let (optional, name) = match address.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, &**address),
        };
        let refuse = |error| refusal(name, port, error);
        for socket_address in resolve(name, port).map_err(refuse)? {
            match open(socket_address) {
                Ok(()) => opened.push(socket_address.to_string()),
                Err(error) if optional && is_absent(&error) => {}
                Err(error) => return Err(refuse(error)),
            }
        }
    }
    if opened.is_empty() {
        return Err(Refusal("no address of 'bind' could be listened on".to_owned()));
    }
    Ok(opened)
}

fn refusal(name: &str, port: u16, error: io::Error) -> Refusal {
    let hint = if error.kind() == io::ErrorKind::AddrInUse {
        " Another server runs there; stop it or choose another --port."
    } else {
        ""
    };
    Refusal(format!("cannot listen on {name} port {port}: {error}.{hint}"))
}

/// True if this host does not have the address.
fn is_absent(error: &io::Error) -> bool {
    let absent = [libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT];
    error.raw_os_error().is_some_and(|errno| absent.contains(&errno))
}

fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match name {
        "*" => Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)]),
        "::*" => Ok(vec![SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)]),
        name => Ok((name, port).to_socket_addrs()?.collect()),
    }
}

/// Fails if anybody listens on the address: the cores share it with SO_REUSEPORT, which another
/// server of the same user could join unnoticed, but a trial without it fails.
fn claim(address: SocketAddr) -> io::Result<()> {
    let trial = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    trial.set_reuse_address(true)?;
    if address.is_ipv6() {
        trial.set_only_v6(true)?;
    }
    trial.bind(&address.into())?;
    trial.listen(1)
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

/// Removes the file of a Unix socket that nobody listens on any more.
#[expect(clippy::disallowed_methods, reason = "start-up and shutdown, while no core runs")]
pub fn remove_socket_file(path: &Path) {
    let _ = std::fs::remove_file(path);
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
