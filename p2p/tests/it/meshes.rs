//! Who finds whom, who is let in, and what passes.

use libp2p::identity::Keypair;
use phalanx_p2p::{
    Lane, Limits, MeshConfig, MeshEvent, MeshHandle, PeerKey, PeerReport, Service, Verdict, start,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::mpsc::Receiver, time::timeout};
use zeroize::Zeroizing;

fn key(n: u8) -> PeerKey {
    let pair = Keypair::ed25519_from_bytes([n; 32]).unwrap();
    PeerKey(pair.public().try_into_ed25519().unwrap().to_bytes())
}

struct Node {
    handle: MeshHandle,
    events: Receiver<MeshEvent>,
    address: String,
}

async fn node(
    n: u8,
    transport: &str,
    mesh: u8,
    admitted: &[u8],
    bootstrap: Option<(u8, &str)>,
    limits: Limits,
) -> Node {
    linked(n, transport, mesh, admitted, None, bootstrap, limits).await
}

/// A node that is linked to those that are listed.
async fn linked(
    n: u8,
    transport: &str,
    mesh: u8,
    admitted: &[u8],
    links: Option<&[u8]>,
    bootstrap: Option<(u8, &str)>,
    limits: Limits,
) -> Node {
    let (handle, mut events) = start(MeshConfig {
        mesh: [mesh; 32],
        network_seed: Zeroizing::new([n; 32]),
        listen: vec![transport.to_owned()],
        bootstrap: bootstrap.map(|(n, address)| (key(n), address.to_owned())).into_iter().collect(),
        admitted: admitted.iter().map(|n| (key(*n), format!("node-{n}"))).collect::<BTreeMap<_, _>>(),
        links: links.map(|links| links.iter().copied().map(key).collect()),
        limits,
    })
    .unwrap();
    let address = loop {
        if let MeshEvent::Listening(address) =
            timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap()
        {
            break address;
        }
    };
    Node { handle, events, address }
}

impl Node {
    async fn until<T>(&mut self, wanted: impl FnMut(&MeshEvent) -> Option<T>) -> T {
        self.judging(|_| Some(Verdict::Accept), wanted).await
    }

    /// Judges messages by their first payload, or not at all, until something is seen.
    async fn judging<T>(
        &mut self,
        judge: impl Fn(&[u8]) -> Option<Verdict>,
        mut wanted: impl FnMut(&MeshEvent) -> Option<T>,
    ) -> T {
        timeout(Duration::from_secs(20), async {
            loop {
                let event = self.events.recv().await.unwrap();
                if let MeshEvent::Message { token, payloads, .. } = &event
                    && let Some(verdict) = judge(&payloads[0])
                {
                    self.handle.report(*token, verdict).await;
                }
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        })
        .await
        .expect("it never came")
    }

    /// What this node has been told, and what it thinks of, another.
    async fn report(&self, n: u8) -> PeerReport {
        self.handle.peers().await.into_iter().find(|report| report.key == key(n)).unwrap()
    }

    async fn meets(&mut self, others: &[u8]) {
        let mut missing: Vec<PeerKey> = others.iter().map(|n| key(*n)).collect();
        for report in self.handle.peers().await {
            if report.is_connected {
                missing.retain(|key| *key != report.key);
            }
        }
        while !missing.is_empty() {
            let met = self
                .until(|event| match event {
                    MeshEvent::Connected(key) => Some(*key),
                    _ => None,
                })
                .await;
            missing.retain(|key| *key != met);
        }
    }

    /// Publishes until it arrives: gossip needs a heartbeat to know its peers.
    async fn tells(&self, lane: Lane, text: &'static str, to: &mut Node) {
        let handle = self.handle.clone();
        let telling = tokio::spawn(async move {
            loop {
                handle.publish(lane, text.as_bytes().to_vec()).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        to.until(|event| match event {
            MeshEvent::Message { lane: on, payloads, .. }
                if *on == lane && payloads.iter().any(|p| p == text.as_bytes()) =>
            {
                Some(())
            }
            _ => None,
        })
        .await;
        telling.abort();
    }
}

async fn four(transport: &str) -> Vec<Node> {
    let all = [1, 2, 3, 4];
    let mut nodes = vec![node(1, transport, 9, &all, None, Limits::default()).await];
    let address = nodes[0].address.clone();
    for n in 2..=4 {
        nodes.push(node(n, transport, 9, &all, Some((1, &address)), Limits::default()).await);
    }
    for (node, n) in nodes.iter_mut().zip(1..) {
        let others: Vec<u8> = all.into_iter().filter(|other| *other != n).collect();
        node.meets(&others).await;
    }
    nodes
}

async fn all_lanes(transport: &str) {
    let mut nodes = four(transport).await;
    for lane in Lane::ALL {
        for to in 1..4 {
            let (first, rest) = nodes.split_at_mut(1);
            first[0].tells(lane, "a word", &mut rest[to - 1]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_know_one_find_all_and_hear_every_lane_over_tcp() {
    all_lanes("/ip4/127.0.0.1/tcp/0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_know_one_find_all_and_hear_every_lane_over_quic() {
    all_lanes("/ip4/127.0.0.1/udp/0/quic-v1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_connection_and_hears_nothing() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    let mut one = node(1, tcp, 9, &[1, 2], None, Limits::default()).await;
    let address = one.address.clone();
    let mut stranger = node(5, tcp, 9, &[1, 2, 5], Some((1, &address)), Limits::default()).await;
    let mut two = node(2, tcp, 9, &[1, 2], Some((1, &address)), Limits::default()).await;
    two.meets(&[1]).await;
    one.tells(Lane::Votes, "secret", &mut two).await;
    // The stranger may see a transport come up; it is closed before any protocol.
    // It tries again and again: as often as it is closed out, it has heard nothing.
    let mut refused = 0;
    while refused < 3 {
        match timeout(Duration::from_secs(20), stranger.events.recv()).await.unwrap().unwrap() {
            MeshEvent::Disconnected(_) => refused += 1,
            event => {
                assert!(!matches!(event, MeshEvent::Message { .. } | MeshEvent::Request { .. }), "{event:?}")
            }
        }
    }
    let answer = stranger.handle.request(key(1), Service::Beats, b"hello".to_vec()).await;
    assert!(answer.is_err());
    drop(one.events.try_recv());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_linked_as_they_list_and_hear_all_by_gossip() {
    let (tcp, all) = ("/ip4/127.0.0.1/tcp/0", [1, 2, 3]);
    let limits = Limits { ping_interval_ms: 100, ..Limits::default() };
    let one = linked(1, tcp, 9, &all, Some(&[2]), None, limits.clone()).await;
    let address = one.address.clone();
    let mut two = linked(2, tcp, 9, &all, None, Some((1, &address)), limits.clone()).await;
    let middle = two.address.clone();
    let mut three = linked(3, tcp, 9, &all, Some(&[2]), Some((2, &middle)), limits).await;
    three.meets(&[2]).await;
    two.meets(&[1, 3]).await;
    // What the first one says reaches the third by the second, which passes it on.
    let passing = tokio::spawn(async move {
        two.until(|_| None::<()>).await;
    });
    one.tells(Lane::Votes, "from end to end", &mut three).await;
    let reports = three.handle.peers().await;
    let of = |n: u8| reports.iter().find(|report| report.key == key(n)).unwrap();
    assert!(of(2).is_connected && !of(1).is_connected);
    let asked = three.handle.request(key(1), Service::Beats, b"what".to_vec()).await;
    assert!(asked.is_err(), "a question goes over a link or not at all");
    passing.abort();
    let report = one.handle.peers().await.into_iter().find(|report| report.key == key(2)).unwrap();
    assert!(report.pings > 0 && report.rtt_us.is_some());
}

/// Three nodes in a line, of which the second judges what the first says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_valid_is_not_passed_on() {
    let (tcp, all) = ("/ip4/127.0.0.1/tcp/0", [1, 2, 3]);
    let mut one = linked(1, tcp, 9, &all, Some(&[2]), None, Limits::default()).await;
    let address = one.address.clone();
    let mut two = linked(2, tcp, 9, &all, None, Some((1, &address)), Limits::default()).await;
    let middle = two.address.clone();
    let mut three = linked(3, tcp, 9, &all, Some(&[2]), Some((2, &middle)), Limits::default()).await;
    one.meets(&[2]).await;
    three.meets(&[2]).await;
    let judge = |payload: &[u8]| match payload {
        [b'a', ..] => Some(Verdict::Accept),
        [b'r', ..] => Some(Verdict::Reject),
        [b'i', ..] => Some(Verdict::Ignore),
        _ => None,
    };
    let (seen, mut judged) = tokio::sync::watch::channel(0);
    let judging = tokio::spawn(async move {
        let mut count = 0;
        two.judging(judge, |event| {
            if matches!(event, MeshEvent::Message { .. }) {
                count += 1;
                seen.send_replace(count);
            }
            (count == 5).then_some(())
        })
        .await;
        two
    });
    // Gossip needs a heartbeat to know its peers; each word is said once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (said, word) in ["rejected", "ignored", "unjudged", "accepted"].into_iter().enumerate() {
        one.handle.publish(Lane::Votes, word.as_bytes().to_vec()).await;
        let heard = judged.wait_for(|count| *count > said);
        timeout(Duration::from_secs(20), heard).await.expect("the second heard nothing").unwrap();
    }
    let heard = three
        .until(|event| match event {
            MeshEvent::Message { payloads, .. } => Some(payloads[0].clone()),
            _ => None,
        })
        .await;
    assert_eq!(heard, b"accepted", "the only one to be passed on, and the last to be said");
    one.handle.publish(Lane::Votes, b"accepted too".to_vec()).await;
    let two = judging.await.unwrap();
    let report = two.report(1).await;
    assert!(report.score < 0, "{report:?}");
    assert_eq!(report.reason.as_deref(), Some("passed on an invalid message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_off_the_list_is_cut_off_and_who_comes_back_to_it_begins_anew() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    let one = node(1, tcp, 9, &[1, 2], None, Limits::default()).await;
    let address = one.address.clone();
    let mut two = node(2, tcp, 9, &[1, 2], Some((1, &address)), Limits::default()).await;
    two.meets(&[1]).await;
    let list = |all: &[u8]| all.iter().map(|n| (key(*n), format!("node-{n}"))).collect();
    one.handle.set_admitted(list(&[1])).await;
    two.until(|event| matches!(event, MeshEvent::Disconnected(k) if *k == key(1)).then_some(())).await;
    one.handle.set_admitted(list(&[1, 2])).await;
    two.meets(&[1]).await;
    // A ban of this node's own ends with the place on the list.
    one.handle.ban(key(2), "for the test".into(), Duration::from_secs(600)).await;
    two.until(|event| matches!(event, MeshEvent::Disconnected(k) if *k == key(1)).then_some(())).await;
    one.handle.set_admitted(list(&[1])).await;
    one.handle.set_admitted(list(&[1, 2])).await;
    two.meets(&[1]).await;
    let report = one.report(2).await;
    assert_eq!((report.banned_ms, report.reason), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_its_lane_and_one_link_too_many_are_refused() {
    let (tcp, all) = ("/ip4/127.0.0.1/tcp/0", [1, 2, 3]);
    let narrow = Limits { connections_max: 1, vote_bytes_max: 1_000, ..Limits::default() };
    let mut one = node(1, tcp, 9, &all, None, narrow).await;
    let address = one.address.clone();
    let two = node(2, tcp, 9, &all, Some((1, &address)), Limits::default()).await;
    one.meets(&[2]).await;
    let three = node(3, tcp, 9, &all, Some((1, &address)), Limits::default()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(one.report(2).await.is_connected && !one.report(3).await.is_connected);
    drop(three);
    two.handle.publish(Lane::Votes, vec![7; 3_000]).await;
    two.handle.publish(Lane::Votes, vec![8; 800]).await;
    let heard = one
        .until(|event| match event {
            MeshEvent::Message { payloads, .. } => Some(payloads[0].clone()),
            _ => None,
        })
        .await;
    assert_eq!(heard, vec![8; 800]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_gets_its_answer_and_a_ban_ends_that() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    let mut one = node(1, tcp, 9, &[1, 2], None, Limits::default()).await;
    let address = one.address.clone();
    let mut two = node(2, tcp, 9, &[1, 2], Some((1, &address)), Limits::default()).await;
    two.meets(&[1]).await;
    let asking = {
        let handle = two.handle.clone();
        tokio::spawn(async move { handle.request(key(1), Service::Beats, b"what".to_vec()).await })
    };
    let token = one
        .until(|event| match event {
            MeshEvent::Request { token, bytes, .. } if bytes == b"what" => Some(*token),
            _ => None,
        })
        .await;
    one.handle.respond(token, b"that".to_vec()).await;
    assert_eq!(asking.await.unwrap().unwrap(), b"that");
    one.handle.ban(key(2), "for the test".into(), Duration::from_secs(600)).await;
    two.until(|event| matches!(event, MeshEvent::Disconnected(k) if *k == key(1)).then_some(())).await;
    let reports = one.handle.peers().await;
    let report = reports.iter().find(|p| p.key == key(2)).unwrap();
    assert!(report.banned_ms.is_some() && report.reason.as_deref() == Some("for the test"));
    assert!(two.handle.request(key(1), Service::Beats, b"again".to_vec()).await.is_err());
    one.handle.unban(key(2)).await;
    two.meets(&[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooder_loses_its_standing_and_is_banned() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    let tight = Limits { messages_per_s: 5, ..Limits::default() };
    let mut one = node(1, tcp, 9, &[1, 2], None, tight).await;
    let address = one.address.clone();
    let mut two = node(2, tcp, 9, &[1, 2], Some((1, &address)), Limits::default()).await;
    two.meets(&[1]).await;
    let flood = {
        let handle = two.handle.clone();
        tokio::spawn(async move {
            for n in 0_u32..100_000 {
                handle.publish(Lane::Votes, n.to_le_bytes().to_vec()).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let reason = one
        .until(|event| match event {
            MeshEvent::Banned { peer, reason, is_flood: true } if *peer == key(2) => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert!(reason.contains("rate"));
    flood.abort();
}

/// A node that is cut off without a word, as by a power cut, and comes back at
/// once: its peer still holds the old connection.
async fn comes_back_at_once(transport: &str) {
    let mut stays = node(1, transport, 9, &[1, 2], None, Limits::default()).await;
    let address = stays.address.clone();
    let lost = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let at = address.clone();
    let first = lost.spawn({
        let transport = transport.to_owned();
        async move {
            let mut node = node(2, &transport, 9, &[1, 2], Some((1, &at)), Limits::default()).await;
            node.meets(&[1]).await;
            node
        }
    });
    let first = first.await.unwrap();
    stays.meets(&[2]).await;
    lost.shutdown_background();
    let mut back = node(2, transport, 9, &[1, 2], Some((1, &address)), Limits::default()).await;
    stays.tells(Lane::Votes, "to the one that came back", &mut back).await;
    back.tells(Lane::Votes, "from the one that came back", &mut stays).await;
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_at_once_is_heard_over_quic() {
    comes_back_at_once("/ip4/127.0.0.1/udp/0/quic-v1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_at_once_is_heard_over_tcp() {
    comes_back_at_once("/ip4/127.0.0.1/tcp/0").await;
}
