//! `phalanx events`.

use crate::{home::Home, output::Code};
use anyhow::Result;
use std::io::Write;

/// Prints events until the node stops.
pub fn run(home: &Home) -> Result<Code> {
    let client = super::client(home)?;
    super::block_on(async {
        let mut stream = client.events().await?;
        let mut out = std::io::stdout().lock();
        while let Ok(Some(chunk)) = stream.chunk().await {
            // A reader that has gone, such as `head`, ends this.
            if out.write_all(&chunk).and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        Ok(Code::Done)
    })
}
