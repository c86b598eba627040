//! Small templates that could come to much, each of which is refused or ends at once; and what
//! owners write, which goes on working.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::*;

/// Far more than any of them takes, and far less than one that does not end.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

fn known() -> BTreeSet<String> {
    ["args"].map(str::to_owned).into()
}

fn values() -> Context {
    let args = json!({
        "v": "v".repeat(1_000), "list": ["a", "b", "c"], "n": 3, "price": 2.5, "name": "Ann O'Neil",
        "quoted": "\"", "map": {"x": 1, "y": 2}, "rows": [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}],
        "yes": true,
    });
    Context::from_pairs([("args", value_of(&args))])
}

/// What comes of a text: its JSON, or why there is none.
fn rendered(source: &str) -> Result<Value, TemplateError> {
    let source = source.to_owned();
    let (sender, receiver) = mpsc::channel();
    let work = move || {
        let tree = TemplateTree::parse(&json!(source), &known());
        drop(sender.send(tree.and_then(|tree| tree.render(&values()))));
    };
    let thread = thread::Builder::new().spawn(work).expect("a thread starts");
    let result = receiver.recv_timeout(ENDS_WITHIN).expect("it ends, and does not panic");
    thread.join().expect("it does not panic");
    result
}

/// What comes of a condition.
fn holds(source: &str) -> Result<bool, TemplateError> {
    let source = source.to_owned();
    let work = move || Condition::parse(&source, &known())?.holds(&values());
    let thread = thread::Builder::new().spawn(work).expect("a thread starts");
    thread.join().expect("it does not panic")
}

fn doubled(beginning: &str, statement: &str, end: &str) -> String {
    format!("{beginning}{}{end}", statement.repeat(45))
}

#[test]
fn a_list_is_never_added_to_itself() {
    for begin in [
        "{% set x = [1, 1] %}",
        "{% set x = args.list %}",
        "{% set x = range(9) %}",
        "{% set x = (1, 1) %}",
        "{% set x = args.v|list %}",
        "{% set x = args.list[0:] %}",
        "{% set x = args.v|split('v') %}",
    ] {
        for end in [
            "",
            "{{ x }}",
            "{{ x|length }}",
            "{{ x|first }}",
            "{{ x|last }}",
            "{{ x[5] }}",
            "{{ x[0:1] }}",
            "{{ x|sum }}",
            "{{ x|min }}",
            "{{ x|tojson }}",
            "{{ x|join }}",
            "{{ x|reverse }}",
            "{{ 3 in x }}",
            "{{ x == x }}",
            "{% if x %}1{% endif %}",
            "{% for i in x %}{% endfor %}",
        ] {
            let source = doubled(begin, "{% set x = x + x %}", end);
            let error = rendered(&source).unwrap_err();
            assert!(matches!(error, TemplateError::Failed { .. }), "{source}: {error}");
        }
    }
    for source in [
        "{{ args.list + args.list }}",
        "{{ args.list * 2 }}",
        "{{ 2 * args.list }}",
        "{{ args.list * 10000000 ~ '' }}",
        "{{ [args.list]|sum(start=args.list) }}",
        "{{ args.rows|sum(attribute='t') }}",
        "{{ ['a', 'b']|sum(start='') }}",
        "{{ [1] + [2] }}",
        "{{ [1] * 2 }}",
        "{{ (1,) * 9999999 }}",
    ] {
        assert!(rendered(source).is_err(), "{source}");
        assert!(holds(source).is_err(), "{source}");
    }
}

#[test]
fn indentation_is_bounded_before_it_is_made() {
    for n in ["9", "100", "1000000000", "9000000000000000", "9223372036854775807", "-1", "'x'"] {
        for expression in [
            format!("[1]|tojson(indent={n})"),
            format!("[1]|tojson({n})"),
            format!("args.rows|tojson({n})"),
        ] {
            assert!(rendered(&format!("{{{{ {expression} }}}}")).is_err(), "{expression}");
            assert!(rendered(&format!("a {{{{ {expression} }}}}")).is_err(), "{expression}");
            assert!(holds(&expression).is_err(), "{expression}");
        }
    }
    assert!(rendered("{{ 'a\nb'|indent(9223372036854775807) }}").is_err());
    assert_eq!(rendered("{{ [1]|tojson(8) }}").unwrap(), json!("[\n        1\n]"));
    assert_eq!(rendered("{{ args.map|tojson }}").unwrap(), json!("{\"x\": 1, \"y\": 2}"));
    assert_eq!(rendered("{{ [1]|tojson(true) }}").unwrap(), json!("[\n  1\n]"));
    assert_eq!(rendered("{{ '<'|tojson(indent=2) }}").unwrap(), json!("\"\\u003c\""));
    // It is the size that counts, and not the length of the list.
    let source = "{% set x = range(30000)|list %}{{ x|tojson(8) }}";
    assert!(matches!(rendered(source), Err(TemplateError::Failed { .. })));
}

#[test]
fn what_a_row_may_not_name_is_refused_when_it_is_read() {
    for (source, word) in [
        ("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}", "method without arguments cycle"),
        ("{% for i in [1] %}{% set c = loop %}{{ c.cycle() }}{% endfor %}", "without arguments"),
        ("{% for i in [1] %}{{ loop.cycle(*args.list) }}{% endfor %}", "before an argument *"),
        ("{% for i in [1] %}{{ loop(i) }}{% endfor %}", "function loop"),
        ("{{ args.list|chain(args.list) }}", "filter chain"),
        ("{{ args.list|zip(args.list)|list }}", "filter zip"),
        ("{{ args|pprint }}", "filter pprint"),
        ("{{ args.rows|groupby('t') }}", "filter groupby"),
        ("{{ args|nothing }}", "filter nothing"),
        ("{{ args.v|center(1000000000) }}", "filter center"),
        ("{{ args.v is sameas 1 }}", "test sameas"),
        ("{{ args.v is upper }}", "test upper"),
        ("{{ args.v.upper() }}", "method without arguments upper"),
        ("{{ args.v.replace('v', args.v) }}", "method replace"),
        ("{{ args.v() }}", "method without arguments v"),
        ("{{ args['v']() }}", "call of a value"),
        ("{{ args() }}", "function args"),
        ("{{ range(*args.list) }}", "before an argument *"),
        ("{{ args.v|replace(**args.map) }}", "before an argument *"),
        ("{{ args.v[::-1] }}", "step of a slice"),
        ("{{ args.v[5:0:args.n] }}", "step of a slice"),
        ("{{ args.v[5:0:(-1 if args.yes else 1)] }}", "step of a slice"),
        ("{{ args.v[5:0:(args.nothing or 1)] }}", "step of a slice"),
        ("{% autoescape true %}{{ args.v }}{% endautoescape %}", "autoescape"),
    ] {
        let error = TemplateTree::parse(&json!(source), &known()).unwrap_err().to_string();
        assert!(error.contains(word) && error.ends_with("not accepted here"), "{source}: {error}");
    }
    for source in [
        "{{ args.list|map('chain') }}",
        "{{ args.list|map('zip') }}",
        "{{ args.list|map('pprint') }}",
        "{{ args.list|map('groupby') }}",
        "{{ args.list|select('upper')|list }}",
        "{{ args.list|reject('sameas')|list }}",
    ] {
        assert!(rendered(source).is_err(), "{source}");
    }
}

/// One that comes to much, or to nothing; and that it ends.
#[test]
fn small_templates_come_to_little() {
    let x = |of: &str, statement: &str, end: &str| {
        doubled(&format!("{{% set x = {of} %}}"), statement, end)
    };
    let sources = [
        x("'aaaaaaaaaa'", "{% set x = x ~ x %}", "{{ x|length }}"),
        x("'aaaaaaaaaa'", "{% set x = x + x %}", "{{ x|length }}"),
        x("'aaaaaaaaaa'", "{% set x = x * 10 %}", "{{ x|length }}"),
        x("args.quoted", "{% set x = x|tojson %}", "{{ x|length }}"),
        x("args.quoted", "{% set x = x ~ [x] %}", "{{ x|length }}"),
        x("args.quoted", "{% set x = [x]|string %}", "{{ x|length }}"),
        x("'&' * 1000", "{% set x = x|escape %}", "{{ x|length }}"),
        x("'aaaa'", "{% set x = x|replace('a', x) %}", "{{ x|length }}"),
        x("'aaaa'", "{% set x = x|replace('', x) %}", "{{ x|length }}"),
        x("'aaaa'", "{% set x = x|join(x) %}", "{{ x|length }}"),
        x("'a\n'", "{% set x = x|indent(99, true, true) %}", "{{ x|length }}"),
        x("'a'", "{% set x = '%s%s'|format(x, x) %}", "{{ x|length }}"),
        x("'a'", "{% set x %}{{ x }}{{ x }}{% endset %}", "{{ x|length }}"),
        x("2", "{% set x = x * x %}", "{{ x }}"),
        x("2", "{% set x = x ** x %}", "{{ x }}"),
        x("2.5", "{% set x = x * x %}", "{{ x }}"),
        x("1", "{% set x = x + x %}", "{{ x }}"),
        x("args.list", "{% set x = x[0:] %}", "{{ x|length }}"),
        x("args.list", "{% set x = x|reverse %}", "{{ x|length }}"),
        x("args.list", "{% set x = x|list %}", "{{ x|length }}"),
        x("range(99999)", "{% set x = x[::2] %}", "{{ x|length }}"),
        x("range(99999)", "{% set x = x|sort %}", "{{ x|length }}"),
        x("range(99999)", "{% set x = x|unique %}", "{{ x|length }}"),
        x("range(99999)", "", "{{ x|join(args.v)|length }}"),
        x("range(9999)|list", "{% set x = x|join(x|join) %}", "{{ x|length }}"),
        x("('a ' * 9999)|split", "", "{% for i in x %}{% set y = x|list %}{% endfor %}"),
        "{{ ('a' * 1000000000)|length }}".to_owned(),
        "{{ ('' * 9223372036854775807)|length }}".to_owned(),
        "{{ 'a' * -9223372036854775807 }}".to_owned(),
        "{{ 'a' * 1e30 }}".to_owned(),
        "{{ ([1] * 1000000000)|length }}".to_owned(),
        "{{ range(1000000000)|list|length }}".to_owned(),
        "{{ range(100000)|list|length }}".to_owned(),
        "{{ range(-9223372036854775807, 9223372036854775807)|list }}".to_owned(),
        "{{ range(0, 10, 0)|list }}".to_owned(),
        "{{ [range(100000)]|string|length }}".to_owned(),
        "{{ range(100000) ~ range(100000) }}".to_owned(),
        "{{ -1 in range(100000) }}".to_owned(),
        "{{ range(100000) == range(100000) }}".to_owned(),
        "{{ range(100000)|sum }}".to_owned(),
        "{{ range(100000)|last }}".to_owned(),
        "{{ range(100000)|max }}".to_owned(),
        "{{ range(100000)|select('odd')|first }}".to_owned(),
        "{{ range(100000)|reject('defined')|first }}".to_owned(),
        "{{ range(100000)|map('string')|join|length }}".to_owned(),
        "{{ [1]|batch(1000000000)|list }}".to_owned(),
        "{{ [1]|slice(1000000000)|list|length }}".to_owned(),
        "{{ args.v|batch(1)|list|length }}".to_owned(),
        "{{ '%1000000000d'|format(1) }}".to_owned(),
        "{{ '%*d'|format(1000000000, 1) }}".to_owned(),
        "{{ '%.1000000000f'|format(1.0) }}".to_owned(),
        "{{ ('%9999d' * 999)|format(1) }}".to_owned(),
        "{{ 'a\nb'|indent(1000000000) }}".to_owned(),
        "{{ 1.5|round(2147483647) }}".to_owned(),
        "{{ 1|round(-2147483648) }}".to_owned(),
        "{{ 9 ** 9 ** 9 ** 9 }}".to_owned(),
        "{{ 10.0 ** 308 * 10 }}".to_owned(),
        "{{ (-9223372036854775807 - 1) // -1 }}".to_owned(),
        "{{ 170141183460469231731687303715884105727 + 1 }}".to_owned(),
        "{{ 170141183460469231731687303715884105727 * 2 }}".to_owned(),
        "{{ 1 // 0 }}{{ 1 % 0 }}".to_owned(),
        "{{ 'abc'[::0] }}".to_owned(),
        "{{ [1, 2][9223372036854775807:9223372036854775807] }}".to_owned(),
        "{{ ('\n' * 99999)|lines|length }}".to_owned(),
        "{{ ('a' * 99999)|list|length }}".to_owned(),
        "{{ ('a' * 99999)|split('')|length }}".to_owned(),
        "{{ ('a' * 99999)|replace('', 'bbbb')|length }}".to_owned(),
        "{{ ('a' * 99999)|title|upper|lower|capitalize|trim('a')|length }}".to_owned(),
        "{% for i in range(9999) %}{{ loop.cycle('a' * 9999) }}{% endfor %}".to_owned(),
        "{% for i in range(9999) %}{{ loop.changed(args.v) }}{% endfor %}".to_owned(),
        "{% for i in range(9999) %}{{ args.v }}{% endfor %}".to_owned(),
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}".to_owned(),
        "{% for i in range(9999) %}{% set y = range(9999)|sort|list %}{% endfor %}".to_owned(),
        "{% set s = 'é' * 50000 %}{% for i in range(9999) %}{{ s[0:9:3] }}{% endfor %}".to_owned(),
        "{% set s = 'a' * 99999 %}{% for i in range(9999) %}{{ s == s ~ '' }}{% endfor %}"
            .to_owned(),
        format!(
            "{{% set s = 'A' * 99999 %}}{{% set l = [{}] %}}{{% for i in range(99) %}}{{% set y = \
             l|sort %}}{{% set y = l|unique %}}{{% endfor %}}",
            ["s"; 60].join(", ")
        ),
        format!(
            "{{% set s = 'A' * 99999 %}}{{% set l = {{{}}} %}}{{% for i in range(99) %}}{{% set y = \
             l|dictsort(by='value') %}}{{% endfor %}}",
            (0..30).map(|n| format!("{n}: s")).collect::<Vec<_>>().join(", ")
        ),
        format!(
            "{{% set s = 'A' * 99999 %}}{{% set l = [{}] %}}{{% for i in range(99) %}}{{% set y = \
             l|map('title')|list %}}{{% set y = l|select('in', l)|list %}}{{% endfor %}}",
            ["s"; 60].join(", ")
        ),
        "{% set s = 'é' * 50000 %}{% for i in range(9999) %}{{ s[49998:49999] }}{{ s < s }}\
         {{ 'x' in s }}{% endfor %}"
            .to_owned(),
        ["{% filter replace('a', 'aaaaaaaaaa') %}"; 10].concat()
            + "a"
            + &"{% endfilter %}".repeat(10),
    ];
    for source in sources {
        let written = rendered(&source).map_or(0, |value| value.to_string().len());
        assert!(written <= FILLED_IN_MAX + 2, "{written} bytes of {source}");
    }
}

/// The engine writes each of them small before it compares them, and charges for none of it.
#[test]
fn long_texts_are_not_put_in_order_for_nothing() {
    let names = ["s"; 60].join(", ");
    let pairs = (0..30).map(|n| format!("{n}: s")).collect::<Vec<_>>().join(", ");
    for expression in [
        format!("[{names}]|sort|length"),
        format!("[{names}]|unique|length"),
        format!("[{names}]|min|length"),
        format!("[{names}]|max|length"),
        format!("{{{pairs}}}|dictsort(by='value')|length"),
        format!("{{{pairs}}}|dictsort|length"),
    ] {
        let source = |bytes: usize| format!("{{% set s = 'A' * {bytes} %}}{{{{ {expression} }}}}");
        let error = rendered(&source(99_999)).unwrap_err();
        let is_out_of_fuel =
            matches!(error, TemplateError::Failed { kind: ErrorKind::OutOfFuel, .. });
        assert!(is_out_of_fuel, "{expression}: {error}");
        assert!(rendered(&source(9)).is_ok(), "{expression}");
    }
}

#[test]
fn what_owners_write_goes_on_working() {
    for (source, expected) in [
        ("{{ args.n + 1 }}", json!(4)),
        ("{{ 1 + args.n + args.n }}", json!(7)),
        ("{{ args.n + args.price }}", json!(5.5)),
        ("{{ args.n * args.price }}", json!(7.5)),
        ("{{ args.n * 2 }}", json!(6)),
        ("{{ 2 * args.n - 1 }}", json!(5)),
        ("{{ args.yes + 1 }}", json!(2)),
        ("{{ 9007199254740993 + args.n }}", json!(9007199254740996_i64)),
        ("{{ 9223372036854775807 + args.n - args.n }}", json!(i64::MAX)),
        ("{{ args.name + '!' }}", json!("Ann O'Neil!")),
        ("{{ args.name + ' ' + args.name }}", json!("Ann O'Neil Ann O'Neil")),
        ("{{ '-' * 3 }}{{ args.n * '+' }}", json!("---+++")),
        ("{% set t = args.n + 1 %}{% set t = t + t %}{{ t }}", json!("8")),
        ("{% for i in args.list %}{{ loop.index + 1 }}{% endfor %}", json!("234")),
        ("{% for i in range(3) %}{{ i * 15 + 5 }},{% endfor %}", json!("5,20,35,")),
        ("{% for i in args.list %}{{ loop.cycle('x', 'y') }}{% endfor %}", json!("xyx")),
        ("{% for i in args.list %}{{ loop.changed(i) }} {% endfor %}", json!("true true true ")),
        (
            "{% for i in args.list %}{{ i }}{{ ', ' if not loop.last else '' }}{% endfor %}",
            json!("a, b, c"),
        ),
        ("{{ args.list|join(', ')|upper }}", json!("A, B, C")),
        ("{{ args.rows|map(attribute='t')|join('/') }}", json!("a/b")),
        ("{{ args.rows|sum(attribute='n') }}", json!(3)),
        ("{{ [1, 2, 3.5]|sum }}", json!(6.5)),
        ("{{ args.rows|selectattr('n', 'gt', 1)|list }}", json!([{"n": 2, "t": "b"}])),
        ("{{ args.list|reject('eq', 'a')|list }}", json!(["b", "c"])),
        ("{{ args.list|sort(reverse=true)|first }}", json!("c")),
        ("{{ args.list|batch(2)|list }}", json!([["a", "b"], ["c"]])),
        ("{{ args.map|dictsort }}", json!([["x", 1], ["y", 2]])),
        ("{% for k, v in args.map|items %}{{ k }}={{ v }};{% endfor %}", json!("x=1;y=2;")),
        ("{{ args.name|replace(\"'\", '')|lower|title|trim }}", json!("Ann Oneil")),
        ("{{ args.name|length }}", json!(10)),
        ("{{ '%.2f'|format(args.price) }}", json!("2.50")),
        ("{{ '%02d:%02d'|format(args.n, 5) }}", json!("03:05")),
        ("{{ args.price|round|int }}", json!(2)),
        ("{{ '7'|int + 1 }}", json!(8)),
        ("{{ args.name|split(' ')|last }}", json!("O'Neil")),
        ("{{ args.name[0:3] }}{{ args.name[-3:] }}", json!("Anneil")),
        ("{{ args.list[::2] }}", json!(["a", "c"])),
        ("{{ args.list|reverse|join }}{{ args.name|reverse }}", json!("cbalieN'O nnA")),
        ("{{ 'a' in args.list and args.n is odd }}", json!(true)),
        ("{{ args.nothing|default('none') }}", json!("none")),
        ("{% if args.nothing is defined %}x{% else %}y{% endif %}", json!("y")),
        ("{% filter upper %}a{{ args.n }}{% endfilter %}", json!("A3")),
        ("{% set x %}a{{ args.n }}{% endset %}{{ x }}", json!("a3")),
        ("{% with x = args.n %}{{ x + x }}{% endwith %}", json!("6")),
        ("{{ 'yes' if args.n > 2 else 'no' }}", json!("yes")),
        ("{{ 1 < args.n <= 3 }}", json!(true)),
        ("{{ args.name|e }}", json!("Ann O&#x27;Neil")),
        ("{% raw %}{{ x }}{% endraw %}", json!("{{ x }}")),
    ] {
        assert_eq!(rendered(source).as_ref(), Ok(&expected), "{source}");
    }
    for (source, expected) in [
        ("args.n + 1 > 3", true),
        ("args.n * 2 == 6 and args.name == \"Ann O'Neil\"", true),
        ("{{ args.list|length > 3 }}", false),
        ("args.name is startingwith 'Bob'", false),
        ("args.n in [1, 2, 3]", true),
    ] {
        assert_eq!(holds(source), Ok(expected), "{source}");
    }
    // What was not a sum before is none now.
    for source in ["{{ args.n + 'x' }}", "{{ args.nothing + 1 }}", "{{ 'x' * 'y' }}"] {
        assert!(matches!(rendered(source), Err(TemplateError::Failed { .. })), "{source}");
    }
}
