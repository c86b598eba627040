//! The numbers at Twilio: the accounts, and whether each agent's calls come here.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use url::Url;

use super::agents::named;
use super::finding::Finding;
use crate::agent::{Agent, AgentSource};
use crate::clock::within;
use crate::config::{Config, PublicUrl};
use crate::twilio::rest::{AccountState, OwnedNumber, RestError, TwilioRest};

/// Numbers that are asked about at once. Twilio answers too many with 429.
const AT_ONCE: usize = 4;
/// How long one of them may take; the client tries again within that.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);
/// How long all of them may take.
const ALL_LIMIT: Duration = Duration::from_secs(90);

const ACCOUNT: &str = "Twilio account";

/// `public_url` is none where it cannot be read.
pub(super) async fn check(
    config: &Config,
    public_url: Option<&PublicUrl>,
    agents: &[Agent],
) -> Vec<Finding> {
    let Ok(twilio) = TwilioRest::new(config.twilio_api_url.clone(), config.twilio.clone()) else {
        let found = "no HTTP client can be made";
        return vec![Finding::fail(ACCOUNT, found, "see the system's certificates")];
    };
    let mut findings = global_account(config, &twilio, agents).await;
    let voice_url = public_url.map(|url| url.join("/twilio/voice"));
    let asked = agents.iter().filter_map(|agent| Some((agent, agent.number.as_deref()?)));
    let asking = asked.map(|(agent, number)| one(&twilio, agent, number, voice_url.as_deref()));
    let mut answers = Box::pin(stream::iter(asking).buffered(AT_ONCE));
    let all = async {
        while let Some(found) = answers.next().await {
            findings.extend(found);
        }
    };
    if within(ALL_LIMIT, all).await.is_none() {
        let found = "not all numbers were looked at in time";
        findings.push(Finding::fail(ACCOUNT, found, "see TWILIO_API_URL, and try again"));
    }
    findings
}

/// The account that agents without one of their own use.
async fn global_account(config: &Config, twilio: &TwilioRest, agents: &[Agent]) -> Vec<Finding> {
    let without_own = agents.iter().filter(|agent| agent.credentials.is_none()).count();
    match (&config.twilio.auth_token, &config.twilio.account_sid) {
        (None, _) if without_own > 0 => {
            let found = format!(
                "not set: webhooks of {without_own} agents without own \
                 twilio_credentials are refused"
            );
            vec![Finding::fail("TWILIO_AUTH_TOKEN", found, "set it, as Twilio's console shows it")]
        }
        (None, _) => Vec::new(),
        (Some(_), None) => {
            let found = "not set: no texts are sent, and numbers cannot be looked at";
            let remedy = "set it to the account's name, AC…";
            vec![Finding::warn("TWILIO_ACCOUNT_SID", found, remedy)]
        }
        (Some(_), Some(_)) => {
            let nobody = Agent::new(AgentSource::default());
            vec![
                account(
                    twilio,
                    &nobody,
                    ACCOUNT.to_owned(),
                    "TWILIO_ACCOUNT_SID and \
                 TWILIO_AUTH_TOKEN",
                )
                .await,
            ]
        }
    }
}

/// Asks for the account that is used for an agent.
async fn account(twilio: &TwilioRest, agent: &Agent, check: String, variables: &str) -> Finding {
    let late = || Err(RestError::Unknown);
    match within(ANSWER_LIMIT, twilio.account_state(agent)).await.unwrap_or_else(late) {
        Ok(state) if state.status == "active" && state.is_trial => Finding::warn(
            check,
            "it is a trial: only numbers that were verified with Twilio can call",
            "upgrade it in Twilio's console before customers call",
        ),
        Ok(state) if state.status == "active" => Finding::ok(check, "active"),
        Ok(AccountState { status, .. }) => {
            let status: String = status.chars().filter(char::is_ascii_lowercase).take(20).collect();
            Finding::fail(check, format!("it is {status}"), "see the account in Twilio's console")
        }
        Err(error) => trouble(check, &error, variables),
    }
}

fn trouble(check: String, error: &RestError, variables: &str) -> Finding {
    match error {
        RestError::Refused { status: 401 | 403 | 404, .. } => {
            let remedy = format!("mend {variables}; in another region it has another token");
            Finding::fail(check, "Twilio does not know these credentials", remedy)
        }
        RestError::NoAccount => {
            let found = "not looked at: there are no credentials to do it with";
            Finding::warn(check, found, format!("set {variables}"))
        }
        RestError::Sealed => {
            let remedy =
                "set SECRETS_KEY to the key that they were sealed with, or enter them again";
            Finding::fail(check, error.to_string(), remedy)
        }
        error => Finding::fail(check, error.to_string(), "see TWILIO_API_URL, and try again"),
    }
}

async fn one(
    twilio: &TwilioRest,
    agent: &Agent,
    number: &str,
    voice_url: Option<&str>,
) -> Vec<Finding> {
    let check = format!("number {number} of {}", named(agent));
    let variables = match &agent.credentials {
        Some(own) if own.account_sid.is_none() => "twilio_credentials.account_sid of the agent",
        Some(_) => "twilio_credentials of the agent",
        None => "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    };
    let late = || Err(RestError::Unknown);
    let asking = within(ANSWER_LIMIT, twilio.number(agent, number));
    match asking.await.unwrap_or_else(late) {
        Ok(Some(owned)) => judge(&check, &owned, voice_url),
        Ok(None) => {
            let remedy = "buy or port the number, or give the agent the credentials of the \
                          account that has it";
            vec![Finding::fail(check, "the account has no such number", remedy)]
        }
        Err(error) => vec![trouble(check, &error, variables)],
    }
}

fn judge(check: &str, owned: &OwnedNumber, voice_url: Option<&str>) -> Vec<Finding> {
    let wiring = &owned.wiring;
    let mut findings = Vec::new();
    let mut fail = |found: String, remedy: String| {
        findings.push(Finding::fail(check, found, remedy));
    };
    let shadowed =
        [(&wiring.voice_application_sid, "VoiceApplicationSid"), (&wiring.trunk_sid, "TrunkSid")];
    for (by, name) in shadowed {
        if by.is_some() {
            fail(
                format!("its {name} takes the calls, and VoiceUrl is not asked"),
                format!("clear {name} at the number"),
            );
        }
    }
    if !owned.takes_calls {
        fail("it takes no calls, only messages".into(), "use a number that can be called".into());
    }
    if let Some(wanted) = voice_url {
        let remedy = format!("set VoiceUrl to POST {wanted}");
        match wiring.voice_url.as_deref() {
            None => fail("VoiceUrl is empty: calls go nowhere".into(), remedy),
            Some(url) if !is_same(url, wanted) => {
                fail(format!("VoiceUrl is another one: {}", without_secrets(url)), remedy);
            }
            // Twilio posts unless it is told otherwise.
            Some(_) if wiring.voice_method.as_deref().is_some_and(|method| method != "POST") => {
                fail("VoiceUrl is not asked with POST".into(), remedy);
            }
            Some(_) => {}
        }
    }
    match (wiring.voice_fallback_url.as_deref(), voice_url) {
        (None, _) => fail(
            "VoiceFallbackUrl is empty: with this server down callers hear an error and are cut \
             off"
            .into(),
            "set VoiceFallbackUrl to a TwiML document that is kept elsewhere".into(),
        ),
        (Some(fallback), Some(wanted)) if host(fallback) == host(wanted) => {
            findings.push(Finding::warn(
                check,
                "VoiceFallbackUrl is on this server's own host, and down when that is",
                "set VoiceFallbackUrl to a TwiML document that is kept elsewhere",
            ));
        }
        _ => {}
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "its calls come here"));
    }
    findings
}

/// Twilio keeps an address as it was written. Its fragment says how Twilio asks it
/// (`#rc=2&rp=all`, connection overrides) and is no part of what is asked.
fn is_same(url: &str, wanted: &str) -> bool {
    match (Url::parse(url.trim()), Url::parse(wanted)) {
        (Ok(mut url), Ok(wanted)) => {
            url.set_fragment(None);
            url == wanted
        }
        _ => false,
    }
}

fn host(url: &str) -> Option<String> {
    Url::parse(url.trim()).ok()?.host_str().map(str::to_owned)
}

/// An address may hold a password, and a token in its query.
fn without_secrets(url: &str) -> String {
    match Url::parse(url.trim()) {
        Ok(url) => {
            format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        }
        Err(_) => "no address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::rest::Wiring;

    const HERE: &str = "https://calls.example.com/twilio/voice";

    fn healthy() -> OwnedNumber {
        let wiring = Wiring {
            voice_url: Some(HERE.to_owned()),
            voice_method: Some("POST".to_owned()),
            voice_fallback_url: Some("https://elsewhere.example/sorry.xml".to_owned()),
            ..Wiring::default()
        };
        OwnedNumber { wiring, takes_calls: true, ..OwnedNumber::default() }
    }

    fn lines(setup: &OwnedNumber) -> Vec<String> {
        judge("number +1", setup, Some(HERE)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_fault_of_a_number_has_its_line() {
        assert_eq!(lines(&healthy()), ["ok    number +1: its calls come here"]);
        type Change = fn(&mut OwnedNumber);
        let faults: [(Change, &str); 8] = [
            (
                |s| s.wiring.voice_application_sid = Some("AP1".into()),
                "FAIL  number +1: its VoiceApplicationSid",
            ),
            (|s| s.wiring.trunk_sid = Some("TK1".into()), "FAIL  number +1: its TrunkSid"),
            (|s| s.takes_calls = false, "FAIL  number +1: it takes no calls"),
            (|s| s.wiring.voice_url = None, "FAIL  number +1: VoiceUrl is empty"),
            (
                |s| {
                    s.wiring.voice_url =
                        Some("https://u:hunter2@old.example/voice?key=hunter2".into())
                },
                "FAIL  number +1: VoiceUrl is another one: https://old.example/voice; set VoiceUrl",
            ),
            (
                |s| s.wiring.voice_method = Some("GET".into()),
                "FAIL  number +1: VoiceUrl is not asked with",
            ),
            (|s| s.wiring.voice_fallback_url = None, "FAIL  number +1: VoiceFallbackUrl is empty"),
            (
                |s| s.wiring.voice_fallback_url = Some("https://CALLS.example.com/sorry".into()),
                "warn  number +1: VoiceFallbackUrl is on this server's own host",
            ),
        ];
        for (change, line) in faults {
            let mut setup = healthy();
            change(&mut setup);
            let lines = lines(&setup);
            assert!(lines.len() == 1 && lines[0].starts_with(line), "{line}: {lines:?}");
            assert!(!lines[0].contains("hunter2"), "{lines:?}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_another_spelling() {
        assert!(is_same(" HTTPS://Calls.Example.com:443/twilio/voice", HERE));
        assert!(!is_same("https://calls.example.com/twilio/voice/", HERE));
        assert!(!is_same("calls.example.com", HERE));
        assert!(is_same("https://calls.example.com/twilio/voice#rc=2&rp=all", HERE));
        assert!(!is_same("https://calls.example.com/twilio/voice?a=1#rc=2", HERE));
    }
}
