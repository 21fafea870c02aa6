//! The only cursor over bytes from outside: every read is checked, nothing is indexed.

/// Reads fixed-size fields from the front of a byte slice.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// The input ended inside a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncated;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn be_u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn be_u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn be_i64(&mut self) -> Result<i64, Truncated> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn le_u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn le_u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    /// Succeeds only when every byte was read.
    pub(crate) fn finish(&self) -> Result<(), Truncated> {
        if self.rest.is_empty() { Ok(()) } else { Err(Truncated) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Truncated};

    #[test]
    fn reads_in_order_and_stops_at_the_end() {
        let mut reader = Reader::new(&[1, 0, 2, 3, 0, 0, 0, 0, 7]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.array::<2>(), Ok([0, 2]));
        assert_eq!(reader.le_u16(), Ok(3));
        assert_eq!(reader.be_u32(), Ok(7));
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(reader.u8(), Err(Truncated));
        assert_eq!(reader.be_u64(), Err(Truncated));
    }

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.le_u32(), Err(Truncated));
        assert_eq!(reader.finish(), Err(Truncated));
        assert_eq!(reader.u8(), Ok(1));
    }
}
