//! The language of composite alarms: `ALARM(cpu) AND NOT ALARM("deployment in progress")`. Start at [`AlarmRule`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::engine::Refusal;
use crate::engine::alarms::AlarmState;

/// Source: CloudWatch API Reference, PutCompositeAlarm.
pub const RULE_CHARS: usize = 10_240;
pub const CHILDREN: usize = 100;
/// Children, `TRUE`, `FALSE` and pairs of parentheses together.
pub const ELEMENTS: usize = 500;

/// How deep parentheses and negations may nest; AWS has no such limit, but a rule names at most a hundred alarms.
const DEPTH: usize = 200;

const OPERAND: &str = "'(', 'NOT', AT_LEAST, TRUE or FALSE, ALARM, OK, or INSUFFICIENT_DATA";

/// A rule that was understood; read and written as its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlarmRule {
    text: String,
    expression: Expression,
}

impl TryFrom<String> for AlarmRule {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<AlarmRule> for String {
    fn from(rule: AlarmRule) -> Self {
        rule.text
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Constant(bool),
    Is(AlarmState, String),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    AtLeast { least: Least, negated: bool, state: AlarmState, children: Vec<String> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Least {
    Count(usize),
    Percent(usize),
}

impl AlarmRule {
    /// Reads a rule. `NOT` binds closer than `AND`, and `AND` closer than `OR`.
    ///
    /// # Errors
    /// `ValidationError` that names the first token AWS would not take, and its place. Texts recorded from AWS.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.trim() != text {
            return Err(Refusal::validation("AlarmRule must not contain leading or trailing whitespace or be null"));
        }
        if text.chars().count() > RULE_CHARS {
            return Err(Refusal::validation(format!("AlarmRule must not be longer than {RULE_CHARS} characters")));
        }
        let mut parser = Parser { tokens: tokens(text), next: 0, depth: 0, elements: 0 };
        let expression = parser.any()?;
        parser.expect_end()?;
        let rule = Self { text: text.to_string(), expression };
        if parser.elements > ELEMENTS {
            return Err(Refusal::validation(format!("AlarmRule must not have more than {ELEMENTS} elements")));
        }
        if rule.children().len() > CHILDREN {
            return Err(Refusal::validation(format!("AlarmRule must not name more than {CHILDREN} alarms")));
        }
        Ok(rule)
    }

    /// Whether the rule holds, which puts the alarm into ALARM. `state_of` takes names and ARNs as they stand in the rule.
    pub fn holds(&self, state_of: &dyn Fn(&str) -> AlarmState) -> bool {
        self.expression.holds(state_of)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The children that explain why the rule holds or does not, each once, in the order in which the rule names them:
    /// those whose own condition comes to what the rule comes to. Recorded from AWS for `AT_LEAST` and `OR`.
    pub fn explains(&self, holds: bool, state_of: &dyn Fn(&str) -> AlarmState) -> Vec<&str> {
        let mut found = Vec::new();
        self.expression.explain(holds, state_of, &mut found);
        let mut seen = BTreeSet::new();
        found.retain(|child| seen.insert(*child));
        found
    }

    /// The alarms that the rule names, by name or ARN as it does.
    pub fn children(&self) -> BTreeSet<&str> {
        let mut children = BTreeSet::new();
        self.expression.collect(&mut children);
        children
    }
}

impl Expression {
    fn holds(&self, state_of: &dyn Fn(&str) -> AlarmState) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Is(state, child) => state_of(child) == *state,
            Self::Not(inner) => !inner.holds(state_of),
            Self::All(parts) => parts.iter().all(|part| part.holds(state_of)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(state_of)),
            Self::AtLeast { least, negated, state, children } => {
                let holding = children.iter().filter(|child| (state_of(child) == *state) != *negated).count();
                match least {
                    Least::Count(count) => holding >= *count,
                    Least::Percent(percent) => holding * 100 >= percent.saturating_mul(children.len()),
                }
            }
        }
    }

    fn explain<'a>(&'a self, outcome: bool, state_of: &dyn Fn(&str) -> AlarmState, into: &mut Vec<&'a str>) {
        if self.holds(state_of) != outcome {
            return;
        }
        match self {
            Self::Constant(_) => {}
            Self::Is(_, child) => into.push(child),
            Self::Not(inner) => inner.explain(!outcome, state_of, into),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.explain(outcome, state_of, into)),
            Self::AtLeast { negated, state, children, .. } => {
                let speaks = |child: &&String| ((state_of(child) == *state) != *negated) == outcome;
                into.extend(children.iter().filter(speaks).map(String::as_str));
            }
        }
    }

    fn collect<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        match self {
            Self::Constant(_) => {}
            Self::Is(_, child) => drop(into.insert(child)),
            Self::Not(inner) => inner.collect(into),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(into)),
            Self::AtLeast { children, .. } => into.extend(children.iter().map(String::as_str)),
        }
    }
}

/// A piece of the text and the character at which it begins.
struct Token {
    at: usize,
    text: String,
    quoted: bool,
}

/// Cuts at white space, parentheses and commas; within quotes only at the closing one, and `\"` stands for a quote.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' | ')' | ',' => tokens.push(Token { at, text: c.to_string(), quoted: false }),
            '"' => {
                let mut text = String::new();
                while let Some((_, c)) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => text.extend(chars.next().map(|(_, c)| c)),
                        c => text.push(c),
                    }
                }
                tokens.push(Token { at, text, quoted: true });
            }
            c => {
                let mut text = c.to_string();
                let goes_on = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | ',');
                while let Some((_, c)) = chars.next_if(|(_, c)| goes_on(*c)) {
                    text.push(c);
                }
                tokens.push(Token { at, text, quoted: false });
            }
        }
    }
    tokens.push(Token { at: text.chars().count(), text: "<EOF>".to_string(), quoted: true });
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    elements: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Expression, Refusal> {
        let mut parts = vec![self.all()?];
        while self.take("OR") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, Refusal> {
        let mut parts = vec![self.operand()?];
        while self.take("AND") {
            parts.push(self.operand()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn operand(&mut self) -> Result<Expression, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Refusal::validation(format!("Error in AlarmRule [nested deeper than {DEPTH} levels]")));
        }
        let operand = self.nested_operand();
        self.depth -= 1;
        operand
    }

    fn nested_operand(&mut self) -> Result<Expression, Refusal> {
        if self.take("NOT") {
            return Ok(Expression::Not(Box::new(self.operand()?)));
        }
        if self.take("(") {
            self.elements += 1;
            let inner = self.any()?;
            return self.expect(")", "')', 'AND', 'OR'").map(|()| inner);
        }
        if self.take("AT_LEAST") {
            return self.at_least();
        }
        if let Some(state) = self.state() {
            self.expect("(", "'('")?;
            let child = self.child()?;
            self.expect(")", "')'")?;
            return Ok(Expression::Is(state, child));
        }
        self.elements += 1;
        if self.take("TRUE") {
            return Ok(Expression::Constant(true));
        }
        if self.take("FALSE") {
            return Ok(Expression::Constant(false));
        }
        Err(self.unsupported(OPERAND))
    }

    /// `(2, NOT OK, (a, b, c))` or `(50%, ALARM, (a, b))`.
    fn at_least(&mut self) -> Result<Expression, Refusal> {
        self.expect("(", "'('")?;
        let least = self.least()?;
        self.expect(",", "','")?;
        let negated = self.take("NOT");
        let state = self.state().ok_or_else(|| self.unsupported("'NOT', ALARM, OK, or INSUFFICIENT_DATA"))?;
        self.expect(",", "','")?;
        self.expect("(", "'('")?;
        let mut children = vec![self.child()?];
        while self.take(",") {
            children.push(self.child()?);
        }
        self.expect(")", "',', ')'")?;
        self.expect(")", "')'")?;
        let wrong = match least {
            Least::Count(count) if !(1..=children.len()).contains(&count) => {
                let alarms = children.len();
                Some(format!("AT_LEAST absolute threshold must be between 1 and number of alarms ({alarms})"))
            }
            Least::Percent(percent) if !(1..=100).contains(&percent) => {
                Some("AT_LEAST percentage threshold must be between 1 and 100".to_string())
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Refusal::validation(format!("Error in AlarmRule [{wrong}]")));
        }
        Ok(Expression::AtLeast { least, negated, state, children })
    }

    fn least(&mut self) -> Result<Least, Refusal> {
        let text = self.here().text.clone();
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let least = match text.strip_suffix('%') {
            Some(percent) => number(percent).map(Least::Percent),
            None => number(&text).map(Least::Count),
        };
        let least = least.ok_or_else(|| self.unsupported("NUMBER, PERCENTAGE NUMBER"))?;
        self.next += 1;
        Ok(least)
    }

    fn state(&mut self) -> Option<AlarmState> {
        AlarmState::ALL.iter().copied().find(|state| self.take(state.as_str()))
    }

    /// A name or an ARN. Punctuation and the end are none.
    fn child(&mut self) -> Result<String, Refusal> {
        let token = self.here();
        let is_end = self.next + 1 == self.tokens.len();
        if is_end || (!token.quoted && matches!(token.text.as_str(), "(" | ")" | ",")) {
            return Err(self.unsupported("an alarm name or ARN"));
        }
        let child = token.text.clone();
        self.next += 1;
        self.elements += 1;
        Ok(child)
    }

    fn here(&self) -> &Token {
        // The last token is the end, and nothing takes it.
        &self.tokens[self.next]
    }

    fn take(&mut self, word: &str) -> bool {
        let found = !self.here().quoted && self.here().text == word;
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str, expected: &str) -> Result<(), Refusal> {
        if self.take(word) { Ok(()) } else { Err(self.unsupported(expected)) }
    }

    fn expect_end(&self) -> Result<(), Refusal> {
        if self.next + 1 == self.tokens.len() {
            return Ok(());
        }
        // As recorded: what looks like an operator is answered with the operators, anything else only with the end.
        let looks_like_operator = ["and", "or", "&&", "||"].contains(&self.here().text.to_lowercase().as_str());
        Err(self.unsupported(if looks_like_operator { "<EOF>, 'AND', 'OR'" } else { "<EOF>" }))
    }

    fn unsupported(&self, expected: &str) -> Refusal {
        let Token { at, text, .. } = self.here();
        Refusal::validation(format!(
            "Error in AlarmRule [Unsupported token '{text}' at char {at}, must be: {expected}]"
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `children` are `name=STATE` words; what is not among them is INSUFFICIENT_DATA.
    fn check(rule: &str, children: &str, expected: bool) {
        let state_of = |child: &str| {
            let known = children.split(';').filter_map(|word| word.split_once('='));
            let found = known.into_iter().find(|(name, _)| *name == child);
            found.map_or(AlarmState::InsufficientData, |(_, state)| AlarmState::parse(state).unwrap())
        };
        let parsed = AlarmRule::parse(rule).unwrap_or_else(|refusal| panic!("{rule}: {refusal}"));
        assert_eq!(parsed.holds(&state_of), expected, "{rule} with {children}");
    }

    fn refused(rule: &str, message: &str) {
        assert_eq!(AlarmRule::parse(rule).map_err(|refusal| refusal.message), Err(message.to_string()), "{rule}");
    }

    /// Source: CloudWatch API Reference, PutCompositeAlarm.
    #[test]
    fn a_rule_means_what_it_says() {
        check("TRUE", "", true);
        check("FALSE", "", false);
        check("ALARM(a) AND ALARM(b)", "a=ALARM;b=OK", false);
        check("ALARM(a) AND NOT ALARM(b)", "a=ALARM;b=OK", true);
        check("ALARM(a) AND NOT ALARM(b)", "a=ALARM", true);
        check("(ALARM(a) OR ALARM(b)) AND OK(c)", "a=OK;b=ALARM;c=OK", true);
        check("INSUFFICIENT_DATA(a)", "", true);
        check("INSUFFICIENT_DATA(a)", "a=OK", false);
    }

    #[test]
    fn not_binds_closest_and_or_least() {
        check("ALARM(a) OR ALARM(b) AND ALARM(c)", "a=ALARM;b=OK;c=OK", true);
        check("ALARM(a) OR ALARM(b) AND ALARM(c)", "a=OK;b=ALARM;c=OK", false);
        check("NOT ALARM(a) AND OK(b)", "a=OK;b=OK", true);
        check("NOT (ALARM(a) AND OK(b))", "a=ALARM;b=OK", false);
        check("NOT NOT TRUE", "", true);
    }

    #[test]
    fn at_least_counts_alarms_or_their_share() {
        let four = "AT_LEAST(2, ALARM, (w1, w2, w3, w4))";
        check(four, "w1=ALARM;w2=ALARM;w3=OK;w4=OK", true);
        check(four, "w1=ALARM;w2=OK;w3=OK;w4=OK", false);
        let half = "AT_LEAST(50%, OK, (d1, d2, d3))";
        check(half, "d1=OK;d2=OK;d3=ALARM", true);
        check(half, "d1=OK;d2=ALARM;d3=ALARM", false);
        check("AT_LEAST(2, NOT OK, (a, b))", "a=ALARM", true);
        check("AT_LEAST(2, NOT OK, (a, b))", "a=ALARM;b=OK", false);
    }

    #[test]
    fn names_may_be_quoted_and_stand_apart() {
        check("ALARM ( a )", "a=ALARM", true);
        check("ALARM(\"name with spaces\") OR ALARM(b)", "name with spaces=ALARM", true);
        check(r#"ALARM("with \"quote\"")"#, "with \"quote\"=ALARM", true);
        check("ALARM(\"a)b,c\")", "a)b,c=ALARM", true);
        let arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a";
        let rule = AlarmRule::parse(&format!("ALARM({arn}) OR OK(b) OR AT_LEAST(1, OK, (c, b))")).unwrap();
        assert_eq!(rule.children().into_iter().collect::<Vec<_>>(), [arn, "b", "c"]);
    }

    /// Texts recorded from AWS.
    #[test]
    fn the_first_token_that_does_not_fit_is_named() {
        let operand =
            |token: &str| format!("Error in AlarmRule [Unsupported token '{token}' at char 0, must be: {OPERAND}]");
        for (rule, token) in [
            ("true", "true"),
            ("not TRUE", "not"),
            ("!TRUE", "!TRUE"),
            ("alarm(a)", "alarm"),
            ("UNKNOWN(a)", "UNKNOWN"),
        ] {
            refused(rule, &operand(token));
        }
        refused(
            "TRUE and FALSE",
            "Error in AlarmRule [Unsupported token 'and' at char 5, must be: <EOF>, 'AND', 'OR']",
        );
        refused("TRUE && FALSE", "Error in AlarmRule [Unsupported token '&&' at char 5, must be: <EOF>, 'AND', 'OR']");
        refused(
            "ALARM(an alarm with spaces)",
            "Error in AlarmRule [Unsupported token 'alarm' at char 9, must be: ')']",
        );
    }

    /// Texts recorded from AWS.
    #[test]
    fn a_quorum_has_a_number_of_alarms_it_can_reach() {
        let absolute = "Error in AlarmRule [AT_LEAST absolute threshold must be between 1 and number of alarms (2)]";
        let percentage = "Error in AlarmRule [AT_LEAST percentage threshold must be between 1 and 100]";
        let token = |token: &str| {
            format!("Error in AlarmRule [Unsupported token '{token}' at char 9, must be: NUMBER, PERCENTAGE NUMBER]")
        };
        for (least, text) in [
            ("0", absolute.to_string()),
            ("3", absolute.to_string()),
            ("0%", percentage.to_string()),
            ("101%", percentage.to_string()),
            ("-1", token("-1")),
            ("1.5", token("1.5")),
            ("50.5%", token("50.5%")),
        ] {
            refused(&format!("AT_LEAST({least}, ALARM, (a,b))"), &text);
        }
        refused(
            "AT_LEAST(1, BOGUS, (a,b))",
            "Error in AlarmRule [Unsupported token 'BOGUS' at char 12, must be: 'NOT', ALARM, OK, or INSUFFICIENT_DATA]",
        );
        refused("TRUE FALSE", "Error in AlarmRule [Unsupported token 'FALSE' at char 5, must be: <EOF>]");
    }

    /// Recorded from AWS: A is in ALARM and B is OK.
    #[test]
    fn the_children_that_agree_with_the_outcome_explain_it() {
        let state_of = |child: &str| if child == "A" { AlarmState::Alarm } else { AlarmState::Ok };
        for (rule, holds, children) in [
            ("AT_LEAST(2, ALARM, (A, A, B))", true, vec!["A"]),
            ("AT_LEAST(67%, ALARM, (A, A, B))", false, vec!["B"]),
            ("ALARM(B) OR ALARM(A)", true, vec!["A"]),
            ("ALARM(B) AND ALARM(A)", false, vec!["B"]),
            ("NOT (ALARM(B) OR OK(A))", true, vec!["B", "A"]),
            ("FALSE", false, vec![]),
        ] {
            let parsed = AlarmRule::parse(rule).unwrap();
            assert_eq!(parsed.holds(&state_of), holds, "{rule}");
            assert_eq!(parsed.explains(holds, &state_of), children, "{rule}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_and_never_a_panic() {
        let deep = "(".repeat(10_000);
        let long = format!("ALARM({})", "a".repeat(10_240));
        let many: Vec<String> = (0..101).map(|n| format!("ALARM(a{n})")).collect();
        for rule in [
            "",
            " TRUE",
            "ALARM(a) AND",
            "ALARM(a,b)",
            "ALARM(my alarm)",
            "ALARM(",
            "ALARM()",
            "ALARM(\"a",
            "(TRUE",
            "TRUE)",
            "AT_LEAST(0, OK, (a))",
            "AT_LEAST(2, OK, (a))",
            "AT_LEAST(101%, OK, (a))",
            "AT_LEAST(x, OK, (a))",
            "AT_LEAST(1, GOOD, (a))",
            "AT_LEAST(1, OK, ())",
            "\"TRUE\"",
            &deep,
            &long,
            &many.join(" OR "),
        ] {
            assert!(AlarmRule::parse(rule).is_err(), "{rule}");
        }
    }

    const WORDS: &[&str] = &[
        "ALARM",
        "OK",
        "INSUFFICIENT_DATA",
        "AT_LEAST",
        "TRUE",
        "FALSE",
        " AND ",
        " OR ",
        "NOT ",
        "(",
        ")",
        ",",
        " ",
        "a",
        "\"b c\"",
        "\"",
        "\\",
        "1",
        "50%",
        "ALARM(a)",
        "OK(\"b\")",
        "(ALARM(a)",
        "AT_LEAST(1, OK, (a, b))",
        "\u{e9}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Any text gives a rule or a refusal, and so does any text of the right words. A rule is read again as it was written.
        #[test]
        fn no_text_is_a_panic_and_a_rule_survives_its_text(
            text in ".{0,80}",
            words in proptest::collection::vec(proptest::sample::select(WORDS), 0..20),
        ) {
            for text in [text, words.concat()] {
                if let Ok(rule) = AlarmRule::parse(&text) {
                    let outcome = |state| rule.holds(&|_| state);
                    for state in AlarmState::ALL {
                        let explains = rule.explains(outcome(*state), &|_| *state);
                        prop_assert!(explains.iter().all(|child| rule.children().contains(child)), "{text}");
                    }
                    prop_assert_eq!(AlarmRule::parse(&String::from(rule.clone())), Ok(rule));
                }
            }
        }
    }
}
