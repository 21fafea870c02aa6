//! AWS JSON 1.1: reading a request's members the way the services do, and their words when one
//! does not fit.

use serde_json::{Map, Value};

use super::{ApiError, ApiResult, Call};

/// A request's members. Those not taken by the time of [`Members::finish`] are unknown ones.
pub(crate) struct Members {
    members: Map<String, Value>,
    violations: Vec<String>,
}

impl Members {
    /// Reads a call's body.
    pub(crate) fn parse(call: &Call<'_>) -> ApiResult<Self> {
        Self::from_slice(call.body)
    }

    fn from_slice(body: &[u8]) -> ApiResult<Self> {
        let body: &[u8] = if body.is_empty() { b"{}" } else { body };
        let value = serde_json::from_slice(body)
            .map_err(|_| ApiError::wordless("SerializationException"))?;
        Self::of(value)
    }

    /// Wraps one element of a list, so that nested structures are read the same way.
    pub(crate) fn of(value: Value) -> ApiResult<Self> {
        if let Value::Object(members) = value {
            return Ok(Self { members, violations: Vec::new() });
        }
        Err(mismatch(&value, "Structure"))
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&mut self, name: &str) -> ApiResult<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(&other, "String")),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> ApiResult<Option<i64>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                number.as_i64().map(Some).ok_or_else(|| mismatch(&Value::Number(number), "Integer"))
            }
            Some(other) => Err(mismatch(&other, "Integer")),
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> ApiResult<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(mismatch(&other, "Boolean")),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> ApiResult<Option<Vec<Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(mismatch(&other, "List")),
        }
    }

    pub(crate) fn strings(&mut self, name: &str) -> ApiResult<Option<Vec<String>>> {
        self.list(name)?.map(|list| list.into_iter().map(text).collect()).transpose()
    }

    pub(crate) fn map(&mut self, name: &str) -> ApiResult<Option<Map<String, Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(mismatch(&other, "Map")),
        }
    }

    /// Reads a member that has to be there.
    pub(crate) fn required(&mut self, name: &str) -> ApiResult<String> {
        let value = self.string(name)?;
        if value.is_none() {
            self.violated("null", name, "Member must not be null");
        }
        Ok(value.unwrap_or_default())
    }

    /// Reads a member that has to be there and to have a length within bounds.
    pub(crate) fn required_within(
        &mut self,
        name: &str,
        least: usize,
        most: usize,
    ) -> ApiResult<String> {
        let value = self.string(name)?;
        match &value {
            Some(value) => self.length(name, value, least, most),
            None => self.violated("null", name, "Member must not be null"),
        }
        Ok(value.unwrap_or_default())
    }

    /// Checks the length of a text that was given.
    pub(crate) fn length(&mut self, name: &str, value: &str, least: usize, most: usize) {
        let length = value.chars().count();
        if length < least {
            self.bound(name, value, "length greater than or equal to", least);
        } else if length > most {
            self.bound(name, value, "length less than or equal to", most);
        }
    }

    /// Checks how many elements a list has.
    pub(crate) fn count(&mut self, name: &str, count: usize, least: usize, most: usize) {
        let shown = format!("[{count} elements]");
        if count < least {
            self.bound(name, &shown, "length greater than or equal to", least);
        } else if count > most {
            self.bound(name, &shown, "length less than or equal to", most);
        }
    }

    /// Checks a number that was given.
    pub(crate) fn range(&mut self, name: &str, value: i64, least: i64, most: i64) {
        let text = value.to_string();
        if value < least {
            self.bound(name, &text, "value greater than or equal to", least);
        } else if value > most {
            self.bound(name, &text, "value less than or equal to", most);
        }
    }

    fn bound(&mut self, name: &str, value: &str, what: &str, limit: impl std::fmt::Display) {
        self.violated(&format!("'{value}'"), name, &format!("Member must have {what} {limit}"));
    }

    /// Checks a text against a set of words.
    pub(crate) fn one_of(&mut self, name: &str, value: &str, set: &[&str]) {
        if !set.contains(&value) {
            let rule = format!("Member must satisfy enum value set: [{}]", set.join(", "));
            self.violated(&format!("'{value}'"), name, &rule);
        }
    }

    /// Checks a text against the pattern the service documents for it.
    pub(crate) fn pattern(&mut self, name: &str, value: &str, pattern: &str, fits: bool) {
        if !fits {
            let rule = format!("Member must satisfy regular expression pattern: {pattern}");
            self.violated(&format!("'{value}'"), name, &rule);
        }
    }

    fn violated(&mut self, value: &str, name: &str, rule: &str) {
        let member = lower_first(name);
        self.violations
            .push(format!("Value {value} at '{member}' failed to satisfy constraint: {rule}"));
    }

    /// Refuses what was wrong with the members and members nobody asked for.
    pub(crate) fn finish(self) -> ApiResult<()> {
        if let Some(unknown) = self.members.iter().find(|(_, value)| !value.is_null()) {
            return Err(ApiError::validation(format!(
                "Unknown parameter in input: '{}'",
                unknown.0
            )));
        }
        match self.violations.len() {
            0 => Ok(()),
            n => Err(ApiError::validation(format!(
                "{n} validation error{} detected: {}",
                if n == 1 { "" } else { "s" },
                self.violations.join("; ")
            ))),
        }
    }
}

/// Reads a list element or map value that has to be text.
pub(crate) fn text(value: Value) -> ApiResult<String> {
    if let Value::String(text) = value {
        return Ok(text);
    }
    Err(mismatch(&value, "String"))
}

fn mismatch(found: &Value, wanted: &str) -> ApiError {
    let what = match found {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(n) if n.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => {
            return ApiError::wordless("SerializationException")
                .with(format!("Unexpected list when a {wanted} was expected"));
        }
        Value::Object(_) => {
            return ApiError::wordless("SerializationException")
                .with("Start of structure or map found where not expected.".to_owned());
        }
    };
    ApiError::bad_request(
        "SerializationException",
        format!("{what} can not be converted to {}{wanted}", article(wanted)),
    )
}

fn article(wanted: &str) -> &'static str {
    match wanted {
        "String" | "List" | "Map" | "Structure" => "a ",
        _ => "an ",
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl ApiError {
    fn with(mut self, message: String) -> Self {
        self.message = Some(message);
        self
    }
}

/// Renders a point in time as JSON 1.1 does: seconds with a fraction.
pub(crate) fn timestamp(at: time::OffsetDateTime) -> Value {
    let millis = at.unix_timestamp_nanos() / 1_000_000;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our era fit a double")]
    let seconds = millis as f64 / 1000.0;
    Value::from(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_counted_and_worded_as_the_service_does() {
        let mut members = Members::from_slice(br#"{"MaxResults": 3}"#).unwrap();
        let target = members.required("Target").unwrap();
        assert_eq!(target, "");
        let most = members.integer("MaxResults").unwrap().unwrap();
        members.range("MaxResults", most, 5, 50);
        let error = members.finish().unwrap_err();
        assert_eq!(error.code, "ValidationException");
        assert_eq!(
            error.message.unwrap(),
            "2 validation errors detected: Value null at 'target' failed to satisfy constraint: \
             Member must not be null; Value '3' at 'maxResults' failed to satisfy constraint: \
             Member must have value greater than or equal to 5"
        );
    }

    #[test]
    fn wrong_kinds_do_not_serialise() {
        for body in [&b"["[..], b"{", b"[]", b"\"x\"", b"7", b"{} x"] {
            let error = Members::from_slice(body).err().unwrap();
            assert_eq!(error.code, "SerializationException");
        }
        let mut members = Members::from_slice(br#"{"A": 1, "B": "1", "C": {}}"#).unwrap();
        assert_eq!(
            members.string("A").unwrap_err().message.unwrap(),
            "NUMBER_VALUE can not be converted to a String"
        );
        assert_eq!(
            members.integer("B").unwrap_err().message.unwrap(),
            "STRING_VALUE can not be converted to an Integer"
        );
        assert!(members.list("C").is_err());
    }

    #[test]
    fn members_nobody_took_are_refused() {
        let members = Members::from_slice(br#"{"Nul": null}"#).unwrap();
        assert!(members.finish().is_ok());
        let members = Members::from_slice(br#"{"Surprise": 1}"#).unwrap();
        assert!(members.finish().unwrap_err().message.unwrap().contains("'Surprise'"));
    }
}
