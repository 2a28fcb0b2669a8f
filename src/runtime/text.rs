//! The program's own code, in memory before anybody waits for it.
//!
//! Code that runs for the first time is a page fault, and a read from the disk where the page cache
//! has lost it. With millions of requests a second under way a stall of one is seen by many, so all
//! of the code is brought in at the start: some megabytes that processes share and the kernel may
//! take back.
//!
//! Absent: locking it there (`mlock`), which takes a privilege or a raised limit.

// SAFETY: every linker of this platform defines both, and only their addresses are used.
unsafe extern "C" {
    /// Where the program begins in memory, and where its code ends: the linker's symbols.
    static __executable_start: u8;
    static etext: u8;
}

/// Makes the kernel map all code now. Kernels before 5.14 do not know how; there it comes page by
/// page, as it is needed.
pub fn populate() {
    let start = &raw const __executable_start;
    let len = (&raw const etext).addr() - start.addr();
    // SAFETY: the range is the program's own, and advice to read it changes nothing there.
    unsafe {
        libc::madvise(start.cast_mut().cast(), len, libc::MADV_POPULATE_READ);
    }
}

#[cfg(test)]
mod tests {
    /// Kilobytes of the mapping that holds this code, and how many of them are in memory.
    #[expect(clippy::disallowed_methods, reason = "what the kernel says of this process")]
    fn mapped() -> (u64, u64) {
        let here = super::populate as *const () as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux has it");
        let holds = |line: &&str| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let ends = range.map(|(start, end)| {
                (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            });
            matches!(ends, Some((Ok(start), Ok(end))) if (start..end).contains(&here))
        };
        let mut lines = maps.lines().skip_while(|line| !holds(line));
        let mut next = |name| {
            let line = lines.find_map(|line| line.strip_prefix(name)).expect("a field of smaps");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        (next("Size:"), next("Rss:"))
    }

    #[test]
    fn all_code_is_in_memory() {
        super::populate();
        let (size, resident) = mapped();
        assert!(size > 0 && resident == size, "{resident} of {size} kB");
    }
}
