//! Writes that fail, at every place where one can.

use crate::{
    chain::{Chain, STEP_MS, genesis, job, key, tenant},
    store::{Record, dump},
};
use phalanx_consensus::Application;
use phalanx_ledger::{Batch, Cf, Durability, Kv, Ledger, MemoryKv, StoreError, fsck::fsck};
use phalanx_replica::{Limits, Replica};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// When the failing write is lost or kept.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It fails and nothing of it is written.
    Lost,
    /// It is written, and reported as failed.
    Kept,
}

/// A store whose n-th write fails, and every one after it.
#[derive(Clone)]
struct Faulty {
    inner: MemoryKv,
    left: Arc<AtomicU64>,
    fault: Fault,
}

impl Kv for Faulty {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(cf, key)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            return self.inner.write(batch, durability);
        }
        if matches!(self.fault, Fault::Kept) {
            self.inner.write(batch, durability)?;
        }
        Err(StoreError::Io { reason: "the test pulled the cable".into() })
    }

    fn scan(
        &self,
        cf: Cf,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.inner.scan(cf, from, visit)
    }

    fn last_at_most(&self, cf: Cf, key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        self.inner.last_at_most(cf, key)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

/// The same beats in every run, on any store.
fn run<K: Kv>(chain: &mut Chain<K>, mut after: impl FnMut(&mut Chain<K>) -> bool) {
    for number in 0..6 {
        if number == 0 {
            chain.offer_all();
        } else {
            chain.send(&tenant(), vec![job("more"), job("and more")]);
        }
        let beat = chain.propose();
        let certificate = chain.certify(&beat);
        if chain.replica.commit(&beat, &certificate).is_err() {
            return;
        }
        chain.now += STEP_MS;
        if !after(chain) {
            return;
        }
    }
}

#[test]
fn a_failed_write_leaves_the_old_tip_or_the_new_and_nothing_between() {
    // What the store holds after each write.
    let mut honest: Vec<Vec<Record>> = vec![Vec::new()];
    let mut chain = Chain::in_memory(genesis(1));
    honest.push(dump(&chain.kv()));
    run(&mut chain, |chain| {
        honest.push(dump(&chain.kv()));
        true
    });
    for fault in [Fault::Lost, Fault::Kept] {
        for writes in 0..honest.len() as u64 - 1 {
            let disk = MemoryKv::default();
            let left = Arc::new(AtomicU64::new(writes));
            let faulty = Faulty { inner: disk.clone(), left, fault };
            match Replica::open(faulty.clone(), &genesis(1), key(1).public(), Limits::default()) {
                Err(_) => assert_eq!(writes, 0),
                Ok(replica) => {
                    drop(replica);
                    run(&mut Chain::on(faulty, genesis(1)), |_| true);
                }
            }
            disk.crash();
            let tip = writes as usize + usize::from(matches!(fault, Fault::Kept));
            assert!(dump(&disk) == honest[tip], "{fault:?} at write {writes}");
            if tip == 0 {
                continue;
            }
            assert!(fsck(&disk).is_clean(), "{fault:?} at write {writes}");
            assert_eq!(Ledger::open(disk.clone()).unwrap().tip().height.0, tip as u64 - 1);
        }
    }
}

#[test]
fn a_full_disk_says_so_and_loses_nothing_that_was_decided() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.beats(3);
    let before = dump(&chain.kv());
    chain.kv().fill_after(0);
    let beat = chain.propose();
    let certificate = chain.certify(&beat);
    let error = chain.replica.commit(&beat, &certificate).unwrap_err().to_string();
    assert!(error.contains("the disk is full") && error.contains("free space"), "{error}");
    assert_eq!(dump(&chain.kv()), before);
    assert!(fsck(&chain.kv()).is_clean());
}

#[test]
fn a_ledger_whose_write_failed_can_write_the_same_beat_when_there_is_room_again() {
    let mut twin = Chain::in_memory(genesis(1));
    let mut chain = Chain::in_memory(genesis(1));
    // The fourth beat closes an interval, the fifth does not.
    for number in 1..=5 {
        let beat = chain.propose();
        let certificate = chain.certify(&beat);
        if number >= 3 {
            chain.kv().fill_after(0);
            chain.replica.commit(&beat, &certificate).unwrap_err();
            chain.kv().fill_after(u64::MAX);
        }
        chain.replica.commit(&beat, &certificate).unwrap();
        chain.now += STEP_MS;
        twin.beat();
    }
    assert!(dump(&chain.kv()) == dump(&twin.kv()), "a failed write changed what came after it");
    assert!(fsck(&chain.kv()).is_clean());
}
