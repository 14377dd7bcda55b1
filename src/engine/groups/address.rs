//! The addresses of instances: a free one of the subnet's block. Start at [`free_address`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The first four addresses and the last of every subnet are AWS's. Source: VPC User Guide, "Subnet sizing".
const RESERVED_FIRST: u32 = 4;
const RESERVED_LAST: u32 = 1;

/// An address of `cidr` that is not in `taken`. `wish` says where to look first, so that addresses do not follow each
/// other. `None` if the block is full or not a block.
pub fn free_address(cidr: &str, taken: &BTreeSet<Ipv4Addr>, wish: u64) -> Option<Ipv4Addr> {
    let (base, bits) = cidr.split_once('/')?;
    let (base, bits): (Ipv4Addr, u32) = (base.parse().ok()?, bits.parse().ok()?);
    let size = 1_u32.checked_shl(32_u32.checked_sub(bits)?)?;
    let usable = size.checked_sub(RESERVED_FIRST + RESERVED_LAST)?;
    let start = u32::try_from(wish % u64::from(usable.max(1))).ok()?;
    (0..usable)
        .map(|step| Ipv4Addr::from(u32::from(base) + RESERVED_FIRST + (start + step) % usable))
        .find(|address| !taken.contains(address))
}

/// A public address: of the block for benchmarks, which no machine on the internet has.
///
/// Source: RFC 2544.
pub fn public_address(number: u64) -> Ipv4Addr {
    let [.., high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(198, 18 + (high & 1), middle, low)
}

/// The hardware address of a network interface. Locally administered, as EC2's are.
pub fn mac_address(number: u64) -> String {
    let [a, b, c, d, e, ..] = number.to_be_bytes();
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_each_usable_address_once() {
        let mut taken = BTreeSet::new();
        while let Some(address) = free_address("10.0.1.16/28", &taken, 7) {
            assert!(taken.insert(address));
        }
        let expected: BTreeSet<Ipv4Addr> = (20..=30).map(|last| Ipv4Addr::new(10, 0, 1, last)).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn what_is_no_block_gives_none() {
        for cidr in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/31", "x/24"] {
            assert_eq!(free_address(cidr, &BTreeSet::new(), 0), None, "{cidr}");
        }
    }
}
