//! Reads and makes files that the command line or a profile names. A file that is read may be a pipe with a slow writer or an endless device: owns the
//! limits in bytes and time. Does not interpret contents; state files are read elsewhere.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Bytes of a file that people write or tools make: a configuration, certificates.
pub(crate) const MOST: u64 = 4 << 20;
/// How long a file may take until its end.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The file's bytes, at most `most` of them.
///
/// # Errors
/// What the system says; [`ErrorKind::FileTooLarge`] for more bytes; [`ErrorKind::TimedOut`] when the end has not come after
/// 5 s. The thread that waits for it then stays until the program ends: no system call that blocks can be called off.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (answer, answered) = channel();
    let path = path.to_owned();
    std::thread::Builder::new().name("file".to_owned()).spawn(move || {
        // Nobody may wait for it any more.
        drop(answer.send(whole(path, most)));
    })?;
    match answered.recv_timeout(READ_TIMEOUT) {
        Ok(read) => read,
        Err(RecvTimeoutError::Timeout) => {
            let what = format!("nobody has written it to its end within {} s", READ_TIMEOUT.as_secs());
            Err(io::Error::new(ErrorKind::TimedOut, what))
        }
        Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::Interrupted.into()),
    }
}

fn whole(path: PathBuf, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// A new file that only its owner may read.
///
/// # Errors
/// What the system says; [`ErrorKind::AlreadyExists`] when there is one.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_end_and_no_further_than_its_bound() {
        let file = std::env::temp_dir().join(format!("rejoin-files-{}", std::process::id()));
        std::fs::write(&file, "1234").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"1234");
        assert_eq!(read(&file, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read(&file, 4).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_an_end_is_too_large() {
        assert_eq!(read(Path::new("/dev/zero"), 1000).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
