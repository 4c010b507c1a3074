//! One fuzz target for all decoders.
//!
//! `PHALANX_DECODER=NAME` says which one is run. `PHALANX_LAST=FILE` keeps the input that
//! is decoded in a file. `PHALANX_SAMPLES=DIR` runs none: it writes the samples of every
//! decoder to `DIR/NAME` and prints the names.
#![no_main]

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use phalanx_tests::{
    decoders::{DECODERS, Decoder},
    samples::samples,
};
use std::{
    alloc::System,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    sync::OnceLock,
};

/// What an input may take on the heap, however short it is.
const HEAP_BASE: usize = 16 << 20;
/// What each byte of an input may take besides: a decoder's memory is linear in its input.
const HEAP_PER_BYTE: usize = 256;

/// libFuzzer's own limits need a sanitizer's allocator, so the heap has its own limit.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

static CHOSEN: OnceLock<Decoder> = OnceLock::new();

/// The input is on disk before it is decoded: a stack that overflows ends the process
/// before libFuzzer can write it.
static LAST: OnceLock<File> = OnceLock::new();

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Some(file) = LAST.get() {
        file.write_all_at(bytes, 0).expect("the input can be written");
        file.set_len(bytes.len() as u64).expect("the input can be written");
    }
    let (_, decode) = CHOSEN.get().expect("it was chosen at the beginning");
    let limit = HEAP.allocated() + HEAP_BASE + HEAP_PER_BYTE * bytes.len();
    HEAP.set_limit(limit).expect("more than what is there");
    decode(bytes);
    HEAP.set_limit(usize::MAX).expect("more than what is there");
});

fn begin() {
    if let Some(folder) = std::env::var_os("PHALANX_SAMPLES") {
        write_samples(folder.as_ref()).expect("the samples can be written");
        std::process::exit(0);
    }
    let wanted = std::env::var("PHALANX_DECODER").expect("PHALANX_DECODER names a decoder");
    let found = DECODERS.iter().find(|(name, _)| *name == wanted);
    let chosen = CHOSEN.get_or_init(|| *found.expect("PHALANX_DECODER is in the list of decoders"));
    if let Some(path) = std::env::var_os("PHALANX_LAST") {
        LAST.get_or_init(|| File::create(path).expect("PHALANX_LAST is a file that can be written"));
    }
    // What is made once is made now, outside of the limit.
    chosen.1(&[]);
}

fn write_samples(folder: &Path) -> std::io::Result<()> {
    for (name, _) in DECODERS {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        for (at, sample) in samples(name).iter().enumerate() {
            fs::write(folder.join(format!("sample-{at}")), sample)?;
        }
        println!("{name}");
    }
    Ok(())
}
