//! Why a model gave no answer, or not all of it.

use std::fmt;

/// `Display` is one sentence: what happened and what to do. Texts from the server in it are clean, short, and hold no
/// secret of ours; the address is shown without user name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LlmError {
    /// The configured address is none.
    Address {
        written: String,
        why: String,
    },
    /// The HTTP client could not be built.
    Client {
        why: String,
    },
    /// Nobody answers at the address.
    Absent {
        url: String,
        why: String,
    },
    /// Something answers that is not Ollama.
    NotOllama {
        url: String,
        what: String,
    },
    /// 403: the server does not accept the name it was called by.
    HostRefused {
        url: String,
    },
    /// 401: a model that runs in somebody's cloud.
    Unauthorized {
        model: String,
    },
    ModelMissing {
        model: String,
    },
    /// 503 or 429: too many requests wait.
    Busy {
        said: String,
    },
    /// 500: the model could not be loaded or stopped.
    ModelFailed {
        model: String,
        said: String,
    },
    /// The prompt does not fit into the context: the caller may shorten it and ask again.
    PromptTooLong {
        said: String,
    },
    /// Any other refusal.
    Refused {
        status: u16,
        said: String,
    },
    NoFirstToken {
        after_s: u64,
    },
    /// Tokens came, then nothing for too long.
    Silent {
        after_s: u64,
        tokens: u64,
    },
    /// The connection ended before the answer did.
    Cut {
        tokens: u64,
        why: String,
    },
    /// The server reported an error in the middle of the answer.
    BrokeOff {
        tokens: u64,
        said: String,
    },
    /// A line longer than any answer has.
    LineTooLong {
        megabytes: usize,
    },
    /// The answer ended without a word; `thought` when the model only thought.
    Empty {
        model: String,
        thought: bool,
    },
    /// The model said the same over and over and was stopped.
    Repeated {
        tokens: u64,
    },
}

impl LlmError {
    /// A few words for a header.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Self::Absent { why, .. } => why.clone(),
            Self::NotOllama { .. } => "not Ollama".to_owned(),
            Self::HostRefused { .. } => "403 host refused".to_owned(),
            Self::Unauthorized { .. } => "401 unauthorized".to_owned(),
            Self::ModelMissing { .. } => "model missing".to_owned(),
            Self::Busy { .. } => "busy".to_owned(),
            Self::Refused { status, .. } => status.to_string(),
            Self::Address { .. } | Self::Client { .. } => "bad address".to_owned(),
            _ => "failing".to_owned(),
        }
    }

    /// Whether the same request may succeed a moment later. Only true of errors that come before the first token.
    #[must_use]
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Cut { tokens: 0, .. } | Self::Refused { status: 502 | 504, .. })
    }
}

impl fmt::Display for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { written, why } => {
                write!(f, "ollama.url {written:?} is no address ({why}); write for example http://127.0.0.1:11434")
            }
            Self::Client { why } => write!(f, "the HTTP client for Ollama could not be made: {why}; check ollama.url"),
            Self::Absent { url, why } => write!(
                f,
                "no Ollama server answers at {url} ({why}); start it with `ollama serve`, or set ollama.url to where it runs"
            ),
            Self::NotOllama { url, what } => {
                write!(f, "what answers at {url} is not Ollama ({what}); set ollama.url to the server's own address")
            }
            Self::HostRefused { url } => write!(
                f,
                "Ollama refuses to be called by the name in {url} (403); call it as 127.0.0.1 or localhost, or set \
                 OLLAMA_HOST=0.0.0.0 where it runs"
            ),
            Self::Unauthorized { model } => {
                write!(
                    f,
                    "the server wants a sign-in for {model} (401); run `ollama signin` there, or set a local ollama.model"
                )
            }
            Self::ModelMissing { model } => write!(
                f,
                "the model {model} is not on the Ollama server; run `ollama pull {model}` there, or set ollama.model to one \
                 that is"
            ),
            Self::Busy { said } => {
                write!(f, "the Ollama server is busy{}; try again in a moment", quoted(said))
            }
            Self::ModelFailed { model, said } => write!(
                f,
                "the server could not run {model}{}; free memory there, lower ollama.num_ctx, or set a smaller ollama.model",
                quoted(said)
            ),
            Self::PromptTooLong { said } => {
                write!(f, "the prompt does not fit into the model's context{}; raise ollama.num_ctx", quoted(said))
            }
            Self::Refused { status, said } => {
                write!(f, "the Ollama server refused the request with {status}{}; see its log", quoted(said))
            }
            Self::NoFirstToken { after_s } => write!(
                f,
                "no token came within {after_s} s; the model may still be loading: try again, or raise ollama.first_token_s"
            ),
            Self::Silent { after_s, tokens } => write!(
                f,
                "nothing came for {after_s} s after {tokens} tokens; what came is kept, try again or raise ollama.idle_s"
            ),
            Self::Cut { tokens: 0, why } => {
                write!(f, "the connection to Ollama was cut before the first token ({why}); try again")
            }
            Self::Cut { tokens, why } => {
                write!(f, "the stream was cut after {tokens} tokens ({why}); what came is kept, a tries again")
            }
            Self::BrokeOff { tokens, said } => {
                write!(f, "the model broke off after {tokens} tokens{}; what came is kept, a tries again", quoted(said))
            }
            Self::LineTooLong { megabytes } => {
                write!(
                    f,
                    "the server sent a line of more than {megabytes} MB; check that ollama.url is an Ollama server"
                )
            }
            Self::Empty { model, thought: true } => write!(
                f,
                "{model} used all its tokens for thinking; raise ollama.num_predict, or set ollama.model to one that does not think"
            ),
            Self::Empty { model, thought: false } => {
                write!(f, "{model} answered nothing; try again, or set another ollama.model")
            }
            Self::Repeated { tokens } => write!(
                f,
                "the model repeated itself and was stopped after {tokens} tokens; what came is kept, try again or raise \
                 ollama.repeat_penalty"
            ),
        }
    }
}

impl std::error::Error for LlmError {}

/// What the server said, in brackets, if it said anything.
fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}
