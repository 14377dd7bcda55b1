//! How work becomes CPU utilization, credits and latency: the model of a group's machines under a load.
//!
//! All machines that serve share the load equally. What they show over a minute is the mean over that minute, however
//! often the load changes in it: a group's [`Meter`] adds up what a machine shows, and each machine remembers where it
//! came in. So a change of load costs the same for one machine and for a thousand. Start at [`Workload`]; `measure.rs`
//! turns it into metrics.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::credits::{Balance, Burstable, CreditMode};
use super::instance::Load;
use super::measure::Shown;
use crate::clock::Timestamp;
use crate::engine::ids::Ids;
use crate::engine::metrics::MetricKey;
use crate::engine::names::GroupName;

/// What a group's machines are like. Without one, machines serve as soon as they are in service and have no credits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Requests per second that keep one machine at full CPU.
    pub requests_per_sec: f64,
    /// What a machine shows without a request, in percent.
    pub base_cpu: f64,
    /// From the launch until the machine serves; never before it is in service.
    pub boot: Spread,
    /// The latency of a request on a machine that does nothing else.
    pub service_ms: f64,
    /// No request takes longer: callers give up.
    pub latency_cap_ms: f64,
    pub credits: Option<(Burstable, CreditMode)>,
    /// How much later than usual metrics arrive.
    pub metric_delay: Duration,
    /// How many of a hundred data never arrive.
    pub metric_loss_percent: f64,
    /// For boot times and lost data.
    pub seed: u64,
}

/// A duration that varies: a triangular distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    pub min: Duration,
    pub typical: Duration,
    pub max: Duration,
}

impl Spread {
    pub fn fixed(duration: Duration) -> Self {
        Self { min: duration, typical: duration, max: duration }
    }

    /// The value at `fraction` (0 to 1) of the distribution, in whole milliseconds.
    ///
    /// Square roots alone, which every machine rounds alike: the same seed gives the same instants everywhere.
    pub fn at(self, fraction: f64) -> Duration {
        let secs = |duration: Duration| duration.as_millis() as f64;
        let (min, mode, max) = (secs(self.min), secs(self.typical), secs(self.max));
        let width = max - min;
        if width <= 0.0 {
            return self.min;
        }
        let millis = match (mode - min) / width {
            turn if fraction < turn => min + (fraction * width * (mode - min)).sqrt(),
            _ => max - ((1.0 - fraction) * width * (max - mode)).sqrt(),
        };
        Duration::from_millis(millis.clamp(min, max) as u64)
    }
}

impl Workload {
    pub(super) fn boot_of(&self, instance: &str) -> Duration {
        self.boot.at(Ids::new(self.seed, &format!("boot {instance}")).next_fraction())
    }

    /// Whether the datum of an instance about the minute that ends `now` gets lost.
    pub(super) fn loses(&self, instance: &str, now: Timestamp) -> bool {
        if self.metric_loss_percent <= 0.0 {
            return false;
        }
        let draw = Ids::new(self.seed, &format!("loss {} {instance}", now.as_millis())).next_fraction();
        draw * 100.0 < self.metric_loss_percent
    }

    /// Which part of what it could do each of so many machines has to do.
    #[inline]
    fn share_of(&self, requests: f64, machines: u32) -> f64 {
        (requests / (f64::from(machines.max(1)) * self.requests_per_sec)).max(0.0)
    }

    /// What a machine shows that gets `share` of the work that it could do.
    fn cpu_percent(&self, share: f64) -> f64 {
        self.base_cpu + (100.0 - self.base_cpu) * share
    }

    /// The mean latency in a queue with one server and exponential service times, cut off where callers give up.
    ///
    /// M/M/1: service time ÷ (1 − utilization). A machine that is held to a part of its CPU is that much slower.
    fn latency_ms(&self, share: f64, held_to: f64) -> f64 {
        if held_to <= 0.0 { self.latency_cap_ms } else { self.queued_ms(self.service_ms / held_to, share / held_to) }
    }

    fn queued_ms(&self, service_ms: f64, utilization: f64) -> f64 {
        let waited = service_ms / (1.0 - utilization);
        if utilization < 1.0 && waited < self.latency_cap_ms { waited } else { self.latency_cap_ms }
    }

    /// What a machine can do whose credits have run out; `None` where there are none.
    fn baseline(&self) -> Option<Baseline> {
        let percent = self.credits?.0.baseline_percent();
        let for_requests = ((percent - self.base_cpu) / (100.0 - self.base_cpu)).clamp(0.0, 1.0);
        Some(Baseline { percent, for_requests })
    }
}

/// How far a machine without credits is held back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Baseline {
    /// The CPU utilization that it shows at most.
    percent: f64,
    /// What of its work for requests it can do, as a fraction.
    for_requests: f64,
}

/// What is added up over time: values × milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    /// CPU percent of a machine that serves.
    free: f64,
    /// The same for one that is held to its baseline.
    held: f64,
    latency_free: f64,
    latency_held: f64,
    /// Requests per second of the whole group.
    requests: f64,
}

impl Sums {
    #[inline]
    fn add(&mut self, rates: &Self, millis: f64) {
        self.free += rates.free * millis;
        self.held += rates.held * millis;
        self.latency_free += rates.latency_free * millis;
        self.latency_held += rates.latency_held * millis;
        self.requests += rates.requests * millis;
    }
}

/// Adds up what machines that serve do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    until: Timestamp,
    sums: Sums,
    /// What is added per millisecond until something changes.
    rates: Sums,
    serving: u32,
    /// The sums at the end of the last minute.
    last_minute: Sums,
    tally: Tally,
    /// Of the workload, looked up once.
    baseline: Option<Baseline>,
    #[serde(skip)]
    gathered: Gatherings,
}

/// What the machines of a group show of the minute at hand. No part of the state: between minutes there is nothing in it but
/// names that can be found again.
#[derive(Debug, Clone, Default)]
struct Gatherings(Vec<Gathered>);

impl PartialEq for Gatherings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Gathered {
    shown: Shown,
    /// Of the group's metric; the same each minute.
    key: Option<Arc<MetricKey>>,
    /// Pairs of value and count; empty between minutes.
    values: Vec<(f64, f64)>,
}

const MINUTE_MILLIS: f64 = 60_000.0;

impl Meter {
    #[inline]
    pub(super) fn advance(&mut self, now: Timestamp) {
        let millis = (now.as_millis() - self.until.as_millis()) as f64;
        self.until = now;
        self.sums.add(&self.rates, millis);
    }

    /// From now on the machines are like that. [`Meter::change`] follows.
    pub(super) fn learn(&mut self, workload: &Workload) {
        self.baseline = workload.baseline();
    }

    /// From `now` on, so many machines share this load.
    #[inline]
    pub(super) fn change(&mut self, now: Timestamp, load: Load, workload: Option<&Workload>, serving: u32) {
        self.advance(now);
        self.serving = serving;
        self.rates = rates(load, workload, self.baseline, serving);
    }

    /// [`Meter::change`] for each of the requests of `run`. This is what a load spends its time on that changes each
    /// second: one kind of work at a time, which compilers turn into instructions for several numbers.
    pub(super) fn follow(&mut self, run: Requests<'_>, model: &Workload, serving: u32) {
        self.serving = serving;
        let mut at = run.first;
        let (mut shares, mut free, mut latency_free) = ([0.0; TOGETHER], [0.0; TOGETHER], [0.0; TOGETHER]);
        let (mut held, mut latency_held) = ([0.0; TOGETHER], [0.0; TOGETHER]);
        for some in run.per_sec.chunks(TOGETHER) {
            each(&mut shares, some, |requests| model.share_of(requests, serving));
            each(&mut free, &shares, |share| model.cpu_percent(share).clamp(0.0, 100.0));
            each(&mut latency_free, &shares, |share| model.queued_ms(model.service_ms, share));
            let (held, latency_held) = match self.baseline {
                None => (&free, &latency_free),
                Some(baseline) => {
                    each(&mut held, &free, |percent| percent.min(baseline.percent));
                    each(&mut latency_held, &shares, |share| model.latency_ms(share, baseline.for_requests));
                    (&held, &latency_held)
                }
            };
            for (n, requests) in some.iter().enumerate() {
                self.advance(at);
                let (free, held) = (free[n], held[n]);
                let (latency_free, latency_held) = (latency_free[n], latency_held[n]);
                self.rates = Sums { free, held, latency_free, latency_held, requests: *requests };
                at = Timestamp::from_millis(at.as_millis() + run.every_millis);
            }
        }
    }

    pub(super) fn serving(&self) -> u32 {
        self.serving
    }
}

/// Requests per second that change at even steps of time, and last from one to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requests<'a> {
    pub first: Timestamp,
    pub every_millis: i64,
    pub per_sec: &'a [f64],
}

const TOGETHER: usize = 32;

/// The same work for one number after the other.
#[inline]
fn each(to: &mut [f64], from: &[f64], work: impl Fn(f64) -> f64) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = work(*from));
}

fn rates(load: Load, workload: Option<&Workload>, baseline: Option<Baseline>, serving: u32) -> Sums {
    let Some(model) = workload else {
        let percent = load.cpu_percent(serving as usize).clamp(0.0, 100.0);
        return Sums { free: percent, held: percent, ..Sums::default() };
    };
    let (requests, share, percent) = match load {
        Load::Requests(requests) => {
            let share = model.share_of(requests, serving);
            (requests, share, model.cpu_percent(share))
        }
        load => {
            let percent = load.cpu_percent(serving as usize);
            (0.0, ((percent - model.base_cpu) / (100.0 - model.base_cpu)).max(0.0), percent)
        }
    };
    let free = percent.clamp(0.0, 100.0);
    let latency_free = model.queued_ms(model.service_ms, share);
    let (held, latency_held) = match baseline {
        Some(baseline) => (free.min(baseline.percent), model.latency_ms(share, baseline.for_requests)),
        None => (free, latency_free),
    };
    Sums { free, held, latency_free, latency_held, requests }
}

/// The working side of one instance, from when it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Whether it takes its share of the load.
    serves: bool,
    /// From when it serves if it is in service; decided once.
    pub(super) ready_at: Option<Timestamp>,
    /// Whether its credits have run out.
    held: bool,
    pub credits: Option<Balance>,
    /// Since when `carried` adds up: the last datum.
    span_began: Timestamp,
    /// CPU percent × milliseconds since then, up to `settled_at`.
    carried: f64,
    settled_at: Timestamp,
    /// The meter's sums at `settled_at`.
    mark: Sums,
    /// What of `carried` its credits have been counted for, and until when.
    counted: f64,
    counted_at: Timestamp,
    /// The mean CPU utilization of the last minute, whether or not it is reported.
    minute_percent: f64,
}

impl Machine {
    pub(super) fn new(now: Timestamp, workload: Option<&Workload>) -> Self {
        Self {
            serves: false,
            ready_at: None,
            held: false,
            credits: workload.and_then(|model| model.credits).map(|(size, mode)| size.at_launch(mode)),
            span_began: now,
            carried: 0.0,
            settled_at: now,
            mark: Sums::default(),
            counted: 0.0,
            counted_at: now,
            minute_percent: 0.0,
        }
    }

    /// Brings `carried` up to date. The meter must have been advanced to `now`.
    fn settle(&mut self, now: Timestamp, meter: &Meter, idle_percent: f64) {
        let sums = &meter.sums;
        self.carried += match (self.serves, self.held) {
            (true, false) => sums.free - self.mark.free,
            (true, true) => sums.held - self.mark.held,
            (false, _) => idle_percent * (now.as_millis() - self.settled_at.as_millis()) as f64,
        };
        self.mark = *sums;
        self.settled_at = now;
    }

    pub(super) fn set_serves(&mut self, now: Timestamp, meter: &Meter, idle_percent: f64, serves: bool) {
        self.settle(now, meter, idle_percent);
        self.serves = serves;
    }

    /// Counts the minute's credits and says whether the CPU is held from now on.
    pub(super) fn count_credits(&mut self, now: Timestamp, meter: &Meter, idle_percent: f64, model: Option<&Workload>) {
        self.settle(now, meter, idle_percent);
        let millis = (now.as_millis() - self.counted_at.as_millis()) as f64;
        if millis > 0.0 {
            self.minute_percent = six_decimals((self.carried - self.counted) / millis);
        }
        if let (Some(balance), Some((size, mode))) = (&mut self.credits, model.and_then(|model| model.credits)) {
            balance.count(size, mode, millis / 3_600_000.0, self.minute_percent);
            self.held = balance.is_exhausted(mode);
        }
        self.counted = self.carried;
        self.counted_at = now;
    }

    /// Surplus credits that are charged if the instance stops now.
    pub(super) fn charged_at_end(&self, model: Option<&Workload>) -> f64 {
        let mode = model.and_then(|model| model.credits).map(|(_, mode)| mode);
        self.credits.zip(mode).map_or(0.0, |(balance, mode)| balance.charged_at_end(mode))
    }

    /// The mean CPU utilization since the last datum, in percent; starts the next one.
    pub(super) fn take_percent(&mut self, now: Timestamp) -> f64 {
        let millis = (now.as_millis() - self.span_began.as_millis()) as f64;
        let percent = if millis > 0.0 { self.carried / millis } else { 0.0 };
        self.span_began = now;
        self.carried = 0.0;
        self.counted = 0.0;
        six_decimals(percent)
    }
}

/// So that a load that stays the same shows exactly its value, whatever was added up before.
fn six_decimals(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// A group's machines in the minute that ended last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// When it ended.
    pub ended_at: Timestamp,
    /// What machines in service showed on average, in percent; absent without one.
    pub cpu_percent: Option<f64>,
    /// Requests per second of the whole group, the mean of the minute; absent for a load that is not in requests.
    pub requests_per_sec: Option<f64>,
    /// What a request took on average; absent when no machine served at its end.
    pub latency_ms: Option<f64>,
    /// The lowest balance among machines in service.
    pub lowest_credits: Option<f64>,
    /// Machines that serve at its end, or what they weigh, and those of them that are held to their baseline.
    pub serving: u32,
    pub held: u32,
    /// Surplus credits charged so far for machines that are gone, and for those that run if they stopped now.
    pub charged_credits: f64,
}

/// What the machines of a group contribute to the minute at hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Tally {
    in_service: u32,
    percent: f64,
    held: u32,
    lowest_credits: Option<f64>,
    charged: f64,
}

impl Meter {
    /// Takes in one machine at the end of a minute.
    pub(super) fn tally(&mut self, machine: &Machine, weight: u32, in_service: bool, model: Option<&Workload>) {
        self.tally.held += if machine.serves && machine.held { weight } else { 0 };
        if in_service {
            self.tally.in_service += 1;
            self.tally.percent += machine.minute_percent;
        }
        let Some(balance) = machine.credits else { return };
        self.tally.charged += machine.charged_at_end(model);
        if in_service {
            let credits = balance.credits();
            self.tally.lowest_credits = Some(self.tally.lowest_credits.map_or(credits, |lowest| lowest.min(credits)));
        }
    }

    /// Takes in what one machine shows of the minute that ends.
    pub(super) fn gather(&mut self, shown: Shown, value: f64) {
        match self.gathered.0.iter_mut().find(|gathered| gathered.shown == shown) {
            Some(gathered) => gathered.values.push((value, 1.0)),
            None => self.gathered.0.push(Gathered { shown, key: None, values: vec![(value, 1.0)] }),
        }
    }

    /// What the machines of the group `name` show of the minute that ends, as pairs of value and count, with its metric.
    pub(super) fn take_gathered(
        &mut self,
        name: &GroupName,
    ) -> impl Iterator<Item = (Shown, Arc<MetricKey>, Vec<(f64, f64)>)> {
        let gathered = self.gathered.0.iter_mut().filter(|gathered| !gathered.values.is_empty());
        gathered.map(|Gathered { shown, key, values }| {
            let key = key.get_or_insert_with(|| shown.key("AutoScalingGroupName", name.as_str()));
            (*shown, Arc::clone(key), std::mem::take(values))
        })
    }

    /// Closes the minute that ends `now`. `charged` is what machines that are gone were charged.
    pub(super) fn close_minute(&mut self, now: Timestamp, load: Load, has_model: bool, charged: f64) -> Minute {
        let (sums, last) = (&self.sums, &self.last_minute);
        let mean = |sum: f64, before: f64| (sum - before) / MINUTE_MILLIS;
        let tally = std::mem::take(&mut self.tally);
        let (held, free) = (f64::from(tally.held), f64::from(self.serving.saturating_sub(tally.held)));
        let latency =
            mean(sums.latency_free, last.latency_free) * free + mean(sums.latency_held, last.latency_held) * held;
        let requests = mean(sums.requests, last.requests);
        self.last_minute = self.sums;
        Minute {
            ended_at: now,
            cpu_percent: (tally.in_service > 0).then(|| tally.percent / f64::from(tally.in_service)),
            requests_per_sec: matches!(load, Load::Requests(_)).then_some(requests),
            latency_ms: (has_model && self.serving > 0).then(|| latency / f64::from(self.serving)),
            lowest_credits: tally.lowest_credits,
            serving: self.serving,
            held: tally.held,
            charged_credits: charged + tally.charged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Workload {
        Workload {
            requests_per_sec: 50.0,
            base_cpu: 2.0,
            boot: Spread::fixed(Duration::from_secs(60)),
            service_ms: 20.0,
            latency_cap_ms: 5000.0,
            credits: None,
            metric_delay: Duration::ZERO,
            metric_loss_percent: 0.0,
            seed: 1,
        }
    }

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    #[test]
    fn a_spread_keeps_its_limits_and_its_middle() {
        let secs = Duration::from_secs;
        let boot = Spread { min: secs(60), typical: secs(90), max: secs(180) };
        assert_eq!((boot.at(0.0), boot.at(1.0)), (secs(60), secs(180)));
        // A quarter of the area lies left of the mode: (90 − 60) ÷ (180 − 60).
        assert_eq!(boot.at(0.25), secs(90));
        assert_eq!(Spread::fixed(secs(7)).at(0.4), secs(7));
    }

    #[test]
    fn work_is_shared_and_waits_longer_the_busier_a_machine_is() {
        let model = model();
        for (requests, machines, cpu, latency) in [
            (0.0, 1, 2.0, 20.0),
            (25.0, 1, 51.0, 40.0),
            (25.0, 2, 26.5, 20.0 / 0.75),
            (45.0, 1, 90.2, 200.0),
            (50.0, 1, 100.0, 5000.0),
            (500.0, 1, 100.0, 5000.0),
        ] {
            let rates = rates(Load::Requests(requests), Some(&model), None, machines);
            near(rates.free, cpu);
            assert!((rates.latency_free - latency).abs() < 1e-6, "{requests} on {machines}: {rates:?}");
        }
    }

    #[test]
    fn a_machine_without_credits_is_held_to_its_baseline_and_slow() {
        let nano = Burstable::of("t2.nano").expect("a size");
        let model = Workload { credits: Some((nano, CreditMode::Standard)), base_cpu: 0.0, ..model() };
        let rates = |requests: f64| super::rates(Load::Requests(requests), Some(&model), model.baseline(), 1);
        let busy = rates(20.0);
        let rates = rates(2.0);
        near(rates.free, 4.0);
        near(rates.held, 4.0);
        // 4 % of work on 5 % of a machine: 20 ms ÷ 0.05, in a queue that is 80 % full.
        assert!((rates.latency_held - 2000.0).abs() < 1e-6, "{rates:?}");
        near(busy.held, 5.0);
    }

    /// To the last bit, or a simulation would depend on how far it looks ahead.
    #[test]
    fn many_changes_at_once_are_the_same_as_one_after_the_other() {
        let nano = Burstable::of("t2.nano").expect("a size");
        for credits in [None, Some((nano, CreditMode::Standard))] {
            let model = Workload { credits, ..model() };
            let loads: Vec<f64> = (0..75).map(|n| f64::from(n) * 1.37).collect();
            let (mut one, mut many) = (Meter::default(), Meter::default());
            [&mut one, &mut many].into_iter().for_each(|meter| meter.learn(&model));
            for (n, load) in (0..).zip(&loads) {
                one.change(Timestamp::from_millis(500 + n * 1000), Load::Requests(*load), Some(&model), 3);
            }
            let first = Timestamp::from_millis(500);
            many.follow(Requests { first, every_millis: 1000, per_sec: &loads }, &model, 3);
            assert_eq!(many, one);
        }
    }

    #[test]
    fn a_minute_shows_the_mean_of_what_happened_in_it() {
        let (model, start) = (model(), Timestamp::from_secs(0));
        let at = |secs: i64| Timestamp::from_secs(secs);
        let mut meter = Meter::default();
        let mut machine = Machine::new(start, Some(&model));
        meter.change(start, Load::Requests(0.0), Some(&model), 0);
        // Idle for 15 s, then alone with 25 requests a second for 30 s, then one of two.
        meter.change(at(15), Load::Requests(25.0), Some(&model), 1);
        machine.set_serves(at(15), &meter, model.base_cpu, true);
        meter.change(at(45), Load::Requests(25.0), Some(&model), 2);
        meter.advance(at(60));
        machine.count_credits(at(60), &meter, model.base_cpu, Some(&model));
        near(machine.take_percent(at(60)), (2.0 * 15.0 + 51.0 * 30.0 + 26.5 * 15.0) / 60.0);
        let minute = meter.close_minute(at(60), Load::Requests(25.0), true, 0.0);
        near(minute.requests_per_sec.expect("requests"), 25.0 * 45.0 / 60.0);
    }
}
