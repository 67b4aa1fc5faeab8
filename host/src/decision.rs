//! From an ask to a permit, or to a refusal. Pure, and the only place that makes a [`Permit`].
//!
//! What is checked here is what the executor runs: a permit holds the rendered argv itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Refusal, Rule};
use crate::executor::{CheckedProgram, EnvValue, host_defaults};
use crate::grants::{
    Binding, Bindings, Command, Effect, Grants, Limit, Object, Origin, ProgramGrant, RenderError, Slot, Stdin, Timeout,
};
use crate::redaction::Redactor;
use crate::scope::{Argument, Ask, Scope};

/// What the host itself keeps of each output stream of a command of its own.
const EVIDENCE_CAP: usize = 4 << 20;

/// Seconds that a command gets beyond the grace of its call.
const BEYOND_GRACE: u64 = 30;

/// One command, decided: exactly this program, these words, this environment.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    command: String,
    effect: Effect,
    object: Object,
    program: Arc<CheckedProgram>,
    argv: Vec<String>,
    environment: Vec<(String, EnvValue)>,
    timeout: Option<Duration>,
    granted_time: Timeout,
    output_cap: usize,
    input: Input,
}

/// What a command's standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// At its end.
    None,
    /// The caller's, through a pipe.
    Pipe,
    /// A terminal, and all its output too; the caller may write to it, or not.
    Terminal { fed: bool },
}

impl Permit {
    /// The command's name in the grants.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// The effect that it has.
    pub(crate) fn effect(&self) -> Effect {
        self.effect
    }

    /// The kind of object that it has it on.
    pub(crate) fn object(&self) -> Object {
        self.object
    }

    /// The checked program.
    pub(crate) fn program(&self) -> &Arc<CheckedProgram> {
        &self.program
    }

    /// The words as rendered, the program's own first.
    pub(crate) fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The whole environment of the child.
    pub(crate) fn environment(&self) -> &[(String, EnvValue)] {
        &self.environment
    }

    /// The time it has; none where it ends with its object or by cancellation.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What kind of time its grant gives it.
    pub(crate) fn granted_time(&self) -> Timeout {
        self.granted_time
    }

    /// What its standard input is.
    pub(crate) fn input(&self) -> Input {
        self.input
    }

    /// The most that is kept of each of its output streams, in bytes.
    pub(crate) fn output_cap(&self) -> usize {
        self.output_cap
    }
}

/// Where the decision gets a checked program from.
pub(crate) trait Programs {
    /// The program of this name in the grants, checked.
    ///
    /// # Errors
    /// `Unavailable` where it is not there, `Unsupported` for a wrapper, a refusal where it is not to be trusted.
    fn checked(&self, name: &str) -> Result<Arc<CheckedProgram>, Error>;
    /// The value of a variable of the host's own environment.
    fn variable(&self, name: &str) -> Option<&[u8]>;
}

/// All that a decision rests on.
pub(crate) struct Grounds<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) scope: &'a Scope,
    pub(crate) programs: &'a dyn Programs,
    pub(crate) redactor: &'a Redactor,
}

impl Grounds<'_> {
    /// Decides an ask of a guest's. `spent` tells how often the call already had an effect on a kind of object.
    pub(crate) fn decide(&self, ask: &Ask, spent: impl Fn(Effect, Object) -> u32) -> Result<Permit, Error> {
        let command = self.granted(&ask.command)?;
        if !command.is_for_backends() {
            let why = "this command is for the host's own evidence alone";
            let remedy = format!(
                "an operator would grant a command of its own, beside {}; no backend ever runs this one",
                self.grants.place(command.name())
            );
            return Err(Refusal::new(Rule::CommandNotGranted, why).command(command.name()).remedy(remedy).into());
        }
        self.opened(command, spent)?;
        self.has_words(command)?;
        self.says_what_the_host_fills(command)?;
        let named = self.resolve(command, &ask.arguments)?;
        let is_exact = command.effect() == Effect::Create || self.scope.call().is_exact();
        let caller = match () {
            () if is_exact => self.exact(command, named)?,
            () if command.joins() => self.joined(command, named)?,
            () => named,
        };
        self.permit(command, caller, self.most_output())
    }

    /// Decides a command of the host's own: it only looks, and names what the host says.
    pub(crate) fn decide_evidence(&self, command: &str, facts: Bindings) -> Result<Permit, Error> {
        let command = self.granted(command)?;
        if command.effect() != Effect::Read {
            let why = "a command for evidence must have the effect `read`";
            let remedy = format!("an operator would say effect = \"read\" at {}", self.grants.place(command.name()));
            return Err(Refusal::new(Rule::EffectNotOpen, why).command(command.name()).remedy(remedy).into());
        }
        self.permit(command, facts, EVIDENCE_CAP)
    }

    /// The most that a guest gets of a command's output, in bytes.
    fn most_output(&self) -> usize {
        usize::try_from(self.grants.limits().value(Limit::OutputMib) << 20).unwrap_or(usize::MAX)
    }

    fn granted(&self, name: &str) -> Result<&Command, Refusal> {
        self.grants.command(name).ok_or_else(|| {
            let why = "the grants have no such command";
            let remedy = format!(
                "an operator would add [commands.{}] to {}",
                name.chars().take(64).collect::<String>().escape_debug(),
                self.grants.place(name)
            );
            Refusal::new(Rule::CommandNotGranted, why).command(name).remedy(remedy)
        })
    }

    /// The call opens the command's effect, and has not used it up.
    fn opened(&self, command: &Command, spent: impl Fn(Effect, Object) -> u32) -> Result<(), Refusal> {
        let (effect, object, call) = (command.effect(), command.object(), self.scope.call());
        let place = self.grants.place(command.name());
        let told = |rule, why: String| {
            let remedy = format!("the effect stands at {place}; what a call opens is fixed, and no grant widens it");
            Err(Refusal::new(rule, why).command(command.name()).remedy(remedy))
        };
        match call.allowance(effect, object) {
            None => told(
                Rule::EffectNotOpen,
                format!("the call `{}` does not open `{} {}`", call.name(), effect.as_str(), object.as_str()),
            ),
            Some(allowance) if spent(effect, object) >= allowance.most => told(
                Rule::CountExceeded,
                format!(
                    "the call `{}` opens `{} {}` {} times",
                    call.name(),
                    effect.as_str(),
                    object.as_str(),
                    allowance.most
                ),
            ),
            Some(_) => Ok(()),
        }
    }

    /// What runs words in a container runs those of a caller.
    fn has_words(&self, command: &Command) -> Result<(), Refusal> {
        let runs_words = command.effect() == Effect::Change && command.template().has(Slot::Word);
        if !runs_words || !self.scope.caller().get(Slot::Word).is_empty() {
            return Ok(());
        }
        let why = format!("the call `{}` has no words to run", self.scope.call().name());
        Err(Refusal::new(Rule::EffectNotOpen, why).command(command.name()).remedy("the caller would ask for an exec"))
    }

    /// Each argument names a slot of the template, and a fact of the call.
    fn resolve(&self, command: &Command, arguments: &[Argument]) -> Result<Bindings, Refusal> {
        let mut named = Bindings::default();
        for argument in arguments {
            let slot = self.slot(command, &argument.slot)?;
            for binding in self.fact(command, slot, argument)? {
                named.insert(slot, binding);
            }
        }
        Ok(named)
    }

    fn slot(&self, command: &Command, name: &str) -> Result<Slot, Refusal> {
        let refused = |why: &str| Refusal::new(Rule::SlotNotGranted, why).command(command.name()).slot(name);
        let slot = Slot::by_name(name).ok_or_else(|| {
            let near = Slot::nearest(name).map(|slot| format!("; the nearest is {slot}")).unwrap_or_default();
            refused("there is no such slot").remedy(format!("the backend would name a slot of the command{near}"))
        })?;
        if slot.origin() != Origin::Caller && !matches!(slot, Slot::ContainerId | Slot::NetworkId | Slot::PodId) {
            return Err(refused("the host alone fills this slot").remedy("the backend would leave it out"));
        }
        if !command.template().slots().any(|known| known == slot) {
            return Err(refused("the command's template has no such slot").remedy(self.with_token(command, slot)));
        }
        Ok(slot)
    }

    fn fact(&self, command: &Command, slot: Slot, argument: &Argument) -> Result<Vec<Binding>, Refusal> {
        self.scope.resolve(slot, &argument.given).ok_or_else(|| {
            Refusal::new(Rule::OutOfScope, "the value is no fact of this call: the caller did not ask for it")
                .command(command.name())
                .slot(slot.name())
                .value(&format!("{:?}", argument.given))
                .remedy(format!(
                    "the caller would ask for it in this call; no grant allows a value of {slot} that none asked for"
                ))
        })
    }

    /// Every fact of the caller's was given exactly once; then the facts themselves are rendered, in their own order.
    fn exact(&self, command: &Command, named: Bindings) -> Result<Bindings, Refusal> {
        let mut facts = self.scope.caller().iter();
        facts.try_for_each(|(slot, facts)| self.whole(command, slot, facts, &named))?;
        Ok(self.scope.caller().clone())
    }

    /// On each network a container has all of its aliases.
    fn joined(&self, command: &Command, named: Bindings) -> Result<Bindings, Refusal> {
        let aliases = self.scope.caller().get(Slot::Alias);
        if !aliases.is_empty() {
            self.whole(command, Slot::Alias, aliases, &named)?;
        }
        Ok(named)
    }

    /// The facts of a slot were given, each once.
    fn whole(&self, command: &Command, slot: Slot, facts: &[Binding], named: &Bindings) -> Result<(), Refusal> {
        if !command.template().has(slot) {
            return Err(self.unsayable(command, slot, facts));
        }
        if same_multiset(facts, named.get(slot)) {
            return Ok(());
        }
        let why = "what the caller asked for was left out, or given more than once";
        Err(Refusal::new(Rule::NotExact, why)
            .command(command.name())
            .slot(slot.name())
            .value(&first_value(facts))
            .remedy("the backend would give each value that the caller asked for, once"))
    }

    /// What the host fills in the caller's name is not left out either.
    fn says_what_the_host_fills(&self, command: &Command) -> Result<(), Refusal> {
        let filled = |slot: Slot| slot.origin() == Origin::Caller && !command.template().has(slot);
        let lost = self.scope.host().iter().find(|(slot, _)| filled(*slot) && command.effect() != Effect::Read);
        lost.map_or(Ok(()), |(slot, facts)| Err(self.unsayable(command, slot, facts)))
    }

    fn unsayable(&self, command: &Command, slot: Slot, facts: &[Binding]) -> Refusal {
        let why = "the caller asked for this, and the command's template can't say it (unsupported)";
        let refusal = Refusal::new(Rule::NotExact, why).command(command.name()).slot(slot.name());
        refusal.value(&first_value(facts)).remedy(self.with_token(command, slot))
    }

    /// What an operator would add, that a command could say a slot.
    fn with_token(&self, command: &Command, slot: Slot) -> String {
        let (name, place) = (command.name(), self.grants.place(command.name()));
        format!("an operator would add a token with {{{slot}}} to the argv of [commands.{name}] at {place}")
    }

    /// Renders, looks for secrets, and puts the environment together.
    fn permit(&self, command: &Command, mut facts: Bindings, output_cap: usize) -> Result<Permit, Error> {
        for (slot, bindings) in self.scope.host().iter() {
            if facts.get(slot).is_empty() && command.template().slots().any(|known| known == slot) {
                bindings.iter().for_each(|binding| facts.insert(slot, binding.clone()));
            }
        }
        let argv = command.template().render(&facts).map_err(|error| unrendered(command, &error))?;
        self.no_secret(command, &argv)?;
        let program = self.programs.checked(command.template().program())?;
        Ok(Permit {
            command: command.name().to_owned(),
            effect: command.effect(),
            object: command.object(),
            environment: self.environment(command, &facts)?,
            program,
            argv,
            timeout: self.timeout(command),
            granted_time: command.timeout(),
            input: self.input(command),
            output_cap,
        })
    }

    /// The operator's time, and for what the caller wanted done the caller's, where that is shorter.
    fn timeout(&self, command: &Command) -> Option<Duration> {
        let granted = match command.timeout() {
            Timeout::After(time) => Some(time),
            Timeout::None => None,
            Timeout::Grace => Some(Duration::from_secs(u64::from(self.scope.grace()) + BEYOND_GRACE)),
        };
        let asked = self.scope.limit().filter(|_| command.effect() != Effect::Read);
        granted.into_iter().chain(asked).min()
    }

    /// The caller's input reaches a command only where the operator says so, and the caller too.
    fn input(&self, command: &Command) -> Input {
        let [caller, host] = [self.scope.caller(), self.scope.host()].map(|facts| !facts.get(Slot::Stdin).is_empty());
        let fed = caller || host;
        match command.stdin() {
            Stdin::None => Input::None,
            Stdin::Caller if self.scope.is_terminal() => Input::Terminal { fed },
            Stdin::Caller if fed => Input::Pipe,
            Stdin::Caller => Input::None,
        }
    }

    /// No known secret stands in the words, in any spelling.
    fn no_secret(&self, command: &Command, argv: &[String]) -> Result<(), Refusal> {
        match argv.iter().find_map(|word| self.redactor.find_secret(word.as_bytes())) {
            None => Ok(()),
            Some(name) => {
                Err(Refusal::new(Rule::SecretInArgv, format!("the secret {name} would stand in a command line"))
                    .command(command.name())
                    .remedy("pass it with --secret, and nowhere else"))
            }
        }
    }

    /// The granted variables, without a value of theirs as the host's own environment has them; what the host sets; the
    /// secrets of this command.
    fn environment(&self, command: &Command, facts: &Bindings) -> Result<Vec<(String, EnvValue)>, Refusal> {
        let mut variables: BTreeMap<String, EnvValue> = host_defaults().into_iter().collect();
        let program = self.grants.program(command.template().program());
        for variable in program.map(ProgramGrant::environment).unwrap_or_default() {
            let constant = variable.value().map(str::as_bytes);
            if let Some(value) = constant.or_else(|| self.programs.variable(variable.name())) {
                variables.insert(variable.name().to_owned(), EnvValue::plain(value));
            }
        }
        for name in facts.get(Slot::EnvSecret).iter().filter_map(|fact| fact.field("name")) {
            let refused = |why: &str, remedy: String| {
                Refusal::new(Rule::Secret, why).command(command.name()).slot("env.secret").value(name).remedy(remedy)
            };
            let value = self.scope.secret(name).ok_or_else(|| {
                refused("the call has no such secret", format!("the caller would bring it: --secret {name}"))
            })?;
            if variables.insert(name.to_owned(), EnvValue::secret(value.expose())).is_some() {
                let remedy = format!("the caller would hand it over as a file: --secret {name},as=file");
                return Err(refused("the engine's client reads a variable of this name itself", remedy));
            }
        }
        Ok(variables.into_iter().collect())
    }
}

fn unrendered(command: &Command, error: &RenderError) -> Refusal {
    let rule = if error.slot == Slot::ImageId { Rule::ImageNotVerified } else { Rule::Grammar };
    let field = if error.field.is_empty() { String::new() } else { format!(", in its part {}", error.field) };
    let refusal = Refusal::new(rule, format!("{}{field}", error.rule.as_str())).remedy(&error.remedy);
    let refusal = refusal.command(command.name()).slot(error.slot.name());
    if error.value.is_empty() { refusal } else { refusal.value(&error.value) }
}

/// The first text of the first value, for messages.
fn first_value(facts: &[Binding]) -> String {
    facts.first().and_then(|fact| fact.iter().next()).map(|(_, text)| text.to_owned()).unwrap_or_default()
}

fn same_multiset(left: &[Binding], right: &[Binding]) -> bool {
    let sorted = |bindings: &[Binding]| {
        let mut sorted = bindings.to_vec();
        sorted.sort();
        sorted
    };
    left.len() == right.len() && sorted(left) == sorted(right)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod for_test {
    use super::*;

    /// The parts that a test of the executor varies.
    pub(crate) struct Parts<'a> {
        pub(crate) program: &'a mut Arc<CheckedProgram>,
        pub(crate) environment: &'a mut Vec<(String, EnvValue)>,
        pub(crate) timeout: &'a mut Option<Duration>,
        pub(crate) output_cap: &'a mut usize,
        pub(crate) input: &'a mut Input,
    }

    impl Permit {
        pub(crate) fn for_test(
            program: Arc<CheckedProgram>,
            argv: Vec<String>,
            environment: Vec<(String, EnvValue)>,
            timeout: Option<Duration>,
            output_cap: usize,
        ) -> Self {
            let (effect, object) = (Effect::Read, Object::Engine);
            let (command, input) = ("test".to_owned(), Input::None);
            let granted_time = timeout.map_or(Timeout::None, Timeout::After);
            Self { command, effect, object, program, argv, environment, timeout, granted_time, output_cap, input }
        }

        pub(crate) fn for_test_parts(&mut self) -> Parts<'_> {
            let Self { program, environment, timeout, output_cap, input, .. } = self;
            Parts { program, environment, timeout, output_cap, input }
        }
    }
}
