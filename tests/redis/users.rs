//! Users of several servers: the admin listener of any of them lists them all, and reaches them all.

use crate::http::http;
use crate::servers::{Talker, server_with};
use crate::within;
use harness::delivery_oracle::Account;
use harness::process::ServerProcess;
use harness::redis_process::RedisProcess;
use rejoin::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn get(server: &ServerProcess, path: &str) -> (u16, Value) {
    let (status, body) = http(server.admin(), "GET", path, &[], "");
    (status, serde_json::from_str(&body).unwrap())
}

async fn world() -> (RedisProcess, [ServerProcess; 3], Vec<Talker>) {
    let redis = RedisProcess::start();
    let server = || server_with(&redis.url(), &[]);
    let servers = [server(), server(), server()];
    let mut talkers = Vec::new();
    for (server, name) in [(0, "ada"), (1, "ada"), (1, "bob"), (2, "cyd")] {
        let mut talker = Talker::start(&servers[server].url, name).await;
        // Whoever has said something is in the room.
        talker.say(format!("{name} on {server}"));
        talker.listen("the outcome", |account| account.unresolved() == 0).await;
        talkers.push(talker);
    }
    (redis, servers, talkers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_all_servers_are_listed_on_each_of_them() {
    let (_redis, servers, _talkers) = world().await;
    let user = |id: &str, connections: u64| json!({ "id": id, "connections": connections });
    let all =
        json!({ "users": [user("ada", 2), user("bob", 1), user("cyd", 1)], "next": null, "unanswered": 0 });
    for server in &servers {
        assert_eq!(get(server, "/users"), (200, all.clone()));
        let part = json!({ "users": [user("ada", 2), user("bob", 1)], "next": "bob", "unanswered": 0 });
        assert_eq!(get(server, "/users?limit=2"), (200, part));
        let rest = json!({ "users": [user("cyd", 1)], "next": null, "unanswered": 0 });
        assert_eq!(get(server, "/users?limit=2&after=bob"), (200, rest));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_shown_with_the_connections_on_all_servers() {
    let (_redis, servers, _talkers) = world().await;
    for server in &servers {
        let (status, ada) = get(server, "/users/ada");
        assert_eq!((status, &ada["rooms"], &ada["unanswered"]), (200, &json!(["lobby"]), &json!(0)));
        let connections = ada["connections"].as_array().unwrap();
        let nodes: BTreeSet<_> = connections.iter().map(|one| one["node"].as_str().unwrap()).collect();
        assert_eq!((connections.len(), nodes.len()), (2, 2), "{ada}");
        assert!(connections.iter().all(|one| one["transport"] == "websocket"), "{ada}");
        assert_eq!(get(server, "/users/cyd").1["connections"].as_array().unwrap().len(), 1);
        assert_eq!(get(server, "/users/dan").0, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_reaches_the_user_on_every_server_and_says_how_many_connections_that_were() {
    let (_redis, servers, talkers) = world().await;
    let (status, answer) = http(servers[2].admin(), "DELETE", "/users/ada?ban=60", &[], "");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, answer), (200, json!({ "closed": 2, "unanswered": 0 })));
    for talker in &talkers[..2] {
        within("the end of ada's connections", talker.client.terminated()).await;
    }
    // The ban counts everywhere.
    for server in &servers {
        let end = Instant::now() + Duration::from_secs(30);
        while get(server, "/users/ada").1["bannedForSecs"].is_null() {
            assert!(Instant::now() < end, "the ban is not known");
        }
        let (client, _events) = Client::builder(&server.url).token("ada").connect().unwrap();
        within("the refusal", client.terminated()).await;
    }
    assert_eq!(get(&servers[0], "/users/bob").0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_counted_and_not_waited_for() {
    let (_redis, servers, _talkers) = world().await;
    servers[2].freeze();
    let begun = Instant::now();
    let (status, list) = get(&servers[0], "/users");
    assert_eq!((status, &list["unanswered"]), (200, &json!(1)), "{list}");
    assert_eq!(list["users"].as_array().unwrap().len(), 2);
    assert_eq!(get(&servers[0], "/users/ada").1["unanswered"], 1);
    assert_eq!(get(&servers[0], "/users/cyd").0, 503, "it is not known whether there is one");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    servers[2].thaw();
    assert_eq!(get(&servers[0], "/users/cyd").0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_server_tells_of_its_own_users_and_says_so() {
    let (mut redis, servers, _talkers) = world().await;
    redis.kill();
    let (status, list) = get(&servers[0], "/users");
    assert_eq!((status, &list["unanswered"]), (200, &Value::Null), "{list}");
    assert_eq!(list["users"], json!([{ "id": "ada", "connections": 1 }]));
    assert_eq!(get(&servers[0], "/users/cyd").0, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_room_are_those_of_all_servers_on_each_of_them() {
    let (_redis, servers, talkers) = world().await;
    within("the room", talkers[3].client.join_and_wait("attic")).await.unwrap();
    let user = |id: &str, connections: u64| json!({ "id": id, "connections": connections });
    for server in &servers {
        let attic = json!({ "members": [user("cyd", 1)], "next": null, "unanswered": 0 });
        assert_eq!(get(server, "/rooms/attic/members"), (200, attic));
        let lobby = json!({ "members": [user("ada", 2), user("bob", 1)], "next": "bob", "unanswered": 0 });
        assert_eq!(get(server, "/rooms/lobby/members?limit=2"), (200, lobby));
        assert_eq!(get(server, "/rooms/nowhere/members").0, 404);
    }
    servers[2].freeze();
    let (status, answer) = http(servers[0].admin(), "DELETE", "/rooms/lobby/members/ada", &[], "");
    assert_eq!((status, serde_json::from_str::<Value>(&answer).unwrap()), (200, json!({ "unanswered": 1 })));
    servers[2].thaw();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_emptied_on_one_server_is_empty_on_all_and_members_are_told_the_gap() {
    let (_redis, servers, mut talkers) = world().await;
    let seq = |server: &ServerProcess| get(server, "/rooms").1["rooms"][0]["seq"].clone();
    assert_eq!(seq(&servers[0]), 4);
    assert_eq!(http(servers[2].admin(), "DELETE", "/rooms/lobby", &[], "").0, 204);
    for server in &servers {
        let end = Instant::now() + Duration::from_secs(30);
        while seq(server) != 0 {
            assert!(Instant::now() < end, "{server:?} still has it");
        }
        assert_eq!(http(server.admin(), "DELETE", "/rooms/nowhere", &[], "").0, 404);
    }
    talkers[0].say("afterwards".into());
    for talker in &mut talkers {
        let told = |account: &Account| {
            !account.gaps.is_empty()
                && account.heard.last().is_some_and(|heard| heard.content == "afterwards")
        };
        talker.listen("the gap and what comes after it", told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_all_servers_are_listed_on_each_of_them_with_who_is_there_once() {
    let (_redis, servers, talkers) = world().await;
    within("the room", talkers[3].client.join_and_wait("attic")).await.unwrap();
    for server in &servers {
        let (status, rooms) = get(server, "/rooms");
        assert_eq!((status, &rooms["next"], &rooms["unanswered"]), (200, &Value::Null, &json!(0)), "{rooms}");
        let rooms = rooms["rooms"].as_array().unwrap();
        let brief: Vec<_> =
            rooms.iter().map(|room| [&room["id"], &room["members"], &room["connections"]]).collect();
        assert_eq!(brief, [[&json!("attic"), &json!(1), &json!(1)], [&json!("lobby"), &json!(3), &json!(4)]]);
        assert_eq!(rooms[1]["seq"], json!(4));
        let (_, first) = get(server, "/rooms?limit=1");
        assert_eq!((&first["next"], first["rooms"].as_array().unwrap().len()), (&json!("attic"), 1));
    }
}
