//! What happens during one visit to the exchange, step by step: an order, a transfer, a sign-in, a look at the wallet.
//!
//! A flow draws the same numbers whether faults are active or not, so that a faulty run and its healthy twin differ in
//! nothing but the fault. What a fault itself decides comes from a second sequence.

use super::catalogue::{Context, Failure, Op, PAIRS, Service};
use super::fault::{Fault, Planned};
use super::random::Random;
use crate::domain::Timestamp;

/// One span before it has ids or names. 32 bytes: a month of them passes through the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) start: i64,
    pub(super) duration: u64,
    /// Index of the parent in the same trace, or [`Record::ROOT`].
    pub(super) parent: u8,
    pub(super) op: Op,
    pub(super) failure: Option<Failure>,
    /// Made by the release that the regression fault rolls out.
    pub(super) next_release: bool,
    /// Lost on its way to the backend.
    pub(super) lost: bool,
}

/// What a visitor came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    Order,
    Transfer,
    SignIn,
    WalletRead,
}

/// The state of one flow while it is played.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    random: Random,
    /// Decides what faults decide.
    chance: Random,
    faults: &'a [Planned],
    /// How slow this hour of the week is.
    pace: f64,
    spans: &'a mut Vec<Record>,
}

impl Record {
    pub(super) const ROOT: u8 = u8::MAX;

    pub(super) const fn end(&self) -> i64 {
        self.start + self.duration as i64
    }
}

impl Story {
    /// Shares: 36 % orders, 14 % transfers, 14 % sign-ins, 36 % wallet reads.
    fn draw(random: &mut Random) -> Self {
        match random.below(100) {
            0..36 => Self::Order,
            36..50 => Self::Transfer,
            50..64 => Self::SignIn,
            _ => Self::WalletRead,
        }
    }
}

impl<'a> Flow<'a> {
    pub(super) const fn new(
        random: Random,
        chance: Random,
        faults: &'a [Planned],
        pace: f64,
        spans: &'a mut Vec<Record>,
    ) -> Self {
        Self { random, chance, faults, pace, spans }
    }

    /// Plays a whole visit that starts at `at` and returns what its spans share.
    pub(super) fn play(mut self, at: i64, number: u64) -> Context {
        let story = Story::draw(&mut self.random);
        let context = Context {
            pair: PAIRS[self.random.below(PAIRS.len() as u64) as usize],
            side: if self.random.below(2) == 0 { "buy" } else { "sell" },
            number,
        };
        match story {
            Story::Order => self.order(at),
            Story::Transfer => self.transfer(at),
            Story::SignIn => self.sign_in(at),
            Story::WalletRead => self.wallet_read(at),
        }
        if !self.faults.is_empty() {
            self.mark_losses();
        }
        context
    }

    fn active(&self, fault: Fault, at: i64) -> Option<f64> {
        self.faults.iter().filter(|planned| planned.fault == fault).find_map(|planned| planned.progress(Timestamp(at)))
    }

    /// Draws how long an operation's own work takes at `at`, in microseconds.
    fn work(&mut self, op: Op, at: i64) -> i64 {
        let operation = op.of();
        let mut us = operation.median_us * self.pace * (operation.spread * self.random.normal()).exp();
        for planned in self.faults {
            if planned.window.contains(Timestamp(at)) {
                us *= planned.fault.slows(op);
            }
        }
        (us as i64).max(1)
    }

    /// One way through the network between two services.
    fn hop(&mut self) -> i64 {
        (700.0 * (0.3 * self.random.normal()).exp()) as i64
    }

    fn open(&mut self, op: Op, parent: u8, at: i64) -> u8 {
        let next_release = op.service() == Service::ExchangeApi && self.active(Fault::ReleaseRegression, at).is_some();
        self.spans.push(Record { start: at, duration: 0, parent, op, failure: None, next_release, lost: false });
        (self.spans.len() - 1) as u8
    }

    fn close(&mut self, span: u8, at: i64, failure: Option<Failure>) {
        let record = &mut self.spans[usize::from(span)];
        record.duration = at.abs_diff(record.start);
        record.failure = failure;
    }

    /// A span without children; returns its end.
    fn leaf(&mut self, op: Op, parent: u8, at: i64) -> i64 {
        let end = at + self.work(op, at);
        let span = self.open(op, parent, at);
        self.close(span, end, None);
        end
    }

    /// `order.submit.client` and what follows: 17 spans over four services, nine deep.
    fn order(&mut self, at: i64) {
        let root = self.open(Op::OrderSubmit, Record::ROOT, at);
        let own = self.work(Op::OrderSubmit, at);
        let mut t = at + own * 6 / 10;

        let http = self.open(Op::HttpPost, root, t);
        let http_own = self.work(Op::HttpPost, t);
        t += http_own / 2;
        let kong = self.open(Op::Kong, http, t);
        let kong_own = self.work(Op::Kong, t);
        t = self.leaf(Op::KongJwt, kong, t + kong_own / 3);
        t = self.leaf(Op::KongRateLimit, kong, t);
        t = self.refused_attempts(kong, t);

        let balancer = self.open(Op::KongBalancer, kong, t);
        let balancer_own = self.work(Op::KongBalancer, t);
        t += balancer_own / 2 + self.hop();
        let (answered, failure) = self.place(balancer, t);
        t = answered + self.hop() + balancer_own / 2;
        self.close(balancer, t, failure);
        t += kong_own / 3;
        self.close(kong, t, failure);
        t += http_own / 2;
        self.close(http, t, failure);

        t = self.leaf(Op::OrderReceived, root, t);
        t += own * 4 / 10;
        self.close(root, t, failure);
    }

    /// A retry storm: attempts at exchange-api that are refused before one passes. They are drawn from the second
    /// sequence, for a healthy order has none.
    fn refused_attempts(&mut self, kong: u8, mut t: i64) -> i64 {
        if self.active(Fault::RetryStorm, t).is_some() {
            for _ in 0..3 + self.chance.below(3) {
                let balancer = self.open(Op::KongBalancer, kong, t);
                let post = self.open(Op::Post, balancer, t + 900);
                t += 40_000 + self.chance.below(60_000) as i64;
                self.close(post, t - 900, Some(Failure::Overloaded));
                self.close(balancer, t, Some(Failure::Overloaded));
            }
        }
        t
    }

    /// The part of an order inside exchange-api and behind its queue. Returns when it answered, and how.
    fn place(&mut self, balancer: u8, at: i64) -> (i64, Option<Failure>) {
        const QUEUE_US: f64 = 3_000.0;
        let post = self.open(Op::Post, balancer, at);
        let own = self.work(Op::Post, at);
        let mut t = self.leaf(Op::SelectAccounts, post, at + own / 2);
        t = self.leaf(Op::InsertOrders, post, t);

        let publish = self.open(Op::PublishOrders, post, t);
        let publish_own = self.work(Op::PublishOrders, t);
        let default = self.open(Op::PublishDefault, publish, t + publish_own / 2);
        let sent = t + publish_own / 2 + self.work(Op::PublishDefault, t);
        self.close(default, sent, None);
        t = sent + publish_own / 2;
        self.close(publish, t, None);

        let mut wait = QUEUE_US * (0.4 * self.random.normal()).exp();
        if let Some(progress) = self.active(Fault::QueueBacklog, sent) {
            // The queue fills for the first fifth, stays full, and is drained in the last tenth.
            wait += 6e6 * (progress / 0.2).min((1.0 - progress) / 0.1).min(1.0);
        }
        let received = sent + wait as i64;
        let silent = self.active(Fault::Silence, received).is_some();
        let replied = self.matched(default, received, silent);
        let delivery = (2_000.0 * (0.4 * self.random.normal()).exp()) as i64;
        let declined = self.random.unit() < 0.005;

        let (t, failure) = if silent {
            (sent + 5_000_000, Some(Failure::MatcherTimeout))
        } else if self.active(Fault::LostChild, received).is_some() {
            (replied + delivery, None)
        } else {
            let arrived = (replied + delivery).max(t);
            let failure = if self.active(Fault::PaymentErrors, arrived).is_some() && self.chance.unit() < 0.6 {
                Some(Failure::PaymentProvider)
            } else {
                declined.then_some(Failure::PaymentDeclined)
            };
            (self.settled(post, arrived, failure), failure)
        };
        let end = t + own / 2;
        self.close(post, end, failure);
        (end, failure)
    }

    /// `order.match` and its children. The numbers are drawn even when nobody is there to receive the message.
    fn matched(&mut self, parent: u8, at: i64, silent: bool) -> i64 {
        let kept = self.spans.len();
        let matching = self.open(Op::OrderMatch, parent, at);
        let own = self.work(Op::OrderMatch, at);
        let mut t = self.leaf(Op::OrderbookMatch, matching, at + own * 7 / 10);
        let before_reply = self.spans.len();
        let replied = self.leaf(Op::OrderResponse, matching, t);
        t = if self.active(Fault::LostChild, at).is_some() {
            self.spans.truncate(before_reply);
            t
        } else {
            replied
        };
        let end = t + own * 3 / 10;
        self.close(matching, end, None);
        if silent {
            self.spans.truncate(kept);
        }
        replied
    }

    /// `payment_response process`, a sibling of `publish orders`.
    fn settled(&mut self, post: u8, at: i64, failure: Option<Failure>) -> i64 {
        let process = self.open(Op::PaymentResponse, post, at);
        let own = self.work(Op::PaymentResponse, at);
        let t = self.leaf(Op::UpdateOrders, process, at + own * 8 / 10) + own * 2 / 10;
        self.close(process, t, failure);
        t
    }

    fn transfer(&mut self, at: i64) {
        let root = self.open(Op::BtcTransfer, Record::ROOT, at);
        let own = self.work(Op::BtcTransfer, at);
        let mut t = at + own / 2;
        let http = self.open(Op::PostTransfersClient, root, t);
        let http_own = self.work(Op::PostTransfersClient, t);
        t += http_own / 2;
        let route = self.open(Op::TransferRoute, http, t);
        let route_own = self.work(Op::TransferRoute, t);
        t += route_own / 2 + self.hop();
        let post = self.open(Op::PostTransfers, route, t);
        let post_own = self.work(Op::PostTransfers, t);
        t = self.leaf(Op::InsertLedger, post, t + post_own / 2);

        let chain = self.open(Op::ChainBroadcast, post, t);
        let healthy = t + self.work(Op::ChainBroadcast, t);
        let unlucky = self.random.unit() < 0.004;
        let down = self.active(Fault::GatewayDown, t).is_some();
        let failure = (unlucky || down).then_some(Failure::ChainUnreachable);
        t = if down { t + 3_000_000 + self.chance.below(20_000) as i64 } else { healthy };
        self.close(chain, t, failure);

        t += post_own / 2;
        self.close(post, t, failure);
        t += self.hop() + route_own / 2;
        self.close(route, t, failure);
        t += http_own / 2;
        self.close(http, t, failure);
        t = self.leaf(Op::TransferConfirmed, root, t) + own / 2;
        self.close(root, t, failure);
    }

    fn sign_in(&mut self, at: i64) {
        let root = self.open(Op::SignIn, Record::ROOT, at);
        let own = self.work(Op::SignIn, at);
        let mut t = at + own / 2;
        let http = self.open(Op::PostTokenClient, root, t);
        let http_own = self.work(Op::PostTokenClient, t);
        t += http_own / 2;
        let authenticate = self.open(Op::Authenticate, http, t);
        let auth_own = self.work(Op::Authenticate, t);
        t = self.leaf(Op::SelectUsers, authenticate, t + auth_own / 4) + auth_own * 3 / 4;
        let mistyped = self.random.unit() < 0.006;
        let refused = mistyped || (self.active(Fault::AuthFailures, at).is_some() && self.chance.unit() < 0.7);
        let failure = refused.then_some(Failure::BadCredentials);
        self.close(authenticate, t, failure);
        t += http_own / 2;
        self.close(http, t, failure);
        t += own / 2;
        self.close(root, t, failure);
    }

    fn wallet_read(&mut self, at: i64) {
        let root = self.open(Op::WalletBalance, Record::ROOT, at);
        let own = self.work(Op::WalletBalance, at);
        let cache = self.open(Op::CacheGet, root, at + own / 3);
        let mut t = at + own / 3 + self.work(Op::CacheGet, at);
        // A cache that fails is an error of its own; the database then answers as it always does.
        let failed = self.random.unit() < 0.002;
        self.close(cache, t, failed.then_some(Failure::CacheTimeout));
        t = self.leaf(Op::SelectBalances, root, t) + own * 2 / 3;
        self.close(root, t, None);
    }

    fn mark_losses(&mut self) {
        let lost = |span: &Record| {
            span.op.service() == Service::ApiGateway
                && self
                    .faults
                    .iter()
                    .any(|planned| planned.fault == Fault::LostSpans && planned.window.contains(Timestamp(span.start)))
        };
        for span in self.spans.iter_mut() {
            span.lost = lost(span);
        }
    }
}
