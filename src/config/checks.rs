//! Conditions on single values that a parameter's kind cannot express. The texts are Redis's where
//! Redis has the condition.

use super::kind::Value;

/// The variables of `proc-title-template`, and whether each always has a value.
const TITLE_VARIABLES: &[(&str, bool)] = &[
    ("title", false),
    ("listen-addr", true),
    ("server-mode", false),
    ("port", true),
    ("tls-port", true),
    ("unixsocket", false),
    ("config-file", false),
];

/// The longest host name (RFC 1035 allows 253 bytes), and what Redis has room for.
const HOST_NAME_MAX: usize = 255;

pub(super) fn dump_file_name(value: &Value) -> Result<(), &'static str> {
    if is_file_name(value) { Ok(()) } else { Err("dbfilename can't be a path, just a filename") }
}

pub(super) fn append_file_name(value: &Value) -> Result<(), &'static str> {
    match is_file_name(value) {
        _ if is_empty(value) => Err("appendfilename can't be empty"),
        true => Ok(()),
        false => Err("appendfilename can't be a path, just a filename"),
    }
}

pub(super) fn append_directory_name(value: &Value) -> Result<(), &'static str> {
    match is_file_name(value) {
        _ if is_empty(value) => Err("appenddirname can't be empty"),
        true => Ok(()),
        false => Err("appenddirname can't be a path, just a dirname"),
    }
}

/// `save` is bit 1 and `nosave` bit 2 of the row's names.
pub(super) fn signal_flags(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::Number(bits) if bits & 3 == 3 => {
            Err("shutdown options SAVE and NOSAVE can't be used simultaneously")
        }
        _ => Ok(()),
    }
}

pub(super) fn announced_host_name(value: &Value) -> Result<(), &'static str> {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    match value {
        Value::Text(name) if name.len() > HOST_NAME_MAX => {
            Err("Hostnames must be less than 256 characters")
        }
        Value::Text(name) if !name.iter().all(is_legal) => {
            Err("Hostnames may only contain alphanumeric characters, hyphens or dots")
        }
        _ => Ok(()),
    }
}

pub(super) fn announced_node_name(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::Text(name) if name.iter().any(|byte| b"!#$%&()*+:;<>?@[]^{|}~".contains(byte)) => {
            Err("Announced human node name contained invalid character")
        }
        _ => Ok(()),
    }
}

/// A title made from the template must not be blank, whatever its variables are.
pub(super) fn title_template(value: &Value) -> Result<(), &'static str> {
    const PROBLEM: &str = "template format is invalid or contains unknown variables";
    let Value::Text(template) = value else { return Ok(()) };
    let mut rest = std::str::from_utf8(template).map_err(|_| PROBLEM)?;
    let mut shows_something = false;
    while let Some((before, after)) = rest.split_once('{') {
        shows_something |= !before.trim_matches(' ').is_empty();
        if let Some(after) = after.strip_prefix('{') {
            shows_something = true;
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').ok_or(PROBLEM)?;
        let variable = TITLE_VARIABLES.iter().find(|(known, _)| *known == name);
        shows_something |= variable.ok_or(PROBLEM)?.1;
        rest = after;
    }
    shows_something |= !rest.trim_matches(' ').is_empty();
    if shows_something { Ok(()) } else { Err(PROBLEM) }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.is_empty())
}

fn is_file_name(value: &Value) -> bool {
    matches!(value, Value::Text(text) if !text.contains(&b'/') && !text.contains(&b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_show_something() {
        let check = |template: &str| title_template(&Value::Text(template.into())).is_ok();
        assert!(check("{title} {listen-addr} {server-mode}"));
        assert!(check("shoal {{ {port}"));
        for template in ["", "  ", "{title}", "{port", "{nothing} x", "{"] {
            assert!(!check(template), "{template}");
        }
    }
}
