//! The templates that the server starts with.

use std::path::Path;

use super::StartError;
use crate::agent::prompt::Prompts;

/// The built-in templates, with those of a directory in their place.
///
/// # Errors
/// A file that cannot be read or is no template.
pub fn prompts(dir: Option<&Path>) -> Result<Prompts, StartError> {
    let mut replacements = std::collections::BTreeMap::new();
    for name in dir.map(|_| Prompts::names()).unwrap_or_default() {
        let path = dir.unwrap_or(Path::new("")).join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => drop(replacements.insert(name.to_owned(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(StartError::PromptFile { path: path.display().to_string(), source });
            }
        }
    }
    Ok(Prompts::with(&replacements)?)
}
