//! Small expressions over an item: `a * b`, `score > 0.5 and faces == 1`. Pure; bounded in length and depth.
//!
//! ```text
//! or  ◀ and ◀ not ◀ == != < <= > >= ◀ + - ◀ * / % ◀ - ◀ number | "text" | true | false | null | name.name | ( … )
//! ```
//!
//! A name is a field of the item's JSON view; `it` is the view itself. A field that is not there is null. Arithmetic with
//! null is null, a comparison with null is false except `== null` and `!= null`; nothing else is converted silently.

use serde_json::{Value, json};

const MAX_BYTES: usize = 512;
const MAX_DEPTH: usize = 32;

/// A checked expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Constant(Value),
    /// Names from the item down; empty is the item itself.
    Field(Vec<String>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Two(Op, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    More,
    MoreEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Why a text is no expression, or why it has no value for an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExprError {
    /// It cannot be read.
    #[error("{0}, at character {1}")]
    Syntax(&'static str, usize),
    /// The operation has no meaning for such values.
    #[error("{0} does not work on {1} and {2}")]
    Operands(&'static str, String, String),
}

impl Expr {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        if text.len() > MAX_BYTES {
            return Err(ExprError::Syntax("the expression is too long", MAX_BYTES));
        }
        let mut reader = Reader { text, at: 0 };
        let root = reader.binary(0, 0)?;
        reader.blanks();
        if reader.at < text.len() {
            return Err(reader.error("something is left over"));
        }
        Ok(Self { root })
    }

    /// Its value for an item's view.
    pub fn value(&self, item: &Value) -> Result<Value, ExprError> {
        self.root.value(item)
    }

    /// Whether it holds: `true`, or any number but zero.
    pub fn holds(&self, item: &Value) -> Result<bool, ExprError> {
        Ok(is_true(&self.value(item)?))
    }
}

/// Operators from the weakest to the strongest.
const LEVELS: [&[(&str, Op)]; 5] = [
    &[("or", Op::Or)],
    &[("and", Op::And)],
    &[
        ("==", Op::Equal),
        ("!=", Op::Unequal),
        ("<=", Op::LessEqual),
        (">=", Op::MoreEqual),
        ("<", Op::Less),
        (">", Op::More),
    ],
    &[("+", Op::Add), ("-", Op::Subtract)],
    &[("*", Op::Multiply), ("/", Op::Divide), ("%", Op::Remainder)],
];

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, why: &'static str) -> ExprError {
        ExprError::Syntax(why, self.at)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes `word` when it comes next; a word of letters only when no further letter follows.
    fn take(&mut self, word: &str) -> bool {
        self.blanks();
        let Some(after) = self.rest().strip_prefix(word) else {
            return false;
        };
        let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_word && after.starts_with(is_name_char) {
            return false;
        }
        self.at += word.len();
        true
    }

    fn binary(&mut self, level: usize, depth: usize) -> Result<Node, ExprError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary(depth);
        };
        let mut left = self.binary(level + 1, depth)?;
        let mut count = 0;
        while let Some((_, op)) = operators.iter().find(|(word, _)| self.take(word)) {
            count += 1;
            // Each one nests the tree by one, which is dropped and evaluated by recursion.
            if count + depth > MAX_DEPTH {
                return Err(self.error("the expression nests too deep"));
            }
            let right = self.binary(level + 1, depth)?;
            left = Node::Two(*op, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Node, ExprError> {
        if depth >= MAX_DEPTH {
            return Err(self.error("the expression nests too deep"));
        }
        if self.take("not") {
            return Ok(Node::Not(Box::new(self.binary(2, depth + 1)?)));
        }
        if self.take("-") {
            return Ok(Node::Minus(Box::new(self.unary(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.binary(0, depth + 1)?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.error("a closing bracket is missing"))
            };
        }
        self.atom()
    }

    fn atom(&mut self) -> Result<Node, ExprError> {
        self.blanks();
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some((text, _)) = quoted.split_once('"') else {
                return Err(self.error("a closing quote is missing"));
            };
            let constant = json!(text);
            self.at += text.len() + 2;
            return Ok(Node::Constant(constant));
        }
        let length = rest
            .find(|c: char| !is_name_char(c) && c != '.')
            .unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let node = match word {
            "" => return Err(self.error("a value is missing")),
            "true" => Node::Constant(json!(true)),
            "false" => Node::Constant(json!(false)),
            "null" => Node::Constant(Value::Null),
            "it" => Node::Field(Vec::new()),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                match word.parse::<f64>() {
                    Ok(number) if number.is_finite() => Node::Constant(json!(number)),
                    _ => return Err(self.error("this is no number")),
                }
            }
            _ => Node::Field(word.split('.').map(str::to_owned).collect()),
        };
        self.at += length;
        Ok(node)
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Node {
    fn value(&self, item: &Value) -> Result<Value, ExprError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Field(names) => field(item, names).clone(),
            Self::Not(inner) => json!(!is_true(&inner.value(item)?)),
            Self::Minus(inner) => numbers(Op::Subtract, &json!(0.0), &inner.value(item)?)?,
            Self::Two(Op::Or, left, right) => {
                json!(is_true(&left.value(item)?) || is_true(&right.value(item)?))
            }
            Self::Two(Op::And, left, right) => {
                json!(is_true(&left.value(item)?) && is_true(&right.value(item)?))
            }
            Self::Two(op, left, right) => two(*op, &left.value(item)?, &right.value(item)?)?,
        })
    }
}

fn field<'a>(item: &'a Value, names: &[String]) -> &'a Value {
    let mut at = item;
    for name in names {
        at = match at {
            Value::Array(list) => match name.parse::<usize>() {
                Ok(index) => list.get(index),
                Err(_) => None,
            },
            other => other.get(name),
        }
        .unwrap_or(&Value::Null);
    }
    at
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_f64().is_some_and(|number| number != 0.0)
}

fn two(op: Op, left: &Value, right: &Value) -> Result<Value, ExprError> {
    match op {
        Op::Equal => Ok(json!(is_equal(left, right))),
        Op::Unequal => Ok(json!(!is_equal(left, right))),
        Op::Less | Op::LessEqual | Op::More | Op::MoreEqual => compare(op, left, right),
        _ => numbers(op, left, right),
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

fn compare(op: Op, left: &Value, right: &Value) -> Result<Value, ExprError> {
    if left.is_null() || right.is_null() {
        return Ok(json!(false));
    }
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => return Err(operands("a comparison", left, right)),
        },
    };
    Ok(json!(order.is_some_and(|order| match op {
        Op::Less => order.is_lt(),
        Op::LessEqual => order.is_le(),
        Op::More => order.is_gt(),
        _ => order.is_ge(),
    })))
}

/// A result that is no finite number is null.
fn numbers(op: Op, left: &Value, right: &Value) -> Result<Value, ExprError> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) else {
        return Err(operands("arithmetic", left, right));
    };
    let result = match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        _ => a % b,
    };
    Ok(json!(Some(result).filter(|result| result.is_finite())))
}

fn operands(what: &'static str, left: &Value, right: &Value) -> ExprError {
    ExprError::Operands(what, super::param::shown(left), super::param::shown(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str, item: &Value) -> Value {
        Expr::parse(text).unwrap().value(item).unwrap()
    }

    #[test]
    fn operators_bind_as_everywhere() {
        let item = json!({"a": 8, "b": 16, "face": {"score": 0.75}, "name": "cam"});
        for (text, wants) in [
            ("a * b", json!(128.0)),
            ("1 + 2 * 3 - 4 / 2", json!(5.0)),
            ("-(1 + 2) * 3", json!(-9.0)),
            ("face.score > 0.5 and a == 8", json!(true)),
            ("not a > 1 or name == \"cam\"", json!(true)),
            ("missing == null", json!(true)),
            ("missing > 1", json!(false)),
            ("missing + 1", Value::Null),
            ("a / 0", Value::Null),
            ("7 % 4", json!(3.0)),
            ("order", Value::Null),
        ] {
            assert_eq!(eval(text, &item), wants, "{text}");
        }
        assert_eq!(eval("it + 1", &json!(2)), json!(3.0));
        let error = Expr::parse("name * 2").unwrap().value(&item).unwrap_err();
        assert!(error.to_string().contains("\"cam\""), "{error}");
    }

    #[test]
    fn what_is_no_expression_says_where() {
        for text in [
            "", "1 +", "(1", "1 2", "\"open", "1..2", "a ? b", "é", "1e999",
        ] {
            assert!(Expr::parse(text).is_err(), "{text}");
        }
        assert!(Expr::parse(&"(".repeat(400)).is_err());
        assert!(Expr::parse(&"-".repeat(400)).is_err());
        assert!(Expr::parse(&vec!["1"; 200].join("+")).is_err());
        assert!(Expr::parse(&"not ".repeat(100)).is_err());
        assert!(Expr::parse(&"1+".repeat(10_000)).is_err());
    }
}
