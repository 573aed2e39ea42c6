//! Reads the files that options name: tokens, keys, certificates. Owns the bounds in bytes and in time; the caller parses.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the writer of a pipe has until its end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often is looked whether there is more.
const PAUSE: Duration = Duration::from_millis(20);

/// The bytes of a file. Blocks for as long as the writer of a pipe may take: 5 s.
///
/// # Errors
/// What the system says; [`ErrorKind::FileTooLarge`] for more than `most` bytes; [`ErrorKind::TimedOut`] when the end has not
/// come in time.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_within(path, most, PATIENCE)
}

/// The same for a text.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

fn read_within(path: &Path, most: u64, patience: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + patience;
    let file = open(path)?;
    let is_pipe = is_pipe(&file)?;
    let mut bytes = Vec::new();
    let mut file = file.take(most.saturating_add(1));
    loop {
        match file.read_to_end(&mut bytes) {
            // A pipe that nobody has opened for writing yet is at its end at once.
            Ok(_) if !is_pipe || !bytes.is_empty() => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= until {
            let what = format!("nobody has written it to its end within {} s", PATIENCE.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, what));
        }
        // Nothing tells a thread that blocks of a pipe's writer without waiting for him.
        std::thread::sleep(PAUSE);
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Without the option, opening a pipe waits for its writer, and reading it for what he writes, both without an end.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn is_pipe(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt as _;
    Ok(file.metadata()?.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn a_file_is_read_to_its_end_and_no_further_than_its_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(read(file.path(), 4).unwrap(), b"");
        std::fs::write(&file, "1234").unwrap();
        assert_eq!(read(file.path(), 4).unwrap(), b"1234");
        assert_eq!(read(file.path(), 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(read_text(file.path(), 4).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn devices_have_an_end_or_are_too_large() {
        assert_eq!(read(Path::new("/dev/null"), 4).unwrap(), b"");
        assert_eq!(read(Path::new("/dev/zero"), 1000).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_pipe_is_read_when_its_writer_comes_and_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(read_within(&pipe, 9, PAUSE).unwrap_err().kind(), ErrorKind::TimedOut);
        std::thread::scope(|scope| {
            scope.spawn(|| std::fs::write(&pipe, "secret").unwrap());
            assert_eq!(read(&pipe, 9).unwrap(), b"secret");
        });
    }
}
