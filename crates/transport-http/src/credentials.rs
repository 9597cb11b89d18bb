use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use merchant_otp_domain::AccessToken;

/// The access token of `Authorization: Bearer secret-token:…` (RFC 6750, RFC 8959).
///
/// The scheme may be in any case, with any number of blanks after it (RFC 9110 section 11.4). `None`
/// if there is no such header, more than one, or one that cannot be read.
pub(crate) fn access_token(request: &HttpRequest) -> Option<AccessToken> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return None;
    };
    let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    AccessToken::parse(credentials.trim_matches(' ')).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_read(headers: &[&str]) -> bool {
        let request = headers.iter().fold(TestRequest::default(), |request, value| {
            request.append_header((AUTHORIZATION, *value))
        });
        let expected = AccessToken::parse("secret-token:abc").unwrap().digest();
        access_token(&request.to_http_request()).is_some_and(|token| token.digest() == expected)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for header in [
            "Bearer secret-token:abc",
            "bearer secret-token:abc",
            "BEARER   SECRET-TOKEN:abc",
            "Bearer secret-token:abc ",
        ] {
            assert!(is_read(&[header]), "{header}");
        }
    }

    #[test]
    fn other_credentials_are_not_read() {
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer abc",
            "Bearersecret-token:abc",
            "secret-token:abc",
            "Basic secret-token:abc",
            "Bearer secret-token:abc x",
            "Bearer secret-token:ABC",
        ] {
            assert!(!is_read(&[header]), "{header}");
        }
        assert!(!is_read(&[]));
        assert!(!is_read(&["Bearer secret-token:abc", "Bearer secret-token:abc"]));
    }
}
