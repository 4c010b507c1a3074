use super::*;
use crate::safe::tx::tests::call as any_call;
use proptest::prelude::*;

/// A file that the web page of the transaction builder has written.
fn written_by_the_page() -> Value {
    json!({
        "version": "1.0",
        "chainId": "1",
        "createdAt": 1_761_326_849_944_u64,
        "meta": {
            "name": "Transactions Batch",
            "description": "",
            "txBuilderVersion": "1.18.2",
            "createdFromSafeAddress": "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6",
            "createdFromOwnerAddress": "",
            "checksum": "0x8b5032f716845c8b08bab3d63dbd9ba92e056f3557793cd041e59b84e16aa989"
        },
        "transactions": [{
            "to": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
            "value": "0",
            "data": null,
            "contractMethod": {
                "inputs": [
                    {"internalType": "address", "name": "spender", "type": "address"},
                    {"internalType": "uint256", "name": "value", "type": "uint256"}
                ],
                "name": "approve",
                "payable": false
            },
            "contractInputsValues": {
                "spender": "0x474e5Ded6b5D078163BFB8F6dBa355C3aA5478C8",
                "value": "100000000000"
            }
        }]
    })
}

#[test]
fn a_file_of_the_web_page_is_read_and_its_checksum_is_right() {
    let file = BuilderFile::read(written_by_the_page().to_string().as_bytes()).unwrap();
    assert!(file.had_checksum);
    assert_eq!(file.chain_id, 1);
    let data = hex::encode(&file.calls[0].data);
    assert_eq!(
        data,
        "095ea7b3000000000000000000000000474e5ded6b5d078163bfb8f6dba355c3aa5478c8\
         000000000000000000000000000000000000000000000000000000174876e800"
    );
}

#[test]
fn a_changed_file_is_refused_but_its_name_may_change() {
    let mut file = written_by_the_page();
    file["meta"]["name"] = json!("another name");
    assert!(BuilderFile::read(file.to_string().as_bytes()).is_ok());
    file["transactions"][0]["contractInputsValues"]["value"] = json!("100000000001");
    let refused = BuilderFile::read(file.to_string().as_bytes());
    assert!(matches!(refused, Err(BuilderError::Checksum { .. })), "{refused:?}");
}

#[test]
fn calldata_beside_a_function_must_be_the_same() {
    let mut file = written_by_the_page();
    file["meta"]["checksum"] = json!("");
    file["transactions"][0]["data"] = json!("0x095ea7b3");
    let refused = BuilderFile::read(file.to_string().as_bytes());
    assert!(matches!(refused, Err(BuilderError::Transaction { position: 0, .. })), "{refused:?}");
}

#[test]
fn lists_and_tuples_are_encoded() {
    let method = json!({
        "name": "f", "payable": false, "inputs": [
            {"name": "names", "type": "string[]"},
            {"name": "pairs", "type": "tuple[]", "components": [
                {"name": "a", "type": "uint8"}, {"name": "b", "type": "bytes"}]},
            {"name": "flag", "type": "bool"}
        ]
    });
    let values =
        json!({"names": "[\"x\",\"yz\"]", "pairs": "[[1,\"0x0102\"],[\"2\",\"0x\"]]", "flag": "true"});
    let data = encode(method.as_object().unwrap(), Some(&values)).unwrap().unwrap();
    let tokens = [
        Token::Array(vec![Token::String("x".into()), Token::String("yz".into())]),
        Token::Array(vec![
            Token::Tuple(vec![Token::Uint(1.into()), Token::Bytes(vec![1, 2])]),
            Token::Tuple(vec![Token::Uint(2.into()), Token::Bytes(vec![])]),
        ]),
        Token::Bool(true),
    ];
    assert_eq!(data[..4], keccak(b"f(string[],(uint8,bytes)[],bool)").0[..4]);
    assert_eq!(data[4..], ethers::core::abi::encode(&tokens));
}

#[test]
fn integers_are_read_by_their_notation_and_held_to_their_type() {
    let of = |bits, is_signed, text: &str| integer(text, bits, is_signed);
    // Sixty-four digits are decimal, unless they say that they are hex.
    let digits = "1000000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(of(256, false, digits), Some(U256::from_dec_str(digits).unwrap()));
    assert_eq!(of(256, false, &format!("0x{digits}")), Some(U256::one() << 252));
    assert_eq!(of(8, false, "255"), Some(255.into()));
    assert_eq!(of(8, false, "0xff"), Some(255.into()));
    assert_eq!(of(256, false, &U256::MAX.to_string()), Some(U256::MAX));
    assert_eq!(of(8, true, "127"), Some(127.into()));
    assert_eq!(of(8, true, "-128"), Some(U256::MAX - 127));
    assert_eq!(of(256, true, "-1"), Some(U256::MAX));
    let huge = format!("1{}", U256::MAX);
    for (bits, is_signed, text) in [
        (8, false, "256"),
        (8, false, "0x100"),
        (8, false, "-1"),
        (8, true, "128"),
        (8, true, "-129"),
        (256, true, &U256::MAX.to_string()),
        (256, false, &huge),
        (256, false, "+5"),
        (256, false, ""),
        (256, false, "0x"),
        (256, false, "1_000"),
        (256, false, "ff"),
    ] {
        assert_eq!(of(bits, is_signed, text), None, "{text}");
    }
}

#[test]
fn what_a_transaction_may_not_say_is_refused() {
    let refused = |name: &str, value: Value| {
        let mut file = written_by_the_page();
        file["meta"]["checksum"] = json!("");
        file["transactions"][0][name] = value;
        match BuilderFile::read(file.to_string().as_bytes()) {
            Err(BuilderError::Transaction { position: 0, reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused("operation", json!(1)).contains("\"operation\" is no member"));
    assert!(refused("value", json!("+5")).contains("is no amount"));
    assert!(refused("value", json!("-5")).contains("is no amount"));
}

proptest! {
    #[test]
    fn a_file_is_read_back(calls in prop::collection::vec(any_call(), 1..4), name in "\\PC{0,20}") {
        let file = BuilderFile {
            chain_id: 31_337,
            safe: Some(Address([1; 20])),
            name,
            description: "d".into(),
            calls,
            had_checksum: true,
        };
        prop_assert_eq!(BuilderFile::read(file.write(1).as_bytes()).unwrap(), file);
    }

    #[test]
    fn any_bytes_are_a_file_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(BuilderFile::read(&bytes).is_err());
    }
}
