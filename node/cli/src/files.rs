//! Files that people pass around: read up to a bound, never overwritten
//! unasked, replaced whole.

use crate::output::{Code, Failure};
use anyhow::{Context, Result};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

/// Reads a file of at most `max` bytes, and one byte more of a longer one, for
/// whoever parses it to refuse.
pub fn read(path: &Path, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| Failure::because(Code::Unreadable, format!("{} cannot be read: {e}", path.display())))?;
    Ok(bytes)
}

/// Refuses a path where something is already.
pub fn check_new(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    Ok(())
}

/// Writes a new file.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = match OpenOptions::new().create_new(true).write(true).open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Err(exists(path)),
        opened => opened.with_context(|| format!("{} cannot be written", path.display()))?,
    };
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn exists(path: &Path) -> anyhow::Error {
    Failure::because(
        Code::Refused,
        format!("{} exists and is never overwritten: name another file", path.display()),
    )
}

/// Replaces a file: whoever reads it sees the old bytes or the new ones. Its
/// mode stays.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("{} cannot be replaced", path.display());
    // What a link leads to is replaced, not the link.
    let path = &fs::canonicalize(path).with_context(failed)?;
    let mode = fs::metadata(path).with_context(failed)?.permissions();
    beside(path, bytes, |file| fs::set_permissions(file, mode)).with_context(failed)
}

/// Writes a file, whether it is there or not: whoever reads it sees all bytes or the old ones.
pub fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.exists() {
        return replace(path, bytes);
    }
    beside(path, bytes, |_| Ok(())).with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes beside a file, and puts that in its place.
fn beside(path: &Path, bytes: &[u8], set: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let name = path.file_name().context("it is no file")?;
    let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = write_new(&beside, bytes)
        .and_then(|()| Ok(set(&beside)?))
        .and_then(|()| Ok(fs::rename(&beside, path)?));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|f| f.sync_all())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_not_overwritten_and_keeps_its_mode_when_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_new(&path, b"1").unwrap();
        assert!(write_new(&path, b"2").is_err() && check_new(&path).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("b");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"3").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"3");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(read(&path, 0).unwrap().len(), 1);
    }
}
