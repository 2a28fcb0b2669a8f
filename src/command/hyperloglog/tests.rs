use crate::testing::Fixture;

fn fixture() -> Fixture {
    Fixture::new(&[super::COMMANDS, crate::command::string::COMMANDS])
}

#[test]
fn adding_says_whether_the_estimate_may_have_changed() {
    let mut shard = fixture();
    assert_eq!(shard.run(&["PFADD", "k"]), ":1\r\n");
    assert_eq!(shard.run(&["PFADD", "k"]), ":0\r\n");
    assert_eq!(shard.run(&["PFADD", "k", "a", "b", "a"]), ":1\r\n");
    assert_eq!(shard.run(&["PFADD", "k", "a"]), ":0\r\n");
    assert_eq!(shard.run(&["PFCOUNT", "k"]), ":2\r\n");
}

#[test]
fn a_count_is_remembered_until_the_sketch_changes() {
    let mut shard = fixture();
    shard.run(&["PFADD", "k", "a"]);
    let before = shard.db.changes.count();
    shard.run(&["PFCOUNT", "k"]);
    assert_eq!(shard.db.changes.count(), before + 1);
    shard.run(&["PFCOUNT", "k"]);
    assert_eq!(shard.db.changes.count(), before + 1);
    shard.run(&["PFADD", "k", "b"]);
    assert_eq!(shard.run(&["PFCOUNT", "k"]), ":2\r\n");
}

#[test]
fn a_sparse_sketch_becomes_dense_and_counts_on() {
    let mut shard = fixture();
    for number in 0..3000 {
        shard.run(&["PFADD", "k", &number.to_string()]);
    }
    assert_eq!(shard.run(&["PFDEBUG", "ENCODING", "k"]), "+dense\r\n");
    shard.run(&["PFADD", "copy", "x"]);
    shard.run(&["PFMERGE", "copy", "k"]);
    let count = |shard: &mut Fixture, key| -> i64 {
        shard.run(&["PFCOUNT", key])[1..].trim().parse().expect("a number")
    };
    let (all, merged) = (count(&mut shard, "k"), count(&mut shard, "copy"));
    assert!((2900..3100).contains(&all), "{all}");
    assert!((all..all + 10).contains(&merged), "{merged}");
    assert_eq!(shard.run(&["PFCOUNT", "k", "copy", "missing"]), format!(":{merged}\r\n"));
}

#[test]
fn what_is_no_sketch_is_refused() {
    let mut shard = fixture();
    shard.run(&["SET", "k", "12345"]);
    for words in [&["PFADD", "k", "a"][..], &["PFCOUNT", "k"], &["PFMERGE", "x", "k"]] {
        assert!(shard.run(words).starts_with("-WRONGTYPE Key is not a valid"), "{words:?}");
    }
    shard.run_bytes(&[b"SET", b"k", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x00"]);
    for words in [&["PFCOUNT", "k"][..], &["PFMERGE", "x", "k"]] {
        assert!(shard.run(words).starts_with("-INVALIDOBJ"), "{words:?}");
    }
}

#[test]
fn the_self_test_passes() {
    assert_eq!(fixture().run(&["PFSELFTEST"]), "+OK\r\n");
}
