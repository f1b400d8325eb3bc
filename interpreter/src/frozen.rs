//! Lists of the frozen modules, of which the standard library consists here.

use rustpython_vm::{PyResult, VirtualMachine};

/// Run as a module of its own that nothing imports.
const SOURCE: &str = include_str!("frozen.py");

/// Lets `pkgutil` list the frozen modules, from which the prompt completes.
pub fn list(vm: &VirtualMachine) -> PyResult<()> {
    let scope = vm.new_scope_with_builtins();
    let name = vm.ctx.new_str("frozen");
    scope.globals.set_item("__name__", name.into(), vm)?;
    vm.run_string(scope, SOURCE, "<frozen>").map(drop)
}
