//! What a row of the table of parameters is made of, and the only code that writes [`Settings`].
//!
//! Absent: the rows themselves (`parameters.rs`).

use super::Config;
use super::kind::{Kind, Value};
use super::lists::Structured;
use super::settings::{Choice, Settings};

/// A change of configuration that the running server must act on. Closed: whoever executes hooks
/// matches on all of them. A parameter that is simply read where it is needed has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// Listen on the new addresses (`bind`).
    Bind,
    /// Listen on the new port.
    Port,
    /// Check that the process may open that many files.
    MaxClients,
    /// Give the cores their new shares of memory; evict.
    MaxMemory,
    /// Start or stop accounting for clients' buffers.
    MaxMemoryClients,
    /// Change what is logged.
    LogLevel,
    /// Change the working directory of the process.
    Directory,
    /// Change the default user's password.
    RequirePass,
    /// Change the title of the process.
    ProcTitle,
    /// Change the frequency of background rounds.
    Hz,
    /// Start or stop the append-only file.
    AppendOnly,
}

/// When a parameter can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// By CONFIG SET too.
    Mutable,
    /// Only before the server starts.
    Immutable,
    /// By CONFIG SET if `enable-protected-configs` allows it.
    Protected,
}

/// Where the value of a parameter lives.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// In a field, whose type fits the row's kind.
    Field { get: fn(&Settings) -> Value, set: fn(&mut Settings, Value) -> Option<()> },
    /// In a field with a grammar of its own.
    Structured(Structured),
    /// In no field, for the reason given: only CONFIG GET and REWRITE see it.
    Reserved(&'static str),
}

/// The declaration of one configuration parameter.
pub struct Parameter {
    /// Its name, in lower case.
    pub name: &'static str,
    /// A second name, kept for old files.
    pub alias: Option<&'static str>,
    /// What its words mean.
    pub kind: Kind,
    /// Its default, as one would write it in a file.
    pub default: &'static str,
    /// When it can be changed.
    pub mutability: Mutability,
    /// What the server must do after a change.
    pub apply: Option<Apply>,
    /// What it means, in one sentence.
    pub doc: &'static str,
    /// Left out of patterns in CONFIG GET: it must be named.
    pub is_hidden: bool,
    /// Never to be shown in a log, in the slow log or to MONITOR.
    pub is_sensitive: bool,
    /// Not to be changed while a data set is loading.
    pub is_denied_while_loading: bool,
    /// In a file, repeated directives add up instead of replacing each other.
    pub accumulates: bool,
    /// On the command line the name alone means `yes`.
    pub may_stand_alone: bool,
    /// Why a value other than the default has no effect yet.
    pub reserved: Option<&'static str>,
    /// The value of a reserved parameter that asks for nothing, beside its default.
    pub idle: Option<&'static str>,
    pub(super) check: fn(&Value) -> Result<(), &'static str>,
    pub(super) slot: Slot,
}

/// Ties a row to the field of [`Settings`] with this name.
macro_rules! field {
    ($field:ident) => {
        Slot::Field {
            get: |settings| Setting::value(&settings.$field),
            set: |settings, value| Setting::from_value(value).map(|field| settings.$field = field),
        }
    };
}
pub(super) use field;

impl Parameter {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        slot: Slot,
    ) -> Self {
        Self {
            name,
            alias: None,
            kind,
            default,
            mutability: Mutability::Mutable,
            apply: None,
            doc: "",
            is_hidden: false,
            is_sensitive: false,
            is_denied_while_loading: false,
            accumulates: false,
            may_stand_alone: false,
            reserved: if let Slot::Reserved(reason) = slot { Some(reason) } else { None },
            idle: None,
            check: |_| Ok(()),
            slot,
        }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    pub(super) const fn protected(mut self) -> Self {
        self.mutability = Mutability::Protected;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    pub(super) const fn sensitive(mut self) -> Self {
        self.is_sensitive = true;
        self
    }

    pub(super) const fn denied_while_loading(mut self) -> Self {
        self.is_denied_while_loading = true;
        self
    }

    pub(super) const fn accumulating(mut self) -> Self {
        self.accumulates = true;
        self
    }

    pub(super) const fn standing_alone(mut self) -> Self {
        self.may_stand_alone = true;
        self
    }

    /// For a parameter that has a field although nothing acts on it yet.
    pub(super) const fn reserved(mut self, reason: &'static str) -> Self {
        self.reserved = Some(reason);
        self
    }

    /// For a reserved parameter that can be switched off.
    pub(super) const fn idle_at(mut self, value: &'static str) -> Self {
        self.idle = Some(value);
        self
    }

    pub(super) const fn then(mut self, apply: Apply) -> Self {
        self.apply = Some(apply);
        self
    }

    pub(super) const fn check(mut self, check: fn(&Value) -> Result<(), &'static str>) -> Self {
        self.check = check;
        self
    }

    pub(super) const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// The value, as CONFIG GET prints it.
    pub fn get(&self, config: &Config) -> Vec<u8> {
        match &self.slot {
            Slot::Structured(list) => (list.get)(&config.settings),
            _ => self.kind.print(&self.value(config)),
        }
    }

    /// Changes the value, or explains in Redis's words why not; then nothing has changed.
    pub(super) fn set(&self, config: &mut Config, words: &[&[u8]]) -> Result<(), String> {
        if !self.kind.takes_many_words() && words.len() != 1 {
            return Err("wrong number of arguments".into());
        }
        if let Slot::Structured(list) = &self.slot {
            return (list.set)(&mut config.settings, words);
        }
        let value = self.kind.parse(words)?;
        (self.check)(&value)?;
        if let Slot::Field { set, .. } = self.slot {
            set(&mut config.settings, value).ok_or("argument is not valid UTF-8")?;
        } else if Ok(&value) == self.default_value().as_ref() {
            config.reserved.remove(self.name);
        } else {
            config.reserved.insert(self.name, value);
        }
        Ok(())
    }

    /// Gives the parameter its default.
    pub(super) fn reset(&self, config: &mut Config) -> Result<(), String> {
        let words: Vec<&[u8]> = match self.kind.takes_many_words() {
            true => self.default.split(' ').map(str::as_bytes).collect(),
            false => vec![self.default.as_bytes()],
        };
        self.set(config, &words)
    }

    /// The value of a parameter whose slot is not structured.
    pub(super) fn value(&self, config: &Config) -> Value {
        match self.slot {
            Slot::Field { get, .. } => get(&config.settings),
            _ => match config.reserved.get(self.name) {
                Some(value) => value.clone(),
                None => self.default_value().unwrap_or(Value::Number(0)),
            },
        }
    }

    fn default_value(&self) -> Result<Value, String> {
        let words: Vec<_> = self.default.split(' ').map(str::as_bytes).collect();
        self.kind.parse(if self.kind.takes_many_words() { &words } else { &words[..1] })
    }
}

/// A yes/no parameter.
pub(super) const fn switch(name: &'static str, default: &'static str, slot: Slot) -> Parameter {
    Parameter::new(name, Kind::Switch, default, slot)
}

/// A decimal integer with inclusive bounds.
pub(super) const fn integer(
    name: &'static str,
    minimum: i128,
    maximum: i128,
    default: &'static str,
    slot: Slot,
) -> Parameter {
    Parameter::new(name, Kind::Integer { minimum, maximum }, default, slot)
}

/// A number of bytes with inclusive bounds.
pub(super) const fn memory(
    name: &'static str,
    minimum: i128,
    maximum: i128,
    default: &'static str,
    slot: Slot,
) -> Parameter {
    Parameter::new(name, Kind::Memory { minimum, maximum }, default, slot)
}

/// One name out of a closed set, of a parameter with a field of type `C`.
pub(super) const fn choice<C: Choice>(
    name: &'static str,
    default: &'static str,
    slot: Slot,
) -> Parameter {
    Parameter::new(name, Kind::Choice(C::NAMES), default, slot)
}

/// One name out of a closed set, of a parameter without a field.
pub(super) const fn one_of(
    name: &'static str,
    names: &'static [&'static str],
    default: &'static str,
    slot: Slot,
) -> Parameter {
    Parameter::new(name, Kind::Choice(names), default, slot)
}

/// A text, which may be empty.
pub(super) const fn text(name: &'static str, default: &'static str, slot: Slot) -> Parameter {
    Parameter::new(name, Kind::Text { unset_when_empty: false, binary: false }, default, slot)
}

/// A text that is unset by default and when it is empty.
pub(super) const fn optional(name: &'static str, slot: Slot) -> Parameter {
    Parameter::new(name, Kind::Text { unset_when_empty: true, binary: false }, "", slot)
}

/// A secret of any bytes, unset by default and when it is empty.
pub(super) const fn secret(name: &'static str, slot: Slot) -> Parameter {
    Parameter::new(name, Kind::Text { unset_when_empty: true, binary: true }, "", slot).sensitive()
}

/// A list with several words.
pub(super) const fn list(name: &'static str, default: &'static str, list: Structured) -> Parameter {
    Parameter::new(name, Kind::List { many: true }, default, Slot::Structured(list))
}

/// A list, or another value with a grammar of its own, in one word.
pub(super) const fn word(name: &'static str, default: &'static str, list: Structured) -> Parameter {
    Parameter::new(name, Kind::List { many: false }, default, Slot::Structured(list))
}
