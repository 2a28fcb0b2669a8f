//! House rules that the compiler does not know, checked over every file under `src/`.
//!
//! Invariant: each rule is a pure function from one [`Source`] to its violations, listed in
//! [`rules::RULES`], and each has a test below that shows it failing on a small bad snippet.
//! Absent on purpose: formatting (rustfmt) and everything that clippy can say (`clippy.toml`).

#![expect(clippy::disallowed_methods, reason = "the test reads the source tree from disk")]

mod rules;
mod source;

use std::path::{Path, PathBuf};

use rules::{RULES, Violation};
use source::Source;

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable source folder") {
        let path = entry.expect("a readable folder entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file in UTF-8");
        let relative = path.strip_prefix(&root).expect("a path under its root");
        Source::parse(&relative.to_string_lossy(), &text)
    };
    paths.into_iter().map(read).collect()
}

fn report(folder: &str, violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(|v| format!("{folder}/{v}")).collect();
    assert!(lines.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_source_tree_keeps_the_rules() {
    let sources = sources("src");
    assert!(sources.len() > 5, "the source tree was not found");
    let check = |source: &Source| RULES.iter().flat_map(|rule| rule(source)).collect::<Vec<_>>();
    report("src", &sources.iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn the_tests_keep_the_width_and_leave_nothing_unfinished() {
    for folder in ["tests", "loadtest/src"] {
        // These rules' own snippets are strings, which no rule looks into.
        let check = |source: &Source| [rules::line_width(source), rules::leftovers(source)];
        let sources = sources(folder);
        report(folder, &sources.iter().flat_map(check).flatten().collect::<Vec<_>>());
    }
}

/// Runs every rule over one snippet and returns the messages as `line: message`.
fn check(path: &str, text: &str) -> Vec<String> {
    let source = Source::parse(path, text);
    let violations = RULES.iter().flat_map(|rule| rule(&source));
    violations.map(|violation| format!("{}: {}", violation.line, violation.message)).collect()
}

#[track_caller]
fn accepts(path: &str, text: &str) {
    assert_eq!(check(path, text), Vec::<String>::new());
}

#[track_caller]
fn rejects(path: &str, text: &str, line: usize, word: &str) {
    let found = check(path, text);
    assert_eq!(found.len(), 1, "expected one violation, found {found:?}");
    assert!(
        found[0].starts_with(&format!("{line}: ")) && found[0].contains(word),
        "expected line {line} and {word:?}, found {found:?}"
    );
}

#[test]
fn a_line_may_have_100_columns_counted_in_characters() {
    accepts("base/x.rs", &"x".repeat(100));
    accepts("base/x.rs", &"é".repeat(100));
    rejects("base/x.rs", &format!("\n{}", "x".repeat(101)), 2, "columns");
}

#[test]
fn a_module_imports_only_lower_layers() {
    accepts("store/db.rs", "use crate::ds::table::Table;\nuse crate::store::value::Value;");
    accepts("store/db.rs", "use super::value::Value; // crate::session is not imported here");
    rejects(
        "store/db.rs",
        "use crate::command::spec::Spec;",
        1,
        "`store` may not import `command`",
    );
    rejects("ds/table.rs", "use crate::resp::Reply;", 1, "`ds` may not import `resp`");
    rejects("store/db.rs", "use super::super::shard::X;", 1, "`store` may not import `shard`");
    rejects("store/mod.rs", "use super::shard::X;", 1, "`store` may not import `shard`");
    rejects("store/db.rs", "fn f() -> crate::session::X {}", 1, "`session`");
    rejects("pubsub/delivery.rs", "use crate::observe::info;", 1, "`observe`");
    rejects("base/x.rs", "use crate::{\n    base::num,\n    ds::{a, b::{c}},\n};", 3, "`ds`");
    accepts("base/x.rs", "use crate::{base::num::{ds, resp}, limits};");
    accepts("runtime/net.rs", "use crate::base::seams::Clock;\nuse crate::session::Connection;");
    accepts("server.rs", "use crate::runtime::Cores;");
    rejects("session/x.rs", "use crate::server::Server;", 1, "`server`");
    rejects("extra/x.rs", "fn f() {}", 1, "no layer");
}

#[test]
fn test_code_may_import_what_it_likes() {
    accepts("base/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::session::X;\n}");
    accepts("base/x/tests.rs", "use crate::session::X;");
    accepts("testing/check.rs", "use crate::session::X;");
    rejects("base/x.rs", "#[cfg(test)]\nmod tests;\nuse crate::ds::X;", 3, "`ds`");
}

#[test]
fn a_function_has_at_most_70_lines() {
    let function = |lines: usize| format!("fn long() {{\n{}}}", "    x();\n".repeat(lines - 2));
    accepts("base/x.rs", &function(70));
    rejects("base/x.rs", &function(71), 1, "`long` has 71 lines");
    // A brace in a string, in a character or in a comment is not the function's end.
    let hidden = "fn long() {\n'}'; \"}\"; r#\"}\"#; b'}'; /* } */ // }\n";
    rejects("base/x.rs", &format!("{hidden}{}}}", "x();\n".repeat(70)), 1, "73 lines");
    accepts("base/x.rs", "trait T { fn f(&self) -> u8; }\nstruct S { run: fn(u8) -> u8 }");
}

#[test]
fn a_file_has_at_most_800_lines_before_its_tests() {
    accepts("base/x.rs", &"x();\n".repeat(800));
    rejects("base/x.rs", &"x();\n".repeat(801), 801, "800");
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}", "x();\n".repeat(900));
    accepts("base/x.rs", &tests);
    accepts("base/x/tests.rs", &"x();\n".repeat(900));
}

#[test]
fn only_the_runtime_names_the_executor_and_the_ring() {
    accepts("runtime/net.rs", "use io_uring::IoUring;\nuse glommio::LocalExecutor;");
    accepts("shard/x.rs", "// glommio would be wrong here\nlet text = \"io_uring\";");
    rejects("shard/x.rs", "use glommio::Task;", 1, "glommio");
    rejects("server.rs", "fn f() { io_uring::probe() }", 1, "io_uring");
}

#[test]
fn shard_code_never_suspends() {
    accepts("session/x.rs", "async fn f() {}");
    accepts("shard/x.rs", "/// Not an async fn.\nfn f() {}");
    for layer in ["ds", "store", "command", "shard"] {
        rejects(&format!("{layer}/x.rs"), "pub async fn f() {}", 1, "async");
        rejects(&format!("{layer}/x.rs"), "fn f() { async move {} }", 1, "async");
    }
}

#[test]
fn nothing_is_left_unfinished() {
    // Joined here, because this file is read by the rule as well.
    for word in ["TO\u{44}O", "FIX\u{4d}E", "X\u{58}X"] {
        rejects("base/x.rs", &format!("// {word}: later"), 1, "unfinished");
        accepts("base/x.rs", &format!("// {word}S is a word of its own"));
    }
    rejects("base/x.rs", "fn f() { todo!() }", 1, "unfinished");
    rejects("base/x.rs", "fn f() { unimplemented!(\"x\") }", 1, "unfinished");
}

#[test]
fn unsafe_code_is_confined_and_justified() {
    let justified = "// SAFETY: the pointer is live.\nlet x = unsafe { *p };";
    for path in ["ds/table.rs", "runtime/net.rs", "store/entry.rs", "base/alloc.rs"] {
        accepts(path, justified);
        rejects(path, "let x = unsafe { *p };", 1, "SAFETY");
    }
    rejects("store/db.rs", justified, 2, "only in");
    rejects("store/entry.rs", "// SAFETY: stale.\n\nunsafe { f() }", 3, "SAFETY");
    accepts("ds/x.rs", "// SAFETY: live.\nlet x =\n    unsafe { *p };");
    accepts("ds/x.rs", "unsafe fn f() {\n    g()\n}");
    rejects("ds/x.rs", "unsafe fn f() {\n    unsafe { g() }\n}", 2, "SAFETY");
    rejects("ds/x.rs", "unsafe impl Send for X {}", 1, "SAFETY");
    accepts("ds/x.rs", "// SAFETY: no interior references.\nunsafe impl Send for X {}");
    accepts("lib.rs", "#![deny(unsafe_op_in_unsafe_fn)]");
}

#[test]
fn a_lint_is_switched_off_only_with_a_reason() {
    accepts("base/x.rs", "#[expect(dead_code, reason = \"used by the tests\")]\nfn f() {}");
    rejects("base/x.rs", "#[allow(dead_code)]\nfn f() {}", 1, "reason");
    rejects("base/x.rs", "#![allow(\n    dead_code\n)]", 1, "reason");
    rejects("base/x.rs", "#[expect(dead_code)]\nfn f() {}", 1, "reason");
}

#[test]
fn nothing_is_shared_through_a_mutable_static() {
    rejects("ds/x.rs", "static mut COUNT: u8 = 0;", 1, "static mut");
}
