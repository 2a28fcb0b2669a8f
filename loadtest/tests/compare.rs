//! The `compare` program as a process: one workload on what is installed, and the page it writes.

use std::process::Command;

#[test]
fn a_comparison_leaves_a_page_plots_and_no_server() {
    if Command::new("redis-server").arg("--version").output().is_err() {
        eprintln!("skipped: redis-server is not installed");
        return;
    }
    let directory = std::env::temp_dir().join(format!("compare-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let arguments = "--only mset --quick --seconds 0.1 --others 100 --servers redis \
                     --page page.md --plots plots";
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .args(arguments.split_whitespace())
        .current_dir(&directory)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let page = std::fs::read_to_string(directory.join("page.md")).unwrap();
    assert!(page.contains("| MSET of 10 keys, pipeline 16 |") && page.contains("Redis"), "{page}");
    assert!(!page.contains("failed"), "{page}");
    assert!(directory.join("plots/strings-one-core.svg").is_file());
    let raw = std::fs::read_to_string(directory.join("plots/results.json")).unwrap();
    let raw: serde_json::Value = serde_json::from_str(&raw).unwrap();
    let rounds = &raw["sections"][0]["rows"][0]["outcomes"][0]["Measured"]["rounds"];
    assert!(rounds[0]["requests_per_second"].as_f64().unwrap() > 0.0, "{raw}");
    std::fs::remove_dir_all(directory).unwrap();
}
