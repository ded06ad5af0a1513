//! Identifiers and secrets: unguessable to a reader, the same for the same seed.

use sha2::{Digest, Sha256};

/// Gives every identifier once; the same seed and order give the same ones.
#[derive(Debug)]
pub(crate) struct Identifiers {
    seed: u64,
    counter: u64,
}

impl Identifiers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// Ten digits that no other counter gives: the multiplier is prime to the range.
    pub(crate) fn psp_reference(&mut self) -> String {
        const RANGE: u64 = 9_000_000_000;
        self.counter += 1;
        let mixed =
            (self.counter.wrapping_add(self.seed.wrapping_mul(7919)) % RANGE).wrapping_mul(2_654_435_761 % RANGE);
        (1_000_000_000 + mixed % RANGE).to_string()
    }

    /// 48 hexadecimal digits.
    pub(crate) fn secret(&mut self, purpose: &str) -> String {
        self.bytes(purpose).iter().take(24).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Letters and digits: `5kSeqz7`.
    pub(crate) fn short(&mut self, purpose: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.bytes(purpose).iter().take(length).map(|byte| char::from(ALPHABET[usize::from(*byte) % 62])).collect()
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self, purpose: &str) -> String {
        let mut bytes = self.bytes(purpose);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// 64 bytes, as a webhook's secret is made of.
    pub(crate) fn key_material(&mut self, purpose: &str) -> Vec<u8> {
        [self.bytes(purpose), self.bytes(purpose)].concat()
    }

    pub(crate) fn trace_id(&mut self) -> String {
        let hex = self.secret("trace");
        format!("00-{}-{}-01", &hex[..32], &hex[32..48])
    }

    fn bytes(&mut self, purpose: &str) -> [u8; 32] {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.counter.to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_identifiers_and_each_once() {
        let (mut one, mut two) = (Identifiers::new(7), Identifiers::new(7));
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let reference = one.psp_reference();
            assert_eq!(reference, two.psp_reference());
            assert!(reference.len() == 10 && seen.insert(reference));
        }
        assert_eq!(one.secret("a"), two.secret("a"));
        assert_ne!(one.secret("a"), one.secret("a"));
        assert_ne!(Identifiers::new(1).uuid("a"), Identifiers::new(2).uuid("a"));
    }

    #[test]
    fn uuids_have_the_form_of_version_4() {
        let uuid = Identifiers::new(0).uuid("agreement");
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
    }
}
