//! What a source is.

/// What a source is, as `sources.source_type` has it (CONTRACT 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SourceType {
    /// One page of a website.
    Page,
    /// A website: the pages of its sitemap, or those that its pages link to.
    Site,
    /// A PDF.
    Pdf,
    /// A document of Word.
    Docx,
    /// A table of Excel.
    Xlsx,
    /// A table as text.
    Csv,
    /// Slides of PowerPoint.
    Pptx,
    /// Markdown.
    Markdown,
    /// A file of HTML.
    Html,
    /// Plain text.
    Text,
    /// Questions with their answers.
    Qa,
}

impl SourceType {
    /// All of them, in the order in which they are listed for people.
    pub const ALL: [Self; 11] = [
        Self::Page,
        Self::Site,
        Self::Pdf,
        Self::Docx,
        Self::Xlsx,
        Self::Csv,
        Self::Pptx,
        Self::Markdown,
        Self::Html,
        Self::Text,
        Self::Qa,
    ];

    /// As the column has it.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// What a file is by its name; what the name does not tell is text until its bytes say otherwise.
    pub fn of_file_name(name: &str) -> Self {
        let end = name.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
        match &*end {
            "pdf" => Self::Pdf,
            "docx" | "doc" => Self::Docx,
            "xlsx" | "xls" => Self::Xlsx,
            "csv" | "tsv" => Self::Csv,
            "pptx" | "ppt" => Self::Pptx,
            "md" | "markdown" => Self::Markdown,
            "html" | "htm" | "xhtml" => Self::Html,
            _ => Self::Text,
        }
    }

    /// The type that a column or a request says, if it is one.
    pub fn of(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}
