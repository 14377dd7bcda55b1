//! The public images of a region: Canonical's LTS releases of Ubuntu, Amazon Linux, Windows Server, and three old ones
//! for tests. Start at [`Line`].
//! Identifiers follow from region and name, so they are the same in every run and differ between regions, as on AWS.

use crate::engine::ids::Ids;

/// One image in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicImage {
    pub id: String,
    pub snapshot_id: String,
    pub name: String,
    pub description: String,
    pub architecture: Architecture,
    /// `2025-06-10T08:14:32.000Z`
    pub creation_date: String,
    pub line: &'static Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    /// As EC2 writes it.
    pub fn ec2(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    fn ubuntu(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// A line of images that differ by release and architecture only.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The name, in which `{arch}` and `{release}` are filled in.
    name: &'static str,
    description: &'static str,
    /// The id that it has in every region; others follow from region and name.
    fixed_id: Option<&'static str>,
    distribution: Distribution,
    pub volume_type: &'static str,
    pub volume_gib: i64,
    /// Whether machines from it take session tokens only at their metadata service.
    pub imds_v2: bool,
    /// What its x86 images boot with; ARM images always use UEFI.
    boot_mode: Option<&'static str>,
    /// Releases as they stand in the name, and the day they came out.
    releases: &'static [(&'static str, &'static str)],
    architectures: &'static [Architecture],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Ubuntu,
    AmazonLinux,
    Windows,
    Suse,
}

impl Line {
    /// The account that publishes it. Source: Canonical's and Amazon's documentation.
    pub fn owner(&self) -> &'static str {
        match self.distribution {
            Distribution::Ubuntu => "099720109477",
            Distribution::AmazonLinux => "137112412989",
            Distribution::Windows => "801119661308",
            Distribution::Suse => "013907871322",
        }
    }

    pub fn owner_alias(&self) -> Option<&'static str> {
        match self.distribution {
            Distribution::Ubuntu => None,
            Distribution::AmazonLinux | Distribution::Windows | Distribution::Suse => Some("amazon"),
        }
    }

    pub fn root_device(&self) -> &'static str {
        match self.distribution {
            Distribution::Ubuntu | Distribution::Windows | Distribution::Suse => "/dev/sda1",
            Distribution::AmazonLinux => "/dev/xvda",
        }
    }

    /// Instance store volumes that Canonical's images name after the root device.
    pub fn ephemeral_devices(&self) -> &'static [(&'static str, &'static str)] {
        match self.distribution {
            Distribution::Ubuntu => &[("/dev/sdb", "ephemeral0"), ("/dev/sdc", "ephemeral1")],
            Distribution::AmazonLinux | Distribution::Windows | Distribution::Suse => &[],
        }
    }

    /// EC2 shows a platform for Windows only.
    pub fn platform(&self) -> Option<&'static str> {
        (self.distribution == Distribution::Windows).then_some("windows")
    }

    /// What EC2 bills it as.
    pub fn platform_details(&self) -> &'static str {
        match self.distribution {
            Distribution::Ubuntu | Distribution::AmazonLinux => "Linux/UNIX",
            Distribution::Windows => "Windows",
            Distribution::Suse => "SUSE Linux",
        }
    }

    /// The operation code of that bill. Source: EC2 User Guide, "AMI billing information fields".
    pub fn usage_operation(&self) -> &'static str {
        match self.distribution {
            Distribution::Ubuntu | Distribution::AmazonLinux => "RunInstances",
            Distribution::Windows => "RunInstances:0002",
            Distribution::Suse => "RunInstances:000g",
        }
    }

    pub fn virtualization(&self) -> &'static str {
        match self.distribution {
            Distribution::Suse => "paravirtual",
            Distribution::Ubuntu | Distribution::AmazonLinux | Distribution::Windows => "hvm",
        }
    }

    /// Whether it has drivers for the Elastic Network Adapter, which came in 2016.
    pub fn has_ena(&self) -> bool {
        self.releases.iter().all(|(_, day)| *day >= "2016")
    }

    pub fn boot_mode(&self, architecture: Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::Arm64 => Some("uefi"),
            Architecture::Amd64 => self.boot_mode,
        }
    }

    fn filled_in(&self, template: &str, architecture: Architecture, release: &str) -> String {
        let arch = match self.distribution {
            Distribution::Ubuntu => architecture.ubuntu(),
            _ => architecture.ec2(),
        };
        template.replace("{arch}", arch).replace("{release}", release)
    }

    fn images(&'static self, region: &str) -> Vec<PublicImage> {
        let mut images = Vec::new();
        for (release, day) in self.releases {
            for architecture in self.architectures {
                let name = self.filled_in(self.name, *architecture, release);
                let mut ids = Ids::new(0, &format!("image {region} {name}"));
                let (drawn, snapshot_id) = (ids.ec2("ami"), ids.ec2("snap"));
                let id = self.fixed_id.map_or(drawn, str::to_string);
                let second = ids.next_u64() % 3600;
                images.push(PublicImage {
                    id,
                    snapshot_id,
                    description: self.filled_in(self.description, *architecture, release),
                    architecture: *architecture,
                    creation_date: format!("{day}T08:{:02}:{:02}.000Z", second / 60, second % 60),
                    name,
                    line: self,
                });
            }
        }
        images
    }
}

const BOTH: &[Architecture] = &[Architecture::Amd64, Architecture::Arm64];
const X86: &[Architecture] = &[Architecture::Amd64];

static LINES: &[Line] = &[
    Line {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-{release}",
        description: "Canonical, Ubuntu, 24.04, {arch} noble image",
        fixed_id: None,
        distribution: Distribution::Ubuntu,
        volume_type: "gp3",
        volume_gib: 8,
        imds_v2: true,
        boot_mode: Some("uefi-preferred"),
        releases: &[("20250305", "2025-03-05"), ("20250610", "2025-06-10"), ("20250821", "2025-08-21")],
        architectures: BOTH,
    },
    Line {
        name: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{arch}-server-{release}",
        description: "Canonical, Ubuntu, 22.04 LTS, {arch} jammy image",
        fixed_id: None,
        distribution: Distribution::Ubuntu,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: Some("uefi-preferred"),
        releases: &[("20250305", "2025-03-05"), ("20250516", "2025-05-16"), ("20250822", "2025-08-22")],
        architectures: BOTH,
    },
    Line {
        name: "ubuntu/images/hvm-ssd/ubuntu-focal-20.04-{arch}-server-{release}",
        description: "Canonical, Ubuntu, 20.04 LTS, {arch} focal image",
        fixed_id: None,
        distribution: Distribution::Ubuntu,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20250304", "2025-03-04"), ("20250603", "2025-06-03")],
        architectures: BOTH,
    },
    Line {
        name: "al2023-ami-2023.{release}-kernel-6.1-{arch}",
        description: "Amazon Linux 2023 AMI 2023.{release} {arch} HVM kernel-6.1",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "gp3",
        volume_gib: 8,
        imds_v2: true,
        boot_mode: Some("uefi-preferred"),
        releases: &[("7.20250609.0", "2025-06-09"), ("8.20250818.0", "2025-08-18")],
        architectures: BOTH,
    },
    Line {
        name: "amzn2-ami-hvm-2.0.{release}-{arch}-gp2",
        description: "Amazon Linux 2 AMI 2.0.{release} {arch} HVM gp2",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20250610.0", "2025-06-10"), ("20250818.2", "2025-08-18")],
        architectures: BOTH,
    },
    Line {
        name: "amzn2-ami-kernel-5.10-hvm-2.0.{release}-{arch}-gp2",
        description: "Amazon Linux 2 LTS {arch} AMI 2.0.{release} {arch} HVM gp2",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20250610.0", "2025-06-10"), ("20250818.2", "2025-08-18")],
        architectures: BOTH,
    },
    Line {
        name: "amzn-ami-hvm-2018.03.0.{release}-{arch}-gp2",
        description: "Amazon Linux AMI 2018.03.0.{release} {arch} HVM gp2",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20181129", "2018-11-29")],
        architectures: X86,
    },
    Line {
        name: "amzn-ami-minimal-hvm-2018.03.0.{release}-{arch}-ebs",
        description: "Amazon Linux AMI 2018.03.0.{release} {arch} Minimal HVM ebs",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "standard",
        volume_gib: 2,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20181129", "2018-11-29")],
        architectures: X86,
    },
    Line {
        name: "al2023-ami-minimal-2023.{release}-kernel-6.1-{arch}",
        description: "Amazon Linux 2023 AMI 2023.{release} {arch} Minimal HVM kernel-6.1",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "gp3",
        volume_gib: 2,
        imds_v2: true,
        boot_mode: Some("uefi-preferred"),
        releases: &[("7.20250609.0", "2025-06-09"), ("8.20250818.0", "2025-08-18")],
        architectures: BOTH,
    },
    Line {
        name: "amzn2-ami-minimal-hvm-2.0.{release}-{arch}-ebs",
        description: "Amazon Linux 2 AMI 2.0.{release} {arch} Minimal HVM ebs",
        fixed_id: None,
        distribution: Distribution::AmazonLinux,
        volume_type: "standard",
        volume_gib: 2,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20250610.0", "2025-06-10"), ("20250818.2", "2025-08-18")],
        architectures: BOTH,
    },
    Line {
        name: "Windows_Server-2019-English-Full-Base-{release}",
        description: "Microsoft Windows Server 2019 with Desktop Experience Locale English AMI provided by Amazon",
        fixed_id: None,
        distribution: Distribution::Windows,
        volume_type: "gp2",
        volume_gib: 30,
        imds_v2: false,
        boot_mode: None,
        releases: &[("2025.07.09", "2025-07-09"), ("2025.08.13", "2025-08-13")],
        architectures: X86,
    },
    Line {
        name: "Windows_Server-2022-English-Full-Base-{release}",
        description: "Microsoft Windows Server 2022 Full Locale English AMI provided by Amazon",
        fixed_id: None,
        distribution: Distribution::Windows,
        volume_type: "gp2",
        volume_gib: 30,
        imds_v2: false,
        boot_mode: None,
        releases: &[("2025.07.09", "2025-07-09"), ("2025.08.13", "2025-08-13")],
        architectures: X86,
    },
    // From before there were drivers for the Elastic Network Adapter.
    Line {
        name: "ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-{arch}-server-{release}",
        description: "Canonical, Ubuntu, 14.04 LTS, {arch} trusty image",
        fixed_id: None,
        distribution: Distribution::Ubuntu,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20150603", "2015-06-03")],
        architectures: X86,
    },
    // Old images that the tests of other emulators launch from, in whichever region they are.
    Line {
        name: "Windows_Server-2008-R2_SP1-English-64Bit-Base-{release}",
        description: "Microsoft Windows Server 2008 R2 SP1 Datacenter 64-bit Locale English Base AMI provided by Amazon",
        fixed_id: Some("ami-12c6146b"),
        distribution: Distribution::Windows,
        volume_type: "gp2",
        volume_gib: 30,
        imds_v2: false,
        boot_mode: None,
        releases: &[("2017.10.13", "2017-10-13")],
        architectures: X86,
    },
    Line {
        name: "Windows_Server-2016-English-Nano-Base-{release}",
        description: "Microsoft Windows Server 2016 Nano Locale English AMI provided by Amazon",
        fixed_id: Some("ami-03cf127a"),
        distribution: Distribution::Windows,
        volume_type: "gp2",
        volume_gib: 8,
        imds_v2: false,
        boot_mode: None,
        releases: &[("2017.10.13", "2017-10-13")],
        architectures: X86,
    },
    Line {
        name: "suse-sles-11-sp4-v{release}-pv-ssd-{arch}",
        description: "SUSE Linux Enterprise Server 11 Service Pack 4 ((PV, 64-bit, SSD-Backed)",
        fixed_id: Some("ami-fa7cdd89"),
        distribution: Distribution::Suse,
        volume_type: "gp2",
        volume_gib: 10,
        imds_v2: false,
        boot_mode: None,
        releases: &[("20151207", "2015-12-07")],
        architectures: X86,
    },
];

/// Every public image of a region.
pub fn public_images(region: &str) -> Vec<PublicImage> {
    LINES.iter().flat_map(|line| line.images(region)).collect()
}

pub fn public_image(region: &str, id: &str) -> Option<PublicImage> {
    public_images(region).into_iter().find(|image| image.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn images_are_the_same_in_every_run_and_differ_between_regions() {
        assert_eq!(public_images("ap-northeast-2"), public_images("ap-northeast-2"));
        let ids = |region| public_images(region).into_iter().map(|image| image.id).collect::<BTreeSet<_>>();
        let fixed = |id: &String| LINES.iter().any(|line| line.fixed_id == Some(id.as_str()));
        assert!(ids("ap-northeast-2").intersection(&ids("us-east-1")).all(fixed));
        assert_eq!(ids("us-east-1").len(), public_images("us-east-1").len());
    }

    #[test]
    fn names_are_the_publishers() {
        let names: Vec<String> = public_images("us-east-1").into_iter().map(|image| image.name).collect();
        for name in [
            "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20250610",
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20250516",
            "al2023-ami-2023.7.20250609.0-kernel-6.1-x86_64",
            "amzn2-ami-hvm-2.0.20250610.0-x86_64-gp2",
            "amzn2-ami-minimal-hvm-2.0.20250610.0-arm64-ebs",
            "al2023-ami-minimal-2023.8.20250818.0-kernel-6.1-x86_64",
            "Windows_Server-2022-English-Full-Base-2025.08.13",
        ] {
            assert!(names.iter().any(|known| known == name), "{name} in {names:#?}");
        }
    }
}
