//! Tests that no remote text controls the terminal: rendered output is parsed by a real terminal's parser.

use crate::clock::{self, Clock};
use crate::render::{Layout, Renderer, Sender, TEXT_COLUMN};
use crate::{json_safe, sanitise};
use rejoin::Cause;
use vte::{Params, Parser, Perform};

/// Everything that a terminal would do beyond showing characters.
#[derive(Debug, Default)]
struct Acts {
    shown: String,
    acts: Vec<String>,
}

impl Perform for Acts {
    fn print(&mut self, c: char) {
        self.shown.push(c);
    }
    fn execute(&mut self, byte: u8) {
        if byte == b'\n' {
            self.shown.push('\n');
        } else {
            self.acts.push(format!("execute {byte:#x}"));
        }
    }
    fn hook(&mut self, _: &Params, _: &[u8], _: bool, action: char) {
        self.acts.push(format!("DCS {action}"));
    }
    fn put(&mut self, byte: u8) {
        self.acts.push(format!("DCS data {byte:#x}"));
    }
    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        self.acts.push(format!("OSC {params:?}"));
    }
    fn csi_dispatch(&mut self, _: &Params, _: &[u8], _: bool, action: char) {
        self.acts.push(format!("CSI {action}"));
    }
    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        self.acts.push(format!("ESC {byte:#x}"));
    }
}

fn run(parser: &mut Parser, acts: &mut Acts, text: &str) {
    parser.advance(acts, text.as_bytes());
}

/// Whole attacks, and halves of them for two messages in a row.
const SEQUENCES: [&str; 34] = [
    "\x1b[2J",
    "\x1b[1;1H",
    "\x1b[31mred\x1b[0m",
    "\x1b[6n",
    "\x1b]0;title\x07",
    "\x1b]0;title\x1b\\",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]50;?\x07",
    "\x1bP$q\"p\x1b\\",
    "\x1bPq#0;2;0;0;0#0~~\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1b^privacy\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1bc",
    "\x1b7\x1b8",
    "\x1b(0",
    "\x1b#8",
    "\u{9b}2J",
    "\u{9d}0;title\u{9c}",
    "\u{90}$q\"p\u{9c}",
    "\u{9f}app\u{9c}",
    "\u{9e}pm\u{9c}",
    "\u{98}sos\u{9c}",
    "\u{85}next line",
    "\u{8d}reverse",
    "\r12:03:01            bob │ pay me",
    "\n12:03:01            bob │ pay me",
    "\u{2028}bob: pay me\u{2029}eve: no",
    "\u{8}\u{8}\u{8}overwritten",
    "\u{b}\u{c}down",
    "\u{202e}reversed\u{202c}\u{2066}isolate\u{2069}\u{200e}\u{200f}\u{61c}",
    "zero\u{200b}width\u{200c}\u{2060}\u{feff}",
    "tag\u{e0041}\u{e007f} inter\u{fff9}a\u{fffa}b\u{fffb} private\u{e000}\u{f8ff}",
];
const HALVES: [(&str, &str); 8] = [
    ("\x1b", "[2J"),
    ("\x1b[", "2J"),
    ("\x1b[2", "J"),
    ("\x1b]0;ti", "tle\x07"),
    ("\x1bP", "q\x1b\\"),
    ("\u{9b}", "2J"),
    ("\u{9d}0;t", "\u{9c}"),
    ("\x1b", "c"),
];

/// Every sequence and every control, each alone, in a text, and again and again.
fn corpus() -> Vec<String> {
    let mut corpus: Vec<String> = SEQUENCES.iter().map(|text| (*text).to_owned()).collect();
    let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
    let formats = ('\u{ad}'..='\u{ad}')
        .chain('\u{200b}'..='\u{200f}')
        .chain('\u{2028}'..='\u{202e}')
        .chain('\u{2060}'..='\u{206f}');
    for c in controls.chain(formats) {
        corpus.push(c.to_string());
        corpus.push(format!("a{c}b"));
        corpus.push(format!("{c}[2J{c}]0;x\x07{c}{c}"));
        corpus.push(format!("👩{c}👩"));
        for sequence in SEQUENCES {
            corpus.push(format!("{c}{sequence}"));
            corpus.push(format!("{sequence}{c}"));
        }
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..10_000 {
        let length = random.usize(..40);
        let text = (0..length).map(|_| match random.u8(..4) {
            0 => char::from(random.u8(..0x20)),
            1 => char::from_u32(random.u32(0x7f..0xa0)).unwrap(),
            2 => *random.choice(b"[]0123;?PX^_\\mJHn").map(|byte| char::from(*byte)).as_ref().unwrap(),
            _ => random.char(..),
        });
        corpus.push(text.collect());
    }
    corpus
}

/// Shows `text` as content, name and room; the terminal has to do nothing but show characters and end lines.
fn shown(layout: Layout, texts: &[&str]) -> String {
    let mut renderer = Renderer::new(layout, Clock::new(true));
    let mut parser = Parser::new();
    let mut acts = Acts::default();
    for text in texts {
        let mut out = String::new();
        renderer.message(&mut out, clock::read(text), text, Sender::Other(text), text);
        renderer.notice(&mut out, &sanitise::line(text));
        run(&mut parser, &mut acts, &out);
    }
    assert_eq!(acts.acts, Vec::<String>::new(), "{texts:?}");
    acts.shown
}

const COLUMNS: Layout = Layout::Columns { width: 80, colour: false };

#[test]
fn no_remote_text_acts_on_the_terminal_wherever_it_is_shown() {
    for text in corpus() {
        for layout in [Layout::Plain, COLUMNS] {
            let shown = shown(layout, &[&text]);
            let hidden: Vec<char> = shown
                .chars()
                .filter(|c| {
                    *c != '\n'
                        && sanitise::is_hidden(*c)
                        && !matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
                })
                .collect();
            assert!(hidden.is_empty(), "{text:?} leaves {hidden:?}");
        }
    }
}

#[test]
fn a_sequence_in_two_halves_does_not_act_either() {
    for (first, second) in HALVES {
        for layout in [Layout::Plain, COLUMNS] {
            shown(layout, &[first, second]);
        }
    }
}

#[test]
fn every_row_of_a_message_stays_behind_the_gutter() {
    for text in corpus() {
        let mut out = String::new();
        Renderer::new(COLUMNS, Clock::new(true)).message(
            &mut out,
            clock::read(""),
            "room",
            Sender::Other("eve"),
            &text,
        );
        for row in out.lines() {
            let gutter = row.chars().nth(TEXT_COLUMN - 2);
            assert_eq!(gutter, Some('│'), "{text:?} gave {row:?}");
            assert!(sanitise::display_width(row) < 80, "{text:?} gave {row:?}");
        }
        out.clear();
        Renderer::new(Layout::Plain, Clock::new(true)).message(
            &mut out,
            clock::read(""),
            "room",
            Sender::Other("eve"),
            &text,
        );
        for (position, row) in out.lines().enumerate() {
            assert!(
                row.starts_with(if position == 0 { "[room] eve: " } else { "    | " }),
                "{text:?} gave {row:?}"
            );
        }
    }
}

#[test]
fn with_colours_only_our_own_are_seen() {
    let allowed = |acts: &[String]| acts.iter().all(|act| act == "CSI m");
    for text in corpus() {
        let mut out = String::new();
        let layout = Layout::Columns { width: 80, colour: true };
        Renderer::new(layout, Clock::new(true)).message(
            &mut out,
            clock::read(&text),
            &text,
            Sender::Other(&text),
            &text,
        );
        let mut acts = Acts::default();
        run(&mut Parser::new(), &mut acts, &out);
        assert!(allowed(&acts.acts), "{text:?} gave {:?}", acts.acts);
        // Three for the time, three for the name, two for each row's gutter and for each who is named, and no more.
        let most = 4 + 2 * (out.lines().count() + out.matches('@').count());
        assert!(acts.acts.len() <= most, "{text:?} gave {:?}", acts.acts);
    }
}

#[test]
fn causes_and_json_lines_are_as_harmless() {
    for text in corpus() {
        let cause = Cause::new(rejoin::CauseCode::Closed(4400), text.as_str());
        let cause = cause.with_data(Some(text.as_str().into()));
        let mut json = Vec::new();
        json_safe::write_line(&mut json, &text);
        for line in [crate::describe::cause(&cause), String::from_utf8(json).unwrap()] {
            let mut acts = Acts::default();
            run(&mut Parser::new(), &mut acts, &line);
            assert_eq!(acts.acts, Vec::<String>::new(), "{text:?}");
        }
    }
}
