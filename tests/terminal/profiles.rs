//! The configuration file, through the real binary.

use crate::rejoin;
use harness::command::Running;
use harness::process::ServerProcess;
use harness::terminal::Terminal;
use std::fs;
use tempfile::TempDir;

fn configured(text: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/rejoin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
    fs::write(home.path().join("token"), "ada\n").unwrap();
    home
}

fn start(home: &TempDir, args: &[&str], variables: &[(&str, &str)]) -> Running {
    let home = home.path().display().to_string();
    let variables: Vec<(&str, &str)> =
        [("HOME", &*home)].into_iter().chain(variables.iter().copied()).collect();
    Running::start_with(args, &variables)
}

/// Who is in the room that it has joined.
fn members(mut running: Running) -> String {
    let joined = running.wait_for("\"joined\"");
    assert_eq!(running.finish().status, Some(0));
    joined
}

#[test]
fn a_profile_names_everything_and_its_paths_may_begin_at_home() {
    let server = ServerProcess::start("127.0.0.1:0");
    let url = &server.url;
    let home = configured(&format!(
        "[profiles.default]\nurl = \"{url}\"\ntoken_file = \"~/token\"\nrooms = [\"lobby\"]\nstate = \"~/state\"\n"
    ));
    assert!(members(start(&home, &["pipe"], &[])).contains("\"members\":[\"ada\"]"));
    assert!(home.path().join("state").exists());
}

#[test]
fn the_token_and_the_rooms_of_a_profile_go_to_its_own_url_only() {
    let (own, other) = (ServerProcess::start("127.0.0.1:0"), ServerProcess::start("127.0.0.1:0"));
    let home = configured(&format!(
        "[profiles.default]\nurl = \"{}\"\ntoken_file = \"~/token\"\nrooms = [\"secret\"]\nstate = \"~/state\"\n",
        own.url
    ));
    for args in [&["pipe", &other.url][..], &["pipe", &other.url, "--profile", "default"]] {
        let ended = start(&home, args, &[]).wait();
        // A missing token is refused.
        assert_eq!(ended.status, Some(3), "{}", ended.text());
        assert!(!ended.text().contains("secret") && !home.path().join("state").exists(), "{}", ended.text());
    }
    // The environment wins over the profile, and so its URL is another one's.
    let ended = start(&home, &["pipe"], &[("REJOIN_URL", &other.url)]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    let by_environment = members(start(&home, &["pipe"], &[("REJOIN_TOKEN", "bob")]));
    assert!(by_environment.contains("\"bob\""), "{by_environment}");
    let by_option = members(start(&home, &["pipe", &own.url, "--token", "eve"], &[("REJOIN_TOKEN", "bob")]));
    assert!(by_option.contains("\"eve\""), "{by_option}");
}

#[test]
fn the_environments_word_in_the_place_of_the_url_may_name_a_profile() {
    let server = ServerProcess::start("127.0.0.1:0");
    let home = configured(&format!(
        "[profiles.work]\nurl = \"{}\"\ntoken_file = \"~/token\"\nrooms = [\"lobby\"]\n",
        server.url
    ));
    let work = [("REJOIN_URL", "work")];
    assert!(members(start(&home, &["pipe"], &work)).contains("\"members\":[\"ada\"]"));
    let sent = start(&home, &["send", "work"], &work).wait();
    assert_eq!(sent.status, Some(0), "{}", sent.text());
    // An option goes before it, and so does a URL.
    let ended = start(&home, &["pipe", "--profile", "play"], &work).wait();
    assert!(ended.text().contains("there is no profile \"play\""), "{}", ended.text());
    let other = ServerProcess::start("127.0.0.1:0");
    let ended = start(&home, &["pipe", &other.url], &work).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    let unknown = start(&home, &["pipe"], &[("REJOIN_URL", "home")]).wait();
    assert_eq!(unknown.status, Some(2), "{}", unknown.text());
}

#[test]
fn the_environments_token_wins_over_one_in_a_profiles_url_and_not_over_one_in_a_url_given_by_hand() {
    let server = ServerProcess::start("127.0.0.1:0");
    let url = format!("{}?token=ada", server.url);
    let home = configured(&format!("[profiles.default]\nurl = \"{url}\"\nrooms = [\"lobby\"]\n"));
    let bob = [("REJOIN_TOKEN", "bob")];
    for (args, variables, user) in
        [(&["pipe"][..], &bob[..], "bob"), (&["pipe"], &[], "ada"), (&["pipe", &url], &bob, "ada")]
    {
        let joined = members(start(&home, args, variables));
        assert!(joined.contains(&format!("\"members\":[\"{user}\"]")), "{args:?}: {joined}");
    }
}

#[test]
fn the_state_file_of_a_profile_is_not_used_for_a_url_that_is_only_like_its_own() {
    let server = ServerProcess::start("127.0.0.1:0");
    let home = configured(&format!(
        "[profiles.default]\nurl = \"{}\"\ntoken_file = \"~/token\"\nrooms = [\"lobby\"]\nstate = \"~/state\"\n",
        server.url
    ));
    members(start(&home, &["pipe"], &[]));
    let like = format!("{}?x=1", server.url);
    let joined = members(start(&home, &["pipe", &like, "-r", "lobby", "--token", "bob"], &[]));
    assert!(joined.contains("\"members\":[\"bob\"]"), "{joined}");
}

#[test]
fn a_file_that_cannot_be_read_stops_only_who_needs_it_and_the_others_are_told_once() {
    let server = ServerProcess::start("127.0.0.1:0");
    let url = &server.url;
    for bytes in [&b"\xff\xfe\0 no text"[..], b"[profiles.default]\nurl = 7\n"] {
        let home = configured("");
        fs::write(home.path().join(".config/rejoin/config.toml"), bytes).unwrap();
        let sends = ["send", url, "-r", "lobby", "--token", "ada", "hi"];
        for (args, url) in [(&sends[..], ""), (&["send", "-r", "lobby", "--token", "ada", "hi"], url)] {
            let ended = start(&home, args, &[("REJOIN_URL", url)]).wait();
            assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.text());
            assert_eq!(ended.text().matches("[config_file]").count(), 1, "{}", ended.text());
            assert!(ended.text().contains("going on without a profile"), "{}", ended.text());
        }
        for args in
            [&["pipe"][..], &["send", "-r", "lobby", "hi"], &["chat"], &["pipe", url, "--profile", "x"]]
        {
            let ended = start(&home, args, &[]).wait();
            assert_eq!(ended.status, Some(2), "{args:?}: {}", ended.text());
        }
    }
    // What is no TOML may have been meant for a profile.
    let ended = start(&configured("url: ws://h/\n"), &["pipe"], &[]).wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
    assert!(ended.text().contains("config.toml, line 1:"), "{}", ended.text());
}

#[test]
fn a_mistake_in_a_profile_that_is_not_used_stops_no_command_and_doctor_names_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let home = configured(&format!(
        "[profiles.default]\nurl = \"{}\"\ntoken_file = \"~/token\"\nrooms = [\"lobby\"]\n[profiles.work]\nurl = 5\n",
        server.url
    ));
    assert!(members(start(&home, &["pipe"], &[])).contains("\"members\":[\"ada\"]"));
    let ended = start(&home, &["pipe", "--profile", "work"], &[]).wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
    let told = "config.toml, line 6: profile \"work\", url: invalid type: integer, expected a string";
    assert!(ended.text().contains(told), "{}", ended.text());
    let ended = start(&home, &["doctor"], &[]).wait();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    assert_eq!(ended.text().matches(told).count(), 1, "{}", ended.text());
}

#[test]
fn help_and_manual_say_where_the_file_is() {
    let home = configured("");
    for args in [&["--help"][..], &["man"]] {
        let ended = start(&home, args, &[]).wait();
        assert!(ended.text().replace("\\-", "-").contains(".config/rejoin/config.toml"), "{}", ended.text());
    }
}

#[test]
fn a_word_that_is_no_url_and_names_a_profile_chats_there() {
    let server = ServerProcess::start("127.0.0.1:0");
    let home = configured(&format!(
        "[profiles.work]\nurl = \"{}\"\ntoken_file = \"~/token\"\nrooms = [\"office\"]\n",
        server.url
    ));
    let at_home = format!("HOME={} {}", home.path().display(), rejoin());
    for command in ["chat work", "work"] {
        let mut ada = Terminal::run(&format!("{at_home} {command}"));
        ada.wait_for("joined office");
        ada.wait_for_prompt("office>");
        ada.type_line("/quit");
        ada.wait_for("[ended with 0]");
    }
    let ended = start(&home, &["chat", "wrok"], &[]).wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
}

#[test]
fn without_a_history_typed_lines_are_kept_for_this_chat_alone() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (chat, is_kept) in [("", true), ("[chat]\nhistory = false\n", false)] {
        let home = configured(chat);
        let mut ada = Terminal::run(&format!(
            "HOME={} XDG_DATA_HOME= {} chat {} --token ada",
            home.path().display(),
            rejoin(),
            server.url
        ));
        ada.wait_for_prompt("lobby>");
        ada.type_line("words to keep");
        ada.wait_for("words to keep  (delivered)");
        ada.press("\u{10}");
        ada.wait_for_prompt("lobby> words to keep");
        let file = home.path().join(".local/share/rejoin/history");
        assert_eq!(fs::read_to_string(file).is_ok_and(|text| text.contains("words to keep")), is_kept);
    }
}

#[test]
fn a_profiles_name_stands_for_its_url_in_every_command_and_a_table_that_is_none_is_named() {
    let server = ServerProcess::start("127.0.0.1:0");
    let table = format!("url = \"{}\"\ntoken_file = \"~/token\"\nrooms = [\"lobby\"]\n", server.url);
    let home = configured(&format!("[profiles.work]\n{table}"));
    for args in [&["send", "work", "hi"][..], &["pipe", "work"], &["doctor", "work"]] {
        let ended = start(&home, args, &[]).finish();
        assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.text());
    }
    let mut tail = start(&home, &["tail", "work"], &[]);
    tail.wait_for("joined lobby");
    let home = configured(&format!("[work]\n{table}"));
    for args in
        [&["send", "work", "hi"][..], &["pipe", "work"], &["tail", "work"], &["pipe", "--profile", "work"]]
    {
        let ended = start(&home, args, &[]).finish();
        assert_eq!(ended.status, Some(2), "{args:?}: {}", ended.text());
        assert!(ended.text().contains("write [profiles.work]"), "{args:?}: {}", ended.text());
    }
}

#[test]
fn help_shows_its_examples_whole() {
    let home = configured("");
    let help = start(&home, &["chat", "--help"], &[]).finish().text();
    assert!(help.contains("'Cookie: session=1'"), "{help}");
}
