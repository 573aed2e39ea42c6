//! Everything that decides a run.

use super::action::Step;
use super::net::Way;
use super::nodes;
use super::operator;
use super::plan::Plan;
use super::readers;
use super::schedule::{self, Mix};
use super::small_limits::SmallLimits;
use super::socketio;
use super::triggered_faults_of_readers;
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
    pub client_mutation: Option<rejoin::machine::Mutation>,
    /// A mistake that the server makes.
    #[cfg(feature = "bugs")]
    pub server_mutation: Option<rejoin_server::hub::Mutation>,
    /// A mistake that it makes as one node of several.
    #[cfg(feature = "bugs")]
    pub node_mutation: Option<rejoin_server::hub::NodeMutation>,
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
            client_mutation: None,
            #[cfg(feature = "bugs")]
            server_mutation: None,
            #[cfg(feature = "bugs")]
            node_mutation: None,
        }
    }

    /// What a seed decides.
    pub fn of_seed(seed: u64) -> Self {
        Self::of_mix(seed, Mix::Usual)
    }

    /// The same with more or less of what is aimed.
    pub fn of_mix(seed: u64, mix: Mix) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut plan = Plan::draw(&mut rng);
        if seed % 24 == 7 {
            // Some rules are about minutes.
            plan.chaos *= 3;
        }
        plan.readers = readers::plans(seed, plan.rooms);
        let mut schedule = schedule::draw(&mut rng, &plan, mix);
        schedule.extend(readers::acts(seed, &plan));
        plan.socketio = socketio::plans(seed, &plan, &schedule);
        schedule.extend(socketio::acts(seed, &plan));
        schedule.extend(triggered_faults_of_readers::acts(seed, &plan, mix));
        schedule.extend(operator::acts(seed, &plan));
        plan.limits = SmallLimits::draw(seed, &plan);
        let carried = socketio::carried(seed, &plan);
        plan.socketio.extend(carried);
        schedule.extend(socketio::carried_acts(seed, &plan));
        schedule.sort_by_key(|step| step.at);
        Self::new(seed, plan, schedule)
    }

    /// What a seed decides of a world in which the server is several nodes on one store.
    pub fn of_nodes(seed: u64, mix: Mix) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x6e6f_6465_7300_0000);
        let mut plan = Plan::draw(&mut rng);
        nodes::plan(seed, &mut plan);
        let mut schedule = schedule::draw(&mut rng, &plan, mix);
        schedule.extend(nodes::acts(seed, &plan));
        schedule.sort_by_key(|step| step.at);
        Self::new(seed, plan, schedule)
    }

    /// Plays it.
    pub fn play(&self) -> Outcome {
        self.run(false)
    }

    /// Plays it and keeps a readable record.
    pub fn play_readable(&self) -> Outcome {
        self.run(true)
    }

    fn run(&self, readable: bool) -> Outcome {
        #[cfg(feature = "bugs")]
        make_mistakes(self.client_mutation, self.server_mutation, self.node_mutation);
        let outcome = World::new(self, readable).play();
        #[cfg(feature = "bugs")]
        make_mistakes(None, None, None);
        outcome
    }
}

#[cfg(feature = "bugs")]
fn make_mistakes(
    client: Option<rejoin::machine::Mutation>,
    server: Option<rejoin_server::hub::Mutation>,
    node: Option<rejoin_server::hub::NodeMutation>,
) {
    rejoin::machine::Mutation::activate(client);
    rejoin_server::hub::Mutation::activate(server);
    rejoin_server::hub::NodeMutation::activate(node);
}
