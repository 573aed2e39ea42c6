use super::*;
use crate::sim::SECOND;
use rejoin::messages::{EntryMeta, JoinReason, Joined, ProducerTag};
use rejoin::{Delivery, DeliveryStatus, Gap, GapReason, Message, SendFailure, SendId};

fn epoch() -> Id {
    Id::new("e1").unwrap()
}

fn id(seq: u64) -> Id {
    Id::new(&format!("m{seq}")).unwrap()
}

/// Number `n` of client 1 is in the log of room 0 at seq `n`.
fn log(checker: &mut Checker, head: u64) {
    let from = checker.known_head(0, &epoch()).unwrap_or(0);
    let new = (from + 1..=head).map(|seq| Stored { key: (1, seq), seq, id: id(seq), words: None });
    checker.observe(0, &epoch(), head, 1, new);
}

fn send(checker: &mut Checker, number: u64) {
    checker.sent((1, number), SendId(number), NewSend { user: 1, ..NewSend::default() });
}

fn observer() -> Checker {
    let mut checker = Checker::new(600 * SECOND, false);
    for number in 1..=9 {
        send(&mut checker, number);
    }
    checker
}

fn message(seq: u64) -> Event {
    let stamp = EntryMeta { id: id(seq), epoch: epoch(), seq, replay: false, producer: None };
    let plain = Message::plain("room0".into(), "u1".into(), format!("u1-{seq}"), String::new());
    Event::Message(plain.with_entry(Some(Box::new(stamp))))
}

fn join(checker: &mut Checker, seq: u64, replay: u64, reason: Option<JoinReason>) {
    let joined = Joined {
        reference: id(99),
        room: "room0".into(),
        epoch: epoch(),
        seq,
        replay,
        recovered: reason.is_none(),
        reason,
        members: None,
        member_count: None,
    };
    checker.joined(0, 0, &joined);
}

/// Client 0 is in room 0, whose log has three messages, and has been told the first two.
fn told_two() -> Checker {
    let mut checker = observer();
    checker.asked(0, 0, None, true);
    log(&mut checker, 0);
    join(&mut checker, 0, 0, Some(JoinReason::Fresh));
    log(&mut checker, 5);
    for seq in 1..=2 {
        checker.event(0, 0, &message(seq));
    }
    assert!(checker.violations().is_empty(), "{:?}", checker.violations());
    checker
}

fn first(checker: &Checker) -> &str {
    checker.violations().first().map_or("", String::as_str)
}

fn outcome(number: u64, status: DeliveryStatus) -> Event {
    Event::Delivery(Delivery::new(SendId(number), "room0".into(), status))
}

fn gap(after: u64, before: u64, reason: GapReason) -> Event {
    Event::Gap(Gap::new("room0".into(), Some(epoch()), Some(after), Some(before), reason))
}

#[test]
fn a_message_told_twice_or_never_appended_or_misplaced_is_found() {
    let mut checker = told_two();
    checker.event(0, 0, &message(2));
    assert!(first(&checker).starts_with("2:"), "{}", first(&checker));
    let mut checker = told_two();
    checker.event(0, 0, &message(7));
    assert!(first(&checker).starts_with("4:"), "{}", first(&checker));
    let mut checker = told_two();
    let Event::Message(mut wrong) = message(3) else { return };
    wrong.content = "u1-4".into();
    checker.event(0, 0, &Event::Message(wrong));
    assert!(first(&checker).starts_with("6:"), "{}", first(&checker));
}

#[test]
fn a_hole_is_found_unless_it_was_announced_and_is_there() {
    let mut checker = told_two();
    checker.event(0, 0, &message(4));
    assert!(first(&checker).starts_with("3:"), "{}", first(&checker));
    let mut checker = told_two();
    checker.pages_again(0, 0, 0, 2);
    checker.pages_again(0, 0, 0, 2);
    checker.event(0, 0, &gap(2, 4, GapReason::Unavailable));
    checker.event(0, 0, &message(4));
    assert_eq!(first(&checker), "");
    let mut checker = told_two();
    checker.pages_again(0, 0, 0, 2);
    checker.event(0, 0, &gap(2, 4, GapReason::Unavailable));
    assert!(first(&checker).contains("is not there"), "{}", first(&checker));
    let mut checker = told_two();
    checker.event(0, 0, &gap(2, 4, GapReason::Trimmed));
    assert!(first(&checker).contains("is not there"), "{}", first(&checker));
    let mut checker = told_two();
    checker.pages_again(0, 0, 0, 3);
    checker.pages_again(0, 0, 0, 3);
    checker.event(0, 0, &gap(3, 5, GapReason::Unavailable));
    assert!(first(&checker).contains("begins after"), "{}", first(&checker));
}

#[test]
fn a_rejoin_that_could_not_go_on_needs_a_gap() {
    let mut checker = told_two();
    join(&mut checker, 5, 1, Some(JoinReason::Trimmed));
    checker.event(0, 0, &message(5));
    assert!(first(&checker).starts_with("3:"), "{}", first(&checker));
    let mut checker = told_two();
    join(&mut checker, 5, 3, None);
    checker.event(0, 0, &message(3));
    assert_eq!(first(&checker), "");
}

#[test]
fn a_client_that_stays_behind_or_in_a_lost_suffix_is_found() {
    let mut checker = told_two();
    checker.caught_up(0, 0);
    assert!(first(&checker).starts_with("9:"), "{}", first(&checker));
    let mut checker = told_two();
    log(&mut checker, 1);
    checker.observe(
        0,
        &epoch(),
        2,
        1,
        std::iter::once(Stored { key: (1, 9), seq: 2, id: id(9), words: None }),
    );
    checker.caught_up(0, 0);
    assert!(first(&checker).starts_with("6:"), "{}", first(&checker));
}

#[test]
fn what_is_appended_twice_or_under_a_skipped_number_is_found() {
    let mut checker = observer();
    log(&mut checker, 2);
    checker.observe(
        0,
        &epoch(),
        3,
        1,
        std::iter::once(Stored { key: (1, 2), seq: 3, id: id(3), words: None }),
    );
    assert!(first(&checker).starts_with("1:"), "{}", first(&checker));
    let mut checker = observer();
    log(&mut checker, 2);
    checker.observe(
        0,
        &epoch(),
        4,
        1,
        std::iter::once(Stored { key: (1, 4), seq: 4, id: id(4), words: None }),
    );
    assert!(first(&checker).starts_with("3:"), "{}", first(&checker));
    let mut checker = observer();
    log(&mut checker, 2);
    checker.store_lost();
    log(&mut checker, 2);
    assert!(first(&checker).starts_with("2.3:"), "{}", first(&checker));
}

#[test]
fn a_send_without_or_with_two_outcomes_or_a_false_one_is_found() {
    let mut checker = Checker::new(600 * SECOND, false);
    send(&mut checker, 1);
    checker.finish();
    assert!(first(&checker).starts_with("7:"), "{}", first(&checker));
    let failed = DeliveryStatus::Failed(SendFailure::Expired);
    let mut checker = observer();
    for _ in 0..2 {
        checker.event(1, 1, &outcome(1, failed.clone()));
    }
    assert!(first(&checker).starts_with("7:"), "{}", first(&checker));
    let mut checker = observer();
    log(&mut checker, 1);
    checker.event(1, 1, &outcome(1, failed.clone()));
    assert!(first(&checker).starts_with("7:"), "{}", first(&checker));
    let mut checker = observer();
    checker.event(1, 1, &outcome(1, failed));
    log(&mut checker, 1);
    assert!(first(&checker).starts_with("7:"), "{}", first(&checker));
    let mut checker = observer();
    log(&mut checker, 2);
    checker.event(1, 1, &outcome(1, DeliveryStatus::Acked { id: id(2), seq: 2 }));
    assert!(first(&checker).starts_with("1:"), "{}", first(&checker));
}

#[test]
fn acked_sends_out_of_their_order_are_found() {
    let mut checker = observer();
    let swapped =
        [(1, 2), (2, 1)].map(|(seq, number)| Stored { key: (1, number), seq, id: id(seq), words: None });
    checker.observe(0, &epoch(), 2, 1, swapped.into_iter());
    checker.event(1, 1, &outcome(2, DeliveryStatus::Acked { id: id(1), seq: 1 }));
    checker.event(1, 1, &outcome(1, DeliveryStatus::Acked { id: id(2), seq: 2 }));
    checker.check_order();
    assert!(first(&checker).starts_with("5:"), "{}", first(&checker));
}

#[test]
fn a_number_used_for_two_sends_and_one_too_many_in_flight_are_found() {
    let line = |pseq| ProducerTag { pid: Id::new("p").unwrap(), pseq, epoch: epoch() };
    let mut checker = observer();
    checker.transmitted((1, 1), 0, true, Some(&id(1)), Some(&line(1)), 8);
    checker.transmitted((1, 2), 0, true, Some(&id(2)), Some(&line(1)), 8);
    assert!(first(&checker).starts_with("1:"), "{}", first(&checker));
    let mut checker = observer();
    for n in 1..=2 {
        checker.transmitted((1, n), 0, true, Some(&id(n)), Some(&line(n)), 1);
    }
    assert!(first(&checker).starts_with("8:"), "{}", first(&checker));
    let mut checker = observer();
    checker.transmitted((1, 1), 0, true, Some(&id(1)), Some(&line(1)), 8);
    checker.died(1, Some(&(Vec::new(), Vec::new())));
    assert!(first(&checker).starts_with("2.3:"), "{}", first(&checker));
}

#[test]
fn what_a_plain_connection_misses_is_found() {
    let plain = |number: u64| {
        let text = format!("u1-{number}");
        Event::Message(Message::plain("room0".into(), "u1".into(), text, String::new()))
    };
    let mut checker = observer();
    (1..=3).for_each(|number| checker.broadcast(0, (1, number)));
    checker.event(0, 0, &plain(1));
    checker.event(0, 0, &plain(3));
    assert!(first(&checker).starts_with("3:"), "{}", first(&checker));
    let mut checker = observer();
    (1..=3).for_each(|number| checker.broadcast(0, (1, number)));
    checker.event(0, 0, &plain(1));
    checker.event(0, 0, &Event::Gap(Gap::unknown("room0".into(), GapReason::Reconnected)));
    checker.event(0, 0, &plain(3));
    assert_eq!(first(&checker), "");
    let mut checker = observer();
    checker.plain_down(
        r#"{"type":"message","roomId":"room0","userId":"u1","content":"u1-1","timestamp":"","seq":1}"#,
    );
    assert!(first(&checker).starts_with("2:"), "{}", first(&checker));
    let mut checker = observer();
    checker.plain_up(r#"{"type":"ping","t":0}"#);
    assert!(first(&checker).starts_with("2.1:"), "{}", first(&checker));
}

#[test]
fn a_seventh_dial_a_second_socket_a_dial_after_the_end_and_a_visible_token_are_found() {
    let mut checker = observer();
    (0..7).for_each(|n| checker.dialled(1, n * SECOND, 1, 0, false));
    assert!(first(&checker).starts_with("11:"), "{}", first(&checker));
    let mut checker = observer();
    (0..7).for_each(|n| checker.dialled(1, n * 6 * SECOND, 1, 0, false));
    assert_eq!(first(&checker), "");
    checker.dialled(1, 60 * SECOND, 1, 1, true);
    assert_eq!(first(&checker), "");
    checker.dialled(1, 61 * SECOND, 1, 1, false);
    assert!(first(&checker).starts_with("12:"), "{}", first(&checker));
    let mut checker = observer();
    checker.terminal_code(1);
    checker.dialled(1, 0, 1, 0, false);
    assert!(first(&checker).starts_with("10:"), "{}", first(&checker));
    let mut checker = observer();
    checker.said(1, &format!("Token({CANARY})"));
    assert!(first(&checker).starts_with("13:"), "{}", first(&checker));
}

#[test]
fn a_count_of_attempts_that_begins_anew_without_reason_is_found() {
    let mut checker = observer();
    checker.dialled(1, 0, 3, 0, false);
    checker.lost(1, SECOND);
    checker.dialled(1, 10 * SECOND, 1, 0, false);
    assert!(first(&checker).starts_with("11:"), "{}", first(&checker));
    let mut checker = observer();
    checker.dialled(1, 0, 3, 0, false);
    checker.lost(1, 40 * SECOND);
    checker.dialled(1, 50 * SECOND, 1, 0, false);
    assert_eq!(first(&checker), "");
}

#[test]
fn a_list_that_is_not_true_and_a_member_gone_too_early_are_found() {
    let mut checker = observer();
    checker.roster(0, 0, Some(&["a".into(), "b".into()]));
    checker.roster_is(0, 0, &["a".into()].into(), 0);
    assert!(first(&checker).starts_with("15:"), "{}", first(&checker));
    let mut checker = observer();
    checker.member_lost(0, &"a".into());
    checker.now = 14 * SECOND;
    checker.member_said_gone(0, &"a".into());
    assert!(first(&checker).starts_with("15:"), "{}", first(&checker));
}

#[test]
fn the_same_said_again_and_again_is_found_and_what_goes_on_is_not() {
    let mut checker = observer();
    for after in 0..40 {
        checker.counts_history(0, 0, epoch(), after, false);
        checker.now = after * SECOND;
        checker.counts_join(0, 0, None);
    }
    assert_eq!(checker.violations(), [""; 0]);
    for _ in 0..20 {
        checker.counts_history(0, 0, epoch(), 7, false);
    }
    assert!(first(&checker).starts_with("pace"), "{}", first(&checker));
}

#[test]
fn moves_are_counted_by_the_quarter_of_their_time() {
    let mut checker = observer();
    for at in [0, 3, 7, 14, 40] {
        checker.now += 100 * SECOND;
        checker.going_away(0, checker.now, 20 * SECOND);
        checker.dialled(0, checker.now + at * SECOND, 0, 1, true);
        checker.link_restarted(0);
    }
    assert_eq!((checker.moves, checker.violations()), ([2, 1, 0, 1], &[][..]));
}
