#![no_main]

use libfuzzer_sys::fuzz_target;
use phalanx_tests::decoders::{DECODERS, Decoder};
use std::sync::OnceLock;

static CHOSEN: OnceLock<Vec<Decoder>> = OnceLock::new();

// Runs the decoder named by PHALANX_DECODER, or all of them.
fuzz_target!(|bytes: &[u8]| {
    let chosen = CHOSEN.get_or_init(|| {
        let wanted = std::env::var("PHALANX_DECODER").ok();
        DECODERS.iter().copied().filter(|(name, _)| wanted.as_deref().is_none_or(|w| w == *name)).collect()
    });
    for (_, decode) in chosen {
        decode(bytes);
    }
});
