//! A host with its own table of names: scripts resolve what is in it, offline, and nothing else.

use rustpython_socket::{ResolveError, Resolver, Rules, SocketModule};
use rustpython_vm::Interpreter;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

struct Table(HashMap<&'static str, IpAddr>);

impl Resolver for Table {
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        // As in DNS, case does not matter.
        let found = self.0.get(host.to_ascii_lowercase().as_str());
        found.map(|ip| vec![*ip]).ok_or(ResolveError::NotFound)
    }

    fn name(&self, address: IpAddr) -> Result<String, ResolveError> {
        let found = self.0.iter().find(|(_, known)| **known == address);
        let (name, _) = found.ok_or(ResolveError::NotFound)?;
        Ok((*name).to_owned())
    }
}

const SCRIPT: &str = "
import socket
said = []
with socket.create_connection(('db.internal', port)) as connection:
    said.append(f'db.internal is {connection.getpeername()[0]}')
said.append('127.0.0.1 is ' + socket.gethostbyaddr('127.0.0.1')[0])
try:
    socket.getaddrinfo('www.internal', 80)
except socket.gaierror as error:
    said.append(f'www.internal: {error.strerror}')
";

fn main() {
    let database = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = database.local_addr().expect("its address").port();
    let table = Table(HashMap::from([("db.internal", Ipv4Addr::LOCALHOST.into())]));
    // The names are open to scripts, the rest of the network is not. To find the name of an
    // address takes a rule for the address.
    let rules = Rules::deny_all()
        .allow("*.internal")
        .and_then(|rules| rules.allow("resolve=127.0.0.1"));
    let module = SocketModule::new()
        .resolver(table)
        .policy(rules.expect("two rules"));
    let builder = Interpreter::builder(Default::default());
    let interpreter = module.register(builder).build();
    interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let globals = scope.globals.clone();
        let number = vm.ctx.new_int(port).into();
        globals.set_item("port", number, vm).expect("a global");
        if let Err(exception) = vm.run_string(scope, SCRIPT, "<script>") {
            let mut text = String::new();
            let _ = vm.write_exception(&mut text, &exception);
            panic!("{text}");
        }
        let said = globals.get_item("said", vm).expect("a list");
        let said: Vec<String> = said.try_into_value(vm).expect("strings");
        println!("{}", said.join("\n"));
    });
    // Frees its memory, which dropping it would not. Before that, the VM flushes sys.stdout,
    // and without a standard library says on stderr that it cannot.
    interpreter
        .enter(|vm| vm.sys_module.set_attr("stdout", vm.ctx.none(), vm))
        .expect("a module takes attributes");
    interpreter.finalize(None);
}
