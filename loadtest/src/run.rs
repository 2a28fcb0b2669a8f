//! A whole run: connect, prepare the keys, load the server, gather what the threads counted.
//!
//! Invariant: the threads of a stage have all ended before the next stage begins, so no request of
//! the run meets a key that is still being prepared.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cluster::Layout;
use crate::connect::{Dialogue, Greeting, Target};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::measure::{Clock, Interval};
use crate::mix::Mix;
use crate::model::Model;
use crate::options::{Options, Plan};
use crate::report::{Collector, Report, Totals};
use crate::worker::{Ending, Stage, Worker};
use crate::workload::{Lane, Order};

/// Length of an interval of the timeline. Runs shorter than ten seconds have shorter ones.
const INTERVAL: Duration = Duration::from_secs(1);

/// Descriptors beside those of the connections.
const DESCRIPTORS_SPARE: u64 = 64;

/// Carries out the run that the options describe.
///
/// # Errors
///
/// The first failure of any thread.
pub fn run(options: &Options) -> Result<Report, Failure> {
    let plan = options.plan()?;
    allow_descriptors(options.connections as u64)?;
    let target = match &options.socket {
        Some(path) => Target::Unix(path.clone()),
        None => Target::tcp(&format!("{}:{}", options.host, options.port))?,
    };
    let greeting = Greeting::new(options);
    let mut control = Dialogue::open(&target, &greeting)?;
    let layout = match options.cluster {
        true => Layout::read(&control.ask(&["CLUSTER", "SLOTS"])?, &options.host)?,
        false => Layout::single(target.name()),
    };
    let mut controls = open_controls(&layout, &target, &greeting)?;
    let clock = Clock::start();
    let stop = AtomicBool::new(false);
    let connections = connect_all(&plan, options.threads, &layout, target, &greeting)?;
    let mut workers = Vec::new();
    for (index, connections) in connections.into_iter().enumerate() {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
        workers.push(Worker::new(&plan, clock, &stop, seed, connections, layout.clone())?);
    }
    prepare(&mut workers, &plan, options)?;
    measure(&mut workers, &plan, options, clock, &mut controls)
}

/// Raises the limit on open files, if the connections need it and the system allows it.
fn allow_descriptors(connections: u64) -> Result<(), Failure> {
    let needed = connections + DESCRIPTORS_SPARE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised)
        .map_err(Failure::system(format!("open {needed} files (see ulimit -n)")))
}

/// Opens the connections of each thread, all threads at once.
fn connect_all(
    plan: &Plan,
    threads: usize,
    layout: &Layout,
    target: Target,
    greeting: &Greeting,
) -> Result<Vec<Vec<Connection>>, Failure> {
    let nodes = layout.nodes().len();
    if nodes > plan.connections {
        let text = format!("the cluster has {nodes} nodes: --connections is at least that many");
        return Err(Failure::Usage(text));
    }
    let targets = match nodes {
        1 => vec![target],
        _ => layout.nodes().iter().map(|name| Target::tcp(name)).collect::<Result<_, _>>()?,
    };
    let open = |index: usize| {
        let node = index % nodes;
        let descriptor = Dialogue::open(&targets[node], greeting)?.into_descriptor()?;
        let lane = lane(plan, nodes, index);
        let model = plan.check.then(Model::default);
        Ok(Connection::new(descriptor, targets[node].name(), lane, model))
    };
    std::thread::scope(|scope| {
        let open = &open;
        let of_thread =
            |thread: usize| move || (thread..plan.connections).step_by(threads).map(open).collect();
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(of_thread(thread))).collect();
        handles.into_iter().map(join).collect()
    })
}

/// Returns the lane of the connection with this index. Connections of one node share its keys out
/// among themselves; under `--check` all share out all.
fn lane(plan: &Plan, nodes: usize, index: usize) -> Lane {
    let node = index % nodes;
    let (first, step) = match plan.check {
        true => (index, plan.connections),
        false => (index / nodes, (plan.connections - node).div_ceil(nodes)),
    };
    Lane::new(index as u64, node, first as u64, step as u64)
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Removes the keys of `--check`, sets those of `--preload`.
fn prepare(workers: &mut [Worker], plan: &Plan, options: &Options) -> Result<(), Failure> {
    let mut mixes = if options.check { plan.mix.removals() } else { Vec::new() };
    if options.preload {
        mixes.push(Mix::preload(&plan.shape));
    }
    for mix in &mixes {
        let stage = Stage {
            mix,
            order: Order::Walk,
            requests: u64::MAX,
            begin_ns: 0,
            end_ns: u64::MAX,
            rate: None,
            cpu: None,
            intervals: None,
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = workers
                .iter_mut()
                .map(|worker| {
                    let stage = stage.clone();
                    scope.spawn(move || worker.run(stage))
                })
                .collect();
            first_failure(handles.into_iter().map(join).collect())
        })?;
    }
    Ok(())
}

fn measure(
    workers: &mut [Worker],
    plan: &Plan,
    options: &Options,
    clock: Clock,
    controls: &mut [Dialogue],
) -> Result<Report, Failure> {
    let (sender, receiver) = channel();
    let interval = INTERVAL.min(options.duration / 10).max(Duration::from_millis(10));
    let interval_ns =
        if options.requests.is_some() { INTERVAL } else { interval }.as_nanos() as u64;
    let begin_ns = clock.now_ns() + options.warmup.as_nanos() as u64;
    let end_ns = match options.requests.is_some() || options.walk {
        true => u64::MAX,
        false => begin_ns + options.duration.as_nanos() as u64,
    };
    let threads = workers.len() as u64;
    let mut collector = Collector::new(plan, workers.len(), interval_ns, !options.quiet);
    let (endings, server_cpu) = std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for (index, worker) in workers.iter_mut().enumerate() {
            let share =
                |requests: u64| requests / threads + u64::from((index as u64) < requests % threads);
            let cpus = options.cpus.iter().cycle();
            let stage = Stage {
                mix: &plan.mix,
                order: if options.walk { Order::Walk } else { Order::Drawn },
                requests: options.requests.map_or(u64::MAX, share),
                begin_ns,
                end_ns,
                rate: options.rate.map(|rate| (rate / threads as f64, options.arrivals)),
                cpu: cpus.copied().nth(index),
                intervals: Some((interval_ns, sender.clone())),
            };
            handles.push(scope.spawn(move || worker.run(stage)));
        }
        drop(sender);
        let server_cpu = gather(&mut collector, receiver, begin_ns, clock, controls);
        let endings = first_failure(handles.into_iter().map(join).collect());
        endings.map(|endings| (endings, server_cpu))
    })?;
    let ended_ns = endings.iter().map(|ending| ending.last_reply_ns).max().unwrap_or_default();
    let totals = Totals {
        seconds: ended_ns.saturating_sub(begin_ns) as f64 / 1e9,
        client_cpu_seconds: endings.iter().map(|ending| ending.cpu_ns).sum::<u64>() as f64 / 1e9,
        server_cpu_seconds: server_cpu,
        unsent: endings.iter().map(|ending| ending.unsent).sum(),
    };
    Ok(collector.finish(options, plan, totals))
}

/// Receives intervals until all threads have ended. Returns the processor time in seconds that the
/// server used since the warm-up, if it tells.
fn gather(
    collector: &mut Collector,
    intervals: Receiver<Interval>,
    begin_ns: u64,
    clock: Clock,
    controls: &mut [Dialogue],
) -> Option<f64> {
    // Before the warm-up is over no thread delivers anything, but all may fail.
    let warmup = Duration::from_nanos(begin_ns.saturating_sub(clock.now_ns()));
    if let Ok(interval) = intervals.recv_timeout(warmup) {
        collector.take(interval);
    }
    let before = server_cpu_seconds(controls);
    for interval in intervals {
        collector.take(interval);
    }
    Some(server_cpu_seconds(controls)? - before?)
}

/// Opens a dialogue with each server process, by way of which it tells its processor time. Several
/// nodes may be one process.
fn open_controls(
    layout: &Layout,
    target: &Target,
    greeting: &Greeting,
) -> Result<Vec<Dialogue>, Failure> {
    let mut controls: Vec<Dialogue> = Vec::new();
    let mut processes: Vec<Option<String>> = Vec::new();
    for name in layout.nodes() {
        let target = if layout.nodes().len() == 1 { target.clone() } else { Target::tcp(name)? };
        let mut control = Dialogue::open(&target, greeting)?;
        let process = info(&mut control, "server", "run_id:");
        if process.is_none() || !processes.contains(&process) {
            processes.push(process);
            controls.push(control);
        }
    }
    Ok(controls)
}

/// Asks the servers how much processor time they have used, together.
fn server_cpu_seconds(controls: &mut [Dialogue]) -> Option<f64> {
    let mut sum = 0.0;
    for control in controls {
        for name in ["used_cpu_user:", "used_cpu_sys:"] {
            sum += info(control, "cpu", name)?.parse::<f64>().ok()?;
        }
    }
    Some(sum)
}

/// Returns a field of INFO, if the server has it.
fn info(control: &mut Dialogue, section: &str, field: &str) -> Option<String> {
    let reply = control.ask(&["INFO", section]).ok()?;
    let value = reply.as_str()?.lines().find_map(|line| line.strip_prefix(field))?;
    Some(value.trim().to_string())
}

/// Returns the endings, or the failure that came first in the order of the threads.
fn first_failure(results: Vec<Result<Ending, Failure>>) -> Result<Vec<Ending>, Failure> {
    results.into_iter().collect()
}
