//! Regions and the partitions they belong to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::CallError;

/// A region by its code, for example `eu-west-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(String);

impl Region {
    /// Takes a region's code; it need not be one this program has heard of.
    pub fn new(code: impl Into<String>) -> Self {
        Self(code.into())
    }

    /// Shows the code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells the partition from the code.
    pub fn partition(&self) -> Partition {
        Partition::ALL
            .into_iter()
            .find(|partition| {
                partition.region_prefixes().iter().any(|prefix| self.0.starts_with(prefix))
            })
            .unwrap_or(Partition::Aws)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A partition: a group of regions with accounts and endpoints of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Partition {
    /// The public one.
    #[serde(rename = "aws")]
    Aws,
    /// China.
    #[serde(rename = "aws-cn")]
    China,
    /// US GovCloud.
    #[serde(rename = "aws-us-gov")]
    GovCloud,
    /// US ISO.
    #[serde(rename = "aws-iso")]
    Iso,
    /// US ISOB.
    #[serde(rename = "aws-iso-b")]
    IsoB,
    /// EU ISOE.
    #[serde(rename = "aws-iso-e")]
    IsoE,
    /// US ISOF.
    #[serde(rename = "aws-iso-f")]
    IsoF,
    /// European Sovereign Cloud.
    #[serde(rename = "aws-eusc")]
    EuSovereign,
}

impl Partition {
    const ALL: [Self; 8] = [
        Self::China,
        Self::GovCloud,
        Self::Iso,
        Self::IsoB,
        Self::IsoE,
        Self::IsoF,
        Self::EuSovereign,
        Self::Aws,
    ];

    /// Spells the partition as ARNs do.
    pub fn id(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
            Self::Iso => "aws-iso",
            Self::IsoB => "aws-iso-b",
            Self::IsoE => "aws-iso-e",
            Self::IsoF => "aws-iso-f",
            Self::EuSovereign => "aws-eusc",
        }
    }

    /// Shows what the partition's host names end in.
    pub fn endpoint_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::GovCloud => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
            Self::Iso => "c2s.ic.gov",
            Self::IsoB => "sc2s.sgov.gov",
            Self::IsoE => "cloud.adc-e.uk",
            Self::IsoF => "csp.hci.ic.gov",
            Self::EuSovereign => "amazonaws.eu",
        }
    }

    /// Lists the regions known when this was written, for when the account will not say.
    pub fn known_regions(self) -> impl Iterator<Item = Region> {
        let codes: &[&str] = match self {
            Self::Aws => &[
                "af-south-1",
                "ap-east-1",
                "ap-east-2",
                "ap-northeast-1",
                "ap-northeast-2",
                "ap-northeast-3",
                "ap-south-1",
                "ap-south-2",
                "ap-southeast-1",
                "ap-southeast-2",
                "ap-southeast-3",
                "ap-southeast-4",
                "ap-southeast-5",
                "ap-southeast-6",
                "ap-southeast-7",
                "ca-central-1",
                "ca-west-1",
                "eu-central-1",
                "eu-central-2",
                "eu-north-1",
                "eu-south-1",
                "eu-south-2",
                "eu-west-1",
                "eu-west-2",
                "eu-west-3",
                "il-central-1",
                "me-central-1",
                "me-south-1",
                "mx-central-1",
                "sa-east-1",
                "us-east-1",
                "us-east-2",
                "us-west-1",
                "us-west-2",
            ],
            Self::China => &["cn-north-1", "cn-northwest-1"],
            Self::GovCloud => &["us-gov-east-1", "us-gov-west-1"],
            Self::Iso => &["us-iso-east-1", "us-iso-west-1"],
            Self::IsoB => &["us-isob-east-1", "us-isob-west-1"],
            Self::IsoE => &["eu-isoe-west-1"],
            Self::IsoF => &["us-isof-east-1", "us-isof-south-1"],
            Self::EuSovereign => &["eusc-de-east-1"],
        };
        codes.iter().map(|code| Region::new(*code))
    }

    fn region_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Aws => &[],
            Self::China => &["cn-"],
            Self::GovCloud => &["us-gov-"],
            Self::Iso => &["us-iso-"],
            Self::IsoB => &["us-isob-"],
            Self::IsoE => &["eu-isoe-"],
            Self::IsoF => &["us-isof-"],
            Self::EuSovereign => &["eusc-"],
        }
    }
}

/// The regions an account can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// The regions, by code.
    pub regions: Vec<Region>,
    /// Why the account's own list is missing and the built-in one stands in for it.
    pub guessed: Option<CallError>,
}

impl Client {
    /// Lists the regions this account has switched on (`ec2:DescribeRegions`); when it may not
    /// ask, the partition's known ones. Safe to drop.
    pub async fn regions(&self) -> Regions {
        match self.describe_regions().await {
            Ok(mut regions) => {
                regions.sort();
                Regions { regions, guessed: None }
            }
            Err(error) => {
                tracing::debug!(%error, "the account does not list its regions");
                let regions = self.region().partition().known_regions().collect();
                Regions { regions, guessed: Some(error) }
            }
        }
    }

    async fn describe_regions(&self) -> Result<Vec<Region>, CallError> {
        let call = self.call(crate::endpoints::Service::Ec2, "DescribeRegions");
        let output = call.run(|| self.ec2().describe_regions().send()).await?;
        let names = output.regions().iter().filter_map(|region| region.region_name());
        Ok(names.map(Region::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_knows_its_partition() {
        for (code, id, suffix) in [
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("xx-new-9", "aws", "amazonaws.com"),
        ] {
            let partition = Region::new(code).partition();
            assert_eq!((partition.id(), partition.endpoint_suffix()), (id, suffix), "{code}");
        }
    }

    #[test]
    fn every_known_region_lies_in_its_own_partition() {
        for partition in Partition::ALL {
            assert!(partition.known_regions().all(|region| region.partition() == partition));
        }
    }
}
