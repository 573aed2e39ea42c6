//! JSON Web Tokens, over real sockets.

use crate::client::{Client, server};
use crate::feed::{path, request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rejoin_server::auth::{Jwt, JwtRules, JwtSigner, Reloader};
use rejoin_server::{Auth, Config, Server, ServerHandle};
use ring::{hmac, rand, signature};
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn object(claims: Value) -> Map<String, Value> {
    match claims {
        Value::Object(claims) => claims,
        other => panic!("no object but {other}"),
    }
}

/// A token by the first key of a file, good for an hour unless the claims say otherwise.
pub(crate) fn token(key: &Path, claims: Value) -> String {
    named(key, None, claims)
}

fn named(key: &Path, name: Option<&str>, claims: Value) -> String {
    let mut all = object(json!({"sub": "ada", "exp": in_seconds(3_600)}));
    all.extend(object(claims));
    all.retain(|_, value| !value.is_null());
    JwtSigner::read(key, None, name).unwrap().sign(&all).unwrap()
}

pub(crate) async fn guarded(key: &Path, rules: JwtRules) -> ServerHandle {
    let auth = Auth::Jwt(Jwt::keys(key).unwrap().with_rules(rules));
    server(|config| config.auth = auth).await
}

async fn is_good(server: &ServerHandle, token: &str) -> bool {
    request(&server.url(), "HEAD", &path("lobby", token), &[]).await.status == 200
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

fn p256() -> String {
    let (rng, kind) = (rand::SystemRandom::new(), &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    pem("PRIVATE KEY", signature::EcdsaKeyPair::generate_pkcs8(kind, &rng).unwrap().as_ref())
}

/// By OpenSSL: ring writes a kind that it cannot read.
fn ed25519() -> String {
    openssl(&["genpkey", "-algorithm", "ed25519"], "")
}

fn rsa() -> String {
    String::from(include_str!("keys/rsa.pem"))
}

fn openssl(args: &[&str], input: &str) -> String {
    let mut openssl =
        Command::new("openssl").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    openssl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap()
}

/// The public half.
fn public(private: &str) -> String {
    openssl(&["pkey", "-pubout"], private)
}

/// A token that nobody's library would make.
fn made_up(header: &Value, claims: &Value, signature: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(signature(message.as_bytes()));
    format!("{message}.{signature}")
}

#[tokio::test]
async fn each_algorithm_is_verified_by_the_public_key_alone() {
    for private in [rsa(), p256(), ed25519()] {
        let key = file(&private);
        let token = token(key.path(), json!({}));
        let server = guarded(file(&public(&private)).path(), JwtRules::default()).await;
        let (_, hello) = Client::extended(&server.url(), &token).await;
        assert_eq!(hello["userId"], "ada");
        let left = hello["auth"]["expiresInMs"].as_u64().unwrap();
        assert!((3_500_000..=3_631_000).contains(&left), "{left}");
        let (rest, last) = token.split_at(token.len() - 8);
        let forged = format!("{rest}{}", last.chars().rev().collect::<String>());
        assert!(!is_good(&server, &forged).await);
    }
}

#[tokio::test]
async fn a_secret_verifies_hs256_and_no_other_secret_does() {
    let key = file(SECRET);
    let server = guarded(key.path(), JwtRules::default()).await;
    assert!(is_good(&server, &token(key.path(), json!({}))).await);
    let other = file("another-secret-of-more-than-32-bytes");
    let mut client = Client::open(&server.url(), &token(other.path(), json!({}))).await;
    assert_eq!(client.close_code().await, 4001);
}

#[tokio::test]
async fn neither_alg_none_nor_a_public_key_as_secret_nor_another_algorithm_is_good() {
    let private = rsa();
    let public = public(&private);
    let server = guarded(file(&public).path(), JwtRules::default()).await;
    let claims = json!({"sub": "ada", "exp": in_seconds(60)});
    let hs256 = |secret: &[u8], message: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
    };
    for alg in ["none", "None", "HS256", "HS512", "RS256", "RS512", "PS256", "ES256", ""] {
        for secret in [public.as_bytes(), public.trim().as_bytes(), b""] {
            let token =
                made_up(&json!({"alg": alg, "typ": "JWT"}), &claims, |message| hs256(secret, message));
            assert!(!is_good(&server, &token).await, "{alg}");
            let unsigned = made_up(&json!({"alg": alg}), &claims, |_| Vec::new());
            assert!(!is_good(&server, &unsigned).await, "{alg}");
        }
    }
    assert!(is_good(&server, &token(file(&private).path(), json!({}))).await);
}

#[tokio::test]
async fn issuer_audience_and_times_are_asked_for_as_the_rules_say() {
    let key = file(SECRET);
    let mut rules = JwtRules::default();
    (rules.issuers, rules.audiences) = (vec![String::from("https://id.example")], vec![String::from("chat")]);
    rules.leeway = Duration::from_secs(10);
    let server = guarded(key.path(), rules).await;
    let good = json!({"iss": "https://id.example", "aud": ["other", "chat"]});
    for (change, is_fine) in [
        (json!({}), true),
        (json!({"aud": "chat"}), true),
        (json!({"aud": "other"}), false),
        (json!({"aud": null}), false),
        (json!({"iss": "https://id.example.evil"}), false),
        (json!({"iss": null}), false),
        (json!({"exp": null}), false),
        (json!({"exp": "soon"}), false),
        (json!({"exp": -5}), false),
        (json!({"exp": in_seconds(-5)}), true),
        (json!({"exp": in_seconds(-60)}), false),
        (json!({"exp": 1e300}), false),
        (json!({"exp": 1e18}), true),
        (json!({"nbf": in_seconds(5)}), true),
        (json!({"nbf": in_seconds(60)}), false),
        (json!({"sub": null}), false),
        (json!({"sub": ""}), false),
        (json!({"sub": 5}), false),
        (json!({"sub": "a\u{202e}b"}), false),
        (json!({"sub": "x".repeat(129)}), false),
        (json!({"rooms": "lobby"}), false),
    ] {
        let mut claims = object(good.clone());
        claims.extend(object(change.clone()));
        assert_eq!(is_good(&server, &token(key.path(), Value::Object(claims))).await, is_fine, "{change}");
    }
}

#[tokio::test]
async fn without_an_audience_of_its_own_a_server_takes_no_token_for_somebody_else() {
    let key = file(SECRET);
    let server = guarded(key.path(), JwtRules::default()).await;
    assert!(!is_good(&server, &token(key.path(), json!({"aud": "billing"}))).await);
}

#[tokio::test]
async fn the_user_may_stand_in_another_claim() {
    let key = file(SECRET);
    let mut rules = JwtRules::default();
    rules.user_claim = String::from("email");
    let server = guarded(key.path(), rules).await;
    let (_, hello) =
        Client::extended(&server.url(), &token(key.path(), json!({"email": "ada@example"}))).await;
    assert_eq!(hello["userId"], "ada@example");
    assert!(!is_good(&server, &token(key.path(), json!({}))).await);
}

#[tokio::test]
async fn a_huge_token_is_refused_before_it_is_read() {
    let key = file(SECRET);
    let server = guarded(key.path(), JwtRules::default()).await;
    let (mut ada, _) = Client::extended(&server.url(), &token(key.path(), json!({}))).await;
    let auth = |claims| json!({"type": "auth", "ref": "a", "token": token(key.path(), claims)});
    let large = ada.answer(&auth(json!({"pad": "x".repeat(20_000)}))).await;
    assert_eq!(large["code"], "forbidden");
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(ada.answer(&auth(json!({"pad": deep}))).await["code"], "forbidden");
    assert_eq!(ada.answer(&auth(json!({"pad": "x".repeat(9_000)}))).await["type"], "auth_ok");
}

#[tokio::test]
async fn a_key_is_found_by_its_kid_and_keys_rotate() {
    let (old, new) = (ed25519(), ed25519());
    let keys = file(&format!("# rotated in November\nkid=old\n{old}\nkid=new\n{new}"));
    let server = guarded(keys.path(), JwtRules::default()).await;
    for name in ["old", "new"] {
        assert!(is_good(&server, &named(keys.path(), Some(name), json!({}))).await, "{name}");
    }
    // One that is signed by the old key and says the new one's name.
    let lies = named(file(&old).path(), Some("new"), json!({}));
    assert!(!is_good(&server, &lies).await);
    assert!(!is_good(&server, &named(file(&old).path(), Some("unknown"), json!({}))).await);
    assert!(is_good(&server, &token(file(&new).path(), json!({}))).await, "without a name each key is tried");
}

async fn reloadable(text: &str) -> (NamedTempFile, ServerHandle, Reloader) {
    let keys = file(text);
    let mut config = Config::default();
    config.auth = format!("jwt={}", keys.path().display()).parse().unwrap();
    let server = Server::bind(config).await.unwrap();
    let reloader = server.reloader();
    (keys, server.spawn(), reloader)
}

#[tokio::test]
async fn a_key_that_is_taken_away_ends_the_connections_of_its_tokens() {
    let (one, two) = (p256(), ed25519());
    let (keys, server, reloader) = reloadable(&format!("{one}{two}")).await;
    let mut first = Client::open(&server.url(), &token(file(&one).path(), json!({}))).await;
    let mut second = Client::open(&server.url(), &token(file(&two).path(), json!({"sub": "bob"}))).await;
    first.sync().await;
    std::fs::write(keys.path(), "-----BEGIN PUBLIC KEY-----\n").unwrap();
    assert!(reloader.reload().await.is_err());
    first.sync().await;
    std::fs::write(keys.path(), format!("{two}{SECRET}\n")).unwrap();
    let changes = reloader.reload().await.unwrap();
    assert_eq!((changes.added, changes.removed), (1, 1));
    assert_eq!(first.close_code().await, 4001);
    second.sync().await;
    assert!(!is_good(&server, &token(file(&one).path(), json!({}))).await);
    assert!(is_good(&server, &token(file(SECRET).path(), json!({}))).await);
}

#[tokio::test]
async fn a_token_is_refreshed_on_the_open_connection_and_ends_it_if_not() {
    let key = file(SECRET);
    let mut rules = JwtRules::default();
    rules.leeway = Duration::ZERO;
    let server = guarded(key.path(), rules).await;
    let short = || token(key.path(), json!({"exp": in_seconds(3)}));
    let (mut ada, hello) = Client::extended(&server.url(), &short()).await;
    assert!(hello["auth"]["expiresInMs"].as_u64().unwrap() <= 3_000);
    let (mut bob, _) = Client::extended(&server.url(), &short()).await;
    assert_eq!(ada.hear_json().await["type"], "auth_expiring");
    let long = token(key.path(), json!({}));
    let ok = ada.answer(&json!({"type": "auth", "ref": "a", "token": long})).await;
    assert_eq!(ok["type"], "auth_ok");
    assert_eq!(bob.hear_json().await["type"], "auth_expiring");
    assert_eq!(bob.close_code().await, 4002);
    assert_eq!(ada.answer(&json!({"type": "ping", "t": 1})).await["type"], "pong");
}

/// A JWK set with these keys.
fn set(keys: &Value) -> NamedTempFile {
    file(&json!({ "keys": keys }).to_string())
}

fn okp(private: &str, kid: &str) -> Value {
    let der = base64::engine::general_purpose::STANDARD
        .decode(public(private).lines().filter(|line| !line.starts_with('-')).collect::<String>())
        .unwrap();
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": URL_SAFE_NO_PAD.encode(&der[12..])})
}

#[tokio::test]
async fn a_jwk_set_is_read_and_keys_for_something_else_are_passed_over() {
    let private = ed25519();
    let other = json!({"kty": "OKP", "crv": "X25519", "x": "AAAA", "use": "enc"});
    let future = json!({"kty": "PQC", "pub": "AAAA"});
    let keys = set(&json!([other, future, okp(&private, "k1")]));
    let auth = Auth::Jwt(Jwt::key_set(keys.path()).unwrap());
    let server = server(|config| config.auth = auth).await;
    assert!(is_good(&server, &named(file(&private).path(), Some("k1"), json!({}))).await);
    assert!(!is_good(&server, &named(file(&private).path(), Some("k2"), json!({}))).await);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_named_with_its_line_and_never_quoted() {
    let old = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    for (text, line, words) in [
        ("", 1, "it has no key"),
        ("# none\n\n", 1, "it has no key"),
        ("canary", 1, "at least 32 bytes"),
        ("# x\n\ncanary\n", 3, "openssl rand"),
        ("-----BEGIN PUBLIC KEY-----\ncanary", 1, "no line -----END"),
        ("-----BEGIN PUBLIC KEY-----\n!canary!\n-----END PUBLIC KEY-----\n", 1, "it is not PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 1, "no key for RS256"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 1, "no private key for RS256"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 1, "certificate"),
        (old, 1, "openssl pkcs8"),
        ("kid=canary\nkid=other\n", 2, "names the key that follows"),
        ("kid=canary\n", 1, "none does"),
        ("{\"keys\": []}", 1, "jwks=FILE"),
    ] {
        let file = file(text);
        let error = Jwt::keys(file.path()).unwrap_err().to_string();
        let place = format!("{}, line {line}: ", file.path().display());
        assert!(error.starts_with(&place) && error.contains(words), "{text}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
    for (keys, words) in [
        (json!([]), "has no key for signatures"),
        (json!([{"kty": "RSA", "n": "canary"}]), "key 1: it lacks a member"),
        (json!(["canary"]), "key 1: it is no JWK"),
        (json!([{"kty": "EC"}]), "key 1: it lacks a member"),
        (json!([{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]), "key 1: an RSA key has 2048"),
        (json!([{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]), "key 1: x of Ed25519"),
        (json!([{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}]), "key 1: x and y"),
        (json!([{"kty": "oct", "k": "Y2FuYXJ5"}]), "key 1: a secret for HS256"),
        (json!([{"kty": "OKP", "crv": "Ed25519", "x": "!canary!"}]), "key 1: a member is not base64url"),
    ] {
        let error = Jwt::key_set(set(&keys).path()).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("canary"), "{keys}: {error}");
    }
    for text in ["", "canary", "{\"keys\":\"canary\"}", "[1]"] {
        let error = Jwt::key_set(file(text).path()).unwrap_err().to_string();
        assert!(error.contains("no JWK set") && !error.contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn an_address_with_too_many_wrong_tokens_has_to_wait_here_too() {
    let key = file(SECRET);
    let auth = Auth::Jwt(Jwt::keys(key.path()).unwrap());
    let server = server(|config| {
        config.auth = auth;
        config.limits.per_address.failed_tokens = Some(2);
    })
    .await;
    let good = token(key.path(), json!({}));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(request(&server.url(), "HEAD", &path("lobby", "a.b.c"), &[]).await.status);
    }
    assert_eq!(statuses, [401, 401, 429, 429]);
    assert!(!is_good(&server, &good).await);
}
