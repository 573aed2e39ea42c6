use super::*;
use crate::event::{DeliveryStatus, SendId, SendReply};
use crate::journal::JournalState;
use crate::messages::Position;
use crate::persisted::{SavedPosition, SavedProducer, SavedSend, Transmitted};
use std::fs;
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
        worked: true,
        window_ms: 5000,
        dedupe_window_ms: 600_000,
        positions: vec![SavedPosition {
            room: "lobby".into(),
            position: Position { epoch: id("e1"), seq: 7, id: id("m7") },
        }],
        producers: vec![SavedProducer { room: "lobby".into(), pid: id("p"), next_pseq: 3 }],
        outcomes: Vec::new(),
        sends: vec![SavedSend {
            number: 1,
            room: "lobby".into(),
            content: "ünsent \u{1f680}\n".to_owned(),
            data: Some("{\"a\":[1]}".to_owned()),
            reference: Some("r1".into()),
            transmitted: Some(Transmitted { pid: id("p"), pseq: 2, epoch: id("e1"), at_ms: 12 }),
        }],
        kept: vec![crate::machine::SavedFrame { key: "prices".into(), frame: "{}".into() }],
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

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_somebody_removes_or_replaces_is_written_anew_with_the_next_save() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let mut file = StateFile::open(&folder.file()).unwrap();
    file.load(URL).unwrap();
    let other = folder.0.join("other");
    fs::write(&other, "something else").unwrap();
    for removes in [true, false] {
        assert!(file.append(Vec::new()).is_some());
        if removes {
            fs::remove_file(folder.file()).unwrap();
        } else {
            fs::rename(&other, folder.file()).unwrap();
        }
        assert!(file.append(Vec::new()).is_none(), "the whole is wanted");
        file.save(state()).await.unwrap();
    }
    drop(file);
    assert_eq!(load(&folder.file(), URL).unwrap(), Some(state()));
}

#[tokio::test]
async fn what_is_saved_is_loaded_again_and_each_save_replaces_the_one_before() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let mut file = StateFile::open(&folder.file()).unwrap();
    assert_eq!(file.load(URL).unwrap(), Some(state()));
    let less = Saved { sends: Vec::new(), producers: Vec::new(), ..state() };
    file.save(less.clone()).await.unwrap();
    drop(file);
    assert_eq!(load(&folder.file(), URL).unwrap(), Some(less));
}

#[tokio::test]
async fn a_file_cut_anywhere_or_with_any_byte_changed_is_refused_and_left_alone() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let whole = fs::read(folder.file()).unwrap();
    // Nothing at all is a new one.
    fs::write(folder.file(), "").unwrap();
    assert_eq!(load(&folder.file(), URL).unwrap(), None);
    for cut in 1..whole.len() {
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
}

/// A client that continues with a file and says what has changed.
struct Writer {
    file: StateFile,
    journal: JournalState,
}

impl Writer {
    fn open(path: &Path) -> Self {
        let mut file = StateFile::open(path).unwrap();
        let mut journal = JournalState::new(file.load(URL).unwrap().unwrap_or_default());
        journal.assign_restored_ids();
        Self { file, journal }
    }

    /// Stores these changes as one group. Returns whether the file took them as such.
    async fn write(&mut self, changes: Vec<Change<String, crate::Name, SendId>>) -> bool {
        let changes: Vec<Change> =
            changes.into_iter().filter_map(|change| self.journal.record(change)).collect();
        match self.file.append(changes) {
            Some(appended) => appended.await.map(|()| true).unwrap(),
            None => self.file.save(self.journal.saved()).await.map(|()| false).unwrap(),
        }
    }

    /// A send is made, transmitted, and answered: three groups.
    async fn send(&mut self, number: u64) {
        let id = |text: &str| crate::id::Id::new(text).unwrap();
        let key = SendId(number);
        let reference = Some(number.to_string().into());
        let send = SavedSend { reference, transmitted: None, ..state().sends.remove(0) };
        self.write(vec![Change::Added { key, send }]).await;
        let transmitted = Transmitted { pid: id("p"), pseq: 3 + number, epoch: id("e1"), at_ms: 13 };
        self.write(vec![Change::Transmitted { key, transmitted }]).await;
        let status = DeliveryStatus::Acked { id: id("m"), seq: number };
        let reply = Box::new(SendReply {
            answer: Some("{\"ok\":true}".to_owned()),
            message: None,
            server_code: None,
        });
        self.write(vec![Change::Resolved { key, status }, Change::Replied { key, reply }]).await;
    }
}

#[tokio::test]
async fn what_has_changed_is_added_and_a_tail_torn_at_any_byte_has_never_counted() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let mut writer = Writer::open(&folder.file());
    let mut lengths = vec![(fs::metadata(folder.file()).unwrap().len(), writer.journal.saved())];
    for number in 1..=3 {
        writer.send(number).await;
        lengths.push((fs::metadata(folder.file()).unwrap().len(), writer.journal.saved()));
    }
    // As it is when the process is killed: nobody has given the file back.
    let whole = fs::read(folder.file()).unwrap();
    drop(writer);
    let (begin, _) = lengths[0];
    for cut in usize::try_from(begin).unwrap()..=whole.len() {
        fs::write(folder.file(), &whole[..cut]).unwrap();
        let loaded = load(&folder.file(), URL).unwrap().unwrap();
        let (_, state) = lengths.iter().rev().find(|(length, _)| *length <= cut as u64).unwrap();
        if lengths.iter().any(|(length, _)| *length == cut as u64) {
            assert_eq!(loaded, *state, "cut at {cut}");
        }
        // And it is gone on with, as if nothing had been there.
        let mut next = Writer::open(&folder.file());
        next.send(9).await;
        let expected = next.journal.saved();
        drop(next);
        assert_eq!(load(&folder.file(), URL).unwrap(), Some(expected), "cut at {cut}");
    }
    for garbage in [&b" "[..], b"\0\0\0\0\0\0\0\0", b"70 0123456789abcdef [{\"add\":{"] {
        fs::write(folder.file(), [&whole, garbage].concat()).unwrap();
        assert_eq!(load(&folder.file(), URL).unwrap().as_ref(), lengths.last().map(|(_, state)| state));
    }
}

#[tokio::test]
async fn a_changed_byte_before_the_last_group_is_damage_and_no_torn_tail() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let mut writer = Writer::open(&folder.file());
    writer.send(1).await;
    let begin = usize::try_from(fs::metadata(folder.file()).unwrap().len()).unwrap();
    writer.send(2).await;
    let whole = fs::read(folder.file()).unwrap();
    drop(writer);
    for at in 0..begin {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(folder.file(), &changed).unwrap();
        assert!(load(&folder.file(), URL).is_err(), "changed at {at}");
    }
}

#[tokio::test]
async fn a_file_grows_by_what_changes_and_is_written_anew_when_that_is_more_than_the_whole() {
    let folder = Folder::new();
    stored(&folder.file()).await;
    let mut writer = Writer::open(&folder.file());
    let large = "x".repeat(LEAST_CHANGES / 4);
    let mut appended = Vec::new();
    for number in 1..=9 {
        let key = SendId(number);
        let send = SavedSend { content: large.clone(), ..state().sends.remove(0) };
        let status = DeliveryStatus::Written;
        let told = Change::Confirmed { key };
        appended.push(
            writer.write(vec![Change::Added { key, send }, Change::Resolved { key, status }, told]).await,
        );
        assert!(fs::metadata(folder.file()).unwrap().len() < 3 * LEAST_CHANGES as u64);
    }
    assert_eq!(appended.iter().filter(|appended| !**appended).count(), 1, "{appended:?}");
    let expected = writer.journal.saved();
    drop(writer);
    assert_eq!(load(&folder.file(), URL).unwrap(), Some(expected));
}

#[tokio::test]
async fn a_file_of_the_version_before_is_read_and_written_anew() {
    let folder = Folder::new();
    let sent =
        r#"{"room":"lobby","content":"x","ref":"1","transmitted":{"pid":"p","pseq":2,"epoch":"e","atMs":7}}"#;
    let state = format!(
        r#"{{"user":"ada","extended":true,"windowMs":1,"dedupeWindowMs":2,"positions":[],"lines":[],"sends":[{sent}]}}"#
    );
    let body = format!(r#"{{"url":"{URL}","state":{state}}}"#);
    let sum = body.bytes().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    fs::write(folder.file(), format!("rejoin-state 1 {} {sum:016x}\n{body}", body.len())).unwrap();
    let mut writer = Writer::open(&folder.file());
    assert_eq!(writer.journal.saved().sends[0].transmitted.as_ref().unwrap().pseq, 2);
    writer.send(7).await;
    let expected = writer.journal.saved();
    drop(writer);
    assert_eq!(load(&folder.file(), URL).unwrap(), Some(expected));
    assert!(fs::read_to_string(folder.file()).unwrap().starts_with("rejoin-state 2 "));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_nothing_yet_is_followed_and_what_is_no_file_is_refused_at_once() {
    let folder = Folder::new();
    let link = folder.0.join("link");
    std::os::unix::fs::symlink("state", &link).unwrap();
    stored(&link).await;
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(load(&folder.file(), URL).unwrap(), Some(state()));
    let pipe = folder.0.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), &folder.0, Path::new("/dev/null")] {
        let error = StateFile::open(path).unwrap_err();
        assert!(matches!(&error, StateError::NotAFile(_)), "{}: {error}", path.display());
    }
    assert!(!folder.0.join("pipe.lock").exists() && !folder.0.with_extension("lock").exists());
}

#[tokio::test]
async fn a_file_of_another_kind_version_or_server_is_refused_with_what_to_do() {
    let folder = Folder::new();
    fs::write(folder.file(), "dear diary").unwrap();
    let error = load(&folder.file(), URL).unwrap_err();
    assert!(matches!(error, StateError::Foreign(_)) && error.to_string().contains("name another one"));
    assert!(!folder.0.join("state.lock").exists(), "nothing is left beside what is not ours");
    fs::write(folder.file(), "rejoin-state 3 0 0\n").unwrap();
    let error = load(&folder.file(), URL).unwrap_err();
    assert!(matches!(error, StateError::Version(_, 3)) && error.to_string().contains("move it away"));
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
    let fresh = folder.0.join("state.new");
    fs::write(&fresh, "half a sta").unwrap();
    let mut file = StateFile::open(&folder.file()).unwrap();
    assert_eq!(file.load(URL).unwrap(), Some(state()));
    file.save(state()).await.unwrap();
    assert!(!fresh.exists());
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
    file.save(Saved { producers: Vec::new(), ..state() }).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    for path in [folder.file(), folder.0.join("state.lock")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_said_so() {
    let folder = Folder::new();
    let error = StateFile::open(&folder.0.join("missing/state")).unwrap_err();
    assert!(matches!(&error, StateError::Io(..)) && error.to_string().contains("missing"), "{error}");
}
