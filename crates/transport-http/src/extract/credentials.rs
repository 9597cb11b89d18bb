//! The header `Authorization`.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use data_encoding::BASE64;
use merchant_otp_domain::Password;
use zeroize::Zeroizing;

/// The credentials in the header `Authorization`.
pub(crate) enum Credentials<'a> {
    /// `Bearer` with a text (RFC 6750), which need not be a valid access token.
    Token(&'a str),
    /// `Basic` with a name and a password in Base64 (RFC 7617).
    Password {
        /// The name.
        user: Zeroizing<String>,
        /// The password.
        password: Password,
    },
}

impl<'a> Credentials<'a> {
    /// Reads the credentials of a request.
    ///
    /// The scheme may be in any case, with any number of blanks after it (RFC 9110 section 11.4).
    /// `None` if the header is absent, repeated or malformed.
    pub(crate) fn of(request: &'a HttpRequest) -> Option<Self> {
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let (Some(header), None) = (headers.next(), headers.next()) else {
            return None;
        };
        let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
        let credentials = credentials.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") {
            Some(Self::Token(credentials))
        } else if scheme.eq_ignore_ascii_case("Basic") {
            Self::password(credentials)
        } else {
            None
        }
    }

    /// Decodes a name and a password from Base64: UTF-8, separated by the first colon.
    fn password(base64: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64.decode(base64.as_bytes()).ok()?);
        let (user, password) = str::from_utf8(&bytes).ok()?.split_once(':')?;
        let password = Password::parse(password).ok()?;
        Some(Self::Password { user: Zeroizing::new(user.to_owned()), password })
    }
}

/// Returns the text of the access token that a request presents.
pub(crate) fn bearer_token(request: &HttpRequest) -> Option<&str> {
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

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for header in [
            "Bearer secret-token:abc",
            "bearer secret-token:abc",
            "BEARER   secret-token:abc",
            "Bearer secret-token:abc ",
        ] {
            assert_eq!(bearer_token(&request(&[header])), Some("secret-token:abc"), "{header}");
        }
        // The application decides what is a token.
        assert_eq!(bearer_token(&request(&["Bearer abc x"])), Some("abc x"));
    }

    #[test]
    fn other_credentials_are_not_read() {
        for header in
            ["", "Bearer", "Bearersecret-token:abc", "secret-token:abc", "Basic secret-token:abc"]
        {
            assert_eq!(bearer_token(&request(&[header])), None, "{header}");
        }
        assert_eq!(bearer_token(&request(&[])), None);
        let twice = request(&["Bearer secret-token:abc", "Bearer secret-token:abc"]);
        assert_eq!(bearer_token(&twice), None);
    }

    /// Returns the user, if the password is `right`.
    fn user(header: &str, right: &str) -> Option<String> {
        match Credentials::of(&request(&[header]))? {
            Credentials::Password { user, password } => {
                let hash = Password::parse(right).unwrap().hash([7; 16]);
                hash.verifies(&password).then(|| user.to_string())
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
