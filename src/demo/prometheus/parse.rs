//! The part of PromQL that a monitoring client sends.

use super::pattern::Pattern;
use super::token::{Token, error_at, tokens};
use crate::domain::Micros;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Number(f64),
    /// `time()`
    Time,
    Select(Vec<Matcher>),
    /// `rate(x[5m])`, `increase(x[5m])`
    Growth {
        per_second: bool,
        select: Vec<Matcher>,
        window: Micros,
    },
    Quantile(Box<Self>, Box<Self>),
    Aggregate {
        how: Aggregation,
        grouping: Grouping,
        of: Box<Self>,
    },
    Binary {
        op: Operator,
        matching: Grouping,
        left: Box<Self>,
        right: Box<Self>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Equal(String),
    Unequal(String),
    Like(Pattern),
    Unlike(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Average,
    Least,
    Most,
    Count,
}

/// Which labels count: `by (…)` and `on (…)`, or all but some: `without (…)` and `ignoring (…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grouping {
    Only(Vec<String>),
    Without(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Unless,
    Add,
    Subtract,
    Multiply,
    Divide,
    Compare(Comparison),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Greater,
    Less,
    AtLeast,
    AtMost,
}

/// Deeper expressions are refused rather than followed.
const DEEPEST: usize = 50;

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
}

/// Reads a query.
///
/// # Errors
/// Prometheus's sentence: `1:4: parse error: …`.
pub(super) fn parse(query: &str) -> Result<Expr, String> {
    let mut parser = Parser { tokens: tokens(query)?, at: 0, end: query.chars().count(), depth: 0 };
    if parser.tokens.is_empty() {
        return Err("1:1: parse error: no expression found in input".to_owned());
    }
    let expr = parser.expression(0)?;
    if parser.at < parser.tokens.len() { Err(parser.error("unexpected input after the expression")) } else { Ok(expr) }
}

/// Reads one selector, as `match[]` holds it.
pub(super) fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    match parse(text)? {
        Expr::Select(matchers) => Ok(matchers),
        _ => Err("1:1: parse error: expected a series selector".to_owned()),
    }
}

impl Parser {
    fn error(&self, text: &str) -> String {
        error_at(self.tokens.get(self.at).map_or(self.end, |(column, _)| *column), text)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.error(&format!("expected {sign:?}"))) }
    }

    fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        let word = word.clone();
        self.at += 1;
        Some(word)
    }

    /// The operator that comes next, and how strongly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        use Comparison::{AtLeast, AtMost, Equal, Greater, Less, Unequal};
        Some(match self.peek()? {
            Token::Word(word) => match word.as_str() {
                "or" => (Operator::Or, 1),
                "and" => (Operator::And, 2),
                "unless" => (Operator::Unless, 2),
                _ => return None,
            },
            Token::Sign(sign) => match *sign {
                "==" => (Operator::Compare(Equal), 3),
                "!=" => (Operator::Compare(Unequal), 3),
                ">" => (Operator::Compare(Greater), 3),
                "<" => (Operator::Compare(Less), 3),
                ">=" => (Operator::Compare(AtLeast), 3),
                "<=" => (Operator::Compare(AtMost), 3),
                "+" => (Operator::Add, 4),
                "-" => (Operator::Subtract, 4),
                "*" => (Operator::Multiply, 5),
                "/" => (Operator::Divide, 5),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn expression(&mut self, least: u8) -> Result<Expr, String> {
        if self.depth == DEEPEST {
            return Err(self.error("nested too deeply for the demo"));
        }
        self.depth += 1;
        let mut left = self.operand()?;
        while let Some((op, strength)) = self.operator().filter(|(_, strength)| *strength > least) {
            self.at += 1;
            let matching = match self.peek() {
                Some(Token::Word(word)) if word == "on" => {
                    self.at += 1;
                    Grouping::Only(self.labels()?)
                }
                Some(Token::Word(word)) if word == "ignoring" => {
                    self.at += 1;
                    Grouping::Without(self.labels()?)
                }
                _ => Grouping::Without(Vec::new()),
            };
            let right = self.expression(strength)?;
            left = Expr::Binary { op, matching, left: Box::new(left), right: Box::new(right) };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, String> {
        let mut negative = false;
        while matches!(self.peek(), Some(Token::Sign("-" | "+"))) {
            negative ^= self.take("-") || !self.take("+");
        }
        if negative {
            let right = Box::new(self.operand()?);
            let matching = Grouping::Without(Vec::new());
            let left = Box::new(Expr::Number(-1.0));
            return Ok(Expr::Binary { op: Operator::Multiply, matching, left, right });
        }
        if self.take("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if matches!(self.peek(), Some(Token::Sign("{"))) {
            return self.selected(None);
        }
        if let Some(Token::Number(number)) = self.peek() {
            let number = *number;
            self.at += 1;
            return Ok(Expr::Number(number));
        }
        let before = self.at;
        let Some(word) = self.word() else { return Err(self.error("unexpected end of input or sign")) };
        let opens = matches!(self.peek(), Some(Token::Sign("(")));
        let groups = matches!(self.peek(), Some(Token::Word(next)) if next == "by" || next == "without");
        if opens || groups {
            if let Some(how) = aggregation(&word) {
                return self.aggregate(how);
            }
            let call = self.call(&word)?;
            return call.ok_or_else(|| {
                self.at = before;
                self.error(&format!("unknown function with name {word:?} (the demo knows a part of PromQL)"))
            });
        }
        match word.as_str() {
            "Inf" | "inf" => Ok(Expr::Number(f64::INFINITY)),
            "NaN" | "nan" => Ok(Expr::Number(f64::NAN)),
            _ => self.selected(Some(word)),
        }
    }

    fn labels(&mut self) -> Result<Vec<String>, String> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            labels.push(self.word().ok_or_else(|| self.error("expected a label"))?);
            if !self.take(",") && !matches!(self.peek(), Some(Token::Sign(")"))) {
                return Err(self.error("expected \",\" or \")\" in grouping"));
            }
        }
        Ok(labels)
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, String> {
        let kind = match self.peek() {
            Some(Token::Word(word)) if word == "by" => Grouping::Only,
            Some(Token::Word(word)) if word == "without" => Grouping::Without,
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(kind(self.labels()?)))
    }

    fn aggregate(&mut self, how: Aggregation) -> Result<Expr, String> {
        let before = self.grouping()?;
        self.expect("(")?;
        let of = Box::new(self.expression(0)?);
        self.expect(")")?;
        let after = self.grouping()?;
        let grouping = before.or(after).unwrap_or_else(|| Grouping::Only(Vec::new()));
        Ok(Expr::Aggregate { how, grouping, of })
    }

    fn call(&mut self, name: &str) -> Result<Option<Expr>, String> {
        let per_second = match name {
            "rate" | "irate" => true,
            "increase" => false,
            "time" => {
                self.expect("(")?;
                self.expect(")")?;
                return Ok(Some(Expr::Time));
            }
            "histogram_quantile" => {
                self.expect("(")?;
                let quantile = Box::new(self.expression(0)?);
                self.expect(",")?;
                let of = Box::new(self.expression(0)?);
                self.expect(")")?;
                return Ok(Some(Expr::Quantile(quantile, of)));
            }
            _ => return Ok(None),
        };
        self.expect("(")?;
        let name = self.word();
        let select = self.matchers(name)?;
        self.expect("[")?;
        let Some(Token::Duration(window)) = self.peek() else {
            return Err(self.error("expected a duration in the range"));
        };
        let window = *window;
        if window.0 == 0 {
            return Err(self.error("duration must be greater than 0"));
        }
        self.at += 1;
        self.expect("]")?;
        self.expect(")")?;
        Ok(Some(Expr::Growth { per_second, select, window }))
    }

    fn selected(&mut self, name: Option<String>) -> Result<Expr, String> {
        let matchers = self.matchers(name)?;
        if matches!(self.peek(), Some(Token::Sign("["))) {
            return Err(self.error("a range vector stands only inside rate() or increase() here"));
        }
        Ok(Expr::Select(matchers))
    }

    /// `name{label="value",…}`; the name, the braces, or both.
    fn matchers(&mut self, name: Option<String>) -> Result<Vec<Matcher>, String> {
        let mut matchers: Vec<Matcher> =
            name.into_iter().map(|name| Matcher { label: "__name__".to_owned(), test: Test::Equal(name) }).collect();
        if self.take("{") {
            while !self.take("}") {
                matchers.push(self.matcher()?);
                if !self.take(",") && !matches!(self.peek(), Some(Token::Sign("}"))) {
                    return Err(self.error("expected \",\" or \"}\" in label matching"));
                }
            }
        }
        if matchers.is_empty() {
            return Err(self.error("vector selector must contain at least one matcher"));
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        if let Some(Token::Text(name)) = self.peek() {
            // `{"name"}`: the quoted form of a metric name.
            let test = Test::Equal(name.clone());
            self.at += 1;
            return Ok(Matcher { label: "__name__".to_owned(), test });
        }
        let label = self.word().ok_or_else(|| self.error("unexpected input in label matching, expected a label"))?;
        let Some(Token::Sign(sign @ ("=" | "!=" | "=~" | "!~"))) = self.peek().cloned() else {
            return Err(self.error("expected label matching operator"));
        };
        self.at += 1;
        let Some(Token::Text(value)) = self.peek().cloned() else {
            return Err(self.error("expected a quoted string in label matching"));
        };
        let pattern = |parser: &Self| {
            Pattern::parse(&value).ok_or_else(|| parser.error(&format!("the demo cannot read the pattern {value:?}")))
        };
        let test = match sign {
            "=" => Test::Equal(value),
            "!=" => Test::Unequal(value),
            "=~" => Test::Like(pattern(self)?),
            _ => Test::Unlike(pattern(self)?),
        };
        self.at += 1;
        Ok(Matcher { label, test })
    }
}

fn aggregation(word: &str) -> Option<Aggregation> {
    Some(match word {
        "sum" => Aggregation::Sum,
        "avg" => Aggregation::Average,
        "min" => Aggregation::Least,
        "max" => Aggregation::Most,
        "count" => Aggregation::Count,
        _ => return None,
    })
}

impl Matcher {
    /// A label that is absent is an empty one.
    pub(super) fn accepts(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal(wanted) => wanted == value,
            Test::Unequal(unwanted) => unwanted != value,
            Test::Like(pattern) => pattern.matches(value),
            Test::Unlike(pattern) => !pattern.matches(value),
        }
    }
}
