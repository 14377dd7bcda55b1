//! The table of operations: what the sandbox answers, and with which arguments.
//! A service registers typed handlers; everything else about a call happens here, once.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use super::region::Region;
use super::services::ec2::Ec2;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::wire::value::{FromValue, IntoValue, Value};

/// Who calls: nobody's signature is checked, but keys that the sandbox gave out say whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    pub account: String,
    pub kind: IdentityKind,
    /// When the session ends.
    pub expires: Option<Timestamp>,
    /// Keys of the session's tags that the sessions of its roles inherit.
    pub transitive_tags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IdentityKind {
    /// A key that this sandbox did not give out.
    #[default]
    Anybody,
    /// A user or a session: its ARN after the service, account and partition, such as `user/ops`, and its id.
    Known { service: &'static str, resource: String, id: String },
}

impl Identity {
    pub fn of_account(account: &str) -> Self {
        Self { account: account.into(), ..Self::default() }
    }

    pub fn is_session(&self) -> bool {
        self.expires.is_some()
    }
}

/// What a handler may know about the call besides its input.
pub struct Call {
    /// Now, on the sandbox's clock.
    pub now: Timestamp,
    pub request_id: String,
    /// `http://HOST:PORT` as the caller reached us, for queue URLs and confirmation links.
    pub base_url: String,
    /// Whose key signed.
    pub caller: Identity,
    wait_until: Cell<Option<Timestamp>>,
    elsewhere: OnceCell<Ec2>,
}

impl Call {
    pub fn new(now: Timestamp, request_id: String, base_url: String) -> Self {
        let (caller, wait_until, elsewhere) = (Identity::default(), Cell::new(None), OnceCell::new());
        Self { now, request_id, base_url, caller, wait_until, elsewhere }
    }

    /// Throw this answer away and call the handler again as things change, until `deadline` has passed (long polling).
    pub fn come_back_until(&self, deadline: Timestamp) {
        self.wait_until.set(Some(deadline));
    }

    /// What EC2 keeps for the same account in the region that the call names as its source, if that is another one.
    pub fn elsewhere(&self) -> Option<&Ec2> {
        self.elsewhere.get()
    }

    pub fn bring(&self, elsewhere: Ec2) {
        self.elsewhere.get_or_init(|| elsewhere);
    }

    pub fn waits_until(&self) -> Option<Timestamp> {
        self.wait_until.get()
    }
}

type Handler = Box<dyn Fn(&mut Region, &Call, Value) -> Result<Value, Refusal> + Send + Sync>;

/// One operation as the table holds it.
pub struct Operation {
    pub handler: Handler,
    /// Whether its answer depends on nothing but the input and the region's state.
    pub is_view: bool,
    /// The top-level input members that have an effect. Any other member that a caller sends is refused by name.
    pub takes: &'static [&'static str],
    /// One sentence for `docs/sandbox-operations.md`.
    pub does: &'static str,
}

/// The operations of one service.
#[derive(Default)]
pub struct Operations {
    table: BTreeMap<&'static str, Operation>,
}

impl Operations {
    /// Registers `handler` for `name`. `I` and `O` are the generated types of `models`.
    pub fn on<I, O>(
        &mut self,
        name: &'static str,
        does: &'static str,
        takes: &'static [&'static str],
        handler: fn(&mut Region, &Call, I) -> Result<O, Refusal>,
    ) where
        I: FromValue + 'static,
        O: IntoValue + 'static,
    {
        let handler: Handler =
            Box::new(move |region, call, input| Ok(handler(region, call, I::from_value(input))?.into_value()));
        self.insert(name, Operation { handler, is_view: false, takes, does });
    }

    /// Registers a read that neither changes anything nor knows what time it is or who asks.
    pub fn view<I, O>(
        &mut self,
        name: &'static str,
        does: &'static str,
        takes: &'static [&'static str],
        handler: fn(&Region, I) -> Result<O, Refusal>,
    ) where
        I: FromValue + 'static,
        O: IntoValue + 'static,
    {
        let handler: Handler =
            Box::new(move |region, _, input| Ok(handler(region, I::from_value(input))?.into_value()));
        self.insert(name, Operation { handler, is_view: true, takes, does });
    }

    fn insert(&mut self, name: &'static str, operation: Operation) {
        let twice = self.table.insert(name, operation);
        assert!(twice.is_none(), "{name} is registered twice; this is a bug in scaleproof");
    }

    pub fn get(&self, name: &str) -> Option<&Operation> {
        self.table.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Operation)> {
        self.table.iter().map(|(name, operation)| (*name, operation))
    }
}
