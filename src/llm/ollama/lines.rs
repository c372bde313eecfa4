//! Lines out of whatever pieces the network delivers.

/// The last line of an old server's answer holds the whole conversation as numbers, hundreds of kB; nothing sensible is
/// longer than this.
pub(super) const LONGEST_LINE_MB: usize = 8;

/// Bytes in, lines out. A line may come in any number of pieces, cut anywhere, and a piece may hold many lines.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    bytes: Vec<u8>,
    /// Up to here no line break was found.
    searched: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl LineBuffer {
    pub fn push(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if self.bytes.len() + piece.len() > LONGEST_LINE_MB << 20 {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The next complete line that is not blank, without its end.
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(end) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') else {
                self.searched = self.bytes.len();
                return None;
            };
            let rest = self.bytes.split_off(self.searched + end + 1);
            let line = std::mem::replace(&mut self.bytes, rest);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Some(line.trim_ascii().to_vec());
            }
        }
    }

    /// What is left when no more comes: a last line may lack its end.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        self.searched = 0;
        let rest = std::mem::take(&mut self.bytes);
        (!rest.trim_ascii().is_empty()).then(|| rest.trim_ascii().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_wherever_the_pieces_are_cut() {
        let whole = "{\"a\":\"é漢\"}\r\n\n{\"b\":1}\n{\"c\"".as_bytes();
        for cut in 0..=whole.len() {
            for second in cut..=whole.len() {
                let mut buffer = LineBuffer::default();
                let mut lines = Vec::new();
                for piece in [&whole[..cut], &whole[cut..second], &whole[second..]] {
                    buffer.push(piece).unwrap();
                    lines.extend(std::iter::from_fn(|| buffer.next_line()));
                }
                lines.extend(buffer.rest());
                assert_eq!(lines, ["{\"a\":\"é漢\"}".as_bytes(), b"{\"b\":1}", b"{\"c\""]);
            }
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut buffer = LineBuffer::default();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..LONGEST_LINE_MB {
            buffer.push(&piece).unwrap();
            assert_eq!(buffer.next_line(), None);
        }
        assert_eq!(buffer.push(b"x"), Err(TooLong));
    }
}
