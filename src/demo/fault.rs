//! What can go wrong on the simulated exchange, and when it does.

use super::catalogue::{Op, Service};
use super::injection::Injection;
use crate::domain::{Micros, TimeWindow, Timestamp};

/// One story of the exchange: a way to be broken, or a disturbance that is none of its services' fault. Each lasts a
/// while and ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fault {
    SlowMatcher,
    PaymentErrors,
    SlowWalletRead,
    QueueBacklog,
    GatewayDown,
    SlowNetwork,
    Surge,
    ReleaseRegression,
    LostChild,
    CpuSaturation,
    RetryStorm,
    NewChild,
    AuthFailures,
    BrokenContext,
    WrongParent,
    Silence,
    StuckRequests,
    LostSpans,
    NewError,
    LevelShift,
    SchedulerStopped,
    SourceGap,
    Holiday,
}

/// What is known of a fault.
struct About {
    name: &'static str,
    culprit: Option<Service>,
    seconds: u64,
    meaning: &'static str,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub fault: Fault,
    pub window: TimeWindow,
}

/// Which faults happen after the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Schedule {
    /// The headline fault 20 s after the start, then one after the other with a recovery between, round and round.
    #[default]
    Calm,
    /// One fault, once.
    Once { fault: Fault, after: Micros },
    /// One injection, once.
    Inject { injection: Injection, after: Micros, lasting: Micros },
    /// None.
    Quiet,
}

impl Fault {
    /// In the order of the calm schedule: what a visitor should see first comes first.
    pub const ALL: [Self; 23] = [
        Self::SlowMatcher,
        Self::PaymentErrors,
        Self::SlowWalletRead,
        Self::QueueBacklog,
        Self::GatewayDown,
        Self::SlowNetwork,
        Self::Surge,
        Self::ReleaseRegression,
        Self::LostChild,
        Self::CpuSaturation,
        Self::RetryStorm,
        Self::NewChild,
        Self::AuthFailures,
        Self::BrokenContext,
        Self::WrongParent,
        Self::Silence,
        Self::StuckRequests,
        Self::LostSpans,
        Self::NewError,
        Self::LevelShift,
        Self::SchedulerStopped,
        Self::SourceGap,
        Self::Holiday,
    ];

    const fn about(self) -> About {
        use Service::{ApiGateway, CryptoWallet, ExchangeApi, OrderMatcher};
        match self {
            Self::SlowMatcher => About {
                name: "slow-matcher",
                culprit: Some(OrderMatcher),
                seconds: 180,
                meaning: "order.match takes six times as long, behind the queue",
            },
            Self::PaymentErrors => About {
                name: "payment-errors",
                culprit: Some(ExchangeApi),
                seconds: 180,
                meaning: "three in five payments fail with a bad gateway from the provider",
            },
            Self::SlowWalletRead => About {
                name: "slow-wallet-read",
                culprit: Some(CryptoWallet),
                seconds: 180,
                meaning: "the wallet database answers SELECT balances eight times slower",
            },
            Self::QueueBacklog => About {
                name: "queue-backlog",
                culprit: Some(OrderMatcher),
                seconds: 180,
                meaning: "messages wait up to 6 s in the orders queue; matching itself is as fast as ever",
            },
            Self::GatewayDown => About {
                name: "gateway-down",
                culprit: Some(ExchangeApi),
                seconds: 300,
                meaning: "the third-party chain gateway cannot be reached: transfers time out after 3 s",
            },
            Self::SlowNetwork => About {
                name: "slow-network",
                culprit: Some(ExchangeApi),
                seconds: 180,
                meaning: "the network in front of exchange-api adds 120 ms each way; its own spans are as fast as ever",
            },
            Self::Surge => About {
                name: "surge",
                culprit: Some(CryptoWallet),
                seconds: 180,
                meaning: "four times the traffic, and a gateway that slows down under it",
            },
            Self::ReleaseRegression => About {
                name: "release-regression",
                culprit: Some(ExchangeApi),
                seconds: 180,
                meaning: "exchange-api 2.15.0 is rolled out and queries its accounts five times slower",
            },
            Self::LostChild => About {
                name: "lost-child",
                culprit: Some(OrderMatcher),
                seconds: 180,
                meaning: "order-matcher no longer sends order.response; orders end without a settlement",
            },
            Self::CpuSaturation => About {
                name: "cpu-saturation",
                culprit: Some(ApiGateway),
                seconds: 180,
                meaning: "api-gateway runs out of CPU; everything it does itself takes five times as long",
            },
            Self::RetryStorm => About {
                name: "retry-storm",
                culprit: Some(ApiGateway),
                seconds: 180,
                meaning: "the gateway gives up on exchange-api after 6 ms and asks again, three to five times for an order",
            },
            Self::NewChild => About {
                name: "new-child",
                culprit: Some(ExchangeApi),
                seconds: 180,
                meaning: "exchange-api begins to call fraud.check for every order; it never did before",
            },
            Self::AuthFailures => About {
                name: "auth-failures",
                culprit: Some(ApiGateway),
                seconds: 300,
                meaning: "seven in ten sign-ins are refused: token signatures cannot be verified",
            },
            Self::BrokenContext => About {
                name: "broken-context",
                culprit: Some(OrderMatcher),
                seconds: 180,
                meaning: "order-matcher loses the trace context: its spans become traces of their own",
            },
            Self::WrongParent => About {
                name: "wrong-parent",
                culprit: Some(OrderMatcher),
                seconds: 180,
                meaning: "order-matcher answers with its own context: payment_response process hangs below order.response",
            },
            Self::Silence => About {
                name: "silence",
                culprit: Some(OrderMatcher),
                seconds: 180,
                meaning: "order-matcher stops: orders wait 5 s for an answer and fail",
            },
            Self::StuckRequests => About {
                name: "stuck-requests",
                culprit: Some(CryptoWallet),
                seconds: 180,
                meaning: "crypto-wallet hangs on the answer: orders stay open for 45 s while their calls are long done",
            },
            Self::LostSpans => About {
                name: "lost-spans",
                culprit: Some(ApiGateway),
                seconds: 180,
                meaning: "the spans of api-gateway get lost on their way; what it called is left without parents",
            },
            Self::NewError => About {
                name: "new-error",
                culprit: Some(ExchangeApi),
                seconds: 600,
                meaning: "one payment in ten fails with a message that was never seen before",
            },
            Self::LevelShift => About {
                name: "level-shift",
                culprit: Some(ExchangeApi),
                seconds: 600,
                meaning: "INSERT orders takes three times as long, at once and steadily: an index is gone",
            },
            Self::SchedulerStopped => About {
                name: "scheduler-stopped",
                culprit: Some(ExchangeApi),
                seconds: 900,
                meaning: "no job starts: ledger.reconcile is due every 5 min, settlement.batch daily at 03:00 UTC",
            },
            Self::SourceGap => About {
                name: "source-gap",
                culprit: None,
                seconds: 300,
                meaning: "no span reaches the backend, whoever made it; the exchange itself is well",
            },
            Self::Holiday => About {
                name: "holiday",
                culprit: None,
                seconds: 1200,
                meaning: "visitors stay away: all traffic falls to three tenths, and nothing is wrong",
            },
        }
    }

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// What it does, in one line.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.about().meaning
    }

    /// The service where the cause is; `None` where no service is to blame and nobody must be woken.
    #[must_use]
    pub const fn culprit(self) -> Option<&'static str> {
        match self.about().culprit {
            Some(service) => Some(service.name()),
            None => None,
        }
    }

    /// How long it lasts. What is rare on the exchange, and what only time tells, lasts longer.
    #[must_use]
    pub const fn duration(self) -> Micros {
        Micros::from_secs(self.about().seconds)
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
            (Self::LevelShift, Op::InsertOrders) => 3.0,
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

    /// The injection and its time, when the exchange was started at `origin`.
    #[must_use]
    pub fn injection(self, origin: Timestamp) -> Option<(Injection, TimeWindow)> {
        let Self::Inject { injection, after, lasting } = self else { return None };
        let from = origin + after;
        Some((injection, TimeWindow::new(from, from + lasting)))
    }

    /// The planned faults that touch `window`, when the exchange was started at `origin`.
    #[must_use]
    pub fn within(self, origin: Timestamp, window: TimeWindow) -> Vec<Planned> {
        let touches = |planned: &Planned| planned.window.from < window.to && window.from < planned.window.to;
        match self {
            Self::Quiet | Self::Inject { .. } => Vec::new(),
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
        assert_eq!(Fault::ALL[0], Fault::SlowMatcher);
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
