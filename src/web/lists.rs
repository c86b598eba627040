//! Lists that are read a page at a time, and for one row more: it says that there is another page.

/// Leaves as many rows as a page has; whether there were more.
pub(super) fn cut<T>(rows: &mut Vec<T>, page: i64) -> bool {
    let page = usize::try_from(page).unwrap_or_default();
    let has_more = rows.len() > page;
    rows.truncate(page);
    has_more
}
