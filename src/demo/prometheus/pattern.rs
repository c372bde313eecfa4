//! The part of RE2 that label matchers use: literals, `.`, classes, groups, `|`, `*`, `+`, `?`; anchored at both ends.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Vec<Piece>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    atom: Atom,
    least: u8,
    many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Any,
    Literal(char),
    Class { ranges: Vec<(char, char)>, negated: bool },
    Group(Pattern),
}

/// A pattern nested deeper is refused rather than followed.
const DEEPEST: usize = 20;

impl Pattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest: Vec<char> = text.chars().rev().collect();
        let pattern = Self::alternatives(&mut rest, 0)?;
        rest.is_empty().then_some(pattern)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.step(&text, &mut <[char]>::is_empty)
    }

    /// `rest` is reversed: its end is what comes next.
    fn alternatives(rest: &mut Vec<char>, depth: usize) -> Option<Self> {
        let mut alternatives = vec![Vec::new()];
        while let Some(c) = rest.pop() {
            let atom = match c {
                ')' => {
                    rest.push(c);
                    break;
                }
                '|' => {
                    alternatives.push(Vec::new());
                    continue;
                }
                '(' if depth < DEEPEST => {
                    if rest.ends_with(&[':', '?']) {
                        rest.truncate(rest.len() - 2);
                    }
                    let group = Self::alternatives(rest, depth + 1)?;
                    (rest.pop() == Some(')')).then_some(Atom::Group(group))?
                }
                '[' => Self::class(rest)?,
                '.' => Atom::Any,
                '\\' => Atom::Literal(rest.pop().filter(|c| !c.is_ascii_alphanumeric())?),
                '^' | '$' => continue,
                '(' | '*' | '+' | '?' | '{' => return None,
                c => Atom::Literal(c),
            };
            let (least, many) = match rest.last() {
                Some('*') => (0, true),
                Some('+') => (1, true),
                Some('?') => (0, false),
                _ => (1, false),
            };
            if many || least == 0 {
                rest.pop();
            }
            alternatives.last_mut()?.push(Piece { atom, least, many });
        }
        Some(Self(alternatives))
    }

    fn class(rest: &mut Vec<char>) -> Option<Atom> {
        let negated = rest.last() == Some(&'^');
        if negated {
            rest.pop();
        }
        let mut ranges = Vec::new();
        loop {
            let from = match rest.pop()? {
                ']' if !ranges.is_empty() => return Some(Atom::Class { ranges, negated }),
                '\\' => rest.pop()?,
                c => c,
            };
            let mut to = from;
            if rest.last() == Some(&'-') && rest.iter().rev().nth(1) != Some(&']') {
                rest.pop();
                to = rest.pop()?;
            }
            ranges.push((from, to));
        }
    }

    /// Whether some way through the pattern leaves a rest that `then` accepts.
    fn step(&self, text: &[char], then: &mut dyn FnMut(&[char]) -> bool) -> bool {
        self.0.iter().any(|pieces| Self::sequence(pieces, text, then))
    }

    fn sequence(pieces: &[Piece], text: &[char], then: &mut dyn FnMut(&[char]) -> bool) -> bool {
        let Some((piece, after)) = pieces.split_first() else { return then(text) };
        if piece.least == 0 && Self::sequence(after, text, then) {
            return true;
        }
        piece.atom.step(text, &mut |rest| {
            if Self::sequence(after, rest, then) {
                return true;
            }
            // Once more, if that got anywhere.
            let again = [Piece { atom: piece.atom.clone(), least: 1, many: true }];
            piece.many
                && rest.len() < text.len()
                && Self::sequence(&again, rest, &mut |rest| Self::sequence(after, rest, then))
        })
    }
}

impl Atom {
    fn step(&self, text: &[char], then: &mut dyn FnMut(&[char]) -> bool) -> bool {
        let one = |accepted: bool, then: &mut dyn FnMut(&[char]) -> bool| accepted && then(&text[1..]);
        match (self, text.first()) {
            (Self::Group(pattern), _) => pattern.step(text, then),
            (_, None) => false,
            (Self::Any, Some(_)) => one(true, then),
            (Self::Literal(wanted), Some(c)) => one(wanted == c, then),
            (Self::Class { ranges, negated }, Some(c)) => {
                one(ranges.iter().any(|(from, to)| (from..=to).contains(&c)) != *negated, then)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_matches_whole_values_as_re2_does() {
        for (pattern, yes, no) in [
            ("5..", vec!["500", "504"], vec!["50", "5000", "200"]),
            ("a|bc|", vec!["a", "bc", ""], vec!["ab", "c"]),
            ("api-.*", vec!["api-", "api-gateway"], vec!["xapi-"]),
            (".+", vec!["x", "xyz"], vec![""]),
            (
                "(traces_)?(calls(_total)?|latency)",
                vec!["calls", "traces_calls_total", "latency"],
                vec!["traces_", "calls_"],
            ),
            ("a\\.b", vec!["a.b"], vec!["axb"]),
            ("[2-4][^0]x?", vec!["21", "49x"], vec!["20", "11", "2"]),
            ("(ab)*c", vec!["c", "ababc"], vec!["abac"]),
            ("^http_.*_count$", vec!["http_x_count"], vec!["http_count"]),
        ] {
            let pattern = Pattern::parse(pattern).unwrap_or_else(|| panic!("{pattern}"));
            for text in yes {
                assert!(pattern.matches(text), "{pattern:?} {text}");
            }
            for text in no {
                assert!(!pattern.matches(text), "{pattern:?} {text}");
            }
        }
        for bad in ["(", "a)", "*", "a**", "[", "\\d", "x{2}"] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }
}
