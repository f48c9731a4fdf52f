//! An allocator that counts, for every benchmark of this crate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What one thread asked the allocator for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// How often it asked, growing what it had included.
    pub count: u64,
    /// For how many bytes.
    pub bytes: u64,
}

/// What the closure allocates on this thread.
pub fn allocations<T>(work: impl FnOnce() -> T) -> Allocations {
    let before = SO_FAR.get();
    let result = work();
    let after = SO_FAR.get();
    drop(result);
    Allocations { count: after.count - before.count, bytes: after.bytes - before.bytes }
}

thread_local! {
    static SO_FAR: Cell<Allocations> =
        const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

fn count(bytes: usize) {
    // A thread that ends can no longer be counted, and need not be.
    let _ = SO_FAR.try_with(|so_far| {
        let Allocations { count, bytes: before } = so_far.get();
        so_far.set(Allocations { count: count + 1, bytes: before + bytes as u64 });
    });
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator can't be written without; it hands all on to another")]
// SAFETY: every call goes to the system's allocator as it came, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps what `alloc_zeroed` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps what `dealloc` asks for, and the place is the system's.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps what `realloc` asks for, and the place is the system's.
        unsafe { System.realloc(place, layout, size) }
    }
}
