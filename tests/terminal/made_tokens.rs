//! `rejoin token`: tokens for trying, and a server that takes them.

use harness::command::{Ended, Running};
use harness::process::ServerProcess;
use std::fs;
use std::path::Path;
use std::process::Command;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes\n";

fn made(key: &Path, more: &[&str]) -> Ended {
    let key = key.display().to_string();
    Running::start(&[&["token", "--key", &key, "--user", "ada"], more].concat()).wait()
}

fn token(key: &Path, more: &[&str]) -> String {
    let made = made(key, more);
    assert_eq!(made.status, Some(0), "{}", made.text());
    String::from_utf8(made.stdout).unwrap().trim_end().to_owned()
}

/// What a client says that joins this room, and how it ends.
fn joining(server: &ServerProcess, token: &str, room: &str) -> Ended {
    Running::start(&["pipe", &server.url, "-r", room, "--token", token]).finish()
}

#[test]
fn a_token_of_each_kind_of_key_lets_its_user_in_where_it_says() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    fs::write(path("secret"), SECRET).unwrap();
    fs::write(path("public-secret"), SECRET).unwrap();
    for (name, args) in [
        ("ed", &["-algorithm", "ed25519"][..]),
        ("ec", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("rsa", &["-algorithm", "RSA"]),
    ] {
        let openssl = |args: &[&str]| {
            let done = Command::new("openssl").current_dir(&home).args(args).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        openssl(&[&["genpkey", "-out", name], args].concat());
        openssl(&["pkey", "-in", name, "-pubout", "-out", &format!("public-{name}")]);
    }
    for name in ["secret", "ed", "ec", "rsa"] {
        let auth = format!("jwt={}", path(&format!("public-{name}")).display());
        let server = ServerProcess::start_with("127.0.0.1:0", &["--auth", &auth, "--jwt-issuer", "me"]);
        let good =
            token(&path(name), &["--issuer", "me", "--room", "team-*=join,presence", "--expires", "1h"]);
        let ended = joining(&server, &good, "team-red");
        assert!(ended.text().contains("\"members\":[\"ada\"]"), "{name}: {}", ended.text());
        let refused = joining(&server, &good, "ops");
        assert!(refused.text().contains("no right to join in this room"), "{name}: {}", refused.text());
        assert_eq!(refused.status, Some(1), "{name}");
        let foreign = token(&path(name), &["--issuer", "somebody"]);
        assert_eq!(joining(&server, &foreign, "team-red").status, Some(3), "{name}");
    }
}

#[test]
fn a_history_that_the_token_has_no_right_to_is_said_to_be_missing() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("secret");
    fs::write(&key, SECRET).unwrap();
    let auth = format!("jwt={}", key.display());
    let server = ServerProcess::start_with("127.0.0.1:0", &["--auth", &auth]);
    let (all, some) = (token(&key, &[]), token(&key, &["--room", "*=join,send"]));
    let said = |token: &str, json: &[&str]| {
        let args = ["tail", &server.url, "-r", "lobby", "-n", "5", "--token", token];
        let mut tail = Running::start(&[&args[..], json].concat());
        tail.wait_for(if json.is_empty() { "joined lobby" } else { "\"joined\"" });
        tail.signal("TERM");
        String::from_utf8(tail.wait().stderr).unwrap()
    };
    let missing = "rejoin: no earlier messages of lobby: the server keeps none, or this token has no right to its history\n";
    // There is nothing to miss yet.
    assert_eq!(said(&some, &[]), "");
    let sent = Running::start(&["send", &server.url, "-r", "lobby", "--token", &all, "hi"]).finish();
    assert_eq!(sent.status, Some(0), "{}", sent.text());
    for json in [&[][..], &["--json"]] {
        assert_eq!(said(&some, json), missing);
        assert_eq!(said(&all, json), "");
    }
}

#[test]
fn what_cannot_sign_is_named_with_what_to_do_and_never_quoted() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    fs::write(&key, "canary\n").unwrap();
    let short = made(&key, &[]);
    assert_eq!(short.status, Some(2));
    assert!(short.text().contains("line 1: a secret for HS256 has at least 32 bytes"), "{}", short.text());
    assert!(!short.text().contains("canary"), "{}", short.text());
    fs::write(&key, SECRET).unwrap();
    for (more, words) in [
        (&["--alg", "RS256"][..], "no key that can sign so"),
        (&["--alg", "none"], "possible values: HS256, RS256, ES256, EdDSA"),
        (&["--room", "a=fly"], "an action is one of join, send, history, presence, signal"),
        (&["--room", "a*b*=join"], "at most one '*'"),
        (&["--expires", "soon"], "a time is written like"),
    ] {
        let ended = made(&key, more);
        assert_eq!(ended.status, Some(2), "{more:?}: {}", ended.text());
        assert!(ended.text().contains(words), "{more:?}: {}", ended.text());
    }
    let missing = made(&home.path().join("nowhere"), &[]);
    assert!(
        missing.text().contains("cannot read") && missing.text().contains("nowhere"),
        "{}",
        missing.text()
    );
}
