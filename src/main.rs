//! The `shoal` binary: hands everything to [`shoal::server`].

use std::process::ExitCode;

use shoal::base::alloc::Counting;

#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

fn main() -> ExitCode {
    shoal::server::run()
}
