//! What can be said of a flow without following it: where it ends, whom it puts through to, and what its
//! templates ask for.

use std::collections::BTreeSet;

use super::{Flow, Node};

impl Flow {
    /// Whether some way through the steps ends.
    pub(in crate::agent) fn can_end(&self) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![self.start.as_str()]);
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(node) = self.nodes.get(id) else { continue };
            let goes = node.goes();
            if goes.contains(&None) {
                return true;
            }
            next.extend(goes.into_iter().flatten());
        }
        false
    }

    /// Whom its steps put the caller through to, each with the step's name.
    pub(in crate::agent) fn targets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().filter_map(|(id, node)| match node {
            Node::Transfer { target } => Some((id.as_str(), target.as_str())),
            _ => None,
        })
    }

    /// The names that its steps know besides those of the call: what it begins with, collects and keeps.
    pub(in crate::agent) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// What the templates of each step ask for, such as `caller.number`, with the step's name.
    pub(in crate::agent) fn asks(&self) -> impl Iterator<Item = (&str, BTreeSet<String>)> {
        self.nodes.iter().map(|(id, node)| (id.as_str(), node.asks()))
    }
}

impl Node {
    /// The steps that may come next; none of them: the flow is over.
    fn goes(&self) -> Vec<Option<&str>> {
        match self {
            Self::Say { next, .. } | Self::Ask { next, .. } => vec![next.as_deref()],
            // Without a step for it, the steps break off at what fails: that is no end.
            Self::Call { next, on_error, .. } => {
                let failed = on_error.as_deref().map(Some);
                [Some(next.as_deref()), failed].into_iter().flatten().collect()
            }
            Self::Branch { cases, next } => {
                let cases = cases.iter().map(|(_, next)| Some(next.as_str()));
                cases.chain([next.as_deref()]).collect()
            }
            Self::Transfer { .. } | Self::End { .. } => vec![None],
        }
    }

    fn asks(&self) -> BTreeSet<String> {
        match self {
            Self::Say { words, .. } | Self::End { words } => words.asks(),
            Self::Ask { question, .. } => question.asks(),
            Self::Call { arguments, .. } => arguments.asks(),
            Self::Branch { cases, .. } => cases.iter().flat_map(|(case, _)| case.asks()).collect(),
            Self::Transfer { .. } => BTreeSet::new(),
        }
    }
}
