//! Notices a model that says the same over and over, as small ones do.

/// Watches the end of a text for a block that comes again and again.
///
/// Digits count as equal, because a looping model often goes on numbering its points. A block is at most 300 characters,
/// comes at least five times, and the repeats make at least 200 characters: rules and table borders are shorter.
#[derive(Debug, Default)]
pub(super) struct Stutter {
    tail: Vec<char>,
}

const LONGEST_BLOCK: usize = 300;
const TIMES: usize = 5;
const LEAST: usize = 200;

impl Stutter {
    /// Takes more of the text; true when its end repeats itself.
    pub fn hears(&mut self, text: &str) -> bool {
        self.tail.extend(text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }));
        let keep = LONGEST_BLOCK * TIMES;
        if self.tail.len() > 2 * keep {
            self.tail.drain(..self.tail.len() - keep);
        }
        (1..=LONGEST_BLOCK).any(|block| self.repeats(block))
    }

    /// Whether the last stretch has this period: each character equals the one a block before.
    fn repeats(&self, block: usize) -> bool {
        let stretch = (block * TIMES).max(LEAST);
        let Some(from) = self.tail.len().checked_sub(stretch) else { return false };
        let end = &self.tail[from..];
        // From the end: most lengths fail at the first comparison.
        (block..stretch).rev().all(|i| end[i] == end[i - block])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many characters it is noticed, if at all.
    fn heard(text: &str) -> Option<usize> {
        let mut stutter = Stutter::default();
        text.chars().position(|c| stutter.hears(c.encode_utf8(&mut [0; 4])))
    }

    #[test]
    fn loops_are_noticed_soon_with_numbers_running_on_or_not() {
        let sentence = "Check the connection pool of the order matcher.\n";
        assert!(heard(&sentence.repeat(20)).unwrap() < sentence.len() * 6);
        let numbered: String =
            (10..60).map(|i| format!("{i}. Check the connection pool of the order matcher.\n")).collect();
        assert!(heard(&numbered).is_some());
        assert!(heard(&"a".repeat(400)).is_some());
        assert!(heard(&format!("All was well. {}", "no ".repeat(300))).is_some());
    }

    #[test]
    fn ordinary_answers_are_not() {
        let answer = "SUMMARY: The matcher waited for its pool [E4].\nCAUSES:\n1. Pool exhausted [E5], 2.0s of 2.9s.\n2. Late \
                      messages [E6], 400ms.\n3. A slow disk, without evidence.\nRECOMMENDATIONS:\n1. Raise the pool.\n2. Look \
                      at the queue.\n3. Watch the disk.\nCONFIDENCE: medium, two facts agree.\n";
        assert_eq!(heard(answer), None);
        assert_eq!(heard(&format!("{}\n{}\n", "-".repeat(120), "=".repeat(120))), None);
        assert_eq!(heard(&"Check it. ".repeat(4)), None, "four times is emphasis");
    }
}
