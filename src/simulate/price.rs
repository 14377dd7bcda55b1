//! What a machine costs in an hour, where that is known. Start at [`hourly`].

/// On-demand list prices of T machines with Linux in US dollars, one region a line.
///
/// Source: AWS's price list as Apache Libcloud 3.9.1 carries it (`libcloud/data/pricing.json`); cells that are not shared
/// tenancy there, by their ratio to the other sizes of the family, are left out, save us-east-1's t3 from small to xlarge:
/// aws.amazon.com/ec2/pricing/on-demand.
const TABLE: &str = include_str!("prices.csv");

/// When the table was taken from AWS.
pub const TAKEN: &str = "2025-03-02";

/// What surplus credits cost per vCPU-hour, which is sixty credits: Linux, the same in all regions but China.
///
/// Source: EC2 pricing, "T2/T3/T4g Unlimited Mode Pricing".
pub fn surplus_credit(instance_type: &str) -> f64 {
    let per_vcpu_hour = if instance_type.starts_with("t4g") { 0.04 } else { 0.05 };
    per_vcpu_hour / 60.0
}

/// The list price, or nothing where the table has none.
pub fn hourly(region: &str, instance_type: &str) -> Option<f64> {
    let mut lines = TABLE.lines();
    let column = lines.next()?.split(',').position(|name| name == instance_type)?;
    let line = lines.find(|line| line.split(',').next() == Some(region))?;
    line.split(',').nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: aws.amazon.com/ec2/pricing/on-demand.
    #[test]
    fn list_prices_are_known_for_t_machines() {
        for (region, instance_type, price) in [
            ("us-east-1", "t2.nano", Some(0.0058)),
            ("us-east-1", "t4g.micro", Some(0.0084)),
            ("us-east-1", "t3.small", Some(0.0208)),
            ("us-east-1", "t3.xlarge", Some(0.1664)),
            ("ap-northeast-2", "t2.nano", Some(0.0072)),
            ("eu-west-1", "t3a.2xlarge", Some(0.3264)),
            ("us-east-1", "m5.large", None),
            ("mars-1", "t2.nano", None),
            ("region", "t2.nano", None),
        ] {
            assert_eq!(hourly(region, instance_type), price, "{instance_type} in {region}");
        }
    }

    #[test]
    fn the_table_is_whole() {
        let width = TABLE.lines().next().map_or(0, |head| head.split(',').count());
        assert!(TABLE.lines().all(|line| line.split(',').count() == width && width == 29));
        let prices = TABLE.lines().skip(1).flat_map(|line| line.split(',').skip(1)).filter(|cell| !cell.is_empty());
        assert!(prices.map(|cell| cell.parse::<f64>()).all(|price| price.is_ok_and(|price| price > 0.0)));
    }
}
