//! `rejoin pipe`: JSON lines for programs.
//!
//! One loop owns all state. It reads events and input only while its output is being written, so a slow reader of stdout stops the
//! input, and the library's bounded queue absorbs the rest. If the reader has gone, pending sends are still completed, and the
//! exit status reports their outcome.

mod bad_line;
mod events;
mod execute;
mod in_flight;
mod input;
mod leaves;
mod misspelt_fields;
mod namespaces;
pub(crate) mod output;
mod phase;
mod refs;
mod restored_outcomes;

use crate::args::PipeArgs;
use crate::commits::Commits;
use crate::describe;
use crate::error::{Exit, Failure, eprint_line};
use crate::hints::Hints;
use crate::idle_timeout::IdleNotice;
use crate::lines::{self, Line};
use crate::settings::{Sources, named};
use crate::signals::{Signal, Signals};
use crate::stdout_writer::{StdoutWriter, WriteFailure};
use crate::termination::Termination;
use crate::token_notices::TokenNotices;
use in_flight::InFlight;
use leaves::Leaves;
use misspelt_fields::MisspeltField;
use namespaces::Namespaces;
use output::JoinAnswers;
use phase::Phase;
use refs::Refs;
use rejoin::{Cause, Client, Events, Mode, State};
use restored_outcomes::RestoredOutcomes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Bytes to print at which nothing more is read.
const MOST_UNPRINTED: usize = 64 << 10;
/// After the connection has failed for good, lines are still answered while another one comes within this time: whoever
/// wrote them learns that nothing came of them.
const NEXT_LINE: Duration = Duration::from_millis(500);
/// For how long lines are answered in all after the connection has ended.
const LAST_LINES: Duration = Duration::from_secs(5);
/// After the end, a line that is in the pipe already comes within this time.
const LATE_LINE: Duration = Duration::from_millis(50);
/// Time for the outcomes of a pipe that is interrupted.
const LAST_OUTCOMES: Duration = Duration::from_secs(1);

pub(crate) async fn run(arguments: &PipeArgs, mut signals: Signals) -> Result<Exit, Failure> {
    let (url, connection) = named(arguments.url.as_deref(), &arguments.connection);
    let sources = Sources::read(&connection)?;
    let url = sources.require_url(url)?;
    let mut settings = sources.at(url).settings(&arguments.rooms).await?;
    settings.keep_in(arguments.state.state.as_ref());
    settings.record_in(&arguments.record);
    settings.manual_commit = true;
    settings.frames = arguments.frames;
    settings.token_notices = Some(TokenNotices::default());
    if arguments.manual_acks {
        let Some(server) = settings.socket_io.as_mut().filter(|_| arguments.frames) else {
            return Err(Failure::usage("frames", "--manual-acks is for the events of a Socket.IO server")
                .hint("add --protocol socketio and --frames, or leave it out"));
        };
        server.manual_acks = true;
    }
    let (client, events) = settings.connect()?;
    let namespaces = Namespaces::open(&client, &settings)?;
    let refs = settings.state.is_some().then(|| Refs::of_file(client.stored_user()));
    let stdout = StdoutWriter::stdout();
    let mut pipe = Pipe {
        client,
        events,
        namespaces,
        input: Some(lines::stdin()),
        lines: VecDeque::new(),
        flight: InFlight::default(),
        joins: BTreeMap::new(),
        leaves: Leaves::default(),
        join_answers: JoinAnswers::default(),
        unanswered: settings.rooms.iter().cloned().collect(),
        slips: BTreeSet::new(),
        commits: settings.state.is_some().then(Commits::default),
        refs,
        earlier: None,
        unprinted: None,
        has_begun: false,
        has_ended: false,
        state: State::Connecting,
        lost: None,
        connected_at: None,
        unproven_since: None,
        has_sent: false,
        mode: None,
        namespace: settings.socket_io.as_ref().map(|server| server.namespace.as_str().to_owned()),
        idle_notice: IdleNotice::default(),
        token_notices: settings.token_notices.clone().unwrap_or_default(),
        advice: Some(settings.hints("pipe")),
        printed: Vec::new(),
        phase: Phase::Open,
        termination: Termination::new(),
        interrupted: None,
        exit: Exit::Success,
        drain_timeout: Duration::from_secs(arguments.drain_timeout.into()),
        linger: Duration::from_secs(arguments.linger.into()),
        closed_by: None,
    };
    if pipe.run(&stdout, &mut signals).await == End::Abandoned {
        return Ok(Exit::Interrupted);
    }
    tokio::select! {
        biased;
        result = stdout.finish() => pipe.unprinted = pipe.unprinted.or(result.err()),
        () = signals.interrupted() => return Ok(Exit::Interrupted),
        () = sleep_until(pipe.interrupted), if pipe.interrupted.is_some() => return Ok(Exit::Interrupted),
    }
    if let Some(count) = describe::unreadable(&pipe.client) {
        eprint_line(&count);
    }
    match pipe.unprinted.and_then(Failure::write_failed) {
        Some(failure) => Err(Failure { exit: failure.exit.max(pipe.exit), ..failure }),
        None => Ok(pipe.exit),
    }
}

/// A line that asks for a room, and waits for its answer.
#[derive(Debug)]
struct AskedJoin {
    reference: String,
    /// We are in the room: where the server says more of it, that comes at once, and elsewhere this is all.
    is_member: bool,
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything has been told.
    Done,
    /// Interrupted, and what was left could not be told in time.
    Abandoned,
}

struct Pipe {
    client: Client,
    events: Events,
    /// The namespaces beside the first.
    namespaces: Namespaces,
    input: Option<mpsc::Receiver<Vec<Line>>>,
    /// Lines read and not acted upon, because too many sends are under way.
    lines: VecDeque<Line>,
    flight: InFlight,
    /// The last join of each room that has a `ref`.
    joins: BTreeMap<String, AskedJoin>,
    leaves: Leaves,
    join_answers: JoinAnswers,
    /// The rooms of `-r` that the server has said nothing about yet.
    unanswered: BTreeSet<String>,
    /// Misspelt fields that have been told.
    slips: BTreeSet<MisspeltField>,
    /// With a state file: how far the reader has come.
    commits: Option<Commits>,
    /// With a state file: what became of the sends that have a `ref`.
    refs: Option<Refs>,
    /// What earlier runs left, until it is known whether they were the same user's.
    earlier: Option<RestoredOutcomes>,
    /// Why nothing can be printed any more.
    unprinted: Option<WriteFailure>,
    /// The first state has come; what an earlier run left comes before it.
    has_begun: bool,
    /// The connection is closing or has failed: what resolves from here on resolves because of that.
    has_ended: bool,
    state: State,
    /// Why the connection was lost last.
    lost: Option<Cause>,
    /// When the connection was opened.
    connected_at: Option<Instant>,
    /// When a connection that has been sent something and has not answered yet was opened.
    unproven_since: Option<Instant>,
    has_sent: bool,
    /// What the last connection could promise.
    mode: Option<Mode>,
    /// The first one of a Socket.IO server.
    namespace: Option<String>,
    idle_notice: IdleNotice,
    token_notices: TokenNotices,
    /// What to say when the server is none of the expected kind; `None` once that is said.
    advice: Option<Hints>,
    printed: Vec<u8>,
    phase: Phase,
    termination: Termination,
    /// Until when an interrupted pipe may still tell outcomes.
    interrupted: Option<Instant>,
    exit: Exit,
    drain_timeout: Duration,
    linger: Duration,
    /// The line that has closed the connection: those behind it are told that nothing comes of them.
    closed_by: Option<u64>,
}

impl Pipe {
    async fn run(&mut self, stdout: &StdoutWriter, signals: &mut Signals) -> End {
        // For how long lines behind the one that closes are answered after the end.
        let mut late_until = Instant::now();
        loop {
            self.take_lines();
            if self.unprinted.is_some() {
                // It stays unread: with a state file the next run tells it.
                self.printed.clear();
                self.commits = None;
            }
            self.move_on();
            let unprinted = !self.printed.is_empty();
            let keeps_up = self.printed.len() < MOST_UNPRINTED;
            if self.phase == Phase::Ended && !unprinted {
                self.input = self.input.take().filter(|_| self.is_closed() && Instant::now() < late_until);
                match timeout(LATE_LINE, next_lines(&mut self.input)).await {
                    Ok(Some(late)) => self.lines.extend(late),
                    _ => return End::Done,
                }
                continue;
            }
            if self.phase != Phase::Ended {
                late_until = Instant::now() + LAST_LINES;
            }
            let awaited = self.commits.as_ref().and_then(Commits::pending_chunk);
            let listens = keeps_up
                && match self.phase {
                    Phase::Ended | Phase::Flushing(_) => false,
                    // The events are over, but for the outcomes of what is given still.
                    Phase::Failed(_) => {
                        self.input.is_none() || !self.flight.is_empty() || !self.namespaces.have_ended()
                    }
                    _ => true,
                };
            let deadline = match self.phase {
                Phase::Draining(at) | Phase::Settling(at) | Phase::Lingering(at) => {
                    Some(self.termination.limit(at))
                }
                Phase::Failed(end) if self.input.is_some() => Some(end.min(Instant::now() + NEXT_LINE)),
                _ => None,
            };
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Interrupt if self.interrupted.is_some() => return End::Abandoned,
                    Signal::Interrupt => self.interrupt(),
                    Signal::Terminate => self.terminate(),
                },
                result = stdout.write(&mut self.printed), if unprinted => match result {
                    Ok(chunk) => {
                        if let Some(commits) = &mut self.commits {
                            commits.chunk_written(chunk);
                        }
                    }
                    Err(why) => self.output_failed(why),
                },
                result = stdout.flushed(awaited.unwrap_or_default()), if awaited.is_some() => match result {
                    Ok(through) => {
                        if let Some(commits) = &mut self.commits {
                            commits.flushed_to(&self.client, through);
                        }
                    }
                    Err(why) => self.output_failed(why),
                },
                why = stdout.failed(), if self.unprinted.is_none() => self.output_failed(why),
                batch = self.events.next_batch(), if listens && !self.namespaces.first_is_over => {
                    self.take_events(&batch);
                }
                batch = self.namespaces.next(), if listens => self.take_events_in(batch),
                batch = next_lines(&mut self.input), if keeps_up && self.lines.is_empty() => match batch {
                    Some(batch) => self.lines.extend(batch),
                    None => self.input = None,
                },
                () = sleep_until(deadline), if deadline.is_some() => self.deadline_passed(),
                () = sleep_until(self.interrupted), if self.interrupted.is_some() => return End::Abandoned,
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.closed_by.is_some()
    }

    /// SIGTERM: what has been read is still dealt with.
    fn terminate(&mut self) {
        self.termination.request();
        self.stop_reading();
        if let Phase::Lingering(_) = self.phase {
            self.close(false);
        }
    }

    /// Ctrl-C: the end of it all, with an outcome for each send that had none.
    fn interrupt(&mut self) {
        self.exit = Exit::Interrupted;
        self.interrupted = Some(Instant::now() + LAST_OUTCOMES);
        self.stop_reading();
        if !matches!(self.phase, Phase::Failed(_) | Phase::Flushing(_) | Phase::Closing(_) | Phase::Ended) {
            self.close(false);
        }
    }

    /// Takes no more lines than those that have been read.
    fn stop_reading(&mut self) {
        let Some(mut input) = self.input.take() else { return };
        input.close();
        while let Ok(batch) = input.try_recv() {
            self.lines.extend(batch);
        }
    }

    fn output_failed(&mut self, why: WriteFailure) {
        if let WriteFailure::Failed(_) = why {
            // What has been taken is sent; nothing more is taken from who would not learn what becomes of it.
            self.input = None;
        }
        self.unprinted = Some(why);
        if let Phase::Lingering(_) = self.phase {
            self.close(false);
        }
    }
}

/// The next lines of input; never ready once it has ended.
async fn next_lines(input: &mut Option<mpsc::Receiver<Vec<Line>>>) -> Option<Vec<Line>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
