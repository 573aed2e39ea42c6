//! The graph of modules that use each other. A module and the modules inside it are one unit seen from outside: a child may use what its parent
//! defines, and the parent its children. Beside each other they must not form a circle.

use crate::source::{Module, Named};
use std::collections::{BTreeMap, BTreeSet};

/// A re-export of a re-export of one more: longer chains are mistakes.
const LONGEST_CHAIN: usize = 8;

/// Who uses whom among the children of one module, with the names.
type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

pub(crate) struct Graph {
    modules: BTreeSet<Module>,
    /// By the parent whose children they are.
    uses: BTreeMap<Module, Uses>,
}

impl Graph {
    pub(crate) fn new(sources: &BTreeMap<Module, Vec<Named>>) -> Self {
        let mut graph = Self { modules: sources.keys().cloned().collect(), uses: BTreeMap::new() };
        for (module, named) in sources {
            for one in named {
                if let Some((target, name)) = resolve(sources, module, &one.path, 0) {
                    graph.add(module, &target, &name);
                }
            }
        }
        graph
    }

    /// Notes a use where the two paths part. Above and below each other they are one unit.
    fn add(&mut self, from: &Module, to: &Module, name: &str) {
        let shared = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        if let (Some(below_from), Some(below_to)) = (from.get(shared), to.get(shared)) {
            let parent = from.iter().take(shared).cloned().collect();
            let neighbours = self.uses.entry(parent).or_default();
            let text = format!("{} names {name}", from.join("::"));
            let uses = neighbours.entry(below_from.clone()).or_default();
            uses.entry(below_to.clone()).or_default().insert(text);
        }
    }

    /// The modules right below `parent`; below the root for an empty one.
    pub(crate) fn below(&self, parent: &[String]) -> BTreeSet<String> {
        let inner = self.modules.iter().filter_map(|module| module.strip_prefix(parent));
        inner.filter_map(|rest| rest.first().cloned()).collect()
    }

    /// The uses among the modules right below `parent`: who, whom, what.
    pub(crate) fn uses_below(&self, parent: &[String]) -> Vec<(String, String, String)> {
        let uses = self.uses.get(parent);
        let all = uses.into_iter().flatten().flat_map(|(user, used)| {
            used.iter().map(|(used, names)| {
                (user.clone(), used.clone(), names.iter().cloned().collect::<Vec<_>>().join(", "))
            })
        });
        all.collect()
    }

    /// Each set of modules that reach each other: their parent, and their uses in words.
    pub(crate) fn circles(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (parent, uses) in &self.uses {
            let mut left: BTreeSet<&String> = uses.keys().collect();
            while let Some(first) = left.pop_first() {
                let forward = reached(uses, first);
                let circle: BTreeSet<&String> =
                    forward.iter().filter(|other| reached(uses, other).contains(first)).copied().collect();
                if circle.is_empty() {
                    continue;
                }
                left.retain(|name| !circle.contains(name));
                let edges = circle.iter().flat_map(|user| {
                    let used = uses.get(*user).into_iter().flatten();
                    used.filter(|(used, _)| circle.contains(used)).map(move |(used, names)| {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        format!("    {user} uses {used}: {}", names.join(", "))
                    })
                });
                let edges: Vec<String> = edges.collect();
                found.push((parent.join("::"), edges.join("\n")));
            }
        }
        found
    }
}

/// What can be reached from `start` by one use or more.
fn reached<'uses>(uses: &'uses Uses, start: &str) -> BTreeSet<&'uses String> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(one) = open.pop() {
        for next in uses.get(one).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

/// The module that defines what `path` names in `module`, and its name there. `use` lines on the way are followed.
fn resolve(
    sources: &BTreeMap<Module, Vec<Named>>,
    module: &Module,
    path: &[String],
    depth: usize,
) -> Option<(Module, String)> {
    let (first, mut rest) = path.split_first()?;
    let mut at: Module = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => {
            let mut above = module.clone();
            above.pop();
            while let Some(("super", further)) = rest.split_first().map(|(name, more)| (name.as_str(), more))
            {
                above.pop();
                rest = further;
            }
            above
        }
        _ => {
            let child: Module = module.iter().chain([first]).cloned().collect();
            if !sources.contains_key(&child) {
                return None;
            }
            child
        }
    };
    while let Some((next, further)) = rest.split_first() {
        let child: Module = at.iter().chain([next]).cloned().collect();
        if !sources.contains_key(&child) {
            break;
        }
        at = child;
        rest = further;
    }
    let Some(name) = rest.first() else {
        return Some((at, "it".to_owned()));
    };
    if depth < LONGEST_CHAIN {
        let exports = sources.get(&at).into_iter().flatten();
        for export in exports.filter(|export| export.alias.as_deref() == Some(name)) {
            let is_itself = export.path.as_slice() == path && at == *module;
            let found = (!is_itself).then(|| resolve(sources, &at, &export.path, depth + 1)).flatten();
            if found.is_some() {
                return found;
            }
        }
    }
    Some((at, name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(modules: &[(&str, &[&str])]) -> Graph {
        let split = |path: &str| -> Vec<String> {
            path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let sources = modules.iter().map(|(module, uses)| {
            let named = uses.iter().map(|path| {
                let path = split(path);
                Named { alias: path.last().cloned(), path }
            });
            (split(module), named.collect())
        });
        Graph::new(&sources.collect())
    }

    #[test]
    fn a_circle_of_neighbours_is_found_through_a_re_export() {
        let found = graph(&[
            ("", &["b::Thing"]),
            ("a", &["crate::Thing"]),
            ("b", &[]),
            ("b::inner", &["crate::a::Other"]),
        ])
        .circles();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|(_, circle)| circle.contains("a uses b") && circle.contains("b uses a")));
    }

    #[test]
    fn a_child_may_use_what_its_parent_defines() {
        let found = graph(&[("", &[]), ("a", &["child::Part"]), ("a::child", &["super::Whole"])]).circles();
        assert!(found.is_empty(), "{found:?}");
    }
}
