//! Each page that a source file names is in the repository, and has the section that is named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Made by builds, or somebody else's.
const LEFT_OUT: [&str; 5] = ["target", "node_modules", "dist", "pkg", ".git"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) || entry.file_type().unwrap().is_symlink() {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What `text` names: each page, with its section if one follows.
fn named(text: &str) -> Vec<(String, Option<String>)> {
    let is_name = |sign: &char| sign.is_ascii_alphanumeric() || "-_".contains(*sign);
    let pages = text.match_indices(".md").filter_map(|(at, _)| {
        let name: String = text[..at].chars().rev().take_while(is_name).collect();
        let rest = &text[at + 3..];
        let section = rest.strip_prefix(" §").map(|rest| {
            let section: String =
                rest.chars().take_while(|sign| sign.is_ascii_digit() || *sign == '.').collect();
            section.trim_end_matches('.').to_owned()
        });
        let goes_on = rest.chars().next().is_some_and(|sign| is_name(&sign));
        let name: String = name.chars().rev().collect();
        (!name.is_empty() && !goes_on).then(|| (format!("{name}.md"), section))
    });
    pages.collect()
}

#[test]
fn each_page_that_a_source_names_is_here_and_has_its_section() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    files(root, &mut all);
    let extension =
        |path: &Path| path.extension().and_then(|ext| ext.to_str()).unwrap_or_default().to_owned();
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for path in all.iter().filter(|path| extension(path) == "md") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        pages.entry(name).or_default().push_str(&fs::read_to_string(path).unwrap());
    }
    let sources = ["rs", "ts", "js", "mjs", "toml", "css", "html"];
    let mut missing = Vec::new();
    for path in all.iter().filter(|path| sources.contains(&&*extension(path))) {
        for (name, section) in named(&fs::read_to_string(path).unwrap()) {
            let heading = section.as_ref().map(|section| format!("# {section}"));
            let there = pages.get(&name).is_some_and(|page| {
                heading.is_none_or(|heading| {
                    page.lines().any(|line| {
                        let rest =
                            line.split_once(&heading).filter(|(before, _)| before.chars().all(|c| c == '#'));
                        rest.is_some_and(|(_, after)| after.starts_with([' ', '.']))
                    })
                })
            });
            if !there {
                missing.push(format!("{}: {name} {}", path.display(), section.unwrap_or_default()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
