//! The server under a service manager.

use crate::client::Client;
use crate::client::soon;
use crate::process::Process;
use crate::tls::Signed;
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

/// What follows an instruction of the container file, the last time it is there.
fn instruction(name: &str) -> &'static str {
    let mut lines = CONTAINER.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.next_back().unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn what_the_container_file_builds_and_copies_is_there() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let build = instruction("RUN").strip_prefix("cargo build --release --locked --package ").unwrap();
    assert_eq!(build, env!("CARGO_PKG_NAME"));
    assert!(repository.join("Cargo.lock").exists());
    let copied = instruction("COPY").strip_prefix("--from=build ").unwrap().split(' ').next().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_rejoin-server")).file_name().unwrap();
    assert_eq!(Path::new(copied), Path::new("/src/target/release").join(binary));
    let entry: Vec<String> = serde_json::from_str(instruction("ENTRYPOINT")).unwrap();
    assert_eq!(entry, [String::from("/usr/local/bin/") + binary.to_str().unwrap()]);
    // The image that builds is not older than what the sources need.
    let image = CONTAINER.lines().find_map(|line| line.strip_prefix("FROM docker.io/library/rust:")).unwrap();
    let minor = |version: &str| -> u32 { version.split(['.', '-']).nth(1).unwrap().parse().unwrap() };
    assert!(minor(image) >= minor(env!("CARGO_PKG_RUST_VERSION")), "{image}");
}

/// Everything that the last stage has: the binary, what it is linked with, and the mounted files.
fn stage(root: &Path) {
    let binary = env!("CARGO_BIN_EXE_rejoin-server");
    let signed = Signed::new();
    let linked = std::process::Command::new("ldd").arg(binary).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(|path| (path, path));
    for (from, to) in libraries.chain([(binary, "/usr/local/bin/rejoin-server")]) {
        let to = root.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
    let mounted = root.join("etc/rejoin");
    std::fs::create_dir_all(&mounted).unwrap();
    std::fs::write(mounted.join("tokens"), "s3cret ada\n").unwrap();
    std::fs::copy(signed.chain(), mounted.join("chain.pem")).unwrap();
    std::fs::copy(signed.key(), mounted.join("key.pem")).unwrap();
}

/// As the container file starts it, but for the port: as nobody, with a root that nothing can be written to.
#[tokio::test]
async fn the_last_stage_of_the_container_file_runs_as_nobody_on_a_root_that_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    stage(root);
    std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(root).status().unwrap();
    let arguments: Vec<String> = serde_json::from_str(instruction("CMD")).unwrap();
    let arguments = arguments.iter().map(|word| word.replace("0.0.0.0:8443", "127.0.0.1:0"));
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 77; \
                  touch \"$1/written\" 2>/dev/null && exit 78; root=$1; user=$2; shift 2; \
                  exec chroot --userspec=\"$user\" \"$root\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-c", script, "bash"]).arg(root).arg(instruction("USER"));
    command.arg("/usr/local/bin/rejoin-server").args(arguments);
    let probe = Command::new("unshare").args(["--mount", "true"]).output().await;
    if !probe.is_ok_and(|probe| probe.status.success()) {
        // Only root may make such a root.
        return;
    }
    let mut server = Process::start(&mut command);
    let url = server.after("listening on ").await;
    assert!(url.starts_with("wss://127.0.0.1:"), "{url}");
    server.signal("TERM").await;
    assert_eq!(server.ended().await.0, Some(0));
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
