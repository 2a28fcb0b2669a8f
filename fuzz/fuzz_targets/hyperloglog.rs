//! Any string must be refused or be a sketch whose walks agree and which every change keeps valid.

#![cfg_attr(fuzzing, no_main)]

use shoal::ds::hyperloglog::{HEADER, REGISTERS, Sketch, View};
use shoal_fuzz::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = View::new(data);
    let Some((&[low, high, value], opcodes)) = data.split_first_chunk() else { return };
    let mut bytes = Sketch::new().into_bytes();
    bytes.truncate(HEADER);
    bytes.extend_from_slice(opcodes);
    let Some(view) = View::new(&bytes) else { return };
    let mut registers = Box::new([0; REGISTERS]);
    let merged = view.merge_into(&mut registers);
    assert_eq!(merged.is_ok(), view.cardinality().is_ok());
    let (index, value) = (usize::from(low) << 6 | usize::from(high) & 63, value % 52);
    let mut sketch = Sketch::of(view);
    if sketch.raise(index, value, 3000).is_ok() && merged.is_ok() {
        registers[index] = registers[index].max(value);
        let mut raised = Box::new([0; REGISTERS]);
        sketch.view().merge_into(&mut raised).expect("a change keeps the format");
        assert!(raised == registers);
    }
});
