//! `tail`: rooms to read.

use harness::command::Running;
use harness::liar::Liar;
use harness::process::ServerProcess;

#[test]
fn tail_prints_what_is_said_and_a_signal_ends_it_as_documented() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (signal, status) in [("TERM", 0), ("INT", 130)] {
        let mut tail = Running::start(&["tail", &server.url, "-r", "lobby", "--token", "bob"]);
        tail.wait_for("joined lobby");
        let send =
            Running::start(&["send", &server.url, "-r", "lobby", "--token", "ada", "two\u{1b}[2J\nlines"]);
        assert_eq!(send.finish().status, Some(0));
        assert_eq!(tail.wait_for("ada: "), "[lobby] ada: two^[[2J\n");
        assert_eq!(tail.wait_for("lines"), "    | lines\n");
        tail.signal(signal);
        let ended = tail.wait();
        assert_eq!(ended.status, Some(status), "SIG{signal}: {}", ended.text());
        assert!(ended.stdout.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()));
    }
}

#[test]
fn tail_without_a_room_is_wrong_usage() {
    let ended = Running::start(&["tail", "ws://127.0.0.1:9/ws", "--token", "bob"]).wait();
    assert_eq!(ended.status, Some(2));
    assert!(ended.text().contains("-r ROOM"), "{}", ended.text());
}

#[test]
fn tail_ends_with_3_when_the_server_lets_it_into_no_room() {
    let texts = [
        r#"{"type":"hello","v":1,"userId":"bob","serverTime":0,"heartbeatMs":30000,"dedupeWindowMs":600000,"limits":{"frameBytes":16384,"contentBytes":8192,"rooms":256,"inFlight":64,"replay":200,"sendPerSec":20},"reconnect":{"windowMs":1000}}"#,
        r#"{"type":"error","ref":"j1","roomId":"staff","code":"forbidden","retry":false,"message":"not for you"}"#,
    ];
    let liar = Liar::start(texts.map(str::to_owned).to_vec());
    for more in [&[][..], &["--json"]] {
        let args = [&["tail", &liar.url, "-r", "staff", "--token", "bob"][..], more].concat();
        let ended = Running::start(&args).wait();
        assert_eq!(ended.status, Some(3), "{}", ended.text());
        assert!(
            ended.text().contains("none of the rooms: nothing is left to follow [forbidden]"),
            "{}",
            ended.text()
        );
        assert!(!ended.text().contains("notifications"), "{}", ended.text());
    }
}
