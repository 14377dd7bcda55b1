//! Shape tables: what AWS's service models say about names on the wire and about valid input, as statics that the
//! codecs and the validation read. The tables themselves are generated into `models/`. Start at [`Service`].

/// One AWS service as its model describes it, cut down to the operations that `xtask/operations.txt` lists.
#[derive(Debug)]
pub struct Service {
    /// botocore's name, which the sandbox uses throughout: `autoscaling`, `cloudwatch`, `ec2` and so on.
    pub name: &'static str,
    /// The service in a credential scope, `monitoring` for CloudWatch.
    pub signing_name: &'static str,
    pub api_version: &'static str,
    pub xml_namespace: &'static str,
    /// Before the dot in `X-Amz-Target`; empty for services without a JSON protocol.
    pub target_prefix: &'static str,
    /// In the model's order, of which an SDK takes the first that it speaks.
    pub protocols: &'static [Protocol],
    /// Sorted by name.
    pub operations: &'static [OperationShape],
    pub errors: &'static [ErrorShape],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Query,
    Ec2,
    Json10,
    Json11,
    Cbor,
}

impl Protocol {
    /// As Smithy and the service models call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "awsQuery",
            Self::Ec2 => "ec2Query",
            Self::Json10 => "awsJson1_0",
            Self::Json11 => "awsJson1_1",
            Self::Cbor => "rpcv2Cbor",
        }
    }
}

/// An operation's shapes.
#[derive(Debug)]
pub struct OperationShape {
    pub name: &'static str,
    pub input: &'static Shape,
    pub output: &'static Shape,
    /// The element around the output in the Query protocol; empty where there is none.
    pub result_wrapper: &'static str,
}

/// An error a service may answer: its shape (JSON and CBOR), its code (Query), its status.
#[derive(Debug)]
pub struct ErrorShape {
    pub shape: &'static str,
    pub code: &'static str,
    pub status: u16,
    pub sender: bool,
}

/// A type of the model.
#[derive(Debug)]
pub struct Shape {
    pub name: &'static str,
    pub kind: Kind,
    pub rules: Rules,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Structure(&'static [Member]),
    List { of: &'static Shape, item: &'static str, flattened: bool },
    Map { value: &'static Shape, key_name: &'static str, value_name: &'static str, item: &'static str, flattened: bool },
    String,
    Boolean,
    Integer,
    Double,
    Timestamp,
    Blob,
}

/// What valid input holds to. `min` and `max` bound a number's value, a string's length or a list's size.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub min: Option<i64>,
    pub max: Option<i64>,
    /// A regular expression that the whole string matches; empty for none.
    pub pattern: &'static str,
    /// The values of an enum; empty for any.
    pub values: &'static [&'static str],
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    pub name: &'static str,
    pub shape: &'static Shape,
    pub required: bool,
    /// The name in a Query form where it is not `name`.
    sent: &'static str,
    /// The element in an XML answer where it is not `name`.
    answered: &'static str,
}

const NO_RULES: Rules = Rules { min: None, max: None, pattern: "", values: &[] };

macro_rules! primitives {
    ($($name:ident $shape:literal $kind:expr;)*) => {$(
        pub static $name: Shape = Shape { name: $shape, kind: $kind, rules: NO_RULES };
    )*};
}

primitives! {
    STRING "String" Kind::String;
    BOOLEAN "Boolean" Kind::Boolean;
    INTEGER "Integer" Kind::Integer;
    DOUBLE "Double" Kind::Double;
    TIMESTAMP "Timestamp" Kind::Timestamp;
    BLOB "Blob" Kind::Blob;
}

impl Service {
    /// The shape of that name, if an operation reaches it.
    pub fn shape(&self, name: &str) -> Option<&'static Shape> {
        let mut open: Vec<&'static Shape> = self.operations.iter().flat_map(|it| [it.input, it.output]).collect();
        let mut seen = Vec::new();
        while let Some(shape) = open.pop() {
            if shape.name == name {
                return Some(shape);
            }
            if !seen.iter().any(|other| std::ptr::eq(*other, shape)) {
                seen.push(shape);
                match shape.kind {
                    Kind::Structure(members) => open.extend(members.iter().map(|member| member.shape)),
                    Kind::List { of, .. } => open.push(of),
                    Kind::Map { value, .. } => open.push(value),
                    _ => {}
                }
            }
        }
        None
    }
}

impl Shape {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, rules: NO_RULES }
    }

    pub const fn list(name: &'static str, of: &'static Shape) -> Self {
        Self::new(name, Kind::List { of, item: "member", flattened: false })
    }

    pub const fn map(name: &'static str, value: &'static Shape) -> Self {
        Self::new(name, Kind::Map { value, key_name: "key", value_name: "value", item: "entry", flattened: false })
    }

    /// Names a list's elements.
    pub const fn item(mut self, item: &'static str) -> Self {
        if let Kind::List { of, flattened, .. } = self.kind {
            self.kind = Kind::List { of, item, flattened };
        }
        self
    }

    /// Makes a list stand without an element around it.
    pub const fn flat(mut self) -> Self {
        if let Kind::List { of, item, .. } = self.kind {
            self.kind = Kind::List { of, item, flattened: true };
        }
        self
    }

    /// Names a map's keys and values.
    pub const fn entry_names(mut self, key_name: &'static str, value_name: &'static str) -> Self {
        if let Kind::Map { value, item, flattened, .. } = self.kind {
            self.kind = Kind::Map { value, key_name, value_name, item, flattened };
        }
        self
    }

    /// Makes a map stand without an element around it, and names its entries, keys and values.
    pub const fn flat_entries(mut self, item: &'static str, key_name: &'static str, value_name: &'static str) -> Self {
        if let Kind::Map { value, .. } = self.kind {
            self.kind = Kind::Map { value, key_name, value_name, item, flattened: true };
        }
        self
    }

    pub const fn min(mut self, min: i64) -> Self {
        self.rules.min = Some(min);
        self
    }

    pub const fn max(mut self, max: i64) -> Self {
        self.rules.max = Some(max);
        self
    }

    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.rules.pattern = pattern;
        self
    }

    pub const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.rules.values = values;
        self
    }

    /// The members of a structure; none of anything else.
    pub const fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) => members,
            _ => &[],
        }
    }

    pub fn member(&self, name: &str) -> Option<&'static Member> {
        self.members().iter().find(|member| member.name == name)
    }
}

/// A member of `shape`; the macro `structure` puts its name in.
pub const fn m(shape: &'static Shape) -> Member {
    Member { name: "", shape, required: false, sent: "", answered: "" }
}

impl Member {
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn sent(mut self, name: &'static str) -> Self {
        self.sent = name;
        self
    }

    pub const fn answered(mut self, name: &'static str) -> Self {
        self.answered = name;
        self
    }

    /// The name in a Query form.
    pub const fn form_name(&self) -> &'static str {
        if self.sent.is_empty() { self.name } else { self.sent }
    }

    /// The element in an XML answer.
    pub const fn xml_name(&self) -> &'static str {
        if self.answered.is_empty() { self.name } else { self.answered }
    }
}

/// An entry of [`Service::operations`].
pub const fn op(name: &'static str, input: &'static Shape, output: &'static Shape) -> OperationShape {
    OperationShape { name, input, output, result_wrapper: "" }
}

impl OperationShape {
    pub const fn wrapped(mut self, result_wrapper: &'static str) -> Self {
        self.result_wrapper = result_wrapper;
        self
    }
}

/// An entry of [`Service::errors`].
pub const fn error(shape: &'static str, code: &'static str, status: u16, sender: bool) -> ErrorShape {
    ErrorShape { shape, code, status, sender }
}

impl Service {
    pub fn operation(&self, name: &str) -> Option<&'static OperationShape> {
        let found = self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
        Some(&self.operations[found])
    }

    /// The error of this shape or, since handlers may say either, of this code, which several shapes may share.
    pub fn error(&self, name: &str) -> Option<&'static ErrorShape> {
        let by_shape = self.errors.iter().find(|error| error.shape == name);
        by_shape.or_else(|| self.errors.iter().find(|error| error.code == name))
    }
}

/// A structure of a service model: the plain struct, its way from and to a value, and its shape table.
macro_rules! structure {
    ($name:ident $table:ident {}) => {
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {}

        impl FromValue for $name {
            fn from_value(_value: Value) -> Self {
                Self {}
            }
        }

        impl IntoValue for $name {
            fn into_value(self) -> Value {
                Value::Structure(Vec::new())
            }
        }

        pub static $table: Shape = Shape::new(stringify!($name), Kind::Structure(&[]));
    };
    ($name:ident $table:ident { $($field:ident: $type:ty = $wire:literal $member:expr;)+ }) => {
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $(pub $field: Option<$type>,)+
        }

        impl FromValue for $name {
            fn from_value(value: Value) -> Self {
                let mut it = Self::default();
                for (name, value) in value.into_members() {
                    match name {
                        $($wire => it.$field = Some(FromValue::from_value(value)),)+
                        _ => {}
                    }
                }
                it
            }
        }

        impl IntoValue for $name {
            fn into_value(self) -> Value {
                let mut members = Vec::with_capacity([$($wire),+].len());
                $(if let Some(value) = self.$field {
                    members.push(($wire, value.into_value()));
                })+
                Value::Structure(members)
            }
        }

        pub static $table: Shape =
            Shape::new(stringify!($name), Kind::Structure(&[$($member.named($wire)),+]));
    };
}

pub(crate) use structure;

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_is_found_by_its_shape_before_its_code() {
        let check = |name: &str, expected: (&str, &str)| {
            let found = crate::sandbox::models::cloudwatch::SERVICE.error(name).unwrap();
            assert_eq!((found.shape, found.code), expected, "{name}");
        };
        // Two shapes of CloudWatch share this code: SDKs look at the shape.
        check("ResourceNotFound", ("ResourceNotFound", "ResourceNotFound"));
        check("DashboardNotFoundError", ("DashboardNotFoundError", "ResourceNotFound"));
        check("InvalidParameterInput", ("DashboardInvalidInputError", "InvalidParameterInput"));
    }
}
