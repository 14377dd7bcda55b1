//! Seeded identifiers. One stream per purpose, so that a new kind of thing does not renumber the others.

use serde::{Deserialize, Serialize};

/// A stream of pseudo-random numbers (SplitMix64) for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    state: u64,
}

impl Ids {
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a over the purpose keeps the streams apart and the same on every machine.
        let hash =
            purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self { state: seed ^ hash }
    }

    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub fn next_fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `PREFIX-` and seventeen hexadecimal digits that begin with 0, as EC2 names its resources.
    pub fn ec2(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.next_u64())
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.next_u64(), self.next_u64());
        let (a, b) = ((a & !0xf000) | 0x4000, (b & !(0b11 << 62)) | (0b10 << 62));
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xffff,
            b >> 48,
            b & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_shape_of_awss() {
        let mut ids = Ids::new(7, "test");
        let instance = ids.ec2("i");
        assert_eq!((instance.len(), &instance[..3]), (19, "i-0"));
        let uuid = ids.uuid();
        assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'));
        assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uuid}");
    }

    #[test]
    fn the_same_seed_gives_the_same_stream_and_purposes_differ() {
        assert_eq!(Ids::new(1, "a").next_u64(), Ids::new(1, "a").next_u64());
        assert_ne!(Ids::new(1, "a").next_u64(), Ids::new(1, "b").next_u64());
    }
}
