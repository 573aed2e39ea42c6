//! The folders of this account, by the platform's rules. It reads and makes none of them.

use directories::{BaseDirs, ProjectDirs};
use std::path::{Path, PathBuf};

/// Without a home folder there are none.
pub(crate) fn ours() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "rejoin")
}

/// The configuration file, whether it is there or not.
pub(crate) fn config_file() -> Option<PathBuf> {
    ours().map(|folders| folders.config_dir().join("config.toml"))
}

/// The home folder.
pub(crate) fn home() -> Option<PathBuf> {
    BaseDirs::new().map(|folders| folders.home_dir().to_owned())
}

/// The path with the home folder written out where it begins with `~/`, as a shell does it.
pub(crate) fn expand_home(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (home, path.strip_prefix("~")) {
        (Some(home), Ok(rest)) => home.join(rest),
        _ => path,
    }
}
