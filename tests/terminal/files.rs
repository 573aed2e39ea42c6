//! Files that the command line names and that are none: a pipe that nobody writes, a device without an end.

use crate::{run, text};
use harness::process::ServerProcess;

#[test]
fn a_pipe_that_nobody_writes_and_a_device_without_an_end_are_told_and_hold_nothing_up() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    for (option, file, why) in [
        ("--token-file", pipe, "nobody has written it to its end"),
        ("--token-file", "/dev/zero", "larger than"),
        ("--ca", "/dev/zero", "larger than"),
        ("--cert", pipe, "nobody has written it to its end"),
    ] {
        let output = run(&["send", &server.url, "-r", "lobby", option, file, "hello"], b"");
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option} {file}: {complaint}");
        assert!(complaint.contains(why) && complaint.contains(file), "{option} {file}: {complaint}");
    }
}
