//! From botocore's names to Rust's.

/// `VPCZoneIdentifier` → `vpc_zone_identifier`, `TargetGroupARNs` → `target_group_arns`.
pub fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        if at > 0 && letter.is_uppercase() && starts_word(&letters, at) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase().filter(|c| c.is_alphanumeric() || *c == '_'));
    }
    snake
}

/// Whether the capital at `at` begins a word: after a small letter or digit, or before one inside a run of capitals.
/// The plural of an abbreviation (`ARNs`) is no word of its own.
fn starts_word(letters: &[char], at: usize) -> bool {
    let plural = letters.get(at + 1) == Some(&'s') && letters.get(at + 2).is_none_or(|next| next.is_uppercase());
    let before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase()) && !plural;
    !letters[at - 1].is_uppercase() || before_small
}

/// A struct's field.
pub fn field(member: &str) -> String {
    const KEYWORDS: &[&str] = &["type", "ref", "match", "use", "where", "enum", "static", "in", "for", "return"];
    let name = snake(member);
    if KEYWORDS.contains(&name.as_str()) { format!("r#{name}") } else { name }
}

/// A struct.
pub fn structure(shape: &str) -> String {
    let mut letters = shape.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A shape's table.
pub fn table(shape: &str) -> String {
    snake(shape).to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_words_and_keep_their_plural() {
        for (model, rust) in [
            ("AutoScalingGroupARN", "auto_scaling_group_arn"),
            ("VPCZoneIdentifier", "vpc_zone_identifier"),
            ("TargetGroupARNs", "target_group_arns"),
            ("OKActions", "ok_actions"),
            ("MD5OfMessageBody", "md5_of_message_body"),
            ("Ipv6CidrBlock", "ipv6_cidr_block"),
            ("InstanceIds", "instance_ids"),
            ("AWSAccountIds", "aws_account_ids"),
            ("X", "x"),
        ] {
            assert_eq!(snake(model), rust);
        }
    }
}
