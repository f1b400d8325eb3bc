//! Functions with which the standard library's `codeop` tells an incomplete statement
//! from a wrong one. Both prompts build on it.

use rustpython_vm::builtins::{PyBaseExceptionRef, PyStrRef};
use rustpython_vm::function::FuncArgs;
use rustpython_vm::{AsObject, PyResult, TryFromObject, VirtualMachine};

/// Teaches `codeop` what RustPython's parser does not report as incomplete: a
/// `try` block without its handler and a decorator without its function, which
/// are errors to it, and a clause on one line that another may follow.
pub fn complete(vm: &VirtualMachine) -> PyResult<()> {
    let codeop = vm.import("codeop", 0)?;
    let original = codeop.get_attr("_maybe_compile", vm)?;
    let maybe_compile = move |arguments: FuncArgs, vm: &VirtualMachine| {
        let source = arguments.args.get(1).cloned();
        let source = source.and_then(|source| PyStrRef::try_from_object(vm, source).ok());
        let source = source.map(|source| source.to_string_lossy().into_owned());
        let result = original.call(arguments, vm);
        let is_incomplete = match (&result, source) {
            (Err(error), Some(source)) => is_beginning(vm, error, &source),
            (Ok(_), Some(source)) => may_have_another_clause(&source),
            _ => false,
        };
        if is_incomplete {
            Ok(vm.ctx.none())
        } else {
            result
        }
    };
    let function = vm.new_function("_maybe_compile", maybe_compile);
    codeop.set_attr("_maybe_compile", function, vm)
}

/// Tells whether nothing but more lines can be missing from `source`.
fn is_beginning(vm: &VirtualMachine, error: &PyBaseExceptionRef, source: &str) -> bool {
    if !error.class().is(vm.ctx.exceptions.syntax_error) {
        return false;
    }
    let attribute = |name: &'static str| error.as_object().get_attr(name, vm);
    let position = |object| usize::try_from_object(vm, object);
    let (Ok(message), Ok(line), Ok(column)) = (
        attribute("msg").and_then(|message| PyStrRef::try_from_object(vm, message)),
        attribute("lineno").and_then(position),
        attribute("offset").and_then(position),
    ) else {
        return false;
    };
    let message = message.to_string_lossy();
    let lacks_handler = message.starts_with("expected 'except' or 'finally' block");
    let lacks_function = message.starts_with("expected class, function definition")
        && message.ends_with("after decorator");
    (lacks_handler || lacks_function) && is_blank_from(source, line, column)
}

/// Tells whether the last of several lines is a clause with its body, such as
/// `except E: pass`. Only a blank line says that no other follows.
fn may_have_another_clause(source: &str) -> bool {
    const CLAUSES: [&str; 11] = [
        "async", "class", "def", "elif", "else", "except", "finally", "for", "if", "while", "with",
    ];
    let Some((_, last)) = source.rsplit_once('\n') else {
        return false;
    };
    let word = last
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next();
    word.is_some_and(|word| CLAUSES.contains(&word)) && last.contains(':')
}

/// Tells whether only blanks and comments follow a position, both counted from one.
fn is_blank_from(source: &str, line: usize, column: usize) -> bool {
    let mut lines = source.lines().skip(line.saturating_sub(1));
    let rest: String = lines
        .next()
        .map(|line| line.chars().skip(column.saturating_sub(1)).collect())
        .unwrap_or_default();
    let is_blank = |line: &str| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    };
    is_blank(&rest) && lines.all(is_blank)
}

#[cfg(test)]
mod tests {
    use super::{is_blank_from, may_have_another_clause};

    #[test]
    fn blanks_and_comments_are_nothing() {
        assert!(is_blank_from("try:\n  f()", 2, 6));
        assert!(is_blank_from("@a # b\n\n  # c\n", 1, 3));
        assert!(is_blank_from("@a", 2, 1));
        assert!(!is_blank_from("@a\nx", 1, 3));
        assert!(!is_blank_from("try:\n  f()\nx", 3, 1));
    }

    #[test]
    fn a_clause_may_follow_another() {
        assert!(may_have_another_clause("try:\n  f()\nexcept E: pass"));
        assert!(may_have_another_clause("@a\ndef f(): pass"));
        assert!(!may_have_another_clause("@a\ndef f(): pass\n"));
        assert!(!may_have_another_clause("if x: pass"));
        assert!(!may_have_another_clause("x = (1,\n2)"));
    }
}
