//! `fuzz_target!` for every target: libFuzzer's where `cargo fuzz` builds, otherwise a program that
//! runs the inputs in the files it is given. So `make check` sees that the targets compile, and a
//! finding is repeated, without a nightly toolchain:
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --bin commands -- fuzz/artifacts/commands/crash-1234
//! ```

#[cfg(fuzzing)]
pub use libfuzzer_sys::fuzz_target;

/// Makes the closure a program that runs it with the content of each file that is an argument.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:expr) => {
        fn main() {
            $crate::run_files(|$data: &[u8]| $body);
        }
    };
}

/// Calls `run` with the content of each file that this program is given.
///
/// # Panics
/// If a file cannot be read, or where `run` does.
#[cfg(not(fuzzing))]
#[expect(clippy::disallowed_methods, reason = "the server is not concerned")]
pub fn run_files(run: impl Fn(&[u8])) {
    for path in std::env::args_os().skip(1) {
        let content = std::fs::read(&path);
        run(&content.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        println!("{} passes", path.display());
    }
}
