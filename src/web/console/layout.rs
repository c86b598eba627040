//! The frame of every page.

use axum::response::{IntoResponse, Response};
use jiff::Zoned;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, html};
use uuid::Uuid;

use super::{assets, time};
use crate::clock;
use crate::store::Store;
use crate::store::access::{Role, VisibleAgent, VisibleAgents};
use crate::store::people::Viewer;
use crate::web::bookings::zone;

/// A page of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Today,
    Calls,
    Live,
    Bookings,
    Knowledge,
    Agent,
    Numbers,
    People,
    Usage,
    Webhooks,
    Activity,
    Account,
    Health,
    Setup,
}

impl Section {
    /// Its name and its address; of this agent, where it is one agent's page.
    fn link(self, agent: Option<Uuid>) -> (&'static str, String) {
        let of_agent = |rest: &str| match agent {
            Some(id) => format!("/agents/{id}{rest}"),
            None => "/setup".to_owned(),
        };
        match self {
            Self::Today => ("Today", "/".to_owned()),
            Self::Calls => ("Calls", "/calls".to_owned()),
            Self::Live => ("Live", "/live".to_owned()),
            Self::Bookings => ("Bookings", "/bookings".to_owned()),
            Self::Knowledge => ("Knowledge", "/knowledge".to_owned()),
            Self::Agent => ("Agent", of_agent("")),
            Self::Numbers => ("Numbers", "/numbers".to_owned()),
            Self::People => ("People", "/people".to_owned()),
            Self::Usage => ("Usage", "/usage".to_owned()),
            Self::Webhooks => ("Webhooks", "/webhooks".to_owned()),
            Self::Activity => ("Activity", "/activity".to_owned()),
            Self::Account => ("Account", "/account".to_owned()),
            Self::Health => ("Health", "/health".to_owned()),
            Self::Setup => ("Set up another agent", "/setup?new=1".to_owned()),
        }
    }

    /// Whether its address takes `?agent=`.
    fn takes_agent(self) -> bool {
        !matches!(self, Self::Agent | Self::Account | Self::Health | Self::Setup)
    }

    /// Whether its pages are about one agent, the first where none is chosen.
    fn is_of_one(self) -> bool {
        matches!(self, Self::Agent | Self::Knowledge | Self::People)
    }
}

/// What a page is framed with: who looks, which agents they see, and which one is chosen.
#[derive(Debug)]
pub(crate) struct Shell {
    /// Who looks.
    pub(crate) viewer: Viewer,
    /// What they see.
    pub(crate) agents: VisibleAgents,
    /// The agent that `?agent=` names, if they see it.
    pub(crate) chosen: Option<Uuid>,
    /// The agent that a page of one agent is about where none is chosen, if it is not the first.
    first: Option<Uuid>,
    /// Now, in the zone of the chosen or the first agent's business.
    pub(crate) now: Zoned,
}

impl Shell {
    /// For this viewer, with the agent that the address names.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub(crate) async fn of(
        store: &Store,
        viewer: Viewer,
        wanted: Option<Uuid>,
    ) -> crate::store::Result<Self> {
        let agents = store.visible_agents(&viewer).await?;
        let chosen = wanted.filter(|id| agents.find(*id).is_some());
        let first = chosen.and_then(|id| agents.find(id)).or(agents.list().first());
        let zone = zone(first.and_then(|agent| agent.zone.as_deref()));
        let now = time::at(i64::try_from(clock::unix_now().as_micros()).unwrap_or(i64::MAX), &zone);
        Ok(Self { viewer, agents, chosen, first: None, now })
    }

    /// The same for a page of one agent that needs this role: where none is chosen, it is about the
    /// first for which the viewer has that.
    pub(crate) fn for_role(mut self, role: Role) -> Self {
        let first = self.agents.list().iter().find(|agent| agent.role >= role);
        if let (None, Some(first)) = (self.chosen, first) {
            self.now = self.now.with_time_zone(zone(first.zone.as_deref()));
            self.first = Some(first.id);
        }
        self
    }

    /// The chosen agent as the query of an address: `?agent=…`, or nothing.
    pub(crate) fn query(&self) -> String {
        self.chosen.map(|id| format!("?agent={id}")).unwrap_or_default()
    }

    /// The business that something in a list is of, where the list is about several.
    pub(crate) fn business(&self, agent: Uuid) -> Markup {
        let is_told = self.chosen.is_none() && self.agents.list().len() > 1;
        let agent = self.agents.find(agent).filter(|_| is_told);
        html! { @if let Some(agent) = agent { span .badge { bdi { (agent.business) } } } }
    }

    /// The agent that a page of one agent is about: the chosen one, else the first.
    pub(crate) fn agent(&self) -> Option<&VisibleAgent> {
        let wanted = self.chosen.or(self.first).and_then(|id| self.agents.find(id));
        wanted.or(self.agents.list().first())
    }

    /// The agents that a list is about: the chosen one, else all.
    pub(crate) fn listed(&self) -> VisibleAgents {
        self.agents.only(self.chosen)
    }

    /// The zone that times are shown in.
    pub(crate) fn zone(&self) -> TimeZone {
        self.now.time_zone().clone()
    }

    /// The zone's name, for the line that says once which one it is.
    pub(crate) fn zone_name(&self) -> String {
        self.now.time_zone().iana_name().unwrap_or("UTC").replace('_', " ")
    }

    fn role(&self) -> Role {
        let roles = self.agents.list().iter().map(|agent| agent.role);
        roles.max().unwrap_or(Role::Owner)
    }

    /// The page, with this title and body. A page that does not belong to one section has none.
    pub(crate) fn page(&self, section: Option<Section>, title: &str, body: &Markup) -> Response {
        self.page_with(section, title, &html! {}, body)
    }

    /// The same, with more in its head: a script of its own, mostly.
    pub(crate) fn page_with(
        &self,
        section: Option<Section>,
        title: &str,
        head: &Markup,
        body: &Markup,
    ) -> Response {
        // A list of several businesses is of none of them.
        let is_of_all = self.chosen.is_none()
            && self.agents.list().len() > 1
            && section.is_some_and(|section| section.takes_agent() && !section.is_of_one());
        let agent = self.agent().filter(|_| !is_of_all);
        let name = agent.map_or("Frontdesk", |agent| agent.business.as_str());
        document(&format!("{title} · {name}"), head, &html! {
            a .skip href="#main" { "Skip to the page" }
            header .top {
                a .brand href={ "/" (self.query()) } { (name) }
                (self.switch(section))
                form method="post" action="/sign-out" { button .plain type="submit" { "Sign out" } }
            }
            nav .menu aria-label="Pages" { (self.menu(section)) }
            main #main tabindex="-1" { (body) }
        })
        .into_response()
    }

    /// The choice of agents, for those who see several.
    fn switch(&self, section: Option<Section>) -> Markup {
        // A page of one thing, such as a call, is left for the list of the other agent's things.
        let action = match section {
            Some(Section::Agent) => "/agents".to_owned(),
            Some(section) if section.takes_agent() => section.link(None).1,
            _ => "/".to_owned(),
        };
        let is_of_one = section.is_some_and(Section::is_of_one);
        let shown = if is_of_one { self.agent().map(|agent| agent.id) } else { self.chosen };
        html! {
            @if self.agents.list().len() > 1 {
                form .switch method="get" action=(action) {
                    label for="agent" .hidden { "Agent" }
                    select #agent name="agent" {
                        @if !is_of_one { option value="" { "All agents" } }
                        @for agent in self.agents.list() {
                            option value=(agent.id) selected[shown == Some(agent.id)] { (agent.business) }
                        }
                    }
                    button type="submit" { "Show" }
                }
            }
        }
    }

    fn menu(&self, here: Option<Section>) -> Markup {
        use Section::{
            Account, Activity, Agent, Bookings, Calls, Health, Knowledge, Live, Numbers, People,
            Setup, Today, Usage, Webhooks,
        };
        let role = self.role();
        let mut more = vec![Live, Knowledge];
        if role >= Role::Maintainer {
            more.extend([Numbers, Webhooks]);
        }
        if role >= Role::Owner {
            more.push(People);
        }
        more.extend([Usage, Activity, Account]);
        if self.viewer.is_admin() {
            more.push(Health);
        }
        // Where there is none yet, Today leads there.
        if role >= Role::Owner && self.agents.has_room() {
            more.push(Setup);
        }
        let first = [Today, Calls, Bookings, Agent];
        let agent = self.agent().map(|agent| agent.id);
        let item = |section: Section| {
            let (name, mut address) = section.link(agent);
            if section.takes_agent() {
                address.push_str(&self.query());
            }
            html! { li { a href=(address) aria-current=[(here == Some(section)).then_some("page")] { (name) } } }
        };
        html! {
            ul .first { @for section in first { (item(section)) } }
            details .more {
                summary { "More" }
                ul { @for section in more { (item(section)) } }
            }
        }
    }
}

/// A page for somebody who is not signed in, or of whom nothing is known.
pub(crate) fn outside(title: &str, body: &Markup) -> Response {
    document(
        &format!("{title} · Frontdesk"),
        &html! {},
        &html! {
            main #main .outside { p .brand { "Frontdesk" } (body) }
        },
    )
    .into_response()
}

fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href=(assets::STYLE.path);
                link rel="icon" href=(assets::ICON.path);
                script src=(assets::SCRIPT.path) defer {}
                (head)
            }
            body { (body) }
        }
    }
}
