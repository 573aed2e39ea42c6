//! Tokens that end while the connection goes on.

use super::*;

fn world(expires_ms: u64) -> World {
    let mut world = World::new(|_| {});
    let expires = Some(Timestamp::from_millis(expires_ms));
    world.handle(Input::Connected { conn: ADA, user: Name::from("ada"), extended: true, expires });
    world
}

fn authenticated(world: &mut World, user: Option<&str>, expires_ms: u64) -> Vec<Output> {
    let asked = world.say(ADA, r#"{"type":"auth","ref":"a","token":"next"}"#);
    let reference: rejoin::Id = "a".parse().unwrap();
    assert_eq!(
        asked,
        [Output::Authenticate { conn: ADA, reference: reference.clone(), token: "next".into() }]
    );
    assert!(!format!("{asked:?}").contains("next"));
    let expires = Some(Timestamp::from_millis(expires_ms));
    world.handle(Input::Authenticated { conn: ADA, reference, user: user.map(Name::from), expires })
}

/// Ticks until the connection is closed, answering pings.
fn until_closed(world: &mut World) -> Vec<(u64, Output)> {
    let mut seen = Vec::new();
    while world.hub.connections() > 0 {
        let outputs = world.tick();
        world.handle(Input::Activity { conn: ADA });
        let news = outputs.into_iter().filter(|output| !matches!(output, Output::Ping { .. }));
        seen.extend(news.map(|output| (world.ms, output)));
    }
    seen
}

#[test]
fn the_end_of_a_token_is_told_a_minute_before_and_closes_with_4002() {
    let mut world = world(300_000);
    let warning = sent(ADA, r#"{"type":"auth_expiring","inMs":60000}"#);
    let end = closed(ADA, 4002, "Token expired").remove(0);
    assert_eq!(until_closed(&mut world), [(240_000, warning), (300_000, end)]);
}

#[test]
fn a_short_token_is_told_at_half_its_time() {
    let mut world = world(10_000);
    let warning = sent(ADA, r#"{"type":"auth_expiring","inMs":5000}"#);
    let end = closed(ADA, 4002, "Token expired").remove(0);
    assert_eq!(until_closed(&mut world), [(5_000, warning), (10_000, end)]);
}

#[test]
fn a_plain_connection_is_closed_without_a_warning_it_would_not_know() {
    let mut world = World::new(|_| {});
    let expires = Some(Timestamp::from_millis(10_000));
    world.handle(Input::Connected { conn: ADA, user: Name::from("ada"), extended: false, expires });
    assert_eq!(until_closed(&mut world), [(10_000, closed(ADA, 4002, "Token expired").remove(0))]);
}

#[test]
fn a_new_token_takes_the_place_of_the_old_one() {
    let mut world = world(10_000);
    world.ms = 1_000;
    let ok = sent(ADA, r#"{"type":"auth_ok","ref":"a","expiresInMs":19000}"#);
    assert_eq!(authenticated(&mut world, Some("ada"), 20_000), [ok]);
    let warning = sent(ADA, r#"{"type":"auth_expiring","inMs":9500}"#);
    let end = closed(ADA, 4002, "Token expired").remove(0);
    assert_eq!(until_closed(&mut world), [(10_500, warning), (20_000, end)]);
}

#[test]
fn a_token_of_another_user_closes_with_4002() {
    let mut world = world(10_000);
    let end = closed(ADA, 4002, "Token of another user");
    assert_eq!(authenticated(&mut world, Some("bob"), 20_000), end);
    world.rests();
}

#[test]
fn a_token_of_nobody_is_refused_twice_and_then_ends_the_connection() {
    let mut world = world(10_000);
    let refused =
        r#"{"type":"error","ref":"a","code":"forbidden","retry":false,"message":"the token is nobody's"}"#;
    for _ in 0..2 {
        assert_eq!(authenticated(&mut world, None, 0), [sent(ADA, refused)]);
    }
    assert_eq!(authenticated(&mut world, None, 0), closed(ADA, 4001, "Unauthorized"));
}
