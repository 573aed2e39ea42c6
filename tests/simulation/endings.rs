//! The end of a run: everybody is given something to find out what was kept from them.

use harness::sim::{Action, Forgotten, Plan, SECOND, Setup, Step};

#[test]
fn what_a_server_forgot_to_say_is_found_out_from_an_outbox_of_one_place_over_a_slow_line() {
    let mut plan = Plan::calm(1);
    plan.rooms = 2;
    plan.outbox = 1;
    plan.latency = (3 * SECOND, 3 * SECOND);
    plan.chaos = 90 * SECOND;
    let acts = [
        (1, Action::Join { client: 0, room: 0, history: None, own_position: false }),
        (1, Action::Join { client: 0, room: 1, history: None, own_position: false }),
        (30, Action::Forget { client: 0, what: Forgotten::Message, count: 1 }),
        (30, Action::Send { client: 0, room: 1, count: 1, padding: 0, data: false, timeout: None }),
    ];
    let schedule = acts.into_iter().map(|(at, act)| Step { at: at * SECOND, act }).collect();
    let setup = Setup::new(1, plan, schedule);
    let outcome = setup.play();
    assert_eq!(outcome.violations, [""; 0]);
    assert_eq!(outcome.messages, 5, "one, and two probes in each of two rooms");
}
