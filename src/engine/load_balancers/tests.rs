//! Targets over virtual time, and what load balancers refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::engine::names::{SubnetId, Zone};

const START: i64 = 1_789_000_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn place() -> Place {
    Place::new("us-east-1", "123456789012")
}

fn zones(letters: &str) -> Vec<BalancerZone> {
    let zone = |letter: char| BalancerZone {
        zone: Zone(format!("us-east-1{letter}")),
        subnet: SubnetId(format!("subnet-{letter}")),
        vpc: "vpc-1".into(),
        has_ipv6: false,
    };
    letters.chars().map(zone).collect()
}

fn wanted(name: &str, kind: BalancerKind, letters: &str) -> NewBalancer {
    NewBalancer {
        name: name.into(),
        kind,
        internal: false,
        zones: zones(letters),
        security_groups: vec!["sg-1".into()],
        ip_address_type: IpAddressType::Ipv4,
        tags: BTreeMap::new(),
    }
}

fn group(name: &str, protocol: Protocol) -> NewTargetGroup {
    NewTargetGroup {
        name: name.into(),
        protocol,
        protocol_version: None,
        port: 80,
        vpc: "vpc-1".into(),
        target_type: TargetType::Instance,
        ip_address_type: "ipv4".into(),
        health_check: HealthCheck::default_of(protocol, None),
        tags: BTreeMap::new(),
    }
}

fn forward(arns: &[&str]) -> Vec<Action> {
    let to = arns.iter().map(|arn| ((*arn).to_string(), 1)).collect();
    vec![Action { order: None, routing: Routing::Forward { to, sticky: false, sticky_secs: None } }]
}

fn path(value: &str) -> Vec<Condition> {
    let (field, values) = ("path-pattern".to_string(), vec![value.to_string()]);
    vec![Condition { field, header: None, values, pairs: Vec::new(), brief: true }]
}

/// An application load balancer in zones a and b, and a target group that nothing forwards to yet.
struct Stage {
    balancers: LoadBalancers,
    balancer: String,
    target_group: String,
    now: Timestamp,
    /// How each target is; those that are not here answer.
    vital: BTreeMap<String, Vital>,
}

impl Stage {
    fn new(instant: bool) -> Self {
        let mut balancers = LoadBalancers::new(7, instant);
        let made = balancers.create_balancer(at(0), &place(), wanted("web", BalancerKind::Application, "ab"));
        let balancer = made.unwrap().arn.clone();
        let target_group = balancers.create_target_group(&place(), group("web", Protocol::Http)).unwrap().arn.clone();
        Self { balancers, balancer, target_group, now: at(0), vital: BTreeMap::new() }
    }

    fn run_to(&mut self, secs: i64) {
        self.follow();
        while let Some(due) = self.balancers.next_due().filter(|due| *due <= at(secs)) {
            assert!(due >= self.now, "what is due is never past");
            self.now = due;
            self.follow();
        }
        self.now = at(secs);
        self.follow();
    }

    fn follow(&mut self) {
        let vital = &self.vital;
        self.balancers.follow(self.now, &|id| vital.get(id).copied().unwrap_or(Vital::Answers));
    }

    /// One thing that happens, in a word.
    fn happens(&mut self, what: &str) {
        let (now, arn) = (self.now, self.target_group.clone());
        let target = |zone: &str| vec![("i-1".to_string(), None, Some(Zone::from(zone)))];
        match what {
            "listen" => {
                let actions = forward(&[&arn]);
                self.balancers
                    .create_listener(
                        &self.balancer,
                        Protocol::Http,
                        TlsRequest::default(),
                        80,
                        actions,
                        BTreeMap::new(),
                    )
                    .unwrap();
            }
            "deafen" => {
                let listener = self.balancers.listeners().next().unwrap().arn.clone();
                self.balancers.delete_listener(&listener).unwrap();
            }
            "register" => self.balancers.register(now, &arn, target("us-east-1a")).unwrap(),
            "register in zone c" => self.balancers.register(now, &arn, target("us-east-1c")).unwrap(),
            "deregister" => self.balancers.deregister(now, &arn, &[("i-1".into(), None)]).unwrap(),
            "answers" => drop(self.vital.insert("i-1".into(), Vital::Answers)),
            "silent" => drop(self.vital.insert("i-1".into(), Vital::Silent)),
            "stopped" => drop(self.vital.insert("i-1".into(), Vital::Stopped)),
            "gone" => drop(self.vital.insert("i-1".into(), Vital::Gone)),
            other => panic!("nothing is called `{other}`"),
        }
        self.follow();
    }

    fn health(&self) -> String {
        let group = self.balancers.target_group(&self.target_group).unwrap();
        let Some(target) = group.targets().next() else { return "none".into() };
        let health = target.health(self.now);
        health.reason.map_or(health.state.into(), |reason| format!("{} {}", health.state, reason.code()))
    }
}

/// The life of one target: what happens at which second, and what it is said to be at which second.
fn check(instant: bool, story: &[(i64, &str)], expected: &[(i64, &str)]) {
    let mut stage = Stage::new(instant);
    let mut story = story.iter().peekable();
    for (secs, health) in expected {
        while let Some((when, what)) = story.next_if(|(when, _)| when <= secs) {
            stage.run_to(*when);
            stage.happens(what);
        }
        stage.run_to(*secs);
        assert_eq!(stage.health(), *health, "at {secs} s");
    }
}

/// The codes are those of the user guide's "Target health status". Checks come every 30 s; five in a row bring a target
/// back, two in a row take it out, one brings a new one in ("it must pass one health check to be considered healthy").
#[test]
fn a_target_is_registered_checked_and_healthy() {
    let active = i64::try_from(balancer::PROVISIONING.as_secs()).unwrap();
    let registration = i64::try_from(health::REGISTRATION.as_secs()).unwrap();
    let checked = active + registration;
    check(
        false,
        &[(0, "register"), (10, "listen")],
        &[
            (5, "unused Target.NotInUse"),
            (10, "initial Elb.RegistrationInProgress"),
            (checked - 1, "initial Elb.RegistrationInProgress"),
            (checked, "initial Elb.InitialHealthChecking"),
            (checked + 29, "initial Elb.InitialHealthChecking"),
            (checked + 30, "healthy"),
        ],
    );
}

#[test]
fn a_target_falls_ill_and_recovers_by_its_thresholds() {
    check(
        false,
        &[(0, "listen"), (200, "register"), (300, "silent"), (500, "answers")],
        // Checked from 205 s on, so at 235, 265, 295, 325 and so on.
        &[
            (234, "initial Elb.InitialHealthChecking"),
            (235, "healthy"),
            (354, "healthy"),
            (355, "unhealthy Target.FailedHealthChecks"),
            (624, "unhealthy Target.FailedHealthChecks"),
            (625, "healthy"),
        ],
    );
}

#[test]
fn one_check_that_fails_between_others_changes_nothing() {
    check(
        false,
        &[(0, "listen"), (200, "register"), (300, "silent"), (330, "answers")],
        &[(299, "healthy"), (360, "healthy"), (900, "healthy")],
    );
}

#[test]
fn a_target_that_never_answers_is_unhealthy_after_two_checks() {
    check(
        false,
        &[(0, "listen"), (199, "silent"), (200, "register")],
        &[(264, "initial Elb.InitialHealthChecking"), (265, "unhealthy Target.FailedHealthChecks")],
    );
}

#[test]
fn a_target_drains_for_the_deregistration_delay() {
    check(
        false,
        &[(0, "listen"), (200, "register"), (400, "deregister")],
        &[
            (400, "draining Target.DeregistrationInProgress"),
            (699, "draining Target.DeregistrationInProgress"),
            (700, "none"),
        ],
    );
    check(false, &[(0, "register"), (10, "deregister")], &[(9, "unused Target.NotInUse"), (10, "none")]);
    check(
        false,
        &[(0, "listen"), (200, "register"), (400, "deregister"), (450, "register")],
        &[(450, "initial Elb.RegistrationInProgress"), (485, "healthy"), (900, "healthy")],
    );
}

#[test]
fn a_target_is_unused_without_a_listener_its_zone_or_a_running_machine_and_goes_with_its_machine() {
    check(
        false,
        &[(0, "listen"), (200, "register"), (400, "deafen"), (500, "listen")],
        &[
            (399, "healthy"),
            (400, "unused Target.NotInUse"),
            (500, "initial Elb.RegistrationInProgress"),
            (535, "healthy"),
        ],
    );
    check(false, &[(0, "listen"), (200, "register in zone c")], &[(900, "unused Target.NotInUse")]);
    check(
        false,
        &[(0, "listen"), (200, "register"), (400, "stopped"), (500, "answers"), (600, "gone")],
        &[
            (400, "unused Target.InvalidState"),
            (500, "initial Elb.RegistrationInProgress"),
            (599, "healthy"),
            (600, "none"),
        ],
    );
}

#[test]
fn at_once_means_healthy_and_drained_in_the_call_but_ill_only_after_its_checks() {
    check(
        true,
        &[(0, "listen"), (0, "register"), (100, "silent"), (300, "answers"), (400, "deregister")],
        &[
            (0, "healthy"),
            (154, "healthy"),
            (155, "unhealthy Target.FailedHealthChecks"),
            (300, "healthy"),
            (400, "none"),
        ],
    );
}

/// The texts are AWS's, as users published them; those about names follow the form of the first.
#[test]
fn what_no_load_balancer_can_have_is_refused() {
    let create = |wanted: NewBalancer| {
        let mut stage = Stage::new(false);
        stage
            .balancers
            .create_balancer(at(0), &place(), wanted)
            .map(|made| made.name.clone())
            .map_err(|it| it.to_string())
    };
    let long = "a".repeat(33);
    for (name, kind, letters, expected) in [
        ("one", BalancerKind::Application, "ab", Ok("one".to_string())),
        ("one", BalancerKind::Network, "a", Ok("one".to_string())),
        ("web", BalancerKind::Application, "ab", Ok("web".to_string())),
        (
            "web",
            BalancerKind::Application,
            "bc",
            Err(
                "DuplicateLoadBalancerName: A load balancer with the same name 'web' exists, but with different settings",
            ),
        ),
        (
            "one",
            BalancerKind::Application,
            "a",
            Err("ValidationError: At least two subnets in two different Availability Zones must be specified"),
        ),
        (
            "one",
            BalancerKind::Application,
            "aab",
            Err("InvalidConfigurationRequest: A load balancer cannot be attached to multiple subnets in the same \
                 Availability Zone"),
        ),
        ("one", BalancerKind::Network, "", Err("ValidationError: At least one subnet must be specified")),
        (
            &long,
            BalancerKind::Application,
            "ab",
            Err("ValidationError: Load balancer name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' cannot be longer than '32' \
                 characters"),
        ),
        (
            "o_e",
            BalancerKind::Application,
            "ab",
            Err(
                "ValidationError: Load balancer name 'o_e' can only contain characters that are alphanumeric characters \
                 and hyphens(-)",
            ),
        ),
        (
            "one-",
            BalancerKind::Application,
            "ab",
            Err("ValidationError: Load balancer name 'one-' cannot begin or end with '-'"),
        ),
        (
            "internal-one",
            BalancerKind::Application,
            "ab",
            Err("ValidationError: Load balancer name 'internal-one' cannot begin with 'internal-'"),
        ),
    ] {
        assert_eq!(create(wanted(name, kind, letters)), expected.map_err(String::from), "{name} {letters}");
    }
}

#[test]
fn a_load_balancer_is_active_once_it_is_provisioned_and_protected_as_long_as_it_says() {
    let mut stage = Stage::new(false);
    let balancer = stage.balancers.balancer(&stage.balancer).unwrap();
    assert!(!balancer.is_active(at(149)) && balancer.is_active(at(150)));
    assert!(balancer.dns_name.starts_with("web-") && balancer.dns_name.ends_with(".us-east-1.elb.amazonaws.com"));
    assert!(Stage::new(true).balancers.balancers().all(|balancer| balancer.is_active(at(0))));
    let protection = |value: &str| vec![("deletion_protection.enabled".to_string(), value.to_string())];
    let arn = stage.balancer.clone();
    stage.happens("listen");
    stage.balancers.balancer_mut(&arn).unwrap().attributes.set(&protection("true")).unwrap();
    let refused = stage.balancers.delete_balancer(&arn).unwrap_err();
    assert_eq!(refused.code, "OperationNotPermitted");
    stage.balancers.balancer_mut(&arn).unwrap().attributes.set(&protection("false")).unwrap();
    stage.balancers.delete_balancer(&arn).unwrap();
    assert_eq!(stage.balancers.listeners().count(), 0);
    assert_eq!(stage.balancers.delete_balancer(&arn), Ok(()), "what is gone is deleted already");
}

#[test]
fn a_target_group_belongs_to_one_load_balancer_and_stays_while_a_listener_uses_it() {
    let mut stage = Stage::new(false);
    let group_arn = stage.target_group.clone();
    stage.happens("listen");
    let refused = stage.balancers.delete_target_group(&group_arn).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!("ResourceInUse: Target group '{group_arn}' is currently in use by a listener or a rule")
    );
    let other = stage.balancers.create_balancer(at(0), &place(), wanted("other", BalancerKind::Application, "ab"));
    let other = other.unwrap().arn.clone();
    let listen = |stage: &mut Stage, balancer: &str, protocol, port, arn: &str| {
        let tls = TlsRequest::default();
        let made = stage.balancers.create_listener(balancer, protocol, tls, port, forward(&[arn]), BTreeMap::new());
        made.map(|_| ()).map_err(|refusal| refusal.code)
    };
    let (own, tcp) = (stage.balancer.clone(), group("tcp", Protocol::Tcp));
    let tcp = stage.balancers.create_target_group(&place(), tcp).unwrap().arn.clone();
    let nowhere = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/no/0123456789abcdef";
    for (balancer, protocol, port, arn, expected) in [
        (&other, Protocol::Http, 80, group_arn.as_str(), Err("TargetGroupAssociationLimit")),
        (&own, Protocol::Http, 80, &group_arn, Err("DuplicateListener")),
        (&own, Protocol::Http, 81, &tcp, Err("InvalidConfigurationRequest")),
        (&own, Protocol::Tcp, 81, &tcp, Err("UnsupportedProtocol")),
        (&own, Protocol::Http, 81, nowhere, Err("TargetGroupNotFound")),
        (&own, Protocol::Http, 81, "web", Err("ValidationError")),
        (&own, Protocol::Http, 81, &group_arn, Ok(())),
    ] {
        assert_eq!(listen(&mut stage, balancer, protocol, port, arn), expected.map_err(String::from), "{port} {arn}");
    }
    stage.balancers.delete_balancer(&own).unwrap();
    stage.balancers.delete_target_group(&group_arn).unwrap();
    assert_eq!(stage.balancers.target_group(&group_arn).unwrap_err().code, "TargetGroupNotFound");
}

#[test]
fn rules_stand_by_priority_and_their_target_groups_are_used() {
    let mut stage = Stage::new(false);
    stage.happens("listen");
    let listener = stage.balancers.listeners().next().unwrap().arn.clone();
    let api = stage.balancers.create_target_group(&place(), group("api", Protocol::Http)).unwrap().arn.clone();
    let mut create = |priority, conditions: Vec<Condition>| {
        let made = stage.balancers.create_rule(&listener, priority, conditions, forward(&[&api]), BTreeMap::new());
        made.map(|rule| rule.arn.clone()).map_err(|refusal| refusal.to_string())
    };
    let first = create(10, path("/api/*")).unwrap();
    let second = create(20, path("/v2/*")).unwrap();
    assert_eq!(create(10, path("/x")), Err("PriorityInUse: Priority '10' is currently in use".into()));
    assert_eq!(create(30, Vec::new()), Err("ValidationError: A condition must be specified".into()));
    let many = (0..6).map(|number| number.to_string()).collect();
    let many = vec![Condition { values: many, ..path("/").remove(0) }];
    assert_eq!(create(30, many), Err("ValidationError: A rule can only have '5' condition values".into()));
    assert_eq!(stage.balancers.delete_target_group(&api).unwrap_err().code, "ResourceInUse");

    stage.balancers.set_rule_priorities(&[(first.clone(), 20), (second.clone(), 10)]).unwrap();
    let priority = |stage: &Stage, arn: &str| {
        let listener = stage.balancers.rule(arn).unwrap().0;
        *listener.rules.iter().find(|(_, rule)| rule.arn == arn).unwrap().0
    };
    assert_eq!((priority(&stage, &first), priority(&stage, &second)), (20, 10));
    assert_eq!(stage.balancers.set_rule_priorities(&[(first.clone(), 10)]).unwrap_err().code, "PriorityInUse");
    let default = stage.balancers.listener(&listener).unwrap().default_rule_arn.clone();
    assert_eq!(stage.balancers.delete_rule(&default).unwrap_err().code, "OperationNotPermitted");
    stage.balancers.delete_rule(&first).unwrap();
    stage.balancers.delete_rule(&second).unwrap();
    stage.balancers.delete_target_group(&api).unwrap();
}

#[test]
fn attributes_are_held_to_what_they_may_be() {
    let stage = Stage::new(false);
    let set = |key: &str, value: &str| {
        let mut attributes = stage.balancers.balancer(&stage.balancer).unwrap().attributes.clone();
        attributes.set(&[(key.into(), value.into())]).map_err(|refusal| refusal.code)
    };
    for (key, value, expected) in [
        ("idle_timeout.timeout_seconds", "4000", Ok(())),
        ("idle_timeout.timeout_seconds", "4001", Err("ValidationError")),
        ("idle_timeout.timeout_seconds", "soon", Err("ValidationError")),
        ("routing.http2.enabled", "false", Ok(())),
        ("routing.http2.enabled", "no", Err("ValidationError")),
        ("routing.http.desync_mitigation_mode", "monitor", Ok(())),
        ("routing.http.desync_mitigation_mode", "loose", Err("ValidationError")),
        ("access_logs.s3.enabled", "false", Ok(())),
        ("access_logs.s3.enabled", "true", Err("InvalidParameterCombination")),
        ("dns_record.client_routing_policy", "any_availability_zone", Err("ValidationError")),
        ("no_such.key", "1", Err("ValidationError")),
    ] {
        assert_eq!(set(key, value), expected.map_err(String::from), "{key} {value}");
    }
}

#[test]
fn health_checks_that_cannot_be_are_refused() {
    let usual = HealthCheck::default_of(Protocol::Http, None);
    let create = |protocol, health_check: HealthCheck| {
        let mut stage = Stage::new(false);
        let wanted = NewTargetGroup { health_check, ..group("one", protocol) };
        stage.balancers.create_target_group(&place(), wanted).map(|_| ()).map_err(|refusal| refusal.code)
    };
    let with = |change: fn(&mut HealthCheck)| {
        let mut check = usual.clone();
        change(&mut check);
        check
    };
    for (check, expected) in [
        (with(|_| {}), Ok(())),
        (with(|it| it.matcher = Some("200,204,300-399".into())), Ok(())),
        (with(|it| it.matcher = Some("100".into())), Err("ValidationError")),
        (with(|it| it.matcher = Some("300-200".into())), Err("ValidationError")),
        (with(|it| it.path = Some("health".into())), Err("ValidationError")),
        (with(|it| it.timeout_secs = 30), Err("ValidationError")),
        (with(|it| it.port = "8080".into()), Ok(())),
        (with(|it| it.port = "http".into()), Err("ValidationError")),
        (HealthCheck::default_of(Protocol::Tcp, None), Err("InvalidConfigurationRequest")),
    ] {
        assert_eq!(create(Protocol::Http, check.clone()), expected.map_err(String::from), "{check:?}");
    }
    let of_tcp = HealthCheck::default_of(Protocol::Tcp, Some(Protocol::Http));
    assert_eq!((of_tcp.matcher.as_deref(), of_tcp.timeout_secs), (Some("200-399"), 6));
    assert_eq!(create(Protocol::Tcp, of_tcp), Ok(()));
}

#[test]
fn a_check_is_the_nth_at_or_after_an_instant() {
    let nth = |since, nth| health::nth_check(at(0), Duration::from_secs(30), at(since), nth).as_secs() - START;
    assert_eq!((nth(-5, 1), nth(0, 1), nth(30, 1), nth(31, 1)), (30, 30, 30, 60));
    assert_eq!((nth(0, 2), nth(31, 3)), (60, 120));
}

/// Sources: API reference, CreateListener and ModifyListener; user guide, "HTTPS listeners".
#[test]
fn a_listener_that_ends_tls_has_one_default_certificate_and_a_policy() {
    const ACM: &str = "arn:aws:acm:us-east-1:123456789012:certificate/0f4a";
    const IAM: &str = "arn:aws:iam::123456789012:server-certificate/web";
    let request = |policy: Option<&str>, certificates: &[&str]| TlsRequest {
        policy: policy.map(str::to_string),
        certificates: Some(certificates.iter().map(|arn| (*arn).to_string()).collect()),
        alpn: None,
    };
    let mut stage = Stage::new(false);
    let (own, group_arn) = (stage.balancer.clone(), stage.target_group.clone());
    for (protocol, tls, expected) in [
        (Protocol::Https, request(None, &[]), "ValidationError: A certificate must be specified for HTTPS listeners"),
        (Protocol::Https, request(None, &[ACM, IAM]), "ValidationError: Exactly one certificate must be specified"),
        (Protocol::Https, request(None, &["web"]), "CertificateNotFound: Certificate 'web' not found"),
        (Protocol::Https, request(Some("none"), &[ACM]), "SSLPolicyNotFound: SSL policy 'none' not found"),
        (
            Protocol::Http,
            request(None, &[ACM]),
            "ValidationError: Certificates and security policies cannot be specified for HTTP listeners",
        ),
    ] {
        let made = stage.balancers.create_listener(&own, protocol, tls, 443, forward(&[&group_arn]), BTreeMap::new());
        assert_eq!(made.unwrap_err().to_string(), expected);
    }
    let made = stage.balancers.create_listener(
        &own,
        Protocol::Https,
        request(None, &[ACM]),
        443,
        forward(&[&group_arn]),
        BTreeMap::new(),
    );
    let made = made.unwrap();
    let arn = made.arn.clone();
    let tls = made.tls.clone().unwrap();
    assert_eq!((tls.certificate.as_str(), tls.policy.as_str()), (ACM, "ELBSecurityPolicy-2016-08"));
    stage.balancers.add_certificates(&arn, &[IAM.into(), ACM.into()]).unwrap();
    let policy = "ELBSecurityPolicy-TLS13-1-2-2021-06";
    let changed = stage.balancers.modify_listener(&arn, None, request(Some(policy), &[]), None, None).unwrap();
    let tls = changed.tls.clone().unwrap();
    assert_eq!((tls.certificate.as_str(), tls.policy.as_str(), tls.more), (ACM, policy, vec![IAM.to_string()]));
    let refused = stage.balancers.remove_certificates(&arn, &[ACM.into()]).unwrap_err();
    assert_eq!(refused.code, "OperationNotPermitted");
    stage.balancers.remove_certificates(&arn, &[IAM.into()]).unwrap();
    let http = stage.balancers.modify_listener(&arn, Some(Protocol::Http), TlsRequest::default(), None, None);
    assert_eq!(http.unwrap().tls, None);
}
