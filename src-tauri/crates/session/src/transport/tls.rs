//! What TLS trusts: the platform's roots, and the bundles the environment names.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use super::dial::DialError;

/// Makes the one connector all transports of an engine share, and with it their TLS tickets, so
/// that a resumed session redials in one round trip less.
///
/// # Errors
/// [`DialError::Roots`] when a bundle cannot be read or nothing at all is trusted.
pub(super) fn connector(bundles: &[PathBuf]) -> Result<TlsConnector, DialError> {
    let provider = Arc::new(ring::default_provider());
    let mut extra = Vec::new();
    for bundle in bundles {
        extra.extend(read_bundle(bundle)?);
    }
    let unusable = |error: rustls::Error| DialError::Roots { reason: error.to_string() };
    let verifier =
        Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(unusable)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Names the bundles the environment adds to the platform's roots: `AWS_CA_BUNDLE` as the AWS
/// programs use it, and `SSL_CERT_FILE` where the platform does not read it itself.
pub(super) fn bundles_from_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named = |name| variable(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let own = named("AWS_CA_BUNDLE");
    let shared = if cfg!(target_os = "linux") { None } else { named("SSL_CERT_FILE") };
    own.into_iter().chain(shared).collect()
}

fn read_bundle(bundle: &PathBuf) -> Result<Vec<CertificateDer<'static>>, DialError> {
    let unreadable = |reason: String| DialError::Roots {
        reason: format!("{} cannot be used: {reason}", bundle.display()),
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(bundle)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_bundle_is_named() {
        let error = connector(&[PathBuf::from("/nowhere/bundle.pem")])
            .err()
            .expect("a bundle that is not there");
        assert!(error.to_string().contains("/nowhere/bundle.pem"), "{error}");
    }

    #[test]
    fn the_bundle_of_the_aws_programs_is_added() {
        let bundles = bundles_from_environment(|name| {
            (name == "AWS_CA_BUNDLE").then(|| "/etc/corp.pem".to_owned())
        });
        assert_eq!(bundles, [PathBuf::from("/etc/corp.pem")]);
    }
}
