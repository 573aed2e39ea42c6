//! Tickets and revocations of several servers: given or made on one, they count on all.

use crate::http::{http, shows};
use crate::within;
use harness::process::ServerProcess;
use harness::redis_process::RedisProcess;
use rejoin::Client;
use std::io::Write as _;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

fn tokens(lines: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    file
}

fn server(redis: &RedisProcess, tokens: &NamedTempFile) -> ServerProcess {
    let auth = format!("tokens={}", tokens.path().display());
    let args = ["--redis", &redis.url(), "--auth", &auth, "--admin", "127.0.0.1:0"];
    ServerProcess::start_with("127.0.0.1:0", &args)
}

fn ticket(server: &ServerProcess, token: &str) -> (u16, String) {
    let bearer = format!("Bearer {token}");
    let (status, body) = http(&server.url, "POST", "/tickets", &[("Authorization", &bearer)], "");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    (status, answer["ticket"].as_str().unwrap_or(&body).to_owned())
}

fn revoke(server: &ServerProcess, body: &str) -> (u16, String) {
    http(server.admin(), "POST", "/revocations", &[], body)
}

#[test]
fn a_ticket_of_one_server_lets_in_once_on_whichever_server_comes_first() {
    let (redis, file) = (RedisProcess::start(), tokens("canary-token zoe-jung\n"));
    let servers = [server(&redis, &file), server(&redis, &file)];
    for round in 0..8 {
        let (status, ticket) = ticket(&servers[round % 2], "canary-token");
        assert_eq!(status, 200, "{ticket}");
        let kept = redis.cli(&["--scan", "--pattern", "rejoin:ticket:*"]);
        let shown = format!("{kept} {}", redis.cli(&["get", &kept]));
        assert!(!kept.is_empty() && !shown.contains("canary") && !shown.contains("zoe-jung"), "{shown}");
        assert!(!shown.contains(&ticket), "{shown}");
        let left: i64 = redis.cli(&["pttl", &kept]).parse().unwrap();
        assert!((1..=30_000).contains(&left), "{left}");
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..6)
                .map(|number| {
                    let (server, ticket) = (&servers[number % 2].url, &ticket);
                    scope.spawn(move || shows(server, ticket))
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let count = |wanted| answers.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(401)), (1, 5), "{answers:?}");
    }
}

#[test]
fn without_redis_no_ticket_is_given_and_none_lets_in_and_both_may_be_tried_again() {
    let (mut redis, file) = (RedisProcess::start(), tokens("t ada\n"));
    let server = server(&redis, &file);
    let (_, given) = ticket(&server, "t");
    redis.kill();
    // The token itself is still known.
    assert_eq!(shows(&server.url, &given), 503);
    let (status, answer) = ticket(&server, "t");
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("\"overloaded\""), "{answer}");
    assert_eq!(ticket(&server, "wrong").0, 401);
    redis.restart();
    let end = Instant::now() + Duration::from_secs(30);
    while ticket(&server, "t").0 != 200 {
        assert!(Instant::now() < end, "no ticket though Redis is back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_ends_connections_on_every_server_within_a_second_and_counts_on_those_that_start_later()
{
    let (redis, file) = (RedisProcess::start(), tokens("t1 ada\nt2 bob\n"));
    let (a, b) = (server(&redis, &file), server(&redis, &file));
    let (ada, _events) = Client::builder(&b.url).token("t1").connect().unwrap();
    within("ready", ada.ready()).await.unwrap();
    let begun = Instant::now();
    assert_eq!(
        revoke(&a, r#"{"user":"ada","for":3600}"#),
        (200, String::from(r#"{"closed":0,"counted":"this server","unanswered":0}"#))
    );
    within("the end of the connection", ada.terminated()).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let c = server(&redis, &file);
    for server in [&a, &b, &c] {
        assert_eq!((shows(&server.url, "t1"), shows(&server.url, "t2")), (401, 200));
    }
    assert_eq!(revoke(&c, r#"{"user":"ada","for":0}"#).0, 200);
    for server in [&a, &b, &c] {
        becomes(&server.url, "t1", 200);
    }
}

/// Waits until a token is answered so.
fn becomes(server: &str, token: &str, status: u16) {
    let end = Instant::now() + Duration::from_secs(30);
    while shows(server, token) != status {
        assert!(Instant::now() < end, "{token} is not answered with {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_that_heard_nothing_for_a_while_learns_of_revocations_and_of_their_end_afterwards() {
    let (redis, file) = (RedisProcess::start(), tokens("t1 ada\nt2 bob\n"));
    let (a, b) = (server(&redis, &file), server(&redis, &file));
    assert_eq!(revoke(&a, r#"{"user":"bob","for":3600}"#).0, 200);
    becomes(&b.url, "t2", 401);
    for _ in 0..5 {
        redis.cli(&["client", "kill", "type", "pubsub"]);
        assert_eq!(revoke(&a, r#"{"user":"ada","for":3600}"#).0, 200);
        assert_eq!(revoke(&a, r#"{"user":"bob","for":0}"#).0, 200);
        becomes(&b.url, "t1", 401);
        becomes(&b.url, "t2", 200);
        redis.cli(&["client", "kill", "type", "pubsub"]);
        assert_eq!(revoke(&a, r#"{"user":"ada","for":0}"#).0, 200);
        assert_eq!(revoke(&a, r#"{"user":"bob","for":3600}"#).0, 200);
        becomes(&b.url, "t1", 200);
        becomes(&b.url, "t2", 401);
    }
}

#[test]
fn without_redis_a_revocation_holds_on_its_server_which_is_told() {
    let (mut redis, file) = (RedisProcess::start(), tokens("t1 ada\n"));
    let server = server(&redis, &file);
    redis.kill();
    let (status, answer) = revoke(&server, r#"{"user":"ada","for":3600}"#);
    assert_eq!(status, 503);
    assert!(answer.contains("on this server only"), "{answer}");
    assert_eq!(shows(&server.url, "t1"), 401);
    let message = r#"{"userId":"bot","content":"hi"}"#;
    assert_eq!(http(server.admin(), "POST", "/rooms/lobby/messages", &[], message).0, 503);
    let metrics = http(server.admin(), "GET", "/metrics", &[], "").1;
    assert!(metrics.contains(r#"{cause="admin_store"} 2"#), "{metrics}");
    redis.restart();
    let end = Instant::now() + Duration::from_secs(30);
    while revoke(&server, r#"{"user":"ada","for":3600}"#).0 != 200 {
        assert!(Instant::now() < end, "Redis is back, and nothing is revoked there");
    }
    assert_eq!(shows(&server.url, "t1"), 401);
}

#[test]
fn revocations_that_redis_has_lost_are_written_back_by_whoever_knows_them() {
    let (mut redis, file) = (RedisProcess::start(), tokens("t1 ada\nt2 bob\nt3 cyd\n"));
    let a = server(&redis, &file);
    assert_eq!(revoke(&a, r#"{"user":"ada","for":3600}"#).0, 200);
    assert_eq!(revoke(&a, r#"{"user":"bob","for":3600}"#).0, 200);
    assert_eq!(revoke(&a, r#"{"user":"bob","for":0}"#).0, 200);
    redis.kill();
    assert_eq!(revoke(&a, r#"{"user":"cyd","for":3600}"#).0, 503);
    redis.restart_empty();
    let end = Instant::now() + Duration::from_secs(30);
    while redis.cli(&["hlen", "rejoin:revocations"]) != "2" {
        assert!(Instant::now() < end, "they are not written back");
    }
    let late = server(&redis, &file);
    for server in [&a, &late] {
        assert_eq!(["t1", "t2", "t3"].map(|token| shows(&server.url, token)), [401, 200, 401]);
        let (status, list) = http(server.admin(), "GET", "/revocations", &[], "");
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let ids: Vec<_> =
            list["revocations"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!((status, ids), (200, vec!["user:ada", "user:cyd"]), "{list}");
    }
}

#[test]
fn the_list_of_revocations_in_redis_is_bounded_and_what_is_over_gives_way() {
    let (redis, file) = (RedisProcess::start(), tokens("t1 ada\n"));
    let server = server(&redis, &file);
    let crowd = |ends: &str| {
        let script = format!(
            "for i = 1, 100000 do redis.call('HSET', 'rejoin:revocations', 'ux' .. i, '1:{ends}') end"
        );
        redis.cli(&["eval", &script, "0"]);
    };
    crowd("99999999999999");
    let (status, answer) = revoke(&server, r#"{"user":"ada","for":3600}"#);
    assert_eq!(status, 503);
    assert!(answer.contains("too many"), "{answer}");
    crowd("2");
    assert_eq!(revoke(&server, r#"{"user":"ada","for":3600}"#).0, 200);
    assert_eq!(redis.cli(&["hlen", "rejoin:revocations"]), "1");
}
