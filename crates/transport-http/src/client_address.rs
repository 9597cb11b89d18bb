use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;

const FORWARDED_FOR: &str = "X-Forwarded-For";

/// The address of the client of a request; `None` if it is not known.
///
/// Behind a proxy it is the last one of `X-Forwarded-For`, which the proxy put there; those before it
/// are what the client says. Without one it is the other end of the connection, which a Unix socket
/// does not know.
pub(crate) fn client_address(request: &HttpRequest, behind_proxy: bool) -> Option<IpAddr> {
    if !behind_proxy {
        return request.peer_addr().map(|address| address.ip());
    }
    let last = request.headers().get_all(FORWARDED_FOR).next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse().or_else(|_| last.parse().map(|address: SocketAddr| address.ip())).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address(headers: &[&str], behind_proxy: bool) -> Option<String> {
        let request = TestRequest::default().peer_addr("192.0.2.7:1234".parse().unwrap());
        let request = headers
            .iter()
            .fold(request, |request, value| request.append_header((FORWARDED_FOR, *value)));
        client_address(&request.to_http_request(), behind_proxy).map(|address| address.to_string())
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        assert_eq!(address(&["203.0.113.1"], false).as_deref(), Some("192.0.2.7"));
        for headers in [
            &["198.51.100.1"][..],
            &["203.0.113.1, 198.51.100.1"],
            &["203.0.113.1", "198.51.100.1"],
            &["203.0.113.1,198.51.100.1:4711"],
        ] {
            assert_eq!(address(headers, true).as_deref(), Some("198.51.100.1"), "{headers:?}");
        }
        assert_eq!(address(&["[2001:db8::1]:80"], true).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(&["2001:db8::1"], true).as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn what_a_proxy_does_not_tell_is_not_known() {
        for headers in [&[][..], &[""], &["unknown"], &["198.51.100.1, _hidden"]] {
            assert_eq!(address(headers, true), None, "{headers:?}");
        }
    }
}
