//! Instances that callers launch, stop and start themselves, outside of groups. Start at [`Groups::run_instances`].
//! They boot, work and shut down like any other; `health.rs` terminates them.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::Groups;
use super::address::public_address;
use super::agenda::Due;
use super::health::StateChange;
use super::instance::{Ec2State, Placement};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::InstanceId;

/// What RunInstances is asked for, once EC2 has looked everything up.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// In the words of the launch template API, as [`super::Instance::launch_data`] keeps it.
    pub data: Value,
    pub placement: Placement,
    /// The address of the only instance; none takes a free one.
    pub private_ip: Option<Ipv4Addr>,
    pub min_count: u32,
    pub max_count: u32,
    pub client_token: Option<String>,
}

impl Groups {
    /// Launches as many instances of one reservation as there is room for, up to `max_count`.
    ///
    /// # Errors
    /// EC2's, if not even `min_count` can be launched; then none is.
    pub fn run_instances(&mut self, now: Timestamp, launch: &Launch) -> Result<Vec<InstanceId>, Refusal> {
        let mut ids: Vec<InstanceId> = Vec::new();
        for _ in 0..launch.max_count {
            match self.launch_instance(now, launch.data.clone(), launch.placement.clone()) {
                Ok(id) => ids.push(id),
                Err(_) if ids.len() >= launch.min_count as usize => break,
                Err(refusal) => {
                    for id in ids {
                        self.clear_due(&id);
                        self.forget(&id);
                    }
                    return Err(refusal);
                }
            }
        }
        self.share_reservation(&ids, launch);
        Ok(ids)
    }

    fn share_reservation(&mut self, ids: &[InstanceId], launch: &Launch) {
        let reservation = ids.first().and_then(|id| self.instances.get(id)).map(|first| first.reservation_id.clone());
        for (index, id) in (0..).zip(ids) {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            instance.launch_index = index;
            instance.client_token.clone_from(&launch.client_token);
            if let Some(reservation) = &reservation {
                instance.reservation_id.clone_from(reservation);
            }
            if let Some(address) = launch.private_ip {
                instance.private_ip = Some(address.to_string());
            }
        }
    }

    /// Stops running instances; those that are stopped stay so. A group replaces a member that stops.
    ///
    /// # Errors
    /// `InvalidInstanceID.NotFound` and `IncorrectInstanceState`, and then nothing is done.
    pub fn stop_instances(&mut self, now: Timestamp, ids: &[InstanceId]) -> Result<Vec<StateChange>, Refusal> {
        self.check_states(ids, "stopped", &[Ec2State::Running, Ec2State::Stopping, Ec2State::Stopped])?;
        Ok(ids.iter().map(|id| self.stop_by_user(now, id)).collect())
    }

    /// One on its way into its group or warm pool comes to nothing: the group gives the launch up.
    fn stop_by_user(&mut self, now: Timestamp, id: &InstanceId) -> StateChange {
        let change = self.stop_instance(now, id);
        let lifecycle = self.instances.get(id).and_then(|instance| instance.lifecycle());
        if lifecycle.is_some_and(|state| state.is_pending() || state.is_warming()) {
            self.abandon_launch_of_shut_down(now, id);
        }
        change
    }

    pub(super) fn stop_instance(&mut self, now: Timestamp, id: &InstanceId) -> StateChange {
        let before = self.state_of(id);
        if let Some(instance) = self.instances.get_mut(id).filter(|_| before == Ec2State::Running) {
            instance.state = Ec2State::Stopping;
            instance.state_changed_at = now;
            let text = "Client.UserInitiatedShutdown: User initiated shutdown";
            instance.state_reason = Some(("Client.UserInitiatedShutdown".into(), text.into()));
            let is_member = instance.membership.is_some();
            self.set_due(id, now + self.timing.shut_down(), Due::Stopped(id.clone()));
            if is_member {
                self.plan_health_check(now + self.timing.health_check(), id);
            }
        }
        (id.clone(), before, self.state_of(id))
    }

    pub(super) fn on_stopped(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.due = None;
        instance.state = Ec2State::Stopped;
        instance.state_changed_at = now;
        if !instance.elastic_ip {
            instance.public_ip = None;
        }
    }

    /// Starts stopped instances; those that run go on.
    ///
    /// # Errors
    /// `InvalidInstanceID.NotFound` and `IncorrectInstanceState`, and then nothing is done.
    pub fn start_instances(&mut self, now: Timestamp, ids: &[InstanceId]) -> Result<Vec<StateChange>, Refusal> {
        self.check_states(ids, "started", &[Ec2State::Pending, Ec2State::Running, Ec2State::Stopped])?;
        Ok(ids.iter().map(|id| self.start_instance(now, id)).collect())
    }

    pub(super) fn start_instance(&mut self, now: Timestamp, id: &InstanceId) -> StateChange {
        let before = self.state_of(id);
        if let Some(instance) = self.instances.get_mut(id).filter(|_| before == Ec2State::Stopped) {
            instance.state = Ec2State::Pending;
            instance.state_changed_at = now;
            instance.launched_at = now;
            instance.state_reason = None;
            if instance.public_ip.is_none() && instance.gets_public_ip() {
                instance.public_ip = Some(public_address(self.ids.instances.next_u64()).to_string());
            }
            self.set_due(id, now + self.timing.boot(), Due::Running(id.clone()));
        }
        (id.clone(), before, self.state_of(id))
    }

    fn state_of(&self, id: &InstanceId) -> Ec2State {
        self.instances.get(id).map_or(Ec2State::Terminated, |instance| instance.state)
    }

    fn check_states(&self, ids: &[InstanceId], done: &str, allowed: &[Ec2State]) -> Result<(), Refusal> {
        for id in ids {
            let Some(instance) = self.instances.get(id) else {
                let text = format!("The instance ID '{id}' does not exist");
                return Err(Refusal::new("InvalidInstanceID.NotFound", 400, text));
            };
            if !allowed.contains(&instance.state) {
                let text = format!("The instance '{id}' is not in a state from which it can be {done}.");
                return Err(Refusal::new("IncorrectInstanceState", 400, text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::engine::groups::Timing;
    use crate::engine::groups::timing::{BOOT, SHUT_DOWN};
    use crate::engine::names::{Place, SubnetId, Zone};

    fn groups() -> Groups {
        let place = Place { account: "123456789012".into(), region: "eu-west-1".into(), partition: "aws".into() };
        Groups::new(&place, 1, Timing::Realistic)
    }

    fn launch(cidr: &str, min_count: u32, max_count: u32) -> Launch {
        Launch {
            data: json!({"ImageId": "ami-1", "InstanceType": "t3.nano"}),
            placement: Placement {
                subnet: SubnetId("subnet-1".into()),
                zone: Zone("eu-west-1a".into()),
                cidr: cidr.into(),
                vpc: "vpc-1".into(),
                public_ip: true,
                ipv6: None,
            },
            private_ip: None,
            min_count,
            max_count,
            client_token: None,
        }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000) + Duration::from_secs(secs)
    }

    #[test]
    fn instances_of_one_call_share_a_reservation_and_are_numbered() {
        let mut groups = groups();
        let ids = groups.run_instances(at(0), &launch("10.0.0.0/24", 3, 3)).unwrap();
        let launched: Vec<_> = ids.iter().map(|id| groups.instance(id).unwrap()).collect();
        let reservations: BTreeSet<_> = launched.iter().map(|instance| &instance.reservation_id).collect();
        assert_eq!(reservations.len(), 1);
        assert_eq!(launched.iter().map(|instance| instance.launch_index).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_subnet_without_room_gives_what_it_has_or_nothing() {
        // Eleven of the sixteen addresses are for instances.
        let mut groups = groups();
        assert_eq!(groups.run_instances(at(0), &launch("10.0.0.0/28", 1, 20)).unwrap().len(), 11);
        let refusal = groups.run_instances(at(0), &launch("10.0.0.0/28", 1, 1)).unwrap_err();
        assert_eq!(refusal.code, "InsufficientFreeAddressesInSubnet");
        assert_eq!(groups.instances().count(), 11);
    }

    #[test]
    fn an_instance_stops_and_starts_on_the_clock() {
        let mut groups = groups();
        let ids = groups.run_instances(at(0), &launch("10.0.0.0/24", 1, 1)).unwrap();
        let state = |groups: &Groups| groups.instance(&ids[0]).unwrap().state;
        assert_eq!(groups.stop_instances(at(1), &ids).unwrap_err().code, "IncorrectInstanceState");
        let booted = at(0) + BOOT;
        groups.run_due(booted);
        let first_ip = groups.instance(&ids[0]).unwrap().public_ip.clone();
        let changes = groups.stop_instances(booted, &ids).unwrap();
        assert_eq!(changes, [(ids[0].clone(), Ec2State::Running, Ec2State::Stopping)]);
        assert_eq!(groups.start_instances(booted, &ids).unwrap_err().code, "IncorrectInstanceState");
        let stopped = booted + SHUT_DOWN;
        groups.run_due(stopped);
        assert_eq!((state(&groups), groups.instance(&ids[0]).unwrap().public_ip.clone()), (Ec2State::Stopped, None));
        groups.start_instances(stopped, &ids).unwrap();
        groups.run_due(stopped + BOOT);
        assert_eq!(state(&groups), Ec2State::Running);
        let second_ip = groups.instance(&ids[0]).unwrap().public_ip.clone();
        assert!(second_ip.is_some() && second_ip != first_ip);
    }

    #[test]
    fn a_stopped_instance_terminates_and_cannot_be_started_then() {
        let mut groups = groups();
        let ids = groups.run_instances(at(0), &launch("10.0.0.0/24", 1, 1)).unwrap();
        groups.run_due(at(60));
        groups.stop_instances(at(60), &ids).unwrap();
        groups.run_due(at(120));
        let changes = groups.terminate_instances(at(120), &ids).unwrap();
        assert_eq!(changes, [(ids[0].clone(), Ec2State::Stopped, Ec2State::ShuttingDown)]);
        groups.run_due(at(240));
        assert_eq!(groups.start_instances(at(240), &ids).unwrap_err().code, "IncorrectInstanceState");
    }
}
