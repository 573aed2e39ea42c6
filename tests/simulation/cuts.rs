//! A recorded conversation, cut at every byte.

use harness::sim::{Action, Plan, SECOND, Setup, Step, Way};

/// Two people talk, leave, come back and say more.
fn conversation() -> Setup {
    let send =
        |client, count| Action::Send { client, room: 0, count, padding: 0, data: client == 1, timeout: None };
    let acts = [
        send(0, 1),
        send(1, 1),
        send(0, 3),
        Action::Signal { client: 1, room: 0, count: 1 },
        Action::AskPresence { client: 0, room: 0 },
        send(1, 2),
        Action::Leave { client: 0, room: 0 },
        send(1, 1),
        Action::Join { client: 0, room: 0, history: Some(2), own_position: false },
        Action::Notify { client: 0, count: 1 },
        send(0, 2),
        send(1, 1),
    ];
    let schedule = (1..).zip(acts).map(|(n, act)| Step { at: n * SECOND / 4, act }).collect();
    let mut plan = Plan::calm(2);
    plan.chaos = 6 * SECOND;
    for client in plan.clients.iter_mut().take(1) {
        client.personal = true;
    }
    Setup::new(7, plan, schedule)
}

fn cut_at_every_byte(way: Way) {
    let whole = conversation().play();
    assert!(whole.violations.is_empty(), "{:#?}", whole.violations);
    let carried = if way == Way::Up { whole.carried.0 } else { whole.carried.1 };
    assert!(carried > 1000, "the conversation is too short to be worth cutting: {carried} bytes");
    for byte in 0..carried {
        let setup = Setup { cut: Some((way, byte)), ..conversation() };
        if !setup.play().violations.is_empty() {
            super::fail(&setup, &format!("the cut at byte {byte} of {way:?}"));
        }
    }
    println!("cut at each of {carried} bytes {way:?}");
}

#[test]
fn a_conversation_cut_at_any_byte_up_is_put_together_again() {
    cut_at_every_byte(Way::Up);
}

#[test]
fn a_conversation_cut_at_any_byte_down_is_put_together_again() {
    cut_at_every_byte(Way::Down);
}
