//! The people of an agent, for the API and the page alike.

use super::AppState;
use super::invalid::{Invalid, one_line};
use super::owners::sign_in_link;
use crate::store::Result;
use crate::store::access::Role;
use crate::store::members::Member;

/// The longest address and name, in characters.
const EMAIL_MAX: usize = 254;
const NAME_MAX: usize = 100;

/// Somebody who is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invitation {
    /// Their address.
    pub(super) email: String,
    /// What they are called.
    pub(super) name: String,
    /// What they are to be.
    pub(super) role: Role,
}

/// A role, by its word.
///
/// # Errors
/// It is none.
pub(super) fn role(word: &str) -> std::result::Result<Role, Invalid> {
    let accepted = "is no role; accepted are support, maintainer, owner and, by an admin, admin";
    Role::from_word(word).ok_or_else(|| Invalid::new("role", accepted))
}

impl Invitation {
    /// What was sent. Whoever has no name is called as their address begins.
    ///
    /// # Errors
    /// Each value that is not accepted.
    pub(super) fn read(
        email: &str,
        name: &str,
        role: &str,
    ) -> std::result::Result<Self, Vec<Invalid>> {
        let email = email.trim();
        let mut invalid = Vec::new();
        if !is_email(email) {
            let detail = "is no e-mail address; accepted is one such as somebody@example.com";
            invalid.push(Invalid::new("email", detail));
        }
        let name = one_line("name", name, NAME_MAX, true);
        let role = self::role(role);
        match (name, role) {
            (Ok(name), Ok(role)) if invalid.is_empty() => {
                let name = match name.is_empty() {
                    true => {
                        email.split('@').next().unwrap_or(email).chars().take(NAME_MAX).collect()
                    }
                    false => name,
                };
                Ok(Self { email: email.to_owned(), name, role })
            }
            (name, role) => {
                invalid.extend(name.err());
                invalid.extend(role.err());
                Err(invalid)
            }
        }
    }
}

/// Whether a text looks like an address: something, an at sign, something, and nothing odd.
fn is_email(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,;:\"()[]\\".contains(c);
    let mut parts = text.split('@');
    let (user, host, more) = (parts.next(), parts.next(), parts.next());
    more.is_none()
        && user.is_some_and(|user| !user.is_empty())
        && host.is_some_and(|host| !host.is_empty())
        && text.len() <= EMAIL_MAX
        && text.chars().all(is_plain)
}

/// A one-time sign-in link for a member, where an owner may hand it to them: never for somebody whose
/// account may lead to anything else, and nowhere that Supabase signs people in.
pub(super) async fn link_for(state: &AppState, member: &Member) -> Result<Option<String>> {
    if !member.may_have_link || !member.is_active || state.owners.supabase.is_some() {
        return Ok(None);
    }
    let link = sign_in_link(&state.owners.store, &state.public_url, member.person).await?;
    Ok(Some(link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_has_an_address_and_a_role() {
        let read = Invitation::read(" ana@example.com ", "", "support").unwrap();
        assert_eq!((read.email.as_str(), read.name.as_str()), ("ana@example.com", "ana"));
        assert_eq!(read.role, Role::Support);
        let wrong = Invitation::read("ana", &"x".repeat(101), "king").unwrap_err();
        let names: Vec<_> = wrong.iter().map(|invalid| invalid.field).collect();
        assert_eq!(names, ["email", "name", "role"]);
        for odd in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", "<a@b>", "a@b,c"] {
            assert!(!is_email(odd), "{odd}");
        }
    }
}
