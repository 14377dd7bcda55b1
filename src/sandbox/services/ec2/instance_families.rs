//! The families of instance types: sizes with their vCPUs and memory, disks and GPUs. Start at [`Family`].
//!
//! Source: "Amazon EC2 instance types" of 2025 (specifications of general purpose, compute, memory and storage
//! optimized, accelerated and previous generation instances). Left out: families that only a few workloads rent, and
//! networks of single sizes.

use Platform::{Nitro, Previous, Xen};
use Processor::{Amd, AmdWholeCores, Graviton, Intel};

#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub processor: Processor,
    pub platform: Platform,
    pub burstable: bool,
    /// That of the small sizes.
    pub network: &'static str,
    pub sizes: Sizes,
    /// Those of the sizes that have disks of their own.
    pub disks: &'static [Disks],
    pub gpu: Option<Gpu>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    Intel,
    Amd,
    /// AMD whose vCPUs are whole cores.
    AmdWholeCores,
    Graviton,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    Nitro,
    /// From before Nitro, and still of the current generation.
    Xen,
    /// Of a previous generation.
    Previous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Names alone: the vCPUs follow from them, the memory from the vCPUs.
    Regular { mib_per_vcpu: i64, names: &'static str },
    /// The same, but for machines of metal, which have more than their largest neighbour.
    WithMetal { mib_per_vcpu: i64, names: &'static str, metal: (i64, i64) },
    /// Size, vCPUs and memory in MiB.
    Listed(&'static [(&'static str, i64, i64)]),
}

/// So many disks of so many GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disks {
    pub size: &'static str,
    pub count: i64,
    pub gb: i64,
    pub kind: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpu {
    pub name: &'static str,
    /// Of one.
    pub memory_mib: i64,
    /// How many each size has.
    pub counts: &'static [(&'static str, i64)],
}

/// `medium` has one vCPU, `large` two, `xlarge` four, `2xlarge` eight; `metal-24xl` as many as `24xlarge`.
fn vcpus(size: &str) -> Option<i64> {
    match size {
        "medium" => Some(1),
        "large" => Some(2),
        "xlarge" => Some(4),
        _ => {
            let number = size.strip_prefix("metal-").and_then(|rest| rest.strip_suffix("xl"));
            let number = number.or_else(|| size.strip_suffix("xlarge"))?;
            Some(number.parse::<i64>().ok()? * 4)
        }
    }
}

impl Sizes {
    /// Size, vCPUs and memory in MiB.
    pub fn list(self) -> Vec<(&'static str, i64, i64)> {
        let (mib_per_vcpu, names, metal) = match self {
            Self::Listed(list) => return list.to_vec(),
            Self::Regular { mib_per_vcpu, names } => (mib_per_vcpu, names, None),
            Self::WithMetal { mib_per_vcpu, names, metal } => (mib_per_vcpu, names, Some(metal)),
        };
        // `metal` alone is as large as the largest that is not.
        let largest = names.split(' ').filter_map(vcpus).max().unwrap_or(1);
        let sized = |size: &'static str| {
            let own = vcpus(size).unwrap_or(largest);
            match metal.filter(|_| size == "metal") {
                Some((vcpus, memory_mib)) => (size, vcpus, memory_mib),
                None => (size, own, own * mib_per_vcpu),
            }
        };
        names.split(' ').map(sized).collect()
    }
}

impl Family {
    const fn new(
        name: &'static str,
        processor: Processor,
        platform: Platform,
        network: &'static str,
        sizes: Sizes,
    ) -> Self {
        Self { name, processor, platform, burstable: false, network, sizes, disks: &[], gpu: None }
    }

    const fn burstable(self) -> Self {
        Self { burstable: true, ..self }
    }

    const fn disks(self, disks: &'static [Disks]) -> Self {
        Self { disks, ..self }
    }

    const fn gpus(self, name: &'static str, memory_mib: i64, counts: &'static [(&'static str, i64)]) -> Self {
        Self { gpu: Some(Gpu { name, memory_mib, counts }), ..self }
    }
}

const fn regular(mib_per_vcpu: i64, names: &'static str) -> Sizes {
    Sizes::Regular { mib_per_vcpu, names }
}

const fn ssd(size: &'static str, count: i64, gb: i64) -> Disks {
    Disks { size, count, gb, kind: "ssd" }
}

const fn hdd(size: &'static str, count: i64, gb: i64) -> Disks {
    Disks { size, count, gb, kind: "hdd" }
}

const UP_TO_5: &str = "Up to 5 Gigabit";
const UP_TO_10: &str = "Up to 10 Gigabit";
const UP_TO_12: &str = "Up to 12.5 Gigabit";
const UP_TO_15: &str = "Up to 15 Gigabit";
const UP_TO_25: &str = "Up to 25 Gigabit";

const EIGHT_SIZES: &str = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge";
const WITH_METAL: &str = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge metal";
const UP_TO_32: &str = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge metal";
const UP_TO_48: &str = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge metal";
const GRAVITON: &str = "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge";
const GRAVITON_METAL: &str = "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal";
const NEWER_GRAVITON: &str =
    "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge metal-24xl metal-48xl";
const NEWER_AMD: &str =
    "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge metal-48xl";
const NEWER_INTEL: &str =
    "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge metal-24xl metal-48xl";
const FLEX: &str = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge";
const C5: &str = "large xlarge 2xlarge 4xlarge 9xlarge 12xlarge 18xlarge 24xlarge metal";

/// The disks of m5d and of those that are like it.
const M5D: &[Disks] = &[
    ssd("large", 1, 75),
    ssd("xlarge", 1, 150),
    ssd("2xlarge", 1, 300),
    ssd("4xlarge", 2, 300),
    ssd("8xlarge", 2, 600),
    ssd("12xlarge", 2, 900),
    ssd("16xlarge", 4, 600),
    ssd("24xlarge", 4, 900),
    ssd("metal", 4, 900),
];
const T2: Sizes = Sizes::Listed(&[
    ("nano", 1, 512),
    ("micro", 1, 1024),
    ("small", 1, 2048),
    ("medium", 2, 4096),
    ("large", 2, 8192),
    ("xlarge", 4, 16_384),
    ("2xlarge", 8, 32_768),
]);
const T3: Sizes = Sizes::Listed(&[
    ("nano", 2, 512),
    ("micro", 2, 1024),
    ("small", 2, 2048),
    ("medium", 2, 4096),
    ("large", 2, 8192),
    ("xlarge", 4, 16_384),
    ("2xlarge", 8, 32_768),
]);

pub static FAMILIES: &[Family] = &[
    Family::new("a1", Graviton, Nitro, UP_TO_10, regular(2048, "medium large xlarge 2xlarge 4xlarge metal")),
    Family::new("c1", Intel, Previous, "Moderate", Sizes::Listed(&[("medium", 2, 1740), ("xlarge", 8, 7168)])),
    Family::new("c3", Intel, Previous, "Moderate", regular(1920, "large xlarge 2xlarge 4xlarge 8xlarge")).disks(&[
        ssd("large", 2, 16),
        ssd("xlarge", 2, 40),
        ssd("2xlarge", 2, 80),
        ssd("4xlarge", 2, 160),
        ssd("8xlarge", 2, 320),
    ]),
    Family::new(
        "c4",
        Intel,
        Xen,
        "Moderate",
        Sizes::Listed(&[
            ("large", 2, 3840),
            ("xlarge", 4, 7680),
            ("2xlarge", 8, 15_360),
            ("4xlarge", 16, 30_720),
            ("8xlarge", 36, 61_440),
        ]),
    ),
    Family::new("c5", Intel, Nitro, UP_TO_10, regular(2048, C5)),
    Family::new("c5a", Amd, Nitro, UP_TO_10, regular(2048, EIGHT_SIZES)),
    Family::new("c5d", Intel, Nitro, UP_TO_10, regular(2048, C5)).disks(&[
        ssd("large", 1, 50),
        ssd("xlarge", 1, 100),
        ssd("2xlarge", 1, 200),
        ssd("4xlarge", 1, 400),
        ssd("9xlarge", 1, 900),
        ssd("12xlarge", 2, 900),
        ssd("18xlarge", 2, 900),
        ssd("24xlarge", 4, 900),
        ssd("metal", 4, 900),
    ]),
    Family::new(
        "c5n",
        Intel,
        Nitro,
        UP_TO_25,
        Sizes::Listed(&[
            ("large", 2, 5376),
            ("xlarge", 4, 10_752),
            ("2xlarge", 8, 21_504),
            ("4xlarge", 16, 43_008),
            ("9xlarge", 36, 98_304),
            ("18xlarge", 72, 196_608),
            ("metal", 72, 196_608),
        ]),
    ),
    Family::new("c6a", Amd, Nitro, UP_TO_12, regular(2048, UP_TO_48)),
    Family::new("c6g", Graviton, Nitro, UP_TO_10, regular(2048, GRAVITON_METAL)),
    Family::new("c6gn", Graviton, Nitro, UP_TO_25, regular(2048, GRAVITON)),
    Family::new("c6i", Intel, Nitro, UP_TO_12, regular(2048, UP_TO_32)),
    Family::new("c6in", Intel, Nitro, UP_TO_25, regular(2048, UP_TO_32)),
    Family::new("c7a", AmdWholeCores, Nitro, UP_TO_12, regular(2048, NEWER_AMD)),
    Family::new("c7g", Graviton, Nitro, UP_TO_12, regular(2048, GRAVITON_METAL)),
    Family::new("c7i", Intel, Nitro, UP_TO_12, regular(2048, NEWER_INTEL)),
    Family::new("c7i-flex", Intel, Nitro, UP_TO_12, regular(2048, FLEX)),
    Family::new("c8g", Graviton, Nitro, UP_TO_12, regular(2048, NEWER_GRAVITON)),
    Family::new(
        "d2",
        Intel,
        Xen,
        "Moderate",
        Sizes::Listed(&[
            ("xlarge", 4, 31_232),
            ("2xlarge", 8, 62_464),
            ("4xlarge", 16, 124_928),
            ("8xlarge", 36, 249_856),
        ]),
    )
    .disks(&[hdd("xlarge", 3, 2048), hdd("2xlarge", 6, 2048), hdd("4xlarge", 12, 2048), hdd("8xlarge", 24, 2048)]),
    Family::new("d3", Intel, Nitro, UP_TO_15, regular(8192, "xlarge 2xlarge 4xlarge 8xlarge")).disks(&[
        hdd("xlarge", 3, 1980),
        hdd("2xlarge", 6, 1980),
        hdd("4xlarge", 12, 1980),
        hdd("8xlarge", 24, 1980),
    ]),
    Family::new("d3en", Intel, Nitro, UP_TO_25, regular(4096, "xlarge 2xlarge 4xlarge 6xlarge 8xlarge 12xlarge"))
        .disks(&[
            hdd("xlarge", 2, 13_980),
            hdd("2xlarge", 4, 13_980),
            hdd("4xlarge", 8, 13_980),
            hdd("6xlarge", 12, 13_980),
            hdd("8xlarge", 16, 13_980),
            hdd("12xlarge", 24, 13_980),
        ]),
    Family::new("g2", Intel, Previous, "High", Sizes::Listed(&[("2xlarge", 8, 15_360), ("8xlarge", 32, 61_440)]))
        .disks(&[ssd("2xlarge", 1, 60), ssd("8xlarge", 2, 120)]),
    Family::new("g3", Intel, Xen, UP_TO_10, regular(7808, "4xlarge 8xlarge 16xlarge")).gpus(
        "M60",
        8192,
        &[("4xlarge", 1), ("8xlarge", 2), ("16xlarge", 4)],
    ),
    Family::new("g3s", Intel, Xen, UP_TO_10, regular(7808, "xlarge")).gpus("M60", 8192, &[("xlarge", 1)]),
    Family::new(
        "g4dn",
        Intel,
        Nitro,
        UP_TO_25,
        Sizes::WithMetal {
            mib_per_vcpu: 4096,
            names: "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal",
            metal: (96, 393_216),
        },
    )
    .disks(&[
        ssd("xlarge", 1, 125),
        ssd("2xlarge", 1, 225),
        ssd("4xlarge", 1, 225),
        ssd("8xlarge", 1, 900),
        ssd("12xlarge", 1, 900),
        ssd("16xlarge", 1, 900),
        ssd("metal", 2, 900),
    ])
    .gpus(
        "T4",
        16_384,
        &[
            ("xlarge", 1),
            ("2xlarge", 1),
            ("4xlarge", 1),
            ("8xlarge", 1),
            ("12xlarge", 4),
            ("16xlarge", 1),
            ("metal", 8),
        ],
    ),
    Family::new(
        "g5",
        Amd,
        Nitro,
        UP_TO_10,
        regular(4096, "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    )
    .disks(&[
        ssd("xlarge", 1, 250),
        ssd("2xlarge", 1, 450),
        ssd("4xlarge", 1, 600),
        ssd("8xlarge", 1, 900),
        ssd("12xlarge", 1, 3800),
        ssd("16xlarge", 1, 1900),
        ssd("24xlarge", 1, 3800),
        ssd("48xlarge", 2, 3800),
    ])
    .gpus(
        "A10G",
        24_576,
        &[
            ("xlarge", 1),
            ("2xlarge", 1),
            ("4xlarge", 1),
            ("8xlarge", 1),
            ("12xlarge", 4),
            ("16xlarge", 1),
            ("24xlarge", 4),
            ("48xlarge", 8),
        ],
    ),
    Family::new("i2", Intel, Previous, "Moderate", regular(7808, "xlarge 2xlarge 4xlarge 8xlarge")).disks(&[
        ssd("xlarge", 1, 800),
        ssd("2xlarge", 2, 800),
        ssd("4xlarge", 4, 800),
        ssd("8xlarge", 8, 800),
    ]),
    Family::new(
        "i3",
        Intel,
        Xen,
        UP_TO_10,
        Sizes::WithMetal {
            mib_per_vcpu: 7808,
            names: "large xlarge 2xlarge 4xlarge 8xlarge 16xlarge metal",
            metal: (72, 524_288),
        },
    )
    .disks(&[
        ssd("large", 1, 475),
        ssd("xlarge", 1, 950),
        ssd("2xlarge", 1, 1900),
        ssd("4xlarge", 2, 1900),
        ssd("8xlarge", 4, 1900),
        ssd("16xlarge", 8, 1900),
        ssd("metal", 8, 1900),
    ]),
    Family::new(
        "i3en",
        Intel,
        Nitro,
        UP_TO_25,
        regular(8192, "large xlarge 2xlarge 3xlarge 6xlarge 12xlarge 24xlarge metal"),
    )
    .disks(&[
        ssd("large", 1, 1250),
        ssd("xlarge", 1, 2500),
        ssd("2xlarge", 2, 2500),
        ssd("3xlarge", 1, 7500),
        ssd("6xlarge", 2, 7500),
        ssd("12xlarge", 4, 7500),
        ssd("24xlarge", 8, 7500),
        ssd("metal", 8, 7500),
    ]),
    Family::new("i4i", Intel, Nitro, UP_TO_10, regular(8192, UP_TO_32)).disks(&[
        ssd("large", 1, 468),
        ssd("xlarge", 1, 937),
        ssd("2xlarge", 1, 1875),
        ssd("4xlarge", 1, 3750),
        ssd("8xlarge", 2, 3750),
        ssd("12xlarge", 3, 3750),
        ssd("16xlarge", 4, 3750),
        ssd("24xlarge", 6, 3750),
        ssd("32xlarge", 8, 3750),
        ssd("metal", 8, 3750),
    ]),
    Family::new("inf1", Intel, Nitro, UP_TO_25, regular(2048, "xlarge 2xlarge 6xlarge 24xlarge")),
    Family::new(
        "m1",
        Intel,
        Previous,
        "Moderate",
        Sizes::Listed(&[("small", 1, 1740), ("medium", 1, 3788), ("large", 2, 7680), ("xlarge", 4, 15_360)]),
    )
    .disks(&[hdd("small", 1, 160), hdd("medium", 1, 410), hdd("large", 2, 420), hdd("xlarge", 4, 420)]),
    Family::new(
        "m2",
        Intel,
        Previous,
        "Moderate",
        Sizes::Listed(&[("xlarge", 2, 17_510), ("2xlarge", 4, 35_020), ("4xlarge", 8, 70_041)]),
    )
    .disks(&[hdd("xlarge", 1, 420), hdd("2xlarge", 1, 850), hdd("4xlarge", 2, 840)]),
    Family::new("m3", Intel, Previous, "Moderate", regular(3840, "medium large xlarge 2xlarge")).disks(&[
        ssd("medium", 1, 4),
        ssd("large", 1, 32),
        ssd("xlarge", 2, 40),
        ssd("2xlarge", 2, 80),
    ]),
    Family::new("m4", Intel, Xen, "Moderate", regular(4096, "large xlarge 2xlarge 4xlarge 10xlarge 16xlarge")),
    Family::new("m5", Intel, Nitro, UP_TO_10, regular(4096, WITH_METAL)),
    Family::new("m5a", Amd, Nitro, UP_TO_10, regular(4096, EIGHT_SIZES)),
    Family::new("m5ad", Amd, Nitro, UP_TO_10, regular(4096, EIGHT_SIZES)).disks(M5D),
    Family::new("m5d", Intel, Nitro, UP_TO_10, regular(4096, WITH_METAL)).disks(M5D),
    Family::new("m5dn", Intel, Nitro, UP_TO_25, regular(4096, WITH_METAL)).disks(M5D),
    Family::new("m5n", Intel, Nitro, UP_TO_25, regular(4096, WITH_METAL)),
    Family::new("m5zn", Intel, Nitro, UP_TO_25, regular(4096, "large xlarge 2xlarge 3xlarge 6xlarge 12xlarge metal")),
    Family::new("m6a", Amd, Nitro, UP_TO_12, regular(4096, UP_TO_48)),
    Family::new("m6g", Graviton, Nitro, UP_TO_10, regular(4096, GRAVITON_METAL)),
    Family::new("m6i", Intel, Nitro, UP_TO_12, regular(4096, UP_TO_32)),
    Family::new("m6in", Intel, Nitro, UP_TO_25, regular(4096, UP_TO_32)),
    Family::new("m7a", AmdWholeCores, Nitro, UP_TO_12, regular(4096, NEWER_AMD)),
    Family::new("m7g", Graviton, Nitro, UP_TO_12, regular(4096, GRAVITON_METAL)),
    Family::new("m7i", Intel, Nitro, UP_TO_12, regular(4096, NEWER_INTEL)),
    Family::new("m7i-flex", Intel, Nitro, UP_TO_12, regular(4096, FLEX)),
    Family::new("m8g", Graviton, Nitro, UP_TO_12, regular(4096, NEWER_GRAVITON)),
    Family::new(
        "p2",
        Intel,
        Xen,
        "High",
        Sizes::Listed(&[("xlarge", 4, 62_464), ("8xlarge", 32, 499_712), ("16xlarge", 64, 749_568)]),
    )
    .gpus("K80", 12_288, &[("xlarge", 1), ("8xlarge", 8), ("16xlarge", 16)]),
    Family::new("p3", Intel, Xen, UP_TO_10, regular(7808, "2xlarge 8xlarge 16xlarge")).gpus(
        "V100",
        16_384,
        &[("2xlarge", 1), ("8xlarge", 4), ("16xlarge", 8)],
    ),
    Family::new("r3", Intel, Previous, "Moderate", regular(7808, "large xlarge 2xlarge 4xlarge 8xlarge")).disks(&[
        ssd("large", 1, 32),
        ssd("xlarge", 1, 80),
        ssd("2xlarge", 1, 160),
        ssd("4xlarge", 1, 320),
        ssd("8xlarge", 2, 320),
    ]),
    Family::new("r4", Intel, Xen, UP_TO_10, regular(7808, "large xlarge 2xlarge 4xlarge 8xlarge 16xlarge")),
    Family::new("r5", Intel, Nitro, UP_TO_10, regular(8192, WITH_METAL)),
    Family::new("r5a", Amd, Nitro, UP_TO_10, regular(8192, EIGHT_SIZES)),
    Family::new("r5b", Intel, Nitro, UP_TO_10, regular(8192, WITH_METAL)),
    Family::new("r5d", Intel, Nitro, UP_TO_10, regular(8192, WITH_METAL)).disks(M5D),
    Family::new("r5n", Intel, Nitro, UP_TO_25, regular(8192, WITH_METAL)),
    Family::new("r6a", Amd, Nitro, UP_TO_12, regular(8192, UP_TO_48)),
    Family::new("r6g", Graviton, Nitro, UP_TO_10, regular(8192, GRAVITON_METAL)),
    Family::new("r6i", Intel, Nitro, UP_TO_12, regular(8192, UP_TO_32)),
    Family::new("r6in", Intel, Nitro, UP_TO_25, regular(8192, UP_TO_32)),
    Family::new("r7a", AmdWholeCores, Nitro, UP_TO_12, regular(8192, NEWER_AMD)),
    Family::new("r7g", Graviton, Nitro, UP_TO_12, regular(8192, GRAVITON_METAL)),
    Family::new("r7i", Intel, Nitro, UP_TO_12, regular(8192, NEWER_INTEL)),
    Family::new("r8g", Graviton, Nitro, UP_TO_12, regular(8192, NEWER_GRAVITON)),
    Family::new("t1", Intel, Previous, "Very Low", Sizes::Listed(&[("micro", 1, 627)])),
    Family::new("t2", Intel, Xen, "Low to Moderate", T2).burstable(),
    Family::new("t3", Intel, Nitro, UP_TO_5, T3).burstable(),
    Family::new("t3a", Amd, Nitro, UP_TO_5, T3).burstable(),
    Family::new("t4g", Graviton, Nitro, UP_TO_5, T3).burstable(),
    Family::new("x1", Intel, Xen, "High", regular(15_616, "16xlarge 32xlarge"))
        .disks(&[ssd("16xlarge", 1, 1920), ssd("32xlarge", 2, 1920)]),
    Family::new("x1e", Intel, Xen, UP_TO_10, regular(31_232, "xlarge 2xlarge 4xlarge 8xlarge 16xlarge 32xlarge"))
        .disks(&[
            ssd("xlarge", 1, 120),
            ssd("2xlarge", 1, 240),
            ssd("4xlarge", 1, 480),
            ssd("8xlarge", 1, 960),
            ssd("16xlarge", 1, 1920),
            ssd("32xlarge", 2, 1920),
        ]),
    Family::new("z1d", Intel, Nitro, UP_TO_10, regular(8192, "large xlarge 2xlarge 3xlarge 6xlarge 12xlarge metal"))
        .disks(&[
            ssd("large", 1, 75),
            ssd("xlarge", 1, 150),
            ssd("2xlarge", 1, 300),
            ssd("3xlarge", 1, 450),
            ssd("6xlarge", 1, 900),
            ssd("12xlarge", 2, 900),
            ssd("metal", 2, 900),
        ]),
];
