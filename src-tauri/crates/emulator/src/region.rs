//! The regions of the made-up AWS.

/// A region, and whether an account has to ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) name: &'static str,
    pub(crate) opt_in: bool,
}

const fn open(name: &'static str) -> Region {
    Region { name, opt_in: false }
}

const fn asked(name: &'static str) -> Region {
    Region { name, opt_in: true }
}

/// The commercial partition, in the order of names.
pub(crate) const REGIONS: &[Region] = &[
    asked("af-south-1"),
    asked("ap-east-1"),
    asked("ap-east-2"),
    open("ap-northeast-1"),
    open("ap-northeast-2"),
    open("ap-northeast-3"),
    open("ap-south-1"),
    asked("ap-south-2"),
    open("ap-southeast-1"),
    open("ap-southeast-2"),
    asked("ap-southeast-3"),
    asked("ap-southeast-4"),
    asked("ap-southeast-5"),
    asked("ap-southeast-7"),
    open("ca-central-1"),
    asked("ca-west-1"),
    open("eu-central-1"),
    asked("eu-central-2"),
    open("eu-north-1"),
    asked("eu-south-1"),
    asked("eu-south-2"),
    open("eu-west-1"),
    open("eu-west-2"),
    open("eu-west-3"),
    asked("il-central-1"),
    asked("me-central-1"),
    asked("me-south-1"),
    asked("mx-central-1"),
    open("sa-east-1"),
    open("us-east-1"),
    open("us-east-2"),
    open("us-west-1"),
    open("us-west-2"),
];

/// Tells whether `name` is a region of this AWS.
pub(crate) fn is_known(name: &str) -> bool {
    REGIONS.iter().any(|region| region.name == name)
}
