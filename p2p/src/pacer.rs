//! The nanobot phalanx's queue: first in, first out, with an adaptive delay.
//!
//! A drain sends all that waits as one message. It is due 1 ms after the last
//! one, or 0.3 ms when more than 100 payloads wait (document 004).

use std::{collections::VecDeque, time::Duration};

/// Payloads above which drains come faster.
pub const BUSY_LEN: usize = 100;
/// Time between drains.
pub const DELAY: Duration = Duration::from_micros(1_000);
/// Time between drains when the queue is long.
pub const BUSY_DELAY: Duration = Duration::from_micros(300);

/// Bytes that wait at most.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// The queue. Time is a [`Duration`] since any fixed point.
#[derive(Debug)]
pub struct Pacer {
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
    len_max: usize,
    drain_bytes_max: usize,
    last_drain: Duration,
}

impl Pacer {
    /// An empty queue for at most `len_max` payloads and [`QUEUE_BYTES_MAX`] bytes, whose
    /// drains have at most `drain_bytes_max` bytes.
    #[must_use]
    pub const fn new(len_max: usize, drain_bytes_max: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, len_max, drain_bytes_max, last_drain: Duration::ZERO }
    }

    /// Adds a payload; false when there is no room, or it is larger than a
    /// drain may be.
    pub fn push(&mut self, payload: Vec<u8>) -> bool {
        let fits = self.queue.len() < self.len_max
            && self.bytes.saturating_add(payload.len()) <= QUEUE_BYTES_MAX
            && payload.len() + FRAME <= self.drain_bytes_max;
        if fits {
            self.bytes += payload.len();
            self.queue.push_back(payload);
        }
        fits
    }

    /// Payloads that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the next drain is due; none when nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let delay = if self.queue.len() > BUSY_LEN { BUSY_DELAY } else { DELAY };
        if self.queue.is_empty() { None } else { Some(self.last_drain + delay) }
    }

    /// All that waits as one message, as far as it fits; the rest is next.
    pub fn drain(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.queue.is_empty() {
            return None;
        }
        self.last_drain = now;
        let mut message = Vec::new();
        while let Some(next) = self.queue.front() {
            if message.len() + FRAME + next.len() > self.drain_bytes_max {
                break;
            }
            message.extend_from_slice(&(next.len() as u32).to_le_bytes());
            message.extend_from_slice(next);
            self.bytes -= next.len();
            self.queue.pop_front();
        }
        Some(message)
    }
}

/// Bytes before each payload: its length as u32 little-endian.
const FRAME: usize = 4;
/// Most payloads in one message.
pub const PAYLOADS_MAX: usize = 65_536;

/// The payloads of a drain; none when it is malformed.
#[must_use]
pub fn unpack(mut message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut payloads = Vec::new();
    while !message.is_empty() {
        let (len, rest) = message.split_at_checked(FRAME)?;
        let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
        let (payload, rest) = rest.split_at_checked(len)?;
        if payloads.len() >= PAYLOADS_MAX {
            return None;
        }
        payloads.push(payload.to_vec());
        message = rest;
    }
    Some(payloads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_delay_adapts_as_the_document_says() {
        let mut pacer = Pacer::new(1_000, 1 << 20);
        assert_eq!(pacer.due(), None);
        for _ in 0..BUSY_LEN {
            pacer.push(vec![0]);
        }
        assert_eq!(pacer.due(), Some(Duration::from_millis(1)));
        pacer.push(vec![0]);
        assert_eq!(pacer.due(), Some(Duration::from_micros(300)));
    }

    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let mut pacer = Pacer::new(2, 1 << 10);
        assert!(pacer.push(vec![1]) && pacer.push(vec![2]) && !pacer.push(vec![3]));
        assert_eq!(unpack(&pacer.drain(Duration::ZERO).unwrap()).unwrap(), [[1], [2]]);
    }

    proptest! {
        #[test]
        fn drains_give_back_everything_in_order(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..60)) {
            let mut pacer = Pacer::new(1_000, 120);
            for payload in &payloads { prop_assert!(pacer.push(payload.clone())); }
            let mut got = Vec::new();
            while let Some(message) = pacer.drain(Duration::ZERO) {
                prop_assert!(message.len() <= 120);
                got.extend(unpack(&message).unwrap());
            }
            prop_assert_eq!(got, payloads);
        }

        #[test]
        fn garbage_is_refused_or_read_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
