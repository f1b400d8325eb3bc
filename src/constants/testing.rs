//! Python in unit tests, on a VM without a standard library.

use crate::testing;
use rustpython_vm::Interpreter;

#[rustpython_vm::pymodule(name = "socket")]
mod constants_alone {
    use crate::constants::{self, enums};
    use crate::state;
    use rustpython_vm::builtins::PyModule;
    use rustpython_vm::{Py, PyResult, VirtualMachine};

    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        constants::install(module, vm)?;
        enums::install(module, vm)?;
        for (name, value) in enums::values(vm)? {
            module.set_attr(name, value, vm)?;
        }
        Ok(())
    }

    #[pyfunction]
    fn family_of(number: i32, vm: &VirtualMachine) -> PyResult {
        enums::address_family(&state::of(vm), number, vm)
    }

    #[pyfunction]
    fn type_of(number: i32, vm: &VirtualMachine) -> PyResult {
        enums::socket_kind(&state::of(vm), number, vm)
    }
}

/// Makes an interpreter in which `import socket` gives the constants and the enums.
pub(crate) fn interpreter() -> Interpreter {
    testing::interpreter(|ctx| vec![constants_alone::module_def(ctx)])
}

/// Runs Python in an interpreter of its own; panics with its traceback.
pub(crate) fn run(source: &str) {
    interpreter().enter(|vm| testing::execute(vm, source));
}
