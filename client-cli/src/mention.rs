//! Finds mentions of users in sanitised text. Applies no colour.

/// A part of a line that names somebody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// It is the user.
    pub(crate) is_me: bool,
}

/// The words of a line that are `me`, with or without an `@`, or that begin with an `@`, in their order.
pub(crate) fn find(line: &str, me: Option<&str>) -> Vec<Mention> {
    let me = me.filter(|me| !me.is_empty()).map(str::to_lowercase);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let mark = usize::from(rest.starts_with('@'));
        // `^@` is how a NUL is shown, which begins no word.
        let begins_word = before.is_none_or(|c| !in_name(c) && (mark == 0 || c != '^'));
        let word = rest.get(mark..).unwrap_or_default();
        let length = if begins_word { named(word, me.as_deref()) } else { None };
        if let Some(length) = length {
            let to = at + mark + length;
            found.push(Mention { from: at, to, is_me: true });
            at = to;
        } else {
            let length = word.find(|c| !in_name(c)).unwrap_or(word.len());
            if mark == 1 && begins_word && length > 0 {
                found.push(Mention { from: at, to: at + mark + length, is_me: false });
            }
            // The whole word, or the character that is none.
            let step = mark + length;
            at += if step > 0 { step } else { rest.chars().next().map_or(1, char::len_utf8) };
        }
    }
    found
}

/// Whether the user is named in a text.
pub(crate) fn is_in(text: &str, me: Option<&str>) -> bool {
    me.is_some() && find(text, me).iter().any(|mention| mention.is_me)
}

/// The bytes of `word` that are the name, if it begins with it and ends there.
fn named(word: &str, me: Option<&str>) -> Option<usize> {
    let me = me?;
    let mut wanted = me.chars();
    let mut length = 0;
    for c in word.chars() {
        if wanted.as_str().is_empty() {
            break;
        }
        for lower in c.to_lowercase() {
            if wanted.next() != Some(lower) {
                return None;
            }
        }
        length += c.len_utf8();
    }
    let after = word.get(length..).and_then(|rest| rest.chars().next());
    (wanted.as_str().is_empty() && after.is_none_or(|c| !in_name(c))).then_some(length)
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(line: &'a str, me: &str) -> Vec<(&'a str, bool)> {
        find(line, Some(me)).into_iter().map(|found| (&line[found.from..found.to], found.is_me)).collect()
    }

    #[test]
    fn a_name_counts_as_a_whole_word_in_any_case() {
        assert_eq!(found("Ada: are you there, @ada?", "ada"), [("Ada", true), ("@ada", true)]);
        assert_eq!(found("adapters, canada, ada-2, x@ada.example", "ada"), []);
        assert_eq!(found("ÄNNE und @änne", "änne"), [("ÄNNE", true), ("@änne", true)]);
        assert_eq!(found("a b c", "a b"), [("a b", true)]);
        assert_eq!(found("nul^@inside, ^@ada, (@ada)", "ada"), [("@ada", true)]);
    }

    #[test]
    fn somebody_else_counts_with_an_at_sign() {
        assert_eq!(found("@bob and bob, @ alone, a@b", "ada"), [("@bob", false)]);
        assert!(!is_in("@bob", Some("ada")) && is_in("hi ada", Some("ada")));
        assert!(!is_in("", Some("")) && !is_in("ada", None));
    }

    #[test]
    fn nothing_is_cut_inside_a_character() {
        for line in ["🚀@部屋 ada部屋", "@", "@@ada", "İada i̇ada", ""] {
            for me in ["ada", "i̇ada", "部屋", ""] {
                for mention in find(line, Some(me)) {
                    assert!(line.get(mention.from..mention.to).is_some_and(|found| !found.is_empty()));
                }
            }
        }
    }
}
