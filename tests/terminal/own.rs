//! `pipe` with frames of the application's own, up and down.

use harness::command::Running;
use harness::price_server::PriceServer;
use serde_json::{Value, json};

fn started(server: &PriceServer, more: &[&str]) -> Running {
    let mut args = vec!["pipe", "--frames", &server.url, "--token", "ada", "--protocol", "plain"];
    args.extend(more);
    Running::start(&args)
}

fn type_json(pipe: &mut Running, line: &Value) {
    pipe.type_line(&line.to_string());
}

fn lines(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8(stdout.to_vec())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn frames_go_up_and_come_down_as_they_are() {
    let server = PriceServer::start();
    let mut pipe = started(&server, &[]);
    type_json(&mut pipe, &json!({"type": "frame", "data": {"type": "oddities"}, "ref": "1"}));
    pipe.wait_for("\"last\"");
    pipe.end_input();
    let ended = pipe.wait();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let lines = lines(&ended.stdout);
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("delivery"), [&json!({"type": "delivery", "ref": "1", "status": "written"})]);
    let price = |symbol: Value, value: Value| json!({"type": "price", "symbol": symbol, "value": value});
    let frames = [
        json!({"type": "frame", "data": {"no": "type"}}),
        json!({"type": "frame", "data": {"base64": "AJ+Slg=="}}),
        json!({"type": "frame", "name": "price", "data": price(json!("bytes"), json!(1))}),
        json!({"type": "frame", "name": "price", "data": {"type": "price", "symbol": 7}}),
        json!({"type": "frame", "name": "price", "data": price(json!("last"), json!(0))}),
    ];
    assert_eq!(of("frame"), frames.iter().collect::<Vec<_>>());
    assert_eq!(of("error").len(), 1, "what is no JSON: {lines:?}");
}

#[test]
fn what_is_kept_begins_each_connection_until_it_is_dropped() {
    let server = PriceServer::start();
    let mut pipe = started(&server, &[]);
    let subscribe = json!({"type": "subscribe", "symbols": ["X"]});
    type_json(&mut pipe, &json!({"type": "frame", "keep": "prices", "data": subscribe}));
    pipe.wait_for("\"price\"");
    type_json(&mut pipe, &json!({"type": "frame", "data": {"type": "hang_up"}}));
    pipe.wait_for("\"price\"");
    type_json(&mut pipe, &json!({"type": "drop_kept", "keep": "prices"}));
    type_json(&mut pipe, &json!({"type": "frame", "data": {"type": "hang_up"}}));
    pipe.wait_for("reconnecting");
    pipe.wait_for("\"connected\"");
    type_json(&mut pipe, &json!({"type": "frame", "data": {"type": "mine"}, "ref": "1"}));
    pipe.wait_for("\"ref\":\"1\"");
    pipe.end_input();
    assert_eq!(pipe.wait().status, Some(0));
    let (subscribe, hang_up, mine) = (subscribe.to_string(), r#"{"type":"hang_up"}"#, r#"{"type":"mine"}"#);
    let expected = [(0, &*subscribe), (0, hang_up), (1, &*subscribe), (1, hang_up), (2, mine)];
    for (conn, text) in expected {
        assert_eq!(server.hear(), (conn, text.to_owned()));
    }
}

#[test]
fn a_plain_server_may_mean_something_else_by_a_name_of_the_protocol() {
    let server = PriceServer::start();
    let mut pipe = started(&server, &[]);
    let said = json!({"type": "message", "room": "lobby", "text": "hi"});
    type_json(&mut pipe, &json!({"type": "frame", "data": said, "ref": "1"}));
    let line = pipe.wait_for("\"frame\"");
    assert_eq!(
        serde_json::from_str::<Value>(&line).unwrap(),
        json!({"type": "frame", "name": "message", "data": said})
    );
    pipe.end_input();
    let ended = pipe.wait();
    assert!(ended.status == Some(0) && !ended.text().contains("garbled"), "{}", ended.text());
}

#[test]
fn a_frame_that_cannot_be_sent_costs_nothing_else() {
    let server = PriceServer::start();
    let mut pipe = Running::start(&["pipe", "--frames", &server.url, "--token", "ada"]);
    for line in [
        json!({"type": "frame", "data": {"type": "join_room", "roomId": "r"}, "ref": "reserved"}),
        json!({"type": "frame", "data": {"type": "send_message"}, "keep": "k"}),
        json!({"type": "frame", "data": {"type": "mine"}, "keep": "k", "ref": "r"}),
        json!({"type": "frame", "ref": "empty"}),
        json!({"type": "frame", "data": {"type": "mine"}, "ref": "good"}),
    ] {
        type_json(&mut pipe, &line);
    }
    pipe.end_input();
    let ended = pipe.wait();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let lines = lines(&ended.stdout);
    let code = |line: &Value| {
        (line["ref"].clone(), line["status"].clone(), line["code"].clone(), line["line"].clone())
    };
    let told: Vec<_> =
        lines.iter().filter(|line| line["type"] == "error" || line["type"] == "delivery").map(code).collect();
    for expected in [
        (json!("reserved"), json!("failed"), json!("reserved_type"), Value::Null),
        (Value::Null, Value::Null, json!("reserved_type"), json!(2)),
        (json!("r"), Value::Null, json!("bad_ref"), json!(3)),
        (json!("empty"), Value::Null, json!("bad_frame"), json!(4)),
        (json!("good"), json!("written"), Value::Null, Value::Null),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    assert_eq!(server.hear().1, json!({"type": "mine"}).to_string());
}

/// With another address.
#[test]
fn the_command_of_the_manual_prints_what_the_manual_says() {
    let manual = include_str!("../../client-core/docs/own-messages.md");
    let begin = manual.find("printf '%s\\n' '{\"type\":\"frame\"").unwrap();
    let snippet = manual[begin..].split("```").next().unwrap();
    let (command, printed) = snippet.split_once("# ").unwrap();
    let line = command.split('\'').nth(3).unwrap();
    assert!(
        command.contains("rejoin pipe --frames --linger 10 wss://prices.example/ws --token-file"),
        "{command}"
    );
    let server = PriceServer::start();
    let mut pipe = started(&server, &["--linger", "10"]);
    pipe.type_line(line);
    pipe.end_input();
    let price = pipe.wait_for("\"price\"");
    let (price, printed): (Value, Value) =
        (serde_json::from_str(&price).unwrap(), serde_json::from_str(printed.trim()).unwrap());
    assert_eq!(price, printed);
}
