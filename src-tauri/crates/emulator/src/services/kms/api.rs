//! GenerateDataKey and Decrypt as callers see them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{DATA_KEY_LIMIT, EncryptionContext, KmsError};
use crate::services::json::{Members, text};
use crate::services::{ApiError, ApiResult, Call};

pub(crate) const OPERATIONS: &[&str] = &["GenerateDataKey", "Decrypt"];

/// Answers one call of the key service.
pub(crate) fn answer(call: &Call<'_>) -> ApiResult<Value> {
    match call.operation {
        "GenerateDataKey" => generate_data_key(call),
        "Decrypt" => decrypt(call),
        _ => Err(ApiError::wordless("UnknownOperationException")),
    }
}

fn generate_data_key(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let key = members.required("KeyId")?;
    let context = context(&mut members)?;
    let length = members.integer("NumberOfBytes")?;
    let spec = members.string("KeySpec")?;
    members.strings("GrantTokens")?;
    let dry_run = members.boolean("DryRun")?;
    if let Some(length) = length {
        members.range("NumberOfBytes", length, 1, DATA_KEY_LIMIT as i64);
    }
    if let Some(spec) = &spec {
        members.one_of("KeySpec", spec, &["AES_256", "AES_128"]);
    }
    members.finish()?;
    let length = match (length, spec.as_deref()) {
        (Some(length), None) => usize::try_from(length).unwrap_or(DATA_KEY_LIMIT),
        (None, Some("AES_128")) => 16,
        (None, Some(_)) => 32,
        (None, None) | (Some(_), Some(_)) => {
            return Err(ApiError::validation("Please specify either number of bytes or key spec."));
        }
    };
    let kms = &call.world.kms;
    let place = (call.account(), call.region());
    let found = kms.find(&key, Some(place)).map_err(refusal)?;
    call.authorize(&found.arn(), None)?;
    let found = kms.usable(Ok(found)).map_err(refusal)?;
    refuse_dry_run(dry_run)?;
    let made = kms.generate(found, &context, length);
    Ok(json!({
        "CiphertextBlob": STANDARD.encode(&made.blob),
        "Plaintext": STANDARD.encode(&made.plaintext),
        "KeyId": made.key_arn,
    }))
}

fn decrypt(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let blob = members.required("CiphertextBlob")?;
    let context = context(&mut members)?;
    let key = members.string("KeyId")?;
    let algorithm = members.string("EncryptionAlgorithm")?;
    members.strings("GrantTokens")?;
    let dry_run = members.boolean("DryRun")?;
    if let Some(algorithm) = &algorithm {
        members.one_of("EncryptionAlgorithm", algorithm, &["SYMMETRIC_DEFAULT"]);
    }
    members.finish()?;
    let blob = STANDARD
        .decode(&blob)
        .map_err(|_| ApiError::bad_request("SerializationException", "Invalid base64 data"))?;
    let kms = &call.world.kms;
    let opened = kms.decrypt(&blob, &context).map_err(refusal)?;
    call.authorize(&opened.key_arn, None)?;
    if let Some(key) = key {
        let named = kms.find(&key, Some((call.account(), call.region()))).map_err(refusal)?;
        if named.arn() != opened.key_arn {
            return Err(refusal(KmsError::IncorrectKey));
        }
    }
    refuse_dry_run(dry_run)?;
    Ok(json!({
        "KeyId": opened.key_arn,
        "Plaintext": STANDARD.encode(&opened.plaintext),
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

fn context(members: &mut Members) -> ApiResult<EncryptionContext> {
    let map = members.map("EncryptionContext")?.unwrap_or_default();
    map.into_iter().map(|(name, value)| Ok((name, text(value)?))).collect()
}

fn refuse_dry_run(dry_run: Option<bool>) -> ApiResult<()> {
    if dry_run == Some(true) {
        return Err(ApiError {
            status: http::StatusCode::PRECONDITION_FAILED,
            ..ApiError::bad_request(
                "DryRunOperationException",
                "The request would have succeeded, but the DryRun option is set.",
            )
        });
    }
    Ok(())
}

fn refusal(error: KmsError) -> ApiError {
    match error {
        // The service says nothing about a ciphertext it cannot read.
        KmsError::InvalidCiphertext => ApiError::wordless(error.code()),
        KmsError::NotFound { .. } | KmsError::Disabled { .. } | KmsError::IncorrectKey => {
            ApiError::bad_request(error.code(), error.to_string())
        }
    }
}
