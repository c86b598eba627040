//! Why a document cannot be read, as its owner is told.

/// Why a document cannot be read. Each says what is wrong and what its owner can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is larger than is taken.
    #[error(
        "This file is larger than {mebibytes} MB. Upload it in parts, or only the part that callers ask about."
    )]
    TooLarge {
        /// The most that is taken.
        mebibytes: usize,
    },
    /// It is protected by a password.
    #[error(
        "This file is protected by a password. Save a copy without the password and upload that."
    )]
    Encrypted,
    /// A PDF of pictures.
    #[error(
        "This PDF holds only pictures of text. Upload one with text that can be selected, or type its content as questions and answers."
    )]
    NoText,
    /// A PDF whose letters cannot be told from its fonts.
    #[error(
        "The letters of this PDF cannot be read, because it does not say which they are. Export it again from the program that made it, or upload the original file."
    )]
    NoLetters,
    /// There is nothing in it.
    #[error("There is no text in this file. Check that it is the right one, and upload it again.")]
    Empty,
    /// A file of Office 97 to 2003.
    #[error(
        "This file is in the format of Office 97 to 2003. Open it, save it as a .docx, .xlsx or .pptx file, and upload that."
    )]
    OldOffice,
    /// It is not what it is said to be.
    #[error("This is not a {expected}. Check the file, or save it again as one and upload that.")]
    WrongKind {
        /// What it should be.
        expected: &'static str,
    },
    /// It unpacks to more than is read.
    #[error(
        "This file unpacks to far more than its size, so it was not opened. Remove large pictures and films from it, save it again and upload that."
    )]
    Bomb,
    /// It is damaged.
    #[error(
        "This file is damaged: {0}. Open it, save it again and upload that, or upload it as a PDF."
    )]
    Broken(String),
}
