//! The services and operations of the simulated exchange: what they are called, how long their own work takes, and
//! which attributes their spans carry.

use crate::domain::SpanKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Service {
    CryptoWallet,
    ApiGateway,
    ExchangeApi,
    OrderMatcher,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Op {
    OrderSubmit,
    HttpPost,
    Kong,
    KongJwt,
    KongRateLimit,
    KongBalancer,
    Post,
    SelectAccounts,
    InsertOrders,
    PublishOrders,
    PublishDefault,
    OrderMatch,
    OrderbookMatch,
    OrderResponse,
    PaymentResponse,
    UpdateOrders,
    OrderReceived,
    BtcTransfer,
    PostTransfersClient,
    TransferRoute,
    PostTransfers,
    InsertLedger,
    ChainBroadcast,
    TransferConfirmed,
    SignIn,
    PostTokenClient,
    Authenticate,
    SelectUsers,
    WalletBalance,
    CacheGet,
    SelectBalances,
    TransferUpstream,
    FraudCheck,
    Reconcile,
    SelectLedger,
    UpdateBalances,
    SettlementBatch,
    SelectSettlements,
    InsertSettlements,
    PublishSettlements,
}

/// Why a span failed. The same failure travels up to the root as far as the callers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Failure {
    PaymentDeclined,
    PaymentProvider,
    ChainUnreachable,
    MatcherTimeout,
    GaveUp,
    BadCredentials,
    CacheTimeout,
    /// What the new-error fault says: no message of the healthy exchange.
    LedgerConflict,
    /// What an injection raises: no message of the healthy exchange.
    Unexpected,
}

/// What is known of one operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) name: &'static str,
    pub(super) kind: SpanKind,
    /// Median of its own work, in microseconds: without children, without waiting.
    pub(super) median_us: f64,
    /// Standard deviation of the logarithm of that work.
    pub(super) spread: f64,
    /// Attributes that never change.
    pub(super) fixed: &'static [(&'static str, &'static str)],
    /// Status code of a successful HTTP call; 0 where the span is not HTTP.
    pub(super) http_ok: u16,
    /// Carries the order's pair and number.
    pub(super) order: bool,
    /// Method and route under which the service's request metrics count it: where a request enters the service.
    pub(super) entry: Option<(&'static str, &'static str)>,
}

/// What all spans of one trace share.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context {
    pub(super) pair: &'static str,
    pub(super) side: &'static str,
    pub(super) number: u64,
}

/// Takes attributes one by one, each with its own type.
pub(super) trait AttributeSink {
    fn text(&mut self, key: &str, value: &str);
    fn int(&mut self, key: &str, value: u64);
    fn flag(&mut self, key: &str, value: bool);
}

pub(super) const PAIRS: [&str; 6] = ["BTC/USD", "ETH/USD", "SOL/USD", "BTC/EUR", "ETH/BTC", "XRP/USD"];

impl Service {
    pub(super) const ALL: [Self; 4] = [Self::CryptoWallet, Self::ApiGateway, Self::ExchangeApi, Self::OrderMatcher];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CryptoWallet => "crypto-wallet",
            Self::ApiGateway => "api-gateway",
            Self::ExchangeApi => "exchange-api",
            Self::OrderMatcher => "order-matcher",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    pub(super) const fn host(self) -> &'static str {
        match self {
            Self::CryptoWallet => "wallet-7d9f6c5b8-x2x4k",
            Self::ApiGateway => "gateway-0",
            Self::ExchangeApi => "exchange-66b7d9c4f-jq8zn",
            Self::OrderMatcher => "matcher-0",
        }
    }

    /// `next` is the release that the regression fault rolls out.
    pub(super) const fn version(self, next: bool) -> &'static str {
        match self {
            Self::CryptoWallet => "3.8.0",
            Self::ApiGateway => "3.9.1",
            Self::ExchangeApi if next => "2.15.0",
            Self::ExchangeApi => "2.14.1",
            Self::OrderMatcher => "1.6.3",
        }
    }
}

impl Failure {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::PaymentDeclined => 402,
            Self::PaymentProvider => 502,
            Self::ChainUnreachable | Self::MatcherTimeout | Self::GaveUp => 504,
            Self::BadCredentials => 401,
            Self::CacheTimeout | Self::LedgerConflict | Self::Unexpected => 500,
        }
    }

    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::PaymentDeclined => "PaymentDeclined",
            Self::PaymentProvider => "PaymentProviderError",
            Self::ChainUnreachable => "ConnectTimeout",
            Self::MatcherTimeout => "ReplyTimeout",
            Self::GaveUp => "UpstreamTimeout",
            Self::BadCredentials => "Unauthorized",
            Self::CacheTimeout => "CacheTimeout",
            Self::LedgerConflict => "VersionConflict",
            Self::Unexpected => "UnexpectedEof",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::PaymentDeclined => "payment declined: insufficient funds",
            Self::PaymentProvider => "payment provider answered 502 bad gateway",
            Self::ChainUnreachable => "connect to chain-gateway.example:443 timed out",
            Self::MatcherTimeout => "no reply on queue payment_response within 5 s",
            Self::GaveUp => "upstream request timeout: gave up after 6 ms",
            Self::BadCredentials => "token signature could not be verified",
            Self::CacheTimeout => "redis: i/o timeout",
            Self::LedgerConflict => "ledger: account was changed by another transaction",
            Self::Unexpected => "unexpected end of stream",
        }
    }
}

// Few attributes a span: a month of them is read over loopback when the demo starts.
const DB: &[(&str, &str)] = &[("db.system", "postgresql")];
const ORDERS: &[(&str, &str)] = &[("messaging.destination.name", "orders")];
const PAYMENTS: &[(&str, &str)] = &[("messaging.destination.name", "payment_response")];

/// One operation without anything special; the table below says what differs.
const fn plain(service: Service, name: &'static str, kind: SpanKind, median_us: f64, spread: f64) -> Operation {
    Operation { service, name, kind, median_us, spread, fixed: &[], http_ok: 0, order: false, entry: None }
}

use Service::{ApiGateway, CryptoWallet, ExchangeApi, OrderMatcher};
use SpanKind::{Client, Consumer, Internal, Producer, Server};

/// In the order of [`Op`].
static OPERATIONS: [Operation; Op::COUNT] = [
    Operation {
        order: true,
        entry: Some(("POST", "/orders")),
        ..plain(CryptoWallet, "order.submit.client", Internal, 9_000.0, 0.25)
    },
    Operation { http_ok: 201, ..plain(CryptoWallet, "HTTP POST", Client, 8_000.0, 0.3) },
    Operation {
        fixed: &[("http.route", "/api/orders")],
        http_ok: 201,
        entry: Some(("POST", "/api/orders")),
        ..plain(ApiGateway, "kong", Server, 2_500.0, 0.25)
    },
    plain(ApiGateway, "kong.access.plugin.jwt", Internal, 900.0, 0.3),
    plain(ApiGateway, "kong.access.plugin.rate-limiting", Internal, 600.0, 0.3),
    Operation {
        fixed: &[("server.address", "exchange-api")],
        http_ok: 201,
        ..plain(ApiGateway, "kong.balancer", Client, 1_500.0, 0.3)
    },
    Operation {
        fixed: &[("http.route", "/orders")],
        http_ok: 201,
        entry: Some(("POST", "/orders")),
        ..plain(ExchangeApi, "POST", Server, 14_000.0, 0.25)
    },
    Operation { fixed: DB, ..plain(ExchangeApi, "SELECT accounts", Client, 4_500.0, 0.35) },
    Operation { fixed: DB, ..plain(ExchangeApi, "INSERT orders", Client, 7_000.0, 0.35) },
    Operation { fixed: ORDERS, ..plain(ExchangeApi, "publish orders", Producer, 1_200.0, 0.3) },
    Operation {
        fixed: &[("messaging.system", "rabbitmq")],
        ..plain(ExchangeApi, "publish <default>", Producer, 900.0, 0.3)
    },
    Operation {
        fixed: ORDERS,
        order: true,
        entry: Some(("CONSUME", "orders")),
        ..plain(OrderMatcher, "order.match", Consumer, 70_000.0, 0.25)
    },
    plain(OrderMatcher, "orderbook.match", Internal, 11_000.0, 0.3),
    Operation { fixed: PAYMENTS, ..plain(OrderMatcher, "order.response", Producer, 1_500.0, 0.3) },
    Operation { fixed: PAYMENTS, ..plain(ExchangeApi, "payment_response process", Consumer, 18_000.0, 0.3) },
    Operation { fixed: DB, ..plain(ExchangeApi, "UPDATE orders", Client, 6_000.0, 0.35) },
    plain(CryptoWallet, "order.response.received", Internal, 4_000.0, 0.25),
    Operation { entry: Some(("POST", "/transfers")), ..plain(CryptoWallet, "btc.transfer", Internal, 12_000.0, 0.25) },
    Operation { http_ok: 202, ..plain(CryptoWallet, "HTTP POST /transfers", Client, 8_000.0, 0.3) },
    Operation {
        fixed: &[("http.route", "/api/transfers")],
        http_ok: 202,
        entry: Some(("POST", "/api/transfers")),
        ..plain(ApiGateway, "POST /api/transfers", Server, 3_500.0, 0.25)
    },
    Operation {
        fixed: &[("http.route", "/transfers")],
        http_ok: 202,
        entry: Some(("POST", "/transfers")),
        ..plain(ExchangeApi, "POST /transfers", Server, 16_000.0, 0.25)
    },
    Operation { fixed: DB, ..plain(ExchangeApi, "INSERT ledger", Client, 8_000.0, 0.35) },
    Operation {
        fixed: &[("server.address", "chain-gateway.example")],
        http_ok: 200,
        ..plain(ExchangeApi, "chain.broadcast", Client, 190_000.0, 0.35)
    },
    plain(CryptoWallet, "transfer.confirmed", Internal, 5_000.0, 0.25),
    Operation { entry: Some(("POST", "/sign-in")), ..plain(CryptoWallet, "user.sign_in", Internal, 10_000.0, 0.25) },
    Operation { http_ok: 200, ..plain(CryptoWallet, "HTTP POST /auth", Client, 6_000.0, 0.3) },
    Operation {
        fixed: &[("http.route", "/auth")],
        http_ok: 200,
        entry: Some(("POST", "/auth")),
        ..plain(ApiGateway, "authenticate", Server, 45_000.0, 0.25)
    },
    Operation { fixed: DB, ..plain(ApiGateway, "SELECT users", Client, 5_000.0, 0.35) },
    Operation {
        fixed: &[("http.route", "/wallet")],
        http_ok: 200,
        entry: Some(("GET", "/wallet")),
        ..plain(CryptoWallet, "GET /wallet", Server, 9_000.0, 0.25)
    },
    Operation { fixed: &[("db.system", "redis")], ..plain(CryptoWallet, "cache.get", Client, 800.0, 0.35) },
    Operation { fixed: DB, ..plain(CryptoWallet, "SELECT balances", Client, 16_000.0, 0.3) },
    Operation {
        fixed: &[("server.address", "exchange-api")],
        http_ok: 202,
        ..plain(ApiGateway, "POST exchange-api/transfers", Client, 1_500.0, 0.3)
    },
    plain(ExchangeApi, "fraud.check", Internal, 2_000.0, 0.3),
    plain(ExchangeApi, "ledger.reconcile", Internal, 30_000.0, 0.25),
    Operation { fixed: DB, ..plain(ExchangeApi, "SELECT ledger", Client, 120_000.0, 0.3) },
    Operation { fixed: DB, ..plain(ExchangeApi, "UPDATE balances", Client, 60_000.0, 0.3) },
    plain(ExchangeApi, "settlement.batch", Internal, 80_000.0, 0.25),
    Operation { fixed: DB, ..plain(ExchangeApi, "SELECT settlements", Client, 400_000.0, 0.25) },
    Operation { fixed: DB, ..plain(ExchangeApi, "INSERT settlements", Client, 500_000.0, 0.25) },
    Operation {
        fixed: &[("messaging.destination.name", "settlements")],
        ..plain(ExchangeApi, "publish settlements", Producer, 1_500.0, 0.3)
    },
];

impl Op {
    pub(super) const COUNT: usize = Self::PublishSettlements as usize + 1;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::OrderSubmit,
        Self::HttpPost,
        Self::Kong,
        Self::KongJwt,
        Self::KongRateLimit,
        Self::KongBalancer,
        Self::Post,
        Self::SelectAccounts,
        Self::InsertOrders,
        Self::PublishOrders,
        Self::PublishDefault,
        Self::OrderMatch,
        Self::OrderbookMatch,
        Self::OrderResponse,
        Self::PaymentResponse,
        Self::UpdateOrders,
        Self::OrderReceived,
        Self::BtcTransfer,
        Self::PostTransfersClient,
        Self::TransferRoute,
        Self::PostTransfers,
        Self::InsertLedger,
        Self::ChainBroadcast,
        Self::TransferConfirmed,
        Self::SignIn,
        Self::PostTokenClient,
        Self::Authenticate,
        Self::SelectUsers,
        Self::WalletBalance,
        Self::CacheGet,
        Self::SelectBalances,
        Self::TransferUpstream,
        Self::FraudCheck,
        Self::Reconcile,
        Self::SelectLedger,
        Self::UpdateBalances,
        Self::SettlementBatch,
        Self::SelectSettlements,
        Self::InsertSettlements,
        Self::PublishSettlements,
    ];

    pub(super) fn from_names(service: Service, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.service() == service && op.of().name == name)
    }

    pub(super) fn of(self) -> &'static Operation {
        &OPERATIONS[self as usize]
    }

    pub(super) fn service(self) -> Service {
        self.of().service
    }

    /// Whether it is work that visits do in a healthy exchange, rather than a job's or the wait for another service.
    pub(super) const fn is_work_of_visits(self) -> bool {
        !matches!(
            self,
            Self::HttpPost
                | Self::KongBalancer
                | Self::PublishOrders
                | Self::PublishDefault
                | Self::OrderResponse
                | Self::PostTransfersClient
                | Self::TransferUpstream
                | Self::PostTokenClient
                | Self::FraudCheck
                | Self::Reconcile
                | Self::SelectLedger
                | Self::UpdateBalances
                | Self::SettlementBatch
                | Self::SelectSettlements
                | Self::InsertSettlements
                | Self::PublishSettlements
        )
    }

    /// Whether its spans of healthy traces differ in attributes; those of all others are alike.
    pub(super) fn varies(self) -> bool {
        self.of().order
    }

    /// The attributes that differ from span to span.
    pub(super) fn describe(self, context: &Context, failure: Option<Failure>, to: &mut impl AttributeSink) {
        let operation = self.of();
        if operation.order {
            to.text("order.pair", context.pair);
            to.text("order.side", context.side);
            to.int("order.id", context.number);
        }
        if operation.http_ok != 0 {
            to.int("http.response.status_code", u64::from(failure.map_or(operation.http_ok, Failure::status)));
        }
        if let Some(failure) = failure {
            to.flag("error", true);
            to.text("error.type", failure.kind());
            to.text("otel.status_code", "ERROR");
            to.text("otel.status_description", failure.message());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_names() {
        for (index, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, index);
        }
        assert_eq!(Op::OrderMatch.of().name, "order.match");
        assert_eq!(Op::OrderReceived.of().name, "order.response.received");
        assert_eq!(Op::ChainBroadcast.of().name, "chain.broadcast");
        assert_eq!(Op::SelectBalances.of().name, "SELECT balances");
        assert_eq!(Op::PublishSettlements.of().name, "publish settlements");
        assert_eq!(Op::from_names(ExchangeApi, "POST"), Some(Op::Post));
        assert_eq!(Op::from_names(ApiGateway, "POST"), None);
    }
}
