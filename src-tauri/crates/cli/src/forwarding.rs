//! `[HOST:]PORT` as a person writes it.

/// Where a forward leads, as seen from the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forwarding {
    /// A host the node can reach; absent for the node itself.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
}

impl Forwarding {
    /// Reads `5432`, `db.internal:5432` or `[2001:db8::1]:5432`.
    ///
    /// # Errors
    /// What is wrong with it, in words for a person.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            None => (None, text),
            Some((host, port)) => (Some(host), port),
        };
        let port = match port.parse::<u16>() {
            Ok(0) | Err(_) => {
                return Err(format!("`{port}` is not a port: a number from 1 to 65535"));
            }
            Ok(port) => port,
        };
        let host = host.map(Self::host).transpose()?;
        Ok(Self { host, port })
    }

    fn host(text: &str) -> Result<String, String> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = bracketed.unwrap_or(text);
        if host.is_empty() {
            return Err("the host before the colon is empty".to_owned());
        }
        if bracketed.is_none() && host.contains(':') {
            return Err(format!("an IPv6 address stands in brackets: [{host}]:PORT"));
        }
        if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a host name has no blank in it".to_owned());
        }
        Ok(host.to_owned())
    }
}

/// A forward beside the first, with the local port it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Another {
    pub(crate) to: Forwarding,
    pub(crate) local_port: Option<u16>,
}

impl Another {
    /// Reads `[HOST:]PORT[=LOCAL]`.
    ///
    /// # Errors
    /// What is wrong with it, in words for a person.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((to, local)) = text.rsplit_once('=') else {
            return Ok(Self { to: Forwarding::parse(text)?, local_port: None });
        };
        let local_port = local
            .parse()
            .map_err(|_| format!("`{local}` is not a local port: a number up to 65535"))?;
        Ok(Self { to: Forwarding::parse(to)?, local_port: Some(local_port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_forward_may_name_its_local_port() {
        let port = |text| Another::parse(text).map(|another| (another.to.port, another.local_port));
        assert_eq!(port("80"), Ok((80, None)));
        assert_eq!(port("db:5432=15432"), Ok((5432, Some(15432))));
        assert!(port("80=x").expect_err("no port").contains("`x`"));
    }

    fn parse(text: &str) -> Result<(Option<String>, u16), String> {
        Forwarding::parse(text).map(|forwarding| (forwarding.host, forwarding.port))
    }

    #[test]
    fn ports_hosts_and_v6() {
        assert_eq!(parse("80"), Ok((None, 80)));
        assert_eq!(parse("db:5432"), Ok((Some("db".to_owned()), 5432)));
        assert_eq!(parse("[::1]:22"), Ok((Some("::1".to_owned()), 22)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in
            [("0", "not a port"), ("db:x", "`x`"), (":80", "empty"), ("::1:22", "brackets")]
        {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
