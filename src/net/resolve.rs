//! Name resolution that can time out and be interrupted.
