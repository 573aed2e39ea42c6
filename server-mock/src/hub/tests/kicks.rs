//! Kicks, bans and removals by an operator.

use super::*;

fn kick(world: &mut World, user: &str, ban: Option<Duration>) -> (Vec<ConnId>, bool) {
    let outputs = world.handle(Input::Kick { user: Name::from(user), ban });
    let closed = outputs.iter().filter_map(|output| match output {
        Output::Close { conn, code: 4003, .. } => Some(*conn),
        _ => None,
    });
    let closed: Vec<_> = closed.collect();
    let kicked = |output: &&Output| matches!(output, Output::Kicked { .. });
    let Some(Output::Kicked { connections, banned }) = outputs.iter().find(kicked) else {
        panic!("{outputs:?}")
    };
    assert_eq!(*connections, closed.len());
    (closed, *banned)
}

fn is_closed(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Close { code: 4003, .. }))
}

#[test]
fn a_kick_closes_all_of_one_user_and_nothing_of_the_others() {
    let mut world = World::lobby(|_| {});
    world.connect(CYD, "ada");
    assert_eq!(kick(&mut world, "ada", None), (vec![ADA, CYD], true));
    assert_eq!(kick(&mut world, "ada", None), (vec![], true));
    assert_eq!(world.hub.members("lobby").map(|(conn, _)| conn).collect::<Vec<_>>(), [BOB]);
    assert!(!is_closed(&world.connect(ADA, "ada")));
}

#[test]
fn a_ban_ends_when_its_time_is_over_or_when_it_is_lifted() {
    let mut world = World::lobby(|_| {});
    assert_eq!(kick(&mut world, "ada", Some(Duration::from_secs(60))), (vec![ADA], true));
    assert!(is_closed(&world.connect(ADA, "ada")));
    let left = |world: &World| world.hub.user(world.now().monotonic, "ada").and_then(|user| user.banned);
    assert_eq!(left(&world), Some(Duration::from_secs(60)));
    world.ms += 59_999;
    assert!(is_closed(&world.connect(ADA, "ada")));
    world.ms += 1;
    assert!(!is_closed(&world.connect(ADA, "ada")));
    kick(&mut world, "ada", Some(Duration::from_secs(60)));
    kick(&mut world, "ada", Some(Duration::ZERO));
    assert_eq!(left(&world), None);
    assert!(!is_closed(&world.connect(ADA, "ada")));
}

#[test]
fn a_later_ban_takes_the_place_of_an_earlier_one() {
    let mut world = World::new(|_| {});
    kick(&mut world, "ada", Some(Duration::from_secs(60)));
    kick(&mut world, "ada", Some(Duration::from_secs(600)));
    world.ms += 61_000;
    world.handle(Input::Tick);
    assert!(is_closed(&world.connect(ADA, "ada")));
}
