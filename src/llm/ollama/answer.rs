//! From chunks to text that may be shown.

use crate::domain::text::clean_lines;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes the model's text piece by piece and gives back what is an answer: without what stands between `<think>` and
/// `</think>` (old servers leave it in the text), without blanks at its beginning, clean.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The beginning of a mark may be all that has come of it.
    held: String,
    thinking: bool,
    /// Whether the model thought, in whatever form it came.
    pub thought: bool,
    started: bool,
    /// Pieces of text that were given out.
    pub tokens: u64,
}

impl Answer {
    /// What a piece adds; empty when nothing yet.
    pub fn take(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let mut out = String::new();
        loop {
            let close = self.held.find(CLOSE);
            let open = self.held.find(OPEN);
            if self.thinking {
                let Some(end) = close else {
                    let keep = held_back(&self.held);
                    self.held.drain(..self.held.len() - keep);
                    break;
                };
                self.held.drain(..end + CLOSE.len());
                self.thinking = false;
            } else {
                // A closing mark alone: the template had opened it. The mark at least is not shown.
                let (at, mark) = match (open, close) {
                    (Some(open), Some(close)) if close < open => (close, CLOSE),
                    (Some(open), _) => (open, OPEN),
                    (None, Some(close)) => (close, CLOSE),
                    (None, None) => {
                        let free = self.held.len() - held_back(&self.held);
                        out.extend(self.held.drain(..free));
                        break;
                    }
                };
                out.push_str(&self.held[..at]);
                self.held.drain(..at + mark.len());
                self.thinking = mark == OPEN;
                self.thought = true;
            }
        }
        self.give(&out)
    }

    /// What was held back and turned out to be text after all.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if self.thinking { String::new() } else { self.give(&held) }
    }

    fn give(&mut self, text: &str) -> String {
        let mut text = clean_lines(text);
        if !self.started {
            text = text.trim_start().to_owned();
            self.started = !text.is_empty();
        }
        self.tokens += u64::from(!text.is_empty());
        text
    }
}

/// How many bytes at the end may be the beginning of a mark.
fn held_back(text: &str) -> usize {
    (1..CLOSE.len())
        .rev()
        .find(|&n| {
            let start =
                |mark: &str| mark.get(..n).is_some_and(|start| start.len() < mark.len() && text.ends_with(start));
            start(OPEN) || start(CLOSE)
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pieces: &[&str]) -> (String, bool) {
        let mut answer = Answer::default();
        let mut text: String = pieces.iter().map(|piece| answer.take(piece)).collect();
        text.push_str(&answer.finish());
        (text, answer.thought)
    }

    #[test]
    fn thinking_is_not_an_answer_wherever_it_is_cut() {
        let whole = "\n<think>is it a<b?\nyes</think>\n\nThe pool, 1 < 2 </th> é<";
        for cut in 0..=whole.len() {
            if whole.is_char_boundary(cut) {
                assert_eq!(answer(&[&whole[..cut], &whole[cut..]]), ("The pool, 1 < 2 </th> é<".to_owned(), true));
            }
        }
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        assert_eq!(answer(&letters.iter().map(String::as_str).collect::<Vec<_>>()).0, "The pool, 1 < 2 </th> é<");
    }

    #[test]
    fn unclosed_thinking_says_nothing_and_a_lone_end_is_dropped() {
        assert_eq!(answer(&["<think>for ever"]), (String::new(), true));
        assert_eq!(answer(&["so</think> it is"]), ("so it is".to_owned(), true));
    }

    #[test]
    fn nothing_a_terminal_obeys_comes_out() {
        assert_eq!(answer(&["  a\u{1b}[2J\r\nb", "\u{7}"]), ("a[2J\nb".to_owned(), false));
    }
}
