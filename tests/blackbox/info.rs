//! INFO as monitoring tools read it: its fields are there, are numbers, and follow what happens.

use std::time::Duration;

use crate::support::client::{Client, encode};
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::{MEGABYTE, eventually, start};

/// Fields that redis_exporter, Datadog's agent and RedisInsight read, of features that exist.
const NUMBERS: &str = "
    uptime_in_seconds uptime_in_days process_id tcp_port hz configured_hz lru_clock
    connected_clients blocked_clients maxclients client_recent_max_input_buffer
    client_recent_max_output_buffer clients_in_timeout_table
    used_memory used_memory_rss used_memory_peak used_memory_peak_perc used_memory_overhead
    used_memory_startup used_memory_dataset used_memory_dataset_perc allocator_allocated
    allocator_active allocator_resident allocator_frag_ratio allocator_frag_bytes
    allocator_rss_ratio allocator_rss_bytes rss_overhead_ratio rss_overhead_bytes
    mem_fragmentation_ratio mem_fragmentation_bytes mem_clients_normal mem_not_counted_for_evict
    maxmemory total_system_memory lazyfree_pending_objects lazyfreed_objects active_defrag_running
    total_connections_received total_commands_processed instantaneous_ops_per_sec
    total_net_input_bytes total_net_output_bytes instantaneous_input_kbps
    instantaneous_output_kbps rejected_connections expired_keys expired_stale_perc
    expired_time_cap_reached_count expire_cycle_cpu_milliseconds evicted_keys
    total_eviction_exceeded_time current_eviction_exceeded_time keyspace_hits keyspace_misses
    total_error_replies reply_buffer_shrinks reply_buffer_expands
    used_cpu_sys used_cpu_user cluster_enabled";

/// A number of INFO; a percentage without its sign.
fn figure(client: &mut Client, name: &str) -> f64 {
    let text = client.run("INFO everything").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.unwrap_or_else(|| panic!("no field {name}")).trim_end_matches('%');
    value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}"))
}

#[test]
fn every_field_that_monitors_read_is_a_number() {
    let server = start("");
    let mut client = server.connect();
    for name in NUMBERS.split_whitespace() {
        assert!(figure(&mut client, name).is_finite(), "{name}");
    }
}

/// Sends `count` commands at once and waits for their replies.
fn load(client: &mut Client, count: usize) {
    client.send_bytes(&encode(&["GET", "nothing"]).repeat(count)).expect("the server reads");
    (0..count).for_each(|_| assert_eq!(client.receive(), Reply::Nil));
}

#[test]
fn rates_rise_under_load_and_fall_without() {
    let server = start("");
    let (mut client, mut watcher) = (server.connect(), server.connect());
    eventually("many commands a second are seen", || {
        load(&mut client, 1000);
        figure(&mut watcher, "instantaneous_ops_per_sec") > 2000.0
    });
    let input = figure(&mut watcher, "instantaneous_input_kbps");
    let output = figure(&mut watcher, "instantaneous_output_kbps");
    assert!(input > 20.0 && output > 5.0, "{input} KiB/s in and {output} KiB/s out");
    // The watcher itself asks some fifty times a second.
    eventually("it is quiet again", || figure(&mut watcher, "instantaneous_ops_per_sec") < 200.0);
    load(&mut client, 1000);
    watcher.run("CONFIG RESETSTAT");
    assert!(figure(&mut watcher, "instantaneous_ops_per_sec") < 200.0);
}

#[test]
fn memory_is_accounted_for() {
    let server = start("");
    let mut client = server.connect();
    let dataset = figure(&mut client, "used_memory_dataset");
    let value = "x".repeat(MEGABYTE as usize / 100);
    for key in 0..1000 {
        client.call(&["SET", &format!("key:{key}"), &value]);
    }
    let grown = figure(&mut client, "used_memory_dataset") - dataset;
    assert!((10e6..14e6).contains(&grown), "10 MiB of values are {grown} bytes");
    let overhead = figure(&mut client, "used_memory_overhead");
    let startup = figure(&mut client, "used_memory_startup");
    assert!(overhead > startup && overhead < startup + 1e6, "{overhead} after {startup}");
    let percent = figure(&mut client, "used_memory_dataset_perc");
    assert!((50.0..=100.0).contains(&percent), "{percent} %");
    let resident = figure(&mut client, "allocator_resident");
    assert!(resident > grown && resident < figure(&mut client, "used_memory_rss"));
    let ratio = figure(&mut client, "allocator_frag_ratio");
    assert!((0.9..3.0).contains(&ratio), "fragmentation of {ratio}");
    let Reply::Array(stats) = client.run("MEMORY STATS") else { panic!("STATS are a list") };
    assert!(stats.iter().any(|name| name.bytes() == Some(b"db.0")));
}

#[test]
fn waits_that_end_by_themselves_are_told_apart() {
    let server = start("");
    let mut watcher = server.connect();
    let mut waiting: Vec<Client> = Vec::new();
    for timeout in ["0", "100", "200"] {
        let mut client = server.connect();
        client.send(&["BLPOP", "nothing", timeout]);
        waiting.push(client);
    }
    eventually("all wait", || figure(&mut watcher, "blocked_clients") == 3.0);
    assert_eq!(figure(&mut watcher, "clients_in_timeout_table"), 2.0);
    drop(waiting);
    eventually("none waits", || figure(&mut watcher, "clients_in_timeout_table") == 0.0);
}

#[test]
fn expired_keys_that_are_still_there_are_estimated() {
    let server = start("");
    let mut client = server.connect();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    for key in 0..50 {
        client.run(&format!("SET short:{key} x PX 1"));
        client.run(&format!("SET long:{key} x EX 1000"));
    }
    std::thread::sleep(Duration::from_millis(2));
    let stale = figure(&mut client, "expired_stale_perc");
    assert!((10.0..90.0).contains(&stale), "{stale} % of half");
    client.run("DEBUG SET-ACTIVE-EXPIRE 1");
    eventually("they are gone", || figure(&mut client, "expired_keys") == 50.0);
    assert_eq!(figure(&mut client, "expired_stale_perc"), 0.0);
}

/// How long memory has been too much, and was so in all.
fn excess(server: &Server) -> (f64, f64) {
    let mut client = server.connect();
    let now = figure(&mut client, "current_eviction_exceeded_time");
    (now, figure(&mut client, "total_eviction_exceeded_time"))
}

#[test]
fn time_above_the_memory_limit_is_counted() {
    let server = start("");
    let mut client = server.connect();
    assert_eq!(excess(&server), (0.0, 0.0));
    client.run("CONFIG SET maxmemory 1");
    assert!(client.run("SET a b").is_error("OOM"));
    eventually("time passes", || excess(&server).0 > 0.0);
    client.run("CONFIG SET maxmemory 0");
    let (now, total) = excess(&server);
    assert!(now == 0.0 && (1.0..10_000.0).contains(&total), "{now} ms of {total} ms");
}

#[test]
fn memory_that_is_free_is_given_back_when_asked() {
    let server = start("");
    let mut client = server.connect();
    for batch in 0..50 {
        let keys = (0..2000).map(|number| format!("SET {batch}:{number} {}\r\n", "x".repeat(500)));
        client.send_bytes(keys.collect::<String>().as_bytes()).expect("the server reads");
        (0..2000).for_each(|_| assert_eq!(client.receive(), Reply::Status("OK".to_owned())));
    }
    let full = figure(&mut client, "allocator_resident");
    client.run("FLUSHALL");
    eventually("what was flushed is freed and given back", || {
        assert_eq!(client.run("MEMORY PURGE"), Reply::Status("OK".to_owned()));
        figure(&mut client, "allocator_resident") < full - 40e6
    });
}
