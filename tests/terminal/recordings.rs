//! `--record`, and `rejoin replay`.

use crate::{guarded, run, text};
use harness::process::ServerProcess;
use std::fs;
use std::path::Path;

/// A recording of a message that is sent.
fn record(server: &ServerProcess, file: &Path, token: &str, more: &[&str]) {
    let file = file.display().to_string();
    let args = ["send", &server.url, "-r", "lobby", "--token", token, "--record", &file];
    let output = run(&[&args[..], more, &["private words"]].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_recording_is_shown_again_and_has_no_token_and_no_content_unless_that_is_wanted() {
    let (_tokens, server) = guarded("secret ada\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    record(&server, &file, "secret", &[]);
    let recorded = fs::read_to_string(&file).unwrap();
    assert!(!recorded.contains("secret") && !recorded.contains("private"), "{recorded}");
    let path = file.display().to_string();
    let output = run(&["replay", &path], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for expected in ["-> dial conn=1", "-> state connected", "-> delivery id=0", " as recorded\n"] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    assert_eq!(shown.lines().count(), recorded.lines().count(), "a line each, and the summary for the first");
    let output = run(&["replay", &path, "--quiet"], b"");
    assert_eq!(text(&output.stdout).lines().count(), 1);

    // It is not overwritten.
    let output =
        run(&["send", &server.url, "-r", "lobby", "--token", "secret", "--record", &path, "hi"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("name another file"), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), recorded);

    let whole = folder.path().join("whole");
    record(&server, &whole, "secret", &["--record-content"]);
    let recorded = fs::read_to_string(&whole).unwrap();
    assert!(!recorded.contains("secret") && recorded.contains("private words"), "{recorded}");
}

#[cfg(unix)]
#[test]
fn a_recording_can_be_read_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    record(&server, &file, "ada", &[]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_replay_says_what_is_wrong_with_a_recording_and_at_which_line() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    record(&server, &file, "ada", &[]);
    let recorded = fs::read_to_string(&file).unwrap();
    let lines = recorded.lines().count();
    let replay = |content: &str| {
        fs::write(&file, content).unwrap();
        let output = run(&["replay", "-q", &file.display().to_string()], b"");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    // Its writer was killed.
    let (status, summary, _) = replay(&recorded[..recorded.len() - 5]);
    assert!(status == Some(0) && summary.contains("the last line is cut"), "{summary}");
    let (status, _, complaint) = replay(&recorded.replace("dial conn=1", "dial conn=2"));
    assert_eq!(status, Some(1));
    assert!(complaint.contains("dial conn=1") && complaint.contains("dial conn=2"), "{complaint}");
    let (status, _, complaint) = replay(&format!("{recorded}{{}}\n"));
    assert_eq!(status, Some(1), "{complaint}");
    assert!(complaint.contains(&format!("line {} of the recording", lines + 1)), "{complaint}");
    for foreign in ["", "{\"type\":\"message\"}\n", "\u{1}\u{2}\n"] {
        let (status, _, complaint) = replay(foreign);
        assert!(status == Some(2) && complaint.contains("no recording"), "{complaint}");
    }
    let output = run(&["replay", "/nowhere/at/all"], b"");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_cannot_be_recorded_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording").display().to_string();
    let server = ServerProcess::start("127.0.0.1:0");
    let http = server.url.replace("ws://", "http://").replace("/ws", "");
    let common = ["-r", "lobby", "--token", "ada", "--record", &file];
    for args in [&["send", &http, "--protocol", "socketio", "hi"][..], &["tail", "--sse", &http]] {
        let output = run(&[args, &common].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("record"), "{}", text(&output.stderr));
    }
    let output = run(&["send", &server.url, "-r", "lobby", "--record", "/nowhere/recording", "hi"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(!Path::new(&file).exists());
}
