//! Making outgoing connections through the ring.
//!
//! Invariant: a socket and the address it connects to stay where they are until the kernel is done
//! with them.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use io_uring::{opcode, types};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::net::{Net, Op};
use super::ring::Ring;
use crate::session::dial::{Dial, Dialer};

struct Attempt {
    dial: Rc<Dial>,
    socket: Socket,
    address: Box<SockAddr>,
}

/// Connections being made.
#[derive(Default)]
pub struct Connector {
    attempts: Vec<Option<Attempt>>,
}

impl Connector {
    /// Begins what was asked for since the last call.
    pub fn begin(&mut self, ring: &mut Ring, dialer: &Dialer) {
        for dial in dialer.take() {
            let address = Box::new(SockAddr::from(dial.address));
            let domain = Domain::for_address(dial.address);
            let socket = match Socket::new(domain, Type::STREAM, Some(Protocol::TCP)) {
                Ok(socket) => socket,
                Err(error) => {
                    dial.finish(Err(error));
                    continue;
                }
            };
            // Without it small commands to a peer would wait for acknowledgements.
            let _ = socket.set_tcp_nodelay(true);
            let free = self.attempts.iter().position(Option::is_none);
            let number = free.unwrap_or_else(|| {
                self.attempts.push(None);
                self.attempts.len() - 1
            });
            let fd = types::Fd(socket.as_raw_fd());
            let connect = opcode::Connect::new(fd, address.as_ptr().cast(), address.len()).build();
            ring.push(connect.user_data(Op::Connect.tag(number as u32)));
            self.attempts[number] = Some(Attempt { dial, socket, address });
        }
    }

    /// Handles a completed connect.
    pub fn complete(&mut self, ring: &mut Ring, net: &mut Net, number: u32, result: i32) {
        let Some(attempt) = self.attempts.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        let Attempt { dial, socket, address } = attempt;
        drop(address);
        dial.finish(if result < 0 {
            Err(io::Error::from_raw_os_error(-result))
        } else {
            Ok(net.adopt(ring, socket))
        });
    }
}
