//! How much memory a decoder takes, measured, so that an input that costs more than it may is found like a panic.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What any decoder may take whatever its input, in bytes: tables that are built once, and results of a fixed size.
pub(crate) const FIXED_MAX: usize = 1024 * 1024;

/// What it may take besides for each byte of its input. An object of one member costs about 640 bytes as a tree of JSON and
/// is written in five, so less is not to be had; the bound holds that nothing grows faster than the input.
pub(crate) const PER_BYTE_MAX: usize = 160;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread.
pub(crate) struct Counting;

fn count(bytes: isize) {
    // Threads that are ending have no counter any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; each call is handed on as it came")]
// SAFETY: every method does what the system's allocator does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        count(size(new) - size(layout.size()));
        unsafe { System.realloc(pointer, layout, new) }
    }
}

/// Runs `work` and returns what it returned, with the most bytes that were allocated at once meanwhile, besides what was
/// there before.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// Decodes an input of `bytes` bytes within what such an input may cost.
///
/// # Panics
/// When it costs more.
pub(crate) fn bounded<T>(bytes: usize, decode: impl FnOnce() -> T) -> T {
    let (result, peak) = measured(decode);
    let most = FIXED_MAX + PER_BYTE_MAX * bytes;
    assert!(peak <= most, "{bytes} bytes of input took {peak} bytes of memory, more than {most}");
    result
}
