use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use data_encoding::BASE64;
use merchant_otp_domain::{AccessToken, Password};
use zeroize::Zeroizing;

/// What a client presents in the header `Authorization`.
pub(crate) enum Credentials {
    /// `Bearer secret-token:…` (RFC 6750, RFC 8959).
    Token(AccessToken),
    /// `Basic` with a name and a password in Base64 (RFC 7617).
    Password {
        /// The name.
        user: Zeroizing<String>,
        /// The password.
        password: Password,
    },
}

impl Credentials {
    /// The credentials of a request.
    ///
    /// The scheme may be in any case, with any number of blanks after it (RFC 9110 section 11.4).
    /// `None` if there is no such header, more than one, or one that cannot be read.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let (Some(header), None) = (headers.next(), headers.next()) else {
            return None;
        };
        let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
        let credentials = credentials.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") {
            AccessToken::parse(credentials).map(Self::Token).ok()
        } else if scheme.eq_ignore_ascii_case("Basic") {
            Self::password(credentials)
        } else {
            None
        }
    }

    /// The name and the password in Base64: UTF-8, with the first colon between them.
    fn password(base64: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64.decode(base64.as_bytes()).ok()?);
        let (user, password) = str::from_utf8(&bytes).ok()?.split_once(':')?;
        let password = Password::parse(password).ok()?;
        Some(Self::Password { user: Zeroizing::new(user.to_owned()), password })
    }
}

/// The access token that a request presents; `None` if there is none that can be read.
pub(crate) fn access_token(request: &HttpRequest) -> Option<AccessToken> {
    match Credentials::of(request) {
        Some(Credentials::Token(token)) => Some(token),
        Some(Credentials::Password { .. }) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[&str]) -> HttpRequest {
        let request = headers.iter().fold(TestRequest::default(), |request, value| {
            request.append_header((AUTHORIZATION, *value))
        });
        request.to_http_request()
    }

    fn is_read(headers: &[&str]) -> bool {
        let expected = AccessToken::parse("secret-token:abc").unwrap().digest();
        access_token(&request(headers)).is_some_and(|token| token.digest() == expected)
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

    /// The user whose password is right, if it is.
    fn user(header: &str, right: &str) -> Option<String> {
        match Credentials::of(&request(&[header]))? {
            Credentials::Password { user, password } => {
                let hash = Password::parse(right).unwrap().hash([7; 16]);
                hash.is_of(&password).then(|| user.to_string())
            }
            Credentials::Token(_) => None,
        }
    }

    #[test]
    fn a_name_and_a_password_are_read() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        // The examples of RFC 7617 sections 2 and 2.1.
        let header = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(user(header, "open sesame").as_deref(), Some("Aladdin"));
        assert_eq!(user("basic  dGVzdDoxMjPCow== ", "123£").as_deref(), Some("test"));
        assert_eq!(user(&basic("shop:a:b "), "a:b ").as_deref(), Some("shop"));
        assert_eq!(user(&basic(":secret"), "secret").as_deref(), Some(""));
        for header in [
            "Basic",
            "Basic ",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ= =",
            "Basic ????",
            "Basic /////w==",
            &basic("shop"),
            &basic("shop:"),
            &basic(&format!("shop:{}", "p".repeat(1025))),
        ] {
            assert!(Credentials::of(&request(&[header])).is_none(), "{header}");
        }
    }
}
