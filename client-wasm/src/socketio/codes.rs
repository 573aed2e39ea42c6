//! The codes of this machine.

use crate::codes::numbered;
use rejoin::CauseCode;

numbered!(
    /// The number of a cause specific to Socket.IO; 0 for others.
    cause, causes, CauseCode,
    CauseCode::Incompatible => CauseCode::Incompatible,
    CauseCode::UnknownNamespace => CauseCode::UnknownNamespace,
);

/// First number of this machine's kinds and causes, above those of all machines.
pub(crate) const FIRST: u32 = 101;
