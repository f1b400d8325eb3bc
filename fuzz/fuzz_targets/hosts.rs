#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rustpython_socket::fuzzing::hosts(data));
