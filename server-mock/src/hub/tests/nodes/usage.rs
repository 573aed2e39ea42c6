//! The limits of a user hold for all nodes together.

use super::*;
use crate::hub::Limit;
use crate::hub::shared::{Consumption, UsageReport};
use std::time::Duration;

/// The reports among what the hub asks.
fn reports(outputs: &[Output]) -> Vec<UsageReport> {
    let reports = asked(outputs).into_iter().filter_map(|request| match request {
        StoreRequest::ReportUsage(report) => Some(report.clone()),
        _ => None,
    });
    reports.collect()
}

fn usage(remote_connections: u32, sends_milli: u64, joins_milli: u64) -> StoreNotice {
    StoreNotice::Usage { user: Name::from("ada"), remote_connections, sends_milli, joins_milli }
}

/// Ada is in `lobby`, whose messages she may send at 2 a second; that has been reported.
fn limited() -> World {
    let mut world = World::node(|config| config.rate = Some(2.0));
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    world.after(100);
    world
}

/// Whether the next send is let through.
fn sends(world: &mut World) -> bool {
    let outputs = world.frame(
        ADA,
        &json!({
            "type": "send_message", "roomId": "lobby", "content": "x", "ref": "s",
        }),
    );
    matches!(appends(&outputs).as_slice(), [(_, Decision::Append(_))])
}

#[test]
fn what_a_user_has_used_is_reported_once_a_batch() {
    let mut world = limited();
    assert!(sends(&mut world) && sends(&mut world));
    let [report] = &*reports(&world.after(100)) else { panic!("one report") };
    assert_eq!((&*report.user, report.connections, report.sends.used), ("ada", 1, 2));
    assert_eq!(report.sends, Consumption { used: 2, refill_milli: 2_000 });
    assert_eq!(report.joins.used, 0, "the join was reported before");
    assert_eq!(reports(&world.after(1_000)), [], "nothing has changed");
}

#[test]
fn connections_are_reported_again_before_they_expire() {
    let mut world = limited();
    let again = reports(&world.after(30_000));
    assert!(again.iter().all(|report| (report.connections, report.sends.used) == (1, 0)), "{again:?}");
    assert!(!again.is_empty() && again[0].expires_in >= Duration::from_secs(60), "before it expires");
    world.hang_up(ADA);
    assert_eq!(reports(&world.after(100))[0].connections, 0);
}

#[test]
fn without_a_rate_only_connections_are_reported() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let [report] = &*reports(&world.after(100)) else { panic!("one report") };
    assert_eq!((report.connections, report.sends), (1, Consumption::default()));
}

#[test]
fn what_is_sent_on_other_nodes_is_taken_from_the_users_limit_here() {
    let mut world = limited();
    world.notice(usage(0, 3_000, 0));
    assert!(sends(&mut world), "one of the burst of four is left");
    assert!(!sends(&mut world));
    world.after(500);
    assert!(sends(&mut world), "the limit fills as before");
}

#[test]
fn what_was_sent_since_the_report_is_not_given_back_by_its_answer() {
    let mut world = limited();
    for _ in 0..4 {
        assert!(sends(&mut world));
    }
    world.notice(usage(0, 0, 0));
    assert!(!sends(&mut world));
}

#[test]
fn much_more_used_elsewhere_delays_a_user_by_two_bursts_at_most() {
    let mut world = limited();
    world.notice(usage(0, u64::MAX, u64::MAX));
    assert!(!sends(&mut world));
    world.after(2_500);
    assert!(sends(&mut world));
}

#[test]
fn one_connection_too_many_on_all_nodes_is_closed_and_the_earlier_ones_stay() {
    let mut world = World::node(|config| config.sockets_per_user = 3);
    world.extend(ADA, "ada");
    world.after(100);
    assert_eq!(world.notice(usage(2, 0, 0)), [], "three of three");
    world.extend(BOB, "ada");
    world.after(100);
    let closed = |conn| Output::Close { conn, code: 4011, reason: "Too many connections" };
    assert_eq!(world.notice(usage(2, 0, 0)), [closed(BOB)]);
    assert_eq!(world.hub.refusal_counts().get(Limit::ConnectionsOfUser), 1);
    assert_eq!(world.notice(usage(3, 0, 0)), [], "what is opened elsewhere is judged there");
    assert_eq!(world.hub.connections(), 1);
}

#[test]
fn many_users_are_reported_in_turn() {
    let mut world = World::node(|_| {});
    for number in 0..250 {
        world.extend(ConnId(10 + number), &format!("user{number:03}"));
    }
    let (first, second) = (reports(&world.after(100)), reports(&world.after(100)));
    // The one who changes again does not come before those who wait.
    world.extend(ConnId(9), "user000");
    let third = reports(&world.after(100));
    let names =
        |reports: &[UsageReport]| -> Vec<_> { reports.iter().map(|one| one.user.to_string()).collect() };
    assert_eq!((first.len(), second.len(), third.len()), (100, 100, 51));
    let all: std::collections::BTreeSet<_> =
        [&*first, &*second, &*third].into_iter().flat_map(names).collect();
    assert_eq!(all.len(), 250);
    assert_eq!(third.last().map(|one| &*one.user), Some("user000"));
}
