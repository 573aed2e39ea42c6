//! The structure of the source tree: which module may use which. Reads sources, runs none of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod graph;
mod source;

use graph::Graph;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate with modules of its own.
const CRATES: [&str; 4] = ["client-core", "client-cli", "client-wasm", "server-mock"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn graph_of(name: &str) -> Graph {
    Graph::new(&source::read(&repository().join(name).join("src")))
}

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for name in CRATES {
        for (parent, circle) in graph_of(name).circles() {
            found.push(format!("{name}, in `{parent}`\n{circle}"));
        }
    }
    assert!(found.is_empty(), "modules use each other in a circle:\n{}", found.join("\n"));
}

/// The layers that `architecture.md` lists, the lowest first: in a block of code whose first line is `layers of CRATE`, or
/// `layers of CRATE::MODULE` for those inside a module.
fn layers(page: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut found: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("layers of ") {
            current = Some(name.trim().to_owned());
        } else if line.starts_with("```") {
            current = None;
        } else if let Some(name) = &current {
            let modules = line.split_whitespace().map(str::to_owned).collect();
            found.entry(name.clone()).or_default().push(modules);
        }
    }
    found
}

/// What is wrong with the layers of the modules right below `parent`.
fn mistakes(name: &str, graph: &Graph, parent: &[String], lines: &[Vec<String>]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let modules = graph.below(parent);
    let level = |module: &str| lines.iter().position(|line| line.iter().any(|one| one == module));
    for module in &modules {
        let count = lines.iter().flatten().filter(|one| *one == module).count();
        if count != 1 {
            mistakes.push(format!("{name}: `{module}` is in {count} layers of architecture.md, not in one"));
        }
    }
    for line in lines.iter().flatten().filter(|line| !modules.contains(*line)) {
        mistakes.push(format!("{name}: architecture.md lists `{line}`, which is no module"));
    }
    for (user, used, names) in graph.uses_below(parent) {
        if level(&user) < level(&used) {
            mistakes.push(format!("{name}: `{user}` uses `{used}` ({names}), which is a higher layer"));
        }
    }
    mistakes
}

#[test]
fn each_module_uses_only_its_own_layer_and_lower_ones() {
    let page = fs::read_to_string(repository().join("client-core/docs/architecture.md")).unwrap();
    let mut layers = layers(&page);
    for name in CRATES {
        layers.entry(name.to_owned()).or_default();
    }
    let found = layers.iter().flat_map(|(name, lines)| {
        let mut path = name.split("::").map(str::to_owned);
        let graph = graph_of(&path.next().unwrap());
        mistakes(name, &graph, &path.collect::<Vec<_>>(), lines)
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
