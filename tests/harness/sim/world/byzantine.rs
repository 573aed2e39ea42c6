//! Frames that a correct server would not send.

use super::World;
use crate::sim::Micros;
use crate::sim::action::ByzantineFrame;
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Way};

/// Texts that are no frame, or frames of the future.
const GARBAGE: [&str; 9] = [
    "{{{",
    "",
    "[]",
    "{\"type\":7}",
    "{\"type\":\"presence_v9\",\"roomId\":{}}",
    "{\"type\":\"message\",\"roomId\":3}",
    "{\"type\":\"ack\",\"ref\":\"\",\"roomId\":\"room0\",\"id\":\"x\",\"epoch\":\"e\",\"seq\":-1}",
    "{\"type\":\"joined\",\"ref\":\"j1\",\"roomId\":\"room0\",\"seq\":1e300}",
    "<html>",
];

impl World {
    pub(super) fn garbage(&mut self, index: usize, which: usize) {
        self.say(index, GARBAGE[which % GARBAGE.len()].to_owned());
    }

    pub(super) fn say(&mut self, index: usize, text: String) {
        self.trace.note(self.now, "scripted", format_args!("to {index}: {text}"));
        self.write(index, Way::Down, Packet::Text(text.into()));
    }

    pub(super) fn lie(&mut self, index: usize, lie: ByzantineFrame) {
        let text = match lie {
            ByzantineFrame::Again => {
                let Some(text) = self.conns[index].last_message.clone() else { return };
                self.checker.lied.insert(self.conns[index].client);
                self.conns[index].tampered = true;
                self.checker.tampered(index);
                self.checker.cover.reach(Sometimes::AgainDropped);
                text.as_str().to_owned()
            }
            ByzantineFrame::Hello => {
                self.checker.lied.insert(self.conns[index].client);
                let user = &self.clients[self.conns[index].client].name;
                format!(
                    "{{\"type\":\"hello\",\"v\":1,\"userId\":\"{user}\",\"serverTime\":0,\"heartbeatMs\":1,\
                     \"dedupeWindowMs\":9007199254740991,\"limits\":{{\"frameBytes\":9007199254740991,\
                     \"contentBytes\":9007199254740991,\"rooms\":9007199254740991,\"inFlight\":9007199254740991,\
                     \"replay\":9007199254740991,\"sendPerSec\":9007199254740991}},\
                     \"reconnect\":{{\"windowMs\":0}}}}"
                )
            }
            ByzantineFrame::Ack => "{\"type\":\"ack\",\"ref\":\"never\",\"roomId\":\"room0\",\"id\":\"never\",\"epoch\":\"e\",\
                         \"seq\":7,\"timestamp\":\"2026-01-01T00:00:00.000Z\"}"
                .to_owned(),
            ByzantineFrame::Nack => {
                "{\"type\":\"nack\",\"ref\":\"never\",\"code\":\"forbidden\",\"retry\":false,\"message\":\"no\"}".to_owned()
            }
            ByzantineFrame::Joined => "{\"type\":\"joined\",\"ref\":\"never\",\"roomId\":\"room0\",\"epoch\":\"e\",\"seq\":99,\
                            \"replay\":0,\"recovered\":false,\"reason\":\"fresh\"}"
                .to_owned(),
            ByzantineFrame::History => "{\"type\":\"history\",\"ref\":\"never\",\"roomId\":\"room0\",\"epoch\":\"e\",\
                             \"messages\":[],\"complete\":true}"
                .to_owned(),
            ByzantineFrame::Pong => "{\"type\":\"pong\",\"t\":77}".to_owned(),
            ByzantineFrame::Expiring => "{\"type\":\"auth_expiring\",\"inMs\":5000}".to_owned(),
        };
        self.say(index, text);
    }

    /// A gateway says that it is about to go.
    pub(super) fn going_away(&mut self, index: usize, window: Micros, url: bool) {
        let window = window / 1000;
        let url = if url { ",\"url\":\"ws://elsewhere.example/\"" } else { "" };
        self.say(index, format!("{{\"type\":\"going_away\",\"windowMs\":{window}{url}}}"));
    }
}
