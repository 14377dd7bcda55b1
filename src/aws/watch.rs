//! What every call leaves behind: the endpoint's time, and where the call went. Start at [`Watch`].

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::error::{AwsError, Operation};
use super::server_clock::ServerClock;

/// Sits in one service's client, notes what passes, and dresses its errors.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    clock: Arc<ServerClock>,
    /// Scheme and host of the last request: the SDK's errors do not say where they happened.
    called: Arc<Mutex<String>>,
}

impl Watch {
    /// `expected` stands for the endpoint until the first request has gone out.
    pub fn new(clock: Arc<ServerClock>, expected: String) -> Self {
        Self { clock, called: Arc::new(Mutex::new(expected)) }
    }

    /// Turns the SDK's error for `operation` into ours.
    pub fn failed<E>(&self, operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let called = Arc::clone(&self.called);
        move |error| {
            let endpoint = called.lock().unwrap_or_else(PoisonError::into_inner).clone();
            AwsError::from_sdk(Operation(operation), endpoint, &error)
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "scaleproof-watch"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri();
        let base =
            uri.find("://").and_then(|at| uri[at + 3..].find('/').map(|end| &uri[..at + 3 + end])).unwrap_or(uri);
        base.clone_into(&mut self.called.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.clock.note_date(date);
        }
        Ok(())
    }
}
