//! A hint to the processor that memory will be read soon. Never a memory access by itself.

/// Starts to load the cache line at `address`, which may be any address at all.
#[inline]
pub(in crate::ds) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch cannot fault, whatever the address, and SSE is part of x86_64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
