//! The pages of a website: those of its sitemap, or those that its pages link to, within its host and what
//! its robots.txt allows (RFC 9309).

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;
use tracing::debug;
use url::Url;

use super::fetch::{NotFetched, fetch};
use super::reading::Label;
use super::work::{Gathered, Stop, Work, kept, unusable};
use crate::clock;
use crate::knowledge::documents::robots::Robots;
use crate::knowledge::documents::sitemap::{self, Sitemap};
use crate::store::source_pages::{FetchedPage, PageRow};

/// The most pages of a site, and how many links from the first they are away.
const PAGES_MAX: usize = 500;
const DEPTH_MAX: i32 = 6;
/// The most addresses of pages that are kept: some are none.
const FOUND_MAX: usize = 2_000;
/// Sitemaps that are read, those that a sitemap lists included.
const SITEMAPS_MAX: usize = 20;
/// Between two pages, unless robots.txt asks for a longer pause; and how long that may be.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long a crawl may take. The rest stays as it is known.
const TIME_MAX: Duration = Duration::from_secs(3_600);
/// Failures in a row after which a site is taken to be away.
const FAILURES_MAX: u32 = 5;
/// How we call ourselves in robots.txt.
const NAME: &str = "frontdesk";
/// What is no page, by the end of its address.
const NO_PAGES: [&str; 26] = [
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".ico", ".css", ".js", ".json", ".xml",
    ".zip", ".gz", ".mp3", ".mp4", ".mov", ".avi", ".woff", ".woff2", ".ttf", ".exe", ".dmg",
    ".apk", ".ics", ".vcf", ".rss",
];

impl Work<'_> {
    /// Fetches the pages of a site and gives what they say.
    pub(super) async fn crawl(&self) -> Result<Gathered, Stop> {
        let of = self.training;
        let start = of.url.as_deref().and_then(|url| Url::parse(url).ok());
        let Some(start) = start else {
            let why = "This is no address. Write a whole one, such as https://example.com.";
            return Err(Stop::Failed(why.to_owned()));
        };
        self.goes_on("fetching", 0, None).await?;
        let robots = self.robots(&start).await?;
        if !robots.is_url_allowed(&start) {
            let why = "The website's robots.txt asks programs not to read this page. Add its pages one by one, \
                       or upload what they say.";
            return Err(Stop::Failed(why.to_owned()));
        }
        let store = &self.trainer.store;
        if !store.source_pages(of.source).await?.iter().any(|page| page.revision == of.revision) {
            let mut first = vec![start.to_string()];
            first.extend(self.of_sitemaps(&start, &robots).await);
            store.found_pages(of.source, &first, 0).await?;
        }
        let is_whole = self.fetch_all(&start, &robots).await?;
        if is_whole {
            store.forget_old_pages(of).await?;
        }
        let mut gathered = self.kept_pages().await?;
        gathered.is_cut_off |= !is_whole || gathered.parts.len() >= PAGES_MAX;
        if gathered.parts.is_empty() {
            let why = "No page of this website could be read. Open it in a browser and look at the address.";
            return Err(Stop::Failed(why.to_owned()));
        }
        Ok(gathered)
    }

    /// Fetches what this work has not fetched yet, and what is found by that; whether that is all there is.
    async fn fetch_all(&self, start: &Url, robots: &Robots) -> Result<bool, Stop> {
        let (store, of) = (&self.trainer.store, self.training);
        let pause = robots.crawl_delay().unwrap_or(PAUSE).clamp(PAUSE, PAUSE_MAX);
        let since = clock::Stopwatch::start();
        let mut failures = 0;
        loop {
            let pages = store.source_pages(of.source).await?;
            let before = pages.iter().filter(|page| page.revision == of.revision).count();
            let to_come: Vec<&PageRow> =
                pages.iter().filter(|page| page.revision != of.revision).collect();
            if to_come.is_empty() || before >= PAGES_MAX {
                return Ok(true);
            }
            let total = pages.len().min(PAGES_MAX);
            for (done, page) in (before..PAGES_MAX).zip(to_come) {
                self.goes_on("fetching", done, Some(total)).await?;
                match self.one_page(page, start, robots, pages.len()).await {
                    Ok(()) => failures = 0,
                    Err(Stop::Again(why)) => {
                        failures += 1;
                        if failures >= FAILURES_MAX || page.url == start.as_str() {
                            return Err(Stop::Again(why));
                        }
                        self.not_now(page, &why).await?;
                    }
                    Err(stop) => return Err(stop),
                }
                if since.elapsed() > TIME_MAX {
                    return Ok(false);
                }
                clock::pause(pause).await;
            }
        }
    }

    /// Fetches a page and keeps what it says, and where it leads.
    async fn one_page(
        &self,
        page: &PageRow,
        start: &Url,
        robots: &Robots,
        found: usize,
    ) -> Result<(), Stop> {
        let (store, of) = (&self.trainer.store, self.training);
        let Ok(url) = Url::parse(&page.url) else { return self.nothing(page, "no address").await };
        if !robots.is_url_allowed(&url) {
            return self.nothing(page, "robots.txt").await;
        }
        let etag = page.etag.as_deref().filter(|_| !of.is_forced);
        let fetched = match fetch(&self.trainer.client, of.agent, &url, etag).await {
            Ok(fetched) => fetched,
            Err(NotFetched { why, may_pass: true, .. }) => return Err(Stop::Again(why)),
            Err(not) if page.url == start.as_str() => return Err(not.into()),
            Err(not) => return self.nothing(page, &not.why).await,
        };
        if !is_within(start, &fetched.url) {
            return self.nothing(page, "it leads to another website").await;
        }
        let Some(body) = &fetched.body else {
            let page = FetchedPage { url: &page.url, etag, data: None, why: None };
            return Ok(store.fetched_page(of, &page).await?);
        };
        let file_name = fetched.url.path_segments().and_then(|mut all| all.next_back());
        let label = Label {
            source_type: Some("page".to_owned()),
            content_type: fetched.content_type.clone(),
            file_name: file_name.map(str::to_owned),
            url: Some(fetched.url.to_string()),
        };
        let reading = match self.read(&label, body).await {
            Ok(reading) => reading,
            Err(Stop::Failed(why)) => return self.nothing(page, &why).await,
            Err(stop) => return Err(stop),
        };
        if page.depth < DEPTH_MAX && found < FOUND_MAX {
            let links = reading.links.iter().filter_map(|link| Url::parse(link).ok());
            let links = links.filter(|link| is_wanted(start, link) && robots.is_url_allowed(link));
            let links: Vec<String> = links.map(String::from).take(FOUND_MAX - found).collect();
            store.found_pages(of.source, &links, page.depth + 1).await?;
        }
        if reading.is_hidden && page.url != start.as_str() {
            return self.nothing(page, "it asks not to be found").await;
        }
        if let Some(why) = unusable(&reading) {
            return self.nothing(page, why).await;
        }
        let data = kept(&reading);
        let etag = fetched.etag.as_deref();
        let page = FetchedPage { url: &page.url, etag, data: Some(&data), why: None };
        Ok(store.fetched_page(of, &page).await?)
    }

    /// Leaves a page as it is known: it could not be fetched this time.
    async fn not_now(&self, page: &PageRow, why: &str) -> Result<(), Stop> {
        debug!(source = %self.training.source, why, "a page stays as it is known");
        let page = FetchedPage { url: &page.url, etag: None, data: None, why: None };
        Ok(self.trainer.store.fetched_page(self.training, &page).await?)
    }

    /// Writes down that there is nothing of a page, and why.
    async fn nothing(&self, page: &PageRow, why: &str) -> Result<(), Stop> {
        debug!(source = %self.training.source, why, "a page is left out");
        let page = FetchedPage { url: &page.url, etag: None, data: None, why: Some(why) };
        Ok(self.trainer.store.fetched_page(self.training, &page).await?)
    }

    /// What the site allows. One whose robots.txt cannot be asked for is read later.
    async fn robots(&self, start: &Url) -> Result<Robots, Stop> {
        let Ok(url) = start.join("/robots.txt") else { return Ok(Robots::default()) };
        match fetch(&self.trainer.client, self.training.agent, &url, None).await {
            Ok(fetched) => Ok(Robots::read(&fetched.body.unwrap_or_default(), NAME)),
            Err(NotFetched { status: Some(status), .. })
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                Ok(Robots::default())
            }
            Err(not) => Err(not.into()),
        }
    }

    /// The pages that the site's sitemaps list, within it.
    async fn of_sitemaps(&self, start: &Url, robots: &Robots) -> Vec<String> {
        let mut to_read: Vec<Url> = robots.sitemaps().to_vec();
        to_read.extend(start.join("/sitemap.xml").ok());
        let (mut read, mut found) = (HashSet::new(), Vec::new());
        while let Some(url) = to_read.pop() {
            if read.len() == SITEMAPS_MAX || found.len() >= FOUND_MAX {
                break;
            }
            if !is_within(start, &url) || !read.insert(url.clone()) {
                continue;
            }
            let fetched = fetch(&self.trainer.client, self.training.agent, &url, None).await;
            let Ok(body) = fetched.map(|fetched| fetched.body.unwrap_or_default()) else {
                continue;
            };
            // A crafted one may take long to be read.
            let reading = tokio::task::spawn_blocking(move || sitemap::read(&body));
            let Sitemap { pages, sitemaps, .. } = reading.await.unwrap_or_default();
            to_read.extend(sitemaps.into_iter().map(|entry| entry.url).take(SITEMAPS_MAX));
            let pages = pages.into_iter().map(|entry| entry.url);
            let pages = pages.filter(|page| is_wanted(start, page) && robots.is_url_allowed(page));
            found.extend(pages.map(String::from).take(FOUND_MAX));
        }
        found.truncate(FOUND_MAX);
        found
    }
}

/// Whether an address is of the same website: its host, with or without `www.`.
fn is_within(start: &Url, url: &Url) -> bool {
    let host =
        |url: &Url| url.host_str().map(|host| host.strip_prefix("www.").unwrap_or(host).to_owned());
    matches!(url.scheme(), "http" | "https")
        && host(start) == host(url)
        && start.port() == url.port()
        && url.username().is_empty()
}

/// Whether an address may be a page of the website.
fn is_wanted(start: &Url, url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    is_within(start, url)
        && url.as_str().len() <= 2_000
        && !NO_PAGES.iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_its_host() {
        let start = Url::parse("https://example.com/start").unwrap();
        for (url, is) in [
            ("https://www.example.com/prices", true),
            ("http://example.com/", true),
            ("https://example.com:8443/", false),
            ("https://shop.example.com/", false),
            ("https://example.com.evil.example/", false),
            ("https://user@example.com/", false),
            ("ftp://example.com/", false),
        ] {
            assert_eq!(is_within(&start, &Url::parse(url).unwrap()), is, "{url}");
        }
        assert!(!is_wanted(&start, &Url::parse("https://example.com/a.JPG").unwrap()));
        assert!(is_wanted(&start, &Url::parse("https://example.com/a.pdf").unwrap()));
    }
}
