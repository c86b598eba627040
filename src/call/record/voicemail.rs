//! What a row says of the message that a caller left.

use serde_json::{Value, json};

/// `recording_url`, null where nobody says where it is, `seconds`, and `own_account` where only the agent's
/// own account is asked for it.
pub(super) fn told(recording_url: &str, seconds: u64, own_account: bool) -> Value {
    let url = Some(recording_url).filter(|url| !url.is_empty());
    let mut told = json!({"recording_url": url, "seconds": seconds});
    if own_account {
        told["own_account"] = true.into();
    }
    told
}
