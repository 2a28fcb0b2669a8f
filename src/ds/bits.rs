//! Bits in byte strings, numbered as Redis does: bit 0 is the highest of byte 0.
//!
//! Loops are plain ones over bytes or words that the compiler vectorises; where the processor has
//! more than the build assumes, counting runs in a copy of the loop that was compiled for it.
//! Absent: keys, commands, and any limit of length.

/// Number of bits that are set.
pub fn count(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= 64 && std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { count_avx2(bytes) };
    }
    count_words(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn count_avx2(bytes: &[u8]) -> u64 {
    count_words(bytes)
}

#[inline(always)]
fn count_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 =
        words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Number of set bits from bit `first` to bit `last`, both included and inside `bytes`.
pub fn count_range(bytes: &[u8], first: usize, last: usize) -> u64 {
    if first > last {
        return 0;
    }
    let (head, tail) = (first / 8, last / 8);
    let outside_head = bytes[head] & !(0xff >> (first % 8));
    let outside_tail = bytes[tail] & !mask_to(last % 8);
    let outside = outside_head.count_ones() + outside_tail.count_ones();
    count(&bytes[head..=tail]) - u64::from(outside)
}

/// The bits of a byte up to bit `last`, which is included.
fn mask_to(last: usize) -> u8 {
    !(0x7f_u8.checked_shr(last as u32).unwrap_or(0))
}

/// The first bit from `first` to `last`, both included and inside `bytes`, that is `wanted`.
pub fn find_range(bytes: &[u8], wanted: bool, first: usize, last: usize) -> Option<usize> {
    if first > last {
        return None;
    }
    let (head, tail) = (first / 8, last / 8);
    // Flipped where zeros are wanted, so that ones are looked for; bits outside count as zeros.
    let flip = if wanted { 0 } else { 0xff };
    let inside = |at: usize| {
        let from = if at == head { 0xff >> (first % 8) } else { 0xff };
        let to = if at == tail { mask_to(last % 8) } else { 0xff };
        (bytes[at] ^ flip) & from & to
    };
    let position = |at: usize| at * 8 + inside(at).leading_zeros() as usize;
    if inside(head) != 0 {
        return Some(position(head));
    }
    if head == tail {
        return None;
    }
    let between = &bytes[head + 1..tail];
    let skipped = leading(between, flip);
    let at = head + 1 + skipped;
    (inside(at) != 0).then(|| position(at))
}

/// How many leading bytes are `filler`, looked at a word at a time.
fn leading(bytes: &[u8], filler: u8) -> usize {
    let full = [filler; 32];
    let (blocks, _) = bytes.as_chunks::<32>();
    let skipped = 32 * blocks.iter().take_while(|block| **block == full).count();
    skipped + bytes[skipped..].iter().take_while(|byte| **byte == filler).count()
}

/// `target &= with` over the common length; what is beyond is cut off, as it would be zero.
pub fn and(target: &mut Vec<u8>, with: &[u8]) {
    target.truncate(with.len());
    target.iter_mut().zip(with).for_each(|(target, with)| *target &= with);
}

/// `target |= with`; the shorter one counts as extended with zeros.
pub fn or(target: &mut Vec<u8>, with: &[u8]) {
    extend(target, with.len());
    target.iter_mut().zip(with).for_each(|(target, with)| *target |= with);
}

/// `target ^= with`; the shorter one counts as extended with zeros.
pub fn xor(target: &mut Vec<u8>, with: &[u8]) {
    extend(target, with.len());
    target.iter_mut().zip(with).for_each(|(target, with)| *target ^= with);
}

/// `target &= !with`; the length stays.
pub fn and_not(target: &mut [u8], with: &[u8]) {
    target.iter_mut().zip(with).for_each(|(target, with)| *target &= !with);
}

/// `target = !target`.
pub fn not(target: &mut [u8]) {
    target.iter_mut().for_each(|byte| *byte = !*byte);
}

/// Adds one operand to a pair of bitmaps: the bits that some operand had, and those that more than
/// one had.
pub fn tally(some: &mut Vec<u8>, many: &mut Vec<u8>, with: &[u8]) {
    extend(some, with.len());
    extend(many, with.len());
    for ((some, many), with) in some.iter_mut().zip(many.iter_mut()).zip(with) {
        *many |= *some & with;
        *some |= with;
    }
}

/// Appends zeros up to `len` bytes.
fn extend(target: &mut Vec<u8>, len: usize) {
    if target.len() < len {
        target.resize(len, 0);
    }
}

/// Reads `width` (1 to 64) bits from bit `offset`, which is below 8, as an unsigned number; `bytes`
/// are those from the byte of the first bit on.
pub fn unsigned(bytes: [u8; 9], offset: usize, width: usize) -> u64 {
    let window = window(bytes) << (128 - 72 + offset);
    (window >> (128 - width)) as u64
}

/// The same as a number in two's complement.
pub fn signed(bytes: [u8; 9], offset: usize, width: usize) -> i64 {
    let unused = 64 - width;
    ((unsigned(bytes, offset, width) << unused) as i64) >> unused
}

/// `bytes` with the `width` bits from bit `offset` on replaced by the low bits of `value`.
pub fn replaced(bytes: [u8; 9], offset: usize, width: usize, value: u64) -> [u8; 9] {
    let shift = 72 - offset - width;
    let mask = (u128::MAX >> (128 - width)) << shift;
    let window = (window(bytes) & !mask) | ((u128::from(value) << shift) & mask);
    let wide = window.to_be_bytes();
    std::array::from_fn(|at| wide[16 - 9 + at])
}

fn window(bytes: [u8; 9]) -> u128 {
    bytes.iter().fold(0, |window, byte| window << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bit(bytes: &[u8], at: usize) -> bool {
        bytes[at / 8] >> (7 - at % 8) & 1 == 1
    }

    fn padded(bytes: &[u8], len: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes.resize(len, 0);
        bytes
    }

    fn sparse() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![5 => Just(0_u8), 5 => Just(0xff), 1 => any::<u8>()];
        prop::collection::vec(byte, 1..200)
    }

    proptest! {
        #[test]
        fn ranges_count_and_find_bit_by_bit(
            bytes in sparse(),
            a: prop::sample::Index,
            b: prop::sample::Index,
            wanted: bool,
        ) {
            let (first, last) = (a.index(bytes.len() * 8), b.index(bytes.len() * 8));
            let naive = (first..=last).filter(|at| bit(&bytes, *at)).count() as u64;
            prop_assert_eq!(count_range(&bytes, first, last), naive);
            let found = (first..=last).find(|at| bit(&bytes, *at) == wanted);
            prop_assert_eq!(find_range(&bytes, wanted, first, last), found);
        }

        #[test]
        fn everything_is_counted(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let naive: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
            prop_assert_eq!(count(&bytes), naive);
        }

        #[test]
        fn operations_agree_byte_by_byte(a in sparse(), b in sparse(), c in sparse()) {
            let len = a.len().max(b.len()).max(c.len());
            let (x, y, z) = (padded(&a, len), padded(&b, len), padded(&c, len));
            let combine = |f: fn(u8, u8) -> u8| -> Vec<u8> {
                x.iter().zip(&y).map(|(x, y)| f(*x, *y)).collect()
            };
            let run = |f: fn(&mut Vec<u8>, &[u8])| {
                let mut target = a.clone();
                f(&mut target, &b);
                padded(&target, len)
            };
            prop_assert_eq!(run(and), combine(|x, y| x & y));
            prop_assert_eq!(run(or), combine(|x, y| x | y));
            prop_assert_eq!(run(xor), combine(|x, y| x ^ y));
            prop_assert_eq!(run(|target, with| and_not(target, with)), combine(|x, y| x & !y));
            let (mut some, mut many) = (Vec::new(), Vec::new());
            for operand in [&a, &b, &c] {
                tally(&mut some, &mut many, operand);
            }
            and_not(&mut some, &many);
            let one = |x: u8, y: u8, z: u8| (x & !y & !z) | (!x & y & !z) | (!x & !y & z);
            let naive: Vec<u8> = (0..len).map(|at| one(x[at], y[at], z[at])).collect();
            prop_assert_eq!(padded(&some, len), naive);
        }

        #[test]
        fn fields_are_read_as_they_were_written(
            bytes: [u8; 9],
            offset in 0_usize..8,
            width in 1_usize..=64,
            value: u64,
        ) {
            let changed = replaced(bytes, offset, width, value);
            let low = if width == 64 { value } else { value & ((1 << width) - 1) };
            prop_assert_eq!(unsigned(changed, offset, width), low);
            for at in (0..72).filter(|at| !(offset..offset + width).contains(at)) {
                prop_assert_eq!(bit(&changed, at), bit(&bytes, at));
            }
            let digits = (offset..offset + width).map(|at| i128::from(bit(&changed, at)));
            let naive = digits.fold(0_i128, |sum, digit| sum << 1 | digit);
            let negative = bit(&changed, offset);
            let naive = if negative { naive - (1 << width) } else { naive };
            prop_assert_eq!(i128::from(signed(changed, offset, width)), naive);
        }
    }
}
