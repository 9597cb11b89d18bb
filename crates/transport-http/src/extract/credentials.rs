//! The header `Authorization`.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use data_encoding::BASE64;
use merchant_otp_domain::{AccessToken, AccessTokenError, Password, PasswordError};
use thiserror::Error;
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

/// The reason why the credentials of a request cannot be read. Contains nothing of the header.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum CredentialsError {
    /// There is no header.
    #[error("the header Authorization is missing")]
    Missing,
    /// There are several headers.
    #[error("the header Authorization must not be repeated")]
    Repeated,
    /// The scheme is missing or not supported.
    #[error("the header Authorization must be of the form `Bearer secret-token:…`")]
    Form,
    /// The scheme `Basic` is not followed by Base64, or there is no colon in the text.
    #[error("the scheme Basic must be followed by `user:password` in Base64")]
    Basic,
    /// The password is invalid.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The access token is malformed.
    #[error(transparent)]
    Token(#[from] AccessTokenError),
    /// A password is presented where an access token is needed.
    #[error("a password is accepted at `…/private/token` only; log in there")]
    PasswordElsewhere,
}

impl<'a> Credentials<'a> {
    /// Reads the credentials of a request.
    ///
    /// The scheme may be in any case, with any number of blanks after it (RFC 9110 section 11.4).
    /// Without a scheme, an access token is accepted: some clients omit `Bearer`.
    pub(crate) fn of(request: &'a HttpRequest) -> Result<Self, CredentialsError> {
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let header = headers.next().ok_or(CredentialsError::Missing)?;
        if headers.next().is_some() {
            return Err(CredentialsError::Repeated);
        }
        // A password may have characters beyond ASCII.
        let text = str::from_utf8(header.as_bytes()).map_err(|_| CredentialsError::Form)?;
        let text = text.trim_matches(' ');
        if !matches!(AccessToken::parse(text), Err(AccessTokenError::Prefix)) {
            return Ok(Self::Token(text));
        }
        let (scheme, credentials) = text.split_once(' ').ok_or(CredentialsError::Form)?;
        let credentials = credentials.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") {
            Ok(Self::Token(credentials))
        } else if scheme.eq_ignore_ascii_case("Basic") {
            Self::password(credentials)
        } else {
            Err(CredentialsError::Form)
        }
    }

    /// Decodes a name and a password from Base64, separated by the first colon: UTF-8, or Latin-1,
    /// which the function `btoa` of browsers encodes.
    fn password(base64: &str) -> Result<Self, CredentialsError> {
        let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| CredentialsError::Basic)?;
        let bytes = Zeroizing::new(bytes);
        let text = match str::from_utf8(&bytes) {
            Ok(text) => Zeroizing::new(text.to_owned()),
            Err(_) => Zeroizing::new(bytes.iter().copied().map(char::from).collect()),
        };
        let (user, password) = text.split_once(':').ok_or(CredentialsError::Basic)?;
        let password = Password::parse(password)?;
        Ok(Self::Password { user: Zeroizing::new(user.to_owned()), password })
    }
}

/// Returns the text of the access token that a request presents.
pub(crate) fn bearer_token(request: &HttpRequest) -> Option<&str> {
    match Credentials::of(request) {
        Ok(Credentials::Token(token)) => Some(token),
        Ok(Credentials::Password { .. }) | Err(_) => None,
    }
}

/// Returns what is wrong with the form of the credentials where an access token is needed.
pub(crate) fn fault(request: &HttpRequest) -> Option<CredentialsError> {
    match Credentials::of(request) {
        Ok(Credentials::Token(token)) => match AccessToken::parse(token).err()? {
            AccessTokenError::Prefix => Some(CredentialsError::Form),
            error => Some(error.into()),
        },
        Ok(Credentials::Password { .. }) => Some(CredentialsError::PasswordElsewhere),
        Err(error) => Some(error),
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
        for header in ["", "Bearer", "Bearersecret-token:abc", "Basic secret-token:abc"] {
            assert_eq!(bearer_token(&request(&[header])), None, "{header}");
        }
        assert_eq!(bearer_token(&request(&[])), None);
        let twice = request(&["Bearer secret-token:abc", "Bearer secret-token:abc"]);
        assert_eq!(bearer_token(&twice), None);
    }

    #[test]
    fn the_scheme_of_an_access_token_may_be_missing() {
        for header in ["secret-token:abc", "SECRET-TOKEN:abc", " secret-token:abc "] {
            assert_eq!(bearer_token(&request(&[header])), Some(header.trim()), "{header}");
        }
    }

    #[test]
    fn the_fault_of_a_header_is_named() {
        let basic = format!("Basic {}", BASE64.encode(b"shop:x"));
        for (header, expected) in [
            ("Bearer secret-token:abc", None),
            ("secret-token:abc", None),
            ("", Some(CredentialsError::Form)),
            ("Bearer abc", Some(CredentialsError::Form)),
            ("Token secret-token:abc", Some(CredentialsError::Form)),
            ("Bearer: secret-token:abc", Some(CredentialsError::Form)),
            ("Bearer \"secret-token:abc\"", Some(CredentialsError::Form)),
            ("Bearer Bearer secret-token:abc", Some(CredentialsError::Form)),
            (
                "Bearer secret-token:secret-token:abc",
                Some(CredentialsError::Token(AccessTokenError::RepeatedPrefix)),
            ),
            ("Bearer secret-token:a b", Some(CredentialsError::Token(AccessTokenError::Secret))),
            (&basic, Some(CredentialsError::PasswordElsewhere)),
            ("Basic ?", Some(CredentialsError::Basic)),
        ] {
            assert_eq!(fault(&request(&[header])), expected, "{header}");
        }
        assert_eq!(fault(&request(&[])), Some(CredentialsError::Missing));
        let twice = request(&["Bearer secret-token:abc", "Bearer secret-token:abc"]);
        assert_eq!(fault(&twice), Some(CredentialsError::Repeated));
    }

    /// Returns the user, if the password is `right`.
    fn user(header: &str, right: &str) -> Option<String> {
        match Credentials::of(&request(&[header])).ok()? {
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
        // `é` in Latin-1, as `btoa` writes it.
        let latin1 = format!("Basic {}", BASE64.encode(b"shop:\xe9"));
        assert_eq!(user(&latin1, "é").as_deref(), Some("shop"));
        for header in [
            "Basic",
            "Basic ",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ= =",
            "Basic ????",
            &basic("shop"),
            &basic("shop:"),
            &basic(&format!("shop:{}", "p".repeat(1025))),
        ] {
            assert!(Credentials::of(&request(&[header])).is_err(), "{header}");
        }
    }
}
