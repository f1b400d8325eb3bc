//! Promises of the public interface that no other test would miss.

use rustpython_socket::rustpython_vm::{Interpreter, VirtualMachine};
use rustpython_socket::{
    Counters, Denied, Event, Handle, Limit, Operation, Policy, ResolveError, Resolver, SockAddr,
    SocketId, SocketInfo, SocketModule, Target,
};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

fn is_shared<T: Debug + Send + Sync>() {}
#[cfg(feature = "rules")]
fn is_compared<T: Clone + Debug + Eq + Send + Sync>() {}
fn is_value<T: Clone + Debug + Eq + Hash + Send + Sync>() {}
fn is_key<T: Copy + Debug + Eq + Hash + Send + Sync>() {}
fn is_error<T: Error + Eq + Send + Sync + 'static>() {}
fn is_printed<T: Display>() {}

/// Taking one of these away would break hosts, as `cargo semver-checks` tells.
#[test]
fn types_have_the_traits_that_hosts_count_on() {
    is_shared::<SocketModule>();
    is_shared::<Handle>();
    is_value::<SocketInfo>();
    is_value::<Event<'_>>();
    is_value::<Target<'_>>();
    is_value::<Counters>();
    is_key::<Operation>();
    is_key::<SocketId>();
    is_key::<Limit>();
    is_key::<ResolveError>();
    is_key::<SockAddr>();
    is_error::<Denied>();
    is_error::<ResolveError>();
    is_printed::<Limit>();
    is_printed::<Operation>();
    is_printed::<Target<'_>>();
    is_printed::<SockAddr>();
}

#[cfg(feature = "rules")]
#[test]
fn rules_have_the_traits_that_hosts_count_on() {
    use rustpython_socket::{AuditOnly, Rule, RuleError, Rules};
    is_compared::<Rules>();
    is_compared::<Rule>();
    is_error::<RuleError>();
    is_shared::<AuditOnly<Rules>>();
    is_printed::<Rules>();
    is_printed::<Rule>();
}

/// Asks the host's own policy and resolver through any pointer.
#[test]
fn policies_and_resolvers_may_be_shared() {
    struct Nobody;

    impl Policy for Nobody {
        fn check(&self, _: Operation, target: &Target<'_>) -> Result<(), Denied> {
            Err(Denied::new(format!("nobody may: {target}")))
        }
    }

    impl Resolver for Nobody {
        fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
            Err(ResolveError::Failed)
        }
    }

    let policy: Arc<dyn Policy> = Arc::new(Nobody);
    let resolver: Box<dyn Resolver> = Box::new(Nobody);
    let module = SocketModule::new().policy(policy).resolver(resolver);
    let handle = module.handle();
    let builder = Interpreter::builder(Default::default());
    let interpreter = module.register(builder).build();
    let script = "
import socket
try: socket.socket()
except PermissionError as e:
    assert str(e) == '[Errno 13] nobody may: socket of family 2, type 1, protocol 0', e
else: assert False
";
    interpreter.enter(|vm: &VirtualMachine| {
        let scope = vm.new_scope_with_builtins();
        assert!(vm.run_string(scope, script, "<test>").is_ok());
    });
    assert_eq!(handle.counters().refusals, 1);
}

#[test]
fn addresses_convert_from_the_standard_library() {
    let v4: SocketAddrV4 = "127.0.0.1:80".parse().unwrap();
    let v6: SocketAddrV6 = "[fe80::1%7]:443".parse().unwrap();
    for (address, standard) in [
        (SockAddr::from(v4), SocketAddr::from(v4)),
        (SockAddr::from(v6), SocketAddr::from(v6)),
    ] {
        assert_eq!(address, standard.into());
        assert_eq!(address.as_socket(), Some(standard));
        assert_eq!(address.to_string(), standard.to_string());
        assert_eq!(Target::address(standard).to_string(), standard.to_string());
    }
}
