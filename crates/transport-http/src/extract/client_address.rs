//! The address of a client.

use std::net::IpAddr;

use actix_web::HttpRequest;
use merchant_otp_transport_kit::ProxyHeader;

/// Returns the address of the client of a request; `None` if it is not known.
///
/// Behind a proxy, the proxy reports it in `header`. If the header is missing or malformed, or if
/// there is no proxy, it is the peer address of the connection, which a Unix socket does not have.
pub(crate) fn client_address(request: &HttpRequest, header: Option<ProxyHeader>) -> Option<IpAddr> {
    let reported = header.and_then(|header| {
        let value = request.headers().get_all(header.name()).next_back()?;
        header.address(value.to_str().ok()?)
    });
    reported.or_else(|| request.peer_addr().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const FORWARDED_FOR: &str = "X-Forwarded-For";
    const FORWARDED: &str = "Forwarded";
    const REAL_IP: &str = "X-Real-IP";

    fn address(headers: &[(&str, &str)], header: Option<ProxyHeader>) -> Option<String> {
        let request = TestRequest::default().peer_addr("192.0.2.7:1234".parse().unwrap());
        let request =
            headers.iter().fold(request, |request, header| request.append_header(*header));
        client_address(&request.to_http_request(), header).map(|address| address.to_string())
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        let all = [
            (FORWARDED_FOR, "203.0.113.1"),
            (FORWARDED, "for=203.0.113.2"),
            (REAL_IP, "203.0.113.3"),
        ];
        assert_eq!(address(&all, None).as_deref(), Some("192.0.2.7"));
        // One header counts; the others may come from the client.
        for (header, expected) in [
            (ProxyHeader::XForwardedFor, "203.0.113.1"),
            (ProxyHeader::Forwarded, "203.0.113.2"),
            (ProxyHeader::XRealIp, "203.0.113.3"),
        ] {
            assert_eq!(address(&all, Some(header)).as_deref(), Some(expected));
        }
        // If a header is repeated, the last one comes from the proxy.
        let two = [(FORWARDED_FOR, "203.0.113.1"), (FORWARDED_FOR, "198.51.100.1")];
        let client = address(&two, Some(ProxyHeader::XForwardedFor));
        assert_eq!(client.as_deref(), Some("198.51.100.1"));
        let two = [(FORWARDED, "for=203.0.113.1"), (FORWARDED, "for=198.51.100.1")];
        let client = address(&two, Some(ProxyHeader::Forwarded));
        assert_eq!(client.as_deref(), Some("198.51.100.1"));
    }

    #[test]
    fn a_client_that_the_proxy_does_not_report_counts_as_the_proxy() {
        for header in ProxyHeader::ALL {
            for value in ["unknown", "for=unknown", "", "\u{e9}"] {
                let client = address(&[(header.name(), value)], Some(header));
                assert_eq!(client.as_deref(), Some("192.0.2.7"), "{value}");
            }
            assert_eq!(address(&[], Some(header)).as_deref(), Some("192.0.2.7"));
        }
    }
}
