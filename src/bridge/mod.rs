//! What the layers above need of the VM: exceptions, arguments, audit events, and
//! how a waiting call lets the VM go on.

pub(crate) mod args;
pub(crate) mod audit;
mod data;
pub(crate) mod errors;
pub(crate) mod host;
pub(crate) mod text;

pub(crate) use data::{Data, Room, WritableBuffer};
pub(crate) use host::{CallContext, blocking, call};
