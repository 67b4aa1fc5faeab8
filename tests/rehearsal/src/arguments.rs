//! Command lines as pflag reads them, the library that both engines use.

use crate::trouble::Trouble;

/// Flags of one command, each as its names with commas between them; `=` after the first says that it takes a value:
/// `["all,a", "filter=,f"]`.
pub(crate) type Flags = &'static [&'static str];

/// What a command line says.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    flags: Vec<(&'static str, String)>,
    pub(crate) operands: Vec<String>,
}

/// Whether flags may stand after the first operand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    FlagsFirst,
    Mixed,
}

impl Arguments {
    pub(crate) fn parse(words: &[String], flags: &[Flags], order: Order) -> Result<Self, Trouble> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix('-') {
                Some("-") => break,
                Some(rest) if !rest.is_empty() => parsed.flag(word, rest, flags, &mut words)?,
                _ => parsed.operands.push(word.clone()),
            }
            if order == Order::FlagsFirst && !parsed.operands.is_empty() {
                break;
            }
        }
        parsed.operands.extend(words.cloned());
        Ok(parsed)
    }

    fn flag<'w>(
        &mut self,
        word: &str,
        rest: &str,
        flags: &[Flags],
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), Trouble> {
        match rest.strip_prefix('-') {
            Some(long) => self.long(long, flags, words),
            None => self.short(word, rest, flags, words),
        }
    }

    fn long<'w>(
        &mut self,
        long: &str,
        flags: &[Flags],
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), Trouble> {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let (flag, takes_value) =
            find(flags, name).filter(|_| name.len() > 1).ok_or_else(|| unknown(format!("unknown flag: --{name}")))?;
        let value = match value {
            Some(value) => value.to_owned(),
            None if takes_value => {
                words.next().cloned().ok_or_else(|| unknown(format!("flag needs an argument: --{name}")))?
            }
            None => "true".to_owned(),
        };
        self.flags.push((flag, value));
        Ok(())
    }

    fn short<'w>(
        &mut self,
        word: &str,
        rest: &str,
        flags: &[Flags],
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), Trouble> {
        for (at, letter) in rest.char_indices() {
            let (flag, takes_value) = find(flags, letter.to_string().as_str())
                .ok_or_else(|| unknown(format!("unknown shorthand flag: '{letter}' in {word}")))?;
            if takes_value {
                let glued = rest.get(at + letter.len_utf8()..).unwrap_or_default().trim_start_matches('=');
                let value = if glued.is_empty() { words.next().cloned() } else { Some(glued.to_owned()) };
                let value = value.ok_or_else(|| unknown(format!("flag needs an argument: '{letter}' in {word}")))?;
                self.flags.push((flag, value));
                return Ok(());
            }
            self.flags.push((flag, "true".to_owned()));
        }
        Ok(())
    }

    /// The last value of a flag.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.value(name) == Some("true")
    }

    /// The one operand of a command that takes exactly one.
    pub(crate) fn operand(&self) -> Result<&str, Trouble> {
        match self.operands.as_slice() {
            [one] => Ok(one),
            others => Err(unknown(format!("accepts 1 arg(s), received {}", others.len()))),
        }
    }
}

/// The flag's first name and whether it takes a value.
fn find(flags: &[Flags], name: &str) -> Option<(&'static str, bool)> {
    let mut all = flags.iter().flat_map(|flags| flags.iter());
    all.find_map(|flag| {
        let mut names = flag.split(',').map(|name| name.trim_end_matches('='));
        let first = names.clone().next()?;
        names.any(|candidate| candidate == name).then_some((first, flag.contains('=')))
    })
}

fn unknown(text: String) -> Trouble {
    Trouble::Usage(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: Flags = &["all,a", "quiet,q", "filter=,f", "time=,t", "label=,l"];

    fn parse(words: &[&str], order: Order) -> Result<Arguments, Trouble> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        Arguments::parse(&words, &[FLAGS], order)
    }

    #[test]
    fn flags_take_values_in_each_spelling() {
        let parsed = parse(&["-aq", "-t", "1", "--filter=a=b", "-fc", "x", "--label", "l", "y"], Order::Mixed).unwrap();
        assert!(parsed.is_set("all") && parsed.is_set("quiet"));
        assert_eq!(parsed.value("time"), Some("1"));
        assert_eq!(parsed.values("filter").collect::<Vec<_>>(), ["a=b", "c"]);
        assert_eq!(parsed.operands, ["x", "y"]);
    }

    #[test]
    fn nothing_after_the_first_operand_is_a_flag_where_flags_come_first() {
        let parsed = parse(&["--all", "image", "--filter", "-t"], Order::FlagsFirst).unwrap();
        assert_eq!(parsed.operands, ["image", "--filter", "-t"]);
        let parsed = parse(&["--all", "--", "--filter"], Order::FlagsFirst).unwrap();
        assert_eq!(parsed.operands, ["--filter"]);
    }

    #[test]
    fn a_switch_can_be_switched_off() {
        assert!(!parse(&["--all", "--all=false"], Order::Mixed).unwrap().is_set("all"));
    }

    #[test]
    fn what_is_not_known_is_said_as_the_engines_say_it() {
        let say = |words: &[&str]| match parse(words, Order::Mixed) {
            Err(Trouble::Usage(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(say(&["--privileged"]), "unknown flag: --privileged");
        assert_eq!(say(&["--a"]), "unknown flag: --a");
        assert_eq!(say(&["-az"]), "unknown shorthand flag: 'z' in -az");
        assert_eq!(say(&["--time"]), "flag needs an argument: --time");
    }
}
