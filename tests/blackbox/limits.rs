//! Limits that the administrator sets, and those of the system.

use std::process::Command;
use std::time::Duration;

use crate::support::client::{Client, encode};
use crate::support::reply::Reply;
use crate::support::server::{Options, Program};
use crate::{MEGABYTE, eventually, start};

fn pong() -> Reply {
    Reply::Status("PONG".to_owned())
}

#[test]
fn clients_beyond_the_limit_are_refused_until_one_leaves() {
    let server = start("--maxclients 10");
    server.wait_for_clients(1);
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.run("PING"), pong());
    }
    for _ in 0..20 {
        let refused = server.connect().receive_until_closed().expect("the server closes");
        let text = String::from_utf8_lossy(&refused);
        assert_eq!(text, "-ERR max number of clients reached\r\n");
    }
    assert_eq!(clients[9].run("PING"), pong());
    clients.pop();
    eventually("a place is free", || {
        let mut client = server.connect();
        client.send_bytes(b"PING\r\n").is_ok()
            && client.try_receive().is_ok_and(|received| received.0 == pong())
    });
}

#[test]
fn a_command_beyond_the_query_buffer_ends_its_client() {
    let mut server = start("--client-query-buffer-limit 1mb");
    let mut other = server.connect();
    let mut client = server.connect();
    drop(client.send_bytes(b"*2\r\n$4\r\nECHO\r\n$4000000\r\n"));
    let piece = [b'x'; 65536];
    let refused = (0..60).any(|_| client.send_bytes(&piece).is_err());
    assert!(refused || client.is_closed_by_server(), "4 MB were taken");
    assert_eq!(other.run("PING"), pong());
    assert!(server.is_running());
}

#[test]
fn an_argument_beyond_the_limit_is_refused_before_it_arrives() {
    let server = start("--proto-max-bulk-len 1mb");
    let mut client = server.connect();
    client.send_bytes(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n").expect("the server reads");
    let received = client.receive_until_closed().expect("the server closes");
    let text = String::from_utf8_lossy(&received);
    assert_eq!(text, "-ERR Protocol error: invalid bulk length\r\n");
    let whole = "x".repeat(MEGABYTE as usize);
    assert_eq!(server.connect().call(&["ECHO", &whole]), Reply::Bulk(whole.into_bytes()));
}

#[test]
fn replies_beyond_the_output_limit_end_their_client() {
    let mut options = Options::under_test(2);
    options.arguments =
        ["--client-output-buffer-limit", "normal 2mb 0 0"].map(str::to_owned).to_vec();
    let server = options.start();
    let mut other = server.connect();
    other.call(&[b"SET".as_slice(), b"value", &vec![b'x'; 500_000]]);
    let mut greedy = server.connect();
    // More than the sockets' own buffers can hold.
    drop(greedy.send_bytes(&encode(&["GET", "value"]).repeat(200)));
    server.wait_for_clients(2);
    let received = greedy.receive_until_closed().expect("the server closes");
    assert!(received.len() < 200 * 500_000, "all {} bytes came", received.len());
    assert_eq!(other.run("PING"), pong());
}

#[test]
fn a_server_without_free_descriptors_survives_and_recovers() {
    let mut options = Options::under_test(2);
    options.descriptors_max = Some(256);
    let mut server = options.start();
    let mut first = server.connect();
    assert_eq!(first.run("PING"), pong());
    let mut others = Vec::new();
    for _ in 0..400 {
        // The backlog may fill up: a refused connection is as good as an accepted one here.
        let Ok(client) = server.try_connect() else { break };
        drop(client.tcp_handle().set_nonblocking(true));
        others.push(client);
    }
    assert_eq!(first.run("PING"), pong());
    let before = server.cpu_time();
    std::thread::sleep(Duration::from_millis(500));
    let used = server.cpu_time() - before;
    assert!(used < Duration::from_millis(300), "it spins: {used:?} of 500 ms");
    drop(others);
    eventually("new clients are served", || {
        let Ok(mut client) = server.try_connect() else { return false };
        client.send_bytes(b"PING\r\n").is_ok()
            && client.try_receive().is_ok_and(|received| received.0 == pong())
    });
    assert!(server.is_running(), "{}", server.log());
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = start("--timeout 1");
    let mut idle = server.connect();
    assert_eq!(idle.run("PING"), pong());
    idle.set_patience(Duration::from_secs(8));
    assert_eq!(idle.receive_until_closed().expect("the server closes"), b"");
}

/// Strangers are turned away while there is no password. A stranger needs an address that is not
/// local, which a network namespace of its own has.
#[test]
fn protected_mode_turns_strangers_away() {
    const SCRIPT: &str = r#"
        ip link set lo up && ip addr add 192.0.2.1/32 dev lo || exit 42
        "$@" >/dev/null 2>&1 & server=$!
        for _ in $(seq 100); do
            redis-cli -h 127.0.0.1 -p 7777 ping 2>/dev/null | grep -q PONG && break
            sleep 0.05
        done
        redis-cli -h 192.0.2.1 -p 7777 ping
        redis-cli -h 127.0.0.1 -p 7777 config set protected-mode no
        redis-cli -h 192.0.2.1 -p 7777 ping
        kill $server
    "#;
    let program = Program::under_test();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", SCRIPT, "sh"]).arg(program.path());
    command.args(["--port", "7777", "--save", ""]);
    if !program.redis {
        command.args(["--cores", "2"]);
    }
    let output = match command.output() {
        Ok(output) if output.status.code() != Some(42) && !output.stdout.is_empty() => output,
        _ => return eprintln!("skipped: no network namespace, ip or redis-cli here"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let [denied, set, answered] = lines[..] else { panic!("{text}") };
    assert!(denied.contains("DENIED") && denied.contains("protected mode"), "{denied}");
    assert_eq!([set, answered], ["OK", "PONG"]);
}
