//! Who may ask: browsers on this machine that opened one of these pages, and programs on it. Nobody else's page.

use super::error;
use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     media-src 'self' blob:;      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A picture of the room may not be put into another site's page, even where it could not be read there.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Refuses names that are not loopback's (DNS rebinding) and requests from other sites' pages.
pub(super) async fn guard(request: Request<Body>, next: Next) -> Response {
    if let Some(refusal) = refusal(request.headers()) {
        return refusal;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let host = text(HOST).unwrap_or_default();
    if !is_loopback(host) {
        let message = "these pages are only served as localhost or 127.0.0.1";
        return Some(error(StatusCode::MISDIRECTED_REQUEST, "host", message));
    }
    let origin_is_other = text(ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") != Some(host));
    // Browsers send no Origin for an <img> or <script>, but they do say where it is embedded. Following a link is fine.
    let is_embedded = text(FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"))
        && text(FETCH_MODE) != Some("navigate");
    (origin_is_other || is_embedded)
        .then(|| error(StatusCode::FORBIDDEN, "origin", "another site's page may not use this appliance"))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name == "[::1]" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, refusal};
    use axum::http::{HeaderMap, HeaderValue};

    #[test]
    fn only_loopback_is_a_name_of_this_machine() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "127.0.0.2", "[::1]:8080", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:8080", "192.168.1.2", "127.0.0.1.evil.example", "[::2]"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    fn refused(headers: &[(&'static str, &'static str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        refusal(&map).map(|response| response.status().as_u16())
    }

    #[test]
    fn other_sites_pages_are_refused_and_links_and_programs_are_not() {
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(refused(&[host]), None);
        assert_eq!(refused(&[host, ("origin", "http://127.0.0.1:8080")]), None);
        assert_eq!(refused(&[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")]), None);
        assert_eq!(refused(&[host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), None);
        for other in ["http://evil.example", "http://127.0.0.1:3000", "https://127.0.0.1:8080", "null"] {
            assert_eq!(refused(&[host, ("origin", other)]), Some(403), "{other}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(refused(&[host, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]), Some(403), "{site}");
        }
        assert_eq!(refused(&[("host", "evil.example")]), Some(421));
    }
}
