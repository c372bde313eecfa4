//! A file's text in pieces that can be read apart, and all cores reading them in the file's order.

use std::io::Read;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::FileError;
use super::error::{Fault, Origin};
use super::open::Source;

/// A stretch of a file's text that ends where a value ends.
#[derive(Debug)]
pub(super) struct Piece {
    text: Vec<u8>,
    /// The number of its first line in the file, from 1.
    line: u64,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Every line that is not blank is one value.
    Lines,
    /// Values go over several lines; the piece is the whole text.
    Document,
}

/// Pieces of lines are about this long: large beside what handing one over costs, small beside a file.
const PIECE: usize = 1 << 20;
/// One value may not be longer: it is held in memory, and a packed file may be a thousand times larger than it looks.
const LONGEST_VALUE: usize = 1 << 30;
/// More threads than this would wait for the one that unpacks.
const MOST_THREADS: usize = 8;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A piece to read, and where its result is waited for.
type Job<T> = (Piece, SyncSender<Result<T, FileError>>);
/// Results in the file's order: each piece's once it is read, or why the file gave no more pieces.
type Turn<T> = Result<Receiver<Result<T, FileError>>, FileError>;

/// Reads every piece of the source with `read`, on all cores, and gives the results to `take` in the file's order.
/// The first error in that order ends it; what stood before it was taken.
pub(super) fn in_order<T: Send>(
    source: Source,
    read: &(dyn Fn(&Piece, &str) -> Result<T, FileError> + Sync),
    take: &mut dyn FnMut(T),
) -> Result<(), FileError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let name = source.name.clone();
    let (jobs_in, jobs) = sync_channel(threads);
    let (turns_in, turns) = sync_channel(2 * threads);
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        scope.spawn(move || cut(Cutter::new(source), &jobs_in, &turns_in));
        for _ in 0..threads {
            scope.spawn(|| work(&jobs, &name, read));
        }
        for turn in turns {
            // A worker that left no answer has panicked, and the scope passes that on.
            let Ok(done) = turn?.recv() else { break };
            take(done?);
        }
        Ok(())
    })
}

/// Cuts until the text ends or nobody wants more.
fn cut<T>(mut cutter: Cutter, jobs: &SyncSender<Job<T>>, turns: &SyncSender<Turn<T>>) {
    while let Some(piece) = cutter.next().transpose() {
        let wanted = match piece {
            Ok(piece) => {
                let (answer, awaited) = sync_channel(1);
                turns.send(Ok(awaited)).is_ok() && jobs.send((piece, answer)).is_ok()
            }
            Err(error) => {
                _ = turns.send(Err(error));
                false
            }
        };
        if !wanted {
            return;
        }
    }
}

fn work<T>(jobs: &Mutex<Receiver<Job<T>>>, name: &str, read: &(dyn Fn(&Piece, &str) -> Result<T, FileError> + Sync)) {
    let next = || jobs.lock().ok()?.recv().ok();
    while let Some((piece, answer)) = next() {
        // Nobody waits after an error further up.
        _ = answer.send(read(&piece, name));
    }
}

struct Cutter {
    source: Source,
    /// Text that was read and not cut off yet.
    rest: Vec<u8>,
    /// Lines that were cut off.
    lines: u64,
    /// The form is told by the first line, with the first piece.
    begun: bool,
    ended: bool,
}

impl Cutter {
    fn new(source: Source) -> Self {
        Self { source, rest: Vec::new(), lines: 0, begun: false, ended: false }
    }

    fn next(&mut self) -> Result<Option<Piece>, FileError> {
        let form = if self.begun { Form::Lines } else { self.begin()? };
        if form == Form::Document {
            while !self.ended {
                self.read_more()?;
            }
        }
        let cut = self.cut_after(form)?;
        if cut == 0 {
            return Ok(None);
        }
        let rest = self.rest.split_off(cut);
        let text = std::mem::replace(&mut self.rest, rest);
        let line = self.lines + 1;
        self.lines += line_breaks(&text);
        Ok(Some(Piece { text, line, form }))
    }

    /// Reads up to the end of the first line with something on it, and tells the form by it: a line that is no whole
    /// value is the beginning of a longer one.
    fn begin(&mut self) -> Result<Form, FileError> {
        self.begun = true;
        self.read_more()?;
        if self.rest.starts_with(BYTE_ORDER_MARK) {
            self.rest.drain(..BYTE_ORDER_MARK.len());
        }
        let mut searched = 0;
        loop {
            let start = self.rest.iter().position(|byte| !byte.is_ascii_whitespace());
            let from = start.unwrap_or(self.rest.len()).max(searched);
            let end = self.rest.iter().skip(from).position(|byte| *byte == b'\n').map(|end| from + end);
            if let (Some(start), Some(end)) = (start, end) {
                let line = self.rest.get(start..end).unwrap_or_default();
                let incomplete = serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof());
                return Ok(if incomplete { Form::Document } else { Form::Lines });
            }
            if self.ended {
                return Ok(Form::Lines);
            }
            searched = self.rest.len();
            self.read_more()?;
        }
    }

    /// How much of the rest is a piece; 0 at the end of the text.
    fn cut_after(&mut self, form: Form) -> Result<usize, FileError> {
        let mut searched = 0;
        loop {
            if self.ended || form == Form::Document {
                return Ok(self.rest.len());
            }
            let new = self.rest.get(searched..).unwrap_or_default();
            if let Some(last) = new.iter().rposition(|byte| *byte == b'\n') {
                return Ok(searched + last + 1);
            }
            searched = self.rest.len();
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), FileError> {
        if self.rest.len() > LONGEST_VALUE {
            let what = format!("a value is longer than {} MB", LONGEST_VALUE >> 20);
            let advice = "write one trace or one series a line, as `jq -c '.data[]'` does";
            return Err(FileError::at(&self.source.name, (self.lines + 1, 1), &what, advice));
        }
        let read = self.source.text.by_ref().take(PIECE as u64).read_to_end(&mut self.rest);
        let read = read.map_err(|error| FileError::not_read(&self.source.name, self.lines, &error))?;
        self.ended |= read < PIECE;
        Ok(())
    }
}

fn line_breaks(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Piece {
    /// Gives each value's text to `read`, in order, up to the first fault.
    pub(super) fn each_value(
        &self,
        name: &str,
        mut read: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), FileError> {
        match self.form {
            Form::Lines => {
                for (line, text) in (self.line..).zip(self.text.split(|byte| *byte == b'\n')) {
                    if !text.trim_ascii().is_empty() {
                        read(text).map_err(|fault| fault.at(name, Origin { line, before: 0 }))?;
                    }
                }
                Ok(())
            }
            Form::Document => self.each_of_document(name, read),
        }
    }

    fn each_of_document(&self, name: &str, mut read: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), FileError> {
        let whole = Origin { line: self.line, before: 0 };
        let mut values = serde_json::Deserializer::from_slice(&self.text).into_iter::<&RawValue>();
        let mut place = Walk { text: &self.text, at: 0, origin: whole };
        while let Some(value) = values.next() {
            let value = value.map_err(|error| Fault::Json(error).at(name, whole))?;
            let text = value.get().as_bytes();
            // A value's text ends where the next one's blanks begin.
            place.go_to(values.byte_offset().saturating_sub(text.len()));
            read(text).map_err(|fault| fault.at(name, place.origin))?;
        }
        Ok(())
    }
}

/// Counts lines on the way through a text.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    origin: Origin,
}

impl Walk<'_> {
    fn go_to(&mut self, to: usize) {
        let passed = self.text.get(self.at..to).unwrap_or_default();
        self.origin.line += line_breaks(passed);
        let last_line = passed.iter().rev().take_while(|byte| **byte != b'\n').count();
        self.origin.before = if last_line == passed.len() { self.origin.before } else { 0 } + last_line as u64;
        self.at = to;
    }
}
