//! Any sequence of operations on a ranked set agrees with a sorted vector.

#![cfg_attr(fuzzing, no_main)]

use shoal::ds::ranked::RankedSet;
use shoal_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut set = RankedSet::new();
    let mut twin: Vec<(i8, Vec<u8>)> = Vec::new();
    for step in bytes.chunks_exact(3) {
        let (member, score) = (vec![step[1] % 64; 1 + usize::from(step[1] % 3)], step[2] as i8);
        let known = twin.iter().position(|(_, other)| *other == member);
        if step[0] % 4 == 0 {
            assert_eq!(set.remove(&member).is_some(), known.is_some());
        } else {
            let decided: Result<(), ()> = set.upsert(&member, |_| Ok(Some(f64::from(score))));
            assert!(decided.is_ok());
        }
        known.map(|at| twin.remove(at));
        if step[0] % 4 != 0 {
            let entry = (score, member);
            let at = twin.binary_search(&entry).expect_err("each member is there once");
            twin.insert(at, entry);
        }
    }
    let walked = set.walk(0, usize::MAX, false);
    let walked: Vec<(i8, Vec<u8>)> =
        walked.map(|element| (element.score() as i8, element.member().to_vec())).collect();
    assert_eq!(walked, twin);
    for (rank, (_, member)) in twin.iter().enumerate() {
        assert_eq!(set.rank(member).map(|(rank, _)| rank), Some(rank));
    }
});
