//! A program that signs: for hardware wallets, agents and key services.
//!
//! The program is started anew for each digest, without a shell. It reads one
//! line of JSON, `{"version":1,"address":"0x…","digest":"<64 hex>"}`, and
//! writes one, `{"signature":"<128 or 130 hex>"}`. What it writes is checked:
//! it must be a signature of that digest by that address.

use super::{EcdsaSignature, KeyError};
use crate::address::Address;
use phalanx_types::Hash;
use serde::{Deserialize, Serialize};
use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Version of what is exchanged with the program.
pub const VERSION: u32 = 1;
/// Most bytes that the program may write.
pub const ANSWER_BYTES_MAX: usize = 4_096;
/// How long a person may take at a hardware wallet.
pub const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Serialize)]
struct Request {
    version: u32,
    address: Address,
    digest: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    signature: String,
}

/// A program that signs for one account.
#[derive(Clone, Debug)]
pub struct ExternalSigner {
    program: String,
    arguments: Vec<String>,
    address: Address,
    timeout: Duration,
}

impl ExternalSigner {
    /// A program with its arguments, which must not be secret: everybody on
    /// the machine sees them.
    #[must_use]
    pub const fn new(program: String, arguments: Vec<String>, address: Address) -> Self {
        Self { program, arguments, address, timeout: TIMEOUT }
    }

    /// The same with another patience.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For whom it signs.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Has a digest signed. [`super::Signer::sign`] checks by whom.
    pub(super) fn sign(&self, digest: &Hash) -> Result<EcdsaSignature, KeyError> {
        let failed = |reason: String| KeyError::External { program: self.program.clone(), reason };
        let request = Request { version: VERSION, address: self.address, digest: *digest };
        let mut line = serde_json::to_vec(&request).map_err(|e| failed(format!("cannot be asked: {e}")))?;
        line.push(b'\n');

        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| failed(format!("does not start: {e}")))?;
        let answer = self.exchange(&mut child, &line);
        if answer.is_err() {
            // It may still wait for somebody; it must not sign later.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|e| failed(format!("cannot be waited for: {e}")))?;
        let bytes = answer?;
        if !status.success() {
            return Err(failed(format!("ended with {status}")));
        }
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|e| failed(format!("wrote no {{\"signature\":\"hex\"}}: {e}")))?;
        let digits = answer.signature.strip_prefix("0x").unwrap_or(&answer.signature);
        let bytes =
            hex::decode(digits).map_err(|e| failed(format!("wrote a signature that is no hex: {e}")))?;
        Ok(EcdsaSignature::from_bytes(&bytes)?)
    }

    fn exchange(&self, child: &mut Child, line: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |reason: String| KeyError::External { program: self.program.clone(), reason };
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(line) {
                // A program that signs something fixed need not read.
                Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                    return Err(failed(format!("takes no input: {e}")));
                }
                _ => {}
            }
        }
        let Some(stdout) = child.stdout.take() else { return Err(failed("has no output".into())) };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let limit = ANSWER_BYTES_MAX as u64 + 1;
            let read = stdout.take(limit).read_to_end(&mut bytes).map(|_| bytes);
            let _ = sender.send(read);
        });
        let bytes = receiver
            .recv_timeout(self.timeout)
            .map_err(|_| failed(format!("has not answered within {} s", self.timeout.as_secs())))?
            .map_err(|e| failed(format!("cannot be read: {e}")))?;
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(failed(format!("wrote more than {ANSWER_BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }
}
