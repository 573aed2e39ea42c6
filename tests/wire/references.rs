//! Pages, links and names of files in pages and comments: each target is in the repository, with the section that is named.

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

/// The targets of a page's links, `[text](target)`, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut in_code = false;
    let prose = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    });
    let targets = prose.flat_map(|line| {
        line.match_indices("](").filter_map(|(at, _)| Some(line[at + 2..].split_once(')')?.0.to_owned()))
    });
    targets.filter(|target| !target.contains("://")).collect()
}

/// The name under which a heading is linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let kept: String =
        heading.chars().filter(|sign| sign.is_alphanumeric() || "-_ ".contains(*sign)).collect();
    kept.replace(' ', "-")
}

#[test]
fn each_link_of_a_page_leads_to_a_file_and_to_a_section_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    files(root, &mut all);
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in all.iter().filter(|path| path.extension().is_some_and(|ext| ext == "md")) {
        for link in links(&fs::read_to_string(page).unwrap()) {
            seen += 1;
            let (path, section) = link.split_once('#').map_or((&*link, None), |(path, at)| (path, Some(at)));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let has_section = |section| {
                let text = fs::read_to_string(&target).unwrap_or_default();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                headings.any(|line| anchor(line.trim_start_matches('#').trim()) == section)
            };
            if !target.exists() || !section.is_none_or(has_section) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(seen > 30, "only {seen} links were found");
}

/// The names of source files that a text has in backticks.
fn file_names(text: &str) -> Vec<&str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted
        .filter(|name| {
            let is_path = name.chars().all(|sign| sign.is_ascii_alphanumeric() || "_-./".contains(sign));
            let is_source = [".rs", ".ts", ".mjs", ".lua"].iter().any(|end| name.ends_with(end));
            // A bare ending is no name.
            is_path && is_source && !name.starts_with('.')
        })
        .collect()
}

#[test]
fn each_source_file_that_a_page_or_a_comment_names_is_here() {
    /// Made by the build of the npm package.
    const GENERATED: &str = "/codes.ts";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    files(root, &mut all);
    let texts: Vec<String> = all.iter().map(|path| format!("/{}", path.display())).collect();
    let mut missing = Vec::new();
    let mut seen = 0;
    for path in &all {
        let is_text =
            path.extension().is_some_and(|ext| ["md", "rs", "ts", "mjs"].iter().any(|one| ext == *one));
        // What a changelog names may be gone.
        if !is_text || path.ends_with("CHANGELOG.md") {
            continue;
        }
        for name in file_names(&fs::read_to_string(path).unwrap()) {
            seen += 1;
            let ending = format!("/{name}");
            if !ending.ends_with(GENERATED) && !texts.iter().any(|text| text.ends_with(&ending)) {
                missing.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 30, "only {seen} names were found");
}
