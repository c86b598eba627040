//! Pages: their content, and what a crawl asks of them.
//!
//! The content is all that a person reads, less what is surely not content: menus, banners about
//! cookies, what is hidden, lists of links in the page's head and foot. A library that looks for
//! the article of a page was tried and refused: of short business pages it loses the footer with
//! the opening hours, and the tables with the prices.

mod content;
mod page;
mod parts;
mod tree;

pub use page::{Page, links};

use super::build::Builder;
use super::decode;
use tree::Tree;

/// Reads a page's content.
pub(super) fn read(bytes: &[u8], content_type: Option<&str>, to: &mut Builder<'_>) {
    let tree = Tree::read(&decode::page(bytes, content_type));
    if tree.cut_off {
        to.cut_off();
    }
    to.title(&page::title(&tree));
    content::put(&tree, to);
}
