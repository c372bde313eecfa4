//! What happens during one visit to the exchange, step by step: an order, a transfer, a sign-in, a look at the wallet;
//! and in the jobs that the exchange starts by itself.
//!
//! A flow draws the same numbers whether faults are active or not, so that a faulty run and its healthy twin differ in
//! nothing but the fault. What a fault itself decides comes from a second sequence.

use super::catalogue::{Context, Failure, Op, PAIRS, Service};
use super::fault::{Fault, Planned};
use super::injection::Injection;
use super::random::Random;
use crate::domain::{SpanKind, TimeWindow, Timestamp};

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
    pub(super) fate: Fate,
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fate {
    Sent,
    /// It happened, but got lost on its way to the backend.
    Lost,
    /// It never happened.
    Silenced,
}

/// What a visitor came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    Order,
    Transfer,
    SignIn,
    WalletRead,
}

/// What the exchange starts by itself, by the clock (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// `ledger.reconcile`, every five minutes.
    Reconcile,
    /// `settlement.batch`, every day at 03:00.
    Settlement,
}

/// What is different in the minutes of a flow.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    pub(super) faults: Vec<Planned>,
    pub(super) injection: Option<(Injection, TimeWindow)>,
    /// How slow this hour of the week is.
    pub(super) pace: f64,
    /// The wallet database is busy with Monday's report.
    pub(super) report: bool,
}

/// The state of one flow while it is played.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    random: Random,
    /// Decides what faults decide.
    chance: Random,
    conditions: &'a Conditions,
    spans: &'a mut Vec<Record>,
}

impl Record {
    pub(super) const ROOT: u8 = u8::MAX;

    pub(super) const fn end(&self) -> i64 {
        self.start + self.duration as i64
    }
}

impl Story {
    const ALL: [Self; 4] = [Self::Order, Self::Transfer, Self::SignIn, Self::WalletRead];

    /// How many visits in a hundred.
    const fn percent(self) -> u64 {
        match self {
            Self::Order | Self::WalletRead => 36,
            Self::Transfer | Self::SignIn => 14,
        }
    }

    pub(super) fn share(self) -> f64 {
        self.percent() as f64 / 100.0
    }

    fn draw(random: &mut Random) -> Self {
        let mut percent = random.below(100);
        for story in Self::ALL {
            if percent < story.percent() {
                return story;
            }
            percent -= story.percent();
        }
        Self::WalletRead
    }

    const fn root(self) -> Op {
        match self {
            Self::Order => Op::OrderSubmit,
            Self::Transfer => Op::BtcTransfer,
            Self::SignIn => Op::SignIn,
            Self::WalletRead => Op::WalletBalance,
        }
    }

    /// The visit that begins with an operation.
    pub(super) fn beginning_with(op: Op) -> Option<Self> {
        Self::ALL.into_iter().find(|story| story.root() == op)
    }
}

impl Job {
    pub(super) const ALL: [Self; 2] = [Self::Reconcile, Self::Settlement];

    /// Whether it starts in this minute since the epoch.
    pub(super) const fn is_due(self, minute: u32) -> bool {
        match self {
            Self::Reconcile => minute.is_multiple_of(5),
            Self::Settlement => minute % 1_440 == 180,
        }
    }
}

impl Conditions {
    fn active(&self, fault: Fault, at: i64) -> Option<f64> {
        self.faults.iter().filter(|planned| planned.fault == fault).find_map(|planned| planned.progress(Timestamp(at)))
    }

    pub(super) fn is_active(&self, fault: Fault, at: i64) -> bool {
        self.active(fault, at).is_some()
    }

    fn injected(&self, at: i64) -> Option<&Injection> {
        self.injection.as_ref().filter(|(_, window)| window.contains(Timestamp(at))).map(|(injection, _)| injection)
    }
}

impl<'a> Flow<'a> {
    pub(super) const fn new(
        random: Random,
        chance: Random,
        conditions: &'a Conditions,
        spans: &'a mut Vec<Record>,
    ) -> Self {
        Self { random, chance, conditions, spans }
    }

    /// Plays a whole visit that starts at `at` and returns what its spans share. `story`: what the visitor came for, if
    /// chance does not decide.
    pub(super) fn play(mut self, at: i64, number: u64, story: Option<Story>) -> Context {
        let drawn = Story::draw(&mut self.random);
        let context = self.context(number);
        match story.unwrap_or(drawn) {
            Story::Order => self.order(at),
            Story::Transfer => self.transfer(at),
            Story::SignIn => self.sign_in(at),
            Story::WalletRead => self.wallet_read(at),
        }
        self.finish();
        context
    }

    /// Plays a job, unless nobody starts it.
    pub(super) fn run(mut self, job: Job, at: i64, number: u64) -> Context {
        let context = self.context(number);
        if !self.conditions.is_active(Fault::SchedulerStopped, at) {
            match job {
                Job::Reconcile => self.reconcile(at),
                Job::Settlement => self.settlement(at),
            }
            self.finish();
        }
        context
    }

    fn context(&mut self, number: u64) -> Context {
        Context {
            pair: PAIRS[self.random.below(PAIRS.len() as u64) as usize],
            side: if self.random.below(2) == 0 { "buy" } else { "sell" },
            number,
        }
    }

    fn finish(&mut self) {
        if !self.conditions.faults.is_empty() || self.conditions.injection.is_some() {
            self.let_errors_travel();
            self.decide_fates();
        }
    }

    fn active(&self, fault: Fault, at: i64) -> bool {
        self.conditions.is_active(fault, at)
    }

    /// Draws how long an operation's own work takes at `at`, in microseconds.
    fn work(&mut self, op: Op, at: i64) -> i64 {
        let normal = self.random.normal();
        self.work_of(op, at, normal)
    }

    fn work_of(&self, op: Op, at: i64, normal: f64) -> i64 {
        const REPORT_FACTOR: f64 = 3.0;
        let operation = op.of();
        let mut us = operation.median_us * self.conditions.pace * (operation.spread * normal).exp();
        for planned in &self.conditions.faults {
            if planned.window.contains(Timestamp(at)) {
                us *= planned.fault.slows(op);
            }
        }
        if let Some(injection) = self.conditions.injected(at) {
            us *= injection.slows(op);
        }
        if self.conditions.report && op == Op::SelectBalances {
            us *= REPORT_FACTOR;
        }
        (us as i64).max(1)
    }

    /// One way through the network in front of exchange-api.
    fn hop(&mut self, at: i64) -> i64 {
        const SLOW_US: i64 = 120_000;
        let usual = (700.0 * (0.3 * self.random.normal()).exp()) as i64;
        if self.active(Fault::SlowNetwork, at) { usual + SLOW_US } else { usual }
    }

    fn open(&mut self, op: Op, parent: u8, at: i64) -> u8 {
        let next_release = op.service() == Service::ExchangeApi && self.active(Fault::ReleaseRegression, at);
        let fate = match self.conditions.injected(at) {
            Some(injection) if injection.silences(op) => Fate::Silenced,
            _ => Fate::Sent,
        };
        self.spans.push(Record { start: at, duration: 0, parent, op, failure: None, next_release, fate });
        (self.spans.len() - 1) as u8
    }

    /// Ends a span, and says when its caller goes on: nobody waits for what is silenced.
    fn close(&mut self, span: u8, at: i64, failure: Option<Failure>) -> i64 {
        let record = &mut self.spans[usize::from(span)];
        record.duration = at.abs_diff(record.start);
        record.failure = failure;
        if record.fate == Fate::Silenced { record.start } else { at }
    }

    /// A span without children; returns when its caller goes on.
    fn leaf(&mut self, op: Op, parent: u8, at: i64) -> i64 {
        let end = at + self.work(op, at);
        let span = self.open(op, parent, at);
        self.close(span, end, None)
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
        t = self.abandoned_attempts(kong, t);

        let balancer = self.open(Op::KongBalancer, kong, t);
        let balancer_own = self.work(Op::KongBalancer, t);
        t += balancer_own / 2;
        t += self.hop(t);
        let (answered, failure) = self.place(balancer, t);
        t = answered + self.hop(answered) + balancer_own / 2;
        t = self.close(balancer, t, failure) + kong_own / 3;
        t = self.close(kong, t, failure) + http_own / 2;
        t = self.close(http, t, failure);

        if self.active(Fault::StuckRequests, t) {
            t += 45_000_000 + self.chance.below(2_000_000) as i64;
        }
        t = self.leaf(Op::OrderReceived, root, t);
        t += own * 4 / 10;
        self.close(root, t, failure);
    }

    /// A retry storm: attempts that the gateway gives up before exchange-api can answer, each after a pause. They are drawn
    /// from the second sequence, for a healthy order has none.
    fn abandoned_attempts(&mut self, kong: u8, mut t: i64) -> i64 {
        const PATIENCE_US: i64 = 6_000;
        if self.active(Fault::RetryStorm, t) {
            for _ in 0..3 + self.chance.below(3) {
                let balancer = self.open(Op::KongBalancer, kong, t);
                let post = self.open(Op::Post, balancer, t + 900);
                t += PATIENCE_US;
                self.close(post, t - 900, None);
                self.close(balancer, t, Some(Failure::GaveUp));
                t += 30_000 + self.chance.below(60_000) as i64;
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
        if self.active(Fault::NewChild, t) {
            let normal = self.chance.normal();
            let check = self.open(Op::FraudCheck, post, t);
            t = self.close(check, t + self.work_of(Op::FraudCheck, t, normal), None);
        }
        t = self.leaf(Op::InsertOrders, post, t);

        let publish = self.open(Op::PublishOrders, post, t);
        let publish_own = self.work(Op::PublishOrders, t);
        let default = self.open(Op::PublishDefault, publish, t + publish_own / 2);
        let sent = t + publish_own / 2 + self.work(Op::PublishDefault, t);
        let sent = self.close(default, sent, None);
        t = self.close(publish, sent + publish_own / 2, None);

        let mut wait = QUEUE_US * (0.4 * self.random.normal()).exp();
        if let Some(progress) = self.conditions.active(Fault::QueueBacklog, sent) {
            // The queue fills for the first fifth, stays full, and is drained in the last tenth.
            wait += 6e6 * (progress / 0.2).min((1.0 - progress) / 0.1).min(1.0);
        }
        let received = sent + wait as i64;
        let silent = self.active(Fault::Silence, received);
        let (replied, reply) = self.matched(default, received, silent);
        let delivery = (2_000.0 * (0.4 * self.random.normal()).exp()) as i64;
        let declined = self.random.unit() < 0.005;

        let (t, failure) = if silent {
            (sent + 5_000_000, Some(Failure::MatcherTimeout))
        } else if self.active(Fault::LostChild, received) {
            (replied + delivery, None)
        } else {
            let arrived = (replied + delivery).max(t);
            let failure = if self.active(Fault::PaymentErrors, arrived) && self.chance.unit() < 0.6 {
                Some(Failure::PaymentProvider)
            } else if self.active(Fault::NewError, arrived) && self.chance.unit() < 0.1 {
                Some(Failure::LedgerConflict)
            } else {
                declined.then_some(Failure::PaymentDeclined)
            };
            let parent = if self.active(Fault::WrongParent, received) { reply } else { post };
            (self.settled(parent, arrived, failure), failure)
        };
        (self.close(post, t + own / 2, failure), failure)
    }

    /// `order.match` and its children: when the reply was sent, and by which span. The numbers are drawn even when
    /// nobody is there to receive the message.
    fn matched(&mut self, parent: u8, at: i64, silent: bool) -> (i64, u8) {
        let kept = self.spans.len();
        let matching = self.open(Op::OrderMatch, parent, at);
        let own = self.work(Op::OrderMatch, at);
        let mut t = self.leaf(Op::OrderbookMatch, matching, at + own * 7 / 10);
        let before_reply = self.spans.len();
        let replied = self.leaf(Op::OrderResponse, matching, t);
        t = if self.active(Fault::LostChild, at) {
            self.spans.truncate(before_reply);
            t
        } else {
            replied
        };
        let done = t + own * 3 / 10;
        let resumed = self.close(matching, done, None);
        if silent {
            self.spans.truncate(kept);
        }
        (if resumed == done { replied } else { resumed }, before_reply as u8)
    }

    /// `payment_response process`, a sibling of `publish orders`.
    fn settled(&mut self, parent: u8, at: i64, failure: Option<Failure>) -> i64 {
        let process = self.open(Op::PaymentResponse, parent, at);
        let own = self.work(Op::PaymentResponse, at);
        let t = self.leaf(Op::UpdateOrders, process, at + own * 8 / 10) + own * 2 / 10;
        self.close(process, t, failure)
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
        t += route_own / 2;
        let upstream = self.open(Op::TransferUpstream, route, t);
        let upstream_own = self.work(Op::TransferUpstream, t);
        t += upstream_own / 2;
        t += self.hop(t);
        let post = self.open(Op::PostTransfers, upstream, t);
        let post_own = self.work(Op::PostTransfers, t);
        t = self.leaf(Op::InsertLedger, post, t + post_own / 2);

        let chain = self.open(Op::ChainBroadcast, post, t);
        let healthy = t + self.work(Op::ChainBroadcast, t);
        let unlucky = self.random.unit() < 0.004;
        let down = self.active(Fault::GatewayDown, t);
        let failure = (unlucky || down).then_some(Failure::ChainUnreachable);
        t = if down { t + 3_000_000 + self.chance.below(20_000) as i64 } else { healthy };
        t = self.close(chain, t, failure) + post_own / 2;
        t = self.close(post, t, failure);
        t += self.hop(t) + upstream_own / 2;
        t = self.close(upstream, t, failure) + route_own / 2;
        t = self.close(route, t, failure) + http_own / 2;
        t = self.close(http, t, failure);
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
        let refused = mistyped || (self.active(Fault::AuthFailures, at) && self.chance.unit() < 0.7);
        let failure = refused.then_some(Failure::BadCredentials);
        t = self.close(authenticate, t, failure) + http_own / 2;
        t = self.close(http, t, failure) + own / 2;
        self.close(root, t, failure);
    }

    fn wallet_read(&mut self, at: i64) {
        let root = self.open(Op::WalletBalance, Record::ROOT, at);
        let own = self.work(Op::WalletBalance, at);
        let cache = self.open(Op::CacheGet, root, at + own / 3);
        let mut t = at + own / 3 + self.work(Op::CacheGet, at);
        // A cache that fails is an error of its own; the database then answers as it always does.
        let failed = self.random.unit() < 0.002;
        t = self.close(cache, t, failed.then_some(Failure::CacheTimeout));
        t = self.leaf(Op::SelectBalances, root, t) + own * 2 / 3;
        self.close(root, t, None);
    }

    fn reconcile(&mut self, at: i64) {
        let root = self.open(Op::Reconcile, Record::ROOT, at);
        let own = self.work(Op::Reconcile, at);
        let mut t = self.leaf(Op::SelectLedger, root, at + own / 2);
        t = self.leaf(Op::UpdateBalances, root, t);
        self.close(root, t + own / 2, None);
    }

    fn settlement(&mut self, at: i64) {
        let root = self.open(Op::SettlementBatch, Record::ROOT, at);
        let own = self.work(Op::SettlementBatch, at);
        let mut t = self.leaf(Op::SelectSettlements, root, at + own / 2);
        t = self.leaf(Op::InsertSettlements, root, t);
        t = self.leaf(Op::PublishSettlements, root, t);
        self.close(root, t + own / 2, None);
    }

    /// What an injection makes fail, and what it makes failures say.
    fn let_errors_travel(&mut self) {
        if self.conditions.injection.is_none() {
            return;
        }
        for index in 0..self.spans.len() {
            let Record { op, start, failure, .. } = self.spans[index];
            let Some(injection) = self.conditions.injected(start) else { continue };
            if injection.error_share(op) > 0.0 && self.chance.unit() < injection.error_share(op) {
                self.fail_with_callers(index);
            }
            if let Some(old) = failure.filter(|_| injection.rewords(op)) {
                let same = self.spans.iter_mut().filter(|span| span.failure == Some(old));
                same.for_each(|span| span.failure = Some(Failure::Unexpected));
            }
        }
    }

    /// A span fails, and all that wait for it. Who only sent a message was done before; whoever waits for the answer
    /// hears of the failure by it.
    fn fail_with_callers(&mut self, index: usize) {
        let mut next = index;
        while let Some(span) = self.spans.get_mut(next) {
            if next == index || span.op.of().kind != SpanKind::Producer {
                span.failure.get_or_insert(Failure::Unexpected);
            }
            next = usize::from(span.parent);
        }
    }

    fn decide_fates(&mut self) {
        for index in 0..self.spans.len() {
            let Record { op, start, parent, fate, .. } = self.spans[index];
            // A parent comes before its children, so its fate is known.
            let silenced = fate == Fate::Silenced
                || self.spans.get(usize::from(parent)).is_some_and(|parent| parent.fate == Fate::Silenced);
            let lost = self.active(Fault::SourceGap, self.spans[index].end())
                || (op.service() == Service::ApiGateway && self.active(Fault::LostSpans, start));
            self.spans[index].fate = match (silenced, lost) {
                (true, _) => Fate::Silenced,
                (false, true) => Fate::Lost,
                (false, false) => Fate::Sent,
            };
        }
    }
}
