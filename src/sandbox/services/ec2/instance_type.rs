//! Instance types: what a machine of each has, and in which zones it is offered. Start at [`InstanceType`]; the
//! families are in `instance_families.rs`. Left out: clock speeds, bandwidths of EBS, and what only the newest families
//! have.

use super::error::{invalid_value, refuse};
use super::instance_families::{Disks, FAMILIES, Family, Platform, Processor};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::zone::{ZoneFacts, is_opt_in, zones};
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    DescribeInstanceTypeOfferingsInput, DescribeInstanceTypeOfferingsOutput, DescribeInstanceTypesInput,
    DescribeInstanceTypesOutput, DiskInfo, EbsInfo, GpuDeviceInfo, GpuDeviceMemoryInfo, GpuInfo, InstanceStorageInfo,
    InstanceTypeInfo, InstanceTypeOffering, MemoryInfo, NetworkInfo, PlacementGroupInfo, ProcessorInfo, VCpuInfo,
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

fn of_family(family: &'static Family) -> impl Iterator<Item = InstanceType> {
    family.sizes.list().into_iter().map(move |(size, vcpus, memory_mib)| InstanceType {
        name: format!("{}.{size}", family.name),
        family,
        size,
        vcpus,
        memory_mib,
    })
}

/// Every type, whether the region has it or not.
fn all() -> impl Iterator<Item = InstanceType> {
    FAMILIES.iter().flat_map(of_family)
}

/// The type of this name.
pub fn instance_type(name: &str) -> Option<InstanceType> {
    let (family, _) = name.split_once('.')?;
    let family = FAMILIES.iter().find(|known| known.name == family)?;
    of_family(family).find(|kind| kind.name == name)
}

/// Whether machines of this type can be launched in a zone. Types that the table does not know can.
pub fn is_offered(region: &str, zone: &ZoneFacts, name: &str) -> bool {
    instance_type(name).is_none_or(|kind| kind.is_offered_in(region, zone))
}

/// The types of the table that a zone has no machines of.
pub fn names_not_offered_in(region: &str, zone: &ZoneFacts) -> impl Iterator<Item = String> {
    all().filter(move |kind| !kind.is_offered_in(region, zone)).map(|kind| kind.name)
}

/// The zones in which AWS refuses t2, and so what is as old, from its own refusals as people report them ("Your
/// requested instance type (t2.micro) is not supported in your requested Availability Zone (ap-northeast-2b). Please
/// retry ... choosing ap-northeast-2a, ap-northeast-2c").
const ZONES_WITHOUT_T2: &[&str] = &["ap-northeast-2b", "ap-northeast-2d", "ca-central-1d", "sa-east-1b", "us-west-2d"];

/// Regions that opened with t3, besides those that need an opt-in.
const REGIONS_WITHOUT_T2: &[&str] = &["eu-north-1", "us-gov-east-1"];

/// The zone that got no Nitro machines ("not supported in us-east-1e ... choosing us-east-1a, b, c, d, f").
const ZONE_ID_WITHOUT_NITRO: &str = "use1-az3";

impl InstanceType {
    pub fn is_offered_in(&self, region: &str, zone: &ZoneFacts) -> bool {
        match self.family.platform {
            Platform::Nitro => zone.id != ZONE_ID_WITHOUT_NITRO,
            Platform::Xen | Platform::Previous => {
                !is_opt_in(region)
                    && !REGIONS_WITHOUT_T2.contains(&region)
                    && !ZONES_WITHOUT_T2.contains(&zone.name.as_str())
            }
        }
    }

    pub fn architectures(&self) -> &'static [&'static str] {
        match (self.family.processor, self.family.platform, self.size) {
            (Processor::Graviton, ..) => &["arm64"],
            (_, Platform::Xen | Platform::Previous, "nano" | "micro" | "small" | "medium") => &["i386", "x86_64"],
            _ => &["x86_64"],
        }
    }

    pub fn is_metal(&self) -> bool {
        self.size.starts_with("metal")
    }

    pub fn is_burstable(&self) -> bool {
        self.family.burstable
    }

    pub fn is_current(&self) -> bool {
        self.family.platform != Platform::Previous
    }

    /// The disks of its own, if it has any.
    pub fn disks(&self) -> Option<&'static Disks> {
        self.family.disks.iter().find(|disks| disks.size == self.size)
    }

    pub fn has_gpus(&self) -> bool {
        self.family.gpu.is_some()
    }

    /// Whether its machines need an image with drivers for the Elastic Network Adapter.
    pub fn needs_ena(&self) -> bool {
        self.family.platform == Platform::Nitro
    }

    /// The most network interfaces that an instance has.
    pub fn most_interfaces(&self) -> i64 {
        self.interfaces().0
    }

    pub fn manufacturer(&self) -> &'static str {
        match self.family.processor {
            Processor::Intel => "Intel",
            Processor::Amd | Processor::AmdWholeCores => "AMD",
            Processor::Graviton => "AWS",
        }
    }

    pub fn threads_per_core(&self) -> i64 {
        match self.family.processor {
            Processor::Graviton | Processor::AmdWholeCores => 1,
            _ if self.family.name == "t2" || self.vcpus == 1 => 1,
            _ => 2,
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
            ("xlarge" | "2xlarge", _) if self.family.name == "t2" => (3, 15),
            ("xlarge" | "2xlarge", _) => (4, 15),
            ("3xlarge" | "4xlarge" | "6xlarge" | "8xlarge" | "9xlarge" | "10xlarge" | "12xlarge", _) => (8, 30),
            ("metal", _) if self.family.name == "a1" => (8, 30),
            _ => (15, 50),
        }
    }

    fn show(&self) -> InstanceTypeInfo {
        let texts = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
        let nitro = self.family.platform == Platform::Nitro;
        let disks = self.disks();
        InstanceTypeInfo {
            instance_type: Some(self.name.clone()),
            current_generation: Some(self.is_current()),
            free_tier_eligible: Some(matches!(self.name.as_str(), "t2.micro" | "t3.micro")),
            supported_usage_classes: texts(&["on-demand", "spot"]),
            supported_root_device_types: texts(match self.family.platform {
                Platform::Previous => &["ebs", "instance-store"],
                _ => &["ebs"],
            }),
            supported_virtualization_types: texts(match self.family.platform {
                Platform::Previous => &["hvm", "paravirtual"],
                _ => &["hvm"],
            }),
            bare_metal: Some(self.is_metal()),
            hypervisor: (!self.is_metal()).then(|| if nitro { "nitro" } else { "xen" }.into()),
            processor_info: Some(self.show_processor()),
            v_cpu_info: Some(self.show_vcpus()),
            memory_info: Some(MemoryInfo { size_in_mi_b: Some(self.memory_mib) }),
            instance_storage_supported: Some(disks.is_some()),
            instance_storage_info: disks.map(|disks| InstanceStorageInfo {
                total_size_in_gb: Some(disks.count * disks.gb),
                disks: Some(vec![DiskInfo {
                    count: Some(disks.count),
                    size_in_gb: Some(disks.gb),
                    r#type: Some(disks.kind.into()),
                }]),
                nvme_support: Some(if nitro || self.family.name == "i3" { "required" } else { "unsupported" }.into()),
                encryption_support: Some(if nitro { "required" } else { "unsupported" }.into()),
            }),
            ebs_info: Some(EbsInfo {
                ebs_optimized_support: Some(self.ebs_optimized().into()),
                encryption_support: Some("supported".into()),
                nvme_support: Some(if nitro { "required" } else { "unsupported" }.into()),
                ..Default::default()
            }),
            network_info: Some(self.show_network()),
            gpu_info: self.show_gpus(),
            placement_group_info: Some(PlacementGroupInfo {
                supported_strategies: texts(if self.family.burstable {
                    &["partition", "spread"]
                } else {
                    &["cluster", "partition", "spread"]
                }),
            }),
            burstable_performance_supported: Some(self.family.burstable),
            auto_recovery_supported: Some(disks.is_none() && !self.is_metal()),
            dedicated_hosts_supported: Some(!self.family.burstable || matches!(self.family.name, "t3")),
            supported_boot_modes: texts(match (self.family.processor, nitro) {
                (Processor::Graviton, _) => &["uefi"],
                (_, true) if !self.is_metal() => &["legacy-bios", "uefi"],
                _ => &["legacy-bios"],
            }),
            ..Default::default()
        }
    }

    fn show_vcpus(&self) -> VCpuInfo {
        let threads = self.threads_per_core();
        VCpuInfo {
            default_v_cpus: Some(self.vcpus),
            default_cores: Some((self.vcpus / threads).max(1)),
            default_threads_per_core: Some(threads),
            ..Default::default()
        }
    }

    /// Whether it has a connection of its own to its volumes. Source: EC2 User Guide, "EBS optimization by default" and
    /// "EBS optimization supported".
    fn ebs_optimized(&self) -> &'static str {
        match (self.family.platform, self.family.name, self.size) {
            (Platform::Nitro, ..) => "default",
            (_, "t2", _) => "unsupported",
            (Platform::Xen, ..) => "default",
            (_, "m1" | "m2" | "m3" | "c1" | "c3" | "r3" | "i2" | "g2", "large" | "xlarge" | "2xlarge" | "4xlarge") => {
                match (self.family.name, self.size) {
                    ("c3" | "r3" | "m3", "large") | ("m2", "xlarge") => "unsupported",
                    _ => "supported",
                }
            }
            _ => "unsupported",
        }
    }

    fn show_network(&self) -> NetworkInfo {
        let (interfaces, addresses) = self.interfaces();
        let previous = matches!(self.family.name, "t1" | "m1" | "m2" | "m3" | "c1");
        let ena = match (self.family.platform, self.family.name, self.size) {
            (Platform::Nitro, ..) => "required",
            (Platform::Xen, "i3" | "p2" | "p3" | "r4" | "x1" | "x1e" | "g3" | "g3s" | "h1" | "f1", _) => "supported",
            (Platform::Xen, "m4", "16xlarge") => "supported",
            _ => "unsupported",
        };
        NetworkInfo {
            network_performance: Some(self.family.network.into()),
            maximum_network_interfaces: Some(interfaces),
            maximum_network_cards: Some(1),
            default_network_card_index: Some(0),
            ipv4_addresses_per_interface: Some(addresses),
            ipv6_addresses_per_interface: Some(if previous { 0 } else { addresses }),
            ipv6_supported: Some(!previous),
            ena_support: Some(ena.into()),
            efa_supported: Some(false),
            ..Default::default()
        }
    }

    fn show_gpus(&self) -> Option<GpuInfo> {
        let gpu = self.family.gpu.as_ref()?;
        let (_, count) = gpu.counts.iter().find(|(size, _)| *size == self.size)?;
        Some(GpuInfo {
            gpus: Some(vec![GpuDeviceInfo {
                name: Some(gpu.name.into()),
                manufacturer: Some("NVIDIA".into()),
                count: Some(*count),
                memory_info: Some(GpuDeviceMemoryInfo { size_in_mi_b: Some(gpu.memory_mib) }),
                ..Default::default()
            }]),
            total_gpu_memory_in_mi_b: Some(gpu.memory_mib * count),
        })
    }

    fn show_processor(&self) -> ProcessorInfo {
        ProcessorInfo {
            supported_architectures: Some(self.architectures().iter().map(ToString::to_string).collect()),
            manufacturer: Some(self.manufacturer().into()),
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

fn disks(kind: &InstanceTypeInfo, of: fn(&DiskInfo) -> Option<i64>) -> Vec<String> {
    let disks = kind.instance_storage_info.iter().flat_map(|storage| storage.disks.iter().flatten());
    disks.filter_map(of).map(|value| value.to_string()).collect()
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
        ("instance-storage-info.disk.count", |t| disks(t, |disk| disk.count)),
        ("instance-storage-info.disk.size-in-gb", |t| disks(t, |disk| disk.size_in_gb)),
        ("instance-storage-info.total-size-in-gb", |t| inner!(t.instance_storage_info.total_size_in_gb)),
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
pub fn offered(region: &str) -> Vec<InstanceType> {
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
            ("m3.medium", 1, 3840),
            ("c4.8xlarge", 36, 61_440),
            ("m4.10xlarge", 40, 163_840),
            ("r4.16xlarge", 64, 499_712),
            ("i3.metal", 72, 524_288),
            ("i3en.metal", 96, 786_432),
            ("c5n.18xlarge", 72, 196_608),
            ("p3.8xlarge", 32, 249_856),
            ("x1e.32xlarge", 128, 3_997_696),
            ("m7i.metal-24xl", 96, 393_216),
            ("c6a.metal", 192, 393_216),
        ] {
            let kind = instance_type(name).unwrap();
            assert_eq!((kind.vcpus, kind.memory_mib), (vcpus, memory_mib), "{name}");
        }
        assert_eq!(instance_type("t9.nano"), None);
        assert_eq!(instance_type("m5.medium"), None);
    }

    /// Source: EC2 instance types, "Storage optimized" and "Accelerated computing".
    #[test]
    fn disks_and_gpus_are_those_of_the_size() {
        let dense = instance_type("i3en.metal").unwrap().show();
        assert_eq!((dense.bare_metal, dense.hypervisor), (Some(true), None));
        assert_eq!(dense.instance_storage_info.unwrap().total_size_in_gb, Some(60_000));
        let drawing = instance_type("g4dn.12xlarge").unwrap().show().gpu_info.unwrap();
        assert_eq!(drawing.total_gpu_memory_in_mi_b, Some(4 * 16_384));
        let plain = instance_type("m5.large").unwrap().show();
        assert_eq!((plain.instance_storage_supported, plain.gpu_info), (Some(false), None));
        assert_eq!(instance_type("m1.small").unwrap().show().current_generation, Some(false));
    }
}
