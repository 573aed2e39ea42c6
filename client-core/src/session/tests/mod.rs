//! The session's behaviour, told as stories of inputs and outputs.

mod plain;
