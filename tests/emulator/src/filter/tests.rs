use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::read;

use super::*;

fn run(filter: &str, document: &str) -> Result<Option<String>, String> {
    run_with(MAX_WORK, filter, document)
}

fn run_with(work: u64, filter: &str, document: &str) -> Result<Option<String>, String> {
    let (filter, document) = (filter.to_owned(), document.to_owned());
    on_the_stack_of_a_run(move || jaq::run(&filter, &document, &Meter::new(work, Arc::default())))
}

fn compile(filter: &str) -> Result<(), String> {
    let filter = filter.to_owned();
    on_the_stack_of_a_run(move || jaq::compile(&filter).map(drop))
}

fn on_the_stack_of_a_run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    thread.join().expect("no panic")
}

#[test]
fn one_output_is_the_data() {
    assert_eq!(run(".a", r#"{"a":[1,2]}"#), Ok(Some("[1,2]".to_owned())));
}

#[test]
fn several_outputs_are_an_array() {
    assert_eq!(run(".[]", "[1,{\"a\":2}]"), Ok(Some("[1,{\"a\":2}]".to_owned())));
}

#[test]
fn no_output_is_no_data() {
    assert_eq!(run("empty", "1"), Ok(None));
}

#[test]
fn number_that_passes_through_keeps_its_spelling() {
    assert_eq!(
        run(".n", r#"{"n":1.10000000000000000000001}"#),
        Ok(Some("1.10000000000000000000001".to_owned()))
    );
}

#[test]
fn error_of_the_filter_is_an_error() {
    assert!(run(".a", "[1]").is_err());
    assert!(compile(".a |").is_err());
    assert!(compile("no_such_function").is_err());
}

#[test]
fn halt_does_not_end_the_process() {
    assert_eq!(run("halt(0)", "1"), Err("the filter halted".to_owned()));
}

#[test]
fn environment_is_out_of_reach() {
    assert!(compile("env").is_err());
    assert!(compile("$ENV").is_err());
}

#[test]
fn output_that_is_not_json_is_an_error() {
    let error = run("[{key: 1, value: 2}] | from_entries", "1").expect_err("a key is a text");
    assert!(error.contains("not JSON"), "{error}");
}

#[test]
fn nan_is_null_and_what_is_infinite_the_largest_number_as_in_jq() {
    let largest = "1.7976931348623157e308";
    for (filter, due) in [
        ("nan", "null".to_owned()),
        ("infinite", largest.to_owned()),
        ("-infinite", format!("-{largest}")),
        ("{a: [nan, infinite], b: \"NaN\"}", format!(r#"{{"a":[null,{largest}],"b":"NaN"}}"#)),
        ("nan, \"Infinity\"", r#"[null,"Infinity"]"#.to_owned()),
    ] {
        assert_eq!(run(filter, "1"), Ok(Some(due)), "{filter}");
    }
}

#[test]
fn definitions_that_jaq_s_libraries_lack_are_there() {
    for (filter, document, due) in [
        ("@csv", r#"[1,"a\"b",null,true,1.5,""]"#, r#""1,\"a\"\"b\",,true,1.5,\"\"""#),
        ("@tsv", r#"[1,"a\tb\\\n\r",null]"#, r#""1\ta\\tb\\\\\\n\\r\t""#),
        ("@csv \"x \\(.)\"", "[1,2]", r#""x 1,2""#),
        ("[.[] | IN(1, 2)]", "[1,3]", "[true,false]"),
        ("IN(.[]; 1, 2)", "[3,2]", "true"),
        ("INDEX(.id)", r#"[{"id":7}]"#, r#"{"7":{"id":7}}"#),
        ("INDEX(.[]; .a, .b)", r#"[{"a":1,"b":2}]"#, r#"{"1":{"a":1,"b":2},"2":{"a":1,"b":2}}"#),
        ("[., input_filename, inputs]", "1", r#"[1,"<stdin>"]"#),
    ] {
        assert_eq!(run(filter, document), Ok(Some(due.to_owned())), "{filter}");
        let Some(jq) = jq::installed() else { continue };
        let ran = jq.run(filter, document.to_owned(), &AtomicBool::new(false));
        assert_eq!(ran, Ok(Some(due.to_owned())), "{filter} in {}", jq.version());
    }
    for filter in ["[[1]] | @csv", "{} | @tsv", "input"] {
        assert!(run(filter, "1").is_err(), "{filter}");
    }
}

#[test]
fn outputs_are_bounded() {
    let many = format!("range({})", MAX_OUTPUTS + 1);
    assert!(run(&many, "1").is_err_and(|why| why.contains("outputs")));
}

#[test]
fn filters_of_every_day_give_what_jq_gives() {
    let document =
        r#"{"items":[{"id":3,"tags":["a","b"],"on":true},{"id":1,"tags":[],"on":false}],"n":"7"}"#;
    for (filter, due) in [
        (".items | map(select(.on)) | length", "1"),
        ("[.items[] | {id, tag: .tags[0]}]", r#"[{"id":3,"tag":"a"},{"id":1,"tag":null}]"#),
        (".items | sort_by(.id) | map(.id)", "[1,3]"),
        ("[.items[].id] | add", "4"),
        ("reduce .items[] as {id: $id} (0; . + $id * 2)", "8"),
        ("[foreach .items[] as $i (0; . + $i.id)]", "[3,4]"),
        (".items[0].tags | join(\"-\")", r#""a-b""#),
        (".items |= map(.id) | del(.n)", r#"{"items":[3,1]}"#),
        (".items[].id += 1 | [.items[].id]", "[4,2]"),
        (".n | tonumber", "7"),
        (".n |= fromjson | .n", "7"),
        ("def twice(f): f | f; 3 | twice(. * 2)", "12"),
        ("[limit(3; repeat(1))]", "[1,1,1]"),
        ("[range(0; 10; 3)]", "[0,3,6,9]"),
        ("[1 | recurse(if . < 4 then . + 1 else empty end)]", "[1,2,3,4]"),
        ("[1 | while(. < 20; . * 3)]", "[1,3,9]"),
        ("1 | until(. > 20; . * 3)", "27"),
        ("[.. | numbers]", "[3,1]"),
        ("[paths] | length", "12"),
        ("getpath([\"items\", 1, \"id\"])", "1"),
        ("to_entries | map(.key)", r#"["items","n"]"#),
        ("with_entries(.value |= type)", r#"{"items":"array","n":"string"}"#),
        (".items | group_by(.on) | map(length)", "[1,1]"),
        (".items | any(.on), all(.on)", "[true,false]"),
        ("\"\\(.n)-\\(.items | length)\"", r#""7-2""#),
        ("\"a1b22\" | [scan(\"[0-9]+\")]", r#"["1","22"]"#),
        ("\"a1b22\" | gsub(\"[0-9]+\"; \"#\")", r##""a#b#""##),
        ("[.items[] | .tags | contains([\"a\"])]", "[true,false]"),
        ("try error(\"x\") catch .", r#""x""#),
        ("[.items[] | .missing // \"none\"]", r#"["none","none"]"#),
        ("if .n == \"7\" then .items[0].id else 0 end", "3"),
        ("[\"a\", [1, [2]]] | flatten", r#"["a",1,2]"#),
        ("label $out | 1, break $out, 2", "1"),
        ("[path(.items[].id)] | length", "2"),
        ("[splits(\"a\")]? // .n", r#""7""#),
    ] {
        assert_eq!(run(filter, document), Ok(Some(due.to_owned())), "{filter}");
    }
}

#[test]
fn text_that_nests_without_end_is_refused() {
    for (start, open, middle, close) in [
        ("", "1|", "1", ""),
        ("", "1,", "1", ""),
        ("", "1+", "1", ""),
        ("", "1//", "1", ""),
        ("", ".|=", "1", ""),
        ("", "1 as $x|", "1", ""),
        ("", "label $x|", "1", ""),
        ("", "-", "1", ""),
        ("", "try ", "1", ""),
        ("", "(", "1", ")"),
        ("", "[", "1", "]"),
        ("", "{a:", "1", "}"),
        ("", ".[", "1", "]"),
        ("", "map(", "1", ")"),
        ("", "\"\\(", "1", ")\""),
        ("", "if 1 then ", "1", " end"),
        ("", "if ", "1", " then 1 end"),
        ("", "reduce ", "1", " as $x(1;1)"),
        ("", "reduce 1 as $x(", "1", ";1)"),
        ("", "def f:", "1", ";f"),
        ("", "def f:1;", "f", ""),
        ("1 as ", "[", "$x", "]"),
        ("1 as ", "{a:", "$x", "}"),
        (".", "[.]", "", ""),
        (".", "?", "", ""),
        (".", ".a", "", ""),
    ] {
        // What only stands one behind the other, and parentheses around a value, nest nothing.
        let is_flat =
            |closes| matches!(open, "def f:1;" | "[.]" | "?") || (open == "(" && closes > 0);
        // Just over the limit: jaq by itself can take so much.
        let deep = guard::MAX_NESTING + 1;
        for closes in [deep, 0] {
            let (opened, closed) = (open.repeat(deep), close.repeat(closes));
            for end in ["", " |1"] {
                let ran = run(&format!("{start}{opened}{middle}{closed}{end}"), "null");
                assert_eq!(ran.is_ok(), is_flat(closes), "{open}, {closes} times {close}{end}");
            }
        }
    }
    for filter in ["1".to_owned() + &"|1".repeat(201), "[".repeat(201) + &"]".repeat(201)] {
        let error = compile(&filter).expect_err("too deep");
        assert!(error.contains("200 levels"), "{error}");
    }
}

#[test]
fn definition_that_calls_itself_is_refused() {
    for filter in [
        "def f: [f]; f",
        "def f: f; f",
        "def f(g): f(g); f(.)",
        "def f: def g: f; g; f",
        "def f: 1; def f: f; f",
        "def map(f): map(f); map(.)",
        "the_filter_itself",
    ] {
        let error = compile(filter).expect_err("it calls itself");
        assert!(error.contains("calls itself"), "{filter}: {error}");
    }
    for (filter, due) in [
        ("def f: 1; def g: f; g", "1"),
        ("def f: 1; def f(g): f; f(2)", "1"),
        ("def f(f): f; f(2)", "2"),
        ("def map: 3; map", "3"),
    ] {
        assert_eq!(run(filter, "null"), Ok(Some(due.to_owned())), "{filter}");
    }
}

/// Each ends by itself soon after the limit of the test.
#[test]
fn run_of_too_many_steps_is_stopped_and_no_try_keeps_it_up() {
    let document = format!("[{}]", ["[1,2,3]"; 12].join(","));
    for filter in [
        "[range(1100)]",
        "last(range(1100))",
        "[limit(1100; repeat(1))]",
        "last(limit(1100; repeat(1)))",
        "[limit(1100; 1 | recurse(.))]",
        "1 | [limit(1100; recurse(. + 1))] | length",
        "0 | until(. > 1100; . + 1)",
        "[0 | while(. < 1100; . + 1)] | empty",
        "isempty(range(1100) | empty)",
        "any(limit(1100; repeat(false)); .)",
        "first(skip(1100; range(1200)))",
        "[try limit(1100; repeat(1)) catch 2]",
        "[range(1100) | try (try error(1) catch .) catch 3]",
        "[limit(1100; repeat(1))?] // 2",
        "reduce range(1100) as $i (0; . + 1)",
        "[foreach range(1100) as $i (0; . + 1)]",
        "[.[] as $a | .[] as $b | .[] as $c | 1]",
        "first(.[] as $a | .[] as $b | .[] as $c | empty)",
        "[.[] | .[]] | [.[] as $a | .[] as $b | [$a, $b]]",
        "[combinations(3)]",
        "last(combinations(3))",
        "label $out | limit(1100; repeat(1)) | if . == 2 then break $out else empty end",
    ] {
        let ran = run_with(1_000, filter, &document);
        assert_eq!(ran, Err("the filter takes too many steps".to_owned()), "{filter}");
        assert_ne!(run_with(1_000_000, filter, &document), ran, "{filter}");
    }
}

/// Each makes some ten thousand values or letters, which costs more than the limit of the test.
#[test]
fn little_that_makes_much_is_stopped() {
    for filter in [
        "reduce range(14) as $i ([0]; . + .)",
        "reduce range(16) as $i (\"a\"; . + .)",
        "reduce range(16) as $i (\"a\"; \"\\(.)\\(.)\")",
        "reduce range(14) as $i (0; [., .])",
        "reduce range(14) as $i (0; [., .]) | tojson",
        "reduce range(14) as $i (0; {a: ., b: .})",
        "reduce range(14) as $i ([0]; . += .)",
        "reduce range(16) as $i (\"a\"; . |= . + .)",
        "reduce range(16) as $i (\"\\\"\"; tojson)",
        "reduce range(16) as $i (\"a\"; [., .] | join(\"\"))",
        "[limit(14; repeat(\"a\" | [., .]))] | combinations | length",
        "[[range(1000)], [range(1000)]] | transpose | [.[] , .[]] | [., .] | transpose",
    ] {
        let ran = run_with(2_000, filter, "null");
        assert_eq!(ran, Err("the filter takes too many steps".to_owned()), "{filter}");
    }
}

#[test]
fn what_is_not_counted_in_time_is_refused() {
    for (filter, why) in [
        ("\"a\" * 2", "can't be multiplied"),
        ("2 * \"a\"", "can't be multiplied"),
        ("\"a\" | . *= 2", "can't be multiplied"),
        (
            "(\"1\" + ([range(1000) | \"0\"] | join(\"\"))) | tonumber | . * .",
            "can't be multiplied",
        ),
        ("reduce range(16) as $i (\"a\"; . + .) | . + \"a\" | test(\"a*b\")", "64 KiB"),
        ("[range(257) | \"a\"] | join(\"\") as $pattern | \"a\" | test($pattern)", "256 bytes"),
        ("\"a\" | test(\"(a{2}){2}{2}\")", "no number in braces"),
        ("\"a\" | test(\"a{100}\")", "no number in braces"),
        ("[1,2] | .[[1]]", "no key"),
    ] {
        let error = run(filter, "null").expect_err(filter);
        assert!(error.contains(why), "{filter}: {error}");
    }
}

/// Each goes a little deeper than the limit, which jaq by itself can take.
#[test]
fn depth_at_run_time_is_bounded() {
    for filter in [
        "reduce range(258) as $i (0; [.])",
        "reduce range(258) as $i (0; {a: .})",
        "reduce range(258) as $i (0; . as $x | {} | .a = $x)",
        "reduce range(258) as $i ({}; .a = .)",
        "[limit(258; recurse([.]))]",
        "null | [path(limit(258; recurse(.a)))] | length",
        "null | getpath([range(258) | \"a\"]) |= 1",
        "null | path(getpath([range(258) | \"a\"]))",
        "[range(258) | \"[\"] | join(\"\") as $a | [range(258) | \"]\"] | join(\"\") as $z | $a + $z | fromjson",
        "[range(258) | \"a\"] as $p | reduce $p[] as $k ({}; {($k): .})",
    ] {
        assert!(run(filter, "null").is_err(), "{filter}");
    }
    let error = run("reduce range(258) as $i (0; [.])", "null").expect_err("too deep");
    assert!(error.contains("256 levels"), "{error}");
    assert!(run("reduce range(250) as $i (0; [.]) | length", "null").is_ok());
}

#[test]
fn run_ends_when_nobody_waits_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let ended = runtime.block_on(async {
        let (tell, ended) = tokio::sync::oneshot::channel();
        let waiting = on_a_thread(move |cancelled| {
            let run = jaq::run("last(range(1e6))", "null", &Meter::new(u64::MAX, cancelled));
            tell.send(run).map_err(|_| "nobody asks".to_owned())
        });
        let waiting = tokio::spawn(waiting);
        tokio::task::yield_now().await;
        waiting.abort();
        ended.await.expect("an end")
    });
    // Either it had not begun, or it was told.
    assert_eq!(ended, Err("the filter was stopped".to_owned()));
}

/// Left alone, the filter goes on until its time is over, and says so.
#[test]
fn emulator_that_is_dropped_stops_a_filter_that_loops() {
    let emulator = crate::Emulator::start().expect("an emulator");
    let (tell, told) = std::sync::mpsc::channel();
    emulator.hub.runtime().spawn(on_a_thread(move |cancelled| {
        let tell = |what| tell.send(what).map_err(|_| "nobody asks".to_owned());
        tell(Ok(None))?;
        tell(jaq::run("last(repeat(1))", "null", &Meter::new(u64::MAX, cancelled)))
    }));
    assert_eq!(told.recv(), Ok(Ok(None)), "it has begun");
    drop(emulator);
    assert_eq!(told.recv(), Ok(Err("the filter was stopped".to_owned())));
}

#[test]
fn large_document_can_be_filtered() {
    let row = r#"{"id":12345,"name":"a name of some length","tags":["one","two"],"price":1.25}"#;
    let document = format!(r#"{{"items":[{}]}}"#, vec![row; 2_000].join(","));
    let filter = ".items | map(select(.id > 1)) | sort_by(.name) | map({id, price}) | .[:3]";
    let due = r#"{"id":12345,"price":1.25}"#;
    assert_eq!(run(filter, &document), Ok(Some(format!("[{due},{due},{due}]"))));
}

/// The same by jaq alone, where it gives one output.
fn by_jaq_alone(filter: &str, document: &str) -> Result<String, String> {
    let arena = Arena::default();
    let own = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let Ok(modules) = Loader::new(own).load(&arena, File { code: filter, path: () }) else {
        panic!("{filter} can't be read");
    };
    let Ok(filter) = Compiler::default().with_funs(functions).compile(modules) else {
        panic!("{filter} can't be compiled");
    };
    let input = read::parse_single(document.as_bytes()).expect("JSON");
    let context = Ctx::<jaq_core::data::JustLut<jaq_json::Val>>::new(&filter.lut, Vars::new([]));
    match filter.id.run((context, input)).next().expect("an output") {
        Ok(value) => Ok(value.to_string()),
        Err(exception) => Err(exception
            .get_err()
            .map_or_else(|_| panic!("{document} made it halt"), |error| error.to_string())),
    }
}

#[test]
fn guard_changes_nothing_of_what_it_lets_through() {
    let document = r#"{"a":[1,{"b":2}],"c":null}"#;
    for filter in [
        "setpath([\"c\", \"d\"]; 1)",
        "setpath([\"a\", 1, \"b\"]; 5)",
        ".a[1].b |= . + 1",
        ".a[0] += 4",
        ".a[1].b *= 3",
        ".a[0] -= 1",
        ".a[0] /= 4",
        ".c //= 7",
        ".c //= .a[0]",
        "[.a[0], (.a[1].b = 9)]",
        "[.a[] | numbers] |= map(. + 1)",
        "(.a[0], .a[1].b) |= . * 10",
        "del(.a[0])",
        "del(.a[1].b, .c)",
        "delpaths([[\"a\", 0], [\"c\"]])",
        "to_entries",
        "[paths]",
        "[path(..)]",
        "[path(.a[] | select(type == \"object\"))]",
        "[path(first(.a[]))]",
        "limit(1; .a[]) |= 3",
        "first(.a[]) = 3",
        "(.a[] | objects) |= with_entries(.value += 1)",
        ".. |= (numbers |= . + 1)",
        "walk(if type == \"number\" then . + 1 else . end)",
        "pick(.c)",
        ". as {a: [$x, {$b}]} | [$x, $b]",
        "reduce .a[] as $x (null; [., $x])",
        "reduce (\"a\", 1, \"b\") as $k (.; .[$k])",
        "(reduce (\"a\", 1) as $k (.; .[$k])) |= 3",
        "[foreach .a[] as $x (0; . + 1; [$x, .])]",
        "[limit(5; repeat(1, 2))]",
        "[label $f | .a[] | if type == \"object\" then break $f else . end]",
        "try error({x: 1}) catch .x",
        ".a[5]",
        ".a.b",
        "error(\"no\")",
        "[.a[] | .b?]",
        "[(1, 2) * (3, 4)]",
        "[(1, 2) - (3, 4)]",
        "[(1, 2) + (3, 4)]",
        "[{a: (1, 2), b: (3, 4)}]",
        "[\"\\(1, 2)-\\(3, 4)\"]",
        "[(true, false) and (true, false)]",
        "[(null, 1) // (2, 3)]",
        "def f(g; $x): g + $x; [f(1, 2; 3, 4)]",
        "[range(0, 1; 3, 4)]",
        "[splits(\"a\")?]",
        "@json \"x\\(.a)\"",
        "-(.a[0])",
    ] {
        let guarded = run(filter, document).map(Option::unwrap_or_default);
        assert_eq!(guarded, by_jaq_alone(filter, document), "{filter}");
    }
}
