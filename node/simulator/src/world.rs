//! Virtual time: what happens when, and in which order.

use std::collections::BTreeMap;

/// Things that happen, in the order of their time, then of their scheduling.
#[derive(Debug)]
pub(crate) struct World<E> {
    now_ms: u64,
    next: u64,
    queue: BTreeMap<(u64, u64), E>,
}

impl<E> World<E> {
    pub(crate) const fn new(now_ms: u64) -> Self {
        Self { now_ms, next: 0, queue: BTreeMap::new() }
    }

    pub(crate) const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(crate) fn after(&mut self, delay_ms: u64, event: E) {
        self.queue.insert((self.now_ms + delay_ms, self.next), event);
        self.next += 1;
    }

    /// The next thing; time goes on to it.
    pub(crate) fn pop(&mut self) -> Option<E> {
        let ((at, _), event) = self.queue.pop_first()?;
        self.now_ms = at;
        Some(event)
    }
}
