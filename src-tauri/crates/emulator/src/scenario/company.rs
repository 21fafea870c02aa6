//! Feldspar Coffee: a roaster with an online shop, three roasteries and a few dozen services.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Account, Dice, Offer, Policy, RemoteHost, Role, User};
use crate::keyring::Secret;
use crate::services::kms::KmsKey;

/// Production.
pub(super) const PROD: &str = "111122223333";
/// Development and staging.
pub(super) const DEV: &str = "444455556666";
/// Reporting and data.
pub(super) const DATA: &str = "777788889999";

/// The regions the company works in, the main one first.
pub(super) const REGIONS: [&str; 4] = ["eu-central-1", "us-east-1", "ap-southeast-2", "eu-west-1"];

/// What a viewer may do: look at everything, start nothing.
const LOOK: &[&str] = &["ssm:Describe*", "ssm:Get*", "ssm:List*", "ec2:Describe*", "sts:*"];

pub(super) fn accounts(seed: u64) -> Vec<Account> {
    let full = Arc::new(Policy::full());
    let viewer = Arc::new(Policy::default().allow(LOOK));
    // Sessions only, without EC2: many companies hand out no more.
    // It may not use keys either, so it cannot open an encrypted shell.
    let operator = Arc::new(Policy::default().allow(&["ssm:*", "sts:*"]));
    let analyst = Arc::new(Policy::default().allow(&["ssm:*", "sts:*", "kms:*"]));
    let developer = Arc::new(
        Policy::default()
            .allow(LOOK)
            .allow(&["kms:*", "ssm:ResumeSession", "ssm:TerminateSession"])
            .allow_tagged(&["ssm:StartSession"], "Env", &["dev", "staging"]),
    );
    let mut dice = Dice::new(seed, "accounts");
    let mut account = |id: &str, name: &str, users: &[(&str, &Arc<Policy>)], roles: Vec<Role>| {
        let users = users.iter().map(|(name, policy)| user(&mut dice, name, policy)).collect();
        Account { id: id.to_owned(), name: name.to_owned(), users, roles }
    };
    let anyone = |account: &str| format!("arn:aws:*::{account}:*");
    let mut chance = Dice::new(seed, "roles");
    let mut role = |name: &str, trusted: Vec<String>, policy: &Arc<Policy>| Role {
        name: name.to_owned(),
        id: format!("AROA{}", chance.capitals(17)),
        trusted,
        external_id: None,
        policy: Arc::clone(policy),
    };
    let prod_roles = vec![
        role("Operator", vec![anyone(PROD)], &operator),
        role("Viewer", vec![anyone(PROD), anyone(DEV), anyone(DATA)], &viewer),
        role("Deployer", vec![format!("arn:aws:iam::{PROD}:user/mara")], &full),
    ];
    let dev_roles = vec![role("Developer", vec![anyone(DEV), anyone(PROD)], &developer)];
    let mut partner = role("Partner", vec![anyone(PROD), anyone(DEV)], &viewer);
    partner.external_id = Some("feldspar-partner".to_owned());
    let data_roles = vec![role("Analyst", vec![anyone(PROD), anyone(DATA)], &analyst), partner];
    vec![
        account(PROD, "prod", &[("mara", &full), ("vince", &viewer)], prod_roles),
        account(DEV, "dev", &[("dora", &full), ("lin", &developer)], dev_roles),
        account(DATA, "data", &[("omar", &full)], data_roles),
    ]
}

fn user(dice: &mut Dice, name: &str, policy: &Arc<Policy>) -> User {
    User {
        name: name.to_owned(),
        id: format!("AIDA{}", dice.capitals(17)),
        access_key: format!("AKIASANDBOX{}", dice.capitals(9)),
        secret: Secret::new(dice.mixed(40)),
        policy: Arc::clone(policy),
    }
}

/// A key for sessions in every account and region, and a retired one in the data account.
pub(super) fn keys(seed: u64) -> Vec<KmsKey> {
    let mut dice = Dice::new(seed, "keys");
    let mut keys = Vec::new();
    for account in [PROD, DEV, DATA] {
        for region in REGIONS {
            keys.push(key(&mut dice, account, region, "session-manager", true));
        }
    }
    keys.push(key(&mut dice, DATA, REGIONS[0], "retired-2023", false));
    keys
}

fn key(dice: &mut Dice, account: &str, region: &str, alias: &str, enabled: bool) -> KmsKey {
    KmsKey {
        account: account.to_owned(),
        region: region.to_owned(),
        id: dice.uuid(),
        alias: Some(alias.to_owned()),
        enabled,
    }
}

/// Hosts that are no nodes and can only be reached through one.
pub(super) fn hosts() -> Vec<RemoteHost> {
    const DATABASE: &[(u16, Offer)] = &[(5432, Offer::Lines)];
    const CACHE: &[(u16, Offer)] = &[(6379, Offer::Cache)];
    const WEB: &[(u16, Offer)] = &[(80, Offer::Page), (8080, Offer::Page)];
    let host = |name: &str, last: u8, offers| RemoteHost {
        name: name.to_owned(),
        address: Ipv4Addr::new(10, 250, 0, last),
        offers,
    };
    vec![
        host("orders-db.internal", 11, DATABASE),
        host("billing-db.internal", 12, DATABASE),
        host("warehouse.internal", 13, &[(7070, Offer::Lines)]),
        host("session-cache.internal", 21, CACHE),
        host("wiki.internal", 31, WEB),
        host("grafana.internal", 32, &[(3000, Offer::Page)]),
        host("echo.internal", 41, &[(7, Offer::Echo)]),
    ]
}
