//! The limit of open files.

use crate::admission::{address, http};
use crate::client::soon;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The real binary under limits of the shell, its URL and that of its admin listener.
async fn limited(limits: &str) -> (Child, String, String) {
    let mut child = Command::new("bash")
        .args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_rejoin-server")])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut after = async |words: &str| {
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        line.strip_prefix(words).unwrap().to_owned()
    };
    let (url, admin) = (after("listening on ").await, after("admin on ").await);
    (child, url, admin)
}

async fn metric(admin: &str, name: &str) -> u64 {
    let text = http(admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn the_limit_is_raised_as_far_as_it_may_be() {
    let (_child, _, admin) = limited("ulimit -Sn 100; ulimit -Hn 500").await;
    assert_eq!(metric(&admin, "process_max_fds").await, 500);
}

/// Whatever the limit is, and though strangers leave what refuses them unread.
#[tokio::test]
async fn of_the_smallest_limits_a_part_is_kept_for_the_admin_listener() {
    for limit in [48, 64, 100, 150] {
        let (_child, url, admin) = limited(&format!("ulimit -n {limit}")).await;
        let mut open = Vec::new();
        for _ in 0..2 * limit {
            open.push(TcpStream::connect(address(&url)).await.unwrap());
        }
        let mut operators = Vec::new();
        for _ in 0..limit {
            operators.push(TcpStream::connect(address(&admin)).await.unwrap());
        }
        // The kernel takes a connection before the server does.
        let refused = async { while metric(&admin, "rejoin_refused_total{cause=\"files\"}").await == 0 {} };
        soon(refused).await;
        assert_eq!(metric(&admin, "rejoin_accept_failed_total").await, 0, "{limit}");
    }
}

#[tokio::test]
async fn beyond_the_limit_newcomers_are_told_so_and_the_admin_listener_goes_on() {
    let (mut child, url, admin) = limited("ulimit -n 200").await;
    // A hundred are for connections, the other half is kept.
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(TcpStream::connect(address(&url)).await.unwrap());
    }
    // More at a time than there are files for waiting until each has read its answer: silent ones, and those that have sent
    // their request before they are refused.
    let mut newcomers = Vec::new();
    for number in 0..150 {
        let mut stream = TcpStream::connect(address(&url)).await.unwrap();
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        }
        newcomers.push(stream);
    }
    for stream in &mut newcomers {
        let mut answer = Vec::new();
        // Whether its end is one or a reset: the answer is there.
        let _ = soon(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After"), "{answer:?}");
    }
    assert_eq!(metric(&admin, "rejoin_refused_total{cause=\"files\"}").await, 150);
    assert_eq!(metric(&admin, "rejoin_accept_failed_total").await, 0);
    drop(open);
    // There is room again, and the log has one line of all that.
    let served = async {
        while !http(&url, "GET /ws HTTP/1.1\nHost: localhost\n\n").await.starts_with("HTTP/1.1 426 ") {}
    };
    soon(served).await;
    child.start_kill().unwrap();
    let mut log = String::new();
    soon(child.stderr.take().unwrap().read_to_string(&mut log)).await.unwrap();
    assert_eq!(log.matches("cause=\"files\"").count(), 1, "{log}");
}
