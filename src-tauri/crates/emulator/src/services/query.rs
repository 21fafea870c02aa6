//! The Query protocol: a form body with `Action`, answered in XML.

use std::collections::BTreeMap;

use super::{ApiError, ApiResult};

/// A form's parameters. Those not taken by the time of [`Form::finish`] are unknown ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    values: BTreeMap<String, String>,
}

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self { values: form_urlencoded::parse(body).into_owned().collect() }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    pub(crate) fn required(&mut self, name: &str) -> ApiResult<String> {
        self.take(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            ApiError::bad_request(
                "MissingParameter",
                format!("The request must contain the parameter {name}"),
            )
        })
    }

    pub(crate) fn boolean(&mut self, name: &str) -> ApiResult<Option<bool>> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::bad_request(
                "InvalidParameterValue",
                format!("Invalid value '{other}' for {name}. It must be true or false"),
            )),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> ApiResult<Option<i64>> {
        self.take(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::bad_request(
                        "InvalidParameterValue",
                        format!(
                            "Value ({text}) for parameter {name} is invalid. Expecting an integer."
                        ),
                    )
                })
            })
            .transpose()
    }

    /// Takes `name.1`, `name.2` … in the order of their numbers.
    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        let mut found: Vec<(u32, String)> = self
            .numbered(name)
            .into_iter()
            .filter_map(|(key, number, rest)| {
                rest.is_empty().then(|| self.values.remove(&key).map(|value| (number, value)))?
            })
            .collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// Takes `name.1.…`, `name.2.…` as forms of their own, in the order of their numbers.
    pub(crate) fn structures(&mut self, name: &str) -> Vec<Self> {
        let mut found: BTreeMap<u32, Self> = BTreeMap::new();
        for (key, number, rest) in self.numbered(name) {
            if let (false, Some(value)) = (rest.is_empty(), self.values.remove(&key)) {
                found.entry(number).or_default().values.insert(rest, value);
            }
        }
        found.into_values().collect()
    }

    fn numbered(&self, name: &str) -> Vec<(String, u32, String)> {
        self.values
            .keys()
            .filter_map(|key| {
                let rest = key.strip_prefix(name)?.strip_prefix('.')?;
                let (number, rest) = rest.split_once('.').unwrap_or((rest, ""));
                Some((key.clone(), number.parse().ok()?, rest.to_owned()))
            })
            .collect()
    }

    /// Refuses a parameter nobody asked for.
    pub(crate) fn finish(self) -> ApiResult<()> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::bad_request(
                "UnknownParameter",
                format!("The parameter {name} is not recognized"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_structures_come_in_number_order() {
        let mut form = Form::parse(
            b"Action=X&Id.2=b&Id.10=c&Id.1=a&Filter.1.Name=tag%3AEnv&Filter.1.Value.1=pr+od\
              &Filter.2.Name=n&DryRun=true",
        );
        assert_eq!(form.take("Action").as_deref(), Some("X"));
        assert_eq!(form.list("Id"), ["a", "b", "c"]);
        let mut filters = form.structures("Filter");
        assert_eq!(filters.len(), 2);
        assert_eq!(filters[0].take("Name").as_deref(), Some("tag:Env"));
        assert_eq!(filters[0].list("Value"), ["pr od"]);
        assert_eq!(form.boolean("DryRun").unwrap(), Some(true));
        assert!(form.finish().is_ok());
    }

    #[test]
    fn what_is_left_over_is_named() {
        let form = Form::parse(b"Surprise=1");
        let error = form.finish().unwrap_err();
        assert_eq!(error.code, "UnknownParameter");
        assert!(error.message.unwrap().contains("Surprise"));
    }
}
