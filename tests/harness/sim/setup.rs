//! Everything that decides a run.

use super::act::Step;
use super::net::Way;
use super::plan::Plan;
use super::schedule;
use super::world::{Outcome, World};
use fastrand::Rng;

/// A run, before it is played. Playing it twice gives the same.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where everything not decided here comes from.
    pub seed: u64,
    /// What holds for the whole run.
    pub plan: Plan,
    /// What happens and when.
    pub schedule: Vec<Step>,
    /// The first connection is cut at this byte of this direction.
    pub cut: Option<(Way, u64)>,
    /// A mistake that the clients make.
    #[cfg(feature = "bugs")]
    pub client_bug: Option<rejoin::Bug>,
    /// A mistake that the server makes.
    #[cfg(feature = "bugs")]
    pub server_bug: Option<rejoin_server::hub::Bug>,
}

impl Setup {
    /// A run of a plan and a schedule.
    pub fn new(seed: u64, plan: Plan, schedule: Vec<Step>) -> Self {
        Self {
            seed,
            plan,
            schedule,
            cut: None,
            #[cfg(feature = "bugs")]
            client_bug: None,
            #[cfg(feature = "bugs")]
            server_bug: None,
        }
    }

    /// What a seed decides.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
        let schedule = schedule::draw(&mut rng, &plan);
        Self::new(seed, plan, schedule)
    }

    /// Plays it.
    pub fn play(&self) -> Outcome {
        World::new(self, false).play()
    }

    /// Plays it and keeps a readable record.
    pub fn play_readable(&self) -> Outcome {
        World::new(self, true).play()
    }
}
