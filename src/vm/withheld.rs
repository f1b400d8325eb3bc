//! Withholds modules of the VM from an interpreter with a policy or a limit.
//!
//! **What RustPython 0.6 lacks:** a way to leave out modules of the VM. It adds all of
//! them to those that the host names (rustpython-vm `src/vm/interpreter.rs:99`); only a
//! definition with the same name replaces one. **To delete this file:** leave the
//! modules out once there is a way. **Tests:**
//! `no_script_reaches_the_subinterpreter_of_another_host` and
//! `each_module_of_the_vm_was_reviewed` in `tests/isolation.rs`.

use rustpython_vm::builtins::{PyModule, PyModuleDef, PyModuleSlots};
use rustpython_vm::common::static_cell;
use rustpython_vm::{Context, PyObject, PyRef, PyResult, VirtualMachine};

/// The first three modules take the number of any interpreter in the process, so that a
/// script could run code under the policy of another host, or under none. The last one
/// makes interpreters, too, and sets the versions by which the VM's caches tell classes
/// apart.
const NAMES: [&str; 4] = [
    "_interpreters",
    "_interpchannels",
    "_interpqueues",
    "_testinternalcapi",
];

/// Returns definitions with the names of those modules. Importing them raises
/// ImportError.
pub(crate) fn definitions(ctx: &Context) -> [&'static PyModuleDef; 4] {
    static_cell! {
        static DEFINITIONS: [PyModuleDef; 4];
    }
    let definition = |name| PyModuleDef {
        name: ctx.intern_str(name),
        doc: None,
        methods: &[],
        slots: PyModuleSlots {
            // A module that was made stays in `sys.modules` even if it cannot be executed, and
            // the next import finds it.
            create: Some(refuse),
            exec: None,
        },
    };
    let definitions: &'static [PyModuleDef; 4] = DEFINITIONS.get_or_init(|| NAMES.map(definition));
    definitions.each_ref()
}

fn refuse(
    vm: &VirtualMachine,
    _spec: &PyObject,
    definition: &'static PyModuleDef,
) -> PyResult<PyRef<PyModule>> {
    let name = definition.name;
    let text = format!("{name} is withheld: the host limits this interpreter");
    Err(vm.new_import_error(text, name.to_owned()))
}
