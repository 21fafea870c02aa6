//! Whom TLS trusts: the platform's roots, and the bundle the user names.

use std::path::{Path, PathBuf};

use aws_smithy_http_client::tls::TrustStore;
use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Why the file named by `AWS_CA_BUNDLE` or `ca_bundle` gives no certificates.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaBundleError {
    /// It cannot be read.
    #[error("the CA bundle {} cannot be read: {error}", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    /// Nothing in it is a certificate.
    #[error("the CA bundle {} holds no certificate", file.display())]
    Empty { file: PathBuf },
}

/// Gathers what to trust. The SDK panics over a certificate it cannot use, so each one is tried
/// here first and the useless ones are left out.
pub(super) fn trust_store(ca_bundle: Option<&Path>) -> Result<TrustStore, CaBundleError> {
    let trust = TrustStore::default();
    let Some(file) = ca_bundle else { return Ok(trust) };
    let bytes = std::fs::read(file)
        .map_err(|error| CaBundleError::Unreadable { file: file.to_owned(), error })?;
    let mut pem = String::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes).flatten() {
        let mut probe = rustls::RootCertStore::empty();
        if probe.add(certificate.clone()).is_ok() {
            let body = base64::engine::general_purpose::STANDARD.encode(&certificate);
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            pem.push_str(&body);
            pem.push_str("\n-----END CERTIFICATE-----\n");
        }
    }
    if pem.is_empty() {
        return Err(CaBundleError::Empty { file: file.to_owned() });
    }
    Ok(trust.with_pem_certificate(pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_missing_or_empty_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let error = trust_store(Some(&file)).expect_err("not there").to_string();
        assert!(error.contains("ca.pem cannot be read"), "{error}");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .expect("written");
        let error = trust_store(Some(&file)).expect_err("no certificate").to_string();
        assert!(error.contains("holds no certificate"), "{error}");
    }
}
