//! Headers that keytower forwards to the upstream and back. Only listed headers are forwarded, since a list of forbidden headers would
//! never be complete. The lists contain no credential, no cookie, no `Host`, no request id, and no header that belongs to one connection
//! (RFC 9110, section 7.6.1).

use hyper::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{HeaderMap, Response};

/// Default `Content-Type` of a request body.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Name of the header that selects the federated CloudTower for a request (contract section 1.6).
const SITE: HeaderName = HeaderName::from_static("external-cloudtower-id");

static FORTH: [HeaderName; 4] = [ACCEPT, CONTENT_LANGUAGE, CONTENT_TYPE, SITE];

static BACK: [HeaderName; 5] = [CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER];

/// Returns the headers of a caller's request that are forwarded to the upstream.
pub(super) fn forth(given: &HeaderMap) -> HeaderMap {
    through(given, &FORTH)
}

/// Removes the headers of an upstream's answer that are not forwarded to the caller.
pub(super) fn back<B>(mut answer: Response<B>) -> Response<B> {
    *answer.headers_mut() = through(answer.headers(), &BACK);
    answer
}

fn through(given: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names.iter().flat_map(|name| given.get_all(name).iter().map(|value| (name.clone(), value.clone()))).collect()
}
