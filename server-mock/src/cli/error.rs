//! The reason for which the server did not run, and the exit status of it. Prints nothing.

use crate::BindError;
use std::io;
use std::process::ExitCode;

/// Why the server did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The options do not go together, or one cannot be used. Exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The address is taken, for instance. Exit status 1.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The socket that a service manager has handed over is none to listen on. Exit status 1.
    #[error("cannot use the socket that was handed over: {0}")]
    Inherited(io::Error),
    /// SIGTERM and SIGINT cannot be waited for. Exit status 1.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The threads cannot be started. Exit status 1.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    /// A second signal has ended it. Exit status 1.
    #[error("stopped by a second signal, before the drain was over")]
    CutShort,
    /// Nobody can be told that the server listens. Exit status 1.
    #[error("stdout cannot be written: {0}")]
    Stdout(io::Error),
}

impl ServeError {
    /// Whether it is the options that are wrong.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            #[cfg(feature = "redis")]
            Self::Bind(BindError::Store(_)) => false,
            Self::Bind(error) => !matches!(error, BindError::Listen { .. } | BindError::Admin { .. }),
            Self::Inherited(_) | Self::Signals(_) | Self::Runtime(_) | Self::CutShort | Self::Stdout(_) => {
                false
            }
        }
    }

    /// 2 for wrong options, 1 otherwise.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage() { 2 } else { 1 })
    }
}
