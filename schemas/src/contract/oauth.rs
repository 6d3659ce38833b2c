//! OAuth requests of the desktop client (contracts 7.5). Tokens are tier T3: secret store only.

use super::Report;
use super::check::Check;
use super::declare::{contract, text_enum};
use super::vocabulary::{COUNT1, TEXT1};

text_enum! {
    /// How a token is asked for.
    pub enum GrantType {
        AuthorizationCode = "authorization_code",
        RefreshToken = "refresh_token",
    }
}

contract! {
    /// Authorization request with proof key.
    #[derive(Eq)]
    pub struct OAuthAuthorization: trim, rules = authorization_rules {
        /// Always `code`.
        response_type: String => required(Check::Enum(&["code"])),
        /// Client.
        client_id: String => required(TEXT1),
        /// `http://127.0.0.1:<port>/oauth/callback` or the same on `localhost`.
        redirect_uri: String => required(TEXT1),
        /// Challenge, 43 to 128 characters.
        code_challenge: String => required(Check::Text(43, 128)),
        /// Always `S256`.
        code_challenge_method: String => required(Check::Enum(&["S256"])),
        /// Opaque state.
        state: Option<String> => optional(TEXT1),
        /// Asked scope.
        scope: Option<String> => optional(TEXT1),
    }
}

contract! {
    /// Token request.
    #[derive(Eq)]
    pub struct OAuthToken: trim, rules = token_rules {
        /// Kind of grant.
        grant_type: GrantType => required(Check::Enum(GrantType::NAMES)),
        /// Client.
        client_id: String => required(TEXT1),
        /// Authorization code.
        code: Option<String> => optional(TEXT1),
        /// Proof key.
        code_verifier: Option<String> => optional(TEXT1),
        /// The redirect of the authorization.
        redirect_uri: Option<String> => optional(TEXT1),
        /// Refresh token.
        refresh_token: Option<String> => optional(TEXT1),
    }
}

contract! {
    /// Token answer.
    #[derive(Eq)]
    pub struct OAuthTokenResponse: trim {
        /// Bearer token.
        access_token: String => required(TEXT1),
        /// Always `Bearer`.
        token_type: String => required(Check::Enum(&["Bearer"])),
        /// Lifetime, seconds.
        expires_in: u64 => required(COUNT1),
        /// Token for the next request.
        refresh_token: Option<String> => optional(TEXT1),
        /// Granted scope.
        scope: Option<String> => optional(TEXT1),
    }
}

fn authorization_rules(request: &OAuthAuthorization, report: &mut Report) {
    report.demand(
        is_loopback_redirect(&request.redirect_uri),
        "redirect_uri",
        "must be the loopback callback with a port",
    );
}

fn token_rules(request: &OAuthToken, report: &mut Report) {
    match request.grant_type {
        GrantType::AuthorizationCode => {
            report.demand(
                request.code.is_some(),
                "code",
                "needed for authorization_code",
            );
            report.demand(
                request.code_verifier.is_some(),
                "code_verifier",
                "needed for authorization_code",
            );
            report.demand(
                request.redirect_uri.is_some(),
                "redirect_uri",
                "needed for authorization_code",
            );
        }
        GrantType::RefreshToken => {
            report.demand(
                request.refresh_token.is_some(),
                "refresh_token",
                "needed for refresh_token",
            );
        }
    }
}

/// Exact form only: user info, queries and fragments could send the code elsewhere.
fn is_loopback_redirect(uri: &str) -> bool {
    let port = uri
        .strip_prefix("http://127.0.0.1:")
        .or_else(|| uri.strip_prefix("http://localhost:"))
        .and_then(|rest| rest.strip_suffix("/oauth/callback"));
    port.is_some_and(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|number| number > 0)
    })
}
