//! The family as clients see it, on one shard.

use super::COMMANDS;
use crate::testing::Fixture;

fn sicily() -> Fixture {
    let mut fixture = Fixture::new(&[COMMANDS, crate::command::sorted_set::COMMANDS]);
    let places = ["13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"];
    let reply = fixture.run(&[&["GEOADD", "s"][..], &places[..]].concat());
    assert_eq!(reply, ":2\r\n");
    fixture
}

/// Runs each line of words and expects the reply behind ` => `, written without its line ends.
fn check(fixture: &mut Fixture, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once(" => ").expect("a command and its reply");
        let words: Vec<&str> = command.split(' ').collect();
        let reply = fixture.run(&words).replace("\r\n", " ");
        assert_eq!(reply.trim_end(), expected.trim_end(), "{command}");
    }
}

#[test]
fn places_are_added_and_measured() {
    check(
        &mut sicily(),
        "GEODIST s Palermo Catania => $11 166274.1516
         GEODIST s Palermo Catania km => $8 166.2742
         GEODIST s Palermo nowhere => $-1
         GEODIST s Palermo Catania au => -ERR unsupported unit provided. please use M, KM, FT, MI
         GEOHASH s Palermo Catania nowhere => *3 $11 sqc8b49rny0 $11 sqdtr74hyu0 $-1
         GEOPOS s Palermo nowhere => *2 *2 $18 13.361389338970184 $16 38.1155563954963 *-1
         GEOADD s NX 1 1 Palermo => :0
         GEOADD s XX CH 13.361389 38.115556 Palermo 1 1 new => :0
         GEOADD s 200 1 x => -ERR invalid longitude,latitude pair 200.000000,1.000000
         GEOADD s NX XX 1 1 x => -ERR syntax error
         GEOADD s 1 1 => -arity
         ZSCORE s Palermo => $16 3479099956230698",
    );
}

#[test]
fn places_are_found_in_shapes() {
    check(
        &mut sicily(),
        "GEORADIUS s 15 37 200 km ASC => *2 $7 Catania $7 Palermo
         GEORADIUS s 15 37 200 km DESC COUNT 1 => *1 $7 Palermo
         GEORADIUS_RO s 15 37 100 km WITHDIST WITHHASH \
          => *1 *3 $7 Catania $7 56.4413 :3479447370796909
         GEORADIUSBYMEMBER s Palermo 10 m => *1 $7 Palermo
         GEORADIUSBYMEMBER_RO s nowhere 10 m => -ERR could not decode requested zset member
         GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC => *2 $7 Catania $7 Palermo
         GEOSEARCH s FROMMEMBER Palermo BYRADIUS 1 km => *1 $7 Palermo
         GEOSEARCH s BYPOLYGON 4 13 38 14 38 14 39 13 39 => *1 $7 Palermo
         GEOSEARCH s BYPOLYGON 2 13 38 14 38 \
          => -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         GEOSEARCH s FROMLONLAT 1 1 BYPOLYGON 3 13 38 14 38 14 39 => -ERR syntax error
         GEOSEARCH s FROMLONLAT 1 1 ASC DESC \
          => -ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH
         GEOSEARCH s BYRADIUS 1 m ASC DESC \
          => -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH
         GEOSEARCH s FROMLONLAT 1 1 BYRADIUS -1 m => -ERR radius cannot be negative
         GEOSEARCH s FROMLONLAT 1 1 BYRADIUS 1 m ANY \
          => -ERR the ANY argument requires COUNT argument
         GEOSEARCH none FROMMEMBER x BYRADIUS 1 m => *0",
    );
}

#[test]
fn places_are_stored() {
    check(
        &mut sicily(),
        "GEOSEARCHSTORE to s FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 1 STOREDIST => :1
         ZCARD to => :1
         GEORADIUS s 15 37 200 km STORE to => :2
         ZSCORE to Catania => $16 3479447370796909
         GEORADIUS s 15 37 200 km STORE to WITHDIST \
          => -ERR STORE option in GEORADIUS is not compatible with \
          WITHDIST, WITHHASH and WITHCOORD options
         GEORADIUSBYMEMBER s Palermo 1 km STOREDIST to => :1
         ZSCORE to Palermo => $1 0
         GEORADIUS none 15 37 200 km STORE to => :0
         ZCARD to => :0",
    );
}
