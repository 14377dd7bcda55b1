//! The text of an expression as a tree. Start at [`Expression::parse`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::MathError;

/// Source: the CloudWatch API's model, `MetricExpression`.
const CHARS: usize = 2048;

/// How deep parentheses, lists and calls may nest. AWS names no limit; each level costs stack.
const DEPTH: usize = 50;

/// An expression that was understood; read and written as its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    text: String,
    pub(super) root: Node,
}

/// Operators of one rank stand side by side, so that a long sum is no deep tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    /// A metric or another expression.
    Id(String),
    /// `REPEAT` and the like.
    Word(String),
    List(Vec<Node>),
    Call(Function, Vec<Node>),
    Negated(Box<Node>),
    /// From the left.
    Chain(Box<Node>, Vec<(Operator, Node)>),
    /// From the right.
    Power(Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Plus,
    Minus,
    Times,
    Divide,
    Power,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    And,
    Or,
}

/// The functions that are reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Abs,
    Avg,
    Ceil,
    Diff,
    DiffTime,
    Fill,
    Floor,
    If,
    Max,
    Metrics,
    Min,
    Period,
    Rate,
    RunningSum,
    Sum,
    TimeSeries,
}

impl Function {
    const ALL: &[(&str, Self)] = &[
        ("ABS", Self::Abs),
        ("AVG", Self::Avg),
        ("CEIL", Self::Ceil),
        ("DIFF", Self::Diff),
        ("DIFF_TIME", Self::DiffTime),
        ("FILL", Self::Fill),
        ("FLOOR", Self::Floor),
        ("IF", Self::If),
        ("MAX", Self::Max),
        ("METRICS", Self::Metrics),
        ("MIN", Self::Min),
        ("PERIOD", Self::Period),
        ("RATE", Self::Rate),
        ("RUNNING_SUM", Self::RunningSum),
        ("SUM", Self::Sum),
        ("TIME_SERIES", Self::TimeSeries),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }
}

impl Operator {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Divide => "/",
            Self::Power => "^",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::And => "AND",
            Self::Or => "OR",
        }
    }
}

impl Expression {
    /// # Errors
    /// What is not understood, or a function that is not reproduced, by its name.
    pub fn parse(text: &str) -> Result<Self, MathError> {
        if text.chars().count() > CHARS {
            return Err(MathError::new(format!("an expression has at most {CHARS} characters")));
        }
        let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
        let root = parser.any()?;
        match parser.here() {
            None => Ok(Self { text: text.to_string(), root }),
            Some(token) => Err(unexpected(Some(token))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The metrics and expressions it names, without those that `METRICS()` stands for.
    pub fn ids(&self) -> BTreeSet<&str> {
        let mut ids = BTreeSet::new();
        self.root.visit(&mut |node| {
            if let Node::Id(id) = node {
                ids.insert(id.as_str());
            }
        });
        ids
    }

    /// Whether it asks for all metrics of the request.
    pub fn asks_for_metrics(&self) -> bool {
        let mut asks = false;
        self.root.visit(&mut |node| asks |= matches!(node, Node::Call(Function::Metrics, _)));
        asks
    }
}

impl TryFrom<String> for Expression {
    type Error = MathError;
    fn try_from(text: String) -> Result<Self, MathError> {
        Self::parse(&text)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.text
    }
}

impl Node {
    fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Node)) {
        see(self);
        match self {
            Self::Number(_) | Self::Text(_) | Self::Id(_) | Self::Word(_) => {}
            Self::List(nodes) | Self::Call(_, nodes) | Self::Power(nodes) => {
                nodes.iter().for_each(|node| node.visit(see));
            }
            Self::Negated(inner) => inner.visit(see),
            Self::Chain(first, rest) => {
                first.visit(see);
                rest.iter().for_each(|(_, node)| node.visit(see));
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    Operator(Operator),
    Mark(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, MathError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (token, length) = match c {
            c if c.is_whitespace() => (None, c.len_utf8()),
            '(' | ')' | '[' | ']' | ',' => (Some(Token::Mark(c)), 1),
            '"' | '\'' => {
                let end = rest[1..].find(c).ok_or_else(|| MathError::new("a text has no closing quote"))?;
                (Some(Token::Text(rest[1..=end].to_string())), end + 2)
            }
            c if c.is_ascii_digit() || c == '.' => number(rest)?,
            c if c.is_ascii_alphabetic() => name(rest),
            _ => operator(rest).ok_or_else(|| MathError::new(format!("`{c}` is not expected")))?,
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn number(text: &str) -> Result<(Option<Token>, usize), MathError> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let mut length = digits(0);
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = bytes[length + 1 + sign..].iter().take_while(|b| b.is_ascii_digit()).count();
        length += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    let number = text[..length].parse().map_err(|_| MathError::new(format!("`{}` is no number", &text[..length])))?;
    Ok((Some(Token::Number(number)), length))
}

fn name(text: &str) -> (Option<Token>, usize) {
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let token = match &text[..length] {
        "AND" => Token::Operator(Operator::And),
        "OR" => Token::Operator(Operator::Or),
        name => Token::Name(name.to_string()),
    };
    (Some(token), length)
}

fn operator(text: &str) -> Option<(Option<Token>, usize)> {
    let known = [
        ("&&", Operator::And),
        ("||", Operator::Or),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("+", Operator::Plus),
        ("-", Operator::Minus),
        ("*", Operator::Times),
        ("/", Operator::Divide),
        ("^", Operator::Power),
    ];
    let (symbol, operator) = known.into_iter().find(|(symbol, _)| text.starts_with(symbol))?;
    Some((Some(Token::Operator(operator)), symbol.len()))
}

fn unexpected(token: Option<&Token>) -> MathError {
    MathError::new(match token {
        None => "the expression ends too early".to_string(),
        Some(Token::Number(number)) => format!("`{number}` is not expected"),
        Some(Token::Text(text)) => format!("`\"{text}\"` is not expected"),
        Some(Token::Name(name)) => format!("`{name}` is not expected"),
        Some(Token::Operator(operator)) => format!("`{}` is not expected", operator.symbol()),
        Some(Token::Mark(mark)) => format!("`{mark}` is not expected"),
    })
}

/// The operators that bind alike, loosest first.
const RANKS: [&[Operator]; 5] = [
    &[Operator::Or],
    &[Operator::And],
    &[
        Operator::Equal,
        Operator::NotEqual,
        Operator::LessOrEqual,
        Operator::GreaterOrEqual,
        Operator::Less,
        Operator::Greater,
    ],
    &[Operator::Plus, Operator::Minus],
    &[Operator::Times, Operator::Divide],
];

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// A whole expression; the one place where nesting is counted.
    fn any(&mut self) -> Result<Node, MathError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(MathError::new(format!("an expression nests at most {DEPTH} levels")));
        }
        let node = self.rank(0);
        self.depth -= 1;
        node
    }

    fn rank(&mut self, rank: usize) -> Result<Node, MathError> {
        let Some(operators) = RANKS.get(rank) else { return self.signed() };
        let first = self.rank(rank + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, self.rank(rank + 1)?));
        }
        Ok(if rest.is_empty() { first } else { Node::Chain(Box::new(first), rest) })
    }

    /// Any number of minus signs before a power.
    fn signed(&mut self) -> Result<Node, MathError> {
        let mut negative = false;
        while self.operator(&[Operator::Minus]).is_some() {
            negative = !negative;
        }
        let power = self.power()?;
        Ok(if negative { Node::Negated(Box::new(power)) } else { power })
    }

    fn power(&mut self) -> Result<Node, MathError> {
        let mut all = vec![self.operand()?];
        while self.operator(&[Operator::Power]).is_some() {
            let negative = self.operator(&[Operator::Minus]).is_some();
            let operand = self.operand()?;
            all.push(if negative { Node::Negated(Box::new(operand)) } else { operand });
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Node::Power(all) })
    }

    fn operand(&mut self) -> Result<Node, MathError> {
        let token = self.here().cloned();
        self.next += 1;
        match token {
            Some(Token::Number(number)) => Ok(Node::Number(number)),
            Some(Token::Text(text)) => Ok(Node::Text(text)),
            Some(Token::Mark('(')) => {
                let inner = self.any()?;
                self.mark(')')?;
                Ok(inner)
            }
            Some(Token::Mark('[')) => self.list(']').map(Node::List),
            Some(Token::Name(name)) if self.here() == Some(&Token::Mark('(')) => self.call(&name),
            Some(Token::Name(name)) if name.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(Node::Id(name)),
            Some(Token::Name(name)) => Ok(Node::Word(name)),
            token => Err(unexpected(token.as_ref())),
        }
    }

    fn call(&mut self, name: &str) -> Result<Node, MathError> {
        let function = Function::parse(name)
            .ok_or_else(|| MathError::new(format!("The function {name} is not reproduced by this endpoint")))?;
        self.mark('(')?;
        self.list(')').map(|arguments| Node::Call(function, arguments))
    }

    /// Expressions with commas between them, up to `end`.
    fn list(&mut self, end: char) -> Result<Vec<Node>, MathError> {
        let mut nodes = Vec::new();
        if self.here() == Some(&Token::Mark(end)) {
            self.next += 1;
            return Ok(nodes);
        }
        loop {
            nodes.push(self.any()?);
            if self.here() != Some(&Token::Mark(',')) {
                return self.mark(end).map(|()| nodes);
            }
            self.next += 1;
        }
    }

    fn here(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn mark(&mut self, mark: char) -> Result<(), MathError> {
        if self.here() != Some(&Token::Mark(mark)) {
            return Err(unexpected(self.here()));
        }
        self.next += 1;
        Ok(())
    }

    fn operator(&mut self, among: &[Operator]) -> Option<Operator> {
        let Some(Token::Operator(operator)) = self.here() else { return None };
        let operator = *operator;
        self.next += usize::from(among.contains(&operator));
        among.contains(&operator).then_some(operator)
    }
}
