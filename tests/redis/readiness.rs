//! Readiness of a server whose Redis is away, as a balancer asks for it.

use crate::http::http;
use harness::process::ServerProcess;
use harness::redis_process::RedisProcess;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn server(redis: &RedisProcess) -> ServerProcess {
    ServerProcess::start_with("127.0.0.1:0", &["--redis", &redis.url(), "--admin", "127.0.0.1:0"])
}

fn ready(server: &ServerProcess) -> u16 {
    http(server.admin(), "GET", "/readyz", &[], "").0
}

/// Waits until the server says so; for how long.
fn becomes(server: &ServerProcess, status: u16) -> Duration {
    let begun = Instant::now();
    while ready(server) != status {
        assert!(begun.elapsed() < Duration::from_secs(30), "/readyz does not become {status}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

#[test]
fn a_server_whose_redis_is_frozen_or_killed_takes_nobody_new_within_three_seconds() {
    let mut redis = RedisProcess::start();
    let server = server(&redis);
    assert_eq!(ready(&server), 200);
    redis.freeze();
    let frozen = becomes(&server, 503);
    redis.thaw();
    becomes(&server, 200);
    redis.kill();
    let killed = becomes(&server, 503);
    redis.restart();
    becomes(&server, 200);
    assert!(frozen.max(killed) < Duration::from_secs(3), "frozen: {frozen:?}, killed: {killed:?}");
}

#[test]
fn a_server_that_starts_while_redis_does_not_answer_waits_for_it() {
    let redis = RedisProcess::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = redis.port;
    // Whoever comes first gets no answer until it gives up; the others get to Redis.
    std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        std::io::copy(&mut first, &mut std::io::sink()).unwrap();
        for tcp in listener.incoming() {
            let (from, to) = (tcp.unwrap(), TcpStream::connect(("127.0.0.1", behind)).unwrap());
            for (from, to) in [(from.try_clone(), to.try_clone()), (Ok(to), Ok(from))] {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    let url = format!("redis://127.0.0.1:{port}");
    let server = ServerProcess::start_with("127.0.0.1:0", &["--redis", &url, "--admin", "127.0.0.1:0"]);
    assert_eq!(ready(&server), 200);
}

#[test]
fn connections_to_redis_that_are_cut_and_made_again_leave_a_server_ready() {
    let redis = RedisProcess::start();
    let server = server(&redis);
    for _ in 0..3 {
        redis.cli(&["client", "kill", "type", "normal"]);
        redis.cli(&["client", "kill", "type", "pubsub"]);
        let next = Instant::now() + Duration::from_secs(1);
        while Instant::now() < next {
            assert_eq!(ready(&server), 200);
        }
    }
}
