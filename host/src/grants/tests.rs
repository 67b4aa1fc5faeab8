//! Renderer against matcher, and the shipped files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::fuzzing::{visible, whole};
use super::*;

mod files;
mod page;
mod schema;

const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");
const DOCKER: &str = include_str!("../../../plugins/docker/grants.toml");

fn shipped() -> &'static [Grants; 2] {
    static SHIPPED: LazyLock<[Grants; 2]> =
        LazyLock::new(|| [("podman", PODMAN), ("docker", DOCKER)].map(|(file, text)| load(text, file)));
    &SHIPPED
}

fn load(text: &str, file: &str) -> Grants {
    Grants::parse(text, file).unwrap_or_else(|error| panic!("{error}"))
}

/// Building a generator from a pattern is dear; each is built once a thread.
fn texts_of(grammar: Grammar) -> BoxedStrategy<String> {
    thread_local!(static BUILT: RefCell<HashMap<Grammar, BoxedStrategy<String>>> = RefCell::default());
    let build = || proptest::string::string_regex(grammar.pattern()).unwrap().boxed();
    BUILT.with_borrow_mut(|built| built.entry(grammar).or_insert_with(build).clone())
}

fn runner(seed: u64) -> TestRunner {
    let bytes: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(32).collect();
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn draw<T>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

/// A text that the pattern of this kind makes; not always one that the renderer takes.
pub(super) fn made_from(grammar: Grammar, seed: u64) -> String {
    draw(&mut runner(seed), texts_of(grammar))
}

/// A text that the renderer takes, without the marks that tokens of the shipped files end a value with.
fn valid_text(runner: &mut TestRunner, grammar: Grammar) -> String {
    let known: &[&str] = match grammar {
        Grammar::ImageReference | Grammar::ImageQuery => {
            &["docker.io/library/busybox:1.36", "[::1]:5000/a/b-c:x", "localhost:5000/a:1"]
        }
        Grammar::SecretPath => &["/run/portreeve-secrets/1/key", "/portreeve-secrets/b"],
        Grammar::Address => &["127.0.0.1", "[::1]", "0.0.0.0", "[2001:db8::1]"],
        _ => &[],
    };
    // patterns alone hardly ever make these
    if !known.is_empty() {
        return known[draw(runner, 0..known.len())].to_owned();
    }
    let marks: &[char] = if matches!(grammar, Grammar::HostPath | Grammar::SecretPath | Grammar::InsidePath) {
        &[',', '"', ':']
    } else {
        &[]
    };
    loop {
        let text = draw(runner, texts_of(grammar));
        if text.len() <= grammar.longest() && (grammar.row().accepts)(&text) && !text.contains(marks) {
            return text;
        }
    }
}

fn valid_binding(runner: &mut TestRunner, slot: Slot) -> Binding {
    Binding::fields(slot.fields().iter().map(|field| (field.name(), valid_text(runner, field.grammar()))))
}

/// One that a token of comma-separated values can hold, where the template has the slot in such a one.
fn binding_for(runner: &mut TestRunner, template: &Template, slot: Slot) -> Binding {
    let csv = template.elements.iter().any(|element| element.csv && element.slots().contains(&slot));
    loop {
        let binding = valid_binding(runner, slot);
        if !csv || !binding.iter().any(|(_, value)| value.contains([',', '"', '\r', '\n'])) {
            return binding;
        }
    }
}

fn valid_bindings(runner: &mut TestRunner, template: &Template) -> Bindings {
    let mut bindings = Bindings::new();
    for slot in template.slots().collect::<Vec<_>>() {
        let count = match slot.shape() {
            _ if template.needs(slot) => 1,
            Shape::Repeated => draw(runner, 0..4usize),
            Shape::Scalar | Shape::Flag => usize::from(draw(runner, any::<bool>())),
        };
        (0..count).for_each(|_| bindings.insert(slot, binding_for(runner, template, slot)));
    }
    bindings
}

/// Whether every value is one of these facts, in their order.
fn is_within(values: &Bindings, facts: &Bindings) -> bool {
    values.iter().all(|(slot, values)| {
        let mut facts = facts.get(slot).iter();
        values.iter().all(|value| facts.any(|fact| fact == value))
    })
}

/// The same bindings with one value swapped for another of its kind.
fn swaps(runner: &mut TestRunner, template: &Template, bindings: &Bindings) -> Vec<(Slot, Bindings)> {
    let slots: Vec<Slot> = bindings.iter().map(|(slot, _)| slot).filter(|slot| slot.shape() != Shape::Flag).collect();
    let mut swapped = Vec::new();
    for slot in slots {
        let other = binding_for(runner, template, slot);
        let shown = |value: &Binding| visible(&[(slot, value.clone())].into_iter().collect());
        if bindings.get(slot).iter().any(|value| shown(value) == shown(&other)) {
            continue;
        }
        let values = bindings.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, value.clone())));
        let mut first = true;
        let one = values.map(|(of, value)| {
            let swap = of == slot && std::mem::take(&mut first);
            (of, if swap { other.clone() } else { value })
        });
        swapped.push((slot, one.collect()));
    }
    swapped
}

fn any_command(seed: usize) -> Command {
    let commands: Vec<Command> = shipped().iter().flat_map(|grants| grants.commands().to_vec()).collect();
    commands[seed % commands.len()].clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_rendered_is_recognised_with_the_same_values(seed in any::<u64>(), command in any::<usize>()) {
        let command = any_command(command);
        let bindings = valid_bindings(&mut runner(seed), command.template());
        let argv = command.template().render(&bindings).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let found = command.template().recognise(&argv);
        prop_assert_eq!(found.map(Recognition::into_bindings), Some(visible(&bindings)), "{:?}", argv);
    }

    #[test]
    fn no_mutation_is_recognised_as_the_same(seed in any::<u64>(), command in any::<usize>()) {
        let command = any_command(command);
        let template = command.template();
        let runner = &mut runner(seed);
        let bindings = valid_bindings(runner, template);
        let argv = template.render(&bindings).unwrap();
        for mutated in mutations(runner, &argv).into_iter().filter(|mutated| *mutated != argv) {
            let Some(found) = template.recognise(&mutated).map(Recognition::into_bindings) else { continue };
            prop_assert_ne!(&found, &visible(&bindings), "{:?}", mutated);
            // what is recognised otherwise is a rendering of just that, or of nothing
            if let Ok(rendered) = template.render(&whole(&found)) {
                prop_assert_eq!(rendered, mutated);
            }
        }
    }

    /// Only what names the same things is the same: no mutation of a right line is one for the same scope.
    #[test]
    fn a_mutation_is_in_no_scope_of_the_call(seed in any::<u64>(), command in any::<usize>()) {
        let command = any_command(command);
        let template = command.template();
        let runner = &mut runner(seed);
        let bindings = valid_bindings(runner, template);
        let argv = template.render(&bindings).unwrap();
        let facts = visible(&bindings);
        for mutated in mutations(runner, &argv).into_iter().filter(|mutated| *mutated != argv) {
            let found = template.recognise(&mutated).map(Recognition::into_bindings);
            // a line whose every value is a fact of the call, each as often and in the same order, is the line itself
            prop_assert!(found.is_none_or(|found| !is_within(&found, &facts) || !is_within(&facts, &found)), "{:?}", mutated);
        }
        // each value in turn is another's, or nobody's
        for (slot, other) in swaps(runner, template, &bindings) {
            let Ok(swapped) = template.render(&other) else { continue };
            prop_assert_ne!(&swapped, &argv, "{:?}", slot);
            let found = template.recognise(&swapped).map(Recognition::into_bindings);
            prop_assert_eq!(found.as_ref(), Some(&visible(&other)), "{:?}", swapped);
            prop_assert!(!is_within(&visible(&other), &facts), "{:?}", swapped);
        }
    }

    #[test]
    fn no_option_can_be_added(seed in any::<u64>(), command in any::<usize>(), option in 0..ADDED.len(), at in any::<usize>()) {
        let command = any_command(command);
        let runner = &mut runner(seed);
        let argv = command.template().render(&valid_bindings(runner, command.template())).unwrap();
        let words = command.template().slots().filter(|slot| *slot == Slot::Word).count();
        let last = if words == 0 { argv.len() } else { argv.iter().rposition(|token| accept::image_id(token)).unwrap() };
        let mut added = argv.clone();
        added.insert(at % (last + 1), ADDED[option].to_owned());
        prop_assert_eq!(command.template().recognise(&added), None, "{:?}", added);
    }

    #[test]
    fn a_value_that_breaks_a_rule_is_not_rendered(seed in any::<u64>(), command in any::<usize>(), with in 0..BREAKING.len()) {
        let command = any_command(command);
        let bindings = valid_bindings(&mut runner(seed), command.template());
        let broken: Bindings = bindings.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, spoilt(slot, value, BREAKING[with])))).collect();
        let strict = bindings.iter().any(|(slot, _)| slot.fields().iter().any(|field| !field.grammar().may_begin_with_dash()));
        prop_assume!(strict);
        prop_assert!(command.template().render(&broken).is_err(), "{:?}", broken);
    }

    #[test]
    fn the_matcher_takes_any_command_line(argv in proptest::collection::vec("[ -~]{0,12}|--env=.{0,4}|--label=.{0,4}", 0..12)) {
        for grants in shipped() {
            let _: Explanation = grants.explain(&argv);
        }
    }
}

const ADDED: [&str; 12] = [
    "--privileged",
    "--pid=host",
    "--volume=/:/host",
    "-v",
    "-v=/:/host",
    "-dP",
    "--",
    "-",
    "--cap-add=ALL",
    "--env-host",
    "--security-opt=seccomp=unconfined",
    "--mount=type=bind,source=/,target=/h,readonly=true",
];

const BREAKING: [&str; 4] = ["-x", "a\0b", "a\nb", ""];

/// The text in front of each field that is not free.
fn spoilt(slot: Slot, value: &Binding, with: &str) -> Binding {
    let spoil = |field: &Field, text: &str| match field.grammar().may_begin_with_dash() {
        true => text.to_owned(),
        false if with.is_empty() => "\u{7f}".to_owned(),
        false => format!("{with}{text}"),
    };
    Binding::fields(slot.fields().iter().map(|field| (field.name(), spoil(field, value.field(field.name()).unwrap()))))
}

/// The command line, spelt otherwise: swapped, doubled, dropped, split, joined, changed.
fn mutations(runner: &mut TestRunner, argv: &[String]) -> Vec<Vec<String>> {
    let at = draw(runner, 0..argv.len());
    let other = draw(runner, 0..argv.len());
    let edit = |change: &dyn Fn(&mut Vec<String>)| {
        let mut mutated = argv.to_vec();
        change(&mut mutated);
        mutated
    };
    let cut = draw(runner, 0..=argv[at].len());
    let cut = (0..=cut).rev().find(|cut| argv[at].is_char_boundary(*cut)).unwrap();
    let extra = draw(runner, proptest::char::any()).to_string();
    vec![
        edit(&|argv| argv.swap(at, other)),
        edit(&|argv| argv.insert(at, argv[at].clone())),
        edit(&|argv| drop(argv.remove(at))),
        edit(&|argv| {
            let tail = argv[at].split_off(cut);
            argv.insert(at + 1, tail);
        }),
        edit(&|argv| {
            if at + 1 < argv.len() {
                let next = argv.remove(at + 1);
                argv[at].push_str(&next);
            }
        }),
        edit(&|argv| argv[at] = argv[at].replacen('=', " ", 1)),
        edit(&|argv| argv[at].insert_str(cut, &extra)),
        edit(&|argv| argv[at].make_ascii_uppercase()),
        edit(&|argv| argv[at] = argv[other].clone()),
    ]
}
