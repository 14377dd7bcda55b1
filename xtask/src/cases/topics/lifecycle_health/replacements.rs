//! Which findings get an instance replaced, and how many at a time.

use scaleproof::engine::groups::Health;
use scaleproof::engine::groups::cause::HealthFinding;
use scaleproof::engine::groups::refresh::RefreshPreferences;
use scaleproof::engine::names::InstanceId;

use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

/// One instance of a given age is found unhealthy in one way or several.
pub fn replaced(case: &Case) -> Result<(), Failure> {
    let kind = case.given.opt_str("HealthCheckType")?.unwrap_or("EC2").to_string();
    let grace = case.given.opt_u32("grace_period")?.unwrap_or_default();
    let age = case.given.opt_u32("age")?;
    let mut stage = GroupStage::settled(0, 0, 2, |spec| {
        spec.settings.health_check_type = kind.clone();
        spec.settings.health_check_grace_secs = grace;
    })?;
    stage.balance()?;
    stage.set_desired(1)?;
    while stage.ids().is_empty() || stage.state(&stage.first()?) != Some("InService") {
        stage.run_for(1);
        if stage.now.since(stage.start).as_secs() > 5000 {
            return Err("the instance does not come into service".into());
        }
    }
    // Without an age, whatever the grace period it is over.
    stage.run_for(u64::from(age.unwrap_or(grace)));
    let id = stage.first()?;
    find(case, &mut stage, &id)?;
    // One look after the finding: within the grace period nothing may have happened yet.
    stage.run_for(20);
    let replaced = stage.state(&id) != Some("InService");
    case.expect_if("replaced", replaced)?;
    let unhealthy = stage.member(&id).is_none_or(|member| member.health == Health::Unhealthy);
    case.expect_if("marked_unhealthy", unhealthy)
}

/// Carries out every finding that the case gives.
fn find(case: &Case, stage: &mut GroupStage, id: &InstanceId) -> Result<(), Failure> {
    let fails =
        |text: &str| !matches!(text.to_lowercase().as_str(), "healthy" | "ok" | "inservice" | "running" | "passed");
    let mut found = 0;
    for (names, finding) in [
        (&["elb", "ELB", "vpc_lattice"][..], HealthFinding::LoadBalancer),
        (&["status_check", "ec2_status", "system_status", "instance_status"], HealthFinding::StatusCheckFailed),
        (&["scheduled_event"], HealthFinding::ScheduledReboot),
    ] {
        for name in names {
            if let Some(text) = case.given.opt_str(name)? {
                found += 1;
                stage.call(|groups, now| groups.report_check(now, id, finding, fails(text)));
            }
        }
    }
    for name in ["ec2_state", "ec2", "instance_state", "state"] {
        if let Some(text) = case.given.opt_str(name)? {
            found += 1;
            match text.to_lowercase().as_str() {
                "running" => {}
                "impaired" => {
                    let finding = HealthFinding::StatusCheckFailed;
                    stage.call(|groups, now| groups.report_check(now, id, finding, true));
                }
                // To a group, an instance that does not run is one that does not run.
                _ => _ = stage.call(|groups, now| groups.terminate_instances(now, std::slice::from_ref(id)))?,
            }
        }
    }
    let respects = case.given.opt_bool("ShouldRespectGracePeriod")?.or(case.given.opt_bool("respect_grace")?);
    for name in ["SetInstanceHealth", "custom", "set_instance_health"] {
        if let Some(text) = case.given.opt_str(name)? {
            found += 1;
            let health = if fails(text) { Health::Unhealthy } else { Health::Healthy };
            let respect = respects.unwrap_or(true);
            stage.call(|groups, now| groups.set_instance_health(now, id, health, respect))?;
        }
    }
    if found == 0 { Err("nothing in given says what was found".into()) } else { Ok(()) }
}

/// Load balancers find `unhealthy` of `desired` instances unhealthy at once.
pub fn batch(case: &Case) -> Result<(), Failure> {
    let (desired, unhealthy) = (case.given.u32("desired")?, case.given.u32("unhealthy")?);
    let mut stage = GroupStage::settled(0, desired, desired, |spec| spec.settings.health_check_type = "ELB".into())?;
    // Registered from here on.
    stage.balance()?;
    let ids = stage.ids();
    for id in ids.iter().take(unhealthy as usize) {
        stage.call(|groups, now| groups.report_check(now, id, HealthFinding::LoadBalancer, true));
    }
    case.expect_eq("replaced_at_once", leaving(&stage))
}

fn leaving(stage: &GroupStage) -> usize {
    let leaves = |id: &&InstanceId| stage.member(id).is_some_and(|member| member.lifecycle.is_terminating());
    stage.ids().iter().filter(leaves).count()
}

/// How many instances of a group an instance refresh takes out first.
pub fn refresh_batch(case: &Case) -> Result<(), Failure> {
    let (desired, percentage) = (case.given.u32("desired")?, case.given.u32("MinHealthyPercentage")?);
    let mut stage = GroupStage::settled(0, desired, desired.max(1), |_| {})?;
    let preferences = RefreshPreferences { min_healthy_percentage: percentage, ..RefreshPreferences::default() };
    stage.call(|groups, now| groups.start_instance_refresh(now, &group(), None, preferences))?;
    let mut at_once = 0;
    stage.watch_for(15, |stage| at_once = at_once.max(leaving(stage)));
    case.expect_eq("replaced_at_once", at_once)
}
