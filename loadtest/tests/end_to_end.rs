//! The program as a process: against redis-server where one is installed, and against servers that
//! misbehave.
//!
//! Invariant: no test leaves a server behind, and every server listens where the system found room.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// Runs the program with these words, and returns what became of it.
fn loadtest(words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(words.split_whitespace()).output().unwrap()
}

/// Runs the program, which must succeed, and returns its table.
fn succeed(words: &str) -> String {
    let output = loadtest(words);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "loadtest {words}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must fail with status 1 and one line that contains `reason`.
fn fail(words: &str, reason: &str) {
    let output = loadtest(words);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "loadtest {words}: {error}");
    assert!(error.contains(reason) && error.lines().count() == 1, "loadtest {words}: {error}");
}

/// A redis-server that ends with its guard.
struct Redis {
    process: Child,
    port: u16,
    directory: PathBuf,
}

impl Redis {
    /// Starts a server with these further arguments; `None` if none is installed.
    fn start(arguments: &str) -> Option<Redis> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory =
            std::env::temp_dir().join(format!("loadtest-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let spawned = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--unixsocket", "socket", "--port"])
            .arg(port.to_string())
            .arg("--dir")
            .arg(&directory)
            .args(arguments.split_whitespace())
            .current_dir(&directory)
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut process) = spawned else {
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut redis = Redis { process, port, directory };
        let is_ready = lines.any(|line| line.unwrap().contains("Ready to accept connections"));
        assert!(is_ready, "redis-server ended with {:?}", redis.process.wait());
        // Its pipe must not fill up, nor break.
        std::thread::spawn(move || lines.for_each(drop));
        Some(redis)
    }

    fn command(&self, words: &str) {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
        let mut reply = [0; 3];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK", "{words}");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A server that is already gone is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

const EVERY_COMMAND: &str =
    "get,set,mget,mset,del,incr,lpush,rpop,lrange,sadd,hset,hget,zadd,xadd,ping";

#[test]
fn a_closed_loop_sends_exactly_what_was_asked() {
    let Some(redis) = Redis::start("") else { return };
    let port = redis.port;
    let json = redis.directory.join("result.json");
    let csv = redis.directory.join("result.csv");
    let text = succeed(&format!(
        "-p {port} -n 20001 -P 7 --threads 2 --mix get=3,set=1 --preload -r 500 -q \
         --json {} --csv {} --svg {}",
        json.display(),
        csv.display(),
        redis.directory.display()
    ));
    assert!(text.contains("20001 requests") && !text.contains("found no key"), "{text}");
    let result: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(result["requests"], 20001);
    assert!(result["server_cpu_us_per_request"].as_f64().unwrap() > 0.0);
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 4);
    assert!(redis.directory.join("latency.svg").exists());
    assert!(redis.directory.join("throughput.svg").exists());
}

#[test]
fn a_walk_names_every_key_once() {
    let Some(redis) = Redis::start("") else { return };
    let port = redis.port;
    let text =
        succeed(&format!("-p {port} --walk -r 12345 -c 7 -P 9 --threads 2 --mix set --ttl 500 -q"));
    assert!(text.contains("12345 requests in"), "{text}");
    let text = succeed(&format!("-p {port} --walk -r 12345 --mix get -P 50 -q"));
    assert!(text.contains("12345 requests in") && !text.contains("found no key"), "{text}");
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let Some(redis) = Redis::start("") else { return };
    let port = redis.port;
    let text = succeed(&format!(
        "-p {port} --rate 2000 --arrivals constant --duration 0.5 -c 4 -P 8 --mix ping -q"
    ));
    let row = text.lines().find(|line| line.starts_with("ping")).unwrap();
    let requests: u64 = row.split_whitespace().nth(1).unwrap().parse().unwrap();
    // It never runs ahead of its schedule; on a busy machine the end of the run may cut some off.
    assert!((200..=1001).contains(&requests), "{text}");
}

#[test]
fn check_agrees_with_redis_over_every_command_and_transport() {
    let Some(redis) = Redis::start("") else { return };
    let port = redis.port;
    let load = format!("--check -n 20000 -r 300 -d 0-99,70k:1 --mix {EVERY_COMMAND} -q");
    succeed(&format!("-p {port} -P 16 -c 10 --threads 2 {load}"));
    let socket = redis.directory.join("socket");
    let text = succeed(&format!("-s {} --resp 3 --distribution zipf {load}", socket.display()));
    assert!(text.contains("every reply checked"));
}

#[test]
fn a_cluster_of_one_node_is_a_cluster() {
    let Some(redis) = Redis::start("--cluster-enabled yes") else { return };
    redis.command("CLUSTER ADDSLOTSRANGE 0 16383");
    let port = redis.port;
    // The node needs a moment to find the cluster complete; until then it answers CLUSTERDOWN.
    succeed(&format!("-p {port} --cluster --duration 0.2 --mix get,set -q --tolerate-errors"));
    fail(&format!("-p {port} --cluster --mix mset -q"), "names several keys");
}

#[test]
fn authentication_is_required_and_given() {
    let Some(redis) = Redis::start("--requirepass secret") else { return };
    let port = redis.port;
    fail(&format!("-p {port} -n 10 -q"), "NOAUTH");
    fail(&format!("-p {port} -n 10 -q -a wrong"), "WRONGPASS");
    succeed(&format!("-p {port} -n 10 -q -a secret --resp 3 --db 3"));
}

#[test]
fn an_error_reply_ends_the_run_unless_it_is_tolerated() {
    let Some(redis) = Redis::start("") else { return };
    let port = redis.port;
    let load = format!("-p {port} -n 100 -q --command NOSUCH");
    fail(&load, "unknown command 'NOSUCH'");
    fail(&format!("-p {port} --threads 2 --cpus 0,100000 -q"), "no processor 100000");
    let text = succeed(&format!("{load} --tolerate-errors"));
    assert!(text.contains("100 replies were errors"), "{text}");
}

#[test]
fn nobody_listening_is_said() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fail(&format!("-p {port} -q"), "refused");
    fail("-s /nonexistent/socket -q", "cannot connect to /nonexistent/socket");
    fail("-c 5 --threads 6", "--threads");
}

/// Runs the program against a server that answers PING with `says` and closes if `closes`.
fn fail_against(says: &'static [u8], closes: bool, further: &str, reason: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|len| len > 0) {
                    let is_info = request.starts_with(b"*2\r\n$4\r\nINFO");
                    let reply = if is_info { b"$0\r\n\r\n" } else { says };
                    if stream.write_all(reply).is_err() || (closes && !is_info) {
                        break;
                    }
                }
            });
        }
    });
    fail(&format!("-p {port} -c 3 --mix ping --timeout 0.3 -q {further}"), reason);
}

#[test]
fn misbehaving_servers_are_told_apart_and_never_hang_the_run() {
    fail_against(b"", false, "", "did not answer for 0.3 s");
    fail_against(b"", false, "--rate 100 --duration 0.1", "did not answer for 0.3 s");
    fail_against(b"", true, "", "closed a connection with 1 requests unanswered");
    fail_against(b"$100\r\nabc", true, "", "closed a connection");
    fail_against(b"HTTP/1.1 200 OK\r\n\r\n", false, "", "not RESP");
    fail_against(b"+PONG\r\n+PONG\r\n", false, "", "a reply to no request");
    fail_against(b"-LOADING wait\r\n", false, "", "LOADING wait");
    fail_against(b"+PING\r\n", false, "--check", "expected PONG, received PING");
}
