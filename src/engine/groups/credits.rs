//! CPU credits of burstable instances: what each size earns, and the balance of one instance. Start at [`Balance`].
//!
//! Sources: EC2 User Guide, "Key concepts and definitions for burstable performance instances" (the credit table),
//! "Standard mode concepts", "Unlimited mode concepts". Simplified: balances are counted once a minute, so an instance
//! that runs out within a minute is held to its baseline from the next one on, and what it overspent until then is paid
//! back first; AWS counts in milliseconds and lowers the CPU gradually. Not modelled: launch credits are given 100 times
//! in 24 hours only.

use serde::{Deserialize, Serialize};

/// What one size earns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burstable {
    pub vcpus: u32,
    pub credits_per_hour: f64,
    /// The most earned credits that can be accrued: those of 24 hours.
    pub max_credits: f64,
    /// T2 alone gets credits at launch, and only in standard mode.
    pub has_launch_credits: bool,
}

/// Source: the credit table. Families that share a row have the same sizes.
const SIZES: &[(&[&str], &str, u32, f64, f64)] = &[
    (&["t2"], "nano", 1, 3.0, 72.0),
    (&["t2"], "micro", 1, 6.0, 144.0),
    (&["t2"], "small", 1, 12.0, 288.0),
    (&["t2"], "medium", 2, 24.0, 576.0),
    (&["t2"], "large", 2, 36.0, 864.0),
    (&["t2"], "xlarge", 4, 54.0, 1296.0),
    (&["t2"], "2xlarge", 8, 81.6, 1958.4),
    (&["t3", "t3a", "t4g"], "nano", 2, 6.0, 144.0),
    (&["t3", "t3a", "t4g"], "micro", 2, 12.0, 288.0),
    (&["t3", "t3a", "t4g"], "small", 2, 24.0, 576.0),
    (&["t3", "t3a", "t4g"], "medium", 2, 24.0, 576.0),
    (&["t3", "t3a", "t4g"], "large", 2, 36.0, 864.0),
    (&["t3", "t3a", "t4g"], "xlarge", 4, 96.0, 2304.0),
    (&["t3", "t3a", "t4g"], "2xlarge", 8, 192.0, 4608.0),
];

/// Launch credits per vCPU.
const LAUNCH_CREDITS: f64 = 30.0;

/// A balance this small is none: what arithmetic leaves over.
const DUST: f64 = 1e-6;

impl Burstable {
    /// The size of that name, such as `t2.nano`; `None` for types that have no credits or are not in the table.
    pub fn of(instance_type: &str) -> Option<Self> {
        let (family, size) = instance_type.split_once('.')?;
        let (_, _, vcpus, credits_per_hour, max_credits) =
            SIZES.iter().find(|(families, name, ..)| families.contains(&family) && *name == size)?;
        Some(Self {
            vcpus: *vcpus,
            credits_per_hour: *credits_per_hour,
            max_credits: *max_credits,
            has_launch_credits: family == "t2",
        })
    }

    /// The CPU utilization in percent that spends what is earned.
    pub fn baseline_percent(self) -> f64 {
        self.credits_per_hour / f64::from(self.vcpus) / 60.0 * 100.0
    }

    /// The mode that AWS launches a family in unless told otherwise.
    pub fn default_mode(self) -> CreditMode {
        if self.has_launch_credits { CreditMode::Standard } else { CreditMode::Unlimited }
    }

    /// What an instance has when it starts.
    pub fn at_launch(self, mode: CreditMode) -> Balance {
        let given = self.has_launch_credits && mode == CreditMode::Standard;
        Balance { launch: if given { LAUNCH_CREDITS * f64::from(self.vcpus) } else { 0.0 }, earned: 0.0, charged: 0.0 }
    }
}

/// In AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreditMode {
    Standard,
    Unlimited,
}

/// The credits of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    launch: f64,
    /// Below zero: overspent within a minute (standard), or surplus credits that are not paid down (unlimited).
    earned: f64,
    /// Surplus credits that cost money.
    charged: f64,
}

impl Balance {
    /// `CPUCreditBalance`.
    pub fn credits(&self) -> f64 {
        self.launch + self.earned.max(0.0)
    }

    /// Surplus credits that are charged so far.
    pub fn charged(&self) -> f64 {
        self.charged
    }

    /// Surplus credits that are charged if the instance stops now; in standard mode there are none.
    pub fn charged_at_end(&self, mode: CreditMode) -> f64 {
        match mode {
            CreditMode::Standard => 0.0,
            CreditMode::Unlimited => self.charged + (-self.earned).max(0.0),
        }
    }

    /// Whether the CPU is held to the baseline.
    pub fn is_exhausted(&self, mode: CreditMode) -> bool {
        mode == CreditMode::Standard && self.launch <= DUST && self.earned <= DUST
    }

    /// Counts a stretch of time: `hours` long, with that CPU utilization on average.
    pub fn count(&mut self, size: Burstable, mode: CreditMode, hours: f64, cpu_percent: f64) {
        let spent = cpu_percent / 100.0 * f64::from(size.vcpus) * 60.0 * hours;
        let from_launch = spent.min(self.launch);
        self.launch -= from_launch;
        self.earned = (self.earned + size.credits_per_hour * hours - (spent - from_launch)).min(size.max_credits);
        if mode == CreditMode::Unlimited && self.earned < -size.max_credits {
            self.charged += -size.max_credits - self.earned;
            self.earned = -size.max_credits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(instance_type: &str, mode: CreditMode, stretches: &[(f64, f64)]) -> Balance {
        let size = Burstable::of(instance_type).expect("a burstable type");
        let mut balance = size.at_launch(mode);
        for (hours, cpu) in stretches {
            balance.count(size, mode, *hours, *cpu);
        }
        balance
    }

    fn check(balance: Balance, credits: f64) {
        assert!((balance.credits() - credits).abs() < 1e-9, "{balance:?} has {credits}?");
    }

    /// Source: the credit table and its formula.
    #[test]
    fn the_baseline_is_what_the_table_says() {
        for (name, percent) in [
            ("t2.nano", 5.0),
            ("t2.medium", 20.0),
            ("t2.xlarge", 22.5),
            ("t2.2xlarge", 17.0),
            ("t3.nano", 5.0),
            ("t3a.large", 30.0),
            ("t4g.2xlarge", 40.0),
        ] {
            let baseline = Burstable::of(name).expect("a burstable type").baseline_percent();
            assert!((baseline - percent).abs() < 1e-9, "{name}: {baseline}");
        }
        assert_eq!((Burstable::of("m5.large"), Burstable::of("t2"), Burstable::of("t2.4xlarge")), (None, None, None));
    }

    /// Source: "Standard mode concepts", launch credits: an idle t2.micro reaches 174, and 144 once those are spent.
    #[test]
    fn launch_credits_are_spent_first_and_do_not_count_towards_the_limit() {
        let standard = CreditMode::Standard;
        check(after("t2.micro", standard, &[]), 30.0);
        check(after("t2.micro", standard, &[(24.0, 0.0)]), 174.0);
        check(after("t2.micro", standard, &[(24.0, 0.0), (0.5, 100.0)]), 144.0);
        check(after("t2.micro", CreditMode::Unlimited, &[]), 0.0);
        check(after("t3.micro", standard, &[]), 0.0);
    }

    /// Source: "Key concepts": a t3.nano at 2 % accrues 3.6 credits an hour.
    #[test]
    fn what_is_not_spent_is_accrued() {
        check(after("t3.nano", CreditMode::Standard, &[(1.0, 2.0)]), 3.6);
        check(after("t3.nano", CreditMode::Standard, &[(1.0, 5.0)]), 0.0);
    }

    #[test]
    fn an_exhausted_standard_instance_stays_at_its_baseline_until_it_earned_something() {
        let held = after("t2.nano", CreditMode::Standard, &[(0.6, 100.0), (5.0, 5.0)]);
        assert!(held.is_exhausted(CreditMode::Standard), "{held:?}");
        check(held, 0.0);
        assert_eq!(held.charged_at_end(CreditMode::Standard), 0.0);
        let rested = after("t2.nano", CreditMode::Standard, &[(0.6, 100.0), (5.0, 5.0), (2.0, 0.0)]);
        assert!(!rested.is_exhausted(CreditMode::Standard), "{rested:?}");
    }

    /// Source: "Unlimited mode concepts": surplus up to a day's credits is free if it is paid down.
    #[test]
    fn surplus_credits_beyond_those_of_a_day_are_charged() {
        let unlimited = CreditMode::Unlimited;
        let day = after("t3.micro", unlimited, &[(24.0, 20.0)]);
        assert!((day.charged() - 0.0).abs() < 1e-9 && (day.charged_at_end(unlimited) - 288.0).abs() < 1e-9, "{day:?}");
        let two = after("t3.micro", unlimited, &[(48.0, 20.0)]);
        assert!((two.charged() - 288.0).abs() < 1e-9, "{two:?}");
        let paid = after("t3.micro", unlimited, &[(24.0, 20.0), (24.0, 0.0)]);
        assert!(paid.charged_at_end(unlimited).abs() < 1e-9, "{paid:?}");
    }
}
