//! The address of a client.

use std::net::IpAddr;

use actix_web::HttpRequest;
use merchant_otp_transport_kit::forwarded_address;

const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED: &str = "Forwarded";

/// Returns the address of the client of a request; `None` if it is not known.
///
/// Behind a proxy, the proxy reports it ([`forwarded_address`]). Otherwise it is the peer address
/// of the connection, which a Unix socket does not have.
pub(crate) fn client_address(request: &HttpRequest, behind_proxy: bool) -> Option<IpAddr> {
    if !behind_proxy {
        return request.peer_addr().map(|address| address.ip());
    }
    let last = |name| request.headers().get_all(name).next_back();
    let last = |name| last(name).map(|value| value.to_str().unwrap_or_default());
    forwarded_address(last(FORWARDED_FOR), last(FORWARDED))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address(headers: &[(&str, &str)], behind_proxy: bool) -> Option<String> {
        let request = TestRequest::default().peer_addr("192.0.2.7:1234".parse().unwrap());
        let request =
            headers.iter().fold(request, |request, header| request.append_header(*header));
        client_address(&request.to_http_request(), behind_proxy).map(|address| address.to_string())
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        let headers = [(FORWARDED_FOR, "203.0.113.1"), (FORWARDED, "for=203.0.113.1")];
        assert_eq!(address(&headers, false).as_deref(), Some("192.0.2.7"));
        // If a header is repeated, the last one comes from the proxy.
        let two = [(FORWARDED_FOR, "203.0.113.1"), (FORWARDED_FOR, "198.51.100.1")];
        assert_eq!(address(&two, true).as_deref(), Some("198.51.100.1"));
        let two = [(FORWARDED, "for=203.0.113.1"), (FORWARDED, "for=198.51.100.1")];
        assert_eq!(address(&two, true).as_deref(), Some("198.51.100.1"));
    }

    #[test]
    fn a_client_that_the_proxy_does_not_name_is_unknown() {
        assert_eq!(address(&[], true), None);
        assert_eq!(address(&[(FORWARDED_FOR, "unknown")], true), None);
    }
}
