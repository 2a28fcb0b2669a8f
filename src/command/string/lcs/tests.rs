use proptest::prelude::*;

use super::*;

/// The textbook table and Redis's walk through it, byte by byte.
fn naive(a: &[u8], b: &[u8]) -> (usize, Vec<Run>) {
    let mut lengths = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            lengths[i][j] = if a[i - 1] == b[j - 1] {
                lengths[i - 1][j - 1] + 1
            } else {
                lengths[i - 1][j].max(lengths[i][j - 1])
            };
        }
    }
    let (mut i, mut j, mut matches) = (a.len(), b.len(), Vec::new());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            matches.push((i, j));
        } else if lengths[i - 1][j] > lengths[i][j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    for (i, j) in matches {
        match runs.last_mut() {
            Some(run) if run.a.start == i + 1 && run.b.start == j + 1 => {
                (run.a.start, run.b.start) = (i, j);
            }
            _ => runs.push(Run { a: i..i + 1, b: j..j + 1 }),
        }
    }
    (lengths[a.len()][b.len()], runs)
}

fn check(a: &[u8], b: &[u8]) {
    let (length, expected) = naive(a, b);
    let table = Table::fill(a, b, true);
    let mut runs = Vec::new();
    table.walk_back(|run| runs.push(run));
    assert_eq!(table.length, length);
    assert_eq!(Table::fill(a, b, false).length, length);
    assert_eq!(runs, expected);
    assert_eq!(runs.iter().map(|run| run.a.len()).sum::<usize>(), length);
}

proptest! {
    #[test]
    fn few_letters(a in "[ab]{0,200}", b in "[ab]{0,200}") {
        check(a.as_bytes(), b.as_bytes());
    }

    #[test]
    fn many_letters(a in "[a-p]{0,140}", b in "[a-p]{0,140}") {
        check(a.as_bytes(), b.as_bytes());
    }

    #[test]
    fn lopsided(a in "[abc]{0,300}", b in "[abc]{0,10}") {
        check(a.as_bytes(), b.as_bytes());
        check(b.as_bytes(), a.as_bytes());
    }
}

#[test]
fn word_boundaries() {
    for len in [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129] {
        let (a, b) = (vec![b'x'; len], vec![b'x'; len + 1]);
        check(&a, &b);
        check(&b, &a);
        check(&a, &vec![b'y'; len]);
    }
}

#[test]
fn the_guard_counts_as_redis_does() {
    let limit = 1 << 20;
    assert_eq!(check_size(511, 511, limit), Ok(()));
    assert_eq!(check_size(511, 512, limit), Err(NO_MEMORY));
    assert_eq!(check_size(u32::MAX as usize, 0, usize::MAX), Err(TOO_LONG));
    assert_eq!(check_size(1 << 20, 1 << 20, usize::MAX), Err(NO_MEMORY));
}
