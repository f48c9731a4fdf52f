use super::*;

fn run(filter: &str, document: &str) -> Result<Option<String>, String> {
    run_with(MAX_WORK, filter, document)
}

fn run_with(work: u64, filter: &str, document: &str) -> Result<Option<String>, String> {
    let (filter, document) = (filter.to_owned(), document.to_owned());
    on_the_stack_of_a_run(move || super::run(&filter, &document, &Meter::new(work, Arc::default())))
}

fn compile(filter: &str) -> Result<(), String> {
    let filter = filter.to_owned();
    on_the_stack_of_a_run(move || super::compile(&filter).map(drop))
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
    assert!(run("nan", "1").is_err());
}

#[test]
fn outputs_are_bounded() {
    assert!(run("range(100000)", "1").is_err());
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
        let room = MAX_FILTER_BYTES - start.len() - middle.len() - " |1".len();
        let closed = room / (open.len() + close.len());
        let opened = room / open.len();
        for (opens, closes) in [(closed, closed), (opened, 0)] {
            // What only stands one behind the other, and parentheses around a value, nest nothing.
            let flat = matches!(open, "def f:1;" | "[.]" | "?") || (open == "(" && closes > 0);
            let (opened, closed) = (open.repeat(opens), close.repeat(closes));
            for end in ["", " |1"] {
                let ran = run(&format!("{start}{opened}{middle}{closed}{end}"), "null");
                assert_eq!(ran.is_ok(), flat, "{opens} times {open}, {closes} times {close}{end}");
            }
        }
    }
    for filter in ["1".to_owned() + &"|1".repeat(1000), "[".repeat(1000) + &"]".repeat(1000)] {
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

#[test]
fn run_without_end_is_stopped_and_no_try_keeps_it_up() {
    let document = format!("[{}]", vec!["[1,2,3]"; 2000].join(","));
    for filter in [
        "[range(1e12)]",
        "[range(1; 2; 0)]",
        "last(range(1e12))",
        "[repeat(1)]",
        "last(repeat(1))",
        "repeat(empty)",
        "[recurse(.)]",
        "1 | [recurse(. + 1)] | length",
        "until(false; .)",
        "while(true; .) | empty",
        "isempty(repeat(1) | empty)",
        "any(repeat(false); .)",
        "[limit(1e12; repeat(1))]",
        "last(limit(1e12; repeat(1)))",
        "first(skip(1e12; repeat(1)))",
        "[try repeat(1) catch 2]",
        "[range(1e9) | try (try error(1) catch .) catch 3]",
        "[repeat(1)?] // 2",
        "reduce range(1e12) as $i (0; . + 1)",
        "[foreach range(1e12) as $i (0; . + 1)]",
        "reduce repeat(1) as $i ([]; . + [1])",
        "[.[] as $a | .[] as $b | .[] as $c | 1]",
        "first(.[] as $a | .[] as $b | .[] as $c | empty)",
        "[.[] | .[]] | [.[] as $a | .[] as $b | [$a, $b]]",
        "[combinations(8)]",
        "last(combinations(8))",
        "label $out | repeat(1) | if . == 2 then break $out else empty end",
        "[inputs]",
    ] {
        assert!(run_with(200_000, filter, &document).is_err(), "{filter}");
    }
}

#[test]
fn little_that_makes_much_is_stopped() {
    for filter in [
        "reduce range(100) as $i ([0]; . + .)",
        "reduce range(100) as $i (\"a\"; . + .)",
        "reduce range(100) as $i (\"a\"; \"\\(.)\\(.)\")",
        "reduce range(100) as $i (0; [., .])",
        "reduce range(100) as $i (0; [., .]) | tojson",
        "reduce range(100) as $i (0; {a: ., b: .})",
        "reduce range(100) as $i ([0]; . += .)",
        "reduce range(100) as $i (\"a\"; . |= . + .)",
        "reduce range(100) as $i (\"\\\"\"; tojson)",
        "reduce range(100) as $i (\"a\"; [., .] | join(\"\"))",
        "reduce range(100) as $i (3; . * .)",
        "\"a\" * 1e12",
        "1e12 * \"a\"",
        "\"a\" | . *= 1e12",
        "[limit(60; repeat(\"a\" | [., .]))] | combinations | length",
        "[range(1000)] | .[1e12] = 1",
        "[] | .[1e12] = 1",
        "null | .[1e9] = 1",
        "null | setpath([1e9]; 1)",
        "[[range(10000)], [range(10000)]] | transpose | [.[] , .[]] | [., .] | transpose",
        "(\"1\" + ([range(5000) | \"0\"] | join(\"\"))) | tonumber | . * .",
        "[range(3e5) | \"a\"] | join(\"\") | test(\"a*b\")",
        "\"a\" | test(\"(a{99}){99}{99}\")",
    ] {
        assert!(run_with(1_000_000, filter, "null").is_err(), "{filter}");
    }
}

#[test]
fn depth_at_run_time_is_bounded() {
    for filter in [
        "reduce range(1e6) as $i (0; [.])",
        "reduce range(1e6) as $i (0; {a: .})",
        "reduce range(1e6) as $i (0; . as $x | null | .a = $x)",
        "reduce range(1e6) as $i ({}; .a = .)",
        "reduce range(1e6) as $i ({}; .a |= [., .])",
        "[recurse([.])]",
        "last(repeat([.]))",
        "until(false; [.])",
        "null | recurse(.a) |= 1",
        "null | [path(recurse(.a))]",
        "null | first(path(recurse(.a) | select(false)))",
        "null | setpath([range(1e5) | \"a\"]; 1)",
        "null | getpath([range(1e5) | \"a\"]) |= 1",
        "null | (reduce range(1e5) as $i (.; .a)) |= 1",
        "null | (foreach range(1e5) as $i (.; .a)) |= 1",
        "null | delpaths([[range(1e5) | \"a\"]])",
        "reduce range(17) as $i (\"[\"; . + .) | fromjson",
        "reduce range(17) as $i (\"[\"; . + .) as $a | reduce range(17) as $i (\"]\"; . + .) | $a + . | fromjson",
        "reduce range(17) as $i (\"[\"; . + .) | tonumber",
        "[limit(1e5; repeat(\"a\"))] as $p | reduce $p[] as $k ({}; {($k): .})",
        "[range(1e5)] | [limit(1e5; .[])] | pick(.[0])",
    ] {
        assert!(run(filter, "null").is_err(), "{filter}");
    }
    let error = run("reduce range(1e6) as $i (0; [.])", "null").expect_err("too deep");
    assert!(error.contains("256 levels"), "{error}");
}

#[test]
fn run_ends_when_nobody_waits_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let ended = runtime.block_on(async {
        let (tell, ended) = tokio::sync::oneshot::channel();
        let waiting = on_a_thread(move |cancelled| {
            let run = super::run("last(range(1e12))", "null", &Meter::new(u64::MAX, cancelled));
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
