//! Endpoints that lie, lag, die, or answer without end.

use crate::{
    anvil::Anvil,
    world::{World, address},
};
use futures::future::BoxFuture;
use phalanx_governance::{
    contracts::{ChainCommand, Commands, ContractError},
    rpc::{Chain, HttpEndpoint, HttpSettings, RpcError, Transport},
};
use phalanx_types::{Hash, Name};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

type Change = fn(&'static str, &Value, Value) -> Value;

/// Asks an honest endpoint and changes what it says.
struct Liar {
    honest: Arc<dyn Transport>,
    change: Change,
}

impl Transport for Liar {
    fn name(&self) -> &str {
        "liar"
    }

    fn ask<'a>(&'a self, method: &'static str, params: Value) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            let answer = self.honest.ask(method, params.clone()).await?;
            Ok((self.change)(method, &params, answer))
        })
    }
}

async fn with_liar(anvil: &Anvil, change: Change) -> Chain {
    let liar = Arc::new(Liar { honest: anvil.endpoint(), change });
    Chain::connect(anvil.endpoint(), Some(liar), None).await.unwrap()
}

/// Everything is asked of the liar alone.
async fn only_liar(anvil: &Anvil, change: Change) -> Chain {
    let liar = Arc::new(Liar { honest: anvil.endpoint(), change });
    Chain::connect(liar, None, None).await.unwrap()
}

fn is_disagreement<T: std::fmt::Debug>(answer: &Result<T, RpcError>) -> bool {
    matches!(answer, Err(RpcError::Disagreement { first, second, first_answer, second_answer, .. })
        if first.starts_with("http://") && second == "liar" && first_answer != second_answer)
}

#[tokio::test]
async fn two_endpoints_that_differ_are_named_with_both_answers() {
    let world = World::new().await;
    let at = world.tip().await;
    let owner = world.commands().owner(at).await.unwrap();
    assert_eq!(owner, world.safe.address());

    let chain = with_liar(&world.anvil, |method, _, answer| match method {
        "eth_call" => json!(format!("0x{}", "11".repeat(32))),
        "eth_getCode" => json!("0x00"),
        "eth_getBlockByNumber" => {
            let mut answer = answer;
            answer["hash"] = json!(format!("0x{}", "22".repeat(32)));
            answer
        }
        "eth_getLogs" => json!([]),
        _ => answer,
    })
    .await;
    assert!(is_disagreement(&chain.call(world.deployment.commands, &[0x8d, 0xa5, 0xcb, 0x5b], at).await));
    assert!(is_disagreement(&chain.code_hash(world.deployment.commands, at).await));
    assert!(is_disagreement(&chain.block(at).await));
    let query = phalanx_governance::rpc::LogQuery {
        address: world.deployment.registry,
        kinds: vec![],
        from: 0,
        to: at,
    };
    assert!(is_disagreement(&chain.logs(&query).await));
}

#[tokio::test]
async fn a_lagging_endpoint_sets_the_height_and_does_not_disagree() {
    let anvil = Anvil::start();
    anvil.mine(10).await;
    let chain = with_liar(&anvil, |method, _, answer| match method {
        "eth_blockNumber" => json!("0x6"),
        "eth_getTransactionReceipt" => Value::Null,
        _ => answer,
    })
    .await;
    let tip = chain.tip().await.unwrap();
    assert_eq!((tip.number, tip.apart), (6, 4));
    chain.block(tip.number).await.unwrap();
    // What one has and the other has not yet seen waits.
    let account = crate::world::account(&anvil.chain().await, 0);
    let sent =
        account.run(&phalanx_governance::submit::account::TxPayload::call(address(1), vec![])).await.unwrap();
    let state = chain.transaction(&sent.tx_hash).await.unwrap();
    assert_eq!(state, phalanx_governance::rpc::TxState::Waiting);
}

#[tokio::test]
async fn one_endpoint_alone_cannot_withhold_or_change_a_command() {
    let world = World::new().await;
    let mars = Name::new("mars").unwrap();
    world.command(&[ChainCommand::PauseMesh, ChainCommand::PauseShard { shard: mars }]).await;
    let at = world.tip().await;
    let changes: [Change; 4] = [
        // The last one is withheld.
        |method, _, mut answer| {
            if method == "eth_getLogs" {
                answer.as_array_mut().unwrap().pop();
            }
            answer
        },
        // The first one is withheld.
        |method, _, mut answer| {
            if method == "eth_getLogs" {
                answer.as_array_mut().unwrap().remove(0);
            }
            answer
        },
        // Another shard.
        |method, _, answer| {
            let text = answer.to_string().replace(&hex::encode("mars"), &hex::encode("luna"));
            if method == "eth_getLogs" { serde_json::from_str(&text).unwrap() } else { answer }
        },
        // An event of another contract.
        |method, _, mut answer| {
            if method == "eth_getLogs" {
                answer[0]["address"] = json!(address(3));
            }
            answer
        },
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let chain = only_liar(&world.anvil, change).await;
        let mut log = world.log();
        let read = Commands::new(chain, world.deployment.commands, crate::world::MESH)
            .read(&mut log, world.deployed_in, at)
            .await;
        let expected = match i {
            0 => matches!(read, Err(ContractError::Withheld { expected: 2, found: 1 })),
            1 => matches!(read, Err(ContractError::Gap { expected: 1, found: 2 })),
            2 => matches!(read, Err(ContractError::CommandHash { sequence: 2, .. })),
            _ => matches!(read, Err(ContractError::Rpc(RpcError::Malformed { .. }))),
        };
        assert!(expected, "{i}: {read:?}");
        assert_eq!(log.sequence(), 0);
    }
}

/// Gives the events of few blocks at once, as many do, or of none.
struct Narrow {
    honest: Arc<dyn Transport>,
    blocks: u64,
}

impl Transport for Narrow {
    fn name(&self) -> &str {
        "narrow"
    }

    fn ask<'a>(&'a self, method: &'static str, params: Value) -> BoxFuture<'a, Result<Value, RpcError>> {
        let block = |name: &str| {
            let text = params[0][name].as_str().unwrap_or("0x0");
            u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
        };
        if method == "eth_getLogs" && block("toBlock") - block("fromBlock") >= self.blocks {
            let (endpoint, message) = ("narrow".to_owned(), "block range is too large".to_owned());
            return Box::pin(async move {
                Err(RpcError::Refused { endpoint, method, code: -32005, message, data: None })
            });
        }
        self.honest.ask(method, params)
    }
}

#[tokio::test]
async fn a_range_of_blocks_that_an_endpoint_refuses_is_asked_in_pieces() {
    let world = World::new().await;
    let mars = Name::new("mars").unwrap();
    world.command(&[ChainCommand::PauseMesh]).await;
    world.anvil.mine(25).await;
    world.command(&[ChainCommand::PauseShard { shard: mars }]).await;
    let at = world.tip().await;
    let read = |blocks: u64| {
        let (world, honest) = (&world, world.anvil.endpoint());
        async move {
            let chain = Chain::connect(Arc::new(Narrow { honest, blocks }), None, None).await.unwrap();
            let commands = Commands::new(chain, world.deployment.commands, crate::world::MESH);
            commands.read(&mut world.log(), world.deployed_in, at).await.map(|found| found.len())
        }
    };
    for blocks in [10, 1] {
        assert_eq!(read(blocks).await.unwrap(), 2);
    }
    assert!(matches!(read(0).await, Err(ContractError::Rpc(RpcError::Refused { .. }))));
}

#[tokio::test]
async fn another_chain_and_other_code_are_refused() {
    let anvil = Anvil::with(&["--chain-id", "5"]);
    let refused = Chain::connect(anvil.endpoint(), None, Some(31_337)).await;
    assert!(matches!(refused, Err(RpcError::OtherChain { expected: 31_337, found: 5, .. })));
    let local = Anvil::start();
    let both = Chain::connect(local.endpoint(), Some(anvil.endpoint()), None).await;
    assert!(matches!(both, Err(RpcError::Disagreement { .. })));
    let chain = local.chain().await;
    let nobody = chain.check_code(address(1), &Hash::ZERO, 0).await;
    assert!(matches!(nobody, Err(RpcError::NoCode { chain_id: 31_337, .. })));
    local.ask("anvil_setCode", json!([address(1), "0x00"])).await;
    let other = chain.check_code(address(1), &Hash::ZERO, 0).await;
    assert!(matches!(other, Err(RpcError::OtherCode { .. } | RpcError::NoCode { .. })), "{other:?}");
}

/// A server that answers every connection with these bytes, and keeps it open.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v3/some-key", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 1_024];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(&answer).await;
                // Until the client hangs up.
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    url
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn answers_are_bounded_in_time_and_size_and_keys_in_urls_are_not_shown() {
    let settings = HttpSettings { timeout_ms: 200, answer_bytes_max: 100, attempts_max: 2, backoff_ms: 1 };
    let cases = [
        (http("200 OK", &format!("{{\"id\":1,\"result\":\"{}\"}}", "x".repeat(200))), "more than 100 bytes"),
        (http("200 OK", "hello"), "no JSON"),
        (http("200 OK", "{\"id\":7,\"result\":1}"), "another question"),
        (http("200 OK", "{\"id\":1}"), "neither result nor error"),
        (http("503 Busy", "busy"), "status 503"),
        (http("200 OK", "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no\"}}"), "code -32000"),
        (Vec::new(), "within 200 ms"),
    ];
    for (answer, expected) in cases {
        let endpoint = HttpEndpoint::new(&server(answer).await, settings).unwrap();
        let error = endpoint.ask("eth_chainId", json!([])).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?} {endpoint:?}").contains("some-key"), "{error}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = HttpEndpoint::new(&url, settings).unwrap().ask("eth_chainId", json!([])).await.unwrap_err();
    assert!(matches!(error, RpcError::Connect { attempts: 2, .. }), "{error}");
    assert!(error.is_temporary());
    // TLS needs the system's certificate authorities, and nothing that the process would have to set up.
    let secure = HttpEndpoint::new("https://localhost:1/some-key", settings);
    assert!(matches!(secure, Ok(_) | Err(RpcError::Roots { .. })), "{secure:?}");
    for url in ["", "ftp://x", "localhost:8545", "http://user:secret@host/"] {
        let error = HttpEndpoint::new(url, settings).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
