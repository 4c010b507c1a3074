use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn password(folder: &Path, text: &str) -> PasswordSource {
    let path = folder.join("password");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    PasswordSource::File(path)
}

fn key(byte: u8) -> LocalKey {
    LocalKey::from_bytes(&Zeroizing::new([byte; 32]), "test").unwrap()
}

/// `order - s`, and the other parity.
fn malleated(bytes: &[u8; 65]) -> [u8; 65] {
    let order = hex::decode(ORDER).unwrap();
    let mut out = *bytes;
    let mut borrow = 0_i16;
    for i in (0..32).rev() {
        let digit = i16::from(order[i]) - i16::from(bytes[32 + i]) - borrow;
        borrow = i16::from(digit < 0);
        out[32 + i] = digit.rem_euclid(256) as u8;
    }
    out[64] = 55 - out[64];
    out
}

proptest! {
    #[test]
    fn signatures_are_read_back_from_both_forms_and_recovered(secret in 1_u8..=254, digest: [u8; 32]) {
        let key = key(secret);
        let digest = Hash(digest);
        let signature = key.sign(&digest).unwrap();
        prop_assert_eq!(signature.recover(&digest).unwrap(), key.address());
        prop_assert_eq!(EcdsaSignature::from_bytes_strict(&signature.to_64()).unwrap(), signature);
        prop_assert_eq!(EcdsaSignature::from_bytes_strict(&signature.to_65()).unwrap(), signature);
    }

    #[test]
    fn the_upper_s_is_turned_or_refused(secret in 1_u8..=254, digest: [u8; 32]) {
        let digest = Hash(digest);
        let signature = key(secret).sign(&digest).unwrap();
        let other = malleated(&signature.to_65());
        prop_assert_eq!(EcdsaSignature::from_bytes(&other).unwrap(), signature);
        prop_assert_eq!(EcdsaSignature::from_bytes_strict(&other), Err(SignatureError::UpperS));
    }

    #[test]
    fn a_flipped_bit_is_another_signer_or_none(bit in 0_usize..512, digest: [u8; 32]) {
        let key = key(7);
        let digest = Hash(digest);
        let mut bytes = key.sign(&digest).unwrap().to_64();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let found = EcdsaSignature::from_bytes(&bytes).and_then(|s| s.recover(&digest));
        prop_assert!(found != Ok(key.address()));
    }

    #[test]
    fn any_bytes_are_a_signature_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
        if let Ok(signature) = EcdsaSignature::from_bytes(&bytes) {
            let _ = signature.recover(&Hash([1; 32]));
        }
    }
}

#[test]
fn zero_and_the_order_are_no_keys() {
    let order: [u8; 32] = hex::decode(ORDER).unwrap().try_into().unwrap();
    for secret in [[0; 32], order, [0xff; 32]] {
        assert!(LocalKey::from_bytes(&Zeroizing::new(secret), "test").is_err());
    }
}

#[test]
fn development_keys_are_anvils_and_refused_elsewhere() {
    let keys = DevKeys::new(31_337).unwrap();
    let addresses: Vec<String> = (0..3).map(|i| keys.key(i).unwrap().address().to_string()).collect();
    assert_eq!(
        addresses,
        [
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        ]
    );
    for chain in [0, 1, 5, 31_336, 31_338, u64::MAX] {
        let error = DevKeys::new(chain).unwrap_err();
        assert!(error.to_string().contains(&chain.to_string()), "{error}");
    }
}

#[test]
fn a_keystore_is_created_for_its_owner_only_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    let password = password(folder.path(), "correct horse\n");
    let key = LocalKey::generate().unwrap();
    keystore::create(&path, &key, &password).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing but the key and its password");
    let opened = keystore::open(&path, &password).unwrap();
    assert_eq!(opened.address(), key.address());
    let again = keystore::create(&path, &key, &password);
    assert!(matches!(again, Err(KeyError::File { action: "create", .. })), "{again:?}");
    assert_eq!(keystore::open(&path, &password).unwrap().address(), key.address());
}

#[test]
fn a_wrong_password_and_a_changed_keystore_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    let right = password(folder.path(), "right");
    keystore::create(&path, &key(9), &right).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let wrong = {
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        password(&other, "wrong")
    };
    assert!(matches!(keystore::open(&path, &wrong), Err(KeyError::Password { .. })));
    let address = hex::encode(key(9).address().0);
    for (from, to) in [
        ("\"version\": 3", "\"version\": 2"),
        ("\"dklen\": 32", "\"dklen\": 16"),
        ("\"n\": 8192", "\"n\": 1073741824"),
        ("\"n\": 8192", "\"n\": 8191"),
        ("aes-128-ctr", "aes-128-cbc"),
        (address.as_str(), "70997970c51812dc3a010c7d01b50e0d17dc79c8"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        fs::write(&path, changed).unwrap();
        let opened = keystore::open(&path, &right);
        assert!(
            matches!(opened, Err(KeyError::Keystore { .. } | KeyError::OtherAccount { .. })),
            "{to}: {opened:?}"
        );
    }
}

#[test]
fn passwords_come_from_private_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let PasswordSource::File(path) = password(folder.path(), "secret") else { unreachable!() };
    assert_eq!(PasswordSource::File(path.clone()).read().unwrap().as_slice(), b"secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(PasswordSource::File(path.clone()).read(), Err(KeyError::Readable { mode: 0o640, .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for text in ["", "\n", &"x".repeat(2_000)] {
        fs::write(&path, text).unwrap();
        assert!(matches!(PasswordSource::File(path.clone()).read(), Err(KeyError::NoPassword { .. })));
    }
    for name in ["", "../x", ".x", "a/b"] {
        assert!(matches!(PasswordSource::Credential(name.into()).read(), Err(KeyError::NoPassword { .. })));
    }
    let unset = PasswordSource::Environment("PHALANX_TEST_NO_SUCH_VARIABLE".into());
    assert!(matches!(unset.read(), Err(KeyError::NoPassword { .. })));
}

fn program(text: &str) -> ExternalSigner {
    ExternalSigner::new("sh".into(), vec!["-c".into(), text.into()], key(3).address())
        .with_timeout(Duration::from_secs(20))
}

#[test]
fn an_external_signer_is_asked_and_checked() {
    let digest = Hash([5; 32]);
    let signature = key(3).sign(&digest).unwrap();
    // It answers only when it was asked for the right digest.
    let script = format!(
        "read line; case \"$line\" in *'\"digest\":\"{digest}\"'*) echo '{{\"signature\":\"{}\"}}';; *) exit 3;; esac",
        hex::encode(signature.to_64())
    );
    let signer = Signer::External(program(&script));
    assert_eq!(signer.sign(&digest).unwrap(), signature);
    let other = signer.sign(&Hash([6; 32]));
    assert!(matches!(other, Err(KeyError::External { .. })), "{other:?}");

    let fixed = format!("cat >/dev/null; echo '{{\"signature\":\"0x{}\"}}'", hex::encode(signature.to_65()));
    let signer = Signer::External(program(&fixed));
    assert_eq!(signer.sign(&digest).unwrap(), signature);
    let other = signer.sign(&Hash([6; 32]));
    assert!(matches!(other, Err(KeyError::OtherSigner { .. } | KeyError::Signature(_))), "{other:?}");
}

#[test]
fn an_external_signer_that_misbehaves_is_named() {
    let digest = Hash([5; 32]);
    for (script, word) in [
        ("exit 1", "ended with"),
        ("echo nonsense", "signature"),
        ("echo '{\"signature\":\"zz\"}'", "no hex"),
        ("head -c 100000 /dev/zero", "more than 4096 bytes"),
    ] {
        let error = Signer::External(program(script)).sign(&digest).unwrap_err();
        assert!(error.to_string().contains(word), "{script}: {error}");
    }
    let missing = ExternalSigner::new("/no/such/signer".into(), Vec::new(), key(3).address());
    assert!(Signer::External(missing).sign(&digest).unwrap_err().to_string().contains("does not start"));
    let silent = program("exec tail -f /dev/null").with_timeout(Duration::from_millis(50));
    assert!(Signer::External(silent).sign(&digest).unwrap_err().to_string().contains("not answered"));
}

#[test]
fn no_secret_is_in_an_error_or_a_debug_text() {
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::generate().unwrap();
    let secret = *key.secret();
    let path = folder.path().join("key.json");
    let phrase = "a very secret password";
    let source = password(folder.path(), phrase);
    keystore::create(&path, &key, &source).unwrap();
    let opened = keystore::open(&path, &source).unwrap();

    let text = fs::read_to_string(&path).unwrap();
    let mut said = vec![text.clone(), format!("{key:?} {opened:?} {source:?} {source}")];
    said.push(format!("{:?}", Signer::Local(key)));
    let wrong = folder.path().join("wrong");
    fs::create_dir(&wrong).unwrap();
    let error = keystore::open(&path, &password(&wrong, "another")).unwrap_err();
    said.push(format!("{error} {error:?}"));
    // The secret where a keystore should be.
    fs::write(&path, hex::encode(secret)).unwrap();
    let error = keystore::open(&path, &source).unwrap_err();
    said.push(format!("{error} {error:?}"));
    fs::write(&path, text.replacen("\"address\"", "\"other\"", 1)).unwrap();
    said.push(format!("{:?}", keystore::open(&path, &source)));

    let mut all = said.join("\n").into_bytes();
    all.make_ascii_lowercase();
    let forms = [
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        STANDARD.encode(secret).trim_end_matches('=').as_bytes().to_vec(),
        phrase.as_bytes().to_vec(),
    ];
    for mut form in forms {
        form.make_ascii_lowercase();
        assert!(!all.windows(form.len()).any(|w| w == form), "a secret is shown");
    }
}
