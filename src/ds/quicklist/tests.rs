use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const DEFAULT: Limits = Limits { fill: -2, compress_depth: 0 };

fn texts(list: &Quicklist, from: End) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let first = if from == End::Front { 0 } else { list.len().saturating_sub(1) };
    let _ = list.walk(from, first, |item| {
        found.push(item.to_vec());
        ControlFlow::<()>::Continue(())
    });
    found
}

/// Checks the list's own books, the sizes of nodes and which are compressed.
fn check(list: &Quicklist) {
    list.directory.check();
    let mut place = list.directory.end(End::Front);
    let (mut index, nodes, depth) = (0, list.nodes(), list.limits.compress_depth);
    while let Some(here) = place {
        let node = list.directory.node(here);
        let fits = !list.limits.exceeds(node.bytes_len(), node.count());
        assert!(fits || node.count() == 1, "{} items", node.count());
        let is_outer = depth == 0 || index < depth || index + depth >= nodes;
        assert!(!is_outer || node.is_plain() || node.as_packed().is_some(), "node {index}");
        (place, index) = (list.directory.next(here), index + 1);
    }
}

#[derive(Clone, Debug)]
enum Change {
    Push(End, Vec<u8>),
    Pop(End),
    Insert(usize, bool, Vec<u8>),
    Replace(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(End, Vec<u8>, usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u8..4, 0usize..40).prop_map(|(letter, length)| vec![b'a' + letter; length]),
        3 => (0i64..40).prop_map(|value| value.to_string().into_bytes()),
        1 => (4000usize..9000).prop_map(|length| vec![b'x'; length]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>();
    prop_oneof![
        6 => (end(), text()).prop_map(|(end, text)| Change::Push(end, text)),
        2 => end().prop_map(Change::Pop),
        6 => (at, any::<bool>(), text()).prop_map(|(at, is, text)| Change::Insert(at, is, text)),
        3 => (any::<usize>(), text()).prop_map(|(at, text)| Change::Replace(at, text)),
        1 => (any::<usize>(), 0usize..9).prop_map(|(at, count)| Change::RemoveRange(at, count)),
        1 => (end(), text(), 0usize..4).prop_map(|(at, text, n)| Change::RemoveEqual(at, text, n)),
    ]
}

fn apply(list: &mut Quicklist, twin: &mut Vec<Vec<u8>>, change: Change) {
    match change {
        Change::Push(End::Front, text) => {
            list.push(End::Front, &text);
            twin.insert(0, text);
        }
        Change::Push(End::Back, text) => {
            list.push(End::Back, &text);
            twin.push(text);
        }
        Change::Pop(end) => {
            list.pop(end);
            if !twin.is_empty() {
                twin.remove(if end == End::Front { 0 } else { twin.len() - 1 });
            }
        }
        Change::Insert(at, is_behind, text) if !twin.is_empty() => {
            let index = at % twin.len();
            list.insert(index, is_behind, &text);
            twin.insert(index + usize::from(is_behind), text);
        }
        Change::Replace(at, text) if !twin.is_empty() => {
            let index = at % twin.len();
            list.replace(index, &text);
            twin[index] = text;
        }
        Change::RemoveRange(at, count) => {
            let index = at % (twin.len() + 1);
            list.remove_range(index, count);
            twin.drain(index..(index + count).min(twin.len()));
        }
        Change::RemoveEqual(from, text, count) => {
            let mut found: Vec<_> = (0..twin.len()).filter(|&at| twin[at] == text).collect();
            if from == End::Front {
                found.truncate(count);
            } else {
                found.drain(..found.len().saturating_sub(count));
            }
            assert_eq!(list.remove_equal(from, &text, count), found.len());
            found.into_iter().rev().for_each(|at| drop(twin.remove(at)));
        }
        Change::Insert(..) | Change::Replace(..) => {}
    }
}

proptest! {
    #[test]
    fn it_behaves_like_a_vector_of_texts(
        changes in vec(change(), 1..120),
        fill in prop_oneof![Just(-1i64), Just(-2), Just(0), Just(1), Just(3), Just(20)],
        compress_depth in 0usize..3,
    ) {
        let (mut list, mut twin) = (Quicklist::new(Limits { fill, compress_depth }), Vec::new());
        for change in changes {
            apply(&mut list, &mut twin, change);
            check(&list);
            prop_assert_eq!(list.len(), twin.len());
        }
        prop_assert_eq!(&texts(&list, End::Front), &twin);
        prop_assert_eq!(&texts(&list.clone(), End::Front), &twin);
        for (index, text) in twin.iter().enumerate() {
            let mut found = None;
            for from in [End::Front, End::Back] {
                let _ = list.walk(from, index, |item| {
                    found = Some(item.to_vec());
                    ControlFlow::Break(())
                });
                prop_assert_eq!(found.take(), Some(text.clone()));
            }
            prop_assert_eq!(list.find(text), twin.iter().position(|other| other == text));
        }
        prop_assert_eq!(list.peek(End::Front).map(Item::to_vec), twin.first().cloned());
        prop_assert_eq!(list.peek(End::Back).map(Item::to_vec), twin.last().cloned());
        twin.reverse();
        prop_assert_eq!(texts(&list, End::Back), twin);
    }
}

#[test]
fn many_nodes_in_the_middle() {
    let limits = Limits { fill: 1, compress_depth: 0 };
    let (mut list, mut twin) = (Quicklist::new(limits), Vec::new());
    for number in 0..3000usize {
        let at = number.wrapping_mul(7919) % (number + 1);
        if at < number {
            list.insert(at, false, number.to_string().as_bytes());
        } else {
            list.push(End::Back, number.to_string().as_bytes());
        }
        twin.insert(at, number.to_string().into_bytes());
    }
    check(&list);
    assert_eq!(texts(&list, End::Front), twin);
    for number in (0..3000).filter(|number| number % 16 != 0) {
        assert_eq!(list.remove_equal(End::Front, number.to_string().as_bytes(), 0), 0);
        assert_eq!(list.remove_equal(End::Back, number.to_string().as_bytes(), 9), 1);
    }
    check(&list);
    assert_eq!((list.len(), list.nodes()), (188, 188));
    assert!(list.memory(0) < 188 * 150, "{} bytes", list.memory(0));
}

#[test]
fn short_texts_cost_little_more_than_themselves() {
    for end in [End::Front, End::Back] {
        let mut list = Quicklist::new(DEFAULT);
        (0..100_000).for_each(|number| list.push(end, format!("{number:032x}").as_bytes()));
        check(&list);
        let bytes_each = list.memory(0) as f64 / 100_000.0;
        assert!(bytes_each < 35.6, "{bytes_each} bytes for 32");
        assert!((list.memory(10) as f64 / list.memory(0) as f64 - 1.0).abs() < 0.15);
        assert!(list.nodes() <= 100_000usize.div_ceil(225), "{} nodes", list.nodes());
    }
}

#[test]
fn inner_nodes_are_compressed() {
    let fill = |compress_depth| {
        let mut list = Quicklist::new(Limits { fill: -2, compress_depth });
        (0..10_000).for_each(|_| list.push(End::Back, b"the same text again and again"));
        list.memory(0)
    };
    assert!(fill(1) * 5 < fill(0));
    assert!(fill(1) < fill(2));
}

#[test]
fn large_items_are_nodes_of_their_own() {
    let mut list = Quicklist::new(DEFAULT);
    list.push(End::Back, b"small");
    list.push(End::Back, &vec![b'x'; 100_000]);
    list.push(End::Back, b"small");
    assert_eq!((list.len(), list.nodes()), (3, 3));
    assert_eq!(list.find(&vec![b'x'; 100_000]), Some(1));
    list.replace(1, b"tiny");
    check(&list);
    assert_eq!(list.peek(End::Front), Some(Item::Text(b"small")));
    list.replace(1, &vec![b'x'; 100_000]);
    assert!(list.take_small(usize::MAX, usize::MAX).is_none());
}
