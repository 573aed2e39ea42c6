//! The terminal: its size, and its mode before the editor changed it.

/// The width used when the terminal does not tell.
const DEFAULT_WIDTH: usize = 80;
/// The same for its height.
const DEFAULT_HEIGHT: usize = 24;

/// Columns of the terminal on stdout, as it is now.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size_of(std::io::stdout())
        .map(|(width, _)| usize::from(width.0))
        .filter(|width| *width > 0)
        .unwrap_or(DEFAULT_WIDTH)
}

/// Rows of the terminal on stdout, as it is now.
pub(super) fn height() -> usize {
    terminal_size::terminal_size_of(std::io::stdout())
        .map(|(_, height)| usize::from(height.0))
        .filter(|height| *height > 0)
        .unwrap_or(DEFAULT_HEIGHT)
}

/// Erases what stands so many rows above the cursor and everything below, and goes to its beginning. Not in one go: what is
/// erased from the very first cell goes into the scrollback in some terminals, tmux for one.
pub(super) fn erased(up: usize) -> String {
    let up = if up > 0 { format!("\x1b[{up}A") } else { String::new() };
    format!("{up}\r\x1b[K\x1b[C\x1b[J\r")
}

/// Makes the terminal raw as rustyline does, if it is not: a shell that has stopped the program puts it back for itself.
/// `true` if it was not raw.
#[cfg(unix)]
pub(crate) fn make_raw() -> bool {
    use rustix::termios::{
        ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr,
    };
    use std::io::Write as _;
    let Ok(mut attributes) = tcgetattr(std::io::stdin()) else { return false };
    if !attributes.local_modes.contains(LocalModes::ICANON) {
        return false;
    }
    attributes.input_modes -=
        InputModes::BRKINT | InputModes::ICRNL | InputModes::INPCK | InputModes::ISTRIP | InputModes::IXON;
    attributes.control_modes |= ControlModes::CS8;
    attributes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG;
    attributes.special_codes[SpecialCodeIndex::VMIN] = 1;
    attributes.special_codes[SpecialCodeIndex::VTIME] = 0;
    let set = tcsetattr(std::io::stdin(), OptionalActions::Drain, &attributes);
    let mut stdout = std::io::stdout().lock();
    // Bracketed paste on. A terminal that is gone is noticed by the next read.
    drop(stdout.write_all(b"\x1b[?2004h").and_then(|()| stdout.flush()));
    set.is_ok()
}

/// Shows nothing of what is typed from here on; a terminal that is raw stays so.
#[cfg(unix)]
pub(crate) fn hush() {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    if let Ok(mut attributes) = tcgetattr(std::io::stdin()) {
        attributes.local_modes -= LocalModes::ECHO | LocalModes::ICANON;
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &attributes);
    }
}

#[cfg(not(unix))]
pub(crate) fn hush() {}

/// What the terminal was like. Ending the program while the editor reads would leave it raw.
#[cfg(unix)]
pub(crate) struct Before(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Before {
    pub(crate) fn remember() -> Self {
        Self(rustix::termios::tcgetattr(std::io::stdin()).ok())
    }

    /// Puts the terminal back and takes the prompt off it, which begins so many rows above the cursor; `more` goes
    /// to the terminal too. `discards` what was typed and is not read.
    pub(crate) fn restore(&self, above: usize, more: &str, discards: bool) {
        use rustix::termios::OptionalActions;
        use std::io::Write as _;
        let Some(before) = &self.0 else { return };
        let when = if discards { OptionalActions::Flush } else { OptionalActions::Now };
        let _ = rustix::termios::tcsetattr(std::io::stdin(), when, before);
        let mut stdout = std::io::stdout().lock();
        let erased = erased(above);
        // Bracketed paste off, what rustyline has begun to draw is shown, and a clean line. A terminal that is gone needs none
        // of it.
        drop(write!(stdout, "\x1b[?2004l\x1b[?2026l{erased}{more}").and_then(|()| stdout.flush()));
    }
}

#[cfg(not(unix))]
pub(crate) struct Before;

#[cfg(not(unix))]
impl Before {
    pub(crate) fn remember() -> Self {
        Self
    }

    pub(crate) fn restore(&self, _: usize, _: &str, _: bool) {}
}
