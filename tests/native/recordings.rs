//! Recordings of a client that loses its connections, and their replay.

use crate::{quick, say_until_heard, server, server_with, within};
use harness::cutting_proxy::CuttingProxy;
use rejoin::backoff::Policy;
use rejoin::recording::{RecordedContent, RecordingError, Replay, ReplayedLine};
use rejoin::{BuildError, Client, EventStreams, Mode};
use rejoin_server::Auth;
use rejoin_server::auth::Tokens;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A recording in memory.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tape {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn replayed(text: &str) -> Result<(Replay, Vec<ReplayedLine>), RecordingError> {
    let mut lines = text.lines();
    let mut replay = Replay::new(lines.next().unwrap_or_default())?;
    let lines = lines.map(|line| replay.line(line)).collect::<Result<_, _>>()?;
    Ok((replay, lines))
}

/// A conversation over connections that are cut, with a store.
async fn recorded(mode: Mode, content: RecordedContent) -> String {
    let mut config = rejoin_server::Config::default();
    config.auth = Auth::Tokens(Tokens::parse("secret-token ada").unwrap());
    let server = server_with(config).await;
    let address = server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let proxy = CuttingProxy::start(address, 7).await;
    let tape = Tape::default();
    let folder = tempfile::tempdir().unwrap();
    let (client, mut events) = quick(&format!("ws://{}/ws", proxy.address), "secret-token")
        .extended(mode == Mode::Extended)
        .room("lobby")
        .frames(true)
        // The machine in pages has none.
        .event_streams(EventStreams::Never)
        .backoff(Duration::from_millis(20), Duration::from_millis(200))
        .state_file(folder.path().join("state"))
        .record(tape.clone(), content)
        .connect()
        .unwrap();
    client.keep("prices", &serde_json::json!({"type": "subscribe", "to": "private things"})).unwrap();
    for number in 0..6 {
        let said = format!("private words {number}{}", " and more".repeat(100));
        let message = client.message("lobby", &*said).data(&serde_json::json!({"private": number})).send();
        drop(within("an outcome", message).await);
    }
    proxy.stop_cutting();
    within("ready", client.ready()).await.unwrap();
    say_until_heard(&client, &mut events, "the last private words").await;
    within("the end", client.close()).await;
    assert!(proxy.cuts() > 0);
    tape.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_gives_the_same_outputs_again_and_has_no_token_and_no_content() {
    for mode in [Mode::Extended, Mode::Plain] {
        let text = recorded(mode, RecordedContent::Replaced).await;
        for secret in ["private", "secret"] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{mode:?}");
        }
        let (replay, lines) = replayed(&text).unwrap();
        assert_eq!(replay.inputs() + replay.outputs(), lines.len() as u64);
        let deliveries = lines
            .iter()
            .filter(|line| matches!(line, ReplayedLine::Output(text) if text.starts_with("delivery ")));
        assert!(deliveries.count() >= 7, "{mode:?}");
        assert!(!replay.has_content());
    }
}

/// `REJOIN_RECORDING=FILE` writes a recording there: `tests/native/recording.jsonl`, when the machine is to do otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_recording_gives_the_same_outputs_again() {
    if let Some(file) = std::env::var_os("REJOIN_RECORDING") {
        std::fs::write(file, recorded(Mode::Extended, RecordedContent::Replaced).await).unwrap();
    }
    let (replay, lines) = replayed(include_str!("recording.jsonl")).unwrap();
    assert!(replay.inputs() > 50 && lines.len() > 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_with_content_has_it_and_still_no_token() {
    let text = recorded(Mode::Extended, RecordedContent::Kept).await;
    assert!(text.contains("private words 3") && !text.contains("secret"));
    assert!(replayed(&text).unwrap().0.has_content());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_says_otherwise_is_found_out_at_its_line() {
    let text = recorded(Mode::Extended, RecordedContent::Replaced).await;
    let at = text.lines().position(|line| line.contains("delivery id=")).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.remove(at);
    let changed = lines.join("\n");
    let found = replayed(&changed).unwrap_err();
    assert!(matches!(found, RecordingError::Diverged { number, .. } if number > at as u64), "{found}");
    // Killed in the middle of a line.
    let cut = &text[..text.len() - 3];
    let found = replayed(cut).unwrap_err();
    assert!(
        matches!(found, RecordingError::Line { number, .. } if number == text.lines().count() as u64),
        "{found}"
    );
    for (header, expected) in
        [("", "no recording"), ("{}", "no recording"), (r#"{"rejoinRecording":9}"#, "format 9")]
    {
        let found = Replay::new(header).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }
}

/// Takes so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_cannot_be_written_ends_and_the_client_continues() {
    let server = server().await;
    for bytes in [0, 100, 3_000] {
        let builder = quick(&server.url(), "ada").room("lobby");
        let (client, _events) = builder.record(Full(bytes), RecordedContent::Replaced).connect().unwrap();
        within("ready", client.ready()).await.unwrap();
        for _ in 0..20 {
            assert!(within("an outcome", client.send("lobby", "hi")).await.unwrap().seq().is_some());
        }
    }
}

#[tokio::test]
async fn what_a_recording_cannot_have_is_refused_at_once() {
    let mut config = rejoin::Config::default();
    config.link.policy = Policy::custom(|_| Duration::ZERO);
    let own =
        Client::builder("ws://127.0.0.1:1").config(config).record(io::sink(), RecordedContent::Replaced);
    let refused = own.connect().map(drop).unwrap_err();
    assert!(matches!(refused, BuildError::Recording(_)), "{refused}");
}
