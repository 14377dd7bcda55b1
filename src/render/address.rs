//! From a resource's address back to the line of the spec that asked for it. Start at [`spec_line_for`].

use super::hcl::label;
use crate::spec::SpecMap;

/// Returns the line of the spec that a resource address comes from (`aws_autoscaling_policy.scale_out`, with or without
/// an index).
pub fn spec_line_for(map: &SpecMap, address: &str) -> Option<usize> {
    map.line(&spec_path_for(map, address)?)
}

/// Returns the argument of the spec that a resource address comes from.
pub fn spec_path_for(map: &SpecMap, address: &str) -> Option<String> {
    let address = address.split('[').next()?.trim_start_matches("data.");
    let (kind, name) = address.split_once('.').unwrap_or((address, ""));
    let path = match kind {
        "aws_autoscaling_policy" | "aws_autoscaling_schedule" => {
            return map.names_in("scaling").find(|key| label(key) == name).map(|key| format!("scaling.{key}"));
        }
        "aws_vpc" | "aws_internet_gateway" | "aws_route_table" | "aws_route_table_association" => "network",
        "aws_subnet" => "network.cidr",
        "aws_ec2_instance_type_offerings" => "launch.instance_type",
        "aws_security_group" => "launch.inbound",
        "aws_ami" => "launch.image",
        "aws_key_pair" => "launch.key_pair",
        "aws_launch_template" => "launch",
        "aws_autoscaling_group" => "group",
        "provider" => "region",
        "aws_availability_zones" | "local" => "network.zones",
        _ => return None,
    };
    Some(path.to_owned())
}

/// Returns the address of the block around a line (counted from 1) of a rendered file.
pub fn address_at(text: &str, line: usize) -> Option<String> {
    let head = text
        .lines()
        .take(line)
        .filter(|l| l.ends_with('{') && l.starts_with(|c: char| c.is_ascii_lowercase()))
        .last()?;
    let words: Vec<&str> = head.split_whitespace().map(|w| w.trim_matches('"')).collect();
    match words.as_slice() {
        ["resource", kind, name, ..] => Some(format!("{kind}.{name}")),
        ["data", kind, name, ..] => Some(format!("data.{kind}.{name}")),
        ["provider", name, ..] => Some(format!("provider.{name}")),
        ["locals", ..] => Some("local".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse_spec;

    #[test]
    fn addresses_lead_to_the_line_that_asked_for_them() {
        let parsed = parse_spec("course.yaml", include_bytes!("../../examples/course.yaml"));
        for (address, expected) in [
            ("aws_autoscaling_policy.scale_out", "scale-out:"),
            ("aws_autoscaling_group.machines", "group:"),
            ("aws_subnet.public[1]", "cidr:"),
            ("data.aws_ami.ubuntu", "image:"),
            ("aws_security_group.machines", "inbound:"),
            ("aws_launch_template.machines", "launch:"),
            ("provider.aws", "region:"),
        ] {
            let line = spec_line_for(&parsed.map, address).expect(address);
            let text = parsed.map.text.lines().nth(line - 1).unwrap_or_default();
            assert!(text.trim_start().starts_with(expected), "{address} is at {text}");
        }
        assert_eq!(spec_line_for(&parsed.map, "aws_unknown.x"), None);
        assert_eq!(spec_line_for(&parsed.map, "aws_autoscaling_policy.gone"), None);
    }

    #[test]
    fn a_line_of_a_file_has_the_address_of_its_block() {
        let text = "locals {\n  a = 1\n}\n\nresource \"aws_vpc\" \"main\" {\n  tags = {\n    a = 1\n  }\n}\n";
        assert_eq!(address_at(text, 2).as_deref(), Some("local"));
        assert_eq!(address_at(text, 7).as_deref(), Some("aws_vpc.main"));
        assert_eq!(address_at("", 3), None);
    }
}
