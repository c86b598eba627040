//! `limit` and `after` of lists.

use serde::Deserialize;
use utoipa::IntoParams;

use super::Page;
use crate::web::problem::Problem;
use crate::web::query::given;

/// Items of a page unless said, and the most.
const LIMIT: i64 = 200;
const LIMIT_MAX: i64 = 1_000;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; 200 unless said.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
}

impl Paging {
    /// How many.
    ///
    /// # Errors
    /// It is no number that is accepted.
    pub(super) fn limit(&self) -> Result<i64, Problem> {
        let limit = given(self.limit.as_ref()).map_or(Some(LIMIT), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| Problem::invalid("limit", "a number from 1 to 1000"))
    }

    /// Where the page before ended, as `read` reads it.
    ///
    /// # Errors
    /// It is nothing that was given as `next`.
    pub(super) fn after<T>(
        &self,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = given(self.after.as_ref()) else { return Ok(None) };
        read(text).map(Some).ok_or_else(not_a_place)
    }

    /// The page of what was read for one more than [`limit`](Self::limit); `place` is what an item is
    /// gone on behind.
    ///
    /// # Errors
    /// See [`limit`](Self::limit).
    pub(super) fn page<R, T: From<R>>(
        &self,
        rows: Vec<R>,
        place: impl Fn(&R) -> String,
    ) -> Result<Page<T>, Problem> {
        Ok(Page::of(rows, self.limit()?, place, Into::into))
    }

    /// The page of a list that is small and was read whole.
    ///
    /// # Errors
    /// See [`limit`](Self::limit) and [`after`](Self::after).
    pub(super) fn part_of<T>(
        &self,
        items: Vec<T>,
        place: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Problem> {
        let begin = match given(self.after.as_ref()) {
            None => 0,
            Some(after) => {
                let last = items.iter().position(|item| place(item) == after);
                last.ok_or_else(not_a_place)? + 1
            }
        };
        self.page(items.into_iter().skip(begin).collect(), place)
    }
}

fn not_a_place() -> Problem {
    Problem::invalid("after", "accepted is `next` of the page before")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(after: &str, limit: &str) -> Paging {
        Paging { after: Some(after.to_owned()), limit: Some(limit.to_owned()) }
    }

    #[test]
    fn a_list_is_gone_through_page_by_page() {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = asked(&after, "2").part_of(vec![3, 1, 4, 5, 9], i32::to_string).unwrap();
            assert!(page.items.len() <= 2);
            found.extend(page.items);
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(found, [3, 1, 4, 5, 9]);
        let whole = Paging::default().part_of(vec![1, 2], i32::to_string).unwrap();
        assert_eq!((whole.items, whole.next), (vec![1, 2], None));
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        for wrong in ["0", "1001", "x", "-1", "1.5"] {
            let problem = asked("", wrong).limit().unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("limit"), "{wrong}");
        }
        let problem = asked("7", "").part_of(vec![1, 2], i32::to_string).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("after"));
        assert!(asked("7", "").after(|text| text.strip_suffix('!').map(str::len)).is_err());
        assert_eq!(asked("", "").after(|text| text.parse::<i32>().ok()).unwrap(), None);
    }
}
