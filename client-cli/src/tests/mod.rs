//! Tests that span several modules of the program.

mod terminal_injection;
