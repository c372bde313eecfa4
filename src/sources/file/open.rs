//! A file as a stream of text, unpacked if it is packed. What it is packed with is told by its first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::FileError;

/// An opened file, and how to call it.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: Box<dyn Read + Send>,
}

const BUFFER: usize = 1 << 17;
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Begin files that are packed in a way that is not read here.
const FOREIGN: [(&[u8], &str); 4] =
    [(b"BZh", "bzip2"), (b"\xfd7zX", "xz"), (b"PK\x03\x04", "zip"), (b"\x04\x22\x4d\x18", "lz4")];

pub(super) fn open(path: &Path) -> Result<Source, FileError> {
    let (name, mut raw): (String, Box<dyn Read + Send>) = if path == Path::new("-") {
        ("standard input".to_owned(), Box::new(io::stdin()))
    } else {
        let file = File::open(path).map_err(|error| FileError::not_opened(path, &error))?;
        (path.display().to_string(), Box::new(file))
    };
    let mut head = Vec::new();
    raw.by_ref().take(4).read_to_end(&mut head).map_err(|error| FileError::not_read(&name, 0, &error))?;
    if let Some((_, packer)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(FileError::whole(
            &name,
            &format!("packed with {packer}"),
            "unpack it, or pack it with gzip or zstd",
        ));
    }
    Ok(Source { name, text: unpacked(head, raw) })
}

fn unpacked(head: Vec<u8>, rest: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    let gzip = head.starts_with(GZIP);
    let zstd = head == ZSTD || is_skippable(&head);
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(rest));
    match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(Zstd { source: whole, frame: FrameDecoder::new(), inside: false }),
        _ => Box::new(whole),
    }
}

/// Frames with anybody's data; parallel packers begin with one.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// Every frame of a zstd stream, one after another, each checked against its checksum where it has one.
struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    /// A frame was begun and not yet read to its end.
    inside: bool,
}

impl<R: BufRead> Zstd<R> {
    /// Begins the next frame; false at the end of the stream.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }

    fn check(&self) -> io::Result<()> {
        let (stored, found) = (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum());
        if stored.is_some() && stored != found {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum does not match"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside {
                self.inside = self.begin()?;
                if !self.inside {
                    return Ok(0);
                }
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let blocks = BlockDecodingStrategy::UptoBlocks(1);
                self.frame.decode_blocks(&mut self.source, blocks).map_err(damaged)?;
            }
            let read = self.frame.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.check()?;
            self.inside = false;
        }
    }
}

/// Damaged, or cut off: the decoder wraps what the source said.
fn damaged(error: FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return io.kind().into();
        }
        cause = inner.source();
    }
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
