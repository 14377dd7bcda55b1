//! IPv4 blocks: reading, canonical form, containment and overlap. IPv6 blocks are only checked for their form.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// An IPv4 block in canonical form: no bit is set below the prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    base: u32,
    prefix: u8,
}

impl Cidr {
    /// Reads `a.b.c.d/n`; host bits are cleared, as EC2 does ("100.68.0.18/18 becomes 100.68.0.0/18").
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix = parse_prefix(prefix, 32)?;
        Some(Self { base: u32::from(address) & mask(prefix), prefix })
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// How many addresses the block holds.
    pub fn size(self) -> u64 {
        1 << (32 - self.prefix)
    }

    pub fn contains(self, other: Self) -> bool {
        self.prefix <= other.prefix && other.base & mask(self.prefix) == self.base
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// The address at `index`, wrapping inside the block.
    pub fn address(self, index: u64) -> Ipv4Addr {
        Ipv4Addr::from(self.base + (index % self.size()) as u32)
    }

    /// The `index`-th block of length `prefix` inside this one; `None` when it does not fit.
    pub fn subnet(self, prefix: u8, index: u32) -> Option<Self> {
        let count = 1_u64 << prefix.checked_sub(self.prefix)?;
        (prefix <= 32 && u64::from(index) < count)
            .then(|| Self { base: self.base + (u64::from(index) << (32 - prefix)) as u32, prefix })
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn parse_prefix(text: &str, most: u8) -> Option<u8> {
    let prefix: u8 = text.parse().ok()?;
    // "+8" and "08" are numbers to Rust, but not prefixes.
    (prefix <= most && prefix.to_string() == text).then_some(prefix)
}

/// An IPv6 block in canonical form; `None` when `text` is not one.
pub fn canonical_ipv6(text: &str) -> Option<String> {
    let (address, prefix) = text.split_once('/')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let prefix = parse_prefix(prefix, 128)?;
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Some(format!("{}/{prefix}", Ipv6Addr::from(u128::from(address) & mask)))
}

/// Whether the IPv6 block `outer` contains the block `inner`; `false` if either is none.
pub fn ipv6_contains(outer: &str, inner: &str) -> bool {
    let prefix = |block: &str| block.split_once('/').and_then(|(_, prefix)| parse_prefix(prefix, 128));
    let (Some(outer_prefix), Some(inner_prefix)) = (prefix(outer), prefix(inner)) else { return false };
    let widened = inner.split_once('/').and_then(|(address, _)| canonical_ipv6(&format!("{address}/{outer_prefix}")));
    outer_prefix <= inner_prefix && widened.is_some() && widened == canonical_ipv6(outer)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not an IPv4 block"))
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, canonical: Option<&str>) {
        assert_eq!(Cidr::parse(given).map(|cidr| cidr.to_string()).as_deref(), canonical, "{given}");
    }

    #[test]
    fn blocks_are_read_in_canonical_form() {
        check("10.0.0.0/16", Some("10.0.0.0/16"));
        check("100.68.0.18/18", Some("100.68.0.0/18"));
        check("0.0.0.0/0", Some("0.0.0.0/0"));
        check("10.0.0.1/32", Some("10.0.0.1/32"));
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/08", "::/0", "x"] {
            check(wrong, None);
        }
        assert_eq!(canonical_ipv6("::/0").as_deref(), Some("::/0"));
        assert_eq!(canonical_ipv6("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!(canonical_ipv6("2001:db8::/129"), None);
        assert!(ipv6_contains("2001:db8:1:100::/56", "2001:db8:1:1ff::/64"));
        assert!(!ipv6_contains("2001:db8:1:100::/56", "2001:db8:1:200::/64"));
        assert!(!ipv6_contains("2001:db8:1:100::/64", "2001:db8:1:100::/56"));
    }

    #[test]
    fn blocks_overlap_when_one_contains_the_other() {
        let table = [
            // one              other             overlap
            ("10.0.0.0/16", "10.0.1.0/24", true),
            ("10.0.1.0/24", "10.0.0.0/16", true),
            ("10.0.0.0/24", "10.0.1.0/24", false),
            ("10.0.0.0/24", "10.0.0.0/24", true),
            ("10.0.0.0/25", "10.0.0.128/25", false),
            ("0.0.0.0/0", "192.168.0.0/16", true),
        ];
        for (one, other, expected) in table {
            let (one, other) = (Cidr::parse(one).unwrap(), Cidr::parse(other).unwrap());
            assert_eq!(one.overlaps(other), expected, "{one} {other}");
        }
    }

    #[test]
    fn subnets_are_cut_in_order() {
        let vpc = Cidr::parse("172.31.0.0/16").unwrap();
        assert_eq!(vpc.subnet(20, 1).unwrap().to_string(), "172.31.16.0/20");
        assert_eq!(vpc.subnet(20, 15).unwrap().to_string(), "172.31.240.0/20");
        assert_eq!(vpc.subnet(20, 16), None);
        assert_eq!(vpc.subnet(20, 0).unwrap().size() - 5, 4091);
        assert_eq!(vpc.address(4).to_string(), "172.31.0.4");
    }
}
