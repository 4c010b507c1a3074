//! Being asked to stop: by Ctrl-C, or by SIGTERM, which service managers send.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From when it is made on, neither signal ends this process by itself.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Needs a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until it is asked for.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
