//! What the database's own triggers do not allow.

/// A rule that the database's own triggers keep (SQLSTATE `PT409`). Shown, it says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// As many agents as a plan allows.
    #[error("the plan allows no more agents; delete one, or choose a larger plan")]
    AgentsOfPlan,
    /// As many agents as an owner without a plan has.
    #[error(
        "an owner without a plan has no more agents; delete one, or ask whoever runs this server for a plan"
    )]
    AgentsOfOwner,
    /// As many sources of knowledge as a plan allows.
    #[error("the plan allows no more sources of knowledge; remove one, or choose a larger plan")]
    SourcesOfPlan,
    /// An agent always has an owner.
    #[error("the last owner of an agent cannot be removed; make somebody else an owner first")]
    LastOwner,
    /// One of whoever runs the database.
    #[error("a rule of this database does not allow it; ask whoever runs this server")]
    Other,
}

impl Rule {
    /// What a trigger of ours says no with.
    pub(super) const SQLSTATE: &str = "PT409";

    /// By the name that the trigger gives as the constraint.
    pub(super) fn named(constraint: Option<&str>) -> Self {
        match constraint {
            Some("voiceagents_allowed") => Self::AgentsOfPlan,
            Some("agents_of_owner") => Self::AgentsOfOwner,
            Some("source_links_allowed") => Self::SourcesOfPlan,
            Some("last_owner") => Self::LastOwner,
            _ => Self::Other,
        }
    }
}
