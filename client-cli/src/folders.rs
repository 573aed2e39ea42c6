//! The folders of this account, by the platform's rules. It reads and makes none of them.

use directories::ProjectDirs;
use std::path::PathBuf;

/// Without a home folder there are none.
pub(crate) fn ours() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "rejoin")
}

/// The configuration file, whether it is there or not.
pub(crate) fn config_file() -> Option<PathBuf> {
    ours().map(|folders| folders.config_dir().join("config.toml"))
}
