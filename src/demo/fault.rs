//! What can go wrong on the simulated exchange, and when it does.

use super::catalogue::{Op, Service};
use crate::domain::{Micros, TimeWindow, Timestamp};

/// One way to be broken. Each lasts a while and ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fault {
    SlowMatcher,
    SlowWalletRead,
    PaymentErrors,
    Surge,
    Silence,
    QueueBacklog,
    RetryStorm,
    LostChild,
    GatewayDown,
    BrokenContext,
    ReleaseRegression,
    CpuSaturation,
    AuthFailures,
    LostSpans,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub fault: Fault,
    pub window: TimeWindow,
}

/// Which faults happen after the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// The headline fault 20 s after the start, then one after the other with a recovery between, round and round.
    #[default]
    Calm,
    /// One fault, once.
    Once { fault: Fault, after: Micros },
    /// None.
    Quiet,
}

impl Fault {
    /// In the order of the calm schedule.
    pub const ALL: [Self; 14] = [
        Self::SlowMatcher,
        Self::PaymentErrors,
        Self::SlowWalletRead,
        Self::QueueBacklog,
        Self::GatewayDown,
        Self::Surge,
        Self::ReleaseRegression,
        Self::LostChild,
        Self::CpuSaturation,
        Self::RetryStorm,
        Self::AuthFailures,
        Self::BrokenContext,
        Self::Silence,
        Self::LostSpans,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowMatcher => "slow-matcher",
            Self::SlowWalletRead => "slow-wallet-read",
            Self::PaymentErrors => "payment-errors",
            Self::Surge => "surge",
            Self::Silence => "silence",
            Self::QueueBacklog => "queue-backlog",
            Self::RetryStorm => "retry-storm",
            Self::LostChild => "lost-child",
            Self::GatewayDown => "gateway-down",
            Self::BrokenContext => "broken-context",
            Self::ReleaseRegression => "release-regression",
            Self::CpuSaturation => "cpu-saturation",
            Self::AuthFailures => "auth-failures",
            Self::LostSpans => "lost-spans",
        }
    }

    /// What it does, in one line.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::SlowMatcher => "order.match takes six times as long, behind the queue",
            Self::SlowWalletRead => "the wallet database answers SELECT balances eight times slower",
            Self::PaymentErrors => "three in five payments fail with a bad gateway from the provider",
            Self::Surge => "four times the traffic, and a gateway that slows down under it",
            Self::Silence => "order-matcher stops: orders wait 5 s for an answer and fail",
            Self::QueueBacklog => "messages wait up to 6 s in the orders queue; matching itself is as fast as ever",
            Self::RetryStorm => "the gateway tries exchange-api three to five times before an order passes",
            Self::LostChild => "order-matcher no longer sends order.response; orders end without a settlement",
            Self::GatewayDown => "the third-party chain gateway cannot be reached: transfers time out after 3 s",
            Self::BrokenContext => "order-matcher loses the trace context: its spans become traces of their own",
            Self::ReleaseRegression => "exchange-api 2.15.0 is rolled out and queries its accounts five times slower",
            Self::CpuSaturation => "api-gateway runs out of CPU; everything it does itself takes five times as long",
            Self::AuthFailures => "seven in ten sign-ins are refused: token signatures cannot be verified",
            Self::LostSpans => "the spans of api-gateway get lost on their way; what it called is left without parents",
        }
    }

    /// Where the cause is.
    #[must_use]
    pub const fn culprit(self) -> &'static str {
        match self {
            Self::SlowMatcher | Self::Silence | Self::QueueBacklog | Self::LostChild | Self::BrokenContext => {
                Service::OrderMatcher.name()
            }
            Self::SlowWalletRead | Self::Surge => Service::CryptoWallet.name(),
            Self::PaymentErrors | Self::GatewayDown | Self::ReleaseRegression => Service::ExchangeApi.name(),
            Self::RetryStorm | Self::CpuSaturation | Self::AuthFailures | Self::LostSpans => Service::ApiGateway.name(),
        }
    }

    /// How long it lasts. What only transfers or sign-ins show lasts longer: they are rarer.
    #[must_use]
    pub const fn duration(self) -> Micros {
        match self {
            Self::GatewayDown | Self::AuthFailures => Micros::from_secs(300),
            _ => Micros::from_secs(180),
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// By how much an operation's own work takes longer under this fault.
    pub(super) fn slows(self, op: Op) -> f64 {
        match (self, op) {
            (Self::SlowMatcher, Op::OrderMatch) => 7.0,
            (Self::SlowWalletRead, Op::SelectBalances) => 8.0,
            (Self::ReleaseRegression, Op::SelectAccounts) => 5.0,
            (Self::ReleaseRegression, Op::Post) => 3.0,
            (Self::CpuSaturation, op) if op.service() == Service::ApiGateway && op != Op::SelectUsers => 5.0,
            (Self::Surge, op) if op.service() == Service::ApiGateway => 1.5,
            _ => 1.0,
        }
    }
}

impl Planned {
    #[must_use]
    pub fn from(fault: Fault, start: Timestamp) -> Self {
        Self { fault, window: TimeWindow::new(start, start + fault.duration()) }
    }

    /// How far the fault has come at `at`: 0 at its start, 1 at its end; `None` outside.
    pub(super) fn progress(&self, at: Timestamp) -> Option<f64> {
        self.window.contains(at).then(|| at.since(self.window.from).0 as f64 / self.window.length().0.max(1) as f64)
    }
}

impl Schedule {
    const FIRST: Micros = Micros::from_secs(20);
    /// Long enough for every window to become quiet again.
    const RECOVERY: Micros = Micros::from_secs(300);

    /// The planned faults that touch `window`, when the exchange was started at `origin`.
    #[must_use]
    pub fn within(self, origin: Timestamp, window: TimeWindow) -> Vec<Planned> {
        let touches = |planned: &Planned| planned.window.from < window.to && window.from < planned.window.to;
        match self {
            Self::Quiet => Vec::new(),
            Self::Once { fault, after } => {
                Some(Planned::from(fault, origin + after)).into_iter().filter(touches).collect()
            }
            Self::Calm => {
                let begin = origin + Self::FIRST;
                if window.to <= begin {
                    return Vec::new();
                }
                let round: u64 = Fault::ALL.iter().map(|fault| fault.duration().0 + Self::RECOVERY.0).sum();
                let first = window.from.since(begin).0 / round;
                let last = window.to.since(begin).0 / round;
                (first..=last)
                    .flat_map(|n| {
                        let mut start = begin + Micros(n * round);
                        Fault::ALL.into_iter().map(move |fault| {
                            let planned = Planned::from(fault, start);
                            start = planned.window.to + Self::RECOVERY;
                            planned
                        })
                    })
                    .filter(touches)
                    .collect()
            }
        }
    }
}

/// As clap shows and completes them.
impl clap::ValueEnum for Fault {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()).help(self.meaning()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_comes_first_and_recoveries_lie_between() {
        let origin = Timestamp::from_secs(1_000_000);
        let day = TimeWindow::new(origin, origin + Micros::from_secs(86_400));
        let planned = Schedule::Calm.within(origin, day);
        assert_eq!(planned[0], Planned::from(Fault::SlowMatcher, origin + Micros::from_secs(20)));
        for pair in planned.windows(2) {
            assert_eq!(pair[1].window.from.since(pair[0].window.to), Schedule::RECOVERY);
        }
        assert!(Fault::ALL.iter().all(|fault| planned.iter().any(|planned| planned.fault == *fault)));
    }

    #[test]
    fn a_part_of_the_schedule_is_what_the_whole_says() {
        let origin = Timestamp::from_secs(1_000_000);
        let whole = Schedule::Calm.within(origin, TimeWindow::new(origin, origin + Micros::from_secs(50_000)));
        for minute in 0..700 {
            let from = origin + Micros::from_secs(60 * minute);
            let part = TimeWindow::new(from, from + Micros::from_secs(60));
            let expected: Vec<Planned> =
                whole.iter().copied().filter(|p| p.window.from < part.to && part.from < p.window.to).collect();
            assert_eq!(Schedule::Calm.within(origin, part), expected, "minute {minute}");
        }
    }

    #[test]
    fn nothing_is_planned_before_the_start() {
        let origin = Timestamp::from_secs(1_000_000);
        let before = TimeWindow::new(Timestamp(0), origin);
        assert_eq!(Schedule::Calm.within(origin, before), []);
    }
}
