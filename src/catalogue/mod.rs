//! The names that AWS has: regions and instance types. Start at [`is_region`] and [`is_instance_type`].
//!
//! Names alone, so that a slip in one is noticed; what a type has and where it is offered is for the sandbox. AWS adds to
//! both lists, so a name that is not here may still be right. Source: botocore 1.43.106, `endpoints.json` and the EC2
//! model's `InstanceType`.

/// One a line, sorted.
const REGIONS: &str = include_str!("regions.txt");
/// A family a line, then its sizes from the smallest.
const INSTANCE_TYPES: &str = include_str!("instance_types.txt");

pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.lines()
}

pub fn is_region(name: &str) -> bool {
    regions().any(|region| region == name)
}

/// Every instance type.
pub fn instance_types() -> impl Iterator<Item = String> {
    families().flat_map(|(family, sizes)| sizes.map(move |size| format!("{family}.{size}")))
}

pub fn is_instance_type(name: &str) -> bool {
    let Some((family, size)) = name.split_once('.') else { return false };
    sizes(family).any(|known| known == size)
}

/// The sizes of a family, from the smallest; none for one that is not known.
pub fn sizes(family: &str) -> impl Iterator<Item = &'static str> {
    families().find(|(name, _)| *name == family).into_iter().flat_map(|(_, sizes)| sizes)
}

fn families() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    INSTANCE_TYPES.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_has_is_known_and_nothing_else() {
        for (name, known) in
            [("t2.nano", true), ("u-6tb1.metal", true), ("m8g.48xlarge", true), ("t2.nanoo", false), ("t2", false)]
        {
            assert_eq!(is_instance_type(name), known, "{name}");
        }
        for (name, known) in [("ap-northeast-2", true), ("us-gov-west-1", true), ("ap-northeast-9", false), ("", false)]
        {
            assert_eq!(is_region(name), known, "{name}");
        }
        assert!(instance_types().all(|name| is_instance_type(&name)));
    }
}
