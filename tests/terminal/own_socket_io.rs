//! `pipe` with events of the application's own, on our server; on the library that everybody uses in `tests/interop`.

use harness::command::Running;
use harness::process::ServerProcess;
use serde_json::{Value, json};

fn start(server: &ServerProcess, name: &str, more: &[&str]) -> Running {
    let url = format!("http://{}", server.address());
    let args = ["pipe", &url, "--protocol", "socketio", "-r", "lobby", "--token", name];
    Running::start(&[&args, more].concat())
}

fn line(running: &mut Running, holding: &str) -> Value {
    serde_json::from_str(&running.wait_for(holding)).unwrap()
}

#[test]
fn an_event_with_bytes_goes_up_and_comes_down_with_all_its_arguments() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = start(&server, "ada", &["--frames"]);
    ada.wait_for("\"joined\"");
    let mut bob = start(&server, "bob", &["--frames"]);
    bob.wait_for("\"joined\"");
    let sketch = json!({"roomId": "lobby", "kind": "sketch", "data": [{"base64": "AQID"}, 1.5]});
    ada.type_line(&json!({"type": "frame", "name": "signal", "args": [sketch], "ref": "1"}).to_string());
    assert_eq!(line(&mut ada, "\"delivery\""), json!({"type": "delivery", "ref": "1", "status": "written"}));
    let frame = line(&mut bob, "\"frame\"");
    assert_eq!((&frame["namespace"], &frame["name"]), (&json!("/"), &json!("signal")), "{frame}");
    assert_eq!((&frame["args"][0]["data"], &frame["args"][0]["userId"]), (&sketch["data"], &json!("ada")));
    for pipe in [ada, bob] {
        assert_eq!(pipe.finish().status, Some(0));
    }
}

#[test]
fn an_answer_is_in_the_outcome_and_told_again_with_it_in_a_later_run() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let ask = json!({"type": "frame", "name": "no such event", "args": [7], "ack": true, "ref": "r"});
    for again in [Value::Null, json!(true)] {
        let mut pipe = start(&server, "ada", &["--frames", "--state", &state]);
        pipe.wait_for("\"joined\"");
        pipe.type_line(&ask.to_string());
        let delivery = line(&mut pipe, "\"delivery\"");
        assert_eq!((&delivery["again"], &delivery["status"]), (&again, &json!("acked")), "{delivery}");
        assert_eq!(delivery["answer"]["code"], "bad_request", "{delivery}");
        assert_eq!(pipe.finish().status, Some(0));
    }
}

#[test]
fn what_cannot_be_sent_is_told_and_costs_nothing_else() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut pipe = start(&server, "ada", &["--frames", "--manual-acks"]);
    pipe.wait_for("\"joined\"");
    for bad in [
        json!({"type": "frame", "name": "disconnect", "ref": "reserved_type"}),
        json!({"type": "frame", "name": "e", "args": vec![json!({"base64": "AQID"}); 11], "ref": "too_large"}),
        json!({"type": "frame", "name": "e", "args": [{"base64": "?"}], "ref": "bad_data"}),
        json!({"type": "frame", "name": "e", "namespace": "/other", "ref": "bad_namespace"}),
        json!({"type": "frame", "data": [1], "ref": "bad_data"}),
    ] {
        pipe.type_line(&bad.to_string());
        let told = line(&mut pipe, "\"ref\"");
        assert_eq!(told["code"], bad["ref"], "{told}");
    }
    pipe.type_line(r#"{"type":"answer","ack":7,"args":[1]}"#);
    assert_eq!(line(&mut pipe, "\"error\"")["code"], "unknown_ack");
    pipe.type_line(r#"{"type":"send_message","roomId":"lobby","content":"hi","ref":"good"}"#);
    assert_eq!(line(&mut pipe, "\"delivery\"")["status"], "acked");
    assert_eq!(pipe.finish().status, Some(1));
}

#[test]
fn answers_by_hand_are_for_events_of_a_socket_io_server() {
    let mut pipe = Running::start(&["pipe", "ws://127.0.0.1:1/", "--manual-acks"]);
    pipe.end_input();
    let ended = pipe.wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
}
