//! What can be said of a request before it is filled in.

use std::collections::BTreeSet;

use super::JsonApi;

impl JsonApi {
    /// What the templates of each field ask for, such as `args.date`.
    pub(in crate::agent) fn asks(&self) -> [(&'static str, BTreeSet<String>); 4] {
        let headers = self.headers.iter().flat_map(|(_, value)| value.asks());
        let query = self.query.iter().flat_map(|(_, value)| value.asks());
        [
            ("url", self.address.asks()),
            ("headers", headers.collect()),
            ("query", query.collect()),
            ("body", self.body.as_ref().map(|body| body.asks()).unwrap_or_default()),
        ]
    }
}
