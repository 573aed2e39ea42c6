use super::*;
use crate::messages::Position;
use crate::saved::{SavedLine, SavedPosition, SavedSend, Transmitted};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const URL: &str = "wss://chat.example/ws";

/// A folder of its own for a test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rejoin-state-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn state() -> Saved {
    let id = |text: &str| crate::id::Id::new(text).unwrap();
    Saved {
        user: Some("ada".into()),
        extended: true,
        window_ms: 5000,
        dedupe_window_ms: 600_000,
        positions: vec![SavedPosition {
            room: "lobby".into(),
            position: Position { epoch: id("e1"), seq: 7, id: id("m7") },
        }],
        lines: vec![SavedLine { room: "lobby".into(), pid: id("p"), next_pseq: 3 }],
        sends: vec![SavedSend {
            room: "lobby".into(),
            content: "ünsent \u{1f680}\n".to_owned(),
            data: Some("{\"a\":[1]}".to_owned()),
            reference: Some("r1".into()),
            transmitted: Some(Transmitted { pid: id("p"), pseq: 2, epoch: id("e1"), at_ms: 12 }),
        }],
    }
}

async fn stored(path: &Path) {
    let mut file = StateFile::open(path).unwrap();
    assert_eq!(file.load(URL).unwrap(), None);
    file.save(state()).await.unwrap();
}

fn load(path: &Path, url: &str) -> Result<Option<Saved>, StateError> {
    StateFile::open(path)?.load(url)
}

#[tokio::test]
async fn what_is_saved_is_loaded_again_and_each_save_replaces_the_one_before() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let mut file = StateFile::open(&folder.file()).unwrap();
    assert_eq!(file.load(URL).unwrap(), Some(state()));
    let less = Saved { sends: Vec::new(), ..state() };
    file.save(less.clone()).await.unwrap();
    drop(file);
    assert_eq!(load(&folder.file(), URL).unwrap(), Some(less));
}

#[tokio::test]
async fn a_file_cut_anywhere_or_with_any_byte_changed_is_refused_and_left_alone() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let whole = fs::read(folder.file()).unwrap();
    for cut in 0..whole.len() {
        fs::write(folder.file(), &whole[..cut]).unwrap();
        let error = load(&folder.file(), URL).unwrap_err();
        assert!(matches!(error, StateError::Damaged(_)), "cut at {cut}: {error}");
        assert_eq!(fs::read(folder.file()).unwrap(), &whole[..cut]);
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(folder.file(), &changed).unwrap();
        assert!(load(&folder.file(), URL).is_err(), "changed at {at}");
    }
    let longer = [&whole[..], b" "].concat();
    fs::write(folder.file(), longer).unwrap();
    assert!(matches!(load(&folder.file(), URL).unwrap_err(), StateError::Damaged(_)));
}

#[tokio::test]
async fn a_file_of_another_kind_version_or_server_is_refused_with_what_to_do() {
    let folder = Folder::new();
    fs::write(folder.file(), "dear diary").unwrap();
    let error = load(&folder.file(), URL).unwrap_err();
    assert!(matches!(error, StateError::Foreign(_)) && error.to_string().contains("name another one"));
    fs::write(folder.file(), "rejoin-state 2 0 0\n").unwrap();
    let error = load(&folder.file(), URL).unwrap_err();
    assert!(matches!(error, StateError::Version(_, 2)) && error.to_string().contains("move it away"));
    fs::remove_file(folder.file()).unwrap();
    stored(&folder.file()).await;
    let error = load(&folder.file(), "wss://other.example/ws").unwrap_err();
    assert!(matches!(error, StateError::OtherServer { .. }) && error.to_string().contains(URL));
}

#[tokio::test]
async fn one_file_belongs_to_one_client_at_a_time() {
    let folder = Folder::new();
    let first = StateFile::open(&folder.file()).unwrap();
    assert!(matches!(StateFile::open(&folder.file()), Err(StateError::InUse(_))));
    drop(first);
    assert!(StateFile::open(&folder.file()).is_ok());
}

#[tokio::test]
async fn a_crash_between_writing_and_renaming_costs_nothing() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    fs::write(beside(&folder.file(), ".new"), "half a sta").unwrap();
    let mut file = StateFile::open(&folder.file()).unwrap();
    assert_eq!(file.load(URL).unwrap(), Some(state()));
    file.save(state()).await.unwrap();
    assert!(!beside(&folder.file(), ".new").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_but_the_owner_can_read_it_and_a_link_is_followed() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    stored(&folder.file()).await;
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    let mut file = StateFile::open(&link).unwrap();
    assert_eq!(file.load(URL).unwrap(), Some(state()));
    file.save(Saved { lines: Vec::new(), ..state() }).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    for path in [folder.file(), beside(&folder.file(), ".lock")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_said_so() {
    let folder = Folder::new();
    let error = StateFile::open(&folder.0.join("missing/state")).unwrap_err();
    assert!(matches!(&error, StateError::Io(..)) && error.to_string().contains("missing"), "{error}");
}
