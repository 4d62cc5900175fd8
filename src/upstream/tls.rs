//! TLS configuration for an `https` upstream: which server certificates are accepted. keytower trusts the public authorities, or the
//! certificates in a file.
//!
//! An appliance often has a self-signed certificate for a name that differs from the name in the URL. A server certificate that is in the
//! file is therefore accepted for any name and at any date. Any other server certificate must be issued by an authority in the file.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as aws};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::read_certificates;
use crate::error::{Error, Result};

/// Returns the TLS configuration of the client; `ca_file` is the file with the certificates to trust.
///
/// # Errors
/// `Invalid` if the file can't be read or contains no usable certificate.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(aws::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions().map_err(Error::internal)?;
    let Some(file) = ca_file else { return Ok(config.with_webpki_roots().with_no_client_auth()) };
    let verifier = Trusted::read(file, provider)?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Verifier of server certificates, which trusts the certificates in a file.
#[derive(Debug)]
struct Trusted {
    themselves: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
}

impl Trusted {
    fn read(file: &Path, provider: Arc<CryptoProvider>) -> Result<Self> {
        let shown = file.display();
        let themselves = read_certificates("upstream_ca_file", file)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(themselves.iter().cloned());
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let none = |error| Error::invalid(format!("upstream_ca_file {shown} holds no certificate to trust: {error}"));
        Ok(Self { themselves, authorities: authorities.map_err(none)? })
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.themselves.iter().any(|certificate| certificate == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
