//! The people of an agent, for the API and the page alike.

use super::AppState;
use super::invalid::{Invalid, one_line};
use super::owners::newcomers_link;
use super::paces::{INVITATIONS, count};
use crate::store::access::{AgentAccess, Own, Role};
use crate::store::members::Member;
use crate::store::people::Viewer;
use crate::store::{Result, StoreError};

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
            let detail = "is no e-mail address; accepted is one such as somebody@example.com, with letters \
                          from a to z, digits and signs";
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

/// Whether a text looks like an address: something, an at sign, something, and nothing odd. Other letters
/// than those from a to z are not accepted: some look the same, some are not seen, and a list of people
/// would have two whom nobody can tell apart.
fn is_email(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>,;:\"()[]\\".contains(c);
    let mut parts = text.split('@');
    let (user, host, more) = (parts.next(), parts.next(), parts.next());
    more.is_none()
        && user.is_some_and(|user| !user.is_empty())
        && host.is_some_and(|host| !host.is_empty())
        && text.len() <= EMAIL_MAX
        && text.chars().all(is_plain)
}

/// Whether an owner may hand a member a one-time sign-in link: never to somebody whose account may lead to
/// anything else, and nowhere that Supabase signs people in.
pub(super) fn may_have_link(state: &AppState, member: &Member) -> bool {
    member.may_have_link && member.is_active && state.owners.supabase.is_none()
}

/// A one-time sign-in link for a member, where [an owner may hand it to them](may_have_link).
pub(super) async fn link_for(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    member: &Member,
) -> Result<Option<String>> {
    if !may_have_link(state, member) {
        return Ok(None);
    }
    state.owners.store.gives_link_to(access, viewer, member).await?;
    newcomers_link(&state.owners.store, &state.public_url, member.person).await
}

/// Counts an invitation, for whoever began the chain of those that led to this one.
///
/// # Errors
/// There were too many: again in so many seconds. Or the database's.
pub(super) async fn count_invitation<E: From<StoreError>>(
    state: &AppState,
    viewer: &Viewer,
    too_many: impl FnOnce(u64) -> E,
) -> std::result::Result<(), E> {
    let owners = &state.owners;
    let first = owners.store.first_inviter(viewer.id()).await?;
    count(&owners.store, &INVITATIONS, first, too_many).await
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
        for odd in ["a@example.com\u{200b}", "\u{ff41}lice@example.com", "\u{430}lice@example.com"]
        {
            assert!(!is_email(odd), "{odd:?}");
        }
        for odd in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", "<a@b>", "a@b,c"] {
            assert!(!is_email(odd), "{odd}");
        }
    }
}
