//! Disturbances with a chosen place and strength, for measuring what is found: one operation, service or flow, one effect.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::catalogue::{Op, Service};
use super::flows::Story;

/// What an injection does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// The target's own work takes `factor` times as long on all calls.
    Slow { factor: f64 },
    /// This share of the target's calls fails, and its callers with them.
    Errors { share: f64 },
    /// `factor` times the usual visits.
    Surge { factor: f64 },
    /// The target and all it calls send nothing, and nobody waits for them.
    Silence,
    /// What fails at the target fails as often as ever, but with a message never seen before.
    NewMessage,
}

/// What an injection strikes: `all`, a service, or an operation as `service:operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(Which);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Service(Service),
    Operation(Op),
}

/// An effect on a target. As text: `slow:3:order-matcher:order.match`, where the strength may be left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Injection {
    effect: Effect,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InjectionError {
    #[error("{0:?} is no effect; write slow, errors, surge, silence or new-message before the target")]
    Effect(String),
    #[error("{what} has the strength {given}; allowed is {allowed}")]
    Strength { what: &'static str, given: String, allowed: &'static str },
    #[error(
        "{0:?} is no target; write all, a service such as order-matcher, or an operation such as order-matcher:order.match"
    )]
    Target(String),
    #[error("a surge strikes visits: write all, or where one begins, such as crypto-wallet:order.submit.client")]
    NoVisit,
    #[error("{0} needs a service or an operation: all of them alike have no culprit")]
    TooWide(&'static str),
}

/// Own work below this is hidden by what an alert must exceed at least: 1 ms above one and a half times the p95.
const TELLING_US: f64 = 4_000.0;

impl Effect {
    pub const SLOW: Self = Self::Slow { factor: 3.0 };
    pub const ERRORS: Self = Self::Errors { share: 0.2 };
    pub const SURGE: Self = Self::Surge { factor: 5.0 };

    /// Each with its usual strength.
    pub const ALL: [Self; 5] = [Self::SLOW, Self::ERRORS, Self::SURGE, Self::Silence, Self::NewMessage];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::Errors { .. } => "errors",
            Self::Surge { .. } => "surge",
            Self::Silence => "silence",
            Self::NewMessage => "new-message",
        }
    }

    fn with_strength(self, strength: f64) -> Result<Self, InjectionError> {
        // No visit may last a minute, and none of healthy ones lasts three seconds.
        let (effect, allowed, good) = match self {
            Self::Slow { .. } => (Self::Slow { factor: strength }, "1 to 10", (1.0..=10.0).contains(&strength)),
            Self::Errors { .. } => (Self::Errors { share: strength }, "0 to 1", (0.0..=1.0).contains(&strength)),
            Self::Surge { .. } => (Self::Surge { factor: strength }, "1 to 100", (1.0..=100.0).contains(&strength)),
            Self::Silence | Self::NewMessage => (self, "none", false),
        };
        let refused = || InjectionError::Strength { what: self.name(), given: strength.to_string(), allowed };
        if good { Ok(effect) } else { Err(refused()) }
    }

    const fn strength(self) -> Option<f64> {
        match self {
            Self::Slow { factor } | Self::Surge { factor } => Some(factor),
            Self::Errors { share } => Some(share),
            Self::Silence | Self::NewMessage => None,
        }
    }
}

impl Target {
    pub const ALL: Self = Self(Which::All);

    fn includes(self, op: Op) -> bool {
        match self.0 {
            Which::All => true,
            Which::Service(service) => op.service() == service,
            Which::Operation(own) => op == own,
        }
    }
}

impl Injection {
    /// # Errors
    /// [`InjectionError`] when the strength is out of range, or the effect cannot strike the target.
    pub fn new(effect: Effect, target: Target) -> Result<Self, InjectionError> {
        let effect = effect.strength().map_or(Ok(effect), |strength| effect.with_strength(strength))?;
        match (effect, target.0) {
            (Effect::Surge { .. }, Which::All) => {}
            (Effect::Surge { .. }, Which::Operation(op)) if Story::beginning_with(op).is_some() => {}
            (Effect::Surge { .. }, _) => return Err(InjectionError::NoVisit),
            (_, Which::All) => return Err(InjectionError::TooWide(effect.name())),
            _ => {}
        }
        Ok(Self { effect, target })
    }

    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// The service where the cause is: the target's, and of a surge where the visits come in.
    #[must_use]
    pub fn culprit(&self) -> &'static str {
        match self.target.0 {
            Which::All => Service::CryptoWallet.name(),
            Which::Service(service) => service.name(),
            Which::Operation(op) => op.service().name(),
        }
    }

    /// The injections of one effect whose cause a reader of traces can tell.
    ///
    /// Left out are operations whose own time is the wait for another service (slow or failing, they would be an edge
    /// between two culprits), jobs (too rare to show anything in minutes), and work too short to show when it is slow.
    /// Silent are whole services, but for the one where all traces begin, and operations where requests enter.
    #[must_use]
    pub fn choices(effect: Effect) -> Vec<Self> {
        let operations = || Op::ALL.into_iter().filter(|op| op.is_work_of_visits());
        let targets: Vec<Which> = match effect {
            Effect::Slow { .. } => {
                let telling = operations().filter(|op| op.of().median_us >= TELLING_US).map(Which::Operation);
                Service::ALL.map(Which::Service).into_iter().chain(telling).collect()
            }
            Effect::Errors { .. } => {
                Service::ALL.map(Which::Service).into_iter().chain(operations().map(Which::Operation)).collect()
            }
            Effect::Surge { .. } => {
                let beginnings = Op::ALL.into_iter().filter(|op| Story::beginning_with(*op).is_some());
                [Which::All].into_iter().chain(beginnings.map(Which::Operation)).collect()
            }
            Effect::Silence => {
                let services = Service::ALL.into_iter().filter(|service| *service != Service::CryptoWallet);
                let entries = operations().filter(|op| op.of().entry.is_some());
                services.map(Which::Service).chain(entries.map(Which::Operation)).collect()
            }
            Effect::NewMessage => {
                [Op::PaymentResponse, Op::ChainBroadcast, Op::Authenticate, Op::CacheGet].map(Which::Operation).into()
            }
        };
        targets.into_iter().filter_map(|which| Self::new(effect, Target(which)).ok()).collect()
    }

    pub(super) fn slows(&self, op: Op) -> f64 {
        match self.effect {
            Effect::Slow { factor } if self.target.includes(op) => factor,
            _ => 1.0,
        }
    }

    pub(super) fn error_share(&self, op: Op) -> f64 {
        match self.effect {
            Effect::Errors { share } if self.target.includes(op) => share,
            _ => 0.0,
        }
    }

    pub(super) fn silences(&self, op: Op) -> bool {
        self.effect == Effect::Silence && self.target.includes(op)
    }

    pub(super) fn rewords(&self, op: Op) -> bool {
        self.effect == Effect::NewMessage && self.target.includes(op)
    }

    /// How many more visits there are, as a share of the usual ones, and of which kind if only of one.
    pub(super) fn surge(&self) -> Option<(f64, Option<Story>)> {
        let Effect::Surge { factor } = self.effect else { return None };
        let story = match self.target.0 {
            Which::Operation(op) => Story::beginning_with(op),
            Which::All | Which::Service(_) => None,
        };
        Some(((factor - 1.0) * story.map_or(1.0, Story::share), story))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Which::All => f.write_str("all"),
            Which::Service(service) => f.write_str(service.name()),
            Which::Operation(op) => write!(f, "{}:{}", op.service().name(), op.of().name),
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.effect.name())?;
        if let Some(strength) = self.effect.strength() {
            write!(f, "{strength}:")?;
        }
        self.target.fmt(f)
    }
}

impl FromStr for Target {
    type Err = InjectionError;

    fn from_str(text: &str) -> Result<Self, InjectionError> {
        let which = match text.split_once(':') {
            None if text == "all" => Some(Which::All),
            None => Service::from_name(text).map(Which::Service),
            Some((service, name)) => {
                Service::from_name(service).and_then(|service| Op::from_names(service, name)).map(Which::Operation)
            }
        };
        which.map(Self).ok_or_else(|| InjectionError::Target(text.to_owned()))
    }
}

impl FromStr for Injection {
    type Err = InjectionError;

    fn from_str(text: &str) -> Result<Self, InjectionError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let effect = Effect::ALL.into_iter().find(|effect| effect.name() == name);
        let effect = effect.ok_or_else(|| InjectionError::Effect(name.to_owned()))?;
        // No service is called like a number.
        let strength = rest.split_once(':').and_then(|(strength, target)| Some((strength.parse().ok()?, target)));
        match strength {
            Some((strength, target)) => Self::new(effect.with_strength(strength)?, target.parse()?),
            None => Self::new(effect, rest.parse()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injection_is_read_back_from_its_text() {
        for effect in Effect::ALL {
            let choices = Injection::choices(effect);
            assert!(choices.len() >= 4, "{effect:?}");
            for injection in choices {
                assert_eq!(injection.to_string().parse(), Ok(injection));
            }
        }
        let usual: Injection = "slow:order-matcher:order.match".parse().unwrap();
        assert_eq!((usual.effect(), usual.culprit()), (Effect::SLOW, "order-matcher"));
        assert_eq!(usual.to_string(), "slow:3:order-matcher:order.match");
    }

    #[test]
    fn what_cannot_be_injected_is_refused_with_a_reason() {
        for (text, word) in [
            ("", "no effect"),
            ("sluggish:all", "sluggish"),
            ("slow", "no target"),
            ("slow:nobody", "nobody"),
            ("slow:order-matcher:POST", "order-matcher:POST"),
            ("slow:0.5:order-matcher", "1 to 10"),
            ("slow:NaN:order-matcher", "1 to 10"),
            ("errors:2:order-matcher", "0 to 1"),
            ("silence:2:order-matcher", "none"),
            ("slow:all", "culprit"),
            ("surge:order-matcher", "visits"),
            ("surge:exchange-api:ledger.reconcile", "visits"),
        ] {
            let error = text.parse::<Injection>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
