//! A disk that fills up while the node runs.

use crate::{lone::Lone, support::phalanx};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A small file system of its own on a folder.
struct Disk(PathBuf);

impl Disk {
    /// Mounts it; none when this user may not.
    fn on(folder: &Path, mib: usize) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder)
            .output();
        mounted.is_ok_and(|told| told.status.success()).then(|| Self(folder.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        for size in [1 << 20, 4_096] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_node_on_a_full_disk_stops_with_the_remedy_and_goes_on_when_there_is_space() {
    let mut lone = Lone::found();
    let home = lone.home();
    let aside = home.with_extension("aside");
    fs::rename(&home, &aside).unwrap();
    fs::create_dir(&home).unwrap();
    let Some(disk) = Disk::on(&home, 160) else {
        println!("skipped: this user may not mount a small disk");
        return;
    };
    let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&home).status().unwrap();
    assert!(copied.success());
    lone.start();
    lone.work(2);
    disk.fill();
    // Heartbeats go on, so the node writes before anybody asks it to.
    let ended = lone.ended();
    assert_eq!(ended.code, Some(4), "{}", ended.said);
    let last = ended.said.lines().last().unwrap_or_default();
    assert!(last.contains("free space") && last.contains("start again"), "{}", ended.said);

    // Still full: the same, at once.
    disk.fill();
    let ended = lone.refused();
    assert_eq!(ended.code, Some(4), "{}", ended.said);
    assert!(ended.said.contains("free space"), "{}", ended.said);

    fs::remove_file(disk.filler()).unwrap();
    let before = lone.receipts();
    assert!(before.len() > 10, "{}", before.len());
    lone.goes_on_with(&before);
    let found = phalanx(&["ledger", "fsck", "--home", home.to_str().unwrap()]);
    assert!(found.status.success());
    drop(lone);
    drop(disk);
}
