//! What machines are like under load, and what users are promised: for the laboratory alone, nothing at AWS comes from
//! it. Start at [`LoadModel`].

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::build::Builder;
use crate::spec::Spec;
use crate::spec::arguments::{BootSpec, LoadSpec, SloSpec};
use crate::spec::problem::Kind;
use crate::spec::shape::{Form, LoadUnit, Shape};
pub use crate::spec::values::CreditModeWord;
use crate::spec::values::span_text;

/// The load model with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadModel {
    #[serde(serialize_with = "as_text")]
    pub shape: Shape,
    /// Requests per second that keep one machine at full CPU.
    pub requests_per_second: f64,
    /// Percent.
    pub base_cpu: f64,
    pub boot: Boot,
    pub service_time_ms: f64,
    pub timeout_ms: f64,
    /// As written; left out, the default of the instance's family counts.
    pub credits: Option<CreditModeWord>,
    pub metric_delay: Duration,
    /// Percent.
    pub metric_loss: f64,
    /// Percent.
    pub noise: f64,
    /// US dollars, as written; left out, the list price counts where it is known.
    pub price_per_hour: Option<f64>,
}

/// From the launch until a machine serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Boot {
    pub min: Duration,
    pub typical: Duration,
    pub max: Duration,
}

/// A minute beyond any of the limits is over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Slo {
    pub latency_ms: Option<f64>,
    /// Percent.
    pub cpu: Option<f64>,
    /// How many minutes of a day may be over.
    pub minutes_over: f64,
}

fn as_text<S: Serializer>(shape: &Shape, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shape)
}

impl Default for LoadModel {
    /// Ours: a small web server. None of it is AWS's, so `simulate` lists what it took.
    fn default() -> Self {
        let boot = Duration::from_secs(90);
        Self {
            shape: Shape {
                form: Form::Sine { over: Duration::from_secs(86_400) },
                low: 10.0,
                high: 90.0,
                unit: LoadUnit::MachinePercent,
            },
            requests_per_second: 100.0,
            base_cpu: 2.0,
            boot: Boot { min: boot, typical: boot, max: boot },
            service_time_ms: 50.0,
            timeout_ms: 10_000.0,
            credits: None,
            metric_delay: Duration::ZERO,
            metric_loss: 0.0,
            noise: 0.0,
            price_per_hour: None,
        }
    }
}

pub(super) fn build_load(spec: &Spec, builder: &mut Builder) -> LoadModel {
    let (Some(load), default) = (&spec.load, LoadModel::default()) else { return LoadModel::default() };
    let model = LoadModel {
        shape: load.shape.unwrap_or(default.shape),
        requests_per_second: load.requests_per_second.map_or(default.requests_per_second, |n| n.0),
        base_cpu: load.base_cpu.map_or(default.base_cpu, |n| n.0),
        boot: load.boot.as_ref().map_or(default.boot, boot_of),
        service_time_ms: load.service_time_ms.map_or(default.service_time_ms, |n| n.0),
        timeout_ms: load.timeout_ms.map_or(default.timeout_ms, |n| n.0),
        credits: load.credits,
        metric_delay: load.metric_delay.map_or(default.metric_delay, |span| span.0),
        metric_loss: load.metric_loss.map_or(default.metric_loss, |n| n.0),
        noise: load.noise.map_or(default.noise, |n| n.0),
        price_per_hour: load.price_per_hour.map(|n| n.0),
    };
    check_load(spec, load, &model, builder);
    model
}

fn boot_of(boot: &BootSpec) -> Boot {
    match boot {
        BootSpec::Fixed(span) => Boot { min: span.0, typical: span.0, max: span.0 },
        BootSpec::Spread(spread) => Boot { min: spread.min.0, typical: spread.typical.0, max: spread.max.0 },
    }
}

fn check_load(spec: &Spec, load: &LoadSpec, model: &LoadModel, builder: &mut Builder) {
    let Boot { min, typical, max } = model.boot;
    if !(min <= typical && typical <= max) {
        let fact = format!("load.boot goes from {} by {} to {}.", span_text(min), span_text(typical), span_text(max));
        builder.problem(Kind::InvalidValue, "load.boot", fact, "Write min, typical and max in that order.");
    }
    if model.base_cpu > 99.0 {
        let fact = format!("load.base_cpu is {}, which leaves nothing for requests.", model.base_cpu);
        builder.problem(Kind::InvalidValue, "load.base_cpu", fact, "Write 99 or less.");
    }
    if model.timeout_ms < model.service_time_ms {
        let fact = format!(
            "load.timeout_ms is {} and load.service_time_ms {}: no request would ever be answered.",
            model.timeout_ms, model.service_time_ms
        );
        builder.problem(Kind::InvalidValue, "load.timeout_ms", fact, "Raise timeout_ms, or lower service_time_ms.");
    }
    let instance_type = &spec.launch.instance_type.0;
    if load.credits.is_some() && !instance_type.starts_with('t') {
        let fact = format!("load.credits is set, and {instance_type} has no CPU credits.");
        builder.problem(Kind::InvalidValue, "load.credits", fact, "Leave credits out; only T types have them.");
    }
}

pub(super) fn build_slo(slo: Option<&SloSpec>, builder: &mut Builder) -> Option<Slo> {
    let slo = slo?;
    if slo.latency_ms.is_none() && slo.cpu.is_none() {
        let fact = "slo promises nothing.";
        builder.problem(Kind::MissingArgument, "slo", fact, "Add latency_ms or cpu.");
    }
    Some(Slo {
        latency_ms: slo.latency_ms.map(|n| n.0),
        cpu: slo.cpu.map(|n| n.0),
        minutes_over: slo.minutes_over.map_or(0.0, |n| n.0),
    })
}
