//! What is measured: the whole comparison as a table.
//!
//! To add a workload, add a row. Invariant: a row's arguments are complete, so that what the page
//! shows is what was run; what is not in them depends on the profile (how long) or on the place
//! (where the server listens, how many threads load it).

/// Which processors the server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One, and whoever loads it gets the others.
    OneCore,
    /// All, shared with whoever loads it.
    AllCores,
}

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP over the loopback device.
    Tcp,
    /// A Unix socket.
    Unix,
}

/// A load generator with arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The one of this repository.
    Loadtest(&'static str),
    /// The one that comes with Redis.
    RedisBenchmark(&'static str),
    /// `memtier_benchmark` of Redis Ltd.
    Memtier(&'static str),
}

/// A row of the comparison.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// The command that a server must know.
    pub needs: &'static str,
    /// What makes the keys; the server is emptied before.
    pub prepare: Option<Load>,
    pub load: Load,
    /// Whether the quick profile has it too.
    pub is_quick: bool,
}

/// Rows that are measured at one place and shown as one table.
#[derive(Debug)]
pub struct Section {
    pub title: &'static str,
    /// The name of its plot, without `.svg`.
    pub plot: &'static str,
    /// What a reader should know, in a sentence or two.
    pub text: &'static str,
    pub place: Place,
    pub transport: Transport,
    pub workloads: &'static [Workload],
}

impl Workload {
    const fn new(name: &'static str, needs: &'static str, arguments: &'static str) -> Workload {
        let load = Load::Loadtest(arguments);
        Workload { name, needs, prepare: None, load, is_quick: false }
    }

    const fn with(name: &'static str, needs: &'static str, load: Load) -> Workload {
        Workload { name, needs, prepare: None, load, is_quick: false }
    }

    const fn after(mut self, prepare: Load) -> Workload {
        self.prepare = Some(prepare);
        self
    }

    const fn quick(mut self) -> Workload {
        self.is_quick = true;
        self
    }
}

/// All of 100,000 keys, which reads then find.
const FILL: Load = Load::Loadtest("--walk -c 10 -P 50 -r 100000 -d 16 --mix set");

const STRINGS_ONE_CORE: &[Workload] = &[
    Workload::new("SET", "SET", "-c 50 -P 1 -r 100000 -d 16 --mix set").quick(),
    Workload::new("SET, pipeline 16", "SET", "-c 50 -P 16 -r 100000 -d 16 --mix set").quick(),
    Workload::new("SET, pipeline 50", "SET", "-c 50 -P 50 -r 100000 -d 16 --mix set").quick(),
    Workload::new("GET", "GET", "-c 50 -P 1 -r 100000 -d 16 --mix get").after(FILL).quick(),
    Workload::new("GET, pipeline 16", "GET", "-c 50 -P 16 -r 100000 -d 16 --mix get")
        .after(FILL)
        .quick(),
    Workload::new("GET, pipeline 50", "GET", "-c 50 -P 50 -r 100000 -d 16 --mix get")
        .after(FILL)
        .quick(),
    Workload::new(
        "1 SET to 10 GET, Zipf",
        "GET",
        "-c 50 -P 1 -r 100000 -d 16 --distribution zipf --mix get=10,set=1",
    )
    .after(FILL),
    Workload::new(
        "1 SET to 10 GET, Zipf, pipeline 16",
        "GET",
        "-c 50 -P 16 -r 100000 -d 16 --distribution zipf --mix get=10,set=1",
    )
    .after(FILL)
    .quick(),
    Workload::new("MSET of 10 keys", "MSET", "-c 50 -P 1 -r 100000 -d 16 --mix mset"),
    Workload::new("MSET of 10 keys, pipeline 16", "MSET", "-c 50 -P 16 -r 100000 -d 16 --mix mset")
        .quick(),
    Workload::new("GET, 1 connection", "GET", "-c 1 -P 1 -r 100000 -d 16 --mix get").after(FILL),
    Workload::new("GET, 500 connections", "GET", "-c 500 -P 1 -r 100000 -d 16 --mix get")
        .after(FILL),
    Workload::new("SET, 500 connections", "SET", "-c 500 -P 1 -r 100000 -d 16 --mix set").quick(),
    Workload::new("SET of 1 KiB", "SET", "-c 50 -P 1 -r 100000 -d 1024 --mix set"),
];

const STRINGS_ALL_CORES: &[Workload] = &[
    Workload::new("SET", "SET", "-c 50 -P 1 -r 100000 -d 16 --mix set"),
    Workload::new("SET, pipeline 16", "SET", "-c 50 -P 16 -r 100000 -d 16 --mix set").quick(),
    Workload::new("SET, pipeline 50", "SET", "-c 50 -P 50 -r 100000 -d 16 --mix set"),
    Workload::new("GET", "GET", "-c 50 -P 1 -r 100000 -d 16 --mix get").after(FILL).quick(),
    Workload::new("GET, pipeline 16", "GET", "-c 50 -P 16 -r 100000 -d 16 --mix get")
        .after(FILL)
        .quick(),
    Workload::new("GET, pipeline 50", "GET", "-c 50 -P 50 -r 100000 -d 16 --mix get").after(FILL),
    Workload::new(
        "1 SET to 10 GET, Zipf, pipeline 16",
        "GET",
        "-c 50 -P 16 -r 100000 -d 16 --distribution zipf --mix get=10,set=1",
    )
    .after(FILL),
    Workload::new("MSET of 10 keys, pipeline 16", "MSET", "-c 50 -P 16 -r 100000 -d 16 --mix mset"),
    Workload::new("GET, 500 connections", "GET", "-c 500 -P 1 -r 100000 -d 16 --mix get")
        .after(FILL),
];

const UNIX_SOCKET: &[Workload] = &[
    Workload::new("SET", "SET", "-c 50 -P 1 -r 100000 -d 16 --mix set"),
    Workload::new("SET, pipeline 16", "SET", "-c 50 -P 16 -r 100000 -d 16 --mix set").quick(),
    Workload::new("GET", "GET", "-c 50 -P 1 -r 100000 -d 16 --mix get").after(FILL),
    Workload::new("GET, pipeline 16", "GET", "-c 50 -P 16 -r 100000 -d 16 --mix get").after(FILL),
];

const TYPES: &[Workload] = &[
    Workload::new("INCR", "INCR", "-c 50 -P 16 -r 100000 --mix incr"),
    Workload::new("LPUSH", "LPUSH", "-c 50 -P 16 -r 1000 -d 16 --mix lpush").quick(),
    Workload::new("LPUSH and RPOP in turn", "RPOP", "-c 50 -P 16 -r 1000 -d 16 --mix lpush,rpop"),
    Workload::new("LRANGE of 100", "LRANGE", "-c 50 -P 16 -r 1 -d 16 --elements 100 --mix lrange")
        .after(Load::Loadtest("-c 1 -n 100 -r 1 -d 16 --mix lpush"))
        .quick(),
    Workload::new("SADD", "SADD", "-c 50 -P 16 -r 1000 --elements 1000 --mix sadd").quick(),
    Workload::new("HSET", "HSET", "-c 50 -P 16 -r 10000 -d 16 --elements 50 --mix hset").quick(),
    Workload::new("HGET", "HGET", "-c 50 -P 16 -r 10000 -d 16 --elements 50 --mix hget")
        .after(Load::Loadtest("-c 10 -P 50 -n 500000 -r 10000 -d 16 --elements 50 --mix hset")),
    Workload::new("ZADD", "ZADD", "-c 50 -P 16 -r 1000 --elements 1000 --mix zadd").quick(),
    Workload::new(
        "ZRANGE of 100",
        "ZRANGE",
        "-c 50 -P 16 -r 100 --command 'ZRANGE zset:__key__ 0 99 WITHSCORES'",
    )
    .after(Load::Loadtest("-c 10 -P 50 -n 50000 -r 100 --elements 1000 --mix zadd")),
    Workload::new(
        "SINTER of two sets of 50",
        "SINTER",
        "-c 50 -P 16 -r 100 --command 'SINTER set:__key__ set:1'",
    )
    .after(Load::Loadtest("-c 10 -P 50 -n 20000 -r 100 --elements 50 --mix sadd")),
    Workload::new("XADD", "XADD", "-c 50 -P 16 -r 1000 -d 16 --mix xadd").quick(),
    Workload::new(
        "XRANGE of 100",
        "XRANGE",
        "-c 50 -P 16 -r 100 --command 'XRANGE stream:__key__ - + COUNT 100'",
    )
    .after(Load::Loadtest("-c 10 -P 50 -n 20000 -r 100 -d 16 --mix xadd")),
    Workload::new(
        "SETBIT",
        "SETBIT",
        "-c 50 -P 16 -r 1000 --elements 32768 --command 'SETBIT bits:__key__ __element__ 1'",
    ),
    Workload::new(
        "BITCOUNT of 4 KiB",
        "BITCOUNT",
        "-c 50 -P 16 -r 1000 --command 'BITCOUNT bits:__key__'",
    )
    .after(Load::Loadtest("-c 10 -P 50 -n 20000 -r 1000 --command 'SETBIT bits:__key__ 32767 1'")),
    Workload::new(
        "PFADD",
        "PFADD",
        "-c 50 -P 16 -r 1000 --elements 100000 --command 'PFADD sketch:__key__ __element__'",
    ),
    Workload::new(
        "GEOSEARCH among 1,000 places",
        "GEOSEARCH",
        "-c 50 -P 16 -r 1 --command 'GEOSEARCH places FROMLONLAT 30 30 BYRADIUS 1000 km COUNT 10 ASC'",
    )
    .after(Load::Loadtest(
        "-c 10 -P 50 -n 20000 -r 1000 --elements 60 \
         --command 'GEOADD places __element__ __element__ place:__key__'",
    )),
];

const OPEN_LOOP: &[Workload] = &[
    Workload::new(
        "10,000 requests/s",
        "GET",
        "-c 50 -P 32 -r 100000 -d 16 --rate 10000 --mix get=10,set=1",
    )
    .after(FILL),
    Workload::new(
        "40,000 requests/s",
        "GET",
        "-c 50 -P 32 -r 100000 -d 16 --rate 40000 --mix get=10,set=1",
    )
    .after(FILL)
    .quick(),
    Workload::new(
        "80,000 requests/s",
        "GET",
        "-c 50 -P 32 -r 100000 -d 16 --rate 80000 --mix get=10,set=1",
    )
    .after(FILL),
];

const OTHER_TOOLS: &[Workload] = &[
    Workload::with(
        "redis-benchmark SET",
        "SET",
        Load::RedisBenchmark("-c 50 -P 1 -r 100000 -d 16 -t set"),
    ),
    Workload::with(
        "redis-benchmark SET, pipeline 16",
        "SET",
        Load::RedisBenchmark("-c 50 -P 16 -r 100000 -d 16 -t set"),
    )
    .quick(),
    Workload::with(
        "redis-benchmark GET",
        "GET",
        Load::RedisBenchmark("-c 50 -P 1 -r 100000 -d 16 -t get"),
    )
    .after(FILL),
    Workload::with(
        "redis-benchmark GET, pipeline 16",
        "GET",
        Load::RedisBenchmark("-c 50 -P 16 -r 100000 -d 16 -t get"),
    )
    .after(FILL),
    Workload::with(
        "memtier_benchmark 1:10",
        "GET",
        Load::Memtier("-c 50 --pipeline 1 -d 32 --key-maximum 100000 --ratio 1:10"),
    )
    .after(MEMTIER_FILL),
    Workload::with(
        "memtier_benchmark 1:10, pipeline 16",
        "GET",
        Load::Memtier("-c 50 --pipeline 16 -d 32 --key-maximum 100000 --ratio 1:10"),
    )
    .after(MEMTIER_FILL)
    .quick(),
];

/// The same keys as [`FILL`], as memtier_benchmark spells them.
const MEMTIER_FILL: Load = Load::Memtier(
    "-c 1 --pipeline 50 -d 32 --key-minimum 1 --key-maximum 100000 --ratio 1:0 --key-pattern S:S \
     -n allkeys",
);

/// Everything that is measured but memory, in the order of the page.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Strings on one core",
        plot: "strings-one-core",
        text: "The server has one processor, the load generator the others.",
        place: Place::OneCore,
        transport: Transport::Tcp,
        workloads: STRINGS_ONE_CORE,
    },
    Section {
        title: "Strings on all cores",
        plot: "strings-all-cores",
        text: "The server may use every processor; the load generator has as many threads and \
               shares them.",
        place: Place::AllCores,
        transport: Transport::Tcp,
        workloads: STRINGS_ALL_CORES,
    },
    Section {
        title: "Through a Unix socket, on one core",
        plot: "unix-socket",
        text: "As above, without the cost of TCP.",
        place: Place::OneCore,
        transport: Transport::Unix,
        workloads: UNIX_SOCKET,
    },
    Section {
        title: "Other types, on one core",
        plot: "types",
        text: "50 connections, pipeline 16. A server that lacks a command is left out.",
        place: Place::OneCore,
        transport: Transport::Tcp,
        workloads: TYPES,
    },
    Section {
        title: "Latency at a fixed rate, on one core",
        plot: "latency",
        text: "An open loop: requests (1 SET to 10 GET) are due at random times, whatever the \
               server does, and latency counts from then, so that a stall shows in full.",
        place: Place::OneCore,
        transport: Transport::Tcp,
        workloads: OPEN_LOOP,
    },
    Section {
        title: "As other tools see it, on one core",
        plot: "other-tools",
        text: "redis-benchmark and memtier_benchmark, where they are installed.",
        place: Place::OneCore,
        transport: Transport::Tcp,
        workloads: OTHER_TOOLS,
    },
];

/// Keys whose memory is measured.
#[derive(Debug)]
pub struct Dataset {
    pub name: &'static str,
    pub needs: &'static str,
    /// Arguments of the load generator, which adds the number of keys.
    pub fill: &'static str,
    /// How many keys share the memory of one string key, so that sets do not take all day.
    pub keys_divisor: u64,
    pub is_quick: bool,
}

/// What memory is measured with.
pub const DATASETS: &[Dataset] = &[
    Dataset {
        name: "string of 16 bytes",
        needs: "SET",
        fill: "-d 16 --mix set",
        keys_divisor: 1,
        is_quick: true,
    },
    Dataset {
        name: "string of 16 bytes, with a time to live",
        needs: "SET",
        fill: "-d 16 --mix set --ttl 86400",
        keys_divisor: 1,
        is_quick: true,
    },
    Dataset {
        name: "hash of 5 fields of 16 bytes",
        needs: "HSET",
        fill: "-d 16 --command 'HSET hash:__key__ a __data__ b __data__ c __data__ d __data__ e \
               __data__'",
        keys_divisor: 5,
        is_quick: false,
    },
    Dataset {
        name: "list of 5 elements of 16 bytes",
        needs: "RPUSH",
        fill: "-d 16 --command 'RPUSH list:__key__ __data__ __data__ __data__ __data__ __data__'",
        keys_divisor: 5,
        is_quick: false,
    },
    Dataset {
        name: "set of 5 members of 20 bytes",
        needs: "SADD",
        fill: "--elements 1000000 --command 'SADD set:__key__ element:__element__ \
               element:__element__ element:__element__ element:__element__ element:__element__'",
        keys_divisor: 5,
        is_quick: false,
    },
    Dataset {
        name: "sorted set of 5 members of 20 bytes",
        needs: "ZADD",
        fill: "--elements 1000000 --command 'ZADD zset:__key__ 1 element:__element__ 2 \
               element:__element__ 3 element:__element__ 4 element:__element__ 5 \
               element:__element__'",
        keys_divisor: 5,
        is_quick: false,
    },
];

/// Finds everything whose title or name contains `text`, whatever the case.
pub fn matches(text: Option<&str>, section: &Section, workload: &Workload) -> bool {
    let name = format!("{}: {}", section.title, workload.name).to_lowercase();
    text.is_none_or(|text| name.contains(&text.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::generator::split;
    use crate::options::Options;
    use clap::Parser;

    fn loads() -> impl Iterator<Item = Load> {
        let workloads = SECTIONS.iter().flat_map(|section| section.workloads);
        workloads.flat_map(|workload| workload.prepare.into_iter().chain([workload.load]))
    }

    #[test]
    fn every_row_is_a_valid_load() {
        let memory = DATASETS.iter().map(|dataset| Load::Loadtest(dataset.fill));
        for load in loads().chain(memory) {
            let Load::Loadtest(arguments) = load else { continue };
            let words = std::iter::once("loadtest".to_string()).chain(split(arguments));
            let options = Options::try_parse_from(words).unwrap_or_else(|e| panic!("{e}"));
            options.plan().unwrap_or_else(|failure| panic!("{arguments}: {failure}"));
        }
    }

    #[test]
    fn names_are_unique_in_their_section() {
        for section in SECTIONS {
            let mut names: Vec<&str> = section.workloads.iter().map(|row| row.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}", section.title);
            assert!(section.workloads.iter().any(|row| row.is_quick), "{}", section.title);
        }
    }

    #[test]
    fn rows_are_found_by_section_and_name() {
        let found = |text: &str| {
            let all = SECTIONS.iter().flat_map(|section| {
                section.workloads.iter().filter(move |row| matches(Some(text), section, row))
            });
            all.count()
        };
        assert_eq!(found("zadd"), 1);
        assert_eq!(found("unix"), UNIX_SOCKET.len());
        assert_eq!(found("nothing like it"), 0);
        assert!(matches(None, &SECTIONS[0], &SECTIONS[0].workloads[0]));
    }
}
