//! The network of one core: accepts, receives and sends through its ring.
//!
//! Each socket has at most one receive and one send under way. Receives are multishot into the
//! ring's buffers and end up as chunks in the socket's link; a large argument is received into its
//! own buffer instead. Output is taken from the link once per turn and sent in one operation.
//!
//! Invariant: a socket's slot, with all memory that the kernel may touch for it, stays until its
//! last operation has completed; only then is the descriptor closed, or given to the session that
//! takes it to another core, and the slot used again.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use bytes::Bytes;
use io_uring::{cqueue, opcode, squeue, types};

use super::gather::Gather;
use super::ring::{BUFFER_GROUP, BufferRing, Ring};
use crate::base::seams::{Buffers, Chunk};
use crate::limits;
use crate::session::link::{BigReceive, Departure, Doorbell, Link};

/// What a completion belongs to; the upper byte of its user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    Receive = 1,
    ReceiveBig = 2,
    Send = 3,
    Accept = 4,
    Cancel = 5,
    Event = 6,
    Wake = 7,
    Connect = 8,
    Timer = 9,
}

impl Op {
    /// User data for this operation on socket or listener `number`.
    #[inline]
    pub fn tag(self, number: u32) -> u64 {
        (self as u64) << 56 | u64::from(number)
    }

    /// Reads a tag back.
    #[inline]
    pub fn of(tag: u64) -> (Option<Op>, u32) {
        let op = match (tag >> 56) as u8 {
            1 => Op::Receive,
            2 => Op::ReceiveBig,
            3 => Op::Send,
            4 => Op::Accept,
            5 => Op::Cancel,
            6 => Op::Event,
            7 => Op::Wake,
            8 => Op::Connect,
            9 => Op::Timer,
            _ => return (None, 0),
        };
        (Some(op), tag as u32)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiving {
    Off,
    Multishot,
    /// A cancel is on its way.
    Stopping,
    Big,
}

/// Output that the kernel is taking.
#[derive(Default)]
struct Sending {
    bytes: Vec<u8>,
    shared: Vec<(usize, Bytes)>,
    sent: usize,
    total: usize,
    under_way: bool,
    /// It is expected to complete while it is submitted, and says nothing if it does.
    silent: bool,
    /// The kernel took only a part, and the rest waits until the socket stays or has left.
    halted: bool,
    /// Present only while a vectored send is under way.
    vector: Option<Box<Vectored>>,
}

/// The message header and its parts must stay where they are while the kernel reads them.
struct Vectored {
    header: libc::msghdr,
    parts: Vec<libc::iovec>,
}

/// Parts of one vectored send; more follow in the next.
const PARTS_MAX: usize = 64;
/// Bytes that one send may hand to the kernel, which copies them while the core waits.
const SEND_MAX: usize = 256 * 1024;

struct Socket {
    fd: RawFd,
    /// True if the ring knows the socket by its number here.
    direct: bool,
    link: Rc<Link>,
    receiving: Receiving,
    big: Option<BigReceive>,
    sending: Sending,
    shut: bool,
    /// The period of [`Gather`] in which it last sent something.
    last_period: u32,
}

impl Socket {
    /// What operations name the socket by; goes with [`Socket::flags`].
    #[inline]
    fn handle(&self, number: u32) -> types::Fd {
        types::Fd(if self.direct { number as RawFd } else { self.fd })
    }

    #[inline]
    fn flags(&self) -> squeue::Flags {
        if self.direct { squeue::Flags::FIXED_FILE } else { squeue::Flags::empty() }
    }
}

/// The sockets of one core.
pub struct Net {
    buffers: Rc<BufferRing>,
    home: Rc<dyn Buffers>,
    sockets: Vec<Option<Socket>>,
    free: Vec<u32>,
    live: usize,
    pub doorbell: Rc<Doorbell>,
    rung: Vec<u32>,
    /// Sockets whose receive ended because no buffer was free.
    starved: Vec<u32>,
    /// Sockets with a silent send that is queued, and those whose silent send is submitted.
    silent: Vec<u32>,
    submitted: Vec<u32>,
    /// Emptied output buffers, the most recently used last.
    spare: Vec<Vec<u8>>,
    pub gather: Gather,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

const SPARE_MAX: usize = 256;

impl Net {
    /// No sockets yet.
    pub fn new(buffers: Rc<BufferRing>, doorbell: Rc<Doorbell>) -> Net {
        let home = Rc::clone(&buffers) as Rc<dyn Buffers>;
        Net {
            buffers,
            home,
            sockets: Vec::new(),
            free: Vec::new(),
            live: 0,
            doorbell,
            rung: Vec::new(),
            starved: Vec::new(),
            silent: Vec::new(),
            submitted: Vec::new(),
            spare: Vec::new(),
            gather: Gather::new(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Number of open sockets.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Takes over a connected socket and starts to receive from it.
    pub fn adopt(&mut self, ring: &mut Ring, fd: impl IntoRawFd) -> Rc<Link> {
        let number = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() as u32 - 1
        });
        let link = Rc::new(Link::new(number, Rc::clone(&self.doorbell)));
        let fd = fd.into_raw_fd();
        self.sockets[number as usize] = Some(Socket {
            fd,
            direct: ring.install(number, fd),
            link: Rc::clone(&link),
            receiving: Receiving::Off,
            big: None,
            sending: Sending::default(),
            shut: false,
            last_period: 0,
        });
        self.live += 1;
        self.start_receive(ring, number);
        link
    }

    /// Ends all connections: what they are doing is finished and sent.
    pub fn end_all(&mut self) {
        self.sockets.iter().flatten().for_each(|socket| {
            socket.link.end();
        });
    }

    /// Looks after the links that rang: output to send, input to resume, connections to close. And
    /// hands the buffers that were given back to the kernel.
    pub fn flush(&mut self, ring: &mut Ring) {
        if self.buffers.publish() {
            for number in std::mem::take(&mut self.starved) {
                self.start_receive(ring, number);
            }
        }
        if !self.doorbell.is_rung() {
            return;
        }
        let mut rung = std::mem::take(&mut self.rung);
        self.doorbell.answer(&mut rung);
        // The last first: whoever waited for what another has pushed rings after him, and has
        // waited longer.
        for number in rung.drain(..).rev() {
            self.attend(ring, number);
        }
        self.rung = rung;
    }

    fn attend(&mut self, ring: &mut Ring, number: u32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        socket.link.heard();
        if !socket.sending.under_way {
            self.start_send(ring, number);
        }
        self.advance(ring, number);
    }

    /// Takes the socket's next step apart from sending: it closes, leaves for another core or
    /// receives.
    fn advance(&mut self, ring: &mut Ring, number: u32) {
        let Some(socket) = &self.sockets[number as usize] else { return };
        if socket.link.is_leaving() && !socket.link.wants_close() {
            return self.depart(ring, number);
        }
        self.start_receive(ring, number);
        self.close_if_done(ring, number);
    }

    /// Stops what is under way on the socket of a connection that goes to another core, and lets
    /// go of it when nothing is.
    fn depart(&mut self, ring: &mut Ring, number: u32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        if socket.receiving == Receiving::Multishot {
            stop_receive(ring, number, socket);
        }
        let sending = &mut socket.sending;
        if sending.under_way && !sending.silent && !sending.halted {
            // It waits for a peer that does not read. What it has taken is said by its completion.
            sending.halted = true;
            let cancel = opcode::AsyncCancel::new(Op::Send.tag(number));
            ring.push(cancel.build().user_data(Op::Cancel.tag(number)));
        }
        if socket.receiving == Receiving::Off && !socket.sending.under_way {
            let unsent = socket.sending.rest();
            // SAFETY: the descriptor is ours, no operation on it is left, and the slot that names
            // it is given up below.
            let fd = unsafe { OwnedFd::from_raw_fd(socket.fd) };
            let link = Rc::clone(&socket.link);
            self.vacate(ring, number);
            link.depart(Departure { socket: fd, unsent });
        }
    }

    /// Frees the slot of a socket that nothing is under way on.
    fn vacate(&mut self, ring: &Ring, number: u32) {
        if self.sockets[number as usize].take().is_some_and(|socket| socket.direct) {
            ring.withdraw(number);
        }
        self.starved.retain(|starved| *starved != number);
        self.free.push(number);
        self.live -= 1;
    }

    fn start_receive(&mut self, ring: &mut Ring, number: u32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        let ended = socket.link.has_ended() || socket.shut;
        let big_waits = socket.big.is_some() || socket.link.big().is_some();
        match socket.receiving {
            Receiving::Multishot if big_waits => stop_receive(ring, number, socket),
            Receiving::Off if ended || socket.link.is_leaving() => {}
            Receiving::Off if big_waits => start_big(ring, number, socket),
            Receiving::Off if !socket.link.is_full() => {
                socket.receiving = Receiving::Multishot;
                let receive = opcode::RecvMulti::new(socket.handle(number), BUFFER_GROUP);
                let receive = receive.build().flags(socket.flags());
                ring.push(receive.user_data(Op::Receive.tag(number)));
            }
            _ => {}
        }
    }

    fn start_send(&mut self, ring: &mut Ring, number: u32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        let sending = &mut socket.sending;
        if sending.halted {
            if !socket.link.is_leaving() {
                sending.halted = false;
                sending.under_way = true;
                push_send(ring, number, socket);
            }
            return;
        }
        {
            let mut output = socket.link.outgoing();
            if output.is_empty() || socket.shut {
                return;
            }
            sending.total = output.len();
            (sending.bytes, sending.shared) = output.take();
            if let Some(spare) = self.spare.pop() {
                output.lend(spare);
            }
        }
        sending.sent = 0;
        sending.under_way = true;
        if sending.total > limits::UNSENT_REPORT {
            socket.link.set_unsent(sending.total);
        }
        sending.silent = sending.total <= limits::UNSENT_REPORT && sending.shared.is_empty();
        if sending.silent {
            self.silent.push(number);
        }
        push_send(ring, number, socket);
    }

    /// Notes that the kernel has seen all silent sends so far; their failures are among the
    /// completions that are to be handled next.
    pub fn sends_submitted(&mut self) {
        self.submitted.append(&mut self.silent);
    }

    /// Books the submitted silent sends that have not spoken: they have succeeded. To be called
    /// when the completions that came with them are handled.
    pub fn settle_sends(&mut self, ring: &mut Ring) {
        let mut submitted = std::mem::take(&mut self.submitted);
        for number in submitted.drain(..) {
            let Some(socket) = &self.sockets[number as usize] else { continue };
            if socket.sending.silent {
                self.sent(ring, number, socket.sending.total as i32);
            }
        }
        self.submitted = submitted;
    }

    /// Handles a completion that belongs to a socket.
    pub fn complete(&mut self, ring: &mut Ring, op: Op, number: u32, completion: &cqueue::Entry) {
        match op {
            Op::Receive => self.received(ring, number, completion),
            Op::ReceiveBig => self.received_big(ring, number, completion.result()),
            Op::Send => self.sent(ring, number, completion.result()),
            _ => {}
        }
    }

    fn received(&mut self, ring: &mut Ring, number: u32, completion: &cqueue::Entry) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        let result = completion.result();
        if !cqueue::more(completion.flags()) {
            socket.receiving = Receiving::Off;
        }
        if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
            self.buffers.taken();
            let len = result.max(0) as usize;
            self.bytes_in += len as u64;
            let chunk = Chunk::lent(Rc::clone(&self.home), buffer, len);
            if len > 0 {
                self.gather.arrived(&mut socket.last_period);
                socket.link.received(chunk);
            }
            if socket.receiving == Receiving::Multishot && socket.link.is_full() {
                stop_receive(ring, number, socket);
            }
        }
        match -result {
            libc::ENOBUFS => {
                self.buffers.ran_out(self.live);
                self.starved.push(number);
                if !socket.link.is_leaving() {
                    return;
                }
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            errno if errno >= 0 => {
                socket.link.end();
            }
            _ => {}
        }
        self.advance(ring, number);
    }

    fn received_big(&mut self, ring: &mut Ring, number: u32, result: i32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        socket.receiving = Receiving::Off;
        let Some(mut big) = socket.big.take() else { return };
        if result > 0 {
            self.bytes_in += result as u64;
            let len = big.buffer.len() + result as usize;
            assert!(len <= big.buffer.capacity(), "the kernel wrote what it was given");
            // SAFETY: the kernel has initialised `result` bytes after the old length.
            unsafe { big.buffer.set_len(len) };
        } else if !matches!(-result, libc::EINTR | libc::EAGAIN | libc::ECANCELED) {
            socket.link.end();
        }
        if big.buffer.len() < big.total {
            socket.big = Some(big);
        } else {
            *socket.link.big() = Some(big);
        }
        socket.link.received_big(result.max(0) as usize);
        self.advance(ring, number);
    }

    fn sent(&mut self, ring: &mut Ring, number: u32, result: i32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        let sending = &mut socket.sending;
        sending.silent = false;
        if result < 0 && !matches!(-result, libc::EINTR | libc::EAGAIN | libc::ECANCELED) {
            socket.link.end();
            socket.link.output().clear();
            sending.sent = sending.total;
        } else {
            let count = result.max(0) as usize;
            sending.sent += count;
            self.bytes_out += count as u64;
            socket.link.bytes_out.set(socket.link.bytes_out.get() + count as u64);
        }
        if sending.sent < sending.total {
            if sending.total > limits::UNSENT_REPORT {
                socket.link.set_unsent(sending.total - sending.sent);
            }
            sending.halted = socket.link.is_leaving();
            if !sending.halted {
                return push_send(ring, number, socket);
            }
            sending.under_way = false;
            return self.advance(ring, number);
        }
        if sending.total > limits::UNSENT_REPORT {
            socket.link.set_unsent(0);
        }
        sending.under_way = false;
        sending.halted = false;
        sending.vector = None;
        sending.shared.clear();
        let mut buffer = std::mem::take(&mut sending.bytes);
        if buffer.capacity() <= limits::KEPT_BUFFER_MAX && self.spare.len() < SPARE_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
        self.start_send(ring, number);
        let Some(socket) = &self.sockets[number as usize] else { return };
        if socket.link.is_leaving() {
            return self.advance(ring, number);
        }
        self.close_if_done(ring, number);
    }

    /// Closes the socket if its session is done with it, all output is sent and nothing is under
    /// way.
    fn close_if_done(&mut self, ring: &mut Ring, number: u32) {
        let Some(socket) = &mut self.sockets[number as usize] else { return };
        if !socket.link.wants_close() {
            return;
        }
        // A client that is being killed gets no more output: shutting down makes a stuck send fail.
        let killed = socket.link.has_ended() && socket.link.outgoing().is_empty();
        if socket.sending.under_way && !(killed && socket.link.was_killed()) {
            return;
        }
        if !socket.shut {
            socket.shut = true;
            // SAFETY: the descriptor is ours and open.
            unsafe { libc::shutdown(socket.fd, libc::SHUT_RDWR) };
            if socket.receiving == Receiving::Multishot {
                stop_receive(ring, number, socket);
            }
        }
        if socket.receiving == Receiving::Off && !socket.sending.under_way {
            let fd = socket.fd;
            self.vacate(ring, number);
            // SAFETY: the descriptor is ours, and no operation on it is left.
            unsafe { libc::close(fd) };
        }
    }
}

fn stop_receive(ring: &mut Ring, number: u32, socket: &mut Socket) {
    socket.receiving = Receiving::Stopping;
    let cancel = opcode::AsyncCancel::new(Op::Receive.tag(number));
    ring.push(cancel.build().user_data(Op::Cancel.tag(number)));
}

/// Receives into the large argument once the session has taken in what came before.
fn start_big(ring: &mut Ring, number: u32, socket: &mut Socket) {
    if socket.big.is_none() {
        if socket.link.input_bytes() > 0 {
            return;
        }
        socket.big = socket.link.big().take();
    }
    let Some(big) = &mut socket.big else { return };
    let missing = big.total - big.buffer.len();
    if missing == 0 {
        *socket.link.big() = socket.big.take();
        return;
    }
    if big.buffer.len() == big.buffer.capacity() {
        // Grows with what has really arrived, so that an announced length costs nothing.
        let more = missing.min(big.buffer.len().max(limits::BIG_RECEIVE_STEP));
        big.buffer.reserve_exact(more);
    }
    let room = big.buffer.spare_capacity_mut();
    let (start, len) = (room.as_mut_ptr().cast(), room.len().min(missing) as u32);
    let operation = opcode::Recv::new(socket.handle(number), start, len).build();
    socket.receiving = Receiving::Big;
    ring.push(operation.flags(socket.flags()).user_data(Op::ReceiveBig.tag(number)));
}

/// Queues the unsent rest.
///
/// Nearly every reply fits into the socket's buffer, so the first attempt is silent: it may not
/// wait (MSG_DONTWAIT), hence completes while it is submitted, and posts no completion if all was
/// taken. That saves the core a turn per reply. What was not taken is sent again and waits for
/// room.
fn push_send(ring: &mut Ring, number: u32, socket: &mut Socket) {
    let (fd, mut quiet) = (socket.handle(number), socket.flags());
    let sending = &mut socket.sending;
    let mut flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    if sending.silent {
        flags |= libc::MSG_DONTWAIT;
        quiet |= squeue::Flags::SKIP_SUCCESS;
    }
    let operation = if sending.shared.is_empty() {
        let rest = &sending.bytes[sending.sent..];
        let len = rest.len().min(SEND_MAX) as u32;
        opcode::Send::new(fd, rest.as_ptr(), len).flags(flags).build()
    } else {
        let vector = sending.vector.insert(vectored(sending.parts_from()));
        opcode::SendMsg::new(fd, &raw const vector.header).flags(flags as u32).build()
    };
    ring.push(operation.flags(quiet).user_data(Op::Send.tag(number)));
}

impl Sending {
    /// A copy of what the kernel has not taken.
    fn rest(&self) -> Vec<u8> {
        if !self.halted {
            return Vec::new();
        }
        let mut all = Vec::with_capacity(self.total);
        let mut from = 0;
        for (at, value) in &self.shared {
            all.extend_from_slice(&self.bytes[from..*at]);
            all.extend_from_slice(value);
            from = *at;
        }
        all.extend_from_slice(&self.bytes[from..]);
        all.split_off(self.sent)
    }

    /// The unsent parts in order, at most [`PARTS_MAX`] of them and [`SEND_MAX`] bytes.
    fn parts_from(&self) -> Vec<libc::iovec> {
        let mut parts = Vec::with_capacity(PARTS_MAX.min(2 * self.shared.len() + 1));
        let (mut skip, mut from, mut room) = (self.sent, 0, SEND_MAX);
        let mut add = |part: &[u8]| {
            let skipped = skip.min(part.len());
            skip -= skipped;
            let rest = &part[skipped..];
            let rest = &rest[..rest.len().min(room)];
            if !rest.is_empty() && parts.len() < PARTS_MAX {
                room -= rest.len();
                let iov_base = rest.as_ptr().cast_mut().cast();
                parts.push(libc::iovec { iov_base, iov_len: rest.len() });
            }
        };
        for (at, value) in &self.shared {
            add(&self.bytes[from..*at]);
            add(value);
            from = *at;
        }
        add(&self.bytes[from..]);
        parts
    }
}

fn vectored(parts: Vec<libc::iovec>) -> Box<Vectored> {
    // SAFETY: all fields of a message header may be zero.
    let header: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut vector = Box::new(Vectored { header, parts });
    vector.header.msg_iov = vector.parts.as_mut_ptr();
    vector.header.msg_iovlen = vector.parts.len() as _;
    vector
}

/// Opens a listening TCP socket that other cores may open too.
pub fn listen_tcp(address: std::net::SocketAddr, backlog: i32) -> io::Result<socket2::Socket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit this.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}
