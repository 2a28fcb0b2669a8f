//! The table as a whole, CONFIG GET and SET, files, rewriting and the command line. Expected texts
//! were recorded from redis-server 7.0.15.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::command_line::{self, Invocation};
use super::file::{LoadError, Source, load};
use super::rewrite::{RewriteError, rewrite_file, rewrite_text};
use super::settings::{Choice, Cores, LogLevel, MaxmemoryPolicy, MemoryLimit, Permission};
use super::settings::{SavePoint, Supervised, SyslogFacility};
use super::*;
use proptest::prelude::*;

/// Reads text as if it came from standard input.
fn read(text: &[u8]) -> Result<Config, LoadError> {
    load(&Source { reads_standard_input: true, ..Source::default() }, &mut &text[..])
}

fn read_ok(text: &str) -> Config {
    read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn show(config: &Config, name: &str) -> String {
    let (parameter, _) = lookup(name.as_bytes()).expect("a known name");
    String::from_utf8(parameter.get(config)).expect("UTF-8")
}

fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Update, String> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    config.set(&pairs, Requester::default()).map_err(|error| error.to_string())
}

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

#[expect(clippy::disallowed_methods, reason = "tests")]
impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shoal-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.0.join(name), text).expect("a scratch file");
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("a scratch file")
    }

    fn mode(&self, name: &str) -> u32 {
        let metadata = std::fs::metadata(self.0.join(name)).expect("a scratch file");
        metadata.permissions().mode() & 0o777
    }

    fn set_mode(&self, name: &str, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.0.join(name), permissions).expect("a scratch file");
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).expect("a scratch directory");
        names
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "tests")]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn rows_are_sorted_unique_and_documented() {
    assert!(PARAMETERS.is_sorted_by(|left, right| left.name < right.name));
    let all: Vec<_> = names().map(|(_, name)| name).collect();
    for (index, name) in all.iter().enumerate() {
        assert!(!all[..index].contains(name), "{name} twice");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b"-_".contains(&b)), "{name}");
    }
    for parameter in PARAMETERS {
        let doc = parameter.doc;
        assert!(doc.len() > 10 && doc.len() < 100 && doc.ends_with('.'), "{}", parameter.name);
    }
}

#[test]
fn choices_have_as_many_names_as_values() {
    fn check<C: Choice>() {
        assert_eq!(C::NAMES.len(), C::VALUES.len());
    }
    check::<LogLevel>();
    check::<MaxmemoryPolicy>();
    check::<Permission>();
    check::<Supervised>();
    check::<SyslogFacility>();
    assert_eq!(Config::default().maxmemory_policy.name(), "noeviction");
}

#[test]
fn bounds_fit_the_fields() {
    let mut config = Config::default();
    for parameter in PARAMETERS {
        let (minimum, maximum) = match parameter.kind {
            Kind::Integer { minimum, maximum } | Kind::Memory { minimum, maximum } => {
                (minimum, maximum.min(i64::MAX.into()))
            }
            _ => continue,
        };
        for bound in [minimum, maximum] {
            let text = bound.to_string();
            assert_eq!(
                parameter.set(&mut config, &[text.as_bytes()]),
                Ok(()),
                "{}",
                parameter.name
            );
            assert_eq!(parameter.get(&config), text.as_bytes(), "{}", parameter.name);
        }
    }
}

#[test]
fn what_get_prints_set_accepts() {
    let config = Config::default();
    for parameter in PARAMETERS.iter().filter(|row| row.mutability != Mutability::Immutable) {
        let value = parameter.get(&config);
        let mut changed = config.clone();
        let words = split_value(parameter, &value);
        assert_eq!(parameter.set(&mut changed, &words), Ok(()), "{}", parameter.name);
        assert!(changed == config, "{}", parameter.name);
    }
}

#[test]
fn defaults_are_redis_s() {
    let config = Config::default();
    assert_eq!(config.port, 6379);
    assert_eq!(config.bind, ["*", "-::*"]);
    assert_eq!(config.maxmemory_clients, MemoryLimit::Bytes(0));
    assert_eq!(config.cores, Cores::Auto);
    for (name, value) in [
        ("save", "3600 1 300 100 60 10000"),
        ("bind", "* -::*"),
        ("client-query-buffer-limit", "1073741824"),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("oom-score-adj-values", "0 200 800"),
        ("repl-backlog-size", "1048576"),
        ("replicaof", ""),
        ("shutdown-on-sigterm", "default"),
        ("unixsocketperm", "0"),
        ("list-max-ziplist-size", "-2"),
    ] {
        assert_eq!(show(&config, name), value, "{name}");
    }
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn get_takes_names_aliases_and_patterns() {
    let get = |patterns: &[&str]| {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let found = Config::default().get(&patterns);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        found.into_iter().map(|(n, v)| format!("{}={}", text(n), text(v))).collect::<Vec<_>>()
    };
    assert_eq!(get(&["MAXMEMORY"]), ["MAXMEMORY=0"]);
    assert_eq!(get(&["maxmemory", "maxmemory", "MaxMemory"]), ["maxmemory=0"]);
    let both = ["hash-max-listpack-entries=512", "hash-max-ziplist-entries=512"];
    assert_eq!(get(&["HASH-max-*ent*"]), both);
    assert_eq!(get(&["hash-max-ziplist-entries"]), both[1..]);
    assert_eq!(get(&["", "nothing", "\\port"]), [""; 0]);
    assert_eq!(get(&["watchdog-*"]), [""; 0]);
    assert_eq!(get(&["watchdog-period"]), ["watchdog-period=0"]);
    assert_eq!(get(&["*"]).len(), names().filter(|(row, _)| !row.is_hidden).count());
}

#[test]
fn set_refuses_in_redis_s_words() {
    let config = Config::default();
    let check = |pairs: &[(&str, &str)], argument: &str, reason: &str| {
        let text =
            format!("CONFIG SET failed (possibly related to argument '{argument}') - {reason}");
        assert_eq!(set(&config, pairs).map(|_| ()), Err(text), "{pairs:?}");
    };
    check(&[("MAXMEMORY", "abc")], "maxmemory", "argument must be a memory value");
    check(
        &[("hash-max-ziplist-entries", "x")],
        "hash-max-ziplist-entries",
        "argument couldn't be parsed into an integer",
    );
    check(&[("DATABASES", "3")], "DATABASES", "can't set immutable config");
    check(&[("dir", "/")], "dir", "can't set protected config");
    check(&[("port", "1"), ("PORT", "2")], "PORT", "duplicate parameter");
    check(
        &[("loglevel", "x")],
        "loglevel",
        "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
    );
    check(
        &[("maxclients", "-1")],
        "maxclients",
        "argument must be between 1 and 4294967295 inclusive",
    );
    check(&[("save", "60")], "save", "Invalid save parameters");
    check(&[("save", "60  1")], "save", "Invalid save parameters");
    check(
        &[("shutdown-on-sigint", "save nosave")],
        "shutdown-on-sigint",
        "shutdown options SAVE and NOSAVE can't be used simultaneously",
    );
    check(
        &[("notify-keyspace-events", "q")],
        "notify-keyspace-events",
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    );
    check(
        &[("bind", "a b c d e f g h i j k l m n o p q")],
        "bind",
        "Too many bind addresses specified.",
    );
    check(
        &[("proc-title-template", "{x}")],
        "proc-title-template",
        "template format is invalid or contains unknown variables",
    );
    check(&[("oom-score-adj-values", "1 2")], "oom-score-adj-values", "wrong number of arguments");
    let unknown = "Unknown option or number of arguments for CONFIG SET - 'Foo'";
    assert_eq!(set(&config, &[("Foo", "1"), ("databases", "1")]).map(|_| ()), Err(unknown.into()));
    let loading = Requester { is_loading: true, ..Requester::default() };
    let pairs: &[(&[u8], &[u8])] = &[(b"appendonly", b"yes"), (b"foo", b"")];
    assert_eq!(config.set(pairs, loading).map(|_| ()), Err(SetError::Loading));
}

#[test]
fn set_changes_all_or_nothing_and_names_its_hooks() {
    let config = Config::default();
    assert!(set(&config, &[("port", "1"), ("timeout", "x")]).is_err());
    let update = set(
        &config,
        &[
            ("port", "1"),
            ("maxmemory", "1gb"),
            ("maxmemory-clients", "5%"),
            ("hz", "100000"),
            ("loglevel", "notice"),
            ("hash-max-ziplist-entries", "5"),
            ("hash-max-listpack-entries", "6"),
            ("save", ""),
            ("bind", ""),
            ("client-output-buffer-limit", "replica 1mb 2k 3"),
            ("notify-keyspace-events", "KEAnm"),
            ("latency-tracking-info-percentiles", "50.50 99.99999999 1e1"),
        ],
    )
    .expect("valid values");
    let hooks = [
        (Apply::Port, "port"),
        (Apply::MaxMemory, "maxmemory"),
        (Apply::MaxMemoryClients, "maxmemory-clients"),
        (Apply::Hz, "hz"),
        (Apply::Bind, "bind"),
    ];
    assert_eq!(update.hooks, hooks);
    let changed = update.config;
    assert_eq!((changed.port, changed.maxmemory, changed.hz), (1, 1 << 30, 500));
    assert_eq!(changed.maxmemory_clients, MemoryLimit::PercentOfMaxmemory(5));
    assert_eq!(changed.hash_max_listpack_entries, 6);
    assert!(changed.save.is_empty() && changed.bind.is_empty());
    assert!(changed.notify_keyspace_events.contains(b'n'));
    assert_eq!(show(&changed, "notify-keyspace-events"), "AnKEm");
    assert_eq!(show(&changed, "latency-tracking-info-percentiles"), "50.5 100 10");
    let limits = "normal 0 0 0 slave 1048576 2000 3 pubsub 33554432 8388608 60";
    assert_eq!(show(&changed, "client-output-buffer-limit"), limits);
    assert_eq!(config.port, 6379);
}

#[test]
fn protected_parameters_ask_for_permission() {
    let config = read_ok("enable-protected-configs local");
    let pairs: &[(&[u8], &[u8])] = &[(b"dir", b"/")];
    assert!(config.set(pairs, Requester::default()).is_err());
    let local = Requester { is_local: true, ..Requester::default() };
    let update = config.set(pairs, local).expect("a local client may");
    assert_eq!(update.config.dir, PathBuf::from("/"));
    assert_eq!(update.hooks, [(Apply::Directory, "dir")]);
    let refused = config.set(&[(b"dir", b"/nonexistent")], local).map(|_| ());
    assert_eq!(refused, Err(SetError::failed("dir", "No such file or directory".into())));
}

#[test]
fn reserved_parameters_are_kept_and_warned_about() {
    let file =
        "appendonly yes\ntls-port 7\nsave 900 1\nuser bob on >pw\nlua-replicate-commands yes";
    let config = read_ok(file);
    assert_eq!(show(&config, "tls-port"), "7");
    let warnings = config.warnings();
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert_eq!(warnings[0], "'appendonly' has no effect: persistence is not available yet");
    let back = set(&config, &[("tls-port", "0"), ("appendonly", "no")]).expect("defaults");
    assert_eq!(back.config.warnings().len(), 3);
    assert!(read_ok("save ''").warnings().is_empty(), "it asks for nothing");
}

#[test]
fn secrets_are_not_shown() {
    let config = read_ok("requirepass hunter2\nmasterauth hunter2\nuser bob on >hunter2");
    assert_eq!(config.requirepass.as_bytes(), b"hunter2");
    assert!(!format!("{config:?} {:?}", config.warnings()).contains("hunter2"));
    for text in [
        "requirepass hunter2 x",
        "\"requirepass\" \"hunter2",
        "user",
        "USER \"hunter2",
        "\"require\\x70ass\" hunter2 x",
    ] {
        let error = read(text.as_bytes()).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn bad_lines_are_fatal_with_their_number() {
    let check = |text: &str, number: usize, line: &str, reason: &str| {
        let error = read(text.as_bytes()).map(|_| ()).expect_err(text).to_string();
        let expected = format!(
            "\n*** FATAL CONFIG FILE ERROR (Shoal {}) ***\n\
             Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(error, expected);
    };
    check("port 1\n\nfoo bar\n", 3, "foo bar", "Bad directive or wrong number of arguments");
    check("\n  maxmemory   abc \r\n", 2, "maxmemory   abc", "argument must be a memory value");
    check("port \"a", 1, "port \"a", "Unbalanced quotes in configuration line");
    check("port 1 2", 1, "port 1 2", "wrong number of arguments");
    check("port", 1, "port", "wrong number of arguments");
    check("save 1", 1, "save 1", "Invalid save parameters");
    check("replicaof", 1, "replicaof", "wrong number of arguments");
    let limits = "client-output-buffer-limit ''";
    check(limits, 1, limits, "Wrong number of arguments in buffer limit configuration.");
    check("foo.bar", 1, "foo.bar", "Module config specified without value");
    check("sentinel x", 1, "sentinel x", "sentinel directive while not in sentinel mode");
    check(
        "list-max-ziplist-value",
        1,
        "list-max-ziplist-value",
        "Bad directive or wrong number of arguments",
    );
    let daemonize = read(b"daemonize yes").map(|_| ()).expect_err("refused").to_string();
    assert!(daemonize.contains("supervisor"), "{daemonize}");
    assert!(!read_ok("daemonize yes\ndaemonize no").daemonize);
}

#[test]
fn repeated_directives_replace_or_add_up() {
    let point = |seconds, changes| SavePoint { seconds, changes };
    assert_eq!(read_ok("save 1 2\nsave \"3 4\"").save, [point(1, 2), point(3, 4)]);
    assert_eq!(read_ok("save 1 2\nsave ''\nsave 5 6 7 8").save, [point(5, 6), point(7, 8)]);
    assert!(read_ok("save 1 2\nsave \"\"").save.is_empty());
    assert_eq!(read_ok("TIMEOUT 1\n# timeout 3\ntimeout 2").timeout, 2);
    assert_eq!(read_ok("bind '* -::1'").bind, ["*", "-::1"]);
    assert_eq!(read_ok("cpus 5,0-2,4").cpus, [5, 0, 1, 2, 4]);
    assert_eq!(show(&read_ok("cpus 5,0-2,4"), "cpus"), "5,0-2,4");
    assert!(
        read(b"cpus 1,0-2").is_err() && read(b"cpus 2-1").is_err() && read(b"cpus 1,").is_err()
    );
    assert_eq!(read_ok("cores 3").cores, Cores::Count(3));
    assert!(read(b"cores 0").is_err());
    assert_eq!(read_ok("slaveof 10.0.0.1 6379").replicaof, Some(("10.0.0.1".into(), 6379)));
    assert_eq!(read_ok("replicaof no one").replicaof, None);
}

#[test]
fn files_include_files() {
    let scratch = Scratch::new("include");
    scratch.write("a1.conf", "timeout 1\nport 1");
    scratch.write("a2.conf", "port 2");
    scratch.write(".a3.conf", "port 3");
    scratch.write("loop.conf", "include loop.conf");
    let dir = scratch.0.display();
    let config = read_ok(&format!("dir {dir}\ninclude a*.conf\ninclude {dir}/none*\nhz 20"));
    assert_eq!((config.timeout, config.port, config.hz), (1, 2, 20));
    let missing =
        read(b"include /nonexistent/x.conf").map(|_| ()).expect_err("missing").to_string();
    let expected =
        "Fatal error, can't open config file '/nonexistent/x.conf': No such file or directory";
    assert_eq!(missing, expected);
    let error = read(format!("dir {dir}\ninclude loop.conf").as_bytes()).map(|_| ());
    assert!(error.expect_err("a cycle").to_string().contains("includes itself"));
}

#[test]
fn text_without_end_is_refused() {
    let source = Source { reads_standard_input: true, ..Source::default() };
    let error = load(&source, &mut std::io::repeat(b'#')).map(|_| ()).expect_err("endless");
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

/// Recorded from redis-server 7.0.15, less the `user` line that it adds and with appended lines in
/// the table's order: there the order is random.
#[test]
fn rewriting_matches_redis() {
    let old = "# Head comment\nPORT 7393\nbind 127.0.0.1\n\n\n# memory\n  maxmemory   104857600\n\
        hash-max-ziplist-entries 100\nsave 900 1\nsave 300 10\nsave 60 10000\nnosuchthing 1\n\
        bad \"quote\nloglevel notice\nclient-output-buffer-limit replica 256mb 64mb 60\ntimeout 5\n\
        timeout 6\nlist-max-ziplist-entries 3\nlogfile \"\"\nrequirepass \"a b\\x01\"\n";
    let valid: String =
        old.split_inclusive('\n').filter(|line| !line.starts_with(['n', 'b'])).collect();
    let config = read_ok(&format!("{valid}\nbind 127.0.0.1\ndir /"));
    let config = set(
        &config,
        &[
            ("save", "3600 1"),
            ("maxmemory-clients", "5%"),
            ("shutdown-on-sigterm", "now save"),
            ("maxmemory", "3gb"),
            ("notify-keyspace-events", "KEA"),
            ("client-output-buffer-limit", "pubsub 1mb 1000 5"),
            ("proc-title-template", "{title} {port}"),
            ("oom-score-adj-values", "1 2 3"),
        ],
    );
    let config = config.expect("valid values").config;
    let new = "# Head comment\nport 7393\nbind 127.0.0.1\n\n# memory\nmaxmemory 3gb\n\
        hash-max-listpack-entries 100\nsave 3600 1\n\n# ??? nosuchthing 1\n# ??? bad \"quote\n\
        loglevel notice\nclient-output-buffer-limit normal 0 0 0\ntimeout 6\n\n\
        # ??? list-max-ziplist-entries 3\nlogfile \"\"\nrequirepass \"a b\\x01\"\n\n\
        # Generated by CONFIG REWRITE\nclient-output-buffer-limit pubsub 1mb 1000 5\ndir \"/\"\n\
        latency-tracking-info-percentiles 50 99 99.9\nmaxmemory-clients 5%\n\
        notify-keyspace-events \"AKE\"\noom-score-adj-values 1 2 3\n\
        proc-title-template \"{title} {port}\"\nshutdown-on-sigterm save now\n";
    let rewritten = rewrite_text(old.as_bytes(), &config);
    assert_eq!(String::from_utf8_lossy(&rewritten), new);
    let later = set(&config, &[("timeout", "0"), ("bind", "* -::*")]).expect("defaults").config;
    let again = String::from_utf8(rewrite_text(&rewritten, &later)).expect("UTF-8");
    let pubsub = "client-output-buffer-limit pubsub 1mb 1000 5\n";
    let replica = "client-output-buffer-limit replica 256mb 64mb 60\n";
    let expected = new.replace("\nbind 127.0.0.1\n", "\n").replace("timeout 6", "timeout 0");
    assert_eq!(again, expected.replace(pubsub, replica) + "\n" + pubsub);
}

#[test]
fn rewriting_replaces_the_file_and_leaves_nothing_else() {
    let scratch = Scratch::new("rewrite");
    let path =
        scratch.write("shoal.conf", "port 1\ninclude none*.conf\nfoo.bar 1\nuser default on\n");
    let source = Source { file: Some(path), ..Source::default() };
    let config = load(&source, &mut std::io::empty()).expect("a valid file");
    let config = set(&config, &[("port", "2")]).expect("a valid port").config;
    scratch.set_mode("shoal.conf", 0o600);
    assert_eq!(rewrite_file(&config), Ok(()));
    let text = scratch.read("shoal.conf");
    assert!(text.starts_with("port 2\ninclude none*.conf\nfoo.bar 1\nuser default on\n"), "{text}");
    assert_eq!(scratch.names(), ["shoal.conf"]);
    assert_eq!(scratch.mode("shoal.conf"), 0o600);
    let mut reread = load(&source, &mut std::io::empty()).expect("what was written");
    reread.directives.clone_from(&config.directives);
    assert!(reread == *config);
    assert_eq!(rewrite_file(&Config::default()), Err(RewriteError::NoFile));
    drop(scratch);
    let gone = rewrite_file(&config).expect_err("the directory is gone").to_string();
    assert_eq!(gone, "Rewriting config file: No such file or directory");
}

fn start(arguments: &[&str]) -> Source {
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    match command_line::parse(&arguments) {
        Invocation::Start(source) => source,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn the_command_line_is_redis_s() {
    let check = |arguments: &[&str], options: &str| {
        assert_eq!(String::from_utf8_lossy(&start(arguments).options), options, "{arguments:?}");
    };
    check(
        &["--port", "7777", "--bind", "127.0.0.1", "::1"],
        "port \"7777\" \nbind \"127.0.0.1\" \"::1\" ",
    );
    check(&["--bind", "* -::*"], "bind \"* -::*\" ");
    check(&["--port 6380", "--hz", "5"], "port 6380 \nhz \"5\" ");
    check(&["--save", ""], "save \"\" ");
    check(&["--save", "--port", "1"], "save \"\"\nport \"1\" ");
    check(&["--save"], "save \"\"");
    check(&["--foo", "--port", "7392"], "foo \"--port\" \"7392\" ");
    check(&["--core-ports", "--port", "1"], "core-ports yes\nport \"1\" ");
    check(&["--core-ports", "no"], "core-ports \"no\" ");
    check(&["-x", "5"], "\"-x\" \"5\" ");
    check(&["--port", "1", "-", "x"], "port \"1\" \"-\" \"x\" ");
    assert!(
        start(&["-"]).reads_standard_input && start(&["-", "--port", "1"]).reads_standard_input
    );
    let mixed = start(&["my.conf", "--loglevel", "verbose", "-"]);
    assert_eq!(mixed.file, Some("my.conf".into()));
    assert!(mixed.reads_standard_input);
    assert_eq!(command_line::parse(&[b"-v"]), Invocation::Version);
    assert_eq!(command_line::parse(&[b"--help", b"x"]), Invocation::Help);
}

#[test]
fn later_sources_win() {
    let scratch = Scratch::new("sources");
    let path = scratch.write("shoal.conf", "port 1\ntimeout 1\nhz 30");
    let mut source = start(&["shoal.conf", "--bind", "127.0.0.1 -::1", "--port", "3", "-"]);
    source.file = Some(path.clone());
    let config = load(&source, &mut &b"port 2\ntimeout 2"[..]).expect("valid sources");
    assert_eq!((config.port, config.timeout, config.hz), (3, 2, 30));
    assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(config.file, Some(path));
    let error = load(&start(&["--port", "abc"]), &mut std::io::empty()).map(|_| ());
    let LoadError::Line { number, line, .. } = error.expect_err("no port") else {
        panic!("no line")
    };
    assert_eq!((number, line.as_str()), (2, "port \"abc\""));
}

#[test]
fn help_names_every_parameter() {
    let help = command_line::help();
    for parameter in PARAMETERS {
        let mention = format!("--{} ", parameter.name);
        assert_eq!(help.contains(&mention), !parameter.is_hidden, "{}", parameter.name);
    }
    assert!(command_line::version().starts_with("Shoal server v="));
}

/// Lines that come near the grammar: a known or unknown name and some awkward values.
fn any_line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        (0..PARAMETERS.len()).prop_map(|index| PARAMETERS[index].name.to_owned()),
        "[a-z.\"'# -]{0,12}",
    ];
    let value = prop_oneof![
        prop::sample::select(vec![
            "\"a b\"",
            "'\"'",
            "yes",
            "no",
            "0",
            "-1",
            "1gb",
            "5%",
            "\"\"",
            "a b",
            "99999999999999999999"
        ])
        .prop_map(String::from),
        "[ -~]{0,8}",
    ];
    (name, prop::collection::vec(value, 0..4))
        .prop_map(|(name, values)| format!("{name} {}", values.join(" ")))
}

fn any_arguments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6)
}

proptest! {
    #[test]
    fn reading_never_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&text);
        let _ = rewrite_text(&text, &Config::default());
    }

    /// Any file that is accepted can be rewritten, and reads back as the same configuration.
    #[test]
    fn rewriting_keeps_the_meaning(lines in prop::collection::vec(any_line(), 1..8)) {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|line| !line.contains("include") && read(line.as_bytes()).is_ok())
            .collect();
        let mut config = read_ok(&lines.join("\n"));
        let new = rewrite_text(lines.join("\n").as_bytes(), &config);
        let reread = read(&new);
        prop_assert!(reread.is_ok(), "{:?}", reread.err());
        let mut reread = reread.expect("checked above");
        config.directives.clear();
        reread.directives.clear();
        prop_assert!(reread == config, "{}", String::from_utf8_lossy(&new));
        // The first time may leave a blank line at the end, as in Redis; afterwards nothing
        // changes.
        let settled = rewrite_text(&new, &config);
        prop_assert_eq!(rewrite_text(&settled, &config), settled);
    }

    #[test]
    fn command_lines_never_panic(arguments in any_arguments()) {
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let _ = command_line::parse(&arguments);
    }
}
