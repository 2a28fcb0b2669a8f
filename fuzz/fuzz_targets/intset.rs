//! Any bytes must be refused or be an intset, which then keeps its order through every change.
//!
//! The first two bytes choose a width and a value to insert; the rest is the integers, in front of
//! which a header is put that fits them.

#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeSet;

use shoal::ds::intset::Intset;
use shoal_fuzz::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Intset::from_bytes(data);
    let Some((&[choice, shift], integers)) = data.split_first_chunk() else { return };
    let width = [2, 4, 8][usize::from(choice) % 3];
    let count = (integers.len() / width) as u32;
    let integers = &integers[..count as usize * width];
    let framed = [&(width as u32).to_le_bytes()[..], &count.to_le_bytes(), integers].concat();
    let Ok(mut set) = Intset::from_bytes(&framed) else { return };
    let mut model: BTreeSet<i64> = set.iter().collect();
    assert_eq!(model.len(), count as usize);
    let value = i64::from(choice as i8) << (shift % 60);
    assert_eq!(set.insert(value), model.insert(value));
    let removed = model.iter().nth(usize::from(shift) % model.len()).copied();
    if let Some(value) = removed {
        assert!(set.remove(value) && model.remove(&value));
    }
    assert!(set.iter().eq(model.iter().copied()));
    assert!(model.iter().all(|&value| set.contains(value)));
    assert_eq!(Intset::from_bytes(set.as_bytes()).map(|copy| copy.len()), Ok(model.len()));
});
