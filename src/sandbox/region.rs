//! One account in one region: the engine's world beside the plain stores that the engine has no use for.

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use crate::clock::Timestamp;
use crate::engine::ids::Ids;
use crate::engine::names::Place;
use crate::engine::topics::{Delivery, DeliveryId, DeliveryOutcome};
use crate::engine::{Effect, Event, World, groups};
use crate::sandbox::services;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Region {
    pub world: World,
    /// Networks, images, key pairs: what EC2 keeps that has no life of its own.
    pub ec2: services::ec2::Ec2,
    pub sqs: services::sqs::Sqs,
    pub sns: services::sns::Sns,
    pub cloudwatch: services::cloudwatch::Documents,
    pub iam: services::iam::Iam,
    pub sts: services::sts::Sessions,
    /// Email and webhook messages that left this region.
    pub mailbox: Vec<Delivery>,
    /// Messages for queues of other regions and accounts, which the universe carries.
    #[serde(skip)]
    pub leaving: Vec<Delivery>,
    /// To be forgotten by whoever changes something.
    #[serde(skip)]
    pub(super) answers: Answers,
}

impl Region {
    pub fn new(place: Place, seed: u64, timing: groups::Timing) -> Self {
        // Of its own, so that no identifier is that of another region or account.
        let here = Ids::new(seed, &format!("region {} {}", place.account, place.region)).next_u64();
        let mut region = Self {
            ec2: services::ec2::Ec2::new(&place, seed),
            sqs: services::sqs::Sqs::new(&place, here),
            sns: services::sns::Sns::new(here),
            cloudwatch: services::cloudwatch::Documents::default(),
            iam: services::iam::Iam::new(&place, here),
            sts: services::sts::Sessions::new(&place, here),
            world: World::new(place, here, timing),
            mailbox: Vec::new(),
            leaving: Vec::new(),
            answers: Answers::default(),
        };
        region.ec2.tell_inventory(&mut region.world.groups);
        region
    }

    /// Lets everything happen that is due by `now`, each at its own instant, and hands messages to their receivers then.
    pub fn advance(&mut self, now: Timestamp) {
        if self.world.next_due().is_some_and(|due| due <= now) {
            self.answers.forget();
        }
        while let Some(due) = self.world.next_due().filter(|due| *due < now) {
            self.step(due);
        }
        self.step(now);
        self.sqs.advance(now);
        self.ec2.part_with_terminated(&mut self.world.groups);
    }

    /// Takes in what became of a message that was carried elsewhere.
    pub fn report(&mut self, at: Timestamp, delivery: DeliveryId, outcome: DeliveryOutcome) {
        self.answers.forget();
        self.take_in(at, Event::Delivered { delivery, outcome });
    }

    fn step(&mut self, now: Timestamp) {
        self.take_in(now, Event::Tick);
    }

    fn take_in(&mut self, now: Timestamp, event: Event) {
        let mut effects = self.world.step(now, event);
        while !effects.is_empty() {
            self.answers.forget();
            let reports: Vec<Event> = effects.drain(..).filter_map(|effect| self.perform(effect)).collect();
            for report in reports {
                effects.extend(self.world.step(now, report));
            }
        }
        for (queue_arn, body) in std::mem::take(&mut self.world.sends) {
            self.sqs.receive_from_service(now, &queue_arn, body);
        }
    }

    /// What people made here since it was like `fresh` and have not removed, in words.
    pub fn remains(&self, fresh: &Region) -> Vec<String> {
        let live = |instance: &&groups::Instance| instance.state != groups::Ec2State::Terminated;
        let world = &self.world;
        [
            ("group", world.groups.iter().count()),
            ("instance", world.groups.instances().filter(live).count()),
            ("load balancer", world.load_balancers.balancers().count()),
            ("target group", world.load_balancers.target_groups().count()),
            ("launch template", world.groups.launch_templates.iter().count()),
            ("alarm", world.alarms.from_name("").count()),
            ("composite alarm", world.alarms.composites().from_name("").count()),
            ("alarm mute rule", world.alarms.mute_rules().iter().count()),
            ("topic", world.topics.topic_arns().count()),
            ("subscription", world.topics.subscriptions().count()),
            ("queue", self.sqs.queue_count()),
            ("platform application", self.sns.push.application_count()),
            ("dashboard", self.cloudwatch.dashboard_count()),
            ("insight rule", self.cloudwatch.insight_rule_count()),
            ("key", world.keys.usable_count()),
            ("role", self.iam.role_count()),
            ("user", self.iam.user_count()),
            ("instance profile", self.iam.profile_count()),
            ("server certificate", self.iam.certificate_count()),
        ]
        .into_iter()
        .chain(self.ec2.made_since(&fresh.ec2))
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {what}(s) in {}", world.place.region))
        .collect()
    }

    /// Whether a queue's ARN is of this account and region.
    fn is_here(&self, arn: &str) -> bool {
        arn.starts_with(&self.world.place.arn("sqs", ""))
    }

    /// Hands a message over; `None` for one that is still on its way.
    fn perform(&mut self, effect: Effect) -> Option<Event> {
        let Effect::Deliver(mut delivery) = effect;
        services::sns::sign(&mut delivery);
        let id = delivery.id.clone();
        let outcome = match delivery.protocol.as_str() {
            "sqs" if !self.is_here(&delivery.endpoint) => {
                self.leaving.push(delivery);
                return None;
            }
            "sqs" => self.sqs.receive_from_topic(&delivery, &self.world.keys),
            "application" if self.sns.push.check_endpoint(&delivery.endpoint).is_err() => {
                DeliveryOutcome::Refused { because: "the endpoint is disabled or gone".into() }
            }
            _ => {
                self.mailbox.push(delivery);
                DeliveryOutcome::Accepted
            }
        };
        Some(Event::Delivered { delivery: id, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_regions_or_accounts_name_their_things_alike() {
        let first_instance = |region: &str, account: &str| {
            let mut region = Region::new(Place::new(region, account), 7, groups::Timing::Instant);
            region.world.groups.ids.instances.ec2("i")
        };
        let here = first_instance("us-east-1", "123456789012");
        assert_eq!(here, first_instance("us-east-1", "123456789012"));
        assert_ne!(here, first_instance("eu-west-1", "123456789012"));
        assert_ne!(here, first_instance("us-east-1", "210987654321"));
    }
}
