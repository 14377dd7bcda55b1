//! The services that AWS offers endpoints for, as far as stacks around Auto Scaling use them. Start at [`SERVICES`].

use super::error::refuse;
use super::register::operation;
use super::select::{Kind, one, page};
use super::zone::zones;
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::names::Place;
use crate::sandbox::models::ec2::{
    DescribeVpcEndpointServicesInput, DescribeVpcEndpointServicesOutput, PrivateDnsDetails, ServiceDetail,
    ServiceTypeDetail,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Services by the last part of their name, and how they are reached. Source: AWS PrivateLink guide, "AWS services that
/// integrate with AWS PrivateLink" and "Gateway endpoints".
const SERVICES: &[(&str, &[&str])] = &[
    ("autoscaling", &["Interface"]),
    ("dynamodb", &["Gateway", "Interface"]),
    ("ec2", &["Interface"]),
    ("ec2messages", &["Interface"]),
    ("ecr.api", &["Interface"]),
    ("ecr.dkr", &["Interface"]),
    ("elasticloadbalancing", &["Interface"]),
    ("events", &["Interface"]),
    ("kms", &["Interface"]),
    ("lambda", &["Interface"]),
    ("logs", &["Interface"]),
    ("monitoring", &["Interface"]),
    ("s3", &["Gateway", "Interface"]),
    ("secretsmanager", &["Interface"]),
    ("sns", &["Interface"]),
    ("sqs", &["Interface"]),
    ("ssm", &["Interface"]),
    ("ssmmessages", &["Interface"]),
    ("sts", &["Interface"]),
];

/// One entry for each service and way to reach it, as AWS lists them.
fn services(place: &Place) -> Vec<ServiceDetail> {
    let region = &place.region;
    let zone_names: Vec<String> = zones(region).into_iter().map(|zone| zone.name).collect();
    let zone_ids: Vec<String> = zones(region).into_iter().map(|zone| zone.id).collect();
    let show = |service: &str, kind: &str| {
        let name = format!("com.amazonaws.{region}.{service}");
        let host = format!("{service}.{region}.amazonaws.com");
        let number = Ids::new(0, &format!("{name} {kind}")).ec2("vpce-svc");
        let interface = kind == "Interface";
        let private = interface.then(|| host.clone());
        ServiceDetail {
            service_name: Some(name),
            service_id: Some(number),
            service_type: Some(vec![ServiceTypeDetail { service_type: Some(kind.into()) }]),
            service_region: Some(region.clone()),
            availability_zones: Some(zone_names.clone()),
            availability_zone_ids: Some(zone_ids.clone()),
            owner: Some("amazon".into()),
            base_endpoint_dns_names: Some(vec![if interface {
                format!("{service}.{region}.vpce.amazonaws.com")
            } else {
                host.clone()
            }]),
            private_dns_names: private.clone().map(|name| vec![PrivateDnsDetails { private_dns_name: Some(name) }]),
            private_dns_name_verification_state: interface.then(|| "verified".into()),
            private_dns_name: private,
            vpc_endpoint_policy_supported: Some(true),
            acceptance_required: Some(false),
            manages_vpc_endpoints: Some(false),
            supported_ip_address_types: Some(vec!["ipv4".into()]),
            tags: Some(Vec::new()),
            ..Default::default()
        }
    };
    SERVICES
        .iter()
        .flat_map(|(service, kinds)| kinds.iter().map(move |kind| (service, kind)))
        .map(|(s, k)| show(s, k))
        .collect()
}

fn missing(names: &[&str]) -> Refusal {
    refuse("InvalidServiceName", format!("The Vpc Endpoint Service '{}' does not exist", names.join(", ")))
}

const DETAILS: Kind<ServiceDetail> = Kind {
    id: |service| &service.service_name,
    id_parameter: "serviceNames",
    missing,
    tags: |service| &service.tags,
    filters: &[
        ("owner", |s| one(&s.owner)),
        ("service-name", |s| one(&s.service_name)),
        ("service-region", |s| one(&s.service_region)),
        ("service-type", |s| s.service_type.iter().flatten().flat_map(|kind| one(&kind.service_type)).collect()),
        ("supported-ip-address-types", |s| s.supported_ip_address_types.clone().unwrap_or_default()),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeVpcEndpointServicesInput,
) -> Result<DescribeVpcEndpointServicesOutput, Refusal> {
    let wanted = input.service_names.unwrap_or_default();
    let all = services(&region.world.place);
    let known = |name: &String| all.iter().any(|service| service.service_name.as_ref() == Some(name));
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        return Err(missing(&[unknown]));
    }
    let is_wanted = |service: &ServiceDetail| {
        wanted.is_empty() || service.service_name.as_ref().is_some_and(|name| wanted.contains(name))
    };
    let named = all.into_iter().filter(is_wanted).collect();
    let kept = DETAILS.filtered(named, &input.filters.unwrap_or_default())?;
    let page = page(kept, input.max_results, input.next_token)?;
    let mut service_names: Vec<String> = page.items.iter().filter_map(|service| service.service_name.clone()).collect();
    service_names.dedup();
    let (service_details, next_token) = page.set();
    Ok(DescribeVpcEndpointServicesOutput { service_names: Some(service_names), service_details, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeVpcEndpointServicesInput "DescribeVpcEndpointServices":
        "Lists the services that stacks around Auto Scaling use.",
        takes Filters MaxResults NextToken ServiceNames
    );
}
