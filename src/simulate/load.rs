//! Where a load comes from, and the source that feeds it to a simulation. Start at [`Plan`].

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::groups::Requests;
use crate::engine::ids::Ids;
use crate::model::LoadModel;
use crate::spec::shape::{Form, LoadUnit, Shape};

/// A load over time, counted from the start of a simulation.
#[derive(Debug, Clone)]
pub enum Plan {
    Shape(Shape),
    Series(Arc<Series>),
}

/// Values at instants.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub unit: LoadUnit,
    /// Milliseconds since the first one, and the value; in order, no instant twice, never empty.
    pub points: Vec<(i64, f64)>,
    /// How long the last value lasts.
    pub last_lasts: Duration,
    /// Straight lines from value to value instead of steps.
    pub sloped: bool,
    /// When the first value was measured, for a series that has a time of its own.
    pub begins: Option<Timestamp>,
}

/// How often a load is looked at that changes all the time.
const STEP_MILLIS: i64 = 1000;
/// How many steps of such a load are worked out at once: a processor does several side by side, if nothing comes between.
const AHEAD: usize = 32;
const DAY_MILLIS: i64 = 86_400_000;
/// What remains of a day's rise on Saturdays and Sundays. Ours: a business site at the weekend.
const WEEKEND: f64 = 0.4;

impl Plan {
    /// How long it lasts; shapes last for ever.
    pub fn length(&self) -> Option<Duration> {
        match self {
            Self::Shape(_) => None,
            Self::Series(series) => Some(series.length()),
        }
    }

    /// The source for one simulation that starts at `start`.
    pub fn source(&self, model: &LoadModel, start: Timestamp, seed: u64) -> Source {
        Source {
            plan: self.clone(),
            full: model.requests_per_second,
            base_cpu: model.base_cpu,
            noise: model.noise / 100.0,
            random: Ids::new(seed, "load"),
            start,
            ahead: [0.0; AHEAD],
            worked_out: 0,
            used: 0,
            at: 0,
            next: Some(0),
        }
    }

    /// The shape if it changes at every step for ever.
    fn wave(&self) -> Option<&Shape> {
        match self {
            Self::Shape(shape) if matches!(shape.form, Form::Sine { .. } | Form::Weekly) => Some(shape),
            _ => None,
        }
    }

    fn unit(&self) -> LoadUnit {
        match self {
            Self::Shape(shape) => shape.unit,
            Self::Series(series) => series.unit,
        }
    }

    fn at(&self, start: Timestamp, millis: i64) -> f64 {
        match self {
            Self::Shape(shape) => shape_at(shape, start, millis),
            Self::Series(series) => series.at(millis),
        }
    }

    /// The next change after `millis`, looking at a steadily changing load each second.
    fn change_after(&self, millis: i64) -> Option<i64> {
        match self {
            Self::Shape(shape) => shape_change_after(shape, millis),
            Self::Series(series) => series.change_after(millis),
        }
    }
}

impl Series {
    pub fn length(&self) -> Duration {
        let last = self.points.last().map_or(0, |(millis, _)| *millis);
        Duration::from_millis(u64::try_from(last).unwrap_or(0)) + self.last_lasts
    }

    fn at(&self, millis: i64) -> f64 {
        let next = self.points.partition_point(|(at, _)| *at <= millis);
        let Some((before, value)) = next.checked_sub(1).and_then(|last| self.points.get(last)) else { return 0.0 };
        match self.points.get(next).filter(|_| self.sloped) {
            Some((after, target)) => value + (target - value) * ((millis - before) as f64 / (after - before) as f64),
            None => *value,
        }
    }

    fn change_after(&self, millis: i64) -> Option<i64> {
        let next = self.points.get(self.points.partition_point(|(at, _)| *at <= millis)).map(|(at, _)| *at)?;
        Some(if self.sloped { next.min(millis + STEP_MILLIS) } else { next })
    }
}

fn shape_at(shape: &Shape, start: Timestamp, millis: i64) -> f64 {
    let Shape { low, high, .. } = *shape;
    let rise = high - low;
    let part_of = |over: Duration| millis as f64 / millis_of(over) as f64;
    match shape.form {
        Form::Constant => high,
        Form::Ramp { over } => low + rise * part_of(over).min(1.0),
        Form::Sine { .. } | Form::Weekly => wave_at(shape, start, millis, hill(phase(shape, millis))),
        Form::Square { over } => {
            if fraction(part_of(over)) < 0.5 {
                low
            } else {
                high
            }
        }
        Form::Spike { at, lasts } => {
            let since = millis - millis_of(at);
            if (0..millis_of(lasts)).contains(&since) { high } else { low }
        }
    }
}

/// How far a shape that comes again and again is, from 0 to 1: of its own length, or of the day.
fn phase(shape: &Shape, millis: i64) -> f64 {
    let length = match shape.form {
        Form::Sine { over } => millis_of(over),
        _ => DAY_MILLIS,
    };
    fraction(millis as f64 / length as f64)
}

/// A shape that comes again and again, where its hill is so high.
fn wave_at(shape: &Shape, start: Timestamp, millis: i64, hill: f64) -> f64 {
    let quiet = shape.form == Form::Weekly && is_weekend(start, millis);
    shape.low + (shape.high - shape.low) * hill * if quiet { WEEKEND } else { 1.0 }
}

fn shape_change_after(shape: &Shape, millis: i64) -> Option<i64> {
    match shape.form {
        Form::Constant => None,
        Form::Ramp { over } => (millis < millis_of(over)).then(|| (millis + STEP_MILLIS).min(millis_of(over))),
        Form::Sine { .. } | Form::Weekly => Some(millis + STEP_MILLIS),
        Form::Square { over } => {
            let half = (millis_of(over) / 2).max(1);
            Some((millis / half + 1) * half)
        }
        Form::Spike { at, lasts } => {
            let (up, down) = (millis_of(at), millis_of(at) + millis_of(lasts));
            [up, down].into_iter().find(|edge| *edge > millis)
        }
    }
}

/// Shapes have whole seconds. `Duration::as_millis` counts in 128 bits, which a load that changes each second would feel.
fn millis_of(duration: Duration) -> i64 {
    duration.as_secs() as i64 * 1000
}

/// What is left beyond whole numbers. `f64::fract` calls a function for it on many machines.
fn fraction(x: f64) -> f64 {
    x - (x as i64) as f64
}

/// Sundays and Saturdays; 1970-01-01 was a Thursday.
fn is_weekend(start: Timestamp, millis: i64) -> bool {
    let days = (start.as_millis() + millis).div_euclid(DAY_MILLIS);
    matches!((days + 4).rem_euclid(7), 0 | 6)
}

/// From 0 at the ends to 1 in the middle of `0..1`, as a sine goes: sin²(πx).
///
/// Its own series, because the sine of the standard library may differ in the last bit from machine to machine.
#[inline]
fn hill(x: f64) -> f64 {
    let z = std::f64::consts::PI * x.min(1.0 - x);
    let y = z * z;
    // 1 ÷ (12·13), 1 ÷ (10·11) and so on: products are quicker than quotients.
    const FACTORS: [f64; 6] = [1.0 / 156.0, 1.0 / 110.0, 1.0 / 72.0, 1.0 / 42.0, 1.0 / 20.0, 1.0 / 6.0];
    let sum = FACTORS.iter().fold(1.0, |sum, factor| 1.0 - sum * y * factor);
    let sine = z * sum;
    (sine * sine).clamp(0.0, 1.0)
}

/// Feeds a plan to one simulation.
#[derive(Debug, Clone)]
pub struct Source {
    plan: Plan,
    /// Requests per second of one machine at full CPU.
    full: f64,
    base_cpu: f64,
    /// The widest deviation, as a fraction.
    noise: f64,
    random: Ids,
    start: Timestamp,
    /// Requests per second at the next steps, how many of them there are, and how many are used up.
    ahead: [f64; AHEAD],
    worked_out: usize,
    used: usize,
    /// When the first that is not used up comes, and the first that is not worked out; in milliseconds since the start.
    at: i64,
    next: Option<i64>,
}

impl Source {
    fn in_requests(&self, value: f64) -> f64 {
        match self.plan.unit() {
            LoadUnit::RequestsPerSecond => value,
            // What the machine shows at rest is no work.
            LoadUnit::MachinePercent => (value - self.base_cpu).max(0.0) / (100.0 - self.base_cpu) * self.full,
        }
    }

    /// The next changes before `end`, as many as were worked out together. `None` where the last load stays at least until
    /// then.
    pub fn next_run(&mut self, end: Timestamp) -> Option<Requests<'_>> {
        self.work_ahead();
        let left = end.as_millis() - self.start.as_millis() - self.at;
        if self.used == self.worked_out || left <= 0 {
            return None;
        }
        let steps = (left - 1) / STEP_MILLIS + 1;
        Some(self.take(usize::try_from(steps).unwrap_or(usize::MAX)))
    }

    /// The next change: when, and to how many requests per second.
    pub fn next_change(&mut self) -> Option<(Timestamp, f64)> {
        self.work_ahead();
        if self.used == self.worked_out {
            return None;
        }
        let Requests { first, per_sec, .. } = self.take(1);
        Some((first, per_sec[0]))
    }

    /// Up to `most` of the steps that are worked out, of which there must be one.
    fn take(&mut self, most: usize) -> Requests<'_> {
        let first = Timestamp::from_millis(self.start.as_millis() + self.at);
        let from = self.used;
        self.used = self.worked_out.min(from.saturating_add(most));
        self.at += (self.used - from) as i64 * STEP_MILLIS;
        Requests { first, every_millis: STEP_MILLIS, per_sec: &self.ahead[from..self.used] }
    }

    /// Sees to it that there is a step, unless there are no more.
    fn work_ahead(&mut self) {
        if self.used < self.worked_out {
            return;
        }
        let Some(millis) = self.next else { return };
        (self.at, self.used) = (millis, 0);
        if let Some(wave) = self.plan.wave() {
            self.ahead = self.wave_ahead(wave, millis);
            self.worked_out = AHEAD;
            self.next = Some(millis + AHEAD as i64 * STEP_MILLIS);
        } else {
            self.ahead[0] = self.in_requests(self.plan.at(self.start, millis));
            self.worked_out = 1;
            let change = self.plan.change_after(millis);
            self.next = match self.noise > 0.0 {
                true => Some(change.map_or(millis + STEP_MILLIS, |change| change.min(millis + STEP_MILLIS))),
                false => change,
            };
        }
        if self.noise > 0.0 {
            for requests in &mut self.ahead[..self.worked_out] {
                let deviation = self.noise * (2.0 * self.random.next_fraction() - 1.0);
                *requests = (*requests * (1.0 + deviation)).max(0.0);
            }
        }
    }

    /// One kind of work at a time, which compilers turn into instructions for several numbers.
    fn wave_ahead(&self, wave: &Shape, millis: i64) -> [f64; AHEAD] {
        let at = |step: usize| millis + step as i64 * STEP_MILLIS;
        let mut ahead = [0.0; AHEAD];
        ahead.iter_mut().enumerate().for_each(|(step, value)| *value = phase(wave, at(step)));
        ahead.iter_mut().for_each(|value| *value = hill(*value));
        ahead.iter_mut().enumerate().for_each(|(step, value)| *value = wave_at(wave, self.start, at(step), *value));
        ahead.iter_mut().for_each(|value| *value = self.in_requests(*value));
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::values::Text;

    fn values(plan: &Plan, model: &LoadModel, count: usize) -> Vec<(i64, f64)> {
        let mut source = plan.source(model, Timestamp::from_secs(0), 1);
        let changes = std::iter::from_fn(|| source.next_change()).take(count);
        changes.map(|(at, requests)| (at.as_secs(), (requests * 1e6).round() / 1e6)).collect()
    }

    fn shape(text: &str) -> Plan {
        Plan::Shape(Shape::parse(text).expect("a shape"))
    }

    fn model() -> LoadModel {
        LoadModel { base_cpu: 0.0, ..LoadModel::default() }
    }

    #[test]
    fn shapes_change_when_they_say() {
        assert_eq!(values(&shape("constant 40rps"), &model(), 9), [(0, 40.0)]);
        assert_eq!(values(&shape("spike 1..9rps at 10m for 5m"), &model(), 9), [(0, 1.0), (600, 9.0), (900, 1.0)]);
        let square = values(&shape("square 1..9rps over 1h"), &model(), 4);
        assert_eq!(square, [(0, 1.0), (1800, 9.0), (3600, 1.0), (5400, 9.0)]);
        let ramp = values(&shape("ramp 0..4rps over 4s"), &model(), 9);
        assert_eq!(ramp, [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]);
        let sine = values(&shape("sine 10..50rps over 12s"), &model(), 13);
        let of = |second: usize| sine[second].1;
        assert_eq!((of(0), of(2), of(3), of(6), of(9), of(12)), (10.0, 20.0, 30.0, 50.0, 30.0, 10.0));
    }

    #[test]
    fn a_week_has_quieter_days_at_its_end() {
        let plan = shape("weekly 0..100rps");
        let noon = |day: i64| (plan.at(Timestamp::from_secs(0), day * DAY_MILLIS + DAY_MILLIS / 2) * 1e6).round() / 1e6;
        // 1970-01-01 was a Thursday.
        let week: Vec<f64> = (0..7).map(noon).collect();
        assert_eq!(week, [100.0, 100.0, 40.0, 40.0, 100.0, 100.0, 100.0]);
    }

    /// 52 % with 4 % at rest is half of what is left for requests.
    #[test]
    fn percent_of_a_machine_include_what_it_shows_at_rest() {
        let model = LoadModel { base_cpu: 4.0, requests_per_second: 50.0, ..LoadModel::default() };
        assert_eq!(values(&shape("constant 52%"), &model, 1), [(0, 25.0)]);
        assert_eq!(values(&shape("constant 3%"), &model, 1), [(0, 0.0)]);
    }

    #[test]
    fn a_series_steps_or_slopes() {
        let series = |sloped| {
            let points = vec![(0, 10.0), (2000, 30.0), (4000, 20.0)];
            let last_lasts = Duration::from_secs(2);
            let unit = LoadUnit::RequestsPerSecond;
            Plan::Series(Arc::new(Series { unit, points, last_lasts, sloped, begins: None }))
        };
        assert_eq!(values(&series(false), &model(), 9), [(0, 10.0), (2, 30.0), (4, 20.0)]);
        assert_eq!(values(&series(true), &model(), 9), [(0, 10.0), (1, 20.0), (2, 30.0), (3, 25.0), (4, 20.0)]);
        assert_eq!(series(false).length(), Some(Duration::from_secs(6)));
    }

    #[test]
    fn noise_wavers_each_second_around_the_load_and_repeats_with_the_seed() {
        let noisy = LoadModel { noise: 10.0, ..model() };
        let heard = values(&shape("constant 100rps"), &noisy, 600);
        assert!(heard.iter().all(|(_, requests)| (90.0..=110.0).contains(requests)));
        let mean = heard.iter().map(|(_, requests)| requests).sum::<f64>() / 600.0;
        assert!((mean - 100.0).abs() < 1.0, "{mean}");
        assert_eq!(heard, values(&shape("constant 100rps"), &noisy, 600));
    }
}
