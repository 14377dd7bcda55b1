//! What the types of volumes can be: their size and performance. Start at [`volume_type`].
//! Source: EBS User Guide, "Amazon EBS volume types", and CreateVolume.

use super::error::{missing_parameter, refuse};
use crate::engine::Refusal;

/// A type of volume and its bounds, both ends included.
#[derive(Debug)]
pub struct VolumeType {
    pub name: &'static str,
    gib: (i64, i64),
    /// What a caller may ask for: least, most, and most for each GiB. None where IOPS follow from the size.
    iops: Option<(i64, i64, i64)>,
    /// In MiB a second.
    throughput: Option<(i64, i64)>,
    pub multi_attach: bool,
}

const TYPES: &[VolumeType] = &[
    VolumeType { name: "gp2", gib: (1, 16_384), iops: None, throughput: None, multi_attach: false },
    VolumeType {
        name: "gp3",
        gib: (1, 65_536),
        iops: Some((3_000, 80_000, 500)),
        throughput: Some((125, 2_000)),
        multi_attach: false,
    },
    VolumeType { name: "io1", gib: (4, 16_384), iops: Some((100, 64_000, 50)), throughput: None, multi_attach: true },
    VolumeType {
        name: "io2",
        gib: (4, 65_536),
        iops: Some((100, 256_000, 1_000)),
        throughput: None,
        multi_attach: true,
    },
    VolumeType { name: "st1", gib: (125, 16_384), iops: None, throughput: None, multi_attach: false },
    VolumeType { name: "sc1", gib: (125, 16_384), iops: None, throughput: None, multi_attach: false },
    VolumeType { name: "standard", gib: (1, 1_024), iops: None, throughput: None, multi_attach: false },
];

/// gp3's baseline, whatever the size.
const GP3_IOPS: i64 = 3_000;
const GP3_THROUGHPUT: i64 = 125;

/// Where nothing says otherwise: "Default: gp2".
pub const DEFAULT_TYPE: &str = "gp2";

pub fn volume_type(name: &str) -> Result<&'static VolumeType, Refusal> {
    TYPES
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| refuse("UnknownVolumeType", format!("Unsupported volume type '{name}' for volume creation.")))
}

impl VolumeType {
    pub fn check_size(&self, gib: i64) -> Result<(), Refusal> {
        let (least, most) = self.gib;
        let (word, end, bound) = match gib {
            gib if gib < least => ("small", "minimum", least),
            gib if gib > most => ("large", "maximum", most),
            _ => return Ok(()),
        };
        let message = format!("Volume of {gib}GiB is too {word} for volume type {}; {end} is {bound}GiB.", self.name);
        Err(refuse("InvalidParameterValue", message))
    }

    /// The IOPS that a volume of this size has when `asked` for.
    pub fn iops(&self, gib: i64, asked: Option<i64>) -> Result<Option<i64>, Refusal> {
        let asked = asked.or((self.name == "gp3").then_some(GP3_IOPS));
        match (self.iops, asked) {
            (None, None) => Ok(self.iops_of_size(gib)),
            (None, Some(_)) => {
                let message = format!("The parameter iops is not supported for {} volumes.", self.name);
                Err(refuse("InvalidParameterCombination", message))
            }
            (Some(_), None) => Err(missing_parameter("iops")),
            (Some((least, most, for_each)), Some(iops)) => {
                let bounds = |end, bound| {
                    let message = format!("Volume iops of {iops} is too {end} {bound}.");
                    Err(refuse("InvalidParameterValue", message))
                };
                match iops {
                    iops if iops < least => bounds("low; minimum is", least),
                    iops if iops > most => bounds("high; maximum is", most),
                    // gp3's baseline comes with every size.
                    iops if iops > (gib * for_each).max(least) => {
                        let ratio = iops as f64 / gib as f64;
                        let message =
                            format!("Iops to volume size ratio of {ratio:.6} is too high; maximum is {for_each}.");
                        Err(refuse("InvalidParameterValue", message))
                    }
                    iops => Ok(Some(iops)),
                }
            }
        }
    }

    /// "3 IOPS per GiB", at least 100 and at most 16,000.
    fn iops_of_size(&self, gib: i64) -> Option<i64> {
        (self.name == "gp2").then(|| (gib * 3).clamp(100, 16_000))
    }

    pub fn throughput(&self, asked: Option<i64>) -> Result<Option<i64>, Refusal> {
        match (self.throughput, asked) {
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let message = "The parameter Throughput requires the parameter VolumeType to be gp3.";
                Err(refuse("InvalidParameterDependency", message))
            }
            (Some(_), None) => Ok(Some(GP3_THROUGHPUT)),
            (Some((least, most)), Some(asked)) if (least..=most).contains(&asked) => Ok(Some(asked)),
            (Some((least, most)), Some(asked)) => {
                let message = format!("Throughput of {asked} MiB/s is not between {least} and {most} MiB/s.");
                Err(refuse("InvalidParameterValue", message))
            }
        }
    }

    pub fn check_multi_attach(&self, asked: bool) -> Result<(), Refusal> {
        if asked && !self.multi_attach {
            let message = "The parameter MultiAttachEnabled requires the parameter VolumeType to be io1 or io2.";
            return Err(refuse("InvalidParameterDependency", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, gib: i64, asked: Option<i64>, expected: &str) {
        let kind = volume_type(kind).unwrap();
        let answer = kind.check_size(gib).and_then(|()| kind.iops(gib, asked));
        let told = match answer {
            Ok(Some(iops)) => iops.to_string(),
            Ok(None) => "none".to_string(),
            Err(refusal) => refusal.code.clone(),
        };
        assert_eq!(told, expected, "{} {gib} {asked:?}", kind.name);
    }

    #[test]
    fn iops_follow_the_type_and_the_size() {
        check("gp2", 8, None, "100");
        check("gp2", 1_000, None, "3000");
        check("gp2", 10_000, None, "16000");
        check("gp2", 8, Some(100), "InvalidParameterCombination");
        check("gp3", 8, None, "3000");
        check("gp3", 1, None, "3000");
        check("gp3", 10, Some(5_000), "5000");
        check("gp3", 10, Some(5_001), "InvalidParameterValue");
        check("io1", 100, None, "MissingParameter");
        check("io1", 100, Some(5_001), "InvalidParameterValue");
        check("io2", 100, Some(64_000), "64000");
        check("standard", 100, None, "none");
        check("st1", 100, None, "InvalidParameterValue");
    }
}
