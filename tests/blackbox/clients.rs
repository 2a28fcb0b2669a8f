//! Clients that send too much, too slowly, nonsense, or never read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::support::client::{Client, encode};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::{MEGABYTE, eventually, longest_wait_during, start};

/// How long a bystander may wait while somebody else misbehaves.
const WAIT_MAX: Duration = Duration::from_secs(1);

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

#[track_caller]
fn assert_alive(server: &mut Server) {
    assert!(server.is_running(), "the server has died: {}", server.log());
    assert_eq!(server.connect().run("PING"), Reply::Status("PONG".to_owned()));
}

/// Writes for as long as the server takes bytes; returns how many it took.
fn write_until_refused(stream: &mut TcpStream, bytes: &[u8], times: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a live socket");
    let mut sent = 0;
    for _ in 0..times {
        if stream.write_all(bytes).is_err() {
            break;
        }
        sent += bytes.len();
    }
    sent
}

#[test]
fn a_client_that_never_reads_delays_nobody_and_leaves_nothing_behind() {
    let mut server = start("");
    let value = vec![b'x'; MEGABYTE as usize];
    assert_eq!(server.connect().call(&[b"SET".as_slice(), b"big", &value]), ok());
    let before = server.resident();
    let silent = server.connect();
    let longest = longest_wait_during(&server, || {
        let sent = write_until_refused(&mut silent.tcp_handle(), &encode(&["GET", "big"]), 300);
        assert!(sent > 0);
    });
    assert!(longest < WAIT_MAX, "a bystander waited for {longest:?}");
    assert!(server.resident() < before + 700 * MEGABYTE, "300 replies of 1 MB take far more");
    drop(silent);
    eventually("the memory comes back", || server.resident() < before + 100 * MEGABYTE);
    assert_alive(&mut server);
}

/// Client libraries send a whole pipeline before they read: the server must not wait for them.
#[test]
fn a_pipeline_of_a_million_commands_may_be_sent_before_a_reply_is_read() {
    const COMMANDS: i64 = 1_000_000;
    let mut server = start("");
    let batch = encode(&["INCR", "counter"]).repeat(1000);
    let mut client = server.connect();
    let longest = longest_wait_during(&server, || {
        for _ in 0..COMMANDS / 1000 {
            client.send_bytes(&batch).expect("the server takes the pipeline");
        }
        for expected in 1..=COMMANDS {
            assert_eq!(client.receive(), Reply::Integer(expected));
        }
    });
    assert!(longest < WAIT_MAX, "a bystander waited for {longest:?}");
    assert!(server.resident() < 500 * MEGABYTE, "{} bytes", server.resident());
    assert_alive(&mut server);
}

#[test]
fn a_large_value_may_arrive_slowly() {
    let mut server = start("");
    let large = std::env::var_os("LARGE").is_some();
    let length = if large { 512 * MEGABYTE } else { 64 * MEGABYTE } as usize;
    let mut value = Random::new(1).bytes(MEGABYTE as usize).repeat(length / MEGABYTE as usize);
    value[length - 1] = b'!';
    let mut client = server.connect();
    let bytes = encode(&[b"SET".as_slice(), b"large", &value]);
    let longest = longest_wait_during(&server, || {
        // The head byte by byte, as a slow link would, then in pieces of odd sizes.
        for byte in bytes[..200].chunks(1) {
            client.send_bytes(byte).expect("the server reads");
        }
        for piece in bytes[200..].chunks(1_000_003) {
            client.send_bytes(piece).expect("the server reads");
        }
        assert_eq!(client.receive(), ok());
    });
    assert!(longest < WAIT_MAX, "a bystander waited for {longest:?}");
    assert_eq!(client.run("STRLEN large"), Reply::Integer(length as i64));
    assert!(client.run("GET large") == Reply::Bulk(value), "the value comes back as it was sent");
    drop(client);
    let limit = length as u64 * 3 + 150 * MEGABYTE;
    eventually("the buffers are freed", || server.resident() < limit);
    assert_alive(&mut server);
}

/// A large argument is received into a buffer of its own; what follows comes the usual way again.
#[test]
fn a_short_argument_may_follow_a_large_one_later() {
    let server = start("");
    let mut client = server.connect();
    let mut received = 0;
    let key = vec![b'k'; MEGABYTE as usize / 2];
    let bytes = encode(&[b"SET".as_slice(), &key, b"1"]);
    for round in 0..3 {
        let rest = bytes.len() - 7;
        for piece in [&bytes[..20_000], &bytes[20_000..rest], &bytes[rest..]] {
            client.send_bytes(piece).expect("the server reads");
            received += piece.len();
            let seen = format!("tot-net-in={received} ");
            eventually("all of it arrives", || {
                let Reply::Bulk(lines) = server.connect().run("CLIENT LIST") else { return false };
                String::from_utf8_lossy(&lines).contains(&seen)
            });
        }
        assert_eq!(client.receive(), ok(), "round {round}");
    }
}

#[test]
fn commands_may_arrive_byte_by_byte() {
    let server = start("");
    let mut client = server.connect();
    let commands = [encode(&["SET", "key", "a value"]), b"GET key\r\n".to_vec()].concat();
    for byte in commands.chunks(1) {
        client.send_bytes(byte).expect("the server reads");
    }
    assert_eq!(client.receive(), ok());
    assert_eq!(client.receive(), Reply::Bulk(b"a value".to_vec()));
}

/// Lets this process open enough files; says whether it may.
fn raise_descriptor_limit(wanted: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes to a value of this frame, setrlimit only reads it.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max.min(wanted.max(limit.rlim_cur));
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur >= wanted
}

#[test]
fn thousands_of_connections_are_served_and_cost_little() {
    const CONNECTIONS: usize = 5500;
    if !raise_descriptor_limit(CONNECTIONS as u64 + 500) {
        return eprintln!("skipped: the limit on open files is too low (ulimit -Hn)");
    }
    let mut server = start("");
    server.wait_for_clients(1);
    let before = server.resident();
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&["PING"]);
    }
    for client in &mut clients {
        assert_eq!(client.receive(), Reply::Status("PONG".to_owned()));
    }
    let each = server.resident().saturating_sub(before) / CONNECTIONS as u64;
    assert!(each < 64 << 10, "{each} bytes for a connection that is idle");
    drop(clients);
    server.wait_for_clients(1);
    assert_alive(&mut server);
}

/// Closes with a reset instead of an orderly end.
fn reset(client: Client) {
    let stream = client.tcp_handle();
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value is a linger of this frame and its true size is given.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    assert_eq!(done, 0, "a socket takes SO_LINGER");
}

#[test]
fn connections_that_break_off_are_cleaned_up() {
    let mut server = start("");
    let parts: [&[u8]; 5] = [
        b"",
        b"*2\r\n$3\r\nGE",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\nxxx",
        b"GET",
        b"PING\r\n",
    ];
    for round in 0..500 {
        let mut client = server.connect();
        client.send_bytes(parts[round % parts.len()]).expect("the server reads");
        match round % 3 {
            0 => reset(client),
            1 => drop(client),
            _ => client.finish_sending(),
        }
    }
    server.wait_for_clients(1);
    assert_alive(&mut server);
}

#[test]
fn what_was_sent_before_a_half_close_is_answered() {
    let server = start("");
    let mut client = server.connect();
    client.send_bytes(&encode(&["INCR", "n"]).repeat(100)).expect("the server reads");
    client.finish_sending();
    let expected: String = (1..=100).map(|n| format!(":{n}\r\n")).collect();
    let received = client.receive_until_closed().expect("an orderly end");
    assert_eq!(String::from_utf8_lossy(&received), expected);
}

#[test]
fn garbage_is_answered_or_cut_off_and_nothing_else() {
    let mut server = start("");
    let mut random = Random::new(7);
    let alphabet = b"*$:+-0123456789\r\n\r\n\"' \\xGETSET\0\xff";
    for round in 0..400 {
        let length = 1 + random.below(2000);
        let bytes = if round % 2 == 0 {
            random.bytes(length)
        } else {
            (0..length).map(|_| alphabet[random.below(alphabet.len())]).collect()
        };
        let mut client = server.connect();
        drop(client.send_bytes(&bytes));
        client.finish_sending();
        assert!(client.is_closed_by_server(), "round {round} hangs");
    }
    assert_alive(&mut server);
}

#[test]
fn announced_sizes_take_no_memory() {
    let mut server = start("");
    let before = server.resident();
    let heads: [&[u8]; 3] = [
        b"*1048576\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n",
        b"*2\r\n$200000000\r\nx",
    ];
    let clients: Vec<Client> = (0..60)
        .map(|round| {
            let mut client = server.connect();
            client.send_bytes(heads[round % heads.len()]).expect("the server reads");
            client
        })
        .collect();
    server.wait_for_clients(clients.len() + 1);
    assert!(server.resident() < before + 200 * MEGABYTE, "memory was taken for mere announcements");
    assert_alive(&mut server);
}

#[test]
fn a_line_without_end_is_cut_off() {
    let mut server = start("");
    let mut client = server.connect();
    let mut stream = client.tcp_handle();
    write_until_refused(&mut stream, &[b'x'; 4096], 64);
    let received = client.receive_until_closed().expect("the server closes");
    let text = String::from_utf8_lossy(&received);
    assert!(
        text.is_empty() || text.starts_with("-ERR Protocol error: too big inline request"),
        "{text}"
    );
    assert_alive(&mut server);
}

#[test]
fn work_for_one_client_does_not_starve_another() {
    let server = start("");
    let mut writer = server.connect();
    let mset: Vec<String> = (0..2000).flat_map(|n| [format!("key:{n}"), "v".to_owned()]).collect();
    let mut command = vec!["MSET".to_owned()];
    command.extend(mset);
    assert_eq!(writer.call(&command), ok());
    let longest = longest_wait_during(&server, || {
        for _ in 0..20 {
            let mut batch = encode(&["KEYS", "*"]);
            batch.extend(encode(&command));
            batch.extend(encode(&["GET", "key:1"]).repeat(2000));
            writer.send_bytes(&batch).expect("the server reads");
            assert_eq!(writer.receive().items().len(), 2000);
            assert_eq!(writer.receive(), ok());
            for _ in 0..2000 {
                assert_eq!(writer.receive(), Reply::Bulk(b"v".to_vec()));
            }
        }
    });
    assert!(longest < Duration::from_millis(500), "a bystander waited for {longest:?}");
}

#[test]
fn an_idle_server_uses_no_processor() {
    let server = start("");
    let _idle: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    server.wait_for_clients(101);
    let before = server.cpu_time();
    std::thread::sleep(Duration::from_secs(2));
    let used = server.cpu_time() - before;
    assert!(used < Duration::from_millis(200), "{used:?} in two idle seconds");
}

#[test]
fn a_busy_reader_sees_every_message_whole() {
    let server = start("");
    let mut client = server.connect();
    let mut stream = client.tcp_handle();
    client.call(&[b"SET".as_slice(), b"value", &vec![b'y'; 100_000]]);
    stream.write_all(&encode(&["GET", "value"]).repeat(100)).expect("the server reads");
    // Small reads keep the server's socket full, so that it must send in many parts.
    let one = [b"$100000\r\n".as_slice(), &vec![b'y'; 100_000], b"\r\n"].concat();
    let mut received = vec![0; one.len()];
    for _ in 0..100 {
        for part in received.chunks_mut(1777) {
            stream.read_exact(part).expect("the server sends");
        }
        assert!(received == one, "a reply is damaged");
    }
}
