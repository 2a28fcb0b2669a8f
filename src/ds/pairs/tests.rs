//! Pairs against a vector.

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

type Model = Vec<(Vec<u8>, Vec<u8>)>;

fn content(pairs: &Pairs) -> Model {
    pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn bytes(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|at| at as u8 ^ salt).collect()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-c]{0,2}".prop_map(String::into_bytes),
        2 => (100..140usize, any::<u8>()).prop_map(|(len, salt)| bytes(len, salt)),
        1 => (16_380..16_390usize, any::<u8>()).prop_map(|(len, salt)| bytes(len, salt)),
    ]
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn pairs_agree_with_a_vector(
        steps in prop::collection::vec((0..4u8, text(), text()), 1..60),
    ) {
        let (mut pairs, mut model) = (Pairs::new(), Model::new());
        for (action, name, value) in steps {
            let known = model.iter().position(|(known, _)| *known == name);
            let place = pairs.find(&name);
            prop_assert_eq!(place.is_some(), known.is_some());
            match (place, known) {
                (Some(place), Some(index)) if action == 0 => {
                    pairs.remove(place);
                    model.remove(index);
                }
                (Some(place), Some(index)) => {
                    prop_assert_eq!(pairs.name(place), &name);
                    prop_assert_eq!(pairs.value(place), &model[index].1);
                    pairs.replace(place, &value);
                    model[index].1 = value;
                }
                _ => {
                    prop_assert!(pairs.fits(name.len() + value.len()));
                    pairs.push(&name, &value);
                    model.push((name, value));
                }
            }
            prop_assert_eq!((pairs.len(), pairs.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(&content(&pairs), &model);
            prop_assert_eq!(&content(&pairs.clone()), &model);
            let last = pairs.nth(model.len().saturating_sub(1)).map(|place| pairs.name(place));
            prop_assert_eq!(last, model.last().map(|(name, _)| &name[..]));
            prop_assert!(pairs.nth(model.len()).is_none());
        }
    }
}

#[test]
fn ten_short_fields_take_a_block_of_256_bytes() {
    let mut pairs = Pairs::new();
    assert_eq!(pairs.memory(), 0);
    for number in 0..10 {
        pairs.push(format!("field{number}").as_bytes(), b"0123456789abcdef");
    }
    assert_eq!((pairs.total(), pairs.memory()), (246, 256));
}
