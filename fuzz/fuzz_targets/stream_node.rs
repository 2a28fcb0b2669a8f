//! Any bytes are refused or are a node of a stream that can be walked from both ends, swept, and
//! read back.
//!
//! A header that fits is put in front of the bytes, so that more than one input in 2^32 is a
//! listpack.

#![cfg_attr(fuzzing, no_main)]

use shoal::store::stream::id::Id;
use shoal::store::stream::node::{Node, Verdict};
use shoal_fuzz::fuzz_target;

/// The node's own id.
const OWN: Id = Id::new(1 << 40, 7);

fuzz_target!(|data: &[u8]| {
    let _ = Node::from_bytes(OWN, data);
    let total = (data.len() + 7) as u32;
    let framed = [&total.to_le_bytes()[..], &[0xFF, 0xFF], data, &[0xFF]].concat();
    let Ok(mut node) = Node::from_bytes(OWN, &framed) else { return };
    let forward: Vec<Id> = node.walk(OWN).map(|entry| entry.id).collect();
    let mut walk = node.walk(OWN);
    let mut backward: Vec<Id> = std::iter::from_fn(|| walk.next_back()).map(|e| e.id).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    assert!(forward.is_sorted());
    assert_eq!(forward.len() as u64, node.entries());
    assert!(node.walk(OWN).all(|entry| entry.pairs().count() == entry.len()));
    let live = node.live();
    assert_eq!(node.sweep(OWN, |_| Verdict::Delete), live);
    assert_eq!(Node::from_bytes(OWN, node.as_bytes()), Ok(node));
});
