//! The VM's settings: the command line, then the `PYTHON*` variables.

use std::cmp::max;
use std::ffi::OsString;

use rustpython_vm::Settings;

use crate::options::Options;

/// Joins `options` with the variables that `lookup` finds, or says which of
/// them makes no sense.
pub fn settings(
    options: &Options,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Settings, String> {
    let variable = |name: &str| options.variable_in(&lookup, name);
    let is_set = |name: &str| variable(name).is_some();
    // A number counts as that many options, anything else as one.
    let count = |name: &str| variable(name).map_or(0, |value| value.parse().unwrap_or(1));

    let mut settings = Settings::default();
    settings.argv.clone_from(&options.argv);
    settings.isolated = options.isolated;
    settings.ignore_environment = !options.use_environment();
    settings.bytes_warning = options.bytes_warning.into();
    settings.import_site = !options.no_site;
    settings.quiet = options.quiet;
    settings.interactive = options.inspect;
    settings.inspect = options.inspect || is_set("PYTHONINSPECT");
    settings.optimize = max(options.optimize, count("PYTHONOPTIMIZE"));
    settings.verbose = max(options.verbose, count("PYTHONVERBOSE"));
    settings.debug = max(options.debug, count("PYTHONDEBUG"));
    settings.user_site_directory =
        !(options.isolated || options.no_user_site || is_set("PYTHONNOUSERSITE"));
    settings.write_bytecode = !(options.no_bytecode || is_set("PYTHONDONTWRITEBYTECODE"));
    settings.safe_path = options.isolated || options.safe_path || is_set("PYTHONSAFEPATH");
    settings.buffered_stdio = !(options.unbuffered || is_set("PYTHONUNBUFFERED"));
    settings.check_hash_pycs_mode = options.check_hash_pycs;
    settings.dev_mode = is_set("PYTHONDEVMODE");
    settings.faulthandler = is_set("PYTHONFAULTHANDLER");
    settings.warn_default_encoding = is_set("PYTHONWARNDEFAULTENCODING");
    settings.code_debug_ranges = !is_set("PYTHONNODEBUGRANGES");
    // RustPython knows no other encoding for names and streams well enough.
    settings.utf8_mode = 1;
    settings.path_list = variable("PYTHONPATH")
        .map(|paths| paths.split(':').map(str::to_owned).collect())
        .unwrap_or_default();

    // The variable of a setting with a value comes first: its option wins.
    for (name, option) in [
        ("PYTHONUTF8", "utf8"),
        ("PYTHONINTMAXSTRDIGITS", "int_max_str_digits"),
        ("PYTHON_CPU_COUNT", "cpu_count"),
        ("PYTHON_THREAD_INHERIT_CONTEXT", "thread_inherit_context"),
        ("PYTHON_CONTEXT_AWARE_WARNINGS", "context_aware_warnings"),
    ] {
        if let Some(value) = variable(name) {
            apply(&mut settings, option, Some(&value))
                .map_err(|expected| format!("{name} must be {expected}"))?;
        }
    }
    for (name, value) in &options.x_options {
        apply(&mut settings, name, value.as_deref())
            .map_err(|expected| format!("-X {name}: the value must be {expected}"))?;
    }
    settings.xoptions.clone_from(&options.x_options);

    if let Some(value) = variable("PYTHONIOENCODING") {
        let (encoding, errors) = value.split_once(':').unwrap_or((&value, ""));
        settings.stdio_encoding = (!encoding.is_empty()).then(|| encoding.to_owned());
        settings.stdio_errors = (!errors.is_empty()).then(|| errors.to_owned());
    }
    if let Some(seed) = variable("PYTHONHASHSEED")
        && seed != "random"
        && !options.random_hashes
    {
        settings.hash_seed = Some(seed.parse().map_err(|_| {
            "PYTHONHASHSEED must be \"random\" or an integer in range [0; 4294967295]".to_owned()
        })?);
    }

    // Each filter overrides those before it.
    let filters = &mut settings.warnoptions;
    if settings.dev_mode {
        filters.push("default".to_owned());
        settings.faulthandler = true;
    }
    if let Some(value) = variable("PYTHONWARNINGS") {
        let given = value.split(',').map(str::trim);
        filters.extend(given.filter(|filter| !filter.is_empty()).map(str::to_owned));
    }
    filters.extend_from_slice(&options.warnings);
    match options.bytes_warning {
        0 => {}
        1 => filters.push("default::BytesWarning".to_owned()),
        _ => filters.push("error::BytesWarning".to_owned()),
    }
    Ok(settings)
}

/// Applies one `-X` option; an error is what its value must be. One that means
/// nothing here is left alone, as CPython leaves it.
fn apply(settings: &mut Settings, name: &str, value: Option<&str>) -> Result<(), &'static str> {
    match name {
        "dev" => settings.dev_mode = true,
        "faulthandler" => settings.faulthandler = true,
        "warn_default_encoding" => settings.warn_default_encoding = true,
        "no_debug_ranges" => settings.code_debug_ranges = false,
        "utf8" => settings.utf8_mode = switch(value.or(Some("1")))?.into(),
        "thread_inherit_context" => settings.thread_inherit_context = switch(value)?,
        "context_aware_warnings" => settings.context_aware_warnings = switch(value)?,
        "int_max_str_digits" => {
            settings.int_max_str_digits = value
                .and_then(|value| value.parse().ok())
                .filter(|digits| *digits == 0 || *digits >= 640)
                .ok_or("0 or a number from 640")?;
        }
        "cpu_count" if value == Some("default") => settings.cpu_count = None,
        "cpu_count" => {
            let count = value
                .and_then(|value| value.parse().ok())
                .filter(|count: &std::num::NonZeroI32| count.is_positive())
                .ok_or("\"default\" or a number above 0")?;
            settings.cpu_count = Some(count);
        }
        _ => {}
    }
    Ok(())
}

fn switch(value: Option<&str>) -> Result<bool, &'static str> {
    match value {
        Some("0") => Ok(false),
        Some("1") => Ok(true),
        _ => Err("0 or 1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(options: &Options, variables: &[(&str, &str)]) -> Result<Settings, String> {
        settings(options, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_number_is_that_many_options() {
        let variables = [("PYTHONOPTIMIZE", "2"), ("PYTHONVERBOSE", "yes")];
        let settings = with(&Options::default(), &variables).unwrap();
        assert_eq!((settings.optimize, settings.verbose), (2, 1));
    }

    #[test]
    fn isolation_ignores_variables() {
        let options = Options {
            isolated: true,
            ..Options::default()
        };
        let settings = with(&options, &[("PYTHONPATH", "/x"), ("PYTHONUTF8", "z")]).unwrap();
        assert!(settings.path_list.is_empty() && settings.safe_path);
    }

    #[test]
    fn an_option_beats_its_variable() {
        let options = Options {
            x_options: vec![("int_max_str_digits".into(), Some("0".into()))],
            ..Options::default()
        };
        let settings = with(&options, &[("PYTHONINTMAXSTRDIGITS", "700")]).unwrap();
        assert_eq!(settings.int_max_str_digits, 0);
    }

    #[test]
    fn nonsense_names_its_source() {
        let message = with(&Options::default(), &[("PYTHON_CPU_COUNT", "0")]).err();
        assert!(message.unwrap().starts_with("PYTHON_CPU_COUNT must be"));
    }

    #[test]
    fn later_filters_win() {
        let options = Options {
            warnings: vec!["ignore".into()],
            bytes_warning: 2,
            ..Options::default()
        };
        let variables = [("PYTHONWARNINGS", "error, once"), ("PYTHONDEVMODE", "1")];
        let settings = with(&options, &variables).unwrap();
        assert_eq!(
            settings.warnoptions,
            ["default", "error", "once", "ignore", "error::BytesWarning"]
        );
    }
}
