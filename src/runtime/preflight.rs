//! What the machine must offer, asked before anything starts.
//!
//! Invariant: after [`check`] has passed, starting cores fails only for lack of memory. Every
//! refusal is one message that names the cause and the remedy.

use std::io;

use super::ring::{Features, Ring};

/// glommio refuses to start below this.
const MEMLOCK_MIN: u64 = 512 * 1024;

/// Descriptors beside those of clients: rings, listeners, files.
const SPARE_FILES: u64 = 64;
const FILES_PER_CORE: u64 = 16;

/// Why this machine cannot run the server; printed as it is.
#[derive(Debug)]
pub struct Refusal(pub String);

/// Tries what the cores will need, and says what was found.
pub fn check() -> Result<Features, Refusal> {
    raise_memlock()?;
    // A ring belongs to the thread that made it, and this one is only a trial.
    match Ring::new().and_then(|ring| ring.provide_buffers().map(|_| ring.features)) {
        Ok(features) => Ok(features),
        Err(error) => Err(Refusal(explain(&error))),
    }
}

fn explain(error: &io::Error) -> String {
    let remedy = match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            "The kernel has no io_uring. Shoal needs Linux 6.1 or newer with CONFIG_IO_URING, or a \
             sandbox that does not hide it (gVisor does)."
        }
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is blocked. In a container, allow it in the seccomp profile (for Docker: \
             --security-opt seccomp=unconfined, or a profile that permits io_uring_setup, \
             io_uring_enter and io_uring_register); on the host, set sysctl \
             kernel.io_uring_disabled=0."
        }
        Some(libc::EINVAL) => {
            "The kernel's io_uring is too old: Shoal needs Linux 6.1 or newer (SINGLE_ISSUER, \
             DEFER_TASKRUN, buffer rings)."
        }
        Some(libc::ENOMEM) => {
            "There is not enough lockable memory for the rings. Raise the limit: ulimit -l \
             unlimited, LimitMEMLOCK=infinity in a systemd unit, or --ulimit memlock=-1 for Docker."
        }
        Some(libc::EMFILE | libc::ENFILE) => "Too many files are open. Raise ulimit -n.",
        _ => "io_uring cannot be used.",
    };
    format!("cannot set up io_uring ({error}). {remedy}")
}

fn limit_of(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and of the right type.
    unsafe { libc::getrlimit(resource, &mut limit) };
    limit
}

fn set_limit(resource: libc::__rlimit_resource_t, limit: libc::rlimit) -> bool {
    // SAFETY: the structure is ours and of the right type.
    unsafe { libc::setrlimit(resource, &limit) == 0 }
}

fn raise_memlock() -> Result<(), Refusal> {
    let mut limit = limit_of(libc::RLIMIT_MEMLOCK);
    limit.rlim_cur = limit.rlim_max;
    set_limit(libc::RLIMIT_MEMLOCK, limit);
    if limit.rlim_max < MEMLOCK_MIN {
        return Err(Refusal(format!(
            "the limit for locked memory is {} KiB and at least {} KiB are needed. Raise it: \
             ulimit -l unlimited, LimitMEMLOCK=infinity in a systemd unit, or --ulimit memlock=-1 \
             for Docker.",
            limit.rlim_max / 1024,
            MEMLOCK_MIN / 1024
        )));
    }
    Ok(())
}

/// Raises the limit of open files so that `clients` can connect to `cores` cores; on an error,
/// returns how many can.
pub fn fit_clients(clients: u32, cores: usize) -> Result<(), u32> {
    let own = SPARE_FILES + FILES_PER_CORE * cores as u64;
    let wanted = u64::from(clients) + own;
    let granted = raise_files(wanted);
    if granted >= wanted {
        return Ok(());
    }
    Err(granted.saturating_sub(own).max(1) as u32)
}

/// Raises the limit of open files towards `wanted`; returns what was reached.
fn raise_files(wanted: u64) -> u64 {
    let limit = limit_of(libc::RLIMIT_NOFILE);
    if limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    if set_limit(libc::RLIMIT_NOFILE, raised) {
        return wanted;
    }
    let most = libc::rlimit { rlim_cur: limit.rlim_max.min(wanted), ..limit };
    set_limit(libc::RLIMIT_NOFILE, most);
    limit_of(libc::RLIMIT_NOFILE).rlim_cur
}

/// The CPUs this process may run on, from its affinity mask.
pub fn allowed_cpus() -> Vec<usize> {
    // SAFETY: a zeroed set is a valid empty one, and the kernel fills no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return vec![0];
        }
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &set)).collect()
    }
}

/// How many CPUs' worth of time the control group grants, if it sets a quota.
pub fn quota_cpus() -> Option<usize> {
    let read = |path: &str| {
        #[expect(clippy::disallowed_methods, reason = "start-up, before any core runs")]
        std::fs::read_to_string(path).ok()
    };
    let group = read("/proc/self/cgroup").unwrap_or_default();
    let unified = group.lines().find_map(|line| line.strip_prefix("0::"));
    let mut path = unified.unwrap_or("/").trim().to_owned();
    // The strictest quota of the group and its ancestors holds.
    let mut strictest: Option<usize> = None;
    loop {
        let file = format!("/sys/fs/cgroup{}/cpu.max", path.trim_end_matches('/'));
        if let Some(cpus) = read(&file).as_deref().and_then(parse_quota) {
            strictest = Some(strictest.map_or(cpus, |least| least.min(cpus)));
        }
        match path.rfind('/') {
            Some(end) if !path.is_empty() && path != "/" => path.truncate(end),
            _ => break,
        }
    }
    strictest.or_else(|| {
        let quota = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")?;
        let period = read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")?;
        parse_quota(&format!("{} {}", quota.trim(), period.trim()))
    })
}

/// Reads `cpu.max`: a quota (or `max`) and a period in microseconds.
fn parse_quota(text: &str) -> Option<usize> {
    let mut words = text.split_whitespace();
    let quota: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok()?;
    (period > 0).then(|| quota.div_ceil(period).max(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_round_up_to_whole_cpus() {
        assert_eq!(parse_quota("max 100000"), None);
        assert_eq!(parse_quota("-1 100000"), None);
        assert_eq!(parse_quota("150000 100000"), Some(2));
        assert_eq!(parse_quota("50000 100000\n"), Some(1));
        assert_eq!(parse_quota("1 0"), None);
    }

    #[test]
    fn this_process_may_run_somewhere() {
        assert!(!allowed_cpus().is_empty());
    }
}
