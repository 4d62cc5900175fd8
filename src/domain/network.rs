//! Ranges of IP addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::text::{Text, text};

/// A range of IP addresses. As text, a range is an address, a network in CIDR form (RFC 4632, RFC 4291), or the first and the last address
/// with a hyphen between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
}

/// A list of ranges of IP addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// Parses each text as a range.
    ///
    /// # Errors
    /// The text quotes the first malformed range and says what is allowed.
    pub fn parse<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Result<Self, Text> {
        ranges.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Parses ranges separated by commas; `None` if the text has no range.
    ///
    /// # Errors
    /// The text quotes the first malformed range and says what is allowed.
    pub fn parse_list(text: &str) -> Result<Option<Self>, Text> {
        let ranges: Vec<&str> = text.split(',').map(str::trim).filter(|range| !range.is_empty()).collect();
        if ranges.is_empty() { Ok(None) } else { Self::parse(ranges).map(Some) }
    }

    /// Returns whether an address is in one of the ranges. An IPv4-mapped IPv6 address counts as its IPv4 address.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.first <= address && address <= range.last)
    }

    /// Returns whether each of `others` lies within one of these ranges.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        let within = |inner: &Range| self.0.iter().any(|outer| outer.first <= inner.first && inner.last <= outer.last);
        others.0.iter().all(within)
    }
}

impl FromIterator<Range> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        Self(ranges.into_iter().collect())
    }
}

impl FromStr for Range {
    type Err = Text;

    fn from_str(text: &str) -> Result<Self, Text> {
        let wrong = || {
            text!(
                "{text:?} is no address, no network such as 192.0.2.0/24 or 2001:db8::/32, and no range such as \
                 192.0.2.10-192.0.2.20",
                "{text:?} 不是地址，不是 192.0.2.0/24 或 2001:db8::/32 这样的网段，也不是 192.0.2.10-192.0.2.20 这样的范围"
            )
        };
        let address = |text: &str| text.trim().parse::<IpAddr>().map(|it| it.to_canonical());
        let (first, last) = if let Some((first, last)) = text.split_once('-') {
            (address(first).map_err(|_| wrong())?, address(last).map_err(|_| wrong())?)
        } else if text.contains('/') {
            let network: IpNet = text.trim().parse().map_err(|_| wrong())?;
            (network.network().to_canonical(), network.broadcast().to_canonical())
        } else {
            let only = address(text).map_err(|_| wrong())?;
            (only, only)
        };
        if first.is_ipv4() == last.is_ipv4() && first <= last { Ok(Self { first, last }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_an_address_a_network_or_two_ends() {
        for (range, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::192.0.2.7"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.9/24", "192.0.2.0", "192.0.1.255"),
            ("::ffff:192.0.2.0/120", "192.0.2.1", "192.0.3.1"),
            ("192.0.2.10-192.0.2.20", "192.0.2.20", "192.0.2.21"),
            (" 192.0.2.10 - 192.0.2.20 ", "192.0.2.10", "192.0.2.9"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
        ] {
            let ranges = Ranges::parse([range]).unwrap();
            assert!(ranges.contain(inside.parse().unwrap()), "{range} {inside}");
            assert!(!ranges.contain(outside.parse().unwrap()), "{range} {outside}");
        }
        assert!(!Ranges::default().contain("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_list_has_commas_between_and_an_empty_one_is_none() {
        let list = Ranges::parse_list(" 192.0.2.7, 2001:db8::/32 ,").unwrap().unwrap();
        assert!(list.contain("192.0.2.7".parse().unwrap()) && list.contain("2001:db8::1".parse().unwrap()));
        for none in ["", " ", " , "] {
            assert_eq!(Ranges::parse_list(none), Ok(None));
        }
        assert!(Ranges::parse_list("192.0.2.7, x").is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["", "x", "192.0.2.0/33", "192.0.2", "192.0.2.9-192.0.2.1", "192.0.2.1-::1", "1.2.3.4/", "-", "*"]
        {
            assert!(Ranges::parse([wrong]).is_err(), "{wrong}");
        }
    }
}
