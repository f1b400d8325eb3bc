//! Modules of the VM that an interpreter with a policy or a limit does not get.
//!
//! **What RustPython 0.6 lacks:** a way to leave a module of its own out. It adds all of
//! them to whatever a host names (rustpython-vm `src/vm/interpreter.rs:99`); a definition
//! with the same name replaces one. **To delete this file:** leave them out by that way.

use rustpython_vm::builtins::{PyModule, PyModuleDef, PyModuleSlots};
use rustpython_vm::common::static_cell;
use rustpython_vm::{Context, Py, PyResult, VirtualMachine};

/// They name interpreters of the process by number, whoever made those: what runs
/// there is held to the policy of another host, or to none.
const NAMES: [&str; 3] = ["_interpreters", "_interpchannels", "_interpqueues"];

/// Definitions with the names of those modules, the import of which fails.
pub(crate) fn definitions(ctx: &Context) -> [&'static PyModuleDef; 3] {
    static_cell! {
        static DEFINITIONS: [PyModuleDef; 3];
    }
    let definition = |name| PyModuleDef {
        name: ctx.intern_str(name),
        doc: None,
        methods: &[],
        slots: PyModuleSlots {
            create: None,
            exec: Some(refuse),
        },
    };
    let definitions: &'static [PyModuleDef; 3] = DEFINITIONS.get_or_init(|| NAMES.map(definition));
    definitions.each_ref()
}

fn refuse(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
    let name = module.get_attr("__name__", vm)?.str(vm)?;
    let text = format!(
        "{} is withheld: the host limits this interpreter",
        name.as_wtf8()
    );
    Err(vm.new_import_error(text, name))
}
