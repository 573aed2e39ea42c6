//! Reads the modules of a crate from its files: the paths that each names in `use` lines and in its code. Resolves nothing.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A module, as the path of its names below the root of its crate.
pub(crate) type Module = Vec<String>;

/// A path that a module names, and the name that a `use` line gives to it (none for a path in code).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) alias: Option<String>,
}

/// The modules of a crate with what they name. Modules for tests are left out.
pub(crate) fn read(src: &Path) -> BTreeMap<Module, Vec<Named>> {
    let mut found = BTreeMap::new();
    for root in ["lib.rs", "main.rs"] {
        if src.join(root).exists() {
            file(src, &src.join(root), &Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one file as the module `module`, then the files of the modules that it declares. They lie in `folder`.
fn file(folder: &Path, path: &Path, module: &Module, found: &mut BTreeMap<Module, Vec<Named>>) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut scan = Scan::default();
    scan.items(tokens);
    found.entry(module.clone()).or_default().extend(scan.named);
    for name in scan.declared {
        let flat = folder.join(format!("{name}.rs"));
        let nested = folder.join(&name).join("mod.rs");
        let path = if flat.exists() { flat } else { nested };
        let mut child = module.clone();
        child.push(name.clone());
        file(&folder.join(&name), &path, &child, found);
    }
}

#[derive(Default)]
struct Scan {
    declared: Vec<String>,
    named: Vec<Named>,
}

impl Scan {
    fn items(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut is_test = false;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => {
                    let is_attribute = group.delimiter() == Delimiter::Bracket
                        && at >= 2
                        && is_punct(tokens.get(at - 2), '#');
                    if is_attribute {
                        is_test |= group.stream().to_string().replace(' ', "").starts_with("cfg(test)");
                    } else {
                        if !is_test {
                            self.items(group.stream());
                        }
                        is_test &= group.delimiter() != Delimiter::Brace;
                    }
                }
                TokenTree::Ident(ident) if ident == "mod" && is_punct(tokens.get(at + 1), ';') => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at).filter(|_| !is_test) {
                        self.declared.push(name.to_string());
                    }
                }
                TokenTree::Ident(ident) if ident == "use" => {
                    let end = (at..tokens.len()).find(|end| is_punct(tokens.get(*end), ';'));
                    let end = end.unwrap_or(tokens.len());
                    if !is_test {
                        self.tree(&[], tokens.get(at..end).unwrap_or_default());
                    }
                    at = end;
                }
                TokenTree::Ident(ident) if ["crate", "super", "self"].iter().any(|root| ident == root) => {
                    let (path, next) = path(&tokens, at - 1);
                    if path.len() > 1 && !is_test {
                        self.named.push(Named { path, alias: None });
                    }
                    at = next;
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => is_test = false,
                _ => {}
            }
        }
    }

    /// One tree of a `use` line: names, `::`, braces, `*`, `as`.
    fn tree(&mut self, prefix: &[String], tokens: &[TokenTree]) {
        for part in tokens.split(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ',')) {
            let mut path = prefix.to_vec();
            let mut alias = None;
            let mut renames = false;
            let mut is_group = false;
            for token in part {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => renames = true,
                    TokenTree::Ident(ident) if renames => alias = Some(ident.to_string()),
                    // `use a::{self}` names `a`.
                    TokenTree::Ident(ident) if ident == "self" && !path.is_empty() => {}
                    TokenTree::Ident(ident) => path.push(ident.to_string()),
                    TokenTree::Punct(sign) if sign.as_char() == '*' => path.push("*".to_owned()),
                    TokenTree::Group(group) => {
                        is_group = true;
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.tree(&path, &inner);
                    }
                    _ => {}
                }
            }
            if !is_group && !path.is_empty() {
                let alias = alias.or_else(|| path.last().cloned());
                self.named.push(Named { path, alias });
            }
        }
    }
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// The names joined by `::` from `at` on, and where they end.
fn path(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        names.push(ident.to_string());
        at += 1;
        if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
            break;
        }
        at += 2;
    }
    (names, at)
}

#[test]
fn what_a_source_names_is_read_and_tests_are_left_out() {
    let text =
        "use crate::a::{B, c::{self, D as E}}; #[cfg(test)] mod tests; mod real; fn f() { super::g::h(); }
        #[cfg(test)] mod inline { use crate::hidden::X; }";
    let mut scan = Scan::default();
    scan.items(text.parse().unwrap());
    let paths: Vec<String> = scan.named.iter().map(|named| named.path.join("::")).collect();
    assert_eq!(paths, ["crate::a::B", "crate::a::c", "crate::a::c::D", "super::g::h"]);
    assert_eq!(scan.declared, ["real"]);
}
