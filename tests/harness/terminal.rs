//! Runs a shell command in a pseudo-terminal with a virtual screen.

use crate::screen::Screen;
use rexpect::process::PtyProcess;
use rustix::process::{Signal, kill_process_group};
use rustix::termios::{Winsize, tcgetpgrp, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A terminal of 110 columns and 40 rows.
pub struct Terminal {
    keyboard: File,
    shown: Arc<(Mutex<Screen>, Condvar)>,
    process: PtyProcess,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Terminal {
    /// Runs `command` in a shell, and says `[ended with STATUS]` afterwards.
    pub fn run(command: &str) -> Self {
        let home = std::env::temp_dir().join(format!("rejoin-terminal-{}", std::process::id()));
        // While the terminal is not raw, Ctrl-C is a signal to the shell too, which is to say all the same how it ended.
        let script = format!(
            "trap : INT; stty cols 110 rows 40 echo; {command}; echo \"[ended with $?]\"; stty -a | grep -o ' icanon'"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("TERM", "xterm-256color").env("HOME", &home).env("NO_COLOR", "1");
        for variable in ["REJOIN_URL", "REJOIN_TOKEN", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            shell.env_remove(variable);
        }
        let process = PtyProcess::new(shell).unwrap();
        let shown = Arc::new((Mutex::new(Screen::new(40, 110)), Condvar::new()));
        let mut output = process.get_file_handle().unwrap();
        let keyboard = process.get_file_handle().unwrap();
        let painted = Arc::clone(&shown);
        // Ends with the terminal: the read fails when the last process in it is gone.
        std::thread::spawn(move || {
            let mut parser = vte::Parser::new();
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                parser.advance(&mut *painted.0.lock().unwrap(), &bytes[..read]);
                painted.1.notify_all();
            }
        });
        Self { keyboard, shown, process }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and Enter.
    pub fn type_line(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Stops what runs in the foreground, as `kill -STOP` does.
    pub fn stop_foreground(&self) {
        kill_process_group(tcgetpgrp(&self.keyboard).unwrap(), Signal::STOP).unwrap();
    }

    /// Makes the terminal wider or narrower.
    pub fn resize(&mut self, columns: u16) {
        self.shown.0.lock().unwrap().resize(usize::from(columns));
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keyboard, size).unwrap();
    }

    /// Waits until the screen is as `wanted` says; shows it if that does not come.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        let (screen, changed) = &*self.shown;
        let guard = screen.lock().unwrap();
        let patience = Duration::from_secs(70);
        let (guard, late) = changed.wait_timeout_while(guard, patience, |screen| !wanted(screen)).unwrap();
        assert!(!late.timed_out(), "waited for {what}; the screen:\n{}", guard.lines().join("\n"));
    }

    /// Waits until some line holds `text`; gives the line.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.lines().iter().any(|line| line.contains(text)));
        self.lines().into_iter().rfind(|line| line.contains(text)).unwrap_or_default()
    }

    /// Waits until the line with the cursor holds `text`.
    pub fn wait_for_prompt(&self, text: &str) {
        self.wait_until(text, |screen| screen.current_line().contains(text));
    }

    /// The lines on the screen.
    pub fn lines(&self) -> Vec<String> {
        self.shown.0.lock().unwrap().lines()
    }

    /// The lines that have left the screen at its top.
    pub fn scrollback(&self) -> Vec<String> {
        self.shown.0.lock().unwrap().scrollback()
    }

    /// What came that a chat has no business with.
    pub fn suspicious(&self) -> Vec<String> {
        self.shown.0.lock().unwrap().suspicious.clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.exit();
    }
}
