//! Instance types: what a machine of each has, and in which zones it is offered. Start at [`InstanceType`].
//! Leaves out most of AWS's eight hundred types: here are the burstable ones and the common general, compute and memory
//! families.

use super::error::{invalid_value, refuse};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::zone::{ZoneFacts, is_opt_in, zones};
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    DescribeInstanceTypeOfferingsInput, DescribeInstanceTypeOfferingsOutput, DescribeInstanceTypesInput,
    DescribeInstanceTypesOutput, EbsInfo, InstanceTypeInfo, InstanceTypeOffering, MemoryInfo, NetworkInfo,
    PlacementGroupInfo, ProcessorInfo, VCpuInfo,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// One instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    pub name: String,
    family: &'static Family,
    size: &'static str,
    pub vcpus: i64,
    pub memory_mib: i64,
}

#[derive(Debug, PartialEq, Eq)]
struct Family {
    name: &'static str,
    processor: Processor,
    burstable: bool,
    network: &'static str,
    /// Size, vCPUs and memory in MiB.
    sizes: Sizes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    /// x86 under the Xen hypervisor; also the only family here from before Nitro.
    IntelXen,
    Intel,
    Amd,
    Graviton,
}

type Sizes = &'static [(&'static str, i64, i64)];

const fn family(name: &'static str, processor: Processor, network: &'static str, sizes: Sizes) -> Family {
    Family { name, processor, burstable: false, network, sizes }
}

const fn burstable(name: &'static str, processor: Processor, network: &'static str, sizes: Sizes) -> Family {
    Family { name, processor, burstable: true, network, sizes }
}

const GIB: i64 = 1024;

const T2: Sizes = &[
    ("nano", 1, 512),
    ("micro", 1, GIB),
    ("small", 1, 2 * GIB),
    ("medium", 2, 4 * GIB),
    ("large", 2, 8 * GIB),
    ("xlarge", 4, 16 * GIB),
    ("2xlarge", 8, 32 * GIB),
];
const T3: Sizes = &[
    ("nano", 2, 512),
    ("micro", 2, GIB),
    ("small", 2, 2 * GIB),
    ("medium", 2, 4 * GIB),
    ("large", 2, 8 * GIB),
    ("xlarge", 4, 16 * GIB),
    ("2xlarge", 8, 32 * GIB),
];
const C5: Sizes = &[
    ("large", 2, 4 * GIB),
    ("xlarge", 4, 8 * GIB),
    ("2xlarge", 8, 16 * GIB),
    ("4xlarge", 16, 32 * GIB),
    ("9xlarge", 36, 72 * GIB),
    ("12xlarge", 48, 96 * GIB),
    ("18xlarge", 72, 144 * GIB),
    ("24xlarge", 96, 192 * GIB),
];

const fn rung(size: &'static str, vcpus: i64, gib_per_vcpu: i64) -> (&'static str, i64, i64) {
    (size, vcpus, vcpus * gib_per_vcpu * GIB)
}

/// The regular sizes with so many GiB per vCPU.
const fn ladder(per: i64) -> [(&'static str, i64, i64); 8] {
    [
        rung("large", 2, per),
        rung("xlarge", 4, per),
        rung("2xlarge", 8, per),
        rung("4xlarge", 16, per),
        rung("8xlarge", 32, per),
        rung("12xlarge", 48, per),
        rung("16xlarge", 64, per),
        rung("24xlarge", 96, per),
    ]
}

const fn graviton_ladder(per: i64) -> [(&'static str, i64, i64); 8] {
    [
        rung("medium", 1, per),
        rung("large", 2, per),
        rung("xlarge", 4, per),
        rung("2xlarge", 8, per),
        rung("4xlarge", 16, per),
        rung("8xlarge", 32, per),
        rung("12xlarge", 48, per),
        rung("16xlarge", 64, per),
    ]
}

const GENERAL: Sizes = &ladder(4);
const COMPUTE: Sizes = &ladder(2);
const MEMORY: Sizes = &ladder(8);
const GRAVITON_GENERAL: Sizes = &graviton_ladder(4);
const GRAVITON_COMPUTE: Sizes = &graviton_ladder(2);
const GRAVITON_MEMORY: Sizes = &graviton_ladder(8);

const UP_TO_5: &str = "Up to 5 Gigabit";
const UP_TO_10: &str = "Up to 10 Gigabit";
const UP_TO_12: &str = "Up to 12.5 Gigabit";

static FAMILIES: &[Family] = &[
    family("c5", Processor::Intel, UP_TO_10, C5),
    family("c5a", Processor::Amd, UP_TO_10, COMPUTE),
    family("c6a", Processor::Amd, UP_TO_12, COMPUTE),
    family("c6g", Processor::Graviton, UP_TO_10, GRAVITON_COMPUTE),
    family("c6i", Processor::Intel, UP_TO_12, COMPUTE),
    family("c7g", Processor::Graviton, UP_TO_12, GRAVITON_COMPUTE),
    family("c7i", Processor::Intel, UP_TO_12, COMPUTE),
    family("m5", Processor::Intel, UP_TO_10, GENERAL),
    family("m5a", Processor::Amd, UP_TO_10, GENERAL),
    family("m6a", Processor::Amd, UP_TO_12, GENERAL),
    family("m6g", Processor::Graviton, UP_TO_10, GRAVITON_GENERAL),
    family("m6i", Processor::Intel, UP_TO_12, GENERAL),
    family("m7g", Processor::Graviton, UP_TO_12, GRAVITON_GENERAL),
    family("m7i", Processor::Intel, UP_TO_12, GENERAL),
    family("r5", Processor::Intel, UP_TO_10, MEMORY),
    family("r5a", Processor::Amd, UP_TO_10, MEMORY),
    family("r6g", Processor::Graviton, UP_TO_10, GRAVITON_MEMORY),
    family("r6i", Processor::Intel, UP_TO_12, MEMORY),
    family("r7g", Processor::Graviton, UP_TO_12, GRAVITON_MEMORY),
    burstable("t2", Processor::IntelXen, "Low to Moderate", T2),
    burstable("t3", Processor::Intel, UP_TO_5, T3),
    burstable("t3a", Processor::Amd, UP_TO_5, T3),
    burstable("t4g", Processor::Graviton, UP_TO_5, T3),
];

/// Every type, whether the region has it or not.
fn all() -> impl Iterator<Item = InstanceType> {
    FAMILIES.iter().flat_map(|family| {
        family.sizes.iter().map(move |(size, vcpus, memory_mib)| InstanceType {
            name: format!("{}.{size}", family.name),
            family,
            size,
            vcpus: *vcpus,
            memory_mib: *memory_mib,
        })
    })
}

/// The type of this name.
pub fn instance_type(name: &str) -> Option<InstanceType> {
    all().find(|kind| kind.name == name)
}

/// Whether machines of this type can be launched in a zone. Types that the table does not know can.
pub fn is_offered(region: &str, zone: &ZoneFacts, name: &str) -> bool {
    instance_type(name).is_none_or(|kind| kind.is_offered_in(region, zone))
}

/// The types of the table that a zone has no machines of.
pub fn names_not_offered_in(region: &str, zone: &ZoneFacts) -> impl Iterator<Item = String> {
    all().filter(move |kind| !kind.is_offered_in(region, zone)).map(|kind| kind.name)
}

/// The zones in which AWS refuses t2, from its own refusals as people report them ("Your requested instance type
/// (t2.micro) is not supported in your requested Availability Zone (ap-northeast-2b). Please retry ... choosing
/// ap-northeast-2a, ap-northeast-2c").
const ZONES_WITHOUT_T2: &[&str] = &["ap-northeast-2b", "ap-northeast-2d", "ca-central-1d", "sa-east-1b", "us-west-2d"];

/// Regions that opened with t3, besides those that need an opt-in.
const REGIONS_WITHOUT_T2: &[&str] = &["eu-north-1", "us-gov-east-1"];

/// The zone that got no Nitro machines ("not supported in us-east-1e ... choosing us-east-1a, b, c, d, f").
const ZONE_ID_WITHOUT_NITRO: &str = "use1-az3";

impl InstanceType {
    pub fn is_offered_in(&self, region: &str, zone: &ZoneFacts) -> bool {
        match self.family.processor {
            Processor::IntelXen => {
                !is_opt_in(region)
                    && !REGIONS_WITHOUT_T2.contains(&region)
                    && !ZONES_WITHOUT_T2.contains(&zone.name.as_str())
            }
            _ => zone.id != ZONE_ID_WITHOUT_NITRO,
        }
    }

    fn architectures(&self) -> &'static [&'static str] {
        match (self.family.processor, self.size) {
            (Processor::Graviton, _) => &["arm64"],
            (Processor::IntelXen, "nano" | "micro" | "small" | "medium") => &["i386", "x86_64"],
            _ => &["x86_64"],
        }
    }

    pub fn threads_per_core(&self) -> i64 {
        match self.family.processor {
            Processor::IntelXen | Processor::Graviton => 1,
            Processor::Intel | Processor::Amd => 2,
        }
    }

    /// Interfaces, and addresses on each. Source: EC2 User Guide, "Maximum IP addresses per network interface".
    fn interfaces(&self) -> (i64, i64) {
        match (self.size, self.family.burstable) {
            ("nano" | "micro", _) => (2, 2),
            ("small", _) => (3, 4),
            ("medium", true) => (3, 6),
            ("medium", false) => (2, 4),
            ("large", true) => (3, 12),
            ("large", false) => (3, 10),
            ("xlarge" | "2xlarge", _) if self.family.processor == Processor::IntelXen => (3, 15),
            ("xlarge" | "2xlarge", _) => (4, 15),
            ("4xlarge" | "8xlarge" | "9xlarge" | "12xlarge", _) => (8, 30),
            _ => (15, 50),
        }
    }

    fn show(&self) -> InstanceTypeInfo {
        let nitro = self.family.processor != Processor::IntelXen;
        let texts = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
        let (threads, (interfaces, addresses)) = (self.threads_per_core(), self.interfaces());
        let usage: &[&str] = &["on-demand", "spot"];
        InstanceTypeInfo {
            instance_type: Some(self.name.clone()),
            current_generation: Some(true),
            free_tier_eligible: Some(matches!(self.name.as_str(), "t2.micro" | "t3.micro")),
            supported_usage_classes: texts(usage),
            supported_root_device_types: texts(&["ebs"]),
            supported_virtualization_types: texts(&["hvm"]),
            bare_metal: Some(false),
            hypervisor: Some(if nitro { "nitro" } else { "xen" }.into()),
            processor_info: Some(self.show_processor()),
            v_cpu_info: Some(VCpuInfo {
                default_v_cpus: Some(self.vcpus),
                default_cores: Some((self.vcpus / threads).max(1)),
                default_threads_per_core: Some(threads),
                ..Default::default()
            }),
            memory_info: Some(MemoryInfo { size_in_mi_b: Some(self.memory_mib) }),
            instance_storage_supported: Some(false),
            ebs_info: Some(EbsInfo {
                ebs_optimized_support: Some(if nitro { "default" } else { "unsupported" }.into()),
                encryption_support: Some("supported".into()),
                nvme_support: Some(if nitro { "required" } else { "unsupported" }.into()),
                ..Default::default()
            }),
            network_info: Some(NetworkInfo {
                network_performance: Some(self.family.network.into()),
                maximum_network_interfaces: Some(interfaces),
                maximum_network_cards: Some(1),
                default_network_card_index: Some(0),
                ipv4_addresses_per_interface: Some(addresses),
                ipv6_addresses_per_interface: Some(addresses),
                ipv6_supported: Some(true),
                ena_support: Some(if nitro { "required" } else { "unsupported" }.into()),
                efa_supported: Some(false),
                ..Default::default()
            }),
            placement_group_info: Some(PlacementGroupInfo {
                supported_strategies: texts(if self.family.burstable {
                    &["partition", "spread"]
                } else {
                    &["cluster", "partition", "spread"]
                }),
            }),
            burstable_performance_supported: Some(self.family.burstable),
            auto_recovery_supported: Some(true),
            supported_boot_modes: texts(match self.family.processor {
                Processor::IntelXen => &["legacy-bios"],
                Processor::Graviton => &["uefi"],
                _ => &["legacy-bios", "uefi"],
            }),
            ..Default::default()
        }
    }

    fn show_processor(&self) -> ProcessorInfo {
        let manufacturer = match self.family.processor {
            Processor::IntelXen | Processor::Intel => "Intel",
            Processor::Amd => "AMD",
            Processor::Graviton => "AWS",
        };
        ProcessorInfo {
            supported_architectures: Some(self.architectures().iter().map(ToString::to_string).collect()),
            manufacturer: Some(manufacturer.into()),
            ..Default::default()
        }
    }
}

fn missing(names: &[&str]) -> Refusal {
    let message = format!("The following supplied instance types do not exist: [{}]", names.join(", "));
    refuse("InvalidInstanceType", message)
}

macro_rules! inner {
    ($type:ident.$part:ident.$member:ident) => {
        $type.$part.iter().flat_map(|part| one(&part.$member)).collect()
    };
}

macro_rules! inner_list {
    ($type:ident.$part:ident.$member:ident) => {
        $type.$part.iter().flat_map(|part| part.$member.iter().flatten().cloned()).collect()
    };
}

const TYPES: Kind<InstanceTypeInfo> = Kind {
    id: |t| &t.instance_type,
    id_parameter: "instanceType",
    missing,
    tags: |_| &None,
    filters: &[
        ("auto-recovery-supported", |t| one(&t.auto_recovery_supported)),
        ("bare-metal", |t| one(&t.bare_metal)),
        ("burstable-performance-supported", |t| one(&t.burstable_performance_supported)),
        ("current-generation", |t| one(&t.current_generation)),
        ("ebs-info.ebs-optimized-support", |t| inner!(t.ebs_info.ebs_optimized_support)),
        ("ebs-info.encryption-support", |t| inner!(t.ebs_info.encryption_support)),
        ("ebs-info.nvme-support", |t| inner!(t.ebs_info.nvme_support)),
        ("free-tier-eligible", |t| one(&t.free_tier_eligible)),
        ("hypervisor", |t| one(&t.hypervisor)),
        ("instance-storage-supported", |t| one(&t.instance_storage_supported)),
        ("instance-type", |t| one(&t.instance_type)),
        ("memory-info.size-in-mib", |t| inner!(t.memory_info.size_in_mi_b)),
        ("network-info.ena-support", |t| inner!(t.network_info.ena_support)),
        ("network-info.ipv6-supported", |t| inner!(t.network_info.ipv6_supported)),
        ("network-info.maximum-network-interfaces", |t| inner!(t.network_info.maximum_network_interfaces)),
        ("network-info.network-performance", |t| inner!(t.network_info.network_performance)),
        ("processor-info.supported-architecture", |t| inner_list!(t.processor_info.supported_architectures)),
        ("supported-boot-mode", |t| t.supported_boot_modes.iter().flatten().cloned().collect()),
        ("supported-root-device-type", |t| t.supported_root_device_types.iter().flatten().cloned().collect()),
        ("supported-usage-class", |t| t.supported_usage_classes.iter().flatten().cloned().collect()),
        ("supported-virtualization-type", |t| t.supported_virtualization_types.iter().flatten().cloned().collect()),
        ("vcpu-info.default-cores", |t| inner!(t.v_cpu_info.default_cores)),
        ("vcpu-info.default-threads-per-core", |t| inner!(t.v_cpu_info.default_threads_per_core)),
        ("vcpu-info.default-vcpus", |t| inner!(t.v_cpu_info.default_v_cpus)),
    ],
};

/// The types that some zone of the region offers.
fn offered(region: &str) -> Vec<InstanceType> {
    let zones = zones(region);
    all().filter(|kind| zones.iter().any(|zone| kind.is_offered_in(region, zone))).collect()
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeInstanceTypesInput,
) -> Result<DescribeInstanceTypesOutput, Refusal> {
    let all = offered(&region.world.place.region).iter().map(InstanceType::show).collect();
    let (instance_types, next_token) = TYPES.select(all, ask!(input.instance_types))?.set();
    Ok(DescribeInstanceTypesOutput { instance_types, next_token })
}

const OFFERINGS: Kind<InstanceTypeOffering> = Kind {
    id: |offering| &offering.instance_type,
    id_parameter: "instanceType",
    missing,
    tags: |_| &None,
    filters: &[("instance-type", |o| one(&o.instance_type)), ("location", |o| one(&o.location))],
};

fn describe_offerings(
    region: &mut Region,
    _: &Call,
    input: DescribeInstanceTypeOfferingsInput,
) -> Result<DescribeInstanceTypeOfferingsOutput, Refusal> {
    let region = region.world.place.region.as_str();
    let location_type = input.location_type.clone().unwrap_or_else(|| "region".into());
    let of_zone: fn(&ZoneFacts) -> &String = match location_type.as_str() {
        "region" => |zone| &zone.name,
        "availability-zone" => |zone| &zone.name,
        "availability-zone-id" => |zone| &zone.id,
        "outpost" => {
            return Ok(DescribeInstanceTypeOfferingsOutput {
                instance_type_offerings: Some(Vec::new()),
                ..Default::default()
            });
        }
        other => return Err(invalid_value(other, "locationType", "Unknown location type.")),
    };
    let show = |kind: &InstanceType, location: &str| InstanceTypeOffering {
        instance_type: Some(kind.name.clone()),
        location_type: Some(location_type.clone()),
        location: Some(location.to_string()),
    };
    let zones = zones(region);
    let all = offered(region).into_iter().flat_map(|kind| match location_type.as_str() {
        "region" => vec![show(&kind, region)],
        _ => zones
            .iter()
            .filter(|zone| kind.is_offered_in(region, zone))
            .map(|zone| show(&kind, of_zone(zone)))
            .collect(),
    });
    let (instance_type_offerings, next_token) = OFFERINGS.select(all.collect(), ask!(input))?.set();
    Ok(DescribeInstanceTypeOfferingsOutput { instance_type_offerings, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeInstanceTypesInput "DescribeInstanceTypes":
        "Describes common instance types.",
        takes InstanceTypes Filters MaxResults NextToken
    );
    operation!(operations, describe_offerings, DescribeInstanceTypeOfferingsInput "DescribeInstanceTypeOfferings":
        "Says where they are offered.",
        takes LocationType Filters MaxResults NextToken
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(region: &str, name: &str, letters: &str) {
        let kind = instance_type(name).unwrap();
        let offered = zones(region).into_iter().filter(|zone| kind.is_offered_in(region, zone));
        let found: String = offered.filter_map(|zone| zone.name.chars().last()).collect();
        assert_eq!(found, letters, "{name} in {region}");
    }

    #[test]
    fn old_types_are_missing_in_new_zones_and_new_ones_in_the_oldest() {
        check("ap-northeast-2", "t2.nano", "ac");
        check("ap-northeast-2", "t3.nano", "abcd");
        check("us-east-1", "t2.nano", "abcdef");
        check("us-east-1", "t3.nano", "abcdf");
        check("us-west-2", "t2.micro", "abc");
        check("eu-north-1", "t2.micro", "");
        check("eu-west-1", "m6g.large", "abc");
    }

    #[test]
    fn sizes_follow_their_family() {
        for (name, vcpus, memory_mib) in [
            ("t2.nano", 1, 512),
            ("t3.nano", 2, 512),
            ("m5.large", 2, 8192),
            ("c5.9xlarge", 36, 73_728),
            ("r5.24xlarge", 96, 786_432),
            ("m6g.medium", 1, 4096),
        ] {
            let kind = instance_type(name).unwrap();
            assert_eq!((kind.vcpus, kind.memory_mib), (vcpus, memory_mib), "{name}");
        }
        assert_eq!(instance_type("t9.nano"), None);
    }
}
