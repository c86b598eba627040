//! Every variable that cannot be used, not only the first: for `frontdesk doctor`.

use super::{Config, ConfigError, Source};

impl ConfigError {
    /// The name of the variable that cannot be used.
    pub fn variable(&self) -> &'static str {
        self.name
    }
}

impl Config {
    /// Reads variables from `source` as if those that cannot be used were unset; gives what is wrong
    /// with each of these.
    pub fn read_leniently(source: Source<'_>) -> (Self, Vec<ConfigError>) {
        let mut errors: Vec<ConfigError> = Vec::new();
        loop {
            let usable =
                |name: &str| source(name).filter(|_| errors.iter().all(|e| e.name != name));
            match Self::read(&usable) {
                Ok(config) => return (config, errors),
                // What is unset is never refused, so each round finds another variable.
                Err(error) => errors.push(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_variable_is_named_and_the_good_ones_are_read() {
        let source = |name: &str| match name {
            "PORT" => Some("eighty".to_owned()),
            "PUBLIC_URL" => Some("nowhere".to_owned()),
            "MAX_CALLS" => Some("7".to_owned()),
            _ => None,
        };
        let (config, errors) = Config::read_leniently(&source);
        assert_eq!((config.calls_max, config.port), (7, 8080));
        let named: Vec<_> = errors.iter().map(ConfigError::variable).collect();
        assert_eq!(named, ["PORT", "PUBLIC_URL"]);
    }
}
