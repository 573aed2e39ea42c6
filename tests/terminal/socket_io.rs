//! Socket.IO: what a server's handlers answer, on the lines of every command.

use harness::command::Running;
use harness::process::ServerProcess;
use harness::scripted_server::ScriptedServer;
use serde_json::{Value, json};

fn url(server: &ServerProcess) -> String {
    format!("http://{}", server.address())
}

fn start(command: &str, url: &str, name: &str, more: &[&str]) -> Running {
    let args = [command, url, "--protocol", "socketio", "-r", "lobby", "--token", name];
    Running::start(&[&args, more].concat())
}

fn line(running: &mut Running, holding: &str) -> Value {
    serde_json::from_str(&running.wait_for(holding)).unwrap()
}

#[test]
fn a_join_is_printed_with_the_handlers_answer() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (command, more) in [("pipe", &[][..]), ("tail", &["--json"])] {
        let joined = line(&mut start(command, &url(&server), "ada", more), "\"joined\"");
        assert_eq!(joined["answer"]["ok"], true, "{joined}");
        assert_eq!(joined["answer"]["roomId"], "lobby", "{joined}");
    }
}

#[test]
fn a_room_that_is_full_is_told_once_with_the_answer_and_joined_when_there_is_room() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--max-members", "1"]);
    let mut member = start("pipe", &url(&server), "ada", &[]);
    member.wait_for("\"joined\"");
    let mut pipe = start("pipe", &url(&server), "bob", &[]);
    let mut chat = start("chat", &url(&server), "eve", &[]);
    let refused = line(&mut pipe, "\"willRetry\"");
    assert_eq!((&refused["code"], &refused["roomId"]), (&json!("room_full"), &json!("lobby")), "{refused}");
    assert_eq!(refused["answer"]["retry"], true, "{refused}");
    chat.wait_for("* cannot join lobby yet: the room is full (room_full); trying again");
    drop(chat);
    assert_eq!(member.finish().status, Some(0));
    pipe.wait_for("\"joined\"");
    let ended = pipe.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    assert_eq!(ended.text().matches("\"willRetry\"").count(), 1, "{}", ended.text());
}

#[test]
fn a_message_that_is_refused_is_told_once_with_the_servers_words_at_its_outcome() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut pipe = start("pipe", &url(&server), "ada", &[]);
    pipe.wait_for("\"joined\"");
    pipe.type_line(r#"{"type":"send_message","roomId":"elsewhere","content":"x","ref":"1"}"#);
    let ended = pipe.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let lines = ended.text().lines().filter(|line| line.contains("not_joined")).count();
    assert_eq!((lines, ended.text().contains("\"type\":\"error\"")), (1, false), "{}", ended.text());
}

#[test]
fn a_socket_io_server_that_is_not_asked_as_one_is_told_with_the_whole_command() {
    let opening = r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    let server = ScriptedServer::start_unasked(vec![opening.to_owned()]);
    let http = server.url.replace("ws://", "http://").replace("/ws", "");
    for (command, more) in [("pipe", &[][..]), ("send", &["hi"]), ("tail", &[]), ("chat", &[])] {
        let args = [command, &server.url, "-r", "lobby", "--token", "ada"];
        let mut running = Running::start(&[&args, more].concat());
        // It is the end of `send`.
        if command != "send" {
            running.wait_for(if command == "pipe" { "garbled" } else { "a Socket.IO server answers" });
            running.signal("TERM");
        }
        let text = running.wait().text();
        let whole = format!("rejoin {command} {http} -r lobby --protocol socketio --token TOKEN");
        assert!(text.contains(&whole), "{command}: {text}");
    }
}

#[test]
fn an_outcome_that_is_told_again_has_the_answer_it_came_with() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let send = json!({"type": "send_message", "roomId": "lobby", "content": "hi", "ref": "r"}).to_string();
    let mut first = None;
    for again in [Value::Null, json!(true)] {
        let mut pipe = start("pipe", &url(&server), "ada", &["--state", &state]);
        pipe.wait_for("\"joined\"");
        pipe.type_line(&send);
        let delivery = line(&mut pipe, "\"delivery\"");
        assert_eq!(delivery["again"], again, "{delivery}");
        assert_eq!(delivery["answer"]["ok"], true, "{delivery}");
        let answer = first.get_or_insert_with(|| delivery["answer"].clone());
        assert_eq!(delivery["answer"], *answer);
        assert_eq!(pipe.finish().status, Some(0));
    }
}
