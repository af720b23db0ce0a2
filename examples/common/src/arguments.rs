//! The command line of the example programs. The text that `--help` prints describes it, too.
//!
//! Invariant: an option exists if the help has a line for it; it takes a value if that line says `<…>`; a word after the
//! program's name in its usage is a subcommand.

use lexopt::{Arg, Error, Parser};
use std::fmt::{self, Display};
use std::process::exit;
use std::str::FromStr;

/// The arguments of the program. A wrong argument is reported on stderr, and ends the program.
pub struct Arguments {
    help: String,
    /// Names and values; flags have an empty one.
    options: Vec<(String, String)>,
    positional: Option<String>,
}

/// The first argument, which must be one of these. Without one, or with another, the program prints its usage and ends.
pub fn subcommand(name: &str, about: &str, commands: &[(&'static str, &str)]) -> &'static str {
    let first = std::env::args_os().nth(1);
    let known = commands.iter().map(|(command, _)| *command);
    if let Some(command) = known
        .clone()
        .find(|known| first.as_deref() == Some((*known).as_ref()))
    {
        return command;
    }
    let lines: String = commands
        .iter()
        .map(|(command, about)| format!("  {command}  {about}\n"))
        .collect();
    let usage = format!(
        "Usage: {name} <COMMAND> [OPTIONS]\n\nCommands:\n{lines}\n`{name} <COMMAND> --help` has the options."
    );
    if first.is_some_and(|first| first == "--help" || first == "-h") {
        println!("{about}\n\n{usage}");
        exit(0)
    }
    eprintln!(
        "error: a command is required: {}\n\n{usage}",
        known.collect::<Vec<_>>().join(" or ")
    );
    exit(2)
}

impl fmt::Debug for Arguments {
    /// Hides the values, which may be tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").finish_non_exhaustive()
    }
}

impl Arguments {
    /// Parses the arguments that the program was called with. `--help` prints this text and ends the program.
    pub fn parse(help: String) -> Self {
        let (options, positional) = (Vec::new(), None);
        let mut arguments = Self {
            help,
            options,
            positional,
        };
        let mut parser = Parser::from_env();
        for _ in arguments.subcommand() {
            let _ = parser.next(); // `subcommand` has chosen this help by it
        }
        while let Some(argument) = parser
            .next()
            .unwrap_or_else(|error| arguments.refuse(error))
        {
            match argument {
                Arg::Long("help") | Arg::Short('h') => {
                    print!("{}", arguments.help);
                    exit(0)
                }
                Arg::Short(letter) => arguments.unexpected(&format!("-{letter}")),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    let value = arguments.option(&mut parser, &name);
                    arguments.options.push((name, value));
                }
                Arg::Value(value) => {
                    let value = value.into_string();
                    let value = value.unwrap_or_else(|_| arguments.not_text());
                    if arguments.positional.is_some() {
                        arguments.unexpected(&value);
                    }
                    arguments.positional = Some(value);
                }
            }
        }
        arguments
    }

    /// The words after the program's name.
    fn subcommand(&self) -> impl Iterator<Item = &str> {
        let usage = self
            .help
            .lines()
            .find_map(|line| line.strip_prefix("Usage: "));
        let words = usage.unwrap_or_default().split(' ').skip(1);
        words.take_while(|word| !word.starts_with(['[', '<']))
    }

    /// The value of this option, if it has one.
    fn option(&self, parser: &mut Parser, name: &str) -> String {
        let Some(label) = self.label(name) else {
            self.unexpected(&format!("--{name}"))
        };
        if !label.contains('<') {
            return String::new();
        }
        let value = parser.optional_value().or_else(|| {
            let mut rest = parser.try_raw_args()?;
            let next = rest.peek()?.to_string_lossy().into_owned();
            match next.strip_prefix('-') {
                None => rest.next(),
                Some(option) if self.has(option.trim_start_matches('-')) => None,
                Some(_) => self.unexpected(&next),
            }
        });
        let Some(value) = value else {
            self.fail(&format!(
                "a value is required for '{label}' but none was supplied"
            ))
        };
        let value = value.into_string();
        value.unwrap_or_else(|_| self.not_text())
    }

    /// An option as the help shows it: `--hurry <N>`.
    fn label(&self, name: &str) -> Option<&str> {
        self.help.lines().find_map(|line| {
            let line = line.trim_start();
            let label = line.split("  ").next()?;
            let option = label.split(' ').next()?;
            (option.strip_prefix("--") == Some(name)).then_some(label)
        })
    }

    /// Whether the program has this option.
    pub fn has(&self, name: &str) -> bool {
        self.label(name).is_some()
    }

    /// Whether this option was given.
    pub fn flag(&self, name: &str) -> bool {
        self.once(name).is_some()
    }

    /// The value of this option.
    pub fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        let label = self.label(name).unwrap_or(name);
        self.once(name).map(|value| self.parsed(label, value))
    }

    /// The values of an option that may be given many times.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let these = self
            .options
            .iter()
            .filter(move |(option, _)| option == name);
        these.map(|(_, value)| &**value)
    }

    /// The argument that is not an option. `label` is its name in the help.
    pub fn positional<T: FromStr<Err: Display>>(&self, label: &str) -> Option<T> {
        let value = self.positional.as_ref();
        value.map(|value| self.parsed(label, value))
    }

    fn once(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next();
        if values.next().is_some() {
            let label = self.label(name).unwrap_or(name);
            self.misused(&format!(
                "the argument '{label}' cannot be used multiple times"
            ));
        }
        value
    }

    /// Parses the value of the argument that has this name in the help.
    pub fn parsed<T: FromStr<Err: Display>>(&self, label: &str, value: &str) -> T {
        // Without the value, which may hold a token.
        let value = value.parse();
        value.unwrap_or_else(|error| self.fail(&format!("invalid value for '{label}': {error}")))
    }

    /// Ends the program because these arguments are missing. `options` are those that go together, for the usage.
    pub fn missing(&self, labels: &[&str], options: &[&str]) -> ! {
        let what = "the following required arguments were not provided:\n  ";
        self.used_with(&format!("{what}{}", labels.join("\n  ")), options)
    }

    /// Ends the program because these two options exclude each other. `options` are those that go together, for the usage.
    pub fn conflict(&self, one: &str, other: &str, options: &[&str]) -> ! {
        let [one, other] = [one, other].map(|name| self.label(name).unwrap_or(name));
        let what = format!("the argument '{one}' cannot be used with '{other}'");
        self.used_with(&what, options)
    }

    /// Ends the program because an argument is not UTF-8.
    pub fn not_text(&self) -> ! {
        self.misused("invalid UTF-8 was detected in one or more arguments")
    }

    fn unexpected(&self, argument: &str) -> ! {
        let tip = match argument.starts_with('-') {
            true => format!("\n\n  tip: to pass '{argument}' as a value, use '-- {argument}'"),
            false => String::new(),
        };
        self.misused(&format!("unexpected argument '{argument}' found{tip}"))
    }

    fn refuse(&self, error: Error) -> ! {
        match error {
            Error::UnexpectedValue { option, value } => {
                let value = value.to_string_lossy();
                let what = format!("unexpected value '{value}' for '{option}' found");
                self.used_with(&format!("{what}; no more were expected"), &[&option])
            }
            error => self.misused(&error.to_string()),
        }
    }

    /// Says what is wrong and how the program is used.
    fn misused(&self, what: &str) -> ! {
        self.used_with(what, &["[OPTIONS]"])
    }

    /// The same, with these options in the usage.
    fn used_with(&self, what: &str, options: &[&str]) -> ! {
        let usage = self.help.lines().find(|line| line.starts_with("Usage: "));
        let options: String = options.iter().map(|option| format!("{option} ")).collect();
        let usage = usage.unwrap_or_default().replace("[OPTIONS] ", &options);
        self.fail(&format!("{what}\n\n{usage}"))
    }

    fn fail(&self, what: &str) -> ! {
        eprintln!("error: {what}\n\nFor more information, try '--help'.");
        exit(2)
    }
}
