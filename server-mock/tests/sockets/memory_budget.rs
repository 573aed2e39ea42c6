//! The memory budget.

use crate::admission::http;
use crate::client::{Client, join, message, server, soon};
use rejoin_server::ServerHandle;
use tokio_tungstenite::tungstenite::Error;

/// What this process uses: each test is one.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

async fn metric(server: &ServerHandle, name: &str) -> u64 {
    let admin = server.admin_url().unwrap();
    let text = http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).trim().parse().unwrap()
}

#[tokio::test]
async fn above_the_budget_newcomers_are_refused_and_told_to_come_again() {
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.limits.memory_budget = Some(1 << 20);
    })
    .await;
    let Err(Error::Http(answer)) = Client::try_open(&format!("{}?token=ada", server.url()), &[]).await else {
        panic!("it was let in")
    };
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    let polling = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n";
    assert!(http(&server.url(), polling).await.starts_with("HTTP/1.1 503 "));
    assert_eq!(metric(&server, "rejoin_memory_budget_bytes").await, 1 << 20);
    assert!(metric(&server, "rejoin_memory_used_bytes").await > 1 << 20);
    assert!(metric(&server, "rejoin_refused_total{cause=\"memory\"}").await >= 2);
    assert_eq!(metric(&server, "rejoin_ready").await, 0);
}

#[tokio::test]
async fn the_longest_queue_is_dropped_before_the_budget_is_used_up_and_the_others_go_on() {
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        // Nothing else than the budget bounds a queue here.
        (config.limits.queue_bytes, config.limits.queue_frames) = (1 << 30, 1 << 20);
        config.limits.memory_budget = Some(resident() + (48 << 20));
    })
    .await;
    let (mut slow, _) = Client::extended(&server.url(), "slow").await;
    slow.say(&join("lobby")).await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let content = "x".repeat(8 << 10);
    for _ in 0..10_000 {
        ada.say(&message("lobby", &content)).await;
        ada.hear().await;
    }
    let dropped = async { while metric(&server, "rejoin_queues_dropped_total").await == 0 {} };
    soon(dropped).await;
    // Ada is not the one who is dropped.
    ada.say(&message("lobby", "still here")).await;
    assert_eq!(ada.hear_json().await["content"], "still here");
    let ended = async { while slow.next().await.is_ok() {} };
    soon(ended).await;
}
