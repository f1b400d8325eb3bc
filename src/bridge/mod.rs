//! Access to the VM for the layers above: exceptions, arguments, audit events, and
//! detaching the thread while a call waits.

pub(crate) mod args;
pub(crate) mod audit;
pub(crate) mod context;
mod data;
pub(crate) mod errors;
pub(crate) mod text;

pub(crate) use context::{CallContext, blocking, call};
pub(crate) use data::{Data, Room, WritableBuffer};
