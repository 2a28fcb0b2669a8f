use proptest::prelude::*;

use super::*;

const SPARSE_MAX: usize = 3000;

fn registers(view: View<'_>) -> Box<Registers> {
    let mut registers = Box::new([0; REGISTERS]);
    view.merge_into(&mut registers).expect("valid opcodes");
    registers
}

#[test]
fn murmur_agrees_with_its_reference() {
    // From the reference implementation.
    assert_eq!(murmur64a(b"", 0), 0);
    assert_eq!(murmur64a(b"hello", 0), 0x1e68_d17c_457b_f117);
}

#[test]
fn an_empty_sketch_is_one_opcode() {
    let sketch = Sketch::new();
    assert_eq!(&sketch.view().bytes()[HEADER..], [0x7f, 0xff]);
    assert_eq!(sketch.view().cardinality(), Ok(0));
    assert_eq!(sketch.view().describe(), "Z:16384");
}

#[test]
fn the_error_is_small() {
    let mut sketch = Sketch::new();
    for (count, element) in (1_u64..=200_000).enumerate() {
        let (index, value) = register_of(&element.to_le_bytes());
        sketch.raise(index, value, SPARSE_MAX).expect("valid opcodes");
        let count = count as u64 + 1;
        if count.is_power_of_two() || count == 200_000 {
            let estimate = sketch.view().cardinality().expect("valid opcodes");
            assert!(estimate.abs_diff(count) <= 2 + count * 4 / 100, "{estimate} for {count}");
        }
    }
    assert!(sketch.view().is_dense());
}

#[test]
fn a_header_is_checked() {
    let good = Sketch::new().into_bytes();
    assert!(View::new(&good).is_some());
    assert!(View::new(&good[..HEADER - 1]).is_none());
    for at in [0, 3, ENCODING_AT] {
        let mut bad = good.clone();
        bad[at] = 7;
        assert!(View::new(&bad).is_none(), "byte {at}");
    }
    let mut short = good;
    short[ENCODING_AT] = DENSE;
    assert!(View::new(&short).is_none());
}

proptest! {
    #[test]
    fn sparse_and_dense_are_the_naive_one(
        raises in prop::collection::vec((0..REGISTERS, 1_u8..=51), 0..600),
        near in prop::collection::vec((0_usize..40, 1_u8..4), 0..200),
        sparse_max in 0_usize..4000,
    ) {
        let mut naive = Box::new([0; REGISTERS]);
        let (mut sketch, mut dense) = (Sketch::new(), Sketch::new());
        dense.make_dense().expect("valid opcodes");
        for (index, value) in raises.into_iter().chain(near) {
            let raises = naive[index] < value;
            naive[index] = value.max(naive[index]);
            prop_assert_eq!(sketch.view().would_raise(index, value), Ok(raises));
            prop_assert_eq!(sketch.raise(index, value, sparse_max), Ok(raises));
            prop_assert_eq!(dense.raise(index, value, sparse_max), Ok(raises));
            let len = sketch.view().bytes().len();
            prop_assert!(sketch.view().is_dense() || len <= (sparse_max + HEADER).max(HEADER + 2));
        }
        prop_assert!(registers(sketch.view()) == naive);
        prop_assert!(registers(dense.view()) == naive);
        prop_assert_eq!(sketch.view().cardinality(), Ok(cardinality_of(&naive)));
        prop_assert_eq!(dense.view().cardinality(), Ok(cardinality_of(&naive)));
    }

    #[test]
    fn any_opcodes_are_valid_or_corrupt(
        opcodes in prop::collection::vec(any::<u8>(), 0..300),
        index in 0..REGISTERS,
    ) {
        let mut bytes = Sketch::new().into_bytes();
        bytes.truncate(HEADER);
        bytes.extend(opcodes);
        let view = View::new(&bytes).expect("a valid header");
        let mut registers = Box::new([0; REGISTERS]);
        let merged = view.merge_into(&mut registers);
        prop_assert_eq!(view.cardinality().is_ok(), merged.is_ok());
        prop_assert!(view.describe().split(' ').count() <= bytes.len());
        let _ = Sketch::of(view).raise(index, 5, SPARSE_MAX);
        prop_assert_eq!(Sketch::of(view).make_dense(), merged);
    }
}
