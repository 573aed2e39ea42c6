//! The application's own functions on several servers: each asks them itself, and what they have taken back holds wherever a
//! client comes back.

use crate::servers::client;
use crate::within;
use harness::redis_process::RedisProcess;
use rejoin_server::auth::User;
use rejoin_server::hub::Right;
use rejoin_server::redis::RedisConfig;
use rejoin_server::{Config, Server, ServerHandle};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

/// What the application knows: who is who, and who may not be where.
#[derive(Clone, Default)]
struct Application {
    asked: Arc<Mutex<BTreeSet<(usize, String)>>>,
    forbidden: Arc<Mutex<BTreeSet<String>>>,
}

impl Application {
    async fn server(&self, number: usize, redis: &RedisProcess) -> ServerHandle {
        let (identity, rights) = (self.clone(), self.clone());
        let mut config = Config::default();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.redis = Some(RedisConfig::new(&redis.url()).unwrap());
        Server::builder()
            .config(config)
            .authenticate(move |token, _| {
                identity.asked.lock().unwrap().insert((number, token.clone()));
                async move { Ok::<_, io::Error>(token.strip_prefix("token of ").map(User::new)) }
            })
            .authorize(move |_, action, room| {
                let is_forbidden = rights.forbidden.lock().unwrap().contains(&*room);
                async move { Ok::<_, io::Error>(!(action == Right::Join && is_forbidden)) }
            })
            .bind()
            .await
            .unwrap()
            .spawn()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_asks_who_somebody_is_and_what_they_may_do_and_a_right_that_is_gone_is_gone_everywhere() {
    let (redis, application) = (RedisProcess::start(), Application::default());
    let servers = [application.server(0, &redis).await, application.server(1, &redis).await];
    for (number, server) in servers.iter().enumerate() {
        let (talker, _events) = client(&server.url(), "token of ada").connect().unwrap();
        for room in ["lobby", "cellar"] {
            let joined = within("the answer to a join", talker.join_and_wait(room)).await;
            let is_forbidden = number == 1 && room == "cellar";
            match joined {
                Ok(_) => assert!(!is_forbidden, "{room} on {number}"),
                Err(why) => {
                    assert!(is_forbidden && why.to_string().contains("join"), "{room} on {number}: {why}");
                }
            }
        }
        within("the end", talker.close()).await;
        // Between the two the right is taken back.
        application.forbidden.lock().unwrap().insert(String::from("cellar"));
    }
    let asked = application.asked.lock().unwrap().clone();
    assert_eq!(asked, BTreeSet::from([0, 1].map(|number| (number, String::from("token of ada")))));
    let (stranger, mut events) = client(&servers[1].url(), "stranger").connect().unwrap();
    let end = async { while events.next().await.is_some() {} };
    within("the end of a stranger", end).await;
    drop(stranger);
}
