//! `rejoin conformance`: runs the specification's examples against a server and prints a table. Owns the order of the checks. Uses
//! none of the client, only raw connections, so that it tests the server alone.

mod checks;
mod deviation;
mod extended;
mod extended_sends;
mod peer;
mod plain;
mod report;

use crate::args::ConformanceArgs;
use crate::error::{Exit, Failure};
use crate::signals::Signals;
use checks::{Check, Kit};
use deviation::Deviation;
use report::Report;
use std::time::Duration;

/// The longest that one check may take, whatever the server does.
const CHECK: Duration = Duration::from_secs(60);

pub(crate) async fn run(arguments: &ConformanceArgs, mut signals: Signals) -> Result<Exit, Failure> {
    let kit = Kit::new(arguments)?;
    let mut report = Report::new(arguments.json);
    tokio::select! {
        biased;
        // Nothing has been begun that would have to be finished.
        _ = signals.next() => Ok(Exit::Interrupted),
        outcome = examine(&kit, &mut report) => {
            outcome?;
            let all_passed = report.finish()?;
            Ok(if all_passed { Exit::Success } else { Exit::Incomplete })
        }
    }
}

async fn examine(kit: &Kit, report: &mut Report) -> Result<(), Failure> {
    kit.reach().await?;
    for check in plain::CHECKS {
        report.add(check, tried(kit, check).await);
    }
    let extended: Vec<&Check> = extended::CHECKS.iter().chain(extended_sends::CHECKS).collect();
    if !kit.is_extended().await {
        report.skip(&extended, "the server does not offer it");
        return Ok(());
    }
    for check in extended {
        report.add(check, tried(kit, check).await);
    }
    Ok(())
}

async fn tried(kit: &Kit, check: &Check) -> Result<(), Deviation> {
    match tokio::time::timeout(CHECK, (check.run)(kit)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Deviation::Failed(format!("not over after {} s", CHECK.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_names_a_section_of_the_specification() {
        let specification = include_str!("../../../client-core/docs/protocol.md");
        for Check { section, what, .. } in
            plain::CHECKS.iter().chain(extended::CHECKS).chain(extended_sends::CHECKS)
        {
            let heading = |line: &str| {
                line.trim_start_matches('#')
                    .trim()
                    .split(' ')
                    .next()
                    .map(|number| number.trim_end_matches('.'))
                    == Some(*section)
            };
            assert!(
                specification.lines().filter(|line| line.starts_with('#')).any(heading),
                "{section} {what}"
            );
        }
    }
}
