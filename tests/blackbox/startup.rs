//! How the server starts, refuses to start, and stops.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use crate::start;
use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::{Options, Program, SOCKET, free_port, fresh_directory};

fn pong() -> Reply {
    Reply::Status("PONG".to_owned())
}

/// What a refused start must look like: exit code 1, and a message that names the cause.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).to_lowercase();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(&word.to_lowercase()), "no {word:?} in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[track_caller]
fn refuses(arguments: &[&str], words: &[&str]) {
    assert_refused(&Program::under_test().run_to_end(arguments), words);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    refuses(&["--port", &port, "--bind", "127.0.0.1"], &[&port, "address already in use"]);
}

/// The harness itself: it must never mistake another server for the one it started.
#[test]
fn a_stranger_on_the_port_is_not_taken_for_the_server() {
    let stranger = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = stranger.local_addr().expect("an address").port();
    let started = Options::under_test(2).try_start_on(port);
    assert!(started.is_err_and(|message| message.contains("belongs to another process")));
    stranger.set_nonblocking(true).expect("a live socket");
    assert!(stranger.accept().is_err(), "the stranger was spoken to");
}

#[test]
fn an_address_that_is_not_ours_is_refused_unless_optional() {
    let port = free_port().to_string();
    refuses(&["--port", &port, "--bind", "192.0.2.77"], &["192.0.2.77"]);
    let server = Options::under_test(2).with("--bind 127.0.0.1 -192.0.2.77").start();
    assert_eq!(server.connect().run("PING"), pong());
}

#[test]
fn unknown_or_wrong_arguments_are_named() {
    refuses(&["--nonsense", "1"], &["nonsense"]);
    refuses(&["--port", "many"], &["port"]);
    refuses(&["--port", "70000"], &["port"]);
    refuses(&["--maxmemory-policy", "sometimes"], &["maxmemory-policy"]);
    refuses(&["--databases", "0"], &["databases"]);
    refuses(&["/nonexistent/file.conf"], &["/nonexistent/file.conf"]);
}

#[test]
fn a_wrong_line_of_the_file_is_named() {
    let directory = fresh_directory();
    let file = directory.join("server.conf");
    fs::write(&file, "# a comment\nmaxclients 100\nnonsense here\n").expect("a file");
    let path = file.to_string_lossy().into_owned();
    refuses(&[&path], &["line 3", "nonsense here"]);
    fs::write(&file, "maxclients \"100\n").expect("a file");
    refuses(&[&path], &["line 1"]);
    fs::remove_dir_all(directory).expect("the folder is ours");
}

#[test]
fn settings_come_from_a_file_and_arguments_override_it() {
    let directory = fresh_directory();
    let file = directory.join("server.conf");
    fs::write(&file, "maxclients 100\nhz 50\n").expect("a file");
    let mut options = Options::under_test(2);
    options.file = Some(file);
    let server = options.with("--hz 60").start();
    let mut client = server.connect();
    let value = |client: &mut Client, name: &str| client.call(&["CONFIG", "GET", name]);
    let value = |client: &mut Client, name: &str| value(client, name).items()[1].text();
    assert_eq!(value(&mut client, "maxclients"), "100");
    assert_eq!(value(&mut client, "hz"), "60");
    drop(server);
    fs::remove_dir_all(directory).expect("the folder is ours");
}

#[test]
fn settings_come_from_the_standard_input() {
    let program = Program::under_test();
    let mut command = Command::new(program.path());
    command.args(["-", "--port", &free_port().to_string()]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the server starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"maxclients 100\nnonsense here\n").expect("the server reads");
    drop(input);
    assert_refused(&child.wait_with_output().expect("it ends"), &["line 2", "nonsense here"]);
}

#[test]
fn version_and_help_are_printed() {
    for (argument, word) in
        [("--version", "v="), ("-v", "v="), ("--help", "usage"), ("-h", "usage")]
    {
        let output = Program::under_test().run_to_end(&[argument]);
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).to_lowercase();
        assert!(text.contains(word), "{argument}: {text}");
        // A Redis exits with 1 after its help.
        let redis_help = Program::under_test().redis && word == "usage";
        assert!(output.status.success() || redis_help, "{argument}: {:?}", output.status);
    }
}

#[test]
fn signals_and_shutdown_end_it_cleanly() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut server = Options::under_test(2).start();
        let mut client = server.connect();
        assert_eq!(client.run("PING"), pong());
        let status = server.stop(signal);
        assert_eq!(status.code(), Some(0), "signal {signal}: {status:?} {}", server.log());
        assert!(client.is_closed_by_server());
    }
    let mut server = Options::under_test(2).start();
    let mut client = server.connect();
    client.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(client.is_closed_by_server());
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn a_unix_socket_serves_and_goes_away_with_the_server() {
    let mut options = Options::under_test(2).with("--port 0 --unixsocketperm 700 --unixsocket");
    options.arguments.push(SOCKET.to_owned());
    options.choose_port = false;
    let mut server = options.start();
    let path = server.socket_path();
    let mut client = Client::unix(&path).expect("the socket accepts");
    assert_eq!(client.run("SET key value"), Reply::Status("OK".to_owned()));
    assert_eq!(client.run("GET key"), Reply::Bulk(b"value".to_vec()));
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(&path).expect("the socket is a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    server.stop(libc::SIGTERM);
    assert!(!path.exists(), "the socket is left behind");
}

#[test]
fn a_socket_file_left_by_a_crash_does_not_matter() {
    let directory = fresh_directory();
    let path = directory.join(SOCKET);
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let mut options = Options::under_test(2).with("--unixsocket");
    options.arguments.push(path.to_string_lossy().into_owned());
    let server = options.start();
    assert_eq!(Client::unix(&path).expect("the socket accepts").run("PING"), pong());
    drop(server);
    fs::remove_dir_all(directory).expect("the folder is ours");
}

#[test]
fn several_addresses_of_both_families_are_served() {
    let server = Options::under_test(2).with("--bind 127.0.0.1 127.0.0.2").start();
    let second = SocketAddr::from(([127, 0, 0, 2], server.address.port()));
    let third = SocketAddr::from(([127, 0, 0, 3], server.address.port()));
    assert_eq!(server.connect().run("PING"), pong());
    assert_eq!(Client::tcp(second).expect("the second address").run("PING"), pong());
    assert!(Client::tcp(third).is_err(), "only the given addresses are served");
    if TcpListener::bind("[::1]:0").is_err() {
        return eprintln!("skipped in part: this machine has no IPv6");
    }
    let server = Options::under_test(2).with("--bind 127.0.0.1 ::1").start();
    let sixth: SocketAddr = format!("[::1]:{}", server.address.port()).parse().expect("an address");
    let mut client = Client::tcp(sixth).expect("the IPv6 address");
    assert_eq!(client.run("SET key six"), Reply::Status("OK".to_owned()));
    assert_eq!(server.connect().run("GET key"), Reply::Bulk(b"six".to_vec()));
    assert!(client.run("CLIENT LIST").text().contains("addr=[::1]:"));
}

#[test]
fn every_shard_count_serves_the_same() {
    if Program::under_test().redis {
        return eprintln!("skipped: a Redis has no shards");
    }
    for cores in [1, 2, 3, 7] {
        let server = Options::under_test(cores).start();
        let mut client = server.connect();
        for key in 0..50 {
            let key = format!("key:{key}");
            assert_eq!(client.call(&["SET", &key, &key]), Reply::Status("OK".to_owned()));
        }
        assert_eq!(client.run("DBSIZE"), Reply::Integer(50));
    }
}

#[test]
fn the_port_can_change_while_clients_are_connected() {
    let server = start("");
    let taken = TcpListener::bind("0.0.0.0:0").expect("some port is free");
    let taken = taken.local_addr().map(|address| (address.port(), taken)).expect("it is bound");
    let mut client = server.connect();
    let refused = client.run(&format!("CONFIG SET port {}", taken.0));
    assert!(matches!(refused, Reply::Error(_)), "{refused:?}");
    assert_eq!(server.connect().run("PING"), Reply::Status("PONG".to_owned()));
    let port = free_port();
    assert_eq!(client.run(&format!("CONFIG SET port {port}")), Reply::Status("OK".to_owned()));
    for _ in 0..8 {
        let mut fresh = Client::tcp(([127, 0, 0, 1], port).into()).expect("every core listens");
        assert_eq!(fresh.run("PING"), Reply::Status("PONG".to_owned()));
    }
    assert!(server.try_connect().is_err(), "nobody listens on the old port");
    assert_eq!(client.run("PING"), Reply::Status("PONG".to_owned()));
}

#[test]
fn only_what_asks_for_something_in_vain_is_warned_about() {
    assert!(!start("").log().contains("has no effect"));
    assert!(start("--save 900 1").log().contains("'save' has no effect"));
}
