//! Which core owns which cluster slot.
//!
//! Invariant: every slot has exactly one owner, and each core's slots are one contiguous range, so
//! that a core can be presented as a node of a Redis Cluster.

use std::ops::Range;

use super::hash::SLOTS;

/// The division of the slots among `cores` cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    cores: u16,
}

impl Layout {
    /// Divides the slots evenly. `cores` is between 1 and the number of slots.
    pub fn even(cores: u16) -> Layout {
        assert!((1..=SLOTS).contains(&cores), "every core needs a slot");
        Layout { cores }
    }

    /// Number of cores.
    #[inline]
    pub fn cores(self) -> usize {
        self.cores as usize
    }

    /// The owner of `slot`.
    #[inline]
    pub fn core_of(self, slot: u16) -> u16 {
        (u32::from(slot) * u32::from(self.cores) / u32::from(SLOTS)) as u16
    }

    /// The slots of `core`.
    pub fn slots_of(self, core: u16) -> Range<u16> {
        let first =
            |core: u16| (u32::from(core) * u32::from(SLOTS)).div_ceil(u32::from(self.cores)) as u16;
        first(core)..first(core + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_owners_agree() {
        for cores in [1, 2, 3, 7, 16, 48, 1000] {
            let layout = Layout::even(cores);
            let mut next = 0;
            for core in 0..cores {
                let slots = layout.slots_of(core);
                assert_eq!(slots.start, next);
                next = slots.end;
                assert!(slots.into_iter().all(|slot| layout.core_of(slot) == core));
            }
            assert_eq!(next, SLOTS);
        }
    }
}
