//! The machines of the company, from a table of what runs where.

use std::collections::BTreeMap;

use time::Duration;

use super::company::{DATA, DEV, PROD, REGIONS};
use super::{
    Activation, Agent, Dice, Home, Instance, InstanceState, LATEST_AGENT, Node, Offer, Ping,
    Platform, WayOut,
};
use crate::sessions::Platform as Family;

const AL2023: Platform = Platform { name: "Amazon Linux", version: "2023", family: Family::Linux };
const AL2: Platform = Platform { name: "Amazon Linux", version: "2", family: Family::Linux };
const UBUNTU: Platform = Platform { name: "Ubuntu", version: "24.04", family: Family::Linux };
const UBUNTU_22: Platform = Platform { name: "Ubuntu", version: "22.04", family: Family::Linux };
const DEBIAN: Platform =
    Platform { name: "Debian GNU/Linux", version: "12", family: Family::Linux };
const REDHAT: Platform =
    Platform { name: "Red Hat Enterprise Linux", version: "9.4", family: Family::Linux };
const WINDOWS_22: Platform = Platform {
    name: "Microsoft Windows Server 2022 Datacenter",
    version: "10.0.20348",
    family: Family::Windows,
};
const WINDOWS_19: Platform = Platform {
    name: "Microsoft Windows Server 2019 Datacenter",
    version: "10.0.17763",
    family: Family::Windows,
};
const MAC: Platform = Platform { name: "macOS", version: "14.5", family: Family::MacOs };

/// The versions agents of an ordinary node have, the frequent ones repeated.
const VERSIONS: [&str; 10] = [
    LATEST_AGENT,
    LATEST_AGENT,
    LATEST_AGENT,
    LATEST_AGENT,
    LATEST_AGENT,
    "3.3.2299.0",
    "3.3.2299.0",
    "3.3.1142.0",
    "3.3.987.0",
    "3.2.2303.0",
];

const WEB: &[(u16, Offer)] = &[(7, Offer::Echo), (80, Offer::Page), (8080, Offer::Page)];
const WORKER: &[(u16, Offer)] = &[(7, Offer::Echo), (8080, Offer::Page)];
const STORE: &[(u16, Offer)] = &[(7, Offer::Echo), (7070, Offer::Lines), (8080, Offer::Page)];
const CACHE: &[(u16, Offer)] = &[(7, Offer::Echo), (6379, Offer::Cache)];
const DATABASE: &[(u16, Offer)] = &[(7, Offer::Echo), (5432, Offer::Lines)];

/// One kind of machine.
struct App {
    name: &'static str,
    team: &'static str,
    role: &'static str,
    platform: Platform,
    kinds: &'static [&'static str],
    offers: &'static [(u16, Offer)],
}

const fn app(
    name: &'static str,
    team: &'static str,
    role: &'static str,
    platform: Platform,
    kinds: &'static [&'static str],
    offers: &'static [(u16, Offer)],
) -> App {
    App { name, team, role, platform, kinds, offers }
}

const SMALL: &[&str] = &["t4g.small", "t4g.medium", "t3.small"];
const LARGE: &[&str] = &["m7g.large", "m7g.xlarge", "m6i.large"];
const HUGE: &[&str] = &["r7g.2xlarge", "c7g.2xlarge"];
const PC: &[&str] = &["m6i.large", "m6i.xlarge"];

const STOREFRONT: App = app("storefront", "shop", "web", AL2023, LARGE, WEB);
const CHECKOUT: App = app("checkout", "shop", "api", AL2023, LARGE, WEB);
const CATALOG: App = app("catalog", "shop", "api", UBUNTU, LARGE, WEB);
const ORDERS: App = app("orders", "fulfilment", "api", AL2023, LARGE, WEB);
const DISPATCH: App = app("dispatch", "fulfilment", "worker", UBUNTU, SMALL, WORKER);
const INVENTORY: App = app("inventory", "fulfilment", "store", UBUNTU_22, LARGE, STORE);
const SESSION_CACHE: App = app("session-cache", "shop", "cache", AL2023, HUGE, CACHE);
const BILLING: App = app("billing", "finance", "batch", WINDOWS_19, PC, WORKER);
const LEDGER: App = app("ledger", "finance", "app", WINDOWS_22, PC, WEB);
const BASTION: App = app("bastion", "platform", "bastion", AL2023, SMALL, WORKER);
const RUNNER: App = app("ci-runner", "platform", "ci", UBUNTU, LARGE, WORKER);
const METRICS: App = app("metrics", "platform", "monitoring", AL2023, LARGE, WEB);
const LEGACY: App = app("legacy-shop", "shop", "web", AL2, SMALL, WEB);
const ETL: App = app("etl", "data", "worker", AL2023, HUGE, WORKER);
const NOTEBOOK: App = app("notebook", "data", "notebook", UBUNTU, HUGE, WEB);
const LAKE: App = app("lake-db", "data", "database", REDHAT, HUGE, DATABASE);
const REPORTS: App = app("reports", "data", "web", WINDOWS_22, PC, WEB);
const BUILD_MAC: App = app("ios-build", "shop", "ci", MAC, &["mac2.metal"], WORKER);
const ROASTER: App = app("roaster", "roastery", "edge", DEBIAN, SMALL, WORKER);
const SCALE: App = app("scale", "roastery", "edge", UBUNTU_22, SMALL, WORKER);
const TILL: App = app("till", "retail", "till", WINDOWS_19, SMALL, WORKER);

/// So many machines of a kind in one place, for one purpose.
type Row = (&'static str, usize, &'static str, &'static App, usize);

/// Account, region (as a place in [`REGIONS`]), environment, kind, count.
const CLOUD: &[Row] = &[
    (PROD, 0, "prod", &STOREFRONT, 10),
    (PROD, 0, "prod", &CHECKOUT, 6),
    (PROD, 0, "prod", &CATALOG, 6),
    (PROD, 0, "prod", &ORDERS, 8),
    (PROD, 0, "prod", &DISPATCH, 8),
    (PROD, 0, "prod", &INVENTORY, 4),
    (PROD, 0, "prod", &SESSION_CACHE, 3),
    (PROD, 0, "prod", &BILLING, 3),
    (PROD, 0, "prod", &LEDGER, 2),
    (PROD, 0, "prod", &BASTION, 2),
    (PROD, 0, "prod", &METRICS, 2),
    (PROD, 0, "prod", &LEGACY, 3),
    (PROD, 1, "prod", &STOREFRONT, 6),
    (PROD, 1, "prod", &CHECKOUT, 4),
    (PROD, 1, "prod", &CATALOG, 4),
    (PROD, 1, "prod", &ORDERS, 6),
    (PROD, 1, "prod", &DISPATCH, 4),
    (PROD, 1, "prod", &BASTION, 1),
    (PROD, 2, "prod", &STOREFRONT, 4),
    (PROD, 2, "prod", &CHECKOUT, 2),
    (PROD, 2, "prod", &ORDERS, 3),
    (PROD, 2, "prod", &DISPATCH, 2),
    (PROD, 2, "prod", &BASTION, 1),
    (PROD, 3, "prod", &STOREFRONT, 3),
    (PROD, 3, "prod", &ORDERS, 4),
    (PROD, 3, "prod", &BASTION, 1),
    (DEV, 0, "dev", &STOREFRONT, 6),
    (DEV, 0, "dev", &CHECKOUT, 2),
    (DEV, 0, "dev", &ORDERS, 3),
    (DEV, 0, "dev", &INVENTORY, 2),
    (DEV, 0, "dev", &LEDGER, 1),
    (DEV, 0, "dev", &RUNNER, 10),
    (DEV, 0, "dev", &BUILD_MAC, 2),
    (DEV, 0, "dev", &BASTION, 1),
    (DEV, 0, "staging", &STOREFRONT, 3),
    (DEV, 0, "staging", &CHECKOUT, 2),
    (DEV, 0, "staging", &CATALOG, 2),
    (DEV, 0, "staging", &ORDERS, 3),
    (DEV, 0, "staging", &DISPATCH, 2),
    (DEV, 0, "staging", &SESSION_CACHE, 1),
    (DEV, 0, "staging", &BILLING, 1),
    (DEV, 1, "staging", &STOREFRONT, 3),
    (DEV, 1, "staging", &ORDERS, 4),
    (DEV, 1, "dev", &RUNNER, 3),
    (DATA, 0, "prod", &ETL, 10),
    (DATA, 0, "prod", &NOTEBOOK, 5),
    (DATA, 0, "prod", &LAKE, 3),
    (DATA, 0, "prod", &REPORTS, 2),
    (DATA, 0, "prod", &BASTION, 1),
    (DATA, 3, "prod", &ETL, 6),
    (DATA, 3, "prod", &LAKE, 2),
    (DATA, 3, "staging", &NOTEBOOK, 2),
    (DATA, 3, "prod", &BASTION, 1),
];

/// Machines outside AWS: what stands in roasteries and shops.
const SITES: &[Row] = &[
    (PROD, 0, "prod", &ROASTER, 4),
    (PROD, 0, "prod", &SCALE, 3),
    (PROD, 0, "prod", &TILL, 4),
    (PROD, 1, "prod", &ROASTER, 2),
    (PROD, 2, "prod", &TILL, 2),
];

/// Where those machines stand, by region.
const TOWNS: [&str; 4] = ["hamburg", "portland", "hobart", "galway"];

/// The ~200 nodes of the sandbox.
pub(super) fn sandbox(seed: u64) -> Vec<Node> {
    let mut yard = Yard::new(seed);
    for (account, region, env, app, count) in CLOUD {
        for _ in 0..*count {
            yard.cloud(account, REGIONS[*region], env, app);
        }
    }
    for (account, region, env, app, count) in SITES {
        for _ in 0..*count {
            yard.site(account, *region, env, app);
        }
    }
    yard.oddities();
    yard.nodes
}

/// `count` nodes of mixed kinds in one place.
pub(super) fn uniform(seed: u64, count: usize) -> Vec<Node> {
    const MIX: [&App; 6] = [&STOREFRONT, &CHECKOUT, &CATALOG, &ORDERS, &DISPATCH, &LEDGER];
    let mut yard = Yard::new(seed);
    for app in MIX.iter().cycle().take(count) {
        yard.cloud(PROD, REGIONS[0], "prod", app);
    }
    yard.nodes
}

/// The machines so far, and the counters that keep them apart.
struct Yard {
    dice: Dice,
    nodes: Vec<Node>,
    numbers: BTreeMap<String, usize>,
    addresses: BTreeMap<(String, String), u32>,
    networks: BTreeMap<(String, String), Place>,
}

/// What the instances of one account and region share.
#[derive(Clone)]
struct Place {
    vpc: String,
    subnets: Vec<String>,
    group: String,
    second_octet: u8,
}

impl Yard {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, "nodes"),
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            addresses: BTreeMap::new(),
            networks: BTreeMap::new(),
        }
    }

    fn cloud(&mut self, account: &str, region: &str, env: &str, app: &App) {
        let name = self.next_name(account, region, env, app.name);
        let place = self.place(account, region);
        let spot = self.next_spot(account, region);
        // Three zones, and within each the host numbers AWS leaves to instances.
        let zone = spot % 3;
        let host = spot / 3 + 10;
        let octets =
            [10, place.second_octet, (zone * 64 + host / 240) as u8, (host % 240 + 8) as u8];
        let private_ip = octets.map(|octet| octet.to_string()).join(".");
        let age = Duration::minutes(i64::from(self.dice.between(40, 60 * 24 * 400)));
        let stopped = self.dice.percent(4);
        let is_public = app.role == "bastion";
        let instance = Instance {
            kind: self.dice.pick(app.kinds),
            state: if stopped { InstanceState::Stopped } else { InstanceState::Running },
            launched_ago: age,
            zone: format!("{region}{}", ["a", "b", "c"][zone as usize]),
            vpc: place.vpc,
            subnet: match is_public {
                true => format!("subnet-0{}", public_subnet(account, region, zone)),
                false => place.subnets[zone as usize].clone(),
            },
            image: format!("ami-0{}", image(region, app.platform)),
            group: (place.group, format!("{}-{}", env, app.name)),
            role: Some(format!("feldspar-{}-{}", env, app.role)),
            public_ip: is_public.then(|| format!("203.0.113.{}", self.dice.between(10, 250))),
            way_out: if is_public { WayOut::Internet } else { WayOut::Nat },
        };
        let host_name = match app.platform.family {
            Family::Windows => format!("EC2AMAZ-{}", self.dice.capitals(7)),
            Family::Linux | Family::MacOs => internal_name(region, &octets),
        };
        let agent = self.agent(age, stopped);
        let id = format!("i-0{}", self.dice.hex(16));
        self.push(account, region, env, app, |tags| Node {
            id,
            account: account.to_owned(),
            region: region.to_owned(),
            name,
            host_name,
            platform: app.platform,
            private_ip,
            tags,
            home: Home::Ec2(instance),
            agent: Some(agent),
            offers: app.offers,
        });
    }

    fn site(&mut self, account: &str, region: usize, env: &str, app: &App) {
        let (town, third, region) = (TOWNS[region], 20 + region, REGIONS[region]);
        let name = self.next_name(account, region, town, app.name);
        let spot = self.next_spot(account, region);
        let private_ip = format!("192.168.{third}.{}", 10 + spot % 240);
        let age = Duration::minutes(i64::from(self.dice.between(60 * 24 * 20, 60 * 24 * 900)));
        let agent = self.agent(age, self.nodes.len().is_multiple_of(5));
        let activation = Activation {
            id: self.dice.uuid(),
            role: "service-role/FeldsparSiteServers".to_owned(),
        };
        let id = format!("mi-0{}", self.dice.hex(16));
        self.push(account, region, env, app, |mut tags| {
            tags.insert("Site".to_owned(), town.to_owned());
            Node {
                id,
                account: account.to_owned(),
                region: region.to_owned(),
                host_name: name.to_uppercase().chars().take(15).collect(),
                name,
                platform: app.platform,
                private_ip,
                tags,
                home: Home::Hybrid(activation),
                agent: Some(agent),
                offers: app.offers,
            }
        });
    }

    fn agent(&mut self, age: Duration, stopped: bool) -> Agent {
        let lost = stopped || self.dice.percent(4);
        let ping = if lost {
            let most = u32::try_from(age.whole_minutes()).unwrap_or(60).min(60 * 24 * 25);
            Ping::Lost { ago: Duration::minutes(i64::from(self.dice.between(20, most.max(21)))) }
        } else {
            Ping::Online { age: Duration::seconds(i64::from(self.dice.between(2, 290))) }
        };
        Agent {
            version: self.dice.pick(&VERSIONS),
            ping,
            registered_ago: age - Duration::minutes(2),
            requires_challenge: false,
        }
    }

    /// Machines every scenario has, so that tests and users meet the odd cases.
    fn oddities(&mut self) {
        let online = Ping::Online { age: Duration::seconds(41) };
        let mut set = |name: &str, change: &dyn Fn(&mut Node)| {
            if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
                if let Home::Ec2(instance) = &mut node.home {
                    instance.state = InstanceState::Running;
                }
                if let Some(agent) = &mut node.agent {
                    agent.ping = online;
                }
                change(node);
            }
        };
        let version = |version: &'static str| {
            move |node: &mut Node| {
                if let Some(agent) = &mut node.agent {
                    agent.version = version;
                }
            }
        };
        // The first of each kind always answers and is current: something to start with.
        for name in [
            "prod-storefront-01",
            "prod-bastion-01",
            "prod-orders-01",
            "prod-inventory-01",
            "prod-session-cache-01",
            "prod-ledger-01",
            "dev-storefront-01",
            "dev-ci-runner-01",
            "prod-etl-01",
            "hamburg-roaster-01",
        ] {
            set(name, &version(LATEST_AGENT));
        }
        // No mux; no second acknowledgement of duplicates; keep-alive on.
        set("prod-legacy-shop-01", &version("3.0.100.0"));
        set("prod-legacy-shop-02", &version("3.2.815.0"));
        set("prod-legacy-shop-03", &version("3.1.1374.0"));
        set("prod-lake-db-01", &|node| {
            if let Some(agent) = &mut node.agent {
                agent.version = LATEST_AGENT;
                agent.requires_challenge = true;
            }
        });
        // Systems Manager never heard of these: nobody put an agent on the first, the second has no
        // role, and the third stands in a network that leads nowhere.
        set("prod-metrics-02", &|node| node.agent = None);
        set("dev-ci-runner-10", &|node| {
            node.agent = None;
            if let Home::Ec2(instance) = &mut node.home {
                instance.role = None;
            }
        });
        set("prod-notebook-05", &|node| {
            node.agent = None;
            if let Home::Ec2(instance) = &mut node.home {
                let mut chance = Dice::new(0, "isolated");
                instance.vpc = format!("vpc-0{}", chance.hex(16));
                instance.subnet = format!("subnet-0{}", chance.hex(16));
                instance.way_out = WayOut::None;
            }
        });
        // Always away.
        set("hamburg-till-02", &|node| {
            if let Some(agent) = &mut node.agent {
                agent.ping = Ping::Lost { ago: Duration::hours(19) };
            }
        });
        set("prod-dispatch-08", &|node| {
            if let Home::Ec2(instance) = &mut node.home {
                instance.state = InstanceState::Stopped;
            }
            if let Some(agent) = &mut node.agent {
                agent.ping = Ping::Lost { ago: Duration::days(3) };
            }
        });
    }

    fn push(
        &mut self,
        account: &str,
        region: &str,
        env: &str,
        app: &App,
        make: impl FnOnce(BTreeMap<String, String>) -> Node,
    ) {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let mut tags: BTreeMap<_, _> =
            [("Env", env), ("App", app.name), ("Role", app.role), ("Team", app.team)]
                .map(owned)
                .into();
        // Not everybody keeps to the rules.
        if !self.dice.percent(12) {
            let center = if account == DATA { "CC-310" } else { "CC-120" };
            tags.extend([owned(("CostCenter", center))]);
        }
        if app.role == "web" && region == REGIONS[0] {
            tags.extend([owned(("PublicFacing", "true"))]);
        }
        let mut node = make(tags);
        node.tags.insert("Name".to_owned(), node.name.clone());
        self.nodes.push(node);
    }

    fn next_name(&mut self, account: &str, region: &str, first: &str, app: &str) -> String {
        let number = self.numbers.entry(format!("{account} {region} {first} {app}")).or_default();
        *number += 1;
        format!("{first}-{app}-{number:02}")
    }

    fn next_spot(&mut self, account: &str, region: &str) -> u32 {
        let spot = self.addresses.entry((account.to_owned(), region.to_owned())).or_default();
        *spot += 1;
        *spot
    }

    fn place(&mut self, account: &str, region: &str) -> Place {
        let at = (account.to_owned(), region.to_owned());
        if let Some(place) = self.networks.get(&at) {
            return place.clone();
        }
        let place = Place {
            vpc: format!("vpc-0{}", self.dice.hex(16)),
            subnets: (0..3).map(|_| format!("subnet-0{}", self.dice.hex(16))).collect(),
            group: format!("sg-0{}", self.dice.hex(16)),
            second_octet: u8::try_from(20 + self.networks.len()).unwrap_or(200),
        };
        self.networks.insert(at, place.clone());
        place
    }
}

/// The image of a platform differs from region to region and not within one.
fn image(region: &str, platform: Platform) -> String {
    Dice::new(0, &format!("{region} {} {}", platform.name, platform.version)).hex(16)
}

/// Of chances of its own, so that everything else is as it is without.
fn public_subnet(account: &str, region: &str, zone: u32) -> String {
    Dice::new(0, &format!("public {account} {region} {zone}")).hex(16)
}

fn internal_name(region: &str, octets: &[u8; 4]) -> String {
    let [a, b, c, d] = octets;
    match region {
        "us-east-1" => format!("ip-{a}-{b}-{c}-{d}.ec2.internal"),
        _ => format!("ip-{a}-{b}-{c}-{d}.{region}.compute.internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_machines_are_there() {
        let nodes = sandbox(1);
        let find = |name: &str| nodes.iter().find(|node| node.name == name).expect(name);
        let version = |name: &str| find(name).agent.as_ref().unwrap().version;
        assert!(find("prod-storefront-01").is_online());
        assert_eq!(version("prod-legacy-shop-01"), "3.0.100.0");
        assert_eq!(version("prod-legacy-shop-02"), "3.2.815.0");
        assert!(find("prod-lake-db-01").agent.as_ref().unwrap().requires_challenge);
        assert!(find("prod-metrics-02").agent.is_none());
        let instance = |name: &str| find(name).instance().unwrap().clone();
        assert!(instance("prod-metrics-02").role.is_some());
        assert!(instance("dev-ci-runner-10").role.is_none());
        assert_eq!(instance("prod-notebook-05").way_out, WayOut::None);
        assert_ne!(instance("prod-notebook-05").vpc, instance("prod-notebook-04").vpc);
        assert_eq!(instance("prod-bastion-01").way_out, WayOut::Internet);
        assert!(!find("hamburg-till-02").is_online());
        assert!(find("hamburg-roaster-01").id.starts_with("mi-"));
        assert_eq!(find("prod-ledger-01").platform.kind(), "Windows");
    }

    #[test]
    fn sites_of_one_network_never_share_an_address() {
        for nodes in [sandbox(1), uniform(1, 10_000)] {
            let mut addresses: Vec<_> = nodes.iter().map(|node| &node.private_ip).collect();
            addresses.sort();
            let all = addresses.len();
            addresses.dedup();
            assert_eq!(addresses.len(), all);
        }
    }
}
