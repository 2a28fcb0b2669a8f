//! Any text must be a configuration or an error that says what is wrong.

#![cfg_attr(fuzzing, no_main)]

use shoal::config::file::{Source, load};
use shoal_fuzz::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Other files are none of the input's business.
    if data.windows(7).any(|word| word.eq_ignore_ascii_case(b"include")) {
        return;
    }
    let source = Source { file: None, reads_standard_input: true, options: Vec::new() };
    match load(&source, &mut &data[..]) {
        Ok(config) => assert!(!config.get(&[b"*"]).is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
