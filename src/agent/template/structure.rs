//! Is a template small enough for the engine? Its parser, its compiler and its values recurse as
//! deep as a template is nested, and some of that is not bounded: 6,000 minus signs in a row of the
//! database would overflow the stack and end the process. A value that holds another one many times,
//! and so on, is small, and takes for ever to be written: the engine's own fuel does not count that.
//! So the structure is looked at first, over the engine's own tokens, without recursion.

use std::collections::BTreeSet;

use minijinja::machinery::{Token, tokenize};

use super::TemplateError;

/// The longest source of a row, bytes.
pub(super) const SOURCE_MAX: usize = 8 * 1024;
/// The longest file of PROMPTS_DIR, bytes. The longest built-in one has 5 KB.
const FILE_MAX: usize = 64 * 1024;
/// How deep an expression may be: operators, filters and attributes one after another, and what
/// stands in brackets in one of them. A level takes up to 2 KB of stack.
pub(super) const EXPRESSION_DEPTH_MAX: usize = 100;
/// How many brackets may stand in one another. A level takes up to 15 KB of stack.
pub(super) const BRACKETS_MAX: usize = 12;
/// How many blocks may stand in one another; each `elif` is one in the `if` before it.
pub(super) const BLOCKS_MAX: usize = 32;
/// How deep a value may become by what `set`, `with` and `for` give a name to, one after another:
/// brackets in one another, and filters. Values recurse when they are written and dropped.
pub(super) const BOUND_MAX: usize = 64;
/// Statements that a template of a row cannot have. There is nothing to include; what calls itself
/// makes values as deep as it likes.
const NOT_IN_ROWS: [&str; 7] = ["macro", "call", "include", "import", "from", "extends", "block"];
/// Statements that go on until their end.
const BLOCKS: [&str; 8] = ["if", "for", "with", "filter", "autoescape", "macro", "call", "block"];
/// How many items a list with names may have: a name may stand for a long text.
const ITEMS_MAX: usize = 64;
/// Filters that put what they are given into new lists, once for each item.
const WRAPPERS: [&str; 8] =
    ["batch", "slice", "groupby", "zip", "chain", "map", "items", "dictsort"];
/// Those of them that fill gaps with what they are given.
const FILLERS: [&str; 3] = ["batch", "slice", "map"];
/// Words that are operators.
const OPERATORS: [&str; 7] = ["not", "and", "or", "if", "else", "in", "is"];

/// What is checked, and where it comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// A template of a row.
    #[default]
    Row,
    /// An expression of a row, without braces.
    Expression,
    /// A file of PROMPTS_DIR.
    File,
}

/// Checks the structure of a source. Whether it can be parsed is for the parser.
///
/// # Errors
/// If it is too long or too deep, or has what the source cannot have.
pub(super) fn check(text: &str, source: Source) -> Result<(), TemplateError> {
    let most = if source == Source::File { FILE_MAX } else { SOURCE_MAX };
    if text.len() > most {
        return Err(TemplateError::TooLong { bytes: text.len(), most });
    }
    let mut structure = Structure::new(source);
    for token in tokenize(text, source == Source::Expression, Default::default()) {
        // The parser does not come further either.
        let Ok((token, _)) = token else { break };
        structure.take(&token)?;
    }
    structure.end_tag()
}

/// An expression, or what stands in brackets in one.
#[derive(Default, Clone, Copy)]
struct Level {
    kind: Kind,
    /// Whether a list or a map is made in it.
    makes: bool,
    /// Whether one may hold others.
    wraps: bool,
    /// Whether something is multiplied in it.
    multiplies: bool,
    /// How many commas it has.
    commas: usize,
    /// Whether it had names before the word that was just read.
    had_names: bool,
    /// Whether it has anything but constants, lists and maps.
    has_names: bool,
    /// Operators since the last comma.
    operators: usize,
    /// The deepest brackets since then.
    inner: usize,
    /// The deepest before it.
    before: usize,
}

impl Level {
    fn depth(self) -> usize {
        self.before.max(self.operators + self.inner)
    }
}

/// What brackets are for.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// They hold an expression together, select or call; or there are none.
    #[default]
    Other,
    /// They hold an expression together, or make a tuple if there is a comma.
    Group,
    /// They make a list or a map, or hold what a filter puts into lists.
    Maker,
    /// They hold what a filter puts in the place of what is not there, any number of times.
    Filler,
}

#[derive(Default)]
struct Structure<'t> {
    source: Source,
    /// The word or bracket before is the end of a value: a bracket after it selects or calls.
    is_after_value: bool,
    /// The name that was read last, if that was just now.
    last_word: Option<&'t str>,
    is_after_dot: bool,
    /// The names that the present statement gives.
    targets: Vec<&'t str>,
    /// Whether they have been read: in `with`, where others may follow, never.
    has_targets: bool,
    /// Names of lists and maps that were made here.
    made: BTreeSet<&'t str>,
    /// The brackets that are open in this tag, and the tag itself.
    levels: Vec<Level>,
    /// The most levels in this tag.
    brackets: usize,
    filters: usize,
    has_assignment: bool,
    /// The first word of a statement.
    statement: Option<&'t str>,
    is_statement: bool,
    /// How many levels each open block is deep.
    blocks: Vec<usize>,
    /// How deep names can be bound.
    bound: usize,
}

impl<'t> Structure<'t> {
    fn new(source: Source) -> Self {
        Self { source, levels: vec![Level::default()], ..Self::default() }
    }

    fn take(&mut self, token: &Token<'t>) -> Result<(), TemplateError> {
        match token {
            Token::VariableStart | Token::BlockStart => {
                self.end_tag()?;
                self.is_statement = matches!(token, Token::BlockStart);
            }
            Token::VariableEnd | Token::BlockEnd => self.end_tag()?,
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => {
                let kind = self.kind_of(token);
                self.operator();
                self.levels.push(Level { kind, ..Level::default() });
                self.brackets = self.brackets.max(self.levels.len() - 1);
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose => self.close()?,
            Token::Comma | Token::Colon => {
                if let Some(level) = self.levels.last_mut() {
                    let is_tuple = level.kind == Kind::Group;
                    level.kind = if is_tuple { Kind::Maker } else { level.kind };
                    level.commas += 1;
                    (level.before, level.operators, level.inner) = (level.depth(), 0, 0);
                }
            }
            Token::Ident(word) if self.is_statement && self.statement.is_none() => {
                self.statement = Some(*word);
                self.checked_statement(word)?;
            }
            Token::Ident("recursive") if self.statement == Some("for") => {
                self.checked_statement("recursive")?;
            }
            Token::Ident(word) => self.word(word),
            Token::Pipe => {
                self.filters += 1;
                self.operator();
            }
            Token::Assign => {
                // The word before `=` is the name of an argument, not a value.
                if let Some(level) = self.levels.last_mut().filter(|_| self.last_word.is_some()) {
                    level.has_names = level.had_names;
                }
                self.has_assignment = true;
                self.has_targets |= self.statement == Some("set");
                self.operator();
            }
            Token::TemplateData(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_) => {}
            _ => self.operator(),
        }
        self.remember(token);
        Ok(())
    }

    /// What the next token is to be judged by.
    fn remember(&mut self, token: &Token<'t>) {
        self.last_word = match token {
            Token::Ident(word) => Some(*word),
            _ => None,
        };
        self.is_after_dot = matches!(token, Token::Dot);
        self.is_after_value = match token {
            Token::Ident(word) => self.statement != Some(*word) && !OPERATORS.contains(word),
            Token::BracketClose | Token::ParenClose | Token::BraceClose => true,
            Token::Str(_) | Token::String(_) => true,
            Token::Int(_) | Token::Int128(_) | Token::Float(_) => true,
            _ => false,
        };
        // A product of a list has its items many times.
        if matches!(token, Token::Mul)
            && let Some(level) = self.levels.last_mut()
        {
            level.has_names = true;
            level.multiplies = true;
        }
    }

    fn kind_of(&self, token: &Token<'t>) -> Kind {
        match token {
            Token::BraceOpen => Kind::Maker,
            Token::BracketOpen if !self.is_after_value => Kind::Maker,
            Token::ParenOpen if !self.is_after_value => Kind::Group,
            Token::ParenOpen => match self.last_word {
                Some(word) if FILLERS.contains(&word) => Kind::Filler,
                Some(word) if WRAPPERS.contains(&word) => Kind::Maker,
                _ => Kind::Other,
            },
            _ => Kind::Other,
        }
    }

    fn word(&mut self, word: &'t str) {
        if OPERATORS.contains(&word) {
            self.has_targets |= word == "in" && self.statement == Some("for");
            self.operator();
            return;
        }
        let gives = matches!(self.statement, Some("set" | "with" | "for"));
        if gives && !self.has_targets && !self.is_after_dot {
            self.targets.push(word);
        }
        let is_made = !self.is_after_dot && self.made.contains(word);
        if let Some(level) = self.levels.last_mut() {
            level.had_names = level.has_names;
            level.has_names = true;
            level.wraps |= is_made || WRAPPERS.contains(&word);
            level.makes |= level.wraps || word == "range";
        }
    }

    fn operator(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.operators += 1;
        }
    }

    /// Closes a bracket. One list in another is as large as it is written, as long as both are
    /// constants: with names, `[x, x]` is twice as large as `x`, and thirty of these, one after
    /// another, take for ever to be written.
    fn close(&mut self) -> Result<(), TemplateError> {
        if self.levels.len() > 1
            && let Some(closed) = self.levels.pop()
        {
            let is_maker = closed.kind == Kind::Maker;
            let is_too_much = match closed.kind {
                Kind::Maker => closed.has_names && (closed.makes || closed.commas > ITEMS_MAX),
                Kind::Filler => closed.has_names || closed.makes || closed.commas > 0,
                Kind::Other | Kind::Group => false,
            };
            self.check_product(closed)?;
            if self.source != Source::File && is_too_much {
                return Err(TemplateError::Wraps);
            }
            let Some(level) = self.levels.last_mut() else { return Ok(()) };
            level.inner = level.inner.max(closed.depth());
            level.makes |= closed.makes || is_maker;
            level.wraps |= closed.wraps;
            level.has_names |= closed.has_names;
        }
        Ok(())
    }

    /// A list that is multiplied has its items many times, each of which may be a long text.
    fn check_product(&self, level: Level) -> Result<(), TemplateError> {
        match self.source != Source::File && level.multiplies && level.makes {
            true => Err(TemplateError::Wraps),
            false => Ok(()),
        }
    }

    fn checked_statement(&self, word: &str) -> Result<(), TemplateError> {
        let is_refused = NOT_IN_ROWS.contains(&word) || word == "recursive";
        match is_refused && self.source != Source::File {
            true => Err(TemplateError::Statement(word.to_owned())),
            false => Ok(()),
        }
    }

    /// Judges the tag that ends here, and forgets it.
    fn end_tag(&mut self) -> Result<(), TemplateError> {
        while self.levels.len() > 1 {
            self.close()?;
        }
        let whole = self.levels.last().copied().unwrap_or_default();
        let depth = whole.depth();
        self.check_product(whole)?;
        // A loop gives a name to what is in a list.
        if whole.wraps || (whole.makes && self.statement != Some("for")) {
            self.made.extend(self.targets.drain(..));
        }
        let statement = self.statement.unwrap_or_default();
        if statement.starts_with("end") {
            self.blocks.pop();
        } else if BLOCKS.contains(&statement) || (statement == "set" && !self.has_assignment) {
            self.blocks.push(1);
        } else if statement == "elif"
            && let Some(block) = self.blocks.last_mut()
        {
            *block += 1;
        }
        if matches!(statement, "set" | "with" | "for") {
            self.bound += self.brackets + self.filters;
        }
        let blocks = self.blocks.iter().sum();
        for (found, most, what) in [
            (depth, EXPRESSION_DEPTH_MAX, "operators, filters or attributes in one expression"),
            (self.brackets, BRACKETS_MAX, "brackets in one another"),
            (blocks, BLOCKS_MAX, "blocks in one another"),
            (self.bound, BOUND_MAX, "brackets and filters in set, with and for"),
        ] {
            if found > most {
                return Err(TemplateError::Nested { found, most, what });
            }
        }
        let blocks = std::mem::take(&mut self.blocks);
        let (made, bound) = (std::mem::take(&mut self.made), self.bound);
        *self = Self { blocks, made, bound, ..Self::new(self.source) };
        Ok(())
    }
}
