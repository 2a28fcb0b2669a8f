use crate::testing::Fixture;

fn fixture() -> Fixture {
    Fixture::new(&[super::COMMANDS, crate::command::string::COMMANDS])
}

#[test]
fn a_bit_is_set_beyond_the_end_and_read_back() {
    let mut shard = fixture();
    assert_eq!(shard.run(&["SETBIT", "k", "100", "1"]), ":0\r\n");
    assert_eq!(shard.run(&["STRLEN", "k"]), ":13\r\n");
    assert_eq!(shard.run(&["GETBIT", "k", "100"]), ":1\r\n");
    assert_eq!(shard.run(&["SETBIT", "k", "100", "0"]), ":1\r\n");
    assert_eq!(shard.run(&["BITCOUNT", "k"]), ":0\r\n");
}

#[test]
fn setting_a_bit_to_what_it_is_changes_nothing() {
    let mut shard = fixture();
    shard.run(&["SET", "k", "a"]);
    let before = shard.db.changes.count();
    shard.run(&["SETBIT", "k", "1", "1"]);
    assert_eq!(shard.db.changes.count(), before);
    shard.run(&["SETBIT", "k", "8", "0"]);
    assert_eq!(shard.db.changes.count(), before + 1, "it became longer");
}

#[test]
fn one_bit_of_a_long_string_is_changed_in_place() {
    let mut shard = fixture();
    shard.run(&["SETBIT", "k", "8000000", "1"]);
    let start = |shard: &mut Fixture| {
        let key = crate::resp::args::Key::new(b"k");
        match shard.db.peek(key).map(|entry| entry.value()) {
            Some(crate::store::entry::ValueRef::Big(bytes)) => bytes.as_ptr(),
            other => panic!("a long string, not {other:?}"),
        }
    };
    let before = start(&mut shard);
    shard.run(&["SETBIT", "k", "5", "1"]);
    assert_eq!(start(&mut shard), before);
    assert_eq!(shard.run(&["BITCOUNT", "k"]), ":2\r\n");
}

#[test]
fn a_field_that_fails_makes_room_all_the_same() {
    let mut shard = fixture();
    let reply = shard.run(&["BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u2", "0", "9"]);
    assert_eq!(reply, "*1\r\n$-1\r\n");
    assert_eq!(shard.run(&["STRLEN", "k"]), ":1\r\n");
}

#[test]
fn later_fields_see_what_earlier_ones_wrote() {
    let mut shard = fixture();
    let reply = shard.run(&[
        "BITFIELD", "k", "SET", "u8", "#1", "200", "INCRBY", "u8", "8", "100", "OVERFLOW", "SAT",
        "INCRBY", "u8", "#1", "1000", "GET", "i8", "8",
    ]);
    assert_eq!(reply, "*4\r\n:0\r\n:44\r\n:255\r\n:-1\r\n");
}
