//! The server under a service manager.

use crate::client::Client;
use crate::client::soon;
use crate::process::Process;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::net::UnixDatagram;
use tokio::process::Command;

const UNIT: &str = include_str!("../../deploy/rejoin-server.service");
const SOCKET: &str = include_str!("../../deploy/rejoin-server.socket");
const CONTAINER: &str = include_str!("../../deploy/Containerfile");

async fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = soon(manager.recv(&mut bytes)).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
}

#[tokio::test]
async fn the_service_manager_is_told_when_connections_are_taken_and_when_the_drain_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin-server"));
    let mut server = Process::start(command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path));
    assert_eq!(told(&manager).await, "READY=1");
    let url = server.after("listening on ").await;
    let mut ada = Client::open(&url, "ada").await;
    ada.sync().await;
    server.signal("TERM").await;
    assert_eq!(told(&manager).await, "STOPPING=1");
    drop(ada);
    assert_eq!(server.ended().await.0, Some(0));
}

#[tokio::test]
async fn a_socket_that_is_handed_over_takes_the_place_of_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut command = Command::new("bash");
    // As systemd does it: the first socket is file 3, and the process knows itself by its number.
    let script = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_rejoin-server")]).stdin(OwnedFd::from(listener));
    let mut server = Process::start(&mut command);
    let url = server.after("listening on ").await;
    assert_eq!(url, format!("ws://127.0.0.1:{port}/ws"));
    let mut ada = Client::open(&url, "ada").await;
    ada.sync().await;
}

/// The words of the command that a file starts.
fn options(command: &str) -> Vec<&str> {
    command
        .split(|c: char| c.is_whitespace() || "[],\"".contains(c))
        .filter(|word| word.starts_with("--"))
        .collect()
}

#[tokio::test]
async fn every_option_of_the_unit_and_the_container_file_is_one_of_the_server() {
    let help = Command::new(env!("CARGO_BIN_EXE_rejoin-server")).arg("--help").output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let line = |text: &'static str, begin: &str| text.lines().find(|line| line.starts_with(begin)).unwrap();
    for command in [line(UNIT, "ExecStart="), line(CONTAINER, "CMD ")] {
        assert!(options(command).len() >= 5, "{command}");
        for option in options(command) {
            assert!(help.contains(&format!("{option} ")), "{option}");
        }
    }
}

/// Systemd's own judgement, where it is installed.
#[tokio::test]
async fn systemd_finds_nothing_wrong_with_the_units() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        // What can be judged without it is judged above.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = UNIT.replace("/usr/local/bin/rejoin-server", env!("CARGO_BIN_EXE_rejoin-server"));
    let (service, socket) =
        (folder.path().join("rejoin-server.service"), folder.path().join("rejoin-server.socket"));
    std::fs::write(&service, unit).unwrap();
    std::fs::write(&socket, SOCKET).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args([&service, &socket])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_ours: Vec<_> = said.lines().filter(|line| line.contains("rejoin-server")).collect();
    assert!(output.status.success() && of_ours.is_empty(), "{said}");
}

/// What `COPY . .` would take along otherwise is many times what the build needs.
#[test]
fn the_container_file_copies_no_build_of_this_machine() {
    let left_out: Vec<_> = include_str!("../../../.dockerignore").lines().collect();
    assert!(CONTAINER.contains("COPY . ."));
    for folder in ["target", "**/node_modules", ".git"] {
        assert!(left_out.contains(&folder), "{folder}");
    }
}
