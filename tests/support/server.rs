//! Server processes: the one under test and the reference.
//!
//! Invariant: the process is killed and waited for when its guard drops, and its folder is removed.
//! Nothing is sent to a port before every socket that listens on it is known to be our child's: the
//! tests empty databases, and a stranger's server may have taken the port in between.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::client::Client;
use super::reply::Reply;

/// The name of a server's Unix socket in its folder.
pub const SOCKET: &str = "socket";

/// How long a server may take to answer its first PING, or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server program that tests can start.
#[derive(Clone, Debug)]
pub struct Program {
    path: OsString,
    /// Whether it is a Redis (or Valkey), which has no `--cores`.
    pub redis: bool,
}

impl Program {
    /// The server under test: `SHOAL_SERVER`, by default the binary that was just built.
    pub fn under_test() -> Program {
        let built = || OsString::from(env!("CARGO_BIN_EXE_shoal"));
        Program::new(std::env::var_os("SHOAL_SERVER").unwrap_or_else(built))
    }

    /// The server to agree with; `None`, with a printed reason, where it is not installed.
    pub fn reference() -> Option<Program> {
        let path = std::env::var_os("REFERENCE_SERVER").unwrap_or_else(|| "redis-server".into());
        let program = Program::new(path);
        if program.version().is_none() {
            eprintln!("skipped: {:?} is not installed (see tests/setup.sh)", program.path);
            return None;
        }
        Some(program)
    }

    fn new(path: OsString) -> Program {
        let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let redis = name.starts_with("redis") || name.starts_with("valkey");
        Program { path, redis }
    }

    /// The program's file, or its name.
    pub fn path(&self) -> &OsStr {
        &self.path
    }

    /// What `--version` says, as numbers such as `[7, 0, 15]`.
    pub fn version(&self) -> Option<Vec<u32>> {
        let output = Command::new(&self.path).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?.to_owned();
        Some(number.split('.').map_while(|part| part.parse().ok()).collect())
    }

    /// Runs the program with these arguments alone until it ends by itself.
    ///
    /// # Panics
    /// If it does not end within 20 seconds.
    pub fn run_to_end(&self, arguments: &[&str]) -> Output {
        let child = Command::new(&self.path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{:?}: {error}", self.path));
        if wait(&mut child, PATIENCE).is_none() {
            drop(child.kill());
            let output = child.wait_with_output().expect("a stopped process has output");
            panic!("{arguments:?}: still running; it said {output:?}");
        }
        child.wait_with_output().expect("an ended process has output")
    }
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Options {
    pub program: Program,
    /// Shards; not given to a Redis.
    pub cores: usize,
    /// Further arguments, such as `["--databases", "4"]`.
    pub arguments: Vec<String>,
    /// A configuration file, given before all other arguments.
    pub file: Option<PathBuf>,
    /// The most file descriptors that the process may open.
    pub descriptors_max: Option<u64>,
    /// Whether the server is given a port, or the arguments say where it listens.
    pub choose_port: bool,
}

impl Options {
    pub fn new(program: Program, cores: usize) -> Options {
        let arguments = Vec::new();
        let (file, descriptors_max) = (None, None);
        Options { program, cores, arguments, file, descriptors_max, choose_port: true }
    }

    /// The server under test with this many shards.
    pub fn under_test(cores: usize) -> Options {
        Options::new(Program::under_test(), cores)
    }

    /// Adds arguments, separated by single blanks.
    pub fn with(mut self, arguments: &str) -> Options {
        self.arguments.extend(arguments.split(' ').map(str::to_owned));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer; the message carries what it printed.
    pub fn start(&self) -> Server {
        // Another process may take the free port first: then try another one.
        let mut failure = String::new();
        for _ in 0..3 {
            match self.try_start_on(free_port()) {
                Ok(server) => return server,
                Err(message) => failure = message,
            }
        }
        panic!("the server did not start: {failure}");
    }

    /// The complete command line for a port and a folder.
    fn command(&self, port: u16, directory: &Path) -> Command {
        let mut command = Command::new(&self.program.path);
        command.args(&self.file);
        if self.choose_port {
            command.args(["--port", &port.to_string()]);
        }
        if !self.program.redis {
            command.args(["--cores", &self.cores.to_string()]);
        }
        command.args(["--save", "", "--dir"]).arg(directory).args(&self.arguments);
        command.current_dir(directory);
        let log = std::fs::File::create(directory.join("log")).expect("a log file");
        command.stdin(Stdio::null()).stderr(log.try_clone().expect("a second handle"));
        command.stdout(log);
        if let Some(max) = self.descriptors_max {
            limit_descriptors(&mut command, max);
        }
        command
    }

    /// Starts the server on this port and waits until it answers.
    ///
    /// # Errors
    /// A text, when it ends, does not answer, or the port is another process's.
    pub fn try_start_on(&self, port: u16) -> Result<Server, String> {
        let directory = fresh_directory();
        let spawned = self.command(port, &directory).spawn();
        let child = spawned.map_err(|error| format!("{:?}: {error}", self.program.path))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Server { child, address, directory };
        let deadline = Instant::now() + PATIENCE;
        while !(server.owns_its_port()? && server.answers()) {
            let ended = server.child.try_wait().expect("the process can be asked");
            if ended.is_some() || Instant::now() > deadline {
                return Err(format!("{ended:?} with {:?}: {}", self.arguments, server.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

fn limit_descriptors(command: &mut Command, max: u64) {
    use std::os::unix::process::CommandExt;
    let limit = libc::rlimit { rlim_cur: max, rlim_max: max };
    // SAFETY: between fork and exec only setrlimit is called, which is async-signal-safe and reads
    // a value owned by the closure.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// A port of the loopback interface that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// An empty folder of the caller's own, under cargo's folder for test files.
pub fn fresh_directory() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("server-{}-{number}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&directory));
    std::fs::create_dir_all(&directory).expect("a folder for the server");
    directory
}

/// The inodes of all sockets that listen on a TCP port, of either family.
fn listening_sockets(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, ..] = fields[..] else { continue };
            let found = local.rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok());
            if state == LISTEN && found == Some(port) {
                sockets.extend(fields.get(9).map(|inode| format!("socket:[{inode}]")));
            }
        }
    }
    sockets
}

/// The sockets that a process has open, named as in [`listening_sockets`].
fn sockets_of(pid: u32) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("the process can be asked") {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A running server; dropping the guard kills it.
pub struct Server {
    child: Child,
    /// Where it listens, unless its arguments said otherwise.
    pub address: SocketAddr,
    /// Its working folder, removed with it.
    pub directory: PathBuf,
}

impl Server {
    /// A new connection.
    pub fn connect(&self) -> Client {
        self.try_connect().unwrap_or_else(|error| panic!("{error}; the server said {}", self.log()))
    }

    /// # Errors
    /// Those of the system's connect.
    pub fn try_connect(&self) -> std::io::Result<Client> {
        Client::tcp(self.address)
    }

    /// What the server printed until now.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a live process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.expect("resident memory in kilobytes") * 1024
    }

    /// Processor time used so far by all threads.
    pub fn cpu_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("a live process has a stat line");
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        // User and system time are the 14th and 15th fields, in ticks of 10 ms.
        let ticks = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or_default());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Waits until INFO says that this many clients are connected, the asking one included.
    ///
    /// # Panics
    /// If that does not happen within 20 seconds.
    pub fn wait_for_clients(&self, count: usize) {
        let mut client = self.connect();
        let wanted = format!("connected_clients:{count}\r");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info = client.run("INFO clients").text();
            if info.contains(&wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{count} clients were expected: {info}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process can be asked").is_none()
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Panics
    /// If the server does not stop within 20 seconds.
    pub fn stop(&mut self, signal: libc::c_int) -> ExitStatus {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child was not waited for yet, so the id is still its own.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "the signal can be sent");
        self.wait()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If the server does not stop within 20 seconds.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child, PATIENCE).expect("the server stops")
    }

    /// Whether the child listens where it should.
    ///
    /// # Errors
    /// When somebody else listens there, alone or (SO_REUSEPORT) beside it.
    fn owns_its_port(&self) -> Result<bool, String> {
        let listeners = listening_sockets(self.address.port());
        let own = sockets_of(self.child.id());
        if listeners.iter().any(|socket| !own.contains(socket)) {
            return Err(format!("port {} belongs to another process", self.address.port()));
        }
        Ok(!listeners.is_empty() || self.announced())
    }

    /// Whether a PING is answered, be it with an error such as a missing password.
    fn answers(&self) -> bool {
        let Ok(mut client) = self.try_connect() else { return self.announced() };
        let sent = client.send_bytes(b"*1\r\n$4\r\nPING\r\n");
        let reply = sent.and_then(|()| client.try_receive());
        reply.is_ok_and(|(reply, _)| !reply.is_error("LOADING") && reply != Reply::Nil)
    }

    /// Whether a server that has no port made its Unix socket.
    fn announced(&self) -> bool {
        self.directory.join(SOCKET).exists()
    }

    /// The Unix socket of a server started with `--unixsocket socket`.
    pub fn socket_path(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}
