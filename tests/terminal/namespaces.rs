//! Several Socket.IO namespaces of one server, in each command that can be in more than one, and in those that choose.

use crate::{rejoin, run, text};
use harness::admin::post;
use harness::command::Running;
use harness::process::ServerProcess;
use harness::terminal::Terminal;
use serde_json::{Value, json};

fn start() -> (ServerProcess, String) {
    let named = ["--namespace", "/chat", "--namespace", "/inbox=personal", "--admin", "127.0.0.1:0"];
    let server = ServerProcess::start_with("127.0.0.1:0", &named);
    let url = format!("http://{}", server.address());
    (server, url)
}

fn command(command: &str, url: &str, name: &str, namespaces: &[&str], more: &[&str]) -> Running {
    let mut args = vec![command, url, "--protocol", "socketio", "--token", name];
    for namespace in namespaces {
        args.extend(["--namespace", namespace]);
    }
    args.extend(more);
    Running::start(&args)
}

/// Says something in a room of a namespace.
fn say(url: &str, namespace: &str, content: &str) {
    let sent = command("send", url, "ada", &[namespace], &["-r", "lobby", content]).finish();
    assert_eq!(sent.status, Some(0), "{}", sent.text());
}

#[test]
fn tail_says_of_each_line_where_it_is_from() {
    let (_server, url) = start();
    let rooms = ["-r", "lobby", "-r", "/chat,lobby"];
    let mut tail = command("tail", &url, "bob", &["/", "/chat"], &rooms);
    tail.wait_for("joined /chat,lobby");
    let mut json = command("tail", &url, "bob", &["/", "/chat"], &[&rooms[..], &["--json"]].concat());
    json.wait_for(r#""namespace":"/chat""#);
    json.wait_for(r#""type":"joined""#);
    say(&url, "/", "here");
    say(&url, "/chat", "there");
    assert_eq!(tail.wait_for("ada: there"), "[/chat,lobby] ada: there\n");
    let said = tail.wait_signalled("INT").text();
    assert!(said.contains("[lobby] ada: here\n") && !said.contains("[lobby] ada: there"), "{said}");
    let line = json.wait_for("there");
    assert!(line.contains(r#""roomId":"lobby""#) && line.contains(r#""namespace":"/chat""#), "{line}");
    json.wait_signalled("INT");
    let mut refused = command("tail", &url, "bob", &["/", "/chat", "/none"], &rooms);
    refused.wait_for("/none is followed no longer: ");
    assert!(!refused.wait_signalled("INT").text().contains("nothing is left"));
}

#[test]
fn chat_is_in_rooms_of_each_and_says_what_is_typed_in_the_one_that_is_shown() {
    let (_server, url) = start();
    let rooms = ["-r", "lobby", "-r", "/chat,lobby"];
    let mut ada = command("pipe", &url, "ada", &["/", "/chat"], &[&rooms[..], &["--frames"]].concat());
    ada.wait_for("\"joined\"");
    ada.wait_for("\"joined\"");
    let mut bob = command("chat", &url, "bob", &["/", "/chat"], &rooms);
    bob.wait_for("* joined /chat,lobby");
    bob.type_line("in the first");
    let of = |line: String| -> Value { serde_json::from_str(&line).unwrap() };
    let first = of(ada.wait_for("in the first"));
    assert_eq!((&first["userId"], first.get("namespace")), (&json!("bob"), None), "{first}");
    bob.type_line("/room /chat,lobby");
    bob.wait_for("now talking in /chat,lobby");
    bob.type_line("in the other");
    let other = of(ada.wait_for("in the other"));
    assert_eq!((&other["roomId"], &other["namespace"]), (&json!("lobby"), &json!("/chat")), "{other}");
    bob.wait_for("in the other  (delivered)");
    // Both namespaces number their sends from the same number on: each outcome is that of its own message.
    ada.type_line(r#"{"type":"send_message","roomId":"lobby","content":"back","namespace":"/chat"}"#);
    assert_eq!(bob.wait_for("ada: back"), "[/chat,lobby] ada: back\n");
    // What is an event of an application's own to a client of rooms, from the namespaces beside the first.
    let sketch = json!({"roomId": "lobby", "kind": "sketch", "data": [1.5]});
    for namespace in ["/", "/chat"] {
        let frame = json!({"type": "frame", "name": "signal", "args": [sketch], "namespace": namespace});
        ada.type_line(&frame.to_string());
    }
    let shown = bob.wait_for("event in /chat: signal ");
    assert!(shown.contains("\"sketch\"") && shown.contains("[1.5]"), "{shown}");
    bob.type_line("/msg /,lobby there again");
    assert_eq!(of(ada.wait_for("there again")).get("namespace"), None);
    bob.type_line("/join /chat,kitchen");
    bob.wait_for("joined /chat,kitchen");
    bob.type_line("/join /none,kitchen");
    bob.wait_for("this chat is not in /none; begin it with --namespace /none, too");
    bob.type_line("/leave /chat,kitchen");
    bob.wait_for("left /chat,kitchen");
    bob.type_line("/status");
    bob.wait_for("/chat: connected");
    let ended = bob.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    assert!(!ended.text().contains("event in /:"), "{}", ended.text());
}

#[test]
fn a_chat_shows_notifications_of_a_namespace_and_one_that_is_refused_costs_the_others_nothing() {
    let (server, url) = start();
    let namespaces = ["--protocol socketio --token bob --namespace / --namespace /inbox --namespace /none"];
    let rooms = "-r lobby -r /none,lobby";
    let mut bob = Terminal::run(&format!("{} chat {url} {} {rooms}", rejoin(), namespaces.join(" ")));
    bob.wait_for("joined lobby");
    bob.wait_for("/none is followed no longer: ");
    let body = r#"{"kind":"order_shipped","data":{"order":7}}"#;
    assert_eq!(post(server.admin(), "/users/bob/notifications", body), 202);
    let line = bob.wait_for("notification in /inbox: order_shipped");
    assert!(line.contains("{\"order\":7}"), "{line}");
    bob.type_line("still here");
    bob.wait_for("still here  (delivered)");
    bob.type_line("/rooms");
    bob.wait_for("1 lobby (here)");
    assert!(!bob.lines().iter().any(|line| line.contains("2 /none,lobby")), "{:#?}", bob.lines());
    bob.press("\u{4}");
    bob.wait_for("[ended with 0]");
}

#[test]
fn a_chat_comes_back_into_the_rooms_of_each_and_says_what_was_not_sent_in_any() {
    let (server, url) = start();
    let rooms = ["-r", "/chat,lobby"];
    let mut bob = command("chat", &url, "bob", &["/", "/chat"], &rooms);
    bob.wait_for("* joined /chat,lobby");
    let address = server.address();
    server.kill();
    bob.wait_for("retrying");
    let server = ServerProcess::start_with(&address, &["--namespace", "/chat"]);
    bob.wait_for("* back in /chat,lobby");
    server.freeze();
    bob.type_line("into the ice");
    bob.wait_for("into the ice");
    bob.signal("INT");
    let ended = bob.wait();
    assert_eq!(ended.status, Some(130), "{}", ended.text());
    assert!(ended.text().contains("1 not confirmed: whether it has arrived is unknown"), "{}", ended.text());
    server.thaw();
}

#[test]
fn send_goes_into_the_namespace_that_its_room_is_named_with_and_doctor_tries_each() {
    let (_server, url) = start();
    let mut tail = command("tail", &url, "bob", &["/", "/chat"], &["-r", "lobby", "-r", "/chat,lobby"]);
    tail.wait_for("joined /chat,lobby");
    for (room, line) in [("lobby", "[lobby] ada: hi\n"), ("/chat,lobby", "[/chat,lobby] ada: hi\n")] {
        let sent = command("send", &url, "ada", &["/", "/chat"], &["-r", room, "hi"]).finish();
        assert_eq!(sent.status, Some(0), "{}", sent.text());
        assert_eq!(tail.wait_for("ada: hi"), line);
    }
    let examined = |namespaces: &[&str]| {
        let mut args = vec!["doctor", &url, "--protocol", "socketio", "--token", "ada"];
        for namespace in namespaces {
            args.extend(["--namespace", namespace]);
        }
        run(&args, b"")
    };
    let good = examined(&["/", "/chat", "/inbox"]);
    let said = text(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{said}");
    assert!(said.contains("/chat lets us in, too") && said.contains("/inbox lets us in, too"), "{said}");
    let bad = examined(&["/", "/none", "/chat"]);
    let said = text(&bad.stdout);
    assert_eq!(bad.status.code(), Some(1), "{said}");
    assert!(said.lines().any(|line| line.starts_with("failed  hello    /none: ")), "{said}");
    assert!(said.contains("/chat lets us in, too"), "{said}");
}

#[test]
fn a_list_of_namespaces_in_a_profile_is_one_that_every_command_takes() {
    let (_server, url) = start();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("rejoin");
    std::fs::create_dir_all(&folder).unwrap();
    let profile = format!(
        "[profiles.default]\nurl = \"{url}\"\nprotocol = \"socketio\"\nnamespace = [\"/\", \"/chat\"]\n\
         rooms = [\"/chat,lobby\", \"lobby\"]\n"
    );
    std::fs::write(folder.join("config.toml"), profile).unwrap();
    let home = home.path().display().to_string();
    let environment = [("XDG_CONFIG_HOME", home.as_str()), ("REJOIN_TOKEN", "ada")];
    for (args, expected) in [
        (&["tail"][..], "joined /chat,lobby"),
        (&["chat"], "joined /chat,lobby"),
        (&["send", "hi"], ""),
        (&["doctor"], "/chat lets us in, too"),
        (&["pipe"], "\"namespace\":\"/chat\""),
    ] {
        let mut running = Running::start_with(args, &environment);
        if matches!(args, ["tail" | "chat" | "pipe"]) {
            running.wait_for(expected);
            running.signal("TERM");
        }
        let ended = running.wait();
        assert!(matches!(ended.status, Some(0)), "{args:?}: {}", ended.text());
        assert!(ended.text().contains(expected), "{args:?}: {}", ended.text());
    }
}
