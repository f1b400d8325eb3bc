"""The real servers: how each is found, configured, started and ended.

Each runs as a child process in a temporary folder, on ports that the kernel chose
and on a unix socket in that folder, as an unprivileged user where the caller is root.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

# Where Debian keeps servers that are not on everybody's PATH.
PLACES = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
# Seconds to start or to end.
LIMIT = 60


def find(program):
    places = os.pathsep.join([os.environ.get("PATH", os.defpath)] + PLACES)
    return shutil.which(program, path=places)


def free_ports(count):
    """Ports nobody has; all are held until all are known, so no two are the same."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def unprivileged():
    """The user that servers run as, or None for the caller."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def become(user):
    if user is not None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def run_as_user(command, **options):
    user = unprivileged()
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          preexec_fn=lambda: become(user), **options)


class Server:
    """A server with its folder. A subclass says what is its own."""

    title = None      # in the table
    programs = ()     # what must be there
    debian = None     # the package that brings it
    ports = 1
    ending = signal.SIGTERM

    @classmethod
    def missing(cls):
        """Returns the reason why this server cannot run here, or None."""
        for program in cls.programs:
            if not cls.find(program):
                return "no %s (Debian: %s)" % (program, cls.debian)
        return None

    @classmethod
    def find(cls, program):
        return find(program)

    @classmethod
    def version(cls):
        return ""

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.title)
        os.makedirs(self.folder)
        self.port, *self.more_ports = free_ports(self.ports)
        self.unix = os.path.join(self.folder, "socket")
        self.process = None
        self.log_begins = 0
        self.certificate = self.key = None
        self.make_certificate()
        self.give_away()
        self.prepare()
        self.give_away()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def make_certificate(self):
        """One for localhost that signs itself, if there is openssl."""
        if not find("openssl"):
            return
        self.certificate, self.key = self.path("certificate.pem"), self.path("key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.key, "-out", self.certificate],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.chmod(self.key, 0o600)

    def give_away(self):
        user = unprivileged()
        if user is None:
            return
        for folder, folders, files in os.walk(self.folder):
            for name in [folder] + [os.path.join(folder, name) for name in files]:
                os.chown(name, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def prepare(self):
        """Prepares the first start."""

    def command(self):
        raise NotImplementedError

    def says(self):
        """Returns what the workload has to know of this server."""
        told = {"host": "127.0.0.1", "port": self.port, "unix": self.unix}
        if self.certificate:
            told.update(certificate=self.certificate, key=self.key)
        else:
            told["no_certificate"] = told["no_tls_port"] = "no openssl to make a certificate with"
        return told

    def ready(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def start(self):
        user = unprivileged()
        with open(self.path("log"), "ab") as log:
            self.log_begins = log.tell()
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=lambda: become(user))
        deadline = time.monotonic() + LIMIT
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended with status %d:\n%s" % (
                    self.title, self.process.returncode, self.log()[-2000:]))
            try:
                if self.ready():
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("%s does not answer:\n%s" % (self.title, self.log()[-2000:]))
            time.sleep(0.05)

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(self.ending)
            try:
                process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                pass
        # What is left of its session: workers that outlived their master.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def log(self):
        """Returns the server's output since its last start."""
        with open(self.path("log"), "rb") as file:
            file.seek(self.log_begins)
            return file.read().decode(errors="replace")


def first_version(program, *arguments):
    """The first word of the program's output that starts like a version."""
    answer = subprocess.run([program] + list(arguments), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for word in answer.stdout.decode(errors="replace").replace("/", " ").replace("=", " ").split():
        if word[0].isdigit() and "." in word:
            return word.split("-")[0]
    return ""


class Redis(Server):
    title = "redis-server"
    programs = ("redis-server",)
    debian = "redis-server"
    ports = 2

    @classmethod
    def version(cls):
        return first_version(find("redis-server"), "--version")

    def command(self):
        command = [find("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port),
                   "--unixsocket", self.unix, "--unixsocketperm", "777",
                   "--save", "", "--dir", self.folder]
        if self.certificate:
            command += ["--tls-port", str(self.more_ports[0]), "--tls-auth-clients", "no",
                        "--tls-cert-file", self.certificate, "--tls-key-file", self.key,
                        "--tls-ca-cert-file", self.certificate]
        return command

    def says(self):
        told = super().says()
        if self.certificate:
            told["tls_port"] = self.more_ports[0]
        return told


class PostgreSQL(Server):
    title = "postgresql"
    programs = ("postgres", "initdb")
    debian = "postgresql"
    # SIGTERM would wait for the clients.
    ending = signal.SIGINT
    password = "a secret"

    @classmethod
    def find(cls, program):
        """Debian keeps each version's programs apart; the newest has the word."""
        base = "/usr/lib/postgresql"
        versions = os.listdir(base) if os.path.isdir(base) else []
        for version in sorted(filter(str.isdigit, versions), key=int, reverse=True):
            path = os.path.join(base, version, "bin", program)
            if os.access(path, os.X_OK):
                return path
        return find(program)

    @classmethod
    def version(cls):
        return first_version(cls.find("postgres"), "--version")

    def prepare(self):
        run_as_user([self.find("initdb"), "--pgdata", self.path("data"), "--username", "tester",
                     "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
                     "--pwfile", self.write("password", self.password)], cwd=self.folder)

    def command(self):
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "fsync": "off",
                    "unix_socket_directories": self.folder, "max_connections": 60}
        if self.certificate:
            settings.update(ssl="on", ssl_cert_file=self.certificate, ssl_key_file=self.key)
        command = [self.find("postgres"), "-D", self.path("data")]
        for setting in settings.items():
            command += ["-c", "%s=%s" % setting]
        return command

    def says(self):
        told = dict(super().says(), user="tester", password=self.password,
                    unix=self.path(".s.PGSQL.%d" % self.port))
        if self.certificate:
            told["tls_port"] = self.port
        return told

    def ready(self):
        # It listens before it lets anybody in.
        return super().ready() and "ready to accept connections" in self.log()


class MariaDB(Server):
    title = "mariadb"
    programs = ("mariadbd", "mariadb-install-db")
    debian = "mariadb-server"
    password = "a secret"

    @classmethod
    def version(cls):
        return first_version(find("mariadbd"), "--no-defaults", "--version")

    def prepare(self):
        run_as_user([find("mariadb-install-db"), "--no-defaults", "--datadir=" + self.path("data"),
                     "--auth-root-authentication-method=normal", "--skip-test-db"], cwd=self.folder)
        self.write("setup.sql",
                   "create user tester@'%%' identified by '%s';\n"
                   "grant all on *.* to tester@'%%' with grant option;\n" % self.password)

    def command(self):
        command = [find("mariadbd"), "--no-defaults", "--datadir=" + self.path("data"),
                   "--bind-address=127.0.0.1", "--port=%d" % self.port, "--socket=" + self.unix,
                   "--pid-file=" + self.path("pid"), "--local-infile=1", "--skip-name-resolve",
                   "--character-set-server=utf8mb4", "--max-allowed-packet=64M",
                   "--innodb-flush-log-at-trx-commit=0"]
        if not os.path.exists(self.path("started")):
            command.append("--init-file=" + self.path("setup.sql"))
        if self.certificate:
            command += ["--ssl-cert=" + self.certificate, "--ssl-key=" + self.key]
        return command

    def start(self):
        super().start()
        self.write("started", "")

    def says(self):
        told = dict(super().says(), user="tester", password=self.password)
        if self.certificate:
            told["tls_port"] = self.port
        return told

    def ready(self):
        return super().ready() and "ready for connections" in self.log()


class Mosquitto(Server):
    title = "mosquitto"
    programs = ("mosquitto",)
    debian = "mosquitto"
    ports = 3

    @classmethod
    def version(cls):
        return first_version(find("mosquitto"), "-h")

    def prepare(self):
        lines = ["allow_anonymous true", "persistence true",
                 "persistence_location %s/" % self.folder, "autosave_on_changes true",
                 "autosave_interval 1", "listener %d 127.0.0.1" % self.port,
                 "listener %d 127.0.0.1" % self.more_ports[0], "protocol websockets",
                 "listener 0 %s" % self.unix]
        if self.certificate:
            lines += ["listener %d 127.0.0.1" % self.more_ports[1],
                      "certfile %s" % self.certificate, "keyfile %s" % self.key]
        self.write("mosquitto.conf", "\n".join(lines) + "\n")

    def command(self):
        return [find("mosquitto"), "-c", self.path("mosquitto.conf")]

    def says(self):
        told = dict(super().says(), websockets_port=self.more_ports[0])
        if self.certificate:
            told["tls_port"] = self.more_ports[1]
        return told


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 64m;
    keepalive_timeout 30;
    keepalive_requests 10000;
    server {{
        listen 127.0.0.1:{port};
        listen unix:{unix};
        {tls}
        root {folder}/files;
        location /redirect {{ return 302 /hello.txt; }}
        location /again {{ return 307 /echo; }}
        location /loop {{ return 302 /loop; }}
        location /status/404 {{ return 404 "not here"; }}
        location /status/503 {{ return 503 "not now"; }}
        location /cookie/set {{ add_header Set-Cookie "flavour=vanilla; Path=/"; return 200 "set"; }}
        location /cookie/show {{ return 200 "$http_cookie"; }}
        location /agent {{ return 200 "$http_user_agent"; }}
        location /connection {{ return 200 "$connection $connection_requests"; }}
        location /locked {{ auth_basic "here"; auth_basic_user_file {folder}/passwords; }}
        location /slow/ {{ limit_rate 20k; }}
        location /packed.txt {{ gzip on; gzip_types *; gzip_min_length 10; }}
        location /upload/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
        location /echo {{ proxy_pass http://127.0.0.1:{port}/hello.txt; proxy_method GET; }}
    }}
}}
"""


class Nginx(Server):
    title = "nginx"
    programs = ("nginx",)
    debian = "nginx-light"
    ports = 2
    ending = signal.SIGINT

    @classmethod
    def version(cls):
        return first_version(find("nginx"), "-v")

    def prepare(self):
        files = self.path("files")
        for folder in (files, self.path("files/slow"), self.path("files/upload"),
                       self.path("files/locked")):
            os.mkdir(folder)
        self.write("files/hello.txt", "hello, world\n")
        self.write("files/packed.txt", "the same line again\n" * 5000)
        self.write("files/locked/index.html", "you may\n")
        self.write("passwords", "user:{PLAIN}a secret\n")
        for name, size in (("big", 32 << 20), ("slow/file", 1 << 20)):
            with open(self.path("files/" + name), "wb") as file:
                for number in range(size >> 16):
                    file.write(number.to_bytes(4, "big") * (1 << 14))
        tls = ""
        if self.certificate:
            tls = "listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;" % (
                self.more_ports[0], self.certificate, self.key)
        self.write("nginx.conf", NGINX.format(folder=self.folder, port=self.port,
                                              unix=self.unix, tls=tls))

    def command(self):
        return [find("nginx"), "-p", self.folder, "-e", "stderr", "-c", self.path("nginx.conf")]

    def start(self):
        # It does not remove the path of a server that was killed.
        if os.path.exists(self.unix):
            os.unlink(self.unix)
        super().start()

    def says(self):
        told = super().says()
        if self.certificate:
            told["tls_port"] = self.more_ports[0]
        return told


class Tinyproxy(Server):
    title = "tinyproxy"
    programs = ("tinyproxy",)
    debian = "tinyproxy"

    @classmethod
    def version(cls):
        return first_version(find("tinyproxy"), "-v")

    def prepare(self):
        self.write("tinyproxy.conf", "Port %d\nListen 127.0.0.1\nTimeout 60\nViaProxyName \"proxy\"\n"
                   % self.port)

    def command(self):
        return [find("tinyproxy"), "-d", "-c", self.path("tinyproxy.conf")]
