//! Configure, then register.

use super::Handle;
use crate::bridge::{Runtime, state};
use crate::module;
use crate::policy::{Gate, Policy};
use rustpython_vm::InterpreterBuilder;
use std::sync::Arc;

/// The `socket` module of one interpreter, as its host wants it.
///
/// ```
/// use rustpython_socket::SocketModule;
/// use rustpython_vm::Interpreter;
///
/// let builder = Interpreter::builder(Default::default());
/// let interpreter = SocketModule::new().register(builder).build();
/// interpreter.enter(|vm| {
///     let scope = vm.new_scope_with_builtins();
///     vm.run_string(scope, "import socket; socket.socket().close()", "<script>").unwrap();
/// });
/// ```
#[derive(Default)]
#[must_use]
pub struct SocketModule {
    runtime: Runtime,
}

impl SocketModule {
    /// The module with nothing forbidden and nothing limited.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `policy` before scripts reach anything.
    ///
    /// ```
    /// use rustpython_socket::{Denied, Operation, Policy, SocketModule, Target};
    ///
    /// struct NoBinding;
    ///
    /// impl Policy for NoBinding {
    ///     fn check(&self, operation: Operation, _: &Target<'_>) -> Result<(), Denied> {
    ///         match operation {
    ///             Operation::Bind => Err(Denied("scripts may not listen".into())),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let module = SocketModule::new().policy(NoBinding);
    /// # drop(module);
    /// ```
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.runtime.gate = Gate::new(Arc::new(policy));
        self
    }

    /// What the host keeps: it interrupts calls that wait.
    pub fn handle(&self) -> Handle {
        Handle {
            control: self.runtime.control.clone(),
        }
    }

    /// Adds the module to an interpreter, as `socket` and as `_socket`.
    ///
    /// Call it after a standard library was added: of two native modules with
    /// one name the interpreter takes the later.
    #[must_use]
    pub fn register(self, builder: InterpreterBuilder) -> InterpreterBuilder {
        let definitions = module::definitions(&builder.ctx);
        let runtime = Arc::new(self.runtime);
        builder
            .add_native_modules(&definitions)
            .init_hook(move |vm| state::register(vm, runtime))
    }
}
