//! What the code map promises, read from the source: who may use whom, how long a file may be, and
//! that what is documented is what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/files.rs"]
mod files;

/// The longest file, in lines. A longer one is split by question.
const LINES_MAX: usize = 400;

/// The longest function, in lines. A longer one does more than one thing.
const FUNCTION_LINES_MAX: usize = 60;

/// How many fields the core's call has at most. More belong to parts of it that own theirs.
const CALL_FIELDS_MAX: usize = 15;

/// How many files may import each other in a circle.
const CIRCLE_MAX: usize = 3;

/// A source file below `src`.
struct Source {
    /// Its path below `src`, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// The module directly below the crate that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().expect("a path has a first part");
        first.trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    /// Everything but its inline tests, which stand at the end.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().expect("a split has a first part")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder is read");
        for path in entries.map(|entry| entry.expect("an entry is read").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&src, &path));
            }
        }
    }
    found
}

fn source(src: &Path, path: &PathBuf) -> Source {
    let below = path.strip_prefix(src).expect("it is below src");
    Source {
        path: below.to_string_lossy().replace('\\', "/"),
        text: fs::read_to_string(path).expect("a source file is read"),
    }
}

/// The words in backticks or links of one cell of a table.
fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The table in `src/lib.rs`: each layer's modules, and the layers that they may use.
fn layers() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let map = read("src/lib.rs");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1);
    rows.filter(|row| !row.starts_with("---"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let [layer, modules, uses, ..] = cells[..] else { panic!("not a row: {row}") };
            let list = |cell| words(cell).filter(|word| *word != "mod").map(str::to_owned);
            (layer.trim().to_owned(), (list(modules).collect(), list(uses).collect()))
        })
        .collect()
}

/// The modules that a piece of code names as `crate::module` or in `crate::{module::…, …}`.
fn used(code: &str) -> BTreeSet<String> {
    let name = |text: &str| words(text).next().unwrap_or_default().to_owned();
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            found.insert(name(after));
            continue;
        };
        let mut depth = 0;
        let mut rest = group;
        found.insert(name(rest));
        while let Some(at) = rest.find(['{', '}', ',']) {
            match &rest[at..=at] {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                _ if depth == 0 => drop(found.insert(name(&rest[at..]))),
                _ => {}
            }
            rest = &rest[at + 1..];
        }
    }
    found
}

#[test]
fn no_arrow_goes_up() {
    let layers = layers();
    let layer_of = |module: &str| {
        let found = layers.iter().find(|(_, (modules, _))| modules.iter().any(|m| m == module));
        found.map(|(layer, _)| layer.as_str())
    };
    let mut up = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let module = source.module();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let layer = layer_of(module).unwrap_or_else(|| panic!("{module} is in no layer"));
        let (_, may_use) = &layers[layer];
        for target in used(source.code()) {
            let Some(below) = layer_of(&target) else { continue };
            let allowed = target == module || may_use.iter().any(|m| m == below || *m == target);
            if !allowed {
                up.push(format!("{}: {module} ({layer}) uses {target} ({below})", source.path));
            }
        }
    }
    assert!(up.is_empty(), "the table in src/lib.rs does not allow:\n{}", up.join("\n"));
}

#[test]
fn used_modules_are_seen_in_every_spelling() {
    let code = "use crate::call::{Event, End};\nuse crate::{store::{calls, Store}, clock};\n\
                fn f() -> crate::agent::Agent {}";
    let expected = ["agent", "call", "clock", "store"].map(str::to_owned);
    assert_eq!(used(code), BTreeSet::from(expected));
}

#[test]
fn every_module_is_in_a_layer_and_every_layer_is_made_of_modules() {
    let documented: BTreeSet<String> =
        layers().into_values().flat_map(|(modules, _)| modules).collect();
    let declared: BTreeSet<String> = read("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned))
        .collect();
    assert_eq!(documented, declared);
}

#[test]
fn no_file_is_too_long_and_every_module_says_what_it_is() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX && !source.is_test() {
            faults.push(format!("{} has {lines} lines of at most {LINES_MAX}", source.path));
        }
        if !source.text.starts_with("//! ") {
            faults.push(format!("{} does not begin with //!", source.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Where tasks are started that no supervisor starts, how many, and why that is well. What runs as
/// long as the server does belongs to `tasks.spawn`, or is given to `tasks.watch` and named in
/// `tests/whole_call/supervision.rs`.
const SPAWNS: [(&str, usize, &str); 24] = [
    ("post_call/job_worker.rs", 1, "watched: work after calls"),
    ("app.rs", 1, "ends when the agents are read"),
    ("app/database.rs", 1, "ends when the migration is finished"),
    ("app/prompts.rs", 1, "ends with the templates, or with the process"),
    ("clock/supervisor.rs", 1, "watched: this is how"),
    ("database/mod.rs", 1, "watched: own database"),
    ("database/server.rs", 1, "ends with the PostgreSQL whose log it writes"),
    ("functions/appointments/desk.rs", 1, "ends with a change of an appointment"),
    ("functions/mod.rs", 1, "ends with a function"),
    ("line/control.rs", 2, "end with a connection that is closed"),
    ("line/directory.rs", 1, "ends with an agent that is read"),
    ("line/mod.rs", 1, "ends with a call"),
    ("recording/recorder.rs", 1, "watched: recorder"),
    (
        "call_log/writer.rs",
        5,
        "watched: log writer, stand-in, replay; the last two again at the end",
    ),
    ("supabase/keys.rs", 1, "ends when the project's keys are read"),
    ("supabase/sign_in.rs", 1, "ends when a code is mailed"),
    ("web/numbers/connect.rs", 1, "ends when a number is connected, or is not"),
    ("web/doctor.rs", 1, "ends with a look, after four minutes at the latest"),
    ("web/phone/instance_routing.rs", 1, "ends with a line of a call's log"),
    ("web/phone/mod.rs", 1, "ends with an answer"),
    ("web/phone/stream.rs", 1, "ends with a stream"),
    ("web/phone/test_call.rs", 1, "ends with an answer"),
    ("web/phone/voice.rs", 2, "end with an answer"),
    ("web/serve.rs", 1, "ends with a connection"),
];

/// How many tasks a piece of code starts, but for those that a supervisor starts.
fn spawns(code: &str) -> usize {
    let starts = |line: &str| {
        let all = line.split("spawn(").skip(1).filter(|after| !after.starts_with(')')).count();
        all - line.matches("tasks.spawn(").count() - line.matches("fn spawn(").count()
    };
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(starts).sum()
}

#[test]
fn every_task_is_watched_or_ends_with_what_it_is_for() {
    assert_eq!(spawns("clock::spawn(a);\nspawn(async {\ntasks.spawn(\nchild.spawn()?"), 2);
    // The stand-ins and the commands that use them serve no callers; the clock is what starts tasks.
    let is_of_server = |source: &&Source| {
        let path = source.path.as_str();
        let stands_in = matches!(source.module(), "rehearsal" | "commands");
        !source.is_test() && !stands_in && !path.ends_with("test_service.rs") && path != "clock.rs"
    };
    let found: Vec<(String, usize)> = sources()
        .iter()
        .filter(is_of_server)
        .map(|source| (source.path.clone(), spawns(source.code())))
        .filter(|(_, count)| *count > 0)
        .collect();
    let found: BTreeMap<_, _> = found.into_iter().collect();
    let known = SPAWNS.iter().map(|(path, count, _)| ((*path).to_owned(), *count)).collect();
    assert_eq!(found, known, "start what runs as long as the server by its supervisor");
}

/// The functions of a piece of formatted code that are too long, with their lines.
fn long_functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut long = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        let Some(name) = function_name(body) else { continue };
        // A one-line function or a declaration ends on its own line.
        if body.ends_with('}') || body.ends_with(';') {
            continue;
        }
        let end = format!("{indent}}}");
        // The end of a declaration of several lines.
        let declares = |line: &&str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest.starts_with(')') && rest.ends_with(';'))
        };
        let rest = &lines[at..];
        let Some(length) = rest.iter().position(|line| *line == end || declares(line)) else {
            continue;
        };
        if length + 1 > FUNCTION_LINES_MAX && rest[length] == end {
            long.push((name.to_owned(), length + 1));
        }
    }
    long
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line;
    if let Some(inner) = rest.strip_prefix("pub") {
        rest = match inner.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1.trim_start(),
            None => inner.trim_start(),
        };
    }
    for word in ["const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

#[test]
fn no_function_is_too_long() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (name, lines) in long_functions(source.code()) {
            faults.push(format!("{}: {name} has {lines} lines", source.path));
        }
    }
    assert!(faults.is_empty(), "at most {FUNCTION_LINES_MAX}:\n{}", faults.join("\n"));
}

#[test]
fn a_long_function_is_seen() {
    let body = "        x();\n".repeat(FUNCTION_LINES_MAX);
    let code = format!(
        "impl A {{\n    pub(crate) async fn long<T>(\n        x: T,\n    ) {{\n{body}    }}\n\n    fn b() {{}}\n}}\n"
    );
    assert_eq!(long_functions(&code), [("long".to_owned(), FUNCTION_LINES_MAX + 4)]);
    assert_eq!(long_functions("fn a() {\n    x();\n}\n"), []);
}

#[test]
fn a_call_has_few_fields() {
    let state = read("src/call/state.rs");
    let call = state.split("pub struct Call {").nth(1).expect("it is there");
    let call = call.split("\n}").next().expect("a split has a first part");
    let fields = call.lines().filter(|line| line.starts_with("    pub(super) ")).count();
    assert!((1..=CALL_FIELDS_MAX).contains(&fields), "{fields} fields");
}

/// The first names behind `super::`, as often as it stands there, in groups too: with how many folders up
/// each of them is looked for.
fn named_siblings(code: &str) -> Vec<(usize, String)> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("super::") {
        // The others of a chain are counted with its first.
        if code[..at].ends_with("super::") {
            continue;
        }
        let (mut up, mut rest) = (0, &code[at..]);
        while let Some(after) = rest.strip_prefix("super::") {
            (up, rest) = (up + 1, after);
        }
        let Some(group) = rest.strip_prefix('{') else {
            found.push((up, word(rest)));
            continue;
        };
        let (mut depth, mut starts) = (0, true);
        for (place, letter) in group.char_indices() {
            match letter {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => starts = true,
                _ if starts && !letter.is_whitespace() => {
                    starts = false;
                    found.push((up, word(&group[place..])));
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn names_in_groups_are_seen() {
    let code = "use super::{a, b::{c, d},\n    e as f};\nuse super::super::g; super::h::i();";
    let found: Vec<_> = named_siblings(code);
    let expected = [(1, "a"), (1, "b"), (1, "e"), (2, "g"), (1, "h")];
    assert_eq!(found, expected.map(|(up, name)| (up, name.to_owned())));
}

/// The files beside it that each file names as `super::file`.
fn imports(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let of = |folder: &str, name: &str| {
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")]
            .into_iter()
            .find(|path| paths.contains(path.as_str()))
    };
    let mut found = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let above = |path: &str| path.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
        let own = above(&source.path);
        let folder = if source.path.ends_with("mod.rs") { above(&own) } else { own };
        let lines = source.code().lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = lines.flat_map(|line| [line, "\n"]).collect();
        let mut uses = BTreeSet::new();
        for (up, name) in named_siblings(&code) {
            let folder = (1..up).fold(folder.clone(), |folder, _| above(&folder));
            uses.extend(of(&folder, &name));
        }
        uses.remove(&source.path);
        found.insert(source.path.clone(), uses);
    }
    found
}

/// All that a file leads to.
fn reach<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for used in graph.get(file).into_iter().flatten() {
            if reached.insert(used.as_str()) {
                next.push(used);
            }
        }
    }
    reached
}

/// The groups of files that import each other in a circle, the largest first.
fn circles() -> Vec<BTreeSet<String>> {
    let graph = imports(&sources());
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reach(&graph, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, reaches) in &reached {
        let circle: BTreeSet<String> = reaches
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|back| back.contains(file)))
            .map(|other| (*other).to_owned())
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    let mut circles: Vec<_> = circles.into_iter().collect();
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

#[test]
fn few_files_import_each_other() {
    let large: Vec<_> = circles().into_iter().filter(|circle| circle.len() > CIRCLE_MAX).collect();
    assert!(large.is_empty(), "circles of more than {CIRCLE_MAX} files: {large:?}");
}

fn is_variable(word: &str) -> bool {
    word.len() > 2
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// The names that stand in quotes in `src/config.rs`.
fn variables_read() -> BTreeSet<String> {
    let config = source(&root().join("src"), &root().join("src/config.rs"));
    let quoted = config.code().split('"').skip(1).step_by(2).filter(|text| is_variable(text));
    quoted.map(str::to_owned).collect()
}

#[test]
fn the_readme_documents_the_variables_that_are_read() {
    let reference = read("docs/reference.md");
    let table =
        reference.split("\n## Environment").nth(1).expect("docs/reference.md has the section");
    let table = table.split("\n## ").next().expect("a split has a first part");
    let first_cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let documented: BTreeSet<String> =
        first_cells.flat_map(words).filter(|word| is_variable(word)).map(str::to_owned).collect();
    assert_eq!(documented, variables_read());
}

#[test]
fn the_example_environment_has_the_variables_that_are_read() {
    let example = read(".env.example");
    let names = example.lines().filter_map(|line| {
        let (name, _) = line.trim_start_matches("# ").split_once('=')?;
        is_variable(name).then(|| name.to_owned())
    });
    assert_eq!(names.collect::<BTreeSet<String>>(), variables_read());
}
