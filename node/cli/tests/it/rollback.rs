//! Nodes of a mesh whose store lost beats that they have signed for.

use crate::{
    lone::replace,
    support::{Mesh, found},
};
use phalanx_devnet::compare_roots;
use std::{fs, time::Duration};

/// One job, decided by all that run.
async fn decide_more(mesh: &Mesh) {
    let submitter = mesh.submitter(1).await;
    let jobs: Vec<_> = (0..3).map(|i| mesh.marking(&format!("more-{i}"), "earth", false)).collect();
    let indexed: Vec<_> = jobs.iter().enumerate().collect();
    for (envelope, _) in submitter.pack(&indexed) {
        let answer = submitter.send(envelope, 20_000).await.unwrap();
        assert_eq!(answer["state"], "decided", "{}", mesh.logs());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_mesh_gives_a_node_the_beats_that_its_store_lost() {
    let mut mesh = found(4, &[]);
    mesh.start().await;
    decide_more(&mesh).await;
    mesh.devnet.kill(3).await;
    let copy = mesh.folder.path().join("copy");
    replace(&mesh.home(3).join("data"), &copy);
    mesh.devnet.start(3).unwrap();
    mesh.devnet.wait_until("four nodes", Duration::from_secs(30), |_| true).await.unwrap();
    decide_more(&mesh).await;

    // Rolled back, then gone: the log knows of more than the store.
    for is_gone in [false, true] {
        mesh.devnet.kill(3).await;
        let data = mesh.home(3).join("data");
        if is_gone {
            fs::remove_dir_all(&data).unwrap();
        } else {
            replace(&copy, &data);
        }
        mesh.devnet.start(3).unwrap();
        mesh.devnet.wait_until("four nodes", Duration::from_secs(30), |_| true).await.unwrap();
        decide_more(&mesh).await;
        let roots = compare_roots(&mesh.devnet.clients()).await.unwrap();
        assert!(roots.agree(), "{roots:?}\n{}", mesh.logs());
    }
    let validators = mesh.devnet.clients().remove(0).get("/v1/list/validators").await.unwrap();
    for validator in validators.as_array().unwrap() {
        assert_eq!(validator["is_quarantined"], false, "it signed against itself: {validator}");
    }
    mesh.stop().await;
    mesh.fsck();
}
