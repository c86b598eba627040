//! What may a template of a row do? The engine counts the instructions of a template and the bytes
//! of its texts, and a list added to itself is neither: forty-five additions make one of 2^46 items.
//! So a row has the words that are listed here and no others, each of which is bounded, and `+` and
//! `*` are not the engine's own: they are done where what comes of them can be measured before.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::{
    CodeGenerator, CompiledTemplate, Instruction, Instructions, TemplateConfig, eval,
    make_string_output, parse_expr,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value as Context, ValueKind};
use minijinja::{AutoEscape, Environment, Error};

use super::TemplateError;

/// The filters that a row may use.
const FILTERS: [&str; 44] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];
/// The engine's other ones, which `map` could name in a text.
pub(super) const OTHER_FILTERS: [&str; 4] = ["chain", "groupby", "pprint", "zip"];
/// The tests, behind `is`, that a row may use.
const TESTS: [&str; 33] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "==",
    "!=",
    "<",
    ">",
];
/// The engine's other ones, which `select` could name in a text.
pub(super) const OTHER_TESTS: [&str; 7] =
    ["escaped", "filter", "lower", "safe", "sameas", "test", "upper"];
/// The functions.
const FUNCTIONS: [&str; 1] = ["range"];
/// What can be asked of `loop`. Without anything to choose from the engine divides by zero.
const METHODS: [&str; 2] = ["changed", "cycle"];
/// What `+` and `*` are: filters that no source can name with a bar.
pub(super) const PLUS: &str = "+";
pub(super) const TIMES: &str = "*";
/// The engine looks a filter up each time, and does not keep it under a number.
const NOT_KEPT: u8 = u8::MAX;

/// What the engine is to do.
pub(super) struct Program<'s>(Instructions<'s>);

impl<'s> Program<'s> {
    /// A text with tags in it.
    ///
    /// # Errors
    /// If it cannot be parsed.
    pub(super) fn of_text(source: &'s str) -> Result<Self, Error> {
        let config = TemplateConfig {
            syntax_config: SyntaxConfig::default(),
            default_auto_escape: Arc::new(|_| AutoEscape::None),
        };
        let compiled = CompiledTemplate::new("<string>", source, &config)?;
        Ok(Self::bounded(compiled.instructions))
    }

    /// An expression without braces.
    ///
    /// # Errors
    /// If it cannot be parsed.
    pub(super) fn of_expression(source: &'s str) -> Result<Self, Error> {
        let mut generator = CodeGenerator::new("<expression>", source);
        generator.compile_expr(&parse_expr(source)?);
        Ok(Self::bounded(generator.finish().0))
    }

    /// Puts the bounded operators in the place of the engine's.
    fn bounded(mut instructions: Instructions<'s>) -> Self {
        let mut at = 0;
        while let Some(instruction) = instructions.get_mut(at) {
            let operator = match instruction {
                Instruction::Add => Some(PLUS),
                Instruction::Mul => Some(TIMES),
                _ => None,
            };
            if let Some(operator) = operator {
                *instruction = Instruction::ApplyFilter(operator, Some(2), NOT_KEPT);
            }
            at += 1;
        }
        Self(instructions)
    }

    /// Refuses what a row may not do, by name.
    ///
    /// # Errors
    /// The first of it.
    pub(super) fn check(&self) -> Result<(), TemplateError> {
        let instructions = || (0..).map_while(|at| Some((at, self.0.get(at)?)));
        instructions().try_for_each(|(_, instruction)| check(instruction))?;
        let mut slices =
            instructions().filter(|(_, instruction)| matches!(instruction, Instruction::Slice));
        match slices.all(|(at, _)| self.steps_forward(at)) {
            true => Ok(()),
            false => Err(refused("step of a slice", "that is no positive constant")),
        }
    }

    /// Whether the slice at `at` has a constant step that is positive, or none. Backwards, all of a
    /// text is copied for one character of it.
    fn steps_forward(&self, at: u32) -> bool {
        use Instruction as I;
        // Else the constant before it is one of several.
        let is_jumped_to = (0..at).any(|from| match self.0.get(from) {
            Some(I::Jump(to) | I::JumpIfFalse(to)) => *to == at,
            Some(I::JumpIfFalseOrPop(to) | I::JumpIfTrueOrPop(to)) => *to == at,
            _ => false,
        });
        match at.checked_sub(1).and_then(|before| self.0.get(before)) {
            Some(I::LoadConst(step)) if !is_jumped_to => {
                step.is_none() || step.as_i64().is_some_and(|step| step > 0)
            }
            _ => false,
        }
    }

    /// The text that it makes of values.
    ///
    /// # Errors
    /// If the values do not suit, or it uses too much.
    pub(super) fn text(
        &self,
        environment: &Environment<'static>,
        values: Context,
    ) -> Result<String, Error> {
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let blocks = BTreeMap::new();
        eval(environment, &self.0, values, &blocks, &mut output, AutoEscape::None)?;
        Ok(text)
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// If the values do not suit, or it uses too much.
    pub(super) fn value(
        &self,
        environment: &Environment<'static>,
        values: Context,
    ) -> Result<Context, Error> {
        let mut nothing = String::new();
        let mut output = make_string_output(&mut nothing);
        let blocks = BTreeMap::new();
        let (value, _) =
            eval(environment, &self.0, values, &blocks, &mut output, AutoEscape::None)?;
        Ok(value.unwrap_or_default())
    }
}

/// What is not known here is refused: an engine of tomorrow may do more in one step.
fn check(instruction: &Instruction<'_>) -> Result<(), TemplateError> {
    use Instruction as I;
    let known = |what: &'static str, name: &str, accepted: &[&str]| {
        let is_accepted = accepted.contains(&name);
        if is_accepted { Ok(()) } else { Err(refused(what, name)) }
    };
    match instruction {
        I::ApplyFilter(PLUS | TIMES, Some(2), NOT_KEPT) => Ok(()),
        I::ApplyFilter(name, Some(_), _) => known("filter", name, &FILTERS),
        I::PerformTest(name, Some(_), _) => known("test", name, &TESTS),
        I::CallFunction(name, Some(_)) => known("function", name, &FUNCTIONS),
        // The first argument is what is asked.
        I::CallMethod(name, Some(2..)) => known("method", name, &METHODS),
        I::CallMethod(name, Some(_)) => Err(refused("method without arguments", name)),
        // A product or a sum of lists that the compiler has made.
        I::LoadConst(value) if value.kind() == ValueKind::Iterable => Err(TemplateError::Wraps),
        I::LoadConst(_) | I::Lookup(_) | I::GetAttr(_) | I::GetItem | I::Slice => Ok(()),
        I::BuildMap(_) | I::BuildKwargs(_) | I::BuildList(Some(_)) | I::BuildTuple(Some(_)) => {
            Ok(())
        }
        I::StoreLocal(_) | I::UnpackList(_) | I::DupTop | I::DiscardTop | I::Swap => Ok(()),
        I::Sub | I::Div | I::IntDiv | I::Rem | I::Pow | I::Neg | I::Not | I::StringConcat => Ok(()),
        I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte | I::In | I::CompareAndPreserve(_) => {
            Ok(())
        }
        I::Emit | I::EmitRaw(_) | I::BeginCapture(_) | I::EndCapture => Ok(()),
        I::PushLoop(_) | I::PushWith | I::Iterate(_) | I::PushDidNotIterate => Ok(()),
        I::PopFrame | I::PopLoopFrame => Ok(()),
        I::Jump(_) | I::JumpIfFalse(_) | I::JumpIfFalseOrPop(_) | I::JumpIfTrueOrPop(_) => Ok(()),
        I::ApplyFilter(name, ..) => Err(refused("list of arguments for", name)),
        I::PerformTest(name, ..) => Err(refused("list of arguments for", name)),
        I::CallFunction(name, _) | I::CallMethod(name, _) => {
            Err(refused("list of arguments for", name))
        }
        I::BuildList(None) | I::UnpackLists(_) | I::MergeKwargs(_) => {
            Err(refused("operator before an argument", "*"))
        }
        I::FastRecurse => Err(refused("function", "loop")),
        I::CallObject(_) => Err(refused("call of", "a value")),
        I::PushAutoEscape | I::PopAutoEscape => {
            Err(TemplateError::Statement("autoescape".to_owned()))
        }
        _ => Err(refused("use of", "macros, blocks or other templates")),
    }
}

fn refused(what: &'static str, name: &str) -> TemplateError {
    TemplateError::Word { what, name: name.to_owned() }
}
