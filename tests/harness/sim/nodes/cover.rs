//! The interesting states that only several nodes can reach.

use crate::sim::coverage::sometimes;

sometimes! {
    Amid;
    UnknownThenRepeated = "a send of unknown outcome was repeated on another node, and recognised",
    LateAnswer = "an answer came after its node had been killed, or long after it was asked",
    HoleFilled = "a node that missed a notice showed the entry all the same",
    LossFound = "a loss was found by what a node had",
    MovedInGrace = "a client came back on another node within the grace",
    KilledAtAppend = "a node died between an append and its delivery",
    NoticeDoubled = "a notice came twice",
    NoticeOvertaken = "a notice was overtaken",
    JoinWaited = "a join waited for a store that stood still",
    Emptied = "the store began empty under nodes that lived on",
    FailedOver = "a copy that was behind took over",
    CutOff = "a node was cut off from the store and came back",
    Overloaded = "a send was refused since the store did not answer, then acked",
    TwoNodesInRoom = "members of one room were on different nodes",
    Expired = "the members of a killed node were gone without a word",
}
